/*
 * The worked examples of Registrator's documentation, with what the native form makes of them: names
 * and ids are the same, tags are in written order.
 */
#include "fixture.h"

static void redis(struct fx *fx)
{
    fx_init(fx);
    fx->o.node = "hostname";
    fx->spec.name = "redis.0";
    fx->spec.image = "progrium/redis";
    fx_publish(fx, 6379, SERVICE_TCP, 10000);
}

static void test_single_service(void **state)
{
    struct fx fx;
    redis(&fx);
    fx_expect(&fx, "6379/tcp 0.0.0.0:10000 = redis hostname:redis.0:6379 192.168.1.102:10000\n");
}

static void test_single_service_with_metadata(void **state)
{
    const char *want = "6379/tcp 0.0.0.0:10000 = db hostname:redis.0:6379 192.168.1.102:10000 "
                       "<master> <backups> region=us2\n";
    struct fx fx;
    redis(&fx);
    fx_env(&fx, "SERVICE_NAME", "db");
    fx_env(&fx, "SERVICE_TAGS", "master,backups");
    fx_env(&fx, "SERVICE_REGION", "us2");
    fx_expect(&fx, want);

    redis(&fx);
    fx_label(&fx, "SERVICE_NAME", "db");
    fx_label(&fx, "SERVICE_TAGS", "master,backups");
    fx_label(&fx, "SERVICE_REGION", "us2");
    fx_expect(&fx, want);
}

static void test_single_service_with_odd_tags(void **state)
{
    struct fx fx;
    redis(&fx);
    fx_env(&fx, "SERVICE_NAME", "db");
    fx_env(&fx, "SERVICE_TAGS", "/(;\\,:-_)/");
    fx_env(&fx, "SERVICE_REGION", "us2");
    fx_expect(&fx, "6379/tcp 0.0.0.0:10000 = db hostname:redis.0:6379 192.168.1.102:10000 "
                   "</(;,:-_)/> region=us2\n");
}

static void nginx(struct fx *fx)
{
    fx_init(fx);
    fx->o.node = "hostname";
    fx->spec.name = "nginx.0";
    fx->spec.image = "progrium/nginx";
    fx_publish(fx, 443, SERVICE_TCP, 4443);
    fx_publish(fx, 80, SERVICE_TCP, 8000);
}

static void test_several_services(void **state)
{
    struct fx fx;
    nginx(&fx);
    fx_expect(&fx, "80/tcp 0.0.0.0:8000 = nginx-80 hostname:nginx.0:80 192.168.1.102:8000\n"
                   "443/tcp 0.0.0.0:4443 = nginx-443 hostname:nginx.0:443 192.168.1.102:4443\n");
}

static void test_several_services_with_metadata(void **state)
{
    struct fx fx;
    nginx(&fx);
    fx_env(&fx, "SERVICE_443_NAME", "https");
    fx_env(&fx, "SERVICE_443_ID", "https.12345");
    fx_env(&fx, "SERVICE_443_SNI", "enabled");
    fx_env(&fx, "SERVICE_80_NAME", "http");
    fx_env(&fx, "SERVICE_TAGS", "www");
    fx_expect(&fx,
              "80/tcp 0.0.0.0:8000 = http hostname:nginx.0:80 192.168.1.102:8000 <www>\n"
              "443/tcp 0.0.0.0:4443 = https https.12345 192.168.1.102:4443 <www> sni=enabled\n");
}

static void test_random_port(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx.o.node = "hostname";
    fx.spec.name = "redis.0";
    fx.spec.image = "progrium/redis";
    fx_publish(&fx, 80, SERVICE_TCP, 49153);
    fx_env(&fx, "SERVICE_80_NAME", "www");
    fx_expect(&fx, "80/tcp 0.0.0.0:49153 = www hostname:redis.0:80 192.168.1.102:49153\n");
}

/* One label of a list without a port counts for all, an equal variable does not count beside it. */
static void test_label_over_variable(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_publish(&fx, 1234, SERVICE_TCP, 1234);
    fx_env(&fx, "SERVICE_FOO", "b");
    fx_env(&fx, "SERVICE_BAR", "c");
    fx_env(&fx, "SERVICE_1234_FOO", "e");
    fx_label(&fx, "SERVICE_FOO", "a");
    fx_publish(&fx, 1235, SERVICE_TCP, 1235);
    fx_expect(&fx,
              "1234/tcp 0.0.0.0:1234 = web-1234 node1:web-1:1234 192.168.1.102:1234 bar=c foo=e\n"
              "1235/tcp 0.0.0.0:1235 = web-1235 node1:web-1:1235 192.168.1.102:1235 bar=c "
              "foo=a\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_service),
        cmocka_unit_test(test_single_service_with_metadata),
        cmocka_unit_test(test_single_service_with_odd_tags),
        cmocka_unit_test(test_several_services),
        cmocka_unit_test(test_several_services_with_metadata),
        cmocka_unit_test(test_random_port),
        cmocka_unit_test(test_label_over_variable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
