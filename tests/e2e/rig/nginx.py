"""An nginx of the tests' own that serves from upstreams in files beside its configuration.

    nginx = Nginx(folder, "web", streams={"dns": "udp", "db": "tcp"})
    nginx.upstreams             the http upstreams: what --output is given
    nginx.stream_upstreams      the stream upstreams: what --stream-output is given
    nginx.start()

Requests go to
    /…                          upstream web; service=None: nothing, and no file of upstreams need be there
    /up/NAME/…                  any upstream, also one that comes only later; 502 while there is none
    nginx.stream_ports[NAME]    stream upstreams, by UDP or TCP, also those that come only later

What it does is seen by requests, not by its files:
    nginx.get("/name")          one request on a connection of its own
    nginx.serves("web", {…})    waits until exactly these servers answer behind an upstream of http, and
    nginx.serves_stream(…)      the same of stream; for both they must say who they are, as Backend (rig/
                                backends.py: its address) and the sample image (its host name) do
    nginx.keep_alive()          a client that stays on its connection
    nginx.workers()             the pids that take connections; old_workers(): those that shut down
    nginx.reloads()             HUPs that came; reloads_done(): those that led to new workers

The module for stream is Debian's libnginx-mod-stream and loaded only where streams are asked for."""
import http.client
import os
import re
import socket

from .proc import Process, free_port
from .wait import until, until_equal

CONF = """\
{module}daemon off;
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/error.log {log_level};
{main}events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/tmp-body;
    proxy_temp_path {dir}/tmp-proxy;
    fastcgi_temp_path {dir}/tmp-fastcgi;
    uwsgi_temp_path {dir}/tmp-uwsgi;
    scgi_temp_path {dir}/tmp-scgi;
    proxy_connect_timeout 2s;
    {http}
    include {upstreams};
    server {{
        listen 127.0.0.1:{port};
        location ~ ^/up/(?<upstream>[^/]+)(?<path>/.*)$ {{
            proxy_pass http://$upstream$path;
        }}
        location / {{
            {root}
        }}
    }}
}}
{stream}"""

MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

STREAM = """\
stream {{
    proxy_connect_timeout 2s;
    include {upstreams};
    map $server_port $stream_upstream {{
{names}    }}
{servers}}}
"""


def parse_upstreams(text):
    """{name: [server line without 'server ' and ';', …]} of a file of upstream blocks."""
    found = {}
    for name, block in re.findall(r"upstream\s+(\S+)\s*\{([^}]*)\}", text):
        found[name] = re.findall(r"^\s*server\s+([^;]+);", block, re.MULTILINE)
    return found


def request(connection, path):
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode(errors="replace").strip()


class KeepAlive:
    """A client that sends one request after the other on one connection, and takes a new one where the
    server has closed it. connections: how many it took."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.connections = 0

    def get(self, path="/name"):
        """(status, body). As every client must, it repeats what was sent on a kept connection that was
        closed before a byte of the answer: the server cannot have meant that request."""
        kept = self.connection.sock is not None
        self.connections += not kept
        try:
            return request(self.connection, path)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            self.connection.close()
            return self.get(path) if kept else (0, repr(error))
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return 0, repr(error)

    def close(self):
        self.connection.close()


class Nginx:
    def __init__(self, folder, service="web", streams=None, http="", main="", log_level="notice"):
        """streams: {upstream: "udp" or "tcp"}; http, main: more lines for these contexts."""
        self.folder = folder
        os.chmod(folder, 0o755)
        self.port = free_port()
        self.streams = streams or {}
        self.stream_ports = {name: free_port() for name in self.streams}
        self.upstreams = folder / "upstreams.conf"
        self.stream_upstreams = folder / "stream-upstreams.conf"
        self.conf = folder / "nginx.conf"
        self.conf.write_text(CONF.format(
            dir=folder, port=self.port, http=http, main=f"{main}\n" if main else "", log_level=log_level,
            module=f"load_module {MODULE};\n" if self.streams else "",
            # A pattern may match nothing.
            upstreams=self.upstreams if service else f"{self.upstreams}*",
            root=f"proxy_pass http://{service};" if service else "return 404;",
            stream=self.stream_conf() if self.streams else ""))
        self.check = f"nginx -t -q -c {self.conf}"
        self.reload = f"nginx -c {self.conf} -s reload"
        self.process = None

    def stream_conf(self):
        names, servers = "", ""
        for name, protocol in self.streams.items():
            port = self.stream_ports[name]
            udp = " udp" if protocol == "udp" else ""
            names += f"        {port} {name};\n"
            servers += (f"    server {{\n        listen 127.0.0.1:{port}{udp};\n"
                        f"        proxy_pass $stream_upstream;\n"
                        + ("        proxy_responses 1;\n        proxy_timeout 2s;\n" if udp else "")
                        + "    }\n")
        return STREAM.format(upstreams=f"{self.stream_upstreams}*", names=names, servers=servers)

    def publish_options(self):
        """The renderer's, to write here, check and reload."""
        streams = ["--stream-output", self.stream_upstreams] if self.streams else []
        return ["-o", self.upstreams, *streams, "--nginx", f"local:{self.conf}"]

    # ---- its life ----

    def start(self):
        """Starts it and waits until it answers."""
        self.process = Process(["nginx", "-c", self.conf], self.folder, "nginx")
        until(lambda: self.get("/")[0] or not self.process.alive(), lambda: "nginx answers:\n" + self.log())
        assert self.process.alive(), self.process.err()

    def stop(self):
        self.process.stop()

    def kill(self):
        """kill -9 of the master and, as they would go on without it, of its workers."""
        workers = self.children()
        self.process.kill()
        for pid in workers:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), f"{workers} are gone")

    def close(self):
        if self.process and self.process.alive():
            self.process.stop()

    # ---- what it did ----

    def log(self):
        path = self.folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else self.process.err()

    def reloads(self):
        return self.log().count("signal 1 (SIGHUP) received")

    def reloads_done(self):
        return max(0, self.log().count("start worker processes") - 1)

    def children(self):
        """{pid: title} of the processes that the master started."""
        found = {}
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                      encoding="ascii") as file:
                pids = file.read().split()
        except (FileNotFoundError, ProcessLookupError):
            return found
        for pid in map(int, pids):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                    found[pid] = file.read().rstrip("\0 ")
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def workers(self):
        return {pid for pid, title in self.children().items() if title == "nginx: worker process"}

    def old_workers(self):
        return {pid for pid, title in self.children().items() if title.endswith("is shutting down")}

    def wait_new_workers(self, before, timeout=30):
        """Waits until none of the workers `before` takes connections and others do."""
        until(lambda: self.workers() and not self.workers() & before,
              lambda: f"workers other than {before}: {self.children()}\n{self.log()[-2000:]}", timeout)

    # ---- asking it ----

    def get(self, path="/name"):
        """(status, body) of one request; status 0 where nginx does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            return request(connection, path)
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def keep_alive(self):
        return KeepAlive(self.port)

    def get_stream(self, name, timeout=3):
        """What the server behind a stream upstream says; "" where none answers."""
        udp = self.streams[name] == "udp"
        with socket.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as client:
            client.settimeout(timeout)
            try:
                client.connect(("127.0.0.1", self.stream_ports[name]))
                client.sendall(b"who\n")
                return client.recv(4096).decode(errors="replace").strip()
            except OSError:
                return ""

    def sample(self, ask, expected):
        """What enough requests saw: each worker has a turn of its own, and weights stretch it."""
        return {ask() for _ in range(4 * max(2, len(expected)))}

    def serves(self, upstream, expected, timeout=30):
        """Waits until requests to that upstream are answered by exactly these: names, or 502 for none."""
        def ask():
            status, body = self.get(f"/up/{upstream}/name")
            return body if status == 200 else status
        wanted = set(expected) or {502}
        until_equal(lambda: self.sample(ask, wanted), wanted, timeout)

    def serves_stream(self, upstream, expected, timeout=30):
        """The same of a stream upstream; "" for none."""
        wanted = set(expected) or {""}
        until_equal(lambda: self.sample(lambda: self.get_stream(upstream), wanted), wanted, timeout)

    def servers(self, service):
        """The server lines of one upstream of the file as it is now."""
        if not self.upstreams.exists():
            return []
        return sorted(parse_upstreams(self.upstreams.read_text()).get(service, []))

    def stream_servers(self, service):
        if not self.stream_upstreams.exists():
            return []
        return sorted(parse_upstreams(self.stream_upstreams.read_text()).get(service, []))
