"""The renderer against a real etcd and a real nginx."""
import json
import stat
import time

from rig.load import Clients
from rig.nginx import parse_upstreams
from rig.wait import until, until_equal


def put(records, service, instance, port, host="10.0.0.1", **fields):
    """A record as another agent would write it."""
    identity = f"n:{instance}:{port}"
    record = {"host": host, "port": port, "name": service, "id": identity, "node": "n",
              "container": "", "proto": "tcp", "tags": [], "attrs": {}, "status": "passing", **fields}
    key = f"{records.prefix}/{service}/{identity}"
    records.etcd.put(key, json.dumps(record))
    return key


def servers(path, service):
    return sorted(parse_upstreams(path.read_text()).get(service, [])) if path.exists() else None


def test_once_to_a_file_and_to_stdout(tw, records, tmp_path):
    put(records, "web", "b", 80, "10.0.0.2")
    put(records, "web", "a", 80, "10.0.0.1", weight=3)
    put(records, "api", "c", 8080, "fd00::1")
    put(records, "web", "sick", 80, "10.0.0.3", status="critical")
    expected = {"api": ["[fd00::1]:8080"], "web": ["10.0.0.1:80 weight=3", "10.0.0.2:80"]}
    out = tmp_path / "up.conf"
    tw.run("render", "--once", "-o", out, records.uri)
    assert parse_upstreams(out.read_text()) == expected
    assert parse_upstreams(tw.run("render", records.uri).stdout) == expected
    only = tw.run("render", "--services", "a*", records.uri).stdout
    assert list(parse_upstreams(only)) == ["api"]


def test_values_of_other_tools(tw, records):
    for key, value in (("a", "10.0.0.1:80"), ("b", "[fd00::2]:80"),
                       ("c", '{"Op":0,"Addr":"10.0.0.3:80"}'),
                       ("d", '{"host":"10.0.0.4","port":80}')):
        records.etcd.put(f"{records.prefix}/web/{key}", value)
    assert sorted(parse_upstreams(tw.run("render", records.uri).stdout)["web"]) == [
        "10.0.0.1:80", "10.0.0.3:80", "10.0.0.4:80", "[fd00::2]:80"]


def test_expected_and_empty(tw, records, tmp_path):
    down = ["127.0.0.1:9 down"]
    out = {mode: tmp_path / f"{mode}.conf" for mode in ("down", "keep", "omit")}
    key = put(records, "web", "a", 80)
    put(records, "other", "o", 81)
    for mode, path in out.items():
        tw.render(records.uri, "-o", path, "--empty", mode, "--wait", "0", "--expect", "api",
                  "--mode", "0640")
        until_equal(lambda p=path: servers(p, "web"), ["10.0.0.1:80"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert servers(out["down"], "api") == down
    records.etcd.delete(key)
    until_equal(lambda: servers(out["down"], "web"), down)
    until_equal(lambda: servers(out["omit"], "web"), [])
    put(records, "last", "z", 82)
    until_equal(lambda: servers(out["keep"], "last"), ["10.0.0.1:82"])
    assert servers(out["keep"], "web") == ["10.0.0.1:80"]


def test_failing_check_keeps_the_old_file(tw, records, tmp_path):
    out = tmp_path / "up.conf"
    put(records, "web", "a", 80)
    reloads = tmp_path / "reloads"
    renderer = tw.render(records.uri, "-o", out, "--wait", "0",
                         "--check", "! grep -q 10.9.9.9 {{.src}}", "--reload", f"echo x >>{reloads}")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80"])
    until(reloads.exists, "reloaded")
    bad = put(records, "web", "bad", 80, "10.9.9.9")
    renderer.wait_err("level=(warn|error).*check")
    assert servers(out, "web") == ["10.0.0.1:80"]
    # It is not stuck: the next table is tried again.
    records.etcd.delete(bad)
    put(records, "web", "b", 80, "10.0.0.2")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80", "10.0.0.2:80"])
    until_equal(lambda: reloads.read_text().count("x"), 2)


def test_once_fails_with_its_check(tw, records, tmp_path):
    out = tmp_path / "up.conf"
    put(records, "web", "a", 80)
    done = tw.run("render", "--once", "-o", out, "--check", "echo no such luck >&2; exit 3",
                  records.uri, status=1)
    assert "no such luck" in done.stderr and not out.exists(), done.stderr


def test_unchanged_is_neither_written_nor_reloaded(tw, records, tmp_path):
    out, reloads = tmp_path / "up.conf", tmp_path / "reloads"
    put(records, "web", "a", 80)
    options = ["-o", out, "--wait", "0", "--reload", f"echo x >>{reloads}"]
    renderer = tw.render(records.uri, *options)
    until(reloads.exists, "reloaded once")
    first = out.stat().st_ino, out.stat().st_mtime_ns
    assert renderer.stop() == 0
    renderer = tw.render(records.uri, *options)
    same = "publish from=compare to=idle"
    renderer.wait_err(same)
    # A change that no upstream shows.
    put(records, "web", "sick", 80, "10.0.0.8", status="critical")
    until(lambda: renderer.err().count(same) == 2, "rendered the same")
    assert (out.stat().st_ino, out.stat().st_mtime_ns) == first
    put(records, "web", "b", 81)
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80", "10.0.0.1:81"])
    until_equal(lambda: reloads.read_text().count("x"), 2)


def test_failed_reload_is_owed_until_it_succeeds(tw, records, tmp_path):
    out, gate, reloads = tmp_path / "up.conf", tmp_path / "gate", tmp_path / "reloads"
    put(records, "web", "a", 80)
    renderer = tw.render(records.uri, "-o", out, "--wait", "0",
                         "--reload", f"test -e {gate} && echo x >>{reloads}")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80"])
    renderer.wait_err("level=(warn|error).*reload")
    gate.touch()
    until(reloads.exists, "the reload that was owed was made up for")


def test_an_unreachable_registry_empties_nothing(tw, own_etcd, own_records, tmp_path):
    out = tmp_path / "up.conf"
    put(own_records, "web", "a", 80)
    renderer = tw.render(own_records.uri, "-o", out, "--wait", "0")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80"])
    own_etcd.stop()
    renderer.wait_err("level=warn.*registry")
    assert servers(out, "web") == ["10.0.0.1:80"]
    own_etcd.start()
    put(own_records, "web", "b", 81)
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80", "10.0.0.1:81"])


def test_labels_cannot_inject_nginx_syntax(tw, containers, records, nginx):
    tw.agent(records.uri)
    good = containers.run("good", labels={"SERVICE_NAME": "web"})
    evil = containers.run("evil", labels={
        "SERVICE_NAME": "web", "SERVICE_NGINX_BALANCE": "least_conn; } server { listen 1;",
        "SERVICE_MAX_CONNS": "1; } server { listen 2;"})
    worse = containers.run("worse", labels={"SERVICE_NAME": "x { } server { listen 3; } upstream y"})
    until(lambda: records.key(good, service="web") in records.keys(), "good is registered")
    nginx.upstreams.write_text("")
    renderer = tw.render(records.uri, "-o", nginx.upstreams, "--wait", "0", "--expect", "web",
                         "--check", nginx.check)
    until(lambda: any(str(containers.host_port(good)) in s for s in nginx.servers("web")),
          lambda: f"{nginx.upstreams.read_text()}\n{renderer.err()[-3000:]}")
    nginx.start()
    until_equal(lambda: nginx.get()[0], 200)
    text = nginx.upstreams.read_text()
    assert "listen" not in text, text
    # Each refusal names whom it concerns.
    logs = "".join(p.err() for p in tw.processes)
    assert evil in logs and worse in logs, logs


def test_nginx_serves_from_exactly_the_live_containers(tw, containers, records, nginx):
    """A rolling change under load: no request fails, and each answer is from a container that lived
    at that time."""
    tw.agent(records.uri)
    labels, env = {"SERVICE_NAME": "web"}, {"STOP_DELAY": "2"}

    def live(names):
        ports = sorted(f"127.0.0.1:{containers.host_port(n)}" for n in names)
        until_equal(lambda: [s.split()[0] for s in nginx.servers("web")], ports)
        # All of nginx's workers have it: each of many requests goes to one of the names, and all occur.
        until(lambda: {nginx.get()[1] for _ in range(12)} == set(names),
              lambda: f"nginx serves from {names}; now from {[nginx.get() for _ in range(12)]}")

    names = [containers.run(f"v1-{i}", labels=labels, env=env) for i in range(3)]
    tw.render(records.uri, "--wait", "50ms:500ms", "--expect", "web", *nginx.publish_options())
    until(lambda: len(nginx.servers("web")) == 3, "three servers")
    nginx.start()
    live(names)

    stopped = {}  # name: when the engine said that it had ended
    with Clients(nginx, count=1) as load:
        for i in range(3):
            names.append(containers.run(f"v2-{i}", labels=labels, env=env))
            live(names)
            old = names.pop(0)
            containers.docker.stop(old)
            stopped[old] = time.monotonic()
            live(names)
    assert not load.failed, f"{len(load.failed)} failed: {load.failed[:5]}"
    assert set(load.answers) == {*names, *stopped}, load.answers
    late = {n: load.last[n] - at for n, at in stopped.items() if load.last[n] > at}
    assert not late, f"asked after their end: {late}"
    assert sum(load.answers.values()) > 100


def test_nginx_after_kill_9(tw, containers, records, nginx):
    tw.agent(records.uri)
    names = [containers.run(f"web{i}", labels={"SERVICE_NAME": "web"}) for i in range(3)]
    tw.render(records.uri, "-o", nginx.upstreams, "--wait", "0", "--expect", "web",
              "--check", nginx.check, "--reload", nginx.reload)
    until(lambda: len(nginx.servers("web")) == 3, "three servers")
    nginx.start()
    reloads = nginx.reloads()
    containers.docker.kill(names.pop())
    until(lambda: len(nginx.servers("web")) == 2, "two servers")
    until(lambda: nginx.reloads() > reloads, "reloaded")
    until(lambda: {nginx.get()[1] for _ in range(10)} == set(names), "nginx serves from the others")
    for name in names:
        containers.docker.kill(name)
    until_equal(lambda: nginx.servers("web"), ["127.0.0.1:9 down"], timeout=40)
    until_equal(lambda: nginx.get()[0], 502)
