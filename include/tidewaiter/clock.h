#pragma once
/*
 * Time is an argument: pure code never reads a clock, it is given `now`.
 * Milliseconds throughout; monotonic unless the name says wall.
 */
#include <stdint.h>

typedef uint64_t msec_t;

#define MSEC_NEVER   UINT64_MAX /* "no wake-up wanted" */
#define MSEC_PER_SEC 1000u

static inline msec_t msec_min(msec_t a, msec_t b)
{
    return a < b ? a : b;
}
