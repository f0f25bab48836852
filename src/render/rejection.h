#pragma once
/*
 * The memory of what was refused, so that the same bytes are not tried again at once, and the time when they
 * are tried all the same: the fault may be elsewhere, and its repair changes nothing here.
 *
 *     NONE ─refused · left out─► WAITING ─a minute, later up to ten─► DUE ─refused · left out─► WAITING
 *      ▲                            │ accepted whole                   │ accepted whole
 *      └────────────────────────────┴──────────────────────────────────┘
 *
 * DUE lasts until there is an answer: a try that comes to none (a full disk) is repeated by whoever made it.
 * Pure: `now` is an argument.
 */
#include "base/backoff.h"
#include "tidewaiter/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum rejection_state { REJECTION_S_NONE, REJECTION_S_WAITING, REJECTION_S_DUE };

struct rejection {
    enum rejection_state state;
    bool whole; /* bytes with `digest` were refused as a whole; else a part was left out */
    uint64_t digest;
    msec_t due; /* WAITING: when it ends */
    struct backoff backoff;
};

void rejection_init(struct rejection *r, uint64_t seed);

/* True when these bytes were refused and their time has not come. */
bool rejection_bars(const struct rejection *r, uint64_t digest);
/* True when these bytes were refused, whatever the time. */
bool rejection_is(const struct rejection *r, uint64_t digest);

/* These bytes were refused. True when that is news, false when they were refused before. */
bool rejection_refused(struct rejection *r, uint64_t digest, msec_t now);
/* What was rendered is accepted. partly: without what was refused; again: that was found out just now. */
void rejection_accepted(struct rejection *r, bool partly, bool again, msec_t now);

/* When WAITING ends; MSEC_NEVER. */
msec_t rejection_due(const struct rejection *r);
/* True when WAITING has ended just now. */
bool rejection_tick(struct rejection *r, msec_t now);
