"""Consul restarted, with and without its data, and out of reach while containers change."""
import time

import pytest

from rig.consul import Consul
from rig.consul_records import ConsulRecords
from rig.wait import until_equal


@pytest.fixture
def dev_consul(own_consul_folder):
    """One that forgets everything when it is restarted."""
    consul = Consul(own_consul_folder)
    consul.start()
    yield consul
    consul.close()


def test_consul_restarted_with_its_data(tw, containers, own_consul, own_consul_records):
    records = own_consul_records
    agent = tw.agent(records.uri)
    stays = containers.run("stays", labels={"SERVICE_CHECK_TTL": "3s"})
    goes = containers.run("goes")
    records.expect(records.id(stays), records.id(goes))
    # It shows a service before it has put it on its disk.
    until_equal(lambda: len(own_consul.writes()), 2)
    own_consul.kill()
    agent.wait_err("registry is out of reach")
    containers.docker.kill(goes)
    new = containers.run("new")
    written = len(own_consul.writes())
    own_consul.start()
    records.expect(records.id(stays), records.id(new))
    records.expect_statuses(records.id(stays), ttl="passing")
    records.settle(agent, containers, records.id(stays), records.id(new))
    # Two changes, and the marker that came and went; nothing that was right was written.
    assert len(own_consul.writes()) - written == 4, own_consul.writes()[written:]
    assert agent.err().count("registry is out of reach") == 1, agent.err()


def test_consul_restarted_without_its_data(tw, containers, dev_consul, test_id):
    records = ConsulRecords(dev_consul, test_id)
    agent = tw.agent(records.uri)
    stays = containers.run("stays", labels={"SERVICE_CHECK_TTL": "3s"})
    goes = containers.run("goes")
    records.expect(records.id(stays), records.id(goes))
    before = records.services()[records.id(stays)]
    dev_consul.stop()
    containers.docker.kill(goes)
    dev_consul.start()
    records.expect(records.id(stays))
    records.expect_statuses(records.id(stays), ttl="passing")
    until_equal(lambda: records.services().get(records.id(stays)), before)
    assert agent.alive()


def test_consul_loses_everything_unnoticed(tw, containers, dev_consul, test_id):
    """Back before any call of the agent could fail: only a comparison can see it."""
    records = ConsulRecords(dev_consul, test_id)
    tw.agent(records.uri, "--resync", "2s")
    web = containers.run("web")
    records.expect(records.id(web))
    dev_consul.kill()
    dev_consul.start()
    records.expect(records.id(web))


@pytest.mark.parametrize("seconds", [6, pytest.param(61, marks=pytest.mark.slow)])
def test_unreachable_while_containers_change(tw, containers, own_consul, own_consul_records, seconds):
    records = own_consul_records
    agent = tw.agent(records.uri)
    stays, goes, moves, flaps = (containers.run(n) for n in ("stays", "goes", "moves", "flaps"))
    records.expect(*map(records.id, (stays, goes, moves, flaps)))
    own_consul.stop()
    end = time.monotonic() + seconds
    agent.wait_err("registry is out of reach")
    containers.docker.kill(goes)
    containers.docker.restart(moves, grace=0)
    new = containers.run("new")
    passing = containers.run("passing")
    while time.monotonic() < end:
        containers.docker.restart(flaps, grace=0)
        time.sleep(min(1, seconds / 10))
    containers.docker.remove(passing)
    written = len(own_consul.writes())
    own_consul.start()
    records.expect(*map(records.id, (stays, moves, flaps, new)))
    for name in (stays, moves, flaps, new):
        records.wait_service(records.id(name), Port=containers.host_port(name))
    records.settle(agent, containers, *map(records.id, (stays, moves, flaps, new)))
    # goes, moves, flaps, new, and the marker twice: one write each, whatever happened in between.
    assert len(own_consul.writes()) - written <= 6, own_consul.writes()[written:]
    assert agent.err().count("registry is out of reach") == 1, agent.err()


def test_absent_at_first(tw, containers, own_consul, own_consul_records):
    own_consul.stop()
    agent = tw.agent(own_consul_records.uri)
    web = containers.run("web")
    agent.wait_err("docker engine is connected")
    own_consul.start()
    own_consul_records.expect(own_consul_records.id(web))
