/*
 * What becomes of a candidate that the check, or nginx at its reload, did not take.
 *
 * Happy path: the words name a place in our files, that is left out, and the same pass renders again.
 * Failure modes: no such place, or --strict: the candidate is rejected as a whole, and its bytes wait
 * (render/rejection.h). So many places that one pass does not find them all: what is left out so far stays
 * left out, and the next pass goes on from there. Files that were put in place are taken back first; where
 * that fails, every pass begins with it.
 * Not done: finding the place; that is the renderer's, behind refused().
 */
#include "renderer/publish.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "render/blame.h"
#include "renderer/output.h"
#include "renderer/publish_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 200
#define ROUNDS_MAX  64u /* in one pass; each costs a check */

static void take_back_failed(struct publish *p, struct err *e, const char *what)
{
    err_wrap(e, "%s", what);
    p->outcome = PUBLISH_FAILED;
    p->failed_due = io_now(p->io) + backoff_next(&p->failed_backoff);
    if (p->failure.class != e->class || p->failure.code != e->code) {
        log_error("cannot put the previous files back, trying again", "error", e->msg, NULL);
        p->failure = *e;
    }
}

bool publish_end_trial(struct publish *p)
{
    struct err e = ERR_INIT;
    publish_set_state(p, PUBLISH_S_RESTORE);
    if (outputs_restore(p->outputs, &e) < 0) {
        take_back_failed(p, &e, "the file that failed its check is live");
        publish_enter_idle(p);
        return false;
    }
    return true;
}

/* The candidate is gone, from its place too; false when it could not be taken back. */
static bool drop_candidate(struct publish *p)
{
    if (outputs_phase(p->outputs) == OUTPUTS_UNCHECKED) {
        return publish_end_trial(p);
    }
    outputs_discard(p->outputs);
    return true;
}

static bool leave_out(struct publish *p, const char *said)
{
    if (p->c.strict || p->stopping) {
        return false;
    }
    struct blame_file *files = xcalloc(p->n, sizeof(*files));
    char **live = xcalloc(p->n, sizeof(*live));
    for (size_t i = 0; i < p->n; i++) {
        live[i] = xstrdup(outputs_live_path(p->outputs, i));
        files[i] = (struct blame_file){
            {outputs_path(p->outputs, i), live[i], outputs_staged_path(p->outputs, i)}};
    }
    bool left_out = p->events->refused(p->ctx, said, files);
    for (size_t i = 0; i < p->n; i++) {
        free(live[i]);
    }
    free(live);
    free(files);
    p->rounds += left_out;
    return left_out;
}

static void reject(struct publish *p, const char *what, const char *name, const char *why,
                   const char *said)
{
    p->outcome = PUBLISH_REJECTED;
    if (p->stopping) {
        return;
    }
    msec_t now = io_now(p->io);
    if (rejection_refused(&p->rejection, p->first, now)) {
        char msg[MESSAGE_MAX];
        snprintf(msg, sizeof(msg), "%s; trying again with the next change, or in %llu s", what,
                 (unsigned long long)((rejection_due(&p->rejection) - now) / MSEC_PER_SEC));
        output_log_failure(msg, name, why, said);
    }
    /* that did not help, so it was not what is wrong */
    if (p->rounds > 0) {
        p->events->readmit(p->ctx);
    }
}

/* After a part was left out, and the refused files are out of the way. */
static void next_round(struct publish *p)
{
    struct err e = ERR_INIT;
    if (p->rounds < ROUNDS_MAX) {
        publish_render(p);
        return;
    }
    (void)err_set(&e, ERR_TRANSIENT, -ELOOP,
                  "nginx has refused %u parts one after the other, going on soon", p->rounds);
    publish_pass_failed(p, &e);
}

/* ---- by the check ---- */

void publish_check_refused(struct publish *p, const struct check_result *res)
{
    bool left_out = leave_out(p, res->said);
    if (!left_out) {
        reject(p, "check failed, keeping previous upstreams", check_name(&p->check), res->why,
               res->said);
    }
    if (!drop_candidate(p)) {
        return;
    }
    if (left_out) {
        next_round(p);
    } else {
        publish_reload_or_idle(p);
    }
}

void publish_check_unanswered(struct publish *p, const struct check_result *res)
{
    struct err e = ERR_INIT;
    (void)err_set(&e, ERR_TRANSIENT, -EAGAIN, "check %s: %s%s%.*s", check_name(&p->check), res->why,
                  *res->said ? ": " : "", (int)strcspn(res->said, "\n"), res->said);
    if (!drop_candidate(p)) {
        return;
    }
    if (p->stopping) {
        publish_enter_idle(p);
    } else {
        publish_pass_failed(p, &e);
    }
}

/* ---- by nginx, at the reload ---- */

static const char *refusal_text(int restored)
{
    return restored == 0 ? "nginx refused the reload, the last files that it took are back"
           : restored < 0
               ? "nginx refused the reload, the last files that it took are to be put back"
               : "nginx refused the reload, and the files that it took last are not known";
}

/* Not those that this pass has rendered, so that nothing is known of what is in them. */
static void refused_others(struct publish *p, const struct reload_result *res, int restored)
{
    uint64_t hash = hash64(res->why, strlen(res->why));
    if (hash != p->refusal_said) {
        output_log_failure(refusal_text(restored), reload_name(&p->reload), res->why, res->said);
    }
    p->refusal_said = hash;
}

/* nginx goes on with what it had, so the files must be what it had, for the day that it starts anew. */
void publish_reload_refused(struct publish *p, const struct reload_result *res)
{
    struct err e = ERR_INIT;
    bool ours = p->outcome == PUBLISH_DONE || p->outcome == PUBLISH_SAME;
    bool left_out = ours && leave_out(p, res->said);
    publish_set_state(p, PUBLISH_S_RESTORE);
    int r = outputs_restore(p->outputs, &e);
    if (r < 0) {
        take_back_failed(p, &e, "the files that nginx refused are live");
    } else if (r == 0) {
        p->events->restored(p->ctx);
    }
    if (left_out && r >= 0) {
        next_round(p);
        return;
    }
    if (!ours) {
        refused_others(p, res, r);
    } else if (!left_out) {
        reject(p, refusal_text(r), reload_name(&p->reload), res->why, res->said);
    }
    publish_enter_idle(p);
}
