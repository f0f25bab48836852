#pragma once
/*
 * Calls to an etcd cluster: one current endpoint, fail-over, authentication, classified errors.
 *
 * A call is one request, tried once. Whoever makes it decides about another try; what the client does
 * by itself is to point at the next endpoint after a failure that another one may not have, and to
 * renew the token and repeat a call once that was refused for want of one.
 */
#include "base/backoff.h"
#include "base/buf.h"
#include "io/http.h"
#include "registry/etcd_error.h"
#include "registry/uri.h"

#include <stdbool.h>
#include <stddef.h>

struct etcd_call;

enum etcd_auth_state {
    ETCD_AUTH_S_NONE,   /* no token: no user, or not asked for yet */
    ETCD_AUTH_S_ASKING, /* calls wait for the answer */
    ETCD_AUTH_S_HELD,   /* every request carries the token */
    ETCD_AUTH_S_OFF,    /* there is a user, but etcd does not want one */
};

struct etcd_client {
    struct io *io;
    const struct registry_uri *uri; /* borrowed */
    struct http_peer *peers;
    size_t n_peers, current;
    unsigned rotations; /* how often a failure moved (or would have moved) the current endpoint */

    enum etcd_auth_state auth;
    struct buf auth_header; /* "Authorization: <token>" */
    unsigned auth_epoch;    /* rises with each token */
    struct http_request auth_http;
    size_t auth_peer;

    struct etcd_call *calls; /* all that have not ended */
    void (*suspect)(void *ctx);
    void *ctx;

    bool closing;
    struct io_defer closed_defer;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/*
 * suspect (may be NULL) runs when an endpoint failed a call: a watch there may be dead without knowing
 * it. -EINVAL (ERR_INVALID) when a certificate or key file cannot be read.
 */
int etcd_client_init(struct etcd_client *c, struct io *io, const struct registry_uri *uri,
                     void (*suspect)(void *ctx), void *ctx, struct err *e) WARN_UNUSED;

/*
 * Cancels every call (each ends as ERR_CANCELLED, as always) and runs closed, from the loop, when the
 * last has ended; the client holds nothing by then. Once.
 */
void etcd_client_close(struct etcd_client *c, void (*closed)(void *ctx), void *ctx);

/* For people: the URL that the next call goes to. */
const char *etcd_client_endpoint(const struct etcd_client *c);

/* How long a call may take, unless its spec says otherwise. */
msec_t etcd_client_timeout(const struct etcd_client *c);

/* Fetches a new token before the next call. */
void etcd_client_drop_token(struct etcd_client *c);

/* ---- calls ---- */

struct etcd_reply {
    struct err err;          /* class ERR_NONE: HTTP 200, and the body is there */
    struct etcd_error error; /* more about an answer that was not 200 */
    const char *body;        /* borrowed during done; of a stream: empty */
    size_t len;
};

enum etcd_call_state {
    ETCD_CALL_S_IDLE,
    ETCD_CALL_S_WAITING, /* for a token */
    ETCD_CALL_S_RUNNING,
    ETCD_CALL_S_FAILED, /* before anything was sent; done follows in the next turn */
};

/* Embedded in its owner; zeroed before first use; may be started again from its done on. */
struct etcd_call {
    /* Set by the owner before the start. */
    void (*done)(struct etcd_call *call, const struct etcd_reply *reply);
    /* Streams: each portion of a 200's body. Non-zero ends the call with that code. NULL: collect. */
    int (*data)(struct etcd_call *call, const char *p, size_t len);

    /* The client's. */
    struct etcd_client *client;
    enum etcd_call_state state;
    const char *path; /* a literal */
    struct buf body;
    msec_t timeout;
    size_t body_max;
    bool again;          /* was repeated with a new token */
    unsigned auth_epoch; /* of the token it was sent with */
    size_t peer;
    unsigned rotations;    /* of the client when it was sent */
    int status;            /* of a stream, once its head was seen */
    struct buf error_body; /* of a stream that is not 200 */
    struct http_request http;
    struct io_defer defer;
    struct err failed; /* FAILED: why */
    struct etcd_call *prev, *next;
};

struct etcd_call_spec {
    const char *path;      /* "/v3/kv/range"; a literal */
    struct buf *take_body; /* its contents are taken */
    msec_t timeout;        /* 0: 3 s, with several endpoints 1.5 s; streams have none */
    size_t body_max;       /* 0: 8 MiB */
};

/* Never fails: whatever goes wrong comes through done, from the loop, exactly once. */
void etcd_call_start(struct etcd_client *c, struct etcd_call *call,
                     const struct etcd_call_spec *spec);
void etcd_call_cancel(struct etcd_call *call); /* idle is fine */
static inline bool etcd_call_running(const struct etcd_call *call)
{
    return call->state != ETCD_CALL_S_IDLE;
}

/* The 200 of this call made no sense: its endpoint is suspect, like after a failure. */
void etcd_call_distrust(const struct etcd_call *call);

/* Some endpoint has failed since this call was sent: if it is a watch, better open it anew. */
bool etcd_call_outdated(const struct etcd_call *call);
