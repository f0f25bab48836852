"""Consul behind ACLs, behind TLS with client certificates, and on a unix socket."""
import pytest

from rig.certificates import Certificates
from rig.consul import AclConsul, TlsConsul, UnixConsul
from rig.consul_records import ConsulKvRecords, ConsulRecords
from rig.wait import until, until_equal

WRITER = 'service_prefix "" { policy = "write" }'
READER = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'


@pytest.fixture
def acl(own_consul_folder):
    consul = AclConsul(own_consul_folder)
    consul.start()
    yield consul
    consul.close()


@pytest.fixture
def acl_records(acl, test_id):
    return ConsulRecords(acl, test_id)


@pytest.fixture
def tls(own_consul_folder):
    consul = TlsConsul(own_consul_folder, Certificates(own_consul_folder))
    consul.start()
    yield consul
    consul.close()


def change_policy(acl, name, rules):
    policy = next(p["ID"] for p in acl.call("GET", "/v1/acl/policies") if p["Name"] == name)
    acl.call("PUT", f"/v1/acl/policy/{policy}", {"Name": name, "Rules": rules})


@pytest.mark.parametrize("how", ["variable", "file", "file-variable"])
def test_token(tw, containers, acl, acl_records, tmp_path, how):
    writer, reader = acl.make_token("writer", WRITER), acl.make_token("reader", READER)

    def given(token):
        path = tmp_path / "token"
        path.write_text(token + "\n")
        return {"variable": ([], {"CONSUL_HTTP_TOKEN": token}),
                "file": (["--consul-token-file", str(path)], {}),
                "file-variable": ([], {"CONSUL_HTTP_TOKEN_FILE": str(path)})}[how]

    options, env = given(writer)
    agent = tw.agent(acl_records.uri, *options, env=env)
    name = containers.run("web", labels={"SERVICE_CHECK_TTL": "2s"})
    service = acl_records.id(name)
    acl_records.expect_statuses(service, ttl="passing")
    options, env = given(reader)
    until(lambda: service in tw.run("ls", "--json", *options, acl_records.uri, env=env).stdout, "listed")
    agent.stop()
    assert writer not in agent.err() and not any(writer in word for word in agent.argv)


def test_too_few_rights_are_said_once(tw, containers, acl, acl_records):
    """One service may be registered, the other not: that is one line, and tried again with patience."""
    token = acl.make_token("some", 'service "allowed" { policy = "write" }')
    agent = tw.agent(acl_records.uri, "--resync", "1s", env={"CONSUL_HTTP_TOKEN": token})
    good = containers.run("good", labels={"SERVICE_NAME": "allowed"})
    bad = containers.run("bad", labels={"SERVICE_NAME": "forbidden"})
    acl_records.expect(acl_records.id(good))
    said = agent.wait_err(r".*level=(warn|error).*forbidden.*")[0]
    assert "service:write" in said and bad in said, said
    # Over some comparisons: nothing is written that need not be, and the line is not said again.
    listed = len(acl.requests("/v1/agent/services"))
    until(lambda: len(acl.requests("/v1/agent/services")) >= listed + 8, "more comparisons")
    lines = [l for l in agent.err().splitlines() if "level=debug" not in l and "forbidden" in l]
    assert len(lines) == 1, "\n".join(lines)
    # Each try waits twice as long as the one before.
    puts = acl.requests("/v1/agent/service/register")
    assert len(puts) <= 14, puts
    assert acl_records.ids() == [acl_records.id(good)]
    # Rights that are given heal it.
    change_policy(acl, "some", WRITER)
    acl_records.expect(acl_records.id(good), acl_records.id(bad), timeout=60)


def test_rights_taken_and_given_back(tw, containers, acl, acl_records):
    """Without the right to read, Consul shows an empty list; nothing is deregistered for that."""
    token = acl.make_token("writer", WRITER)
    agent = tw.agent(acl_records.uri, "--resync", "1s", env={"CONSUL_HTTP_TOKEN": token})
    name, other = containers.run("web"), containers.run("other")
    expected = sorted(map(acl_records.id, (name, other)))
    acl_records.expect(*expected)
    change_policy(acl, "writer", 'key "x" { policy = "read" }')
    agent.wait_err(r"level=(warn|error).*(service:write|ACL|denied)")
    assert acl_records.ids() == expected
    containers.docker.kill(other)
    change_policy(acl, "writer", WRITER)
    acl_records.expect(acl_records.id(name), timeout=90)


def test_unknown_token(tw, containers, acl, acl_records):
    agent = tw.agent(acl_records.uri, env={"CONSUL_HTTP_TOKEN": "5f1c1a31-0000-4000-8000-00000000dead"})
    containers.run("web")
    said = agent.wait_err(r".*level=(warn|error).*ACL not found.*")[0]
    assert "5f1c1a31" not in said
    assert agent.alive() and acl_records.ids() == []


def test_instances_that_are_filtered(tw, acl, acl_records):
    """The names may be read, the nodes may not: Consul shows services without any instance."""
    acl.register(Name="web", Port=80, Address="10.0.0.1")
    token = acl.make_token("names", 'service_prefix "" { policy = "read" }')
    done = tw.run("ls", acl_records.uri, env={"CONSUL_HTTP_TOKEN": token}, status=1)
    assert "node:read" in done.stderr, done.stderr


@pytest.mark.parametrize("left", [
    "", 'service "other" { policy = "read" } node_prefix "" { policy = "read" }'], ids=["nothing", "others"])
def test_a_filtered_catalog_is_not_taken_for_an_empty_one(tw, acl, acl_records, tmp_path, left):
    acl.register(Name="web", Port=80, Address="10.0.0.1")
    out = tmp_path / "up.conf"
    token = acl.make_token("reader", READER)
    env = {"CONSUL_HTTP_TOKEN": token}
    renderer = tw.start("render", "--log-level", "debug", "-o", out, "--wait", "0", "--hold", "1s",
                        acl_records.uri, env=env)
    until(lambda: out.exists() and "10.0.0.1:80" in out.read_text(), "rendered")
    change_policy(acl, "reader", left)
    until(lambda: "web" not in acl.call("GET", "/v1/catalog/services", token=token), "the policy counts")
    # A query that was open meanwhile is still answered by the rights of its beginning, the next one is not.
    asked = len(acl.requests("/v1/catalog/services"))
    acl.register(Name="other", Port=81, Address="10.0.0.2")
    until(lambda: len(acl.requests("/v1/catalog/services")) > asked, "the open query has ended")
    acl.register(ID="other-2", Name="other", Port=82, Address="10.0.0.2")
    said = renderer.wait_err(".*level=warn.*registry.*")[0]
    assert "service:read" in said, said
    assert "10.0.0.1:80" in out.read_text(), out.read_text()
    if not left:
        # One without any right from the start gets no empty list either.
        done = tw.run("ls", "--json", acl_records.uri, env=env, status=1)
        assert "service:read" in done.stderr, done.stderr
    change_policy(acl, "reader", READER)
    until(lambda: "10.0.0.2:81" in out.read_text(),
          lambda: f"{out.read_text()}\n{renderer.err()[-3000:]}", 90)
    assert "10.0.0.1:80" in out.read_text()


def test_kv_with_a_token(tw, containers, acl, test_id):
    records = ConsulKvRecords(acl, test_id)
    token = acl.make_token("kv", f'key_prefix "{records.prefix}/" {{ policy = "write" }} '
                                 'session_prefix "" { policy = "write" }')
    agent = tw.agent(records.uri, "--ttl", "10s", env={"CONSUL_HTTP_TOKEN": token})
    web = containers.run("web")
    records.expect(records.key(web))
    assert list(tw.run("ls", records.uri, env={"CONSUL_HTTP_TOKEN": token}).stdout.splitlines())[1:]
    assert agent.alive()


def test_kv_without_rights_says_so(tw, containers, acl, test_id):
    records = ConsulKvRecords(acl, test_id)
    token = acl.make_token("nothing", 'service "x" { policy = "read" }')
    agent = tw.agent(records.uri, "--ttl", "10s", env={"CONSUL_HTTP_TOKEN": token})
    containers.run("web")
    said = agent.wait_err(r".*level=(warn|error).*the token may not.*")[0]
    assert "key_prefix" in said and records.prefix in said, said
    assert agent.alive() and records.names() == []


def test_client_certificate(tw, containers, tls, test_id):
    records, c = ConsulRecords(tls, test_id), tls.certificates
    options = ["--consul-cacert", str(c.ca), "--consul-cert", str(c.client),
               "--consul-key", str(c.client_key)]
    env = {"CONSUL_CACERT": str(c.ca), "CONSUL_CLIENT_CERT": str(c.client),
           "CONSUL_CLIENT_KEY": str(c.client_key)}
    tw.agent(records.uri, *options)
    name = containers.run("web", labels={"SERVICE_CHECK_TTL": "2s"})
    records.expect_statuses(records.id(name), ttl="passing")
    until(lambda: records.id(name) in tw.run("ls", "--json", *options, records.uri).stdout, "listed")
    # The same by the variables that Consul's own command reads, and by the other name of the scheme.
    for uri in (records.uri, records.uri.replace("consuls:", "consul-tls:")):
        assert records.id(name) in tw.run("ls", "--json", uri, env=env).stdout
    # CONSUL_HTTP_SSL turns TLS on for a URI that does not say it.
    assert records.id(name) in tw.run("ls", "--json", records.uri.replace("consuls:", "consul:"),
                                      env={**env, "CONSUL_HTTP_SSL": "true"}).stdout


def test_what_is_not_trusted_is_said(tw, tls):
    done = tw.run("ls", tls.uri, status=1)
    assert "certificate" in done.stderr, done.stderr
    done = tw.run("ls", "--consul-cacert", tls.certificates.ca, tls.uri, status=1)  # none of our own
    assert "no listing" in done.stderr, done.stderr
    done = tw.run("ls", tls.uri, env={"CONSUL_CACERT": "/nosuch.pem"}, status=2)
    assert "/nosuch.pem" in done.stderr, done.stderr


@pytest.mark.parametrize("scheme", ["consul", "consulkv"])
def test_unix_socket(tw, containers, own_consul_folder, test_id, scheme):
    consul = UnixConsul(own_consul_folder)
    consul.start()
    try:
        web = containers.run("web")
        if scheme == "consul":
            records, uri = ConsulRecords(consul, test_id), consul.uri
            expected, there = [records.id(web)], records.ids
        else:
            records = ConsulKvRecords(consul, test_id)
            uri = f"consulkv-unix://{consul.socket}:/{records.prefix}"
            expected, there = [records.key(web)], records.names
        agent = tw.agent(uri, "--ttl", "10s")
        until_equal(there, expected)
        until(lambda: f"{test_id}:{web}:80" in tw.services(uri), "listed")
        # Its socket file goes with it, and comes back.
        consul.stop()
        agent.wait_err("registry is out of reach")
        consul.start()
        until_equal(there, expected)
    finally:
        consul.close()
