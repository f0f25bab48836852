#pragma once
/*
 * Old workers: nginx's processes of earlier configurations, which live until their last connection ends.
 * While more of them than a limit are still shutting down, the next change waits, but not for ever: a storm
 * of changes then meets long connections with few reloads.
 *
 *     OPEN ─more than the limit─► WAITING ─fewer · patience over · no change any more─► OPEN
 *
 * Pure: `now` is an argument.
 */
#include "tidewaiter/clock.h"

#include <stdbool.h>

struct crowd {
    unsigned limit;
    msec_t patience;
    msec_t since; /* WAITING: its beginning; MSEC_NEVER: OPEN */
    msec_t due;   /* WAITING: when to count again */
};

void crowd_init(struct crowd *c, unsigned limit, msec_t patience);

/* A pass begins: nothing is due before its count. */
void crowd_begin(struct crowd *c);
/* Some change waits already. */
bool crowd_waiting(const struct crowd *c);

/* A change is ready and so many old workers were counted. True: it waits, count again at crowd_due(). */
bool crowd_waits(struct crowd *c, msec_t now, unsigned old_workers);
/* There is nothing left that would wait. */
void crowd_forget(struct crowd *c);

/* When to count again; MSEC_NEVER while OPEN, and from crowd_begin() to the count. */
msec_t crowd_due(const struct crowd *c);
