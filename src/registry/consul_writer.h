#pragma once
/*
 * The writer's half of the Consul driver: its state, and what its parts call of each other. The machine
 * is drawn in consul_writer.c.
 */
#include "base/arena.h"
#include "base/backoff.h"
#include "io/timer.h"
#include "registry/consul_client.h"
#include "registry/consul_known.h"
#include "registry/consul_service.h"
#include "tidewaiter/registry.h"

extern const struct registry_writer_ops consul_writer_ops;

#define CONSUL_WRITER_BATCH_MAX 64
#define CONSUL_WRITER_PARALLEL  16 /* requests of a batch at a time */
#define CONSUL_WRITER_RENEWALS  8  /* and of renewals of checks */

#define CONSUL_WRITER_MAGIC 0x77636e73u

#define CONSUL_WRITER_STATES(X)                                                                    \
    X(BACKOFF, "backoff") /* waits before LIST, at least until the batch in flight has ended */    \
    X(LIST, "list")       /* asks the agent what it has */                                         \
    X(READY, "ready")     /* that is known and followed: writes are taken */                       \
    X(CLOSING, "closing")

enum consul_writer_state {
#define X(sym, name) CONSUL_WRITER_S_##sym,
    CONSUL_WRITER_STATES(X)
#undef X
};

#define CONSUL_HINT_STATES(X)                                                                      \
    X(OFF, "off")     /* not READY, or a dry run */                                                \
    X(NODE, "node")   /* asks what the agent's node is called */                                   \
    X(QUERY, "query") /* the query is open */                                                      \
    X(PAUSE, "pause") /* waits before the next one */

enum consul_hint_state {
#define X(sym, name) CONSUL_HINT_S_##sym,
    CONSUL_HINT_STATES(X)
#undef X
};

enum consul_writer_told { CONSUL_TOLD_NOTHING, CONSUL_TOLD_READY, CONSUL_TOLD_UNREADY };

/* One request at a time, for one operation of the batch or one removal at the end. */
enum consul_slot_step {
    CONSUL_SLOT_FREE,
    CONSUL_SLOT_REGISTER,
    CONSUL_SLOT_CHECKS, /* asks which checks the service has */
    CONSUL_SLOT_DROP,   /* of those, removes one that is not wanted any more */
    CONSUL_SLOT_UPDATE, /* sends the status of a TTL check */
    CONSUL_SLOT_REMOVE,
};

struct consul_slot {
    struct registry_writer *w;
    struct consul_call call;
    enum consul_slot_step step;
    struct consul_known *service;
    size_t op;        /* of the batch */
    const char *body; /* of a registration; the batch's */
    size_t body_len;
    bool look;          /* CHECKS is due */
    struct arena arena; /* of what follows */
    const char **obsolete;
    size_t n_obsolete, obsolete_at;
    struct consul_listed_ttl *ttls;
    size_t n_ttls, ttl_at;
};

struct consul_batch {
    bool active;
    struct arena arena; /* copies of keys and values */
    struct registry_op *ops;
    struct registry_result results[CONSUL_WRITER_BATCH_MAX];
    size_t n, next, running;
    struct err why; /* the first failure */
    struct io_defer begin;
};

/* A TTL check that is kept alive. */
struct consul_ttl {
    UT_hash_handle hh;
    struct registry_writer *w;
    char *service_id;
    msec_t ttl;
    enum service_status status;
    struct io_timer timer;
    bool due;     /* in the queue of those that wait for a free renewal */
    bool sent;    /* a renewal runs */
    bool dropped; /* and goes with its end */
    bool weight;  /* says that the service's weight is 0 */
    bool failing; /* refused, or not renewed for a whole TTL */
    msec_t renewed_at;
    unsigned listing;
    struct consul_ttl *prev, *next;
    char check_id[];
};

struct consul_renewal {
    struct registry_writer *w;
    struct consul_call call;
    struct consul_ttl *check; /* NULL: free */
};

struct consul_list {
    bool running;
    bool again;  /* something changed since it began */
    bool failed; /* one of the two calls */
    struct err why;
    struct consul_call services, checks;
    struct buf services_body, checks_body;
    uint64_t began; /* in events of the writer */
    struct io_timer timer;
    unsigned number; /* of listings */
};

struct consul_hint_query {
    struct registry_writer *w;
    enum consul_hint_state state;
    struct consul_call call;
    struct io_timer timer;
    struct backoff backoff;
    bool working; /* the last one was answered: changes will be heard of */
    uint64_t index;
};

struct consul_hint {
    struct consul_hint_query services; /* also finds out the node's name */
    struct consul_hint_query checks;   /* begins once that is done */
    char *node;                        /* NULL: not known */
    bool nameless;                     /* and not to be known: the queries are on all nodes */
};

/* What no write tells of. */
enum consul_trouble {
    CONSUL_TROUBLE_RENEWALS, /* checks cannot be kept alive */
    CONSUL_TROUBLE_OTHERS,   /* somebody else writes what is ours */
    CONSUL_TROUBLE_LEFT,     /* at the end, services are left */
};

struct registry_writer {
    unsigned magic;
    struct io *io;
    const struct registry_uri *uri;
    const struct registry_writer_events *events;
    void *ctx;
    char *node, *id_host;
    struct consul_owner owner;
    unsigned ttl_s;
    bool dry_run;

    struct consul_client client;
    struct consul_services services;
    struct consul_batch batch;
    struct consul_slot slots[CONSUL_WRITER_PARALLEL];
    struct consul_ttl *ttls; /* by check id */
    struct consul_ttl *due;
    struct consul_renewal renewals[CONSUL_WRITER_RENEWALS];
    struct consul_list list;
    struct consul_hint hint;

    enum consul_writer_state state;
    enum consul_writer_told told;
    struct io_timer timer; /* BACKOFF; CLOSING: the next try to leave */
    struct backoff backoff;
    int64_t revision;  /* rises with everything that is told */
    uint64_t event;    /* rises with the begin and the end of every write and listing */
    bool may_write;    /* a registration or removal was done since the last listing */
    unsigned troubles; /* bits of those that were told and are not over */

    size_t leave_removed;
    struct err leave_why; /* the first removal that failed */
    bool leave_failed;    /* a removal, for a reason that may pass */
    bool leave_over;      /* what ends from now on only frees its slot */
    struct io_timer deadline;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- consul_writer.c: the machine ---- */
void consul_writer_listed(struct registry_writer *w); /* LIST has ended well */
/* The agent does not answer as it should: unready, and LIST after a while. */
void consul_writer_lost(struct registry_writer *w, const struct err *why);
void consul_writer_closing(struct registry_writer *w);
void consul_writer_tell(struct registry_writer *w, struct consul_known *k, enum consul_news news);
/*
 * Tells of a trouble when it begins (why), and once none is left (why NULL: this one is over). Whoever is
 * told may close the writer.
 */
void consul_writer_trouble(struct registry_writer *w, enum consul_trouble what,
                           const struct err *why);
static inline bool consul_writer_troubled(const struct registry_writer *w, enum consul_trouble what)
{
    return w->troubles & (1u << what);
}

/* ---- consul_writer_list.c: what the agent has ---- */
void consul_writer_list_init(struct registry_writer *w);
void consul_writer_list_begin(struct registry_writer *w); /* LIST */
void consul_writer_list_soon(struct registry_writer *w);  /* READY: something may have changed */
void consul_writer_list_plan(struct registry_writer *w);  /* READY: the next one without a reason */
void consul_writer_list_stop(struct registry_writer *w);
void consul_writer_list_deinit(struct registry_writer *w);

/* ---- consul_writer_hint.c: when to look again ---- */
void consul_writer_hint_init(struct registry_writer *w, uint64_t seed);
void consul_writer_hint_start(struct registry_writer *w);
void consul_writer_hint_stop(struct registry_writer *w);
bool consul_writer_hint_works(const struct registry_writer *w);
const char *consul_writer_hint_name(const struct registry_writer *w);

/* ---- consul_writer_batch.c: write() ---- */
int consul_writer_write(struct registry_writer *w, const struct registry_op *ops, size_t n);
void consul_writer_op_ended(struct registry_writer *w, size_t op, const struct err *why,
                            int64_t revision);

/* ---- consul_writer_slot.c: the requests of one operation ---- */
void consul_slots_init(struct registry_writer *w);
bool consul_slot_idle(const struct registry_writer *w);          /* no slot is in use */
struct consul_slot *consul_slot_free(struct registry_writer *w); /* one that is free, or NULL */
/* What comes of these is told to consul_writer_op_ended(), while CLOSING to consul_writer_left(). */
void consul_slot_register(struct consul_slot *s, struct consul_known *k, const char *body,
                          size_t len);
void consul_slot_remove(struct consul_slot *s, struct consul_known *k);

/* ---- consul_writer_ttl.c: checks that are kept alive ---- */
void consul_writer_ttl_init(struct registry_writer *w);
/* These and no others are the TTL checks of a service that was registered just now. */
void consul_writer_ttl_put(struct registry_writer *w, const char *service_id,
                           const struct consul_listed_ttl *ttls, size_t n);
/* It was removed just now. */
void consul_writer_ttl_forget(struct registry_writer *w, const char *service_id);
/* What a listing has; those of services that it may not speak of stay as they are. */
void consul_writer_ttl_listed(struct registry_writer *w, const struct consul_listing *l);
void consul_writer_ttl_wake(struct registry_writer *w); /* READY again: renew all soon */
void consul_writer_ttl_stop(struct registry_writer *w);
void consul_writer_ttl_deinit(struct registry_writer *w);
/* PUT /v1/agent/check/update/<check id>. weight: it says that the service's weight is 0. */
void consul_check_update(struct registry_writer *w, struct consul_call *call, const char *check_id,
                         enum service_status status, bool weight);
/* The answer means that there is no such check (or service). */
bool consul_reply_unknown(const struct consul_reply *reply);

/* ---- consul_writer_close.c ---- */
void consul_writer_close(struct registry_writer *w, bool deregister, void (*done)(void *ctx),
                         void *ctx);
/* A slot has ended, while CLOSING. removal: it was not a registration. */
void consul_writer_left(struct registry_writer *w, struct consul_known *k, bool removal,
                        const struct consul_reply *reply);
