/*
 * What nginx made of HUP.
 *
 * Happy path: a look every 20 ms. nginx's master keeps its signals blocked while it works and waits for
 * them otherwise, so /proc says when it has taken our HUP and when it has dealt with it. Then there are new
 * workers, and the old ones go: accepted. Or there are none: refused, and the log says why; where that
 * cannot be read, `nginx -t` is asked.
 *
 * A HUP that somebody else has sent before: ours waits until the master does, and should it be pending all
 * the same, what happens until it is taken is not ours, and what there is is noted anew.
 *
 * Failure modes:
 *   - another master meanwhile (restart, upgrade by USR2): it is told, too, and watched instead. After
 *     the command that stands in for HUP, one that has started since is enough;
 *   - the master ends and none follows; it does not take the signal; it does not come to an end: unreached;
 *   - new workers serve and an old one does not react for long: accepted, it has been told to go;
 *   - new workers that end at once: refused, as nothing serves.
 *
 * Not done: whether the new workers answer requests.
 */
#include "renderer/nginx_local.h"

#include "base/alloc.h"
#include "io/child.h"
#include "renderer/output.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SETTLE_MAX    (15 * MSEC_PER_SEC) /* for what should take a moment */
#define LOAD_MAX      (60 * MSEC_PER_SEC) /* while nginx is seen to be at it */
#define GONE_MAX      (3 * MSEC_PER_SEC)  /* for another master to appear */
#define EXPLAIN_AFTER (2 * MSEC_PER_SEC)
#define LOOK_SOON     20u
#define LOOK_SOON_MAX (2 * MSEC_PER_SEC)
#define LOOK_LATER    100u
#define LOOK_LOST     250u /* for another master: among all processes, perhaps */
#define CALM_LOOKS    2u   /* in a row, before anything is concluded */
#define MASTERS_MAX   5u   /* in one reload */

static void on_look(struct io_timer *t);

void local_look(struct nginx_local *n)
{
    bool soon = io_now(n->io) < n->told + LOOK_SOON_MAX;
    io_timer_start(n->io, &n->timer, soon ? LOOK_SOON : LOOK_LATER, on_look);
}

static bool waited(const struct nginx_local *n, msec_t ms)
{
    return io_now(n->io) >= n->told + ms;
}

static long master_pid(const struct nginx_local *n)
{
    return (long)n->watch.master.pid;
}

void local_watch(struct nginx_local *n, const struct nginx_proc *master)
{
    const char *nowhere;
    CLEANUP_FREE char *log = nginx_site_log(&n->site, &nowhere);
    nginx_watch_begin(&n->watch, master, log);
    const struct nginx_tail *tail = &n->watch.tails[0];
    if (!log) {
        snprintf(n->log_why, sizeof(n->log_why), "its error_log is %s", nowhere);
    } else if (nginx_tail_readable(tail)) {
        snprintf(n->log_why, sizeof(n->log_why), "its error_log %s says nothing", log);
    } else {
        snprintf(n->log_why, sizeof(n->log_why), "its error_log %s cannot be read: %s", log,
                 tail->error ? strerrordesc_np(tail->error) : "it is no regular file");
    }
    n->calm = 0;
    n->gone = 0;
    n->masters++;
}

static void lost(struct nginx_local *n);

/* The signal, as soon as the master waits for one: what it is at before that is not for us. */
static void tell_waiting(struct nginx_local *n)
{
    enum nginx_mood mood = nginx_proc_mood(&n->watch.master);
    if (mood == NGINX_MOOD_GONE) {
        lost(n);
        return;
    }
    if (mood != NGINX_MOOD_WAITING && !waited(n, LOAD_MAX)) {
        local_look(n);
        return;
    }
    nginx_watch_mark(&n->watch);
    n->told = io_now(n->io);
    n->sent = true;
    int r = nginx_proc_signal(&n->watch.master, SIGHUP);
    if (r == 0) {
        local_look(n);
    } else if (r == -ESRCH) {
        lost(n);
    } else {
        local_finish(n, NGINX_UNREACHED,
                     "nginx's master (process %ld) may not be told: %s; run this as its user or as "
                     "root, or give --reload a command that may",
                     master_pid(n), strerrordesc_np(-r));
    }
}

void local_tell(struct nginx_local *n)
{
    n->told = io_now(n->io);
    n->sent = false;
    tell_waiting(n);
}

/* The master of before has been replaced. */
static void adopt(struct nginx_local *n, const struct nginx_proc *master)
{
    if (n->masters == MASTERS_MAX) {
        local_finish(n, NGINX_UNREACHED, "nginx is restarted again and again");
        return;
    }
    local_watch(n, master);
    if (!n->instead) {
        local_tell(n); /* it may have read its configuration long before it had a pid file */
        return;
    }
    if (master->start >= n->begun) {
        nginx_watch_mark_start(&n->watch);
    }
    local_look(n);
}

static void lost(struct nginx_local *n)
{
    struct nginx_proc master;
    struct err e = ERR_INIT;
    if (nginx_site_master_again(&n->site, &master, &e) == 0) {
        adopt(n, &master);
        return;
    }
    msec_t now = io_now(n->io);
    n->gone = n->gone ? n->gone : now;
    if (now >= n->gone + (n->instead ? SETTLE_MAX : GONE_MAX)) {
        local_finish(n, NGINX_UNREACHED, "nginx has stopped during the reload: %s", e.msg);
    } else {
        io_timer_start(n->io, &n->timer, LOOK_LOST, on_look);
    }
}

static void on_explained(struct child_job *j, const struct child_result *res)
{
    struct nginx_local *n = container_of(j, struct nginx_local, job);
    char why[OUTPUT_WHY_MAX], text[LOCAL_WHY_MAX];
    bool fine = output_succeeded(res, why);
    if (!fine && res->code == 0 && !res->signal) {
        buf_puts(&n->said, res->output);
        local_finish(n, NGINX_REFUSED, "%s", local_reason(n, why, text));
    } else if (n->instead && !n->cancelled) {
        n->explained = true;
        local_set_state(n, LOCAL_S_WATCH);
        local_look(n);
    } else {
        local_finish(
            n, NGINX_REFUSED,
            "nginx (process %ld) has not begun new workers and does not say why where that "
            "can be read (%s); nginx -t %s",
            master_pid(n), n->log_why,
            fine ? "finds no fault: perhaps a port that is in use" : why);
    }
}

static void explain(struct nginx_local *n)
{
    struct err e = ERR_INIT;
    local_set_state(n, LOCAL_S_EXPLAIN);
    n->job.done = on_explained;
    if (child_start(n->io, &n->job, local_check_argv(&n->base), LOCAL_CHECK_DEADLINE, &e) < 0) {
        local_finish(n, n->instead ? NGINX_UNREACHED : NGINX_REFUSED,
                     "nginx (process %ld) has not begun new workers; %s, and nginx -t cannot be "
                     "asked: %s",
                     master_pid(n), n->log_why, e.msg);
    }
}

/* nginx has said no, in its log. */
static bool refused_in_words(struct nginx_local *n)
{
    char text[LOCAL_WHY_MAX];
    buf_reset(&n->said);
    if (nginx_watch_refusal(&n->watch, &n->said) == 0) {
        return false;
    }
    local_finish(n, NGINX_REFUSED, "%s", local_reason(n, "", text));
    return true;
}

/* The master says that its workers cannot start; what they said themselves is the reason. */
static bool workers_failed(struct nginx_local *n)
{
    buf_reset(&n->said);
    bool failed = nginx_watch_last(&n->watch, false, &n->said) > 0 &&
                  strstr(buf_str(&n->said), "cannot be respawned") != NULL;
    buf_reset(&n->said);
    return failed;
}

/* It has dealt with HUP, and there is no new worker. */
static void no_new_worker(struct nginx_local *n, const struct nginx_sight *s)
{
    char text[LOCAL_WHY_MAX];
    if (n->watch.side_by_side || (s->stale == 0 && workers_failed(n))) {
        (void)nginx_watch_last(&n->watch, true, &n->said);
        local_finish(n, NGINX_REFUSED, "the new workers have ended at once%s%s",
                     n->said.len ? ": " : "", local_reason(n, "", text));
    } else if (s->stale == 0 && s->leaving > 0) {
        local_finish(n, NGINX_UNREACHED,
                     "nginx (process %ld) is stopping: it waits for its last workers",
                     master_pid(n));
    } else if (refused_in_words(n)) {
        return;
    } else if (!n->instead) {
        if (nginx_watch_last(&n->watch, false, &n->said) > 0) {
            local_finish(n, NGINX_REFUSED, "%s", local_reason(n, "", text));
        } else {
            explain(n);
        }
    } else if (waited(n, EXPLAIN_AFTER) && !nginx_watch_hears(&n->watch) && !n->explained) {
        explain(n);
    } else if (waited(n, SETTLE_MAX)) {
        local_finish(n, NGINX_UNREACHED,
                     "the command has succeeded, but nginx (process %ld) has not reloaded since",
                     master_pid(n));
    } else {
        local_look(n);
    }
}

/* Another master has taken over, and is watched instead. sure: it is looked for everywhere. */
static bool taken_over(struct nginx_local *n, bool sure)
{
    struct nginx_proc master;
    int r = sure ? nginx_site_master(&n->site, &master, NULL)
                 : nginx_site_master_again(&n->site, &master, NULL);
    if (r < 0 || (master.pid == n->watch.master.pid && master.start == n->watch.master.start)) {
        return false;
    }
    adopt(n, &master);
    return true;
}

static void conclude(struct nginx_local *n, const struct nginx_sight *s)
{
    if (taken_over(n, false)) {
        return;
    }
    if (s->fresh == 0) {
        no_new_worker(n, s);
    } else if (!n->watch.side_by_side && refused_in_words(n)) {
        return; /* the new one stands in for one that died */
    } else if (s->stale == 0 || (n->watch.side_by_side && waited(n, SETTLE_MAX))) {
        if (!taken_over(n, true)) {
            local_finish(n, NGINX_ACCEPTED, "%s", "");
        }
    } else if (waited(n, SETTLE_MAX)) {
        local_finish(
            n, NGINX_UNREACHED,
            "it cannot be told what nginx (process %ld) made of the reload: %zu workers are new, "
            "%zu go on as before",
            master_pid(n), s->fresh, s->stale);
    } else {
        local_look(n);
    }
}

static void on_look(struct io_timer *t)
{
    struct nginx_local *n = container_of(t, struct nginx_local, timer);
    if (!n->instead && !n->sent) {
        tell_waiting(n);
        return;
    }
    struct nginx_sight s = nginx_watch_look(&n->watch);
    n->calm = s.mood == NGINX_MOOD_WAITING ? n->calm + 1 : 0;
    if (s.mood == NGINX_MOOD_GONE) {
        lost(n);
    } else if (s.mood == NGINX_MOOD_UNTOLD && waited(n, SETTLE_MAX)) {
        local_finish(
            n, NGINX_UNREACHED,
            "nginx's master (process %ld) has not taken the signal for %u s: it is busy, or "
            "stopped",
            master_pid(n), (unsigned)(SETTLE_MAX / MSEC_PER_SEC));
    } else if (s.mood == NGINX_MOOD_BUSY && waited(n, LOAD_MAX)) {
        local_finish(n, NGINX_UNREACHED,
                     "nginx's master (process %ld) still reads its configuration after %u s",
                     master_pid(n), (unsigned)(LOAD_MAX / MSEC_PER_SEC));
    } else if (n->calm >= CALM_LOOKS) {
        conclude(n, &s);
    } else {
        if (s.mood == NGINX_MOOD_UNTOLD && !n->instead) {
            (void)nginx_watch_mark_untold(&n->watch); /* so far nothing was for our signal */
        }
        local_look(n);
    }
}
