/*
 * Timers: one uv_timer_t for the loop, and a pairing heap of all io_timers ordered by (due, seq), so
 * that equal times run in the order in which they were started. Start is O(1), stop and run O(log n)
 * amortised, and nothing is allocated.
 *
 * Happy path: io_timer_start() links the timer in and, where it became the first, sets the clock.
 * When the clock fires, every timer that is due and was started before this pass runs once. One started
 * by such a callback waits for the next pass, even with delay 0, so timers cannot starve input.
 *
 * Failure modes: none. A clock that fires early finds nothing due and is set again.
 */
#include "io/timer.h"

#include "base/must.h"
#include "io/internal.h"

/* The links in heap[]: PREV is the parent for a first child, else the sibling before. */
enum { CHILD, NEXT, PREV };

static bool before(const struct io_timer *a, const struct io_timer *b)
{
    return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

/* Makes the later of two roots the first child of the other. */
static struct io_timer *meld(struct io_timer *a, struct io_timer *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (before(b, a)) {
        struct io_timer *t = a;
        a = b;
        b = t;
    }
    struct io_timer *first = a->heap[CHILD];
    b->heap[NEXT] = first;
    b->heap[PREV] = a;
    if (first) {
        first->heap[PREV] = b;
    }
    a->heap[CHILD] = b;
    return a;
}

static struct io_timer *detach(struct io_timer *t)
{
    t->heap[NEXT] = t->heap[PREV] = NULL;
    return t;
}

/* The classic two passes over a list of siblings: meld pairs from the left, then all from the right. */
static struct io_timer *meld_siblings(struct io_timer *t)
{
    struct io_timer *pairs = NULL; /* linked by NEXT, last pair first */
    while (t) {
        struct io_timer *a = t;
        struct io_timer *b = a->heap[NEXT];
        t = b ? b->heap[NEXT] : NULL;
        struct io_timer *pair = meld(detach(a), b ? detach(b) : NULL);
        pair->heap[NEXT] = pairs;
        pairs = pair;
    }
    struct io_timer *root = NULL;
    while (pairs) {
        struct io_timer *next = pairs->heap[NEXT];
        root = meld(root, detach(pairs));
        pairs = next;
    }
    return root;
}

static void heap_remove(struct io *io, struct io_timer *t)
{
    struct io_timer *children = meld_siblings(t->heap[CHILD]);
    struct io_timer *next = t->heap[NEXT];
    struct io_timer *prev = t->heap[PREV];

    if (io->timers == t) {
        io->timers = children;
    } else {
        if (prev->heap[CHILD] == t) {
            prev->heap[CHILD] = next;
        } else {
            prev->heap[NEXT] = next;
        }
        if (next) {
            next->heap[PREV] = prev;
        }
        io->timers = meld(io->timers, children);
    }
    t->heap[CHILD] = t->heap[NEXT] = t->heap[PREV] = NULL;
    t->armed = false;
}

static void on_clock(uv_timer_t *clock)
{
    io_timers_run(clock->loop->data);
}

static void set_clock(struct io *io)
{
    if (io->timers_running) {
        return; /* set once, at the end of the pass */
    }
    if (!io->timers) {
        uv_timer_stop(&io->clock);
        return;
    }
    msec_t now = io_now(io);
    msec_t due = io->timers->due;
    must(uv_timer_start(&io->clock, on_clock, due > now ? due - now : 0, 0) == 0);
}

bool io_timers_due(const struct io *io)
{
    return io->timers && io->timers->due <= io_now(io);
}

void io_timers_run(struct io *io)
{
    uint64_t end = io->timer_seq;

    io->timers_running = true;
    while (io_timers_due(io) && io->timers->seq < end) {
        struct io_timer *t = io->timers;
        heap_remove(io, t);
        t->fn(t);
    }
    io->timers_running = false;
    if (io_timers_due(io)) {
        /* Not the clock: some libuv versions run a timer of delay 0 again before they poll. */
        uv_timer_stop(&io->clock);
        io_wake(io);
    } else {
        set_clock(io);
    }
}

void io_timer_start(struct io *io, struct io_timer *t, msec_t delay, void (*fn)(struct io_timer *t))
{
    must(io->magic == IO_MAGIC);
    if (t->armed) {
        must(t->io == io);
        heap_remove(io, t);
    }
    msec_t now = io_now(io);
    t->fn = fn;
    t->io = io;
    t->due = delay > MSEC_NEVER - now ? MSEC_NEVER : now + delay;
    t->seq = io->timer_seq++;
    t->armed = true;
    io->timers = meld(io->timers, t);
    set_clock(io);
}

void io_timer_stop(struct io_timer *t)
{
    if (t->armed) {
        heap_remove(t->io, t);
        set_clock(t->io);
    }
}
