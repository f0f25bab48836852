"""dockerd stopped, killed and started again under a running agent."""
import signal

import pytest

from rig.wait import until_equal


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
