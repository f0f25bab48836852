#pragma once
/*
 * Entries that wait for a moment: a binary heap by due time, first come first served among equals. Each
 * entry carries its place, so that one can be taken out from the middle.
 */
#include "tidewaiter/clock.h"

#include <stddef.h>
#include <stdint.h>

struct retry_node {
    msec_t due;
    uint32_t place; /* 1 + index in the heap; 0: not in it */
    uint32_t order; /* of arrival */
};

struct retry_heap {
    struct retry_node **nodes; /* borrowed */
    size_t n, cap;
    uint32_t arrivals;
};

void retry_heap_deinit(struct retry_heap *h); /* idempotent; must be empty */

void retry_heap_add(struct retry_heap *h, struct retry_node *node, msec_t due);
void retry_heap_remove(struct retry_heap *h, struct retry_node *node);

/* The earliest, or NULL. */
struct retry_node *retry_heap_first(const struct retry_heap *h);
