/*
 * The Consul reader against a real Consul: its checks, its restarts with and without data, more names
 * than are held, and what its tokens may not see.
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
#include "registry/consul_reader.h"

#define ROOT "11111111-2222-3333-4444-555555555555"

static const struct registry_driver driver = {.name = "consul", .reader = &consul_reader_ops};

struct fixture {
    struct consul_daemon consul;
    struct io *io;
    struct viewer v;
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
    viewer_close(&f->v);
    loop_close(f->io);
    consul_daemon_stop(&f->consul);
    free(f);
    return 0;
}

static void look(struct fixture *f)
{
    viewer_open(&f->v, f->io, &driver, &f->consul.uri, false);
}

/* An instance with a TTL check that passes, far beyond the test. */
static void put(struct fixture *f, const char *name, const char *id, unsigned port)
{
    consul_put(&f->consul,
               "/v1/agent/service/register {\"ID\":\"%s\",\"Name\":\"%s\",\"Address\":\"10.0.0.1\","
               "\"Port\":%u,\"Weights\":{\"Passing\":10,\"Warning\":2},\"Check\":{\"CheckID\":"
               "\"c-%s\",\"TTL\":\"1h\",\"Status\":\"passing\"}}",
               id, name, port, id);
}

static const struct service *find(const struct fixture *f, const char *name, const char *id)
{
    return table_find(&f->v.table, name, id);
}

static enum service_status status(const struct fixture *f, const char *name, const char *id)
{
    const struct service *svc = find(f, name, id);
    return svc ? svc->s.status : SERVICE_CRITICAL;
}

static void assert_says(const struct fixture *f, const char *text)
{
    if (!strstr(f->v.last.msg, text)) {
        fail_msg("\"%s\" lacks \"%s\"", f->v.last.msg, text);
    }
}

static void hurry(struct fixture *f)
{
    assert_int_equal(f->v.reader->state, CONSUL_READER_S_WAITING);
    io_timer_start(f->io, &f->v.reader->timer, 0, f->v.reader->timer.fn);
}

/* ---- */

static void follows(void **state)
{
    struct fixture *f = *state;
    put(f, "web", "web-1", 80);
    put(f, "web", "web-2", 81);
    put(f, "api", "api-1", 82);
    look(f);
    loop_until(f->io, f->v.live && f->v.table.n == 3);
    assert_int_equal(find(f, "web", "web-1")->s.weight, 10);

    consul_put(&f->consul, "/v1/agent/check/fail/c-web-1");
    loop_until(f->io, status(f, "web", "web-1") == SERVICE_CRITICAL);
    consul_put(&f->consul, "/v1/agent/check/warn/c-web-1");
    loop_until(f->io, status(f, "web", "web-1") == SERVICE_WARNING);
    assert_int_equal(find(f, "web", "web-1")->s.weight, 2);
    consul_put(&f->consul, "/v1/agent/check/pass/c-web-1");
    loop_until(f->io, status(f, "web", "web-1") == SERVICE_PASSING);
    consul_put(&f->consul, "/v1/agent/service/maintenance/web-2?enable=true");
    loop_until(f->io, status(f, "web", "web-2") == SERVICE_CRITICAL);

    put(f, "db", "db-1", 83);
    loop_until(f->io, find(f, "db", "db-1"));
    consul_put(&f->consul, "/v1/agent/service/deregister/api-1");
    loop_until(f->io, !find(f, "api", "api-1"));
    put(f, "api2", "db-1", 83); /* another name for the same id */
    loop_until(f->io, find(f, "api2", "db-1") && !find(f, "db", "db-1"));
    f->v.driver->reader->refresh(f->v.reader);
    loop_until(f->io, f->v.fresh == 1);
    assert_int_equal(f->v.table.n, 3);
    assert_int_equal(f->v.stales, 0);
    assert_int_equal(f->v.skips, 0);
}

/* Everything is gone with a -dev agent, and that is the truth. */
static void restarted_without_data(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 30; i++) { /* so that the indexes of before are higher */
        put(f, "web", "web-1", 80 + i);
    }
    put(f, "api", "api-1", 82);
    look(f);
    loop_until(f->io, f->v.live && f->v.table.n == 2);
    consul_daemon_kill(&f->consul, SIGKILL);
    loop_until(f->io, !f->v.live);
    assert_int_equal(f->v.table.n, 2);
    consul_daemon_again(&f->consul);
    loop_until_ms(f->io, 20000, f->v.live && f->v.table.n == 0);
    put(f, "web", "web-2", 85);
    loop_until(f->io, find(f, "web", "web-2"));
    consul_put(&f->consul, "/v1/agent/check/fail/c-web-2");
    loop_until(f->io, status(f, "web", "web-2") == SERVICE_CRITICAL);
}

static void restarted_with_data(void **state)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    struct fixture *f = *state;
    put(f, "web", "web-1", 80);
    /* Consul keeps the status of a TTL check that came by a call, not one that came with the service */
    consul_put(&f->consul, "/v1/agent/check/pass/c-web-1");
    put(f, "api", "api-1", 82);
    look(f);
    loop_until(f->io, f->v.live && f->v.table.n == 2);
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
        consul_daemon_kill(&f->consul, signals[i]);
        loop_until(f->io, !f->v.live);
        consul_daemon_again(&f->consul);
        loop_until_ms(f->io, 30000, f->v.live);
        loop_until(f->io, f->v.table.n == 2 && status(f, "web", "web-1") == SERVICE_PASSING);
        consul_put(&f->consul, "/v1/agent/check/fail/c-web-1");
        loop_until(f->io, status(f, "web", "web-1") == SERVICE_CRITICAL);
        consul_put(&f->consul, "/v1/agent/check/pass/c-web-1");
        loop_until(f->io, status(f, "web", "web-1") == SERVICE_PASSING);
    }
}

/* More names than Consul would take connections for. */
static void many(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 250; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%03u", i);
        put(f, name, name, 80);
    }
    /* Consul counts what a reader held until its wait ends */
    for (unsigned i = 0; i < 10; i++) {
        look(f);
        f->v.reader->hold_after = i == 0 ? 0 : f->v.reader->hold_after;
        loop_until_ms(f->io, 30000, f->v.live && consul_question_held(&f->v.reader->wakeup));
        assert_int_equal(f->v.stales, 0);
        free(consul_do(&f->consul, HTTP_GET, "/v1/status/leader"));
        viewer_close(&f->v);
    }
    look(f);
    f->v.reader->hold_after = 0;
    loop_until(f->io, f->v.live && consul_question_held(&f->v.reader->wakeup));
    assert_int_equal(f->v.tables, 1);
    assert_int_equal(f->v.table.n, 250);
    consul_put(&f->consul, "/v1/agent/check/fail/c-s000");
    consul_put(&f->consul, "/v1/agent/check/fail/c-s249");
    loop_until(f->io, status(f, "s000", "s000") == SERVICE_CRITICAL &&
                          status(f, "s249", "s249") == SERVICE_CRITICAL);
    assert_int_equal(f->v.stales, 0);
}

/* ---- rights ---- */

/* A token with these rules; returned in `ret`. */
static void make_token(struct fixture *f, const char *policy, const char *rules, char ret[64])
{
    struct err e = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    consul_put(&f->consul, "/v1/acl/policy {\"Name\":\"%s\",\"Rules\":\"%s\"}", policy, rules);
    char *text =
        consul_do(&f->consul, HTTP_PUT, "/v1/acl/token {\"Policies\":[{\"Name\":\"%s\"}]}", policy);
    assert_int_equal(json_parse(&j, text, strlen(text), &e), 0);
    assert_true(str_copy(ret, 64, json_str(j, "SecretID", "")));
    free(text);
}

static void look_as(struct fixture *f, const char *token)
{
    free(f->consul.uri.credentials.token);
    f->consul.uri.credentials.token = xstrdup(token);
    look(f);
}

static void refused(struct fixture *f, const char *token, const char *right)
{
    look_as(f, token);
    loop_until(f->io, f->v.told);
    assert_false(f->v.live);
    assert_int_equal(f->v.tables, 0);
    assert_int_equal(f->v.last.class, ERR_AUTH);
    assert_says(f, right);
    viewer_close(&f->v);
}

static void rights(void **state)
{
    struct fixture *f = *state;
    char nothing[64], services[64], web[64], all[64];
    put(f, "web", "web-1", 80);
    put(f, "api", "api-1", 82);
    make_token(f, "nothing", "key \\\"x\\\" { policy = \\\"read\\\" }", nothing);
    make_token(f, "services", "service_prefix \\\"\\\" { policy = \\\"read\\\" }", services);
    make_token(f, "web",
               "service \\\"web\\\" { policy = \\\"read\\\" } "
               "node_prefix \\\"\\\" { policy = \\\"read\\\" }",
               web);
    make_token(f, "all",
               "service_prefix \\\"\\\" { policy = \\\"read\\\" } "
               "node_prefix \\\"\\\" { policy = \\\"read\\\" }",
               all);
    refused(f, "99999999-2222-3333-4444-555555555555", "ACL not found");
    refused(f, nothing, "service:read");
    refused(f, services, "node:read");
    look_as(f, web);
    loop_until(f->io, f->v.live);
    assert_int_equal(f->v.table.n, 1);
    viewer_close(&f->v);
    look_as(f, all);
    loop_until(f->io, f->v.live);
    assert_int_equal(f->v.table.n, 2);
}

/* Rights that are taken away and given again while a reader runs. */
static void rights_change(void **state)
{
    struct fixture *f = *state;
    char token[64], id[64];
    put(f, "web", "web-1", 80);
    make_token(f, "p",
               "service_prefix \\\"\\\" { policy = \\\"read\\\" } "
               "node_prefix \\\"\\\" { policy = \\\"read\\\" }",
               token);
    struct err e = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    char *text = consul_do(&f->consul, HTTP_GET, "/v1/acl/policies");
    assert_int_equal(json_parse(&j, text, strlen(text), &e), 0);
    for (const json *it = json_first(j); it; it = json_next(it)) {
        if (streq(json_str(it, "Name", ""), "p")) {
            assert_true(str_copy(id, sizeof(id), json_str(it, "ID", "")));
        }
    }
    free(text);
    look_as(f, token);
    loop_until(f->io, f->v.live && f->v.table.n == 1);

    consul_put(&f->consul, "/v1/acl/policy/%s {\"ID\":\"%s\",\"Name\":\"p\",\"Rules\":\"\"}", id,
               id);
    f->v.driver->reader->refresh(f->v.reader);
    loop_until(f->io, !f->v.live);
    assert_int_equal(f->v.table.n, 1);
    consul_put(&f->consul,
               "/v1/acl/policy/%s {\"ID\":\"%s\",\"Name\":\"p\",\"Rules\":\""
               "service_prefix \\\"\\\" { policy = \\\"read\\\" }\"}",
               id, id);
    hurry(f);
    loop_until(f->io, f->v.reader->state == CONSUL_READER_S_LISTING);
    loop_until(f->io, f->v.reader->state == CONSUL_READER_S_WAITING);
    assert_int_equal(f->v.table.n, 1);
    consul_put(&f->consul,
               "/v1/acl/policy/%s {\"ID\":\"%s\",\"Name\":\"p\",\"Rules\":\""
               "service_prefix \\\"\\\" { policy = \\\"read\\\" } "
               "node_prefix \\\"\\\" { policy = \\\"read\\\" }\"}",
               id, id);
    hurry(f);
    loop_until(f->io, f->v.live && f->v.fresh == 1);
    assert_int_equal(f->v.table.n, 1);
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
        cmocka_unit_test_setup_teardown(follows, up_dev, down),
        cmocka_unit_test_setup_teardown(restarted_without_data, up_dev, down),
        cmocka_unit_test_setup_teardown(restarted_with_data, up_data, down),
        cmocka_unit_test_setup_teardown(many, up_dev, down),
        cmocka_unit_test_setup_teardown(rights, up_acl, down),
        cmocka_unit_test_setup_teardown(rights_change, up_acl, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
