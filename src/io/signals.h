#pragma once
/*
 * Signals, delivered from the loop.
 */
#include "io/loop.h"

struct io_signals;

/*
 * Watches the signals in the 0-terminated list, without keeping the loop running. SIGPIPE is always ignored
 * (io_new() does that).
 */
int io_signals_new(struct io_signals **ret, struct io *io, const int *signals,
                   void (*fn)(void *ctx, int signal), void *ctx, struct err *e) WARN_UNUSED;
void io_signals_free(struct io_signals *s); /* memory goes once the loop has closed the handles */
