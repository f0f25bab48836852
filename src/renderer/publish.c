/*
 * Happy path:
 *
 *   IDLE ─kick─► RENDER ─► COMPARE ─differs─► CROWD ─► STAGE ─► CHECK ─ok─► PROMOTE ─► RELOAD ─► IDLE
 *                  │▲         │                 │        │       │ ▲           ▲          │
 *                  ││         │                 │        └───────│─│─no check──┘          │
 *                  ││         └─same─► (a reload owed? RELOAD : IDLE)  │                  │
 *                  │└───── refused, the place is known and left out ───┴──────────────────┘
 *                  └─held, crowded─► IDLE, another pass follows
 *
 * A check that must see the candidate live: STAGE ─► PROMOTE ─► CHECK ─ok─► RELOAD, or ─no─► RESTORE.
 *
 * Failure modes:
 *   - refused by the check, or by nginx at the reload (then the last good files are put back): where the
 *     words name a place in our files, that is left out and the pass renders again, at most ROUNDS_MAX
 *     times; else the candidate is rejected, and the same bytes are not tried again, except once in a
 *     while (60 s, later up to 10 min), because the fault may be elsewhere in nginx's tree and its repair
 *     changes nothing here. What was left out gets another chance in the same rhythm;
 *   - a check that gives no answer, a full disk, no rights: the pass is tried again with backoff;
 *   - reload failed: owed, by a journal that outlives this process; tried with backoff, and after every
 *     promotion, until it succeeds;
 *   - a trial that cannot be taken back: tried again first thing in every pass.
 * Each is logged when it begins and when it ends, not every time that it repeats.
 *
 * Not done: knowing what is in the files; commands (check.c, reload.c); the files (outputs.c).
 */
#include "renderer/publish.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"
#include "base/wallclock.h"
#include "render/blame.h"
#include "renderer/nginx_control.h"
#include "renderer/output.h"
#include "renderer/publish_internal.h"

#include <errno.h>
#include <string.h>

static const char *const state_names[PUBLISH_N_STATES] = {
    [PUBLISH_S_IDLE] = "idle",       [PUBLISH_S_RENDER] = "render",
    [PUBLISH_S_COMPARE] = "compare", [PUBLISH_S_CROWD] = "crowd",
    [PUBLISH_S_STAGE] = "stage",     [PUBLISH_S_CHECK] = "check",
    [PUBLISH_S_PROMOTE] = "promote", [PUBLISH_S_RESTORE] = "restore",
    [PUBLISH_S_RELOAD] = "reload",
};

#define TO(s) (1u << PUBLISH_S_##s)
static const unsigned allowed[PUBLISH_N_STATES] = {
    [PUBLISH_S_IDLE] = TO(RENDER) | TO(RESTORE),
    [PUBLISH_S_RENDER] = TO(COMPARE) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_COMPARE] = TO(CROWD) | TO(STAGE) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_CROWD] = TO(STAGE) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_STAGE] = TO(CHECK) | TO(PROMOTE) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_CHECK] = TO(CHECK) | TO(PROMOTE) | TO(RESTORE) | TO(RENDER) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_PROMOTE] = TO(CHECK) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_RESTORE] = TO(RENDER) | TO(RELOAD) | TO(IDLE),
    [PUBLISH_S_RELOAD] = TO(RESTORE) | TO(IDLE),
};

const char *publish_state_name(enum publish_state s)
{
    return state_names[s];
}

void publish_set_state(struct publish *p, enum publish_state to)
{
    must(allowed[p->state] & 1u << to);
    log_debug("publish", "from", state_names[p->state], "to", state_names[to], NULL);
    p->state = to;
}

static enum outputs_phase phase(const struct publish *p)
{
    return p->outputs ? outputs_phase(p->outputs) : OUTPUTS_SETTLED;
}

static void mark(struct publish_mark *m, bool good, const char *why)
{
    m->at = clock_wall();
    m->good = good;
    str_copy(m->why, sizeof(m->why), why);
}

/* ---- the end of a pass ---- */

static void on_stopped(struct io_defer *d)
{
    struct publish *p = container_of(d, struct publish, defer);
    io_timer_stop(&p->timer);
    p->stopped(p->stopped_ctx);
}

void publish_stopped(struct publish *p)
{
    io_defer(p->io, &p->defer, on_stopped);
}

static void on_again(struct io_defer *d)
{
    publish_kick(container_of(d, struct publish, defer));
}

static void on_retry(struct io_timer *t)
{
    publish_kick(container_of(t, struct publish, timer));
}

void publish_say_notes(struct publish *p)
{
    struct err note = ERR_INIT;
    while (p->outputs && outputs_note(p->outputs, &note)) {
        log_warn("about the files", "note", note.msg, NULL);
    }
}

void publish_enter_idle(struct publish *p)
{
    publish_set_state(p, PUBLISH_S_IDLE);
    publish_say_notes(p);
    if (p->stopping) {
        publish_stopped(p);
        return;
    }
    if (crowd_due(&p->crowd) == MSEC_NEVER) {
        crowd_forget(&p->crowd); /* what waited is not wanted any more, or it went live */
    }
    msec_t now = io_now(p->io);
    msec_t reload_at = phase(p) == OUTPUTS_OWED ? reload_due(&p->reload) : MSEC_NEVER;
    msec_t due = msec_min(msec_min(p->failed_due, rejection_due(&p->rejection)),
                          msec_min(crowd_due(&p->crowd), reload_at));
    if (due != MSEC_NEVER) {
        io_timer_start(p->io, &p->timer, due > now ? due - now : 0, on_retry);
    }
    if (p->again) {
        p->again = false;
        io_defer(p->io, &p->defer, on_again);
    }
    p->events->settled(p->ctx, p->outcome, phase(p) == OUTPUTS_OWED);
}

void publish_pass_failed(struct publish *p, const struct err *e)
{
    p->outcome = PUBLISH_FAILED;
    p->failed_due = io_now(p->io) + backoff_next(&p->failed_backoff);
    /* not by its text, in which staged files have a new name every time */
    if (p->failure.class != e->class || p->failure.code != e->code) {
        log_error("cannot publish, keeping previous upstreams", "error", e->msg, NULL);
        p->failure = *e;
    }
    publish_reload_or_idle(p);
}

/* ---- reload ---- */

static void say_output(uint64_t *last, const char *msg, const char *command, const char *said)
{
    uint64_t hash = hash64(said, strlen(said));
    if (*said && hash != *last) {
        output_log_success(msg, command, said);
    }
    *last = hash;
}

static void on_reloaded(void *ctx, const struct reload_result *res)
{
    struct publish *p = ctx;
    mark(&p->reloaded, res->outcome == RELOAD_DONE, res->why);
    if (res->outcome == RELOAD_REFUSED) {
        publish_reload_refused(p, res);
        return;
    }
    if (res->outcome == RELOAD_DONE) {
        say_output(&p->reload_said, "reload said", reload_name(&p->reload), res->said);
        p->refusal_said = 0;
        outputs_settle(p->outputs);
    }
    publish_enter_idle(p);
}

/* Where every pass ends whose files are as they should be, or as they have to stay. */
void publish_reload_or_idle(struct publish *p)
{
    if (phase(p) != OUTPUTS_OWED || p->stopping || io_now(p->io) < reload_due(&p->reload)) {
        publish_enter_idle(p);
        return;
    }
    struct err e = ERR_INIT;
    publish_set_state(p, PUBLISH_S_RELOAD);
    if (reload_start(&p->reload, on_reloaded, p, &e) < 0) {
        mark(&p->reloaded, false, e.msg);
        publish_enter_idle(p);
    }
}

/* ---- a pass, step by step ---- */

/* The files hold what was rendered, and the check (if any) said yes. */
static void content_ok(struct publish *p, bool changed)
{
    bool partly = p->events->live(p->ctx, changed);
    rejection_accepted(&p->rejection, partly, p->rounds > 0, io_now(p->io));
    backoff_reset(&p->failed_backoff);
    err_reset(&p->failure);
}

static void went_live(struct publish *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (outputs_differs(p->outputs, i)) {
            p->changed[i] = clock_wall();
        }
    }
    p->outcome = PUBLISH_DONE;
    reload_changed(&p->reload);
    content_ok(p, true);
    publish_reload_or_idle(p);
}

static void on_checked(void *ctx, const struct check_result *res);

static void start_check(struct publish *p)
{
    struct err e = ERR_INIT;
    publish_set_state(p, PUBLISH_S_CHECK);
    if (check_start(&p->check, p->outputs, p->n, on_checked, p, &e) < 0) {
        const struct check_result res = {.verdict = CHECK_UNANSWERED, .why = e.msg, .said = ""};
        mark(&p->checked, false, e.msg);
        publish_check_unanswered(p, &res);
    }
}

static void promote(struct publish *p, bool trial)
{
    struct err e = ERR_INIT;
    bool owed = reload_wanted(&p->reload);
    publish_set_state(p, PUBLISH_S_PROMOTE);
    enum outputs_phase to = trial ? OUTPUTS_UNCHECKED : owed ? OUTPUTS_OWED : OUTPUTS_SETTLED;
    if (outputs_swap(p->outputs, to, &e) < 0) {
        publish_pass_failed(p, &e);
    } else if (trial) {
        start_check(p);
    } else {
        went_live(p);
    }
}

/* The check said yes to what was put in place for it. */
static void end_trial(struct publish *p)
{
    struct err e = ERR_INIT;
    if (outputs_checked(p->outputs, reload_wanted(&p->reload), &e) < 0) {
        const struct check_result res = {.verdict = CHECK_UNANSWERED, .why = e.msg, .said = ""};
        mark(&p->checked, false, e.msg);
        publish_check_unanswered(p, &res);
    } else {
        went_live(p);
    }
}

static void on_checked(void *ctx, const struct check_result *res)
{
    struct publish *p = ctx;
    if (res->verdict == CHECK_NEEDS_TRIAL && !p->stopping) {
        if (check_needs_trial(&p->check)) {
            promote(p, true);
        } else {
            start_check(p);
        }
        return;
    }
    bool good = res->verdict == CHECK_GOOD;
    mark(&p->checked, good, res->why);
    if (p->stopping || (!good && res->verdict != CHECK_REFUSED)) {
        publish_check_unanswered(p, res);
    } else if (!good) {
        publish_check_refused(p, res);
    } else {
        say_output(&p->check_said, "check said", check_name(&p->check), res->said);
        if (phase(p) == OUTPUTS_UNCHECKED) {
            end_trial(p);
        } else {
            promote(p, false);
        }
    }
}

static void stage(struct publish *p)
{
    struct err e = ERR_INIT;
    publish_set_state(p, PUBLISH_S_STAGE);
    if (outputs_stage(p->outputs, &e) < 0) {
        publish_pass_failed(p, &e);
    } else if (check_wanted(&p->check) && !check_needs_trial(&p->check)) {
        start_check(p);
    } else {
        promote(p, check_wanted(&p->check));
    }
}

static void on_counted(void *ctx, unsigned old_workers)
{
    struct publish *p = ctx;
    if (p->stopping) {
        publish_enter_idle(p);
        return;
    }
    bool waited = crowd_waiting(&p->crowd);
    if (crowd_waits(&p->crowd, io_now(p->io), old_workers)) {
        if (!waited) {
            log_info("many old workers are shutting down, the next change waits", "workers",
                     LOG_U(old_workers), "most_ms", LOG_U(p->c.old_workers_wait), NULL);
        }
        p->outcome = PUBLISH_HELD;
        publish_reload_or_idle(p);
        return;
    }
    stage(p);
}

static void wait_for_crowd(struct publish *p)
{
    struct err e = ERR_INIT;
    if (!p->c.nginx || p->rounds > 0) {
        stage(p);
        return;
    }
    publish_set_state(p, PUBLISH_S_CROWD);
    if (p->c.nginx->ops->count_old(p->c.nginx, on_counted, p, &e) < 0) {
        on_counted(p, 0);
    }
}

static void print(struct publish *p)
{
    struct err e = ERR_INIT;
    int n = publish_print(p, &e);
    if (n < 0) {
        publish_pass_failed(p, &e);
        return;
    }
    p->outcome = n > 0 ? PUBLISH_DONE : PUBLISH_SAME;
    content_ok(p, n > 0);
    publish_reload_or_idle(p);
}

static void compare(struct publish *p)
{
    struct err e = ERR_INIT;
    publish_set_state(p, PUBLISH_S_COMPARE);
    if (!p->outputs) {
        print(p);
        return;
    }
    size_t n = outputs_compare(p->outputs, p->bytes, &p->digest);
    p->first = p->rounds == 0 ? p->digest : p->first;
    /* such bytes may be in the files all the same: when the trial could not be taken back */
    bool bad = rejection_is(&p->rejection, p->digest);
    if (p->c.dry_run || p->c.diff) {
        print(p);
    } else if (n == 0 && !bad) {
        if (outputs_fix_attributes(p->outputs, &e) < 0) {
            publish_pass_failed(p, &e);
            return;
        }
        p->outcome = PUBLISH_SAME;
        content_ok(p, false);
        publish_reload_or_idle(p);
    } else if (n == 0 || rejection_bars(&p->rejection, p->digest)) {
        p->outcome = PUBLISH_REJECTED;
        publish_reload_or_idle(p);
    } else {
        wait_for_crowd(p);
    }
}

void publish_render(struct publish *p)
{
    struct err e = ERR_INIT;
    publish_set_state(p, PUBLISH_S_RENDER);
    int r = p->events->render(p->ctx, p->bytes, &e);
    if (r < 0) {
        publish_pass_failed(p, &e);
    } else if (r == PUBLISH_E_HELD) {
        p->outcome = PUBLISH_HELD;
        publish_reload_or_idle(p);
    } else {
        compare(p);
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
    p->rounds = 0;
    crowd_begin(&p->crowd);
    if (rejection_tick(&p->rejection, io_now(p->io))) {
        p->events->readmit(p->ctx);
    }
    if (phase(p) == OUTPUTS_UNCHECKED && !publish_end_trial(p)) {
        return;
    }
    publish_render(p);
}
