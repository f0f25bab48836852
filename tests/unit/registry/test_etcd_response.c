/*
 * Answers and watch lines as etcd 3.4.23 and 3.5.16 send them, and what no etcd sends.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "registry/etcd_event.h"
#include "registry/etcd_response.h"

#define HEADER_34                                                                                  \
    "\"header\":{\"cluster_id\":\"14841639068965178418\",\"member_id\":\"10276657743932975437\","  \
    "\"revision\":\"18\",\"raft_term\":\"2\"}"
#define HEADER_35                                                                                  \
    "\"header\":{\"cluster_id\":\"14841639068965178418\", "                                        \
    "\"member_id\":\"10276657743932975437\", \"revision\":\"18\", \"raft_term\":\"2\"}"
#define KV_A                                                                                       \
    "{\"key\":\"L3MvYQ==\",\"create_revision\":\"10\",\"mod_revision\":\"11\",\"version\":\"1\","  \
    "\"value\":\"eA==\",\"lease\":\"7587894112341234567\"}"

static void expect_ok(int r, const struct err *e)
{
    if (r != 0) {
        fail_msg("%d: %s", r, e->msg);
    }
}

static void range(void **state)
{
    static const char *const bodies[] = {
        "{" HEADER_34 ",\"kvs\":[" KV_A ",{\"key\":\"L3MvYg==\",\"mod_revision\":\"12\"}],"
        "\"more\":true,\"count\":\"3\"}",
        "{" HEADER_35 ", \"kvs\":[" KV_A ", {\"key\":\"L3MvYg==\", \"mod_revision\":\"12\"}], "
        "\"more\":true, \"count\":\"3\"}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct etcd_range out;
        struct err e = ERR_INIT;
        expect_ok(etcd_response_range(&out, bodies[i], strlen(bodies[i]), &e), &e);
        assert_int_equal(out.header.revision, 18);
        assert_true(out.header.cluster != 0);
        assert_int_equal(out.n, 2);
        assert_true(out.more);
        assert_string_equal(out.kvs[0].key, "/s/a");
        assert_int_equal(out.kvs[0].key_len, 4);
        assert_string_equal(out.kvs[0].value, "x");
        assert_int_equal(out.kvs[0].mod_revision, 11);
        assert_true(out.kvs[0].lease == 7587894112341234567); /* above 2^53 */
        assert_int_equal(out.kvs[1].value_len, 0);            /* left out */
        assert_int_equal(out.kvs[1].lease, 0);
        arena_deinit(&out.arena);
    }
    struct etcd_range out;
    struct err e = ERR_INIT;
    static const char empty[] = "{" HEADER_34 "}";
    expect_ok(etcd_response_range(&out, empty, strlen(empty), &e), &e);
    assert_int_equal(out.n, 0);
    assert_false(out.more);
    arena_deinit(&out.arena);
}

static void zero_bytes(void **state)
{
    struct etcd_range out;
    struct err e = ERR_INIT;
    static const char body[] = "{" HEADER_34 ",\"kvs\":[{\"key\":\"L3MAYQ==\"}]}";
    expect_ok(etcd_response_range(&out, body, strlen(body), &e), &e);
    assert_int_equal(out.kvs[0].key_len, 4);
    assert_memory_equal(out.kvs[0].key, "/s\0a", 5);
    arena_deinit(&out.arena);
}

static void txn(void **state)
{
    struct etcd_txn_response out;
    struct err e = ERR_INIT;
    static const char refused[] =
        "{" HEADER_34 ",\"responses\":[{\"response_range\":{\"header\":{\"revision\":\"18\"},"
        "\"kvs\":[" KV_A "],\"count\":\"1\"}},{\"response_range\":{\"header\":{\"revision\":"
        "\"18\"}}}]}";
    expect_ok(etcd_response_txn(&out, refused, strlen(refused), &e), &e);
    assert_false(out.succeeded);
    assert_int_equal(out.n, 2);
    assert_string_equal(out.items[0].key, "/s/a");
    assert_null(out.items[1].key);
    arena_deinit(&out.arena);

    static const char done[] =
        "{" HEADER_35 ", \"succeeded\":true, \"responses\":[{\"response_put\":{\"header\":"
        "{\"revision\":\"18\"}}}, {\"response_delete_range\":{\"header\":{\"revision\":\"18\"}, "
        "\"deleted\":\"1\"}}]}";
    expect_ok(etcd_response_txn(&out, done, strlen(done), &e), &e);
    assert_true(out.succeeded);
    assert_int_equal(out.header.revision, 18);
    assert_int_equal(out.n, 2);
    assert_null(out.items[0].key);
    arena_deinit(&out.arena);
}

static void leases(void **state)
{
    struct etcd_lease_response one, two[2];
    struct etcd_timetolive t;
    struct err e = ERR_INIT;
    size_t n = 0;

    static const char grant[] = "{" HEADER_34 ",\"ID\":\"1418811974289783574\",\"TTL\":\"30\"}";
    expect_ok(etcd_response_grant(&one, grant, strlen(grant), &e), &e);
    assert_true(one.id == 1418811974289783574);
    assert_int_equal(one.ttl, 30);

    /* a lease that lives, and one that does not: only the missing TTL tells */
    static const char alive[] = "{\"result\":{" HEADER_34 ",\"ID\":\"777\",\"TTL\":\"60\"}}\n"
                                "{\"result\":{" HEADER_34 ",\"ID\":\"778\"}}\n";
    expect_ok(etcd_response_keepalive(two, 2, &n, alive, strlen(alive), &e), &e);
    assert_int_equal(n, 2);
    assert_int_equal(two[0].id, 777);
    assert_int_equal(two[0].ttl, 60);
    assert_int_equal(two[1].id, 778);
    assert_int_equal(two[1].ttl, 0);
    assert_int_equal(etcd_response_keepalive(two, 1, &n, alive, strlen(alive), &e), -EPROTO);
    assert_int_equal(etcd_response_keepalive(two, 2, &n, "", 0, &e), -EPROTO);

    static const char no_leader[] =
        "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\"}}";
    assert_int_equal(etcd_response_keepalive(two, 2, &n, no_leader, strlen(no_leader), &e), -EIO);
    assert_int_equal(e.class, ERR_TRANSIENT);
    assert_string_equal(e.msg, "etcdserver: no leader");

    static const char live[] = "{" HEADER_34 ",\"ID\":\"777\",\"TTL\":\"29\",\"grantedTTL\":\"30\","
                               "\"keys\":[\"azE=\",\"azI=\"]}";
    expect_ok(etcd_response_timetolive(&t, live, strlen(live), &e), &e);
    assert_int_equal(t.ttl, 29);
    assert_int_equal(t.granted, 30);
    assert_int_equal(t.n, 2);
    assert_string_equal(t.keys[1].key, "k2");
    arena_deinit(&t.arena);
    static const char dead[] = "{" HEADER_35 ", \"ID\":\"778\", \"TTL\":\"-1\"}";
    expect_ok(etcd_response_timetolive(&t, dead, strlen(dead), &e), &e);
    assert_int_equal(t.ttl, -1);
    arena_deinit(&t.arena);
    static const char last_second[] = "{" HEADER_34 ",\"ID\":\"778\",\"grantedTTL\":\"30\"}";
    expect_ok(etcd_response_timetolive(&t, last_second, strlen(last_second), &e), &e);
    assert_int_equal(t.ttl, 0);
    arena_deinit(&t.arena);
}

static void token(void **state)
{
    struct buf out = BUF_INIT(256);
    struct err e = ERR_INIT;
    static const char good[] = "{" HEADER_34 ",\"token\":\"HPYPsHkdvhpPMnfr.287\"}";
    expect_ok(etcd_response_token(&out, good, strlen(good), &e), &e);
    assert_string_equal(buf_str(&out), "HPYPsHkdvhpPMnfr.287");
    buf_reset(&out);
    static const char *const bad[] = {
        "{" HEADER_34 "}",
        "{\"token\":\"\"}",
        "{\"token\":\"a\\r\\nX: y\"}",
        "{\"token\":\"a b\"}",
    };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(etcd_response_token(&out, bad[i], strlen(bad[i]), &e), -EPROTO);
    }
    buf_deinit(&out);
}

/* A proxy's page, another program, a truncated body. */
static void not_etcd(void **state)
{
    static const char *const bodies[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"header\":1}",
        "{" HEADER_34 ",\"kvs\":[{\"key\":\"L3MvYQ\"}]}",
        "{" HEADER_34 ",\"kvs\":[{}]}",
        "{" HEADER_34 ",\"kvs\":[{\"key\":\"L3MvYQ==\",\"value\":\"*\"}]}",
        "{" HEADER_34 ",\"kvs\":[" KV_A,
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct etcd_range out;
        struct err e = ERR_INIT;
        int r = etcd_response_range(&out, bodies[i], strlen(bodies[i]), &e);
        if (r != -EPROTO || e.class != ERR_BUG || !strstr(e.msg, "not an answer of etcd")) {
            fail_msg("%s: %d, %s", bodies[i], r, e.msg);
        }
    }
    struct etcd_lease_response lease;
    struct err e = ERR_INIT;
    static const char no_ttl[] = "{" HEADER_34 ",\"ID\":\"5\"}";
    assert_int_equal(etcd_response_grant(&lease, no_ttl, strlen(no_ttl), &e), -EPROTO);
}

/* ---- watch ---- */

static void decode(struct etcd_watch_line *out, const char *line)
{
    struct err e = ERR_INIT;
    expect_ok(etcd_watch_line(out, line, strlen(line), &e), &e);
}

static void watch_lines(void **state)
{
    struct etcd_watch_line line;
    decode(&line, "{\"result\":{" HEADER_34 ",\"created\":true}}");
    assert_int_equal(line.kind, ETCD_LINE_CREATED);
    assert_int_equal(line.header.revision, 18);
    arena_deinit(&line.arena);

    decode(&line, "{\"result\":{" HEADER_34 ",\"events\":[{\"kv\":" KV_A "},"
                  "{\"type\":\"DELETE\",\"kv\":{\"key\":\"L3MvYg==\",\"mod_revision\":\"24\"}}]}}");
    assert_int_equal(line.kind, ETCD_LINE_EVENTS);
    assert_int_equal(line.n, 2);
    assert_false(line.events[0].deleted);
    assert_int_equal(line.events[0].kv.mod_revision, 11);
    assert_true(line.events[1].deleted);
    assert_string_equal(line.events[1].kv.key, "/s/b");
    assert_int_equal(line.events[1].kv.mod_revision, 24);
    assert_false(line.fragment);
    arena_deinit(&line.arena);

    decode(&line, "{\"result\":{" HEADER_34 ",\"fragment\":true,\"events\":[{\"kv\":" KV_A "}]}}");
    assert_true(line.fragment);
    arena_deinit(&line.arena);

    decode(&line, "{\"result\":{" HEADER_34 "}}");
    assert_int_equal(line.kind, ETCD_LINE_PROGRESS);
    arena_deinit(&line.arena);
}

static void watch_ends(void **state)
{
    static const struct {
        const char *line;
        enum err_class class;
        const char *text;
    } canceled[] = {
        {"{\"result\":{\"header\":{\"raft_term\":\"2\"},\"canceled\":true,"
         "\"compact_revision\":\"28\"}}",
         ERR_STALE_WATCH, "compacted up to revision 28"},
        {"{\"result\":{" HEADER_34 ",\"watch_id\":\"-1\",\"created\":true,\"canceled\":true,"
         "\"cancel_reason\":\"mvcc: watcher range is empty\"}}",
         ERR_TRANSIENT, "watcher range is empty"},
        {"{\"result\":{" HEADER_34 ",\"watch_id\":\"-1\",\"created\":true,\"canceled\":true,"
         "\"cancel_reason\":\"rpc error: code = PermissionDenied desc = etcdserver: permission "
         "denied\"}}",
         ERR_AUTH, "permission denied"},
    };
    for (size_t i = 0; i < sizeof(canceled) / sizeof(canceled[0]); i++) {
        struct etcd_watch_line line;
        decode(&line, canceled[i].line);
        assert_int_equal(line.kind, ETCD_LINE_CANCELED);
        if (line.why.class != canceled[i].class || !strstr(line.why.msg, canceled[i].text)) {
            fail_msg("%s: %s, %s", canceled[i].line, err_class_name(line.why.class), line.why.msg);
        }
        arena_deinit(&line.arena);
    }
    static const struct {
        const char *line;
        enum err_class class;
        const char *text;
    } errors[] = {
        {"{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\","
         "\"http_status\":\"Service Unavailable\"}}",
         ERR_TRANSIENT, "etcdserver: no leader"},
        {"{\"error\":{\"code\":14,\"message\":\"etcdserver: no leader\"}}", ERR_TRANSIENT,
         "etcdserver: no leader"},
        {"{\"error\":{\"code\":16,\"message\":\"etcdserver: invalid auth token\"}}", ERR_AUTH,
         "invalid auth token"},
        {"nonsense", ERR_BUG, "not a line of etcd"},
        {"{\"result\":[]}", ERR_BUG, "without result"},
        {"{\"result\":{\"events\":[{}]}}", ERR_BUG, "a key is missing"},
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct etcd_watch_line line;
        struct err e = ERR_INIT;
        int r = etcd_watch_line(&line, errors[i].line, strlen(errors[i].line), &e);
        if (r >= 0 || e.class != errors[i].class || !strstr(e.msg, errors[i].text)) {
            fail_msg("%s: %d, %s, %s", errors[i].line, r, err_class_name(e.class), e.msg);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range),       cmocka_unit_test(zero_bytes), cmocka_unit_test(txn),
        cmocka_unit_test(leases),      cmocka_unit_test(token),      cmocka_unit_test(not_etcd),
        cmocka_unit_test(watch_lines), cmocka_unit_test(watch_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
