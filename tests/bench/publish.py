"""The measures of publishing to a real nginx: what bench.py hands a Bench to."""
import json
import re
import statistics
import subprocess
import threading
import time

from rig.docker import Containers
from rig.engine import SAMPLE
from rig.load import Wrk
from rig.nginx import Nginx
from rig.proc import Process, free_port
from rig.rolling import Rolling
from rig.tidewaiter import clean_environment
from rig.wait import until

WAIT_MAX_MS = 1000  # of --wait, as it is by default
CHANGE_LIMIT = 1.5  # times the floor: beside it, everything is flushed to disk, and the check is in place


class Serving:
    """Runs serving.c against the first upstream: [(nanoseconds, which server answered)]."""

    def __init__(self, bench, nginx):
        self.seen = []
        self.condition = threading.Condition()
        self.popen = subprocess.Popen([bench.tool("serving"), str(nginx.port), "/up/s00000/"],
                                      stdout=subprocess.PIPE, text=True, bufsize=1)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.popen.stdout:
            at, body = line.split()
            with self.condition:
                self.seen.append((int(at), body))
                self.condition.notify_all()

    def first(self, body, since, timeout=60):
        """When that server answered for the first time since then, both in nanoseconds."""
        deadline = time.monotonic() + timeout
        with self.condition:
            while True:
                for at, who in self.seen:
                    if who == body and at >= since:
                        return at
                if not self.condition.wait(max(0, deadline - time.monotonic())):
                    raise TimeoutError(f"nginx never served from {body}; it did from {self.seen[-3:]}")

    def close(self):
        self.popen.kill()
        self.popen.wait()


class Site:
    """An nginx, `count` upstreams of one server each in etcd, and two servers for the first of them."""

    def __init__(self, bench, count):
        self.bench = bench
        self.count = count
        self.folder = bench.folder / f"site-{count}-{time.monotonic_ns()}"
        self.folder.mkdir()
        bench.folder.chmod(0o755)
        self.ports = {"a": free_port(), "b": free_port()}
        answers = "".join(f"server {{ listen 127.0.0.1:{port}; return 200 {name}; }}\n"
                          for name, port in self.ports.items())
        self.nginx = Nginx(self.folder, None, http=answers)
        self.uri = f"etcd://{bench.etcd.address}/bench"
        bench.fresh_etcd()
        for i in range(1, count):
            self.put(i, 80)
        self.sources = {}
        for name in ("b", "a"):
            self.put_first(name)
            self.sources[name] = self.folder / f"{name}.conf"
            with open(self.sources[name], "wb") as out:
                subprocess.run([bench.binary, "render", self.uri], stdout=out, check=True,
                               stderr=subprocess.DEVNULL, env=clean_environment())
        self.nginx.upstreams.write_bytes(self.sources["a"].read_bytes())
        self.nginx.start()
        self.serving = Serving(bench, self.nginx)
        self.serving.first("a", 0)

    def put(self, i, port, host=None):
        name, identity = f"s{i:05d}", f"n:bench-{i:05d}:80"
        self.bench.etcd.put(f"/bench/{name}/{identity}", json.dumps({
            "host": host or f"10.0.{i // 250}.{i % 250 + 1}", "port": port, "name": name, "id": identity,
            "node": "n", "container": f"{i:064x}", "proto": "tcp", "tags": [], "attrs": {},
            "status": "passing"}))

    def put_first(self, name):
        self.put(0, self.ports[name], "127.0.0.1")

    def renderer(self, *options):
        return Process([self.bench.binary, "render", *options, *self.nginx.publish_options(), self.uri],
                       self.folder, f"render{time.monotonic_ns()}", clean_environment())

    def settle(self):
        """Waits until old workers are gone, and until who published has seen that: a round is to begin with
        nothing under way."""
        until(lambda: len(self.nginx.workers()) == 2 and not self.nginx.old_workers(),
              lambda: f"two workers: {self.nginx.children()}")
        time.sleep(0.3)

    def close(self):
        self.serving.close()
        self.nginx.close()


def floor_rounds(site, rounds):
    """[milliseconds] from the new contents in hand to the first answer from them."""
    nginx, times = site.nginx, []
    floor = subprocess.Popen([site.bench.tool("floor_nginx"), nginx.conf, str(nginx.process.pid),
                              nginx.upstreams], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             bufsize=1)
    for i in range(2 * rounds):
        name = "ba"[i % 2]
        floor.stdin.write(f"{site.sources[name]}\n")
        began = int(floor.stdout.readline())
        times.append((site.serving.first(name, began) - began) / 1e6)
        site.settle()
    floor.stdin.close()
    floor.wait()
    return times


def renderer_rounds(site, observer, rounds):
    """[milliseconds] from the registry's event to the first answer from the new set."""
    times = []
    renderer = site.renderer("--wait", "0")
    try:
        renderer.wait_err("registry is followed")
        for i in range(2 * rounds + 2):
            name = "ba"[i % 2]
            mark = observer.mark()
            site.put_first(name)
            _, began = observer.find(0, lambda t: "events" in t, mark)
            took = (site.serving.first(name, began) - began) / 1e6
            if i >= 2:  # warm
                times.append(took)
            site.settle()
    finally:
        renderer.stop()
    return times


def change(bench, turns=3, rounds=7):
    """Change → nginx serves it, and the floor, in turns."""
    for count in (10, 1000):
        site = Site(bench, count)
        observer = bench.observer()
        floor, ours = [], []
        try:
            for _ in range(turns):
                floor += floor_rounds(site, rounds)
                ours += renderer_rounds(site, observer, rounds)
        finally:
            observer.close()
            site.close()
        base, taken = statistics.median(floor), statistics.median(ours)
        bench.row(f"change → nginx serves it, {count} upstreams, floor", base, "ms", n=len(floor),
                  worst=max(floor))
        bench.row(f"change → nginx serves it, {count} upstreams, median", taken, "ms", n=len(ours),
                  worst=max(ours))
        bench.row(f"change → nginx serves it, {count} upstreams, to floor", taken / base, "times",
                  CHANGE_LIMIT)


def storm(bench, changes=2000, seconds=10, count=200):
    """Changes that come faster than any reload: with the default wait."""
    site = Site(bench, count)
    try:
        reload_ms = max(floor_rounds(site, 5))
        renderer = site.renderer()
        renderer.wait_err("registry is followed")
        before, began = site.nginx.reloads(), time.monotonic()
        for i in range(changes - 1):
            time.sleep(max(0, began + i * seconds / changes - time.monotonic()))
            site.put(1 + i % (count - 1), 1024 + i)
        last = time.monotonic_ns()
        site.put_first("b")
        took = time.monotonic() - began
        live = (site.serving.first("b", last) - last) / 1e6
        site.settle()
        reloads = site.nginx.reloads() - before
        renderer.stop()
    finally:
        site.close()
    bench.row(f"{changes} changes in {took:.1f} s, reloads", reloads, "", 12)
    bench.row(f"{changes} changes in {took:.1f} s, the last one live after", live, "ms",
              WAIT_MAX_MS + reload_ms, reload=reload_ms)


def rolling(bench, count=20, together=5, drain=3):
    """All containers exchanged under load; nginx hides no failure."""
    bench.need_docker()
    bench.fresh_etcd()
    folder = bench.folder / "rolling"
    folder.mkdir()
    bench.folder.chmod(0o755)
    containers = Containers(bench.docker, SAMPLE, f"rolling{time.monotonic_ns()}")
    nginx = Nginx(folder, None, http="proxy_next_upstream off;")
    nginx.start()
    agent = bench.agent(bench.docker.url, "--filter", f"label={containers.label}")
    renderer = Process([bench.binary, "render", "--wait", "0", *nginx.publish_options(),
                        f"etcd://{bench.etcd.address}/bench"], folder, "render", clean_environment())
    replaced = Rolling(containers, count, drain)
    try:
        replaced.start_all()
        nginx.serves("web", replaced.names, 60)
        load = Wrk(nginx, folder, connections=32, path="/up/web/")
        with load:
            began = time.monotonic()
            replaced.replace(together)
            nginx.serves("web", replaced.names, 60)
            took = time.monotonic() - began
        late = replaced.late_requests()
    finally:
        renderer.stop()
        agent.stop()
        containers.remove_all()
        nginx.close()
    assert len(late) == count and load.requests > 1000, (late, load.requests)
    bench.row(f"{count} containers replaced under load, failed requests", sum(load.failed.values()), "", 0,
              requests=load.requests, seconds=round(took, 1), reloads=nginx.reloads(), kinds=load.failed)
    bench.row(f"{count} containers replaced, asked last after TERM", max(ms for _, ms in late), "ms",
              1000 * drain)


def engine(bench):
    out = subprocess.run([bench.tool("engine"), bench.folder], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    for what in ("changed", "same"):
        times = [int(n) / 1e6 for n in re.findall(rf"^{what} (\d+)$", out, re.MULTILINE)]
        assert times, out
        bench.row(f"1000 upstreams x 10 servers, {what}, median", statistics.median(times), "ms", 10,
                  n=len(times))
        bench.row(f"1000 upstreams x 10 servers, {what}, worst", max(times), "ms", 10)


MEASURES = {"engine": engine, "change": change, "storm": storm, "rolling": rolling}
