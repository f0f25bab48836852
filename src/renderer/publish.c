/*
 * Happy path:
 *
 *   IDLE ─kick─► RENDER ─► COMPARE ─differs─► STAGE ─► CHECK ─ok─► PROMOTE ─► RELOAD ─► IDLE
 *                  │          │                 │        │             ▲         ▲
 *                  │          │                 └────────│─no check────┘         │
 *                  └─held──►──┴─same─► (a reload owed? ──│───────────────────────┘ else IDLE)
 *                                                        └─failed─► IDLE, rejected
 *
 * A check that names {{.src}} looks at the staged file. Any other looks at the live one, so there the
 * candidate is on trial: STAGE ─► PROMOTE ─► CHECK ─ok─► RELOAD, or CHECK ─failed─► RESTORE ─► IDLE.
 *
 * Failure modes:
 *   - check failed: the digest of the bytes is remembered and the same bytes are not tried again, except
 *     once in a while (30 s, later up to 10 min), because the fault may be elsewhere in nginx's tree and
 *     its repair changes nothing here;
 *   - reload failed: owed; tried again with backoff, and after every promotion, until it succeeds;
 *   - disk full, no rights: the pass is tried again with backoff;
 *   - a trial that cannot be taken back: tried again first thing in every pass.
 * Each is logged when it begins and when it ends, not every time that it repeats.
 *
 * Not done: several outputs, a mount namespace for the check, keeping `owed` across restarts; the file
 * operations are in target.c so that a pass can run over more than one of them.
 */
#include "renderer/publish.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/must.h"
#include "io/child.h"
#include "io/timer.h"
#include "renderer/command.h"
#include "renderer/output.h"
#include "renderer/target.h"

#include <string.h>
#include <unistd.h>

#define CHECK_DEADLINE  (30 * MSEC_PER_SEC)
#define RELOAD_DEADLINE (60 * MSEC_PER_SEC)
#define RELOAD_GRACE    (5 * MSEC_PER_SEC)

#define RETRY_MIN    (1 * MSEC_PER_SEC)
#define RETRY_MAX    (60 * MSEC_PER_SEC)
#define REJECTED_MIN (60 * MSEC_PER_SEC)
#define REJECTED_MAX (600 * MSEC_PER_SEC)

enum publish_state {
    PUBLISH_S_IDLE,
    PUBLISH_S_RENDER,
    PUBLISH_S_COMPARE,
    PUBLISH_S_STAGE,
    PUBLISH_S_CHECK,
    PUBLISH_S_PROMOTE,
    PUBLISH_S_RESTORE,
    PUBLISH_S_RELOAD,
};
#define N_STATES (PUBLISH_S_RELOAD + 1)

struct publish {
    struct io *io;
    struct publish_config c;
    const struct publish_events *events;
    void *ctx;
    enum publish_state state;
    bool again;                   /* a kick came during the pass */
    enum publish_outcome outcome; /* of the pass that runs, or of the last one */
    struct target target;
    struct command check, reload; /* argv NULL: none */
    bool check_src;               /* the check looks at the staged file, not at the live one */

    uint64_t digest; /* of this pass's bytes */
    bool rejected;   /* bytes with the next digest failed the check */
    uint64_t rejected_digest;
    msec_t rejected_due; /* when they are tried all the same; MSEC_NEVER */
    bool retry;          /* that time has come */
    struct backoff failed_backoff, rejected_backoff;
    msec_t failed_due;  /* when a failed pass is tried again; MSEC_NEVER */
    struct err failure; /* the last one that was logged; ERR_NONE: none since the last success */

    bool owed;         /* the file went live and nginx has not been told */
    msec_t reload_due; /* not before */
    bool reload_failing;
    struct backoff reload_backoff;

    struct child_job job;
    struct io_timer timer; /* retries; while stopping: end of the reload's grace */
    struct io_defer defer; /* the next pass; while stopping: done */
    bool stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static const char *const state_names[N_STATES] = {
    [PUBLISH_S_IDLE] = "idle",       [PUBLISH_S_RENDER] = "render", [PUBLISH_S_COMPARE] = "compare",
    [PUBLISH_S_STAGE] = "stage",     [PUBLISH_S_CHECK] = "check",   [PUBLISH_S_PROMOTE] = "promote",
    [PUBLISH_S_RESTORE] = "restore", [PUBLISH_S_RELOAD] = "reload",
};

#define TO(s) (1u << PUBLISH_S_##s)
static const unsigned allowed[N_STATES] = {
    [PUBLISH_S_IDLE] = TO(RENDER) | TO(RESTORE),
    [PUBLISH_S_RENDER] = TO(COMPARE) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_COMPARE] = TO(STAGE) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_STAGE] = TO(CHECK) | TO(PROMOTE) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_CHECK] = TO(PROMOTE) | TO(RESTORE) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_PROMOTE] = TO(CHECK) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_RESTORE] = TO(RENDER) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_RELOAD] = TO(IDLE),
};

static void set_state(struct publish *p, enum publish_state to)
{
    must(allowed[p->state] & 1u << to);
    log_debug("publish", "from", state_names[p->state], "to", state_names[to], NULL);
    p->state = to;
}

/* ---- the end of a pass ---- */

static void on_stopped(struct io_defer *d)
{
    struct publish *p = container_of(d, struct publish, defer);
    io_timer_stop(&p->timer);
    p->stopped(p->stopped_ctx);
}

static void on_again(struct io_defer *d)
{
    publish_kick(container_of(d, struct publish, defer));
}

static void on_retry(struct io_timer *t)
{
    publish_kick(container_of(t, struct publish, timer));
}

/* A file that failed its check and could not be taken back must not get into nginx. */
static bool reload_wanted(const struct publish *p)
{
    return p->owed && !p->stopping && !target_on_trial(&p->target);
}

static void enter_idle(struct publish *p)
{
    set_state(p, PUBLISH_S_IDLE);
    if (p->stopping) {
        io_defer(p->io, &p->defer, on_stopped);
        return;
    }
    msec_t now = io_now(p->io);
    msec_t reload_due = reload_wanted(p) ? p->reload_due : MSEC_NEVER;
    msec_t due = msec_min(msec_min(p->failed_due, p->rejected_due), reload_due);
    if (due != MSEC_NEVER) {
        io_timer_start(p->io, &p->timer, due > now ? due - now : 0, on_retry);
    }
    if (p->again) {
        p->again = false;
        io_defer(p->io, &p->defer, on_again);
    }
    p->events->settled(p->ctx, p->outcome, p->owed);
}

/* ---- commands ---- */

static int start_command(struct publish *p, const struct command *command, const char *src,
                         msec_t deadline,
                         void (*done)(struct child_job *j, const struct child_result *res),
                         struct err *e)
{
    char **argv = command_argv(command, src);
    p->job.done = done;
    int r = child_start(p->io, &p->job, (const char *const *)argv, deadline, e);
    command_argv_free(argv);
    return r;
}

static void reload_failed(struct publish *p, const char *why, const char *output)
{
    p->reload_due = io_now(p->io) + backoff_next(&p->reload_backoff);
    if (p->stopping) {
        output_log_failure(
            "stopping before the reload has succeeded, the file is live but not in use",
            p->c.reload, why, output);
    } else if (!p->reload_failing) {
        p->reload_failing = true;
        output_log_failure("reload failed, the file is live but not in use; trying again until it "
                           "succeeds",
                           p->c.reload, why, output);
    }
    enter_idle(p);
}

static void on_reloaded(struct child_job *j, const struct child_result *res)
{
    struct publish *p = container_of(j, struct publish, job);
    char why[OUTPUT_WHY_MAX];
    if (!output_succeeded(res, why)) {
        reload_failed(p, why, res->output);
        return;
    }
    p->owed = false;
    if (p->reload_failing) {
        log_info("reload succeeded", "command", p->c.reload, NULL);
    }
    p->reload_failing = false;
    backoff_reset(&p->reload_backoff);
    enter_idle(p);
}

/* Where every pass ends whose file is as it should be, or as it has to stay. */
static void reload_or_idle(struct publish *p)
{
    if (!reload_wanted(p) || io_now(p->io) < p->reload_due) {
        enter_idle(p);
        return;
    }
    set_state(p, PUBLISH_S_RELOAD);
    struct err e = ERR_INIT;
    if (start_command(p, &p->reload, NULL, RELOAD_DEADLINE, on_reloaded, &e) < 0) {
        reload_failed(p, e.msg, "");
    }
}

/* ---- a pass, step by step ---- */

static void pass_failed(struct publish *p, const struct err *e)
{
    p->outcome = PUBLISH_FAILED;
    p->failed_due = io_now(p->io) + backoff_next(&p->failed_backoff);
    /* not by its text, in which staged files have a new name every time */
    if (p->failure.class != e->class || p->failure.code != e->code) {
        log_error("cannot publish, keeping previous upstreams", "error", e->msg, NULL);
        p->failure = *e;
    }
    reload_or_idle(p);
}

/* The file holds what was rendered. */
static void content_ok(struct publish *p, bool changed)
{
    p->rejected = p->retry = false;
    p->rejected_due = MSEC_NEVER;
    backoff_reset(&p->failed_backoff);
    backoff_reset(&p->rejected_backoff);
    err_reset(&p->failure);
    p->events->live(p->ctx, changed);
}

static void went_live(struct publish *p)
{
    if (target_on_trial(&p->target)) {
        target_keep(&p->target);
    }
    p->outcome = PUBLISH_DONE;
    p->owed = p->c.reload != NULL;
    p->reload_due = io_now(p->io);
    content_ok(p, true);
    reload_or_idle(p);
}

/* Ends a trial that failed; false when that could not be done, and the pass is over. */
static bool take_back(struct publish *p)
{
    struct err e = ERR_INIT;
    set_state(p, PUBLISH_S_RESTORE);
    if (target_restore(&p->target, &e) < 0) {
        err_wrap(&e, "the file that failed its check is live");
        pass_failed(p, &e);
        return false;
    }
    return true;
}

static void check_failed(struct publish *p, const char *why, const char *output)
{
    p->outcome = PUBLISH_REJECTED;
    if (!p->stopping) {
        if (!p->rejected || p->rejected_digest != p->digest) {
            output_log_failure("check failed, keeping previous upstreams", p->c.check, why, output);
            backoff_reset(&p->rejected_backoff);
        }
        p->rejected = true;
        p->rejected_digest = p->digest;
        p->rejected_due = io_now(p->io) + backoff_next(&p->rejected_backoff);
    }
    if (!target_on_trial(&p->target)) {
        target_discard(&p->target);
        reload_or_idle(p);
    } else if (take_back(p)) {
        reload_or_idle(p);
    }
}

static void on_checked(struct child_job *j, const struct child_result *res);

static void start_check(struct publish *p)
{
    set_state(p, PUBLISH_S_CHECK);
    const char *src = p->check_src ? target_staged_path(&p->target) : NULL;
    struct err e = ERR_INIT;
    if (start_command(p, &p->check, src, CHECK_DEADLINE, on_checked, &e) < 0) {
        check_failed(p, e.msg, "");
    }
}

static void promote(struct publish *p)
{
    struct err e = ERR_INIT;
    bool trial = p->c.check && !p->check_src;
    set_state(p, PUBLISH_S_PROMOTE);
    if (trial && target_set_aside(&p->target, &e) < 0) {
        target_discard(&p->target);
        pass_failed(p, &e);
        return;
    }
    if (target_promote(&p->target, &e) < 0) {
        if (trial) {
            target_keep(&p->target); /* nothing was replaced */
        }
        pass_failed(p, &e);
    } else if (trial) {
        start_check(p);
    } else {
        went_live(p);
    }
}

static void on_checked(struct child_job *j, const struct child_result *res)
{
    struct publish *p = container_of(j, struct publish, job);
    char why[OUTPUT_WHY_MAX];
    if (!output_succeeded(res, why) || p->stopping) {
        check_failed(p, why, res->output);
    } else if (p->check_src) {
        promote(p);
    } else {
        went_live(p);
    }
}

static void stage(struct publish *p, const char *bytes, size_t len)
{
    struct err e = ERR_INIT;
    p->retry = false;
    set_state(p, PUBLISH_S_STAGE);
    if (target_stage(&p->target, bytes, len, p->digest, &e) < 0) {
        pass_failed(p, &e);
    } else if (p->check_src) {
        start_check(p);
    } else {
        promote(p);
    }
}

static void print(struct publish *p, const char *bytes, size_t len)
{
    struct err e = ERR_INIT;
    if (output_write(STDOUT_FILENO, bytes, len, &e) < 0) {
        pass_failed(p, &e);
        return;
    }
    p->outcome = PUBLISH_DONE;
    content_ok(p, true);
    reload_or_idle(p);
}

static void compare(struct publish *p, const char *bytes, size_t len)
{
    struct err e = ERR_INIT;
    set_state(p, PUBLISH_S_COMPARE);
    p->digest = hash64(bytes, len);
    /* such bytes may be in the file all the same: when the trial could not be taken back */
    bool bad = p->rejected && p->rejected_digest == p->digest;
    if (p->c.output && !bad && target_holds(&p->target, len, p->digest)) {
        if (!p->c.dry_run && target_fix_mode(&p->target, &e) < 0) {
            pass_failed(p, &e);
            return;
        }
        p->outcome = PUBLISH_SAME;
        content_ok(p, false);
        reload_or_idle(p);
    } else if (!p->c.output || p->c.dry_run) {
        print(p, bytes, len);
    } else if (bad && !p->retry) {
        p->outcome = PUBLISH_REJECTED;
        reload_or_idle(p);
    } else {
        stage(p, bytes, len);
    }
}

void publish_kick(struct publish *p)
{
    if (p->stopping) {
        return;
    }
    if (p->state != PUBLISH_S_IDLE) {
        p->again = true;
        return;
    }
    io_defer_drop(&p->defer);
    io_timer_stop(&p->timer);
    p->failed_due = MSEC_NEVER;
    if (io_now(p->io) >= p->rejected_due) {
        p->retry = true;
        p->rejected_due = MSEC_NEVER;
    }
    if (target_on_trial(&p->target) && !take_back(p)) {
        return;
    }
    struct err e = ERR_INIT;
    const char *bytes = NULL;
    size_t len = 0;
    set_state(p, PUBLISH_S_RENDER);
    int r = p->events->render(p->ctx, &bytes, &len, &e);
    if (r < 0) {
        pass_failed(p, &e);
    } else if (r == PUBLISH_E_HELD) {
        p->outcome = PUBLISH_HELD;
        reload_or_idle(p);
    } else {
        compare(p, bytes, len);
    }
}

/* ---- life ---- */

int publish_new(struct publish **ret, struct io *io, const struct publish_config *c,
                const struct publish_events *events, void *ctx, struct err *e)
{
    struct publish *p = xcalloc(1, sizeof(*p));
    p->io = io;
    p->c = *c;
    p->events = events;
    p->ctx = ctx;
    p->failed_due = p->rejected_due = MSEC_NEVER;
    uint64_t seed = hash64(c->output ? c->output : "", c->output ? strlen(c->output) : 0) ^
                    ((uint64_t)getpid() << 32) ^ io_now(io);
    backoff_init(&p->failed_backoff, RETRY_MIN, RETRY_MAX, seed);
    backoff_init(&p->reload_backoff, RETRY_MIN, RETRY_MAX, seed + 1);
    backoff_init(&p->rejected_backoff, REJECTED_MIN, REJECTED_MAX, seed + 2);
    int r = c->check ? command_parse(&p->check, c->check, e) : 0;
    if (r == 0 && c->reload) {
        r = command_parse(&p->reload, c->reload, e);
    }
    bool recovered = false;
    if (r == 0 && c->output) {
        r = target_init(&p->target, c->output, c->mode, c->dry_run ? NULL : &recovered, e);
    }
    if (r < 0) {
        publish_free(p);
        return r;
    }
    p->check_src = c->check && command_names_src(&p->check);
    if (c->output) {
        if (recovered) {
            log_warn("an earlier run ended during its check, its file from before is back", "file",
                     c->output, NULL);
        }
    }
    *ret = p;
    return 0;
}

int publish_read(struct publish *p, struct buf *out, struct err *e)
{
    return target_read(&p->target, out, e);
}

static void on_grace_over(struct io_timer *t)
{
    child_cancel(&container_of(t, struct publish, timer)->job);
}

void publish_stop(struct publish *p, void (*done)(void *ctx), void *ctx)
{
    must(!p->stopping);
    p->stopping = true;
    p->stopped = done;
    p->stopped_ctx = ctx;
    io_defer_drop(&p->defer);
    io_timer_stop(&p->timer);
    if (p->state == PUBLISH_S_RELOAD) {
        io_timer_start(p->io, &p->timer, RELOAD_GRACE, on_grace_over);
    } else if (p->state == PUBLISH_S_CHECK) {
        child_cancel(&p->job);
    } else {
        must(p->state == PUBLISH_S_IDLE);
        io_defer(p->io, &p->defer, on_stopped);
    }
}

struct publish *publish_free(struct publish *p)
{
    if (!p) {
        return NULL;
    }
    must(p->state == PUBLISH_S_IDLE && !child_running(&p->job) && !io_defer_pending(&p->defer));
    io_timer_stop(&p->timer);
    target_deinit(&p->target);
    command_deinit(&p->check);
    command_deinit(&p->reload);
    free(p);
    return NULL;
}

void publish_describe(const struct publish *p, struct json_writer *w)
{
    json_field_str(w, "output", p->c.output);
    json_field_str(w, "publish", state_names[p->state]);
    json_field_bool(w, "rejected", p->rejected);
    json_field_bool(w, "reload_owed", p->owed);
    json_field_str(w, "failure", p->failure.class == ERR_NONE ? NULL : p->failure.msg);
}
