#pragma once
/*
 * The agent: keeps a registry true to the containers of one Docker engine.
 *
 *   dockerd ─watch─► containers ─mapping─► desired ─► reconcile ─operations─► registry writer
 *                                                        ▲                          │
 *                                                        └─── seen, gone, results ──┘
 *
 * It wires the parts and owns the policy between them: the node name, draining, what a listing may
 * remove, and what is logged. It does not exit the process: `done` says how it ended.
 */
#include "io/http.h"
#include "mapping/mapping.h"
#include "tidewaiter/registry.h"

struct agent;

/* Everything is borrowed until `done` has run. */
struct agent_options {
    const struct http_peer *docker;
    unsigned inspects; /* concurrent; 0: 16 */
    msec_t resync;     /* 0: 60 s */
    const struct registry_driver *driver;
    const struct registry_uri *uri;
    unsigned ttl_s;
    struct mapping_options mapping; /* node "": the engine's name, else the host's */
    enum registry_dialect dialect;
    bool adopt_by_id; /* see struct registry_writer_config */
    /* Records belong to node and engine together: hosts of one name do not touch each other's. */
    bool owner_with_engine;
    /* What a failed container leaves registered (deregister on-success) goes after so long; 0: never. */
    msec_t stopped_ttl;
    /* A registry that was not reached once within so long ends the agent with 1; 0: with its first
     * failure; MSEC_NEVER: it is tried for ever. */
    msec_t registry_patience;
    bool drain; /* deregister when told to stop, not when dead */
    bool deregister_on_exit;
    bool once;    /* stop when everything is in place */
    bool dry_run; /* print to stdout what would be written, write nothing, stop */
};

/*
 * Starts. done runs once, from the loop, when the agent has stopped: 0 after agent_stop() or a
 * successful one-shot run, 1 when it cannot go on (another agent took over) or the one-shot failed;
 * the reason was logged. Fails, with nothing to stop, on settings that no retry mends.
 */
int agent_new(struct agent **ret, struct io *io, const struct agent_options *options,
              void (*done)(void *ctx, int exit_status), void *ctx, struct err *e) WARN_UNUSED;

/* Begins to stop; done follows. Further calls do nothing. */
void agent_stop(struct agent *a);

/* Asks for a full comparison now. */
void agent_refresh(struct agent *a);

/* After done has run (or before agent_new succeeded: NULL). Returns NULL. */
struct agent *agent_free(struct agent *a);

/* Appends the state as one JSON object. */
void agent_describe(const struct agent *a, struct buf *out);
