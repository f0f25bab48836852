"""An nginx of the tests' own that serves from upstreams in a file beside its configuration."""
import http.client
import os
import re

from .proc import Process, free_port
from .wait import until

CONF = """\
daemon off;
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/error.log notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/tmp-body;
    proxy_temp_path {dir}/tmp-proxy;
    fastcgi_temp_path {dir}/tmp-fastcgi;
    uwsgi_temp_path {dir}/tmp-uwsgi;
    scgi_temp_path {dir}/tmp-scgi;
    include {upstreams};
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{service};
            proxy_connect_timeout 2s;
        }}
    }}
}}
"""


def parse_upstreams(text):
    """{name: [server line without 'server ' and ';', …]} of a file of upstream blocks."""
    found = {}
    for name, block in re.findall(r"upstream\s+(\S+)\s*\{([^}]*)\}", text):
        found[name] = re.findall(r"^\s*server\s+([^;]+);", block, re.MULTILINE)
    return found


class Nginx:
    def __init__(self, folder, service):
        self.folder = folder
        os.chmod(folder, 0o755)
        self.port = free_port()
        self.upstreams = folder / "upstreams.conf"
        self.conf = folder / "nginx.conf"
        self.conf.write_text(CONF.format(dir=folder, upstreams=self.upstreams, port=self.port,
                                         service=service))
        self.check = f"nginx -t -q -c {self.conf}"
        self.reload = f"nginx -c {self.conf} -s reload"
        self.process = None

    def start(self):
        self.process = Process(["nginx", "-c", self.conf], self.folder, "nginx")
        until(lambda: self.get("/")[0], lambda: "nginx answers:\n" + self.log())

    def log(self):
        path = self.folder / "error.log"
        return path.read_text() if path.exists() else self.process.err()

    def reloads(self):
        return self.log().count("signal 1 (SIGHUP) received")

    def get(self, path="/name"):
        """(status, body) of one request; status 0 where nginx does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def servers(self, service):
        """The server lines of one upstream of the file as it is now."""
        if not self.upstreams.exists():
            return []
        return sorted(parse_upstreams(self.upstreams.read_text()).get(service, []))

    def close(self):
        if self.process and self.process.alive():
            self.process.stop()
