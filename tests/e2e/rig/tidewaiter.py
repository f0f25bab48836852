"""The binary under test: daemons and one-shot runs, each checked for what a sanitizer found."""
import json
import os
import subprocess

from .proc import SANITIZER, Process
from .wait import until, until_equal


def clean_environment(**extra):
    """Nothing of the caller's environment may reach the options of the binary."""
    foreign = ("TIDEWAITER_", "ETCDCTL_", "CONSUL_", "DOCKER_", "SERVICE_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    env["ASAN_OPTIONS"] = "detect_leaks=1:exitcode=99:abort_on_error=0"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1:exitcode=98"
    env.update(extra)
    return env


class Tidewaiter:
    """Starts the binary for one test. Agents see that test's containers alone."""

    def __init__(self, binary, folder, test_id, docker_url):
        self.binary = binary
        self.folder = folder
        self.test_id = test_id
        self.docker_url = docker_url
        self.processes = []

    def agent_options(self, node=None, docker=None):
        return ["--docker", docker or self.docker_url, "--node", node or self.test_id,
                "--ip", "127.0.0.1", "--filter", f"label=tidewaiter.test={self.test_id}"]

    def start(self, *argv, name=None, env=None, prefix=()):
        """prefix: of its command line."""
        name = f"{len(self.processes)}-{name or argv[0]}"
        process = Process([self.binary, *argv], self.folder, name, clean_environment(**(env or {})),
                          prefix)
        self.processes.append(process)
        return process

    def agent(self, registry, *options, node=None, docker=None, env=None):
        return self.start("agent", *self.agent_options(node, docker), "--ttl", "5s",
                          "--log-level", "debug", *options, registry, env=env)

    def render(self, registry, *options):
        return self.start("render", "--log-level", "debug", *options, registry)

    def registrator(self, *argv, env=None, docker=None, prefix=()):
        """The binary by the name of Registrator. It sees every container of the engine. prefix: of its
        command line."""
        link = self.folder / "registrator"
        if not link.exists():
            os.symlink(self.binary, link)
        process = Process([link, *argv], self.folder, f"{len(self.processes)}-registrator",
                          clean_environment(**{"DOCKER_HOST": docker or self.docker_url, **(env or {})}),
                          prefix)
        self.processes.append(process)
        return process

    def run(self, *argv, status=0, env=None, timeout=60):
        """Runs to the end and checks its exit status; stdout and stderr as text."""
        done = subprocess.run([self.binary, *map(str, argv)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=clean_environment(**(env or {})), timeout=timeout, check=False)
        text = f"{argv}: status {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
        assert not SANITIZER.search(done.stderr), text
        assert done.returncode == status, text
        return done

    def services(self, registry):
        """What `ls --json` shows: {id: service}."""
        return {s["id"]: s for s in json.loads(self.run("ls", "--json", registry).stdout)}

    def finish(self):
        """Ends every process. TERM must end it with status 0, and no sanitizer may have spoken."""
        wrong = []
        for process in self.processes:
            ended = not process.alive()
            try:
                status = process.stop()
            except AssertionError as error:
                wrong.append(str(error))
                continue
            report = process.sanitizer_report()
            if report:
                wrong.append(f"{process.name}: {report}")
            elif process.expected_status is not None and status != process.expected_status:
                how = "by itself" if ended else "after TERM"
                wrong.append(f"{process.name} ended {how} with status {status}, "
                             f"not {process.expected_status}:\n{process.err()[-3000:]}")
        assert not wrong, "\n".join(wrong)

    def print_logs(self):
        for process in self.processes:
            print(f"=== {process.name}: {' '.join(process.argv[1:])}")
            print(process.err()[-6000:])


class EtcdRecords:
    """The records of one test in etcd, below a prefix of its own."""

    def __init__(self, etcd, test_id, value=None):
        self.etcd = etcd
        self.node = test_id
        self.prefix = f"/e2e/{test_id}"
        self.uri = f"etcd://{etcd.address}{self.prefix}" + (f"?value={value}" if value else "")

    def keys(self):
        """{key below the prefix: Key}, without the agents' own records."""
        return {k[len(self.prefix) + 1:]: v for k, v in self.etcd.keys(self.prefix + "/").items()
                if not k.startswith(self.prefix + "/.")}

    def agents(self):
        return self.etcd.keys(self.prefix + "/.agents/")

    def services(self):
        """{key below the prefix: record}"""
        return {k: json.loads(v.value) for k, v in self.keys().items()}

    def names(self):
        return sorted(self.keys())

    def key(self, container, port="80", service="sample"):
        return f"{service}/{self.node}:{container}:{port}"

    def expect(self, *keys, timeout=30):
        """Waits until exactly these keys are there."""
        until_equal(self.names, sorted(keys), timeout)

    def wait_service(self, key, timeout=30, **fields):
        """Waits until the record has these fields; the record."""
        def look():
            record = self.services().get(key)
            return record if record and all(record.get(f) == v for f, v in fields.items()) else None
        return until(look, lambda: f"{key} with {fields}; there is {self.services()}", timeout)
