"""What a person meets at the command line: listing, explaining, and what happens to bad input."""
import json
import os

import pytest

from rig.proc import free_port
from rig.wait import until


def test_version_and_help(tw):
    assert tw.run("--version").stdout.startswith("tidewaiter ")
    everything = tw.run("--help").stdout
    for command in ("agent", "render", "ls", "explain"):
        assert command in everything
        assert tw.run(command, "--help").stdout == tw.run("help", command).stdout
    assert "--deregister" in tw.run("help", "agent").stdout


@pytest.mark.parametrize("argv, named", [
    (["agent", "--no-such-option"], "no-such-option"),
    (["agent", "--ttl", "soon"], "soon"),
    (["agent", "--ttl", "2s"], "ttl"),
    (["agent", "--health", "maybe"], "maybe"),
    (["agent", "gopher://127.0.0.1/x"], "gopher"),
    (["agent", "etcd://127.0.0.1:2379/x?value=xml"], "xml"),
    (["render", "--empty", "full"], "full"),
    (["render", "--mode", "999"], "999"),
    (["nonsense"], "nonsense"),
    (["agent", "etcd://127.0.0.1/a", "etcd://127.0.0.1/b"], "etcd://127.0.0.1/b"),
])
def test_bad_usage_is_named(tw, argv, named):
    done = tw.run(*argv, status=2)
    assert named in done.stderr and not done.stdout, done


def test_environment_gives_options(tw):
    done = tw.run("agent", status=2, env={"TIDEWAITER_TTL": "never"})
    assert "never" in done.stderr and "TIDEWAITER_TTL" in done.stderr, done.stderr


def test_ls(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web", labels={"SERVICE_TAGS": "blue"})
    records.expect(records.key(web))
    port = containers.host_port(web)
    table = tw.run("ls", records.uri).stdout
    line = next(l for l in table.splitlines() if web in l)
    assert f"127.0.0.1:{port}" in line and "blue" in line, table
    (service,) = json.loads(tw.run("ls", "--json", records.uri).stdout)
    assert service == records.services()[records.key(web)]


def test_ls_watch(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web")
    records.expect(records.key(web))
    watch = tw.start("ls", "--watch", records.uri)
    until(lambda: web in watch.out(), lambda: watch.out() + watch.err())
    other = containers.run("other")
    until(lambda: other in watch.out(), lambda: watch.out() + watch.err())
    shown = watch.out().count(other)
    containers.docker.stop(other)
    until(lambda: watch.out().count(other) > shown, lambda: watch.out() + watch.err())


def test_ls_of_nothing_and_of_nobody(tw, records):
    assert json.loads(tw.run("ls", "--json", records.uri).stdout) == []
    done = tw.run("ls", f"etcd://127.0.0.1:{free_port()}/x", status=1)
    assert "127.0.0.1" in done.stderr, done.stderr


def test_ls_shows_nothing_that_a_terminal_obeys(tw, tmp_path):
    service = {"host": "10.0.0.1", "port": 80, "name": "web", "id": "a\u009b31mb\u202ec", "node": "n",
               "container": "", "proto": "tcp", "tags": ["x\u2066y", "é"], "attrs": {},
               "status": "passing"}
    path = tmp_path / "services.json"
    path.write_text(json.dumps({"version": 1, "node": "n", "ttl": 30, "revision": 1,
                                "services": [service]}))
    table = tw.run("ls", f"file://{path}").stdout
    assert "a?31mb?c" in table and "x?y,é" in table, table


def test_what_is_no_file_is_not_replaced(tw, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = tw.run("render", "--once", "-o", pipe, f"file://{tmp_path}/services.json", status=2)
    assert f"-o: {pipe} is not a regular file" in done.stderr, done.stderr
    assert pipe.is_fifo()


def test_credentials_that_cannot_be_read_are_bad_settings(tw):
    done = tw.run("ls", "--consul-cacert", "/nope", "consuls://127.0.0.1", status=2)
    assert "--consul-cacert: /nope: No such file" in done.stderr, done.stderr
    done = tw.run("agent", "--check-config", "etcds://127.0.0.1", status=2,
                  env={"ETCDCTL_CACERT": "/nope"})
    assert "ETCDCTL_CACERT: /nope: No such file" in done.stderr, done.stderr
    done = tw.run("registrator", "consul-tls://127.0.0.1", status=1, env={"CONSUL_CACERT": "/nope"})
    assert "CONSUL_CACERT: /nope: No such file" in done.stderr, done.stderr
    # those of another registry do not matter
    done = tw.run("ls", f"etcd://127.0.0.1:{free_port()}", status=1, env={"CONSUL_CACERT": "/nope"})
    assert "/nope" not in done.stderr, done.stderr


def test_explain(tw, containers):
    web = containers.run("web", ports=["80", "81", "82"], expose=["83/tcp"], labels={
        "SERVICE_80_NAME": "shop", "SERVICE_81_IGNORE": "true"})
    done = tw.run("explain", *tw.agent_options(), web)
    for wanted in ("80/tcp", "shop", "SERVICE_80_NAME", "81/tcp", "SERVICE_81_IGNORE", "82/tcp",
                   "sample-82", "83/tcp", str(containers.host_port(web))):
        assert wanted in done.stdout, f"{wanted} is not in\n{done.stdout}"
    missing = tw.run("explain", *tw.agent_options(), "no-such-container", status=1)
    assert "no-such-container" in missing.stderr, missing.stderr


def test_labels_that_make_no_sense(tw, containers, records):
    """Named in the log and skipped, while all others go on."""
    agent = tw.agent(records.uri)
    bad = {
        "slash": {"SERVICE_NAME": "../../escape"},
        "line": {"SERVICE_NAME": "two\nlines level=error"},
        "dot": {"SERVICE_NAME": ".agents"},
        "port": {"SERVICE_PORTS": "eighty"},
        "id": {"SERVICE_ID": "a/b"},
    }
    names = {short: containers.run(short, labels=labels) for short, labels in bad.items()}
    good = containers.run("good")
    until(lambda: records.key(good) in records.keys(), "good is registered")
    log = agent.err()
    for short, name in names.items():
        said = [l for l in log.splitlines() if "level=warn" in l and name in l]
        assert said, f"nothing said about {short}:\n{log[-4000:]}"
    everything = records.etcd.keys("/")
    outside = [k for k in everything if "escape" in k]
    assert not outside, outside
    # A label is not a line of the log.
    assert not any(l.startswith("lines") for l in log.splitlines()), log
    assert sorted(k for k in records.keys() if names["dot"] in k) == []


def test_check_config(tw, tmp_path):
    config = tmp_path / "tidewaiter.yaml"
    config.write_text("agent:\n  ttl: 45s\n  node: n1\n")
    done = tw.run("agent", "--config", config, "--node", "n2", "--check-config")
    assert "45s" in done.stdout and "n2" in done.stdout, done.stdout
    config.write_text("agent:\n  ttl: 45s\n  nod: n1\n")
    done = tw.run("agent", "--config", config, "--check-config", status=2)
    assert f"{config}:3:3" in done.stderr and "nod" in done.stderr, done.stderr
