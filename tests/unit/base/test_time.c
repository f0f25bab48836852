/*
 * Retry delays and clocks.
 */
#include "base/backoff.h"
#include "base/wallclock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void delays_double_up_to_the_cap(void **state)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct backoff b;
        backoff_init(&b, 100, 5000, seed);
        msec_t full = 100;
        for (int i = 0; i < 100; i++) {
            msec_t delay = backoff_next(&b);
            if (delay < full / 2 || delay > full) {
                fail_msg("seed %d, try %d: %llu is not in %llu..%llu", (int)seed, i,
                         (unsigned long long)delay, (unsigned long long)full / 2,
                         (unsigned long long)full);
            }
            full = msec_min(full * 2, 5000);
        }
        backoff_reset(&b);
        assert_in_range(backoff_next(&b), 50, 100);
    }
}

static void delays_are_spread(void **state)
{
    msec_t low = MSEC_NEVER, high = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct backoff b;
        backoff_init(&b, 1000, 1000, seed);
        msec_t delay = backoff_next(&b);
        low = msec_min(low, delay);
        high = delay > high ? delay : high;
    }
    assert_in_range(low, 500, 550);
    assert_in_range(high, 950, 1000);
}

static void takes_extremes(void **state)
{
    struct backoff b;
    backoff_init(&b, 1, 1, 7);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(backoff_next(&b), 1);
    }
    backoff_init(&b, 1, MSEC_NEVER / 2 - 1, 7);
    for (int i = 0; i < 200; i++) {
        assert_true(backoff_next(&b) < MSEC_NEVER / 2);
    }
}

static void formats_the_wall_clock(void **state)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format(UINT64_C(1767323045678), text);
    assert_string_equal(text, "2026-01-02T03:04:05.678Z");
    msec_t a = clock_monotonic(), b = clock_monotonic();
    assert_true(b >= a && a > 0);
    assert_true(clock_wall() > UINT64_C(1700000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_the_cap),
        cmocka_unit_test(delays_are_spread),
        cmocka_unit_test(takes_extremes),
        cmocka_unit_test(formats_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
