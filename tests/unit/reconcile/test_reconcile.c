/*
 * Reconcile, one behaviour at a time. Long random runs are in tests/sim.
 */
#include "reconcile/reconcile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BATCH 4

struct fixture {
    struct reconcile *r;
    struct reconcile_op ops[BATCH];
    msec_t now, wake;
};

static int setup(void **state)
{
    static struct fixture f;
    const struct reconcile_limits limits = {.batch_max = BATCH,
                                            .retry_min = 1000,
                                            .retry_max = 8000,
                                            .conflict_retry = 20000,
                                            .seed = 1};
    f = (struct fixture){.r = reconcile_new(&limits), .now = 100000};
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->r = reconcile_free(f->r);
    return 0;
}

static void both_complete(struct fixture *f)
{
    reconcile_wanted_complete(f->r, true);
    reconcile_seen_begin(f->r);
    reconcile_seen_complete(f->r, true);
}

/* The step's operations as text: "+key@rev" for a put, "-key@rev" for a delete. */
static const char *step(struct fixture *f)
{
    static char text[256];
    size_t n = reconcile_step(f->r, f->now, f->ops, &f->wake), len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        int add = snprintf(text + len, sizeof(text) - len, "%s%c%s@%lld", i ? " " : "",
                           f->ops[i].kind == REGISTRY_PUT ? '+' : '-', f->ops[i].key,
                           (long long)f->ops[i].revision);
        assert_true(add > 0 && (size_t)add < sizeof(text) - len);
        len += (size_t)add;
    }
    return text;
}

static void result1(struct fixture *f, enum err_class class, int64_t revision)
{
    const struct registry_result res = {.class = class, .revision = revision};
    reconcile_result(f->r, f->now, &res, 1);
}

static void seen(struct fixture *f, const char *key, uint64_t digest, int64_t revision)
{
    reconcile_seen(f->r, key, digest, revision, REGISTRY_OURS);
}

static void nothing_leaves_before_both_sides_are_complete(void **state)
{
    struct fixture *f = *state;
    reconcile_want(f->r, "a", 1);
    reconcile_seen_begin(f->r);
    seen(f, "b", 2, 5);
    assert_string_equal(step(f), "");
    reconcile_wanted_complete(f->r, true);
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, MSEC_NEVER);
    reconcile_seen_complete(f->r, true);
    assert_int_equal(reconcile_pending(f->r), 2);
    assert_int_equal(reconcile_surplus(f->r), 1);
    assert_string_equal(step(f), "+a@0 -b@5");
}

static void wanted_incomplete_holds_back_alone(void **state)
{
    struct fixture *f = *state;
    reconcile_seen_begin(f->r);
    seen(f, "b", 2, 5);
    reconcile_seen_complete(f->r, true);
    assert_string_equal(step(f), "");
    reconcile_wanted_complete(f->r, true);
    assert_string_equal(step(f), "-b@5");
}

static void what_is_right_is_not_written(void **state)
{
    struct fixture *f = *state;
    reconcile_seen_begin(f->r);
    seen(f, "a", 1, 5);
    reconcile_seen_complete(f->r, true);
    reconcile_want(f->r, "a", 1);
    reconcile_wanted_complete(f->r, true);
    assert_string_equal(step(f), "");
    assert_int_equal(reconcile_pending(f->r), 0);
    assert_int_equal(reconcile_seen_count(f->r), 1);
}

static void a_done_write_settles_and_the_next_is_conditional_on_it(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    assert_string_equal(step(f), "+a@0");
    assert_string_equal(step(f), ""); /* one batch in flight */
    result1(f, ERR_NONE, 7);
    assert_string_equal(step(f), "");
    reconcile_want(f->r, "a", 2);
    assert_string_equal(step(f), "+a@7");
    result1(f, ERR_NONE, 9);
    reconcile_unwant(f->r, "a");
    assert_string_equal(step(f), "-a@9");
    result1(f, ERR_NONE, 0);
    assert_string_equal(step(f), "");
    assert_int_equal(reconcile_seen_count(f->r), 0);
}

static void a_batch_has_a_size_and_an_order(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    for (const char *p = "fedcba"; *p; p++) {
        reconcile_want(f->r, (const char[]){*p, '\0'}, 1);
    }
    reconcile_unwant(f->r, "e");
    assert_string_equal(step(f), "+f@0 +d@0 +c@0 +b@0");
    const struct registry_result res[4] = {
        {ERR_NONE, 1}, {ERR_NONE, 1}, {ERR_NONE, 1}, {ERR_NONE, 1}};
    reconcile_result(f->r, f->now, res, 4);
    assert_string_equal(step(f), "+a@0");
}

static void wanted_changed_in_flight_is_written_again(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    assert_string_equal(step(f), "+a@0");
    reconcile_want(f->r, "a", 2);
    result1(f, ERR_NONE, 7);
    assert_string_equal(step(f), "+a@7");
    reconcile_unwant(f->r, "a");
    result1(f, ERR_NONE, 8);
    assert_string_equal(step(f), "-a@8");
    reconcile_want(f->r, "a", 3);
    result1(f, ERR_NONE, 0);
    assert_string_equal(step(f), "+a@0");
}

static void events_older_than_what_is_known_are_passed_over(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 2);
    seen(f, "a", 1, 5);
    assert_string_equal(step(f), "+a@5");
    result1(f, ERR_NONE, 9);
    seen(f, "a", 1, 5);
    reconcile_seen_gone(f->r, "a", 4);
    assert_string_equal(step(f), "");
    /* the event of our own delete may come after that of a put before it */
    reconcile_want(f->r, "b", 1);
    assert_string_equal(step(f), "+b@0");
    result1(f, ERR_NONE, 20);
    reconcile_unwant(f->r, "b");
    assert_string_equal(step(f), "-b@20");
    reconcile_want(f->r, "b", 1);
    result1(f, ERR_NONE, 0);
    seen(f, "b", 1, 20);
    assert_string_equal(step(f), "+b@0");
}

static void an_event_newer_than_the_result_wins(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    assert_string_equal(step(f), "+a@0");
    seen(f, "a", 1, 7);
    seen(f, "a", 99, 8); /* altered by a stranger right after our write */
    result1(f, ERR_NONE, 7);
    assert_string_equal(step(f), "+a@8");
    result1(f, ERR_NONE, 9);
    reconcile_unwant(f->r, "a");
    assert_string_equal(step(f), "-a@9");
    seen(f, "a", 98, 11); /* deleted, then put by a stranger */
    result1(f, ERR_NONE, 0);
    assert_string_equal(step(f), "-a@11");
}

static void a_deleted_or_altered_key_heals(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    step(f);
    result1(f, ERR_NONE, 7);
    reconcile_seen_gone(f->r, "a", 8);
    assert_string_equal(step(f), "+a@0");
    result1(f, ERR_NONE, 9);
    seen(f, "a", 5, 10);
    assert_string_equal(step(f), "+a@10");
    result1(f, ERR_NONE, 11);
    seen(f, "stray", 1, 12);
    assert_string_equal(step(f), "-stray@12");
}

static void failures_back_off_together(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    for (const char *p = "abc"; *p; p++) {
        reconcile_want(f->r, (const char[]){*p, '\0'}, 1);
    }
    msec_t max = 1000;
    for (int round = 0; round < 6; round++) {
        assert_string_equal(step(f), "+a@0 +b@0 +c@0");
        const struct registry_result res[3] = {
            {ERR_TRANSIENT, 0}, {ERR_THROTTLED, 0}, {ERR_AUTH, 0}};
        reconcile_result(f->r, f->now, res, 3);
        assert_string_equal(step(f), "");
        assert_in_range(f->wake, f->now + max / 2, f->now + max);
        msec_t due = f->wake;
        f->now = due - 1;
        assert_string_equal(step(f), "");
        f->now = due;
        max = max < 8000 ? 2 * max : max;
    }
}

static void success_forgets_failures(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(step(f), "+a@0");
        result1(f, ERR_TRANSIENT, 0);
        assert_int_equal(reconcile_retrying(f->r), 1);
        step(f);
        f->now = f->wake;
    }
    assert_string_equal(step(f), "+a@0");
    result1(f, ERR_NONE, 5);
    assert_int_equal(reconcile_retrying(f->r), 0);
    reconcile_want(f->r, "a", 2);
    assert_string_equal(step(f), "+a@5");
    result1(f, ERR_TRANSIENT, 0);
    step(f);
    assert_in_range(f->wake, f->now + 500, f->now + 1000);
}

static void the_registry_coming_back_ends_waits(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    step(f);
    result1(f, ERR_TRANSIENT, 0);
    reconcile_seen_complete(f->r, false);
    f->now += 60000;
    assert_string_equal(step(f), "");
    f->now -= 60000;
    reconcile_seen_complete(f->r, true); /* no listing in between: nothing was lost */
    assert_string_equal(step(f), "+a@0");
}

static void a_write_that_happened_but_failed_is_not_repeated(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    step(f);
    result1(f, ERR_TRANSIENT, 0);
    seen(f, "a", 1, 7);
    f->now += 100000;
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, MSEC_NEVER);
    assert_int_equal(reconcile_pending(f->r), 0);
}

static void a_conflict_is_tried_again_at_once_and_then_slowly(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    assert_string_equal(step(f), "+a@0");
    seen(f, "a", 9, 6);
    result1(f, ERR_CONFLICT, 0);
    assert_string_equal(step(f), "+a@6");
    result1(f, ERR_CONFLICT, 0); /* and no event said why */
    assert_string_equal(step(f), "");
    assert_in_range(f->wake, f->now + 500, f->now + 1000);
    f->now = f->wake;
    assert_string_equal(step(f), "+a@6");
    seen(f, "a", 1, 8); /* it was ours all along */
    result1(f, ERR_CONFLICT, 0);
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, MSEC_NEVER);
}

static size_t n_told;
static char told[64];

static void tell(void *ctx, const char *key)
{
    n_told++;
    snprintf(told, sizeof(told), "%s", key);
}

static void a_foreign_key_is_left_alone_and_probed(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    assert_string_equal(step(f), "+a@0");
    reconcile_seen(f->r, "a", 9, 6, REGISTRY_FOREIGN);
    result1(f, ERR_CONFLICT, 0);
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, f->now + 20000);
    n_told = 0;
    assert_int_equal(reconcile_foreign(f->r, tell, NULL), 1);
    assert_int_equal(n_told, 1);
    assert_string_equal(told, "a");
    assert_int_equal(reconcile_foreign(f->r, tell, NULL), 1);
    assert_int_equal(n_told, 1);
    /* the next try is conditional on absence, not on the revision of the other's key */
    f->now += 20000;
    assert_string_equal(step(f), "+a@0");
    reconcile_seen(f->r, "a", 9, 6, REGISTRY_FOREIGN);
    result1(f, ERR_CONFLICT, 0);
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, f->now + 20000);
    /* gone, and taken again before we came: that is a new wait */
    reconcile_seen_gone(f->r, "a", 25);
    reconcile_seen(f->r, "a", 8, 26, REGISTRY_FOREIGN);
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, f->now + 20000);
    /* gone: at once */
    reconcile_seen_gone(f->r, "a", 30);
    assert_int_equal(reconcile_foreign(f->r, NULL, NULL), 0);
    assert_string_equal(step(f), "+a@0");
    result1(f, ERR_NONE, 31);
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, MSEC_NEVER);
}

static void a_foreign_key_that_is_not_wanted_is_never_deleted(void **state)
{
    struct fixture *f = *state;
    reconcile_wanted_complete(f->r, true);
    reconcile_seen_begin(f->r);
    reconcile_seen(f->r, "theirs", 9, 6, REGISTRY_FOREIGN);
    reconcile_seen_complete(f->r, true);
    assert_string_equal(step(f), "");
    assert_int_equal(reconcile_pending(f->r), 0);
    reconcile_want(f->r, "theirs", 1);
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, f->now + 20000);
    reconcile_unwant(f->r, "theirs");
    f->now += 30000;
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, MSEC_NEVER);
}

/* Another tool's record with an id of ours: taken over where wanted, even with the same value. */
static void an_unclaimed_key_is_taken_over_but_never_deleted(void **state)
{
    struct fixture *f = *state;
    reconcile_wanted_complete(f->r, true);
    reconcile_seen_begin(f->r);
    reconcile_seen(f->r, "left", 9, 6, REGISTRY_UNCLAIMED);
    reconcile_seen(f->r, "wanted", 1, 7, REGISTRY_UNCLAIMED);
    reconcile_seen_complete(f->r, true);
    assert_int_equal(reconcile_surplus(f->r), 0);
    assert_int_equal(reconcile_seen_count(f->r), 0);
    reconcile_want(f->r, "wanted", 1);
    assert_int_equal(reconcile_foreign(f->r, NULL, NULL), 0);
    assert_string_equal(step(f), "+wanted@7");
    result1(f, ERR_NONE, 8);
    assert_int_equal(reconcile_seen_count(f->r), 1);
    assert_string_equal(step(f), "");
    reconcile_unwant(f->r, "wanted");
    assert_string_equal(step(f), "-wanted@8");
    result1(f, ERR_NONE, 0);
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, MSEC_NEVER);
    assert_int_equal(reconcile_pending(f->r), 0);
}

static void a_refused_value_waits_for_another(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    step(f);
    result1(f, ERR_INVALID, 0);
    f->now += 1000000;
    assert_string_equal(step(f), "");
    assert_int_equal(f->wake, MSEC_NEVER);
    assert_int_equal(reconcile_pending(f->r), 1);
    reconcile_want(f->r, "a", 1); /* no change */
    assert_string_equal(step(f), "");
    reconcile_want(f->r, "a", 2);
    assert_string_equal(step(f), "+a@0");
    /* changed while in flight: the refusal was of the old one */
    reconcile_want(f->r, "a", 3);
    result1(f, ERR_INVALID, 0);
    assert_string_equal(step(f), "+a@0");
    result1(f, ERR_INVALID, 0);
    reconcile_unwant(f->r, "a");
    assert_int_equal(reconcile_pending(f->r), 0);
}

static void a_cancelled_write_is_due_at_once(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    step(f);
    result1(f, ERR_CANCELLED, 0);
    assert_string_equal(step(f), "+a@0");
}

static void a_listing_replaces_what_was_seen(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    for (const char *p = "abc"; *p; p++) {
        reconcile_want(f->r, (const char[]){*p, '\0'}, 1);
        seen(f, (const char[]){*p, '\0'}, 1, 50);
    }
    reconcile_seen_begin(f->r);
    seen(f, "b", 1, 3); /* a registry restored from a backup: older, and true */
    reconcile_want(f->r, "d", 1);
    assert_string_equal(step(f), ""); /* not before the listing has ended */
    reconcile_unwant(f->r, "d");
    reconcile_seen_complete(f->r, true);
    assert_int_equal(reconcile_seen_count(f->r), 1);
    assert_string_equal(step(f), "+a@0 +c@0");
    const struct registry_result res[2] = {{ERR_NONE, 4}, {ERR_NONE, 4}};
    reconcile_result(f->r, f->now, res, 2);
    reconcile_unwant(f->r, "b");
    assert_string_equal(step(f), "-b@3");
}

static void a_result_from_before_a_listing_says_nothing(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    reconcile_want(f->r, "a", 1);
    reconcile_want(f->r, "b", 1);
    assert_string_equal(step(f), "+a@0 +b@0");
    /* the writes were done, then the lease was lost; the new listing has one key of another run */
    reconcile_seen_begin(f->r);
    seen(f, "b", 1, 90);
    const struct registry_result res[2] = {{ERR_NONE, 80}, {ERR_NONE, 80}};
    reconcile_result(f->r, f->now, res, 2);
    reconcile_seen_complete(f->r, true);
    assert_string_equal(step(f), "+a@0");
}

static void totals_follow_every_change(void **state)
{
    struct fixture *f = *state;
    both_complete(f);
    seen(f, "a", 1, 1);
    seen(f, "b", 1, 1);
    reconcile_want(f->r, "a", 1);
    assert_int_equal(reconcile_pending(f->r), 1);
    assert_int_equal(reconcile_seen_count(f->r), 2);
    assert_int_equal(reconcile_surplus(f->r), 1);
    reconcile_unwant(f->r, "a");
    assert_int_equal(reconcile_surplus(f->r), 2);
    reconcile_seen_gone(f->r, "a", 2);
    reconcile_seen_gone(f->r, "b", 2);
    assert_int_equal(reconcile_pending(f->r), 0);
    assert_int_equal(reconcile_seen_count(f->r), 0);
    assert_int_equal(reconcile_surplus(f->r), 0);
    assert_string_equal(step(f), "");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_leaves_before_both_sides_are_complete),
        CASE(wanted_incomplete_holds_back_alone),
        CASE(what_is_right_is_not_written),
        CASE(a_done_write_settles_and_the_next_is_conditional_on_it),
        CASE(a_batch_has_a_size_and_an_order),
        CASE(wanted_changed_in_flight_is_written_again),
        CASE(events_older_than_what_is_known_are_passed_over),
        CASE(an_event_newer_than_the_result_wins),
        CASE(a_deleted_or_altered_key_heals),
        CASE(failures_back_off_together),
        CASE(success_forgets_failures),
        CASE(the_registry_coming_back_ends_waits),
        CASE(a_write_that_happened_but_failed_is_not_repeated),
        CASE(a_conflict_is_tried_again_at_once_and_then_slowly),
        CASE(a_foreign_key_is_left_alone_and_probed),
        CASE(a_foreign_key_that_is_not_wanted_is_never_deleted),
        CASE(an_unclaimed_key_is_taken_over_but_never_deleted),
        CASE(a_refused_value_waits_for_another),
        CASE(a_cancelled_write_is_due_at_once),
        CASE(a_listing_replaces_what_was_seen),
        CASE(a_result_from_before_a_listing_says_nothing),
        CASE(totals_follow_every_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
