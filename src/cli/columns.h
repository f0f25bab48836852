#pragma once
/*
 * A table for people: left-aligned columns, two blanks apart, a dim heading on a terminal.
 */
#include <stddef.h>
#include <stdio.h>

#define COLUMNS_MAX 8

struct columns {
    size_t n_columns;
    size_t width[COLUMNS_MAX];
    char **cells; /* row after row; the heading first */
    size_t n_cells, cap;
};

/* A copy, to be freed, with '?' for what a terminal obeys instead of showing it. */
char *columns_clean(const char *text);

/* headings: n of them, at most COLUMNS_MAX. */
void columns_init(struct columns *c, const char *const *headings, size_t n);
void columns_deinit(struct columns *c);

/* n_columns strings; copied as columns_clean() does. */
void columns_add(struct columns *c, const char *const *cells);

/* The last column is not padded. */
void columns_print(const struct columns *c, FILE *out);
