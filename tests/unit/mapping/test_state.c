/*
 * Running or not, healthy or not, signals; and the filters, which are asked before.
 */
#include "fixture.h"

#include <signal.h>

static void init(struct fx *fx)
{
    fx_init(fx);
    fx_publish(fx, 80, SERVICE_TCP, 8000);
}

#define REGISTERED "80/tcp 0.0.0.0:8000 = web node1:web-1:80 192.168.1.102:8000"
#define BECAUSE    "\n  because published on 0.0.0.0:8000; name from the image"

/* ---- state ---- */

static void test_exit_codes(void **state)
{
    static const struct {
        int code;
        bool kept; /* with --deregister on-success */
    } rows[] = {{0, false},   {1, true},    {2, true},    {126, true},  {127, true},
                {128, false}, {137, false}, {143, false}, {255, false}, {-1, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int mode = 0; mode < 4; mode++) {
            struct fx fx;
            struct mapping_result r;
            init(&fx); /* ports and addresses can outlive a container with live-restore */
            fx.spec.running = false;
            fx.spec.restarting = mode & 2;
            fx.spec.exit_code = rows[i].code;
            fx.o.deregister = mode & 1 ? MAPPING_DEREGISTER_ON_SUCCESS : MAPPING_DEREGISTER_ALWAYS;
            fx_map(&fx, &r);
            assert_int_equal(r.n_services, 0);
            assert_int_equal(r.n_verdicts, 1);
            assert_int_equal(r.verdicts[0].port, 0);
            if (r.keep_stopped != (rows[i].kept && (mode & 1))) {
                fail_msg("exit code %d, mode %d: %s", rows[i].code, mode, r.verdicts[0].reason);
            }
            mapping_result_deinit(&r);
        }
    }
}

static void test_not_running(void **state)
{
    struct fx fx;
    init(&fx);
    fx.spec.running = false;
    fx.spec.exit_code = 1;
    fx_expect_reasons(&fx, "container -\n  because the container is not running (exit code 1)\n");
    fx.o.deregister = MAPPING_DEREGISTER_ON_SUCCESS;
    fx_expect_reasons(&fx,
                      "container -\n  because the container is not running (exit code 1); what it "
                      "registered stays (--deregister on-success)\nkept\n");
    fx.spec.restarting = true;
    fx_expect_reasons(&fx,
                      "container -\n  because the container is waiting to be restarted (exit code "
                      "1); what it registered stays (--deregister on-success)\nkept\n");
    fx.spec.started_at = "0001-01-01T00:00:00Z";
    fx.spec.exit_code = 127;
    fx_expect_reasons(&fx, "container -\n  because the container was never started\n");
}

static void test_paused(void **state)
{
    struct fx fx;
    init(&fx);
    fx.spec.paused = true;
    fx.o.deregister = MAPPING_DEREGISTER_ON_SUCCESS;
    fx_expect_reasons(&fx, "container -\n  because the container is paused\n");
}

static void test_health(void **state)
{
    static const struct {
        enum container_health health;
        enum mapping_health mode;
        const char *want;
    } rows[] = {
        {CONTAINER_HEALTH_NONE, MAPPING_HEALTH_GATE, REGISTERED BECAUSE "\n"},
        {CONTAINER_HEALTH_HEALTHY, MAPPING_HEALTH_GATE, REGISTERED BECAUSE "\n"},
        {CONTAINER_HEALTH_STARTING, MAPPING_HEALTH_GATE,
         "container -\n  because its health check says starting (--health gate)\n"},
        {CONTAINER_HEALTH_UNHEALTHY, MAPPING_HEALTH_GATE,
         "container -\n  because its health check says unhealthy (--health gate)\n"},
        {CONTAINER_HEALTH_NONE, MAPPING_HEALTH_MARK, REGISTERED BECAUSE "\n"},
        {CONTAINER_HEALTH_HEALTHY, MAPPING_HEALTH_MARK, REGISTERED BECAUSE "\n"},
        {CONTAINER_HEALTH_STARTING, MAPPING_HEALTH_MARK,
         REGISTERED " critical" BECAUSE "; critical, its health check says starting\n"},
        {CONTAINER_HEALTH_UNHEALTHY, MAPPING_HEALTH_MARK,
         REGISTERED " critical" BECAUSE "; critical, its health check says unhealthy\n"},
        {CONTAINER_HEALTH_STARTING, MAPPING_HEALTH_IGNORE, REGISTERED BECAUSE "\n"},
        {CONTAINER_HEALTH_UNHEALTHY, MAPPING_HEALTH_IGNORE, REGISTERED BECAUSE "\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        init(&fx);
        fx.spec.health = rows[i].health;
        fx.o.health = rows[i].mode;
        fx_expect_reasons(&fx, rows[i].want);
    }
}

static void test_signals(void **state)
{
    static const struct {
        int stop_signal, signal;
        bool stops;
    } rows[] = {{SIGTERM, SIGTERM, true},   {SIGTERM, SIGINT, true},    {SIGTERM, SIGQUIT, true},
                {SIGTERM, SIGKILL, true},   {SIGTERM, SIGHUP, false},   {SIGTERM, SIGUSR1, false},
                {SIGUSR1, SIGUSR1, true},   {SIGWINCH, SIGWINCH, true}, {SIGWINCH, SIGTERM, true},
                {SIGTERM, SIGWINCH, false}, {SIGTERM, 0, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        init(&fx);
        fx.spec.stop_signal = rows[i].stop_signal;
        CLEANUP_CONTAINER struct container *c = fx_container(&fx);
        if (mapping_signal_stops(c, rows[i].signal) != rows[i].stops) {
            fail_msg("stop signal %d, signal %d", rows[i].stop_signal, rows[i].signal);
        }
    }
}

/* ---- filters ---- */

static void test_filter_check(void **state)
{
    static const char *const good[] = {
        "label=a",    "label=a=b",     "label=a=",     "label=a=b=c*",
        "name=web-*", "network=front", "image=*nginx*"};
    static const char *const bad[] = {"",       "label", "label=",  "label==x", "name=", "network=",
                                      "image=", "id=x",  "Label=a", "web",      "=x"};
    struct err e;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        err_reset(&e);
        if (mapping_filter_check(good[i], &e) != 0) {
            fail_msg("\"%s\": %s", good[i], e.msg);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err_reset(&e);
        if (mapping_filter_check(bad[i], &e) != -EINVAL || e.class != ERR_INVALID ||
            !strstr(e.msg, "label=NAME") || !strstr(e.msg, bad[i])) {
            fail_msg("\"%s\": %s", bad[i], e.msg);
        }
    }
}

static void test_filters(void **state)
{
    static const struct {
        const char *filters[4];
        bool matches;
    } rows[] = {
        {{"name=web-1"}, true},
        {{"name=web"}, false},
        {{"name=web-[0-9]"}, true},
        {{"name=a*", "name=w*"}, true},
        {{"name=a*", "name=b*"}, false},
        {{"image=nginx"}, true},
        {{"image=nginx:1.25"}, true},
        {{"image=nginx:1.2"}, false},
        {{"image=*"}, true},
        {{"network=back"}, true},
        {{"network=fr*"}, true},
        {{"network=host"}, false},
        {{"label=team"}, true},
        {{"label=team="}, false},
        {{"label=team=shop"}, true},
        {{"label=team=s*"}, true},
        {{"label=tea"}, false},
        {{"label=team2"}, false},
        {{"label=empty="}, true},
        {{"label=empty"}, true},
        {{"label=eq=a=b"}, true},
        {{"label=team=shop", "label=team=other"}, true},
        {{"label=team=other", "label=team=shop"}, true},
        {{"label=team=x", "label=team=y"}, false},
        {{"label=team=shop", "label=env=prod"}, true},
        {{"label=team=shop", "label=env=test"}, false},
        {{"name=web-1", "label=env=prod", "network=back", "image=nginx"}, true},
        {{"name=web-1", "label=env=prod", "network=back", "image=httpd"}, false},
        {{"name=x", "label=env=prod"}, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fx fx;
        struct mapping_result r;
        init(&fx);
        fx.spec.image = "nginx:1.25";
        fx_network(&fx, "front", "172.18.0.3", "");
        fx_network(&fx, "back", "172.19.0.2", "");
        fx_label(&fx, "team", "shop");
        fx_label(&fx, "env", "prod");
        fx_label(&fx, "empty", "");
        fx_label(&fx, "eq", "a=b");
        for (size_t j = 0; j < 4 && rows[i].filters[j]; j++) {
            fx_filter(&fx, rows[i].filters[j]);
        }
        fx_map(&fx, &r);
        if ((r.n_services == 1) != rows[i].matches) {
            fail_msg("row %zu (%s): %s", i, rows[i].filters[0], r.verdicts[0].reason);
        }
        mapping_result_deinit(&r);
    }
}

static void test_filter_reasons(void **state)
{
    struct fx fx;
    init(&fx);
    fx_filter(&fx, "name=web-1");
    fx_filter(&fx, "label=team=x");
    fx_expect_reasons(&fx, "container -\n  because --filter label=team=x does not match it\n");
    fx_filter(&fx, "label=team=y");
    fx_expect_reasons(&fx,
                      "container -\n  because --filter label=team=x does not match it, nor does "
                      "another filter of this kind\n");
    /* What is not looked at does not stay either. */
    fx.spec.running = false;
    fx.spec.exit_code = 1;
    fx.o.deregister = MAPPING_DEREGISTER_ON_SUCCESS;
    fx_expect(&fx, "container -\n");
}

static void test_filter_on_images_with_registry_and_digest(void **state)
{
    struct fx fx;
    init(&fx);
    fx.spec.image = "reg.example:5000/team/web:1.2@sha256:0123";
    fx_filter(&fx, "image=reg.example:5000/team/web");
    fx_expect(&fx, REGISTERED "\n");
    fx.filters[0] = "image=*/web";
    fx_expect(&fx, REGISTERED "\n");
    fx.filters[0] = "image=*:1.2@*";
    fx_expect(&fx, REGISTERED "\n");
    fx.filters[0] = "image=web";
    fx_expect(&fx, "container -\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_not_running),
        cmocka_unit_test(test_paused),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_filter_check),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_filter_reasons),
        cmocka_unit_test(test_filter_on_images_with_registry_and_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
