/*
 * A container is a copy of its spec in one block.
 */
#include "base/alloc.h"
#include "model/container.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void copies_everything(void **state)
{
    char value[] = "v1";
    const struct container_kv env[] = {
        {"SERVICE_NAME", "a"}, {"SERVICE_TAGS", ""}, {"SERVICE_NAME", value}};
    const struct container_kv labels[] = {{"com.x", "1"}, {"com.y", "2"}};
    const struct container_port ports[] = {
        {.port = 80, .proto = SERVICE_TCP, .host_port = 8080, .host_ip = "0.0.0.0"},
        {.port = 53, .proto = SERVICE_UDP, .host_port = 0, .host_ip = ""}};
    const struct container_network networks[] = {
        {.name = "bridge", .ipv4 = "172.17.0.2", .ipv6 = "", .own_address = true},
        {.name = "front", .ipv4 = "", .ipv6 = "fd00::2"}};
    const struct container_spec spec = {.id = "c0ffee",
                                        .name = "web",
                                        .image = "nginx:1",
                                        .hostname = "h",
                                        .network_mode = "default",
                                        .started_at = "2026-01-02T03:04:05Z",
                                        .error = "",
                                        .env = env,
                                        .n_env = 3,
                                        .labels = labels,
                                        .n_labels = 2,
                                        .ports = ports,
                                        .n_ports = 2,
                                        .networks = networks,
                                        .n_networks = 2,
                                        .running = true,
                                        .health = CONTAINER_HEALTH_STARTING,
                                        .exit_code = 137,
                                        .stop_signal = 3,
                                        .stop_timeout_s = 10};
    struct container *c = container_new(&spec);
    value[0] = 'X';
    assert_string_equal(c->s.id, "c0ffee");
    assert_string_equal(c->s.name, "web");
    assert_string_equal(c->s.image, "nginx:1");
    assert_string_equal(c->s.hostname, "h");
    assert_string_equal(c->s.network_mode, "default");
    assert_string_equal(c->s.started_at, "2026-01-02T03:04:05Z");
    assert_string_equal(c->s.error, "");
    assert_true(c->s.running);
    assert_int_equal(c->s.exit_code, 137);
    assert_int_equal(c->s.health, CONTAINER_HEALTH_STARTING);

    assert_string_equal(container_label(c, "com.y"), "2");
    assert_null(container_label(c, "com.z"));
    assert_string_equal(container_network(c, "front")->ipv6, "fd00::2");
    assert_string_equal(container_network(c, "bridge")->ipv4, "172.17.0.2");
    assert_true(container_network(c, "bridge")->own_address);
    assert_false(container_network(c, "front")->own_address);
    assert_null(container_network(c, "back"));
    assert_int_equal(c->s.ports[0].host_port, 8080);
    assert_string_equal(c->s.ports[0].host_ip, "0.0.0.0");
    assert_int_equal(c->s.ports[1].proto, SERVICE_UDP);
    assert_string_equal(c->s.ports[1].host_ip, "");
    assert_null(container_free(c));
    assert_null(container_free(NULL));
}

static void takes_an_empty_one(void **state)
{
    const struct container_spec spec = {.id = "",
                                        .name = "",
                                        .image = "",
                                        .hostname = "",
                                        .network_mode = "",
                                        .started_at = "",
                                        .error = ""};
    struct container *c CLEANUP_CONTAINER = container_new(&spec);
    assert_null(container_label(c, "a"));
    assert_null(container_network(c, "a"));
}

static void names_health(void **state)
{
    assert_string_equal(container_health_name(CONTAINER_HEALTH_NONE), "none");
    assert_string_equal(container_health_name(CONTAINER_HEALTH_UNHEALTHY), "unhealthy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_everything),
        cmocka_unit_test(takes_an_empty_one),
        cmocka_unit_test(names_health),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
