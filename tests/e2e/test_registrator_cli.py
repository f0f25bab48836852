"""The command line of Registrator: what it refuses and how, and by which names it is called. What the
agent behind it does is in test_registrator.py."""
import os
import subprocess

import pytest

from rig.proc import free_port
from rig.tidewaiter import clean_environment

URI = "consul://127.0.0.1:8500"


def first_line(done):
    return done.stderr.splitlines()[0]


@pytest.mark.parametrize("argv, named", [
    ([], "no registry URI"),
    (["-internal"], "no registry URI"),
    ([URI, "-internal"], "options before it"),
    ([URI, "-ip=10.0.0.1"], "-ip=10.0.0.1"),
    ([URI, URI], "one registry URI"),
    (["-internal", "true", URI], "all options before it"),
    (["-no-such-flag", URI], "-no-such-flag"),
    (["-useIPFromLabel=x", URI], "-useIpFromLabel"),
    (["--version", URI], "-version"),
    (["-version"], "-version"),
    (["-ttl"], "-ttl needs a value"),
    (["-ttl=30s", URI], "30s"),
    (["-resync", "often", URI], "often"),
    (["-internal=yes", URI], "yes"),
    (["---internal", URI], "---internal"),
])
def test_bad_usage_ends_with_2_and_shows_the_usage(tw, argv, named):
    done = tw.run("registrator", *argv, status=2)
    assert first_line(done).startswith("registrator: "), done.stderr
    assert named in first_line(done) and not done.stdout, done
    assert "Usage: registrator" in done.stderr, done.stderr


@pytest.mark.parametrize("argv, named", [
    (["-ttl=30", URI], "-ttl-refresh"),
    (["-ttl-refresh=30", URI], "-ttl"),
    (["-ttl=10", "-ttl-refresh=10", URI], "greater"),
    (["-ttl=-1", URI], "above 0"),
    (["-retry-interval=0", URI], "-retry-interval"),
    (["-deregister=never", URI], "always or on-success"),
    (["-ip=web1", URI], "an IP address"),
    (["-tags={{.ID}}", URI], "template"),
    ([""], "registry URI"),
    (["consul:127.0.0.1:8500"], "consul://"),
    (["127.0.0.1:8500"], "scheme"),
    (["gopher://127.0.0.1"], "gopher"),
    (["zookeeper://127.0.0.1:2181/x"], "zookeeper"),
    (["etcd://127.0.0.1:0/x"], "port"),
    (["skydns2://127.0.0.1:2379"], "domain"),
    (["consulkv://127.0.0.1:8500,127.0.0.1:8501/x"], "127.0.0.1:8501"),
])
def test_what_makes_no_sense_ends_with_1_and_one_line(tw, argv, named):
    done = tw.run("registrator", *argv, status=1)
    assert done.stderr.count("\n") == 1 and not done.stdout, done
    assert done.stderr.startswith("registrator: ") and named in done.stderr, done.stderr


@pytest.mark.parametrize("env, named", [
    ({"DOCKER_HOST": "ssh://host"}, "DOCKER_HOST"),
    ({"CONSUL_HTTP_SSL_VERIFY": "perhaps"}, "CONSUL_HTTP_SSL_VERIFY"),
    ({"CONSUL_HTTP_TOKEN_FILE": "/nonexistent"}, "CONSUL_HTTP_TOKEN_FILE"),
    ({"CONSUL_CLIENT_CERT": "/c"}, "both or none"),
])
def test_bad_variables_are_named(tw, env, named):
    done = tw.run("registrator", URI, status=1, env=env)
    assert done.stderr.count("\n") == 1 and named in done.stderr, done.stderr


def test_variables_of_this_program_do_not_count(tw):
    done = tw.run("registrator", "gopher://x", status=1, env={"TIDEWAITER_TTL": "never"})
    assert "gopher" in done.stderr and "TIDEWAITER_TTL" not in done.stderr, done.stderr


def test_passwords_are_not_repeated(tw):
    done = tw.run("registrator", URI, "etcd://root:hunter2@h/x", status=2)
    assert "hunter2" not in done.stderr, done.stderr
    done = tw.run("registrator", "etcd://root:hunter2@h:0/x", status=1)
    assert "hunter2" not in done.stderr, done.stderr


def test_help_and_version(tw):
    assert tw.run("registrator", "--version").stdout == tw.run("--version").stdout
    shown = tw.run("registrator", "-h").stdout
    assert shown == tw.run("help", "registrator").stdout
    for flag in ("-ip ", "-internal", "-explicit", "-useIpFromLabel", "-ttl ", "-ttl-refresh",
                 "-tags", "-resync", "-deregister", "-retry-attempts", "-retry-interval",
                 "-cleanup"):
        assert flag in shown, f"{flag} is not in\n{shown}"


def run_as(path, *argv):
    return subprocess.run([path, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=clean_environment(), timeout=60,
                          check=False)


def test_a_link_of_that_name_is_that_command(tw, tmp_path):
    link = tmp_path / "registrator"
    os.symlink(tw.binary, link)
    version = run_as(link, "--version")
    assert version.returncode == 0 and version.stdout == tw.run("--version").stdout, version
    unknown = run_as(link, "agent")
    assert unknown.returncode == 1 and "registry URI" in unknown.stderr, unknown
    other = tmp_path / "something"
    os.symlink(tw.binary, other)
    assert run_as(other, "registrator", "--version").returncode == 0


@pytest.mark.parametrize("word", ["confd", "consul-template"])
def test_other_tools_are_not_known_yet(tw, word):
    assert word in tw.run(word, status=2).stderr


def test_an_unreachable_registry_ends_the_start(tw, docker):
    """Without -retry-attempts the first failure ends it; with them the last one does."""
    nobody = f"consul://127.0.0.1:{free_port()}"
    env = {"DOCKER_HOST": docker.url}
    done = tw.run("registrator", "-ip=127.0.0.1", nobody, status=1, env=env)
    assert "giving up" in done.stderr and nobody[len("consul://"):] in done.stderr, done.stderr
    done = tw.run("registrator", "-ip=127.0.0.1", "-retry-attempts=2", "-retry-interval=200",
                  nobody, status=1, env=env)
    assert "giving up" in done.stderr, done.stderr


def test_retries_for_ever(tw, docker, own_etcd):
    own_etcd.stop()
    agent = tw.start("registrator", "-ip=127.0.0.1", "-retry-attempts=-1", "-retry-interval=50",
                     f"etcd://{own_etcd.address}/x", env={"DOCKER_HOST": docker.url})
    agent.wait_err("registry is out of reach")
    assert agent.alive()
    own_etcd.start()
    agent.wait_err("in sync")
