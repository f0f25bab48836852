#pragma once
/*
 * A growing byte buffer with a maximum from birth and a sticky error: appends after a failed one do
 * nothing, so a builder checks once at its end. Contents are always followed by a terminator, so `data`
 * can be read as a string.
 */
#include "tidewaiter/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL only while nothing was ever appended; use buf_str() */
    size_t len, cap;
    size_t max; /* largest len; 0 is not allowed */
    int error;  /* 0, or -EMSGSIZE: an append would have passed max */
};

#define BUF_INIT(max_)                                                                             \
    {                                                                                              \
        .max = (max_)                                                                              \
    }

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b); /* frees; idempotent; max stays */

void buf_reset(struct buf *b);                /* empty, no error; memory is kept */
void buf_truncate(struct buf *b, size_t len); /* cuts back to len <= b->len; no error */
void buf_consume(struct buf *b, size_t n);    /* drops the first n <= len bytes */

void buf_append(struct buf *b, const void *p, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* "" when empty. */
const char *buf_str(const struct buf *b);

/* 0 or the sticky error. */
static inline int buf_error(const struct buf *b)
{
    return b->error;
}

/* Gives the contents away (never NULL; caller frees) and leaves the buffer empty, without error. */
char *buf_take(struct buf *b);
