#pragma once
/*
 * Calls to one Consul agent: address, token, TLS, classified errors.
 *
 * A call is one request, tried once. Whoever makes it decides about another try.
 */
#include "base/buf.h"
#include "io/http.h"
#include "registry/uri.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct consul_call;

struct consul_client {
    struct io *io;
    const struct registry_uri *uri; /* borrowed */
    struct http_peer peer;
    struct buf token_header; /* "X-Consul-Token: ..." */
    struct buf auth_header;  /* "Authorization: Basic ..." */

    struct consul_call *calls; /* all that have not ended */
    bool closing;
    struct io_defer closed_defer;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* -EINVAL (ERR_INVALID) when a certificate or key file cannot be read. */
int consul_client_init(struct consul_client *c, struct io *io, const struct registry_uri *uri,
                       struct err *e) WARN_UNUSED;

/*
 * Cancels every call (each ends as ERR_CANCELLED, as always) and runs closed, from the loop, when the
 * last has ended; the client holds nothing by then. Once.
 */
void consul_client_close(struct consul_client *c, void (*closed)(void *ctx), void *ctx);

/* For people: where the calls go. */
const char *consul_client_endpoint(const struct consul_client *c);

/* ---- calls ---- */

struct consul_reply {
    struct err err;   /* class ERR_NONE: HTTP 200, and the body is there */
    int status;       /* of the answer, also of one that is an error; 0: there was none */
    const char *body; /* borrowed during done; also of an answer that is an error */
    size_t len;
    uint64_t index; /* X-Consul-Index; 0: none */
};

enum consul_call_state {
    CONSUL_CALL_S_IDLE,
    CONSUL_CALL_S_RUNNING,
    CONSUL_CALL_S_FAILED, /* before anything was sent; done follows in the next turn */
};

/* Embedded in its owner; zeroed before first use; may be started again from its done on. */
struct consul_call {
    /* Set by the owner before the start. */
    void (*done)(struct consul_call *call, const struct consul_reply *reply);

    /* The client's. */
    struct consul_client *client;
    enum consul_call_state state;
    struct buf what; /* "PUT /v1/agent/service/register", for errors */
    struct http_request http;
    struct io_defer defer;
    struct err failed; /* FAILED: why */
    struct consul_call *prev, *next;
};

struct consul_call_spec {
    enum http_method method;
    const char *path; /* "/v1/agent/services?...", percent-encoded; copied */
    const void *body; /* copied; NULL: none */
    size_t body_len;
    msec_t wait; /* a blocking query: how long the agent was asked to wait at most; 0: none */
    msec_t
        timeout; /* 0: 10 s (an agent without a leader answers after 7 s); on top of `wait` and its
                        sixteenth */
    size_t body_max; /* 0: 8 MiB */
};

/* Never fails: whatever goes wrong comes through done, from the loop, exactly once. */
void consul_call_start(struct consul_client *c, struct consul_call *call,
                       const struct consul_call_spec *spec);
void consul_call_cancel(struct consul_call *call); /* idle is fine */
static inline bool consul_call_running(const struct consul_call *call)
{
    return call->state != CONSUL_CALL_S_IDLE;
}
