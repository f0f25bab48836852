"""etcd stopped, wiped, failing over and meddled with under a running agent."""
import time

import pytest

from rig.etcd import Etcd
from rig.proc import free_port
from rig.tidewaiter import EtcdRecords
from rig.wait import until, until_equal

TTL = 5  # of the agents under test


def outlast_ttl():
    """The one thing that only time brings about: a lease that would have run out."""
    time.sleep(TTL + 1)


@pytest.mark.parametrize("wiped", [False, True], ids=["same-data", "wiped"])
def test_down_for_longer_than_the_ttl(tw, containers, own_etcd, own_records, wiped):
    records = own_records
    agent = tw.agent(records.uri)
    stays, goes = containers.run("stays"), containers.run("goes")
    records.expect(records.key(stays), records.key(goes))
    own_etcd.stop()
    agent.wait_err("registry is out of reach")
    containers.docker.stop(goes)
    new = containers.run("new")
    outlast_ttl()
    if wiped:
        own_etcd.wipe()
    own_etcd.start()
    records.expect(records.key(stays), records.key(new))
    assert agent.err().count("registry is out of reach") == 1, agent.err()
    # All of it on a lease that lives.
    leases = {k.lease for k in [*records.keys().values(), *records.agents().values()]}
    assert len(leases) == 1 and leases <= set(own_etcd.leases()), leases


def test_absent_at_first(tw, containers, own_etcd, own_records):
    own_etcd.stop()
    agent = tw.agent(own_records.uri)
    web = containers.run("web")
    agent.wait_err("docker engine is connected")
    own_etcd.start()
    own_records.expect(own_records.key(web))


def test_lease_revoked(tw, containers, records):
    tw.agent(records.uri)
    web, other = containers.run("web"), containers.run("other")
    expected = [records.key(web), records.key(other)]
    records.expect(*expected)
    lost = records.keys()[expected[0]].lease
    records.etcd.call("lease/revoke", ID=str(lost))
    records.expect(*expected)
    until(lambda: all(k.lease not in (0, lost) for k in records.keys().values()),
          "every key has the new lease")


def test_key_deleted_or_altered_by_hand(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web")
    key = records.key(web)
    truth = records.wait_service(key)
    full = f"{records.prefix}/{key}"
    assert records.etcd.delete(full) == 1
    records.wait_service(key, **truth)
    lease = records.keys()[key].lease
    records.etcd.put(full, "10.9.8.7:1", lease)
    until(lambda: records.keys()[key].value != "10.9.8.7:1", "put right")
    assert records.services()[key] == truth
    # Without the lease it would never expire.
    records.etcd.put(full, records.keys()[key].value)
    until(lambda: records.keys()[key].lease == lease, lambda: f"leased again: {records.keys()}")


def test_the_agents_own_record_deleted(tw, containers, records):
    agent = tw.agent(records.uri)
    web = containers.run("web")
    records.expect(records.key(web))
    (record,) = records.agents()
    records.etcd.delete(record)
    until(records.agents, "the agent's record is back")
    assert agent.alive() and records.names() == [records.key(web)]


def test_keys_of_others_are_left_alone(tw, containers, records):
    foreign = {f"{records.prefix}/sample/other:web:80": "10.0.0.9:80",
               f"{records.prefix}/sample/{records.node}x:web:80": "10.0.0.9:81"}
    for key, value in foreign.items():
        records.etcd.put(key, value)
    agent = tw.agent(records.uri)
    web = containers.run("web")
    until(lambda: records.key(web) in records.keys(), "registered")
    containers.docker.stop(web)
    until(lambda: records.key(web) not in records.keys(), "deregistered")
    agent.stop()
    there = records.etcd.keys(records.prefix + "/sample/")
    assert {k: v.value for k, v in there.items()} == foreign


def test_dead_endpoints(tw, containers, shared_etcd, test_id):
    records = EtcdRecords(shared_etcd, test_id)
    dead = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    tw.agent(f"etcd://{dead[0]},{shared_etcd.address},{dead[1]}{records.prefix}")
    web = containers.run("web")
    records.expect(records.key(web))
    containers.docker.stop(web)
    records.expect()


@pytest.mark.slow
def test_any_member_of_three_stopped(tw, containers, tmp_path, test_id):
    members = [Etcd(tmp_path, f"m{i}") for i in range(3)]
    cluster = ",".join(f"{m.name}={m.peer_url}" for m in members)
    try:
        for member in members:
            member.launch(cluster)
        for member in members:
            member.wait_answers()
        records = EtcdRecords(members[0], test_id)
        agent = tw.agent("etcd://" + ",".join(m.address for m in members) + records.prefix)
        expected = []
        for member, other in zip(members, members[1:] + members[:1]):
            member.stop()
            records.etcd = other
            name = containers.run(f"web-{member.name}")
            expected.append(records.key(name))
            records.expect(*expected)
            member.launch(cluster)
            member.wait_answers()
        gone = expected.pop(0)
        containers.docker.kill(gone.split(":")[1])
        until_equal(records.names, sorted(expected))
        assert agent.alive()
    finally:
        for member in members:
            member.close()
