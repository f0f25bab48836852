#pragma once
/*
 * Memory. Own allocations abort when the system has none; sizes that others choose are capped before
 * they get here.
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);                /* zeroed; aborts on overflow of n * size */
void *xreallocarray(void *p, size_t n, size_t size); /* aborts on overflow */
char *xstrdup(const char *s);                        /* NULL stays NULL */
char *xmemdup0(const void *p, size_t len);           /* copy with a terminator behind it */

static inline void cleanup_freep(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

#define CLEANUP(fn)   __attribute__((cleanup(fn)))
#define CLEANUP_FREE  CLEANUP(cleanup_freep)
#define CLEANUP_CLOSE CLEANUP(cleanup_closep)

/* Hands the pointer (or descriptor) on, leaving NULL (or -1) for the cleanup attribute. */
#define take_ptr(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *take_pp_ = &(p);                                                            \
        __typeof__(p) take_p_ = *take_pp_;                                                         \
        *take_pp_ = NULL;                                                                          \
        take_p_;                                                                                   \
    })
#define take_fd(fd)                                                                                \
    ({                                                                                             \
        int *take_pfd_ = &(fd);                                                                    \
        int take_fd_ = *take_pfd_;                                                                 \
        *take_pfd_ = -1;                                                                           \
        take_fd_;                                                                                  \
    })

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
