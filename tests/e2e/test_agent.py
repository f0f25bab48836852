"""The agent's own life: restarted, taken over, run once, and under a burst of containers."""
import concurrent.futures
import time

import pytest

from rig.proc import free_port
from rig.wait import until, until_equal


def end(agent, how):
    if how == "kill":
        agent.kill()
    else:
        assert agent.stop() == 0


@pytest.mark.parametrize("how", ["term", "kill"])
def test_restart_writes_nothing_that_is_right(tw, containers, records, how):
    agent = tw.agent(records.uri)
    names = [containers.run(f"web{i}") for i in range(5)]
    records.expect(*map(records.key, names))
    before = records.keys()
    end(agent, how)
    agent = tw.agent(records.uri)
    # A container that appears later is registered: the comparison is over by then.
    agent.wait_err("in sync")
    marker = containers.run("marker")
    until(lambda: records.key(marker) in records.keys(), "the marker is registered")
    after = records.keys()
    del after[records.key(marker)]
    assert after == before


@pytest.mark.parametrize("how", ["term", "kill"])
def test_restart_puts_right_what_changed_meanwhile(tw, containers, records, how):
    agent = tw.agent(records.uri)
    stays, goes, moves = (containers.run(n) for n in ("stays", "goes", "moves"))
    records.expect(*map(records.key, (stays, goes, moves)))
    before = records.keys()
    end(agent, how)
    containers.docker.kill(goes)
    containers.docker.restart(moves)
    new = containers.run("new")
    tw.agent(records.uri)
    records.expect(*map(records.key, (stays, moves, new)))
    records.wait_service(records.key(moves), port=containers.host_port(moves))
    assert records.keys()[records.key(stays)] == before[records.key(stays)]


def test_keys_outlive_a_stopped_agent_until_the_ttl(tw, containers, records):
    agent = tw.agent(records.uri)
    web = containers.run("web")
    records.expect(records.key(web))
    started = time.monotonic()
    assert agent.stop() == 0
    assert records.names() == [records.key(web)]
    records.expect(timeout=15)
    assert time.monotonic() - started > 2.5, "gone long before the TTL"


def test_deregister_on_exit(tw, containers, records):
    agent = tw.agent(records.uri, "--on-exit", "deregister")
    web = containers.run("web")
    records.expect(records.key(web))
    assert agent.stop() == 0
    assert records.names() == [] and not records.agents()


def test_second_agent_of_one_node_takes_over(tw, containers, records):
    first = tw.agent(records.uri)
    web = containers.run("web")
    records.expect(records.key(web))
    before = records.keys()
    second = tw.agent(records.uri)
    first.expected_status = 1
    assert first.wait_exit() == 1
    (said,) = [l for l in first.err().splitlines() if "level=error" in l]
    assert f"another agent runs with node name {records.node}" in said, said
    assert second.alive() and records.keys() == before
    containers.docker.stop(web)
    new = containers.run("new")
    records.expect(records.key(new))


def test_two_nodes_share_a_prefix(tw, containers, records):
    """Both see the same engine here; each has its own keys and leaves the other's alone."""
    one = tw.agent(records.uri)
    tw.agent(records.uri, node=records.node + "b")
    web = containers.run("web")
    mine, other = records.key(web), records.key(web).replace(":", "b:", 1)
    records.expect(mine, other)
    one.kill()
    records.expect(other, timeout=15)


def test_once_and_dry_run(tw, containers, records):
    web = containers.run("web")
    options = [*tw.agent_options(), "--ttl", "5s"]
    dry = tw.run("agent", "--dry-run", *options, records.uri)
    assert records.key(web) in dry.stdout, dry
    assert not records.keys() and not records.agents()
    tw.run("agent", "--once", *options, records.uri)
    assert records.names() == [records.key(web)]


def test_once_fails_where_nothing_answers(tw):
    done = tw.run("agent", "--once", *tw.agent_options(), "--ttl=5s",
                  f"etcd://127.0.0.1:{free_port()}/x", status=1)
    assert "127.0.0.1" in done.stderr, done.stderr


def test_steady_state_writes_nothing(tw, containers, own_etcd, own_records):
    """Over two keepalives and a full comparison the revision of etcd stands still."""
    records = own_records
    agent = tw.agent(records.uri, "--resync", "1s", "--ttl", "6s")
    names = [containers.run(f"web{i}") for i in range(3)]
    records.expect(*map(records.key, names))
    until(lambda: agent.err().count("in sync") > 0, "in sync")
    revision = own_etcd.revision()
    granted = {k.lease for k in records.keys().values()}
    time.sleep(5)
    assert own_etcd.revision() == revision
    assert {k.lease for k in records.keys().values()} == granted


def in_parallel(function, arguments, workers=8):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        started = time.monotonic()
        list(pool.map(function, arguments))
        return time.monotonic() - started


@pytest.mark.slow
def test_burst_of_200(tw, containers, records):
    """Host networking makes the engine itself as fast as it can be."""
    count = 200
    tw.agent(records.uri)
    names = [containers.name(f"b{i}") for i in range(count)]
    in_parallel(lambda i: containers.create(
        f"b{i}", ports=(), network="host", cmd=["/bin/sleep", "10000"],
        env={"SERVICE_PORTS": str(30000 + i)}), range(count))
    keys = sorted(records.key(name, str(30000 + i)) for i, name in enumerate(names))
    took = in_parallel(containers.docker.start, names)
    started = time.monotonic()
    until_equal(records.names, keys, timeout=60)
    late = time.monotonic() - started
    assert late <= took / 2 + 1, f"docker took {took:.1f} s, the last key came {late:.1f} s later"

    took = in_parallel(containers.docker.kill, names)
    started = time.monotonic()
    records.expect(timeout=60)
    late = time.monotonic() - started
    assert late <= took / 2 + 1, f"docker took {took:.1f} s, the last key went {late:.1f} s later"
