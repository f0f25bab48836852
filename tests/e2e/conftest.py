"""Fixtures of the end-to-end tests: see rig/ for what they are made of.

    --binary PATH    what is tested (default: build-test/tidewaiter)

An engine that runs is used as it is, by containers that carry the test's label; where none runs, one is
started. What must restart a daemon has one of its own."""
import os
import pathlib
import random
import shutil
import subprocess

import pytest

from rig.backends import Backends
from rig.consul import Consul
from rig.consul_records import ConsulKvRecords, ConsulRecords
from rig.docker import Containers
from rig.engine import SAMPLE, TOP, Engine, add_sample_image, find_running
from rig.etcd import Etcd
from rig.nginx import Nginx
from rig.tidewaiter import EtcdRecords, Tidewaiter


def pytest_addoption(parser):
    parser.addoption("--binary", default=os.path.join(TOP, "build-test", "tidewaiter"))


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out by tests/run --quick")


@pytest.fixture(scope="session")
def binary(pytestconfig):
    path = os.path.abspath(pytestconfig.getoption("--binary"))
    if not os.access(path, os.X_OK):
        pytest.exit(f"no binary at {path}: build it first (tests/run does)", 2)
    return path


@pytest.fixture(scope="session")
def session_folder():
    # Not pytest's folder: sockets have short paths, and dockerd's data needs a plain file system.
    folder = pathlib.Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def docker(session_folder):
    """An engine whose published ports can be reached from here."""
    running = find_running()
    if running:
        add_sample_image(running)
        yield running
        return
    folder = session_folder / "engine"
    folder.mkdir()
    engine = Engine(folder, isolated=False)
    try:
        engine.start()
        yield engine.docker
    finally:
        engine.close()


@pytest.fixture
def engine(tmp_path_factory, session_folder, test_id):
    """An engine for this test alone, to be stopped and killed. Its ports cannot be reached from here."""
    folder = session_folder / test_id
    folder.mkdir()
    engine = Engine(folder, isolated=True)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="session")
def shared_etcd(session_folder):
    folder = session_folder / "etcd"
    folder.mkdir()
    etcd = Etcd(folder)
    etcd.start()
    yield etcd
    etcd.close()


@pytest.fixture
def own_etcd(tmp_path):
    """An etcd for this test alone, to be stopped and wiped."""
    etcd = Etcd(tmp_path)
    etcd.start()
    yield etcd
    etcd.close()


@pytest.fixture(scope="session")
def consul_folder(session_folder):
    """Where Consuls may have theirs. Tests that ask for one are skipped where there is no Consul."""
    if not shutil.which("consul"):
        pytest.skip("Consul is not available: tests/setup says why")
    return session_folder


@pytest.fixture(scope="session")
def shared_consul(consul_folder, docker):
    """Its checks find the engine that all tests share, and a check-cmd that says how it was called."""
    folder = consul_folder / "consul"
    folder.mkdir()
    command = folder / "check-cmd"
    command.write_text('#!/bin/sh\necho "check-cmd $*"\n')
    command.chmod(0o755)
    consul = Consul(folder, env={**os.environ, "DOCKER_HOST": docker.url,
                                 "PATH": f"{folder}:{os.environ['PATH']}"})
    consul.start()
    yield consul
    consul.close()


@pytest.fixture
def own_consul_folder(consul_folder, test_id):
    folder = consul_folder / f"{test_id}-consul"
    folder.mkdir()
    return folder


@pytest.fixture
def own_consul(own_consul_folder):
    """A Consul for this test alone, to be stopped and killed; it keeps its data."""
    consul = Consul(own_consul_folder, data=True)
    consul.start()
    yield consul
    consul.close()


@pytest.fixture
def test_id():
    return f"t{random.randrange(16 ** 5):05x}"


@pytest.fixture
def containers(docker, test_id):
    """The containers of this test on the engine that all tests share."""
    made = Containers(docker, SAMPLE, test_id)
    yield made
    made.remove_all()


@pytest.fixture
def own_containers(engine, test_id):
    """The containers of this test on its own engine, which takes them with it."""
    return Containers(engine.docker, SAMPLE, test_id)


@pytest.fixture
def records(shared_etcd, test_id):
    return EtcdRecords(shared_etcd, test_id)


@pytest.fixture
def own_records(own_etcd, test_id):
    return EtcdRecords(own_etcd, test_id)


@pytest.fixture
def consul_records(shared_consul, test_id):
    made = ConsulRecords(shared_consul, test_id)
    yield made
    made.forget()


@pytest.fixture
def own_consul_records(own_consul, test_id):
    return ConsulRecords(own_consul, test_id)


@pytest.fixture
def consulkv_records(shared_consul, test_id):
    return ConsulKvRecords(shared_consul, test_id)


@pytest.fixture
def tw(binary, tmp_path, test_id, request):
    """The binary under test. At the end each of its processes must end well."""
    uses_own = "engine" in request.fixturenames or "own_containers" in request.fixturenames
    docker = (request.getfixturevalue("engine").docker if uses_own
              else request.getfixturevalue("docker"))
    made = Tidewaiter(binary, tmp_path, test_id, docker.url)
    yield made
    try:
        made.finish()
    finally:
        made.print_logs()


@pytest.fixture
def make_nginx(session_folder, test_id):
    """Makes an nginx, not yet started, with the options of rig/nginx.py. Its folder can be read by its
    workers."""
    made = []

    def make(*args, **options):
        os.chmod(session_folder, 0o755)
        folder = session_folder / f"{test_id}-nginx{len(made) or ''}"
        folder.mkdir()
        made.append(Nginx(folder, *args, **options))
        return made[-1]

    yield make
    for one in made:
        print(one.log() if one.process else "")
        one.close()


@pytest.fixture
def nginx(make_nginx):
    """An nginx in front of service web, not yet started."""
    return make_nginx("web")


@pytest.fixture
def backends():
    """Servers on loopback that say who they are."""
    made = Backends()
    yield made
    made.close()
