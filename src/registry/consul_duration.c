/*
 * Durations as Go's time.ParseDuration() reads them: "10s", "1.5h", "2m30s", "+5s", "0".
 *
 * Happy path: number and unit, summed up in nanoseconds. Consul refuses a whole registration for one
 * duration that it cannot read, so nothing passes here that Go would not take. The reverse is not
 * promised: what is negative is refused, and so is more text than any duration needs.
 */
#include "registry/consul_check.h"

#include "base/alloc.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DURATION_TEXT_MAX 64
#define NSEC_PER_MSEC     UINT64_C(1000000)

static bool scan_unit(const char **s, uint64_t *ret_ns)
{
    /* Of two that begin alike the longer one first. */
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ns", 1},
        {"us", 1000},
        {"\xc2\xb5s", 1000}, /* micro sign */
        {"\xce\xbcs", 1000}, /* small mu */
        {"ms", NSEC_PER_MSEC},
        {"s", 1000 * NSEC_PER_MSEC},
        {"m", 60 * 1000 * NSEC_PER_MSEC},
        {"h", 3600 * 1000 * NSEC_PER_MSEC},
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_starts(*s, units[i].name)) {
            *s += strlen(units[i].name);
            *ret_ns = units[i].ns;
            return true;
        }
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One number with its unit, in nanoseconds, rounded down as Go does. */
static bool scan_part(const char **s, uint64_t *ret_ns)
{
    const char *p = *s;
    uint64_t whole = 0, unit = 0, ns = 0;
    bool digits = is_digit(*p);
    for (; is_digit(*p); p++) {
        if (__builtin_mul_overflow(whole, UINT64_C(10), &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole)) {
            return false;
        }
    }
    const char *fraction = p;
    if (*p == '.') {
        fraction = ++p;
        digits = digits || is_digit(*p);
        while (is_digit(*p)) {
            p++;
        }
    }
    const char *end = p;
    if (!digits || !scan_unit(&p, &unit) || __builtin_mul_overflow(whole, unit, &ns)) {
        return false;
    }
    uint64_t left = unit;
    for (const char *d = fraction; d < end && left > 0; d++) {
        /* what the digits behind this one are worth is lost only below a nanosecond */
        uint64_t value = left * (uint64_t)(*d - '0') / 10;
        left /= 10;
        if (__builtin_add_overflow(ns, value, &ns)) {
            return false;
        }
    }
    *s = p;
    *ret_ns = ns;
    return true;
}

bool consul_duration_parse(const char *text, msec_t *ret)
{
    if (strlen(text) > DURATION_TEXT_MAX) {
        return false;
    }
    const char *p = text + (*text == '+');
    if (streq(p, "0")) {
        *ret = 0;
        return true;
    }
    uint64_t total = 0;
    do {
        uint64_t ns = 0;
        if (!scan_part(&p, &ns) || __builtin_add_overflow(total, ns, &total) || total > INT64_MAX) {
            return false;
        }
    } while (*p);
    /* upwards: what Consul takes for more than nothing is more than nothing here */
    *ret = (total + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    return true;
}

void consul_duration_format(msec_t ms, char ret[CONSUL_DURATION_MAX])
{
    static const msec_t hour = (msec_t)3600 * MSEC_PER_SEC;
    if (ms % hour == 0) {
        snprintf(ret, CONSUL_DURATION_MAX, "%" PRIu64 "h", ms / hour);
    } else if (ms % MSEC_PER_SEC == 0) {
        snprintf(ret, CONSUL_DURATION_MAX, "%" PRIu64 "s", ms / MSEC_PER_SEC);
    } else {
        snprintf(ret, CONSUL_DURATION_MAX, "%" PRIu64 "ms", ms);
    }
}
