/*
 * Registrator's rules: the examples of its documentation, groups and suffixes, names, ids, state.
 */
#include "fixture.h"

static void init(struct fx *fx)
{
    fx_init(fx);
    fx->o.rules = MAPPING_REGISTRATOR;
    fx->o.node = "hostname";
}

/* ---- examples of its documentation ---- */

static void redis(struct fx *fx)
{
    init(fx);
    fx->spec.image = "progrium/redis";
    fx->spec.name = "redis.0";
    fx_publish(fx, 6379, SERVICE_TCP, 10000);
}

#define REDIS(name) "6379/tcp 0.0.0.0:10000 = " name " hostname:redis.0:6379 192.168.1.102:10000"

static void test_single_service(void **state)
{
    struct fx fx;
    redis(&fx);
    fx_expect_reasons(&fx, REDIS("redis") "\n  because published on 0.0.0.0:10000; name from the "
                                          "image\n");
}

static void test_metadata(void **state)
{
    for (int labels = 0; labels < 2; labels++) {
        void (*add)(struct fx *, const char *, const char *) = labels ? fx_label : fx_env;
        struct fx fx;
        redis(&fx);
        add(&fx, "SERVICE_NAME", "db");
        add(&fx, "SERVICE_TAGS", "master,backups");
        add(&fx, "SERVICE_REGION", "us2");
        fx_expect(&fx, REDIS("db") " <backups> <master> region=us2\n");
    }
}

static void nginx(struct fx *fx)
{
    init(fx);
    fx->spec.image = "nginx";
    fx->spec.name = "nginx.0";
    fx_publish(fx, 443, SERVICE_TCP, 4443);
    fx_publish(fx, 80, SERVICE_TCP, 8000);
}

static void test_several_services(void **state)
{
    struct fx fx;
    nginx(&fx);
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = nginx-80 hostname:nginx.0:80 192.168.1.102:8000\n"
                   "443/tcp 0.0.0.0:4443 = nginx-443 hostname:nginx.0:443 192.168.1.102:4443\n");
    fx_env(&fx, "SERVICE_443_NAME", "https");
    fx_env(&fx, "SERVICE_443_ID", "https.12345");
    fx_env(&fx, "SERVICE_443_SNI", "enabled");
    fx_env(&fx, "SERVICE_80_NAME", "http");
    fx_env(&fx, "SERVICE_TAGS", "www");
    fx_expect(&fx,
              "80/tcp 0.0.0.0:8000 = http hostname:nginx.0:80 192.168.1.102:8000 <www>\n"
              "443/tcp 0.0.0.0:4443 = https https.12345 192.168.1.102:4443 <www> sni=enabled\n");
}

/* ---- groups ---- */

static void test_group_counts_what_is_ignored(void **state)
{
    struct fx fx;
    nginx(&fx);
    fx_label(&fx, "SERVICE_443_IGNORE", "yes");
    fx_expect_reasons(&fx,
                      "80/tcp 0.0.0.0:8000 = nginx-80 hostname:nginx.0:80 192.168.1.102:8000\n"
                      "  because published on 0.0.0.0:8000; name from the image, and the port, as "
                      "there are several\n"
                      "443/tcp 0.0.0.0:4443 -\n  because ignored by label SERVICE_443_IGNORE\n");
}

static void test_group_counts_what_is_not_explicit(void **state)
{
    struct fx fx;
    nginx(&fx);
    fx.o.explicit_only = true;
    fx_label(&fx, "SERVICE_80_NAME", "");
    fx_expect_reasons(&fx, "80/tcp 0.0.0.0:8000 -\n  because no name is given to it (-explicit)\n"
                           "443/tcp 0.0.0.0:4443 -\n  because no name is given to it "
                           "(-explicit)\n");
    fx_label(&fx, "SERVICE_NAME", "generic");
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 -\n"
                   "443/tcp 0.0.0.0:4443 = generic-443 hostname:nginx.0:443 192.168.1.102:4443\n");
}

static void test_group_of_tcp_and_udp(void **state)
{
    struct fx fx;
    init(&fx);
    fx_publish(&fx, 53, SERVICE_TCP, 53);
    fx_publish(&fx, 53, SERVICE_UDP, 53);
    fx_expect(&fx, "53/tcp 0.0.0.0:53 = web-53 hostname:web-1:53 192.168.1.102:53\n"
                   "53/udp 0.0.0.0:53 = web-53 hostname:web-1:53:udp 192.168.1.102:53 <udp>\n");
}

static void test_group_leaves_out_what_is_not_published(void **state)
{
    struct fx fx;
    init(&fx);
    fx_network(&fx, "bridge", "172.17.0.2", "");
    fx_publish(&fx, 80, SERVICE_TCP, 8000);
    fx_expose(&fx, 443, SERVICE_TCP);
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web hostname:web-1:80 192.168.1.102:8000\n443/tcp -\n");
    fx.o.internal = true;
    fx_expect(&fx, "80/tcp = web-80 hostname:web-1:80 172.17.0.2:80\n"
                   "443/tcp = web-443 hostname:web-1:443 172.17.0.2:443\n");
}

/* Several bindings of a port are one service. */
static void test_bindings_are_no_group(void **state)
{
    struct fx fx;
    init(&fx);
    fx_bind(&fx, 80, SERVICE_TCP, "127.0.0.1", 7000);
    fx_publish(&fx, 80, SERVICE_TCP, 8000);
    fx_publish(&fx, 80, SERVICE_TCP, 8001);
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = web hostname:web-1:80 192.168.1.102:8000\n");
}

static void test_suffix(void **state)
{
    struct fx fx;
    nginx(&fx);
    fx_label(&fx, "SERVICE_NAME", "site");
    fx_label(&fx, "SERVICE_80_NAME", ""); /* no name, and no suffix either */
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = nginx hostname:nginx.0:80 192.168.1.102:8000\n"
                   "443/tcp 0.0.0.0:4443 = site-443 hostname:nginx.0:443 192.168.1.102:4443\n");
}

/* ---- names ---- */

static void test_name_of_image(void **state)
{
    static const struct {
        const char *image, *name; /* NULL: refused */
    } rows[] = {
        {"redis", "redis"},
        {"redis:7", "redis"},
        {"progrium/redis:latest", "redis"},
        {"reg:5000/a/b:1.2", "b"},
        {"reg:5000/b", "b"},
        {"b@sha256:1234", "b@sha256"},
        {"a/b:1@sha256:1234", "b"},
        {"sha256:1234", "sha256"},
        {"0123abcd", "0123abcd"},
        {"", NULL},
        {"a/", NULL},
        {".hidden", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        struct mapping_result r;
        init(&fx);
        fx.spec.image = rows[i].image;
        fx_publish(&fx, 80, SERVICE_TCP, 8000);
        fx_map(&fx, &r);
        assert_int_equal(r.n_verdicts, 1);
        const struct service *svc = r.verdicts[0].service;
        if (!svc != !rows[i].name || (svc && !streq(svc->s.name, rows[i].name))) {
            fail_msg("%s: got %s", rows[i].image, svc ? svc->s.name : r.verdicts[0].reason);
        }
        mapping_result_deinit(&r);
    }
}

static void test_names_and_ids_are_kept_or_refused(void **state)
{
    char long_name[300];
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    const struct {
        const char *text;
        bool as_name, as_id;
    } rows[] = {{"a b", true, true},         {"a_b@c:d", true, true}, {"-x", true, true},
                {"caf\xc3\xa9", true, true}, {"a\"b", true, true},    {"a/b", false, false},
                {"a\nb", false, false},      {".a", false, true},     {"a\x7f", false, false},
                {long_name, false, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int id = 0; id < 2; id++) {
            struct fx fx;
            struct mapping_result r;
            init(&fx);
            fx_publish(&fx, 80, SERVICE_TCP, 8000);
            fx_label(&fx, id ? "SERVICE_ID" : "SERVICE_NAME", rows[i].text);
            fx_map(&fx, &r);
            bool taken = id ? rows[i].as_id : rows[i].as_name;
            const struct service *svc = r.verdicts[0].service;
            if ((svc != NULL) != taken ||
                (svc && !streq(id ? svc->s.id : svc->s.name, rows[i].text)) ||
                r.n_warnings != !taken ||
                (!taken && !str_starts(r.verdicts[0].reason, "label SERVICE_"))) {
                fail_msg("%s %s: %s, %zu warnings", id ? "id" : "name", rows[i].text,
                         r.verdicts[0].reason, r.n_warnings);
            }
            mapping_result_deinit(&r);
        }
    }
    struct fx fx;
    init(&fx);
    fx_publish(&fx, 80, SERVICE_TCP, 8000);
    fx_label(&fx, "SERVICE_NAME", "a/b");
    fx_expect_reasons(&fx,
                      "80/tcp 0.0.0.0:8000 -\n  because label SERVICE_NAME: \"a/b\" has a '/', "
                      "which separates the parts of a key\n"
                      "warning: label SERVICE_NAME: \"a/b\" has a '/', which separates the "
                      "parts of a key; not registered\n");
}

/* ---- ids ---- */

static void test_ids(void **state)
{
    struct fx fx;
    init(&fx);
    fx_publish(&fx, 80, SERVICE_TCP, 1);
    fx_publish(&fx, 81, SERVICE_UDP, 2);
    fx_publish(&fx, 82, SERVICE_SCTP, 3);
    fx_expect(&fx, "80/tcp 0.0.0.0:1 = web-80 hostname:web-1:80 192.168.1.102:1\n"
                   "81/udp 0.0.0.0:2 = web-81 hostname:web-1:81:udp 192.168.1.102:2 <udp>\n"
                   "82/sctp 0.0.0.0:3 = web-82 hostname:web-1:82 192.168.1.102:3\n");
    /* one id below three names: three records */
    fx_label(&fx, "SERVICE_ID", "x");
    fx_expect(&fx, "80/tcp 0.0.0.0:1 = web-80 x 192.168.1.102:1\n"
                   "81/udp 0.0.0.0:2 = web-81 x 192.168.1.102:2 <udp>\n"
                   "82/sctp 0.0.0.0:3 = web-82 x 192.168.1.102:3\n");
}

static void test_twins(void **state)
{
    struct fx fx;
    init(&fx);
    fx_publish(&fx, 53, SERVICE_TCP, 1);
    fx_publish(&fx, 53, SERVICE_UDP, 2);
    fx_label(&fx, "SERVICE_ID", "x");
    fx_expect_reasons(&fx,
                      "53/tcp 0.0.0.0:1 = web-53 x 192.168.1.102:1\n"
                      "  because published on 0.0.0.0:1; name from the image, and the port, as "
                      "there are several\n"
                      "53/udp 0.0.0.0:2 -\n  because another port has its id \"x\" already\n"
                      "warning: port 53: another port has its id \"x\" already\n");
}

/* ---- state ---- */

static void test_exit_codes(void **state)
{
    static const struct {
        int code;
        bool kept;
    } rows[] = {{0, false},   {1, true},    {2, true},    {127, true},
                {128, false}, {137, false}, {143, false}, {255, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int mode = 0; mode < 4; mode++) {
            struct fx fx;
            struct mapping_result r;
            init(&fx);
            /* EXPOSE ports of what has died must not look published */
            fx_publish(&fx, 80, SERVICE_TCP, 8000);
            fx.spec.running = false;
            fx.spec.restarting = mode & 2;
            fx.spec.exit_code = rows[i].code;
            fx.o.deregister = mode & 1 ? MAPPING_DEREGISTER_ON_SUCCESS : MAPPING_DEREGISTER_ALWAYS;
            fx_map(&fx, &r);
            if (r.n_services != 0 || r.keep_stopped != (rows[i].kept && (mode & 1))) {
                fail_msg("exit code %d, mode %d: %s", rows[i].code, mode, r.verdicts[0].reason);
            }
            mapping_result_deinit(&r);
        }
    }
}

#define WEB "80/tcp 0.0.0.0:8000 = web hostname:web-1:80 192.168.1.102:8000"

static void test_paused_is_running(void **state)
{
    struct fx fx;
    init(&fx);
    fx_publish(&fx, 80, SERVICE_TCP, 8000);
    fx.spec.paused = true;
    fx_expect(&fx, WEB "\n");
}

static void test_health_never_gates(void **state)
{
    static const struct {
        enum container_health health;
        const char *want;
    } rows[] = {{CONTAINER_HEALTH_NONE, WEB "\n"},
                {CONTAINER_HEALTH_HEALTHY, WEB "\n"},
                {CONTAINER_HEALTH_STARTING, WEB " critical\n"},
                {CONTAINER_HEALTH_UNHEALTHY, WEB " critical\n"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int mode = MAPPING_HEALTH_GATE; mode <= MAPPING_HEALTH_IGNORE; mode++) {
            struct fx fx;
            init(&fx);
            fx_publish(&fx, 80, SERVICE_TCP, 8000);
            fx.spec.health = rows[i].health;
            fx.o.health = (enum mapping_health)mode;
            fx_expect(&fx, rows[i].want);
        }
    }
}

static void test_nothing_exposed(void **state)
{
    struct fx fx;
    init(&fx);
    fx_label(&fx, "SERVICE_PORTS", "80"); /* native only */
    fx_expect_reasons(&fx, "container -\n  because exposes no ports\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_service),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_several_services),
        cmocka_unit_test(test_group_counts_what_is_ignored),
        cmocka_unit_test(test_group_counts_what_is_not_explicit),
        cmocka_unit_test(test_group_of_tcp_and_udp),
        cmocka_unit_test(test_group_leaves_out_what_is_not_published),
        cmocka_unit_test(test_bindings_are_no_group),
        cmocka_unit_test(test_suffix),
        cmocka_unit_test(test_name_of_image),
        cmocka_unit_test(test_names_and_ids_are_kept_or_refused),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_paused_is_running),
        cmocka_unit_test(test_health_never_gates),
        cmocka_unit_test(test_nothing_exposed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
