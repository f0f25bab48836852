/*
 * The etcd reader against a scripted etcd: listings that break off, watches that end in every way etcd
 * knows, and data that goes back in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "lib/fake_etcd.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"

#define LEASE 777

struct fixture {
    struct io *io;
    struct fake_etcd etcd;
    struct viewer v;
    /* faults of ranges */
    unsigned reset_at; /* the range with this ordinal (from 1) is answered by half a page and RST */
    unsigned refuse_limit; /* larger limits are refused as too large */
    bool drip;
    bool deny_watch;
    bool silent_watch;
    unsigned ranges;
};

static int64_t limit_of(const char *body)
{
    const char *at = strstr(body, "\"limit\":\"");
    return at ? strtoll(at + 9, NULL, 10) : 0;
}

static bool fault(struct fake_etcd *f, struct fake_exchange *x, const char *path, void *ctx)
{
    struct fixture *t = ctx;
    if (streq(path, "/v3/watch") && t->deny_watch) {
        fake_stream_begin(x, 200, NULL);
        fake_stream_puts(x, "{\"result\":{\"header\":{\"revision\":\"5\"},\"watch_id\":\"-1\","
                            "\"created\":true,\"canceled\":true,\"cancel_reason\":\"rpc error: "
                            "code = PermissionDenied desc = etcdserver: permission denied\"}}\n");
        return true; /* and it stays open */
    }
    if (streq(path, "/v3/watch") && t->silent_watch) {
        return true;
    }
    if (!streq(path, "/v3/kv/range")) {
        return false;
    }
    t->ranges++;
    if (t->ranges == t->reset_at) {
        fake_reply_reset(x, 200, "{\"header\":{\"revision\":\"9\"},\"kvs\":[{\"key\":\"L3Qv", 120);
        return true;
    }
    if (t->refuse_limit && limit_of(fake_body(x)) > t->refuse_limit) {
        fake_reply(x, 429,
                   "{\"error\":\"x\",\"message\":\"grpc: received message larger than max\","
                   "\"code\":8}");
        return true;
    }
    if (t->drip) {
        t->drip = false;
        fake_drip_reply(x, 200,
                        "{\"header\":{\"revision\":\"9\"},\"kvs\":[{\"key\":\"L3Qvd2ViL3g=\","
                        "\"mod_revision\":\"3\",\"value\":\"MTAuMC4wLjE6ODA=\"}],\"count\":\"1\"}");
        return true;
    }
    return false;
}

static int up(void **state)
{
    struct fixture *t = xcalloc(1, sizeof(*t));
    t->io = loop_open();
    fake_etcd_start(&t->etcd, t->io, fault, t);
    *state = t;
    return 0;
}

static int down(void **state)
{
    struct fixture *t = *state;
    viewer_close(&t->v);
    fake_etcd_stop(&t->etcd);
    loop_close(t->io);
    free(t);
    return 0;
}

static void look(struct fixture *t)
{
    viewer_open(&t->v, t->io, &registry_etcd, &t->etcd.uri, false);
}

static void put(struct fixture *t, const char *key, const char *value)
{
    fake_etcd_put(&t->etcd, key, value, LEASE);
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
    put(t, "/t/web/a", "10.0.0.1:80");
    put(t, "/t/.agents/n1", "{}");
    put(t, "/u/web/a", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.fresh, 0);
    assert_int_equal(t->v.table.n, 1);
    assert_int_equal(t->etcd.watched_from, t->etcd.revision + 1);

    put(t, "/t/web/b", "10.0.0.2:80");
    loop_until(t->io, t->v.table.n == 2);
    put(t, "/t/web/b", "10.0.0.3:80");
    loop_until(t->io, has(t, "web", "b", "10.0.0.3"));
    unsigned tables = t->v.tables;
    put(t, "/t/web/b", "10.0.0.3:80");    /* nothing changes */
    put(t, "/t/.agents/n1", "{\"x\":1}"); /* nobody's business */
    fake_etcd_delete(&t->etcd, "/t/web/a");
    loop_until(t->io, t->v.table.n == 1);
    assert_int_equal(t->v.tables, tables + 1);
    assert_int_equal(t->v.skips, 0);
}

/* One message is one event, however it is cut up. */
static void one_message_one_table(void **state)
{
    struct fixture *t = *state;
    for (int i = 0; i < 30; i++) {
        char key[32];
        snprintf(key, sizeof(key), "/t/web/%02d", i);
        put(t, key, "10.0.0.1:80");
    }
    look(t);
    loop_until(t->io, t->v.live && t->v.table.n == 30);
    assert_int_equal(t->v.tables, 1);
    fake_etcd_expire(&t->etcd, LEASE);
    loop_until(t->io, t->v.table.n == 0);
    assert_int_equal(t->v.tables, 2);

    t->etcd.fragments = true;
    loop_until(t->io, t->etcd.n_watches == 1);
    fake_etcd_cut(&t->etcd);
    for (int i = 0; i < 30; i++) {
        char key[32];
        snprintf(key, sizeof(key), "/t/web/%02d", i);
        put(t, key, "10.0.0.1:80");
    }
    loop_until(t->io, t->v.table.n == 30);
    assert_int_equal(t->v.tables, 3);
    assert_int_equal(t->etcd.watched_from, 33); /* resumed behind what was seen */
}

static void broken_listing(void **state)
{
    struct fixture *t = *state;
    for (int i = 0; i < 4500; i++) {
        char key[32];
        snprintf(key, sizeof(key), "/t/web/%04d", i);
        put(t, key, "10.0.0.1:80");
    }
    t->reset_at = 2;
    look(t);
    loop_until(t->io, t->v.told && !t->v.live);
    assert_int_equal(t->v.tables, 0); /* never a part of it */
    assert_int_equal(t->v.last.class, ERR_TRANSIENT);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.table.n, 4500);

    /* the same while a table is out: it stays */
    t->reset_at = t->ranges + 2;
    t->v.driver->reader->refresh(t->v.reader);
    loop_until(t->io, !t->v.live);
    assert_int_equal(t->v.table.n, 4500);
    loop_until(t->io, t->v.fresh == 1 && t->v.live);
    assert_int_equal(t->v.table.n, 4500);
}

static void large_pages(void **state)
{
    struct fixture *t = *state;
    for (int i = 0; i < 700; i++) {
        char key[32];
        snprintf(key, sizeof(key), "/t/web/%04d", i);
        put(t, key, "10.0.0.1:80");
    }
    t->refuse_limit = 300;
    look(t);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.table.n, 700);
    assert_int_equal(t->v.stales, 0);
    /* 4000, 2000, 1000 and 500 are refused, three pages of 250 are not */
    assert_int_equal(t->ranges, 4 + 3);
}

static void bytes_at_a_time(void **state)
{
    struct fixture *t = *state;
    t->drip = true;
    look(t);
    loop_until(t->io, t->v.tables == 1);
    assert_true(has(t, "web", "x", "10.0.0.1"));
}

/* Compacted: told by one line on a response that stays open. */
static void compacted(void **state)
{
    struct fixture *t = *state;
    put(t, "/t/web/a", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->v.live);
    loop_until(t->io, t->etcd.n_watches == 1);
    fake_etcd_cut(&t->etcd);
    put(t, "/t/web/b", "10.0.0.2:80");
    put(t, "/t/web/c", "10.0.0.3:80");
    fake_etcd_delete(&t->etcd, "/t/web/a");
    t->etcd.compacted = t->etcd.revision;
    loop_until(t->io, t->v.table.n == 2 && t->v.live);
    assert_true(t->v.stales > 0);
    assert_true(has(t, "web", "b", "10.0.0.2"));
}

/* etcd 3.4 shuts down: rc 0, and an error line without its newline. */
static void polite_end(void **state)
{
    struct fixture *t = *state;
    put(t, "/t/web/a", "10.0.0.1:80");
    look(t);
    static const struct {
        const char *line, *why;
    } ends[] = {
        {"{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: server "
         "stopped\",\"http_status\":\"x\"}}",
         "server stopped"},
        {"{\"error\":{\"code\":14,\"message\":\"etcdserver: server stopped\"}}\n",
         "server stopped"},
        {NULL, "etcd ended the watch"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
        loop_until(t->io, t->v.lives == i + 1 && t->etcd.n_watches == 1);
        if (ends[i].line) {
            fake_stream_puts(t->etcd.watches[0].x, ends[i].line);
        }
        fake_stream_end(t->etcd.watches[0].x);
        t->etcd.n_watches = 0;
        loop_until(t->io, t->v.stales == i + 1);
        if (!strstr(t->v.last.msg, ends[i].why)) {
            fail_msg("\"%s\" lacks \"%s\"", t->v.last.msg, ends[i].why);
        }
    }
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->ranges, 1); /* resumed each time */
}

/* The data of before is gone: no watch from a revision of the future, but a listing. */
static void went_back(void **state)
{
    struct fixture *t = *state;
    for (int i = 0; i < 10; i++) {
        put(t, "/t/web/a", "10.0.0.1:80");
    }
    look(t);
    loop_until(t->io, t->v.live);
    fake_http_down(t->etcd.http);
    fake_etcd_wipe(&t->etcd);
    t->etcd.n_watches = 0;
    loop_until(t->io, !t->v.live);
    put(t, "/t/web/b", "10.0.0.2:80");
    fake_http_up(t->etcd.http);
    loop_until(t->io, t->v.live && has(t, "web", "b", "10.0.0.2"));
    assert_int_equal(t->v.table.n, 1);

    /* another cluster with as many revisions behind it */
    t->etcd.cluster = "1";
    unsigned ranges = t->ranges;
    fake_etcd_cut(&t->etcd);
    loop_until(t->io, t->v.stales >= 2);
    loop_until(t->io, t->v.live);
    assert_true(t->ranges > ranges);
}

static void silent_watch(void **state)
{
    struct fixture *t = *state;
    put(t, "/t/web/a", "10.0.0.1:80");
    t->silent_watch = true;
    look(t);
    loop_until(t->io, t->v.tables == 1);
    loop_until(t->io, t->v.told); /* after 5 s */
    assert_false(t->v.live);
    assert_non_null(strstr(t->v.last.msg, "no answer within 5 s"));
    t->silent_watch = false;
    loop_until(t->io, t->v.live);
}

static void denied(void **state)
{
    struct fixture *t = *state;
    t->deny_watch = true;
    look(t);
    loop_until(t->io, t->v.told);
    assert_false(t->v.live);
    assert_int_equal(t->v.last.class, ERR_AUTH);
    unsigned requests = fake_http_requests(t->etcd.http);
    t->deny_watch = false;
    loop_until(t->io, t->v.live); /* slowly: 5 s */
    assert_int_equal(fake_http_requests(t->etcd.http), requests + 2);
}

static void nonsense(void **state)
{
    struct fixture *t = *state;
    look(t);
    loop_until(t->io, t->v.live && t->etcd.n_watches == 1);
    fake_etcd_push(&t->etcd, "<html>\n");
    t->etcd.n_watches = 0;
    loop_until(t->io, !t->v.live);
    assert_int_equal(t->v.last.class, ERR_BUG);
    loop_until(t->io, t->v.live);
}

/* Complained of once per record and content, across listings. */
static void unreadable(void **state)
{
    struct fixture *t = *state;
    put(t, "/t/web/a", "rubbish");
    put(t, "/t/shape", "10.0.0.1:80");
    put(t, "/t/web/b", "10.0.0.1:80");
    look(t);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.skips, 2);
    assert_int_equal(t->v.table.n, 1);
    t->v.driver->reader->refresh(t->v.reader);
    loop_until(t->io, t->v.fresh == 1 && t->etcd.n_watches > 0);
    assert_int_equal(t->v.skips, 2);
    put(t, "/t/web/a", "other rubbish");
    loop_until(t->io, t->v.skips == 3);
    assert_string_equal(t->v.skipped, "/t/web/a");
    put(t, "/t/web/b", "now rubbish, too"); /* what cannot be read does not stay as it was */
    loop_until(t->io, t->v.skips == 4 && t->v.table.n == 0);
    put(t, "/t/web/a", "10.0.0.9:80");
    loop_until(t->io, has(t, "web", "a", "10.0.0.9"));
    put(t, "/t/web/a", "other rubbish"); /* news again */
    loop_until(t->io, t->v.skips == 5);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
#define ONE(fn) cmocka_unit_test_setup_teardown(fn, up, down)
    const struct CMUnitTest tests[] = {
        ONE(follows),         ONE(one_message_one_table),
        ONE(broken_listing),  ONE(large_pages),
        ONE(bytes_at_a_time), ONE(compacted),
        ONE(polite_end),      ONE(went_back),
        ONE(silent_watch),    ONE(denied),
        ONE(nonsense),        ONE(unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
