/*
 * What is told of a service as listings follow each other and writes come between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/consul_known.h"

#define NOW  1000000u
#define D    77u
#define BODY 5u

struct fixture {
    struct consul_services s;
    struct consul_known *k;
};

static int up(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    f.k = consul_known_add(&f.s, "a:b:1");
    *state = &f;
    return 0;
}

static int down(void **state)
{
    struct fixture *f = *state;
    consul_known_deinit(&f->s);
    consul_known_deinit(&f->s); /* idempotent */
    return 0;
}

static enum consul_news seen(struct fixture *f, uint64_t digest, enum registry_owner owner)
{
    return consul_known_listed(f->k, true, digest, owner, false, NOW);
}

static enum consul_news absent(struct fixture *f)
{
    return consul_known_listed(f->k, false, 0, REGISTRY_FOREIGN, false, NOW);
}

static void set(void **state)
{
    struct fixture *f = *state;
    assert_ptr_equal(consul_known_add(&f->s, "a:b:1"), f->k);
    assert_ptr_equal(consul_known_find(&f->s, "a:b:1"), f->k);
    assert_null(consul_known_find(&f->s, "a:b:"));
    assert_string_equal(f->k->id, "a:b:1");
    f->k->in_flight = true;
    consul_known_drop(&f->s, f->k, NOW);
    assert_non_null(consul_known_find(&f->s, "a:b:1"));
    f->k->in_flight = false;
    consul_known_drop(&f->s, f->k, NOW);
    assert_null(consul_known_find(&f->s, "a:b:1"));
}

static void a_registration_of_late_is_remembered(void **state)
{
    struct fixture *f = *state;
    consul_known_put(f->k, BODY, NOW);
    consul_known_drop(&f->s, f->k, NOW + CONSUL_FUTILE_PAUSE - 1);
    assert_non_null(consul_known_find(&f->s, "a:b:1"));
    consul_known_drop(&f->s, f->k, NOW + CONSUL_FUTILE_PAUSE);
    assert_null(consul_known_find(&f->s, "a:b:1"));
}

static void changes_are_told_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_SEEN);
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_NONE);
    assert_int_equal(seen(f, D + 1, REGISTRY_OURS), CONSUL_NEWS_SEEN);
    assert_int_equal(seen(f, D + 1, REGISTRY_UNCLAIMED), CONSUL_NEWS_SEEN);
    assert_int_equal(seen(f, D + 1, REGISTRY_FOREIGN), CONSUL_NEWS_SEEN); /* it was ours */
    assert_int_equal(absent(f), CONSUL_NEWS_GONE);
    assert_int_equal(absent(f), CONSUL_NEWS_NONE);
}

static void fresh_tells_all(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(consul_known_listed(f->k, true, D, REGISTRY_OURS, true, NOW),
                         CONSUL_NEWS_SEEN);
    }
    /* what a fresh listing does not name is absent already */
    assert_int_equal(consul_known_listed(f->k, false, 0, REGISTRY_FOREIGN, true, NOW),
                     CONSUL_NEWS_NONE);
    assert_int_equal(absent(f), CONSUL_NEWS_NONE);
}

static void others_are_told_to_who_asked(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(seen(f, D, REGISTRY_FOREIGN), CONSUL_NEWS_NONE);
    assert_int_equal(absent(f), CONSUL_NEWS_NONE);
    assert_int_equal(consul_known_listed(f->k, true, D, REGISTRY_FOREIGN, true, NOW),
                     CONSUL_NEWS_NONE);
    f->k->told = true; /* asked for */
    assert_int_equal(seen(f, D, REGISTRY_FOREIGN), CONSUL_NEWS_NONE);
    assert_int_equal(consul_known_listed(f->k, true, D, REGISTRY_FOREIGN, true, NOW),
                     CONSUL_NEWS_SEEN);
    assert_int_equal(absent(f), CONSUL_NEWS_GONE);
}

static void a_write_is_verified(void **state)
{
    struct fixture *f = *state;
    consul_known_put(f->k, BODY, NOW);
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_SEEN);
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_NONE);
    consul_known_put(f->k, BODY + 1, NOW);
    assert_int_equal(absent(f), CONSUL_NEWS_GONE);
    consul_known_unsure(f->k); /* it failed, or so it seems */
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_SEEN);
    consul_known_removed(f->k, NOW);
    assert_int_equal(absent(f), CONSUL_NEWS_NONE);
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_SEEN); /* here again */
}

/* Registered twice, and shown both times as if it had not been, in whatever way. */
static void futile(struct fixture *f, bool exists, uint64_t digest, enum consul_news first)
{
    for (unsigned i = 0; i < 2; i++) {
        consul_known_put(f->k, BODY, NOW);
        assert_int_equal(consul_known_listed(f->k, exists, digest, REGISTRY_OURS, false, NOW),
                         i == 0 ? first : CONSUL_NEWS_NONE);
    }
    assert_int_equal(consul_known_listed(f->k, exists, digest, REGISTRY_OURS, false,
                                         NOW + CONSUL_FUTILE_PAUSE - 1),
                     CONSUL_NEWS_NONE);
    assert_int_equal(
        consul_known_listed(f->k, exists, digest, REGISTRY_OURS, false, NOW + CONSUL_FUTILE_PAUSE),
        first);
}

static void what_never_shows_is_paused(void **state)
{
    futile(*state, false, 0, CONSUL_NEWS_GONE);
}

static void what_shows_otherwise_is_paused(void **state)
{
    futile(*state, true, D, CONSUL_NEWS_SEEN);
}

static void another_effect_is_not_futile(void **state)
{
    struct fixture *f = *state;
    consul_known_put(f->k, BODY, NOW);
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_SEEN);
    assert_int_equal(seen(f, D + 1, REGISTRY_OURS), CONSUL_NEWS_SEEN); /* by other hands */
    consul_known_put(f->k, BODY, NOW);
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_SEEN);
    assert_int_equal(seen(f, D + 1, REGISTRY_OURS), CONSUL_NEWS_SEEN); /* and again */
    assert_int_equal(absent(f), CONSUL_NEWS_GONE);
    consul_known_put(f->k, BODY + 1, NOW); /* another body */
    assert_int_equal(absent(f), CONSUL_NEWS_GONE);
}

static void a_change_ends_the_pause(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 2; i++) {
        consul_known_put(f->k, BODY, NOW);
        (void)absent(f);
    }
    assert_true(f->k->futile);
    assert_int_equal(seen(f, D, REGISTRY_OURS), CONSUL_NEWS_SEEN);
    assert_int_equal(absent(f), CONSUL_NEWS_GONE);
}

static void an_absence_of_consul_proves_nothing(void **state)
{
    struct fixture *f = *state;
    consul_known_put(f->k, BODY, NOW);
    (void)consul_known_listed(f->k, false, 0, REGISTRY_FOREIGN, true, NOW); /* was restarted */
    consul_known_put(f->k, BODY, NOW);
    assert_int_equal(absent(f), CONSUL_NEWS_GONE);
}

/* ---- repetitions ---- */

#define PAUSE CONSUL_REPEATS_PAUSE
#define LONG  CONSUL_FUTILE_PAUSE

static enum consul_news seen_at(struct fixture *f, uint64_t digest, msec_t now)
{
    return consul_known_listed(f->k, true, digest, REGISTRY_OURS, false, now);
}

/* Registered, shown as it is meant (D), and changed by others (D + 1). */
static enum consul_news undone(struct fixture *f, msec_t now)
{
    consul_known_put(f->k, BODY, now);
    (void)seen_at(f, D, now);
    return seen_at(f, D + 1, now);
}

static void what_is_undone_again_and_again_is_contested(void **state)
{
    struct fixture *f = *state;
    msec_t now = NOW;
    for (unsigned i = 0; i < CONSUL_REPEATS; i++) { /* the first is no repetition */
        assert_int_equal(undone(f, now), CONSUL_NEWS_SEEN);
        assert_false(consul_known_contested(f->k));
        assert_int_equal(consul_known_due(f->k, now), 0);
        now += 1000;
    }
    for (unsigned i = CONSUL_REPEATS; i < 10; i++) {
        msec_t pause = i < CONSUL_REPEATS_MANY ? PAUSE : LONG;
        assert_int_equal(undone(f, now), CONSUL_NEWS_NONE);
        assert_true(consul_known_contested(f->k));
        assert_int_equal(consul_known_due(f->k, now), now + pause);
        assert_int_equal(seen_at(f, D + 2, now + pause - 1), CONSUL_NEWS_NONE);
        now += pause;
        assert_int_equal(seen_at(f, D + 2, now), CONSUL_NEWS_SEEN); /* though it did not change */
        assert_int_equal(seen_at(f, D + 2, now), CONSUL_NEWS_NONE);
        assert_int_equal(consul_known_due(f->k, now), now + pause);
    }
    consul_known_put(f->k, BODY, now);
    assert_int_equal(seen_at(f, D, now), CONSUL_NEWS_NONE);
    assert_int_equal(seen_at(f, D, now + LONG), CONSUL_NEWS_SEEN); /* what was kept back */
    assert_true(consul_known_contested(f->k));
    assert_int_equal(seen_at(f, D, now + 2 * LONG - 1), CONSUL_NEWS_NONE);
    assert_true(consul_known_contested(f->k));
    assert_int_equal(seen_at(f, D, now + 2 * LONG), CONSUL_NEWS_NONE); /* quiet for so long */
    assert_false(consul_known_contested(f->k));
    assert_int_equal(undone(f, now + 2 * LONG), CONSUL_NEWS_SEEN); /* as at the beginning */
}

static void a_minute_apart_is_an_accident(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(undone(f, NOW + i * LONG / 2), CONSUL_NEWS_SEEN);
        assert_false(consul_known_contested(f->k));
    }
}

static void own_wishes_are_no_repetitions(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 12; i++) { /* a container that comes and goes */
        consul_known_put(f->k, BODY, NOW);
        assert_int_equal(seen_at(f, D, NOW), CONSUL_NEWS_SEEN);
        consul_known_put(f->k, BODY + 2, NOW);
        assert_int_equal(seen_at(f, D + 1, NOW), CONSUL_NEWS_SEEN);
        if (i % 2) {
            consul_known_removed(f->k, NOW);
        }
        assert_false(consul_known_contested(f->k));
    }
    for (unsigned i = 0; i < 12; i++) { /* writes that fail */
        consul_known_put(f->k, BODY, NOW);
        consul_known_unsure(f->k);
        (void)seen_at(f, D + i, NOW);
        assert_false(consul_known_contested(f->k));
    }
    for (unsigned i = 0; i < 12; i++) { /* a Consul that loses its data */
        consul_known_put(f->k, BODY, NOW);
        (void)consul_known_listed(f->k, false, 0, REGISTRY_FOREIGN, true, NOW);
        assert_false(consul_known_contested(f->k));
    }
}

/* What another agent with our node name wants, and we do not. */
static void what_comes_back_again_and_again_is_contested(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i <= CONSUL_REPEATS; i++) {
        assert_false(consul_known_contested(f->k));
        consul_known_removed(f->k, NOW);
        (void)absent(f);
        consul_known_drop(&f->s, f->k, NOW); /* not forgotten */
        assert_ptr_equal(consul_known_find(&f->s, "a:b:1"), f->k);
        assert_int_equal(seen(f, D, REGISTRY_OURS),
                         i < CONSUL_REPEATS ? CONSUL_NEWS_SEEN : CONSUL_NEWS_NONE);
    }
    assert_true(consul_known_contested(f->k));
    assert_int_equal(seen_at(f, D, NOW + PAUSE), CONSUL_NEWS_SEEN);
    consul_known_removed(f->k, NOW + PAUSE);
    consul_known_drop(&f->s, f->k, NOW + 3 * PAUSE - 1);
    assert_non_null(consul_known_find(&f->s, "a:b:1"));
    consul_known_drop(&f->s, f->k, NOW + PAUSE + LONG);
    assert_null(consul_known_find(&f->s, "a:b:1"));
}

static void futile_is_contested(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 2; i++) {
        assert_false(consul_known_contested(f->k));
        consul_known_put(f->k, BODY, NOW);
        (void)absent(f);
    }
    assert_true(consul_known_contested(f->k));
    assert_int_equal(consul_known_due(f->k, NOW), NOW + LONG);
    for (unsigned i = 1; i < 5; i++) { /* and stays so while it is tried again now and then */
        msec_t now = NOW + i * LONG;
        for (unsigned turn = 0; turn < 2; turn++) {
            assert_int_equal(consul_known_listed(f->k, false, 0, REGISTRY_FOREIGN, false, now),
                             CONSUL_NEWS_GONE);
            assert_true(consul_known_contested(f->k));
            consul_known_put(f->k, BODY, now);
            assert_true(consul_known_contested(f->k));
        }
        assert_int_equal(consul_known_listed(f->k, false, 0, REGISTRY_FOREIGN, false, now),
                         CONSUL_NEWS_NONE);
    }
    assert_int_equal(seen_at(f, D, NOW + 4 * LONG + 1), CONSUL_NEWS_SEEN);
    assert_false(consul_known_contested(f->k));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(set, up, down),
        cmocka_unit_test_setup_teardown(a_registration_of_late_is_remembered, up, down),
        cmocka_unit_test_setup_teardown(changes_are_told_once, up, down),
        cmocka_unit_test_setup_teardown(fresh_tells_all, up, down),
        cmocka_unit_test_setup_teardown(others_are_told_to_who_asked, up, down),
        cmocka_unit_test_setup_teardown(a_write_is_verified, up, down),
        cmocka_unit_test_setup_teardown(what_never_shows_is_paused, up, down),
        cmocka_unit_test_setup_teardown(what_shows_otherwise_is_paused, up, down),
        cmocka_unit_test_setup_teardown(another_effect_is_not_futile, up, down),
        cmocka_unit_test_setup_teardown(a_change_ends_the_pause, up, down),
        cmocka_unit_test_setup_teardown(an_absence_of_consul_proves_nothing, up, down),
        cmocka_unit_test_setup_teardown(what_is_undone_again_and_again_is_contested, up, down),
        cmocka_unit_test_setup_teardown(a_minute_apart_is_an_accident, up, down),
        cmocka_unit_test_setup_teardown(own_wishes_are_no_repetitions, up, down),
        cmocka_unit_test_setup_teardown(what_comes_back_again_and_again_is_contested, up, down),
        cmocka_unit_test_setup_teardown(futile_is_contested, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
