/*
 * Happy path: objects are cut off the newest chunk; deinit frees the chunks.
 * An object that would waste a chunk gets one of its own, put behind the newest so that the newest goes
 * on being filled. There is no freeing of single objects and no limit: callers cap what they store.
 */
#include "base/arena.h"

#include "base/alloc.h"
#include "base/must.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define ARENA_CHUNK 4096u

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, cap;
    _Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
    a->chunks = NULL;
}

void arena_deinit(struct arena *a)
{
    struct arena_chunk *chunk, *next;
    LL_FOREACH_SAFE(a->chunks, chunk, next)
    {
        free(chunk);
    }
    a->chunks = NULL;
}

static struct arena_chunk *chunk_new(size_t cap)
{
    struct arena_chunk *chunk = xcalloc(1, sizeof(*chunk) + cap);
    chunk->cap = cap;
    return chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    must(size < SIZE_MAX / 2);
    size = (size + align - 1) / align * align;

    struct arena_chunk *chunk = a->chunks;
    if (!chunk || chunk->cap - chunk->used < size) {
        const size_t usual = ARENA_CHUNK - sizeof(*chunk);
        if (chunk && size > usual / 4) {
            chunk = chunk_new(size);
            LL_APPEND_ELEM(a->chunks, a->chunks, chunk);
        } else {
            chunk = chunk_new(size > usual ? size : usual);
            LL_PREPEND(a->chunks, chunk);
        }
    }
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s ? arena_memdup0(a, s, strlen(s)) : NULL;
}

char *arena_memdup0(struct arena *a, const void *p, size_t len)
{
    must(len < SIZE_MAX / 2);
    char *copy = arena_alloc(a, len + 1);
    if (len > 0) {
        memcpy(copy, p, len);
    }
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    must(fmt);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    must(n >= 0);

    char *text = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}
