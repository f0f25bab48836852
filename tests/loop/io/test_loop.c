/*
 * The defer queue, the timers, and stopping the loop.
 */
#include "io/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "io/timer.h"
#include "lib/loop_test.h"

/* What ran, in order, as text: "abc". */
static struct {
    char text[256];
    size_t len;
} trace;

static void trace_add(char c)
{
    assert_true(trace.len + 1 < sizeof(trace.text));
    trace.text[trace.len++] = c;
    trace.text[trace.len] = '\0';
}

static int reset(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof(trace));
    return 0;
}

struct job {
    struct io_defer d;
    struct io *io;
    char name;
    struct job *defers, *drops; /* in its callback */
    bool again, stops, frees;
};

static void run_job(struct io_defer *d)
{
    struct job *j = container_of(d, struct job, d);

    trace_add(j->name);
    assert_false(io_defer_pending(d));
    if (j->drops) {
        io_defer_drop(&j->drops->d);
    }
    if (j->defers) {
        io_defer(j->io, &j->defers->d, run_job);
    }
    if (j->again) {
        j->again = false;
        io_defer(j->io, d, run_job);
    }
    if (j->stops) {
        io_stop(j->io);
    }
    if (j->frees) {
        free(j);
    }
}

static void test_defer_order(void **state)
{
    struct io *io = loop_open();
    struct job d = {.io = io, .name = 'd'};
    struct job c = {.io = io, .name = 'c', .again = true};
    struct job b = {.io = io, .name = 'b', .defers = &d};
    struct job *a = xcalloc(1, sizeof(*a));

    (void)state;
    *a = (struct job){.io = io, .name = 'a', .frees = true};
    io_defer(io, &a->d, run_job);
    io_defer(io, &b.d, run_job);
    io_defer(io, &c.d, run_job);
    assert_true(io_defer_pending(&b.d));
    assert_string_equal(trace.text, ""); /* never from inside */
    io_run(io);                          /* ends by itself */
    assert_string_equal(trace.text, "abcdc");
    loop_close(io);
}

static void test_defer_drop(void **state)
{
    struct io *io = loop_open();
    struct job c = {.io = io, .name = 'c'};
    struct job b = {.io = io, .name = 'b', .drops = &c};
    struct job a = {.io = io, .name = 'a'};

    (void)state;
    io_defer_drop(&a.d); /* idle */
    io_defer(io, &a.d, run_job);
    io_defer(io, &b.d, run_job);
    io_defer(io, &c.d, run_job);
    io_defer_drop(&a.d);
    assert_false(io_defer_pending(&a.d));
    io_run(io);
    assert_string_equal(trace.text, "b");
    io_defer(io, &a.d, run_job); /* usable again */
    io_run(io);
    assert_string_equal(trace.text, "ba");
    loop_close(io);
}

struct tick {
    struct io_timer t;
    struct io *io;
    char name;
    struct tick *stops, *starts; /* in its callback */
    msec_t starts_delay;
    unsigned again;
    msec_t again_delay;
    bool stops_loop;
    msec_t ran_at;
};

static void run_tick(struct io_timer *t)
{
    struct tick *k = container_of(t, struct tick, t);

    assert_false(t->armed);
    assert_true(io_now(k->io) >= t->due);
    k->ran_at = io_now(k->io);
    trace_add(k->name);
    if (k->stops) {
        io_timer_stop(&k->stops->t);
    }
    if (k->starts) {
        io_timer_start(k->io, &k->starts->t, k->starts_delay, run_tick);
    }
    if (k->again > 0) {
        k->again--;
        io_timer_start(k->io, t, k->again_delay, run_tick);
    }
    if (k->stops_loop) {
        io_stop(k->io);
    }
}

static void start(struct tick *k, msec_t delay)
{
    io_timer_start(k->io, &k->t, delay, run_tick);
}

static void test_timer_order(void **state)
{
    struct io *io = loop_open();
    struct tick k[6];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(k); i++) {
        k[i] = (struct tick){.io = io, .name = (char)('a' + i)};
    }
    start(&k[0], 20);
    start(&k[1], 5);
    start(&k[2], 5); /* equal: in the order of the calls */
    start(&k[3], 0);
    start(&k[4], 40);
    start(&k[5], 5);
    start(&k[4], 1); /* moved */
    start(&k[5], 30);
    assert_string_equal(trace.text, "");
    io_run(io);
    assert_string_equal(trace.text, "debcaf");
    loop_close(io);
}

static void test_timer_in_callback(void **state)
{
    struct io *io = loop_open();
    struct tick c = {.io = io, .name = 'c'};
    struct tick d = {.io = io, .name = 'd'};
    /* a stops c, which is due in the same pass, re-arms itself with no delay, and starts d */
    struct tick a = {.io = io, .name = 'a', .stops = &c, .starts = &d, .again = 2};
    struct tick b = {.io = io, .name = 'b'};

    (void)state;
    start(&a, 3);
    start(&b, 3);
    start(&c, 3);
    io_run(io);
    /* what a callback starts waits until all that was due has run */
    assert_string_equal(trace.text, "abdadad");
    assert_false(c.t.armed);
    io_timer_stop(&c.t); /* idle */
    loop_close(io);
}

/* A timer that re-arms itself without delay for ever must not keep input or the defer queue waiting. */
static void test_timer_cannot_starve(void **state)
{
    struct io *io = loop_open();
    struct tick a = {.io = io, .name = 'a', .again = 100};
    struct job b = {.io = io, .name = 'b', .stops = true};

    (void)state;
    start(&a, 0);
    io_defer(io, &b.d, run_job);
    io_run(io);
    if (trace.len > 5 || !strchr(trace.text, 'b')) {
        fail_msg("the deferred call had to wait: %s", trace.text);
    }
    io_timer_stop(&a.t);
    loop_close(io);
}

/* Ran so far, and the last of them, in the test of the heap. */
static struct {
    unsigned n;
    msec_t due;
    uint64_t seq;
} last;

static void run_in_order(struct io_timer *t)
{
    if (t->due < last.due || (t->due == last.due && last.n > 0 && t->seq < last.seq)) {
        fail_msg("timer %llu/%llu ran after %llu/%llu", (unsigned long long)t->due,
                 (unsigned long long)t->seq, (unsigned long long)last.due,
                 (unsigned long long)last.seq);
    }
    last.n++;
    last.due = t->due;
    last.seq = t->seq;
}

/* Random starts, moves and stops, then removals from the middle: what is left runs in order. */
static void test_timer_heap(void **state)
{
    enum { N = 500 };
    static struct io_timer t[N];
    struct io *io = loop_open();
    unsigned seed = 12345;
    unsigned armed = 0;

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        struct io_timer *one = &t[(size_t)rand_r(&seed) % N];
        if (rand_r(&seed) % 4 == 0) {
            io_timer_stop(one);
        } else {
            io_timer_start(io, one, 1 + (msec_t)rand_r(&seed) % 20, run_in_order);
        }
    }
    for (size_t i = 0; i < N; i++) {
        if (i % 3 == 0) {
            io_timer_stop(&t[i]);
        }
        armed += t[i].armed;
    }
    assert_in_range(armed, 100, 400);
    io_run(io);
    assert_int_equal(last.n, armed);
    for (size_t i = 0; i < N; i++) {
        assert_false(t[i].armed);
    }
    loop_close(io);
}

static void test_timer_is_punctual(void **state)
{
    struct io *io = loop_open();
    struct tick a = {.io = io, .name = 'a'};

    (void)state;
    io_update_time(io);
    msec_t begin = io_now(io);
    start(&a, 50);
    io_run(io);
    assert_in_range(a.ran_at - begin, 50, 2000);
    start(&a, MSEC_NEVER); /* far away, without overflow */
    assert_true(a.t.due == MSEC_NEVER);
    io_timer_stop(&a.t);
    loop_close(io);
}

static void test_stop(void **state)
{
    struct io *io = loop_open();
    struct job a = {.io = io, .name = 'a', .stops = true};
    struct tick b = {.io = io, .name = 'b', .stops_loop = true};
    struct tick c = {.io = io, .name = 'c'};

    (void)state;
    start(&b, 60000);
    io_defer(io, &a.d, run_job);
    io_run(io);
    assert_string_equal(trace.text, "a");
    start(&b, 5);
    io_run(io);
    assert_string_equal(trace.text, "ab");
    start(&c, 1);
    io_run(io);
    assert_string_equal(trace.text, "abc");
    loop_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defer_order, reset),
        cmocka_unit_test_setup(test_defer_drop, reset),
        cmocka_unit_test_setup(test_timer_order, reset),
        cmocka_unit_test_setup(test_timer_in_callback, reset),
        cmocka_unit_test_setup(test_timer_cannot_starve, reset),
        cmocka_unit_test_setup(test_timer_heap, reset),
        cmocka_unit_test_setup(test_timer_is_punctual, reset),
        cmocka_unit_test_setup(test_stop, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
