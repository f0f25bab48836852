"""An etcd of the tests' own, and its keys through the JSON gateway."""
import base64
import http.client
import json
import shutil
import signal
import ssl
from dataclasses import dataclass

from .proc import Process, free_port
from .wait import until


def encode(text):
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True)
class Key:
    value: str
    mod_revision: int
    create_revision: int
    lease: int


class Etcd:
    def __init__(self, folder, name="etcd"):
        self.folder = folder
        self.name = name
        self.port = free_port()
        self.peer_port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.peer_url = f"http://127.0.0.1:{self.peer_port}"
        self.process = None

    def start(self):
        self.launch(f"{self.name}={self.peer_url}")
        self.wait_answers()

    def launch(self, cluster):
        """Starts this member; cluster names all: name=peer-url,…"""
        url = f"http://{self.address}"
        self.process = Process(
            ["etcd", "--name", self.name, "--data-dir", self.folder / f"{self.name}.data",
             "--listen-client-urls", url, "--advertise-client-urls", url,
             "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
             "--initial-cluster", cluster],
            self.folder, self.name)

    def wait_answers(self):
        until(self.answers, lambda: "etcd answers:\n" + self.process.err()[-2000:])

    def stop(self, number=signal.SIGTERM):
        self.process.expected_status = None
        self.process.signal(number)
        self.process.wait_exit()

    def wipe(self):
        shutil.rmtree(self.folder / f"{self.name}.data")

    def answers(self):
        connection = http.client.HTTPConnection(self.address, timeout=5)
        try:
            connection.request("GET", "/health")
            return json.loads(connection.getresponse().read()).get("health") == "true"
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()

    def call(self, path, **body):
        connection = http.client.HTTPConnection(self.address, timeout=20)
        try:
            connection.request("POST", f"/v3/{path}", json.dumps(body))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"etcd {path}: HTTP {response.status}: {text!r}")
        return json.loads(text)

    def keys(self, prefix):
        """Everything below prefix: {key: Key}."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        reply = self.call("kv/range", key=encode(prefix), range_end=encode(end))
        return {
            base64.b64decode(kv["key"]).decode(): Key(
                base64.b64decode(kv.get("value", "")).decode(), int(kv["mod_revision"]),
                int(kv["create_revision"]), int(kv.get("lease", 0)))
            for kv in reply.get("kvs", [])
        }

    def put(self, key, value, lease=0):
        self.call("kv/put", key=encode(key), value=encode(value), lease=str(lease))

    def delete(self, key):
        return int(self.call("kv/deleterange", key=encode(key)).get("deleted", 0))

    def revision(self):
        return int(self.call("kv/range", key=encode("\0"))["header"]["revision"])

    def leases(self):
        return [int(lease["ID"]) for lease in self.call("lease/leases").get("leases", [])]

    def close(self):
        if self.process and self.process.alive():
            self.stop()


class TlsEtcd(Etcd):
    """One that asks for a client certificate. Its keys are looked at through the binary under test."""

    def __init__(self, folder, certificates):
        super().__init__(folder, "tls")
        self.certificates = certificates

    def launch(self, cluster):
        c = self.certificates
        url = f"https://{self.address}"
        self.process = Process(
            ["etcd", "--name", self.name, "--data-dir", self.folder / f"{self.name}.data",
             "--listen-client-urls", url, "--advertise-client-urls", url,
             "--cert-file", c.server, "--key-file", c.server_key, "--trusted-ca-file", c.ca,
             "--client-cert-auth",
             "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
             "--initial-cluster", cluster],
            self.folder, self.name)

    def answers(self):
        c = self.certificates
        context = ssl.create_default_context(cafile=c.ca)
        context.load_cert_chain(c.client, c.client_key)
        connection = http.client.HTTPSConnection(self.address, timeout=5, context=context)
        try:
            connection.request("GET", "/health")
            return json.loads(connection.getresponse().read()).get("health") == "true"
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
