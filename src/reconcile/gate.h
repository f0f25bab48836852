#pragma once
/*
 * The safety gate: withholds what looks like a mistake of the observer, not of the world.
 *
 *   - a listing that would remove more than a set share of what is registered waits for a second
 *     listing that says the same;
 *   - after a jump of the wall clock against the monotonic one, nothing is removed before a fresh
 *     listing.
 */
#include "tidewaiter/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate {
    size_t min_count;   /* removals below this always pass */
    unsigned share_pct; /* of what is registered */
    bool confirming;    /* a large removal was held back once */
    bool jumped;        /* a fresh listing is owed */
    int64_t offset;     /* wall - monotonic at the last look; INT64_MIN before the first */
};

void gate_init(struct gate *g, size_t min_count, unsigned share_pct);

/* A listing is complete and would remove `removals` of `registered`: true to go on, false to list
 * again first (the next such listing passes). */
bool gate_listing(struct gate *g, size_t removals, size_t registered);

/* Looks at the clocks; true when they moved against each other by more than `tolerance` since the last
 * look: the caller lists again before it removes anything. */
bool gate_clock(struct gate *g, msec_t wall, msec_t monotonic, msec_t tolerance);
