/*
 * Happy path: see the drawing in crowd.h.
 * Failure: none; who cannot count says 0.
 * Not done: ending old workers; that is nginx's worker_shutdown_timeout.
 */
#include "render/crowd.h"

#define PAUSE 100u /* ms between two counts */

void crowd_init(struct crowd *c, unsigned limit, msec_t patience)
{
    *c = (struct crowd){
        .limit = limit, .patience = patience, .since = MSEC_NEVER, .due = MSEC_NEVER};
}

void crowd_begin(struct crowd *c)
{
    c->due = MSEC_NEVER;
}

bool crowd_waiting(const struct crowd *c)
{
    return c->since != MSEC_NEVER;
}

bool crowd_waits(struct crowd *c, msec_t now, unsigned old_workers)
{
    if (old_workers <= c->limit) {
        crowd_forget(c);
        return false;
    }
    if (c->since == MSEC_NEVER) {
        c->since = now;
    }
    msec_t end = c->since + c->patience;
    if (now >= end) {
        crowd_forget(c);
        return false;
    }
    c->due = msec_min(now + PAUSE, end);
    return true;
}

void crowd_forget(struct crowd *c)
{
    c->since = c->due = MSEC_NEVER;
}

msec_t crowd_due(const struct crowd *c)
{
    return c->due;
}
