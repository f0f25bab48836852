/*
 * The only readers of the system's clocks. clock_gettime() with these two clocks cannot fail on Linux.
 */
#include "base/wallclock.h"

#include "base/must.h"

#include <stdio.h>
#include <time.h>

static msec_t read_clock(clockid_t id)
{
    struct timespec ts;
    must(clock_gettime(id, &ts) == 0);
    return (msec_t)ts.tv_sec * MSEC_PER_SEC + (msec_t)ts.tv_nsec / 1000000u;
}

msec_t clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

msec_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

void clock_format(msec_t wall, char text[CLOCK_TEXT_MAX])
{
    time_t seconds = (time_t)(wall / MSEC_PER_SEC);
    struct tm tm;
    must(gmtime_r(&seconds, &tm) != NULL);
    size_t n = strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, CLOCK_TEXT_MAX - n, ".%03uZ", (unsigned)(wall % MSEC_PER_SEC));
}
