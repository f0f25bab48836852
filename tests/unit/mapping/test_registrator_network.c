/*
 * Registrator's rules: which ports in which network, at which address.
 */
#include "fixture.h"

#define OWN4 "172.18.0.2"

static void init(struct fx *fx, const char *mode)
{
    fx_init(fx);
    fx->o.rules = MAPPING_REGISTRATOR;
    fx->o.node = "h";
    fx->spec.network_mode = mode;
}

/* ---- modes ---- */

enum ports { PUBLISHED, PUBLISHED_SAME, EXPOSED, UNLISTED };

static void add_port(struct fx *fx, enum ports ports)
{
    switch (ports) {
    case PUBLISHED:
        fx_publish(fx, 80, SERVICE_TCP, 8000);
        break;
    case PUBLISHED_SAME:
        fx_publish(fx, 80, SERVICE_TCP, 80);
        break;
    case EXPOSED:
        fx_expose(fx, 80, SERVICE_TCP);
        break;
    case UNLISTED:
        fx_expose_unlisted(fx, 80, SERVICE_TCP);
        break;
    }
}

static void check_address(const struct fx *fx, const char *want, const char *what, size_t row)
{
    struct mapping_result r;
    char got[128] = "-";
    fx_map(fx, &r);
    assert_int_equal(r.n_verdicts, 1);
    if (r.n_services) {
        const struct service_spec *s = &r.verdicts[0].service->s;
        snprintf(got, sizeof(got), "%s:%u", s->host, (unsigned)s->port);
    }
    if (!streq(got, want)) {
        fail_msg("row %zu, %s: got %s, want %s (%s)", row, what, got, want, r.verdicts[0].reason);
    }
    mapping_result_deinit(&r);
}

#define PEER   "container:" FX_PEER
#define SHARER "container:" FX_ID

static void test_modes(void **state)
{
    static const struct {
        const char *mode;
        enum ports ports;
        const char *network, *address; /* attached to; NULL: to none */
        const char *normal, *internal, *ip;
    } rows[] = {
        {"bridge", PUBLISHED, "bridge", OWN4, FX_HOST ":8000", OWN4 ":80", "10.0.0.1:8000"},
        {"default", PUBLISHED, "bridge", OWN4, FX_HOST ":8000", OWN4 ":80", "10.0.0.1:8000"},
        {"", PUBLISHED, "bridge", OWN4, FX_HOST ":8000", OWN4 ":80", "10.0.0.1:8000"},
        {"bridge", EXPOSED, "bridge", OWN4, "-", OWN4 ":80", "-"},
        {"bridge", UNLISTED, NULL, NULL, "-", "-", "-"},
        {"host", UNLISTED, "host", "", FX_HOST ":80", ":80", "10.0.0.1:80"},
        {"host", EXPOSED, NULL, NULL, FX_HOST ":80", ":80", "10.0.0.1:80"},
        {"none", UNLISTED, "none", "", ":80", ":80", "10.0.0.1:80"},
        {"front", PUBLISHED, "front", OWN4, FX_HOST ":8000", OWN4 ":80", "10.0.0.1:8000"},
        {"front", PUBLISHED_SAME, "front", OWN4, OWN4 ":80", OWN4 ":80", "10.0.0.1:80"},
        {"front", PUBLISHED_SAME, NULL, NULL, FX_HOST ":80", "-", "10.0.0.1:80"},
        {"front", EXPOSED, "front", OWN4, "-", OWN4 ":80", "-"},
        {"front", UNLISTED, "front", OWN4, OWN4 ":80", OWN4 ":80", "10.0.0.1:80"},
        {"front", UNLISTED, "front", "", "-", "-", "-"},
        {"front", UNLISTED, NULL, NULL, "-", "-", "-"},
        {"front", UNLISTED, "other", OWN4, OWN4 ":80", OWN4 ":80", "10.0.0.1:80"},
        {PEER, UNLISTED, NULL, NULL, "172.17.0.9:80", "172.17.0.9:80", "172.17.0.9:80"},
    };
    struct fx peer;
    init(&peer, "bridge");
    fx_network(&peer, "bridge", "172.17.0.9", "");
    fx_publish(&peer, 80, SERVICE_TCP, 9999); /* its ports are its own business */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        init(&fx, rows[i].mode);
        fx.peer = &peer;
        add_port(&fx, rows[i].ports);
        if (rows[i].network) {
            fx_network(&fx, rows[i].network, rows[i].address, "");
        }
        check_address(&fx, rows[i].normal, "by default", i);
        fx.o.host_v4 = "10.0.0.1";
        fx.o.ip_forced = true;
        check_address(&fx, rows[i].ip, "-ip", i);
        fx.o.internal = true;
        check_address(&fx, rows[i].internal, "-internal and -ip", i);
        fx.o.ip_forced = false;
        check_address(&fx, rows[i].internal, "-internal", i);
    }
}

static void test_reasons(void **state)
{
    struct fx fx;
    init(&fx, "front");
    fx_network(&fx, "front", OWN4, "");
    fx_publish(&fx, 80, SERVICE_TCP, 80);
    fx_publish(&fx, 81, SERVICE_TCP, 8001);
    fx_bind(&fx, 82, SERVICE_TCP, "127.0.0.1", 8002);
    fx_expose(&fx, 83, SERVICE_TCP);
    fx_expect_reasons(
        &fx, "80/tcp 0.0.0.0:80 = web-80 h:web-1:80 " OWN4 ":80\n"
             "  because published on 0.0.0.0:80, the container's own port; address in network "
             "front; name from the image, and the port, as there are several\n"
             "81/tcp 0.0.0.0:8001 = web-81 h:web-1:81 " FX_HOST ":8001\n"
             "  because published on 0.0.0.0:8001; name from the image, and the port, as there are "
             "several\n"
             "82/tcp 127.0.0.1:8002 = web-82 h:web-1:82 127.0.0.1:8002\n"
             "  because published on 127.0.0.1:8002, loopback: reachable on this host only; name "
             "from the image, and the port, as there are several\n"
             "83/tcp -\n"
             "  because not published (container addresses are registered with -internal only)\n");
}

/* ---- bindings ---- */

static void test_first_binding(void **state)
{
    static const struct {
        const char *ip[3];
        uint16_t port[3];
        const char *normal, *forced;
    } rows[] = {
        {{"0.0.0.0"}, {8000}, FX_HOST ":8000", "10.0.0.1:8000"},
        {{""}, {8000}, FX_HOST ":8000", "10.0.0.1:8000"},
        {{"0.0.0.0", "::"}, {8000, 8000}, FX_HOST ":8000", "10.0.0.1:8000"},
        {{"0.0.0.0", "::"}, {8000, 7000}, FX_HOST ":8000", "10.0.0.1:8000"},
        {{"::"}, {8000}, FX_HOST ":8000", "10.0.0.1:8000"},
        {{"127.0.0.1", "0.0.0.0"}, {7000, 8000}, FX_HOST ":8000", "10.0.0.1:8000"},
        {{"10.1.1.1"}, {8000}, "10.1.1.1:8000", "10.0.0.1:8000"},
        {{"127.0.0.1"}, {8000}, "127.0.0.1:8000", "10.0.0.1:8000"},
        {{"2001:db8::5"}, {8000}, "2001:db8::5:8000", "10.0.0.1:8000"},
        {{"10.1.1.1", "10.1.1.2"}, {8001, 8000}, "10.1.1.2:8000", "10.0.0.1:8000"},
        {{"10.1.1.2", "10.1.1.1"}, {8000, 8000}, "10.1.1.1:8000", "10.0.0.1:8000"},
        {{"0.0.0.0", "0.0.0.0", "0.0.0.0"}, {8002, 8000, 8001}, FX_HOST ":8000", "10.0.0.1:8000"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        init(&fx, "bridge");
        for (size_t k = 0; k < 3 && rows[i].ip[k]; k++) {
            fx_bind(&fx, 80, SERVICE_TCP, rows[i].ip[k], rows[i].port[k]);
        }
        check_address(&fx, rows[i].normal, "by default", i);
        fx.o.host_v4 = "10.0.0.1";
        fx.o.ip_forced = true;
        check_address(&fx, rows[i].forced, "-ip", i);
    }
}

/* The half of a publish that goes with the host's address. */
static void test_host_without_ipv4(void **state)
{
    struct fx fx;
    init(&fx, "bridge");
    fx.o.host_v4 = "";
    fx.o.host_v6 = FX_HOST6;
    fx_bind(&fx, 80, SERVICE_TCP, "0.0.0.0", 8000);
    fx_bind(&fx, 80, SERVICE_TCP, "::", 8001);
    fx_expect(&fx, "80/tcp :::8001 = web h:web-1:80 [" FX_HOST6 "]:8001\n");
    init(&fx, "bridge");
    fx.o.host_v4 = "";
    fx.o.host_v6 = FX_HOST6;
    fx_bind(&fx, 80, SERVICE_TCP, "0.0.0.0", 8000);
    fx_expect_reasons(&fx, "80/tcp 0.0.0.0:8000 = web h:web-1:80 [" FX_HOST6 "]:8000\n"
                           "  because published on 0.0.0.0:8000, reached at " FX_HOST6
                           "; name from the image\n");
}

static void test_host_without_address(void **state)
{
    struct fx fx;
    init(&fx, "bridge");
    fx.o.host_v4 = "";
    fx_publish(&fx, 80, SERVICE_TCP, 8000);
    fx_expect_reasons(&fx, "80/tcp 0.0.0.0:8000 -\n  because published on 0.0.0.0:8000, but no "
                           "address of this host is known (--ip)\n");
    init(&fx, "host");
    fx.o.host_v4 = "";
    fx_expose_unlisted(&fx, 80, SERVICE_TCP);
    fx_expect_reasons(&fx, "80/tcp -\n  because no address of this host is known (--ip)\n");
}

/* ---- several networks ---- */

static void test_networks(void **state)
{
    static const struct {
        const char *mode, *networks[3], *want; /* each network's address is the index + 1 */
    } rows[] = {
        {"bridge", {"bridge"}, "10.0.0.1"},         {"front", {"back", "front"}, "10.0.0.2"},
        {"front", {"front", "bridge"}, "10.0.0.2"}, /* the top-level address is the bridge's */
        {"gone", {"b", "a", "c"}, "10.0.0.2"},      {"gone", {"ingress", "z"}, "10.0.0.2"},
        {"gone", {"z", "ingress"}, "10.0.0.1"},     {"gone", {"ingress"}, "10.0.0.1"},
    };
    static const char *const addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        char want[32];
        init(&fx, rows[i].mode);
        fx.o.internal = true;
        fx_expose(&fx, 80, SERVICE_TCP);
        for (size_t k = 0; k < 3 && rows[i].networks[k]; k++) {
            fx_network(&fx, rows[i].networks[k], addresses[k], "");
        }
        snprintf(want, sizeof(want), "%s:80", rows[i].want);
        check_address(&fx, want, "-internal", i);
    }
    /* not attached to the bridge by its mode: only the exposed address looks there first */
    struct fx fx;
    init(&fx, "front");
    fx_network(&fx, "bridge", "10.0.0.1", "");
    fx_network(&fx, "front", "10.0.0.2", "");
    fx_publish(&fx, 80, SERVICE_TCP, 80);
    check_address(&fx, "10.0.0.2:80", "by default", 0);
    /* a network that gives no address does not count */
    init(&fx, "front");
    fx.o.internal = true;
    fx_network(&fx, "front", "", "");
    fx_network(&fx, "z", "", "2001:db8::9");
    fx_expose(&fx, 80, SERVICE_TCP);
    check_address(&fx, "2001:db8::9:80", "IPv6 only", 0);
}

/* ---- container:ID ---- */

static void sharer(struct fx *fx)
{
    init(fx, PEER);
    fx_expose_unlisted(fx, 80, SERVICE_TCP);
    fx_expose_unlisted(fx, 81, SERVICE_TCP);
    fx_label(fx, "SERVICE_81_IGNORE", "1");
}

static void test_shared(void **state)
{
    struct fx fx, peer;
    sharer(&fx);
    fx_expect_reasons(&fx, "80/tcp -\n  because network of container fedcba987654: that container "
                           "is not known\n"
                           "81/tcp -\n  because ignored by label SERVICE_81_IGNORE\n");
    init(&peer, "front");
    fx.peer = &peer;
    fx_network(&peer, "a", "10.0.0.1", "");
    fx_network(&peer, "front", "10.0.0.2", "");
    fx_expect_reasons(&fx, "80/tcp = web-80 h:web-1:80 10.0.0.2:80\n  because network of container "
                           "fedcba987654: address in network front; name from the image, and the "
                           "port, as there are several\n"
                           "81/tcp -\n  because ignored by label SERVICE_81_IGNORE\n");
    fx_network(&peer, "bridge", "10.0.0.3", "");
    fx_expect(&fx, "80/tcp = web-80 h:web-1:80 10.0.0.3:80\n81/tcp -\n");
    peer.spec.running = false;
    fx_expect_reasons(&fx, "80/tcp -\n  because network of container fedcba987654: that container "
                           "is not running\n"
                           "81/tcp -\n  because ignored by label SERVICE_81_IGNORE\n");
    static const char *const without[] = {"host", "none", SHARER};
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        init(&peer, without[i]);
        fx_expect(&fx, "80/tcp = web-80 h:web-1:80 :80\n81/tcp -\n");
    }
}

/* ---- -useIpFromLabel ---- */

static void test_label(void **state)
{
    static const struct {
        const char *value, *want; /* want NULL: the normal address */
        bool warns;
    } rows[] = {
        {NULL, NULL, false},
        {"", NULL, false},
        {"10.1.2.3", "10.1.2.3", false},
        {"10.1.2.3/24", "10.1.2.3", false},
        {"2001:db8::7/64", "2001:db8::7", false},
        {"web.example", "web.example", false},
        {"/24", NULL, true},
        {"a/b/24", NULL, true},
        {"[2001:db8::7]", NULL, true},
        {"0.0.0.0", NULL, true},
        {"::", NULL, true},
        {"a b", NULL, true},
        {"a\n", NULL, true},
    };
    static const struct {
        const char *mode, *normal;
        bool internal, forced;
        unsigned port;
    } modes[] = {{"bridge", FX_HOST, false, false, 8000},
                 {"bridge", FX_HOST, false, true, 8000},
                 {"bridge", OWN4, true, false, 80},
                 {"front", FX_HOST, false, false, 8000},
                 {"host", "", true, false, 80}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
            struct fx fx;
            struct mapping_result r;
            char want[64];
            init(&fx, modes[m].mode);
            fx.o.internal = modes[m].internal;
            fx.o.ip_forced = modes[m].forced;
            fx.o.ip_label = "inet";
            fx_network(&fx, "bridge", OWN4, "");
            fx_publish(&fx, 80, SERVICE_TCP, 8000);
            if (rows[i].value) {
                fx_label(&fx, "inet", rows[i].value);
            }
            snprintf(want, sizeof(want), "%s:%u", rows[i].want ? rows[i].want : modes[m].normal,
                     modes[m].port);
            check_address(&fx, want, rows[i].value ? rows[i].value : "no label", m);
            fx_map(&fx, &r);
            if ((r.n_warnings != 0) != rows[i].warns) {
                fail_msg("%s: %zu warnings", rows[i].value, r.n_warnings);
            }
            mapping_result_deinit(&r);
        }
    }
}

static void test_label_and_other_rules(void **state)
{
    struct fx fx, peer;
    /* where there is no address but the label's */
    init(&fx, "bridge");
    fx.o.host_v4 = "";
    fx.o.ip_label = "inet";
    fx_label(&fx, "inet", "10.1.2.3");
    fx_publish(&fx, 80, SERVICE_TCP, 8000);
    check_address(&fx, "10.1.2.3:8000", "host without address", 0);
    /* what is not published has no use for one */
    init(&fx, "bridge");
    fx.o.ip_label = "inet";
    fx_label(&fx, "inet", "10.1.2.3");
    fx_expose(&fx, 80, SERVICE_TCP);
    check_address(&fx, "-", "not published", 0);
    /* a shared network goes before it */
    init(&peer, "bridge");
    fx_network(&peer, "bridge", "172.17.0.9", "");
    init(&fx, PEER);
    fx.peer = &peer;
    fx.o.ip_label = "inet";
    fx_label(&fx, "inet", "10.1.2.3");
    fx_expose_unlisted(&fx, 80, SERVICE_TCP);
    check_address(&fx, "172.17.0.9:80", "shared", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_first_binding),
        cmocka_unit_test(test_host_without_ipv4),
        cmocka_unit_test(test_host_without_address),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_label_and_other_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
