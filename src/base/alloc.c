/*
 * Happy path: malloc with the check built in.
 * Failure: no memory, or n * size overflows: one line on stderr and abort. There is nothing a daemon of
 * this size could still do, and half-done work is what the registries' leases are there to clean up.
 * Not done: caps on what others send; those are checked before they become a size.
 */
#include "base/alloc.h"

#include "base/must.h"

#include <stdint.h>
#include <string.h>

static void *checked(void *p)
{
    must(p != NULL && "memory");
    return p;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
    return checked(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    return checked(reallocarray(p, n > 0 ? n : 1, size > 0 ? size : 1));
}

char *xstrdup(const char *s)
{
    return s ? checked(strdup(s)) : NULL;
}

char *xmemdup0(const void *p, size_t len)
{
    must(len < SIZE_MAX);
    char *copy = xmalloc(len + 1);
    if (len > 0) {
        memcpy(copy, p, len);
    }
    copy[len] = '\0';
    return copy;
}
