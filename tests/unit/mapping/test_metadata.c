/*
 * The grammar of SERVICE_* and the ladder of precedence.
 */
#include "fixture.h"
#include "mapping/metadata.h"

/* The ladder for 53/udp, from the bottom. Every rung beats all below it. */
static const struct {
    const char *name;
    bool is_label;
} ladder[] = {
    {"SERVICE_X", false},           {"SERVICE_X", true},
    {"SERVICE_53_X", false},        {"SERVICE_53_X", true},
    {"SERVICE_1-100_X", false},     {"SERVICE_50-60_X", false},
    {"SERVICE_1-100_X", true},      {"SERVICE_50-60_X", true},
    {"SERVICE_52-54_X", true},      {"SERVICE_53-53_X", true},
    {"SERVICE_1-100_UDP_X", false}, {"SERVICE_1-100_udp_X", true},
    {"SERVICE_53_udp_X", false},    {"SERVICE_53_udp_X", true},
};
#define RUNGS (sizeof(ladder) / sizeof(ladder[0]))

static void add_rung(struct fx *fx, size_t rung, const char *value)
{
    if (ladder[rung].is_label) {
        fx_label(fx, ladder[rung].name, value);
    } else {
        fx_env(fx, ladder[rung].name, value);
    }
}

static void check_x(const struct fx *fx, const char *want, const char *what, size_t a, size_t b)
{
    struct arena arena = ARENA_NULL;
    struct warnings w = {.arena = &arena};
    struct metadata m;
    CLEANUP_CONTAINER struct container *c = fx_container(fx);
    metadata_read(&m, c, metadata_native, &w);
    const struct metadata_entry *e = metadata_find(&m, "x", 53, SERVICE_UDP);
    const char *got = e ? e->value : NULL;
    size_t pos = 0;
    if (!got || !streq(got, want) || metadata_next(&m, &pos, 53, SERVICE_UDP) != e || w.n) {
        fail_msg("%s, rungs %zu (%s) and %zu (%s): got \"%s\"", what, a, ladder[a].name, b,
                 ladder[b].name, got ? got : "nothing");
    }
    arena_deinit(&arena);
}

static void test_every_rung_beats_those_below(void **state)
{
    for (size_t hi = 0; hi < RUNGS; hi++) {
        for (size_t lo = 0; lo < hi; lo++) {
            struct fx fx;
            fx_init(&fx);
            add_rung(&fx, hi, "high");
            add_rung(&fx, lo, "low");
            check_x(&fx, "high", "higher first", hi, lo);
            fx_init(&fx);
            add_rung(&fx, lo, "low");
            add_rung(&fx, hi, "high");
            check_x(&fx, "high", "lower first", hi, lo);
            fx_init(&fx);
            add_rung(&fx, lo, "low");
            add_rung(&fx, hi, "");
            check_x(&fx, "", "an empty value hides", hi, lo);
        }
    }
}

static const char *value_of(const struct metadata *m, const char *key, uint16_t port,
                            enum service_proto proto)
{
    const struct metadata_entry *e = metadata_find(m, key, port, proto);
    return e ? e->value : "(none)";
}

static void test_of_equally_wide_ranges_the_lower_counts(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_env(&fx, "SERVICE_50-60_X", "low");
    fx_env(&fx, "SERVICE_51-61_X", "high");
    check_x(&fx, "low", "equally wide ranges", 0, 0);
    fx_init(&fx);
    fx_env(&fx, "SERVICE_51-61_X", "high");
    fx_env(&fx, "SERVICE_50-60_X", "low");
    check_x(&fx, "low", "equally wide ranges", 0, 0);
}

static void test_scopes_match_their_ports_only(void **state)
{
    struct fx fx;
    struct arena arena = ARENA_NULL;
    struct warnings w = {.arena = &arena};
    struct metadata m;
    fx_init(&fx);
    fx_label(&fx, "SERVICE_80_A", "port");
    fx_label(&fx, "SERVICE_53_udp_A", "udp");
    fx_label(&fx, "SERVICE_9000-9010_A", "range");
    fx_label(&fx, "SERVICE_9005-9020_TCP_A", "range-tcp");
    fx_label(&fx, "SERVICE_65535_A", "last");
    CLEANUP_CONTAINER struct container *c = fx_container(&fx);
    metadata_read(&m, c, metadata_native, &w);

    assert_string_equal(value_of(&m, "a", 80, SERVICE_TCP), "port");
    assert_string_equal(value_of(&m, "a", 80, SERVICE_SCTP), "port");
    assert_string_equal(value_of(&m, "a", 81, SERVICE_TCP), "(none)");
    assert_string_equal(value_of(&m, "a", 53, SERVICE_UDP), "udp");
    assert_string_equal(value_of(&m, "a", 53, SERVICE_TCP), "(none)");
    assert_string_equal(value_of(&m, "a", 8999, SERVICE_TCP), "(none)");
    assert_string_equal(value_of(&m, "a", 9000, SERVICE_TCP), "range");
    assert_string_equal(value_of(&m, "a", 9010, SERVICE_UDP), "range");
    assert_string_equal(value_of(&m, "a", 9010, SERVICE_TCP), "range-tcp");
    assert_string_equal(value_of(&m, "a", 9011, SERVICE_UDP), "(none)");
    assert_string_equal(value_of(&m, "a", 65535, SERVICE_UDP), "last");
    assert_string_equal(value_of(&m, "b", 80, SERVICE_TCP), "(none)");
    assert_null(metadata_find_generic(&m, "a"));
    assert_int_equal(w.n, 0);
    arena_deinit(&arena);
}

/* Name → key and scope for port 80/tcp; NULL: left out with a warning. */
static const struct {
    const char *name, *key;
} names[] = {
    {"SERVICE_NAME", "name"},
    {"SERVICE_Name", "name"},
    {"SERVICE_80_Check_HTTP", "check_http"},
    {"SERVICE_80", "80"},
    {"SERVICE_80_tcp", "tcp"},
    {"SERVICE_80_TCP_", "tcp_"},
    {"SERVICE_80_tcpx_y", "tcpx_y"},
    {"SERVICE_tcp_NAME", "tcp_name"},
    {"SERVICE_A-B_C", "a-b_c"},
    {"SERVICE_-_C", "-_c"},
    {"SERVICE__", "_"},
    {"SERVICE_8x_NAME", "8x_name"},
    {"SERVICE_80-90", "80-90"},
    {"SERVICE_", NULL},
    {"SERVICE_80_", NULL},
    {"SERVICE_080_NAME", NULL},
    {"SERVICE_0_NAME", NULL},
    {"SERVICE_65536_NAME", NULL},
    {"SERVICE_99999999999999999999_NAME", NULL},
    {"SERVICE_90-80_NAME", NULL},
    {"SERVICE_80-_NAME", NULL},
    {"SERVICE_-80_NAME", NULL},
    {"SERVICE_1-2-3_NAME", NULL},
    {"SERVICE_0-80_NAME", NULL},
    {"SERVICE_80-65536_NAME", NULL},
};

static void test_names(void **state)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fx fx;
        struct arena arena = ARENA_NULL;
        struct warnings w = {.arena = &arena};
        struct metadata m;
        fx_init(&fx);
        fx_label(&fx, names[i].name, "v");
        CLEANUP_CONTAINER struct container *c = fx_container(&fx);
        metadata_read(&m, c, metadata_native, &w);
        size_t pos = 0;
        const struct metadata_entry *e = metadata_next(&m, &pos, 80, SERVICE_TCP);
        if ((e != NULL) != (names[i].key != NULL) || (e && !streq(e->key, names[i].key))) {
            fail_msg("%s: key \"%s\", expected \"%s\"", names[i].name, e ? e->key : "(none)",
                     names[i].key ? names[i].key : "(none)");
        }
        if (w.n != (e ? 0 : 1)) {
            fail_msg("%s: %zu warnings", names[i].name, w.n);
        }
        if (!e && !strstr(w.items[0], names[i].name)) {
            fail_msg("%s: \"%s\" does not name it", names[i].name, w.items[0]);
        }
        arena_deinit(&arena);
    }
}

static void test_other_labels_do_not_count(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_publish(&fx, 80, SERVICE_TCP, 8080);
    fx_label(&fx, "service_NAME", "a");
    fx_label(&fx, "XSERVICE_NAME", "b");
    fx_label(&fx, "SERVICE", "c");
    fx_label(&fx, "SERVICENAME", "d");
    fx_expect(&fx, "80/tcp 0.0.0.0:8080 = web node1:web-1:80 192.168.1.102:8080\n");
}

static void test_last_one_written_counts(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_publish(&fx, 80, SERVICE_TCP, 8080);
    fx_env(&fx, "SERVICE_NAME", "first");
    fx_env(&fx, "SERVICE_NAME", "second");
    fx_env(&fx, "SERVICE_x", "1");
    fx_env(&fx, "SERVICE_X", "2");
    fx_expect(&fx, "80/tcp 0.0.0.0:8080 = second node1:web-1:80 192.168.1.102:8080 x=2\n");
}

static void test_flood(void **state)
{
    struct fx fx;
    struct container_kv kv[METADATA_MAX + 10];
    char(*keys)[32] = calloc(METADATA_MAX + 10, sizeof(*keys));
    for (size_t i = 0; i < METADATA_MAX + 10; i++) {
        snprintf(keys[i], sizeof(*keys), "SERVICE_K%05zu", i);
        kv[i] = (struct container_kv){keys[i], "v"};
    }
    fx_init(&fx);
    struct container_port port = {.port = 80, .host_port = 80, .host_ip = "0.0.0.0"};
    fx.spec.labels = kv;
    fx.spec.n_labels = METADATA_MAX + 10;
    fx.spec.env = kv;
    fx.spec.n_env = 5;
    fx.spec.ports = &port;
    fx.spec.n_ports = 1;
    struct mapping_result r;
    CLEANUP_CONTAINER struct container *c = container_new(&fx.spec);
    mapping_map(&fx.o, c, NULL, &r);
    assert_int_equal(r.n_services, 1);
    assert_int_equal(r.verdicts[0].service->s.n_attrs, SERVICE_ATTRS_MAX);
    assert_int_equal(r.n_warnings, WARNINGS_MAX);
    assert_string_equal(r.warnings[0], "label SERVICE_K01024 and what follows it is left out: more "
                                       "than 1024 SERVICE_* entries");
    assert_string_equal(r.warnings[WARNINGS_MAX - 1], "there are more; they are left out here");
    mapping_result_deinit(&r);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rung_beats_those_below),
        cmocka_unit_test(test_of_equally_wide_ranges_the_lower_counts),
        cmocka_unit_test(test_scopes_match_their_ports_only),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_other_labels_do_not_count),
        cmocka_unit_test(test_last_one_written_counts),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
