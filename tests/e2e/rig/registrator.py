"""What the registrator line has written to Consul. It looks at every container of the engine, so a test
picks what is of its own containers."""
import socket

from .wait import until, until_equal

HOST = socket.gethostname()


class Registered:
    def __init__(self, consul, containers):
        self.consul = consul
        self.containers = containers
        self.uri = consul.uri

    def owners(self):
        return {c["Id"] for c in self.containers.docker.list(self.containers.label)}

    def services(self):
        """{service id: as Consul shows it} of this test's containers, those that are gone included."""
        ids = self.owners()
        return {i: s for i, s in self.consul.services().items()
                if s["Meta"].get("tidewaiter-container") in ids or self.containers.test_id in i}

    def id(self, container, port="80"):
        return f"{HOST}:{container}:{port}"

    def shown(self):
        """{id: (name, address, port, tags, attributes)}"""
        return {i: (s["Service"], s["Address"], s["Port"], s["Tags"],
                    {k: v for k, v in s["Meta"].items() if not k.startswith("tidewaiter-")})
                for i, s in self.services().items()}

    def expect(self, *ids, timeout=30):
        """Waits until exactly these services are there."""
        until_equal(lambda: sorted(self.services()), sorted(ids), timeout)

    def expect_shown(self, expected, timeout=30):
        until_equal(self.shown, expected, timeout)

    def wait_service(self, service_id, **fields):
        def look():
            found = self.services().get(service_id)
            return found if found and all(found.get(f) == v for f, v in fields.items()) else None
        return until(look, lambda: f"{service_id} with {fields}; there is {self.services()}")

    def forget(self):
        """Removes what any test's agent left behind, so that the next one begins with nothing."""
        for service_id, service in self.consul.services().items():
            if (service["Meta"].get("tidewaiter-node", "").startswith(f"{HOST}@")
                    or self.containers.test_id in service_id):
                self.consul.deregister(service_id)
