"""The renderer and an nginx in a container, through the engine: check, reload, confirmation."""
import json

import pytest

from rig.nginx_container import NginxContainer
from rig.wait import until, until_equal

pytestmark = pytest.mark.slow


@pytest.fixture
def boxed(containers, session_folder, test_id):
    folder = session_folder / f"{test_id}-boxed"
    folder.mkdir(mode=0o755)
    return NginxContainer(containers, folder)


def put(records, host, service="web", instance="a", **fields):
    identity = f"n:{instance}:80"
    record = {"host": host, "port": 80, "name": service, "id": identity, "node": "n",
              "container": instance, "proto": "tcp", "tags": [], "attrs": {}, "status": "passing", **fields}
    key = f"{records.prefix}/{service}/{identity}"
    records.etcd.put(key, json.dumps(record))
    return key


def render(tw, boxed, records, *options):
    return tw.render(records.uri, *boxed.options(), "--docker", tw.docker_url, "--wait", "0",
                     "--expect", "web", *options)


def backend(containers, short):
    """(name, address that other containers reach it by)"""
    name = containers.run(short)
    return name, containers.address(name)


def test_accepted(tw, boxed, containers, records):
    first, address = backend(containers, "one")
    second, other = backend(containers, "two")
    put(records, address)
    boxed.start()
    before = boxed.workers()
    renderer = render(tw, boxed, records)
    boxed.serves(first)
    boxed.wait_new_workers(before)
    before = boxed.workers()
    put(records, other, instance="b")
    boxed.serves(first, second)
    boxed.wait_new_workers(before)
    # What was confirmed is not done again.
    workers, same = boxed.workers(), "publish from=compare to=idle"
    seen = renderer.err().count(same)
    put(records, "10.9.9.9", service="web", instance="sick", status="critical")
    until(lambda: renderer.err().count(same) > seen, "rendered the same")
    assert boxed.workers() == workers
    assert renderer.stop() == 0


def test_refused_by_the_check(tw, boxed, containers, records):
    """nginx in the container knows an upstream of that name already; the others go live without it."""
    first, address = backend(containers, "one")
    (boxed.folder / "own.conf").write_text("upstream api { server 127.0.0.1:9; }\n")
    put(records, address)
    boxed.start()
    renderer = render(tw, boxed, records)
    boxed.serves(first)
    second, other = backend(containers, "two")
    put(records, "10.9.9.9", service="api", instance="x")
    put(records, other, instance="b")
    boxed.serves(first, second)
    renderer.wait_err("api")
    assert boxed.servers("api") == []


def test_a_line_that_is_refused(tw, boxed, containers, records):
    """nginx names the line by the path that it has in the container."""
    first, address = backend(containers, "one")
    put(records, address)
    boxed.start()
    renderer = render(tw, boxed, records)
    boxed.serves(first)
    second, other = backend(containers, "two")
    put(records, "nosuch.invalid", instance="lost")
    put(records, other, instance="b")
    boxed.serves(first, second, timeout=60)
    assert "nosuch.invalid" not in boxed.upstreams.read_text()
    renderer.wait_err("nosuch.invalid")


def test_strictly_refused_by_the_check(tw, boxed, containers, records):
    first, address = backend(containers, "one")
    put(records, address)
    boxed.start()
    renderer = render(tw, boxed, records, "--strict")
    boxed.serves(first)
    workers, before = boxed.workers(), boxed.upstreams.read_text()
    bad = boxed.folder / "bad.conf"
    bad.write_text("bogus 1;\n")
    second, other = backend(containers, "two")
    put(records, other, instance="b")
    renderer.wait_err('level=(warn|error).*unknown directive "bogus"|unknown directive ."bogus')
    until_equal(boxed.upstreams.read_text, before)
    assert boxed.workers() == workers
    # It is judged again when something changes.
    bad.unlink()
    put(records, other, instance="b", weight=2)
    boxed.serves(first, second)


def test_refused_at_the_reload(tw, boxed, containers, records):
    """nginx -t takes a port that another process has; nginx itself does not. The last good file comes
    back, and what is in the registry goes live once the port is free."""
    first, address = backend(containers, "one")
    put(records, address)
    boxed.start()
    renderer = render(tw, boxed, records)
    boxed.serves(first)
    before = boxed.upstreams.read_text()
    made = containers.docker.request(
        "POST", f"/containers/{boxed.name}/exec", {"Cmd": ["sh", "-c", "nc -l -p 81"]})
    containers.docker.request("POST", f"/exec/{made['Id']}/start", {"Detach": True}, raw=True)
    until(lambda: any("nc -l -p 81" in title for _, title in boxed.processes()), "the port is taken")
    more = boxed.folder / "more.conf"
    more.write_text("server { listen 81; }\n")
    workers = boxed.workers()
    second, other = backend(containers, "two")
    put(records, other, instance="b")
    renderer.wait_err(r"bind\(\) to 0.0.0.0:81 failed", timeout=60)
    until_equal(boxed.upstreams.read_text, before)
    assert boxed.workers() == workers
    boxed.serves(first)
    more.unlink()
    put(records, other, instance="b", weight=2)
    boxed.serves(first, second, timeout=60)


def test_stopped_then_owed_then_settled(tw, boxed, containers, records):
    first, address = backend(containers, "one")
    put(records, address)
    boxed.start()
    renderer = render(tw, boxed, records)
    boxed.serves(first)
    containers.docker.stop(boxed.name, grace=1)
    second, other = backend(containers, "two")
    put(records, other, instance="b")
    renderer.wait_err("does not run")
    containers.docker.start(boxed.name)
    boxed.wait_answers()
    boxed.serves(first, second, timeout=60)
    # Then nothing is owed any more: no further reload.
    until(lambda: not any("tw-state" in path.name for path in boxed.folder.iterdir())
          or "owed" not in "".join(p.read_text() for p in boxed.folder.glob(".*tw-state")),
          lambda: f"nothing is owed: {[p.name for p in boxed.folder.iterdir()]}\n{renderer.err()[-3000:]}",
          60)


def test_restarted_and_replaced(tw, boxed, containers, records):
    first, address = backend(containers, "one")
    put(records, address)
    boxed.start()
    render(tw, boxed, records)
    boxed.serves(first)
    containers.docker.restart(boxed.name, grace=1)
    second, other = backend(containers, "two")
    put(records, other, instance="b")
    boxed.serves(first, second, timeout=60)
    containers.docker.remove(boxed.name)
    boxed.start()
    third, another = backend(containers, "three")
    put(records, another, instance="c")
    boxed.serves(first, second, third, timeout=60)


def test_not_the_first_process(tw, boxed, containers, records):
    first, address = backend(containers, "one")
    put(records, address)
    boxed.start(cmd=["sh", "-c", "nginx -g 'daemon off;' & wait"])
    render(tw, boxed, records)
    boxed.serves(first)
    assert boxed.processes()[0][1].startswith("sh"), boxed.processes()
