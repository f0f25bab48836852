/*
 * The Consul KV reader against a scripted Consul: answers that break off, filtered listings, indexes
 * that go back.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "lib/fake_consulkv.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"

struct fixture {
    struct io *io;
    struct fake_consulkv consul;
    struct viewer v;
    /* the fault: so many requests whose path has this text */
    const char *text;
    unsigned times;
    void (*answer)(struct fake_exchange *x);
    struct fake_exchange *faulty; /* the one that answer() was last called for */
    char last_path[256];
};

static bool fault(struct fake_consulkv *f, struct fake_exchange *x, const char *path, void *ctx)
{
    struct fixture *t = ctx;
    str_copy(t->last_path, sizeof(t->last_path), path);
    if (t->times == 0 || !strstr(path, t->text)) {
        return false;
    }
    t->times--;
    t->answer(x);
    t->faulty = x;
    return true;
}

static int up(void **state)
{
    struct fixture *t = xcalloc(1, sizeof(*t));
    t->io = loop_open();
    fake_consulkv_start(&t->consul, t->io, fault, t);
    *state = t;
    return 0;
}

static int down(void **state)
{
    struct fixture *t = *state;
    viewer_close(&t->v);
    fake_consulkv_stop(&t->consul);
    loop_close(t->io);
    free(t);
    return 0;
}

static void look(struct fixture *t)
{
    viewer_open(&t->v, t->io, &registry_consulkv, &t->consul.uri, false);
}

static void put(struct fixture *t, const char *key, const char *value)
{
    fake_consulkv_put(&t->consul, key, value);
}

static bool has(const struct fixture *t, const char *name, const char *id, const char *host)
{
    const struct service *svc = table_find(&t->v.table, name, id);
    return svc && streq(svc->s.host, host);
}

/* ---- */

static void follows(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    put(t, "t/.agents/n1", "{}");
    put(t, "t/", "");
    put(t, "t/web/", "");
    put(t, "u/web/a", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.fresh, 0);
    assert_int_equal(t->v.table.n, 1);
    loop_until(t->io, t->consul.n_held == 1);

    put(t, "t/web/b", "10.0.0.2:80");
    loop_until(t->io, t->v.table.n == 2);
    put(t, "t/web/b", "10.0.0.3:80");
    loop_until(t->io, has(t, "web", "b", "10.0.0.3"));
    unsigned tables = t->v.tables;
    put(t, "t/.agents/n1", "{\"x\":1}"); /* nobody's business */
    fake_consulkv_delete(&t->consul, "t/web/a");
    loop_until(t->io, t->v.table.n == 1);
    assert_int_equal(t->v.tables, tables + 1);
    assert_int_equal(t->v.skips, 0);
    assert_int_equal(t->v.stales, 0);
    fake_consulkv_delete(&t->consul, "t/web/b");
    loop_until(t->io, t->v.table.n == 0);
}

static void empty(void **state)
{
    struct fixture *t = *state;
    look(t);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.table.n, 0);
    put(t, "t/web/a", "10.0.0.1:80");
    loop_until(t->io, t->v.table.n == 1);
}

/* Consul leaves out what a token may not read: that is not "all gone". */
static void no_right(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    t->consul.denied = "t/";
    look(t);
    loop_until(t->io, t->v.stales == 1);
    assert_int_equal(t->v.last.class, ERR_AUTH);
    assert_non_null(strstr(t->v.last.msg, "key_prefix \"t/\" { policy = \"read\" }"));
    assert_int_equal(t->v.tables, 0);
    t->consul.denied = NULL;
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.table.n, 1);

    /* withdrawn later: the table stays */
    loop_until(t->io, t->consul.n_held == 1);
    t->consul.denied = "t/";
    put(t, "t/web/b", "10.0.0.2:80");
    loop_until(t->io, t->v.stales == 2);
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.table.n, 1);
    t->consul.denied = NULL;
    loop_until(t->io, t->v.live && t->v.table.n == 2);
}

/* Rights to a part of the prefix give that part, also while the part is all there is to see. */
static void some_rights(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    put(t, "t/secret/a", "10.0.0.1:80");
    t->consul.denied = "t/secret";
    look(t);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.table.n, 1);
}

static void answer_reset(struct fake_exchange *x)
{
    fake_reply_reset(x, 200, "[{\"LockIndex\":0,\"Key\":\"t/web/a\",\"Flags\":0}]", 60);
}

static void answer_html(struct fake_exchange *x)
{
    fake_reply_headers(x, 200, "X-Consul-Index: 9999\r\n", "<html>");
}

static void answer_other(struct fake_exchange *x)
{
    fake_reply(x, 200, "[]"); /* no index: not Consul */
}

static void answer_no_leader(struct fake_exchange *x)
{
    fake_reply(x, 500, "No cluster leader");
}

static void answer_none(struct fake_exchange *x)
{
    (void)x; /* the test answers */
}

static void answer_404(struct fake_exchange *x)
{
    fake_reply(x, 404, "404 page not found");
}

static void wrong_answers(void **state)
{
    struct fixture *t = *state;
    static void (*const answers[])(struct fake_exchange *) = {
        answer_reset, answer_html, answer_other, answer_no_leader, answer_404};
    put(t, "t/web/a", "10.0.0.1:80");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        t->text = "recurse";
        t->times = 1;
        t->answer = answers[i];
        unsigned queries = t->consul.queries;
        look(t);
        loop_until(t->io, t->v.live);
        assert_int_equal(t->times, 0);
        assert_int_equal(t->v.stales, 1);
        assert_int_equal(t->v.table.n, 1);

        /* and of a held query */
        loop_until(t->io, t->consul.queries == queries + 1);
        fake_consulkv_cut(&t->consul);
        loop_until(t->io, t->v.stales == 2);
        assert_int_equal(t->v.table.n, 1);
        loop_until(t->io, t->v.live);
        assert_int_equal(t->v.tables, 1);
        if (i + 1 < ARRAY_LEN(answers)) {
            viewer_close(&t->v);
        }
    }
}

static void data_goes_back(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    put(t, "t/web/b", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->consul.n_held == 1);
    int64_t old = t->consul.query_index;
    fake_consulkv_wipe(&t->consul);
    put(t, "t/web/c", "10.0.0.3:80");
    loop_until(t->io, has(t, "web", "c", "10.0.0.3"));
    assert_int_equal(t->v.table.n, 1);
    loop_until(t->io, t->consul.n_held == 1);
    assert_true(t->consul.query_index < old);
    put(t, "t/web/d", "10.0.0.3:80");
    loop_until(t->io, t->v.table.n == 2);
}

/* A smaller index in the answer to a held query: asked anew without one. */
static void index_goes_back(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    put(t, "t/web/b", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->consul.n_held == 1);
    fake_consulkv_delete(&t->consul, "t/web/b");
    loop_until(t->io, t->v.table.n == 1);
    loop_until(t->io, t->consul.n_held == 1);
    fake_consulkv_reap(&t->consul);
    unsigned gets = t->consul.gets;
    fake_reply_headers(t->consul.held[0], 404, "X-Consul-Index: 3\r\n", "");
    t->consul.n_held = 0;
    loop_until(t->io, t->consul.gets == gets + 1 && t->consul.n_held == 1);
    assert_int_equal(t->v.table.n, 1); /* that answer was not believed */
    assert_int_equal(t->v.stales, 0);
    put(t, "t/web/c", "10.0.0.3:80");
    loop_until(t->io, t->v.table.n == 2);
}

static void skipped_once(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    put(t, "t/web/bad", "no address");
    put(t, "t/odd", "x");
    look(t);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.skips, 2);
    put(t, "t/web/b", "10.0.0.2:80");
    loop_until(t->io, t->v.table.n == 2);
    assert_int_equal(t->v.skips, 2);
    put(t, "t/web/bad", "no better");
    loop_until(t->io, t->v.skips == 3);
    assert_string_equal(t->v.skipped, "t/web/bad");
    put(t, "t/web/bad", "10.0.0.9:1");
    loop_until(t->io, t->v.table.n == 3);

    /* one that was gone in between is a new one */
    fake_consulkv_delete(&t->consul, "t/odd");
    fake_consulkv_delete(&t->consul, "t/web/b");
    loop_until(t->io, t->v.table.n == 2);
    put(t, "t/odd", "x");
    loop_until(t->io, t->v.skips == 4);
    assert_string_equal(t->v.skipped, "t/odd");
}

static void refreshes(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    look(t);
    t->v.driver->reader->refresh(t->v.reader); /* while the first listing runs */
    loop_until(t->io, t->v.fresh == 1);
    loop_until(t->io, t->consul.queries == 1);
    loop_until(t->io, t->consul.n_held == 1);
    t->v.driver->reader->refresh(t->v.reader);
    t->v.driver->reader->refresh(t->v.reader);
    loop_until(t->io, t->v.fresh == 2);
    t->v.driver->reader->refresh(t->v.reader);
    t->v.driver->reader->refresh(t->v.reader); /* while one runs that cannot count for it */
    loop_until(t->io, t->v.fresh == 3);
    /* all beside the held query, which is still the first, and goes on */
    assert_int_equal(t->consul.queries, 1);
    assert_false(fake_gone(t->consul.held[0]));
    put(t, "t/web/b", "10.0.0.2:80");
    loop_until(t->io, t->v.table.n == 2);
    loop_until(t->io, t->consul.n_held == 1);
    unsigned fresh = t->v.fresh;
    t->text = "recurse";
    t->times = 1;
    t->answer = answer_no_leader;
    t->v.driver->reader->refresh(t->v.reader);
    loop_until(t->io, t->v.fresh == fresh + 1);
    assert_int_equal(t->v.stales, 0); /* one that fails is asked again in the held query's place */
    t->times = 2;
    t->v.driver->reader->refresh(t->v.reader);
    loop_until(t->io, t->v.fresh == fresh + 2);
    assert_int_equal(t->v.stales, 1);
    loop_until(t->io, t->v.live);
}

/* News that a refresh brings first does not come a second time, nor as a step back. */
static void refresh_is_first(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->consul.n_held == 1);
    struct fake_exchange *held = t->consul.held[0];
    t->consul.n_held = 0; /* its answer is late */
    put(t, "t/web/b", "10.0.0.2:80");
    int64_t between = t->consul.index;
    put(t, "t/web/c", "10.0.0.3:80");
    t->v.driver->reader->refresh(t->v.reader);
    loop_until(t->io, t->v.fresh == 1 && t->v.table.n == 3);
    unsigned tables = t->v.tables;
    char headers[64];
    snprintf(headers, sizeof(headers), "X-Consul-Index: %" PRId64 "\r\n", between);
    fake_reply_headers(held, 200, headers,
                       "[{\"Key\":\"t/web/a\",\"ModifyIndex\":11,\"Value\":\"MTAuMC4wLjE6ODA=\"}]");
    loop_until(t->io, t->consul.n_held == 1);
    assert_int_equal(t->v.tables, tables);
    assert_int_equal(t->v.table.n, 3);
    assert_int_equal(t->v.stales, 0);
}

/* A refresh of nothing tells so, and gives up no held query either. */
static void refresh_empty(void **state)
{
    struct fixture *t = *state;
    look(t);
    loop_until(t->io, t->consul.n_held == 1);
    t->v.driver->reader->refresh(t->v.reader);
    loop_until(t->io, t->v.fresh == 1);
    assert_int_equal(t->consul.queries, 1);
    assert_false(fake_gone(t->consul.held[0]));
}

/* Consul ends held queries with the old index then, and would hold that one for its whole wait. */
static void snapshot_restored(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    fake_consulkv_save(&t->consul);
    put(t, "t/web/b", "10.0.0.2:80");
    look(t);
    loop_until(t->io, t->v.table.n == 2 && t->consul.n_held == 1);
    int64_t old = t->consul.query_index;
    unsigned gets = t->consul.gets, queries = t->consul.queries;
    fake_consulkv_restore(&t->consul);
    loop_until(t->io, t->v.table.n == 1 && t->consul.n_held == 1);
    assert_true(t->consul.query_index < old);
    assert_int_equal(t->consul.gets, gets + 1);
    assert_int_equal(t->consul.queries, queries + 1);
    assert_int_equal(t->v.stales, 0);
    put(t, "t/web/c", "10.0.0.3:80");
    loop_until(t->io, t->v.table.n == 2);
}

/* A server that holds nothing back is not asked without pause. */
static bool answer_at_once(struct fake_consulkv *f, struct fake_exchange *x, const char *path,
                           void *ctx)
{
    struct fixture *t = ctx;
    if (strstr(path, "index=")) {
        t->times++;
        fake_reply_headers(x, 200, "X-Consul-Index: 11\r\n",
                           "[{\"Key\":\"t/web/a\",\"ModifyIndex\":11,"
                           "\"Value\":\"MTAuMC4wLjE6ODA=\"}]");
        return true;
    }
    return false;
}

static void holds_nothing(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    t->consul.fault = answer_at_once;
    look(t);
    loop_until(t->io, t->times == 1);
    msec_t start = io_now(t->io);
    loop_until(t->io, t->times == 4);
    msec_t took = io_now(t->io) - start;
    if (took < 700) {
        fail_msg("3 queries in %u ms", (unsigned)took);
    }
    assert_int_equal(t->v.tables, 1);
}

/* Two keys that differ behind a zero byte are two keys, and no such key is a service. */
static void zero_in_key(void **state)
{
    struct fixture *t = *state;
    static const char list[] =
        "[{\"Key\":\"t/web/a\",\"ModifyIndex\":11,\"Value\":\"MTAuMC4wLjE6ODA=\"},"
        "{\"Key\":\"t/web/a\\u0000b\",\"ModifyIndex\":12,\"Value\":\"MTAuMC4wLjI6ODA=\"},"
        "{\"Key\":\"t/web/a\\u001b[2J\",\"ModifyIndex\":12,\"Value\":\"MTAuMC4wLjI6ODA=\"}]";
    t->text = "recurse";
    t->times = 1;
    t->answer = answer_none;
    look(t);
    loop_until(t->io, t->faulty);
    fake_reply_headers(t->faulty, 200, "X-Consul-Index: 12\r\n", list);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.table.n, 1);
    assert_true(has(t, "web", "a", "10.0.0.1"));
    assert_int_equal(t->v.skips, 2);
}

static void once(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    viewer_open(&t->v, t->io, &registry_consulkv, &t->consul.uri, true);
    loop_until(t->io, t->v.tables == 1);
    assert_int_equal(t->v.fresh, 0);
    t->v.driver->reader->refresh(t->v.reader);
    loop_until(t->io, t->v.fresh == 1);
    assert_int_equal(t->consul.queries, 0);
    assert_false(t->v.told);
}

static void stale_and_datacenter(void **state)
{
    struct fixture *t = *state;
    t->consul.uri.stale = true;
    t->consul.uri.datacenter = xstrdup("dc 2");
    put(t, "t/web/a", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->consul.n_held == 1);
    assert_non_null(strstr(t->last_path, "/v1/kv/t/?"));
    assert_non_null(strstr(t->last_path, "dc=dc%202"));
    assert_non_null(strstr(t->last_path, "stale"));
}

/* However fast others write, Consul is not asked without pause. */
static void busy_prefix(void **state)
{
    struct fixture *t = *state;
    put(t, "t/web/a", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->consul.n_held == 1);
    unsigned queries = t->consul.queries;
    msec_t start = io_now(t->io);
    for (unsigned i = 0; i < 4; i++) {
        loop_until(t->io, t->consul.n_held == 1);
        put(t, "t/web/a", i % 2 ? "10.0.0.1:80" : "10.0.0.2:80");
    }
    loop_until(t->io, t->consul.n_held == 1);
    msec_t took = io_now(t->io) - start;
    assert_true(t->consul.queries >= queries + 4);
    if (took < 700) {
        fail_msg("4 queries in %u ms", (unsigned)took);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
#define ONE(fn) cmocka_unit_test_setup_teardown(fn, up, down)
    const struct CMUnitTest tests[] = {
        ONE(follows),
        ONE(empty),
        ONE(no_right),
        ONE(some_rights),
        ONE(wrong_answers),
        ONE(data_goes_back),
        ONE(index_goes_back),
        ONE(skipped_once),
        ONE(refreshes),
        ONE(refresh_is_first),
        ONE(refresh_empty),
        ONE(snapshot_restored),
        ONE(holds_nothing),
        ONE(zero_in_key),
        ONE(once),
        ONE(stale_and_datacenter),
        ONE(busy_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
