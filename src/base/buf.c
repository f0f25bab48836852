/*
 * Happy path: appends double the memory, never beyond max + 1 (the terminator).
 * Failure: an append that would pass max changes nothing but the sticky error; later appends are no-ops
 * until buf_reset() or buf_truncate(). Memory itself aborts (base/alloc.h).
 * Not done: appending a buffer to itself.
 */
#include "base/buf.h"

#include "base/alloc.h"
#include "base/must.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BUF_FIRST 64u

void buf_init(struct buf *b, size_t max)
{
    must(max > 0 && max < SIZE_MAX / 2);
    *b = (struct buf)BUF_INIT(max);
}

void buf_deinit(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
    buf_truncate(b, 0);
}

void buf_truncate(struct buf *b, size_t len)
{
    must(len <= b->len);
    b->len = len;
    b->error = 0;
    if (b->data) {
        b->data[len] = '\0';
    }
}

void buf_consume(struct buf *b, size_t n)
{
    must(n <= b->len);
    if (n == 0) {
        return;
    }
    b->len -= n;
    memmove(b->data, b->data + n, b->len + 1);
}

/* Makes room for len more bytes and a terminator; false (and the sticky error) when max forbids it. */
static bool reserve(struct buf *b, size_t len)
{
    if (b->error) {
        return false;
    }
    must(b->max > 0);
    if (len > b->max - b->len) {
        b->error = -EMSGSIZE;
        return false;
    }
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = b->cap > 0 ? b->cap : BUF_FIRST;
        while (cap < need) {
            cap *= 2;
        }
        if (cap > b->max + 1) {
            cap = b->max + 1;
        }
        b->data = xreallocarray(b->data, cap, 1);
        b->cap = cap;
    }
    return true;
}

void buf_append(struct buf *b, const void *p, size_t len)
{
    if (!reserve(b, len)) {
        return;
    }
    if (len > 0) {
        memcpy(b->data + b->len, p, len);
    }
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    must(n >= 0);
    if (reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
    char *data = b->data ? b->data : xstrdup("");
    *b = (struct buf)BUF_INIT(b->max);
    return data;
}
