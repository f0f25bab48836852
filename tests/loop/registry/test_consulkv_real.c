/*
 * Both halves of the Consul KV driver against a real Consul, with everything that an operator may do
 * to it meanwhile.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "lib/consul_daemon.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"
#include "registry/consulkv_codec.h"

#define NODE "n1"
#define ROOT "11111111-2222-3333-4444-555555555555"
#define FEW  "22222222-2222-3333-4444-555555555555"
#define LONG 30000u

struct fixture {
    struct consul_daemon consul;
    struct io *io;
    struct registry_uri uri; /* consulkv://127.0.0.1:PORT/t */
    struct keeper k, other;
    struct viewer v;
};

static int up(void **state, bool keeps_data, const char *token, const char *hcl)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct registry_uri_env env = {.uid = 0};
    struct err e = ERR_INIT;
    char text[64];
    f->consul.token = token;
    consul_daemon_start(&f->consul, keeps_data, hcl);
    snprintf(text, sizeof(text), "consulkv://127.0.0.1:%u/t", f->consul.port);
    if (registry_uri_parse(&f->uri, text, &env, &e) < 0) {
        fail_msg("%s", e.msg);
    }
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
    struct keeper *keepers[] = {&f->k, &f->other};
    for (size_t i = 0; i < ARRAY_LEN(keepers); i++) {
        if (keepers[i]->writer) { /* the test has failed */
            keeper_close(keepers[i], false);
        }
    }
    if (f->v.reader && !f->v.closed) {
        viewer_close(&f->v);
    }
    loop_close(f->io);
    registry_uri_deinit(&f->uri);
    consul_daemon_stop(&f->consul);
    free(f);
    return 0;
}

static void keep(struct fixture *f, struct keeper *k, const char *node, unsigned ttl_s)
{
    keeper_open(k, f->io, &registry_consulkv, &f->uri, node, ttl_s, false);
}

static void look(struct fixture *f)
{
    viewer_open(&f->v, f->io, &registry_consulkv, &f->uri, false);
}

static void want(struct keeper *k, const char *node, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        keeper_want(k, node, "web", "10.0.0.5", (uint16_t)(1000 + i));
    }
}

#define agree(f, k)                                                                                \
    loop_until_ms((f)->io, LONG, keeper_settled(k) && (f)->v.live && viewer_agrees(&(f)->v, k))

/* All keys there are, also those of agents. */
static size_t count_keys(const struct fixture *f)
{
    CLEANUP_JSON json *j = NULL;
    struct err e = ERR_INIT;
    /* of a folder that is empty the answer is 404, which fails the test: so there is one more */
    consul_put(&f->consul, "/v1/kv/z x");
    CLEANUP_FREE char *body = consul_do(&f->consul, HTTP_GET, "/v1/kv/?keys");
    assert_int_equal(json_parse(&j, body, strlen(body), &e), 0);
    return json_size(j) - 1;
}

/* The sessions alive; the id of the first one, if any. */
static size_t sessions(const struct fixture *f, char id[CONSULKV_SESSION_LEN + 1])
{
    CLEANUP_JSON json *j = NULL;
    struct err e = ERR_INIT;
    CLEANUP_FREE char *body = consul_do(&f->consul, HTTP_GET, "/v1/session/list");
    assert_int_equal(json_parse(&j, body, strlen(body), &e), 0);
    str_copy(id, CONSULKV_SESSION_LEN + 1, json_str(json_first(j), "ID", ""));
    return json_size(j);
}

/* ---- */

static void both_halves(void **state)
{
    struct fixture *f = *state;
    keep(f, &f->k, NODE, 30);
    keep(f, &f->other, "n2", 30);
    look(f);
    want(&f->k, NODE, 100);
    want(&f->other, "n2", 5);
    loop_until(f->io, keeper_settled(&f->k) && keeper_settled(&f->other) && f->v.table.n == 105);
    assert_int_equal(f->k.conflicts + f->k.failures, 0);
    keeper_unwant(&f->k, NODE, "web", "10.0.0.5", 1000);
    loop_until(f->io, keeper_settled(&f->k) && f->v.table.n == 104);
    keeper_close(&f->k, true);
    loop_until(f->io, f->v.table.n == 5);
    assert_int_equal(count_keys(f), 6);
    keeper_close(&f->other, true);
    loop_until(f->io, f->v.table.n == 0);
    assert_int_equal(f->v.stales, 0);
    assert_int_equal(count_keys(f), 0);
    viewer_close(&f->v);
}

static void restart_writes_nothing(void **state)
{
    struct fixture *f = *state;
    char before[CONSULKV_SESSION_LEN + 1], after[CONSULKV_SESSION_LEN + 1];
    keep(f, &f->k, NODE, 30);
    want(&f->k, NODE, 100);
    loop_until(f->io, keeper_settled(&f->k));
    keeper_close(&f->k, false);
    assert_int_equal(sessions(f, before), 1);
    keep(f, &f->k, NODE, 30);
    want(&f->k, NODE, 100);
    loop_until(f->io, keeper_settled(&f->k));
    assert_int_equal(f->k.puts, 0);
    assert_int_equal(sessions(f, after), 1);
    assert_string_equal(before, after);
    keeper_close(&f->k, true);
    assert_int_equal(count_keys(f), 0);
    assert_int_equal(sessions(f, after), 0);
}

static void other_ttl(void **state)
{
    struct fixture *f = *state;
    keep(f, &f->k, NODE, 30);
    want(&f->k, NODE, 50);
    loop_until(f->io, keeper_settled(&f->k));
    keeper_close(&f->k, false);
    char old[CONSULKV_SESSION_LEN + 1];
    sessions(f, old);
    look(f);
    loop_until(f->io, f->v.table.n == 50);
    keep(f, &f->k, NODE, 60);
    want(&f->k, NODE, 50);
    loop_until(f->io, keeper_settled(&f->k));
    assert_int_equal(f->k.puts, 50);
    assert_int_equal(f->k.conflicts + f->k.failures, 0);
    consul_put(&f->consul, "/v1/session/destroy/%s", old); /* nothing is on it any more */
    assert_int_equal(count_keys(f), 51);
    assert_int_equal(f->v.tables, 1); /* nobody has seen any of it */
    viewer_close(&f->v);
    keeper_close(&f->k, true);
    assert_int_equal(count_keys(f), 0);
}

static void meddling(void **state)
{
    struct fixture *f = *state;
    static const char key[] = "/v1/kv/t/web/" NODE ":10.0.0.5:1001";
    keep(f, &f->k, NODE, 30);
    look(f);
    want(&f->k, NODE, 10);
    agree(f, &f->k);
    unsigned puts = f->k.puts;

    free(consul_do(&f->consul, HTTP_DELETE, "%s", key));
    loop_until(f->io, f->k.puts == puts + 1 && keeper_settled(&f->k));
    agree(f, &f->k);
    consul_put(&f->consul, "%s 10.9.9.9:1", key);
    loop_until(f->io, f->k.puts == puts + 2 && keeper_settled(&f->k));
    agree(f, &f->k);
    char session[CONSULKV_SESSION_LEN + 1];
    assert_int_equal(sessions(f, session), 1);
    consul_put(&f->consul, "%s?release=%s 10.0.0.5:1001", key, session);
    loop_until(f->io, f->k.puts == puts + 3 && keeper_settled(&f->k));
    agree(f, &f->k);

    /* the agent's own record */
    unsigned begins = f->k.begins;
    free(consul_do(&f->consul, HTTP_DELETE, "/v1/kv/t/.agents/" NODE));
    loop_until(f->io, f->k.begins > begins && keeper_settled(&f->k));
    free(consul_do(&f->consul, HTTP_GET, "/v1/kv/t/.agents/" NODE));
    assert_int_equal(f->k.puts, puts + 3);
    assert_int_equal(f->k.unreadies, 0);

    /* what others keep there is nobody's business here */
    consul_put(&f->consul, "/v1/kv/t/web/n2:x:1 10.0.0.9:80");
    consul_put(&f->consul, "/v1/kv/t/.hidden/x y");
    consul_put(&f->consul, "/v1/kv/t/odd y");
    loop_until(f->io, f->v.table.n == 11 && f->v.skips == 1);
    assert_int_equal(keeper_seen(&f->k), 10);
    keeper_close(&f->k, true);
    loop_until(f->io, f->v.table.n == 1);
    viewer_close(&f->v);
}

static void session_destroyed(void **state)
{
    struct fixture *f = *state;
    char session[CONSULKV_SESSION_LEN + 1];
    keep(f, &f->k, NODE, 30);
    look(f);
    want(&f->k, NODE, 100);
    agree(f, &f->k);
    unsigned begins = f->k.begins;
    assert_int_equal(sessions(f, session), 1);
    consul_put(&f->consul, "/v1/session/destroy/%s", session);
    loop_until(f->io, f->k.begins > begins && f->k.puts == 200);
    agree(f, &f->k);
    assert_int_equal(count_keys(f), 101);
    viewer_close(&f->v);
    keeper_close(&f->k, true);
}

static void second_agent(void **state)
{
    struct fixture *f = *state;
    keep(f, &f->k, NODE, 30);
    want(&f->k, NODE, 5);
    loop_until(f->io, keeper_settled(&f->k));
    keep(f, &f->other, NODE, 30);
    want(&f->other, NODE, 5);
    loop_until(f->io, f->k.deposed && keeper_settled(&f->other));
    assert_int_equal(f->other.puts, 0);
    assert_int_equal(f->k.last.class, ERR_CONFLICT);
    assert_non_null(strstr(f->k.last.msg, "another agent runs with node name n1 since 20"));
    keeper_close(&f->k, true); /* must not take anything with it */
    assert_int_equal(count_keys(f), 6);
    assert_false(f->other.deposed);
    keeper_close(&f->other, true);
    assert_int_equal(count_keys(f), 0);
}

/* Another agent's key, while both live. */
static void foreign_key(void **state)
{
    struct fixture *f = *state;
    keep(f, &f->other, "n2", 30);
    keeper_want(&f->other, NODE, "web", "10.0.0.5", 1000);
    loop_until(f->io, keeper_settled(&f->other));
    keep(f, &f->k, NODE, 30);
    want(&f->k, NODE, 10);
    loop_until(f->io, f->k.conflicts == 1 && keeper_seen(&f->k) == 9);
    keeper_close(&f->other, true);
    loop_until(f->io, keeper_settled(&f->k));
    keeper_close(&f->k, true);
}

/* Consul frees a lock whose session asked for a delay only after that: of one key, not of its batch. */
static void lock_delay(void **state)
{
    struct fixture *f = *state;
    char session[CONSULKV_SESSION_LEN + 1];
    consul_put(&f->consul, "/v1/session/create {\"LockDelay\":\"55s\"}");
    assert_int_equal(sessions(f, session), 1);
    consul_put(&f->consul, "/v1/kv/t/web/" NODE ":10.0.0.5:1001?acquire=%s x", session);
    consul_put(&f->consul, "/v1/session/destroy/%s", session);
    msec_t start = io_now(f->io);
    keep(f, &f->k, NODE, 30);
    want(&f->k, NODE, 10);
    loop_until(f->io, f->k.failures > 0 && keeper_seen(&f->k) == 9);
    assert_int_equal(f->k.last.class, ERR_TRANSIENT);
    assert_non_null(strstr(f->k.last.msg, "due to lock delay"));
    if (io_now(f->io) - start > 3000) {
        fail_msg("nine keys took %u ms", (unsigned)(io_now(f->io) - start));
    }
    keeper_close(&f->k, true);
}

static void record_unreadable(void **state)
{
    struct fixture *f = *state;
    keep(f, &f->k, NODE, 30);
    want(&f->k, NODE, 10);
    loop_until(f->io, keeper_settled(&f->k));
    unsigned begins = f->k.begins;
    consul_put(&f->consul, "/v1/kv/t/.agents/" NODE " garbage"); /* our session still holds it */
    loop_until(f->io, f->k.deposed || (f->k.begins > begins && keeper_settled(&f->k)));
    if (f->k.deposed) {
        fail_msg("%s", f->k.last.msg);
    }
    assert_int_equal(f->k.puts, 10);
    CLEANUP_FREE char *record = consul_do(&f->consul, HTTP_GET, "/v1/kv/t/.agents/" NODE "?raw");
    assert_non_null(strstr(record, "\"instance\":\""));
    keeper_close(&f->k, true);
    assert_int_equal(count_keys(f), 0);
}

/* The tool of Consul itself: a snapshot is no text. */
static void snapshot(const struct fixture *f, const char *verb, const char *file)
{
    char command[512];
    snprintf(command, sizeof(command),
             "consul snapshot %s -http-addr=127.0.0.1:%u %s >/dev/null 2>&1", verb, f->consul.port,
             file);
    assert_int_equal(system(command), 0);
}

static void snapshot_restored(void **state)
{
    struct fixture *f = *state;
    char *folder = loop_mkdir(), file[256];
    assert_in_range(snprintf(file, sizeof(file), "%s/snapshot", folder), 1, sizeof(file) - 1);
    consul_put(&f->consul, "/v1/kv/t/web/n2:x:1 10.0.0.9:80");
    keep(f, &f->k, NODE, 30);
    look(f);
    want(&f->k, NODE, 5);
    loop_until(f->io, keeper_settled(&f->k) && f->v.table.n == 6);
    snapshot(f, "save", file);
    consul_put(&f->consul, "/v1/kv/t/web/n2:x:2 10.0.0.9:81");
    consul_put(&f->consul, "/v1/kv/t/web/n2:x:3 10.0.0.9:82");
    keeper_want(&f->k, NODE, "late", "10.0.0.5", 80);
    loop_until(f->io, keeper_settled(&f->k) && f->v.table.n == 9);
    /* both halves pause after news, the writer for a second; only a query that is held is ended */
    msec_t start = io_now(f->io);
    loop_until(f->io, io_now(f->io) - start > 2500);
    start = io_now(f->io);
    snapshot(f, "restore", file);
    loop_rmdir(folder);
    loop_until_ms(f->io, LONG, f->v.table.n == 7 && keeper_settled(&f->k) && f->v.live);
    if (io_now(f->io) - start > 20000) {
        fail_msg("seen after %u ms", (unsigned)(io_now(f->io) - start));
    }
    assert_false(f->k.deposed);
    viewer_close(&f->v);
    keeper_close(&f->k, true);
    assert_int_equal(count_keys(f), 1);
}

/* Sessions, keys and indexes outlive Consul where it has a data folder. */
static void consul_restarted(void **state)
{
    struct fixture *f = *state;
    char session[CONSULKV_SESSION_LEN + 1], again[CONSULKV_SESSION_LEN + 1];
    keep(f, &f->k, NODE, 30);
    look(f);
    want(&f->k, NODE, 50);
    agree(f, &f->k);
    assert_int_equal(sessions(f, session), 1);
    consul_daemon_kill(&f->consul, SIGKILL);
    loop_until_ms(f->io, LONG, !f->v.live);
    assert_int_equal(f->v.table.n, 50);
    keeper_want(&f->k, NODE, "late", "10.0.0.9", 80);
    loop_until(f->io, f->k.failures > 0);
    consul_daemon_again(&f->consul);
    agree(f, &f->k);
    assert_int_equal(f->v.table.n, 51);
    assert_int_equal(sessions(f, again), 1);
    assert_string_equal(session, again);
    viewer_close(&f->v);
    keeper_close(&f->k, true);
}

static void consul_wiped(void **state)
{
    struct fixture *f = *state;
    keep(f, &f->k, NODE, 30);
    look(f);
    want(&f->k, NODE, 50);
    agree(f, &f->k);
    consul_daemon_kill(&f->consul, SIGKILL);
    loop_until_ms(f->io, LONG, !f->v.live);
    consul_daemon_again(&f->consul); /* -dev: without its data */
    loop_until_ms(f->io, LONG, f->k.puts >= 100);
    agree(f, &f->k);
    assert_int_equal(count_keys(f), 51);
    viewer_close(&f->v);
    keeper_close(&f->k, true);
}

/* Keys of an agent that died vanish by themselves: within twice the TTL, and some. */
static void expiry(void **state)
{
    struct fixture *f = *state;
    keep(f, &f->k, NODE, 10);
    look(f);
    want(&f->k, NODE, 5);
    agree(f, &f->k);
    keeper_close(&f->k, false);
    loop_until_ms(f->io, 25000, f->v.table.n == 0);
    assert_int_equal(count_keys(f), 0);
    viewer_close(&f->v);
}

static void few_rights(void **state)
{
    struct fixture *f = *state;
    consul_put(&f->consul,
               "/v1/acl/policy {\"Name\":\"few\",\"Rules\":\"session_prefix \\\"\\\" "
               "{policy=\\\"write\\\"} key_prefix \\\"other/\\\" {policy=\\\"write\\\"}\"}");
    consul_put(&f->consul,
               "/v1/acl/token {\"SecretID\":\"" FEW "\",\"Policies\":[{\"Name\":\"few\"}]}");
    consul_put(&f->consul, "/v1/kv/t/web/n2:x:1 10.0.0.9:80");

    f->uri.credentials.token = xstrdup(FEW);
    keep(f, &f->k, NODE, 30);
    look(f);
    loop_until(f->io, f->k.unreadies == 1 && f->v.stales == 1);
    assert_int_equal(f->k.last.class, ERR_AUTH);
    assert_int_equal(f->v.last.class, ERR_AUTH);
    assert_null(strstr(f->v.last.msg, FEW));
    assert_int_equal(f->v.tables, 0); /* hidden is not gone */
    viewer_close(&f->v);
    keeper_close(&f->k, false);

    free(f->uri.credentials.token);
    f->uri.credentials.token = xstrdup(ROOT);
    keep(f, &f->k, NODE, 30);
    look(f);
    want(&f->k, NODE, 10);
    loop_until(f->io, keeper_settled(&f->k) && f->v.table.n == 11);
    keeper_close(&f->k, true);
    loop_until(f->io, f->v.table.n == 1);
    viewer_close(&f->v);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
    if (!consul_daemon_installed()) {
        return 77;
    }
#define DEV(fn) cmocka_unit_test_setup_teardown(fn, up_dev, down)
    const struct CMUnitTest tests[] = {
        DEV(both_halves),
        DEV(restart_writes_nothing),
        DEV(other_ttl),
        DEV(meddling),
        DEV(session_destroyed),
        DEV(second_agent),
        DEV(foreign_key),
        DEV(lock_delay),
        DEV(record_unreadable),
        DEV(snapshot_restored),
        cmocka_unit_test_setup_teardown(consul_restarted, up_data, down),
        DEV(consul_wiped),
        DEV(expiry),
        cmocka_unit_test_setup_teardown(few_rights, up_acl, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
