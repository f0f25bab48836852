"""The embedded registry: the same steps with one JSON file, and one agent that holds it."""
import stat

import pytest

from rig.wait import until, until_equal


@pytest.fixture
def uri(tmp_path):
    return f"file://{tmp_path}/services.json"


def ids(tw, uri):
    return sorted(tw.services(uri))


def test_steps(tw, containers, uri, tmp_path):
    tw.agent(uri)
    until(lambda: (tmp_path / "services.json").exists(), "the file is there")
    web, other = containers.run("web"), containers.run("other")
    one, two = f"{tw.test_id}:{web}:80", f"{tw.test_id}:{other}:80"
    until_equal(lambda: ids(tw, uri), sorted([one, two]))
    service = tw.services(uri)[one]
    assert (service["host"], service["port"]) == ("127.0.0.1", containers.host_port(web))
    containers.docker.pause(web)
    until_equal(lambda: ids(tw, uri), [two])
    containers.docker.unpause(web)
    containers.docker.kill(other)
    until_equal(lambda: ids(tw, uri), [one])
    containers.docker.restart(web)
    until_equal(lambda: [s["port"] for s in tw.services(uri).values()],
                [containers.host_port(web)])
    renamed = containers.name("renamed")
    containers.docker.rename(web, renamed)
    until_equal(lambda: ids(tw, uri), [f"{tw.test_id}:{renamed}:80"])
    containers.docker.stop(renamed)
    until_equal(lambda: ids(tw, uri), [])


def test_restart_writes_nothing_that_is_right(tw, containers, uri, tmp_path):
    path = tmp_path / "services.json"
    agent = tw.agent(uri)
    web = containers.run("web")
    until_equal(lambda: path.exists() and ids(tw, uri), [f"{tw.test_id}:{web}:80"])
    before = path.read_bytes(), path.stat().st_ino
    agent.kill()
    agent = tw.agent(uri)
    agent.wait_err("in sync")
    assert (path.read_bytes(), path.stat().st_ino) == before
    agent.kill()
    containers.docker.kill(web)
    new = containers.run("new")
    tw.agent(uri)
    until_equal(lambda: ids(tw, uri), [f"{tw.test_id}:{new}:80"])


def test_second_agent_is_told_of_the_lock(tw, containers, uri, tmp_path):
    first = tw.agent(uri)
    web = containers.run("web")
    until_equal(lambda: (tmp_path / "services.json").exists() and ids(tw, uri),
                [f"{tw.test_id}:{web}:80"])
    second = tw.agent(uri, node=tw.test_id + "b")
    second.expected_status = 1
    assert second.wait_exit() == 1
    assert "services.json" in second.err() and str(first.pid) in second.err(), second.err()
    assert first.alive() and ids(tw, uri) == [f"{tw.test_id}:{web}:80"]


def test_file_deleted_or_altered_by_hand(tw, containers, uri, tmp_path):
    path = tmp_path / "services.json"
    tw.agent(uri)
    web = containers.run("web")
    until_equal(lambda: path.exists() and ids(tw, uri), [f"{tw.test_id}:{web}:80"])
    path.unlink()
    until_equal(lambda: path.exists() and ids(tw, uri), [f"{tw.test_id}:{web}:80"])
    path.write_text("nonsense")
    until(lambda: path.read_text() != "nonsense", "written again")
    until_equal(lambda: ids(tw, uri), [f"{tw.test_id}:{web}:80"])


def test_renderer_follows_the_file(tw, containers, uri, tmp_path):
    out = tmp_path / "upstreams.conf"
    renderer = tw.render(uri, "-o", out, "--expect", "sample", "--wait", "0")
    # No file is no listing: an nginx that serves from an earlier one is not to lose it.
    renderer.wait_err("registry is out of reach")
    assert not out.exists()
    tw.agent(uri)
    until(out.exists, "a first file, before there is a container")
    assert "server 127.0.0.1:9 down;" in out.read_text()
    web = containers.run("web")
    until(lambda: f"server 127.0.0.1:{containers.host_port(web)}" in out.read_text(),
          lambda: out.read_text())
    containers.docker.stop(web)
    until(lambda: "server 127.0.0.1:9 down;" in out.read_text(), lambda: out.read_text())
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
