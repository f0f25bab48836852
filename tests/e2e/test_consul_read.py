"""render and ls from a real Consul: services that anybody may have registered."""
import time

import pytest

from rig.consul import Consul
from rig.nginx import parse_upstreams
from rig.wait import until, until_equal


@pytest.fixture
def consul(own_consul_folder):
    """In memory: a restart forgets everything and begins its indexes anew."""
    made = Consul(own_consul_folder)
    made.start()
    yield made
    made.close()


def servers(path, service):
    return sorted(parse_upstreams(path.read_text()).get(service, [])) if path.exists() else None


def add(consul, instance, port=80, host="10.0.0.1", name="web", status="passing", **fields):
    consul.register(ID=instance, Name=name, Address=host, Port=port,
                    Check={"CheckID": f"c-{instance}", "TTL": "1h", "Status": status}, **fields)


def in_catalog(consul, **names):
    """Waits until the catalog has so many instances of these: the agent brings them there in its own time."""
    until_equal(lambda: {n: len(consul.catalog(n)) for n in names}, names)


def test_once(tw, consul, tmp_path):
    add(consul, "a", host="10.0.0.1", Weights={"Passing": 3, "Warning": 2})
    add(consul, "b", host="10.0.0.2")
    add(consul, "sick", host="10.0.0.3", status="critical")
    add(consul, "weak", host="10.0.0.4", status="warning", Weights={"Passing": 3, "Warning": 2})
    add(consul, "six", host="fd00::1", name="api", port=8080)
    consul.register(ID="none", Name="portless", Address="10.0.0.9")
    # Without an address: that of its node, which is this one.
    add(consul, "here", host="", name="node", port=81)
    in_catalog(consul, web=4, api=1, portless=1, node=1)
    expected = {"api": ["[fd00::1]:8080"], "node": ["127.0.0.1:81"],
                "web": ["10.0.0.1:80 weight=3", "10.0.0.2:80"]}
    out = tmp_path / "up.conf"
    tw.run("render", "--once", "-o", out, consul.uri)
    assert parse_upstreams(out.read_text()) == expected
    only = tw.run("render", "--services", "a*", consul.uri).stdout
    assert list(parse_upstreams(only)) == ["api"]


def test_ls(tw, consul):
    add(consul, "a", Tags=["blue", "udp"], Meta={"region": "eu", "tidewaiter-node": "n7"})
    add(consul, "sick", host="10.0.0.3", status="critical")
    in_catalog(consul, web=2)
    listed = tw.services(consul.uri)
    assert sorted(listed) == ["a", "sick"], listed
    found = listed["a"]
    assert (found["host"], found["port"], found["name"], found["proto"]) == ("10.0.0.1", 80, "web", "udp")
    assert found["attrs"] == {"region": "eu"} and found["node"] == "n7", found
    assert {i: s["status"] for i, s in listed.items()} == {"a": "passing", "sick": "critical"}


def test_ls_watch(tw, consul):
    add(consul, "first")
    watch = tw.start("ls", "--watch", consul.uri)
    until(lambda: "first" in watch.out(), lambda: watch.out() + watch.err())
    add(consul, "second")
    until(lambda: "second" in watch.out(), lambda: watch.out() + watch.err())


def test_every_kind_of_change_is_seen_at_once(tw, consul, tmp_path):
    """A second at the most: it waits for Consul's answer and does not ask again and again."""
    out = tmp_path / "up.conf"
    add(consul, "a", host="10.0.0.1")
    renderer = tw.render(consul.uri, "-o", out, "--wait", "0")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80"])

    def quickly(expected, name="web"):
        began = time.monotonic()
        until_equal(lambda: servers(out, name), expected)
        # news come at once, but at most once a second where there are more
        assert time.monotonic() - began < 4, f"{time.monotonic() - began:.1f} s until {expected}"

    add(consul, "b", host="10.0.0.2")
    quickly(["10.0.0.1:80", "10.0.0.2:80"])
    consul.call("PUT", "/v1/agent/check/fail/c-a")
    quickly(["10.0.0.2:80"])
    consul.call("PUT", "/v1/agent/check/pass/c-a")
    quickly(["10.0.0.1:80", "10.0.0.2:80"])
    consul.call("PUT", "/v1/agent/service/maintenance/b?enable=true")
    quickly(["10.0.0.1:80"])
    consul.call("PUT", "/v1/agent/service/maintenance/b?enable=false")
    quickly(["10.0.0.1:80", "10.0.0.2:80"])
    add(consul, "new", host="10.0.0.3", name="api")
    quickly(["10.0.0.3:80"], "api")
    consul.deregister("b")
    quickly(["10.0.0.1:80"])
    consul.deregister("new")
    until_equal(lambda: servers(out, "api"), ["127.0.0.1:9 down"])
    # Two blocking queries, one for each name and the catalog: not a request for every 20 ms.
    asked = len(consul.requests("/v1/health/service/")) + len(consul.requests("/v1/catalog/services"))
    assert asked < 60, asked
    assert renderer.alive()


def test_nothing_is_asked_while_nothing_happens(tw, consul, tmp_path):
    out = tmp_path / "up.conf"
    add(consul, "a")
    tw.render(consul.uri, "-o", out, "--wait", "0")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80"])
    before = len(consul.requests("/v1/health/")) + len(consul.requests("/v1/catalog/services"))
    time.sleep(3)
    # The rig's own look at the log is none of them.
    assert len(consul.requests("/v1/health/")) + len(consul.requests("/v1/catalog/services")) <= before + 2


def test_critical_leaves_nginx(tw, containers, consul, nginx, test_id):
    agent = tw.agent(consul.uri)
    labels = {"SERVICE_NAME": "web", "SERVICE_CHECK_HTTP": "/healthy", "SERVICE_CHECK_INTERVAL": "1s"}
    names = [containers.run(f"web{i}", labels=labels) for i in range(2)]
    tw.render(consul.uri, "-o", nginx.upstreams, "--wait", "0", "--expect", "web",
              "--check", nginx.check, "--reload", nginx.reload)
    until(lambda: len(nginx.servers("web")) == 2, lambda: nginx.upstreams.read_text())
    nginx.start()
    until(lambda: {nginx.get()[1] for _ in range(12)} == set(names), "nginx serves from both")
    containers.docker.execute(names[0], "rm", "/www/healthy")
    until_equal(lambda: [s.split()[0] for s in nginx.servers("web")],
                [f"127.0.0.1:{containers.host_port(names[1])}"])
    until(lambda: {nginx.get()[1] for _ in range(12)} == {names[1]}, "nginx serves from the other alone")
    containers.docker.execute(names[0], "touch", "/www/healthy")
    until(lambda: {nginx.get()[1] for _ in range(12)} == set(names), "nginx serves from both again")
    assert agent.alive()


def test_index_that_goes_backwards(tw, containers, consul, tmp_path):
    """Consul forgets all and begins again at a small index: a query for the old one would wait long."""
    out = tmp_path / "up.conf"
    for i in range(30):  # so that the index is far ahead of the new one's
        add(consul, f"x{i}", name="many", port=1000 + i)
    tw.agent(consul.uri, "--resync", "1s")
    web = containers.run("web", labels={"SERVICE_NAME": "web"})
    port = containers.host_port(web)
    renderer = tw.render(consul.uri, "-o", out, "--wait", "0")
    until_equal(lambda: servers(out, "web"), [f"127.0.0.1:{port}"])
    until_equal(lambda: len(servers(out, "many")), 30)
    consul.kill()
    renderer.wait_err("level=warn.*registry is out of reach")
    assert len(servers(out, "many")) == 30
    consul.start()
    until_equal(lambda: servers(out, "many"), ["127.0.0.1:9 down"], timeout=40)
    assert servers(out, "web") == [f"127.0.0.1:{port}"]
    add(consul, "late", host="10.0.0.2")
    until_equal(lambda: servers(out, "web"), ["10.0.0.2:80", f"127.0.0.1:{port}"])
    consul.deregister("late")
    until_equal(lambda: servers(out, "web"), [f"127.0.0.1:{port}"])


@pytest.mark.slow
def test_index_that_goes_backwards_on_a_connection_that_stays(tw, consul, tmp_path):
    """A snapshot that is restored. Consul answers the query that waits for the old index when its time is
    over, not before; from then on news must come at once again."""
    out = tmp_path / "up.conf"

    def elsewhere(instance, port, name="web"):
        consul.call("PUT", "/v1/catalog/register", {
            "Node": "ext", "Address": "10.0.0.1", "Service": {"ID": instance, "Service": name, "Port": port}})

    elsewhere("a", 80)
    snapshot = consul.request("GET", "/v1/snapshot")
    for i in range(30):
        elsewhere(f"x{i}", 1000 + i, "many")
    elsewhere("b", 81)
    renderer = tw.render(consul.uri, "-o", out, "--wait", "0", "--hold", "1s")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80", "10.0.0.1:81"])
    consul.call("PUT", "/v1/snapshot", snapshot)
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80"], timeout=70)
    until_equal(lambda: servers(out, "many"), ["127.0.0.1:9 down"], timeout=70)
    for i in range(3):
        began = time.monotonic()
        elsewhere(f"late{i}", 90 + i)
        until(lambda n=i: f"10.0.0.1:{90 + n}" in servers(out, "web"), lambda: renderer.err()[-3000:], 70)
        assert time.monotonic() - began < 5, f"seen after {time.monotonic() - began:.1f} s"


def test_an_unreachable_consul_empties_nothing(tw, own_consul, tmp_path):
    out = tmp_path / "up.conf"
    add(own_consul, "a")
    # Consul keeps the status of a TTL check only if it came by a call.
    own_consul.call("PUT", "/v1/agent/check/pass/c-a")
    renderer = tw.render(own_consul.uri, "-o", out, "--wait", "0", "--hold", "1s")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80"])
    own_consul.kill()
    renderer.wait_err("level=warn.*registry is out of reach")
    assert servers(out, "web") == ["10.0.0.1:80"]
    own_consul.start()
    add(own_consul, "b", host="10.0.0.2")
    until_equal(lambda: servers(out, "web"), ["10.0.0.1:80", "10.0.0.2:80"])
    assert renderer.err().count("registry is out of reach") == 1, renderer.err()
