"""Child processes with their output in files, ended with the test that started them."""
import ctypes
import random
import re
import signal
import socket
import subprocess
import time

from .wait import until

SANITIZER = re.compile(
    r"ERROR: \w*Sanitizer|runtime error:|SUMMARY: \w*Sanitizer|broken invariant")

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


PORTS_GIVEN = set()


def free_port():
    """A port on loopback, TCP and UDP, below the ephemeral range so that no client takes it meanwhile, and
    never the same one twice: who asked for it need not listen yet."""
    while True:
        port = random.randrange(20000, 32000)
        if port in PORTS_GIVEN:
            continue
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            PORTS_GIVEN.add(port)
            return port


class Process:
    """A running command. stdout and stderr go to NAME.out and NAME.err in folder."""

    def __init__(self, argv, folder, name, env=None, prefix=()):
        self.argv = [str(a) for a in argv]
        self.name = name
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"
        self.expected_status = 0
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.popen = subprocess.Popen(
                [*prefix, *self.argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env,
                start_new_session=True, preexec_fn=die_with_parent)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def out(self):
        return self.out_path.read_text(errors="replace")

    def err(self):
        return self.err_path.read_text(errors="replace")

    def wait_err(self, pattern, timeout=30):
        """Waits until a line of stderr matches; the match."""
        regexp = re.compile(pattern)
        return until(lambda: regexp.search(self.err()),
                     lambda: f"{self.name} never said {pattern!r}:\n{self.err()[-3000:]}", timeout)

    def wait_exit(self, timeout=30):
        """Waits for its end by itself; the exit status."""
        until(lambda: not self.alive(),
              lambda: f"{self.name} still runs:\n{self.err()[-3000:]}", timeout)
        return self.popen.returncode

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """kill -9, and what that does to the exit status is expected."""
        self.expected_status = None
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def stop(self, timeout=20):
        """TERM, then its end; the exit status."""
        if self.alive():
            self.popen.terminate()
            deadline = time.monotonic() + timeout
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.01)
            if self.alive():
                self.popen.kill()
                self.popen.wait()
                raise AssertionError(f"{self.name} did not end within {timeout} s of TERM:\n"
                                     + self.err()[-3000:])
        return self.popen.returncode

    def sanitizer_report(self):
        """What a sanitizer or a failed invariant printed, or None."""
        text = self.err()
        match = SANITIZER.search(text)
        return text[max(0, match.start() - 200):match.start() + 6000] if match else None
