"""A Consul agent of the tests' own: one server, on loopback, with ports of its own."""
import base64
import http.client
import json
import re
import shutil
import signal
import ssl
import urllib.parse
from dataclasses import dataclass
from typing import Optional

from .docker import UnixConnection
from .proc import Process, free_port
from .wait import until


class ConsulError(Exception):
    def __init__(self, status, message):
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


@dataclass(frozen=True)
class KvKey:
    value: str
    session: Optional[str]
    create_index: int
    modify_index: int


class Consul:
    """In memory only (-dev), or with data that outlives a restart."""

    token = None  # of the tests' own calls

    def __init__(self, folder, data=False, env=None):
        self.folder = folder
        self.data = data
        self.env = env
        self.node = "n1"
        self.scripts = True  # whether checks may run commands
        self.port = free_port()
        self.server_port, self.serf_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.uri = f"consul://{self.address}"
        self.process = None

    # ---- its life ----

    def settings(self):
        return {"ports": {"http": self.port}}

    def start(self):
        """Starts it and waits until it takes registrations."""
        self.launch()
        self.wait_answers()

    def launch(self):
        settings = {
            "node_name": self.node, "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1",
            # Every request is in the log at this level.
            "log_level": "debug", "enable_script_checks": self.scripts, "disable_update_check": True,
            "performance": {"raft_multiplier": 1}, **self.settings(),
        }
        settings["ports"] = {"server": self.server_port, "serf_lan": self.serf_port, "serf_wan": -1,
                             "dns": -1, "grpc": -1, **settings["ports"]}
        if self.data:
            settings.update({"server": True, "bootstrap_expect": 1, "data_dir": str(self.folder / "data")})
        path = self.folder / "consul.json"
        path.write_text(json.dumps(settings))
        self.process = Process(["consul", "agent", *([] if self.data else ["-dev"]), "-config-file", path],
                               self.folder, "consul", self.env)

    def wait_answers(self):
        until(lambda: self.answers() or not self.process.alive(), self.last_words)
        assert self.process.alive(), self.last_words()

    def last_words(self):
        return "Consul has a leader:\n" + self.process.out()[-3000:]

    def answers(self):
        try:
            return bool(self.call("GET", "/v1/status/leader"))
        except (OSError, http.client.HTTPException, ValueError, ConsulError):
            return False

    def stop(self, number=signal.SIGTERM):
        self.process.expected_status = None
        self.process.signal(number)
        self.process.wait_exit()

    def kill(self):
        self.stop(signal.SIGKILL)

    def wipe(self):
        shutil.rmtree(self.folder / "data")

    def close(self):
        if self.process and self.process.alive():
            self.kill()

    # ---- its API ----

    def connect(self, timeout):
        return http.client.HTTPConnection(self.address, timeout=timeout)

    def request(self, method, path, body=None, token=None, timeout=30):
        """The bytes of an answer that is 200."""
        headers = {"X-Consul-Token": token or self.token} if token or self.token else {}
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ConsulError(response.status, text.decode(errors="replace"))
        return text

    def call(self, method, path, body=None, token=None):
        """What the answer holds; None where it is empty."""
        text = self.request(method, path, body, token)
        return json.loads(text) if text else None

    def requests(self, start=""):
        """(method, path and query) of every request that has ended, oldest first; start: of the path."""
        ended = re.findall(r"Request finished: method=(\S+) url=(\S+)", self.process.out())
        return [(method, url) for method, url in ended if url.startswith(start)]

    def writes(self):
        """The requests that write: all but those that keep a TTL check or a session alive."""
        alive = re.compile("/v1/(agent/check/(pass|warn|fail|update)/|session/renew/)")
        return [(method, url) for method, url in self.requests()
                if method in ("PUT", "DELETE") and not alive.match(url)]

    # ---- services ----

    def services(self):
        """Those of this agent: {id: as Consul shows it}."""
        return self.call("GET", "/v1/agent/services")

    def register(self, **service):
        """By hand, with the fields of Consul's call."""
        self.call("PUT", "/v1/agent/service/register", service)

    def deregister(self, service_id):
        self.call("PUT", "/v1/agent/service/deregister/" + urllib.parse.quote(service_id, safe=""))

    def checks(self):
        """{check id: as Consul shows it}"""
        return self.call("GET", "/v1/agent/checks")

    def catalog(self, name):
        """The instances that all of the cluster sees: {service id: as Consul shows it}."""
        return {s["ServiceID"]: s for s in
                self.call("GET", "/v1/catalog/service/" + urllib.parse.quote(name, safe=""))}

    def health(self, name, query=""):
        return self.call("GET", f"/v1/health/service/{urllib.parse.quote(name, safe='')}{query}")

    # ---- KV ----

    def kv(self, prefix):
        """Everything below prefix: {key: KvKey}."""
        try:
            found = self.call("GET", f"/v1/kv/{urllib.parse.quote(prefix)}?recurse")
        except ConsulError as error:
            if error.status == 404:
                return {}
            raise
        return {kv["Key"]: KvKey(base64.b64decode(kv["Value"] or "").decode(), kv.get("Session"),
                                 kv["CreateIndex"], kv["ModifyIndex"]) for kv in found}

    def kv_put(self, key, value, query=""):
        return self.call("PUT", f"/v1/kv/{urllib.parse.quote(key)}{query}", value.encode())

    def kv_delete(self, key):
        return self.call("DELETE", f"/v1/kv/{urllib.parse.quote(key)}")

    def sessions(self):
        """{id: as Consul shows it}"""
        return {s["ID"]: s for s in self.call("GET", "/v1/session/list")}

    def session_destroy(self, session):
        return self.call("PUT", f"/v1/session/destroy/{session}")


class AclConsul(Consul):
    """One that refuses what no token allows. The tests' own calls may do everything."""

    token = "5f1c1a31-0000-4000-8000-000000000001"

    def settings(self):
        return {**super().settings(),
                "acl": {"enabled": True, "default_policy": "deny",
                        "tokens": {"master": self.token, "agent": self.token}}}

    def answers(self):
        # The token of the settings exists only some time after the election.
        try:
            return super().answers() and self.call("GET", "/v1/acl/token/self")
        except ConsulError:
            return False

    def make_token(self, name, rules):
        """The secret of a new token that may do what rules say."""
        self.call("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules})
        token = self.call("PUT", "/v1/acl/token", {"Description": name, "Policies": [{"Name": name}]})
        return token["SecretID"]


class TlsConsul(Consul):
    """One that talks TLS only and asks for a client certificate."""

    def __init__(self, folder, certificates, data=False):
        super().__init__(folder, data)
        self.certificates = certificates
        self.uri = f"consuls://{self.address}"

    def settings(self):
        c = self.certificates
        return {"ports": {"http": -1, "https": self.port}, "verify_incoming": True, "ca_file": str(c.ca),
                "cert_file": str(c.server), "key_file": str(c.server_key)}

    def connect(self, timeout):
        c = self.certificates
        context = ssl.create_default_context(cafile=c.ca)
        context.load_cert_chain(c.client, c.client_key)
        return http.client.HTTPSConnection(self.address, timeout=timeout, context=context)


class UnixConsul(Consul):
    """One that can be reached by a unix socket only. Its folder needs a short name."""

    def __init__(self, folder, data=False):
        super().__init__(folder, data)
        self.socket = folder / "http.sock"
        self.uri = f"consul-unix://{self.socket}"

    def settings(self):
        return {**super().settings(), "addresses": {"http": f"unix://{self.socket}"}}

    def connect(self, timeout):
        return UnixConnection(str(self.socket), timeout)
