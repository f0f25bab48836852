/*
 * Bodies of Consul's KV, transactions and sessions: what a real Consul answered (tests/golden/consulkv),
 * what it never would, and what we send.
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
#include "registry/consulkv_codec.h"

#define OURS "0a0b0c0d-0000-4000-8000-00000000000f"

static char *golden(const char *name)
{
    char path[512];
    char text[65536];
    snprintf(path, sizeof(path), GOLDEN_DIR "/consulkv/%s", name);
    FILE *f = fopen(path, "re");
    if (!f) {
        fail_msg("%s: %s", path, strerror(errno));
    }
    size_t n = fread(text, 1, sizeof(text), f);
    fclose(f);
    assert_true(n > 0 && n < sizeof(text));
    return xmemdup0(text, n);
}

static void listing(void **state)
{
    CLEANUP_FREE char *body = golden("list.json");
    struct consulkv_list l;
    struct err e = ERR_INIT;
    assert_int_equal(consulkv_decode_list(&l, body, strlen(body), &e), 0);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.pairs[0].key, "t/");
    assert_int_equal(l.pairs[0].value_len, 0);
    assert_string_equal(l.pairs[0].session, "");
    assert_string_equal(l.pairs[1].key, "t/web/n1:a:80");
    assert_int_equal(l.pairs[1].key_len, strlen("t/web/n1:a:80"));
    assert_string_equal(l.pairs[1].value, "10.0.0.5:80");
    assert_true(consulkv_session_valid(l.pairs[1].session));
    assert_true(l.pairs[1].index > 0);
    assert_string_equal(l.pairs[2].value, "{\"host\":\"10.0.0.6\",\"port\":80,\"name\":\"grün\"}");
    assert_true(l.pairs[2].index > l.pairs[1].index);
    arena_deinit(&l.arena);
}

/* A zero byte in a key neither ends it nor makes two keys one; a backslash before is not taken for it. */
static void zero_in_key(void **state)
{
    CLEANUP_FREE char *body = golden("list-zero.json");
    static const char slash[] = "[{\"Key\":\"a\\\\u0000\\u0000\",\"ModifyIndex\":1}]";
    static const char txn[] = "{\"Results\":[{\"KV\":{\"Key\":\"\\u0000\",\"ModifyIndex\":1}}]}";
    struct consulkv_list l;
    struct err e = ERR_INIT;
    assert_int_equal(consulkv_decode_list(&l, body, strlen(body), &e), 0);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.pairs[0].key, "z/web/a");
    assert_string_equal(l.pairs[1].key, "z/web/a\001b");
    assert_int_equal(l.pairs[1].key_len, 9);
    arena_deinit(&l.arena);
    assert_int_equal(consulkv_decode_list(&l, slash, strlen(slash), &e), 0);
    assert_string_equal(l.pairs[0].key, "a\\u0000\001");
    arena_deinit(&l.arena);
    assert_int_equal(consulkv_decode_txn(&l, txn, strlen(txn), &e), 0);
    assert_string_equal(l.pairs[0].key, "\001");
    arena_deinit(&l.arena);
}

static void transactions(void **state)
{
    static const struct {
        const char *file;
        size_t n;
        bool value;
    } cases[] = {
        {"txn-put.json", 1, false},
        {"txn-move.json", 3, false},
        {"txn-delete.json", 0, false},
        {"txn-get.json", 1, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP_FREE char *body = golden(cases[i].file);
        struct consulkv_list l;
        struct err e = ERR_INIT;
        if (consulkv_decode_txn(&l, body, strlen(body), &e) < 0) {
            fail_msg("%s: %s", cases[i].file, e.msg);
        }
        if (l.n != cases[i].n) {
            fail_msg("%s: %zu results", cases[i].file, l.n);
        }
        for (size_t j = 0; j < l.n; j++) {
            assert_string_equal(l.pairs[j].key, "t/web/n1:a:80");
            assert_true((l.pairs[j].value_len > 0) == cases[i].value);
            assert_true(j == 0 || l.pairs[j].index >= l.pairs[j - 1].index);
        }
        arena_deinit(&l.arena);
    }
    struct consulkv_list l;
    struct err e = ERR_INIT;
    static const char null[] = "{\"Results\":null,\"Errors\":null}";
    assert_int_equal(consulkv_decode_txn(&l, null, strlen(null), &e), 0);
    assert_int_equal(l.n, 0);
    arena_deinit(&l.arena);
}

static void refusals(void **state)
{
    static const struct {
        const char *file;
        size_t n;
        enum consulkv_refusal kind;
    } cases[] = {
        {"refused-stale.json", 4, CONSULKV_REFUSED_STALE},
        {"refused-session.json", 1, CONSULKV_REFUSED_SESSION},
        {"refused-right.json", 1, CONSULKV_REFUSED_AUTH},
        {"refused-delay.json", 1, CONSULKV_REFUSED_DELAY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP_FREE char *body = golden(cases[i].file);
        struct consulkv_errors errors;
        struct err e = ERR_INIT;
        if (consulkv_decode_errors(&errors, body, strlen(body), &e) < 0) {
            fail_msg("%s: %s", cases[i].file, e.msg);
        }
        assert_int_equal(errors.n, cases[i].n);
        for (size_t j = 0; j < errors.n; j++) {
            if (errors.items[j].kind != cases[i].kind || errors.items[j].op != j) {
                fail_msg("%s: operation %zu, kind %d: %s", cases[i].file, errors.items[j].op,
                         (int)errors.items[j].kind, errors.items[j].what);
            }
        }
        arena_deinit(&errors.arena);
    }
}

static void sessions(void **state)
{
    CLEANUP_FREE char *created = golden("created.json"), *renewed = golden("renewed.json");
    char id[CONSULKV_SESSION_LEN + 1];
    struct consulkv_session_info info;
    struct err e = ERR_INIT;
    assert_int_equal(consulkv_decode_created(id, created, strlen(created), &e), 0);
    assert_int_equal(consulkv_decode_renewed(&info, renewed, strlen(renewed), &e), 0);
    assert_string_equal(info.id, id);
    assert_string_equal(info.name, "tidewaiter n1");
    assert_string_equal(info.ttl, "30s");
    assert_true(info.deletes_keys);

    static const char *const invalid[] = {"",
                                          "x",
                                          OURS "0",
                                          "0a0b0c0d-0000-4000-8000-00000000000",
                                          "0a0b0c0d-0000-4000-8000-00000000000g",
                                          "0a0b0c0d00000-4000-8000-00000000000f"};
    assert_true(consulkv_session_valid(OURS));
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
        if (consulkv_session_valid(invalid[i])) {
            fail_msg("%s", invalid[i]);
        }
    }
    assert_int_equal(consulkv_session_ttl(5), 10);
    assert_int_equal(consulkv_session_ttl(30), 30);
    assert_int_equal(consulkv_session_ttl(4000000000u), 86400);
}

/* Never an answer of Consul to any of these calls. */
static void nonsense(void **state)
{
    static const char *const bodies[] = {
        "",
        "<html>",
        "7",
        "null",
        "[7]",
        "[{}]",
        "[null]",
        "[{\"Key\":\"\",\"ModifyIndex\":3}]",
        "[{\"Key\":\"x\"}]",
        "[{\"Key\":\"x\",\"ModifyIndex\":0}]",
        "[{\"Key\":\"x\",\"ModifyIndex\":-3}]",
        "[{\"Key\":\"x\",\"ModifyIndex\":\"3\"}]",
        "[{\"Key\":\"x\",\"ModifyIndex\":3,\"Value\":\"?\"}]",
        "[{\"Key\":7,\"ModifyIndex\":3}]",
        "{\"Results\":{}}",
        "{\"Results\":[{}]}",
        "{\"Results\":[{\"KV\":{\"Key\":\"x\"}}]}",
        "{\"Errors\":[]}",
        "{\"Errors\":[{}]}",
        "{\"Errors\":[{\"OpIndex\":-1}]}",
        "{\"Errors\":[{\"OpIndex\":\"0\"}]}",
        "{\"Errors\":{}}",
        "{\"ID\":7}",
        "{\"ID\":\"nosuch\"}",
        "[{\"ID\":\"nosuch\",\"TTL\":\"30s\"}]",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        const char *body = bodies[i];
        size_t len = strlen(body);
        struct consulkv_list l;
        struct consulkv_errors errors;
        struct consulkv_session_info info;
        char id[CONSULKV_SESSION_LEN + 1];
        struct err e = ERR_INIT;
        bool txn = str_starts(body, "{\"Errors") || str_starts(body, "{\"ID"); /* no results */
        if (consulkv_decode_list(&l, body, len, &e) != -EPROTO ||
            (!txn && consulkv_decode_txn(&l, body, len, &e) != -EPROTO) ||
            consulkv_decode_errors(&errors, body, len, &e) != -EPROTO ||
            consulkv_decode_created(id, body, len, &e) != -EPROTO ||
            consulkv_decode_renewed(&info, body, len, &e) != -EPROTO) {
            fail_msg("taken: %s", body);
        }
        assert_int_equal(e.class, ERR_BUG);
        assert_non_null(strstr(e.msg, "not an answer of Consul"));
    }
}

static void requests(void **state)
{
    struct buf out = BUF_INIT(4096);
    struct consulkv_txn t;
    consulkv_txn_begin(&t, &out);
    consulkv_txn_check(&t, "t/a", 7);
    consulkv_txn_check(&t, "t/\"b\"", 0);
    consulkv_txn_unlock(&t, "t/a", "v", 1, OURS);
    consulkv_txn_lock(&t, "t/a", "", 0, OURS);
    consulkv_txn_delete(&t, "t/c", 9);
    consulkv_txn_get(&t, "t/d");
    consulkv_txn_end(&t);
    assert_int_equal(t.ops, 6);
    assert_string_equal(
        buf_str(&out),
        "[{\"KV\":{\"Verb\":\"check-index\",\"Key\":\"t/a\",\"Index\":7}},"
        "{\"KV\":{\"Verb\":\"check-not-exists\",\"Key\":\"t/\\\"b\\\"\"}},"
        "{\"KV\":{\"Verb\":\"unlock\",\"Key\":\"t/a\",\"Value\":\"dg==\",\"Session\":\"" OURS
        "\"}},"
        "{\"KV\":{\"Verb\":\"lock\",\"Key\":\"t/a\",\"Value\":\"\",\"Session\":\"" OURS "\"}},"
        "{\"KV\":{\"Verb\":\"delete-cas\",\"Key\":\"t/c\",\"Index\":9}},"
        "{\"KV\":{\"Verb\":\"get-tree\",\"Key\":\"t/d\"}}]");
    buf_reset(&out);
    consulkv_encode_session(&out, "n1", 30);
    assert_string_equal(buf_str(&out), "{\"Name\":\"tidewaiter n1\",\"TTL\":\"30s\","
                                       "\"Behavior\":\"delete\",\"LockDelay\":\"0s\"}");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listing),  cmocka_unit_test(zero_in_key), cmocka_unit_test(transactions),
        cmocka_unit_test(refusals), cmocka_unit_test(sessions),    cmocka_unit_test(nonsense),
        cmocka_unit_test(requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
