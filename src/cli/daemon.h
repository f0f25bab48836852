#pragma once
/*
 * A long-running command on the loop: signals go to it, its end becomes the exit status.
 *
 * TERM and INT stop it, HUP asks for a full comparison, USR1 puts its state into the log.
 */
#include "io/loop.h"

struct buf;
struct daemon;

struct daemon_ops {
    /* Starts the work; daemon_done() follows once. On failure (e) it does not. */
    int (*start)(void *ctx, struct daemon *d, struct io *io, struct err *e);
    void (*stop)(void *ctx);
    void (*refresh)(void *ctx);
    void (*describe)(void *ctx, struct buf *out);
    void (*free)(void *ctx); /* after the loop has ended; also after a failed start */
};

/* Runs until the work is done; returns the exit status. */
int daemon_run(const struct daemon_ops *ops, void *ctx);

/* The work has ended with this status. */
void daemon_done(struct daemon *d, int exit_status);
