"""What the binary under test has written to Consul: services and their checks, or keys."""
import json

from .wait import until, until_equal


class ConsulRecords:
    """The services of one test in an agent that others use as well: those of its node name."""

    def __init__(self, consul, test_id):
        self.consul = consul
        self.node = test_id
        self.uri = consul.uri

    def services(self):
        """{service id: as Consul shows it}"""
        return {i: s for i, s in self.consul.services().items()
                if s.get("Meta", {}).get("tidewaiter-node") == self.node}

    def ids(self):
        return sorted(self.services())

    def id(self, container, port="80"):
        return f"{self.node}:{container}:{port}"

    def checks(self, service_id):
        """The checks of that service: {name: as Consul shows it}."""
        return {c["Name"]: c for c in self.consul.checks().values() if c["ServiceID"] == service_id}

    def statuses(self, service_id):
        return {name: check["Status"] for name, check in self.checks(service_id).items()}

    def expect(self, *ids, timeout=30):
        """Waits until exactly these services are there."""
        until_equal(self.ids, sorted(ids), timeout)

    def expect_statuses(self, service_id, timeout=30, **statuses):
        """Waits until the service has exactly these checks, with these statuses."""
        until_equal(lambda: self.statuses(service_id), statuses, timeout)

    def wait_service(self, service_id, timeout=30, **fields):
        """Waits until the service has these fields; the service."""
        def look():
            found = self.services().get(service_id)
            return found if found and all(found.get(f) == v for f, v in fields.items()) else None
        return until(look, lambda: f"{service_id} with {fields}; there is {self.services()}", timeout)

    def settle(self, agent, containers, *ids):
        """Waits until the agent has compared everything, and these services are left: a container that starts
        now is registered by then."""
        marker = containers.run(f"marker-{agent.pid}-{len(ids)}")
        self.expect(*ids, self.id(marker))
        containers.docker.remove(marker)
        self.expect(*ids)

    def make_agent_look(self):
        """A service of somebody else's comes and goes: the agent looks at Consul again, twice at least."""
        for _ in range(2):
            looked = len(self.consul.requests("/v1/agent/checks"))
            self.consul.register(ID=f"look-{self.node}", Name="look")
            self.consul.deregister(f"look-{self.node}")
            until(lambda n=looked: len(self.consul.requests("/v1/agent/checks")) > n, "the agent looks")

    def forget(self):
        """Removes what the test left behind, so that the next one does not see it."""
        for service_id in self.ids():
            self.consul.deregister(service_id)


class ConsulKvRecords:
    """The keys of one test, below a prefix of its own."""

    def __init__(self, consul, test_id, value=None):
        self.consul = consul
        self.node = test_id
        self.prefix = f"e2e/{test_id}"
        self.uri = (consul.uri.replace("consul", "consulkv", 1) + f"/{self.prefix}"
                    + (f"?value={value}" if value else ""))

    def keys(self):
        """{key below the prefix: KvKey}, without the agents' own records."""
        return {k[len(self.prefix) + 1:]: v for k, v in self.consul.kv(self.prefix + "/").items()
                if not k.startswith(self.prefix + "/.")}

    def agents(self):
        return self.consul.kv(self.prefix + "/.agents/")

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
