/*
 * The nginx in a container, through the engine.
 *
 *     IDLE ─► LOOK ─it runs─► LIST ─check──────────────────► TEST ─► IDLE
 *      │        └─check, and its master is known────────────► ▲
 *      └─count_old, it is known─► LIST ─count_old─► IDLE
 *
 *     LIST ─reload─► MARK ─► TELL ─told─► PAUSE ─► POLL ─new workers serve─► IDLE
 *                                          ▲ ▲      │ not yet, or it is not clear
 *                                          │ └──────┤
 *                                          └─ LOG ◄─┤ ─refused, or clear─► IDLE
 *                                       IDLE ◄─ ASK ◄─ time is over
 *
 * Happy path of a reload: the container is inspected (LOOK), so that everything that follows is about one
 * container, whatever gets its name meanwhile; its processes are listed (LIST); the end of its log is
 * marked (MARK), by the engine's clock; nginx gets HUP, as the container's first process, or else by
 * `nginx -s reload` in the container, or a command is run on this host (TELL). Then the processes are
 * listed until there are new workers in two looks, and those from before have gone or shut down.
 *
 * Failure modes:
 *   - The container is not there, does not run, is paused, or has no nginx: unreached, in words.
 *   - nginx refuses what it reads: its reason is in the container's log, if its error log goes there (as
 *     in the images of nginx). Otherwise nobody hears of it until the time is over, and then `nginx -t`
 *     is asked for the reason (ASK). What that does not see either (an address that is taken, in a log
 *     that is a file) ends as unreached: nginx has not done it, and nobody can say why.
 *   - New workers that may only stand in for some that died: the log decides. None at all: they have
 *     ended at once, which is refused, as nothing serves.
 *   - The container is restarted meanwhile: another master has read what is there, so that counts. It
 *     stops or is removed: unreached.
 *   - The engine does not answer, or with its own trouble, while nginx is waited for: the look is repeated.
 *   - Logs that cannot be read (of another driver): they are done without.
 *
 * Not done: the container's files are not looked at, and nothing is needed in it but nginx itself.
 */
#include "renderer/nginx_container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"
#include "docker/peer.h"

#define TO(s) (1u << (CONTAINER_S_##s))
static const struct {
    const char *name;
    unsigned next; /* allowed */
} states[] = {
    [CONTAINER_S_IDLE] = {"idle", TO(LOOK) | TO(LIST)},
    [CONTAINER_S_LOOK] = {"look", TO(LIST) | TO(TEST) | TO(IDLE)},
    [CONTAINER_S_LIST] = {"list", TO(TEST) | TO(MARK) | TO(IDLE)},
    [CONTAINER_S_TEST] = {"test", TO(IDLE)},
    [CONTAINER_S_MARK] = {"mark", TO(TELL) | TO(IDLE)},
    [CONTAINER_S_TELL] = {"tell", TO(PAUSE) | TO(IDLE)},
    [CONTAINER_S_PAUSE] = {"pause", TO(POLL) | TO(ASK) | TO(IDLE)},
    [CONTAINER_S_POLL] = {"poll", TO(PAUSE) | TO(LOG) | TO(IDLE)},
    [CONTAINER_S_LOG] = {"log", TO(PAUSE) | TO(IDLE)},
    [CONTAINER_S_ASK] = {"ask", TO(IDLE)},
};

static struct nginx_container *of(struct nginx_control *base)
{
    struct nginx_container *n = container_of(base, struct nginx_container, base);
    must(n->magic == NGINX_CONTAINER_MAGIC);
    return n;
}

void nginx_container_set_state(struct nginx_container *n, enum container_state to)
{
    must(states[n->state].next & (1u << to));
    log_debug("nginx container", "container", n->name, "from", states[n->state].name, "to",
              states[to].name, NULL);
    n->state = to;
}

bool nginx_container_family(struct nginx_container *n, const struct docker_control_result *res,
                            struct nginx_family *ret)
{
    CLEANUP_FREE struct nginx_process *list = xcalloc(res->n_processes + 1, sizeof(*list));
    for (size_t i = 0; i < res->n_processes; i++) {
        const struct docker_process *p = &res->processes[i];
        list[i] = (struct nginx_process){p->pid, p->parent, p->title};
    }
    return nginx_family_find(ret, list, res->n_processes, n->first);
}

static void on_tested(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    if (nginx_container_ran(n, res, "nginx -t", true)) {
        nginx_container_finish(n, NGINX_ACCEPTED, "");
    }
}

/* ---- how the container is, and what runs in it ---- */

static void counted(struct nginx_container *n, unsigned old)
{
    nginx_container_set_state(n, CONTAINER_S_IDLE);
    n->counted(n->ctx, old);
}

static void on_listed(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    struct err e = ERR_INIT;
    if (res->err.class != ERR_NONE) {
        nginx_container_unreached(n, "%s", res->err.msg);
        return;
    }
    nginx_family_deinit(&n->before);
    bool runs = nginx_container_family(n, res, &n->before);
    int r = 0;
    switch (n->task) {
    case TASK_COUNT:
        counted(n, (unsigned)n->before.n_old);
        return;
    case TASK_CHECK: /* it can judge where nothing serves yet */
        r = nginx_container_test(n, CONTAINER_S_TEST, on_tested, &e);
        break;
    case TASK_RELOAD:
        if (!runs) {
            nginx_container_unreached(n, "no process in it is an nginx master");
            return;
        }
        r = docker_control_log_end(n->by_id, nginx_container_on_log_end, n, &e);
        if (r == 0) {
            nginx_container_set_state(n, CONTAINER_S_MARK);
        }
        break;
    }
    if (r < 0) {
        nginx_container_unreached(n, "%s", e.msg);
    }
}

static int list_processes(struct nginx_container *n, struct err *e)
{
    int r = docker_control_top(n->by_id, on_listed, n, e);
    if (r == 0) {
        nginx_container_set_state(n, CONTAINER_S_LIST);
    }
    return r;
}

static void drop_mounts(struct nginx_container *n)
{
    for (; n->n_mounts > 0; n->n_mounts--) {
        free(n->mounts[n->n_mounts - 1].inside);
        free(n->mounts[n->n_mounts - 1].outside);
    }
    free(n->mounts);
    n->mounts = NULL;
}

/* Its first process is the master that was listed, so that its command is known. */
static bool is_known(const struct nginx_container *n, const struct docker_container_state *state)
{
    return n->by_id && streq(n->id, state->id) && state->pid == n->first &&
           n->before.master == n->first;
}

static int take_state(struct nginx_container *n, const struct docker_container_state *state,
                      struct err *e)
{
    bool known = is_known(n, state);
    if (!n->by_id || !streq(n->id, state->id)) {
        n->by_id = docker_control_free(n->by_id);
        int r = docker_control_new(&n->by_id, n->io, n->peer, state->id, e);
        if (r < 0) {
            return r;
        }
    }
    drop_mounts(n);
    n->mounts = xcalloc(state->n_mounts + 1, sizeof(*n->mounts));
    for (; n->n_mounts < state->n_mounts; n->n_mounts++) {
        const struct docker_mount *m = &state->mounts[n->n_mounts];
        n->mounts[n->n_mounts] = (struct nginx_mount){xstrdup(m->destination), xstrdup(m->source)};
    }
    must(str_copy(n->id, sizeof(n->id), state->id));
    n->first = state->pid;
    n->terminal = state->terminal;
    if (n->task == TASK_CHECK && known) {
        return nginx_container_test(n, CONTAINER_S_TEST, on_tested, e);
    }
    return list_processes(n, e);
}

static void on_inspected(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    struct err e = ERR_INIT;
    if (res->err.class != ERR_NONE) {
        bool none = res->err.class == ERR_INVALID && res->err.code == -ENOENT;
        nginx_container_unreached(n, "%s", none ? "there is none of this name" : res->err.msg);
        return;
    }
    const char *how = res->state->paused       ? "it is paused"
                      : res->state->restarting ? "it is between two restarts"
                      : !res->state->running   ? "it does not run"
                                               : NULL;
    if (how) {
        nginx_container_unreached(n, "%s", how);
    } else if (take_state(n, res->state, &e) < 0) {
        nginx_container_unreached(n, "%s", e.msg);
    }
}

static int begin(struct nginx_container *n, enum container_task task, void *ctx, struct err *e)
{
    if (n->state != CONTAINER_S_IDLE) {
        return err_set(e, ERR_BUG, -EBUSY, "container %s: its nginx is being asked already",
                       n->name);
    }
    n->task = task;
    n->ctx = ctx;
    buf_reset(&n->said);
    if (task == TASK_COUNT && n->by_id) {
        return list_processes(n, e); /* of one that has gone meanwhile nothing shuts down */
    }
    int r = docker_control_inspect(n->by_name, on_inspected, n, e);
    if (r == 0) {
        nginx_container_set_state(n, CONTAINER_S_LOOK);
    }
    return r;
}

/* ---- the interface ---- */

static int check(struct nginx_control *base, nginx_done_fn done, void *ctx, struct err *e)
{
    struct nginx_container *n = of(base);
    int r = begin(n, TASK_CHECK, ctx, e);
    if (r == 0) {
        n->done = done;
    }
    return r;
}

static int reload(struct nginx_control *base, const struct command *instead, nginx_done_fn done,
                  void *ctx, struct err *e)
{
    struct nginx_container *n = of(base);
    int r = begin(n, TASK_RELOAD, ctx, e);
    if (r == 0) {
        n->instead = instead;
        n->done = done;
    }
    return r;
}

static int count_old(struct nginx_control *base, nginx_count_fn done, void *ctx, struct err *e)
{
    struct nginx_container *n = of(base);
    int r = begin(n, TASK_COUNT, ctx, e);
    if (r == 0) {
        n->counted = done;
    }
    return r;
}

static void on_ended(struct io_defer *d)
{
    nginx_container_unreached(container_of(d, struct nginx_container, ended), "cancelled");
}

static void cancel(struct nginx_control *base)
{
    struct nginx_container *n = of(base);
    if (n->state == CONTAINER_S_PAUSE) {
        io_timer_stop(&n->timer);
        if (!io_defer_pending(&n->ended)) {
            io_defer(n->io, &n->ended, on_ended);
        }
        return;
    }
    docker_control_cancel(n->by_name);
    if (n->by_id) {
        docker_control_cancel(n->by_id);
    }
    child_cancel(&n->child);
}

static void container_free_(struct nginx_control *base)
{
    struct nginx_container *n = of(base);
    must(n->state == CONTAINER_S_IDLE);
    docker_control_free(n->by_name);
    docker_control_free(n->by_id);
    nginx_family_deinit(&n->before);
    nginx_progress_deinit(&n->progress);
    drop_mounts(n);
    buf_deinit(&n->said);
    free(n->name);
    n->magic = 0;
    free(n);
}

int nginx_container_new_timed(struct nginx_control **ret, struct io *io,
                              const struct docker_peer *peer, const char *container,
                              const struct nginx_container_times *times, struct err *e)
{
    static const struct nginx_control_ops ops = {
        .name = "container",
        .check_argv = NULL, /* no command of this host can judge */
        .check = check,
        .reload = reload,
        .count_old = count_old,
        .cancel = cancel,
        .free = container_free_,
    };
    struct docker_control *by_name;
    int r = docker_control_new(&by_name, io, &peer->http, container, e);
    if (r < 0) {
        return r;
    }
    struct nginx_container *n = xcalloc(1, sizeof(*n));
    n->base.ops = &ops;
    n->magic = NGINX_CONTAINER_MAGIC;
    n->io = io;
    n->peer = &peer->http;
    n->name = xstrdup(container);
    n->times = *times;
    n->by_name = by_name;
    buf_init(&n->said, DOCKER_CONTROL_OUTPUT_MAX);
    *ret = &n->base;
    return 0;
}

int nginx_container_new(struct nginx_control **ret, struct io *io, const struct docker_peer *peer,
                        const char *container, struct err *e)
{
    static const struct nginx_container_times times = NGINX_CONTAINER_TIMES;
    return nginx_container_new_timed(ret, io, peer, container, &times, e);
}
