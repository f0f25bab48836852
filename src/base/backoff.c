/*
 * Delays double from min to max; the jitter (splitmix64 over the seed) spreads agents that lost the same
 * registry at the same moment.
 */
#include "base/backoff.h"

#include "base/must.h"

#define SLOW_RETRY 5000u

void backoff_init(struct backoff *b, msec_t min, msec_t max, uint64_t seed)
{
    must(min > 0 && min <= max && max < MSEC_NEVER / 2);
    *b = (struct backoff){.min = min, .max = max, .seed = seed};
}

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

msec_t backoff_next(struct backoff *b)
{
    msec_t delay = b->min;
    for (unsigned i = 0; i < b->failures && delay < b->max; i++) {
        delay *= 2;
    }
    delay = msec_min(delay, b->max);
    if (b->failures < 64) {
        b->failures++;
    }
    msec_t half = delay / 2;
    return delay - next_random(&b->seed) % (half + 1);
}

msec_t backoff_for(struct backoff *b, enum err_class class)
{
    msec_t delay = backoff_next(b);
    bool soon = class == ERR_TRANSIENT || class == ERR_CONFLICT || class == ERR_STALE_WATCH;
    return soon || delay > SLOW_RETRY ? delay : SLOW_RETRY;
}

void backoff_reset(struct backoff *b)
{
    b->failures = 0;
}
