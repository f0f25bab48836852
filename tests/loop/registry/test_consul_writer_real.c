/*
 * The Consul writer against a real Consul: that what it registers is listed as it was meant, for every
 * kind of check; restarts with and without data; TTLs in real time; tokens with few rights.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "lib/consul_daemon.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"
#include "registry/consul_writer.h"

#define NODE      "n1"
#define ID        NODE ":10.0.0.5:80" /* of keeper_want() */
#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOT      "11111111-2222-3333-4444-555555555555"
#define FEW       "22222222-2222-3333-4444-555555555555"
#define FEW_ID    "33333333-2222-3333-4444-555555555555" /* by which it is changed */

struct fixture {
    struct consul_daemon consul;
    struct io *io;
    struct keeper k;
};

static int up(void **state, bool keeps_data, const char *token, const char *hcl)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    f->consul.token = token;
    consul_daemon_start(&f->consul, keeps_data, hcl);
    f->io = loop_open();
    *state = f;
    return 0;
}

static int up_dev(void **state)
{
    return up(state, false, NULL, "enable_script_checks = true");
}

static int up_no_scripts(void **state)
{
    return up(state, false, NULL, NULL);
}

static int up_data(void **state)
{
    return up(state, true, NULL, NULL);
}

static int up_acl(void **state)
{
    return up(state, false, ROOT,
              "acl { enabled = true, default_policy = \"deny\", tokens { master = \"" ROOT
              "\", agent = \"" ROOT "\" } }");
}

static int down(void **state)
{
    struct fixture *f = *state;
    if (f->k.writer) {
        keeper_close(&f->k, false);
    }
    loop_close(f->io);
    consul_daemon_stop(&f->consul);
    free(f);
    return 0;
}

static void keep(struct fixture *f, unsigned ttl_s)
{
    keeper_open(&f->k, f->io, &registry_consul, &f->consul.uri, NODE, ttl_s, false);
}

static void want(struct fixture *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        keeper_want(&f->k, NODE, "web", "10.0.0.5", (uint16_t)(80 + i));
    }
}

static void want_attrs(struct fixture *f, const char *id, enum service_status status,
                       const struct service_attr *attrs, size_t n)
{
    static const char *const tags[] = {"b", "a", "with blank"};
    keeper_want_spec(&f->k, &(struct service_spec){.name = "web",
                                                   .id = id,
                                                   .node = NODE,
                                                   .container = CONTAINER,
                                                   .host = "127.0.0.1",
                                                   .port = 1,
                                                   .status = status,
                                                   .weight = 7,
                                                   .tags = tags,
                                                   .n_tags = ARRAY_LEN(tags),
                                                   .attrs = attrs,
                                                   .n_attrs = n});
}

static void want_ttl(struct fixture *f, const char *ttl, enum service_status status)
{
    want_attrs(f, ID, status, &(struct service_attr){.key = "check_ttl", .value = ttl}, 1);
}

static bool live(const struct keeper *k)
{
    struct buf out = BUF_INIT(4096);
    k->driver->writer->describe(k->writer, &out);
    bool found = strstr(buf_str(&out), "\"hint\":\"live\"") != NULL;
    buf_deinit(&out);
    return found;
}

/* The agent's own listing has the service, or the check with this status. */
static bool has(const struct fixture *f, const char *id)
{
    CLEANUP_FREE char *text = consul_do(&f->consul, HTTP_GET, "/v1/agent/services");
    struct err e = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    assert_int_equal(json_parse(&j, text, strlen(text), &e), 0);
    return json_get(j, id) != NULL;
}

static size_t check_count(const struct fixture *f)
{
    CLEANUP_FREE char *text = consul_do(&f->consul, HTTP_GET, "/v1/agent/checks");
    struct err e = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    assert_int_equal(json_parse(&j, text, strlen(text), &e), 0);
    return json_size(j);
}

static void assert_status(const struct fixture *f, const char *check_id, const char *status)
{
    CLEANUP_FREE char *text = consul_do(&f->consul, HTTP_GET, "/v1/agent/checks");
    struct err e = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    assert_int_equal(json_parse(&j, text, strlen(text), &e), 0);
    if (!streq(json_str(json_get(j, check_id), "Status", "none"), status)) {
        fail_msg("%s is not %s: %s", check_id, status, text);
    }
}

/* Nothing to do: it turns the loop. */
static void on_tick(struct io_timer *t)
{
    assert_false(t->armed);
}

/* By other hands, once a listing has shown it; how long it takes to be healed, and that nothing else is
 * written. */
static void removed_and_healed(struct fixture *f, const char *id, msec_t most)
{
    unsigned puts = f->k.puts;
    loop_until(f->io, !consul_known_find(&f->k.writer->services, id)->unverified);
    msec_t since = io_now(f->io);
    consul_put(&f->consul, "/v1/agent/service/deregister/%s", id);
    loop_until(f->io, f->k.puts > puts && keeper_settled(&f->k));
    assert_in_range(io_now(f->io) - since, 0, most);
    assert_true(has(f, id));
    assert_int_equal(f->k.puts, puts + 1);
}

/* The agent's listing has the check with this status again. */
static void check_healed(struct fixture *f, unsigned puts, const char *id, const char *status)
{
    msec_t since = io_now(f->io);
    loop_until(f->io, f->k.puts > puts && keeper_settled(&f->k));
    assert_in_range(io_now(f->io) - since, 0, 2500);
    assert_status(f, id, status);
}

/* ---- */

static void every_check_is_listed_as_it_was_meant(void **state)
{
    struct fixture *f = *state;
    static const struct service_attr attrs[] = {
        {.key = "check_http", .value = "/health"},
        {.key = "check_http_header", .value = "X-A: b"},
        {.key = "check_https", .value = "/secure"},
        {.key = "check_tls_skip_verify", .value = "true"},
        {.key = "check_tcp", .value = "true"},
        {.key = "check_grpc", .value = "true"},
        {.key = "check_ttl", .value = "90m"},
        {.key = "check_script", .value = "true $SERVICE_IP"},
        {.key = "check_docker", .value = "/bin/true"},
        {.key = "check_interval", .value = "1h"},
        {.key = "check_timeout", .value = "3s"},
        {.key = "check_deregister_after", .value = "48h"},
        {.key = "region", .value = "eu \xc3\xa4 <&> \"q\""},
    };
    keep(f, 30);
    want_attrs(f, ID, SERVICE_PASSING, attrs, ARRAY_LEN(attrs));
    want_ttl(f, "1h", SERVICE_PASSING); /* another definition with the same check id */
    want_attrs(f, ID, SERVICE_PASSING, attrs, ARRAY_LEN(attrs));
    want_attrs(f, NODE ":plain:80", SERVICE_PASSING, NULL, 0);
    want_attrs(f, NODE ":sick:80", SERVICE_WARNING, NULL, 0);
    loop_until(f->io, keeper_settled(&f->k) && live(&f->k));
    if (f->k.failures) {
        fail_msg("%s", f->k.last.msg);
    }
    unsigned puts = f->k.puts;
    assert_int_equal(check_count(f), 7 + 1); /* and that of the sick one */
    keeper_close(&f->k, false);

    keep(f, 30); /* the next run finds nothing to write */
    want_attrs(f, ID, SERVICE_PASSING, attrs, ARRAY_LEN(attrs));
    want_attrs(f, NODE ":plain:80", SERVICE_PASSING, NULL, 0);
    want_attrs(f, NODE ":sick:80", SERVICE_WARNING, NULL, 0);
    loop_until(f->io, keeper_settled(&f->k) && live(&f->k));
    assert_int_equal(f->k.puts, 0);
    assert_true(puts >= 3);
    removed_and_healed(f, NODE ":plain:80", 2000);
    removed_and_healed(f, ID, 2000);
    keeper_close(&f->k, true);
    assert_int_equal(check_count(f), 0);
    assert_false(has(f, ID));
}

static void restarted_without_data(void **state)
{
    struct fixture *f = *state;
    keep(f, 30);
    want(f, 70);
    loop_until(f->io, keeper_settled(&f->k) && live(&f->k));
    assert_int_equal(f->k.puts, 70);
    msec_t since = io_now(f->io);
    consul_daemon_kill(&f->consul, SIGKILL);
    loop_until(f->io, !f->k.ready); /* at once, by the query that broke */
    assert_in_range(io_now(f->io) - since, 0, 1000);
    consul_daemon_again(&f->consul);
    io_update_time(f->io);
    since = io_now(f->io);
    loop_until(f->io, keeper_settled(&f->k));
    assert_in_range(io_now(f->io) - since, 0, 2000);
    assert_true(has(f, ID));
    assert_int_equal(f->k.puts, 140);
    assert_int_equal(f->k.unreadies, 1);
    assert_int_equal(f->k.failures, 0);
}

static void restarted_with_data(void **state)
{
    struct fixture *f = *state;
    keep(f, 30);
    want(f, 20);
    want_ttl(f, "1h", SERVICE_PASSING);
    loop_until(f->io, keeper_settled(&f->k) && live(&f->k));
    unsigned puts = f->k.puts;
    consul_daemon_kill(&f->consul, SIGTERM);
    loop_until(f->io, !f->k.ready);
    consul_daemon_again(&f->consul);
    loop_until(f->io, keeper_settled(&f->k) && live(&f->k));
    assert_int_equal(f->k.puts, puts);
    assert_int_equal(f->k.unreadies, 1);
    assert_status(f, "service:" ID ":ttl", "passing");
    removed_and_healed(f, NODE ":10.0.0.5:81", 2000);
}

static void ttl_in_real_time(void **state)
{
    struct fixture *f = *state;
    keep(f, 30);
    want_ttl(f, "2s", SERVICE_PASSING);
    loop_until(f->io, keeper_settled(&f->k));
    for (unsigned i = 0; i < 10; i++) { /* for five seconds, it would have run out twice */
        msec_t until = io_now(f->io) + 500;
        struct io_timer tick = {0};
        io_timer_start(f->io, &tick, 500, on_tick);
        loop_until(f->io, io_now(f->io) >= until);
        assert_status(f, "service:" ID ":ttl", "passing");
    }
    want_ttl(f, "2s", SERVICE_CRITICAL); /* a registration resets no check */
    loop_until(f->io, keeper_settled(&f->k));
    assert_status(f, "service:" ID ":ttl", "critical");
    want_ttl(f, "2s", SERVICE_PASSING);
    loop_until(f->io, keeper_settled(&f->k));
    assert_status(f, "service:" ID ":ttl", "passing");

    unsigned puts = f->k.puts; /* 3, unless a starved machine let the check run out */
    consul_put(&f->consul, "/v1/agent/check/deregister/service:" ID ":ttl");
    loop_until(f->io, f->k.puts > puts && keeper_settled(&f->k)); /* the next renewal noticed */
    assert_status(f, "service:" ID ":ttl", "passing");
}

/* What operators add is not lost with the next registration; what we added before is. */
static void other_checks_stay(void **state)
{
    struct fixture *f = *state;
    keep(f, 30);
    want_ttl(f, "1h", SERVICE_PASSING);
    loop_until(f->io, keeper_settled(&f->k) && live(&f->k));
    consul_put(&f->consul, "/v1/agent/service/maintenance/" ID "?enable=true");
    consul_put(&f->consul,
               "/v1/agent/check/register "
               "{\"ID\":\"hand\",\"Name\":\"hand\",\"ServiceID\":\"" ID "\",\"TTL\":\"1h\"}");
    assert_int_equal(check_count(f), 3);
    want_ttl(f, "1h", SERVICE_WARNING);
    loop_until(f->io, keeper_settled(&f->k));
    assert_int_equal(check_count(f), 3);
    assert_status(f, "_service_maintenance:" ID, "critical");
    want_attrs(f, ID, SERVICE_PASSING, NULL, 0);
    loop_until(f->io, keeper_settled(&f->k));
    assert_int_equal(check_count(f), 2);
    assert_status(f, "hand", "critical");
    assert_int_equal(f->k.puts, 3);
    assert_int_equal(f->k.failures, 0);
}

/* No check of these is renewed for a long time: only a query can tell of it. */
static void checks_by_other_hands(void **state)
{
    struct fixture *f = *state;
    keep(f, 30);
    want_ttl(f, "1h", SERVICE_PASSING);
    keeper_want_spec(&f->k, &(struct service_spec){.name = "down",
                                                   .id = NODE ":down:80",
                                                   .node = NODE,
                                                   .host = "10.0.0.6",
                                                   .port = 80,
                                                   .weight = 0});
    loop_until(f->io, keeper_settled(&f->k) && live(&f->k));
    loop_until(f->io, !consul_known_find(&f->k.writer->services, ID)->unverified);
    unsigned puts = f->k.puts;
    consul_put(&f->consul, "/v1/agent/check/deregister/service:" ID ":ttl");
    check_healed(f, puts, "service:" ID ":ttl", "passing");
    consul_put(&f->consul, "/v1/agent/check/fail/service:" ID ":ttl");
    check_healed(f, puts + 1, "service:" ID ":ttl", "passing");
    consul_put(&f->consul, "/v1/agent/check/pass/service:" NODE ":down:80:weight");
    check_healed(f, puts + 2, "service:" NODE ":down:80:weight", "critical");
    assert_int_equal(f->k.puts, puts + 3);
    assert_int_equal(f->k.troubles, 0);
}

/* Each takes what the other wants for a rest of its own. */
static void two_agents_of_one_name(void **state)
{
    struct fixture *f = *state;
    struct keeper other = {0};
    keep(f, 30);
    keeper_open(&other, f->io, &registry_consul, &f->consul.uri, NODE, 30, false);
    keeper_want(&f->k, NODE, "web", "10.0.0.5", 80);
    keeper_want(&other, NODE, "web", "10.0.0.5", 81);
    loop_until(f->io, f->k.troubles + other.troubles > 0);
    const struct err *told = f->k.troubles ? &f->k.trouble : &other.trouble;
    if (!strstr(told->msg, "another agent with node name " NODE)) {
        fail_msg("%s", told->msg);
    }
    unsigned writes = f->k.puts + f->k.deletes + other.puts + other.deletes;
    struct io_timer tick = {0};
    msec_t until = io_now(f->io) + 5000;
    io_timer_start(f->io, &tick, 5000, on_tick);
    loop_until(f->io, io_now(f->io) >= until);
    writes = f->k.puts + f->k.deletes + other.puts + other.deletes - writes;
    assert_in_range(writes, 0, 4); /* instead of four a second */
    assert_in_range(f->k.troubles, 0, 1);
    assert_in_range(other.troubles, 0, 1);
    keeper_close(&other, false);
}

static void scripts_are_refused(void **state)
{
    struct fixture *f = *state;
    struct service_attr attr = {.key = "check_script", .value = "true"};
    keep(f, 30);
    want(f, 1);
    want_attrs(f, NODE ":script:80", SERVICE_PASSING, &attr, 1);
    loop_until(f->io, f->k.failures >= 2); /* Consul's settings may change: tried again */
    assert_int_equal(f->k.last.class, ERR_TRANSIENT);
    assert_non_null(strstr(f->k.last.msg, "enable_script_checks"));
    assert_true(f->k.ready); /* and the others go on */
    assert_true(has(f, ID));
    keeper_unwant(&f->k, NODE, "web", "script", 80);
    loop_until(f->io, keeper_settled(&f->k));
}

static void few_rights(void **state)
{
    struct fixture *f = *state;
    consul_put(&f->consul, "/v1/acl/policy {\"Name\":\"p\",\"Rules\":\"service_prefix \\\"web\\\" "
                           "{ policy = \\\"write\\\" }\"}");
    consul_put(&f->consul,
               "/v1/acl/token {\"SecretID\":\"" FEW "\",\"Policies\":[{\"Name\":\"p\"}]}");
    f->consul.uri.credentials.token = xstrdup(FEW);
    keep(f, 5);
    want(f, 2);
    loop_until(f->io, keeper_settled(&f->k));
    assert_int_equal(f->k.puts, 2);
    /* without agent:read nor node:read, changes are heard of all the same */
    loop_until(f->io, live(&f->k));
    removed_and_healed(f, ID, 2500);
    removed_and_healed(f, ID, 2500);
    assert_true(live(&f->k));
    assert_int_equal(f->k.unreadies, 0);

    consul_put(&f->consul, "/v1/agent/service/deregister/" ID);
    keeper_unwant(&f->k, NODE, "web", "10.0.0.5", 80); /* 500 "Unknown service" is as good */
    loop_until(f->io, keeper_settled(&f->k));
    assert_int_equal(f->k.failures, 0);

    keeper_want(&f->k, NODE, "api", "10.0.0.9", 80);
    loop_until(f->io, f->k.failures >= 2); /* tried again */
    assert_int_equal(f->k.last.class, ERR_AUTH);
    assert_non_null(strstr(f->k.last.msg, "service:write on api"));
    assert_true(f->k.ready);
    assert_true(has(f, NODE ":10.0.0.5:81"));
}

static void rights_are_taken_away(void **state)
{
    struct fixture *f = *state;
    consul_put(&f->consul, "/v1/acl/policy {\"Name\":\"w\",\"Rules\":\"service_prefix \\\"\\\" "
                           "{ policy = \\\"write\\\" }\"}");
    consul_put(&f->consul, "/v1/acl/policy {\"Name\":\"r\",\"Rules\":\"service_prefix \\\"\\\" "
                           "{ policy = \\\"read\\\" }\"}");
    consul_put(&f->consul, "/v1/acl/token {\"AccessorID\":\"" FEW_ID "\",\"SecretID\":\"" FEW
                           "\",\"Policies\":[{\"Name\":\"w\"}]}");
    f->consul.uri.credentials.token = xstrdup(FEW);
    keep(f, 30);
    want_ttl(f, "2s", SERVICE_PASSING);
    loop_until(f->io, keeper_settled(&f->k) && live(&f->k));
    unsigned puts = f->k.puts; /* a check by hand is heard of without the node's name, too */
    loop_until(f->io, !consul_known_find(&f->k.writer->services, ID)->unverified);
    consul_put(&f->consul, "/v1/agent/check/deregister/service:" ID ":ttl");
    check_healed(f, puts, "service:" ID ":ttl", "passing");

    consul_put(&f->consul, "/v1/acl/token/" FEW_ID " {\"Policies\":[{\"Name\":\"r\"}]}");
    loop_until(f->io, f->k.troubles == 1);
    if (!strstr(f->k.trouble.msg, "service:write on web")) {
        fail_msg("%s", f->k.trouble.msg);
    }
    assert_true(f->k.ready);
    consul_put(&f->consul, "/v1/acl/token/" FEW_ID " {\"Policies\":[{\"Name\":\"w\"}]}");
    loop_until(f->io, f->k.recoveries == 1 && keeper_settled(&f->k));
    assert_int_equal(f->k.troubles, 1);
    assert_status(f, "service:" ID ":ttl", "passing");

    consul_put(&f->consul, "/v1/acl/token/" FEW_ID " {\"Policies\":[{\"Name\":\"r\"}]}");
    keeper_close(&f->k, true);
    if (!strstr(f->k.trouble.msg, "1 of 1 services are left in Consul: ") ||
        !strstr(f->k.trouble.msg, "service:write")) {
        fail_msg("%s", f->k.trouble.msg);
    }
    assert_true(has(f, ID));
}

static void no_such_token(void **state)
{
    struct fixture *f = *state;
    f->consul.uri.credentials.token = xstrdup(FEW);
    keep(f, 5);
    want(f, 1);
    loop_until(f->io, f->k.unreadies == 1);
    assert_int_equal(f->k.last.class, ERR_AUTH);
    assert_non_null(strstr(f->k.last.msg, "ACL not found"));
    consul_put(&f->consul, "/v1/acl/token {\"SecretID\":\"" FEW
                           "\",\"Policies\":[{\"Name\":\"global-management\"}]}");
    loop_until(f->io, keeper_settled(&f->k));
}

int main(int argc, char **argv)
{
    if (!consul_daemon_installed()) {
        return 77; /* skipped */
    }
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_check_is_listed_as_it_was_meant, up_dev, down),
        cmocka_unit_test_setup_teardown(restarted_without_data, up_dev, down),
        cmocka_unit_test_setup_teardown(restarted_with_data, up_data, down),
        cmocka_unit_test_setup_teardown(ttl_in_real_time, up_dev, down),
        cmocka_unit_test_setup_teardown(other_checks_stay, up_dev, down),
        cmocka_unit_test_setup_teardown(checks_by_other_hands, up_dev, down),
        cmocka_unit_test_setup_teardown(two_agents_of_one_name, up_dev, down),
        cmocka_unit_test_setup_teardown(scripts_are_refused, up_no_scripts, down),
        cmocka_unit_test_setup_teardown(few_rights, up_acl, down),
        cmocka_unit_test_setup_teardown(rights_are_taken_away, up_acl, down),
        cmocka_unit_test_setup_teardown(no_such_token, up_acl, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
