#pragma once
/*
 * Retry delays: exponential, capped, jittered, endless. Pure: randomness is a seed in the struct.
 */
#include "tidewaiter/clock.h"
#include "tidewaiter/err.h"

#include <stdint.h>

struct backoff {
    msec_t min, max; /* first delay and cap */
    unsigned failures;
    uint64_t seed;
};

void backoff_init(struct backoff *b, msec_t min, msec_t max, uint64_t seed);

/* Delay before the next try: min * 2^failures up to max, of which a random 50..100 % is returned. */
msec_t backoff_next(struct backoff *b);

/* The same after a failure of this class: no sooner than 5 s where trying soon cannot help. */
msec_t backoff_for(struct backoff *b, enum err_class class);

/* After a success. */
void backoff_reset(struct backoff *b);
