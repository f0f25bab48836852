/*
 * What labels and variables do to names, ids, weights and attributes, and what bad ones cost.
 */
#include "fixture.h"

static void init(struct fx *fx)
{
    fx_init(fx);
    fx_publish(fx, 80, SERVICE_TCP, 8000);
}

static void init_two(struct fx *fx)
{
    init(fx);
    fx_publish(fx, 443, SERVICE_TCP, 4443);
}

/* ---- names and suffixes ---- */

static void test_suffix(void **state)
{
    struct fx fx;
    init_two(&fx);
    fx_label(&fx, "SERVICE_NAME", "shop");
    fx_label(&fx, "SERVICE_443_NAME", "shop-tls");
    fx_expect_reasons(&fx,
                      "80/tcp 0.0.0.0:8000 = shop-80 node1:web-1:80 192.168.1.102:8000\n"
                      "  because published on 0.0.0.0:8000; name from label SERVICE_NAME, and the "
                      "port, as several are registered\n"
                      "443/tcp 0.0.0.0:4443 = shop-tls node1:web-1:443 192.168.1.102:4443\n"
                      "  because published on 0.0.0.0:4443; name from label SERVICE_443_NAME\n");
}

/* What does not become a service has no say in the names of the rest. */
static void test_suffix_depends_on_what_is_registered(void **state)
{
    static const struct {
        const char *key, *value;
    } hide[] = {{"SERVICE_443_IGNORE", "true"},  {"SERVICE_443_NAME", "a/b"},
                {"SERVICE_443_ID", "a/b"},       {"SERVICE_400-500_IGNORE", "1"},
                {"SERVICE_443_tcp_IGNORE", "x"}, {"SERVICE_PORTS", "80"}};
    for (size_t i = 0; i < sizeof(hide) / sizeof(hide[0]); i++) {
        struct fx fx;
        struct mapping_result r;
        init_two(&fx);
        fx_label(&fx, hide[i].key, hide[i].value);
        fx_map(&fx, &r);
        assert_int_equal(r.n_verdicts, 2);
        assert_int_equal(r.n_services, 1);
        assert_string_equal(r.verdicts[0].service->s.name, "web");
        assert_null(r.verdicts[1].service);
        mapping_result_deinit(&r);
    }
    struct fx fx;
    init(&fx);
    fx_expose(&fx, 443, SERVICE_TCP);
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web node1:web-1:80 192.168.1.102:8000\n"
                   "443/tcp -\n");
}

static void test_suffix_counts_protocols_but_not_bindings(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_publish(&fx, 53, SERVICE_TCP, 53);
    fx_publish(&fx, 53, SERVICE_UDP, 53);
    fx_expect(&fx, "53/tcp 0.0.0.0:53 = web-53 node1:web-1:53 192.168.1.102:53\n"
                   "53/udp 0.0.0.0:53 = web-53 node1:web-1:53:udp 192.168.1.102:53 <udp>\n");
    fx_init(&fx);
    fx_publish(&fx, 80, SERVICE_TCP, 8000);
    fx_publish(&fx, 80, SERVICE_TCP, 8001);
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web node1:web-1:80 192.168.1.102:8000\n"
                   "80/tcp 0.0.0.0:8001 = web node1:web-1:80:8001 192.168.1.102:8001\n");
}

static void test_empty_name_hides_but_names_nothing(void **state)
{
    struct fx fx;
    init_two(&fx);
    fx_label(&fx, "SERVICE_NAME", "shop");
    fx_label(&fx, "SERVICE_443_NAME", "");
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = shop-80 node1:web-1:80 192.168.1.102:8000\n"
                   "443/tcp 0.0.0.0:4443 = web-443 node1:web-1:443 192.168.1.102:4443\n");
    fx.o.explicit_only = true;
    fx_expect_reasons(&fx, "80/tcp 0.0.0.0:8000 = shop node1:web-1:80 192.168.1.102:8000\n"
                           "  because published on 0.0.0.0:8000; name from label SERVICE_NAME\n"
                           "443/tcp 0.0.0.0:4443 -\n"
                           "  because no name is given to it (--explicit)\n");
}

static void test_names_that_are_allowed(void **state)
{
    static const char *const good[] = {"a", "Web", "a.b-c_d", "0", "_x", "x.", "WEB-01"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct fx fx;
        struct mapping_result r;
        init(&fx);
        fx_label(&fx, "SERVICE_NAME", good[i]);
        fx_map(&fx, &r);
        if (r.n_services != 1 || !streq(r.verdicts[0].service->s.name, good[i]) || r.n_warnings) {
            fail_msg("\"%s\": %s", good[i], r.verdicts[0].reason);
        }
        mapping_result_deinit(&r);
    }
}

static void check_refused(const char *key, const char *value)
{
    struct fx fx;
    struct mapping_result r;
    init_two(&fx);
    fx_label(&fx, key, value);
    fx_map(&fx, &r);
    /* The port that it names is lost, the other one is not. */
    if (r.n_services != 1 || r.verdicts[0].service || r.n_warnings != 1) {
        fail_msg("%s=\"%s\": %zu services, %zu warnings, %s", key, value, r.n_services,
                 r.n_warnings, r.verdicts[0].reason);
    }
    if (!strstr(r.warnings[0], key) || !strstr(r.verdicts[0].reason, key)) {
        fail_msg("%s=\"%s\": the label is not named: %s / %s", key, value, r.warnings[0],
                 r.verdicts[0].reason);
    }
    if (!str_printable(r.warnings[0], strlen(r.warnings[0])) ||
        !str_printable(r.verdicts[0].reason, strlen(r.verdicts[0].reason))) {
        fail_msg("%s=\"%s\": not one line", key, value);
    }
    mapping_result_deinit(&r);
}

static void test_names_and_ids_that_are_refused(void **state)
{
    static const char *const bad[] = {"a/b",  "../x",  "a b",         "a\nb",    "a;b", "a{b}",
                                      "a\"b", "$host", "caf\xc3\xa9", "\x1b[2J", "a#b", "a\\b",
                                      "/",    "a\tb",  "'",           "a,b"};
    static const char *const bad_names[] = {".agents", ".", "..", "-x", "a:b", "a@b"};
    static char longest[1024];
    memset(longest, 'a', 401);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_refused("SERVICE_80_NAME", bad[i]);
        check_refused("SERVICE_80_ID", bad[i]);
    }
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
        check_refused("SERVICE_80_NAME", bad_names[i]);
    }
    check_refused("SERVICE_80_ID", longest);
    longest[248] = '\0';
    check_refused("SERVICE_80_NAME", longest);
}

static void test_long_names_have_room_for_the_suffix(void **state)
{
    struct fx fx;
    struct mapping_result r;
    static char longest[248];
    memset(longest, 'a', 247);
    init_two(&fx);
    fx_publish(&fx, 65535, SERVICE_UDP, 65535);
    fx_label(&fx, "SERVICE_NAME", longest);
    fx_map(&fx, &r);
    assert_int_equal(r.n_services, 3);
    assert_int_equal(strlen(r.verdicts[2].service->s.name), SERVICE_NAME_MAX);
    mapping_result_deinit(&r);
}

static void test_a_bad_label_is_shown_in_one_short_line(void **state)
{
#define CUT "\"a/0123456789012345678901234567890123456789012345678901234567890...\""
    struct fx fx;
    init(&fx);
    fx_label(&fx, "SERVICE_80_\nlevel=error msg=\"x\"", "v");
    fx_label(&fx, "SERVICE_NAME",
             "a/0123456789012345678901234567890123456789012345678901234567890\xc3\xa9zzz");
    fx_expect_reasons(
        &fx, "80/tcp 0.0.0.0:8000 -\n"
             "  because label SERVICE_NAME: " CUT " has a character other than A-Z a-z 0-9 . _ -\n"
             "warning: label SERVICE_80_?level=error msg=\"x\" has a control character; left "
             "out\n"
             "warning: label SERVICE_NAME: " CUT
             " has a character other than A-Z a-z 0-9 . _ -; not registered\n");
#undef CUT
}

/* ---- default names ---- */

static void test_names_of_images(void **state)
{
    static const struct {
        const char *image, *want, *reason;
    } rows[] = {
        {"web", "web", "name from the image"},
        {"web:1.2", "web", "name from the image"},
        {"reg:5000/a/b:1.2", "b", "name from the image"},
        {"reg:5000/a/b", "b", "name from the image"},
        {"progrium/redis", "redis", "name from the image"},
        {"b@sha256:0123", "b", "name from the image"},
        {"reg:5000/a/b:1.2@sha256:0123", "b", "name from the image"},
        {"sha256:0123456789ab", "web-1", "image has no name; name from the container's name"},
        {FX_ID, "web-1", "image has no name; name from the container's name"},
        {"", "web-1", "image has no name; name from the container's name"},
        {"a/", "web-1", "image has no name; name from the container's name"},
        {"deadbeef", "deadbeef", "name from the image"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        struct mapping_result r;
        init(&fx);
        fx.spec.image = rows[i].image;
        fx_map(&fx, &r);
        const char *got = r.n_services ? r.verdicts[0].service->s.name : "(none)";
        if (!streq(got, rows[i].want) || !strstr(r.verdicts[0].reason, rows[i].reason)) {
            fail_msg("%s: \"%s\", %s", rows[i].image, got, r.verdicts[0].reason);
        }
        mapping_result_deinit(&r);
    }
}

static void test_name_from(void **state)
{
    struct fx fx;
    init(&fx);
    fx_label(&fx, "com.docker.compose.service", "cart");
    fx.o.name_from = MAPPING_NAME_COMPOSE;
    fx_expect_reasons(&fx, "80/tcp 0.0.0.0:8000 = cart node1:web-1:80 192.168.1.102:8000\n"
                           "  because published on 0.0.0.0:8000; name from label "
                           "com.docker.compose.service\n");
    fx.labels[0].value = "ca/rt";
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 -\n"
                   "warning: name from label com.docker.compose.service: \"ca/rt\" has a character "
                   "other than A-Z a-z 0-9 . _ -; not registered\n");
    fx.labels[0].value = "";
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web node1:web-1:80 192.168.1.102:8000\n");
    fx.o.name_from = MAPPING_NAME_CONTAINER;
    fx_expect_reasons(&fx, "80/tcp 0.0.0.0:8000 = web-1 node1:web-1:80 192.168.1.102:8000\n"
                           "  because published on 0.0.0.0:8000; name from the container's name\n");
    fx_label(&fx, "SERVICE_NAME", "mine");
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = mine node1:web-1:80 192.168.1.102:8000\n");
}

/* ---- ids ---- */

static void test_ids_of_containers_that_cannot_be_named(void **state)
{
    struct fx fx;
    init(&fx);
    fx.spec.name = "a/b";
    fx_expect(&fx,
              "80/tcp 0.0.0.0:8000 -\n"
              "warning: port 80: its id \"node1:a/b:80\" has a character other than A-Z a-z 0-9 . "
              "_ - : @ + ~\n");
    fx.spec.name = "ok";
    fx.o.node = "no\nde";
    fx_expect(&fx,
              "80/tcp 0.0.0.0:8000 -\n"
              "warning: port 80: its id \"no?de:ok:80\" has a character other than A-Z a-z 0-9 . "
              "_ - : @ + ~\n");
}

static void test_custom_id(void **state)
{
    struct fx fx;
    init(&fx);
    fx_label(&fx, "SERVICE_ID", "https.12345");
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web https.12345 192.168.1.102:8000\n");
    fx_bind(&fx, 80, SERVICE_TCP, "10.0.0.9", 9000);
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web https.12345 192.168.1.102:8000\n"
                   "80/tcp 10.0.0.9:9000 = web https.12345:9000 10.0.0.9:9000\n");
}

static void test_custom_id_for_several_ports(void **state)
{
    struct fx fx;
    init_two(&fx);
    fx_publish(&fx, 443, SERVICE_UDP, 4443);
    fx_label(&fx, "SERVICE_ID", "x");
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web-80 x 192.168.1.102:8000\n"
                   "443/tcp 0.0.0.0:4443 = web-443 x:443 192.168.1.102:4443\n"
                   "443/udp 0.0.0.0:4443 = web-443 x:443:udp 192.168.1.102:4443 <udp>\n");
    fx.labels[0] = (struct container_kv){"SERVICE_80_ID", "node1:web-1:443"};
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web-80 node1:web-1:443 192.168.1.102:8000\n"
                   "443/tcp 0.0.0.0:4443 = web-443 node1:web-1:443:443 192.168.1.102:4443\n"
                   "443/udp 0.0.0.0:4443 = web-443 node1:web-1:443:udp 192.168.1.102:4443 <udp>\n");
}

/* ---- the other keys ---- */

static void test_ignore(void **state)
{
    static const struct {
        const char *value;
        bool ignored;
    } rows[] = {{"true", true}, {"1", true},      {"yes", true}, {"TRUE", true},   {"x", true},
                {" ", true},    {"2", true},      {"", false},   {"false", false}, {"0", false},
                {"no", false},  {"False", false}, {"off", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        struct mapping_result r;
        init(&fx);
        fx_env(&fx, "SERVICE_IGNORE", rows[i].value);
        fx_map(&fx, &r);
        if (rows[i].ignored != (r.n_services == 0)) {
            fail_msg("SERVICE_IGNORE=\"%s\": %s", rows[i].value, r.verdicts[0].reason);
        }
        if (rows[i].ignored) {
            assert_string_equal(r.verdicts[0].reason, "ignored by variable SERVICE_IGNORE");
        }
        assert_int_equal(r.n_warnings, 0);
        mapping_result_deinit(&r);
    }
}

static void test_ignore_of_one_port(void **state)
{
    struct fx fx;
    init_two(&fx);
    fx_expose(&fx, 7777, SERVICE_TCP);
    fx_label(&fx, "SERVICE_IGNORE", "1");
    fx_label(&fx, "SERVICE_80_IGNORE", "");
    fx_expect_reasons(&fx, "80/tcp 0.0.0.0:8000 = web node1:web-1:80 192.168.1.102:8000\n"
                           "  because published on 0.0.0.0:8000; name from the image\n"
                           "443/tcp 0.0.0.0:4443 -\n"
                           "  because ignored by label SERVICE_IGNORE\n"
                           "7777/tcp -\n"
                           "  because ignored by label SERVICE_IGNORE\n");
}

static void test_weight(void **state)
{
    static const struct {
        const char *value;
        int want;
        bool warned;
    } rows[] = {{"0", 0, false},         {"5", 5, false},
                {"65535", 65535, false}, {"", -1, false},
                {"-1", -1, true},        {"1.5", -1, true},
                {"65536", -1, true},     {"x", -1, true},
                {" 5", -1, true},        {"99999999999999999999", -1, true},
                {"5;", -1, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        struct mapping_result r;
        init(&fx);
        fx_label(&fx, "SERVICE_WEIGHT", rows[i].value);
        fx_map(&fx, &r);
        assert_int_equal(r.n_services, 1);
        if (r.verdicts[0].service->s.weight != rows[i].want ||
            r.n_warnings != (size_t)rows[i].warned) {
            fail_msg("SERVICE_WEIGHT=\"%s\": %d, %zu warnings", rows[i].value,
                     r.verdicts[0].service->s.weight, r.n_warnings);
        }
        assert_int_equal(r.verdicts[0].service->s.n_attrs, 0);
        mapping_result_deinit(&r);
    }
}

static void test_attributes(void **state)
{
    struct fx fx;
    init_two(&fx);
    fx_env(&fx, "SERVICE_REGION", "eu");
    fx_env(&fx, "SERVICE_REGION2", "us");
    fx_label(&fx, "SERVICE_REGION", "asia");
    fx_label(&fx, "SERVICE_443_SNI", "enabled");
    fx_label(&fx, "SERVICE_443_REGION", "");
    fx_label(&fx, "SERVICE_CHECK_HTTP", "/health");
    fx_label(&fx, "SERVICE_IP", "10.0.0.1");
    fx_label(&fx, "SERVICE_80_PORTS", "1");
    fx_label(&fx, "SERVICE_NETWORK", "x");
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web-80 node1:web-1:80 192.168.1.102:8000 "
                   "check_http=/health ip=10.0.0.1 region=asia region2=us\n"
                   "443/tcp 0.0.0.0:4443 = web-443 node1:web-1:443 192.168.1.102:4443 "
                   "check_http=/health ip=10.0.0.1 region= region2=us sni=enabled\n");
}

static void test_bad_attributes_are_left_out(void **state)
{
    struct fx fx;
    struct mapping_result r;
    static char big[SERVICE_TEXT_MAX + 2];
    memset(big, 'v', SERVICE_TEXT_MAX + 1);
    init(&fx);
    fx_label(&fx, "SERVICE_A", "line\nbreak");
    fx_label(&fx, "SERVICE_B\r", "v");
    fx_label(&fx, "SERVICE_C", big);
    fx_label(&fx, "SERVICE_D", "fine; } server {");
    fx_expect(&fx,
              "80/tcp 0.0.0.0:8000 = web node1:web-1:80 192.168.1.102:8000 d=fine; } server {\n"
              "warning: label SERVICE_A has a control character; left out\n"
              "warning: label SERVICE_B? has a control character; left out\n"
              "warning: label SERVICE_C is longer than 4096 bytes; left out\n");
    big[SERVICE_TEXT_MAX] = '\0';
    fx_map(&fx, &r);
    assert_int_equal(r.n_warnings, 2);
    assert_int_equal(r.verdicts[0].service->s.n_attrs, 2);
    mapping_result_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suffix),
        cmocka_unit_test(test_suffix_depends_on_what_is_registered),
        cmocka_unit_test(test_suffix_counts_protocols_but_not_bindings),
        cmocka_unit_test(test_empty_name_hides_but_names_nothing),
        cmocka_unit_test(test_names_that_are_allowed),
        cmocka_unit_test(test_names_and_ids_that_are_refused),
        cmocka_unit_test(test_long_names_have_room_for_the_suffix),
        cmocka_unit_test(test_a_bad_label_is_shown_in_one_short_line),
        cmocka_unit_test(test_names_of_images),
        cmocka_unit_test(test_name_from),
        cmocka_unit_test(test_ids_of_containers_that_cannot_be_named),
        cmocka_unit_test(test_custom_id),
        cmocka_unit_test(test_custom_id_for_several_ports),
        cmocka_unit_test(test_ignore),
        cmocka_unit_test(test_ignore_of_one_port),
        cmocka_unit_test(test_weight),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_bad_attributes_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
