/*
 * The etcd writer against a scripted etcd: answers that are lost, late, missing or wrong.
 */
#include <errno.h>
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

#define NODE   "n1"
#define RECORD "/t/.agents/" NODE
#define KEY    "/t/web/" NODE ":10.0.0.5:80"

static const char no_leader[] = "{\"error\":\"etcdserver: no leader\",\"message\":\"etcdserver: no "
                                "leader\",\"code\":14}";
static const char no_space[] = "{\"error\":\"x\",\"message\":\"etcdserver: mvcc: database space "
                               "exceeded\",\"code\":8}";
static const char too_large[] =
    "{\"error\":\"x\",\"message\":\"etcdserver: request is too large\",\"code\":3}";

enum fault_kind {
    FAULT_APPLY_RESET, /* it happens, but the answer is lost */
    FAULT_RESET,       /* lost before it happens */
    FAULT_SILENCE,
    FAULT_STATUS, /* status and body */
};

struct fixture {
    struct io *io;
    struct fake_etcd etcd;
    struct keeper k, other;

    /* the fault: on requests with this path whose body has this text */
    const char *path, *text;
    enum fault_kind kind;
    int status;
    const char *body;
    unsigned times, hits;
    char last_keepalive[256];
};

static bool fault(struct fake_etcd *f, struct fake_exchange *x, const char *path, void *ctx)
{
    struct fixture *t = ctx;
    if (streq(path, "/v3/lease/keepalive")) {
        str_copy(t->last_keepalive, sizeof(t->last_keepalive), fake_body(x));
    }
    if (t->times == 0 || (t->path && !streq(path, t->path)) ||
        (t->text && !strstr(fake_body(x), t->text))) {
        return false;
    }
    t->times--;
    t->hits++;
    switch (t->kind) {
    case FAULT_APPLY_RESET:
        fake_etcd_apply(f, x);
        fake_reset(x);
        break;
    case FAULT_RESET:
        fake_reset(x);
        break;
    case FAULT_SILENCE:
        break;
    case FAULT_STATUS:
        fake_reply(x, t->status, t->body);
        break;
    }
    return true;
}

static void arm(struct fixture *t, enum fault_kind kind, const char *path, unsigned times)
{
    t->kind = kind;
    t->path = path;
    t->times = times;
    t->hits = 0;
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
    if (t->k.writer) { /* the test has failed */
        keeper_close(&t->k, false);
    }
    fake_etcd_stop(&t->etcd);
    loop_close(t->io);
    free(t);
    return 0;
}

static void keep(struct fixture *t, unsigned ttl_s)
{
    keeper_open(&t->k, t->io, &registry_etcd, &t->etcd.uri, NODE, ttl_s, false);
}

static void want(struct fixture *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        keeper_want(&t->k, NODE, "web", "10.0.0.5", (uint16_t)(80 + i));
    }
}

static void settle(struct fixture *t)
{
    loop_until(t->io, keeper_settled(&t->k));
}

/* ---- */

static void first_start(void **state)
{
    struct fixture *t = *state;
    int64_t lease = 0, record_lease = 0;
    keep(t, 30);
    want(t, 3);
    settle(t);
    assert_int_equal(t->etcd.grants, 1);
    assert_int_equal(t->etcd.ttl, 30);
    assert_non_null(fake_etcd_get(&t->etcd, KEY, &lease));
    const char *record = fake_etcd_get(&t->etcd, RECORD, &record_lease);
    assert_true(lease != 0 && lease == record_lease);
    assert_non_null(strstr(record, "{\"node\":\"n1\",\"instance\":\""));
    assert_int_equal(t->etcd.watched, 1);
    keeper_close(&t->k, true);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);
    assert_int_equal(t->etcd.revokes, 1);
}

/* The answer to any step may be lost after it took effect, or before. */
static void lost_answers(void **state)
{
    struct fixture *t = *state;
    static const char *const paths[] = {"/v3/kv/range", "/v3/lease/grant", "/v3/lease/keepalive",
                                        "/v3/kv/txn", "/v3/lease/timetolive"};
    static const enum fault_kind kinds[] = {FAULT_APPLY_RESET, FAULT_RESET};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        for (size_t j = 0; j < ARRAY_LEN(kinds); j++) {
            arm(t, kinds[j], paths[i], 1);
            keep(t, 30);
            want(t, 3);
            settle(t);
            assert_false(t->k.deposed);
            assert_int_equal(fake_etcd_count(&t->etcd, "/t/web/"), 3);
            assert_int_equal(fake_etcd_count(&t->etcd, "/t/.agents/"), 1);
            keeper_close(&t->k, (i + j) % 2);
        }
    }
}

/* A write whose answer is lost is not repeated blindly: it converges with the truth. */
static void lost_write(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    loop_until(t->io, t->k.ready);
    arm(t, FAULT_APPLY_RESET, "/v3/kv/txn", 1);
    unsigned puts = t->etcd.puts;
    want(t, 1);
    settle(t);
    assert_int_equal(t->hits, 1);
    assert_int_equal(t->k.failures, 1);
    assert_int_equal(t->etcd.puts, puts + 1);

    arm(t, FAULT_SILENCE, "/v3/kv/txn", 1);
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
    settle(t);
    assert_int_equal(t->k.failures, 2);
    assert_int_equal(t->k.last.class, ERR_TRANSIENT);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/web/"), 0);
    keeper_close(&t->k, false);
}

/* A lease that died is told by nothing but a keepalive without TTL. */
static void dead_lease(void **state)
{
    struct fixture *t = *state;
    keep(t, 5);
    want(t, 3);
    settle(t);
    unsigned puts = t->k.puts;
    fake_etcd_wipe(&t->etcd); /* no event is sent */
    loop_until(t->io, t->k.unreadies == 1);
    assert_non_null(strstr(t->k.last.msg, "the lease has expired or was revoked"));
    settle(t);
    assert_int_equal(t->k.puts, puts + 3);
    assert_int_equal(t->etcd.grants, 2);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/web/"), 3);
    keeper_close(&t->k, false);
}

/* Keepalives that fail for a while cost no key and no write. */
static void out_of_reach(void **state)
{
    struct fixture *t = *state;
    keep(t, 5);
    want(t, 3);
    settle(t);
    unsigned puts = t->k.puts;
    t->status = 503;
    t->body = no_leader;
    arm(t, FAULT_STATUS, "/v3/lease/keepalive", 4);
    loop_until(t->io, t->k.unreadies == 1);
    assert_non_null(strstr(t->k.last.msg, "no leader"));
    settle(t);
    assert_int_equal(t->k.readies, 2);
    assert_int_equal(t->k.puts, puts);
    assert_int_equal(t->etcd.grants, 1);
    keeper_close(&t->k, false);
}

static void refused_requests(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    loop_until(t->io, t->k.ready);
    t->status = 429;
    t->body = no_space;
    arm(t, FAULT_STATUS, "/v3/kv/txn", 1);
    want(t, 1);
    loop_until(t->io, t->k.failures == 1);
    assert_int_equal(t->k.last.class, ERR_THROTTLED);
    settle(t);

    /* one operation that etcd will never take: the other 39 go through */
    t->status = 400;
    t->body = too_large;
    t->text = "L3Qvd2ViL24xOjEwLjAuMC41Ojk5"; /* base64 of ...:99 */
    arm(t, FAULT_STATUS, "/v3/kv/txn", 1000);
    want(t, 40);
    loop_until(t->io, keeper_seen(&t->k) == 39);
    assert_int_equal(t->k.last.class, ERR_INVALID);
    assert_true(t->hits > 0 && t->hits < 10);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/web/"), 39);
    assert_null(fake_etcd_get(&t->etcd, "/t/web/n1:10.0.0.5:99", NULL));
    keeper_close(&t->k, false);
}

/* Etcd takes 1.5 MiB in one request, whatever a batch holds. */
static void large_records(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    loop_until(t->io, t->k.ready);
    arm(t, FAULT_RESET, "/v3/kv/txn", 1); /* so that the others wait together */
    unsigned txns = t->etcd.txns;
    for (unsigned i = 0; i < 6; i++) {
        keeper_want_large(&t->k, NODE, "big", "10.0.0.5", (uint16_t)(80 + i), 400000);
    }
    settle(t);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/big/"), 6);
    /* the first alone, lost; the other five in slices of two; the first again */
    assert_int_equal(t->k.batches, 3);
    assert_int_equal(t->etcd.txns, txns + 4);
    keeper_close(&t->k, false);
}

/* Without its watch an agent learns by the fence that it was replaced, and has changed nothing. */
static void fenced(void **state)
{
    struct fixture *t = *state;
    arm(t, FAULT_SILENCE, "/v3/watch", 1000);
    keep(t, 30);
    want(t, 1);
    settle(t);
    fake_etcd_put(&t->etcd, RECORD,
                  "{\"node\":\"n1\",\"instance\":\"other\",\"started\":\"2026-01-02T03:04:05Z\"}",
                  t->etcd.leases[0]);
    int64_t revision = t->etcd.revision;
    want(t, 2);
    loop_until(t->io, t->k.deposed);
    assert_int_equal(t->etcd.revision, revision);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/web/"), 1);
    assert_int_equal(t->k.last.class, ERR_CONFLICT);
    assert_non_null(strstr(t->k.last.msg, "since 2026-01-02T03:04:05Z"));
    unsigned requests = fake_http_requests(t->etcd.http);
    keeper_close(&t->k, true);
    assert_int_equal(fake_http_requests(t->etcd.http), requests);
}

/* Nor does such an agent take anything with it when it ends. */
static void fenced_end(void **state)
{
    struct fixture *t = *state;
    arm(t, FAULT_SILENCE, "/v3/watch", 1000);
    keep(t, 30);
    want(t, 3);
    settle(t);
    fake_etcd_put(&t->etcd, RECORD, "{\"node\":\"n1\",\"instance\":\"other\"}", t->etcd.leases[0]);
    keeper_close(&t->k, true);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 4);
    assert_int_equal(t->etcd.revokes, 0);
}

/* One contested key does not hold up its batch. */
static void contested_key(void **state)
{
    struct fixture *t = *state;
    fake_etcd_put(&t->etcd, "/t/web/x:10.0.0.5:81", "10.0.0.1:1", 0);
    keep(t, 30);
    keeper_want(&t->k, "x", "web", "10.0.0.5", 81);
    want(t, 10);
    loop_until(t->io, t->k.conflicts == 1);
    assert_int_equal(t->k.batches, 1);
    assert_int_equal(keeper_seen(&t->k), 10);
    assert_string_equal(fake_etcd_get(&t->etcd, "/t/web/x:10.0.0.5:81", NULL), "10.0.0.1:1");
    fake_etcd_delete(&t->etcd, "/t/web/x:10.0.0.5:81");
    settle(t);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/web/"), 11);
    keeper_close(&t->k, false);
}

/* Compaction: a line, and then silence on an open response. */
static void compacted(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->etcd.n_watches == 1);
    unsigned puts = t->k.puts;
    fake_etcd_push(&t->etcd, "{\"result\":{\"header\":{\"raft_term\":\"2\"},\"canceled\":true,"
                             "\"compact_revision\":\"28\"}}\n");
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));
    loop_until(t->io, t->etcd.watched == 2);
    assert_int_equal(t->k.puts, puts);
    assert_int_equal(t->k.unreadies, 0);
    /* and the new watch works */
    fake_etcd_delete(&t->etcd, KEY);
    loop_until(t->io, t->k.puts == puts + 1 && keeper_settled(&t->k));
    keeper_close(&t->k, false);
}

/* What happened while the watch was away is not missed. */
static void watch_gap(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->etcd.n_watches == 1);
    unsigned puts = t->k.puts;
    fake_etcd_cut(&t->etcd);
    fake_etcd_delete(&t->etcd, KEY);
    loop_until(t->io, t->k.puts == puts + 1 && keeper_settled(&t->k));
    assert_int_equal(t->k.begins, 1); /* resumed, not listed again */
    keeper_close(&t->k, false);
}

/* The lease of another TTL lives on until its keys have moved, and no longer. */
static void second_lease(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 3);
    settle(t);
    int64_t old = t->etcd.leases[0], lease = 0;
    keeper_close(&t->k, false);
    keep(t, 5);
    want(t, 3);
    settle(t);
    char ids[64];
    snprintf(ids, sizeof(ids), "{\"ID\":\"%lld\"}", (long long)old);
    fake_etcd_get(&t->etcd, KEY, &lease);
    assert_true(lease != old);
    fake_etcd_get(&t->etcd, RECORD, &lease);
    assert_true(lease != old);
    unsigned keepalives = t->etcd.keepalives;
    loop_until(t->io, t->etcd.keepalives == keepalives + 1);
    if (strstr(t->last_keepalive, ids)) {
        fail_msg("the empty lease is still kept: %s", t->last_keepalive);
    }
    keeper_close(&t->k, true);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);
}

static void record_meddled(void **state)
{
    struct fixture *t = *state;
    int64_t lease = 0;
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->etcd.n_watches == 1);
    /* the same words, off the lease */
    char *record = xstrdup(fake_etcd_get(&t->etcd, RECORD, &lease));
    fake_etcd_put(&t->etcd, RECORD, record, 0);
    free(record);
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));
    int64_t again = 0;
    fake_etcd_get(&t->etcd, RECORD, &again);
    assert_true(again == lease);
    loop_until(t->io, t->etcd.n_watches == 1);
    fake_etcd_delete(&t->etcd, RECORD);
    loop_until(t->io, t->k.begins == 3 && keeper_settled(&t->k));
    fake_etcd_get(&t->etcd, RECORD, &again);
    assert_true(again == lease);
    assert_int_equal(t->k.unreadies, 0);
    assert_int_equal(t->etcd.grants, 1);
    keeper_close(&t->k, false);
}

/* close() in the middle of anything, with an etcd that has fallen silent there. */
static void close_anywhere(void **state)
{
    struct fixture *t = *state;
    for (unsigned i = 0; i <= 6; i++) { /* range, grant, txn, timetolive, watch, txn */
        for (unsigned deregister = 0; deregister < 2; deregister++) {
            fake_etcd_wipe(&t->etcd);
            unsigned before = fake_http_requests(t->etcd.http);
            t->times = 0;
            keep(t, 30);
            want(t, 3);
            loop_until(t->io, fake_http_requests(t->etcd.http) == before + i);
            arm(t, FAULT_SILENCE, NULL, 1000);
            msec_t start = io_now(t->io);
            keeper_close(&t->k, deregister);
            io_update_time(t->io);
            msec_t took = io_now(t->io) - start;
            if (took > (deregister ? 4000u : 1000u)) {
                fail_msg("close after %u requests took %u ms", i, (unsigned)took);
            }
        }
    }
}

/* What could not be removed is told before the end. */
static void left_behind(void **state)
{
    struct fixture *t = *state;
    static const struct {
        const char *path;
        enum fault_kind kind;
        const char *words[2];
    } cases[] = {
        {"/v3/kv/txn", FAULT_SILENCE, {"node n1: 0 keys below /t/ and the agent's own record", ""}},
        {"/v3/kv/txn", FAULT_SILENCE, {"3 keys below /t/ and the agent's own record are left", ""}},
        {"/v3/kv/txn", FAULT_STATUS, {"3 keys below /t/ and the agent's own record", "no leader"}},
        {"/v3/lease/revoke",
         FAULT_STATUS,
         {"3 keys below /t/ are left, those on its lease until that ends: ", "no leader"}},
    };
    t->status = 503;
    t->body = no_leader;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_etcd_wipe(&t->etcd);
        keep(t, 30);
        want(t, i == 0 ? 0 : 3);
        settle(t);
        arm(t, cases[i].kind, cases[i].path, 1000);
        keeper_close(&t->k, true);
        t->times = 0;
        assert_int_equal(t->k.troubles, 1);
        for (size_t j = 0; j < ARRAY_LEN(cases[i].words); j++) {
            if (!strstr(t->k.trouble.msg, cases[i].words[j])) {
                fail_msg("%zu: \"%s\" lacks \"%s\"", i, t->k.trouble.msg, cases[i].words[j]);
            }
        }
    }

    /* of an empty lease nobody needs to know */
    fake_etcd_wipe(&t->etcd);
    keep(t, 30);
    settle(t);
    arm(t, FAULT_SILENCE, "/v3/lease/revoke", 1000);
    keeper_close(&t->k, true);
    assert_int_equal(t->hits, 1);
    assert_int_equal(t->k.troubles, 0);
}

/* The end comes through answers that are lost, and through nonsense. */
static void lost_ends(void **state)
{
    struct fixture *t = *state;
    static const char *const paths[] = {"/v3/kv/txn", "/v3/lease/revoke"};
    t->status = 200;
    t->body = "<html>";
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        keep(t, 30);
        want(t, 3);
        settle(t);
        arm(t, FAULT_APPLY_RESET, paths[i], 1);
        keeper_close(&t->k, true);
        assert_int_equal(t->hits, 1);
        assert_int_equal(t->k.troubles, 0);
        assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);
        assert_int_equal(t->etcd.n_leases, 0);
    }
    keep(t, 30);
    want(t, 3);
    settle(t);
    arm(t, FAULT_STATUS, "/v3/kv/txn", 1);
    keeper_close(&t->k, true);
    assert_int_equal(t->hits, 1);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);
}

/* A writer with three keys on the lease of another TTL, and no way to put them onto its own. */
static void keep_detached(struct fixture *t)
{
    fake_etcd_wipe(&t->etcd);
    t->times = 0;
    keep(t, 30);
    want(t, 3);
    settle(t);
    keeper_close(&t->k, false);
    t->text = "request_put\":{\"key\":\"L3Qvd2Vi"; /* base64 of /t/web */
    arm(t, FAULT_RESET, "/v3/kv/txn", 1000);
    keep(t, 5);
    want(t, 3);
    loop_until(t->io, t->k.failures > 0);
    t->text = NULL;
    t->times = 0;
}

/* The end of keys that do not go with the lease. */
static void detached_ends(void **state)
{
    struct fixture *t = *state;
    keep_detached(t);
    arm(t, FAULT_APPLY_RESET, "/v3/kv/txn", 1);
    keeper_close(&t->k, true);
    assert_int_equal(t->hits, 1);
    assert_int_equal(t->k.troubles, 0);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);

    /* lost before it happens: not given up */
    keep_detached(t);
    arm(t, FAULT_RESET, "/v3/kv/txn", 1);
    keeper_close(&t->k, true);
    assert_int_equal(t->hits, 1);
    assert_int_equal(t->k.troubles, 0);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);

    /* no answer at all: those in flight count as well */
    keep_detached(t);
    arm(t, FAULT_SILENCE, "/v3/kv/txn", 1000);
    keeper_close(&t->k, true);
    assert_int_equal(t->k.troubles, 1);
    assert_non_null(strstr(t->k.trouble.msg, "3 keys below /t/ and the agent's own record are"));

    /* one that somebody changed does not keep the others */
    keep_detached(t);
    fake_etcd_put(&t->etcd, KEY, "10.0.0.1:1", 0);
    keeper_close(&t->k, true);
    assert_int_equal(t->k.troubles, 1);
    assert_string_equal(t->k.trouble.msg, "deregister node n1: 1 keys below /t/ are left: " KEY
                                          " was changed by somebody else");
    assert_string_equal(fake_etcd_get(&t->etcd, KEY, NULL), "10.0.0.1:1");
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 1);

    /* what etcd will never take does not keep the record and the lease */
    keep_detached(t);
    unsigned revokes = t->etcd.revokes;
    t->status = 400;
    t->body = too_large;
    t->text = "request_delete_range\":{\"key\":\"L3Qvd2Vi";
    arm(t, FAULT_STATUS, "/v3/kv/txn", 1000);
    keeper_close(&t->k, true);
    t->text = NULL;
    assert_int_equal(t->hits, 1);
    assert_int_equal(t->k.troubles, 1);
    assert_non_null(strstr(t->k.trouble.msg, "3 keys below /t/ are left: "));
    assert_non_null(strstr(t->k.trouble.msg, "request is too large"));
    assert_null(fake_etcd_get(&t->etcd, RECORD, NULL));
    assert_int_equal(t->etcd.revokes, revokes + 1);

    /* the record in our name, at another revision and on no lease: it goes, too */
    keep_detached(t);
    char *record = xstrdup(fake_etcd_get(&t->etcd, RECORD, NULL));
    fake_etcd_put(&t->etcd, RECORD, record, 0);
    keeper_close(&t->k, true);
    assert_int_equal(t->k.troubles, 0);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);

    /* the same without detached keys: seen only when it is to be deleted */
    keep(t, 30);
    want(t, 1);
    settle(t);
    free(record);
    record = xstrdup(fake_etcd_get(&t->etcd, RECORD, NULL));
    fake_etcd_put(&t->etcd, RECORD, record, 0);
    free(record);
    keeper_close(&t->k, true);
    assert_int_equal(t->k.troubles, 0);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);

    /* gone: somebody deleted it, or an answer was lost */
    keep_detached(t);
    fake_etcd_delete(&t->etcd, RECORD);
    keeper_close(&t->k, true);
    assert_int_equal(t->k.troubles, 0);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 0);

    /* and in another's name they are the other's business */
    keep_detached(t);
    fake_etcd_put(&t->etcd, RECORD, "{\"node\":\"n1\",\"instance\":\"other\"}", 0);
    keeper_close(&t->k, true);
    assert_int_equal(t->k.troubles, 0);
    assert_int_equal(fake_etcd_count(&t->etcd, "/t/"), 4);
}

static void settings(void **state)
{
    struct fixture *t = *state;
    struct err e = ERR_INIT;
    assert_int_equal(
        keeper_try_open(&t->k, t->io, &registry_etcd, &t->etcd.uri, "a/b", 30, false, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "node name \"a/b\""));
    assert_int_equal(
        keeper_try_open(&t->k, t->io, &registry_etcd, &t->etcd.uri, NODE, 4, false, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "at least 5 s"));
    t->etcd.uri.credentials.ca_file = xstrdup("/nonexistent/ca.pem");
    assert_int_equal(
        keeper_try_open(&t->k, t->io, &registry_etcd, &t->etcd.uri, NODE, 30, false, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "/nonexistent/ca.pem"));
    assert_int_equal(e.class, ERR_INVALID);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
#define ONE(fn) cmocka_unit_test_setup_teardown(fn, up, down)
    const struct CMUnitTest tests[] = {
        ONE(first_start),  ONE(lost_answers),     ONE(lost_write),     ONE(dead_lease),
        ONE(out_of_reach), ONE(refused_requests), ONE(large_records),  ONE(fenced),
        ONE(fenced_end),   ONE(contested_key),    ONE(compacted),      ONE(watch_gap),
        ONE(second_lease), ONE(record_meddled),   ONE(close_anywhere), ONE(left_behind),
        ONE(lost_ends),    ONE(detached_ends),    ONE(settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
