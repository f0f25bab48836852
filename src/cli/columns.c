/*
 * Aligned tables. Widths are counted in UTF-8 characters; text from containers cannot move the cursor,
 * because control characters are replaced when a cell is added. It does not wrap or cut.
 */
#include "cli/columns.h"

#include <stdbool.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"

static size_t display_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

static char *clean_copy(const char *s)
{
    char *copy = xstrdup(s);
    for (char *p = copy; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
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
        char *cell = clean_copy(cells[i]);
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
