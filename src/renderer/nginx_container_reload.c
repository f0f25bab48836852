/*
 * Making a container's nginx read its configuration again, and finding out whether it did. The states are
 * drawn in nginx_container.c.
 *
 * Happy path: HUP to the container's first process where that is the master, else `nginx -s reload` in
 * the container, or a command on this host. Then the processes are listed, every 100 ms at first and
 * every second at last, until there are new workers that last, and those from before have gone or shut
 * down. Where they may as well have died (nginx_family.h), the log must be free of a refusal.
 * Failure modes: nginx says no in its log; its new workers end at once; the container goes, or comes
 * back with another master; the engine has its own trouble; nothing happens at all. See
 * nginx_container.c.
 * Not done: what the workers serve is not asked.
 */
#include "renderer/nginx_container.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "render/nginx_log.h"
#include "renderer/command.h"

#define POLL_MAX 1000u /* ms */

/* ---- waiting for the new workers ---- */

static void on_pause_over(struct io_timer *t);
static void on_logs(void *ctx, const struct docker_control_result *res);

static void pause_a_while(struct nginx_container *n)
{
    nginx_container_set_state(n, CONTAINER_S_PAUSE);
    io_timer_start(n->io, &n->timer, n->pause, on_pause_over);
    if (io_now(n->io) - n->told_at > n->times.log) { /* most reloads are over by then */
        n->pause = msec_min(n->pause * 2, POLL_MAX);
    }
}

/* The engine's own trouble, while nginx works on. */
static bool may_pass(const struct err *e)
{
    return e->class == ERR_TRANSIENT || e->class == ERR_THROTTLED;
}

static void look_at_log(struct nginx_container *n)
{
    struct err e = ERR_INIT;
    n->log_at = io_now(n->io) + n->times.log;
    if (docker_control_logs(n->by_id, n->log_end, n->terminal, on_logs, n, &e) < 0) {
        nginx_container_unreached(n, "%s", e.msg);
    } else {
        nginx_container_set_state(n, CONTAINER_S_LOG);
    }
}

/* There is no refusal in the log, as far as it can be read. */
static void conclude(struct nginx_container *n, bool unsettled)
{
    if (n->change == NGINX_BARE) {
        nginx_container_say(n, "its new workers have ended at once, and its log does not say why");
        nginx_container_refused(n);
    } else if (n->change == NGINX_REPLACED &&
               (!unsettled || io_now(n->io) - n->told_at >= n->times.settle)) {
        nginx_container_finish(n, NGINX_ACCEPTED, "");
    } else {
        pause_a_while(n);
    }
}

static void on_polled(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    struct nginx_family now = NGINX_FAMILY_NULL;
    if (res->err.class != ERR_NONE) {
        n->trouble = res->err;
        if (may_pass(&res->err)) {
            pause_a_while(n);
        } else {
            nginx_container_unreached(n, "while its nginx was to read its configuration: %s",
                                      res->err.msg);
        }
        return;
    }
    n->trouble.class = ERR_NONE;
    n->change = nginx_container_family(n, res, &now)
                    ? nginx_progress_look(&n->progress, &n->before, &now)
                    : NGINX_SAME;
    bool doubt = n->change == NGINX_REPLACED || n->change == NGINX_BARE;
    bool may_tell = n->change == NGINX_SAME || !n->progress.generation;
    if (n->change == NGINX_CHANGED) {
        nginx_container_finish(n, NGINX_ACCEPTED, "");
    } else if (n->log_readable && (doubt || (may_tell && io_now(n->io) >= n->log_at))) {
        look_at_log(n);
    } else {
        conclude(n, false);
    }
}

/* What is left of the log in `said` is why nginx has refused, as `nginx -t` would say it. */
static bool take_refusal(struct nginx_container *n)
{
    struct buf found = BUF_INIT(DOCKER_CONTROL_OUTPUT_MAX);
    size_t lines = nginx_log_refusal(buf_str(&n->said), n->said.len, 0, &found);
    buf_deinit(&n->said);
    n->said = found;
    return lines > 0;
}

static void on_logs(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    if (res->err.class != ERR_NONE) {
        if (res->err.class == ERR_CANCELLED) {
            nginx_container_unreached(n, "%s", res->err.msg);
            return;
        }
        n->log_readable = may_pass(&res->err);
        pause_a_while(n);
        return;
    }
    nginx_container_say(n, res->output);
    bool unsettled = nginx_log_unsettled(buf_str(&n->said), n->said.len);
    if (take_refusal(n)) {
        nginx_container_refused(n);
    } else {
        conclude(n, unsettled);
    }
}

/* ---- the time is over ---- */

static void on_reason(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    if (nginx_container_ran(n, res, "nginx -t", true)) {
        nginx_container_unreached(
            n,
            "its nginx still runs its old configuration, %u s after it was told to read the new "
            "one, in which `nginx -t` finds no fault; its error log may say why",
            (unsigned)(n->times.confirm / MSEC_PER_SEC));
    }
}

static void time_is_over(struct nginx_container *n)
{
    struct err e = ERR_INIT;
    unsigned s = (unsigned)(n->times.confirm / MSEC_PER_SEC);
    if (n->trouble.class != ERR_NONE) {
        nginx_container_unreached(n, "no word for %u s of what its nginx does: %s", s,
                                  n->trouble.msg);
    } else if (n->change == NGINX_REPLACED || n->change == NGINX_BARE) {
        conclude(n, false); /* without the log */
    } else if (n->change == NGINX_CHANGING && n->progress.lasting && n->progress.generation) {
        nginx_container_finish(n, NGINX_ACCEPTED, ""); /* the old ones have been told to go */
    } else if (n->change == NGINX_CHANGING && n->progress.lasting) {
        nginx_container_unreached(
            n, "after %u s its nginx has new workers, and old ones that go on serving", s);
    } else if (n->change == NGINX_CHANGING) {
        nginx_container_unreached(
            n, "after %u s its nginx has new workers, which end again and again", s);
    } else if (n->progress.last.master != 0 && n->progress.last.n_workers == 0) {
        nginx_container_unreached(
            n,
            "after %u s its nginx has no workers that serve: it is stopping, or the new ones "
            "have ended",
            s);
    } else if (nginx_container_test(n, CONTAINER_S_ASK, on_reason, &e) < 0) {
        nginx_container_unreached(n, "%s", e.msg);
    }
}

static void on_pause_over(struct io_timer *t)
{
    struct nginx_container *n = container_of(t, struct nginx_container, timer);
    struct err e = ERR_INIT;
    if (io_now(n->io) - n->told_at >= n->times.confirm) {
        time_is_over(n);
    } else if (docker_control_top(n->by_id, on_polled, n, &e) < 0) {
        nginx_container_unreached(n, "%s", e.msg);
    } else {
        nginx_container_set_state(n, CONTAINER_S_POLL);
    }
}

/* ---- telling nginx ---- */

static void told(struct nginx_container *n)
{
    n->told_at = io_now(n->io);
    n->log_at = n->told_at + n->times.log;
    n->pause = n->times.poll;
    n->change = NGINX_SAME;
    nginx_progress_begin(&n->progress, &n->before);
    n->trouble.class = ERR_NONE;
    pause_a_while(n);
}

static void on_signalled(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    if (res->err.class != ERR_NONE) {
        nginx_container_unreached(n, "%s", res->err.msg);
    } else {
        told(n);
    }
}

static void on_reload_ran(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    if (nginx_container_ran(n, res, "nginx -s reload", false)) {
        buf_reset(&n->said);
        told(n);
    }
}

static void on_child(struct child_job *j, const struct child_result *res)
{
    struct nginx_container *n = container_of(j, struct nginx_container, child);
    nginx_container_say(n, res->output);
    const char *said = buf_str(&n->said);
    if (res->code == -ECANCELED) {
        nginx_container_unreached(n, "cancelled");
    } else if (res->code == -ETIMEDOUT) {
        nginx_container_unreached(n, "the reload command has not ended in %u s",
                                  (unsigned)(n->times.instead / MSEC_PER_SEC));
    } else if (res->signal) {
        nginx_container_unreached(n, "the reload command was ended by signal %d", res->signal);
    } else if (res->exit_status == 0) {
        buf_reset(&n->said);
        told(n);
    } else if (strstr(said, "[emerg]")) {
        nginx_container_refused(n);
    } else {
        nginx_container_unreached(n, "the reload command: status %d%s%.*s", res->exit_status,
                                  *said ? ": " : "", (int)strcspn(said, "\n"), said);
    }
}

static int run_instead(struct nginx_container *n, struct err *e)
{
    char **argv = command_argv(n->instead, NULL);
    n->child.done = on_child;
    int r = child_start(n->io, &n->child, (const char *const *)argv, n->times.instead, e);
    command_argv_free(argv);
    return r;
}

/* podman's list has the container's own numbers, in which the first process is 1 */
static bool is_first(const struct nginx_container *n)
{
    return n->before.master == n->first || n->before.master == 1;
}

static int tell(struct nginx_container *n, struct err *e)
{
    static const char *const arguments[] = {"-s", "reload", NULL};
    if (n->instead) {
        return run_instead(n, e);
    }
    if (is_first(n)) {
        return docker_control_signal(n->by_id, "HUP", on_signalled, n, e);
    }
    return nginx_container_exec(n, arguments, on_reload_ran, e);
}

void nginx_container_on_log_end(void *ctx, const struct docker_control_result *res)
{
    struct nginx_container *n = ctx;
    struct err e = ERR_INIT;
    if (res->err.class == ERR_CANCELLED) {
        nginx_container_unreached(n, "%s", res->err.msg);
        return;
    }
    n->log_readable = res->err.class == ERR_NONE;
    must(str_copy(n->log_end, sizeof(n->log_end), res->log_end));
    if (tell(n, &e) < 0) {
        nginx_container_unreached(n, "%s", e.msg);
    } else {
        nginx_container_set_state(n, CONTAINER_S_TELL);
    }
}
