/*
 * The Consul KV writer against a scripted Consul: answers that are lost, late, missing or wrong.
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
#include "base/buf.h"
#include "base/str.h"
#include "lib/fake_consulkv.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"

#define NODE   "n1"
#define RECORD "t/.agents/" NODE
#define KEY    "t/web/" NODE ":10.0.0.5:80"

enum fault_kind {
    FAULT_APPLY_RESET, /* it happens, but the answer is lost */
    FAULT_RESET,       /* lost before it happens */
    FAULT_SILENCE,
    FAULT_STATUS, /* status and body */
};

struct fixture {
    struct io *io;
    struct fake_consulkv consul;
    struct keeper k, other;

    /* the fault: on requests whose path begins so and whose body has this text */
    const char *path, *text;
    enum fault_kind kind;
    int status;
    const char *body;
    unsigned times, hits;
    struct fake_exchange *silent; /* the last one that got no answer */
};

static bool fault(struct fake_consulkv *f, struct fake_exchange *x, const char *path, void *ctx)
{
    struct fixture *t = ctx;
    if (t->times == 0 || (t->path && !str_starts(path, t->path)) ||
        (t->text && !strstr(fake_body(x), t->text))) {
        return false;
    }
    t->times--;
    t->hits++;
    switch (t->kind) {
    case FAULT_APPLY_RESET:
        if (streq(fake_method(x), "PUT")) {
            fake_consulkv_apply(f, x);
        }
        fake_reset(x);
        break;
    case FAULT_RESET:
        fake_reset(x);
        break;
    case FAULT_SILENCE:
        t->silent = x;
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
    fake_consulkv_start(&t->consul, t->io, fault, t);
    *state = t;
    return 0;
}

static int down(void **state)
{
    struct fixture *t = *state;
    if (t->k.writer) { /* the test has failed */
        keeper_close(&t->k, false);
    }
    if (t->other.writer) {
        keeper_close(&t->other, false);
    }
    fake_consulkv_stop(&t->consul);
    loop_close(t->io);
    free(t);
    return 0;
}

static void keep(struct fixture *t, unsigned ttl_s)
{
    keeper_open(&t->k, t->io, &registry_consulkv, &t->consul.uri, NODE, ttl_s, false);
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
    const char *session, *record_session;
    keep(t, 30);
    want(t, 3);
    settle(t);
    assert_int_equal(t->consul.creates, 1);
    assert_string_equal(t->consul.sessions[0].ttl, "30s");
    assert_string_equal(t->consul.sessions[0].behavior, "delete");
    assert_string_equal(t->consul.sessions[0].lock_delay, "0s");
    assert_string_equal(t->consul.sessions[0].name, "tidewaiter n1");
    assert_non_null(fake_consulkv_get(&t->consul, KEY, &session));
    const char *record = fake_consulkv_get(&t->consul, RECORD, &record_session);
    assert_string_equal(session, t->consul.sessions[0].id);
    assert_string_equal(session, record_session);
    assert_non_null(strstr(record, "{\"node\":\"n1\",\"instance\":\""));
    assert_non_null(strstr(record, session));
    loop_until(t->io, t->consul.queries >= 1);
    keeper_close(&t->k, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 0);
    assert_int_equal(t->consul.n_sessions, 0);
    assert_int_equal(t->consul.destroys, 1);
}

static void ttl_limits(void **state)
{
    struct fixture *t = *state;
    keep(t, 5);
    loop_until(t->io, t->k.ready);
    assert_string_equal(t->consul.sessions[0].ttl, "10s");
    keeper_close(&t->k, true);
    keep(t, 100000);
    loop_until(t->io, t->k.ready);
    assert_string_equal(t->consul.sessions[0].ttl, "86400s");
    keeper_close(&t->k, true);
}

/* The next run of an agent finds its session and its keys, and has nothing to write but its record. */
static void restart_writes_nothing(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 40);
    settle(t);
    keeper_close(&t->k, false);
    assert_int_equal(t->consul.n_sessions, 1);
    unsigned locks = t->consul.locks;
    keep(t, 30);
    want(t, 40);
    settle(t);
    assert_int_equal(t->k.puts, 0);
    assert_int_equal(t->consul.locks, locks + 1);
    assert_int_equal(t->consul.creates, 1);
    keeper_close(&t->k, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 0);
}

/* The answer to any step may be lost after it took effect, or before. */
static void lost_answers(void **state)
{
    struct fixture *t = *state;
    static const char *const paths[] = {"/v1/kv/t/.agents", "/v1/kv/t/?", "/v1/session/create",
                                        "/v1/session/renew", "/v1/txn"};
    static const enum fault_kind kinds[] = {FAULT_APPLY_RESET, FAULT_RESET};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        for (size_t j = 0; j < ARRAY_LEN(kinds); j++) {
            arm(t, kinds[j], paths[i], 1);
            keep(t, 30);
            want(t, 3);
            settle(t);
            assert_false(t->k.deposed);
            assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 3);
            assert_int_equal(fake_consulkv_count(&t->consul, "t/.agents/"), 1);
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
    arm(t, FAULT_APPLY_RESET, "/v1/txn", 1);
    want(t, 1);
    settle(t);
    assert_int_equal(t->hits, 1);
    assert_int_equal(t->k.failures, 1);
    assert_int_equal(t->k.last.class, ERR_TRANSIENT);

    arm(t, FAULT_APPLY_RESET, "/v1/txn", 1);
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
    settle(t);
    assert_int_equal(t->hits, 1);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 0);
    keeper_close(&t->k, false);
}

/* All keys go with the session, and come back with the next one. */
static void session_ends(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 70); /* three batches */
    settle(t);
    unsigned puts = t->k.puts;
    char old[40];
    str_copy(old, sizeof(old), t->consul.sessions[0].id);
    fake_consulkv_expire(&t->consul, old);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 0);
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));
    assert_int_equal(t->k.unreadies, 1); /* so that the log says why all keys are put again */
    assert_non_null(strstr(t->k.last.msg, "the session has expired or was destroyed"));
    assert_int_equal(t->k.puts, puts + 70);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 70);
    assert_int_equal(t->consul.n_sessions, 1);
    keeper_close(&t->k, true);
}

/* The same without a watch: the renewal tells, or the write. */
static void session_ends_unseen(void **state)
{
    struct fixture *t = *state;
    arm(t, FAULT_SILENCE, "/v1/kv/t/?recurse&index=", 1000);
    keep(t, 10);
    want(t, 3);
    settle(t);
    fake_consulkv_expire(&t->consul, t->consul.sessions[0].id);
    loop_until(t->io, t->k.unreadies == 1);
    assert_non_null(strstr(t->k.last.msg, "the session has expired or was destroyed"));
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));

    /* and now the record is still there, so only the lock tells */
    char old[40];
    str_copy(old, sizeof(old), t->consul.sessions[0].id);
    t->consul.n_sessions = 0;
    keeper_want(&t->k, NODE, "late", "10.0.0.5", 80);
    loop_until(t->io, t->k.failures == 1);
    assert_non_null(strstr(t->k.last.msg, "invalid session"));
    fake_consulkv_expire(&t->consul, old);
    loop_until(t->io, t->k.begins == 3 && keeper_settled(&t->k));
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 5);
    keeper_close(&t->k, true);
}

/* Renewals that fail for a while cost no key and no write. */
static void out_of_reach(void **state)
{
    struct fixture *t = *state;
    keep(t, 10);
    want(t, 3);
    settle(t);
    unsigned puts = t->k.puts;
    t->status = 500;
    t->body = "No cluster leader";
    arm(t, FAULT_STATUS, "/v1/session/renew", 4);
    loop_until(t->io, t->k.unreadies == 1);
    assert_non_null(strstr(t->k.last.msg, "No cluster leader"));
    settle(t);
    assert_int_equal(t->k.readies, 2);
    assert_int_equal(t->k.puts, puts);
    assert_int_equal(t->consul.creates, 1);
    keeper_close(&t->k, false);
}

static void refused_requests(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    loop_until(t->io, t->k.ready);
    t->status = 429;
    t->body = "too many requests";
    arm(t, FAULT_STATUS, "/v1/txn", 1);
    want(t, 1);
    loop_until(t->io, t->k.failures == 1);
    assert_int_equal(t->k.last.class, ERR_THROTTLED);
    settle(t);

    /* one operation that Consul will never take: the other 29 go through */
    t->status = 413;
    t->body = "Request body(600000 bytes) too large, max size: 524288 bytes.";
    t->text = "10.0.0.5:99";
    arm(t, FAULT_STATUS, "/v1/txn", 1000);
    want(t, 30);
    loop_until(t->io, keeper_seen(&t->k) == 29);
    assert_int_equal(t->k.last.class, ERR_INVALID);
    assert_true(t->hits > 0 && t->hits < 12);
    assert_null(fake_consulkv_get(&t->consul, "t/web/n1:10.0.0.5:99", NULL));
    keeper_close(&t->k, false);
}

/* Consul takes 512 KiB in one request, whatever a batch holds. */
static void large_records(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    loop_until(t->io, t->k.ready);
    for (unsigned i = 0; i < 6; i++) {
        keeper_want_large(&t->k, NODE, "big", "10.0.0.5", (uint16_t)(80 + i), 120000);
    }
    settle(t);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/big/"), 6);
    assert_int_equal(t->k.failures, 0);
    assert_int_equal(t->consul.too_large, 0); /* cut to size, not found out by trying */

    /* a Consul that was told to take less */
    t->consul.body_max = 200000;
    for (unsigned i = 0; i < 6; i++) {
        keeper_unwant(&t->k, NODE, "big", "10.0.0.5", (uint16_t)(80 + i));
        keeper_want_large(&t->k, NODE, "big", "10.0.0.6", (uint16_t)(80 + i), 120000);
    }
    settle(t);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/big/"), 6);
    assert_int_equal(t->k.failures, 0);
    assert_true(t->consul.too_large > 0);
    keeper_close(&t->k, false);
}

/* Without its watch an agent learns by the fence that it was replaced, and has changed nothing. */
static void fenced(void **state)
{
    struct fixture *t = *state;
    arm(t, FAULT_SILENCE, "/v1/kv/t/?recurse&index=", 1000);
    keep(t, 30);
    want(t, 1);
    settle(t);
    fake_consulkv_put(&t->consul, RECORD,
                      "{\"node\":\"n1\",\"instance\":\"other\",\"started\":"
                      "\"2026-01-02T03:04:05Z\"}");
    want(t, 2);
    loop_until(t->io, t->k.deposed);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 1);
    assert_int_equal(t->k.last.class, ERR_CONFLICT);
    assert_non_null(strstr(t->k.last.msg, "since 2026-01-02T03:04:05Z"));
    unsigned requests = fake_http_requests(t->consul.http);
    keeper_close(&t->k, true);
    assert_int_equal(fake_http_requests(t->consul.http), requests);
    assert_int_equal(t->consul.n_sessions, 1);
}

/* Nor does such an agent take anything with it when it ends. */
static void fenced_end(void **state)
{
    struct fixture *t = *state;
    arm(t, FAULT_SILENCE, "/v1/kv/t/?recurse&index=", 1000);
    keep(t, 30);
    want(t, 3);
    settle(t);
    fake_consulkv_put(&t->consul, RECORD, "{\"node\":\"n1\",\"instance\":\"other\"}");
    keeper_close(&t->k, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 4);
    assert_int_equal(t->consul.destroys, 0);
}

static void deposed_by_watch(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 3);
    settle(t);
    keeper_open(&t->other, t->io, &registry_consulkv, &t->consul.uri, NODE, 30, false);
    for (unsigned i = 0; i < 3; i++) {
        keeper_want(&t->other, NODE, "web", "10.0.0.5", (uint16_t)(80 + i));
    }
    loop_until(t->io, t->k.deposed && keeper_settled(&t->other));
    assert_int_equal(t->other.puts, 0);
    assert_int_equal(t->consul.creates, 1);
    keeper_close(&t->k, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 3);
    keeper_close(&t->other, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 0);
}

/* One contested key does not hold up its batch. */
static void contested_key(void **state)
{
    struct fixture *t = *state;
    fake_consulkv_lock(&t->consul, "t/web/x:10.0.0.5:81", "10.0.0.1:1", "somebody");
    keep(t, 30);
    keeper_want(&t->k, "x", "web", "10.0.0.5", 81);
    want(t, 10);
    loop_until(t->io, t->k.conflicts == 1);
    assert_int_equal(t->k.batches, 1);
    assert_int_equal(keeper_seen(&t->k), 10);
    assert_string_equal(fake_consulkv_get(&t->consul, "t/web/x:10.0.0.5:81", NULL), "10.0.0.1:1");
    fake_consulkv_delete(&t->consul, "t/web/x:10.0.0.5:81");
    settle(t);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 11);
    keeper_close(&t->k, false);
}

/* Nor does one whose lock ended just now, by a session that asked for a delay. */
static void delayed_key(void **state)
{
    struct fixture *t = *state;
    t->consul.delayed = KEY;
    keep(t, 30);
    want(t, 10);
    loop_until(t->io, t->k.failures == 1);
    assert_int_equal(t->k.batches, 1);
    assert_int_equal(keeper_seen(&t->k), 9);
    assert_int_equal(t->consul.txns,
                     3); /* the record, all ten, the nine: nothing to be looked at */
    assert_int_equal(t->k.last.class, ERR_TRANSIENT);
    assert_string_equal(t->k.last.msg,
                        "consul txn: failed to lock key \"" KEY "\" due to lock delay");
    t->consul.delayed = NULL;
    settle(t);
    keeper_close(&t->k, true);

    /* of the agent's own record: said, and not asked for without pause */
    t->consul.delayed = RECORD;
    keep(t, 30);
    loop_until(t->io, t->k.unreadies == 1);
    assert_non_null(strstr(t->k.last.msg, "\"" RECORD "\" due to lock delay"));
    unsigned txns = t->consul.txns;
    msec_t start = io_now(t->io);
    loop_until(t->io, t->consul.txns == txns + 3);
    if (io_now(t->io) - start < 200) {
        fail_msg("3 tries in %u ms", (unsigned)(io_now(t->io) - start));
    }
    assert_true(t->consul.creates <= 2); /* one of the first agent, one of this one */
    t->consul.delayed = NULL;
    loop_until(t->io, t->k.ready);
    keeper_close(&t->k, true);
}

/* Refused without end although it is as it should be: that one, and with Consul's words. */
static void refused_strangely(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    loop_until(t->io, t->k.ready);
    t->status = 409;
    t->body = "{\"Results\":null,\"Errors\":[{\"OpIndex\":2,\"What\":\"odd today\"}]}";
    t->text = "\"Verb\":\"lock\",\"Key\":\"" KEY;
    arm(t, FAULT_STATUS, "/v1/txn", 3);
    keeper_want(&t->k, NODE, "web", "10.0.0.5", 80);
    keeper_want(&t->k, NODE, "web", "10.0.0.5", 81);
    loop_until(t->io, t->k.failures == 1);
    assert_string_equal(t->k.last.msg, "consul txn: odd today");
    settle(t);
    assert_int_equal(t->hits, 3);
    keeper_close(&t->k, true);
}

/* A key that the token may not write ends alone. */
static void no_right_to_write(void **state)
{
    struct fixture *t = *state;
    t->consul.denied = "t/secret/";
    keep(t, 30);
    want(t, 3);
    keeper_want(&t->k, NODE, "secret", "10.0.0.5", 80);
    loop_until(t->io, t->k.failures > 0 && keeper_seen(&t->k) == 3);
    assert_int_equal(t->k.last.class, ERR_AUTH);
    assert_non_null(strstr(t->k.last.msg, "t/secret/n1:10.0.0.5:80: Permission denied"));
    t->consul.denied = NULL;
    settle(t);
    keeper_close(&t->k, true);

    t->consul.denied = "t/";
    keep(t, 30);
    loop_until(t->io, t->k.unreadies == 1);
    assert_int_equal(t->k.last.class, ERR_AUTH);
    assert_non_null(strstr(t->k.last.msg, "key_prefix \"t/\" { policy = \"write\" }"));
    assert_int_equal(t->k.readies, 0);
    keeper_close(&t->k, true);
}

/* A right that is withdrawn makes all keys vanish from the listing; nothing is taken for gone. */
static void right_withdrawn(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->consul.n_held == 1);
    unsigned puts = t->k.puts;
    t->consul.denied = "t/";
    fake_consulkv_put(&t->consul, "t/x", "wakes the query");
    loop_until(t->io, t->k.unreadies == 1);
    assert_int_equal(t->k.last.class, ERR_AUTH);
    assert_int_equal(t->k.puts, puts);
    t->consul.denied = NULL;
    loop_until_ms(t->io, 20000, keeper_settled(&t->k));
    assert_int_equal(t->k.puts, puts);
    keeper_close(&t->k, true);
}

static void meddling(void **state)
{
    struct fixture *t = *state;
    const char *session;
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->consul.n_held == 1);
    unsigned puts = t->k.puts;
    fake_consulkv_delete(&t->consul, KEY);
    loop_until(t->io, t->k.puts == puts + 1 && keeper_settled(&t->k));
    fake_consulkv_put(&t->consul, KEY, "10.9.9.9:1");
    loop_until(t->io, t->k.puts == puts + 2 && keeper_settled(&t->k));
    /* the same value, but nobody holds it */
    char *value = xstrdup(fake_consulkv_get(&t->consul, KEY, NULL));
    fake_consulkv_lock(&t->consul, KEY, value, "");
    free(value);
    loop_until(t->io, t->k.puts == puts + 3 && keeper_settled(&t->k));
    (void)fake_consulkv_get(&t->consul, KEY, &session);
    assert_string_equal(session, t->consul.sessions[0].id);
    assert_int_equal(t->k.begins, 1);
    keeper_close(&t->k, false);
}

static void record_meddled(void **state)
{
    struct fixture *t = *state;
    const char *session;
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->consul.n_held == 1);
    /* the same words, held by nobody */
    char *record = xstrdup(fake_consulkv_get(&t->consul, RECORD, NULL));
    fake_consulkv_lock(&t->consul, RECORD, record, "");
    free(record);
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));
    (void)fake_consulkv_get(&t->consul, RECORD, &session);
    assert_string_equal(session, t->consul.sessions[0].id);
    loop_until(t->io, t->consul.n_held == 1);
    fake_consulkv_delete(&t->consul, RECORD);
    loop_until(t->io, t->k.begins == 3 && keeper_settled(&t->k));
    assert_non_null(fake_consulkv_get(&t->consul, RECORD, &session));
    assert_string_equal(session, t->consul.sessions[0].id);
    assert_int_equal(t->k.unreadies, 0);
    assert_int_equal(t->consul.creates, 1);
    keeper_close(&t->k, false);
}

/* A record that cannot be read is not another agent's. */
static void record_unreadable(void **state)
{
    struct fixture *t = *state;
    static const char *const garbage[] = {"garbage", "", "{}", "[1]", "{\"instance\":7}"};
    const char *session;
    keep(t, 30);
    want(t, 3);
    settle(t);
    unsigned puts = t->k.puts;
    for (unsigned i = 0; i < ARRAY_LEN(garbage); i++) {
        for (unsigned held = 0; held < 2; held++) {
            unsigned begins = t->k.begins;
            loop_until(t->io, t->consul.n_held == 1);
            fake_consulkv_lock(&t->consul, RECORD, garbage[i],
                               held ? t->consul.sessions[0].id : "");
            loop_until(t->io, t->k.deposed || (t->k.begins > begins && keeper_settled(&t->k)));
            if (t->k.deposed) {
                fail_msg("\"%s\": %s", garbage[i], t->k.last.msg);
            }
            const char *record = fake_consulkv_get(&t->consul, RECORD, &session);
            assert_non_null(strstr(record, "{\"node\":\"n1\",\"instance\":\""));
            assert_string_equal(session, t->consul.sessions[0].id);
        }
    }
    assert_int_equal(t->k.puts, puts);
    assert_int_equal(t->k.unreadies, 0);
    assert_int_equal(t->consul.creates, 1);

    /* nor does it hinder the end */
    arm(t, FAULT_SILENCE, "/v1/kv/t/?recurse&index=", 1000);
    fake_consulkv_put(&t->consul, RECORD, "garbage");
    keeper_close(&t->k, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 0);
    assert_int_equal(t->consul.n_sessions, 0);
    assert_int_equal(t->k.troubles, 0);
}

/* Locked by somebody else and unreadable: nobody is known to have taken over. It is said, and tried
 * again, without a new session each time, and without keeping theirs alive. */
static void record_locked(void **state)
{
    struct fixture *t = *state;
    static const char stranger[] = "0a0b0c0d-0000-4000-8000-0000000000ff";
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->consul.n_held == 1);
    unsigned puts = t->k.puts;
    fake_consulkv_lock(&t->consul, RECORD, "garbage", stranger);
    loop_until(t->io, t->k.unreadies == 1);
    assert_non_null(strstr(t->k.last.msg, "\"" RECORD "\", lock is already held"));
    unsigned locks = t->consul.locks;
    t->text = NULL;
    arm(t, FAULT_APPLY_RESET, "/v1/session/renew/0a0b0c0d-0000-4000-8000-0000000000ff", 1000);
    loop_until(t->io, t->consul.locks >= locks + 3);
    assert_int_equal(t->hits, 0);
    assert_int_equal(t->consul.creates, 1);
    t->times = 0;
    fake_consulkv_expire(&t->consul, stranger);
    loop_until_ms(t->io, 20000, keeper_settled(&t->k));
    assert_int_equal(t->k.puts, puts);
    assert_false(t->k.deposed);
    keeper_close(&t->k, true);
}

/* A snapshot from before this run has the record of an earlier one: that is no other agent. */
static void snapshot_restored(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 2);
    settle(t);
    keeper_close(&t->k, false);
    fake_consulkv_save(&t->consul);
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->consul.n_held == 1 && t->consul.query_index == t->consul.index);
    unsigned begins = t->k.begins;
    fake_consulkv_restore(&t->consul);
    loop_until(t->io, t->k.deposed || (t->k.begins > begins && keeper_settled(&t->k)));
    if (t->k.deposed) {
        fail_msg("%s", t->k.last.msg);
    }
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 3);
    assert_int_equal(t->consul.creates, 1);
    keeper_close(&t->k, true);
}

/* Data and sessions are lost at once, and indexes begin anew. */
static void wiped(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 3);
    settle(t);
    loop_until(t->io, t->consul.n_held == 1);
    fake_consulkv_wipe(&t->consul);
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 3);
    keeper_close(&t->k, false);
}

/* Traces of deleted keys that Consul clears away make indexes go back: nothing is lost by it. */
static void index_goes_back(void **state)
{
    struct fixture *t = *state;
    keep(t, 30);
    want(t, 3);
    settle(t);
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 82);
    settle(t);
    loop_until(t->io, t->consul.n_held == 1);
    unsigned puts = t->k.puts, locks = t->consul.locks;
    fake_consulkv_reap(&t->consul);
    fake_consulkv_cut(&t->consul); /* the next query asks without index */
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));
    assert_int_equal(t->k.puts, puts);
    assert_int_equal(t->consul.locks, locks); /* the record is right as it is */
    assert_int_equal(t->k.unreadies, 0);
    fake_consulkv_delete(&t->consul, KEY);
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
    loop_until(t->io, t->consul.n_held == 1);
    unsigned puts = t->k.puts;
    fake_consulkv_cut(&t->consul);
    fake_consulkv_delete(&t->consul, KEY);
    loop_until(t->io, t->k.puts == puts + 1 && keeper_settled(&t->k));
    assert_int_equal(t->k.begins, 1);
    keeper_close(&t->k, false);
}

/* A listing from before our own writes, that comes after them: nothing it lacks is gone,
 * and nothing it has is back. */
static void old_listing(void **state)
{
    struct fixture *t = *state;
    struct buf list = BUF_INIT(1 << 20);
    char headers[64];
    keep(t, 30);
    want(t, 1);
    settle(t);
    loop_until(t->io, t->consul.n_held == 1);
    arm(t, FAULT_SILENCE, "/v1/kv/t/?recurse&index=", 1);
    want(t, 2);
    loop_until(t->io, t->hits == 1);
    settle(t);
    int64_t index = fake_consulkv_list(&t->consul, "t/", &list);
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
    keeper_want(&t->k, NODE, "web", "10.0.0.5", 82);
    settle(t);
    unsigned puts = t->k.puts, batches = t->k.batches;
    fake_consulkv_delete(&t->consul,
                         "t/web/" NODE ":10.0.0.5:82"); /* this is news, but for later */
    snprintf(headers, sizeof(headers), "X-Consul-Index: %lld\r\n", (long long)index);
    fake_reply_headers(t->silent, 200, headers, buf_str(&list));
    buf_deinit(&list);
    loop_until(t->io, t->k.puts == puts + 1 && keeper_settled(&t->k));
    assert_int_equal(t->k.batches, batches + 1);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 2);
    keeper_close(&t->k, true);
}

/* A session of another TTL lives until its keys have moved, and no longer. */
static void other_ttl(void **state)
{
    struct fixture *t = *state;
    const char *session;
    keep(t, 30);
    want(t, 40);
    settle(t);
    char old[40];
    str_copy(old, sizeof(old), t->consul.sessions[0].id);
    keeper_close(&t->k, false);
    keep(t, 10);
    want(t, 40);
    settle(t);
    assert_int_equal(t->k.puts, 40);
    assert_int_equal(t->k.conflicts, 0);
    (void)fake_consulkv_get(&t->consul, KEY, &session);
    assert_string_not_equal(session, old);
    (void)fake_consulkv_get(&t->consul, RECORD, &session);
    assert_string_not_equal(session, old);
    assert_string_equal(t->consul.sessions[1].ttl, "10s");
    fake_consulkv_expire(&t->consul, old); /* as it will */
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 41);
    unsigned renews = t->consul.renews;
    loop_until(t->io, t->consul.renews == renews + 1);
    keeper_close(&t->k, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 0);
}

/* Whatever session a record names: that of another agent is neither used nor ended. */
static void session_of_others(void **state)
{
    struct fixture *t = *state;
    const char *session;
    keeper_open(&t->other, t->io, &registry_consulkv, &t->consul.uri, "n2", 30, false);
    keeper_want(&t->other, "n2", "web", "10.0.0.6", 80);
    loop_until(t->io, keeper_settled(&t->other));
    char *record = xstrdup(fake_consulkv_get(&t->consul, "t/.agents/n2", NULL));
    fake_consulkv_put(&t->consul, RECORD, record);
    free(record);
    keep(t, 30);
    want(t, 1);
    settle(t);
    assert_int_equal(t->consul.creates, 2);
    (void)fake_consulkv_get(&t->consul, RECORD, &session);
    assert_string_equal(session, t->consul.sessions[1].id);
    keeper_close(&t->k, true);
    assert_int_equal(t->consul.n_sessions, 1);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 2);
    keeper_close(&t->other, true);
}

/* Records without a session: an earlier tool's, of this host, are taken when wanted. */
static void unclaimed(void **state)
{
    struct fixture *t = *state;
    const char *session;
    fake_consulkv_put(&t->consul, KEY, "10.0.0.5:80");
    fake_consulkv_put(&t->consul, "t/web/n1:old-1:81", "10.0.0.5:81");
    fake_consulkv_put(&t->consul, "t/web/n2:old-1:81", "10.0.0.6:81");
    keep(t, 30);
    want(t, 1);
    settle(t);
    (void)fake_consulkv_get(&t->consul, KEY, &session);
    assert_string_equal(session, t->consul.sessions[0].id);
    keeper_close(&t->k, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 2); /* never deleted */

    struct registry_writer_config config = {
        .uri = &t->consul.uri, .node = NODE, .ttl_s = 30, .adopt_by_id = true};
    keeper_open_config(&t->k, t->io, &registry_consulkv, &config);
    loop_until(t->io, t->k.deletes == 1 && keeper_settled(&t->k));
    assert_non_null(fake_consulkv_get(&t->consul, "t/web/n2:old-1:81", NULL));
    assert_int_equal(fake_consulkv_count(&t->consul, "t/web/"), 1);
    keeper_close(&t->k, true);
}

/* Templates written for Registrator's records find nothing else below the prefix. */
static void registrator_dialect(void **state)
{
    struct fixture *t = *state;
    struct registry_writer_config config = {
        .uri = &t->consul.uri, .node = NODE, .ttl_s = 10, .dialect = REGISTRY_REGISTRATOR};
    static const char record[] = ".tidewaiter/agents/t/" NODE;
    keeper_open_config(&t->k, t->io, &registry_consulkv, &config);
    loop_until(t->io, t->k.ready); /* also with nothing below the prefix */
    want(t, 3);
    settle(t);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 3);
    assert_non_null(fake_consulkv_get(&t->consul, record, NULL));
    /* it is looked at with every renewal */
    unsigned begins = t->k.begins;
    fake_consulkv_delete(&t->consul, record);
    loop_until(t->io, t->k.begins == begins + 1 && keeper_settled(&t->k));
    assert_non_null(fake_consulkv_get(&t->consul, record, NULL));
    fake_consulkv_put(&t->consul, record, "{\"instance\":\"other\"}");
    loop_until(t->io, t->k.deposed);
    keeper_close(&t->k, true);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 3);

    /* no right to see what is below the prefix: that is not an empty one */
    t->consul.denied = "t/";
    config.node = "n2";
    keeper_open_config(&t->k, t->io, &registry_consulkv, &config);
    loop_until(t->io, t->k.unreadies == 1);
    assert_int_equal(t->k.last.class, ERR_AUTH);
    assert_int_equal(t->k.begins, 0);
    keeper_close(&t->k, true);
}

static void looks_only(void **state)
{
    struct fixture *t = *state;
    keeper_open(&t->k, t->io, &registry_consulkv, &t->consul.uri, NODE, 30, true);
    loop_until(t->io, t->k.ready);
    assert_int_equal(keeper_seen(&t->k), 0);
    keeper_close(&t->k, true);
    keep(t, 30);
    want(t, 3);
    settle(t);
    keeper_close(&t->k, false);
    unsigned txns = t->consul.txns, renews = t->consul.renews;
    keeper_open(&t->k, t->io, &registry_consulkv, &t->consul.uri, NODE, 60, true);
    loop_until(t->io, t->k.ready);
    assert_int_equal(keeper_seen(&t->k), 3);
    keeper_close(&t->k, true);
    assert_int_equal(t->consul.txns, txns);
    assert_int_equal(t->consul.renews, renews);
    assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 4);
    /* an empty listing that only looks empty */
    t->consul.denied = "t/";
    keeper_open(&t->k, t->io, &registry_consulkv, &t->consul.uri, "n2", 60, true);
    loop_until(t->io, t->k.unreadies == 1);
    assert_int_equal(t->k.last.class, ERR_AUTH);
    keeper_close(&t->k, true);
}

/* close() in the middle of anything, with a Consul that has fallen silent there. */
static void close_anywhere(void **state)
{
    struct fixture *t = *state;
    for (unsigned i = 0; i <= 6; i++) { /* record, create, claim, list, query, txn */
        for (unsigned deregister = 0; deregister < 2; deregister++) {
            fake_consulkv_wipe(&t->consul);
            unsigned before = fake_http_requests(t->consul.http);
            t->times = 0;
            keep(t, 30);
            want(t, 3);
            loop_until(t->io, fake_http_requests(t->consul.http) >= before + i);
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

/* The end comes through answers that are lost. */
static void lost_ends(void **state)
{
    struct fixture *t = *state;
    static const char *const paths[] = {"/v1/txn", "/v1/session/destroy"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        keep(t, 30);
        want(t, 3);
        settle(t);
        arm(t, FAULT_APPLY_RESET, paths[i], 1);
        keeper_close(&t->k, true);
        assert_int_equal(t->hits, 1);
        assert_int_equal(fake_consulkv_count(&t->consul, "t/"), 0);
        assert_int_equal(t->consul.n_sessions, 0);
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
        {"/v1/txn", FAULT_SILENCE, {"3 keys below t/ and the agent's own record", "no answer"}},
        {"/v1/txn", FAULT_STATUS, {"3 keys below t/ and the agent's own record", "HTTP 500: No"}},
        {"/v1/session/destroy", FAULT_STATUS, {"3 keys below t/ are left, until", "HTTP 500: No"}},
    };
    t->status = 500;
    t->body = "No cluster leader";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_consulkv_wipe(&t->consul);
        keep(t, 30);
        want(t, 3);
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

    /* the record has fallen into other hands, without anybody being known to have taken over */
    fake_consulkv_wipe(&t->consul);
    arm(t, FAULT_SILENCE, "/v1/kv/t/?recurse&index=", 1000);
    keep(t, 30);
    want(t, 3);
    settle(t);
    fake_consulkv_lock(&t->consul, RECORD, "garbage", "somebody");
    keeper_close(&t->k, true);
    assert_int_equal(t->k.troubles, 1);
    assert_non_null(strstr(t->k.trouble.msg, RECORD " is locked by session somebody"));

    /* a right that was taken away: Consul's words, and no answers by the thousand */
    fake_consulkv_wipe(&t->consul);
    t->times = 0;
    keep(t, 30);
    want(t, 3);
    settle(t);
    t->status = 409;
    t->body = "{\"Results\":null,\"Errors\":[{\"OpIndex\":0,\"What\":\"Permission denied\"}]}";
    arm(t, FAULT_STATUS, "/v1/txn", 1000);
    keeper_close(&t->k, true);
    assert_int_equal(t->k.troubles, 1);
    assert_non_null(strstr(t->k.trouble.msg, "Permission denied"));
    assert_true(t->hits > 0 && t->hits <= 40);
}

static void settings(void **state)
{
    struct fixture *t = *state;
    struct err e = ERR_INIT;
    assert_int_equal(
        keeper_try_open(&t->k, t->io, &registry_consulkv, &t->consul.uri, "a/b", 30, false, &e),
        -EINVAL);
    assert_non_null(strstr(e.msg, "node name \"a/b\""));
    assert_int_equal(
        keeper_try_open(&t->k, t->io, &registry_consulkv, &t->consul.uri, NODE, 4, false, &e),
        -EINVAL);
    assert_non_null(strstr(e.msg, "at least 5 s"));
    t->consul.uri.credentials.ca_file = xstrdup("/nonexistent/ca.pem");
    assert_int_equal(
        keeper_try_open(&t->k, t->io, &registry_consulkv, &t->consul.uri, NODE, 30, false, &e),
        -EINVAL);
    assert_non_null(strstr(e.msg, "/nonexistent/ca.pem"));
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
#define ONE(fn) cmocka_unit_test_setup_teardown(fn, up, down)
    const struct CMUnitTest tests[] = {
        ONE(first_start),
        ONE(ttl_limits),
        ONE(restart_writes_nothing),
        ONE(lost_answers),
        ONE(lost_write),
        ONE(session_ends),
        ONE(session_ends_unseen),
        ONE(out_of_reach),
        ONE(refused_requests),
        ONE(large_records),
        ONE(fenced),
        ONE(fenced_end),
        ONE(deposed_by_watch),
        ONE(contested_key),
        ONE(delayed_key),
        ONE(refused_strangely),
        ONE(no_right_to_write),
        ONE(right_withdrawn),
        ONE(meddling),
        ONE(record_meddled),
        ONE(record_unreadable),
        ONE(record_locked),
        ONE(snapshot_restored),
        ONE(wiped),
        ONE(index_goes_back),
        ONE(watch_gap),
        ONE(old_listing),
        ONE(other_ttl),
        ONE(session_of_others),
        ONE(unclaimed),
        ONE(registrator_dialect),
        ONE(looks_only),
        ONE(close_anywhere),
        ONE(lost_ends),
        ONE(left_behind),
        ONE(settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
