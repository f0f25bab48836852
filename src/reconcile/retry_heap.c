/*
 * A binary min-heap of borrowed nodes. Adding and removing cost log(n); nothing can fail.
 *
 * Not here: what becomes of a node that is due.
 */
#include "reconcile/retry_heap.h"

#include <stdbool.h>

#include "base/alloc.h"
#include "base/must.h"

static bool before(const struct retry_node *a, const struct retry_node *b)
{
    /* arrivals wrap around; fewer than 2^31 nodes are in the heap at once */
    return a->due != b->due ? a->due < b->due : (int32_t)(a->order - b->order) < 0;
}

static void place(struct retry_heap *h, size_t i, struct retry_node *node)
{
    h->nodes[i] = node;
    node->place = (uint32_t)(i + 1);
}

static void sift_up(struct retry_heap *h, size_t i, struct retry_node *node)
{
    while (i > 0 && before(node, h->nodes[(i - 1) / 2])) {
        place(h, i, h->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, node);
}

static void sift_down(struct retry_heap *h, size_t i, struct retry_node *node)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < h->n && before(h->nodes[child + 1], h->nodes[child])) {
            child++;
        }
        if (child >= h->n || before(node, h->nodes[child])) {
            break;
        }
        place(h, i, h->nodes[child]);
        i = child;
    }
    place(h, i, node);
}

void retry_heap_deinit(struct retry_heap *h)
{
    must(h->n == 0);
    free(h->nodes);
    *h = (struct retry_heap){0};
}

void retry_heap_add(struct retry_heap *h, struct retry_node *node, msec_t due)
{
    must(node->place == 0);
    must(h->n < INT32_MAX);
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 16;
        h->nodes = xreallocarray(h->nodes, h->cap, sizeof(*h->nodes));
    }
    node->due = due;
    node->order = h->arrivals++;
    sift_up(h, h->n++, node);
}

void retry_heap_remove(struct retry_heap *h, struct retry_node *node)
{
    must(node->place > 0 && node->place <= h->n);
    size_t i = node->place - 1;
    must(h->nodes[i] == node);
    struct retry_node *last = h->nodes[--h->n];
    node->place = 0;
    if (last == node) {
        return;
    }
    if (i > 0 && before(last, h->nodes[(i - 1) / 2])) {
        sift_up(h, i, last);
    } else {
        sift_down(h, i, last);
    }
}

struct retry_node *retry_heap_first(const struct retry_heap *h)
{
    return h->n ? h->nodes[0] : NULL;
}
