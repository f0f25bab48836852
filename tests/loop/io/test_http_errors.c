/*
 * How failures of the wire are classified and worded.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "io/http.h"
#include "lib/client.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"

/* One request to peer; expects how it ends, and what the text says. */
static void expect_failure(struct io *io, const struct http_peer *peer, int code,
                           enum err_class class, const char *says)
{
    for (int stream = 0; stream < 2; stream++) {
        struct client c = {0};
        client_start(&c, io, &(struct http_spec){.peer = peer, .path = "/", .stream = stream});
        loop_until(io, c.dones == 1);
        client_expect(&c, code, class);
        assert_int_equal(c.status, 0);
        if (!strstr(c.error, says)) {
            fail_msg("\"%s\" does not say \"%s\"", c.error, says);
        }
        client_deinit(&c);
    }
}

static void test_unix_socket(void **state)
{
    char *dir = loop_mkdir();
    struct buf path = BUF_INIT(108);
    struct buf says = BUF_INIT(200);
    struct io *io = loop_open();
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    (void)state;
    buf_printf(&path, "%s/d.sock", dir);
    struct http_peer peer = {.base_url = "http://docker", .unix_socket = buf_str(&path)};
    buf_printf(&says, "connect to %s: No such file or directory", buf_str(&path));
    expect_failure(io, &peer, -ENOENT, ERR_TRANSIENT, buf_str(&says));

    /* bound, but nobody listens */
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(str_copy(addr.sun_path, sizeof(addr.sun_path), buf_str(&path)));
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    buf_reset(&says);
    buf_printf(&says, "connect to %s: Connection refused", buf_str(&path));
    expect_failure(io, &peer, -ECONNREFUSED, ERR_TRANSIENT, buf_str(&says));

    if (geteuid() != 0) { /* root may always */
        assert_int_equal(chmod(buf_str(&path), 0), 0);
        expect_failure(io, &peer, -EACCES, ERR_AUTH, "Permission denied");
    }
    buf_deinit(&path);
    buf_deinit(&says);
    loop_close(io);
    loop_rmdir(dir);
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    (void)x;
    (void)ctx;
}

static void test_nobody_listens(void **state)
{
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, on_request, NULL);
    struct buf says = BUF_INIT(200);

    (void)state;
    fake_http_down(srv);
    buf_printf(&says, "connect to %s: Connection refused", fake_http_url(srv) + strlen("http://"));
    expect_failure(io, fake_http_peer(srv), -ECONNREFUSED, ERR_TRANSIENT, buf_str(&says));
    fake_http_up(srv);
    struct client c = {0};
    client_start(&c, io, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"});
    loop_until(io, fake_http_busy(srv) == 1); /* it is back on the same port */
    fake_http_down(srv);
    loop_until(io, c.dones == 1);
    client_expect(&c, -ECONNRESET, ERR_TRANSIENT);
    client_deinit(&c);
    buf_deinit(&says);
    fake_http_free(srv);
    loop_close(io);
}

/* Sends what ctx holds, then closes. */
static void send_raw(struct fake_exchange *x, void *ctx)
{
    const char *text = ctx;
    fake_raw(x, text, strlen(text));
    fake_close(x);
}

static void test_what_is_no_http(void **state)
{
    static const struct {
        const char *sent;
        int code;
    } cases[] = {
        {"", -ECONNRESET},
        {"SSH-2.0-OpenSSH_9.2\r\n", -EPROTO},
        {"HTTP/1.1 abc\r\n\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", -ECONNRESET},
    };
    struct io *io = loop_open();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_http *srv = fake_http_new(io, NULL, send_raw, (void *)(uintptr_t)cases[i].sent);
        struct client c = {0};
        client_start(&c, io, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"});
        loop_until(io, c.dones == 1);
        if (c.code != cases[i].code || c.class != ERR_TRANSIENT) {
            fail_msg("case %zu: %d %s: %s", i, c.code, err_class_name(c.class), c.error);
        }
        assert_int_equal(c.body.len, 0);
        client_deinit(&c);
        fake_http_free(srv);
    }
    loop_close(io);
}

/* dockerd going down ends its event stream without the final chunk: all portions, then an error. */
static void test_stream_ends_early(void **state)
{
    struct io *io = loop_open();
    static char sent[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    struct fake_http *srv = fake_http_new(io, NULL, send_raw, sent);
    struct client c = {0};

    (void)state;
    client_start(&c, io,
                 &(struct http_spec){.peer = fake_http_peer(srv), .path = "/", .stream = true});
    loop_until(io, c.dones == 1);
    client_expect(&c, -ECONNRESET, ERR_TRANSIENT);
    assert_string_equal(buf_str(&c.body), "hello");
    assert_int_equal(c.heads, 1);
    client_deinit(&c);
    fake_http_free(srv);
    loop_close(io);
}

static void test_body_above_cap(void **state)
{
    static const struct fake_step steps[] = {{.kind = FAKE_REPLY, .body = "0123456789"},
                                             {.kind = FAKE_REPLY, .body = "0123456789a"},
                                             {.kind = FAKE_STREAM, .body = "0123456789a"}};
    struct fake_script script = {.steps = steps, .n = ARRAY_LEN(steps)};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct client c = {0};
        client_start(&c, io,
                     &(struct http_spec){.peer = fake_http_peer(srv), .path = "/", .body_max = 10});
        loop_until(io, c.dones == 1);
        if (i == 0) {
            client_expect(&c, 0, ERR_NONE);
            assert_string_equal(buf_str(&c.body), "0123456789");
        } else {
            client_expect(&c, -EMSGSIZE, ERR_INVALID);
            assert_int_equal(c.body.len, 0);
            assert_non_null(strstr(c.error, "longer than 10 bytes"));
        }
        client_deinit(&c);
    }
    fake_http_free(srv);
    loop_close(io);
}

static void test_503_and_recovery(void **state)
{
    static const struct fake_step steps[] = {
        {.times = 3, .kind = FAKE_REPLY, .status = 503, .body = "no leader"},
        {.kind = FAKE_REPLY},
    };
    struct fake_script script = {.steps = steps, .n = ARRAY_LEN(steps)};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct client c = {0};
        client_start(&c, io, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"});
        loop_until(io, c.dones == 1);
        client_expect(&c, 0, ERR_NONE);
        assert_int_equal(c.status, i < 3 ? 503 : 200);
        assert_string_equal(buf_str(&c.body), i < 3 ? "no leader" : "{}");
        client_deinit(&c);
    }
    fake_http_free(srv);
    loop_close(io);
}

/* An interim answer is not the final one. */
static void test_interim_answer(void **state)
{
    struct io *io = loop_open();
    static char sent[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                         "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";
    struct fake_http *srv = fake_http_new(io, NULL, send_raw, sent);
    struct client c = {0};

    (void)state;
    client_start(&c, io,
                 &(struct http_spec){.peer = fake_http_peer(srv), .path = "/", .stream = true});
    loop_until(io, c.dones == 1);
    client_expect(&c, 0, ERR_NONE);
    assert_int_equal(c.heads, 1);
    assert_int_equal(c.head_status, 201);
    assert_string_equal(buf_str(&c.body), "ok");
    client_deinit(&c);
    fake_http_free(srv);
    loop_close(io);
}

/* A name below .invalid never resolves; how fast that is known depends on the host's resolver. */
static void test_unknown_host(void **state)
{
    struct http_peer peer = {.base_url = "http://no-such-host.invalid:2379"};
    struct io *io = loop_open();
    struct client c = {0};

    (void)state;
    client_start(&c, io, &(struct http_spec){.peer = &peer, .path = "/", .connect_timeout = 1000});
    loop_until(io, c.dones == 1);
    if (c.code != -ETIMEDOUT) {
        client_expect(&c, -EHOSTUNREACH, ERR_TRANSIENT);
    }
    assert_non_null(strstr(c.error, "no-such-host.invalid"));
    client_deinit(&c);
    loop_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unix_socket),     cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_what_is_no_http), cmocka_unit_test(test_stream_ends_early),
        cmocka_unit_test(test_body_above_cap),  cmocka_unit_test(test_503_and_recovery),
        cmocka_unit_test(test_interim_answer),  cmocka_unit_test(test_unknown_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
