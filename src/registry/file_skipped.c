/*
 * Digests of what was reported for the last document, looked up while the next one is read. A document
 * that is not read to its end leaves the last one in force.
 */
#include "registry/file_skipped.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

void file_skipped_deinit(struct file_skipped *s)
{
    free(s->before);
    free(s->now);
    *s = (struct file_skipped){0};
}

void file_skipped_begin(struct file_skipped *s)
{
    s->n_now = 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

bool file_skipped_is_new(struct file_skipped *s, const char *key, const char *why)
{
    uint64_t digest = hash64_more(hash64(key, strlen(key)), why, strlen(why));
    if (s->n_now == s->cap_now) {
        s->cap_now = s->cap_now ? 2 * s->cap_now : 16;
        s->now = xreallocarray(s->now, s->cap_now, sizeof(*s->now));
    }
    s->now[s->n_now++] = digest;
    return !s->n_before || !bsearch(&digest, s->before, s->n_before, sizeof(*s->before), compare);
}

void file_skipped_end(struct file_skipped *s)
{
    free(s->before);
    if (s->n_now > 1) {
        qsort(s->now, s->n_now, sizeof(*s->now), compare);
    }
    s->before = s->now;
    s->n_before = s->n_now;
    s->now = NULL;
    s->n_now = s->cap_now = 0;
}
