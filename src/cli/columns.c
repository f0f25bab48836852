/*
 * Aligned tables. Widths are counted in UTF-8 characters; text from containers cannot move the cursor,
 * because what a terminal obeys is replaced when a cell is added. It does not wrap or cut.
 */
#include "cli/columns.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

static size_t display_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

/* What a terminal obeys instead of showing it: controls, line ends, changes of direction. */
static bool is_shown(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x61c && c != 0x200e && c != 0x200f &&
           !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

char *columns_clean(const char *text)
{
    const char *s = text;
    size_t left = strlen(s);
    char *copy = xmalloc(left + 1), *to = copy;
    while (left > 0) {
        uint32_t point = 0;
        size_t len = str_utf8(s, left, &point);
        if (len > 0 && is_shown(point)) {
            memcpy(to, s, len);
            to += len;
        } else {
            *to++ = '?';
            len = len > 0 ? len : 1;
        }
        s += len;
        left -= len;
    }
    *to = '\0';
    return copy;
}

void columns_init(struct columns *c, const char *const *headings, size_t n)
{
    must(n > 0 && n <= COLUMNS_MAX);
    *c = (struct columns){.n_columns = n};
    columns_add(c, headings);
}

void columns_deinit(struct columns *c)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        free(c->cells[i]);
    }
    free(c->cells);
    *c = (struct columns){0};
}

void columns_add(struct columns *c, const char *const *cells)
{
    if (c->n_cells + c->n_columns > c->cap) {
        c->cap = (c->cap + c->n_columns) * 2;
        c->cells = xreallocarray(c->cells, c->cap, sizeof(*c->cells));
    }
    for (size_t i = 0; i < c->n_columns; i++) {
        char *cell = columns_clean(cells[i]);
        size_t width = display_width(cell);
        if (width > c->width[i]) {
            c->width[i] = width;
        }
        c->cells[c->n_cells++] = cell;
    }
}

void columns_print(const struct columns *c, FILE *out)
{
    bool colour = isatty(fileno(out));
    for (size_t at = 0; at < c->n_cells; at += c->n_columns) {
        if (colour && at == 0) {
            fputs("\033[2m", out);
        }
        for (size_t i = 0; i < c->n_columns; i++) {
            const char *cell = c->cells[at + i];
            fputs(cell, out);
            if (i + 1 < c->n_columns) {
                fprintf(out, "%*s", (int)(c->width[i] - display_width(cell) + 2), "");
            }
        }
        fputs(colour && at == 0 ? "\033[0m\n" : "\n", out);
    }
    fflush(out);
}
