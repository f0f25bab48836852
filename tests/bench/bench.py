#!/usr/bin/env python3
"""Measures the agent and the renderer; tests/bench/run builds what this needs.

Everything that is timed is seen by one process (observe.c) with one clock: the engine's events, a bare
watch of etcd, and the file that the renderer replaces. The floor (floor.c) is measured in the same run,
in turns with the agent, by the same observer.
"""
import argparse
import base64
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import publish  # noqa: E402
from rig.docker import Containers  # noqa: E402
from rig.engine import SAMPLE, Engine, add_sample_image, find_running  # noqa: E402
from rig.etcd import Etcd, encode  # noqa: E402
from rig.proc import Process  # noqa: E402
from rig.tidewaiter import clean_environment  # noqa: E402
from rig.wait import until  # noqa: E402

PREFIX = "/bench"
NODE = "bench"


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, round(p / 100 * (len(values) - 1)))]


class Observer:
    """Runs observe.c and hands its lines, [(nanoseconds, source, text)], to whoever waits."""

    def __init__(self, bench, *sources):
        self.lines = []
        self.condition = threading.Condition()
        self.popen = subprocess.Popen([bench.tool("observe"), *sources], stdout=subprocess.PIPE,
                                      text=True, bufsize=1)
        # What the streams say before all of them stand is not timed.
        assert any(line == "ready\n" for line in self.popen.stdout), "the observer does not start"
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.popen.stdout:
            at, source, text = line.rstrip("\n").split(" ", 2)
            with self.condition:
                self.lines.append((int(at), int(source), text))
                self.condition.notify_all()

    def find(self, source, matches, since=0, timeout=60):
        """The first line of that source, from index since on, that matches; (index, nanoseconds)."""
        deadline = time.monotonic() + timeout
        i = since
        with self.condition:
            while True:
                while i < len(self.lines):
                    at, where, text = self.lines[i]
                    if where == source and matches(text):
                        return i, at
                    i += 1
                if not self.condition.wait(deadline - time.monotonic()):
                    raise TimeoutError("the observer did not see it")

    def mark(self):
        with self.condition:
            return len(self.lines)

    def close(self):
        self.popen.kill()
        self.popen.wait()


def watched_keys(text):
    """[(key, deleted)] of one line of a watch."""
    events = json.loads(text).get("result", {}).get("events", [])
    return [(base64.b64decode(e["kv"]["key"]).decode(), e.get("type") == "DELETE") for e in events]


class Bench:
    def __init__(self, build, folder):
        self.build = pathlib.Path(build)
        self.folder = folder
        self.binary = self.build / "tidewaiter"
        self.rows = []
        self.etcd = Etcd(folder)
        self.etcd.start()
        self.engine = None
        self.docker = None

    def need_docker(self):
        if self.docker:
            return
        self.docker = find_running()
        if not self.docker:
            (self.folder / "engine").mkdir()
            self.engine = Engine(self.folder / "engine", isolated=False)
            self.engine.start()
            self.docker = self.engine.docker
        add_sample_image(self.docker)

    def close(self):
        self.etcd.close()
        if self.engine:
            self.engine.close()

    def tool(self, name):
        return self.build / "tests" / "bench" / f"bench_{name}"

    def fresh_etcd(self):
        self.etcd.close()
        self.etcd.wipe()
        self.etcd.start()

    def observer(self, *sources):
        """Of the registry and what else is given."""
        return Observer(self, self.etcd_source(), *sources)

    def etcd_source(self, prefix=PREFIX):
        return f"etcd:{self.etcd.address}:{encode(prefix + '/')},{encode(prefix + '0')}"

    def agent(self, docker_url, *options, name="agent"):
        return Process([self.binary, "agent", "--docker", docker_url, "--node", NODE,
                        "--ip", "127.0.0.1", *options, f"etcd://{self.etcd.address}{PREFIX}"],
                       self.folder, name, clean_environment())

    def fake(self, count, delay_us=500):
        path = self.folder / f"fake-{count}.sock"
        path.unlink(missing_ok=True)
        process = Process([self.tool("fake_docker"), path, count, delay_us], self.folder, "fake")
        until(lambda: "ready" in process.out(), "the scripted engine listens")
        return process, f"unix://{path}"

    def row(self, measure, value, unit, limit=None, **more):
        """limit: the value must not pass it. Shown at once; all rows are in the JSON."""
        reached = None if limit is None else bool(value <= limit)
        self.rows.append({"measure": measure, "value": round(value, 3), "unit": unit,
                          "limit": None if limit is None else round(limit, 3),
                          "reached": reached, **more})
        shown = "" if limit is None else f"<= {limit:.10g}" if limit == int(limit) else f"<= {limit:.2f}"
        print(f"{measure:<52} {value:>10.2f} {unit:<6} {shown:<12} "
              f"{'' if reached is None else 'ok' if reached else 'MISSED'}", flush=True)

    # ---- the measures ----

    def key_latency(self, rounds=4, each=40):
        """Start event → key visible, and the floor, in turns of `each` container starts."""
        self.need_docker()
        containers = Containers(self.docker, SAMPLE, f"bench{os.getpid()}")
        times = {"floor": [], "agent": []}
        observer = Observer(self, f"docker:{self.docker.socket_path}", self.etcd_source())
        try:
            name = containers.create("latency")
            label, value = containers.label.split("=")
            for _ in range(rounds):
                for who in ("floor", "agent"):
                    if who == "floor":
                        process = Process([self.tool("floor"), self.docker.socket_path,
                                           self.etcd.address, PREFIX + "/floor/", f"{label}={value}"],
                                          self.folder, "floor")
                        until(lambda p=process: "ready" in p.out(), "the floor program is ready")
                    else:
                        process = self.agent(self.docker.url, "--filter", f"label={containers.label}")
                        process.wait_err("in sync")
                    # The first one warms up.
                    for i in range(each + 1):
                        mark = observer.mark()
                        self.docker.start(name)
                        mark, began = observer.find(
                            0, lambda t: '"Action":"start"' in t and name in t, mark)
                        _, seen = observer.find(
                            1, lambda t: any(not gone and "/.agents" not in key
                                             for key, gone in watched_keys(t)), mark)
                        if i:
                            times[who].append((seen - began) / 1e6)
                        self.docker.kill(name)
                        if who == "agent":
                            observer.find(1, lambda t: any(gone for _, gone in watched_keys(t)), mark)
                    process.expected_status = None
                    process.kill() if who == "floor" else process.stop()
                    for key in self.etcd.keys(PREFIX + "/"):
                        self.etcd.delete(key)
        finally:
            observer.close()
            containers.remove_all()
        floor, agent = times["floor"], times["agent"]
        for p, allowed in ((50, 1.3), (99, 3)):
            base = percentile(floor, p)
            self.row(f"start event → key visible, floor, p{p}", base, "ms", n=len(floor))
            self.row(f"start event → key visible, agent, p{p}", percentile(agent, p), "ms",
                     allowed * base, n=len(agent), times_floor=percentile(agent, p) / base)

    def burst(self, count=200, workers=8):
        self.need_docker()
        containers = Containers(self.docker, SAMPLE, f"bench{os.getpid()}")
        agent = observer = None
        try:
            names = [containers.create(f"b{i}", ports=(), network="host", cmd=["/bin/sleep", "10000"],
                                       env={"SERVICE_PORTS": str(30000 + i)}) for i in range(count)]
            agent = self.agent(self.docker.url, "--filter", f"label={containers.label}")
            agent.wait_err("in sync")
            for what, call, present in (("started", self.docker.start, True),
                                        ("killed", self.docker.kill, False)):
                observer = Observer(self, self.etcd_source())
                began = time.monotonic_ns()
                with concurrent.futures.ThreadPoolExecutor(workers) as pool:
                    list(pool.map(call, names))
                docker_ms = (time.monotonic_ns() - began) / 1e6
                wanted = count if present else 0

                def there():
                    return sum("/.agents" not in k for k in self.etcd.keys(PREFIX + "/"))
                until(lambda: there() == wanted, lambda: f"{there()} keys, not {wanted}", 60)
                last = max(at for at, _, text in observer.lines
                           if any("/.agents" not in key for key, _ in watched_keys(text)))
                observer.close()
                observer = None
                self.row(f"{count} containers {what}, Docker itself", docker_ms, "ms")
                self.row(f"{count} containers {what}, last key", (last - began) / 1e6, "ms",
                         1.5 * docker_ms)
        finally:
            if observer:
                observer.close()
            if agent:
                agent.stop()
            containers.remove_all()

    def cold_start(self, count=1000, repeats=5):
        took, transactions = [], []
        fake, url = self.fake(count)
        try:
            for i in range(repeats):
                self.fresh_etcd()
                observer = Observer(self, self.etcd_source())
                began = time.monotonic_ns()
                agent = self.agent(url, name=f"cold{i}")
                keys, last, at_line = set(), 0, 0
                while len(keys) < count:
                    at_line, last = observer.find(0, lambda t: "events" in t, at_line)
                    keys |= {k for k, _ in watched_keys(observer.lines[at_line][2])
                             if "/.agents" not in k}
                    at_line += 1
                took.append((last - began) / 1e6)
                transactions.append(self.etcd.revision() - 1)
                observer.close()
                agent.stop()
        finally:
            fake.kill()
        self.row(f"cold start, {count} containers, median of {repeats}", statistics.median(took), "ms",
                 1000)
        self.row(f"cold start, {count} containers, worst", max(took), "ms", 1000)
        self.row("cold start, write transactions", max(transactions), "", count / 128 + 3)

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.etcd.address}/metrics") as reply:
            text = reply.read().decode()
        return sum(float(v) for v in re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE))

    def in_sync(self, count, name):
        fake, url = self.fake(count)
        agent = self.agent(url, name=name)
        until(lambda: sum("/.agents" not in k for k in self.etcd.keys(PREFIX + "/")) == count,
              f"{count} keys", 60)
        agent.wait_err("in sync")
        return fake, agent

    @staticmethod
    def wakeups(process):
        """Times that any thread of it went to sleep, since it began."""
        total = 0
        for status in pathlib.Path(f"/proc/{process.pid}/task").glob("*/status"):
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(),
                                   re.MULTILINE).group(1))
        return total

    def steady(self, count=1000, seconds=60):
        self.fresh_etcd()
        fake, agent = self.in_sync(count, "steady")
        time.sleep(3)
        keepalive = ('grpc_server_msg_received_total{grpc_method="LeaseKeepAlive",'
                     'grpc_service="etcdserverpb.Lease",grpc_type="bidi_stream"}')
        revision, woken = self.etcd.revision(), self.wakeups(agent)
        kept, began = self.metric(keepalive), time.monotonic()
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        woken = self.wakeups(agent) - woken
        kept = self.metric(keepalive) - kept
        written = self.etcd.revision() - revision
        agent.stop()
        fake.kill()
        self.row(f"steady state, {count} services, writes", written, "", 0)
        self.row(f"steady state, keepalives in {seconds} s (ttl 30 s)", kept, "", seconds / 10 + 1)
        self.row("steady state, wake-ups", woken / elapsed, "1/s", 1)

    def memory(self):
        for count, limit in ((100, 8), (10000, 24)):
            self.fresh_etcd()
            fake, agent = self.in_sync(count, f"memory{count}")
            time.sleep(1)
            status = pathlib.Path(f"/proc/{agent.pid}/status").read_text()
            resident = int(re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE).group(1)) / 1024
            peak = int(re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE).group(1)) / 1024
            agent.stop()
            fake.kill()
            self.row(f"resident memory, {count} services", resident, "MiB", limit, peak=round(peak, 2))

    def put_services(self, first, count):
        for start in range(first, first + count, 128):
            puts = [{"request_put": {"key": encode(f"{PREFIX}/web/{self.instance(i)}"),
                                     "value": encode(self.record(i, 10000 + i))}}
                    for i in range(start, min(start + 128, first + count))]
            self.etcd.call("kv/txn", success=puts)

    @staticmethod
    def instance(i):
        return f"n:bench-{i:05d}:80"

    def record(self, i, port):
        return json.dumps({
            "host": f"10.0.{i // 250}.{i % 250 + 1}", "port": port, "name": "web",
            "id": self.instance(i), "node": "n", "container": f"{i:064x}", "proto": "tcp", "tags": [],
            "attrs": {}, "status": "passing"}, separators=(",", ":"))

    def render(self, changes=100):
        for count, limit in ((10, 3), (10000, 12)):
            self.fresh_etcd()
            self.put_services(0, count)
            out = self.folder / f"up-{count}.conf"
            renderer = Process([self.binary, "render", "--wait", "0", "-o", out,
                                f"etcd://{self.etcd.address}{PREFIX}"], self.folder,
                               f"render{count}", clean_environment())
            until(lambda: out.exists() and out.read_text().count("server 10.") == count,
                  lambda: f"{count} servers:\n{renderer.err()[-2000:]}", 60)
            observer = Observer(self, self.etcd_source(), f"file:{out}")
            times = []
            try:
                for i in range(changes + 1):
                    mark = observer.mark()
                    self.etcd.put(f"{PREFIX}/web/{self.instance(i % count)}",
                                  self.record(i % count, 30000 + i))
                    _, seen = observer.find(0, lambda t: "events" in t, mark)
                    _, replaced = observer.find(1, lambda t: t == "replaced", mark)
                    if i:
                        times.append((replaced - seen) / 1e6)
            finally:
                observer.close()
                renderer.stop()
            self.row(f"watch event → file replaced, {count} servers, median",
                     statistics.median(times), "ms", limit, n=changes)
            self.row(f"watch event → file replaced, {count} servers, p99", percentile(times, 99), "ms",
                     limit, n=changes)


MEASURES = {
    "key-latency": Bench.key_latency,
    "burst": Bench.burst,
    "cold-start": Bench.cold_start,
    "steady": Bench.steady,
    "memory": Bench.memory,
    "render": Bench.render,
    **publish.MEASURES,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("measures", nargs="*", choices=[[], *MEASURES], default=[])
    parser.add_argument("--build", required=True)
    parser.add_argument("--json")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    bench = Bench(args.build, folder)
    try:
        for name in args.measures or MEASURES:
            MEASURES[name](bench)
    finally:
        bench.close()
        if sys.exc_info()[0]:
            print(f"logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    uname = os.uname()
    with open(args.json or os.path.join(args.build, "bench.json"), "w", encoding="utf-8") as f:
        json.dump({"machine": {"cpus": os.cpu_count(), "kernel": uname.release}, "rows": bench.rows},
                  f, indent=1)
    missed = [r["measure"] for r in bench.rows if r["reached"] is False]
    print(f"{len(bench.rows)} rows, {len(missed)} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
