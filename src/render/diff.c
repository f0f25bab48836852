/*
 * Happy path: what both texts begin and end with is cut off; the lines between get a number each, equal
 * numbers for equal lines; diff_script finds the changed ones; changes no further apart than twice the
 * context share a hunk, and the hunks are printed while one cursor walks through each text.
 * Failure: more than DIFF_LINES_MAX lines between the common ends: they are replaced whole, without a
 * table of lines.
 * Not done: binary files are no special case, and labels are printed as they are.
 */
#include "render/diff.h"

#include "base/alloc.h"
#include "base/map.h"
#include "render/diff_script.h"

#include <string.h>

#define DIFF_LINES_MAX (1u << 18)
#define DIFF_SLIDE_MAX 1000u /* lines of the common end that a change may slide over */

/* A position in a text, always at the start of a line. */
struct cursor {
    const char *p;
    size_t len, at;
    size_t line; /* from 0 */
};

/* Lines [from, from + from_n) became [to, to + to_n). */
struct change {
    size_t from, from_n, to, to_n;
};

/* The part of a text that a table of lines is made of. */
struct middle {
    const char *p;
    size_t len, first_line, n;
};

struct line_id {
    const char *p;
    uint32_t id;
    UT_hash_handle hh;
};

/* ---- lines ---- */

/* The length of the line at p, its newline included. */
static size_t line_len(const char *p, size_t len)
{
    const char *newline = memchr(p, '\n', len);
    return newline ? (size_t)(newline - p) + 1 : len;
}

static size_t count_lines(const char *p, size_t len)
{
    size_t n = 0;
    for (size_t at = 0; at < len; at += line_len(p + at, len - at)) {
        n++;
    }
    return n;
}

static void cursor_skip(struct cursor *c, size_t n)
{
    while (n-- > 0) {
        c->at += line_len(c->p + c->at, c->len - c->at);
        c->line++;
    }
}

static void cursor_print(struct cursor *c, char mark, size_t n, struct buf *out)
{
    while (n-- > 0) {
        const char *line = c->p + c->at;
        size_t len = line_len(line, c->len - c->at);
        buf_putc(out, mark);
        buf_append(out, line, len);
        if (line[len - 1] != '\n') {
            buf_puts(out, "\n\\ No newline at end of file\n");
        }
        c->at += len;
        c->line++;
    }
}

/* ---- the common ends ---- */

static size_t common_start(const struct diff_text *a, const struct diff_text *b)
{
    size_t n = 0, lines = 0, max = a->len < b->len ? a->len : b->len;
    for (; n < max && a->p[n] == b->p[n]; n++) {
        lines = a->p[n] == '\n' ? n + 1 : lines;
    }
    return lines;
}

static bool starts_line(const struct diff_text *t, size_t at)
{
    return at == 0 || t->p[at - 1] == '\n';
}

/* Bytes that both end with, whole lines only, but none of the common start and not the lines next to it. */
static size_t common_end(const struct diff_text *a, const struct diff_text *b, size_t start)
{
    size_t max = (a->len < b->len ? a->len : b->len) - start;
    size_t n = 0;
    while (n < max && a->p[a->len - n - 1] == b->p[b->len - n - 1]) {
        n++;
    }
    for (unsigned kept = 0; n > 0; n--) {
        if (starts_line(a, a->len - n) && starts_line(b, b->len - n) && kept++ == DIFF_SLIDE_MAX) {
            break;
        }
    }
    return n;
}

/* ---- which lines changed ---- */

/* Numbers the lines of m; ids has m->n elements. */
static void number_lines(const struct middle *m, struct line_id **table, struct line_id **next,
                         uint32_t *ids)
{
    const char *p = m->p;
    for (size_t i = 0; i < m->n; i++) {
        size_t len = line_len(p, m->len - (size_t)(p - m->p));
        struct line_id *found;
        HASH_FIND(hh, *table, p, len, found);
        if (!found) {
            found = (*next)++;
            found->p = p;
            found->id = HASH_COUNT(*table);
            HASH_ADD_KEYPTR(hh, *table, found->p, len, found);
        }
        ids[i] = found->id;
        p += len;
    }
}

static size_t changes_of(const struct diff_side *a, const struct diff_side *b, size_t first_line,
                         struct change *ret)
{
    size_t n = 0;
    for (size_t i = 0, j = 0; i < a->n || j < b->n;) {
        struct change c = {first_line + i, 0, first_line + j, 0};
        for (; i < a->n && a->changed[i]; i++) {
            c.from_n++;
        }
        for (; j < b->n && b->changed[j]; j++) {
            c.to_n++;
        }
        if (c.from_n > 0 || c.to_n > 0) {
            ret[n++] = c;
        } else {
            i++;
            j++;
        }
    }
    return n;
}

/* The changes between a and b, in order; at least one. */
static struct change *find_changes(const struct middle *a, const struct middle *b, size_t *ret_n)
{
    struct change *changes = xcalloc(a->n + b->n + 1, sizeof(*changes));
    struct line_id *table = NULL;
    CLEANUP_FREE struct line_id *pool = xcalloc(a->n + b->n + 1, sizeof(*pool));
    CLEANUP_FREE uint32_t *a_ids = xcalloc(a->n + 1, sizeof(*a_ids));
    CLEANUP_FREE uint32_t *b_ids = xcalloc(b->n + 1, sizeof(*b_ids));
    CLEANUP_FREE bool *a_changed = xcalloc(a->n + 1, sizeof(*a_changed));
    CLEANUP_FREE bool *b_changed = xcalloc(b->n + 1, sizeof(*b_changed));
    struct line_id *next = pool;
    number_lines(a, &table, &next, a_ids);
    number_lines(b, &table, &next, b_ids);
    uint32_t n_ids = HASH_COUNT(table);
    HASH_CLEAR(hh, table);

    struct diff_side from = {a_ids, a->n, a_changed}, to = {b_ids, b->n, b_changed};
    diff_script_mark(&from, &to, n_ids);
    diff_script_slide(&from, &to);
    diff_script_slide(&to, &from);
    *ret_n = changes_of(&from, &to, a->first_line, changes);
    return changes;
}

/* ---- printing ---- */

static void print_range(struct buf *out, char mark, size_t start, size_t n)
{
    buf_printf(out, "%c%zu", mark, n == 0 ? start : start + 1);
    if (n != 1) {
        buf_printf(out, ",%zu", n);
    }
}

/* One hunk of the n changes at c, n >= 1; the text behind the last has `behind` common lines. */
static void print_hunk(struct buf *out, struct cursor *from, struct cursor *to,
                       const struct change *c, size_t n, size_t behind)
{
    const struct change *last = &c[n - 1];
    size_t before = c->from < DIFF_CONTEXT ? c->from : DIFF_CONTEXT;
    size_t after = behind < DIFF_CONTEXT ? behind : DIFF_CONTEXT;
    cursor_skip(from, c->from - before - from->line);
    cursor_skip(to, c->to - before - to->line);
    buf_puts(out, "@@ ");
    print_range(out, '-', from->line, last->from + last->from_n + after - from->line);
    buf_puts(out, " ");
    print_range(out, '+', to->line, last->to + last->to_n + after - to->line);
    buf_puts(out, " @@\n");
    for (const struct change *end = c + n; c < end; c++) {
        cursor_skip(to, c->to - to->line);
        cursor_print(from, ' ', c->from - from->line, out);
        cursor_print(from, '-', c->from_n, out);
        cursor_print(to, '+', c->to_n, out);
    }
    cursor_print(from, ' ', after, out);
    cursor_skip(to, after);
}

/* The number of changes from the first on that share a hunk. */
static size_t hunk_size(const struct change *c, size_t n)
{
    size_t i = 1;
    while (i < n && c[i].from - (c[i - 1].from + c[i - 1].from_n) <= 2 * (size_t)DIFF_CONTEXT) {
        i++;
    }
    return i;
}

static void print_changes(struct buf *out, const struct diff_text *from, const struct diff_text *to,
                          const struct change *changes, size_t n, size_t from_lines)
{
    struct cursor at_from = {.p = from->p, .len = from->len};
    struct cursor at_to = {.p = to->p, .len = to->len};
    while (n > 0) {
        size_t size = hunk_size(changes, n);
        const struct change *last = &changes[size - 1];
        print_hunk(out, &at_from, &at_to, changes, size, from_lines - last->from - last->from_n);
        changes += size;
        n -= size;
    }
}

bool diff_unified(struct buf *out, const struct diff_text *from, const struct diff_text *to)
{
    struct diff_text a = *from, b = *to;
    a.p = a.len > 0 ? a.p : "";
    b.p = b.len > 0 ? b.p : "";
    if (a.len == b.len && memcmp(a.p, b.p, a.len) == 0) {
        return false;
    }
    size_t start = common_start(&a, &b), end = common_end(&a, &b, start);
    size_t lines = count_lines(a.p, start);
    struct middle ma = {a.p + start, a.len - start - end, lines, 0};
    struct middle mb = {b.p + start, b.len - start - end, lines, 0};
    ma.n = count_lines(ma.p, ma.len);
    mb.n = count_lines(mb.p, mb.len);
    lines += ma.n + count_lines(a.p + a.len - end, end);

    buf_printf(out, "--- %s\n+++ %s\n", a.label, b.label);
    if (ma.n <= DIFF_LINES_MAX && mb.n <= DIFF_LINES_MAX) {
        size_t n;
        CLEANUP_FREE struct change *changes = find_changes(&ma, &mb, &n);
        print_changes(out, &a, &b, changes, n, lines);
    } else {
        struct change whole = {ma.first_line, ma.n, mb.first_line, mb.n};
        print_changes(out, &a, &b, &whole, 1, lines);
    }
    return true;
}
