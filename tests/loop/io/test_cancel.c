/*
 * The completion contract of the HTTP client: cancelled in any phase, a request completes exactly once
 * with -ECANCELED, from the loop; done may start it again or free its owner; curl's callbacks may start
 * and cancel other requests.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "io/http.h"
#include "lib/client.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"

/* /silent never answers, /stream answers "x" and stays open, anything else is answered at once. */
static void serve(struct fake_exchange *x, void *ctx)
{
    (void)ctx;
    if (strcmp(fake_path(x), "/silent") == 0) {
        return;
    }
    if (strcmp(fake_path(x), "/stream") == 0) {
        fake_stream_begin(x, 200, NULL);
        fake_stream_puts(x, "x");
        return;
    }
    fake_reply(x, 200, "ok");
}

struct world {
    struct io *io;
    struct fake_http *srv;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    w->io = loop_open();
    w->srv = fake_http_new(w->io, NULL, serve, NULL);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    fake_http_free(w->srv);
    loop_close(w->io);
    free(w);
    return 0;
}

static void go(struct world *w, struct client *c, const char *path)
{
    client_start(c, w->io,
                 &(struct http_spec){.peer = fake_http_peer(w->srv),
                                     .path = path,
                                     .stream = strcmp(path, "/stream") == 0});
}

/* Cancels, and expects the one completion, later. Then the request works as a new one does. */
static void cancel_and_reuse(struct world *w, struct client *c)
{
    unsigned open = fake_http_open(w->srv);

    assert_true(http_running(&c->r));
    http_cancel(&c->r);
    http_cancel(&c->r);
    assert_int_equal(c->dones, 0);
    loop_until(w->io, c->dones == 1);
    client_expect(c, -ECANCELED, ERR_CANCELLED);
    assert_false(http_running(&c->r));
    http_cancel(&c->r); /* idle */
    if (open > 0) {
        loop_until(w->io, fake_http_open(w->srv) == 0); /* nothing of it goes on */
    }
    client_deinit(c);
    memset(c, 0, sizeof(*c));
    go(w, c, "/");
    loop_until(w->io, c->dones == 1);
    client_expect(c, 0, ERR_NONE);
    assert_string_equal(buf_str(&c->body), "ok");
    client_deinit(c);
}

static void test_before_anything(void **state)
{
    struct world *w = *state;
    struct client c = {0};

    go(w, &c, "/silent");
    cancel_and_reuse(w, &c);
    assert_int_equal(fake_http_requests(w->srv), 1);
}

static void test_while_connecting(void **state)
{
    struct world *w = *state;
    struct deaf *deaf = deaf_new();
    struct http_peer peer = {.base_url = deaf_url(deaf)};
    struct client c = {0};
    struct client other = {0};

    client_start(&c, w->io, &(struct http_spec){.peer = &peer, .path = "/"});
    go(w, &other, "/"); /* what happens meanwhile */
    loop_until(w->io, other.dones == 1);
    assert_int_equal(c.dones, 0);
    fake_http_close_idle(w->srv); /* so that none is open below */
    loop_until(w->io, fake_http_open(w->srv) == 0);
    cancel_and_reuse(w, &c);
    client_deinit(&other);
    deaf_free(deaf);
}

static void test_while_waiting(void **state)
{
    struct world *w = *state;
    struct client c = {0};

    go(w, &c, "/silent");
    loop_until(w->io, fake_http_busy(w->srv) == 1);
    cancel_and_reuse(w, &c);
}

static void test_in_the_body(void **state)
{
    struct world *w = *state;
    struct client c = {0};

    go(w, &c, "/stream");
    loop_until(w->io, c.portions == 1);
    cancel_and_reuse(w, &c);
}

static int cancel_self(struct client *c)
{
    http_cancel(&c->r);
    assert_int_equal(c->dones, 0);
    return 0;
}

static void test_inside_own_data_callback(void **state)
{
    struct world *w = *state;
    struct client c = {.on_data = cancel_self};

    go(w, &c, "/stream");
    loop_until(w->io, c.dones == 1);
    client_expect(&c, -ECANCELED, ERR_CANCELLED);
    assert_int_equal(c.portions, 1);
    client_deinit(&c);
}

static int refuse(struct client *c)
{
    return *(int *)c->ctx;
}

static void test_data_callback_fails(void **state)
{
    struct world *w = *state;
    int code = -EBADMSG;
    struct client c = {.on_data = refuse, .ctx = &code};

    go(w, &c, "/stream");
    loop_until(w->io, c.dones == 1);
    client_expect(&c, -EBADMSG, ERR_TRANSIENT);
    assert_int_equal(c.portions, 1);
    assert_int_equal(c.status, 200);
    client_deinit(&c);
}

static int cancel_other(struct client *c)
{
    struct client *other = c->ctx;
    http_cancel(&other->r);
    assert_int_equal(other->dones, 0);
    return 0;
}

static void test_inside_another_data_callback(void **state)
{
    static const char *const paths[] = {"/silent", "/stream"};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct client victim = {0};
        struct client c = {.on_data = cancel_other, .ctx = &victim};
        go(w, &victim, paths[i]);
        if (i == 1) {
            loop_until(w->io, victim.portions == 1);
        }
        go(w, &c, "/stream");
        loop_until(w->io, victim.dones == 1);
        client_expect(&victim, -ECANCELED, ERR_CANCELLED);
        assert_int_equal(c.dones, 0);
        http_cancel(&c.r);
        loop_until(w->io, c.dones == 1);
        client_deinit(&victim);
        client_deinit(&c);
    }
}

/* Two requests that end in one turn, each cancelling the other: one wins, and the other, which had
 * completed but was not told yet, is cancelled. */
static void cancel_other_when_done(struct client *c)
{
    cancel_other(c);
}

static struct fake_exchange *held[2];

static void hold(struct fake_exchange *x, void *ctx)
{
    (void)ctx;
    held[fake_ordinal(x)] = x;
}

static void test_completed_but_not_delivered(void **state)
{
    struct world *w = *state;
    struct fake_http *srv = fake_http_new(w->io, NULL, hold, NULL);
    struct client a = {.on_done = cancel_other_when_done};
    struct client b = {0};

    a.ctx = &b;
    client_start(&a, w->io, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"});
    client_start(&b, w->io, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"});
    loop_until(w->io, fake_http_busy(srv) == 2);
    fake_reply(held[0], 200, "1");
    fake_reply(held[1], 200, "2");
    loop_until(w->io, a.dones == 1 && b.dones == 1);
    client_expect(&a, 0, ERR_NONE);
    client_expect(&b, -ECANCELED, ERR_CANCELLED);
    client_deinit(&a);
    client_deinit(&b);
    fake_http_free(srv);
}

static int start_other(struct client *c)
{
    struct client *other = c->ctx;
    if (!http_running(&other->r) && other->dones == 0) {
        go(other->ctx, other, "/");
        assert_int_equal(other->dones, 0);
    }
    return 0;
}

static void test_start_inside_data_callback(void **state)
{
    struct world *w = *state;
    struct client other = {.ctx = w};
    struct client c = {.on_data = start_other, .ctx = &other};

    go(w, &c, "/stream");
    loop_until(w->io, other.dones == 1);
    client_expect(&other, 0, ERR_NONE);
    assert_int_equal(c.dones, 0);
    http_cancel(&c.r);
    loop_until(w->io, c.dones == 1);
    client_deinit(&other);
    client_deinit(&c);
}

static int start_and_cancel_other(struct client *c)
{
    start_other(c);
    cancel_other(c);
    return 0;
}

/* Started and cancelled before curl ever heard of it. */
static void test_start_and_cancel_inside_data_callback(void **state)
{
    struct world *w = *state;
    struct client other = {.ctx = w};
    struct client c = {.on_data = start_and_cancel_other, .ctx = &other};

    go(w, &c, "/stream");
    loop_until(w->io, other.dones == 1);
    client_expect(&other, -ECANCELED, ERR_CANCELLED);
    http_cancel(&c.r);
    loop_until(w->io, c.dones == 1);
    assert_int_equal(fake_http_requests(w->srv), 1);
    client_deinit(&other);
    client_deinit(&c);
}

static void restart_when_done(struct client *c)
{
    if (c->dones == 1) {
        client_expect(c, -ECANCELED, ERR_CANCELLED);
        go(c->ctx, c, "/");
        assert_true(http_running(&c->r));
    }
}

static void test_restart_inside_done(void **state)
{
    struct world *w = *state;
    struct client c = {.on_done = restart_when_done, .ctx = w};

    go(w, &c, "/silent");
    http_cancel(&c.r);
    loop_until(w->io, c.dones == 2);
    assert_int_equal(c.code, 0);
    assert_string_equal(buf_str(&c.body), "ok");
    client_deinit(&c);
}

static void free_when_done(struct client *c)
{
    *(bool *)c->ctx = true;
    client_deinit(c);
    free(c);
}

static void test_done_frees_its_owner(void **state)
{
    static const char *const paths[] = {"/", "/silent", "/stream"};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        bool gone = false;
        struct client *c = xcalloc(1, sizeof(*c));
        c->on_done = free_when_done;
        c->ctx = &gone;
        go(w, c, paths[i]);
        if (i > 0) {
            loop_until(w->io, fake_http_busy(w->srv) == 1);
            http_cancel(&c->r);
        }
        loop_until(w->io, gone);
        loop_until(w->io, fake_http_busy(w->srv) == 0);
    }
}

static int stop_in_data(struct client *c)
{
    io_stop(c->io);
    return 0;
}

static void stop_in_done(struct client *c)
{
    io_stop(c->io);
}

static void test_stop_inside_callbacks(void **state)
{
    struct world *w = *state;
    struct client c = {.on_data = stop_in_data, .on_done = stop_in_done};

    go(w, &c, "/stream");
    io_run(w->io);
    assert_int_equal(c.portions, 1);
    assert_int_equal(c.dones, 0);
    http_cancel(&c.r);
    io_run(w->io);
    assert_int_equal(c.dones, 1);
    client_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_before_anything, setup, teardown),
        cmocka_unit_test_setup_teardown(test_while_connecting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_while_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_the_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inside_own_data_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_data_callback_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inside_another_data_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_completed_but_not_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_start_inside_data_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_start_and_cancel_inside_data_callback, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_restart_inside_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_done_frees_its_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_inside_callbacks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
