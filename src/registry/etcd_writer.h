#pragma once
/*
 * The writer's half of the etcd driver: its state, and what its parts call of each other. The machine
 * is drawn in etcd_writer.c.
 */
#include "io/timer.h"
#include "registry/agent_record.h"
#include "registry/etcd_lease.h"
#include "registry/kv_layout.h"
#include "registry/etcd_request.h"
#include "registry/etcd_watch.h"
#include "registry/kv_batch.h"
#include "registry/kv_owned.h"
#include "tidewaiter/registry.h"

extern const struct registry_writer_ops etcd_writer_ops;

/*
 * A transaction has at most 128 compares, and 128 operations in its failure branch: one of each is for
 * the agent's own record, the others for the keys.
 */
#define ETCD_WRITER_BATCH_MAX (ETCD_TXN_MAX - 1)
_Static_assert(ETCD_WRITER_BATCH_MAX <= KV_BATCH_MAX, "a batch holds them");

#define WRITER_MAGIC 0x77747764u

#define WRITER_STATES(X)                                                                           \
    X(BACKOFF, "backoff")   /* waits before RECORD */                                              \
    X(RECORD, "record")     /* reads the agent's own record */                                     \
    X(LEASE, "lease")       /* the record's lease is renewed, or a new one granted */              \
    X(CLAIM, "claim")       /* writes the record in our name */                                    \
    X(KEYS, "keys")         /* asks which keys are on the lease */                                 \
    X(LIST, "list")         /* reads those and the others we know of */                            \
    X(READY, "ready")       /* lease held, keys known and watched: writes are taken */             \
    X(SETTLING, "settling") /* is to begin again, once the write in flight has ended */            \
    X(DEPOSED, "deposed")   /* another agent has taken over: final */                              \
    X(CLOSING, "closing")

enum writer_state {
#define X(sym, name) WRITER_S_##sym,
    WRITER_STATES(X)
#undef X
};

enum writer_told { WRITER_TOLD_NOTHING, WRITER_TOLD_READY, WRITER_TOLD_UNREADY };

/* The running transaction of the batch in flight. */
struct writer_slice {
    struct etcd_call call;
    bool asking; /* it reads how a refused slice's keys are */
};

/* The listing of our keys. */
struct writer_list {
    char **keys; /* borrowed from the owned set */
    size_t n, at, asked;
    size_t chunk;
    bool of_second; /* KEYS: the second lease is being asked */
};

struct writer_watch {
    struct etcd_watch etcd;
    struct io_timer timer; /* the next try */
    struct backoff backoff;
    int64_t from; /* revision that the listing is not older than, + 1; 0: resume */
};

enum writer_leave { WRITER_LEAVE_DETACHED, WRITER_LEAVE_RECORD, WRITER_LEAVE_LEASE };

struct registry_writer {
    unsigned magic;
    struct io *io;
    const struct registry_uri *uri;
    const struct registry_writer_events *events;
    void *ctx;
    char *node;
    char *id_host; /* first part of our ids: that of ownership by id */
    enum registry_dialect dialect;
    bool adopt_by_id;
    unsigned ttl_s;
    bool dry_run;

    struct kv_layout layout;
    struct etcd_client client;
    struct etcd_lease lease;
    struct writer_watch keys_watch;   /* of the prefix */
    struct writer_watch record_watch; /* of our record, where it is not below the prefix */
    struct kv_owned owned;
    struct kv_batch batch;
    struct writer_slice slice;
    struct writer_list list;

    enum writer_state state;
    enum writer_told told;
    struct etcd_call step; /* RECORD, CLAIM, KEYS, LIST; CLOSING: leaving */
    struct io_timer timer; /* BACKOFF; CLOSING: the next try to leave */
    struct backoff backoff;

    struct agent_record us;     /* what we write into the record */
    struct agent_record record; /* what was read */
    int64_t record_mod;         /* its revision; 0: absent. The fence of every write */
    int64_t record_lease;       /* that it lies on */
    bool claimed;               /* we have written the record in this run */
    int64_t our_lease;          /* that our keys lie on; dry_run: that of the record */
    int64_t watch_from;         /* revision that the listing is not older than, + 1; 0: resume */

    enum writer_leave leave;
    struct err leave_why; /* what went wrong last, leaving */
    size_t leave_asked; /* keys in the transaction that deletes detached ones: those with a mark */
    size_t leave_left;  /* keys that could not be deleted, and are not tried again */
    struct io_timer deadline;
    bool leaving; /* CLOSING, and not yet done with etcd */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- etcd_writer.c: the machine ---- */
void writer_set_state(struct registry_writer *w, enum writer_state to);
void writer_step(struct registry_writer *w, const char *path, struct buf *take_body);
/* A step failed: unready, and everything from the start after a while. */
void writer_step_failed(struct registry_writer *w, const struct err *why);
/* From READY back to the start; why: tell unready (NULL: nobody needs to know). */
void writer_restart(struct registry_writer *w, const struct err *why);
void writer_settled(struct registry_writer *w); /* SETTLING, and the write has ended */
void writer_depose(struct registry_writer *w, const struct agent_record *by);
void writer_ready(struct registry_writer *w);

/* ---- etcd_writer_list.c: KEYS and LIST ---- */
void writer_keys_begin(struct registry_writer *w);
void writer_on_keys(struct registry_writer *w, const struct etcd_reply *reply);
void writer_list_begin(struct registry_writer *w);
void writer_on_list(struct registry_writer *w, const struct etcd_reply *reply);
/* <prefix>/<name>/<id>: all others are none of the writer's business, on whatever lease they are. */
bool writer_is_service(const struct registry_writer *w, const struct etcd_kv *kv);
/* Tells of a key that exists, and remembers it. */
void writer_see(struct registry_writer *w, const struct etcd_kv *kv);
/* Lets go of the second lease once no key of ours is on it. */
void writer_second_check(struct registry_writer *w);

/* ---- etcd_writer_batch.c: write() ---- */
int writer_write(struct registry_writer *w, const struct registry_op *ops, size_t n);
void writer_batch_init(struct registry_writer *w);

/* ---- etcd_writer_watch.c ---- */
void writer_watch_init(struct registry_writer *w, uint64_t seed);
void writer_watch_deinit(struct registry_writer *w);
/* The next start is at this revision, not where the last one ended. */
void writer_watch_from(struct registry_writer *w, int64_t revision);
void writer_watch_ensure(struct registry_writer *w); /* READY: sees that it runs */
void writer_watch_quiet(struct registry_writer *w);  /* left READY: stops it */
void writer_watch_move(struct registry_writer *w);   /* READY: away from an endpoint in doubt */
void writer_watch_healthy(struct registry_writer *w);

/* ---- etcd_writer_close.c ---- */
void writer_close(struct registry_writer *w, bool deregister, void (*done)(void *ctx), void *ctx);
void writer_on_leave(struct registry_writer *w, const struct etcd_reply *reply);
