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
    consul_known_removed(f->k);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
