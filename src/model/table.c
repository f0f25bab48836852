/*
 * Happy path: a sorted array of references; changes are a binary search and one memmove().
 * Nothing here fails: services were checked when they were made. Records that arrive in order (as
 * registries list them) are appended without a search through the middle.
 */
#include "tidewaiter/table.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_FIRST 16u

void table_init(struct table *t)
{
    *t = (struct table)TABLE_NULL;
}

void table_deinit(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        service_unref(t->items[i]);
    }
    free(t->items);
    table_init(t);
}

/* Where (name, id) is, or belongs. */
static size_t find(const struct table *t, const char *name, const char *id, bool *ret_there)
{
    size_t low = 0, high = t->n;
    if (t->n > 0 && service_compare_key(t->items[t->n - 1], name, id) < 0) {
        low = t->n;
    }
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = service_compare_key(t->items[mid], name, id);
        if (c == 0) {
            *ret_there = true;
            return mid;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *ret_there = false;
    return low;
}

bool table_put(struct table *t, struct service *take_svc)
{
    bool there;
    size_t at = find(t, take_svc->s.name, take_svc->s.id, &there);
    if (there) {
        bool changed = !service_equal(t->items[at], take_svc);
        service_unref(changed ? t->items[at] : take_svc);
        if (changed) {
            t->items[at] = take_svc;
            t->generation++;
        }
        return changed;
    }
    if (t->n == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : TABLE_FIRST;
        t->items = xreallocarray(t->items, t->cap, sizeof(*t->items));
    }
    memmove(t->items + at + 1, t->items + at, (t->n - at) * sizeof(*t->items));
    t->items[at] = take_svc;
    t->n++;
    t->generation++;
    return true;
}

bool table_remove(struct table *t, const char *name, const char *id)
{
    bool there;
    size_t at = find(t, name, id, &there);
    if (!there) {
        return false;
    }
    service_unref(t->items[at]);
    t->n--;
    memmove(t->items + at, t->items + at + 1, (t->n - at) * sizeof(*t->items));
    t->generation++;
    return true;
}

const struct service *table_find(const struct table *t, const char *name, const char *id)
{
    bool there;
    size_t at = find(t, name, id, &there);
    return there ? t->items[at] : NULL;
}

void table_copy(struct table *dst, const struct table *src)
{
    must(dst != src);
    uint64_t generation = dst->generation + 1;
    table_deinit(dst);
    if (src->n > 0) {
        dst->items = xreallocarray(NULL, src->n, sizeof(*dst->items));
        for (size_t i = 0; i < src->n; i++) {
            dst->items[i] = service_ref(src->items[i]);
        }
    }
    dst->n = dst->cap = src->n;
    dst->generation = generation > src->generation ? generation : src->generation;
}

void table_swap(struct table *a, struct table *b)
{
    uint64_t generation = (a->generation > b->generation ? a->generation : b->generation) + 1;
    struct table t = *a;
    *a = *b;
    *b = t;
    a->generation = b->generation = generation;
}

bool table_equal(const struct table *a, const struct table *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!service_equal(a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

size_t table_name_end(const struct table *t, size_t from)
{
    must(from < t->n);
    size_t end = from + 1;
    while (end < t->n && streq(t->items[end]->s.name, t->items[from]->s.name)) {
        end++;
    }
    return end;
}
