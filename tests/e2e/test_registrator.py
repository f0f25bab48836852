"""In place of Registrator: its rules on a real engine, and what becomes of the registry."""
import json
import os
import subprocess
import time

import pytest

from rig.certificates import Certificates
from rig.consul import TlsConsul
from rig.engine import SAMPLE
from rig.proc import free_port
from rig.registrator import HOST, Registered
from rig.wait import until, until_equal

IP = "192.168.1.102"  # of the examples


@pytest.fixture
def registered(shared_consul, containers):
    made = Registered(shared_consul, containers)
    yield made
    made.forget()


@pytest.fixture
def image(docker):
    """The sample image by another name, which services are called after."""
    made = []

    def name(repository, tag="latest"):
        docker.tag(SAMPLE, repository, tag)
        made.append(f"{repository}:{tag}")
        return made[-1]

    yield name
    for tag in made:
        docker.untag(tag)


# ---- the scenario of the walk-through: Registrator, Consul, nginx ----

def test_walk_through(tw, containers, registered, image):
    """Four containers of an image called nginx are four services of that name in the catalog; one is
    stopped, three are left; what was registered by hand is nobody's business."""
    consul = registered.consul
    consul.register(ID="jetty", Name="jetty", Address="127.0.0.1", Port=free_port(), Check={
        "HTTP": "http://127.0.0.1:1/", "Interval": "5s"})
    try:
        agent = tw.registrator("-ip=10.11.97.181", registered.uri)
        nginx = image("nginx", "1.25")
        names = [containers.run(f"nginx-{i}", image=nginx, ports=[("0.0.0.0", "", "80")])
                 for i in range(4)]

        def catalog():
            return sorted((s["ServiceID"], s["ServiceAddress"], s["ServicePort"])
                          for s in consul.catalog("nginx").values()
                          if containers.test_id in s["ServiceID"])

        expected = [(registered.id(n), "10.11.97.181", containers.host_port(n)) for n in names]
        until_equal(catalog, sorted(expected))
        containers.docker.stop(names[1])
        until_equal(catalog, sorted(expected[:1] + expected[2:]))
        assert consul.services()["jetty"]["Meta"] == {}
        assert agent.stop() == 0
        assert len(catalog()) == 3
        assert "jetty" in consul.services()
    finally:
        consul.deregister("jetty")


def test_in_a_container(tw, docker, containers, registered):
    """With the host's network and the engine's socket at /tmp/docker.sock, and no variable at all."""
    libraries = ["/lib", "/lib64", "/usr/lib"]
    libraries = [p for p in libraries if os.path.isdir(p) and not os.path.islink(p)]
    binds = [f"{tw.binary}:/bin/registrator:ro", f"{docker.socket_path}:/tmp/docker.sock"]
    if os.path.islink("/lib"):
        binds += ["/usr/lib:/usr/lib:ro", "/usr/lib:/lib:ro"]
        binds += ["/usr/lib64:/lib64:ro"] if os.path.isdir("/usr/lib64") else []
    else:
        binds += [f"{p}:{p}:ro" for p in libraries]
    agent = containers.run("agent", ports=(), network="host", more={"Binds": binds}, labels={
        "SERVICE_IGNORE": "1"}, cmd=["/bin/registrator", "-ip", IP, registered.uri])
    web = containers.run("web", ports=[("0.0.0.0", "", "80")])
    try:
        registered.wait_service(registered.id(web), Address=IP, Port=containers.host_port(web))
    except AssertionError:
        print(docker.request("GET", f"/containers/{agent}/logs", stdout=1, stderr=1, raw=True))
        raise
    docker.stop(agent)
    assert docker.inspect(agent)["State"]["ExitCode"] == 0
    assert registered.id(web) in registered.services()


# ---- Registrator's own worked examples ----

def test_examples_of_one_port(tw, containers, registered, image):
    tw.registrator("-ip", IP, registered.uri)
    redis = image("progrium/redis")
    name = containers.run("redis.0", image=redis, ports=[("0.0.0.0", "", "6379")], expose=("6379/tcp",))
    port = containers.host_port(name, "6379/tcp")
    # The image exposes 80 as well, which nobody published: not a group of ports.
    registered.expect_shown({registered.id(name, "6379"): ("redis", IP, port, [], {})})
    containers.docker.remove(name)
    registered.expect()

    settings = {"SERVICE_NAME": "db", "SERVICE_TAGS": "master,backups", "SERVICE_REGION": "us2"}
    for how in ("env", "labels"):
        name = containers.run(f"redis.{how}", image=redis, ports=[("0.0.0.0", "", "6379")],
                              **{how: settings})
        port = containers.host_port(name, "6379/tcp")
        registered.expect_shown({registered.id(name, "6379"):
                                 ("db", IP, port, ["backups", "master"], {"region": "us2"})})
        containers.docker.remove(name)
    name = containers.run("redis.tag", image=redis, ports=[("0.0.0.0", "", "6379")],
                          env={"SERVICE_TAGS": "/(;\\,:-_)/"})
    found = registered.wait_service(registered.id(name, "6379"))
    assert found["Tags"] == ["/(;,:-_)/"], found


def test_examples_of_two_ports(tw, containers, registered, image):
    tw.registrator("-ip", IP, registered.uri)
    nginx = image("progrium/nginx")
    ports = [("0.0.0.0", "", "443"), ("0.0.0.0", "", "80")]
    name = containers.run("nginx.0", image=nginx, ports=ports)
    https, http = (containers.host_port(name, f"{p}/tcp") for p in (443, 80))
    registered.expect_shown({registered.id(name, "443"): ("nginx-443", IP, https, [], {}),
                             registered.id(name, "80"): ("nginx-80", IP, http, [], {})})
    containers.docker.remove(name)
    registered.expect()
    custom = f"https.{containers.test_id}"
    name = containers.run("nginx.1", image=nginx, ports=ports, env={
        "SERVICE_443_NAME": "https", "SERVICE_443_ID": custom, "SERVICE_443_SNI": "enabled",
        "SERVICE_80_NAME": "http", "SERVICE_TAGS": "www"})
    https, http = (containers.host_port(name, f"{p}/tcp") for p in (443, 80))
    registered.expect_shown({custom: ("https", IP, https, ["www"], {"sni": "enabled"}),
                             registered.id(name, "80"): ("http", IP, http, ["www"], {})})


# ---- options ----

def test_ip_and_the_host_name(tw, containers, registered):
    """Without -ip the address is what the host's own name resolves to, or the log says what instead."""
    agent = tw.registrator(registered.uri)
    name = containers.run("web", ports=[("0.0.0.0", "", "80")])
    found = registered.wait_service(registered.id(name))
    starting = agent.wait_err(r"msg=starting.* host=(\S+) address=(\S+) from=(.*)")
    assert starting[1] == HOST and found["Address"] == starting[2], (starting[0], found)
    resolved = subprocess.run(["getent", "ahostsv4", HOST], stdout=subprocess.PIPE, text=True,
                              check=False).stdout.split()
    if resolved:
        assert found["Address"] == resolved[0]
    else:
        assert "default route" in starting[3], starting[0]


def test_whole_host_name(tw, containers, registered):
    """Ids begin with the name that the host has, domain and all; nobody knows the address of this one."""
    name = f"{containers.test_id}.host.invalid"
    agent = tw.registrator(registered.uri, prefix=[
        "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name])
    web = containers.run("web", ports=[("0.0.0.0", "", "80")])
    found = registered.wait_service(f"{name}:{web}:80")
    warning = agent.wait_err(r"level=warn.*address=(\S+) from=\"?default route")
    assert name in warning[0] and found["Address"] == warning[1] != "0.0.0.0", (warning[0], found)


def test_ip_from_a_binding(tw, containers, registered):
    """An address that a port was published on is kept, unless -ip says otherwise."""
    agent = tw.registrator(registered.uri)
    name = containers.run("web")
    registered.wait_service(registered.id(name), Address="127.0.0.1")
    agent.stop()
    tw.registrator("-ip=10.1.2.3", registered.uri)
    registered.wait_service(registered.id(name), Address="10.1.2.3")


def test_internal(tw, containers, registered):
    tw.registrator("-internal", "-ip=10.1.2.3", registered.uri)
    name = containers.run("web", ports=["80"], expose=["81/tcp"])
    address = containers.address(name)
    registered.expect_shown({registered.id(name): ("sample-80", address, 80, [], {}),
                             registered.id(name, "81"): ("sample-81", address, 81, [], {})})


def test_explicit(tw, containers, registered):
    tw.registrator("-explicit", "-ip", IP, registered.uri)
    containers.run("none")
    named = containers.run("named", ports=["80", "81"], labels={"SERVICE_81_NAME": "shop"})
    registered.expect_shown({
        registered.id(named, "81"): ("shop", IP, containers.host_port(named, "81/tcp"), [], {})})


def test_address_from_a_label(tw, containers, registered):
    tw.registrator("-useIpFromLabel=net.ip", "-ip", IP, registered.uri)
    with_label = containers.run("a", labels={"net.ip": "10.20.30.40/24"})
    without = containers.run("b")
    registered.wait_service(registered.id(with_label), Address="10.20.30.40",
                            Port=containers.host_port(with_label))
    registered.wait_service(registered.id(without), Address=IP)


def test_tags(tw, containers, registered):
    tw.registrator("-tags=x,y\\,z", "-ip", IP, registered.uri)
    name = containers.run("dns", ports=["53/udp"], labels={"SERVICE_TAGS": "a,b,c"})
    found = registered.wait_service(registered.id(name, "53:udp"))
    assert found["Tags"] == ["c", "b", "a", "y,z", "x", "udp"], found


def test_ignore_by_any_text(tw, containers, registered):
    tw.registrator("-ip", IP, registered.uri)
    containers.run("ignored", labels={"SERVICE_IGNORE": "false"})
    name = containers.run("one", ports=["80", "81"], labels={"SERVICE_81_IGNORE": "1"})
    # The suffix counts the ports before any is ignored.
    registered.expect_shown({
        registered.id(name): ("sample-80", IP, containers.host_port(name), [], {})})


@pytest.mark.parametrize("code, stays", [(0, False), (1, True), (127, True), (128, False),
                                         (137, False), (143, False), (255, False)])
def test_deregister_on_success(tw, containers, registered, code, stays):
    tw.registrator("-deregister=on-success", "-ip", IP, registered.uri)
    name = containers.run("job", cmd=["sh", "-c",
                                      f"until test -e /go; do sleep 0.05; done; exit {code}"])
    service = registered.id(name)
    registered.expect(service)
    containers.docker.execute(name, "touch", "/go")
    until(lambda: containers.docker.inspect(name)["State"]["Status"] == "exited", "it has ended")
    # Another container that starts now and is registered: the end of the first was seen by then.
    other = registered.id(containers.run("other"))
    registered.expect(*([service] if stays else []), other)
    assert containers.docker.inspect(name)["State"]["ExitCode"] == code
    containers.docker.remove(name)
    registered.expect(other)


def test_deregister_on_success_of_what_is_removed_at_its_end(tw, containers, registered):
    tw.registrator("-deregister=on-success", "-ip", IP, registered.uri)
    name = containers.run("job", more={"AutoRemove": True}, cmd=[
        "sh", "-c", "until test -e /go; do sleep 0.05; done; exit 1"])
    registered.expect(registered.id(name))
    containers.docker.execute(name, "touch", "/go")
    registered.expect()


def test_resync_writes_what_differs_and_nothing_else(tw, own_containers, own_consul):
    registered = Registered(own_consul, own_containers)
    agent = tw.registrator("-resync=1", "-ip", IP, registered.uri)
    name = own_containers.run("web", labels={"SERVICE_TAGS": "a"})
    service = registered.id(name)
    registered.expect(service)
    agent.wait_err("in sync")
    written = len(own_consul.writes())
    listed = len(own_consul.requests("/v1/agent/services"))
    until(lambda: len(own_consul.requests("/v1/agent/services")) >= listed + 3, "three comparisons", 90)
    assert own_consul.writes()[written:] == []
    own_consul.register(ID=service, Name="sample", Address="10.9.9.9", Port=1,
                        Meta=registered.services()[service]["Meta"])
    registered.wait_service(service, Address=IP, Tags=["a"])
    own_consul.deregister(service)
    registered.wait_service(service, Address=IP, Tags=["a"])


# ---- checks ----

def test_exactly_one_check(tw, containers, registered):
    """The first kind in Registrator's order, and all of its keys stay in Meta."""
    tw.registrator("-ip", "127.0.0.1", registered.uri)
    web = containers.run("web", labels={
        "SERVICE_CHECK_TCP": "true", "SERVICE_CHECK_HTTP": "/name", "SERVICE_CHECK_INTERVAL": "1s",
        "SERVICE_CHECK_TTL": "30s"})
    service = registered.id(web)

    def checks():
        return {c["CheckID"]: (c["Type"], c["Status"]) for c in registered.consul.checks().values()
                if c["ServiceID"] == service}

    until_equal(checks, {f"service:{service}": ("http", "passing")})
    assert registered.services()[service]["Meta"]["check_ttl"] == "30s"


def test_ttl_check_is_kept_passing(tw, containers, registered):
    """Nobody did that for Registrator. Where the container has a HEALTHCHECK, it is what that says."""
    tw.registrator("-ip", IP, registered.uri)
    web = containers.run("web", labels={"SERVICE_CHECK_TTL": "2s"})
    ill = containers.run("ill", labels={"SERVICE_CHECK_TTL": "2s"}, health="test -e /www/healthy")

    def status(name):
        return registered.consul.checks().get(f"service:{registered.id(name)}", {}).get("Status")

    until_equal(lambda: (status(web), status(ill)), ("passing", "passing"))
    containers.docker.execute(ill, "rm", "/www/healthy")
    until_equal(lambda: status(ill), "critical")
    deadline = time.monotonic() + 5  # two TTLs and more
    until(lambda: time.monotonic() > deadline or status(web) != "passing", "time passes")
    assert status(web) == "passing"


def test_address_of_consul_from_its_variable(tw, containers, registered):
    tw.registrator("-ip", IP, "consul://", env={"CONSUL_HTTP_ADDR": registered.consul.address})
    web = containers.run("web")
    registered.expect(registered.id(web))


def test_consul_tls(tw, containers, own_consul_folder):
    """The three files come from the variables that Registrator read."""
    consul = TlsConsul(own_consul_folder, Certificates(own_consul_folder))
    consul.start()
    try:
        registered, c = Registered(consul, containers), consul.certificates
        agent = tw.registrator("-ip", IP, f"consul-tls://{consul.address}", env={
            "CONSUL_CACERT": str(c.ca), "CONSUL_CLIENT_CERT": str(c.client),
            "CONSUL_CLIENT_KEY": str(c.client_key)})
        web = containers.run("web")
        registered.expect(registered.id(web))
        agent.stop()
        refused = tw.registrator("-ip", IP, f"consul-tls://{consul.address}")
        refused.expected_status = 1
        assert refused.wait_exit() == 1
        assert "certificate" in refused.err(), refused.err()
    finally:
        consul.close()


# ---- what Registrator left behind ----

def left_behind(consul, service_id, name="sample", **more):
    """An entry as Registrator wrote it: no owner in it."""
    consul.register(ID=service_id, Name=name, Address=IP, Port=more.pop("Port", 1234), **more)


@pytest.mark.parametrize("cleanup", [False, True])
def test_cleanup(tw, containers, registered, cleanup):
    consul, t = registered.consul, containers.test_id
    dangling = [f"{HOST}:{t}-gone:80", f"{HOST}:{t}-gone:53:udp"]
    kept = [f"other-{HOST}:{t}-gone:80", f"{t}-custom-id", f"{HOST}:{t}-gone:http",
            f"{HOST}:-{t}:80", f"{HOST}:{t}:80:tcp", f"{HOST}:{t}/x:80"]
    for service in (*dangling, *kept):
        left_behind(consul, service)
    web = containers.run("web")
    left_behind(consul, registered.id(web), Tags=["old"])
    tw.registrator(*(["-cleanup"] if cleanup else []), "-ip", IP, registered.uri)
    registered.wait_service(registered.id(web), Port=containers.host_port(web), Tags=[])
    registered.expect(registered.id(web), *kept, *([] if cleanup else dangling))
    # Also what turns up later: it is seen by the next comparison.
    late = f"{HOST}:{t}-late:80"
    left_behind(consul, late)
    other = containers.run("other")
    registered.expect(registered.id(web), registered.id(other), *kept,
                      *([] if cleanup else [*dangling, late]))


def test_entries_of_registrator_are_taken_over(tw, containers, registered):
    """Right but for the owner: the check in Consul goes on as it is."""
    consul = registered.consul
    web = containers.run("web", labels={"SERVICE_CHECK_TCP": "true", "SERVICE_CHECK_INTERVAL": "1h",
                                        "SERVICE_REGION": "eu"})
    service, port = registered.id(web), containers.host_port(web)
    attributes = {"region": "eu", "check_tcp": "true", "check_interval": "1h"}
    left_behind(consul, service, Port=port, Meta=attributes, Check={
        "TCP": f"{IP}:{port}", "Interval": "1h", "Status": "passing"})
    tw.registrator("-ip", IP, registered.uri)
    until(lambda: "tidewaiter-node" in registered.services()[service]["Meta"], "it is taken over")
    assert registered.shown() == {service: ("sample", IP, port, [], attributes)}
    check = consul.checks()[f"service:{service}"]
    assert check["Status"] == "passing", check
    containers.docker.stop(web)
    registered.expect()


def test_restart_of_the_agent(tw, own_containers, own_consul):
    registered = Registered(own_consul, own_containers)
    agent = tw.registrator("-ip", IP, registered.uri)
    stays, goes = own_containers.run("stays"), own_containers.run("goes")
    registered.expect(registered.id(stays), registered.id(goes))
    agent.kill()
    own_containers.docker.stop(goes)
    written = len(own_consul.writes())
    agent = tw.registrator("-ip", IP, registered.uri)
    registered.expect(registered.id(stays))
    agent.wait_err("in sync")
    assert [m for m, _ in own_consul.writes()[written:]] == ["PUT"], own_consul.writes()[written:]


def as_of_another_host(engine):
    """Engines of one host have one id, where it comes from a key in /etc/docker (20.10)."""
    config = engine.folder / "daemon.json"
    config.write_text(json.dumps({"deprecated-key-path": str(engine.folder / "key.json")}))
    engine.stop()
    engine.options = ["--config-file", config]
    engine.start()


def test_two_hosts_of_one_name(tw, docker, containers, engine, own_containers, own_consul):
    """They share a Consul agent: neither takes the other's services for its own, whatever it cleans."""
    if engine.docker.id() == docker.id():
        as_of_another_host(engine)
    assert engine.docker.id() != docker.id()
    first = Registered(own_consul, containers)
    second = Registered(own_consul, own_containers)
    here = first.id(containers.run("here"))
    there = second.id(own_containers.run("there"))
    agents = [tw.registrator("-cleanup", "-ip", IP, own_consul.uri, docker=url)
              for url in (docker.url, engine.docker.url)]
    for agent in agents:
        agent.wait_err("in sync")
    until(lambda: {here, there} <= set(own_consul.services()), own_consul.services)
    for registered, made in ((first, containers), (second, own_containers)):
        more = registered.id(made.run("more"))
        until(lambda: {here, there, more} <= set(own_consul.services()), own_consul.services)
        made.docker.remove(made.name("more"))
        until(lambda: more not in own_consul.services(), own_consul.services)
    assert {here, there} <= set(own_consul.services())
    for agent in agents:
        assert agent.stop() == 0
    assert tw.registrator("-cleanup", "-ip", IP, own_consul.uri, docker=docker.url).wait_err("in sync")
    assert {here, there} <= set(own_consul.services())


# ---- what went wrong with events ----

def test_restarts_and_bursts(tw, containers, registered):
    agent = tw.registrator("-ip", IP, registered.uri)
    web = containers.run("web")
    registered.expect(registered.id(web))
    for _ in range(3):
        containers.docker.restart(web, grace=1)
    short = [containers.create(f"short{i}", cmd=["true"]) for i in range(5)]
    for name in short:
        containers.docker.start(name)
    many = [containers.run(f"many{i}") for i in range(8)]
    registered.expect(*map(registered.id, (web, *many)))
    assert registered.services()[registered.id(web)]["Port"] == containers.host_port(web)
    assert agent.alive()


def test_engine_restarts(tw, own_containers, engine, own_consul):
    """The end of the stream ended Registrator."""
    registered = Registered(own_consul, own_containers)
    agent = tw.registrator("-ip", IP, registered.uri)
    back = own_containers.run("back", restart="always")
    gone = own_containers.run("gone")
    registered.expect(registered.id(back), registered.id(gone))
    engine.stop()
    engine.start()
    registered.expect(registered.id(back))
    new = own_containers.run("new")
    registered.expect(registered.id(back), registered.id(new))
    assert registered.services()[registered.id(back)]["Port"] == own_containers.host_port(back)
    assert agent.alive()


def test_paused_and_unhealthy_stay(tw, containers, registered):
    tw.registrator("-ip", IP, registered.uri)
    ill = containers.run("ill", health="false")
    until(lambda: containers.docker.inspect(ill)["State"]["Health"]["Status"] == "unhealthy", "unhealthy")
    paused = containers.run("paused")
    registered.expect(registered.id(ill), registered.id(paused))
    containers.docker.pause(paused)
    other = containers.run("other")
    registered.expect(*map(registered.id, (ill, paused, other)))
    containers.docker.unpause(paused)


# ---- other registries ----

def of_test(etcd, containers, prefix):
    return {k: v for k, v in etcd.keys(prefix).items()
            if containers.test_id in k and "/.agents/" not in k}


def test_etcd(tw, containers, shared_etcd):
    """Registrator's keys and values; without -ttl they outlive the agent."""
    prefix = f"/e2e/{containers.test_id}"
    agent = tw.registrator("-ip", IP, f"etcd://{shared_etcd.address}{prefix}")
    web = containers.run("web")
    key = f"{prefix}/sample/{HOST}:{web}:80"
    until_equal(lambda: {k: v.value for k, v in of_test(shared_etcd, containers, prefix).items()
                         if web in k}, {key: f"{IP}:{containers.host_port(web)}"})
    lease = shared_etcd.keys(key)[key].lease
    granted = shared_etcd.call("lease/timetolive", ID=str(lease))["grantedTTL"]
    assert int(granted) == 3600, granted
    assert agent.stop() == 0
    assert key in shared_etcd.keys(prefix)


def test_etcd_ttl(tw, containers, shared_etcd):
    """Keys live as long as they are refreshed, those of a failed container no longer than the TTL."""
    prefix = f"/e2e/{containers.test_id}"
    agent = tw.registrator("-ttl=5", "-ttl-refresh=2", "-deregister=on-success", "-ip", IP,
                           f"etcd://{shared_etcd.address}{prefix}")
    web = containers.run("web")
    job = containers.run("job", cmd=["sh", "-c", "until test -e /go; do sleep 0.05; done; exit 3"])

    def names():
        return {k.split(":")[1] for k in of_test(shared_etcd, containers, prefix)
                if web in k or job in k}

    until_equal(names, {web, job})
    first = shared_etcd.keys(prefix)
    containers.docker.execute(job, "touch", "/go")
    until(lambda: containers.docker.inspect(job)["State"]["Status"] == "exited", "it has ended")
    ended = time.monotonic()
    assert names() == {web, job}
    until_equal(names, {web}, 20)
    assert time.monotonic() - ended > 4
    key = next(k for k in first if web in k)
    assert shared_etcd.keys(prefix)[key].mod_revision == first[key].mod_revision  # no writes to renew
    agent.kill()
    until_equal(names, set(), 20)


def test_skydns(tw, containers, shared_etcd):
    domain = f"{containers.test_id}.local"
    tw.registrator("-ip", IP, f"skydns2://{shared_etcd.address}/{domain}")
    web = containers.run("web")
    prefix = f"/skydns/local/{containers.test_id}/sample/"
    until(lambda: any(web in k for k in shared_etcd.keys(prefix)), lambda: shared_etcd.keys("/skydns"))
    ((key, value),) = [(k, v.value) for k, v in shared_etcd.keys(prefix).items() if web in k]
    assert f'"host":"{IP}","port":{containers.host_port(web)}' in value, (key, value)
    assert ":" not in key


def test_consulkv(tw, containers, shared_consul):
    prefix = f"e2e/{containers.test_id}"
    agent = tw.registrator("-ip", IP, f"consulkv://{shared_consul.address}/{prefix}")
    web = containers.run("web")
    key = f"{prefix}/sample/{HOST}:{web}:80"
    until_equal(lambda: {k: v.value for k, v in shared_consul.kv(prefix).items() if k == key},
                {key: f"{IP}:{containers.host_port(web)}"})
    assert agent.stop() == 0
    assert key in shared_consul.kv(prefix)
    containers.docker.stop(web)
    tw.registrator("-ip", IP, f"consulkv://{shared_consul.address}/{prefix}")
    until(lambda: key not in shared_consul.kv(prefix), "what ended meanwhile goes at the next start")
