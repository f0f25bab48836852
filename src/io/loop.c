/*
 * The loop: libuv's phases, and where our own callbacks fit in.
 *
 * Happy path: input arrives in libuv's poll; its callbacks (the curl bridge, pipes, inotify) change
 * state and defer what they want to tell others; the check phase, right behind the poll, runs what was
 * deferred. So a completion costs no further system call, and no callback of a user ever runs inside
 * the function, or inside curl, that caused it.
 *
 *     timers ─► no_wait (idle) ─► poll ─► after_poll (check): due timers, then the defer queue ─► closes
 *
 * While something is due, the idle handle is active and the poll does not block. One round runs only
 * what was queued when it began: what its callbacks queue waits for the next turn, which polls first, so
 * that a chain of completions cannot starve input.
 *
 * Failure modes: io_new() fails when the kernel has no descriptors left. Afterwards nothing here fails.
 *
 * Close: io_free() insists that users ended everything, closes the three handles of its own, and turns
 * the loop until every close callback ran.
 */
#include "io/internal.h"

#include <signal.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/must.h"

static void run_deferred(struct io *io)
{
    struct io_defer end = {0}; /* marks where this round stops */
    if (!io->deferred) {
        return;
    }
    DL_APPEND(io->deferred, &end);
    while (io->deferred != &end) {
        struct io_defer *d = io->deferred;
        DL_DELETE(io->deferred, d);
        d->next = d->prev = NULL;
        d->fn(d);
    }
    DL_DELETE(io->deferred, &end);
}

static void on_after_poll(uv_check_t *check)
{
    struct io *io = check->loop->data;

    if (io_timers_due(io)) {
        io_timers_run(io);
    }
    run_deferred(io);
    if (!io->deferred && !io_timers_due(io)) {
        uv_idle_stop(&io->no_wait);
    }
}

static void on_no_wait(uv_idle_t *idle)
{
    (void)idle; /* that it is active is all that counts */
}

int io_new(struct io **ret, struct err *e)
{
    CLEANUP_FREE struct io *io = xcalloc(1, sizeof(*io));
    int r = uv_loop_init(&io->loop);
    if (r < 0) {
        return err_set(e, ERR_TRANSIENT, r, "event loop: %s", uv_strerror(r));
    }
    io->magic = IO_MAGIC;
    io->loop.data = io;

    /* a peer that went away is an error of the write, not the end of this process */
    signal(SIGPIPE, SIG_IGN);

    must(uv_timer_init(&io->loop, &io->clock) == 0);
    must(uv_idle_init(&io->loop, &io->no_wait) == 0);
    must(uv_check_init(&io->loop, &io->after_poll) == 0);
    must(uv_check_start(&io->after_poll, on_after_poll) == 0);
    uv_unref((uv_handle_t *)&io->after_poll);
    *ret = take_ptr(io);
    return 0;
}

static void must_be_closing(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    must(uv_is_closing(h));
}

struct io *io_free(struct io *io)
{
    if (!io) {
        return NULL;
    }
    must(io->magic == IO_MAGIC);
    must(io->open_requests == 0);
    must(io->open_children == 0);
    must(io->open_signals == 0);
    must(io->open_fswatches == 0);
    must(io->deferred == NULL);
    http_client_free(io->http);
    io->http = NULL;
    must(io->timers == NULL);

    uv_close((uv_handle_t *)&io->clock, NULL);
    uv_close((uv_handle_t *)&io->no_wait, NULL);
    uv_close((uv_handle_t *)&io->after_poll, NULL);
    uv_walk(&io->loop, must_be_closing, NULL);
    must(uv_run(&io->loop, UV_RUN_DEFAULT) == 0);
    must(io->closing == 0);
    must(uv_loop_close(&io->loop) == 0);
    io->magic = 0;
    free(io);
    return NULL;
}

void io_run(struct io *io)
{
    must(io->magic == IO_MAGIC);
    uv_run(&io->loop, UV_RUN_DEFAULT);
}

void io_turn(struct io *io)
{
    must(io->magic == IO_MAGIC);
    uv_run(&io->loop, UV_RUN_ONCE);
}

void io_stop(struct io *io)
{
    uv_stop(&io->loop);
}

msec_t io_now(const struct io *io)
{
    return uv_now(&io->loop);
}

void io_update_time(struct io *io)
{
    uv_update_time(&io->loop);
}

void io_wake(struct io *io)
{
    must(uv_idle_start(&io->no_wait, on_no_wait) == 0);
}

void io_handle_close(uv_handle_t *h, uv_close_cb cb)
{
    struct io *io = h->loop->data;
    io->closing++;
    uv_close(h, cb);
}

void io_handle_closed(uv_handle_t *h)
{
    struct io *io = h->loop->data;
    must(io->closing > 0);
    io->closing--;
}

void io_defer(struct io *io, struct io_defer *d, void (*fn)(struct io_defer *d))
{
    must(io->magic == IO_MAGIC);
    must(!io_defer_pending(d));
    d->fn = fn;
    d->io = io;
    DL_APPEND(io->deferred, d);
    io_wake(io);
}

void io_defer_drop(struct io_defer *d)
{
    if (io_defer_pending(d)) {
        DL_DELETE(d->io->deferred, d);
        d->next = d->prev = NULL;
    }
}

bool io_defer_pending(const struct io_defer *d)
{
    return d->prev != NULL; /* utlist's head points back at the tail: never NULL while queued */
}
