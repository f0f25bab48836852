#pragma once
/*
 * The writer's Consul session: created or taken over, and renewed from then on.
 */
#include "base/backoff.h"
#include "io/timer.h"
#include "registry/consul_client.h"
#include "registry/consulkv_codec.h"

enum consulkv_session_state {
    CONSULKV_SESSION_S_NONE,
    CONSULKV_SESSION_S_CREATING,
    CONSULKV_SESSION_S_ADOPTING, /* renewing one that was there before */
    CONSULKV_SESSION_S_HELD,
};

struct consulkv_session {
    /* Set by the owner before the first use; all run from the loop. */
    void (*held)(struct consulkv_session *s); /* created, or adopted */
    /* CREATING or ADOPTING failed: nothing is held. */
    void (*failed)(struct consulkv_session *s, const struct err *why);
    /* Consul does not know the session, or knows it for somebody else's, while ADOPTING or HELD. */
    void (*lost)(struct consulkv_session *s);
    /* HELD: a renewal failed, `failures` in a row by now; it goes on trying. */
    void (*trouble)(struct consulkv_session *s, const struct err *why);
    void (*renewed)(struct consulkv_session *s); /* HELD: after each renewal */

    /* To be read by the owner. */
    enum consulkv_session_state state;
    char id[CONSULKV_SESSION_LEN + 1]; /* ADOPTING, HELD */
    /* HELD: it is one as we would create it; false: its TTL or its behaviour is another. */
    bool as_wanted;
    unsigned failures;
    /* Another session that is renewed too, as long as it lives; "": none. */
    char second[CONSULKV_SESSION_LEN + 1];

    /* Its own. */
    struct consul_client *client;
    const char *node;
    unsigned ttl_s;
    struct consul_call call, second_call;
    bool call_creates;
    bool call_dropped; /* its answer no longer counts: something else was asked for meanwhile */
    msec_t sent;
    struct io_timer timer;
    struct backoff backoff;
};

/* node: borrowed. ttl_s: as consulkv_session_ttl() gives it. */
void consulkv_session_init(struct consulkv_session *s, struct consul_client *client,
                           const char *node, unsigned ttl_s, uint64_t seed);

/* Both end in held, failed or (adopt) lost; a state of before is forgotten, but for `second`. */
void consulkv_session_create(struct consulkv_session *s);
void consulkv_session_adopt(struct consulkv_session *s, const char *id);

void consulkv_session_second(struct consulkv_session *s, const char *id); /* "": no longer */

/* Stops renewing anything; no event follows. */
void consulkv_session_forget(struct consulkv_session *s);

/* Appends the path of a call about a session: create, renew, destroy. id: NULL of create. */
void consulkv_session_path(struct buf *out, const struct registry_uri *uri, const char *verb,
                           const char *id);
