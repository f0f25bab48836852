#pragma once
/*
 * What the parts of the control of a container's nginx share. Only they include this, and their tests.
 */
#include "base/buf.h"
#include "docker/control.h"
#include "io/child.h"
#include "io/timer.h"
#include "render/nginx_family.h"
#include "render/nginx_mounts.h"
#include "renderer/nginx_control.h"

#include <stdint.h>

#define NGINX_CONTAINER_MAGIC 0x46169cc7u

/* How long what is given. */
struct nginx_container_times {
    msec_t check;   /* `nginx -t` and `nginx -s reload` */
    msec_t instead; /* a command on this host */
    msec_t confirm; /* from then to the new workers */
    msec_t poll;    /* between two looks, at first */
    msec_t log;     /* before the log is looked at, and between two looks */
    msec_t settle;  /* for what the log leaves open: longer than nginx tries to bind */
};

#define NGINX_CONTAINER_TIMES                                                                      \
    {                                                                                              \
        .check = 30000, .instead = NGINX_COMMAND_DEADLINE, .confirm = 30000, .poll = 100,          \
        .log = 500, .settle = 5000                                                                 \
    }

enum container_state {
    CONTAINER_S_IDLE,
    CONTAINER_S_LOOK,
    CONTAINER_S_LIST,
    CONTAINER_S_TEST,
    CONTAINER_S_MARK,
    CONTAINER_S_TELL,
    CONTAINER_S_PAUSE,
    CONTAINER_S_POLL,
    CONTAINER_S_LOG,
    CONTAINER_S_ASK,
};

enum container_task { TASK_CHECK, TASK_RELOAD, TASK_COUNT };

struct nginx_container {
    struct nginx_control base;
    uint32_t magic;
    struct io *io;
    const struct http_peer *peer;
    char *name;
    struct nginx_container_times times;
    enum container_state state;
    enum container_task task;
    struct docker_control *by_name, *by_id; /* by_id: as of the last look */
    char id[CONTAINER_ID_LEN + 1];          /* as of the last look, all of these */
    pid_t first;
    bool terminal;
    struct nginx_mount *mounts;
    size_t n_mounts;
    struct nginx_family before; /* as listed last, before nginx was told */
    struct nginx_progress progress;
    enum nginx_change change;
    const struct command *instead;
    struct child_job child;
    char log_end[DOCKER_LOG_END_MAX];
    bool log_readable;
    struct err trouble;    /* of the last look */
    struct io_timer timer; /* PAUSE */
    struct io_defer ended; /* cancelled in PAUSE */
    msec_t told_at, pause, log_at;
    struct buf said;
    nginx_done_fn done;
    nginx_count_fn counted;
    void *ctx;
};

/* nginx_container_new() with times of the caller's. */
int nginx_container_new_timed(struct nginx_control **ret, struct io *io,
                              const struct docker_peer *peer, const char *container,
                              const struct nginx_container_times *times, struct err *e) WARN_UNUSED;

/* ---- nginx_container.c ---- */

void nginx_container_set_state(struct nginx_container *n, enum container_state to);

/* The family in a list of processes; false: there is no master. */
bool nginx_container_family(struct nginx_container *n, const struct docker_control_result *res,
                            struct nginx_family *ret);

/* ---- nginx_container_run.c: each of the first three ends the operation; n may be gone behind it ---- */

void nginx_container_finish(struct nginx_container *n, enum nginx_outcome outcome, const char *why);
void nginx_container_unreached(struct nginx_container *n, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The reason is taken from what nginx said. */
void nginx_container_refused(struct nginx_container *n);

/* Keeps what nginx said, without the carriage returns of a terminal. */
void nginx_container_say(struct nginx_container *n, const char *output);

/* Runs it in the container, as its master was run. arguments end with NULL. */
int nginx_container_exec(struct nginx_container *n, const char *const *arguments,
                         docker_control_fn done, struct err *e) WARN_UNUSED;
/* The same with -t; the state is `state` then. */
int nginx_container_test(struct nginx_container *n, enum container_state state,
                         docker_control_fn done, struct err *e) WARN_UNUSED;
/*
 * Whether nginx, run so, did what it should. If not, the operation has ended: as refused where it said
 * why (judges: any failure is a refusal), else as unreached.
 */
bool nginx_container_ran(struct nginx_container *n, const struct docker_control_result *res,
                         const char *what, bool judges);

/* ---- nginx_container_reload.c ---- */

/* Goes on from MARK. */
void nginx_container_on_log_end(void *ctx, const struct docker_control_result *res);
