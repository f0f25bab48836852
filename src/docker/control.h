#pragma once
/*
 * Asking and telling one container something: how it is, what runs in it, run a command in it, send its
 * first process a signal, read what it logged. Engine API 1.24 and later; every call is one object that
 * runs one request at a time and ends with one callback, from the loop.
 */
#include "docker/peer.h"
#include "io/http.h"
#include "model/container.h"
#include "tidewaiter/clock.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DOCKER_CONTROL_OUTPUT_MAX (256u * 1024) /* more is dropped, not an error */
#define DOCKER_LOG_END_MAX        40u

/* pid and parent as the engine's host counts them (podman: as the container does). */
struct docker_process {
    pid_t pid, parent;
    const char *title; /* command line */
};

/* A folder or file of the engine's host that is seen in the container; absolute paths. */
struct docker_mount {
    char *source, *destination;
};

struct docker_container_state {
    char id[CONTAINER_ID_LEN + 1];
    bool running, paused, restarting; /* running: true while it is one of the others */
    bool terminal;                    /* its output is a terminal's, stdout and stderr are one */
    struct docker_mount *mounts;
    size_t n_mounts;
    pid_t pid; /* of its first process, on the engine's host; 0: none */
};

struct docker_control_result {
    /*
     * ERR_NONE: it was done. INVALID: no such container (-ENOENT), or it does not run; AUTH: the engine
     * may not be asked; CANCELLED; all else TRANSIENT or THROTTLED: try again.
     */
    struct err err;
    int exit_status; /* exec: of the command */
    const char
        *output; /* exec: stdout and stderr in order; logs: the lines. "" otherwise; borrowed */
    const struct docker_process *processes; /* top; borrowed */
    size_t n_processes;
    const struct docker_container_state *state; /* inspect; borrowed; NULL otherwise */
    const char *log_end; /* log_end: for logs(); "" where nothing has been logged; borrowed */
};

struct docker_control;
/* The control is idle by then: it may be used again, which ends what is borrowed, or freed. */
typedef void (*docker_control_fn)(void *ctx, const struct docker_control_result *res);

/* container: name or id, checked (-EINVAL) and copied; peer is borrowed. */
int docker_control_new(struct docker_control **ret, struct io *io, const struct http_peer *peer,
                       const char *container, struct err *e) WARN_UNUSED;
struct docker_control *docker_control_free(struct docker_control *c); /* idle; NULL is taken */

/* All: -EBUSY (ERR_BUG) while one runs. */

int docker_control_inspect(struct docker_control *c, docker_control_fn done, void *ctx,
                           struct err *e) WARN_UNUSED;
/*
 * argv ends with NULL and is copied; deadline in ms, for the whole. A command that has not ended by then
 * is no longer waited for, and goes on: the API has no way to end it.
 */
int docker_control_exec(struct docker_control *c, const char *const *argv, msec_t deadline,
                        docker_control_fn done, void *ctx, struct err *e) WARN_UNUSED;
int docker_control_signal(struct docker_control *c, const char *signal, docker_control_fn done,
                          void *ctx, struct err *e) WARN_UNUSED;
/* The engine runs ps for it, on its own host (podman: in the container). */
int docker_control_top(struct docker_control *c, docker_control_fn done, void *ctx,
                       struct err *e) WARN_UNUSED;
/* Where its log ends now, by the engine's own clock. */
int docker_control_log_end(struct docker_control *c, docker_control_fn done, void *ctx,
                           struct err *e) WARN_UNUSED;
/* What it wrote to stderr (terminal: at all) since that, among its last 10,000 lines. */
int docker_control_logs(struct docker_control *c, const char *since, bool terminal,
                        docker_control_fn done, void *ctx, struct err *e) WARN_UNUSED;

/* done follows, ERR_CANCELLED; idle is fine */
void docker_control_cancel(struct docker_control *c);
