#pragma once
/*
 * When a change is published: after a quiet time, but never later than a longest wait. Pure: `now` is an
 * argument.
 */
#include "tidewaiter/clock.h"

#include <stdbool.h>

struct debounce {
    msec_t min;   /* quiet time */
    msec_t max;   /* the longest that the first change waits */
    bool settled; /* something was published: before that nothing waits */
    bool pending;
    msec_t first, last; /* change that waits */
};

/* max below min counts as min. */
void debounce_init(struct debounce *d, msec_t min, msec_t max);

/* Something changed. */
void debounce_touch(struct debounce *d, msec_t now);

/* When debounce_take() will say yes; MSEC_NEVER while nothing waits. */
msec_t debounce_due(const struct debounce *d);

/* True once for what waits, when its time has come. */
bool debounce_take(struct debounce *d, msec_t now);
