/*
 * The recording client of the HTTP tests.
 */
#include "lib/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/wallclock.h"

static void on_done(struct http_request *r, const struct http_result *res)
{
    struct client *c = container_of(r, struct client, r);
    const char *index = http_header(r, "x-consul-index");

    c->dones++;
    c->code = res->code;
    c->class = res->class;
    c->status = res->status;
    c->ended = clock_monotonic();
    if (res->body_len > 0) {
        buf_append(&c->body, res->body, res->body_len);
    }
    assert_int_equal(res->body[res->body_len], '\0');
    (void)str_copy(c->error, sizeof(c->error), res->error);
    (void)str_copy(c->index, sizeof(c->index), index ? index : "");
    assert_false(http_running(r));
    if (c->on_done) {
        c->on_done(c);
    }
}

static int on_data(struct http_request *r, const char *p, size_t len)
{
    struct client *c = container_of(r, struct client, r);

    assert_int_equal(c->dones, 0);
    assert_true(http_running(r));
    buf_append(&c->body, p, len);
    c->portions++;
    c->longest = len > c->longest ? len : c->longest;
    return c->on_data ? c->on_data(c) : 0;
}

static void on_head(struct http_request *r, int status)
{
    struct client *c = container_of(r, struct client, r);

    assert_int_equal(c->portions, 0);
    c->heads++;
    c->head_status = status;
}

void client_start(struct client *c, struct io *io, const struct http_spec *spec)
{
    struct err e = ERR_INIT;

    buf_deinit(&c->body);
    buf_init(&c->body, 64u << 20);
    c->io = io;
    c->r.done = on_done;
    c->r.data = on_data;
    c->r.head = on_head;
    c->started = clock_monotonic();
    if (http_start(io, &c->r, spec, &e) < 0) {
        fail_msg("http_start: %s", e.msg);
    }
}

void client_expect(const struct client *c, int code, enum err_class class)
{
    if (c->dones != 1 || c->code != code || c->class != class) {
        fail_msg("expected one done with %d %s, got %u with %d %s (HTTP %d): %s", code,
                 err_class_name(class), c->dones, c->code, err_class_name(c->class), c->status,
                 c->error);
    }
    if ((code == 0) != (c->error[0] == '\0')) {
        fail_msg("code %d goes with the text \"%s\"", code, c->error);
    }
}

void client_deinit(struct client *c)
{
    buf_deinit(&c->body);
}
