#pragma once
/*
 * The Docker watch: follows an engine and reports what its containers are, losing nothing.
 *
 *   CONNECT → STREAMING(since) → LISTING → REPLAY → LIVE ─resync─► LISTING
 *   any error, end of stream or stall → BACKOFF → CONNECT
 *
 * It knows no services. Events are hints: what is reported comes from inspects (bounded, concurrent,
 * at most one in flight for each container, repeated when an event came in meanwhile).
 */
#include "io/http.h"
#include "model/container.h"

struct docker_watch;

struct docker_watch_events {
    /* The container as inspected just now, running or not. Ownership passes. */
    void (*upsert)(void *ctx, struct container *take_c);
    /*
     * It exists no longer (destroyed, 404), or died and the engine cannot be asked any more. listed: it
     * was missing from a listing, no event told of its end. What a listing lacks is looked at once more
     * before it is reported: a container that only stopped is an upsert.
     */
    void (*gone)(void *ctx, const char *id, bool listed);
    /*
     * The container was told to stop by this signal (a kill event), before it is dead: a hint for
     * draining. 0: the signal is not known. An upsert follows in any case.
     */
    void (*told_to_stop)(void *ctx, const char *id, int signal);
    /* How far the first or a repeated listing is. */
    void (*progress)(void *ctx, size_t inspected, size_t total);
    /*
     * REPLAY → LIVE: everything that runs has been reported since the last LISTING began. Containers
     * that the engine cannot tell about (three tries each) are not waited for while most others
     * could be inspected; they are tried again for ever.
     */
    void (*complete)(void *ctx);
    /* Connected (why NULL) or not (why says what failed). Once per change of state. */
    void (*connected)(void *ctx, bool up, const struct err *why);
};

struct docker_watch_config {
    const struct http_peer *peer; /* borrowed until closed; see docker/api.h */
    unsigned inspects;            /* concurrent; 0: 16 */
    msec_t resync;                /* 0: 60 s */
    bool once;                    /* stop after the first complete */
    /* Limits; 0 is the default. */
    msec_t ping_every;      /* the side ping of a quiet stream: 15 s */
    msec_t answer_timeout;  /* ping, info, networks, head of the stream, connecting: 5 s */
    msec_t inspect_timeout; /* 10 s */
    msec_t list_timeout;    /* 60 s */
    size_t queue_max;       /* unknown containers that events told of and that wait: 4096 */
};

int docker_watch_open(struct docker_watch **ret, struct io *io,
                      const struct docker_watch_config *config,
                      const struct docker_watch_events *events, void *ctx,
                      struct err *e) WARN_UNUSED;

/* Asks for an inspect of one container soon (drain deadline), or for a fresh listing. */
void docker_watch_refresh(struct docker_watch *w, const char *id);
void docker_watch_relist(struct docker_watch *w);

/* The engine's host name from /info; "" until known (it is asked before the first listing). */
const char *docker_watch_engine_name(const struct docker_watch *w);
/* What tells it from every other engine, of the same host name too; "" until known, or when it has none
 * (podman). */
const char *docker_watch_engine_id(const struct docker_watch *w);

void docker_watch_close(struct docker_watch *w, void (*done)(void *ctx), void *ctx);

/* Appends a JSON object that describes the state, for a state dump. */
void docker_watch_describe(const struct docker_watch *w, struct buf *out);
