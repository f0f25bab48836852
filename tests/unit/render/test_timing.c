/*
 * Debounce, hold, rejection and crowd under a clock of the test's own.
 */
#include "render/crowd.h"
#include "render/debounce.h"
#include "render/hold.h"
#include "render/rejection.h"

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
    hold_init(&h, 10000, HOLD_MAX_DROP_OFF);
    assert_int_equal(hold_offer(&h, 0, 0, 0), HOLD_PASS); /* nothing to lose */
    assert_int_equal(hold_offer(&h, 0, 0, 5), HOLD_PASS);
    assert_int_equal(hold_offer(&h, 0, 5, 1), HOLD_PASS);
    assert_int_equal(h.reason, HOLD_NONE);
    assert_int_equal(hold_due(&h), MSEC_NEVER);
    hold_init(&h, 0, 0);
    assert_int_equal(hold_offer(&h, 0, 5, 0), HOLD_PASS); /* switched off */
}

static void an_emptying_waits_and_is_confirmed(void **state)
{
    struct hold h;
    hold_init(&h, 10000, HOLD_MAX_DROP_OFF);
    assert_int_equal(hold_offer(&h, 1000, 5, 0), HOLD_WAIT);
    assert_int_equal(hold_due(&h), 11000);
    hold_fresh(&h); /* a listing before the delay has passed proves nothing */
    assert_int_equal(hold_offer(&h, 10999, 5, 0), HOLD_WAIT);
    assert_int_equal(hold_offer(&h, 11000, 5, 0), HOLD_REFRESH);
    assert_int_equal(hold_due(&h), MSEC_NEVER);
    assert_int_equal(hold_offer(&h, 99000, 5, 0), HOLD_WAIT); /* for as long as it takes */
    hold_fresh(&h);
    assert_int_equal(hold_offer(&h, 99001, 5, 0), HOLD_PASS);
    assert_int_equal(hold_offer(&h, 99002, 5, 0), HOLD_PASS); /* it could not go live at once */
    hold_live(&h);
    /* the next one is held anew */
    assert_int_equal(hold_offer(&h, 99002, 5, 0), HOLD_WAIT);
    assert_int_equal(hold_due(&h), 109002);
}

static void servers_that_come_back_end_it(void **state)
{
    struct hold h;
    hold_init(&h, 10000, HOLD_MAX_DROP_OFF);
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

static void too_large_a_drop_is_held(void **state)
{
    /* live, candidate, percent, what it is */
    static const struct {
        size_t live, servers;
        unsigned max_drop;
        enum hold_reason want;
    } cases[] = {
        {2, 1, 40, HOLD_DROPPING},     {2, 1, 49, HOLD_DROPPING},  {2, 1, 50, HOLD_NONE},
        {5, 3, 40, HOLD_NONE},         {5, 2, 40, HOLD_DROPPING},  {3, 2, 33, HOLD_DROPPING},
        {3, 2, 34, HOLD_NONE},         {3, 1, 66, HOLD_DROPPING},  {3, 1, 67, HOLD_NONE},
        {100, 61, 40, HOLD_NONE},      {100, 60, 40, HOLD_NONE},   {100, 59, 40, HOLD_DROPPING},
        {1000, 1, 99, HOLD_DROPPING},  {1000, 10, 99, HOLD_NONE},  {1000, 1, 100, HOLD_NONE},
        {1000, 999, 0, HOLD_DROPPING}, {1000, 1000, 0, HOLD_NONE}, {1, 2, 0, HOLD_NONE},
        {0, 0, 0, HOLD_NONE},          {0, 5, 0, HOLD_NONE},       {1, 0, 0, HOLD_EMPTYING},
        {1, 0, 100, HOLD_EMPTYING},    {9, 0, 50, HOLD_EMPTYING},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct hold h;
        hold_init(&h, 10000, cases[i].max_drop);
        enum hold_verdict verdict = hold_offer(&h, 0, cases[i].live, cases[i].servers);
        if (h.reason != cases[i].want || (verdict == HOLD_PASS) != (h.reason == HOLD_NONE)) {
            fail_msg("%zu -> %zu with %u: %s, verdict %d", cases[i].live, cases[i].servers,
                     cases[i].max_drop, hold_reason_name(h.reason), verdict);
        }
        hold_init(&h, 0, cases[i].max_drop); /* switched off, both of it */
        assert_int_equal(hold_offer(&h, 0, cases[i].live, cases[i].servers), HOLD_PASS);
    }
}

static void a_drop_waits_and_is_confirmed(void **state)
{
    struct hold h;
    hold_init(&h, 10000, 40);
    assert_int_equal(hold_offer(&h, 1000, 10, 5), HOLD_WAIT);
    assert_int_equal(h.reason, HOLD_DROPPING);
    assert_int_equal(hold_due(&h), 11000);
    assert_int_equal(hold_offer(&h, 6000, 10, 3), HOLD_WAIT); /* further down: the same wait */
    assert_int_equal(hold_due(&h), 11000);
    assert_int_equal(hold_offer(&h, 11000, 10, 3), HOLD_REFRESH);
    assert_int_equal(hold_offer(&h, 11001, 10, 3), HOLD_WAIT);
    hold_fresh(&h);
    assert_int_equal(hold_offer(&h, 11002, 10, 4), HOLD_PASS);
    assert_int_equal(h.reason, HOLD_DROPPING); /* that was confirmed */
    assert_int_equal(hold_offer(&h, 11002, 10, 4), HOLD_PASS);
    assert_int_equal(hold_offer(&h, 11002, 10, 5), HOLD_PASS);
    hold_live(&h);
    assert_int_equal(h.state, HOLD_S_OFF);
    assert_int_equal(hold_offer(&h, 11003, 4, 3), HOLD_PASS);
    assert_int_equal(h.reason, HOLD_NONE);
    assert_int_equal(hold_offer(&h, 11004, 4, 2), HOLD_WAIT); /* the next one is held anew */
    assert_int_equal(hold_due(&h), 21004);
}

static void less_than_was_confirmed_waits_anew(void **state)
{
    struct hold h;
    hold_init(&h, 10000, 40);
    assert_int_equal(hold_offer(&h, 0, 10, 5), HOLD_WAIT);
    assert_int_equal(hold_offer(&h, 10000, 10, 5), HOLD_REFRESH);
    hold_fresh(&h);
    assert_int_equal(hold_offer(&h, 10001, 10, 5), HOLD_PASS);
    assert_int_equal(hold_offer(&h, 10002, 10, 4), HOLD_WAIT);
    assert_int_equal(hold_due(&h), 20002);
}

static void a_drop_within_the_limit_ends_it(void **state)
{
    struct hold h;
    hold_init(&h, 10000, 40);
    assert_int_equal(hold_offer(&h, 0, 10, 5), HOLD_WAIT);
    assert_int_equal(hold_offer(&h, 9000, 10, 6), HOLD_PASS);
    assert_int_equal(h.reason, HOLD_NONE);
    assert_int_equal(hold_due(&h), MSEC_NEVER);
    assert_int_equal(hold_offer(&h, 9500, 6, 1), HOLD_WAIT);
    assert_int_equal(hold_due(&h), 19500);
    assert_int_equal(hold_offer(&h, 19500, 6, 1), HOLD_REFRESH);
    assert_int_equal(hold_offer(&h, 19600, 6, 6), HOLD_PASS);
    hold_fresh(&h); /* nobody waits for it any more */
    assert_int_equal(h.state, HOLD_S_OFF);
}

static void a_drop_that_becomes_an_emptying_waits_anew(void **state)
{
    struct hold h;
    hold_init(&h, 10000, 40);
    assert_int_equal(hold_offer(&h, 0, 10, 5), HOLD_WAIT);
    assert_int_equal(hold_offer(&h, 8000, 10, 0), HOLD_WAIT);
    assert_int_equal(h.reason, HOLD_EMPTYING);
    assert_int_equal(hold_due(&h), 18000);
    /* once: going to and fro does not put it off for ever */
    assert_int_equal(hold_offer(&h, 9000, 10, 5), HOLD_WAIT);
    assert_int_equal(h.reason, HOLD_DROPPING);
    assert_int_equal(hold_offer(&h, 17000, 10, 0), HOLD_WAIT);
    assert_int_equal(hold_due(&h), 18000);
    assert_int_equal(hold_offer(&h, 18000, 10, 0), HOLD_REFRESH);
    hold_fresh(&h);
    assert_int_equal(hold_offer(&h, 18001, 10, 0), HOLD_PASS);
    assert_int_equal(h.reason, HOLD_EMPTYING);

    /* the listing that was to confirm a drop, or the table after it, has nothing at all */
    for (int confirmed = 0; confirmed < 2; confirmed++) {
        hold_init(&h, 10000, 40);
        assert_int_equal(hold_offer(&h, 0, 10, 5), HOLD_WAIT);
        assert_int_equal(hold_offer(&h, 10000, 10, 5), HOLD_REFRESH);
        if (confirmed) {
            hold_fresh(&h);
        }
        assert_int_equal(hold_offer(&h, 10100, 10, 0), HOLD_WAIT);
        assert_int_equal(h.state, HOLD_S_WAITING);
        assert_int_equal(hold_due(&h), 20100);
        hold_fresh(&h); /* of the first wait: too early for this one */
        assert_int_equal(hold_offer(&h, 20099, 10, 0), HOLD_WAIT);
        assert_int_equal(hold_offer(&h, 20100, 10, 0), HOLD_REFRESH);
    }
}

/* ---- what was refused ---- */

static void what_was_refused_rests(void **state)
{
    struct rejection r;
    rejection_init(&r, 1);
    assert_false(rejection_bars(&r, 7));
    assert_int_equal(rejection_due(&r), MSEC_NEVER);
    assert_true(rejection_refused(&r, 7, 1000));
    assert_true(rejection_bars(&r, 7));
    assert_false(rejection_bars(&r, 8));
    assert_in_range(rejection_due(&r), 1000 + 30000, 1000 + 60000);
    /* ever more rarely */
    msec_t now = 1000, last = 0;
    for (int i = 0; i < 8; i++) {
        msec_t due = rejection_due(&r);
        assert_false(rejection_tick(&r, due - 1));
        assert_true(rejection_tick(&r, due));
        last = due - now;
        now = due;
        assert_false(rejection_refused(&r, 7, now)); /* no news */
    }
    assert_in_range(last, 300000, 600000);
    /* others begin anew */
    assert_true(rejection_refused(&r, 8, now));
    assert_in_range(rejection_due(&r), now + 30000, now + 60000);
    assert_false(rejection_bars(&r, 7));
    rejection_accepted(&r, false, false, now);
    assert_false(rejection_is(&r, 8));
    assert_int_equal(rejection_due(&r), MSEC_NEVER);
}

static void a_retry_lasts_until_it_is_answered(void **state)
{
    struct rejection r;
    rejection_init(&r, 1);
    assert_true(rejection_refused(&r, 7, 0));
    assert_true(rejection_tick(&r, 60000));
    for (msec_t now = 60001; now < 60010; now++) {
        assert_false(rejection_bars(&r, 7)); /* the disk was full, or the check could not run */
        assert_true(rejection_is(&r, 7));
        assert_false(rejection_tick(&r, now));
        assert_int_equal(rejection_due(&r), MSEC_NEVER);
    }
    assert_false(rejection_refused(&r, 7, 70000));
    assert_true(rejection_bars(&r, 7));
}

static void what_is_left_out_is_tried_again(void **state)
{
    struct rejection r;
    rejection_init(&r, 1);
    rejection_accepted(&r, true, true, 0);
    msec_t due = rejection_due(&r);
    assert_in_range(due, 30000, 60000);
    rejection_accepted(&r, true, false, 10); /* another change does not put it off */
    assert_int_equal(rejection_due(&r), due);
    assert_true(rejection_tick(&r, due));
    rejection_accepted(&r, true, true, due); /* refused again */
    assert_in_range(rejection_due(&r), due + 60000, due + 120000);
    assert_true(rejection_tick(&r, due + 120000));
    rejection_accepted(&r, false, false, due + 120000);
    assert_int_equal(rejection_due(&r), MSEC_NEVER);
}

/* ---- old workers ---- */

static void a_crowd_is_waited_for(void **state)
{
    struct crowd c;
    crowd_init(&c, 2, 1000);
    assert_false(crowd_waits(&c, 0, 2));
    assert_true(crowd_waits(&c, 5000, 3));
    assert_true(crowd_due(&c) > 5000 && crowd_due(&c) <= 5500);
    crowd_begin(&c);
    assert_int_equal(crowd_due(&c), MSEC_NEVER);
    assert_true(crowd_waiting(&c));
    assert_true(crowd_waits(&c, 5990, 3));
    assert_int_equal(crowd_due(&c), 6000); /* no longer than its patience */
    assert_false(crowd_waits(&c, 6000, 3));
    assert_false(crowd_waiting(&c));
    assert_true(crowd_waits(&c, 7000, 3)); /* the next one anew */
    assert_false(crowd_waits(&c, 7100, 1));
}

static void a_crowd_is_forgotten_with_its_change(void **state)
{
    struct crowd c;
    crowd_init(&c, 0, 600);
    assert_true(crowd_waits(&c, 0, 1));
    crowd_forget(&c);
    assert_true(crowd_waits(&c, 5000, 1));
    assert_true(crowd_waits(&c, 5500, 1));
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
        cmocka_unit_test(too_large_a_drop_is_held),
        cmocka_unit_test(a_drop_waits_and_is_confirmed),
        cmocka_unit_test(less_than_was_confirmed_waits_anew),
        cmocka_unit_test(a_drop_within_the_limit_ends_it),
        cmocka_unit_test(what_was_refused_rests),
        cmocka_unit_test(a_retry_lasts_until_it_is_answered),
        cmocka_unit_test(what_is_left_out_is_tried_again),
        cmocka_unit_test(a_crowd_is_waited_for),
        cmocka_unit_test(a_crowd_is_forgotten_with_its_change),
        cmocka_unit_test(a_drop_that_becomes_an_emptying_waits_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
