"""Load on an nginx while something changes behind it, and what went wrong."""
import collections
import re
import shutil
import signal
import threading
import time

from .proc import Process

# What wrk's own summary leaves out: which kind of error, in one line.
WRK_SCRIPT = """\
done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format("requests %d connect %d read %d write %d timeout %d status %d\\n",
                           summary.requests, e.connect, e.read, e.write, e.timeout, e.status))
end
"""


class Clients:
    """`count` clients that send one request after the other, with keep_alive each on one connection;
    with Clients(nginx, …) as load: they run. load.failed: [(when it began, status, body)] of the
    requests that were not answered with 200; load.answers: {body: requests}; load.last: {body: when
    its last request began}."""

    def __init__(self, nginx, count=2, keep_alive=False, path="/name"):
        self.nginx = nginx
        self.keep_alive = keep_alive
        self.path = path
        self.failed = []
        self.answers = collections.Counter()
        self.last = {}
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self):
        client = self.nginx.keep_alive()
        while not self.done.is_set():
            began = time.monotonic()
            status, body = (client if self.keep_alive else self.nginx).get(self.path)
            self.answers[body] += 1
            self.last[body] = began
            if status != 200:
                self.failed.append((began, status, body))
        client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()


class Wrk:
    """The same by wrk, far more of it; every request has a connection of its own, because wrk repeats none
    that came to a kept connection as it was closed. load.failed and load.requests once it has ended."""

    def __init__(self, nginx, folder, connections=16, path="/name"):
        self.argv = ["wrk", "--threads", "1", "--connections", connections, "--duration", "600s",
                     "--timeout", "10s", "--header", "Connection: close", "--script", folder / "wrk.lua",
                     f"http://127.0.0.1:{nginx.port}{path}"]
        self.folder = folder
        self.process = None
        self.requests = 0
        self.failed = {}

    @staticmethod
    def there():
        return bool(shutil.which("wrk"))

    def __enter__(self):
        (self.folder / "wrk.lua").write_text(WRK_SCRIPT)
        self.process = Process(self.argv, self.folder, "wrk")
        return self

    def __exit__(self, *_):
        self.process.signal(signal.SIGINT)
        self.process.wait_exit()
        found = re.search(r"^requests \d+ connect .*$", self.process.out(), re.MULTILINE)
        assert found, self.process.out() + self.process.err()
        words = found.group().split()
        counts = dict(zip(words[::2], map(int, words[1::2])))
        self.requests = counts.pop("requests")
        self.failed = {kind: n for kind, n in counts.items() if n}
