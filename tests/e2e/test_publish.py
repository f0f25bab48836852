"""Publishing to a real nginx through every fault that can meet it: after each the file is valid, nginx
serves, and the final state is reached without a hand."""
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from rig.backends import Backend
from rig.nginx import parse_upstreams
from rig.tidewaiter import clean_environment
from rig.wait import until, until_equal

pytestmark = pytest.mark.slow  # they wait more than they work, so they run beside the others


@pytest.fixture
def backends():
    """Makes servers that say their address; they end with the test."""
    made = []

    def make(kind="http", n=1):
        more = [Backend(kind) for _ in range(n)]
        made.extend(more)
        return more
    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def nginx(make_nginx):
    """Serves from a file that need not be there yet."""
    made = make_nginx(service=None)
    made.start()
    return made


def put(records, service, backend, **fields):
    """A record as another agent would write it; returns its key."""
    port = fields.pop("port", getattr(backend, "port", None))
    identity = f"n:{getattr(backend, 'port', backend)}:{port}"
    record = {"host": "127.0.0.1", "port": port, "name": service, "id": identity, "node": "n",
              "container": "c0ffee", "proto": "tcp", "tags": [], "attrs": {}, "status": "passing", **fields}
    key = f"{records.prefix}/{service}/{identity}"
    records.etcd.put(key, json.dumps(record))
    return key


def options(nginx, *more):
    return ["-o", nginx.upstreams, "--nginx", f"local:{nginx.conf}", "--wait", "0", *more]


def addresses(backends):
    return [backend.address for backend in backends]


def assert_valid(nginx):
    subprocess.run(["nginx", "-t", "-q", "-c", nginx.conf], check=True, stderr=subprocess.DEVNULL)


def clean(folder):
    """No file of the publisher's own is left beside the output but its locks."""
    return not [name for name in os.listdir(folder) if ".tw-" in name and not name.endswith(".tw-lock")]


def state(renderer):
    """What USR1 puts into the log."""
    before = renderer.err().count("msg=state")
    renderer.signal(signal.SIGUSR1)
    until(lambda: renderer.err().count("msg=state") > before, "the state in the log")
    line = [line for line in renderer.err().splitlines() if "msg=state" in line][-1]
    text = line[line.index("state=") + len("state="):]
    return json.loads(json.loads(text) if text.startswith('"') else text)


# ---- labels that would break nginx ----

HOSTILE = [
    {"attrs": {"fail_timeout": "10s; } evil { x"}},
    {"attrs": {"fail_timeout": "10s\nserver 10.6.6.6:80"}},
    {"attrs": {"nginx_balance": "least_conn; include /etc/passwd"}},
    {"attrs": {"nginx_balance": "}"}},
    {"attrs": {"nginx_zone": "x" * 5000}},
    {"attrs": {"max_conns": "9" * 5000}},
    {"attrs": {"weight": "-1"}},
    {"weight": -1},
    {"port": 0},
    {"host": "10.0.0.1;\n}"},
    {"host": "h" * 5000},
    {"name": "we;b"},
    {"name": "web}\nserver { listen 81; }"},
    {"name": "w" * 5000},
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_records(tw, records, nginx, backends, number):
    good = backends(n=2)
    for backend in good:
        put(records, "web", backend)
    renderer = tw.render(records.uri, *options(nginx))
    nginx.serves("web", addresses(good))
    bad, late = backends(n=2)
    fields = dict(HOSTILE[number])
    put(records, fields.pop("name", "web"), bad, **fields)
    put(records, "late", late)
    nginx.serves("late", [late.address])
    # the record is left out, or only its value
    served = nginx.servers("web")
    assert {s.split()[0] for s in served} >= set(addresses(good)), served
    text = nginx.upstreams.read_text()
    assert "evil" not in text and "10.6.6.6" not in text and "passwd" not in text
    assert max(map(len, text.splitlines())) < 200
    renderer.wait_err("level=warn")
    assert_valid(nginx)


def test_labels_of_real_containers(tw, records, containers, make_nginx):
    nginx = make_nginx(service=None)
    nginx.start()
    tw.agent(records.uri)
    tw.render(records.uri, *options(nginx))
    containers.run("good", labels={"SERVICE_NAME": "web"})
    for n, (key, value) in enumerate([("SERVICE_FAIL_TIMEOUT", "1;\n}"), ("SERVICE_WEIGHT", "-1"),
                                      ("SERVICE_NGINX_BALANCE", "x" * 5000), ("SERVICE_NAME", "a;b}")]):
        containers.run(f"bad{n}", labels={"SERVICE_NAME": "web", key: value})
    until(lambda: len(nginx.servers("web")) == 4, lambda: f"4 servers: {nginx.upstreams.read_text()}")
    until(lambda: nginx.get("/up/web/name")[0] == 200, "web answers")
    assert_valid(nginx)


# ---- what nginx refuses ----

def test_upstream_that_the_operator_defines_too(tw, records, make_nginx, backends):
    own, ours, api = backends(n=3)
    nginx = make_nginx(service=None, http=f"upstream web {{ server {own.address}; }}")
    nginx.start()
    put(records, "web", ours)
    put(records, "api", api)
    renderer = tw.render(records.uri, *options(nginx))
    nginx.serves("api", [api.address])
    nginx.serves("web", [own.address])
    renderer.wait_err('level=warn .*nginx refused a part of the file.* service=web .*duplicate upstream')
    assert "container=c0ffee" in renderer.err()
    assert "web" not in parse_upstreams(nginx.upstreams.read_text())
    assert state(renderer)["refused_by_nginx"] == 1
    assert_valid(nginx)
    # the operator's goes, and the next word about web brings ours
    nginx.conf.write_text(nginx.conf.read_text().replace(f"upstream web {{ server {own.address}; }}", ""))
    put(records, "web", ours, tags=["new"], attrs={"max_fails": "2"})
    nginx.serves("web", [ours.address])


def test_more_refusals_than_one_pass_looks_for(tw, records, make_nginx, backends):
    """Seventy upstreams that the operator defines too: what was found so far is kept."""
    own, api = backends(n=2)
    blocks = " ".join(f"upstream d{n} {{ server {own.address}; }}" for n in range(70))
    nginx = make_nginx(service=None, http=blocks)
    nginx.start()
    for n in range(70):
        put(records, f"d{n}", api)
    put(records, "api", api)
    renderer = tw.render(records.uri, *options(nginx))
    nginx.serves("api", [api.address], timeout=60)
    assert "going on soon" in renderer.err()
    assert list(parse_upstreams(nginx.upstreams.read_text())) == ["api"]


def test_strict_keeps_the_old_file(tw, records, make_nginx, backends):
    own, ours, api = backends(n=3)
    nginx = make_nginx(service=None, http=f"upstream web {{ server {own.address}; }}")
    nginx.start()
    put(records, "api", api)
    renderer = tw.render(records.uri, *options(nginx, "--strict"))
    nginx.serves("api", [api.address])
    key = put(records, "web", ours)
    renderer.wait_err("check failed.*duplicate upstream")
    before = nginx.upstreams.stat()
    put(records, "api2", api)
    until(lambda: renderer.err().count("check failed") >= 2, "rejected again")
    after = nginx.upstreams.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    records.etcd.delete(key)
    nginx.serves("api2", [api.address])


def test_check_that_fails_then_passes(tw, records, nginx, backends, tmp_path):
    gate = tmp_path / "gate"
    one, two = backends(n=2)
    gate.touch()
    put(records, "web", one)
    renderer = tw.render(records.uri, *options(
        nginx, "--check", f"test -e {gate} && nginx -t -q -c {nginx.conf}"))
    nginx.serves("web", [one.address])
    gate.unlink()
    put(records, "web", two)
    renderer.wait_err("check failed")
    assert nginx.servers("web") == [one.address]
    gate.touch()
    put(records, "other", two)  # the next change is checked again
    nginx.serves("web", addresses([one, two]))
    until(lambda: clean(nginx.folder), "settled")


def test_a_check_cannot_change_what_it_judges(tw, records, tmp_path, backends):
    (one,) = backends()
    put(records, "web", one)
    out = tmp_path / "up.conf"
    done = tw.run("render", "--once", "-o", out, "--check", f"echo junk >{out}", records.uri, status=1)
    assert "Read-only" in done.stderr and not out.exists(), done.stderr


# ---- reloads ----

def test_reload_that_fails_three_times(tw, records, nginx, backends, tmp_path):
    tries = tmp_path / "tries"
    one, two = backends(n=2)
    put(records, "web", one)
    renderer = tw.render(records.uri, *options(
        nginx, "--reload", f"echo x >>{tries}; test $(wc -l <{tries}) -gt 3 && {nginx.reload}"))
    nginx.serves("web", [one.address])
    assert tries.read_text().count("x") == 4
    renderer.wait_err("reload succeeded")  # nginx serves before that is confirmed
    assert renderer.err().count("reload failed") == 1
    put(records, "web", two)
    nginx.serves("web", addresses([one, two]))
    until(lambda: clean(nginx.folder), "nothing is left")


def test_nginx_stopped_during_a_reload(tw, records, nginx, backends):
    one, two = backends(n=2)
    put(records, "web", one)
    renderer = tw.render(records.uri, *options(nginx))
    nginx.serves("web", [one.address])
    until(lambda: clean(nginx.folder), "settled")
    os.kill(nginx.process.pid, signal.SIGSTOP)  # the HUP comes, and nothing happens
    put(records, "web", two)
    until_equal(lambda: nginx.servers("web"), sorted(addresses([one, two])))
    nginx.kill()
    renderer.wait_err("reload failed")
    owed = state(renderer)["outputs"][0]
    assert owed["reload_owed"] and owed["owed_since"] and owed["owed_why"], owed
    nginx.start()
    nginx.serves("web", addresses([one, two]))
    until(lambda: clean(nginx.folder), "the reload is not owed any more")
    assert not state(renderer)["reload_owed"]


def test_a_foreign_proc_is_not_believed(tw, records, nginx, backends):
    """A process namespace of its own, and the /proc of another: its numbers are those of strangers."""
    (one,) = backends()
    put(records, "web", one)
    renderer = tw.start("render", *options(nginx), records.uri,
                        prefix=("unshare", "--pid", "--fork", "--kill-child"))
    renderer.wait_err("reload failed.*another process namespace")
    assert nginx.reloads() == 0
    assert state_file(nginx).exists()
    renderer.kill()  # unshare hands no TERM on


def state_file(nginx):
    return nginx.folder / f".{nginx.upstreams.name}.tw-state"


def test_reload_that_nginx_refuses(tw, records, nginx, backends):
    """nginx -t takes a port that is in use, the reload does not."""
    one, two, three = backends(n=3)
    put(records, "web", one)
    renderer = tw.render(records.uri, *options(nginx))
    nginx.serves("web", [one.address])
    good = nginx.conf.read_text()
    nginx.conf.write_text(good.replace("    server {", f"    server {{\n        listen 127.0.0.1:{two.port};", 1))
    put(records, "web", two)
    renderer.wait_err("nginx refused the reload.*Address already in use", timeout=40)
    until_equal(lambda: nginx.servers("web"), [one.address])
    nginx.serves("web", [one.address])
    assert clean(nginx.folder)
    nginx.conf.write_text(good)
    put(records, "web", three)
    nginx.serves("web", addresses([one, two, three]))


def test_killed_between_swap_and_reload(tw, records, nginx, backends, tmp_path):
    one, two = backends(n=2)
    gate = tmp_path / "gate"
    gate.touch()
    put(records, "web", one)
    slow = options(nginx, "--reload", f"while ! test -e {gate}; do sleep 0.05; done; {nginx.reload}")
    renderer = tw.render(records.uri, *slow)
    nginx.serves("web", [one.address])
    until(lambda: clean(nginx.folder), "settled")
    gate.unlink()
    put(records, "web", two)
    until_equal(lambda: nginx.servers("web"), sorted(addresses([one, two])))
    renderer.kill()
    assert not clean(nginx.folder)
    gate.touch()
    renderer = tw.render(records.uri, *options(nginx))
    nginx.serves("web", addresses([one, two]))
    renderer.wait_err("it is still owed")
    until(lambda: clean(nginx.folder), "settled")


def test_killed_during_a_trial(tw, records, nginx, backends, tmp_path):
    """Without the right to mount: the candidate is live while it is checked."""
    one, two = backends(n=2)
    gate = tmp_path / "gate"
    gate.touch()
    put(records, "web", one)
    arguments = options(nginx, "--check",
                        f"while ! test -e {gate}; do sleep 0.05; done; nginx -t -q -c {nginx.conf}")
    unprivileged = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
    renderer = tw.start("render", "--log-level", "debug", *arguments, records.uri, prefix=unprivileged)
    nginx.serves("web", [one.address])
    until(lambda: clean(nginx.folder), "settled")
    gate.unlink()
    put(records, "web", two)
    until_equal(lambda: nginx.servers("web"), sorted(addresses([one, two])))
    renderer.kill()
    gate.touch()
    renderer = tw.render(records.uri, *options(nginx))
    renderer.wait_err("an earlier run ended in the middle of a change")
    nginx.serves("web", addresses([one, two]))
    until(lambda: clean(nginx.folder), "settled")


# ---- files ----

def test_disk_full(tw, records, make_nginx, backends, tmp_path):
    one, two = backends(n=2)
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs", small], check=True)
    try:
        nginx = make_nginx(service=None, http=f"include {small}/*.conf;")
        nginx.start()
        put(records, "web", one)
        renderer = tw.render(records.uri, "-o", small / "up.conf", "--nginx", f"local:{nginx.conf}",
                             "--wait", "0")
        nginx.serves("web", [one.address])
        until(lambda: clean(small), "settled")
        good = (small / "up.conf").read_bytes()
        ballast = os.open(small / "ballast", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError):
            while True:
                os.write(ballast, b"x" * 4096)
        os.close(ballast)
        put(records, "web", two)
        renderer.wait_err("cannot publish, keeping previous upstreams.*No space left")
        assert (small / "up.conf").read_bytes() == good
        assert clean(small)
        nginx.serves("web", [one.address])
        (small / "ballast").unlink()
        nginx.serves("web", addresses([one, two]))
        renderer.stop()
        nginx.stop()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_bind_mounted_file(tw, records, nginx, backends, tmp_path):
    one, two = backends(n=2)
    outside = tmp_path / "outside.conf"
    outside.write_text("")
    nginx.upstreams.write_text("")
    subprocess.run(["mount", "--bind", outside, nginx.upstreams], check=True)
    try:
        put(records, "web", one)
        renderer = tw.render(records.uri, *options(nginx))
        nginx.serves("web", [one.address])
        renderer.wait_err("level=warn.*in place")
        inode = outside.stat().st_ino
        put(records, "web", two)
        nginx.serves("web", addresses([one, two]))
        assert outside.stat().st_ino == inode
        assert parse_upstreams(outside.read_text())["web"] == sorted(addresses([one, two]))
        assert renderer.err().count("in place") == 1
        renderer.stop()
    finally:
        subprocess.run(["umount", nginx.upstreams], check=True)


def test_owner_group_mode_backup_and_link(tw, records, nginx, backends):
    one, two = backends(n=2)
    real = nginx.folder / "elsewhere" / "real.conf"
    nginx.upstreams.symlink_to(real)
    put(records, "web", one)
    tw.render(records.uri, *options(nginx, "--owner", "www-data", "--group", "33", "--mode", "0640",
                                    "--backup"))
    nginx.serves("web", [one.address])
    put(records, "web", two)
    nginx.serves("web", addresses([one, two]))
    assert nginx.upstreams.is_symlink()
    facts = real.stat()
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (33, 33, 0o640)
    backup = nginx.folder / "elsewhere" / "real.conf.bak"
    assert parse_upstreams(backup.read_text()) == {"web": [one.address]}


# ---- the registry ----

def test_registry_lost_for_a_minute(tw, own_etcd, own_records, nginx, backends):
    one, two = backends(n=2)
    put(own_records, "web", one)
    renderer = tw.render(own_records.uri, *options(nginx))
    nginx.serves("web", [one.address])
    before = nginx.upstreams.stat()
    own_etcd.stop()
    renderer.wait_err("registry is out of reach")
    until_time = time.monotonic() + 60
    while time.monotonic() < until_time:
        assert nginx.get("/up/web/name") == (200, one.address)
        time.sleep(0.2)
    after = nginx.upstreams.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    own_etcd.start()
    put(own_records, "web", two)
    nginx.serves("web", addresses([one, two]))
    assert_valid(nginx)


def test_registry_that_answers_with_nothing(tw, records, nginx, backends):
    (one,) = backends()
    key = put(records, "web", one)
    renderer = tw.render(records.uri, *options(nginx, "--hold", "2s"))
    nginx.serves("web", [one.address])
    records.etcd.delete(key)
    renderer.wait_err("every upstream would be empty")
    assert nginx.servers("web") == [one.address]
    assert state(renderer)["hold"] == "waiting"
    put(records, "web", one)
    renderer.wait_err("publishing goes on")
    assert nginx.reloads() == 1
    # and when it is the truth
    records.etcd.delete(key)
    renderer.wait_err("a fresh listing confirms")
    until_equal(lambda: nginx.servers("web"), ["127.0.0.1:9 down"])
    assert_valid(nginx)


def test_max_drop(tw, records, nginx, backends):
    many = backends(n=4)
    keys = [put(records, "web", backend) for backend in many]
    renderer = tw.render(records.uri, *options(nginx, "--hold", "2s", "--max-drop", "50"),
                         "--wait", "1s:1s")  # what follows is one change
    nginx.serves("web", addresses(many))
    records.etcd.delete(keys[0])
    nginx.serves("web", addresses(many[1:]))
    assert "too many servers would go" not in renderer.err()
    put(records, "web", many[0])
    for key in keys[1:]:
        records.etcd.delete(key)
    renderer.wait_err("too many servers would go")
    renderer.wait_err("a fresh listing confirms")
    nginx.serves("web", [many[0].address])


# ---- both files, storms, stop ----

def test_http_and_stream_in_one_pass(tw, records, make_nginx, backends):
    nginx = make_nginx(service=None, streams={"dns": "udp", "db": "tcp"})
    nginx.start()
    (web,) = backends()
    dns, = backends("udp")
    db, = backends("tcp")
    put(records, "web", web)
    put(records, "dns", dns, proto="udp")
    put(records, "db", db, attrs={"nginx": "stream"})
    tw.render(records.uri, *options(nginx, "--stream-output", nginx.stream_upstreams))
    nginx.serves("web", [web.address])
    nginx.serves_stream("dns", [dns.address])
    nginx.serves_stream("db", [db.address])
    assert nginx.reloads() == 1
    assert nginx.servers("db") == [] and nginx.stream_servers("web") == []


def test_a_storm_is_few_reloads(tw, records, nginx, backends):
    (one,) = backends()
    tw.render(records.uri, "-o", nginx.upstreams, "--nginx", f"local:{nginx.conf}")
    put(records, "web", one)
    nginx.serves("web", [one.address])
    before, begun = nginx.reloads(), time.monotonic()
    for n in range(200):
        put(records, "storm", f"s{n % 20}", port=1 + n)
        time.sleep(0.01)
    until(lambda: any(s.endswith(":200") for s in nginx.servers("storm")), "the last change")
    seconds = time.monotonic() - begun
    assert nginx.reloads() - before <= seconds + 2


def test_old_workers_delay_a_reload(tw, records, nginx, backends):
    one, two, three = backends(n=3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        put(records, "web", one)
        put(records, "silent", "s", port=silent.getsockname()[1])
        renderer = tw.render(records.uri, "-o", nginx.upstreams, "--nginx", f"local:{nginx.conf}",
                             "--wait", "10ms:3s", "--old-workers", "0")
        nginx.serves("web", [one.address])
        until(lambda: clean(nginx.folder), "settled")
        with socket.create_connection(("127.0.0.1", nginx.port)) as client:
            client.sendall(b"GET /up/silent/x HTTP/1.1\r\nHost: x\r\n\r\n")
            held, _ = silent.accept()  # its worker cannot go before this ends
            put(records, "web", two)
            nginx.serves("web", addresses([one, two]))
            until(lambda: len(nginx.old_workers()) == 1, "an old worker stays")
            begun = time.monotonic()
            put(records, "web", three)
            renderer.wait_err("many old workers are shutting down")
            nginx.serves("web", addresses([one, two, three]))
            assert time.monotonic() - begun >= 2.5
            held.close()


# ---- runs that only look ----

def test_diff_and_dry_run(tw, records, nginx, backends):
    one, two = backends(n=2)
    put(records, "web", one)
    where = ["-o", nginx.upstreams, records.uri]
    first = tw.run("render", "--diff", *where, status=1).stdout
    assert f"+    server {one.address};" in first
    assert not nginx.upstreams.exists()
    tw.run("render", "--once", "--nginx", f"local:{nginx.conf}", *where)
    assert tw.run("render", "--diff", *where).stdout == ""
    assert tw.run("render", "--dry-run", *where).stdout == ""
    put(records, "web", two)
    diff = tw.run("render", "--diff", *where, status=1).stdout
    wanted = tw.run("render", records.uri).stdout
    assert tw.run("render", "--dry-run", *where).stdout == wanted
    patched = nginx.folder / "patched"
    shutil.copy(nginx.upstreams, patched)
    if shutil.which("patch"):
        subprocess.run(["patch", "-s", patched], input=diff, text=True, check=True)
        assert patched.read_text() == wanted
    new = nginx.folder / "new"
    new.write_text(wanted)
    reference = subprocess.run(["diff", "-u", nginx.upstreams, new], capture_output=True, text=True,
                               check=False).stdout
    assert diff.splitlines()[2:] == reference.splitlines()[2:]
    assert nginx.servers("web") == [one.address]
    tw.run("render", "--diff", "-o", nginx.upstreams, "etcd://127.0.0.1:1/x", status=2)


def test_once_leaves_its_reload_owed(tw, records, nginx, backends):
    (one,) = backends()
    put(records, "web", one)
    tw.run("render", "--once", "-o", nginx.upstreams, "--reload", "false", records.uri, status=1)
    assert nginx.servers("web") == [one.address]
    tw.run("render", "--once", *options(nginx), records.uri)
    nginx.serves("web", [one.address])
    assert nginx.reloads() == 1 and clean(nginx.folder)


def test_status(tw, records, nginx, backends):
    (one,) = backends()
    put(records, "web", one)
    renderer = tw.render(records.uri, *options(nginx))
    nginx.serves("web", [one.address])
    until(lambda: clean(nginx.folder), "settled")
    seen = state(renderer)
    (output,) = seen["outputs"]
    assert output["file"] == str(nginx.upstreams)
    assert output["last_change"] and output["last_check"]["good"] and output["last_reload"]["good"], output
    assert not output["reload_owed"] and seen["live"] and seen["servers"] == 1


def test_commands_are_ended(tw, records, tmp_path, backends):
    """A reload in a group of its own: at the end it and its children go."""
    out, pids = tmp_path / "up.conf", tmp_path / "pids"
    (one,) = backends()
    put(records, "web", one)
    renderer = tw.render(records.uri, "-o", out, "--wait", "0", "--reload",
                         f"trap '' TERM; sleep 1000 & echo $! $$ >{pids}; wait; wait")
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the reload runs")
    begun = time.monotonic()
    assert renderer.stop() == 0
    assert time.monotonic() - begun < 12
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids.read_text().split()), "all ended")


def test_arguments_without_a_shell(tw, records, tmp_path, backends):
    (one,) = backends()
    put(records, "web", one)
    out, told = tmp_path / "up.conf", tmp_path / "told $(x)"
    tw.run("render", "--once", "-o", out, "--check", json.dumps(["grep", "-q", "server", "{{.src}}"]),
           "--reload", json.dumps(["touch", str(told)]), records.uri)
    assert told.exists() and out.exists()


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_descriptors(binary, records, tmp_path, backends, closed):
    """They must not become sockets of ours: the log would go there."""
    (one,) = backends()
    put(records, "web", one)
    out = tmp_path / "up.conf"
    command = f'exec "$0" render --once -o "$1" "$2" {closed}'
    done = subprocess.run(["sh", "-c", command, binary, out, records.uri], check=False,
                          env=clean_environment(), timeout=60)
    assert done.returncode == 0 and parse_upstreams(out.read_text()) == {"web": [one.address]}
    lost = subprocess.run(["sh", "-c", 'exec "$0" render "$1" 1>&-', binary, records.uri], check=False,
                          env=clean_environment(), timeout=60, stderr=subprocess.PIPE, text=True)
    assert lost.returncode == 1 and "stdout" in lost.stderr, lost.stderr


def test_bad_usage_touches_nothing(tw, records, tmp_path):
    out = tmp_path / "up.conf"
    for arguments, words in [
            (["-o", out, "--nginx", "remote"], "--nginx"),
            (["-o", out, "--max-drop", "101"], "--max-drop"),
            (["-o", out, "--owner", "nobody-of-that-name"], "--owner"),
            (["-o", out, "--check", '["nginx"'], "--check"),
            (["-o", out, "--reload", "x {{.src}}"], "--reload"),
            (["-o", out, "--stream-output", out], "--stream-output"),
            (["-o", out, "--diff", "--dry-run"], "--d"),
            (["-o", "/dev/null"], "-o"),
            (["-o", ""], "-o"),
            (["-o", "/dev/stdout"], "-o"),
            (["-o", out, "--expect", "a b"], "--expect"),
            (["-o", f"{out}/"], "-o")]:
        done = tw.run("render", *arguments, records.uri, status=2)
        assert words in done.stderr and not out.exists(), done.stderr
