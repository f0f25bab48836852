#pragma once
/*
 * A strict reader of unified diffs, for the tests: applies one to the first text, and aborts where a hunk
 * is not exactly what patch(1) would take without fuzz.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "render/diff.h"

struct diff_reader {
    const char *p, *end; /* of the diff */
    const char *old, *old_end;
    size_t old_line, new_line; /* lines passed */
    size_t marked;             /* lines that were removed or added */
};

static inline void diff_expect(struct diff_reader *r, const char *text)
{
    size_t len = strlen(text);
    must((size_t)(r->end - r->p) >= len && memcmp(r->p, text, len) == 0);
    r->p += len;
}

static inline size_t diff_number(struct diff_reader *r)
{
    size_t n = 0;
    must(r->p < r->end && *r->p >= '0' && *r->p <= '9');
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        n = 10 * n + (size_t)(*r->p++ - '0');
    }
    return n;
}

/* "START[,N]" → lines before the hunk, lines in it. */
static inline void diff_range(struct diff_reader *r, size_t *before, size_t *n)
{
    *before = diff_number(r);
    *n = 1;
    if (r->p < r->end && *r->p == ',') {
        r->p++;
        *n = diff_number(r);
        must(*n != 1);
    }
    if (*n > 0) {
        must(*before > 0);
        --*before;
    }
}

/* The line at r->p without its mark, nor the newline that only says "No newline". */
static inline void diff_line(struct diff_reader *r, const char **line, size_t *len)
{
    static const char none[] = "\\ No newline at end of file\n";
    r->p++;
    const char *newline = memchr(r->p, '\n', (size_t)(r->end - r->p));
    must(newline);
    *line = r->p;
    *len = (size_t)(newline - r->p) + 1;
    r->p = newline + 1;
    if ((size_t)(r->end - r->p) >= sizeof(none) - 1 && memcmp(r->p, none, sizeof(none) - 1) == 0) {
        r->p += sizeof(none) - 1;
        --*len;
    }
}

/* The next line of the old text is the one given. */
static inline void diff_take(struct diff_reader *r, const char *line, size_t len)
{
    must((size_t)(r->old_end - r->old) >= len && memcmp(r->old, line, len) == 0);
    must(len > 0 && (line[len - 1] == '\n' || r->old + len == r->old_end));
    r->old += len;
    r->old_line++;
}

static inline void diff_copy_until(struct diff_reader *r, size_t line, struct buf *out)
{
    must(r->old_line <= line);
    while (r->old_line < line) {
        const char *newline = memchr(r->old, '\n', (size_t)(r->old_end - r->old));
        must(newline);
        buf_append(out, r->old, (size_t)(newline + 1 - r->old));
        r->old = newline + 1;
        r->old_line++;
        r->new_line++;
    }
}

static inline void diff_apply_hunk(struct diff_reader *r, struct buf *out)
{
    size_t from, from_n, to, to_n, context = 0, marked = r->marked;
    diff_expect(r, "@@ -");
    diff_range(r, &from, &from_n);
    diff_expect(r, " +");
    diff_range(r, &to, &to_n);
    diff_expect(r, " @@\n");
    diff_copy_until(r, from, out);
    must(r->new_line == to);
    while (from_n > 0 || to_n > 0) {
        const char *line;
        size_t len;
        must(r->p < r->end);
        char mark = *r->p;
        must(mark == ' ' || mark == '-' || mark == '+');
        diff_line(r, &line, &len);
        if (mark != '+') {
            must(from_n-- > 0);
            diff_take(r, line, len);
        }
        if (mark != '-') {
            must(to_n-- > 0);
            buf_append(out, line, len);
            r->new_line++;
        }
        context = mark == ' ' ? context + 1 : 0;
        must(context <= 2 * DIFF_CONTEXT);
        r->marked += mark != ' ';
    }
    must(context <= DIFF_CONTEXT && r->marked > marked);
}

/* Appends what the diff (labels "old" and "new") makes of old; returns the number of marked lines. */
static inline size_t diff_apply(const struct buf *diff, const struct diff_text *old,
                                struct buf *out)
{
    struct diff_reader r = {
        .p = diff->data,
        .end = diff->data + diff->len,
        .old = old->p,
        .old_end = old->p + old->len,
    };
    diff_expect(&r, "--- old\n+++ new\n");
    must(r.p < r.end);
    while (r.p < r.end) {
        diff_apply_hunk(&r, out);
    }
    buf_append(out, r.old, (size_t)(r.old_end - r.old));
    return r.marked;
}
