"""Which address and port a service gets: publishing, networks, protocols, and what --explain says."""
import socket
import subprocess

import pytest

from rig.wait import until_equal


def test_internal_address_and_port(tw, containers, records):
    tw.agent(records.uri, "--internal")
    web = containers.run("web", ports=(), expose=["80/tcp"])
    record = records.wait_service(records.key(web))
    assert (record["host"], record["port"]) == (containers.address(web), 80)


def test_published_and_merely_exposed(tw, containers, records):
    tw.agent(records.uri)
    containers.run("hidden", ports=(), expose=["80/tcp", "81/tcp"])
    web = containers.run("web", ports=["80"], expose=["81/tcp"])
    records.expect(records.key(web))
    assert records.services()[records.key(web)]["port"] == containers.host_port(web)


def test_network_connect_and_disconnect(tw, containers, records):
    # The first network by name counts; --internal alone looks at addresses.
    later, first = containers.network("b"), containers.network("a")
    tw.agent(records.uri, "--internal")
    web = containers.run("web", network=later)
    key = records.key(web)
    records.wait_service(key, host=containers.address(web, later))
    containers.docker.network_connect(first, web)
    records.wait_service(key, host=containers.address(web, first))
    containers.docker.network_disconnect(first, web)
    records.wait_service(key, host=containers.address(web, later))


def test_chosen_network(tw, containers, records):
    other, wanted = containers.network("a"), containers.network("b")
    tw.agent(records.uri, "--internal", "--network", wanted)
    web = containers.create("web", network=other)
    containers.docker.network_connect(wanted, web)
    containers.docker.start(web)
    records.wait_service(records.key(web), host=containers.address(web, wanted))
    own = containers.create("own", network=other, labels={"SERVICE_NETWORK": other})
    containers.docker.network_connect(wanted, own)
    containers.docker.start(own)
    records.wait_service(records.key(own), host=containers.address(own, other))


def test_published_on_ipv6(tw, containers, records):
    """Bound to every IPv6 address: the agent's own; bound to one: that one."""
    tw.agent(records.uri, "--ip", "::1")
    every = containers.run("every", ports=[("::", "", "80")])
    one = containers.run("one", ports=[("::1", "", "80")])
    for name in (every, one):
        port = containers.host_port(name)
        records.wait_service(records.key(name), host="::1", port=port)
        socket.create_connection(("::1", port), timeout=10).close()
    uri = f"{records.uri}?value=addr"
    done = tw.run("agent", *tw.agent_options(), "--ip", "::1", "--once", "--dry-run", uri)
    assert f"[::1]:{containers.host_port(one)}" in done.stdout


@pytest.fixture
def parent_interface(test_id):
    """One end of a pair of virtual cables, for macvlan to sit on."""
    name = f"tw{test_id}"
    subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], check=False)


def test_macvlan_address_without_publishing(tw, containers, records, parent_interface):
    """Its addresses are the network's own: exposed ports are reached there, nothing is published."""
    macvlan = containers.network("mac", Driver="macvlan", Options={"parent": parent_interface},
                                 IPAM={"Config": [{"Subnet": "10.213.77.0/24"}]})
    tw.agent(records.uri)
    web = containers.run("web", ports=(), expose=("80/tcp",), network=macvlan)
    records.wait_service(records.key(web), host=containers.address(web, macvlan), port=80)
    containers.docker.kill(web)
    records.expect()


def test_udp_and_several_ports(tw, containers, records):
    tw.agent(records.uri)
    dns = containers.run("dns", ports=["80", "53/udp"])
    web, query = records.key(dns, "80", "sample-80"), records.key(dns, "53:udp", "sample-53")
    records.expect(web, query)
    services = records.services()
    assert (services[web]["proto"], services[query]["proto"]) == ("tcp", "udp")
    assert services[query]["port"] == containers.host_port(dns, "53/udp")


def test_several_bindings_of_one_port(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web", ports=["127.0.0.1:28081:80", "127.0.0.2:28080:80"])
    bindings = containers.docker.inspect(web)["NetworkSettings"]["Ports"]["80/tcp"]
    first, second = sorted(bindings, key=lambda b: int(b["HostPort"]))
    one, two = records.key(web), records.key(web, f"80:{second['HostPort']}")
    records.expect(one, two)
    for key, binding in ((one, first), (two, second)):
        record = records.services()[key]
        assert (record["host"], str(record["port"])) == (binding["HostIp"], binding["HostPort"])


def test_container_network(tw, containers, records):
    main = containers.run("main", ports=["80", "8080"], labels={"SERVICE_8080_IGNORE": "1"})
    side = containers.run("side", ports=(), network=f"container:{main}",
                          env={"PORT": "8080", "SERVICE_NAME": "side", "SERVICE_PORTS": "8080"})
    tw.agent(records.uri)
    record = records.wait_service(records.key(side, "8080", "side"))
    assert (record["host"], record["port"]) == ("127.0.0.1", containers.host_port(main, "8080/tcp"))
    containers.docker.stop(main)
    records.expect()


def test_host_network_with_named_ports(tw, containers, records):
    tw.agent(records.uri)
    web = containers.run("web", ports=(), network="host",
                         env={"PORT": "18080 18081", "SERVICE_PORTS": "18080,18081"})
    one, two = records.key(web, "18080", "sample-18080"), records.key(web, "18081", "sample-18081")
    records.expect(one, two)
    record = records.services()[one]
    assert (record["host"], record["port"]) == ("127.0.0.1", 18080)


def test_no_network(tw, containers, records):
    tw.agent(records.uri)
    containers.run("alone", ports=(), expose=["80/tcp"], network="none")
    web = containers.run("web")
    records.expect(records.key(web))


def test_names_tags_and_attributes(tw, containers, records):
    tw.agent(records.uri, "--tags", "e2e")
    web = containers.run("web", ports=["80", "81"], labels={
        "SERVICE_NAME": "shop", "SERVICE_81_NAME": "admin", "SERVICE_TAGS": "a,b\\,c",
        "SERVICE_REGION": "eu", "SERVICE_80_WEIGHT": "7"})
    shop, admin = records.key(web, "80", "shop-80"), records.key(web, "81", "admin")
    records.expect(shop, admin)
    record = records.services()[shop]
    assert sorted(record["tags"]) == ["a", "b,c", "e2e"]
    assert record["attrs"]["region"] == "eu"
    assert record["weight"] == 7 and "weight" not in records.services()[admin]


def test_explicit(tw, containers, records):
    tw.agent(records.uri, "--explicit")
    containers.run("nameless")
    web = containers.run("named", ports=["80", "81"], labels={"SERVICE_80_NAME": "shop"})
    records.expect(records.key(web, "80", "shop"))


def test_values_addr_and_grpc(tw, containers, shared_etcd, test_id):
    from rig.tidewaiter import EtcdRecords
    web = containers.run("web")
    address = f"127.0.0.1:{containers.host_port(web)}"
    for form in ("addr", "grpc"):
        records = EtcdRecords(shared_etcd, f"{test_id}", value=form)
        records.uri = records.uri.replace(records.prefix, records.prefix + form)
        records.prefix += form
        agent = tw.agent(records.uri)
        until_equal(records.names, [records.key(web)])
        value = records.keys()[records.key(web)].value
        if form == "addr":
            assert value == address
        else:
            record = records.services()[records.key(web)]
            assert (record["Op"], record["Addr"]) == (0, address), value
        # Readers tell the forms apart by themselves.
        service = tw.services(f"etcd://{shared_etcd.address}{records.prefix}")[f"{test_id}:{web}:80"]
        assert (service["host"], service["port"]) == ("127.0.0.1", containers.host_port(web))
        assert agent.stop() == 0
