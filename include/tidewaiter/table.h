#pragma once
/*
 * A table: the services of a registry at one moment, sorted by (name, id).
 *
 * It holds references to immutable services, so that a change costs one binary search and one
 * memmove of pointers, and a copy costs one array: cost follows the change, not the size.
 */
#include "tidewaiter/service.h"

#include <stdint.h>

struct table {
    struct service **items;
    size_t n, cap;
    uint64_t generation; /* rises with every change; never 0 after the first */
};

#define TABLE_NULL                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

void table_init(struct table *t);
void table_deinit(struct table *t); /* drops all references; idempotent */

/*
 * Puts a service in, replacing the one with the same (name, id). Consumes the reference. Returns true
 * when the table changed (false: an equal service was already there).
 */
bool table_put(struct table *t, struct service *take_svc);

/* Removes (name, id); false when it was not there. */
bool table_remove(struct table *t, const char *name, const char *id);

/* The service (borrowed), or NULL. */
const struct service *table_find(const struct table *t, const char *name, const char *id);

/* Makes dst an equal table that shares the services; dst's old contents are dropped. */
void table_copy(struct table *dst, const struct table *src);

/* Swaps contents; generations rise so that both readers see a change. */
void table_swap(struct table *a, struct table *b);

/* Same (name, id)s with equal services. */
bool table_equal(const struct table *a, const struct table *b);

/*
 * Index one past the last service with the same name as items[from]: tables are walked name by name
 * with `for (i = 0; i < t->n; i = end) { end = table_name_end(t, i); ... }`.
 */
size_t table_name_end(const struct table *t, size_t from);
