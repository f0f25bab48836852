#pragma once
/*
 * The writer's half of the Consul KV driver: its state, and what its parts call of each other. The
 * machine is drawn in consulkv_writer.c.
 */
#include "io/timer.h"
#include "registry/agent_record.h"
#include "registry/consul_client.h"
#include "registry/consulkv_codec.h"
#include "registry/consulkv_session.h"
#include "registry/kv_layout.h"
#include "registry/kv_batch.h"
#include "registry/kv_owned.h"
#include "registry/record_owner.h"
#include "tidewaiter/registry.h"

extern const struct registry_writer_ops consulkv_writer_ops;

/* Of a transaction's 64 operations one is the fence; a put takes a check and a lock. */
#define CONSULKV_WRITER_BATCH_MAX ((CONSULKV_TXN_OPS - 1) / 2)
/* With an unlock from the session that is being left between the two. */
#define CONSULKV_WRITER_MOVES_MAX ((CONSULKV_TXN_OPS - 1) / 3)

#define CONSULKV_WAIT      60000u /* of a blocking query */
#define CONSULKV_RETRY_MIN 100u
#define CONSULKV_RETRY_MAX 10000u
#define CONSULKV_NOT_FOUND 404 /* Consul's status codes that are answers rather than failures */
#define CONSULKV_CONFLICT  409

#define WRITER_MAGIC    0x636b7677u
#define WRITER_PATH_MAX 16384u

#define WRITER_STATES(X)                                                                           \
    X(BACKOFF, "backoff")   /* waits before RECORD */                                              \
    X(RECORD, "record")     /* reads the agent's own record */                                     \
    X(SESSION, "session")   /* the record's session is renewed, or a new one created */            \
    X(CLAIM, "claim")       /* writes the record in our name */                                    \
    X(LIST, "list")         /* reads all keys below the prefix */                                  \
    X(PROBE, "probe")       /* there are none: is that so, or have we no right to see them? */     \
    X(READY, "ready")       /* session held, keys known and watched: writes are taken */           \
    X(SETTLING, "settling") /* is to begin again, once the write in flight has ended */            \
    X(DEPOSED, "deposed")   /* another agent has taken over: final */                              \
    X(CLOSING, "closing")

enum writer_state {
#define X(sym, name) WRITER_S_##sym,
    WRITER_STATES(X)
#undef X
};

enum writer_told { WRITER_TOLD_NOTHING, WRITER_TOLD_READY, WRITER_TOLD_UNREADY };

/* Which session holds a key. */
enum consulkv_holder {
    CONSULKV_HOLDER_NONE,
    CONSULKV_HOLDER_OURS,
    CONSULKV_HOLDER_SECOND, /* that we are leaving */
    CONSULKV_HOLDER_OTHER,
};

enum writer_leave {
    WRITER_LEAVE_DETACHED, /* deletes keys of ours that are not on our session */
    WRITER_LEAVE_RECORD,   /* deletes our record */
    WRITER_LEAVE_LOOK,     /* that was refused: whose is the record? */
    WRITER_LEAVE_SESSION,  /* destroys the session, and all keys with it */
};

/* The running transaction of the batch in flight. */
struct writer_slice {
    struct consul_call call;
    bool asking;                    /* it reads how a refused slice's keys are */
    size_t of_op[CONSULKV_TXN_OPS]; /* operation of the transaction → of the batch */
    size_t n;                       /* operations of the transaction; the first is the fence */
    size_t named;       /* operation of the batch that a refusal named first; SIZE_MAX: the fence */
    struct err refused; /* in Consul's words */
};

struct registry_writer {
    unsigned magic;
    struct io *io;
    const struct registry_uri *uri;
    const struct registry_writer_events *events;
    void *ctx;
    char *node, *id_host;
    bool adopt_by_id;
    bool dry_run;

    struct kv_layout layout;
    struct consul_client client;
    struct consulkv_session session;
    struct kv_owned owned;
    struct kv_batch batch;
    struct writer_slice slice;

    enum writer_state state;
    enum writer_told told;
    struct consul_call step; /* all but SESSION; READY: reads the record; CLOSING: leaving */
    struct io_timer timer;   /* BACKOFF; CLOSING: the next try to leave */
    struct backoff backoff;

    struct consul_call watch;
    struct io_timer watch_timer;
    struct backoff watch_backoff;
    bool watching;        /* the watch's answer counts */
    uint64_t watch_index; /* to ask with; 0: for an answer at once */
    uint64_t list_index;  /* of the last listing that was taken */
    unsigned list_mark;
    msec_t watch_asked;

    struct agent_record us;                        /* what we write into the record */
    struct agent_record record;                    /* what was read */
    int64_t record_index;                          /* 0: absent. The fence of every write */
    char record_session[CONSULKV_SESSION_LEN + 1]; /* that holds it; "": none */
    int64_t claimed_index; /* of the record as we wrote it in this run; 0: not yet */
    int64_t refused_index; /* of the record when Consul refused to let us write it; -1: never */
    char our_session[CONSULKV_SESSION_LEN + 1]; /* dry_run: that of the record */
    char adopting[CONSULKV_SESSION_LEN + 1]; /* the session that SESSION asks for; "": a new one */
    char stranger[CONSULKV_SESSION_LEN + 1]; /* it holds the record, and cannot be taken over */

    enum writer_leave leave;
    struct err leave_why; /* what went wrong last, leaving */
    size_t leave_left;    /* keys that were refused to be deleted */
    struct io_timer deadline;
    bool leaving; /* CLOSING, and not yet done with Consul */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- consulkv_writer.c: the machine ---- */
void consulkv_writer_start(struct registry_writer *w, uint64_t seed);
void consulkv_writer_set_state(struct registry_writer *w, enum writer_state to);
/* Reads a key, or with recurse all below it. index: of a blocking query; 0: at once. */
void consulkv_writer_get(struct registry_writer *w, struct consul_call *call, const char *key,
                         bool recurse, uint64_t index);
void consulkv_writer_txn(struct registry_writer *w, struct consul_call *call,
                         const struct buf *body);
/* A step failed: unready, and everything from the start after a while. */
void consulkv_writer_step_failed(struct registry_writer *w, const struct err *why);
/* From READY back to the start; why: tell unready (NULL: nobody needs to know). */
void consulkv_writer_restart(struct registry_writer *w, const struct err *why);
void consulkv_writer_settled(struct registry_writer *w); /* SETTLING, and the write has ended */
void consulkv_writer_session_gone(struct registry_writer *w); /* Consul says so */
void consulkv_writer_ready(struct registry_writer *w);
/*
 * READY: our record as it is now (NULL: it is not there). False: it is not as we left it, and the
 * writer is READY no more.
 */
bool consulkv_writer_check_record(struct registry_writer *w, const struct consulkv_pair *now);

/* ---- consulkv_writer_list.c: LIST, PROBE, and the watch ---- */
void consulkv_writer_list_begin(struct registry_writer *w);
void consulkv_writer_on_list(struct registry_writer *w, const struct consul_reply *reply);
void consulkv_writer_on_probe(struct registry_writer *w, const struct consul_reply *reply);
void consulkv_writer_watch_init(struct registry_writer *w, uint64_t seed);
void consulkv_writer_watch_begin(struct registry_writer *w);
void consulkv_writer_watch_quiet(struct registry_writer *w);
enum consulkv_holder consulkv_writer_holder(const struct registry_writer *w, const char *session);
/* Tells of a key that exists, and remembers it. */
void consulkv_writer_see(struct registry_writer *w, const struct consulkv_pair *pair);
/* Tells of a key that does not. */
void consulkv_writer_miss(struct registry_writer *w, const char *key, int64_t index);
/* Lets go of the second session once no key of ours is on it. */
void consulkv_writer_check_second(struct registry_writer *w);

/* ---- consulkv_writer_batch.c: write() ---- */
int consulkv_writer_write(struct registry_writer *w, const struct registry_op *ops, size_t n);
void consulkv_writer_batch_init(struct registry_writer *w);

/* ---- consulkv_writer_close.c ---- */
void consulkv_writer_close(struct registry_writer *w, bool deregister, void (*done)(void *ctx),
                           void *ctx);
void consulkv_writer_on_leave(struct registry_writer *w, const struct consul_reply *reply);
