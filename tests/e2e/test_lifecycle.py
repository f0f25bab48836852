"""Each state that a container can be in, against the keys in etcd after each step."""
import os
import signal
import threading

from rig.wait import until, until_equal


def test_start_and_stop(tw, containers, records):
    agent = tw.agent(records.uri)
    web = containers.run("web")
    record = records.wait_service(records.key(web))
    assert record == {
        "host": "127.0.0.1", "port": containers.host_port(web), "name": "sample",
        "id": f"{records.node}:{web}:80", "node": records.node,
        "container": containers.docker.inspect(web)["Id"], "proto": "tcp", "tags": [], "attrs": {},
        "status": "passing",
    }
    leases = {k.lease for k in [*records.keys().values(), *records.agents().values()]}
    assert len(leases) == 1 and 0 not in leases, leases
    containers.docker.stop(web)
    records.expect()
    containers.docker.start(web)
    records.wait_service(records.key(web), port=containers.host_port(web))
    assert agent.alive()


def test_killed_by_the_engine_and_from_outside(tw, containers, records):
    tw.agent(records.uri)
    one, two = containers.run("one"), containers.run("two")
    records.expect(records.key(one), records.key(two))
    containers.docker.kill(one)
    records.expect(records.key(two))
    os.kill(containers.docker.inspect(two)["State"]["Pid"], signal.SIGKILL)
    records.expect()


def test_removed_while_running(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web")
    records.expect(records.key(web))
    containers.docker.remove(web)
    records.expect()


def test_restart_follows_the_new_port(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web")
    records.wait_service(records.key(web), port=containers.host_port(web))
    for _ in range(3):
        containers.docker.restart(web)
        records.wait_service(records.key(web), port=containers.host_port(web))
    records.expect(records.key(web))


def test_restart_policy_brings_it_back(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web", restart="always")
    before = records.wait_service(records.key(web))
    revision = records.keys()[records.key(web)].create_revision
    os.kill(containers.docker.inspect(web)["State"]["Pid"], signal.SIGKILL)

    def again():
        key = records.keys().get(records.key(web))
        return key and key.create_revision > revision
    until(again, lambda: f"gone and registered again; before: {before}, now: {records.services()}")
    records.wait_service(records.key(web), port=containers.host_port(web))


def test_pause_and_unpause(tw, containers, records):
    tw.agent(records.uri)
    web, other = containers.run("web"), containers.run("other")
    records.expect(records.key(web), records.key(other))
    containers.docker.pause(web)
    records.expect(records.key(other))
    containers.docker.unpause(web)
    records.expect(records.key(web), records.key(other))


def test_rename(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web")
    records.expect(records.key(web))
    new = containers.name("renamed")
    containers.docker.rename(web, new)
    records.expect(records.key(new))


def test_health_gates(tw, containers, records):
    tw.agent(records.uri)
    sick = containers.run("sick", health="test -e /www/ok")
    until(lambda: containers.docker.inspect(sick)["State"]["Health"]["Status"] == "unhealthy",
          "the check of sick fails")
    plain = containers.run("plain")
    records.expect(records.key(plain))
    containers.docker.execute(sick, "touch", "/www/ok")
    records.expect(records.key(plain), records.key(sick))
    containers.docker.execute(sick, "rm", "/www/ok")
    records.expect(records.key(plain))


def test_health_marks_or_is_ignored(tw, containers, records):
    tw.agent(records.uri, "--health", "mark")
    web = containers.run("web", health="test -e /www/healthy")
    records.wait_service(records.key(web), status="passing")
    containers.docker.execute(web, "rm", "/www/healthy")
    records.wait_service(records.key(web), status="critical")
    tw.agent(records.uri.replace(records.prefix, f"/e2e/{records.node}-ignore"), "--health=ignore")
    prefix = f"/e2e/{records.node}-ignore/"
    until_equal(lambda: sorted(k for k in records.etcd.keys(prefix) if "/." not in k),
                [prefix + records.key(web)])


def test_drained_before_it_is_dead(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web", env={"STOP_DELAY": "3"})
    records.expect(records.key(web))
    stopper = threading.Thread(target=containers.docker.stop, args=(web,))
    stopper.start()
    try:
        records.expect()
        assert containers.docker.inspect(web)["State"]["Running"], "the key went when it was dead"
    finally:
        stopper.join()
    records.expect()


def test_no_drain_keeps_it_until_it_is_dead(tw, containers, records):
    tw.agent(records.uri, "--no-drain")
    web = containers.run("web", env={"STOP_DELAY": "2"})
    records.expect(records.key(web))
    running_without_key = []

    def look():
        # In this order: what runs now must have had its key a moment ago.
        names = records.names()
        if containers.docker.inspect(web)["State"]["Running"] and not names:
            running_without_key.append(names)
        return not names
    stopper = threading.Thread(target=containers.docker.stop, args=(web,))
    stopper.start()
    try:
        until(look, "deregistered")
    finally:
        stopper.join()
    assert not running_without_key


def test_told_to_stop_but_lives_on(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web", env={"IGNORE_TERM": "1"}, stop_timeout=1)
    records.expect(records.key(web))
    containers.docker.kill(web, "TERM")
    records.expect()
    records.expect(records.key(web))


def test_a_signal_that_stops_nothing(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web")
    records.expect(records.key(web))
    before = records.keys()[records.key(web)]
    containers.docker.kill(web, "HUP")
    # A later event that has arrived shows that HUP was seen.
    marker = containers.run("marker")
    records.expect(records.key(web), records.key(marker))
    assert records.keys()[records.key(web)] == before


def test_deregister_on_success_keeps_the_failed(tw, containers, records):
    tw.agent(records.uri, "--deregister", "on-success")
    script = "trap 'exit {}' TERM; while :; do sleep 1 & wait; done"
    good = containers.run("good", cmd=["/bin/sh", "-c", script.format(0)])
    bad = containers.run("bad", cmd=["/bin/sh", "-c", script.format(3)])
    records.expect(records.key(good), records.key(bad))
    for name in (good, bad):
        # HUP-like: not through docker stop, which would drain.
        os.kill(containers.docker.inspect(name)["State"]["Pid"], signal.SIGTERM)
    until(lambda: not any(containers.docker.inspect(n)["State"]["Running"] for n in (good, bad)),
          "both have ended")
    records.expect(records.key(bad))
