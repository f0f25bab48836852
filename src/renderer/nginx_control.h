#pragma once
/*
 * One nginx: judging its configuration, making it read that again, and finding out whether it did.
 *
 * HUP always "succeeds", so reload() ends with what happened: new workers serve and the old ones are on
 * their way out, or nginx has said no and goes on with what it had, or it could not be asked.
 */
#include "io/loop.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

struct command;
struct docker_peer;

#define NGINX_COMMAND_DEADLINE (60 * MSEC_PER_SEC)

enum nginx_outcome {
    NGINX_ACCEPTED,
    NGINX_REFUSED,   /* it judged and said no; for a reload: the old configuration goes on */
    NGINX_UNREACHED, /* it does not run, may not be told, or did not answer in time */
};

struct nginx_result {
    enum nginx_outcome outcome;
    const char *why; /* one line for people; "" when accepted; borrowed during the callback */
    /* What nginx printed or logged about it, may be long or ""; borrowed too. Of one in a container: with
     * the paths of what is mounted into it as its engine's host calls them. */
    const char *said;
};

typedef void (*nginx_done_fn)(void *ctx, const struct nginx_result *res);
typedef void (*nginx_count_fn)(void *ctx, unsigned old_workers);

struct nginx_control;

/* One operation at a time. Each that started ends with one callback, from the loop, also after cancel(). */
struct nginx_control_ops {
    const char *name; /* "local", "container" */
    /*
     * Exactly one of these two, the other is NULL. The command that judges the whole configuration as it
     * stands (`nginx -t -q -c FILE`), to be run by the caller where it likes; NULL-terminated and
     * borrowed until the next call.
     */
    const char *const *(*check_argv)(struct nginx_control *n);
    int (*check)(struct nginx_control *n, nginx_done_fn done, void *ctx, struct err *e);
    /*
     * instead: a command that is run where otherwise HUP is sent, for NGINX_COMMAND_DEADLINE at most; it
     * names no {{.src}}. Or NULL. Borrowed until done.
     */
    int (*reload)(struct nginx_control *n, const struct command *instead, nginx_done_fn done,
                  void *ctx, struct err *e);
    /* How many workers of earlier configurations are still shutting down; 0 where that cannot be known. */
    int (*count_old)(struct nginx_control *n, nginx_count_fn done, void *ctx, struct err *e);
    /* done follows soon, as NGINX_UNREACHED; idle is fine */
    void (*cancel)(struct nginx_control *n);
    void (*free)(struct nginx_control *n); /* idle */
};

struct nginx_control {
    const struct nginx_control_ops *ops; /* first member of every control */
};

static inline struct nginx_control *nginx_control_free(struct nginx_control *n)
{
    if (n) {
        n->ops->free(n);
    }
    return NULL;
}

/*
 * The nginx of this host (and process namespace) that runs the configuration conf; NULL: the one that
 * `nginx` was built with. Its binary is found in PATH. Nothing needs to run yet. -EINVAL (ERR_INVALID)
 * for a conf that is not an absolute path.
 */
int nginx_local_new(struct nginx_control **ret, struct io *io, const char *conf,
                    struct err *e) WARN_UNUSED;

/* The nginx in a container of this name or id; peer is borrowed. */
int nginx_container_new(struct nginx_control **ret, struct io *io, const struct docker_peer *peer,
                        const char *container, struct err *e) WARN_UNUSED;
