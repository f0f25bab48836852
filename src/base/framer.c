/*
 * Happy path: bytes are gathered up to a newline, the line is handed on with a terminator behind it.
 * Failure: a line above the maximum makes this and every later call -EMSGSIZE until framer_reset().
 * Not done: carriage returns are part of the line.
 */
#include "base/framer.h"

#include <string.h>

void framer_init(struct framer *f, size_t max_line)
{
    buf_init(&f->line, max_line);
}

void framer_deinit(struct framer *f)
{
    buf_deinit(&f->line);
}

void framer_reset(struct framer *f)
{
    buf_reset(&f->line);
}

static int deliver(struct framer *f, framer_line_fn fn, void *ctx)
{
    size_t len = f->line.len;
    if (len == 0) {
        return 0;
    }
    /* emptied before the call: when fn stops, it may already have freed the framer */
    f->line.len = 0;
    return fn(ctx, f->line.data, len);
}

int framer_feed(struct framer *f, const void *p, size_t len, framer_line_fn fn, void *ctx)
{
    const char *at = p;
    const char *end = at + len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        buf_append(&f->line, at, (size_t)(stop - at));
        if (buf_error(&f->line)) {
            return buf_error(&f->line);
        }
        if (newline) {
            int r = deliver(f, fn, ctx);
            if (r != 0) {
                return r;
            }
            stop++;
        }
        at = stop;
    }
    return buf_error(&f->line);
}

int framer_finish(struct framer *f, framer_line_fn fn, void *ctx)
{
    if (buf_error(&f->line)) {
        return buf_error(&f->line);
    }
    return deliver(f, fn, ctx);
}
