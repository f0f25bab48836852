"""The agent on a real Consul: what it registers, and how it gets on with others who change things there."""
import threading

import pytest

from rig.consul_records import ConsulRecords
from rig.wait import until, until_equal


def test_registration(tw, containers, consul_records):
    tw.agent(consul_records.uri)
    name = containers.run("web", labels={
        "SERVICE_NAME": "shop", "SERVICE_TAGS": "blue,a\\,b", "SERVICE_REGION": "eu",
        "SERVICE_WEIGHT": "7", "SERVICE_ENABLE_TAG_OVERRIDE": "true", "SERVICE_CHECK_TTL": "30s"})
    service = consul_records.id(name)
    found = consul_records.wait_service(service)
    expected = {"Service": "shop", "Tags": ["blue", "a,b"], "Address": "127.0.0.1",
                "Port": containers.host_port(name), "Weights": {"Passing": 7, "Warning": 1},
                "EnableTagOverride": True}
    assert {k: found[k] for k in expected} == expected
    # What configures checks is no attribute of the service.
    assert found["Meta"] == {"region": "eu", "tidewaiter-node": consul_records.node,
                             "tidewaiter-container": containers.docker.inspect(name)["Id"]}
    until_equal(lambda: consul_records.consul.catalog("shop").get(service, {}).get("ServiceWeights"),
                {"Passing": 7, "Warning": 1})
    containers.docker.stop(name)
    consul_records.expect()
    assert consul_records.checks(service) == {}
    containers.docker.start(name)
    consul_records.wait_service(service, Port=containers.host_port(name))


def test_several_ports_and_protocols(tw, containers, consul_records):
    tw.agent(consul_records.uri)
    name = containers.run("dns", ports=("80", "53", "53/udp"), labels={"SERVICE_53_NAME": "dns"})
    consul_records.expect(*(consul_records.id(name, port) for port in ("53", "53:udp", "80")))
    services = consul_records.services()
    assert services[consul_records.id(name, "53:udp")]["Tags"] == ["udp"]
    assert services[consul_records.id(name, "53:udp")]["Port"] == containers.host_port(name, "53/udp")
    assert services[consul_records.id(name, "53")]["Service"] == "dns"


def test_what_consul_would_refuse_is_left_out_and_said(tw, containers, consul_records):
    agent = tw.agent(consul_records.uri)
    name = containers.run("web", labels={"SERVICE_GOOD": "1", "SERVICE_LONG": "x" * 513,
                                         "SERVICE_CONSUL-THING": "1"})
    found = consul_records.wait_service(consul_records.id(name))
    assert found["Meta"].get("good") == "1" and len(found["Meta"]) == 3, found["Meta"]
    said = agent.wait_err(rf".*level=warn.*{name}.*")[0]
    assert "513" in said or "512" in said or "long" in said or "consul-thing" in said, said


@pytest.mark.parametrize("how", ["term", "kill"])
def test_restart_writes_nothing_that_is_right(tw, containers, own_consul, own_consul_records, how):
    records = own_consul_records
    agent = tw.agent(records.uri)
    stays = [containers.run(f"web{i}", labels={"SERVICE_CHECK_TTL": "30s", "SERVICE_X": str(i)})
             for i in range(3)]
    goes = containers.run("goes")
    records.expect(*map(records.id, (*stays, goes)))
    until(lambda: len(own_consul.catalog("sample")) == 4, "the catalog has them")
    indexes = {i: s["ModifyIndex"] for i, s in own_consul.catalog("sample").items()}
    if how == "kill":
        agent.kill()
    else:
        assert agent.stop() == 0
        records.expect(*map(records.id, (*stays, goes)))
    containers.docker.kill(goes)
    written = len(own_consul.writes())
    agent = tw.agent(records.uri)
    records.expect(*map(records.id, stays))
    agent.wait_err("in sync")
    records.settle(agent, containers, *map(records.id, stays))
    # One that went meanwhile, and the marker, which came and went.
    assert len(own_consul.writes()) - written == 3, own_consul.writes()[written:]
    catalog = own_consul.catalog("sample")
    assert {i: catalog[i]["ModifyIndex"] for i in map(records.id, stays)} == {
        i: indexes[i] for i in map(records.id, stays)}


def test_steady_state_writes_nothing(tw, containers, own_consul, own_consul_records):
    records = own_consul_records
    agent = tw.agent(records.uri, "--resync", "1s")
    names = [containers.run(f"web{i}", labels={"SERVICE_CHECK_TTL": "3s", "SERVICE_TAGS": "b,a",
                                               "SERVICE_CHECK_HTTP": "/", "SERVICE_CHECK_INTERVAL": "1s"})
             for i in range(3)]
    records.expect(*map(records.id, names))
    for name in names:
        records.expect_statuses(records.id(name), ttl="passing", http="passing")
    records.settle(agent, containers, *map(records.id, names))
    written = len(own_consul.writes())
    records.make_agent_look()
    looked = len(own_consul.requests("/v1/agent/checks"))
    until(lambda: len(own_consul.requests("/v1/agent/checks")) > looked, "it looks by itself")
    # The two that made it look, each come and gone.
    assert len(own_consul.writes()[written:]) == 4, own_consul.writes()[written:]


def test_meddled_with_by_hand(tw, containers, consul_records):
    consul = consul_records.consul
    tw.agent(consul_records.uri, "--resync", "1s")
    name = containers.run("web", labels={"SERVICE_TAGS": "blue", "SERVICE_CHECK_TTL": "30s"})
    service = consul_records.id(name)
    truth = consul_records.wait_service(service)
    consul_records.expect_statuses(service, ttl="passing")
    consul.deregister(service)
    consul_records.wait_service(service, Port=truth["Port"])
    consul_records.expect_statuses(service, ttl="passing")
    consul.register(ID=service, Name="sample", Port=1, Tags=["red"], Address="10.9.8.7", Meta=truth["Meta"])
    consul_records.wait_service(service, **{k: truth[k] for k in ("Port", "Tags", "Address", "Weights")})
    check = consul_records.checks(service)["ttl"]["CheckID"]
    consul.call("PUT", f"/v1/agent/check/deregister/{check}")
    consul_records.expect_statuses(service, ttl="passing")
    consul.call("PUT", f"/v1/agent/check/fail/{check}")
    consul_records.expect_statuses(service, ttl="passing")


def test_maintenance_is_left_to_whom_it_is_of(tw, containers, consul_records):
    consul = consul_records.consul
    agent = tw.agent(consul_records.uri, "--resync", "1s")
    name = containers.run("web")
    service = consul_records.id(name)
    consul_records.expect(service)
    consul.call("PUT", f"/v1/agent/service/maintenance/{service}?enable=true&reason=x")
    consul_records.make_agent_look()
    consul_records.settle(agent, containers, service)
    (check,) = consul_records.checks(service).values()
    assert check["CheckID"] == f"_service_maintenance:{service}"


def test_checks_added_by_hand_stay(tw, containers, consul_records):
    consul = consul_records.consul
    agent = tw.agent(consul_records.uri, "--health", "mark")
    name = containers.run("web", health="test -e /www/healthy", labels={"SERVICE_CHECK_TTL": "30s"})
    service = consul_records.id(name)
    consul_records.expect_statuses(service, ttl="passing")
    consul.call("PUT", "/v1/agent/check/register", {
        "ID": f"hand-{service}", "Name": "byhand", "ServiceID": service, "TTL": "1h", "Status": "passing"})
    consul_records.make_agent_look()
    consul_records.expect_statuses(service, ttl="passing", byhand="passing")
    # Also when the service is registered anew.
    containers.docker.execute(name, "rm", "/www/healthy")
    consul_records.expect_statuses(service, ttl="critical", byhand="passing")
    assert agent.alive()


def test_weight_0_means_down(tw, containers, consul_records):
    tw.agent(consul_records.uri)
    name = containers.run("web", labels={"SERVICE_WEIGHT": "0", "SERVICE_NAME": f"s-{consul_records.node}"})
    service = consul_records.id(name)
    consul_records.expect_statuses(service, weight="critical")
    consul = consul_records.consul
    until(lambda: consul.catalog(f"s-{consul_records.node}"), "the catalog has it")
    assert consul.health(f"s-{consul_records.node}", "?passing") == []


def test_services_that_nobody_owns(tw, containers, consul_records):
    """As another tool would have left them, with ids of ours: taken over where wanted, never removed."""
    consul = consul_records.consul
    wanted = consul_records.id(containers.name("web"))
    stray = f"{consul_records.node}:stray:80"
    for service in (wanted, stray):
        consul.register(ID=service, Name="sample", Port=1)
    try:
        tw.agent(consul_records.uri)
        name = containers.run("web")
        consul_records.wait_service(wanted, Port=containers.host_port(name))
        consul_records.make_agent_look()
        assert stray in consul.services()
        containers.docker.remove(name)
        consul_records.expect()
        assert wanted not in consul.services() and stray in consul.services()
    finally:
        consul.deregister(stray)


def test_consul_at_the_address_of_its_own_variable(tw, containers, consul_records):
    env = {"CONSUL_HTTP_ADDR": consul_records.consul.address}
    tw.agent("consul://", env=env)
    name = containers.run("web")
    consul_records.expect(consul_records.id(name))
    until(lambda: consul_records.id(name) in tw.run("ls", "--json", "consul://", env=env).stdout, "listed")


def test_services_of_others_are_left_alone(tw, containers, consul_records):
    consul = consul_records.consul
    foreign = [f"{consul_records.node}-byhand", f"{consul_records.node}x:web:80"]
    theirs = f"{consul_records.node}:theirs:80"
    for service in foreign:
        consul.register(ID=service, Name="sample", Port=1, Check={"TTL": "1h"})
    consul.register(ID=theirs, Name="sample", Port=1, Meta={"tidewaiter-node": "elsewhere"})
    before = {i: consul.services()[i] for i in (*foreign, theirs)}
    checks = {i: c for i, c in consul.checks().items() if c["ServiceID"] in foreign}
    try:
        agent = tw.agent(consul_records.uri, "--on-exit", "deregister", "--resync", "1s")
        name = containers.run("web")
        consul_records.expect(consul_records.id(name))
        containers.docker.stop(name)
        consul_records.expect()
        containers.docker.start(name)
        consul_records.expect(consul_records.id(name))
        assert agent.stop() == 0
        assert consul_records.ids() == []
        assert {i: consul.services().get(i) for i in before} == before
        assert {i: consul.checks().get(i) for i in checks} == checks
    finally:
        for service in before:
            consul.deregister(service)


def test_drained_before_it_is_dead(tw, containers, consul_records):
    tw.agent(consul_records.uri)
    name = containers.run("web", env={"STOP_DELAY": "3"})
    consul_records.expect(consul_records.id(name))
    stopper = threading.Thread(target=containers.docker.stop, args=(name,))
    stopper.start()
    try:
        consul_records.expect()
        assert containers.docker.inspect(name)["State"]["Running"], "it went when the container was dead"
    finally:
        stopper.join()
    consul_records.expect()


def test_once_and_dry_run(tw, containers, own_consul, own_consul_records):
    records = own_consul_records
    own_consul.register(ID=f"{records.node}:gone:80", Name="sample", Port=1,
                        Meta={"tidewaiter-node": records.node})
    name = containers.run("web", labels={"SERVICE_CHECK_TTL": "30s"})
    written = len(own_consul.writes())
    dry = tw.run("agent", "--dry-run", *tw.agent_options(), records.uri)
    assert records.id(name) in dry.stdout and f"{records.node}:gone:80" in dry.stdout, dry
    assert own_consul.writes()[written:] == []
    tw.run("agent", "--once", *tw.agent_options(), records.uri)
    assert records.ids() == [records.id(name)]
    written = len(own_consul.writes())
    tw.run("agent", "--once", *tw.agent_options(), records.uri)
    assert own_consul.writes()[written:] == []


def test_two_nodes_share_an_agent(tw, containers, consul_records):
    """Both see the same engine here; each has its own services and leaves the other's alone."""
    other = ConsulRecords(consul_records.consul, consul_records.node + "b")
    one = tw.agent(consul_records.uri)
    two = tw.agent(consul_records.uri, "--on-exit", "deregister", node=other.node)
    web = containers.run("web")
    consul_records.expect(consul_records.id(web))
    other.expect(other.id(web))
    assert two.stop() == 0
    assert other.ids() == [] and consul_records.ids() == [consul_records.id(web)]
    assert one.alive()
