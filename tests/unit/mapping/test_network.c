/*
 * Every network mode: which ports, with which address and port, and why.
 */
#include "fixture.h"

/* ---- published ports ---- */

static void test_published(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_network(&fx, "bridge", "172.17.0.2", "");
    fx_publish(&fx, 80, SERVICE_TCP, 8081);
    fx_expose(&fx, 7777, SERVICE_TCP);
    fx_expect_reasons(&fx, "80/tcp 0.0.0.0:8081 = web node1:web-1:80 192.168.1.102:8081\n"
                           "  because published on 0.0.0.0:8081; name from the image\n"
                           "7777/tcp -\n"
                           "  because not published (container addresses are registered with "
                           "--internal only)\n");
}

static void test_user_network_pairs_host_address_with_host_port(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.spec.network_mode = "front";
    fx_network(&fx, "back", "172.19.0.2", "");
    fx_network(&fx, "front", "172.18.0.3", "");
    fx_publish(&fx, 80, SERVICE_TCP, 8085);
    fx_expose(&fx, 81, SERVICE_TCP);
    fx_expect(&fx, "80/tcp 0.0.0.0:8085 = web node1:web-1:80 192.168.1.102:8085\n"
                   "81/tcp -\n");
}

static void test_specific_addresses(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_bind(&fx, 80, SERVICE_TCP, "10.9.8.7", 8080);
    fx_bind(&fx, 81, SERVICE_TCP, "127.0.0.1", 8081);
    fx_bind(&fx, 82, SERVICE_TCP, "::1", 8082);
    fx_bind(&fx, 83, SERVICE_TCP, "2001:db8::7", 8083);
    fx_bind(&fx, 84, SERVICE_TCP, "bogus\n", 8084);
    fx_expect_reasons(
        &fx,
        "80/tcp 10.9.8.7:8080 = web-80 node1:web-1:80 10.9.8.7:8080\n"
        "  because published on 10.9.8.7:8080; name from the image, and the port, as several are "
        "registered\n"
        "81/tcp 127.0.0.1:8081 = web-81 node1:web-1:81 127.0.0.1:8081\n"
        "  because published on 127.0.0.1:8081, loopback: reachable on this host only; name from "
        "the "
        "image, and the port, as several are registered\n"
        "82/tcp ::1:8082 = web-82 node1:web-1:82 [::1]:8082\n"
        "  because published on [::1]:8082, loopback: reachable on this host only; name from the "
        "image, and the port, as several are registered\n"
        "83/tcp 2001:db8::7:8083 = web-83 node1:web-1:83 [2001:db8::7]:8083\n"
        "  because published on [2001:db8::7]:8083; name from the image, and the port, as several "
        "are "
        "registered\n"
        "84/tcp bogus\n:8084 -\n"
        "  because published on bogus?:8084, which is no IP address\n");
}

static void test_wildcards_and_address_families(void **state)
{
    static const struct {
        const char *ip1, *ip2; /* bindings of 80 */
        const char *v4, *v6;   /* addresses of the host */
        const char *want;
    } rows[] = {
        {"0.0.0.0", "::", FX_HOST, FX_HOST6,
         "80/tcp 0.0.0.0:80 = web node1:web-1:80 192.168.1.102:80\n"},
        {"0.0.0.0", "::", FX_HOST, "", "80/tcp 0.0.0.0:80 = web node1:web-1:80 192.168.1.102:80\n"},
        {"0.0.0.0", "::", "", FX_HOST6,
         "80/tcp 0.0.0.0:80 = web node1:web-1:80 [2001:db8::102]:80\n"},
        {"0.0.0.0", "::", "", "", "80/tcp 0.0.0.0:80 -\n"},
        {"0.0.0.0", NULL, "", FX_HOST6, "80/tcp 0.0.0.0:80 -\n"},
        {"::", NULL, FX_HOST, FX_HOST6, "80/tcp :::80 = web node1:web-1:80 [2001:db8::102]:80\n"},
        {"::", NULL, FX_HOST, "", "80/tcp :::80 -\n"},
        {"", NULL, FX_HOST, "", "80/tcp :80 = web node1:web-1:80 192.168.1.102:80\n"},
        {"", NULL, "", FX_HOST6, "80/tcp :80 = web node1:web-1:80 [2001:db8::102]:80\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        fx_init(&fx);
        fx.o.host_v4 = rows[i].v4;
        fx.o.host_v6 = rows[i].v6;
        fx_bind(&fx, 80, SERVICE_TCP, rows[i].ip1, 80);
        if (rows[i].ip2) {
            fx_bind(&fx, 80, SERVICE_TCP, rows[i].ip2, 80);
        }
        fx_expect(&fx, rows[i].want);
    }
    struct fx fx;
    fx_init(&fx);
    fx_bind(&fx, 80, SERVICE_TCP, "::", 80);
    fx_expect_reasons(&fx,
                      "80/tcp :::80 -\n"
                      "  because published on [::]:80, but no IPv6 address of this host is known "
                      "(--ip)\n");
}

static void test_several_bindings_of_one_port(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_bind(&fx, 53, SERVICE_UDP, "10.0.0.1", 53);
    fx_bind(&fx, 53, SERVICE_UDP, "10.0.0.2", 53);
    fx_bind(&fx, 53, SERVICE_UDP, "fd00::2", 53);
    fx_publish(&fx, 80, SERVICE_TCP, 9001);
    fx_bind(&fx, 80, SERVICE_TCP, "127.0.0.1", 9000);
    fx_publish(&fx, 80, SERVICE_TCP, 10000);
    fx_expect(&fx, "53/udp 10.0.0.1:53 = web-53 node1:web-1:53:udp 10.0.0.1:53 <udp>\n"
                   "53/udp 10.0.0.2:53 = web-53 node1:web-1:53:53@10.0.0.2:udp 10.0.0.2:53 <udp>\n"
                   "53/udp fd00::2:53 = web-53 node1:web-1:53:53@fd00::2:udp [fd00::2]:53 <udp>\n"
                   "80/tcp 127.0.0.1:9000 = web-80 node1:web-1:80 127.0.0.1:9000\n"
                   "80/tcp 0.0.0.0:9001 = web-80 node1:web-1:80:9001 192.168.1.102:9001\n"
                   "80/tcp 0.0.0.0:10000 = web-80 node1:web-1:80:10000 192.168.1.102:10000\n");
}

/* Published on free ports, the families have different numbers; it is one publish, and one id. */
static void test_families_on_different_host_ports(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_bind(&fx, 80, SERVICE_TCP, "::", 8000);
    fx_bind(&fx, 80, SERVICE_TCP, "0.0.0.0", 8001);
    fx_expect(&fx, "80/tcp 0.0.0.0:8001 = web node1:web-1:80 192.168.1.102:8001\n");
    fx.o.host_v6 = FX_HOST6;
    fx_expect(&fx, "80/tcp 0.0.0.0:8001 = web node1:web-1:80 192.168.1.102:8001\n");
    fx.o.host_v4 = "";
    fx_expect(&fx, "80/tcp :::8000 = web node1:web-1:80 [2001:db8::102]:8000\n");

    fx_init(&fx);
    fx_bind(&fx, 80, SERVICE_TCP, "::", 8002);
    fx_bind(&fx, 80, SERVICE_TCP, "0.0.0.0", 8003);
    fx_bind(&fx, 80, SERVICE_TCP, "::", 8004);
    fx_bind(&fx, 80, SERVICE_TCP, "0.0.0.0", 8001);
    fx_publish(&fx, 80, SERVICE_TCP, 9000);
    fx_expect(&fx, "80/tcp 0.0.0.0:8001 = web node1:web-1:80 192.168.1.102:8001\n"
                   "80/tcp 0.0.0.0:8003 = web node1:web-1:80:8003 192.168.1.102:8003\n"
                   "80/tcp 0.0.0.0:9000 = web node1:web-1:80:9000 192.168.1.102:9000\n");
}

static void test_ids_stay_when_an_address_comes_or_goes(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_bind(&fx, 80, SERVICE_TCP, "::", 8000);
    fx_bind(&fx, 80, SERVICE_TCP, "10.0.0.1", 8001);
    fx_expect(&fx, "80/tcp :::8000 -\n"
                   "80/tcp 10.0.0.1:8001 = web node1:web-1:80:8001 10.0.0.1:8001\n");
    fx.o.host_v6 = FX_HOST6;
    fx_expect(&fx, "80/tcp :::8000 = web node1:web-1:80 [2001:db8::102]:8000\n"
                   "80/tcp 10.0.0.1:8001 = web node1:web-1:80:8001 10.0.0.1:8001\n");
}

static void test_nothing_exposed(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_expect_reasons(&fx, "container -\n"
                           "  because exposes no ports, and SERVICE_PORTS names none\n");
}

/* ---- host, none ---- */

static void test_host_network(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.spec.network_mode = "host";
    fx_network(&fx, "host", "", "");
    fx_expose(&fx, 80, SERVICE_TCP);
    fx_expect_reasons(&fx, "80/tcp = web node1:web-1:80 192.168.1.102:80\n"
                           "  because network mode host; name from the image\n");
    fx.o.internal = true;
    fx_expect(&fx, "80/tcp = web node1:web-1:80 192.168.1.102:80\n");
    fx.o.host_v4 = "";
    fx_expect_reasons(&fx, "80/tcp -\n"
                           "  because no address of this host is known (--ip)\n");
    fx.o.host_v6 = FX_HOST6;
    fx_expect(&fx, "80/tcp = web node1:web-1:80 [2001:db8::102]:80\n");
}

static void test_host_network_with_named_ports(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.spec.network_mode = "host";
    fx_label(&fx, "SERVICE_PORTS", "8080, 53/UDP ,53/udp,,8080/tcp");
    fx_expect_reasons(&fx,
                      "53/udp = web-53 node1:web-1:53:udp 192.168.1.102:53 <udp>\n"
                      "  because network mode host; name from the image, and the port, as several "
                      "are registered\n"
                      "8080/tcp = web-8080 node1:web-1:8080 192.168.1.102:8080\n"
                      "  because network mode host; name from the image, and the port, as several "
                      "are registered\n");
    fx_expose(&fx, 80, SERVICE_TCP);
    fx_expose(&fx, 8080, SERVICE_TCP);
    fx.labels[0].value = "8080";
    fx_expect_reasons(&fx, "80/tcp -\n"
                           "  because not named by label SERVICE_PORTS\n"
                           "8080/tcp = web node1:web-1:8080 192.168.1.102:8080\n"
                           "  because network mode host; name from the image\n");
    fx.labels[0].value = "";
    fx_expect(&fx, "80/tcp = web-80 node1:web-1:80 192.168.1.102:80\n"
                   "8080/tcp = web-8080 node1:web-1:8080 192.168.1.102:8080\n");
}

static void test_named_ports_elsewhere(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_network(&fx, "bridge", "172.17.0.2", "");
    fx_publish(&fx, 80, SERVICE_TCP, 8080);
    fx_publish(&fx, 81, SERVICE_TCP, 8081);
    fx_env(&fx, "SERVICE_PORTS", "80,9999");
    fx_expect(&fx, "80/tcp 0.0.0.0:8080 = web node1:web-1:80 192.168.1.102:8080\n"
                   "81/tcp -\n"
                   "9999/tcp -\n");
    fx.o.internal = true;
    fx_expect(&fx, "80/tcp = web-80 node1:web-1:80 172.17.0.2:80\n"
                   "81/tcp -\n"
                   "9999/tcp = web-9999 node1:web-1:9999 172.17.0.2:9999\n");
}

static void test_bad_named_ports(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.spec.network_mode = "host";
    fx_label(&fx, "SERVICE_PORTS", "0,80/icmp,x\ny,70000,81/,82");
    fx_expect(&fx, "82/tcp = web node1:web-1:82 192.168.1.102:82\n"
                   "warning: label SERVICE_PORTS: \"0\" is left out; a port is written as 8080 or "
                   "53/udp (tcp, "
                   "udp, sctp)\n"
                   "warning: label SERVICE_PORTS: \"80/icmp\" is left out; a port is written as "
                   "8080 or 53/udp "
                   "(tcp, udp, sctp)\n"
                   "warning: label SERVICE_PORTS: \"x?y\" is left out; a port is written as 8080 "
                   "or 53/udp (tcp, "
                   "udp, sctp)\n"
                   "warning: label SERVICE_PORTS: \"70000\" is left out; a port is written as 8080 "
                   "or 53/udp (tcp, "
                   "udp, sctp)\n"
                   "warning: label SERVICE_PORTS: \"81/\" is left out; a port is written as 8080 "
                   "or 53/udp (tcp, "
                   "udp, sctp)\n");
    fx.labels[0].value = "x";
    fx_expect_reasons(&fx,
                      "container -\n"
                      "  because label SERVICE_PORTS names no valid port\n"
                      "warning: label SERVICE_PORTS: \"x\" is left out; a port is written as 8080 "
                      "or 53/udp (tcp, udp, sctp)\n");
}

static void test_none(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.spec.network_mode = "none";
    fx_network(&fx, "none", "", "");
    fx_expose(&fx, 80, SERVICE_TCP);
    for (int internal = 0; internal < 2; internal++) {
        fx.o.internal = internal;
        fx_expect_reasons(&fx, "80/tcp -\n"
                               "  because network mode none: nothing reaches it\n");
    }
}

/* ---- container addresses ---- */

static void test_internal(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.internal = true;
    fx_network(&fx, "bridge", "172.17.0.2", "fd00::2");
    fx_publish(&fx, 80, SERVICE_TCP, 8080);
    fx_bind(&fx, 80, SERVICE_TCP, "127.0.0.1", 8081);
    fx_expose(&fx, 53, SERVICE_UDP);
    fx_expect_reasons(&fx,
                      "53/udp = web-53 node1:web-1:53:udp 172.17.0.2:53 <udp>\n"
                      "  because address in network bridge; name from the image, and the port, as "
                      "several are registered\n"
                      "80/tcp = web-80 node1:web-1:80 172.17.0.2:80\n"
                      "  because address in network bridge; name from the image, and the port, as "
                      "several are registered\n");
}

static void test_internal_chooses_a_network(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.internal = true;
    fx.spec.network_mode = "front";
    fx_network(&fx, "front", "172.18.0.3", "");
    fx_network(&fx, "back", "172.19.0.2", "");
    fx_network(&fx, "aaa", "", "");
    fx_expose(&fx, 80, SERVICE_TCP);
    fx_expect_reasons(
        &fx, "80/tcp = web node1:web-1:80 172.19.0.2:80\n"
             "  because address in network back (the first by name); name from the image\n");
    fx.o.network = "front";
    fx_expect_reasons(&fx, "80/tcp = web node1:web-1:80 172.18.0.3:80\n"
                           "  because address in network front (--network); name from the image\n");
    fx.o.network = "elsewhere";
    fx_expect(&fx, "80/tcp = web node1:web-1:80 172.19.0.2:80\n");
    fx.o.network = "back";
    fx_label(&fx, "SERVICE_NETWORK", "front");
    fx_expect_reasons(&fx,
                      "80/tcp = web node1:web-1:80 172.18.0.3:80\n"
                      "  because address in network front (label SERVICE_NETWORK); name from the "
                      "image\n");
    fx.labels[0].value = "aaa";
    fx_expect_reasons(&fx, "80/tcp -\n"
                           "  because no address in network aaa (label SERVICE_NETWORK)\n");
    fx.labels[0].value = "fro\x7ft";
    fx_expect_reasons(&fx,
                      "80/tcp -\n"
                      "  because label SERVICE_NETWORK: not attached to network fro?t\n"
                      "warning: label SERVICE_NETWORK: the container is not attached to network "
                      "\"fro?t\"\n");
}

static void test_network_of_one_port(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.internal = true;
    fx_network(&fx, "front", "172.18.0.3", "");
    fx_network(&fx, "back", "172.19.0.2", "");
    fx_expose(&fx, 80, SERVICE_TCP);
    fx_expose(&fx, 9100, SERVICE_TCP);
    fx_label(&fx, "SERVICE_80_NETWORK", "front");
    fx_expect(&fx, "80/tcp = web-80 node1:web-1:80 172.18.0.3:80\n"
                   "9100/tcp = web-9100 node1:web-1:9100 172.19.0.2:9100\n");
}

static void test_internal_ipv6_only(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.internal = true;
    fx.spec.network_mode = "six";
    fx_network(&fx, "six", "", "fd00:db8::2");
    fx_expose(&fx, 80, SERVICE_TCP);
    fx_expect(&fx, "80/tcp = web node1:web-1:80 [fd00:db8::2]:80\n");
}

static void test_internal_without_address(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.internal = true;
    fx_expose(&fx, 80, SERVICE_TCP);
    fx_expect_reasons(&fx, "80/tcp -\n"
                           "  because no network gives the container an address\n");
}

static void test_macvlan(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.spec.network_mode = "lan";
    fx_network(&fx, "lan", "192.168.7.20", "");
    fx_expose(&fx, 80, SERVICE_TCP);
    /* An internal bridge looks the same but for the driver. */
    fx_expect(&fx, "80/tcp -\n");
    fx.networks[0].own_address = true;
    fx_expect_reasons(&fx, "80/tcp = web node1:web-1:80 192.168.7.20:80\n"
                           "  because address in network lan; name from the image\n");
    /* Its address in a bridge network is not for others, whatever a label says. */
    fx_network(&fx, "back", "172.19.0.2", "");
    fx_expect(&fx, "80/tcp = web node1:web-1:80 192.168.7.20:80\n");
    fx_label(&fx, "SERVICE_NETWORK", "back");
    fx_expect_reasons(&fx, "80/tcp -\n"
                           "  because not published, and addresses in network back (label "
                           "SERVICE_NETWORK) are registered with --internal only\n");
    fx.labels[0].value = "lan";
    fx_expect(&fx, "80/tcp = web node1:web-1:80 192.168.7.20:80\n");
    fx.o.internal = true;
    fx.labels[0].value = "back";
    fx_expect(&fx, "80/tcp = web node1:web-1:80 172.19.0.2:80\n");
}

/* ---- the network of another container ---- */

static void shared(struct fx *fx, struct fx *peer)
{
    fx_init(peer);
    peer->spec.id = FX_PEER;
    peer->spec.name = "peer";
    fx_init(fx);
    fx->spec.network_mode = "container:" FX_PEER;
    fx->spec.name = "side-1";
    fx->spec.image = "side";
    fx_expose(fx, 80, SERVICE_TCP);
    fx->peer = peer;
}

static void test_shared_published(void **state)
{
    struct fx fx, peer;
    shared(&fx, &peer);
    fx_label(&peer, "SERVICE_NAME", "not-mine");
    fx_publish(&peer, 80, SERVICE_TCP, 8085);
    fx_publish(&peer, 90, SERVICE_TCP, 9095);
    fx_expose(&fx, 81, SERVICE_TCP);
    fx_label(&fx, "SERVICE_TAGS", "own");
    fx_expect_reasons(
        &fx, "80/tcp 0.0.0.0:8085 = side node1:side-1:80 192.168.1.102:8085 <own>\n"
             "  because network of container fedcba987654: published on 0.0.0.0:8085; name from "
             "the image\n"
             "81/tcp -\n"
             "  because network of container fedcba987654: not published (container addresses are "
             "registered with --internal only)\n");
    fx_label(&fx, "SERVICE_PORTS", "90");
    fx_expect(&fx, "80/tcp -\n"
                   "81/tcp -\n"
                   "90/tcp 0.0.0.0:9095 = side node1:side-1:90 192.168.1.102:9095 <own>\n");
}

static void test_shared_internal(void **state)
{
    struct fx fx, peer;
    shared(&fx, &peer);
    fx_network(&peer, "back", "172.19.0.2", "");
    fx_network(&peer, "front", "172.18.0.3", "");
    fx.o.internal = true;
    fx_expect(&fx, "80/tcp = side node1:side-1:80 172.19.0.2:80\n");
    fx_label(&fx, "SERVICE_NETWORK", "front");
    fx_label(&peer, "SERVICE_NETWORK", "back");
    fx_expect(&fx, "80/tcp = side node1:side-1:80 172.18.0.3:80\n");
}

static void test_shared_with_host_and_none(void **state)
{
    struct fx fx, peer;
    shared(&fx, &peer);
    peer.spec.network_mode = "host";
    fx_expect(&fx, "80/tcp = side node1:side-1:80 192.168.1.102:80\n");
    peer.spec.network_mode = "none";
    fx_expect(&fx, "80/tcp -\n");
}

static void test_shared_without_peer(void **state)
{
    struct fx fx, peer;
    shared(&fx, &peer);
    fx.peer = NULL;
    fx_expect_reasons(&fx, "80/tcp -\n"
                           "  because network of container fedcba987654: that container is not "
                           "known\n");
    fx.peer = &peer;
    peer.spec.running = false;
    fx_expect_reasons(&fx, "80/tcp -\n"
                           "  because network of container fedcba987654: that container is not "
                           "running\n");
    peer.spec.running = true;
    peer.spec.network_mode = "container:" FX_ID;
    fx_expect_reasons(&fx, "80/tcp -\n"
                           "  because network of container fedcba987654: that container shares "
                           "another's network itself\n");
}

static void test_peer_is_ignored_where_none_is_needed(void **state)
{
    struct fx fx, peer;
    shared(&fx, &peer);
    fx.spec.network_mode = "bridge";
    fx_publish(&peer, 80, SERVICE_TCP, 8085);
    fx_expect(&fx, "80/tcp -\n");
}

static void test_peer_id(void **state)
{
    static const struct {
        const char *mode, *want;
    } rows[] = {{"container:abc", "abc"}, {"container:", NULL}, {"container", NULL},
                {"bridge", NULL},         {"host", NULL},       {"xcontainer:abc", NULL}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        fx_init(&fx);
        fx.spec.network_mode = rows[i].mode;
        CLEANUP_CONTAINER struct container *c = fx_container(&fx);
        const char *got = mapping_peer_id(c);
        if ((got == NULL) != (rows[i].want == NULL) || (got && !streq(got, rows[i].want))) {
            fail_msg("%s: \"%s\"", rows[i].mode, got ? got : "(none)");
        }
    }
}

/* ---- swarm ---- */

static void test_swarm(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.spec.network_mode = "ingress";
    fx_label(&fx, "com.docker.swarm.service.id", "x1");
    fx_network(&fx, "ingress", "10.0.0.5", "");
    fx_expose(&fx, 80, SERVICE_TCP);
    const char *mesh =
        "80/tcp -\n"
        "  because not published on this container; ports that Swarm publishes through "
        "its ingress mesh are out of scope\n";
    fx_expect_reasons(&fx, mesh);
    fx.spec.n_labels = 0;
    fx_expect_reasons(&fx, mesh);
    fx.o.internal = true;
    fx_expect(&fx, "80/tcp -\n");
    fx_network(&fx, "shop", "10.0.1.5", "");
    fx_expect(&fx, "80/tcp = web node1:web-1:80 10.0.1.5:80\n");
    /* mode=host publishes on the container. */
    fx.o.internal = false;
    fx_publish(&fx, 81, SERVICE_TCP, 8081);
    fx_expect(&fx, "80/tcp -\n"
                   "81/tcp 0.0.0.0:8081 = web node1:web-1:81 192.168.1.102:8081\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_user_network_pairs_host_address_with_host_port),
        cmocka_unit_test(test_specific_addresses),
        cmocka_unit_test(test_wildcards_and_address_families),
        cmocka_unit_test(test_several_bindings_of_one_port),
        cmocka_unit_test(test_families_on_different_host_ports),
        cmocka_unit_test(test_ids_stay_when_an_address_comes_or_goes),
        cmocka_unit_test(test_nothing_exposed),
        cmocka_unit_test(test_host_network),
        cmocka_unit_test(test_host_network_with_named_ports),
        cmocka_unit_test(test_named_ports_elsewhere),
        cmocka_unit_test(test_bad_named_ports),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_internal),
        cmocka_unit_test(test_internal_chooses_a_network),
        cmocka_unit_test(test_network_of_one_port),
        cmocka_unit_test(test_internal_ipv6_only),
        cmocka_unit_test(test_internal_without_address),
        cmocka_unit_test(test_macvlan),
        cmocka_unit_test(test_shared_published),
        cmocka_unit_test(test_shared_internal),
        cmocka_unit_test(test_shared_with_host_and_none),
        cmocka_unit_test(test_shared_without_peer),
        cmocka_unit_test(test_peer_is_ignored_where_none_is_needed),
        cmocka_unit_test(test_peer_id),
        cmocka_unit_test(test_swarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
