#pragma once
/*
 * What the files of the Docker watch share.
 *   watch.c          the machine: states, connecting, losing the connection, closing
 *   watch_stream.c   the event stream and what events mean
 *   watch_list.c     listings, and when one is complete
 *   watch_inspect.c  the queue of inspects
 *   watch_set.c      the containers that are known
 */
#include "base/backoff.h"
#include "base/framer.h"
#include "base/map.h"
#include "docker/decode.h"
#include "docker/watch.h"
#include "io/http.h"
#include "io/timer.h"

#include <stdint.h>

#define WATCH_MAGIC       0xd0c4e6a7u
#define WATCH_PATH_MAX    2048u
#define WATCH_MESSAGE_MAX 1024u /* of an error body */

enum watch_state {
    WATCH_S_CONNECT,   /* ping, info */
    WATCH_S_STREAMING, /* the stream is asked for; its head is awaited */
    WATCH_S_LISTING,   /* networks, list */
    WATCH_S_REPLAY,    /* the list is in, what it says is inspected */
    WATCH_S_LIVE,
    WATCH_S_BACKOFF,
    WATCH_S_DONE, /* once: complete */
    WATCH_S_CLOSING,
};

/* Where a container is on its way to being inspected. */
enum watched_place {
    WATCHED_IDLE,
    WATCHED_URGENT,  /* an event came, or a listing differs */
    WATCHED_BULK,    /* only because a listing goes over all */
    WATCHED_DELAYED, /* the last inspect failed: waits for `due` */
    WATCHED_INFLIGHT,
    WATCHED_PLACES,
};

/* One known container; nothing else is kept about it. */
struct watched {
    char id[CONTAINER_ID_LEN + 1];
    uint8_t place;         /* enum watched_place */
    uint8_t state;         /* enum docker_list_state, as inspected last */
    uint8_t failures;      /* inspects in a row that the engine did not answer with its state */
    bool reported : 1;     /* at least one upsert */
    bool dirty : 1;        /* INFLIGHT: an event came meanwhile, inspect again */
    bool died : 1;         /* its last event was its death */
    bool owed : 1;         /* complete() waits for it */
    bool stuck : 1;        /* ... but no longer */
    bool unlisted : 1;     /* inspected because the listing lacks it */
    bool differs : 1;      /* the listing says something else than before */
    bool signal_label : 1; /* has a label `signal`, which hides the real one in events */
    uint32_t seen;         /* number of the last listing that had it */
    uint32_t stirred;      /* number of the listing under which an event came last */
    uint64_t listed;       /* digest in that listing */
    uint64_t digest; /* of the listing that the last inspect confirmed; 0: none, or an event came */
    msec_t due;      /* DELAYED */
    struct watch_inspect *inspect;
    struct watched *prev, *next; /* in the queue of its place */
    UT_hash_handle hh;
};

struct watch_inspect {
    struct http_request req;
    struct docker_watch *w;
    struct watched *of; /* NULL: free, or nobody waits for the answer any more */
    uint32_t listing;   /* number of the listing under which it was started */
};

/* What the request `ask` asks for. */
enum watch_ask { WATCH_ASK_PING, WATCH_ASK_INFO, WATCH_ASK_NETWORKS };

#define WATCH_DIGESTS 8u /* events of one nanosecond that are told apart */

struct docker_watch {
    uint32_t magic;
    enum watch_state state;
    struct io *io;
    struct docker_watch_config config;
    struct docker_watch_events events;
    void *ctx;

    char prefix[DOCKER_PREFIX_MAX];
    struct docker_info engine;
    struct docker_networks networks;
    bool up, up_known; /* what connected() said last */
    bool gap;          /* events may have been missed since the last listing */
    bool full;         /* the next listing inspects all that it has, not only what differs */
    bool listed_once;  /* a listing was complete: the next ones take their time */
    struct backoff backoff;
    struct err last_error; /* for describe */
    size_t reconnects;

    struct io_timer timer;      /* the state's own: see on_timer() in watch.c */
    struct io_timer ping_timer; /* next side ping */
    struct io_defer pump;
    struct http_request ask, stream, list, ping;
    enum watch_ask asking;

    /* stream */
    bool stream_open;
    bool skipping; /* inside a line that is too long */
    struct framer framer;
    struct buf message; /* body of a refusal: of the stream, or of the list */
    uint64_t since_nano, since_s;
    uint64_t digests[WATCH_DIGESTS]; /* of the events at since_nano */
    size_t n_digests;
    uint64_t n_events;

    /* listing */
    struct docker_list parser;
    int list_status;
    struct err list_error; /* what the parser said */
    uint32_t listing;      /* its number */
    size_t total, owed, stuck;
    bool progressed;  /* progress() is due */
    bool relist;      /* again as soon as this one is complete */
    bool relist_soon; /* the same, a little later */
    bool overflow;    /* events were dropped: again before it counts as complete */

    /* containers */
    struct watched *set;
    struct watched *queue[WATCHED_PLACES]; /* URGENT, BULK, DELAYED */
    size_t count[WATCHED_PLACES];
    struct watch_inspect *inspects; /* config.inspects of them */
    struct io_timer retry_timer;    /* ticks while something is DELAYED */
    struct io_timer pause_timer;    /* armed while the engine refuses connections */
    struct backoff pause;

    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- watch.c ---- */

void watch_set_state(struct docker_watch *w, enum watch_state state);
/* The connection is lost, or could not be made: BACKOFF. */
void watch_lost(struct docker_watch *w, const struct err *why);
/* connected(), where that changes something. */
void watch_report(struct docker_watch *w, bool up, const struct err *why);
/* Decides what happens next, later in this turn; any number of calls count as one. */
void watch_pump_soon(struct docker_watch *w);
/* A request has ended: true when nobody waits for its result any more. */
bool watch_ended(struct docker_watch *w);
/* Events arrive and requests may be made. */
bool watch_is_streaming(const struct docker_watch *w);
/* A GET with the peer, timeouts and caps of this watch. path is taken. */
int watch_get(struct docker_watch *w, struct http_request *r, struct buf *take_path, msec_t total,
              size_t body_max, bool stream, struct err *e) WARN_UNUSED;
void watch_ask(struct docker_watch *w, enum watch_ask what);
/* The beginning of a refusal's body. */
void watch_keep_message(struct docker_watch *w, const char *p, size_t len);
void watch_on_timer(struct io_timer *t); /* of every state that uses w->timer */
void watch_done(struct docker_watch *w); /* once: to DONE */

/* ---- watch_stream.c ---- */
void watch_stream_init(struct docker_watch *w);
void watch_stream_start(struct docker_watch *w);
void watch_stream_reset(struct docker_watch *w); /* forgets an unfinished line */
void watch_stream_deinit(struct docker_watch *w);

/* ---- watch_list.c ---- */
void watch_list_init(struct docker_watch *w);
void watch_list_begin(struct docker_watch *w); /* to LISTING */
void watch_list_get(struct docker_watch *w);   /* the networks are known */
void watch_list_timer(struct docker_watch *w); /* the state's timer, while LISTING */
void watch_list_soon(struct docker_watch *w);  /* something happened that nobody understood */
/* Nothing is owed for e any more. */
void watch_list_settle(struct docker_watch *w, struct watched *e);
void watch_list_check(struct docker_watch *w); /* complete? again? */
void watch_list_deinit(struct docker_watch *w);

/* ---- watch_inspect.c ---- */
void watch_inspect_init(struct docker_watch *w);
/* e is to be inspected; urgent: before those of a listing. */
void watch_want(struct docker_watch *w, struct watched *e, bool urgent);
/* Something happened to e: inspected at once, and the next listing does not take it for unchanged. */
void watch_stir(struct docker_watch *w, struct watched *e);
void watch_inspect_pump(struct docker_watch *w);
/* Forgets what was wanted. */
void watch_inspect_cancel(struct docker_watch *w);
/* Who died and was not inspected since is gone. */
void watch_inspect_bury(struct docker_watch *w);
/* Reports e as gone and forgets it. */
void watch_gone(struct docker_watch *w, struct watched *e, bool listed);
bool watch_inspect_busy(const struct docker_watch *w);
void watch_inspect_deinit(struct docker_watch *w);

/* ---- watch_set.c ---- */
struct watched *watched_find(const struct docker_watch *w, const char *id);
struct watched *watched_get(struct docker_watch *w, const char *id); /* makes it when unknown */
/* To another place; front: before the others there. */
void watched_move(struct docker_watch *w, struct watched *e, enum watched_place place, bool front);
void watched_drop(struct docker_watch *w, struct watched *e); /* its inspect is cancelled */
void watched_drop_all(struct docker_watch *w);
