#pragma once
/*
 * What the files of the agent share. agent.c owns the life, containers.c what is known of containers,
 * sync.c the way between desired state and the registry.
 */
#include "agent/agent.h"
#include "base/map.h"
#include "docker/watch.h"
#include "io/timer.h"
#include "model/desired.h"
#include "reconcile/gate.h"
#include "reconcile/reconcile.h"

/* Different reasons for which writes fail at the same time: further ones are not told apart. */
#define AGENT_REASONS_MAX 8

#define AGENT_MAGIC     0x61676e74u
#define AGENT_NODE_MAX  256
#define AGENT_OWNER_MAX (2 * AGENT_NODE_MAX) /* a node and the id of its engine */

/* One encoded record; mapping and service_new() keep services far below. */
#define AGENT_KEY_MAX   (4u * 1024)
#define AGENT_VALUE_MAX (2u * 1024 * 1024)

enum agent_state {
    AGENT_S_STARTING, /* the node name is not known yet: no registry */
    AGENT_S_RUNNING,
    AGENT_S_STOPPING,
    AGENT_S_STOPPED,
};

/* One container that the engine has told about. */
struct agent_container {
    char id[CONTAINER_ID_LEN + 1];
    struct container *c;
    uint64_t warned;    /* digest of the warnings logged last */
    uint64_t refused;   /* digest of what the registry could not hold of it */
    msec_t drain_until; /* told to stop: withheld until then; else 0 */
    bool drain_over;    /* that time has passed: a fresh look decides */
    msec_t
        kept_until; /* stopped, and its services stay so long; MSEC_NEVER: until it goes; else 0 */
    bool missing;   /* absent from the latest listing, not yet believed */
    bool sharing;   /* on the list of sharers */
    struct agent_container *share_prev, *share_next; /* containers in another's network */
    struct agent_container *drain_prev, *drain_next;
    struct agent_container *kept_prev, *kept_next; /* those with a limit to kept_until */
    UT_hash_handle hh;
};

struct agent {
    unsigned magic;
    enum agent_state state;
    struct io *io;
    struct agent_options o;
    char node[AGENT_NODE_MAX];   /* first part of every id */
    char owner[AGENT_OWNER_MAX]; /* who the records belong to */
    void (*done)(void *ctx, int exit_status);
    void *ctx;
    int exit_status;
    unsigned open_parts; /* watch and writer, while not closed */
    struct io_defer finish;
    struct io_timer once_limit;

    /* containers.c */
    struct docker_watch *watch;
    struct agent_container *containers; /* by id */
    struct agent_container *sharers;
    struct agent_container *draining;
    struct io_timer drain_timer;
    struct agent_container *kept;
    struct io_timer kept_timer;
    bool docker_up;
    bool listed; /* the latest listing is complete */
    size_t progress_logged;

    /* sync.c */
    struct registry_writer *writer;
    struct desired *desired;
    struct reconcile *reconcile;
    struct gate gate;
    struct io_defer pump;
    struct io_timer retry_timer;
    struct io_timer patience;  /* for the registry's first answer */
    bool reached;              /* the registry was, once: from then on it is tried for ever */
    struct buf values;         /* of the batch in flight */
    struct reconcile_op *ops;  /* batch_max */
    struct registry_op *batch; /* batch_max */
    size_t in_flight;
    bool ready;                          /* the writer is */
    bool acting;                         /* wanted is complete: writes may leave */
    uint64_t failing[AGENT_REASONS_MAX]; /* digests of why writes fail, as far as it was said */
    size_t n_failing;
    bool in_sync;                    /* was announced */
    size_t written, deleted, failed; /* operations so far */
    msec_t started;
};

/* ---- containers.c ---- */
void agent_containers_init(struct agent *a);
void agent_containers_deinit(struct agent *a);
void agent_container_upsert(struct agent *a, struct container *take_c);
void agent_container_gone(struct agent *a, const char *id, bool listed);
void agent_container_told_to_stop(struct agent *a, const char *id, int signal);
/* Maps everything that is known, once the registry's encoding is. */
void agent_containers_map_all(struct agent *a);
/* Services that would go with the containers that the latest listing lacks, and their removal. */
size_t agent_containers_missing(const struct agent *a);
void agent_containers_drop_missing(struct agent *a);

/* ---- sync.c ---- */
void agent_sync_init(struct agent *a);
int agent_sync_open(struct agent *a, struct err *e) WARN_UNUSED; /* the writer; needs a->node */
void agent_sync_deinit(struct agent *a);
/* A listing of the engine is complete: removals pass the gate, then writes may leave. */
void agent_sync_listed(struct agent *a);

/* ---- agent.c ---- */
/* The agent cannot or need not go on: log first, then end with this status. */
void agent_end(struct agent *a, int exit_status);
