#pragma once
/*
 * Bytes in any portions → whole lines. A line ends with '\n', which is not part of it; framer_finish()
 * yields what is left at the end of the stream (etcd 3.4 ends a watch without a newline).
 */
#include "base/buf.h"

#include <stddef.h>

struct framer {
    struct buf line; /* the unfinished line; its maximum is the longest line */
};

/*
 * Called for each line, terminated by '\0' at line[len]. Non-zero stops and is returned; the bytes
 * behind that line are dropped, and the framer is not touched again, so that fn may have freed it.
 */
typedef int (*framer_line_fn)(void *ctx, const char *line, size_t len);

void framer_init(struct framer *f, size_t max_line);
void framer_deinit(struct framer *f); /* idempotent */
void framer_reset(struct framer *f);  /* forgets the unfinished line */

/* Empty lines are passed over. Returns 0, -EMSGSIZE for a line above the maximum, or fn's value. */
int framer_feed(struct framer *f, const void *p, size_t len, framer_line_fn fn,
                void *ctx) WARN_UNUSED;
int framer_finish(struct framer *f, framer_line_fn fn, void *ctx) WARN_UNUSED;
