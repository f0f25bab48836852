/*
 * Registrator's SERVICE_*: the grammar, the ladder, empty values, and tags.
 */
#include "fixture.h"
#include "mapping/metadata.h"

static void init(struct fx *fx)
{
    fx_init(fx);
    fx->o.rules = MAPPING_REGISTRATOR;
    fx->o.node = "hostname";
    fx_publish(fx, 80, SERVICE_TCP, 8000);
}

#define WEB(name) "80/tcp 0.0.0.0:8000 = " name " hostname:web-1:80 " FX_HOST ":8000"

/* ---- grammar ---- */

static void test_names(void **state)
{
    static const struct {
        const char *name, *key; /* key NULL: counts for no port */
        enum metadata_scope scope;
        bool warns;
    } rows[] = {
        {"SERVICE_NAME", "name", METADATA_GENERIC, false},
        {"SERVICE_80_NAME", "name", METADATA_PORT, false},
        {"SERVICE_80_Check_HTTP", "check_http", METADATA_PORT, false},
        /* no scopes here */
        {"SERVICE_80_TCP_NAME", "tcp_name", METADATA_PORT, false},
        {"SERVICE_TCP_NAME", "tcp_name", METADATA_GENERIC, false},
        {"SERVICE_80-90_NAME", "80-90_name", METADATA_GENERIC, false},
        {"SERVICE_80", "80", METADATA_GENERIC, false},
        {"SERVICE_8x_NAME", "8x_name", METADATA_GENERIC, false},
        {"SERVICE__NAME", "_name", METADATA_GENERIC, false},
        {"SERVICE_-_NAME", "-_name", METADATA_GENERIC, false},
        {"SERVICE_+-80_NAME", "+-80_name", METADATA_GENERIC, false},
        /* integers that are no port's text */
        {"SERVICE_443_NAME", NULL, METADATA_PORT, false},
        {"SERVICE_080_NAME", NULL, METADATA_PORT, true},
        {"SERVICE_+80_NAME", NULL, METADATA_PORT, true},
        {"SERVICE_-80_NAME", NULL, METADATA_PORT, true},
        {"SERVICE_0_NAME", NULL, METADATA_PORT, true},
        {"SERVICE_70000_NAME", NULL, METADATA_PORT, true},
        {"SERVICE_9223372036854775807_NAME", NULL, METADATA_PORT, true},
        {"SERVICE_-9223372036854775808_NAME", NULL, METADATA_PORT, true},
        {"SERVICE_0000000000000000000000000080_NAME", NULL, METADATA_PORT, true},
        /* too large for an integer: a key like any other */
        {"SERVICE_9223372036854775808_NAME", "9223372036854775808_name", METADATA_GENERIC, false},
        {"SERVICE_99999999999999999999_NAME", "99999999999999999999_name", METADATA_GENERIC, false},
        {"SERVICE_", NULL, METADATA_GENERIC, true},
        {"SERVICE_80_", NULL, METADATA_PORT, true},
        {"service_name", NULL, METADATA_GENERIC, false},
        {"SERVICES_NAME", NULL, METADATA_GENERIC, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = ARENA_NULL;
        struct warnings w = {.arena = &arena};
        struct metadata m;
        struct fx fx;
        size_t pos = 0;
        init(&fx);
        fx_label(&fx, rows[i].name, "v");
        CLEANUP_CONTAINER struct container *c = fx_container(&fx);
        metadata_read(&m, c, metadata_registrator, &w);
        const struct metadata_entry *e = metadata_next(&m, &pos, 80, SERVICE_UDP);
        const char *got = e ? e->key : NULL;
        if (!e != !rows[i].key || (e && (!streq(got, rows[i].key) || e->scope != rows[i].scope)) ||
            (w.n != 0) != rows[i].warns) {
            fail_msg("%s: got %s, scope %d, %zu warnings", rows[i].name, got ? got : "nothing",
                     e ? (int)e->scope : -1, w.n);
        }
        arena_deinit(&arena);
    }
}

/* ---- the ladder ---- */

static const struct rung {
    const char *name;
    bool is_label;
} ladder[] = {
    {"SERVICE_X", false}, {"SERVICE_X", true}, {"SERVICE_80_X", false}, {"SERVICE_80_X", true}};
#define RUNGS (sizeof(ladder) / sizeof(ladder[0]))

static void add_rung(struct fx *fx, const struct rung *r, const char *value)
{
    if (r->is_label) {
        fx_label(fx, r->name, value);
    } else {
        fx_env(fx, r->name, value);
    }
}

static void check_x(const struct fx *fx, const char *want, const char *what)
{
    struct mapping_result r;
    fx_map(fx, &r);
    assert_int_equal(r.n_services, 1);
    const char *got = service_attr_get(r.verdicts[0].service, "x");
    if (!got || !streq(got, want)) {
        fail_msg("%s: got %s, want \"%s\"", what, got ? got : "nothing", want);
    }
    mapping_result_deinit(&r);
}

static void test_every_rung_beats_those_below(void **state)
{
    for (size_t hi = 0; hi < RUNGS; hi++) {
        for (size_t lo = 0; lo < hi; lo++) {
            /* an empty value shadows as any other does */
            for (int empty = 0; empty < 2; empty++) {
                struct fx fx;
                init(&fx);
                add_rung(&fx, &ladder[hi], empty ? "" : "high");
                add_rung(&fx, &ladder[lo], "low");
                check_x(&fx, empty ? "" : "high", ladder[hi].name);
                init(&fx);
                add_rung(&fx, &ladder[lo], "low");
                add_rung(&fx, &ladder[hi], empty ? "" : "high");
                check_x(&fx, empty ? "" : "high", ladder[hi].name);
            }
        }
    }
}

static void test_later_wins(void **state)
{
    struct fx fx;
    init(&fx);
    fx_env(&fx, "SERVICE_X", "first");
    fx_env(&fx, "SERVICE_x", "second");
    check_x(&fx, "second", "two variables");
    fx_env(&fx, "SERVICE_80_x", "first");
    fx_env(&fx, "SERVICE_80_X", "second");
    check_x(&fx, "second", "two variables of the port");
}

/* Labels, image FOO=b, and another port: what forks of Registrator disagree about. */
static void test_labels_beat_variables(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.rules = MAPPING_REGISTRATOR;
    fx_publish(&fx, 1234, SERVICE_TCP, 1);
    fx_publish(&fx, 4321, SERVICE_TCP, 2);
    fx_env(&fx, "SERVICE_FOO", "b");
    fx_env(&fx, "SERVICE_BAR", "c");
    fx_env(&fx, "SERVICE_1234_FOO", "e");
    fx_label(&fx, "SERVICE_FOO", "a");
    fx_expect(&fx, "1234/tcp 0.0.0.0:1 = web-1234 node1:web-1:1234 " FX_HOST ":1 bar=c foo=e\n"
                   "4321/tcp 0.0.0.0:2 = web-4321 node1:web-1:4321 " FX_HOST ":2 bar=c foo=a\n");
}

static void test_empty_values(void **state)
{
    static const struct {
        const char *name, *value, *port_name, *port_value;
        const char *want;
    } rows[] = {
        {"SERVICE_NAME", "", NULL, NULL, WEB("web")},
        {"SERVICE_NAME", "a", "SERVICE_80_NAME", "", WEB("web")},
        {"SERVICE_ID", "", NULL, NULL, WEB("web")},
        {"SERVICE_ID", "a", "SERVICE_80_ID", "", WEB("web")},
        {"SERVICE_TAGS", "", NULL, NULL, WEB("web")},
        {"SERVICE_TAGS", "a", "SERVICE_80_TAGS", "", WEB("web")},
        {"SERVICE_TAGS", "a,b", "SERVICE_80_TAGS", "c,d", WEB("web") " <d> <c>"},
        /* not ignored, and the key is an attribute like others */
        {"SERVICE_IGNORE", "", NULL, NULL, WEB("web") " ignore="},
        {"SERVICE_IGNORE", "1", "SERVICE_80_IGNORE", "", WEB("web") " ignore="},
        {"SERVICE_IGNORE", "1", NULL, NULL, "80/tcp 0.0.0.0:8000 -"},
        {"SERVICE_IGNORE", "false", NULL, NULL, "80/tcp 0.0.0.0:8000 -"},
        {"SERVICE_IGNORE", "", "SERVICE_80_IGNORE", "0", "80/tcp 0.0.0.0:8000 -"},
        {"SERVICE_REGION", "", NULL, NULL, WEB("web") " region="},
        {"SERVICE_REGION", "eu", "SERVICE_80_REGION", "", WEB("web") " region="},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        char want[256];
        init(&fx);
        fx_label(&fx, rows[i].name, rows[i].value);
        if (rows[i].port_name) {
            fx_env(&fx, rows[i].port_name, rows[i].port_value);
        }
        snprintf(want, sizeof(want), "%s\n", rows[i].want);
        fx_expect(&fx, want);
    }
}

static void test_port_text(void **state)
{
    struct fx fx;
    init(&fx);
    fx_label(&fx, "SERVICE_080_NAME", "other");
    fx_label(&fx, "SERVICE_80", "x");
    fx_expect(&fx,
              WEB("web") " 80=x\nwarning: label SERVICE_080_NAME has no valid port (1 to 65535, "
                         "no leading zeros); it is left out\n");
}

static void test_protocols_share(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.rules = MAPPING_REGISTRATOR;
    fx_publish(&fx, 53, SERVICE_TCP, 53);
    fx_publish(&fx, 53, SERVICE_UDP, 53);
    fx_label(&fx, "SERVICE_53_NAME", "dns");
    fx_label(&fx, "SERVICE_53_UDP_NAME", "other");
    fx_expect(&fx, "53/tcp 0.0.0.0:53 = dns node1:web-1:53 " FX_HOST ":53 udp_name=other\n"
                   "53/udp 0.0.0.0:53 = dns node1:web-1:53:udp " FX_HOST ":53 <udp> "
                   "udp_name=other\n");
}

/* What the native form understands of itself is an attribute like any other. */
static void test_attributes(void **state)
{
    struct fx fx;
    init(&fx);
    fx_label(&fx, "SERVICE_NAME", "n");
    fx_label(&fx, "SERVICE_ID", "i");
    fx_label(&fx, "SERVICE_TAGS", "t");
    fx_label(&fx, "SERVICE_WEIGHT", "7");
    fx_label(&fx, "SERVICE_NETWORK", "x");
    fx_label(&fx, "SERVICE_PORTS", "81");
    fx_label(&fx, "SERVICE_CHECK_HTTP", "/h");
    fx_label(&fx, "SERVICE_80_CHECK_INTERVAL", "5s");
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = n i " FX_HOST ":8000 <t> check_http=/h check_interval=5s "
                   "network=x ports=81 weight=7\n");
}

/* ---- tags ---- */

static void test_tags(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"foobar", " <foobar>"},
        {"foo,bar", " <bar> <foo>"},
        {"foo\\,bar", " <foo,bar>"},
        {"foo,bar\\,baz", " <bar,baz> <foo>"},
        {"\\,foobar\\,", " <,foobar,>"},
        {",,,,foo,,,bar,,,", " <bar> <foo>"},
        {",,,,", ""},
        {",,\\,,", " <,>"},
        {"a,b,c", " <c> <b> <a>"},
        {"a, b ,c", " <c> < b > <a>"},
        {"a\\\\,b", " <a\\,b>"},
        {"a\\", " <a\\>"},
        {"\\,\\,", " <,,>"},
        {"a\\,\\,b,c", " <c> <a,,b>"},
        {"a,a", " <a> <a>"},
        {"/(;\\,:-_)/", " </(;,:-_)/>"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        char want[256];
        init(&fx);
        fx_env(&fx, "SERVICE_TAGS", rows[i].text);
        snprintf(want, sizeof(want), WEB("web") "%s\n", rows[i].want);
        fx_expect(&fx, want);
        init(&fx);
        fx.o.tags = rows[i].text;
        fx_expect(&fx, want);
    }
}

static void test_parts_of_tags(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.rules = MAPPING_REGISTRATOR;
    fx.o.tags = "x,y";
    fx_publish(&fx, 53, SERVICE_TCP, 1);
    fx_publish(&fx, 53, SERVICE_UDP, 2);
    fx_publish(&fx, 53, SERVICE_SCTP, 3);
    fx_label(&fx, "SERVICE_53_TAGS", "udp,x");
    fx_label(&fx, "SERVICE_53_NAME", "d");
    fx_label(&fx, "SERVICE_TAGS", "lost");
    /* the third has the first one's id: no protocol but udp is in it */
    fx_expect(&fx, "53/tcp 0.0.0.0:1 = d node1:web-1:53 " FX_HOST ":1 <x> <udp> <y> <x>\n"
                   "53/udp 0.0.0.0:2 = d node1:web-1:53:udp " FX_HOST ":2 <x> <udp> <y> <x> <udp>\n"
                   "53/sctp 0.0.0.0:3 -\n"
                   "warning: port 53: another port has its id \"node1:web-1:53\" already\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_rung_beats_those_below),
        cmocka_unit_test(test_later_wins),
        cmocka_unit_test(test_labels_beat_variables),
        cmocka_unit_test(test_empty_values),
        cmocka_unit_test(test_port_text),
        cmocka_unit_test(test_protocols_share),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_parts_of_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
