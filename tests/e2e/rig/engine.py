"""A dockerd of the tests' own: beside whatever engine the machine has, or where it has none."""
import os
import random
import signal
import subprocess

from .docker import Docker
from .proc import Process
from .wait import until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SAMPLE = "tidewaiter/sample:test"


def add_sample_image(docker):
    if not docker.has_image(SAMPLE):
        subprocess.run([f"{TOP}/contrib/lib/make-image", SAMPLE], check=True,
                       env={**os.environ, "DOCKER_HOST": docker.url})


def find_running():
    """An engine that answers already, as the docker command would find it; or None."""
    for url in (os.environ.get("DOCKER_HOST", ""), "unix:///var/run/docker.sock"):
        if url.startswith("unix://"):
            docker = Docker(url[len("unix://"):])
            if docker.answers():
                return docker
    return None


class Engine:
    """dockerd with a containerd of its own, so that killing the one leaves the other, as on a host.

    isolated: in a network namespace of its own. Bridges and firewall rules are then all its own, and
    so are published ports: tests see them in the registry, but cannot connect to them. Otherwise it
    has a bridge of its own, and leaves the firewall alone but for a rule about that."""

    def __init__(self, folder, isolated):
        self.folder = folder
        self.isolated = isolated
        self.bridge = None
        self.dockerd = None
        self.options = []  # of the next start
        self.docker = Docker(folder / "docker.sock")
        (folder / "containerd.toml").write_text(
            f'version = 2\nroot = "{folder}/containerd"\nstate = "{folder}/containerd-state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{folder}/containerd.sock"\n')
        self.containerd = Process(["containerd", "--config", folder / "containerd.toml"], folder,
                                  "containerd")
        until((folder / "containerd.sock").exists, lambda: self.containerd.err())
        if not isolated:
            self.add_bridge()

    def add_bridge(self):
        routes = subprocess.run(["ip", "route"], stdout=subprocess.PIPE, text=True, check=True).stdout
        network = next(f"10.214.{i}" for i in range(100, 250) if f"10.214.{i}." not in routes)
        self.bridge = f"twt{random.randrange(100000)}"
        for command in (f"link add {self.bridge} type bridge",
                        f"addr add {network}.1/24 dev {self.bridge}", f"link set {self.bridge} up"):
            subprocess.run(["ip", *command.split()], check=True)
        self.let_containers_talk("-I")

    def let_containers_talk(self, verb):
        """To each other, also where another engine has left the host's firewall forwarding nothing."""
        subprocess.run(["iptables", verb, "FORWARD", "-i", self.bridge, "-o", self.bridge, "-j", "ACCEPT"],
                       check=True)

    def start(self):
        """Starts dockerd and waits until it answers."""
        argv = ["dockerd", "--host", self.docker.url, "--containerd", self.folder / "containerd.sock",
                "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
                "--pidfile", self.folder / "dockerd.pid", *self.options]
        prefix = ()
        if self.isolated:
            prefix = ("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")
        else:
            argv += ["--bridge", self.bridge, "--iptables=false", "--ip6tables=false",
                     "--ip-masq=false"]
        self.dockerd = Process(argv, self.folder, "dockerd", prefix=prefix)
        until(lambda: self.docker.answers() or not self.dockerd.alive(), "dockerd answers", 60)
        if not self.docker.answers():
            raise RuntimeError("dockerd does not start:\n" + self.dockerd.err()[-3000:])
        add_sample_image(self.docker)

    def stop(self, number=signal.SIGTERM):
        self.dockerd.expected_status = None
        self.dockerd.signal(number)
        self.dockerd.wait_exit(60)

    def close(self):
        if self.dockerd and self.dockerd.alive():
            for container in self.docker.request("GET", "/containers/json", all=1):
                self.docker.remove(container["Id"])
            self.stop()
        self.containerd.stop()
        # dockerd leaves its data folder bound onto itself, and network namespaces.
        with open("/proc/mounts", encoding="utf-8") as mounts:
            left = [line.split()[1] for line in mounts if f" {self.folder}/" in line]
        for mount in reversed(left):
            subprocess.run(["umount", mount], check=False)
        if self.bridge:
            self.let_containers_talk("-D")
            subprocess.run(["ip", "link", "del", self.bridge], check=False)
