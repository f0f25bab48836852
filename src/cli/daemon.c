/*
 * One loop, one set of signals, one piece of work. A start that fails is logged and ends with status 1;
 * the loop is empty before the memory goes.
 */
#include "cli/daemon.h"

#include <signal.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "cli/command.h"
#include "io/signals.h"

#define STATE_MAX (64u * 1024)

struct daemon {
    const struct daemon_ops *ops;
    void *ctx;
    struct io_signals *signals;
    bool stopping;
    int status;
};

static void on_signal(void *ctx, int signal)
{
    struct daemon *d = ctx;
    if (signal == SIGHUP) {
        log_info("comparing everything, as HUP asked", NULL);
        d->ops->refresh(d->ctx);
    } else if (signal == SIGUSR1) {
        struct buf state = BUF_INIT(STATE_MAX);
        d->ops->describe(d->ctx, &state);
        log_info("state", "state", buf_str(&state), NULL);
        buf_deinit(&state);
    } else if (!d->stopping) {
        d->stopping = true;
        log_info("stopping", "signal", signal == SIGINT ? "INT" : "TERM", NULL);
        d->ops->stop(d->ctx);
    }
}

void daemon_done(struct daemon *d, int exit_status)
{
    d->status = exit_status;
    io_signals_free(take_ptr(d->signals));
}

static int start(struct daemon *d, struct io *io, struct err *e)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, 0};
    int r = io_signals_new(&d->signals, io, signals, on_signal, d, e);
    if (r < 0) {
        return r;
    }
    r = d->ops->start(d->ctx, d, io, e);
    if (r < 0) {
        io_signals_free(take_ptr(d->signals));
    }
    return r;
}

int daemon_run(const struct daemon_ops *ops, void *ctx)
{
    struct daemon d = {.ops = ops, .ctx = ctx, .status = EXIT_FAILED};
    struct io *io = NULL;
    struct err err = ERR_INIT;
    if (io_new(&io, &err) < 0) {
        log_error("cannot start", "error", err.msg, NULL);
        return EXIT_FAILED;
    }
    if (start(&d, io, &err) < 0) {
        log_error("cannot start", "error", err.msg, NULL);
    }
    io_run(io);
    ops->free(ctx);
    io_free(io);
    return d.status;
}
