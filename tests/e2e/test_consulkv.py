"""Records in Consul's KV, which vanish with the agent that wrote them."""
import time

import pytest

from rig.consul_records import ConsulKvRecords
from rig.nginx import parse_upstreams
from rig.wait import until, until_equal

TTL = 10  # the shortest that Consul takes


def agent_on(tw, records, *options, **more):
    return tw.agent(records.uri, "--ttl", f"{TTL}s", *options, **more)


def one_session(records):
    """The session that all of them are locked by."""
    held = {k.session for k in [*records.keys().values(), *records.agents().values()]}
    assert len(held) == 1 and None not in held, held
    (session,) = held
    return session


def test_start_and_stop(tw, containers, consulkv_records):
    records = consulkv_records
    agent = agent_on(tw, records)
    name = containers.run("web", labels={"SERVICE_TAGS": "blue", "SERVICE_REGION": "eu"})
    record = records.wait_service(records.key(name))
    assert record == {
        "host": "127.0.0.1", "port": containers.host_port(name), "name": "sample",
        "id": f"{records.node}:{name}:80", "node": records.node,
        "container": containers.docker.inspect(name)["Id"], "proto": "tcp", "tags": ["blue"],
        "attrs": {"region": "eu"}, "status": "passing"}
    session = records.consul.sessions()[one_session(records)]
    assert session["TTL"] == f"{TTL}s" and session["Behavior"] == "delete", session
    containers.docker.stop(name)
    records.expect()
    containers.docker.start(name)
    records.wait_service(records.key(name), port=containers.host_port(name))
    assert agent.alive()


@pytest.mark.parametrize("form, expected", [("addr", "127.0.0.1:{}"),
                                            ("grpc", '"Addr":"127.0.0.1:{}"')])
def test_other_forms(tw, containers, shared_consul, test_id, form, expected):
    records = ConsulKvRecords(shared_consul, test_id, form)
    agent_on(tw, records)
    name = containers.run("web")
    records.expect(records.key(name))
    assert expected.format(containers.host_port(name)) in records.keys()[records.key(name)].value
    assert f"127.0.0.1:{containers.host_port(name)}" in tw.run("ls", records.uri).stdout


def test_keys_vanish_with_the_agent(tw, containers, consulkv_records):
    records = consulkv_records
    agent = agent_on(tw, records)
    names = [containers.run(f"web{i}") for i in range(3)]
    records.expect(*map(records.key, names))
    session = one_session(records)
    agent.kill()
    killed = time.monotonic()
    assert records.names() == sorted(map(records.key, names))
    # Consul takes up to twice the TTL, and looks now and then.
    records.expect(timeout=2 * TTL + 3)
    assert time.monotonic() - killed > TTL / 2, "gone long before the TTL"
    assert not records.agents() and session not in records.consul.sessions()


@pytest.mark.slow
def test_kept_alive_for_longer_than_the_ttl(tw, containers, consulkv_records):
    records = consulkv_records
    agent_on(tw, records)
    name = containers.run("web")
    records.expect(records.key(name))
    before = records.keys()
    end = time.monotonic() + 2.5 * TTL
    while time.monotonic() < end:
        assert records.keys() == before
        time.sleep(0.25)


@pytest.mark.parametrize("how", ["term", "kill"])
def test_restart_writes_nothing_that_is_right(tw, containers, consulkv_records, how):
    records = consulkv_records
    agent = agent_on(tw, records)
    stays = [containers.run(f"web{i}") for i in range(3)]
    goes = containers.run("goes")
    records.expect(*map(records.key, (*stays, goes)))
    before, sessions = records.keys(), set(records.consul.sessions())
    if how == "kill":
        agent.kill()
    else:
        assert agent.stop() == 0
    containers.docker.kill(goes)
    agent = agent_on(tw, records)
    agent.wait_err("in sync")
    marker = containers.run("marker")
    records.expect(*map(records.key, (*stays, marker)))
    after = records.keys()
    assert {records.key(n): after[records.key(n)] for n in stays} == {
        records.key(n): before[records.key(n)] for n in stays}
    # None is new, and those of earlier tests run out meanwhile.
    assert set(records.consul.sessions()) <= sessions


def test_deregister_on_exit(tw, containers, consulkv_records):
    records = consulkv_records
    agent = agent_on(tw, records, "--on-exit", "deregister")
    name = containers.run("web")
    records.expect(records.key(name))
    session = one_session(records)
    assert agent.stop() == 0
    assert records.names() == [] and not records.agents()
    assert session not in records.consul.sessions()


def test_session_destroyed_by_hand(tw, containers, consulkv_records):
    records = consulkv_records
    agent = agent_on(tw, records)
    names = [containers.run(f"web{i}") for i in range(3)]
    records.expect(*map(records.key, names))
    truth, session = records.services(), one_session(records)
    records.consul.session_destroy(session)
    until(lambda: records.services() == truth and one_session(records) != session,
          lambda: f"back under another session: {records.keys()}")
    assert agent.alive()


def test_key_deleted_or_altered_by_hand(tw, containers, consulkv_records):
    records = consulkv_records
    agent_on(tw, records)
    name = containers.run("web")
    key = records.key(name)
    truth = records.wait_service(key)
    full = f"{records.prefix}/{key}"
    records.consul.kv_delete(full)
    records.wait_service(key, **truth)
    session = records.keys()[key].session
    records.consul.kv_put(full, "10.9.8.7:1")
    until(lambda: records.keys()[key].value != "10.9.8.7:1", "put right")
    assert records.services()[key] == truth
    # Unlocked it would outlive the agent.
    assert records.consul.kv_put(full, records.keys()[key].value, f"?release={session}") is True
    until(lambda: records.keys()[key].session == session, lambda: f"locked again: {records.keys()}")


def test_keys_of_others_are_left_alone(tw, containers, consulkv_records):
    records = consulkv_records
    consul = records.consul
    foreign = {f"{records.prefix}/sample/other:web:80": "10.0.0.9:80",
               f"{records.prefix}/sample/{records.node}x:web:80": "10.0.0.9:81"}
    for key, value in foreign.items():
        consul.kv_put(key, value)
    agent = agent_on(tw, records, "--on-exit", "deregister")
    name = containers.run("web")
    until(lambda: records.key(name) in records.keys(), "registered")
    containers.docker.stop(name)
    until(lambda: records.key(name) not in records.keys(), "deregistered")
    assert agent.stop() == 0
    assert {k: v.value for k, v in consul.kv(records.prefix + "/sample/").items()} == foreign


def test_second_agent_of_one_node_takes_over(tw, containers, consulkv_records):
    records = consulkv_records
    first = agent_on(tw, records)
    name = containers.run("web")
    records.expect(records.key(name))
    before = records.keys()
    second = agent_on(tw, records)
    first.expected_status = 1
    assert first.wait_exit() == 1
    (said,) = [l for l in first.err().splitlines() if "level=error" in l]
    assert f"another agent runs with node name {records.node}" in said, said
    assert second.alive() and records.keys() == before


@pytest.mark.parametrize("data", ["kept", "wiped"])
def test_consul_restarted(tw, containers, own_consul, test_id, data):
    records = ConsulKvRecords(own_consul, test_id)
    agent = agent_on(tw, records)
    stays, goes = containers.run("stays"), containers.run("goes")
    records.expect(records.key(stays), records.key(goes))
    own_consul.kill()
    agent.wait_err("registry is out of reach")
    if data == "wiped":
        own_consul.wipe()
    containers.docker.kill(goes)
    own_consul.start()
    records.expect(records.key(stays), timeout=60)
    one_session(records)
    assert agent.alive() and agent.err().count("registry is out of reach") == 1, agent.err()


def test_render_and_ls(tw, containers, consulkv_records, tmp_path):
    records = consulkv_records
    out = tmp_path / "up.conf"
    agent_on(tw, records)
    records.consul.kv_put(f"{records.prefix}/web/by:hand:80", "10.0.0.1:80")
    records.consul.kv_put(f"{records.prefix}/web/json", '{"host":"10.0.0.2","port":80}')
    renderer = tw.render(records.uri, "-o", out, "--wait", "0")

    def servers(service):
        return sorted(parse_upstreams(out.read_text()).get(service, [])) if out.exists() else None

    until_equal(lambda: servers("web"), ["10.0.0.1:80", "10.0.0.2:80"])
    began = time.monotonic()
    records.consul.kv_delete(f"{records.prefix}/web/by:hand:80")
    until_equal(lambda: servers("web"), ["10.0.0.2:80"])
    assert time.monotonic() - began < 1, f"seen after {time.monotonic() - began:.1f} s"
    name = containers.run("sample")
    port = containers.host_port(name)
    until_equal(lambda: servers("sample"), [f"127.0.0.1:{port}"])
    assert f"{records.node}:{name}:80" in tw.services(records.uri)
    containers.docker.kill(name)
    until_equal(lambda: servers("sample"), ["127.0.0.1:9 down"])
    assert renderer.alive()


def test_bad_values_leave_the_others(tw, consulkv_records):
    records = consulkv_records
    for key, value in (("a", "10.0.0.1:80"), ("b", "nonsense"), ("c", "")):
        records.consul.kv_put(f"{records.prefix}/web/{key}", value)
    assert parse_upstreams(tw.run("render", records.uri).stdout) == {"web": ["10.0.0.1:80"]}


def test_once_and_dry_run(tw, containers, consulkv_records):
    records = consulkv_records
    name = containers.run("web")
    options = [*tw.agent_options(), "--ttl", f"{TTL}s"]
    sessions = set(records.consul.sessions())
    dry = tw.run("agent", "--dry-run", *options, records.uri)
    assert records.key(name) in dry.stdout, dry
    assert not records.keys() and not records.agents()
    # Those of earlier tests run out meanwhile.
    assert set(records.consul.sessions()) <= sessions
    tw.run("agent", "--once", *options, records.uri)
    assert records.names() == [records.key(name)]
