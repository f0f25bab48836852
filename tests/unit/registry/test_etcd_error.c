/*
 * Every failure of the gateway that was ever seen, in the words of 3.4 and of 3.5, and its class.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "registry/etcd_error.h"

struct seen {
    int status, status_35; /* 0: the same */
    int code;
    const char *text;
    enum err_class class;
    bool no_token;
};

static const struct seen seen[] = {
    {400, 0, 3, "etcdserver: key is not provided", ERR_INVALID, false},
    {400, 0, 3, "etcdserver: duplicate key given in txn request", ERR_INVALID, false},
    {400, 0, 3, "etcdserver: too many operations in txn request", ERR_INVALID, false},
    {400, 0, 3, "etcdserver: request is too large", ERR_INVALID, false},
    {400, 0, 3, "etcdserver: user name is empty", ERR_AUTH, true},
    {400, 0, 3, "etcdserver: authentication failed, invalid user ID or password", ERR_AUTH, false},
    {404, 0, 5, "etcdserver: requested lease not found", ERR_CONFLICT, false},
    {403, 0, 7, "etcdserver: permission denied", ERR_AUTH, false},
    {429, 0, 8, "etcdserver: mvcc: database space exceeded", ERR_THROTTLED, false},
    {429, 0, 8, "grpc: received message larger than max (2500013 vs. 2097152)", ERR_INVALID, false},
    {412, 400, 9, "etcdserver: authentication is not enabled", ERR_INVALID, false},
    {400, 0, 11, "etcdserver: mvcc: required revision has been compacted", ERR_STALE_WATCH, false},
    {400, 0, 11, "etcdserver: mvcc: required revision is a future revision", ERR_STALE_WATCH,
     false},
    {400, 0, 11, "etcdserver: too large lease TTL", ERR_INVALID, false},
    {503, 0, 14, "etcdserver: no leader", ERR_TRANSIENT, false},
    {503, 0, 14, "etcdserver: request timed out", ERR_TRANSIENT, false},
    {401, 0, 16, "etcdserver: invalid auth token", ERR_AUTH, true},
    {500, 0, 2, "context deadline exceeded", ERR_TRANSIENT, false},
    {504, 0, 4, "context deadline exceeded", ERR_TRANSIENT, false},
};

static void expect(const struct seen *s, int status, const char *body)
{
    struct err e = ERR_INIT;
    struct etcd_error detail;
    int r = etcd_error_from_answer(&e, status, body, strlen(body), &detail);
    char prefix[32];
    snprintf(prefix, sizeof(prefix), "HTTP %d: ", status);
    if (r >= 0 || r != e.code || e.class != s->class || detail.no_token != s->no_token ||
        (int)detail.code != s->code || !strstr(e.msg, s->text) ||
        strncmp(e.msg, prefix, strlen(prefix)) != 0) {
        fail_msg("%d %s: %d, %s, %s, code %d, no_token %d", status, body, r,
                 err_class_name(e.class), e.msg, (int)detail.code, detail.no_token);
    }
}

static void as_in_34(void **state)
{
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        char body[512];
        snprintf(body, sizeof(body), "{\"error\":\"%s\",\"message\":\"%s\",\"code\":%d}",
                 seen[i].text, seen[i].text, seen[i].code);
        expect(&seen[i], seen[i].status, body);
    }
}

static void as_in_35(void **state)
{
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        char body[512];
        snprintf(body, sizeof(body), "{\"code\":%d, \"message\":\"%s\"}\n", seen[i].code,
                 seen[i].text);
        expect(&seen[i], seen[i].status_35 ? seen[i].status_35 : seen[i].status, body);
    }
}

static void plain_text(void **state)
{
    static const struct seen texts[] = {
        {404, 0, -1, "Not Found", ERR_BUG, false},
        {405, 0, -1, "Method Not Allowed", ERR_BUG, false},
        {400, 0, -1,
         "CommonName of client sending a request against gateway will be ignored and not used as "
         "expected",
         ERR_AUTH, false},
        {401, 0, -1, "Unauthorized", ERR_AUTH, true},
        {403, 0, -1, "Forbidden", ERR_AUTH, false},
        {400, 0, -1, "Bad Request", ERR_INVALID, false},
        {413, 0, -1, "Request Entity Too Large", ERR_INVALID, false},
        {429, 0, -1, "mvcc: database space exceeded", ERR_THROTTLED, false},
        {429, 0, -1, "message larger than max", ERR_INVALID, false},
        {502, 0, -1, "Bad Gateway", ERR_TRANSIENT, false},
        {408, 0, -1, "context canceled", ERR_TRANSIENT, false},
        {503, 0, -1, "write tcp 127.0.0.1:2379: broken pipe", ERR_TRANSIENT, false},
        {500, 0, -1, "no message", ERR_TRANSIENT, false},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bool empty = strcmp(texts[i].text, "no message") == 0;
        expect(&texts[i], texts[i].status, empty ? "" : texts[i].text);
    }
}

/* Nothing that a peer sends gets out of hand. */
static void hostile(void **state)
{
    static char page[100000];
    struct err e = ERR_INIT;
    memset(page, '<', sizeof(page) - 1);
    etcd_error_from_answer(&e, 502, page, sizeof(page) - 1, NULL);
    assert_true(strlen(e.msg) < ERR_MSG_MAX);
    static const char *const bodies[] = {
        "[1]",
        "{\"error\":[],\"code\":\"x\"}",
        "{\"code\":99999,\"message\":5}",
        "{\"error\":{\"error\":{}}}",
        "\x01\x02",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct etcd_error detail;
        assert_true(etcd_error_from_answer(&e, 503, bodies[i], strlen(bodies[i]), &detail) < 0);
        assert_int_equal(e.class, ERR_TRANSIENT);
        assert_int_equal(detail.code, ETCD_CODE_UNKNOWN);
    }
}

static void hints(void **state)
{
    static const struct {
        int status;
        const char *text, *hint;
    } cases[] = {
        {404, "Not Found", "no etcd gateway of version 3.4 or later there"},
        {400, "{\"code\":3,\"message\":\"authentication failed, invalid user ID\"}",
         "wrong user or password"},
        {400, "CommonName of client sending", "client certificate without CN"},
        {503, "{\"code\":14,\"message\":\"write tcp: broken pipe\"}", "clientAuth"},
        {429, "{\"code\":8,\"message\":\"database space exceeded\"}", "database is full"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err e = ERR_INIT;
        etcd_error_from_answer(&e, cases[i].status, cases[i].text, strlen(cases[i].text), NULL);
        if (!strstr(e.msg, cases[i].hint)) {
            fail_msg("\"%s\" lacks \"%s\"", e.msg, cases[i].hint);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_in_34), cmocka_unit_test(as_in_35), cmocka_unit_test(plain_text),
        cmocka_unit_test(hostile),  cmocka_unit_test(hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
