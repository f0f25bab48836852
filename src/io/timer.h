#pragma once
/*
 * One-shot timers, embedded in their owner. All timers of the loop share one uv_timer_t and an ordered
 * heap, so a timer needs no two-phase close: io_timer_stop() and it may be freed.
 */
#include "io/loop.h"

struct io_timer {
    void (*fn)(struct io_timer *t);
    msec_t due;
    uint64_t seq; /* order among equal times: the one started first runs first */
    struct io *io;
    void *heap[3]; /* links of the heap */
    bool armed;
};

/*
 * Runs fn once, `delay` ms from io_now(), never from inside this call; again while armed moves it. A
 * timer is disarmed when its fn runs, so fn may start it anew or free its owner.
 */
void io_timer_start(struct io *io, struct io_timer *t, msec_t delay,
                    void (*fn)(struct io_timer *t));
void io_timer_stop(struct io_timer *t); /* idempotent; zeroed memory is a stopped timer */
