#pragma once
/*
 * The reader's half of the Consul driver: its state, and what its parts call of each other. The machine
 * is drawn in consul_reader.c.
 */
#include "base/backoff.h"
#include "base/map.h"
#include "io/timer.h"
#include "registry/consul_question.h"
#include "registry/skipped.h"
#include "tidewaiter/registry.h"

extern const struct registry_reader_ops consul_reader_ops;

enum consul_reader_state {
    CONSUL_READER_S_LISTING,   /* everything is being asked, for answers at once */
    CONSUL_READER_S_FOLLOWING, /* what is known is complete, and news come by themselves */
    CONSUL_READER_S_WAITING,   /* a failure: nothing new is asked until the timer */
    CONSUL_READER_S_LISTED,    /* once */
    CONSUL_READER_S_CLOSING,
};

enum consul_reader_live {
    CONSUL_READER_LIVE_UNTOLD,
    CONSUL_READER_LIVE_NO,
    CONSUL_READER_LIVE_YES,
};

/* A name that the catalog has, while Consul shows no instance of it: gone, or may we not see them? */
enum consul_doubt {
    CONSUL_DOUBT_NONE,
    CONSUL_DOUBT_EMPTY,   /* the catalog is to be asked again */
    CONSUL_DOUBT_CATALOG, /* is being asked */
    CONSUL_DOUBT_AGAIN,   /* it still has the name: the instances are asked for again */
};

/* One service name. */
struct consul_name {
    UT_hash_handle hh;
    struct registry_reader *reader;
    struct consul_question question;
    struct table instances; /* of the last answer that could be read */
    uint64_t catalog;       /* the answer of the catalog that had it last */
    enum consul_doubt doubt;
    struct err why; /* class NONE, or why its instances cannot be read: those above stay */
    bool why_told;
    struct skipped skipped;
    char name[];
};

struct registry_reader {
    struct io *io;
    bool once;
    const char *const *globs; /* names that are wanted; borrowed */
    size_t n_globs;
    const struct registry_reader_events *events;
    void *ctx;

    /* Constants; tests make them smaller. */
    size_t hold_max;    /* names that are followed by a blocking query each */
    size_t ask_max;     /* names that are asked at the same time */
    msec_t wait;        /* of a blocking query, at most */
    msec_t hold_after;  /* the first listing: names are held */
    msec_t sweep_every; /* of names that are not held, where nothing else tells of them */
    msec_t sweep_idle;  /* the same where the wakeup does */

    enum consul_reader_state state;
    enum consul_reader_live live;
    struct consul_client client;
    struct backoff backoff;
    msec_t failed_at;
    uint64_t seed;         /* of the jitter */
    struct io_timer timer; /* WAITING: retry; FOLLOWING: next sweep */
    struct io_timer pace;  /* something may be held again by then */
    struct io_timer again; /* something was cut short: all is listed anew */
    msec_t again_at;       /* the last time that this happened */
    struct io_defer settle;

    /* the catalog */
    struct consul_question catalog;
    uint64_t catalog_answers, catalog_index;
    bool own_seen; /* some answer had Consul's own service */
    struct skipped catalog_skipped;

    /* what wakes names that rest */
    struct consul_question wakeup;
    struct backoff wakeup_backoff;
    uint64_t wakeup_index;
    bool wakeup_works;

    /* the room that Consul leaves us */
    unsigned halvings; /* of hold_max and ask_max */
    msec_t halved_at;

    struct consul_name *names; /* by name; in the order of their turns */
    msec_t swept_at, listed_at;

    struct table table;
    bool complete; /* it was, at least once */
    bool changed;  /* since it was reported */

    /* refresh(): how many were asked for, answered, and will be by the listing that runs */
    uint64_t asked, answered, answering;

    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- consul_reader.c: the machine ---- */
/* Something was answered: what follows is seen to at the end of this turn of the loop, once. */
void consul_reader_settle(struct registry_reader *r);
/* What retrying may mend: everything is listed anew after a while. */
void consul_reader_fail(struct registry_reader *r, const struct err *why);
/* skipped(), unless it is known or we are closing. */
void consul_reader_skip(struct registry_reader *r, struct skipped *known, const char *key,
                        const struct err *why);
static inline bool consul_reader_asks(const struct registry_reader *r)
{
    return r->state == CONSUL_READER_S_LISTING || r->state == CONSUL_READER_S_FOLLOWING;
}
/* How long to hold: jittered, so that not all end together. */
msec_t consul_reader_hold_time(struct registry_reader *r);
/* Due where it has no index, once its pause is over. */
void consul_reader_ask_again(struct registry_reader *r, struct consul_question *q);
/* It may be held now; if only its time has not come, it is looked at again then. */
bool consul_reader_may_hold(struct registry_reader *r, const struct consul_question *q);
/* It is looked at what is due so much later, at the latest. */
void consul_reader_look_within(struct registry_reader *r, msec_t delay);
/* What was held ended without news, long before its time: everything is listed anew, soon. */
void consul_reader_cut_short(struct registry_reader *r);
/* The names that are not held are asked again: at once, but a second after the last time at the soonest. */
void consul_reader_sweep_soon(struct registry_reader *r);

/* ---- consul_catalog.c: which names there are ---- */
void consul_catalog_init(struct registry_reader *r);
/* Asks or holds, as is due. */
void consul_catalog_schedule(struct registry_reader *r);

/* ---- consul_wakeup.c: what tells of names that are not held ---- */
void consul_wakeup_init(struct registry_reader *r);
/* resting: there are such names. */
void consul_wakeup_schedule(struct registry_reader *r, bool resting);

/* ---- consul_room.c: how many connections we take ---- */
size_t consul_room_hold_max(struct registry_reader *r);
size_t consul_room_ask_max(const struct registry_reader *r);
/* From ended(), with an error: maybe Consul lets no more connections in. Adds to why when it seems so. */
void consul_room_failed(struct registry_reader *r, const struct consul_question *q,
                        const struct consul_reply *reply, struct err *why);

/* ---- consul_names.c: the instances of each ---- */
/* The name, added (and due) where it is new. */
struct consul_name *consul_names_add(struct registry_reader *r, const char *name);
/* Those that the last answer of the catalog did not have go, with their instances. */
void consul_names_prune(struct registry_reader *r);
/* All are to be asked anew; rested: only those that are neither held nor asked just now. */
void consul_names_due(struct registry_reader *r, bool rested);
void consul_names_schedule(struct registry_reader *r);
/* All calls have ended. */
void consul_names_free(struct registry_reader *r);

/* Where they stand. */
struct consul_tally {
    size_t names, unreadable;
    size_t open;    /* an answer is to come */
    size_t doubts;  /* of any kind */
    size_t empty;   /* CONSUL_DOUBT_EMPTY */
    size_t resting; /* neither held nor asked */
    size_t held;
    size_t answered;       /* neither due nor failed */
    const struct err *why; /* of one that is unreadable */
};
void consul_names_tally(const struct registry_reader *r, struct consul_tally *ret);
/* The catalog is asked anew about all that are in doubt. */
void consul_names_ask_catalog(struct registry_reader *r);
/* The catalog has answered that, and has them still. */
void consul_names_confirmed(struct registry_reader *r);
/* Those that cannot be read are reported, each once. */
void consul_names_tell_unreadable(struct registry_reader *r);
