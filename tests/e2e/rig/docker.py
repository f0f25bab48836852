"""The Docker Engine API over its unix socket, as much of it as the tests use."""
import concurrent.futures
import http.client
import json
import socket
import urllib.parse


class DockerError(Exception):
    def __init__(self, status, message):
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Docker:
    """One engine. Every call has a connection of its own, so calls from threads do not meet."""

    def __init__(self, socket_path):
        self.socket_path = str(socket_path)
        self.url = f"unix://{self.socket_path}"

    def request(self, method, path, body=None, timeout=60, raw=False, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection = UnixConnection(self.socket_path, timeout)
        try:
            data = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"} if data else {}
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise DockerError(response.status, text.decode(errors="replace").strip())
        if raw:
            return text
        return json.loads(text) if text else None

    def answers(self):
        try:
            return self.request("GET", "/_ping", timeout=5, raw=True) == b"OK"
        except (OSError, http.client.HTTPException, DockerError):
            return False

    def version(self):
        return self.request("GET", "/version")["Version"]

    def id(self):
        return self.request("GET", "/info")["ID"]

    def has_image(self, tag):
        try:
            self.request("GET", f"/images/{tag}/json")
            return True
        except DockerError:
            return False

    def tag(self, image, repository, tag):
        self.request("POST", f"/images/{image}/tag", repo=repository, tag=tag)

    def untag(self, image):
        self.request("DELETE", f"/images/{image}")

    # ---- containers ----

    def create(self, name, config):
        return self.request("POST", "/containers/create", config, name=name)["Id"]

    def inspect(self, container):
        return self.request("GET", f"/containers/{container}/json")

    def list(self, label):
        return self.request("GET", "/containers/json", all=1,
                            filters=json.dumps({"label": [label]}))

    def start(self, container):
        self.request("POST", f"/containers/{container}/start")

    def stop(self, container, grace=10):
        self.request("POST", f"/containers/{container}/stop", t=grace)

    def kill(self, container, signal="KILL"):
        self.request("POST", f"/containers/{container}/kill", signal=signal)

    def restart(self, container, grace=10):
        self.request("POST", f"/containers/{container}/restart", t=grace)

    def pause(self, container):
        self.request("POST", f"/containers/{container}/pause")

    def unpause(self, container):
        self.request("POST", f"/containers/{container}/unpause")

    def rename(self, container, name):
        self.request("POST", f"/containers/{container}/rename", name=name)

    def remove(self, container):
        try:
            self.request("DELETE", f"/containers/{container}", force=1, v=1)
        except DockerError as error:
            if error.status not in (404, 409):  # gone, or its removal is already in progress
                raise

    def execute(self, container, *command):
        """Runs a command in the container and waits for its end; its exit status."""
        made = self.request("POST", f"/containers/{container}/exec",
                            {"Cmd": command, "AttachStdout": True, "AttachStderr": True})
        self.request("POST", f"/exec/{made['Id']}/start", {"Detach": False}, raw=True)
        return self.request("GET", f"/exec/{made['Id']}/json")["ExitCode"]

    # ---- networks ----

    def network_create(self, name, **config):
        return self.request("POST", "/networks/create", {"Name": name, **config})["Id"]

    def network_remove(self, network):
        try:
            self.request("DELETE", f"/networks/{network}")
        except DockerError as error:
            if error.status != 404:
                raise

    def network_connect(self, network, container):
        self.request("POST", f"/networks/{network}/connect", {"Container": container})

    def network_disconnect(self, network, container):
        self.request("POST", f"/networks/{network}/disconnect", {"Container": container})


class Containers:
    """The containers and networks of one test: named after it, labelled, removed at its end."""

    def __init__(self, docker, image, test_id):
        self.docker = docker
        self.image = image
        self.test_id = test_id
        self.label = f"tidewaiter.test={test_id}"
        self.networks = []

    def name(self, short):
        return f"{self.test_id}-{short}"

    def create(self, short, env=None, labels=None, ports=("80",), expose=(), network=None,
               health=None, restart=None, image=None, cmd=None, stop_timeout=None, more=None):
        """Most options are those of docker run; health is a shell command, or a list of words. ports:
        as for -p, but published on 127.0.0.1 where no address is given, on a free port where none is;
        an IPv6 address as (address, host port, port). more: of the API's HostConfig."""
        name = self.name(short)
        bindings = {}
        for spec in ports:
            host, host_port, proto = "127.0.0.1", "", ""
            if isinstance(spec, tuple):
                parts = spec
            else:
                spec, _, proto = spec.partition("/")
                parts = spec.rsplit(":", 2)
            if len(parts) == 3:
                host, host_port, spec = parts
            elif len(parts) == 2:
                host_port, spec = parts
            key = f"{spec}/{proto or 'tcp'}"
            bindings.setdefault(key, []).append({"HostIp": host, "HostPort": host_port})
        key, _, value = self.label.partition("=")
        config = {
            "Image": image or self.image,
            "Hostname": name,
            "Env": [f"{k}={v}" for k, v in (env or {}).items()],
            "Labels": {key: value, **(labels or {})},
            "ExposedPorts": {k: {} for k in [*bindings, *expose]},
            "HostConfig": {"PortBindings": bindings, **(more or {})},
        }
        if network:
            config["HostConfig"]["NetworkMode"] = network
            if network == "host" or network.startswith("container:"):
                del config["Hostname"]
        if restart:
            config["HostConfig"]["RestartPolicy"] = {"Name": restart}
        if health:
            test = ["CMD-SHELL", health] if isinstance(health, str) else ["CMD", *health]
            config["Healthcheck"] = {"Test": test, "Interval": 200_000_000,
                                     "Timeout": 2_000_000_000, "Retries": 1}
        if cmd:
            config["Cmd"] = cmd
        if stop_timeout is not None:
            config["StopTimeout"] = stop_timeout
        self.docker.create(name, config)
        return name

    def run(self, short, **options):
        name = self.create(short, **options)
        self.docker.start(name)
        return name

    def host_port(self, name, port="80/tcp"):
        return int(self.docker.inspect(name)["NetworkSettings"]["Ports"][port][0]["HostPort"])

    def address(self, name, network="bridge"):
        return self.docker.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"]

    def network(self, short, **config):
        name = self.name(short)
        self.docker.network_create(name, **config)
        self.networks.append(name)
        return name

    def remove_all(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.docker.remove,
                          [c["Id"] for c in self.docker.list(self.label)]))
        for network in self.networks:
            self.docker.network_remove(network)
