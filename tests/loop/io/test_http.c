/*
 * The HTTP client against the scripted server: what goes over the wire, what comes back, and reuse of
 * connections.
 */
#include "io/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"
#include "lib/client.h"

/* Answers "METHOD path body" with the request's content type and Expect header behind it. */
static void echo(struct fake_exchange *x, void *ctx)
{
    struct buf out = BUF_INIT(1 << 20);
    const char *type = fake_header(x, "content-type");
    const char *expect = fake_header(x, "Expect");

    (void)ctx;
    buf_printf(&out, "%s %s %s|%s|%s", fake_method(x), fake_path(x), fake_body(x),
               type ? type : "-", expect ? expect : "-");
    fake_reply_headers(x, 200, "X-Consul-Index: 42\r\n", buf_str(&out));
    buf_deinit(&out);
}

static void test_methods(void **state)
{
    static const struct {
        enum http_method method;
        const char *body;
        const char *want;
    } cases[] = {
        {HTTP_GET, "", "GET /a/b?c=%2F |-|-"},
        {HTTP_POST, "{}", "POST /a/b?c=%2F {}|application/json|-"},
        {HTTP_POST, "", "POST /a/b?c=%2F |-|-"},
        {HTTP_PUT, "x", "PUT /a/b?c=%2F x|application/json|-"},
        {HTTP_PUT, "", "PUT /a/b?c=%2F |-|-"},
        {HTTP_DELETE, "", "DELETE /a/b?c=%2F |-|-"},
        {HTTP_DELETE, "{}", "DELETE /a/b?c=%2F {}|application/json|-"},
    };
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, echo, NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client c = {0};
        client_start(&c, io,
                     &(struct http_spec){.method = cases[i].method,
                                         .peer = fake_http_peer(srv),
                                         .path = "/a/b?c=%2F",
                                         .body = cases[i].body,
                                         .body_len = strlen(cases[i].body)});
        loop_until(io, c.dones == 1);
        assert_int_equal(c.status, 200);
        client_expect(&c, 0, ERR_NONE);
        assert_string_equal(buf_str(&c.body), cases[i].want);
        client_deinit(&c);
    }
    assert_int_equal(fake_http_accepted(srv), 1);
    fake_http_free(srv);
    loop_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
