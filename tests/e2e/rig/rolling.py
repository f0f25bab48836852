"""A rolling replacement: containers that end well, exchanged under load, a few at a time."""
import concurrent.futures
import hashlib
import os
import re
import subprocess
import tarfile
import tempfile

from .wait import until

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "drain.c")


def drain_image(docker):
    """The image of drain.c, made where the engine has not got it; its tag."""
    with open(SOURCE, "rb") as file:
        tag = "tidewaiter/drain:" + hashlib.sha256(file.read()).hexdigest()[:12]
    if not docker.has_image(tag):
        with tempfile.TemporaryDirectory() as folder:
            program, archive = f"{folder}/drain", f"{folder}/drain.tar"
            subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-static", "-o", program, SOURCE],
                           check=True)
            with tarfile.open(archive, "w") as tar:
                tar.add(program, "drain")
            subprocess.run(["docker", "import", "--change", 'CMD ["/drain"]', "--change", "EXPOSE 80",
                            archive, tag], check=True, stdout=subprocess.DEVNULL,
                           env={**os.environ, "DOCKER_HOST": docker.url})
    return tag


class Rolling:
    """`count` containers of service web, and those that come after them."""

    def __init__(self, containers, count, drain=3):
        self.containers = containers
        self.docker = containers.docker
        self.image = drain_image(self.docker)
        self.drain = drain
        self.count = count
        self.generation = 0
        self.names = []

    def start(self, count):
        """That many more, healthy; their names."""
        first = self.generation
        self.generation += count
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            names = list(pool.map(self.start_one, range(first, first + count)))
        for name in names:
            until(lambda n=name: self.docker.inspect(n)["State"]["Health"]["Status"] == "healthy",
                  f"{name} is healthy")
        return names

    def start_one(self, i):
        return self.containers.run(f"r{i}", image=self.image, labels={"SERVICE_NAME": "web"},
                                   health=["/drain", "--healthy"], env={"DRAIN": str(self.drain)})

    def start_all(self):
        self.names = self.start(self.count)

    def replace(self, together):
        """Exchanges them all, so many together: new ones first, then the old ones are stopped."""
        for done in range(0, self.count, together):
            size = min(together, self.count - done)
            old, self.names = self.names[:size], self.names[size:]
            self.names += self.start(len(old))
            with concurrent.futures.ThreadPoolExecutor(len(old)) as pool:
                list(pool.map(self.docker.stop, old))

    def late_requests(self):
        """[(requests, milliseconds)] for each that was stopped: how many came after TERM, when the last."""
        found = []
        for listed in self.docker.list(self.containers.label):
            if listed["State"] == "exited":
                text = self.docker.request("GET", f"/containers/{listed['Id']}/logs", stdout=1, raw=True)
                match = re.search(rb"(\d+) requests after TERM, the last after (\d+) ms", text)
                found.append((int(match.group(1)), int(match.group(2))))
        return found
