#pragma once
/*
 * Tag lists: commas separate, "\," is a literal comma, empty items do not count, nothing is trimmed.
 */
#include "base/arena.h"

#include <stddef.h>

struct tags {
    const char **items;
    size_t n;
    size_t size; /* bytes of the items, terminators included */
};

/* Splits text into the arena, in written order. */
void tags_parse(struct tags *ret, const char *text, struct arena *a);

void tags_reverse(struct tags *t);
