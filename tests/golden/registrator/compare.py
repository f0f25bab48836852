#!/usr/bin/env python3
"""Compares the expected files here with a second implementation of Registrator's rules.

The second one follows Registrator 7.4.0 step by step, with its data structures, faults included; only
what it left to chance is settled: of several bindings of a port one on every address comes first, of
several networks the bridge, then the one of the network mode, then the first by name.

Where the two differ, the recording must be in DIFFERENT, and what is listed there must differ: whoever
changes the expected files has to say why.
"""
import glob
import json
import os
import posixpath
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROTOCOLS = ["tcp", "udp", "sctp"]
HOSTNAME, RESOLVED, FORCED = "hostname", "192.168.1.102", "10.9.8.7"

# The command lines of test_registrator_golden.c.
SETS = {
    "default.txt": {},
    "internal.txt": {"internal": True},
    "ip.txt": {"ip": FORCED, "label": "inet"},
    "other.txt": {"internal": True, "explicit": True, "tags": "x,y", "ip": FORCED, "label": "inet"},
}

# A container's address with a host's port: nobody could connect to that.
PAIRED = {"user-network", "two-networks", "dual-stack", "front", "front-local", "several"}
# The container whose network is shared has an address, though not on the default bridge.
SHARED = {"shared-network", "shared-front"}
# In no network any more.
LEFT = {"left", "left-bridge"}
# Bound to "::", which is no address to connect to.
UNSPECIFIED = {"v6"}
DIFFERENT = {
    "default.txt": PAIRED | SHARED | LEFT | UNSPECIFIED,
    "internal.txt": SHARED | LEFT,
    "ip.txt": SHARED | LEFT,
    "other.txt": set(),
}


def split_tags(text):
    items, item = [], ""
    for char in text:
        if char != ",":
            item += char
        elif item.endswith("\\"):
            item = item[:-1] + ","
        else:
            items.append(item)
            item = ""
    items.append(item)
    return [item for item in reversed(items) if item]


def metadata(config, port):
    """The keys that count for a port, and which of them were given to it."""
    entries = list(config.get("Env") or [])
    entries += ["%s=%s" % kv for kv in sorted((config.get("Labels") or {}).items())]
    values, from_port = {}, set()
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals or not name.startswith("SERVICE_"):
            continue
        key = name[len("SERVICE_"):].lower()
        if key in from_port:
            continue
        head, underscore, tail = key.partition("_")
        if not underscore or not re.fullmatch(r"[+-]?[0-9]+", head):
            values[key] = value
        elif head == port:
            values[tail] = value
            from_port.add(tail)
    return values, from_port


def exposed_address(settings, mode):
    networks = settings.get("Networks") or {}
    for name in ["bridge", mode] + sorted(networks):
        address = (networks.get(name) or {}).get("IPAddress")
        if address:
            return address
    return ""


def port_records(inspect, options):
    """(port, protocol, address and port on the host, address of the container), in order."""
    settings, mode = inspect["NetworkSettings"], inspect["HostConfig"]["NetworkMode"]
    bindings = {}
    for key in inspect["Config"].get("ExposedPorts") or {}:
        bindings[key] = [{"HostIp": "0.0.0.0", "HostPort": key.split("/")[0]}]
    for key, bound in (settings.get("Ports") or {}).items():
        bindings[key] = bound or []
    records = []
    for key, bound in bindings.items():
        port, _, proto = key.partition("/")
        bound = sorted(bound, key=lambda b: (b["HostIp"] not in ("", "0.0.0.0", "::"),
                                             int(b["HostPort"])))
        first = bound[0] if bound else {"HostIp": "", "HostPort": ""}
        host_ip = first["HostIp"] or "0.0.0.0"
        if mode not in ("bridge", "default", "host"):
            host_ip = ((settings.get("Networks") or {}).get(mode) or {}).get("IPAddress", "")
        records.append((port, proto or "tcp", host_ip, first["HostPort"],
                        exposed_address(settings, mode)))
    if not options.get("internal"):
        records = [r for r in records if r[3]]
    return sorted(records, key=lambda r: (int(r[0]), PROTOCOLS.index(r[1])))


def service_of(inspect, everyone, options, record, is_group):
    port, proto, host_ip, host_port, exposed_ip = record
    config, mode = inspect["Config"], inspect["HostConfig"]["NetworkMode"]
    if host_ip == "0.0.0.0":
        host_ip = RESOLVED
    host_ip = options.get("ip") or host_ip
    values, from_port = metadata(config, port)
    name = values.get("name", "")
    if values.get("ignore") or (not name and options.get("explicit")):
        return None
    name = name or posixpath.basename(config["Image"]).split(":")[0]
    if is_group and "name" not in from_port:
        name += "-" + port
    address, at = (exposed_ip, port) if options.get("internal") else (host_ip, host_port)
    label = (config.get("Labels") or {}).get(options.get("label", ""))
    if label:
        address = label.rsplit("/", 1)[0]
    if mode.startswith("container:"):
        other = everyone[mode[len("container:"):]]
        address = ((other["NetworkSettings"].get("Networks") or {}).get("bridge") or {}).get(
            "IPAddress", "")
    udp = proto == "udp"
    tags = split_tags(values.get("tags", "")) + split_tags(options.get("tags", ""))
    tags += ["udp"] if udp else []
    service_id = values.get("id") or "%s:%s:%s%s" % (
        HOSTNAME, inspect["Name"].lstrip("/"), port, ":udp" if udp else "")
    attrs = sorted((k, v) for k, v in values.items() if k not in ("id", "tags", "name"))
    line = "%s %s %s:%s" % (name, service_id, "[%s]" % address if ":" in address else address, at)
    return line + "".join(" <%s>" % t for t in tags) + "".join(" %s=%s" % kv for kv in attrs)


def services_of(inspect, everyone, options):
    state = inspect["State"]
    if not state["Running"] or state.get("Restarting"):
        return []
    records = port_records(inspect, options)
    services = [service_of(inspect, everyone, options, r, len(records) > 1) for r in records]
    return [s for s in services if s]


def read_expected(path):
    """File name → the services in it. Registrator knew no status."""
    expected, current = {}, None
    with open(path, encoding="utf-8") as f:
        for line in f.read().splitlines():
            if line.startswith("== "):
                current = expected.setdefault(line[3:], [])
            elif re.match(r"\d+/", line) and " = " in line:
                current.append(line.split(" = ", 1)[1].replace(" critical", ""))
    return expected


def read_recordings(engine):
    recordings = {}
    for folder in ("docker", "registrator"):
        for path in glob.glob(os.path.join(HERE, "..", folder, engine, "inspect-*.json")):
            with open(path, encoding="utf-8") as f:
                body = json.load(f)
            recordings[os.path.basename(path)] = body[0] if isinstance(body, list) else body
    return recordings


def main():
    compared, faults, seen = 0, 0, {name: set() for name in SETS}
    for engine in sorted(e.name for e in os.scandir(HERE) if e.is_dir()):
        recordings = read_recordings(engine)
        everyone = {r["Id"]: r for r in recordings.values()}
        for file, options in SETS.items():
            expected = read_expected(os.path.join(HERE, engine, file))
            if set(expected) != set(recordings):
                print("%s/%s: not the recordings: %s" % (engine, file,
                                                         sorted(set(expected) ^ set(recordings))))
                faults += 1
            for name in sorted(set(expected) & set(recordings)):
                compared += 1
                want = services_of(recordings[name], everyone, options)
                short = name[len("inspect-"):-len(".json")]
                if want == expected[name]:
                    continue
                seen[file].add(short)
                if short not in DIFFERENT[file]:
                    faults += 1
                    print("%s/%s, %s\n  Registrator: %s\n  expected:    %s" %
                          (engine, file, name, want, expected[name]))
    for file, names in DIFFERENT.items():
        for short in sorted(names - seen[file]):
            faults += 1
            print("%s, %s: no longer different" % (file, short))
    print("%d pairs compared, %d faults" % (compared, faults))
    return 1 if faults or compared < 300 else 0


if __name__ == "__main__":
    sys.exit(main())
