"""An nginx in a container whose upstreams are in a folder of this host."""
import http.client
import os
import subprocess

from .engine import TOP
from .nginx import parse_upstreams, request
from .wait import until

IMAGE = "tidewaiter/nginx:test"

SITE = """\
server {{
    listen 80;
    location / {{
        proxy_pass http://{service};
        proxy_connect_timeout 2s;
    }}
}}
"""


def add_nginx_image(docker):
    if not docker.has_image(IMAGE):
        subprocess.run([f"{TOP}/tests/lib/make-nginx-image", IMAGE], check=True,
                       env={**os.environ, "DOCKER_HOST": docker.url})


class NginxContainer:
    """Not yet started. Its configuration includes every file *.conf of the folder."""

    def __init__(self, containers, folder, service="web"):
        add_nginx_image(containers.docker)
        self.containers, self.docker = containers, containers.docker
        self.folder = folder
        self.service = service
        self.upstreams = folder / "upstreams.conf"
        self.upstreams.write_text(f"upstream {service} {{ server 127.0.0.1:9 down; }}\n")
        (folder / "site.conf").write_text(SITE.format(service=service))
        self.name = None

    def start(self, cmd=None):
        self.name = self.containers.run("nginx", image=IMAGE, cmd=cmd,
                                        more={"Binds": [f"{self.folder}:/etc/nginx/conf.d"]})
        self.wait_answers()

    def wait_answers(self):
        until(lambda: self.get()[0], "nginx in the container answers")

    def options(self):
        return ["-o", self.upstreams, "--nginx", f"container:{self.name}"]

    def get(self, path="/name"):
        """(status, body) of one request; status 0 where nginx does not answer."""
        try:
            port = self.containers.host_port(self.name)
        except (KeyError, TypeError, IndexError):
            return 0, ""  # it does not run, or not yet
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            return request(connection, path)
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def serves(self, *names, timeout=30):
        """Waits until requests are answered by exactly these."""
        wanted = set(names)
        until(lambda: {self.get()[1] for _ in range(8)} == wanted,
              lambda: f"{wanted} serve; now {[self.get() for _ in range(4)]}", timeout)

    def processes(self):
        """[(pid, title)] as the engine lists them."""
        top = self.docker.request("GET", f"/containers/{self.name}/top", ps_args="-eo pid,args")
        return [(int(pid), title) for pid, title in top["Processes"]]

    def workers(self):
        return {pid for pid, title in self.processes() if title == "nginx: worker process"}

    def wait_new_workers(self, before):
        """Waits until none of the workers `before` takes connections and others do."""
        until(lambda: self.workers() and not self.workers() & before,
              lambda: f"workers other than {before}: {self.processes()}")

    def servers(self, service=None):
        """The server lines of one upstream of the file as it is now."""
        return sorted(parse_upstreams(self.upstreams.read_text()).get(service or self.service, []))
