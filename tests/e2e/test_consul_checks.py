"""Every kind of health check that labels and variables ask for, run by a real Consul."""
import os
import re
import time

import pytest

from rig.certificates import Certificates
from rig.consul import Consul
from rig.consul_records import ConsulRecords
from rig.proc import free_port
from rig.wait import until, until_equal
from rig.web import GrpcHealth, Web


@pytest.fixture
def certificates(tmp_path):
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Certificates(folder)


@pytest.fixture
def web():
    server = Web()
    yield server
    server.close()


@pytest.fixture
def tls_web(certificates):
    server = Web(certificates)
    yield server
    server.close()


@pytest.fixture
def grpc(session_folder, test_id, certificates):
    os.chmod(session_folder, 0o755)  # nginx's workers are somebody else
    folder = session_folder / f"{test_id}-grpc"
    folder.mkdir()
    server = GrpcHealth(folder, certificates)
    yield server
    server.close()


@pytest.fixture
def on_host(containers, consul_records):
    """Stands in for a container whose port is one of this host's, where a server of the test's listens."""
    def run(short, port, **checks):
        name = containers.run(
            short, network="host", ports=(), expose=[f"{port}/tcp"],
            cmd=["/bin/sh", "-c", "trap exit TERM; while :; do sleep 1 & wait; done"],
            labels={"SERVICE_80_IGNORE": "1", "SERVICE_CHECK_INTERVAL": "1s",
                    **{f"SERVICE_CHECK_{k.upper()}": v for k, v in checks.items()}})
        return consul_records.id(name, port)
    return run


def test_http_and_tcp_through_the_published_port(tw, containers, consul_records):
    tw.agent(consul_records.uri)
    labels = {"SERVICE_CHECK_HTTP": "/healthy", "SERVICE_CHECK_TCP": "true", "SERVICE_CHECK_INTERVAL": "1s",
              "SERVICE_CHECK_TIMEOUT": "900ms"}
    name = containers.run("web", labels=labels)
    service = consul_records.id(name)
    consul_records.expect_statuses(service, http="passing", tcp="passing")
    at = f"127.0.0.1:{containers.host_port(name)}"
    http, tcp = (consul_records.checks(service)[kind] for kind in ("http", "tcp"))
    assert (http["Type"], tcp["Type"]) == ("http", "tcp")
    assert f"HTTP GET http://{at}/healthy: 200 OK" in http["Output"], http
    assert f"TCP connect {at}: Success" == tcp["Output"], tcp
    containers.docker.execute(name, "rm", "/www/healthy")
    consul_records.expect_statuses(service, http="critical", tcp="passing")


def test_http_method_and_headers(tw, consul_records, on_host, web):
    tw.agent(consul_records.uri)
    service = on_host("web", web.port, http="/up?a=b", http_method="HEAD",
                      http_header="Host: shop.example,X-Probe: one\\, two")
    consul_records.expect_statuses(service, http="passing")
    method, path, headers = web.seen[-1]
    assert (method, path) == ("HEAD", "/up?a=b")
    assert headers["Host"] == "shop.example" and headers["X-Probe"] == "one, two", headers.items()


def test_https_and_whether_its_certificate_counts(tw, consul_records, on_host, tls_web):
    tw.agent(consul_records.uri)
    strict = on_host("strict", tls_web.port, https="/", https_method="HEAD")
    until(lambda: "x509" in consul_records.checks(strict).get("https", {}).get("Output", ""),
          lambda: f"refused for its certificate: {consul_records.checks(strict)}")
    assert consul_records.statuses(strict) == {"https": "critical"}
    assert tls_web.seen == []
    lax = on_host("lax", tls_web.port, https="/", https_method="HEAD", tls_skip_verify="true")
    consul_records.expect_statuses(lax, https="passing")
    assert [(m, p) for m, p, _ in tls_web.seen[:1]] == [("HEAD", "/")]


def test_grpc_with_and_without_tls(tw, consul_records, on_host, grpc):
    tw.agent(consul_records.uri)
    plain = on_host("plain", grpc.port, grpc="true")
    strict = on_host("strict", grpc.tls_port, grpc="true", grpc_use_tls="true")
    lax = on_host("lax", grpc.tls_port, grpc="true", grpc_use_tls="true", tls_skip_verify="true")
    consul_records.expect_statuses(plain, grpc="passing")
    consul_records.expect_statuses(lax, grpc="passing")
    until(lambda: consul_records.checks(strict).get("grpc", {}).get("Output"), "the strict one was tried")
    assert consul_records.statuses(strict) == {"grpc": "critical"}


def test_script_cmd_and_docker(tw, containers, consul_records):
    tw.agent(consul_records.uri)
    name = containers.run("web", labels={
        "SERVICE_CHECK_SCRIPT": "sh -c 'echo \"at $0:$1\"; exit 1' $SERVICE_IP $SERVICE_PORT",
        "SERVICE_CHECK_CMD": "ok",
        # Status 1 would be a warning.
        "SERVICE_CHECK_DOCKER": "sh -c 'test -e /www/healthy || exit 2'",
        "SERVICE_CHECK_INTERVAL": "1s"})
    service = consul_records.id(name)
    consul_records.expect_statuses(service, script="warning", cmd="passing", docker="passing")
    checks = consul_records.checks(service)
    assert checks["script"]["Output"].strip() == f"at 127.0.0.1:{containers.host_port(name)}"
    short = containers.docker.inspect(name)["Id"][:12]
    assert checks["cmd"]["Output"].strip() == f"check-cmd {short} 80 ok"
    assert checks["docker"]["Type"] == "docker"
    containers.docker.execute(name, "rm", "/www/healthy")
    consul_records.expect_statuses(service, script="warning", cmd="passing", docker="critical")


def test_script_without_arguments(tw, containers, consul_records):
    tw.agent(consul_records.uri)
    good, bad = (containers.run(command, labels={"SERVICE_CHECK_SCRIPT": command,
                                                 "SERVICE_CHECK_INTERVAL": "1s"})
                 for command in ("true", "false"))
    consul_records.expect_statuses(consul_records.id(good), script="passing")
    # Status 1, that is; before the first run it was critical.
    consul_records.expect_statuses(consul_records.id(bad), script="warning")


def test_initial_status_and_timeout(tw, containers, consul_records, on_host, web):
    tw.agent(consul_records.uri)
    # Nobody listens there, and no check is due within the test.
    early = on_host("early", free_port(), tcp="true", interval="1h", initial_status="passing")
    late = on_host("late", free_port(), tcp="true", interval="1h")
    consul_records.expect_statuses(early, tcp="passing")
    consul_records.expect_statuses(late, tcp="critical")
    slow = containers.run("slow", labels={"SERVICE_CHECK_SCRIPT": "sleep 20", "SERVICE_CHECK_INTERVAL": "1s",
                                          "SERVICE_CHECK_TIMEOUT": "500ms",
                                          "SERVICE_CHECK_INITIAL_STATUS": "passing"})
    slow = consul_records.id(slow)
    consul_records.expect_statuses(slow, script="critical")
    until(lambda: "Timed out (500ms)" in consul_records.checks(slow)["script"]["Output"],
          lambda: f"cut short: {consul_records.checks(slow)}")


def test_ttl_is_kept_passing_and_survives_the_agent(tw, containers, consul_records):
    agent = tw.agent(consul_records.uri)
    name = containers.run("web", labels={"SERVICE_CHECK_TTL": "2s"})
    service = consul_records.id(name)
    consul_records.expect_statuses(service, ttl="passing")
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert consul_records.statuses(service) == {"ttl": "passing"}
        time.sleep(0.05)
    agent.kill()
    consul_records.expect_statuses(service, ttl="critical")
    tw.agent(consul_records.uri)
    consul_records.expect_statuses(service, ttl="passing")


def test_ttl_follows_the_healthcheck(tw, containers, consul_records):
    tw.agent(consul_records.uri, "--health", "mark")
    name = containers.run("web", health="test -e /www/healthy", labels={"SERVICE_CHECK_TTL": "2s"})
    service = consul_records.id(name)
    consul_records.expect_statuses(service, ttl="passing")
    containers.docker.execute(name, "rm", "/www/healthy")
    consul_records.expect_statuses(service, ttl="critical")
    assert "TTL expired" not in consul_records.checks(service)["ttl"]["Output"]
    containers.docker.execute(name, "touch", "/www/healthy")
    consul_records.expect_statuses(service, ttl="passing")


def test_health_without_a_ttl_check(tw, containers, consul_records):
    """Marked: what is sick is critical in Consul too, whatever other checks say."""
    tw.agent(consul_records.uri, "--health", "mark")
    name = containers.run("web", health="test -e /www/healthy",
                          labels={"SERVICE_CHECK_TCP": "true", "SERVICE_CHECK_INTERVAL": "1s"})
    service = consul_records.id(name)
    consul_records.expect_statuses(service, tcp="passing")
    containers.docker.execute(name, "rm", "/www/healthy")
    until(lambda: sorted(consul_records.statuses(service).values()) == ["critical", "passing"],
          lambda: f"sick: {consul_records.checks(service)}")
    until_equal(lambda: [s["Service"]["ID"] for s in consul_records.consul.health("sample", "?passing")
                         if s["Service"]["ID"] == service], [])
    containers.docker.execute(name, "touch", "/www/healthy")
    consul_records.expect_statuses(service, tcp="passing")


def test_a_changed_definition_takes_effect(tw, containers, consul_records):
    """Registered again under the same name with other checks: those that are gone do not stay."""
    tw.agent(consul_records.uri)
    name = containers.run("web", labels={"SERVICE_ID": f"{consul_records.node}:fixed",
                                         "SERVICE_CHECK_HTTP": "/", "SERVICE_CHECK_TCP": "true",
                                         "SERVICE_CHECK_INTERVAL": "1s"})
    service = f"{consul_records.node}:fixed"
    consul_records.expect_statuses(service, http="passing", tcp="passing")
    containers.docker.remove(name)
    consul_records.expect()
    containers.run("web", labels={"SERVICE_ID": service, "SERVICE_CHECK_HTTP": "/nosuch",
                                  "SERVICE_CHECK_INTERVAL": "1s"})
    consul_records.expect_statuses(service, http="critical")
    until(lambda: "/nosuch: 404" in consul_records.checks(service)["http"]["Output"],
          lambda: f"the new path is asked: {consul_records.checks(service)}")


def test_checks_changed_while_the_agent_was_away(tw, containers, consul_records):
    agent = tw.agent(consul_records.uri)
    service = f"{consul_records.node}:fixed"
    checks = {"SERVICE_ID": service, "SERVICE_CHECK_INTERVAL": "1s"}
    name = containers.run("web", labels={**checks, "SERVICE_CHECK_HTTP": "/", "SERVICE_CHECK_TTL": "5s"})
    consul_records.expect_statuses(service, http="passing", ttl="passing")
    agent.kill()
    port = containers.host_port(name)
    containers.docker.remove(name)
    # All that others see of the service is the same, port included.
    containers.run("web", ports=(f"127.0.0.1:{port}:80",), labels={**checks, "SERVICE_CHECK_HTTP": "/name"})
    tw.agent(consul_records.uri)
    consul_records.expect_statuses(service, http="passing")
    until(lambda: "/name: 200" in consul_records.checks(service)["http"]["Output"],
          lambda: f"the new path is asked: {consul_records.checks(service)}")


def test_what_makes_no_sense_is_said_and_left_out(tw, containers, consul_records):
    agent = tw.agent(consul_records.uri)
    name = containers.run("web", labels={"SERVICE_CHECK_HTTP": "/", "SERVICE_CHECK_TTL": "soon",
                                         "SERVICE_CHECK_INTERVAL": "1s"})
    consul_records.expect_statuses(consul_records.id(name), http="passing")
    said = agent.wait_err(r".*check_ttl.*")[0]
    assert name in said and "soon" in said, said
    # A later comparison does not say it again.
    marker = containers.run("marker")
    until(lambda: consul_records.id(marker) in consul_records.ids(), "the marker is registered")
    assert agent.err().count("soon") == 1, agent.err()


def test_scripts_that_consul_does_not_run(tw, containers, own_consul_folder, test_id):
    consul = Consul(own_consul_folder)
    consul.scripts = False
    consul.start()
    try:
        records = ConsulRecords(consul, test_id)
        agent = tw.agent(records.uri)
        bad = containers.run("bad", labels={"SERVICE_CHECK_SCRIPT": "true"})
        said = agent.wait_err(r".*level=(warn|error).*enable_script_checks.*")[0]
        assert bad in said, said
        good = containers.run("good", labels={"SERVICE_CHECK_TTL": "30s"})
        records.expect_statuses(records.id(good), ttl="passing")
        assert agent.err().count("enable_script_checks") == 1, agent.err()
    finally:
        consul.close()


@pytest.mark.slow
def test_critical_for_long_is_deregistered_and_comes_back(tw, consul_records, on_host):
    """Consul removes it (a minute at the least, looked at twice a minute); the container runs, so the agent
    registers it again."""
    agent = tw.agent(consul_records.uri)
    server = Web()
    service = on_host("web", server.port, tcp="true", deregister_after="1m")
    consul_records.expect_statuses(service, tcp="passing")
    server.close()
    consul_records.expect_statuses(service, tcp="critical")
    consul = consul_records.consul
    until(lambda: re.search(rf"critical for too long.*service={re.escape(service)}",
                            consul.process.out()), "Consul removes it", 130, every=0.5)
    consul_records.wait_service(service, Port=server.port)
    assert agent.alive()
