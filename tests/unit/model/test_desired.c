/*
 * Desired state: events for what differs and nothing else, and collisions. A
 * random walk holds what the events say against what the lookups say.
 */
#include "base/alloc.h"
#include "model/desired.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct service *make(const char *container, uint16_t port)
{
    const struct service_spec s = {.name = "n",
                                   .id = "i",
                                   .container = container,
                                   .host = "h",
                                   .port = port,
                                   .weight = SERVICE_WEIGHT_UNSET};
    struct service *svc = NULL;
    assert_int_equal(service_new(&svc, &s, NULL), 0);
    return svc;
}

/* ---- scripted ---- */

struct notes {
    struct desired *d;
    char text[1024];
};

static void note(struct notes *n, const char *what, const char *key, const char *more)
{
    size_t used = strlen(n->text);
    snprintf(n->text + used, sizeof(n->text) - used, "%s%s %s%s%s", used > 0 ? "; " : "", what, key,
             *more ? " " : "", more);
}

static void on_want(void *ctx, const char *key, const struct service *svc)
{
    struct notes *n = ctx;
    assert_ptr_equal(desired_get(n->d, key), svc);
    char text[32];
    snprintf(text, sizeof(text), "%s:%u", svc->s.container, svc->s.port);
    note(n, "want", key, text);
}

static void on_unwant(void *ctx, const char *key)
{
    struct notes *n = ctx;
    assert_null(desired_get(n->d, key));
    note(n, "unwant", key, "");
}

static void on_contested(void *ctx, const char *key, const char *container, const char *holder)
{
    char text[64];
    snprintf(text, sizeof(text), "%s behind %s", container, holder);
    note(ctx, "contested", key, text);
}

static const struct desired_events EVENTS = {
    .want = on_want, .unwant = on_unwant, .contested = on_contested};

/* Sets the claims "key:port key:port" of a container, and compares the events. */
static void set(struct notes *n, const char *container, const char *claims, const char *events)
{
    struct desired_claim made[8] = {{0}};
    char keys[8][16];
    size_t count = 0;
    for (const char *p = claims; *p; count++) {
        unsigned port = 0;
        int used = 0;
        assert_int_equal(sscanf(p, "%15[^:]:%u%n", keys[count], &port, &used), 2);
        made[count] =
            (struct desired_claim){.key = keys[count], .service = make(container, (uint16_t)port)};
        p += used;
        p += strspn(p, " ");
    }
    n->text[0] = '\0';
    desired_set(n->d, container, made, count);
    for (size_t i = 0; i < count; i++) {
        service_unref(made[i].service);
    }
    assert_string_equal(n->text, events);
}

static void reports_what_differs(void **state)
{
    struct notes n = {.d = NULL};
    n.d = desired_new(&EVENTS, &n);
    set(&n, "a", "x:1 y:2", "want x a:1; want y a:2");
    set(&n, "a", "x:1 y:2", "");
    set(&n, "a", "y:2 x:1", "");
    set(&n, "a", "x:3 z:4", "want x a:3; want z a:4; unwant y");
    assert_int_equal(desired_count(n.d), 2);
    assert_int_equal(desired_claims_of(n.d, "a"), 2);
    assert_int_equal(desired_get(n.d, "x")->s.port, 3);
    assert_null(desired_get(n.d, "y"));
    set(&n, "b", "", "");
    assert_int_equal(desired_claims_of(n.d, "b"), 0);
    set(&n, "a", "x:3", "unwant z");
    set(&n, "a", "", "unwant x");
    assert_int_equal(desired_count(n.d), 0);
    assert_int_equal(desired_claims_of(n.d, "a"), 0);
    assert_null(desired_free(n.d));
    assert_null(desired_free(NULL));
}

static void first_claim_wins(void **state)
{
    struct notes n = {.d = NULL};
    n.d = desired_new(&EVENTS, &n);
    set(&n, "a", "x:1", "want x a:1");
    set(&n, "b", "x:2", "contested x b behind a");
    set(&n, "c", "x:3", "contested x c behind a");
    set(&n, "b", "x:2", "");
    set(&n, "b", "x:4", "");
    assert_int_equal(desired_count(n.d), 1);
    assert_int_equal(desired_claims_of(n.d, "b"), 1);
    set(&n, "a", "", "want x b:4");
    set(&n, "a", "x:1", "contested x a behind b");
    set(&n, "c", "", "");
    set(&n, "b", "", "want x a:1");
    set(&n, "a", "", "unwant x");
    desired_free(n.d);
}

static void first_of_one_container_wins(void **state)
{
    struct notes n = {.d = NULL};
    n.d = desired_new(&EVENTS, &n);
    set(&n, "a", "x:1 x:2", "want x a:1; contested x a behind a");
    assert_int_equal(desired_claims_of(n.d, "a"), 1);
    set(&n, "a", "x:1 x:2", "");
    set(&n, "a", "x:1 x:2 x:3", "contested x a behind a");
    set(&n, "a", "x:1", "");
    set(&n, "a", "x:1 x:2", "contested x a behind a");
    set(&n, "a", "x:2 x:1", "want x a:2");
    desired_free(n.d);
}

/* ---- random ---- */

#define KEYS       12
#define CONTAINERS 8

struct mirror {
    uint16_t wanted[KEYS]; /* port of what the events say; 0: nothing */
    char holder[KEYS];
};

static void mirror_want(void *ctx, const char *key, const struct service *svc)
{
    struct mirror *m = ctx;
    int k = key[0] - 'a';
    assert_true(m->wanted[k] != svc->s.port || m->holder[k] != svc->s.container[0]);
    m->wanted[k] = svc->s.port;
    m->holder[k] = svc->s.container[0];
}

static void mirror_unwant(void *ctx, const char *key)
{
    struct mirror *m = ctx;
    assert_true(m->wanted[key[0] - 'a'] != 0);
    m->wanted[key[0] - 'a'] = 0;
}

static void mirror_contested(void *ctx, const char *key, const char *container, const char *holder)
{
    const struct mirror *m = ctx;
    assert_int_equal(m->holder[key[0] - 'a'], holder[0]);
    assert_true(container[0] >= 'A' && container[0] < 'A' + CONTAINERS);
}

static void random_walk(void **state)
{
    static const struct desired_events events = {
        .want = mirror_want, .unwant = mirror_unwant, .contested = mirror_contested};
    struct mirror m = {{0}, {0}};
    struct desired *d = desired_new(&events, &m);
    uint16_t claims[CONTAINERS][KEYS] = {{0}};
    unsigned seed = 7;
    for (int step = 0; step < 5000; step++) {
        size_t who = (size_t)rand_r(&seed) % CONTAINERS;
        struct desired_claim made[KEYS] = {{0}};
        char names[KEYS][2];
        size_t n = 0;
        const char container[2] = {(char)('A' + who), '\0'};
        for (size_t k = 0; k < KEYS; k++) {
            claims[who][k] = rand_r(&seed) % 3 == 0 ? (uint16_t)(1 + rand_r(&seed) % 2) : 0;
            if (claims[who][k]) {
                names[n][0] = (char)('a' + k);
                names[n][1] = '\0';
                made[n] = (struct desired_claim){.key = names[n],
                                                 .service = make(container, claims[who][k])};
                n++;
            }
        }
        desired_set(d, container, made, n);
        for (size_t i = 0; i < n; i++) {
            service_unref(made[i].service);
        }
        assert_int_equal(desired_claims_of(d, container), n);
        size_t wanted = 0;
        for (size_t k = 0; k < KEYS; k++) {
            const char key[2] = {(char)('a' + k), '\0'};
            const struct service *svc = desired_get(d, key);
            bool claimed = false;
            for (size_t c = 0; c < CONTAINERS; c++) {
                claimed |= claims[c][k] != 0;
            }
            if (claimed != (svc != NULL) || m.wanted[k] != (svc ? svc->s.port : 0)) {
                fail_msg("step %d, key %s: claimed %d, mirrored %u", step, key, claimed,
                         m.wanted[k]);
            }
            assert_true(!svc || claims[svc->s.container[0] - 'A'][k] == svc->s.port);
            wanted += svc != NULL;
        }
        assert_int_equal(desired_count(d), wanted);
    }
    desired_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_what_differs),
        cmocka_unit_test(first_claim_wins),
        cmocka_unit_test(first_of_one_container_wins),
        cmocka_unit_test(random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
