"""SkyDNS' layout in a real etcd: what CoreDNS would read there, and what render and ls make of it."""
import ipaddress
import json
import re

import pytest

from rig.nginx import parse_upstreams
from rig.wait import until, until_equal

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
# The members of msg.Service in CoreDNS' plugin etcd, and the Go types that its decoder insists on.
MEMBERS = {"host": str, "port": int, "priority": int, "weight": int, "text": str, "mail": bool,
           "ttl": int, "targetstrip": int, "group": str}


class Zone:
    """The records of one test below a domain of its own, as CoreDNS reads them: all, or an error."""

    def __init__(self, etcd, test_id):
        self.etcd = etcd
        self.node = test_id
        self.domain = f"{test_id}.svc.local"
        self.prefix = f"/skydns/local/svc/{test_id}"
        self.uri = f"skydns://{etcd.address}/{self.domain}"

    def keys(self):
        return self.etcd.keys(self.prefix + "/")

    def lookup(self, name=""):
        """{label of the id: value} of all below name.DOMAIN, as an SRV or A question reads them."""
        path = "/".join([self.prefix, *reversed(name.split("."))]) if name else self.prefix
        found = {}
        for key, kv in self.etcd.keys(path + "/").items():
            labels = key[len("/skydns/"):].split("/")
            assert all(LABEL.fullmatch(label) for label in labels), key
            assert len(".".join(labels)) <= 253, key
            value = json.loads(kv.value)
            for member, content in value.items():
                assert type(content) is MEMBERS[member], (key, value)  # bool is no int in Go
            try:
                ipaddress.ip_address(value["host"])
            except ValueError:
                assert HOST.fullmatch(value["host"]), (key, value)
            assert 0 < value["port"] < 65536 and 0 <= value.get("ttl", 0) < 2 ** 32, (key, value)
            assert 0 <= value.get("priority", 0) < 65536, (key, value)
            found[labels[-1]] = value
        return found

    def agents(self):
        return self.etcd.keys(f"/.tidewaiter/agents{self.prefix}/")


@pytest.fixture
def zone(shared_etcd, test_id):
    return Zone(shared_etcd, test_id)


def test_records(tw, containers, zone):
    tw.agent(zone.uri)
    web = containers.run("web")
    odd = containers.run("Odd_one.x", labels={
        "SERVICE_NAME": "My_App.v2", "SERVICE_PRIORITY": "7", "SERVICE_WEIGHT": "20",
        "SERVICE_TAGS": "caf\u00e9,\"quoted\"", "SERVICE_REGION": "eu"})
    udp = containers.run("dns", ports=("53/udp",), labels={"SERVICE_NAME": "resolver"})
    until(lambda: len(zone.keys()) == 3, lambda: zone.keys())

    label = f"{zone.node}-{web}-80"
    assert zone.lookup("sample") == {
        label: {"host": "127.0.0.1", "port": containers.host_port(web), "ttl": 5}}
    ((odd_label, value),) = zone.lookup("my-app.v2").items()
    assert re.fullmatch(f"{zone.node}-{zone.node}-odd-one-x-80-[0-9a-f]{{8}}", odd_label), odd_label
    assert value == {"host": "127.0.0.1", "port": containers.host_port(odd), "priority": 7,
                     "weight": 20, "ttl": 5}
    assert set(zone.lookup("v2")) == {odd_label}
    assert set(zone.lookup("resolver")) == {f"{zone.node}-{udp}-53-udp"}
    assert len(zone.lookup()) == 3  # the whole zone decodes
    # Nothing of the agent itself is in the zone, and everything is on its one lease.
    (agent,) = zone.agents().values()
    assert agent.lease and {k.lease for k in zone.keys().values()} == {agent.lease}

    containers.docker.stop(web)
    until(lambda: not zone.lookup("sample"), lambda: zone.keys())


def test_bad_priority_is_named_and_left_out(tw, containers, zone):
    agent = tw.agent(zone.uri)
    web = containers.run("web", labels={"SERVICE_PRIORITY": "high"})
    until(zone.keys, "registered")
    (value,) = zone.lookup("sample").values()
    assert value == {"host": "127.0.0.1", "port": containers.host_port(web), "ttl": 5}
    agent.wait_err(r'SERVICE_PRIORITY is \\"high\\", not a number from 0 to 65535')


def test_zone_records_are_refused(tw, containers, zone):
    agent = tw.agent(zone.uri)
    containers.run("ns", labels={"SERVICE_NAME": "ns.dns"})
    containers.run("web")
    until(lambda: zone.lookup("sample"), "the other is registered")
    agent.wait_err("CoreDNS keeps dns/ns and dns/apex for the zone itself")
    assert len(zone.keys()) == 1


def test_ls_and_render(tw, containers, zone, tmp_path):
    tw.agent(zone.uri)
    web = containers.run("web", labels={"SERVICE_WEIGHT": "3"})
    until(zone.keys, "registered")
    port = containers.host_port(web)
    # What others keep in a zone is passed over, and named.
    zone.etcd.put(f"{zone.prefix}/x1", '{"host":"10.0.0.1"}')
    zone.etcd.put(f"{zone.prefix}/dns/ns/a", '{"host":"10.0.0.1"}')
    zone.etcd.put(f"{zone.prefix}/sample/text", '{"text":"hello"}')
    done = tw.run("ls", "--json", zone.uri)
    (service,) = json.loads(done.stdout)
    assert service["id"] == f"{zone.node}-{web}-80" and service["name"] == "sample"
    assert (service["host"], service["port"], service["weight"]) == ("127.0.0.1", port, 3)
    for reason in ("a record of the zone itself", "a text record, without a host"):
        assert reason in done.stderr, done.stderr

    out = tmp_path / "up.conf"
    tw.render(zone.uri, "-o", out, "--wait", "0")
    def servers():
        return parse_upstreams(out.read_text()).get("sample") if out.exists() else None
    until_equal(servers, [f"127.0.0.1:{port} weight=3"])
    other = containers.run("other")
    until(lambda: f"127.0.0.1:{containers.host_port(other)}" in servers(), servers)
    containers.docker.stop(web)
    until_equal(servers, [f"127.0.0.1:{containers.host_port(other)}"])


def test_killed_agent_leaves_nothing(tw, containers, zone):
    agent = tw.agent(zone.uri)
    containers.run("web")
    until(zone.keys, "registered")
    agent.kill()
    until(lambda: not zone.keys() and not zone.agents(), "gone with the lease", 30)


def test_restarted_agent_writes_nothing(tw, containers, zone):
    agent = tw.agent(zone.uri)
    containers.run("web")
    until(zone.keys, "registered")
    before = zone.keys()
    agent.kill()
    (instance,) = (k.value for k in zone.agents().values())
    tw.agent(zone.uri)
    until(lambda: [k.value for k in zone.agents().values()] not in ([], [instance]), "taken over")
    containers.run("late")
    until(lambda: len(zone.keys()) == 2, "the new agent writes")
    assert before.items() <= zone.keys().items()


def test_agents_record_deleted(tw, containers, zone):
    agent = tw.agent(zone.uri)
    containers.run("web")
    until(zone.keys, "registered")
    (record,) = zone.agents()
    zone.etcd.delete(record)
    until(zone.agents, "the agent's record is back")
    assert agent.alive() and len(zone.keys()) == 1
