#pragma once
/*
 * The two clocks, read only at the edges (src/io, the log, drivers that compare file times).
 */
#include "tidewaiter/clock.h"

#include <stddef.h>

msec_t clock_monotonic(void);
msec_t clock_wall(void); /* since 1970-01-01 UTC */

#define CLOCK_TEXT_MAX 32
/* "2026-01-02T03:04:05.678Z" */
void clock_format(msec_t wall, char text[CLOCK_TEXT_MAX]);
