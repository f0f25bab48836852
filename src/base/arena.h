#pragma once
/*
 * Arena: many small objects with one lifetime, freed together.
 */
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
};

#define ARENA_NULL                                                                                 \
    {                                                                                              \
        NULL                                                                                       \
    }

void arena_init(struct arena *a);
void arena_deinit(struct arena *a); /* idempotent */

void *arena_alloc(struct arena *a, size_t size);    /* zeroed, aligned for any type; never NULL */
char *arena_strdup(struct arena *a, const char *s); /* NULL stays NULL */
char *arena_memdup0(struct arena *a, const void *p, size_t len); /* adds a terminator */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
