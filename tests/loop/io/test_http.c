/*
 * The HTTP client against the scripted server: what goes over the wire, what comes back, reuse of
 * connections, and what is refused before anything is sent.
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
#include "lib/client.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"

/* Answers "METHOD path body|content type|Expect". */
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
        const char *header;
        const char *want;
    } cases[] = {
        {HTTP_GET, "", NULL, "GET /a/b?c=%2F |-|-"},
        {HTTP_POST, "{}", NULL, "POST /a/b?c=%2F {}|application/json|-"},
        {HTTP_POST, "", NULL, "POST /a/b?c=%2F |-|-"},
        {HTTP_POST, "x", "content-type: text/plain", "POST /a/b?c=%2F x|text/plain|-"},
        {HTTP_PUT, "x", NULL, "PUT /a/b?c=%2F x|application/json|-"},
        {HTTP_PUT, "", NULL, "PUT /a/b?c=%2F |-|-"},
        {HTTP_DELETE, "", NULL, "DELETE /a/b?c=%2F |-|-"},
        {HTTP_DELETE, "{}", NULL, "DELETE /a/b?c=%2F {}|application/json|-"},
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
                                         .headers = {cases[i].header},
                                         .body = cases[i].body,
                                         .body_len = strlen(cases[i].body)});
        assert_int_equal(c.dones, 0);
        loop_until(io, c.dones == 1);
        client_expect(&c, 0, ERR_NONE);
        assert_int_equal(c.status, 200);
        assert_string_equal(buf_str(&c.body), cases[i].want);
        assert_string_equal(c.index, "42");
        client_deinit(&c);
    }
    assert_int_equal(fake_http_accepted(srv), 1);
    fake_http_free(srv);
    loop_close(io);
}

static void hello(struct fake_exchange *x, void *ctx)
{
    (void)ctx;
    const char *agent = fake_header(x, "user-agent");
    assert_non_null(agent);
    assert_true(str_starts(agent, "tidewaiter/"));
    assert_null(fake_header(x, "accept-encoding"));
    fake_reply(x, 404, "hello");
}

/* A status is an answer, not a failure. */
static void test_unix_socket(void **state)
{
    char *dir = loop_mkdir();
    struct buf path = BUF_INIT(4096);
    struct io *io = loop_open();
    struct client c = {0};

    (void)state;
    buf_printf(&path, "%s/srv.sock", dir);
    struct fake_http *srv = fake_http_new(io, buf_str(&path), hello, NULL);
    struct http_peer peer = {.unix_socket = buf_str(&path)};
    client_start(&c, io, &(struct http_spec){.peer = &peer, .path = "/"});
    loop_until(io, c.dones == 1);
    client_expect(&c, 0, ERR_NONE);
    assert_int_equal(c.status, 404);
    assert_string_equal(buf_str(&c.body), "hello");
    client_deinit(&c);
    fake_http_free(srv);
    loop_close(io);
    buf_deinit(&path);
    loop_rmdir(dir);
}

static void body_64k(struct fake_exchange *x, void *ctx)
{
    (void)ctx;
    assert_int_equal(fake_body_len(x), 64 * 1024);
    fake_reply_len(x, 200, fake_body(x), fake_body_len(x));
}

static void test_large_body(void **state)
{
    static char body[64 * 1024];
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, body_64k, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(body); i++) {
        body[i] = (char)('a' + i % 23);
    }
    for (int stream = 0; stream < 2; stream++) {
        struct client c = {0};
        client_start(&c, io,
                     &(struct http_spec){.method = HTTP_POST,
                                         .peer = fake_http_peer(srv),
                                         .path = "/",
                                         .body = body,
                                         .body_len = sizeof(body),
                                         .stream = stream});
        loop_until(io, c.dones == 1);
        client_expect(&c, 0, ERR_NONE);
        assert_int_equal(c.body.len, sizeof(body));
        assert_memory_equal(buf_str(&c.body), body, sizeof(body));
        assert_int_equal(c.heads, stream);
        if (stream) {
            assert_int_equal(c.head_status, 200);
            assert_in_range(c.longest, 1, 16 * 1024);
        }
        client_deinit(&c);
    }
    fake_http_free(srv);
    loop_close(io);
}

/* What a chain of requests, each started by the end of the one before, does to connections. */
struct chain {
    struct client c;
    struct http_spec spec;
    unsigned left;
};

static void next_in_chain(struct client *c)
{
    struct chain *chain = container_of(c, struct chain, c);

    client_expect(c, 0, ERR_NONE);
    if (--chain->left > 0) {
        c->dones = 0;
        client_start(c, c->io, &chain->spec);
    }
}

static void test_connections_are_reused(void **state)
{
    static const struct fake_step ok = {.kind = FAKE_REPLY};
    struct fake_script script = {.steps = &ok, .n = 1};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);
    struct chain chains[16] = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
        chains[i].left = 63; /* 16 x 63 > 1,000 */
        chains[i].c.on_done = next_in_chain;
        chains[i].spec = (struct http_spec){.peer = fake_http_peer(srv), .path = "/"};
        client_start(&chains[i].c, io, &chains[i].spec);
    }
    for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
        loop_until(io, chains[i].left == 0);
    }
    assert_int_equal(fake_http_requests(srv), 16 * 63);
    assert_in_range(fake_http_accepted(srv), 1, 16);
    for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
        client_deinit(&chains[i].c);
    }
    fake_http_free(srv);
    loop_close(io);
}

static void hold(struct fake_exchange *x, void *ctx)
{
    struct fake_exchange **held = ctx;
    held[fake_ordinal(x)] = x;
}

/* All sixteen are in flight at once, and answered in reverse order. */
static void test_sixteen_concurrent(void **state)
{
    enum { N = 16 };
    struct fake_exchange *held[N] = {0};
    struct client c[N] = {0};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, hold, held);

    (void)state;
    for (size_t i = 0; i < N; i++) {
        client_start(&c[i], io, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"});
    }
    loop_until(io, fake_http_busy(srv) == N);
    for (size_t i = N; i-- > 0;) {
        assert_int_equal(c[i].dones, 0);
        fake_reply(held[i], 200, fake_path(held[i]));
    }
    for (size_t i = 0; i < N; i++) {
        loop_until(io, c[i].dones == 1);
        client_expect(&c[i], 0, ERR_NONE);
        client_deinit(&c[i]);
    }
    fake_http_free(srv);
    loop_close(io);
}

/* The server closed the kept-alive connection meanwhile: the user of the client must not notice. */
static void test_stale_connection_is_retried(void **state)
{
    static const struct fake_step steps[] = {
        {.kind = FAKE_REPLY},
        {.kind = FAKE_REPLY},
        {.kind = FAKE_CLOSE}, /* the race: closed while the request is on its way */
        {.kind = FAKE_REPLY},
    };
    struct fake_script script = {.steps = steps, .n = ARRAY_LEN(steps)};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct client c = {0};
        client_start(&c, io,
                     &(struct http_spec){.method = HTTP_POST,
                                         .peer = fake_http_peer(srv),
                                         .path = "/",
                                         .body = "{}",
                                         .body_len = 2});
        loop_until(io, c.dones == 1);
        client_expect(&c, 0, ERR_NONE);
        assert_int_equal(c.status, 200);
        client_deinit(&c);
        if (i == 0) {
            fake_http_close_idle(srv);
            loop_until(io, fake_http_open(srv) == 0);
        }
    }
    assert_int_equal(fake_http_requests(srv), 4);
    assert_int_equal(fake_http_accepted(srv), 3);
    fake_http_free(srv);
    loop_close(io);
}

static void must_not_run(struct http_request *r, const struct http_result *res)
{
    (void)r;
    fail_msg("done ran after a failed start: %d %s", res->code, res->error);
}

static void test_refused_before_sending(void **state)
{
    static char long_path[200];
    static const struct http_peer good = {.base_url = "http://127.0.0.1:9"};
    static const struct http_peer ftp = {.base_url = "ftp://127.0.0.1"};
    static const struct http_peer junk = {.base_url = "http://user:s3cret@127.0.0.1:99999"};
    static const struct http_peer no_ca = {.base_url = "https://127.0.0.1:9",
                                           .ca_file = "/nonexistent/ca.pem"};
    static const struct http_peer too_long = {.unix_socket = long_path};
    static const struct {
        const struct http_peer *peer;
        const char *path, *header;
        int code;
        const char *says;
    } cases[] = {
        {&ftp, "/", NULL, -EINVAL, "ftp"},
        {&junk, "/", NULL, -EINVAL, "URL"},
        {&good, "no-slash", NULL, -EINVAL, "URL"},
        {&good, "/a b", NULL, -EINVAL, "URL"},
        {&good, "/a\r\nX: y", NULL, -EINVAL, "URL"},
        {&good, "/", "X: y\r\nZ: w", -EINVAL, "header 1"},
        {&good, "/", "no colon", -EINVAL, "header 1"},
        {&no_ca, "/", NULL, -ENOENT, "CA file /nonexistent/ca.pem: No such file"},
        {&too_long, "/", NULL, -ENAMETOOLONG, "too long"},
    };
    struct io *io = loop_open();

    (void)state;
    memset(long_path, 'x', sizeof(long_path) - 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_request r = {.done = must_not_run};
        struct err e = ERR_INIT;
        int rc = http_start(io, &r,
                            &(struct http_spec){.peer = cases[i].peer,
                                                .path = cases[i].path,
                                                .headers = {cases[i].header}},
                            &e);
        if (rc != cases[i].code || e.class != ERR_INVALID || !strstr(e.msg, cases[i].says) ||
            strstr(e.msg, "s3cret")) {
            fail_msg("case %zu: %d %s: %s", i, rc, err_class_name(e.class), e.msg);
        }
        assert_false(http_running(&r));
    }
    io_run(io);
    loop_close(io);
}

static void test_busy(void **state)
{
    static const struct fake_step steps[] = {{.kind = FAKE_SILENCE}};
    struct fake_script script = {.steps = steps, .n = 1};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);
    struct http_spec spec = {.peer = fake_http_peer(srv), .path = "/"};
    struct client c = {0};
    struct err e = ERR_INIT;

    (void)state;
    client_start(&c, io, &spec);
    assert_int_equal(http_start(io, &c.r, &spec, &e), -EBUSY);
    http_cancel(&c.r);
    assert_int_equal(c.dones, 0); /* not from inside cancel */
    loop_until(io, c.dones == 1);
    client_expect(&c, -ECANCELED, ERR_CANCELLED);
    client_deinit(&c);
    fake_http_free(srv);
    loop_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_connections_are_reused),
        cmocka_unit_test(test_sixteen_concurrent),
        cmocka_unit_test(test_stale_connection_is_retried),
        cmocka_unit_test(test_refused_before_sending),
        cmocka_unit_test(test_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
