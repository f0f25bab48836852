"""dockerd stopped, killed and started again under a running agent, and containers that cannot start."""
import os
import signal
import socket

import pytest

from rig.docker import DockerError
from rig.wait import until, until_equal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_engine_restarted(tw, engine, own_containers, records, number):
    agent = tw.agent(records.uri)
    stays = own_containers.run("stays", restart="always")
    goes = own_containers.run("goes")
    records.expect(records.key(stays), records.key(goes))
    before = records.keys()

    engine.stop(number)
    agent.wait_err("docker engine is out of reach")
    if number == signal.SIGKILL:
        # Its containers run on, and nobody said otherwise.
        assert records.keys() == before

    engine.start()
    # Without its restart policy a container is dead now; the other has another port.
    until_equal(lambda: own_containers.docker.inspect(goes)["State"]["Running"], False)
    records.expect(records.key(stays))
    records.wait_service(records.key(stays), port=own_containers.host_port(stays))
    assert agent.err().count("docker engine is out of reach") == 1, agent.err()

    new = own_containers.run("new")
    records.expect(records.key(stays), records.key(new))


def test_engine_absent_at_first(tw, engine, own_containers, records):
    web = own_containers.run("web", restart="always")
    engine.stop()
    agent = tw.agent(records.uri)
    agent.wait_err("docker engine is out of reach")
    engine.start()
    records.expect(records.key(web))
    assert agent.err().count("docker engine is out of reach") == 1, agent.err()


def test_changes_while_the_agent_is_away(tw, engine, own_containers, records):
    """What the engine did while it was restarted and the agent was dead is put right."""
    agent = tw.agent(records.uri)
    stays = own_containers.run("stays", restart="always")
    goes = own_containers.run("goes")
    records.expect(records.key(stays), records.key(goes))
    agent.kill()
    engine.stop()
    engine.start()
    tw.agent(records.uri)
    records.expect(records.key(stays))
    records.wait_service(records.key(stays), port=own_containers.host_port(stays))
    assert goes not in "".join(records.names())


def test_live_restore_hides_a_death(tw, engine, own_containers, records):
    """The engine never tells of a container that died while it was away, and leaves its ports in."""
    engine.stop()
    engine.options = ["--live-restore"]
    engine.start()
    agent = tw.agent(records.uri)
    dies, stays = own_containers.run("dies"), own_containers.run("stays")
    records.expect(records.key(dies), records.key(stays))
    before = records.keys()[records.key(stays)]
    pid = own_containers.docker.inspect(dies)["State"]["Pid"]
    engine.stop()
    agent.wait_err("docker engine is out of reach")
    os.kill(pid, signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{pid}"), "it is dead")
    engine.start()
    records.expect(records.key(stays))
    assert records.keys()[records.key(stays)] == before


def test_containers_that_cannot_start(tw, containers, records):
    agent = tw.agent(records.uri)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name, options in (("taken", {"ports": [f"127.0.0.1:{port}:80"]}),
                              ("missing", {"cmd": ["/no/such/binary"]})):
            with pytest.raises(DockerError):
                containers.run(name, **options)
        web = containers.run("web")
        records.expect(records.key(web))
    # Now it can.
    containers.docker.start(containers.name("taken"))
    records.expect(records.key(web), records.key(containers.name("taken")))
    assert agent.alive()
