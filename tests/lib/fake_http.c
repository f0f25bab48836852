/*
 * The scripted server: sockets, connections and the parsing of requests.
 *
 * Happy path: a connection reads until a request is complete (head, and as much body as Content-Length
 * says), hands it to the handler as an exchange, and reads on when that has ended; a pipelined request
 * waits. Memory of a listener or connection goes in its close callback, that of exchanges with the server.
 */
#include "lib/fake_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <cmocka.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "io/internal.h"

#define REQUEST_MAX (32u * 1024 * 1024)

static void need(int r, const char *what)
{
    if (r < 0) {
        fail_msg("fake server: %s: %s", what, uv_strerror(r));
    }
}

/* ---- connections ---- */

static void on_conn_closed(uv_handle_t *h)
{
    struct fake_conn *c = container_of(h, struct fake_conn, u.handle);
    io_handle_closed(h);
    buf_deinit(&c->in);
    free(c);
}

void fake_conn_close(struct fake_conn *c, bool reset)
{
    if (uv_is_closing(&c->u.handle)) {
        return;
    }
    if (c->current) {
        c->current->conn = NULL;
        c->server->busy--;
        c->current = NULL;
    }
    c->server->open--;
    DL_DELETE(c->server->conns, c);
    c->server = NULL;
    if (reset && c->is_tcp) {
        struct io *io = c->u.handle.loop->data;
        io->closing++; /* as io_handle_close() would */
        need(uv_tcp_close_reset(&c->u.tcp, on_conn_closed), "reset");
    } else {
        io_handle_close(&c->u.handle, on_conn_closed);
    }
}

struct fake_write {
    uv_write_t req;
    struct fake_conn *conn;
    char data[];
};

static void on_written(uv_write_t *req, int status)
{
    struct fake_write *w = container_of(req, struct fake_write, req);
    struct fake_conn *c = w->conn;

    free(w);
    c->writes--;
    if (status < 0) {
        fake_conn_close(c, false);
    } else if (c->writes == 0 && c->after != FAKE_GO_ON) {
        fake_conn_close(c, c->after == FAKE_THEN_RESET);
    }
}

void fake_conn_write(struct fake_conn *c, const void *p, size_t len)
{
    struct fake_write *w = xmalloc(sizeof(*w) + len);
    memset(&w->req, 0, sizeof(w->req));
    w->conn = c;
    memcpy(w->data, p, len);
    uv_buf_t buf = uv_buf_init(w->data, (unsigned)len);
    c->writes++;
    int r = uv_write(&w->req, &c->u.stream, &buf, 1, on_written);
    if (r < 0) {
        free(w);
        c->writes--;
        fake_conn_close(c, false);
    }
}

/* ---- requests ---- */

/* Length of the complete request at the begin of c->in, 0 when more is needed. */
static size_t request_len(const struct fake_conn *c, size_t *ret_head, size_t *ret_body)
{
    const char *text = buf_str(&c->in);
    const char *end = strstr(text, "\r\n\r\n");
    unsigned long long body = 0;

    if (!end) {
        return 0;
    }
    for (const char *line = strstr(text, "\r\n"); line < end; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "Content-Length:", strlen("Content-Length:")) == 0) {
            body = strtoull(line + 2 + strlen("Content-Length:"), NULL, 10);
        }
    }
    *ret_head = (size_t)(end - text) + 4;
    *ret_body = c->server->early ? 0 : (size_t)body;
    return c->in.len >= *ret_head + *ret_body ? *ret_head + *ret_body : 0;
}

static struct fake_exchange *exchange_new(struct fake_conn *c, size_t head, size_t body)
{
    struct fake_http *s = c->server;
    struct fake_exchange *x = xcalloc(1, sizeof(*x));

    x->server = s;
    x->conn = c;
    x->ordinal = s->requests++;
    x->conn_ordinal = c->requests++;
    x->head = xmemdup0(buf_str(&c->in), head);
    for (char *p = x->head; (p = strstr(p, "\r\n")) != NULL; p += 2) {
        p[0] = p[1] = '\0';
    }
    char *space = strchr(x->head, ' ');
    char *space2 = space ? strchr(space + 1, ' ') : NULL;
    must(space && space2); /* "GET /path HTTP/1.1" */
    *space = *space2 = '\0';
    x->path = space + 1;
    buf_init(&x->body, REQUEST_MAX);
    buf_append(&x->body, buf_str(&c->in) + head, body);
    DL_APPEND(s->exchanges, x);
    s->busy++;
    c->current = x;
    return x;
}

static void conn_parse(struct fake_conn *c)
{
    size_t head = 0;
    size_t body = 0;
    size_t len = 0;

    if (c->parsing) {
        return; /* a handler answered at once: the loop below goes on */
    }
    c->parsing = true;
    while (c->server && !c->current && c->after == FAKE_GO_ON &&
           (len = request_len(c, &head, &body)) > 0) {
        struct fake_exchange *x = exchange_new(c, head, body);
        buf_consume(&c->in, len);
        if (c->server->early) {
            uv_read_stop(&c->u.stream);
            buf_reset(&c->in); /* the begin of the body */
        }
        c->server->handler(x, c->server->ctx);
    }
    c->parsing = false;
}

void fake_exchange_end(struct fake_exchange *x, enum fake_after after)
{
    struct fake_conn *c = x->conn;

    must(c && c->current == x);
    x->conn = NULL;
    x->answered = true;
    buf_deinit(&x->body);
    x->server->busy--;
    c->current = NULL;
    c->after = after;
    if (after != FAKE_GO_ON && c->writes == 0) {
        fake_conn_close(c, after == FAKE_THEN_RESET);
    } else {
        conn_parse(c);
    }
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    static char bytes[64 * 1024];
    (void)h;
    (void)suggested;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct fake_conn *c = container_of(stream, struct fake_conn, u.stream);

    if (n < 0) {
        fake_conn_close(c, false);
        return;
    }
    buf_append(&c->in, buf->base, (size_t)n);
    must(buf_error(&c->in) == 0);
    conn_parse(c);
}

/* ---- the listener ---- */

static void on_connection(uv_stream_t *stream, int status)
{
    struct fake_listener *l = container_of(stream, struct fake_listener, u.stream);
    struct fake_http *s = l->server;
    struct fake_conn *c = xcalloc(1, sizeof(*c));

    need(status, "accept");
    c->is_tcp = !s->listen;
    c->server = s;
    buf_init(&c->in, REQUEST_MAX);
    need(c->is_tcp ? uv_tcp_init(&s->io->loop, &c->u.tcp)
                   : uv_pipe_init(&s->io->loop, &c->u.pipe, 0),
         "init");
    need(uv_accept(stream, &c->u.stream), "accept");
    if (c->is_tcp) {
        need(uv_tcp_nodelay(&c->u.tcp, 1), "nodelay");
    }
    s->accepted++;
    s->open++;
    DL_APPEND(s->conns, c);
    need(uv_read_start(&c->u.stream, on_alloc, on_read), "read");
}

static void on_listener_closed(uv_handle_t *h)
{
    io_handle_closed(h);
    free(container_of(h, struct fake_listener, u.handle));
}

void fake_http_up(struct fake_http *s)
{
    struct fake_listener *l = xcalloc(1, sizeof(*l));

    must(!s->listener);
    s->listener = l;
    l->server = s;
    if (s->listen) {
        (void)unlink(s->listen); /* of an earlier server; that there is none is fine */
        need(uv_pipe_init(&s->io->loop, &l->u.pipe, 0), "pipe");
        need(uv_pipe_bind(&l->u.pipe, s->listen), s->listen);
    } else {
        struct sockaddr_in addr;
        int len = sizeof(addr);
        need(uv_ip4_addr("127.0.0.1", s->port, &addr), "address");
        need(uv_tcp_init(&s->io->loop, &l->u.tcp), "tcp");
        need(uv_tcp_bind(&l->u.tcp, (struct sockaddr *)&addr, 0), "bind");
        need(uv_tcp_getsockname(&l->u.tcp, (struct sockaddr *)&addr, &len), "getsockname");
        s->port = ntohs(addr.sin_port);
        (void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
    }
    need(uv_listen(&l->u.stream, 128, on_connection), "listen");
    uv_unref(&l->u.handle); /* waiting for connections alone does not keep a loop running */
}

void fake_http_down(struct fake_http *s)
{
    must(s->listener);
    s->listener->server = NULL;
    io_handle_close(&s->listener->u.handle, on_listener_closed);
    s->listener = NULL;
    if (s->listen) {
        (void)unlink(s->listen); /* some versions of libuv did so already */
    }
    while (s->conns) {
        fake_conn_close(s->conns, false);
    }
}

void fake_http_answer_early(struct fake_http *s)
{
    s->early = true;
}

void fake_http_close_idle(struct fake_http *s)
{
    struct fake_conn *c, *next;
    DL_FOREACH_SAFE (s->conns, c, next) {
        if (!c->current && c->writes == 0) {
            fake_conn_close(c, false);
        }
    }
}

struct fake_http *fake_http_new(struct io *io, const char *listen, fake_handler handler, void *ctx)
{
    struct fake_http *s = xcalloc(1, sizeof(*s));
    s->io = io;
    s->listen = xstrdup(listen);
    s->handler = handler;
    s->ctx = ctx;
    (void)str_copy(s->url, sizeof(s->url), "http://localhost");
    fake_http_up(s);
    s->peer.base_url = s->url;
    s->peer.unix_socket = s->listen;
    return s;
}

void fake_http_free(struct fake_http *s)
{
    struct fake_exchange *x, *next;

    if (!s) {
        return;
    }
    if (s->listener) {
        fake_http_down(s);
    }
    DL_FOREACH_SAFE (s->exchanges, x, next) {
        buf_deinit(&x->body);
        io_defer_drop(&x->drip_turn);
        free(x->drip);
        free(x->head);
        free(x);
    }
    free(s->listen);
    free(s);
}

const char *fake_http_url(const struct fake_http *s)
{
    return s->url;
}

const struct http_peer *fake_http_peer(const struct fake_http *s)
{
    return &s->peer;
}

unsigned fake_http_requests(const struct fake_http *s)
{
    return s->requests;
}

unsigned fake_http_accepted(const struct fake_http *s)
{
    return s->accepted;
}

unsigned fake_http_open(const struct fake_http *s)
{
    return s->open;
}

unsigned fake_http_busy(const struct fake_http *s)
{
    return s->busy;
}
