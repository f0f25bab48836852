#pragma once
/*
 * The event loop: one uv_loop_t, one defer queue, one HTTP client, for one thread.
 *
 * Rules of every asynchronous operation in this program:
 *   - submit fails: the callback never runs;
 *   - submit succeeds: it runs exactly once, from the loop, never from inside submit or cancel;
 *   - cancel: the callback runs with -ECANCELED, through the same path;
 *   - requests are embedded in their owner, which must not be freed before the callback ran.
 */
#include "tidewaiter/clock.h"
#include "tidewaiter/err.h"

#include <stdbool.h>

struct io; /* owns uv loop, defer queue, curl multi handle */

int io_new(struct io **ret, struct err *e) WARN_UNUSED;

/* Every handle and request must have ended; must() says which kind is still open. NULL is taken. */
struct io *io_free(struct io *io);

/* Runs until io_stop() or until nothing is left to do. */
void io_run(struct io *io);
void io_stop(struct io *io);

/* One value per loop turn, monotonic. */
msec_t io_now(const struct io *io);
/* After long work inside one turn: reads the clock again. */
void io_update_time(struct io *io);

/* ---- defer: run fn once, later in this or the next turn, in order ---- */

struct io_defer {
    void (*fn)(struct io_defer *d);
    struct io_defer *next, *prev; /* queue links; NULL while idle */
    struct io *io;
};

/* d must be idle (zeroed, or after it ran or was dropped). */
void io_defer(struct io *io, struct io_defer *d, void (*fn)(struct io_defer *d));
void io_defer_drop(struct io_defer *d); /* takes it off the queue; idle is fine */
bool io_defer_pending(const struct io_defer *d);
