/*
 * Signals as events of the loop: one uv_signal_t for each, in one allocation that goes when the last of
 * them is closed. They do not keep the loop running: a program with nothing left to do ends.
 *
 * Failure modes: a signal that cannot be caught fails io_signals_new(), which then leaves nothing behind
 * but handles on their way out.
 */
#include "io/signals.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "io/internal.h"

struct io_signals {
    struct io *io;
    void (*fn)(void *ctx, int signal);
    void *ctx;
    unsigned open; /* handles not yet closed */
    unsigned n;
    uv_signal_t handles[];
};

static void on_signal(uv_signal_t *h, int signal)
{
    struct io_signals *s = h->data;
    s->fn(s->ctx, signal);
}

static void on_closed(uv_handle_t *h)
{
    struct io_signals *s = h->data;

    io_handle_closed(h);
    if (--s->open == 0) {
        free(s);
    }
}

static void close_all(struct io_signals *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        io_handle_close((uv_handle_t *)&s->handles[i], on_closed);
    }
}

int io_signals_new(struct io_signals **ret, struct io *io, const int *signals,
                   void (*fn)(void *ctx, int signal), void *ctx, struct err *e)
{
    unsigned n = 0;

    must(io->magic == IO_MAGIC);
    while (signals[n]) {
        n++;
    }
    must(n > 0);
    struct io_signals *s = xcalloc(1, sizeof(*s) + n * sizeof(s->handles[0]));
    s->io = io;
    s->fn = fn;
    s->ctx = ctx;
    s->n = s->open = n;
    for (unsigned i = 0; i < n; i++) {
        must(uv_signal_init(&io->loop, &s->handles[i]) == 0);
        s->handles[i].data = s;
        uv_unref((uv_handle_t *)&s->handles[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        int r = uv_signal_start(&s->handles[i], on_signal, signals[i]);
        if (r < 0) {
            close_all(s);
            return err_set(e, ERR_INVALID, r, "signal %d (%s): %s", signals[i],
                           strsignal(signals[i]), uv_strerror(r));
        }
    }
    io->open_signals++;
    *ret = s;
    return 0;
}

void io_signals_free(struct io_signals *s)
{
    if (s) {
        s->io->open_signals--;
        close_all(s);
    }
}
