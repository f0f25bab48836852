#pragma once
/*
 * Watches one file by name through its folder (inotify), so that replacement by rename is seen.
 */
#include "io/loop.h"

struct io_fswatch;

/* fn runs when the file may have changed: created, replaced, written, touched, removed. */
int io_fswatch_new(struct io_fswatch **ret, struct io *io, const char *path, void (*fn)(void *ctx),
                   void *ctx, struct err *e) WARN_UNUSED;
void io_fswatch_free(struct io_fswatch *w); /* NULL is taken */
