/*
 * Debounce and hold under a clock of the test's own.
 */
#include "render/debounce.h"
#include "render/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_first_change_is_immediate(void **state)
{
    struct debounce d;
    debounce_init(&d, 100, 1000);
    assert_int_equal(debounce_due(&d), MSEC_NEVER);
    assert_false(debounce_take(&d, 50));
    debounce_touch(&d, 50);
    assert_int_equal(debounce_due(&d), 50);
    assert_true(debounce_take(&d, 50));
    assert_false(debounce_take(&d, 50));
    assert_int_equal(debounce_due(&d), MSEC_NEVER);
}

static void later_ones_wait_for_quiet(void **state)
{
    struct debounce d;
    debounce_init(&d, 100, 1000);
    debounce_touch(&d, 0);
    assert_true(debounce_take(&d, 0));
    debounce_touch(&d, 1000);
    assert_int_equal(debounce_due(&d), 1100);
    debounce_touch(&d, 1050);
    assert_int_equal(debounce_due(&d), 1150);
    assert_false(debounce_take(&d, 1149));
    assert_true(debounce_take(&d, 1150));
}

static void but_not_for_ever(void **state)
{
    struct debounce d;
    debounce_init(&d, 100, 1000);
    debounce_touch(&d, 0);
    assert_true(debounce_take(&d, 0));
    msec_t now = 5000, published = 0;
    for (; !published && now < 9000; now += 50) {
        debounce_touch(&d, now);
        if (debounce_take(&d, now)) {
            published = now;
        }
    }
    assert_int_equal(published, 6000);
}

static void zero_means_at_once_and_max_is_at_least_min(void **state)
{
    struct debounce d;
    debounce_init(&d, 0, 0);
    for (msec_t now = 0; now < 3; now++) {
        debounce_touch(&d, now);
        assert_true(debounce_take(&d, now));
    }
    debounce_init(&d, 500, 100);
    debounce_touch(&d, 0);
    assert_true(debounce_take(&d, 0));
    debounce_touch(&d, 1000);
    assert_int_equal(debounce_due(&d), 1500);
}

static void only_an_emptying_is_held(void **state)
{
    struct hold h;
    hold_init(&h, 10000);
    assert_int_equal(hold_offer(&h, 0, 0, 0), HOLD_PASS); /* nothing to lose */
    assert_int_equal(hold_offer(&h, 0, 0, 5), HOLD_PASS);
    assert_int_equal(hold_offer(&h, 0, 5, 1), HOLD_PASS);
    assert_int_equal(hold_due(&h), MSEC_NEVER);
    hold_init(&h, 0);
    assert_int_equal(hold_offer(&h, 0, 5, 0), HOLD_PASS); /* switched off */
}

static void an_emptying_waits_and_is_confirmed(void **state)
{
    struct hold h;
    hold_init(&h, 10000);
    assert_int_equal(hold_offer(&h, 1000, 5, 0), HOLD_WAIT);
    assert_int_equal(hold_due(&h), 11000);
    hold_fresh(&h); /* a listing before the delay has passed proves nothing */
    assert_int_equal(hold_offer(&h, 10999, 5, 0), HOLD_WAIT);
    assert_int_equal(hold_offer(&h, 11000, 5, 0), HOLD_REFRESH);
    assert_int_equal(hold_due(&h), MSEC_NEVER);
    assert_int_equal(hold_offer(&h, 99000, 5, 0), HOLD_WAIT); /* for as long as it takes */
    hold_fresh(&h);
    assert_int_equal(hold_offer(&h, 99001, 5, 0), HOLD_PASS);
    /* the next one is held anew */
    assert_int_equal(hold_offer(&h, 99002, 5, 0), HOLD_WAIT);
    assert_int_equal(hold_due(&h), 109002);
}

static void servers_that_come_back_end_it(void **state)
{
    struct hold h;
    hold_init(&h, 10000);
    assert_int_equal(hold_offer(&h, 0, 5, 0), HOLD_WAIT);
    assert_int_equal(hold_offer(&h, 9000, 5, 4), HOLD_PASS);
    assert_int_equal(hold_due(&h), MSEC_NEVER);
    assert_int_equal(hold_offer(&h, 9500, 4, 0), HOLD_WAIT);
    assert_int_equal(hold_due(&h), 19500);
    assert_int_equal(hold_offer(&h, 19500, 4, 0), HOLD_REFRESH);
    hold_fresh(&h);
    assert_int_equal(hold_offer(&h, 19600, 4, 4), HOLD_PASS); /* the fresh listing has servers */
    assert_int_equal(h.state, HOLD_S_OFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_change_is_immediate),
        cmocka_unit_test(later_ones_wait_for_quiet),
        cmocka_unit_test(but_not_for_ever),
        cmocka_unit_test(zero_means_at_once_and_max_is_at_least_min),
        cmocka_unit_test(only_an_emptying_is_held),
        cmocka_unit_test(an_emptying_waits_and_is_confirmed),
        cmocka_unit_test(servers_that_come_back_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
