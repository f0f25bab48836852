/*
 * The gate delays a large removal by one listing, and nothing else.
 */
#include "reconcile/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void small_removals_pass(void **state)
{
    struct gate g;
    gate_init(&g, 5, 30);
    assert_true(gate_listing(&g, 0, 0));
    assert_true(gate_listing(&g, 4, 4)); /* below the count, though it is all of them */
    assert_true(gate_listing(&g, 30, 100));
    assert_true(gate_listing(&g, 30, 100));
}

static void a_large_removal_needs_a_second_listing(void **state)
{
    struct gate g;
    gate_init(&g, 5, 30);
    assert_false(gate_listing(&g, 31, 100));
    assert_true(gate_listing(&g, 31, 100));
    /* and the next one is held back anew */
    assert_false(gate_listing(&g, 50, 69));
}

static void a_good_listing_in_between_forgets_the_doubt(void **state)
{
    struct gate g;
    gate_init(&g, 5, 30);
    assert_false(gate_listing(&g, 100, 100));
    assert_true(gate_listing(&g, 0, 100));
    assert_false(gate_listing(&g, 100, 100));
}

static void a_clock_jump_owes_a_listing(void **state)
{
    struct gate g;
    gate_init(&g, 5, 30);
    assert_false(gate_clock(&g, 1000000, 500, 2000)); /* first look: nothing to compare */
    assert_false(gate_clock(&g, 1010000, 10500, 2000));
    assert_false(gate_clock(&g, 1022000, 20500, 2000)); /* 2000 off is still tolerated */
    assert_false(g.jumped);
    assert_true(gate_clock(&g, 4622000, 30500, 2000)); /* slept an hour */
    assert_true(g.jumped);
    assert_false(gate_clock(&g, 4632000, 40500, 2000)); /* said once */
    assert_true(g.jumped);                              /* but still owed */
    assert_true(gate_listing(&g, 0, 10));
    assert_false(g.jumped);
    assert_true(gate_clock(&g, 4000000, 50500, 2000)); /* backwards counts too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_removals_pass),
        cmocka_unit_test(a_large_removal_needs_a_second_listing),
        cmocka_unit_test(a_good_listing_in_between_forgets_the_doubt),
        cmocka_unit_test(a_clock_jump_owes_a_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
