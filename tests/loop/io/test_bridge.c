/*
 * The bridge between curl and the loop, by what published ones get wrong: lost timeouts, lost
 * completions, and events that arrive in awkward portions or with errors. Seen from the HTTP client.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/wallclock.h"
#include "io/curl_bridge.h"
#include "io/http.h"
#include "io/timer.h"
#include "lib/client.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"

#define SLACK 1500 /* ms a timeout may be late on a loaded machine */

static void expect_timeout(const struct client *c, msec_t after)
{
    client_expect(c, -ETIMEDOUT, ERR_TRANSIENT);
    /* curl's own difference of two times may be 1 ms too large */
    assert_in_range(c->ended - c->started, after - 1, after + SLACK);
}

/* A server that is silent from the begin, or after the head, or that never stops dripping bytes. */
static void on_silent(struct fake_exchange *x, void *ctx)
{
    static char bytes[256 * 1024];
    (void)ctx;
    if (strcmp(fake_path(x), "/head") == 0) {
        fake_stream_begin(x, 200, NULL);
    } else if (strcmp(fake_path(x), "/part") == 0) {
        fake_raw(x, "HTTP/1.1 200 OK\r\nContent-Le", 27);
    } else if (strcmp(fake_path(x), "/drip") == 0) {
        memset(bytes, ' ', sizeof(bytes));
        fake_raw(x, "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", 43);
        fake_drip(x, bytes, sizeof(bytes));
    }
}

static void test_silent_server(void **state)
{
    static const char *const paths[] = {"/", "/head", "/part", "/drip"};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, on_silent, NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct client c = {0};
        client_start(&c, io,
                     &(struct http_spec){
                         .peer = fake_http_peer(srv), .path = paths[i], .total_timeout = 250});
        loop_until(io, c.dones == 1);
        expect_timeout(&c, 250);
        client_deinit(&c);
    }
    fake_http_free(srv);
    loop_close(io);
}

/* The timeout of one transfer while another one keeps the sockets busy and ends before it. */
static void test_timeout_of_the_last(void **state)
{
    static const struct fake_step steps[] = {{.kind = FAKE_SILENCE}, {.kind = FAKE_REPLY}};
    struct fake_script script = {.steps = steps, .n = ARRAY_LEN(steps)};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);
    struct http_spec spec = {.peer = fake_http_peer(srv), .path = "/", .total_timeout = 300};
    struct client silent = {0};
    struct client quick = {0};

    (void)state;
    client_start(&silent, io, &spec);
    loop_until(io, fake_http_busy(srv) == 1);
    for (int i = 0; i < 5; i++) {
        quick.dones = 0;
        client_start(&quick, io, &spec);
        loop_until(io, quick.dones == 1);
        client_expect(&quick, 0, ERR_NONE);
        client_deinit(&quick);
    }
    assert_int_equal(silent.dones, 0);
    loop_until(io, silent.dones == 1);
    expect_timeout(&silent, 300);
    client_deinit(&silent);
    fake_http_free(srv);
    loop_close(io);
}

static void test_timeouts_together(void **state)
{
    static const struct fake_step silence = {.kind = FAKE_SILENCE};
    struct fake_script script = {.steps = &silence, .n = 1};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);
    struct client c[3] = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        client_start(
            &c[i], io,
            &(struct http_spec){.peer = fake_http_peer(srv), .path = "/", .total_timeout = 200});
    }
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        loop_until(io, c[i].dones == 1);
        expect_timeout(&c[i], 200);
        client_deinit(&c[i]);
    }
    fake_http_free(srv);
    loop_close(io);
}

/* A connect that the peer never answers: its queue of connections is full. */
static void test_connect_timeout(void **state)
{
    struct io *io = loop_open();
    struct deaf *deaf = deaf_new();
    struct http_peer peer = {.base_url = deaf_url(deaf)};
    struct client c = {0};

    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        c.dones = 0;
        client_start(&c, io,
                     &(struct http_spec){
                         .peer = &peer, .path = "/", .connect_timeout = 200, .stream = stream});
        loop_until(io, c.dones == 1);
        expect_timeout(&c, 200);
        client_deinit(&c);
    }
    deaf_free(deaf);
    loop_close(io);
}

/* The longest silence is limited apart from the total. */
static void test_idle_timeout(void **state)
{
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, on_silent, NULL);
    struct client c = {0};

    (void)state;
    client_start(&c, io,
                 &(struct http_spec){.peer = fake_http_peer(srv),
                                     .path = "/head",
                                     .total_timeout = 60000,
                                     .idle_timeout = 1000});
    loop_until(io, c.dones == 1);
    client_expect(&c, -ETIMEDOUT, ERR_TRANSIENT);
    assert_in_range(c.ended - c.started, 1000, 4000);
    client_deinit(&c);
    fake_http_free(srv);
    loop_close(io);
}

struct held {
    struct fake_exchange *x[2];
    unsigned n;
};

static void hold(struct fake_exchange *x, void *ctx)
{
    struct held *h = ctx;
    h->x[h->n++ % 2] = x;
}

/* Both answers are on the wire before curl is asked once: it reports 0 running with two messages. */
static void test_two_end_together(void **state)
{
    struct io *io = loop_open();
    struct held held = {0};
    struct fake_http *srv = fake_http_new(io, NULL, hold, &held);
    struct client c[2] = {0};

    (void)state;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < 2; i++) {
            c[i].dones = 0;
            client_start(&c[i], io,
                         &(struct http_spec){
                             .peer = fake_http_peer(srv), .path = "/", .total_timeout = 9000});
        }
        loop_until(io, fake_http_busy(srv) == 2);
        if (round % 3 == 2) {
            fake_reply_reset(held.x[0], 200, "one", 30); /* with none at all curl would retry */
        } else {
            fake_reply(held.x[0], 200, "one");
        }
        fake_reply(held.x[1], 200, "two");
        loop_until(io, c[0].dones == 1 && c[1].dones == 1);
        for (size_t i = 0; i < 2; i++) {
            assert_int_not_equal(c[i].code, -ETIMEDOUT);
            client_deinit(&c[i]);
        }
    }
    fake_http_free(srv);
    loop_close(io);
}

/* No timer of curl is left behind: the loop has nothing more to do once the answer is there. */
static void test_ends_when_done(void **state)
{
    static const struct fake_step ok = {.kind = FAKE_REPLY};
    struct fake_script script = {.steps = &ok, .n = 1};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);
    struct client c = {0};

    (void)state;
    for (int i = 0; i < 2; i++) { /* the second one on the same connection, so without its timers */
        c.dones = 0;
        client_start(&c, io, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"});
        loop_until(io, c.dones == 1);
    }
    fake_http_close_idle(srv); /* the server's end would keep the loop running */
    loop_until(io, fake_http_open(srv) == 0);
    io_run(io);
    io_update_time(io);
    assert_in_range(io_now(io) - c.ended, 0, 700); /* the next timer of curl was due at 1,000 */
    client_deinit(&c);
    fake_http_free(srv);
    loop_close(io);
}

static void test_byte_at_a_time(void **state)
{
    static const struct fake_step steps[] = {{.kind = FAKE_DRIP, .body = "{\"a\":[1,2,3]}"}};
    struct fake_script script = {.steps = steps, .n = 1};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);

    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct client c = {0};
        client_start(
            &c, io,
            &(struct http_spec){.peer = fake_http_peer(srv), .path = "/", .stream = stream});
        loop_until(io, c.dones == 1);
        client_expect(&c, 0, ERR_NONE);
        assert_string_equal(buf_str(&c.body), "{\"a\":[1,2,3]}");
        if (stream) {
            assert_in_range(c.portions, 3, 13); /* really in pieces */
        }
        client_deinit(&c);
    }
    fake_http_free(srv);
    loop_close(io);
}

#define RESET_BODY "0123456789"

static void reset_after(struct fake_exchange *x, void *ctx)
{
    fake_reply_reset(x, 200, RESET_BODY, *(size_t *)ctx);
}

/* A reset after each number of bytes that the reply has; only the whole reply is a success. */
static void test_reset_after_n_bytes(void **state)
{
    struct io *io = loop_open();
    size_t n = 0;
    struct fake_http *srv = fake_http_new(io, NULL, reset_after, &n);
    unsigned failures = 0;
    msec_t begin = clock_monotonic();
    int code;

    (void)state;
    do {
        struct client c = {0};
        client_start(
            &c, io,
            &(struct http_spec){.peer = fake_http_peer(srv), .path = "/", .stream = n % 2 == 1});
        loop_until(io, c.dones == 1);
        code = c.code;
        if (code != 0) {
            client_expect(&c, -ECONNRESET, ERR_TRANSIENT);
            failures++;
        }
        client_deinit(&c);
        n++;
    } while (code != 0 && n < 1000);
    /* the head is some 80 bytes; how much of a reset reply can be read is up to the kernel */
    assert_in_range(failures, 80, 120);
    /* curl's own timers would discover a missed reset too, but 200 ms later or more */
    assert_in_range(clock_monotonic() - begin, 0, 5000);
    fake_http_free(srv);
    loop_close(io);
}

/*
 * A curl transfer of its own, which reads in portions so small that curl needs several calls for what is
 * in the socket when the reset is seen.
 */
struct raw {
    struct curl_bridge_transfer t;
    size_t received;
    bool done;
    CURLcode result;
};

static void raw_done(struct curl_bridge_transfer *t, CURLcode result)
{
    struct raw *raw = container_of(t, struct raw, t);
    raw->done = true;
    raw->result = result;
}

static size_t raw_body(char *p, size_t size, size_t n, void *ctx)
{
    (void)p;
    ((struct raw *)ctx)->received += size * n;
    return size * n;
}

static int raw_sockopt(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    int size = 1 << 20;
    (void)ctx;
    (void)purpose;
    return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0 ? CURL_SOCKOPT_OK
                                                                           : CURL_SOCKOPT_ERROR;
}

/* Much to read before a reset: what arrived is delivered, the error follows, at once. */
static void test_reset_behind_data(void **state)
{
    enum { ROUNDS = 20 };
    static char body[600 * 1024];
    (void)state;
    memset(body, 'x', sizeof(body) - 1);
    struct fake_step step = {.kind = FAKE_RESET, .body = body, .bytes = 500 * 1024};
    struct fake_script script = {.steps = &step, .n = 1};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);
    struct curl_bridge *bridge = curl_bridge_new(io);
    msec_t begin = clock_monotonic();

    for (int i = 0; i < ROUNDS; i++) {
        struct raw raw = {.t = {.easy = curl_easy_init(), .done = raw_done}};
        curl_easy_setopt(raw.t.easy, CURLOPT_URL, fake_http_url(srv));
        curl_easy_setopt(raw.t.easy, CURLOPT_BUFFERSIZE, 1024L);
        curl_easy_setopt(raw.t.easy, CURLOPT_SOCKOPTFUNCTION, raw_sockopt);
        curl_easy_setopt(raw.t.easy, CURLOPT_WRITEFUNCTION, raw_body);
        curl_easy_setopt(raw.t.easy, CURLOPT_WRITEDATA, &raw);
        curl_bridge_add(bridge, &raw.t);
        assert_int_equal(curl_bridge_count(bridge), 1);
        loop_until(io, raw.done);
        assert_int_equal(raw.result, CURLE_RECV_ERROR);
        assert_in_range(raw.received, 110 * 1024,
                        500 * 1024); /* more than curl takes in one call */
        assert_true(curl_bridge_remove(&raw.t));
        curl_easy_cleanup(raw.t.easy);
    }
    assert_in_range(clock_monotonic() - begin, 0, 2000); /* else 200 ms for each, as above */
    assert_null(curl_bridge_free(bridge));
    fake_http_free(srv);
    loop_close(io);
}

static void answer(struct fake_exchange *x, void *ctx)
{
    (void)ctx;
    assert_null(fake_header(x, "Expect")); /* curl would wait a second for its answer */
    if (fake_body_len(x) > 0) {
        fake_reply(x, 200, "read it all");
    } else {
        fake_reply(x, 413, "too much");
    }
}

/* More than the sockets hold; then to a server that answers without reading it: curl waits for both
 * directions at once. */
static void test_upload_larger_than_socket_buffers(void **state)
{
    enum { LEN = 16 * 1024 * 1024 };
    char *body = xcalloc(1, LEN);
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, answer, NULL);

    (void)state;
    for (int early = 0; early < 2; early++) {
        struct client c = {0};
        if (early) {
            fake_http_answer_early(srv);
        }
        client_start(&c, io,
                     &(struct http_spec){.method = HTTP_POST,
                                         .peer = fake_http_peer(srv),
                                         .path = "/",
                                         .body = body,
                                         .body_len = LEN,
                                         .stream = true, /* no timer of curl helps out */
                                         .connect_timeout = 60000});
        loop_until(io, c.dones == 1);
        client_expect(&c, 0, ERR_NONE);
        assert_string_equal(buf_str(&c.body), early ? "too much" : "read it all");
        client_deinit(&c);
    }
    free(body);
    fake_http_free(srv);
    loop_close(io);
}

/* A completion must not wait for anything else to happen: a timer would show it late. */
static void test_completion_is_prompt(void **state)
{
    static const struct fake_step ok = {.kind = FAKE_REPLY};
    struct fake_script script = {.steps = &ok, .n = 1};
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, fake_script_handler, &script);
    msec_t begin = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct client c = {0};
        if (i == 1) {
            io_update_time(io);
            begin = io_now(io); /* connected */
        }
        client_start(&c, io, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"});
        loop_until(io, c.dones == 1);
        client_expect(&c, 0, ERR_NONE);
        client_deinit(&c);
    }
    io_update_time(io);
    assert_in_range(io_now(io) - begin, 0,
                    1000); /* a lost wake-up costs at least 1 ms, usually 1 s */
    fake_http_free(srv);
    loop_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_server),
        cmocka_unit_test(test_timeout_of_the_last),
        cmocka_unit_test(test_timeouts_together),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_two_end_together),
        cmocka_unit_test(test_ends_when_done),
        cmocka_unit_test(test_byte_at_a_time),
        cmocka_unit_test(test_reset_after_n_bytes),
        cmocka_unit_test(test_reset_behind_data),
        cmocka_unit_test(test_upload_larger_than_socket_buffers),
        cmocka_unit_test(test_completion_is_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
