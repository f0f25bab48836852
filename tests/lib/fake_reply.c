/*
 * The answers of the scripted server: whole, chunked, raw, slow, broken; and scripts of them.
 */
#include "lib/fake_internal.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/must.h"

#define REPLY_MAX (64u * 1024 * 1024)

const char *fake_method(const struct fake_exchange *x)
{
    return x->head;
}

const char *fake_path(const struct fake_exchange *x)
{
    return x->path;
}

const char *fake_header(const struct fake_exchange *x, const char *name)
{
    size_t len = strlen(name);
    const char *version = x->path + strlen(x->path) + 1;

    /* each line ends in two terminators, the last one in four */
    for (const char *p = version + strlen(version) + 2; *p; p += strlen(p) + 2) {
        if (strncasecmp(p, name, len) == 0 && p[len] == ':') {
            return p + len + 1 + strspn(p + len + 1, " ");
        }
    }
    return NULL;
}

const char *fake_body(const struct fake_exchange *x)
{
    return buf_str(&x->body);
}

size_t fake_body_len(const struct fake_exchange *x)
{
    return x->body.len;
}

unsigned fake_ordinal(const struct fake_exchange *x)
{
    return x->ordinal;
}

unsigned fake_conn_ordinal(const struct fake_exchange *x)
{
    return x->conn_ordinal;
}

bool fake_gone(const struct fake_exchange *x)
{
    return !x->conn;
}

struct fake_http *fake_server(const struct fake_exchange *x)
{
    return x->server;
}

static void whole_reply(struct buf *out, int status, const char *headers, const void *body,
                        size_t len)
{
    buf_init(out, REPLY_MAX);
    buf_printf(
        out,
        "HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
        status, len, headers ? headers : "");
    buf_append(out, body, len);
    must(buf_error(out) == 0);
}

static void send_whole(struct fake_exchange *x, int status, const char *headers, const void *body,
                       size_t len)
{
    struct buf out;

    must(!x->answered && !x->streaming);
    if (fake_gone(x)) {
        return;
    }
    whole_reply(&out, status, headers, body, len);
    fake_conn_write(x->conn, buf_str(&out), out.len);
    buf_deinit(&out);
    if (!fake_gone(x)) {
        fake_exchange_end(x, FAKE_GO_ON);
    }
}

void fake_reply(struct fake_exchange *x, int status, const char *body)
{
    send_whole(x, status, NULL, body, strlen(body));
}

void fake_reply_len(struct fake_exchange *x, int status, const void *body, size_t len)
{
    send_whole(x, status, NULL, body, len);
}

void fake_reply_headers(struct fake_exchange *x, int status, const char *headers, const char *body)
{
    send_whole(x, status, headers, body, strlen(body));
}

void fake_raw(struct fake_exchange *x, const void *p, size_t len)
{
    must(!x->answered);
    if (!fake_gone(x)) {
        fake_conn_write(x->conn, p, len);
    }
}

static void raw_buf(struct fake_exchange *x, struct buf *out)
{
    must(buf_error(out) == 0);
    fake_raw(x, buf_str(out), out->len);
    buf_deinit(out);
}

void fake_stream_begin(struct fake_exchange *x, int status, const char *headers)
{
    struct buf out = BUF_INIT(REPLY_MAX);

    must(!x->streaming);
    x->streaming = true;
    buf_printf(&out,
               "HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\n"
               "Transfer-Encoding: chunked\r\n%s\r\n",
               status, headers ? headers : "");
    raw_buf(x, &out);
}

void fake_stream_push(struct fake_exchange *x, const void *p, size_t len)
{
    struct buf out = BUF_INIT(REPLY_MAX);

    must(x->streaming && len > 0); /* an empty chunk would be the end */
    buf_printf(&out, "%zx\r\n", len);
    buf_append(&out, p, len);
    buf_puts(&out, "\r\n");
    raw_buf(x, &out);
}

void fake_stream_puts(struct fake_exchange *x, const char *text)
{
    fake_stream_push(x, text, strlen(text));
}

void fake_stream_end(struct fake_exchange *x)
{
    must(x->streaming);
    fake_raw(x, "0\r\n\r\n", 5);
    if (!fake_gone(x)) {
        fake_exchange_end(x, FAKE_GO_ON);
    }
}

/* By turns of the loop, because libuv would write all of it in one. */
static void drip_next(struct io_defer *d)
{
    struct fake_exchange *x = container_of(d, struct fake_exchange, drip_turn);

    if (!fake_gone(x) && x->drip_at < x->drip_len) {
        fake_conn_write(x->conn, x->drip + x->drip_at++, 1);
    }
    if (!fake_gone(x) && x->drip_at == x->drip_len) {
        fake_exchange_end(x, FAKE_GO_ON);
    } else if (!fake_gone(x)) {
        io_defer(x->server->io, d, drip_next);
    }
}

void fake_drip(struct fake_exchange *x, const void *p, size_t len)
{
    must(!x->answered && !x->drip && len > 0);
    if (!fake_gone(x)) {
        x->drip = xmemdup0(p, len);
        x->drip_len = len;
        x->drip_at = 0;
        io_defer(x->server->io, &x->drip_turn, drip_next);
    }
}

void fake_drip_reply(struct fake_exchange *x, int status, const char *body)
{
    struct buf out;

    whole_reply(&out, status, NULL, body, strlen(body));
    fake_drip(x, buf_str(&out), out.len);
    buf_deinit(&out);
}

void fake_close(struct fake_exchange *x)
{
    must(!x->answered);
    if (!fake_gone(x)) {
        fake_exchange_end(x, FAKE_THEN_CLOSE);
    }
}

void fake_reset(struct fake_exchange *x)
{
    must(!x->answered);
    if (!fake_gone(x)) {
        fake_conn_close(x->conn, true);
    }
}

void fake_reply_reset(struct fake_exchange *x, int status, const char *body, size_t n)
{
    struct buf out;

    must(!x->answered);
    if (fake_gone(x)) {
        return;
    }
    whole_reply(&out, status, NULL, body, strlen(body));
    if (n > 0) {
        fake_conn_write(x->conn, buf_str(&out), n < out.len ? n : out.len);
    }
    buf_deinit(&out);
    if (!fake_gone(x)) {
        fake_exchange_end(x, FAKE_THEN_RESET);
    }
}

void fake_script_handler(struct fake_exchange *x, void *ctx)
{
    struct fake_script *script = ctx;
    const struct fake_step *step = &script->steps[script->at];
    const char *body = step->body ? step->body : "{}";
    int status = step->status ? step->status : 200;

    must(script->at < script->n);
    script->used++;
    if (script->used >= (step->times ? step->times : 1) && script->at + 1 < script->n) {
        script->at++;
        script->used = 0;
    }
    switch (step->kind) {
    case FAKE_REPLY:
        fake_reply(x, status, body);
        break;
    case FAKE_DRIP:
        fake_drip_reply(x, status, body);
        break;
    case FAKE_SILENCE:
        break;
    case FAKE_CLOSE:
        fake_close(x);
        break;
    case FAKE_RESET:
        fake_reply_reset(x, status, body, step->bytes);
        break;
    case FAKE_STREAM:
    case FAKE_STREAM_END:
        fake_stream_begin(x, status, NULL);
        fake_stream_puts(x, body);
        if (step->kind == FAKE_STREAM_END) {
            fake_stream_end(x);
        }
        break;
    }
}
