/*
 * Paths, the rule of indexes, and Consul's errors in the words of Consul 1.8.7.
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
#include "registry/consul_query.h"

static void escape(void **state)
{
    static const struct {
        const char *text;
        bool keep_slash;
        const char *expected;
    } cases[] = {
        {"node1:web-1:80", false, "node1%3Aweb-1%3A80"},
        {"a/b c", false, "a%2Fb%20c"},
        {"services/web/n:w:80", true, "services/web/n%3Aw%3A80"},
        {"AZaz09-._~", false, "AZaz09-._~"},
        {"?&#%+=", true, "%3F%26%23%25%2B%3D"},
        {"\xc3\xa4\x01", false, "%C3%A4%01"},
        {"", false, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_deinit) struct buf b = BUF_INIT(256);
        consul_path_escape(&b, cases[i].text, strlen(cases[i].text), cases[i].keep_slash);
        assert_string_equal(buf_str(&b), cases[i].expected);
    }
}

static void queries(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(256);
    char dc[] = "dc 1";
    struct registry_uri uri = REGISTRY_URI_NULL;

    buf_puts(&b, "/v1/x");
    consul_path_read(&b, &uri);
    consul_path_block(&b, 0, 10000);
    assert_string_equal(buf_str(&b), "/v1/x");

    consul_path_block(&b, 18446744073709551615u, 290000);
    assert_string_equal(buf_str(&b), "/v1/x?index=18446744073709551615&wait=290000ms");

    uri.datacenter = dc;
    uri.stale = true;
    consul_path_read(&b, &uri);
    consul_path_query(&b, "passing", NULL);
    assert_string_equal(buf_str(&b),
                        "/v1/x?index=18446744073709551615&wait=290000ms&dc=dc%201&stale&passing");
}

static void full(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(8);
    consul_path_query(&b, "reason", "much too long");
    assert_int_equal(buf_error(&b), -EMSGSIZE);
}

static void indexes(void **state)
{
    static const struct {
        uint64_t old, seen, next;
        bool reset;
    } cases[] = {
        {0, 7, 7, false}, {7, 7, 7, false}, {7, 9, 9, false},
        {9, 7, 0, true},  {9, 0, 0, true},  {0, 0, 0, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool reset = !cases[i].reset;
        uint64_t next = consul_index_next(cases[i].old, cases[i].seen, &reset);
        if (next != cases[i].next || reset != cases[i].reset) {
            fail_msg("%d then %d: %d, %d", (int)cases[i].old, (int)cases[i].seen, (int)next, reset);
        }
    }
}

static void errors(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_class class;
        const char *msg; /* whole, or how it begins */
    } cases[] = {
        {403, "Permission denied: Missing service:write on web", ERR_AUTH,
         "HTTP 403: Permission denied: Missing service:write on web (give the token's policy this "
         "right)"},
        {403, "Permission denied", ERR_AUTH, "HTTP 403: Permission denied (the token, or "},
        {403, "ACL not found", ERR_AUTH, "HTTP 403: ACL not found (Consul does not know"},
        {500, "rpc error making call: rpc error making call: ACL not found\n", ERR_AUTH,
         "HTTP 500: ACL not found (Consul does not know"},
        {409,
         "{\n \"Results\": null,\n \"Errors\": [{\"OpIndex\":0,\"What\":\"Permission denied\"}]}",
         ERR_AUTH, "HTTP 409: Permission denied (the token"},
        {409,
         "{\"Results\":null,\"Errors\":[{\"OpIndex\":1,\"What\":\"failed to set key \\\"a\\\", "
         "index "
         "is stale\"}]}",
         ERR_CONFLICT, "HTTP 409: failed to set key \"a\", index is stale"},
        {500,
         "Scripts are disabled on this agent from remote calls; to enable, configure "
         "'enable_script_checks' to true",
         ERR_TRANSIENT,
         "HTTP 500: Scripts are disabled on this agent from remote calls; to enable, configure "
         "'enable_script_checks' to true (or do without check_script"},
        {500, "No cluster leader", ERR_TRANSIENT, "HTTP 500: No cluster leader (Consul's servers"},
        {500, "No known Consul servers", ERR_TRANSIENT, "HTTP 500: No known Consul servers (the"},
        {500, "rpc error making call: RPC rate limit exceeded", ERR_THROTTLED,
         "HTTP 500: RPC rate limit exceeded"},
        {429, "Your IP is issuing too many concurrent connections", ERR_THROTTLED,
         "HTTP 429: Your"},
        {400, "Request decode failed: json: unknown field \"Bogus\"", ERR_INVALID,
         "HTTP 400: Request decode failed: json: unknown field \"Bogus\""},
        {400, "Client sent an HTTP request to an HTTPS server.\n", ERR_INVALID,
         "HTTP 400: Client sent an HTTP request to an HTTPS server. (write consuls://"},
        {413, "Transaction contains too many operations (65 > 64)", ERR_INVALID,
         "HTTP 413: Transaction contains too many operations (65 > 64)"},
        {404, "", ERR_INVALID, "HTTP 404: no message"},
        {403, "Forbidden by a proxy", ERR_AUTH, "HTTP 403: Forbidden by a proxy"},
        {401, "Unauthorized", ERR_AUTH, "HTTP 401: Unauthorized"},
        {502, "<html>\r\n  <h1>Bad\tGateway</h1>\n", ERR_TRANSIENT,
         "HTTP 502: <html> <h1>Bad Gateway</h1>"},
        {500, "{\"Errors\":[{\"What\":5}]}", ERR_TRANSIENT,
         "HTTP 500: {\"Errors\":[{\"What\":5}]}"},
        {500, "{broken", ERR_TRANSIENT, "HTTP 500: {broken"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        int r = consul_error_from_answer(&e, cases[i].status, cases[i].body, strlen(cases[i].body));
        if (r >= 0 || r != e.code || e.class != cases[i].class ||
            strncmp(e.msg, cases[i].msg, strlen(cases[i].msg)) != 0) {
            fail_msg("%d %s: %d, %s, %s", cases[i].status, cases[i].body, r,
                     err_class_name(e.class), e.msg);
        }
    }
}

/* A page of a proxy, and bytes that are no text: one line that fits. */
static void hostile(void **state)
{
    static char page[100000];
    struct err e = ERR_INIT;
    memset(page, '<', sizeof(page));
    assert_true(consul_error_from_answer(&e, 502, page, sizeof(page)) < 0);
    assert_int_equal(strlen(e.msg), strlen("HTTP 502: ") + 160);
    assert_true(consul_error_from_answer(&e, 502, "a\0b\x01", 4) < 0);
    assert_string_equal(e.msg, "HTTP 502: a b?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape),  cmocka_unit_test(queries), cmocka_unit_test(full),
        cmocka_unit_test(indexes), cmocka_unit_test(errors),  cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
