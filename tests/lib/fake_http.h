#pragma once
/*
 * A scripted HTTP/1.1 server that lives in the loop of the test itself: handlers run in the test's own
 * thread, between the callbacks of the code under test, so no test needs a lock or a sleep.
 *
 *     static void on_request(struct fake_exchange *x, void *ctx)
 *     {
 *         if (streq(fake_path(x), "/v1.41/events")) {
 *             fake_stream_begin(x, 200, NULL);       // push more whenever the test wants
 *         } else {
 *             fake_reply(x, 404, "{\"message\":\"no such container\"}");
 *         }
 *     }
 *     struct fake_http *srv = fake_http_new(io, NULL, on_request, &state);
 *     ... http_start(io, &r, &(struct http_spec){.peer = fake_http_peer(srv), .path = "/"}, &e);
 *     loop_until(io, state.done);
 *     fake_http_free(srv);
 *     loop_close(io);
 *
 * A handler that returns without an answer leaves the exchange open: that is silence, and also how to
 * delay an answer: keep x and answer when the condition of the test holds. An exchange stays valid until
 * fake_http_free(); once its connection is gone every answer to it is ignored and fake_gone() is true. A
 * second answer to one request is a bug of the test and aborts it.
 *
 * Whatever cannot be done (a port that cannot be bound) fails the test.
 */
#include "io/http.h"

#include <stdbool.h>
#include <stddef.h>

struct fake_http;
struct fake_exchange;

/* Runs once for each complete request (body included). */
typedef void (*fake_handler)(struct fake_exchange *x, void *ctx);

/* listen: NULL = 127.0.0.1 with a free port; else the path of a unix socket (replaced if it exists). */
struct fake_http *fake_http_new(struct io *io, const char *listen, fake_handler handler, void *ctx);

/* Stops it and drops every connection. The memory goes in the loop; io_free() waits for that. */
void fake_http_free(struct fake_http *s); /* NULL is taken */

/* "http://127.0.0.1:41234" */
const char *fake_http_url(const struct fake_http *s);
/* Valid until fake_http_free(). */
const struct http_peer *fake_http_peer(const struct fake_http *s);

/* Like a daemon that dies: stops listening (a unix socket is unlinked) and drops every connection. */
void fake_http_down(struct fake_http *s);
/* The same address again. */
void fake_http_up(struct fake_http *s);
/* From now on handlers run once the head is there, and bodies are never read. */
void fake_http_answer_early(struct fake_http *s);
/* Closes the connections on which no request is in progress. */
void fake_http_close_idle(struct fake_http *s);

unsigned fake_http_requests(const struct fake_http *s); /* complete requests seen so far */
unsigned fake_http_accepted(const struct fake_http *s); /* connections accepted so far */
unsigned fake_http_open(const struct fake_http *s);     /* connections open now */
unsigned fake_http_busy(const struct fake_http *s);     /* exchanges not yet (fully) answered */

/* ---- the request ---- */

const char *fake_method(const struct fake_exchange *x);
const char *fake_path(const struct fake_exchange *x); /* with query, as sent */
/* The name in any case; NULL if absent. */
const char *fake_header(const struct fake_exchange *x, const char *name);
const char *fake_body(const struct fake_exchange *x); /* terminated; until it is answered */
size_t fake_body_len(const struct fake_exchange *x);
/* Counted from 0 over all requests of the server, or of its connection. */
unsigned fake_ordinal(const struct fake_exchange *x);
unsigned fake_conn_ordinal(const struct fake_exchange *x);
/* The connection has ended, or it is answered. */
bool fake_gone(const struct fake_exchange *x);
struct fake_http *fake_server(const struct fake_exchange *x);

/* ---- the answer; each ends the exchange unless it says otherwise ---- */

/* Content-Length, keep-alive, JSON content type. */
void fake_reply(struct fake_exchange *x, int status, const char *body);
void fake_reply_len(struct fake_exchange *x, int status, const void *body, size_t len);
/* headers: "Name: value\r\n" lines put into the head as they are. */
void fake_reply_headers(struct fake_exchange *x, int status, const char *headers, const char *body);

/* Chunked: begin, any number of pushes (one chunk each; not ended yet), end (final chunk). */
void fake_stream_begin(struct fake_exchange *x, int status, const char *headers);
void fake_stream_push(struct fake_exchange *x, const void *p, size_t len);
void fake_stream_puts(struct fake_exchange *x, const char *text);
void fake_stream_end(struct fake_exchange *x);

/* Raw bytes, not necessarily HTTP; the exchange is not ended. */
void fake_raw(struct fake_exchange *x, const void *p, size_t len);

/* Raw bytes, one per turn of the loop, then the exchange ends. fake_drip_reply: head and body so. */
void fake_drip(struct fake_exchange *x, const void *p, size_t len);
void fake_drip_reply(struct fake_exchange *x, int status, const char *body);

/* Closes the connection once everything written so far went out. */
void fake_close(struct fake_exchange *x);
/* RST (on a unix socket: close), dropping what is unsent. */
void fake_reset(struct fake_exchange *x);
/* The first n bytes of what fake_reply() would send (head included), then RST. */
void fake_reply_reset(struct fake_exchange *x, int status, const char *body, size_t n);

/* ---- scripts: steps consumed by one request each ---- */

enum fake_step_kind {
    FAKE_REPLY,      /* status, body */
    FAKE_DRIP,       /* the same, one byte at a time */
    FAKE_SILENCE,    /* never an answer */
    FAKE_CLOSE,      /* end of stream instead of an answer */
    FAKE_RESET,      /* RST after the first `bytes` bytes of the reply */
    FAKE_STREAM,     /* a stream that begins with body as its first chunk and stays open */
    FAKE_STREAM_END, /* a stream of one chunk that ends properly */
};

struct fake_step {
    unsigned times; /* 0 means 1; the last step repeats for ever */
    enum fake_step_kind kind;
    int status;       /* 0 means 200 */
    const char *body; /* NULL means "{}" */
    size_t bytes;
};

/* A handler: pass it with a struct fake_script as its context. */
struct fake_script {
    const struct fake_step *steps;
    size_t n;
    size_t at;     /* current step; starts at 0 */
    unsigned used; /* of the current step */
};
void fake_script_handler(struct fake_exchange *x, void *script);
