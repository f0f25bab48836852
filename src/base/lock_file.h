#pragma once
/*
 * A file that says which process may change something, locked for as long as that process wants.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct lock_file {
    char *path;
    int fd; /* -1: not held */
};

#define LOCK_FILE_NULL                                                                             \
    {                                                                                              \
        .fd = -1                                                                                   \
    }
#define LOCK_FILE_HOLDER_MAX 320

/*
 * Takes the lock without waiting, and writes `holder` (one line) into the file, which is made with `mode`.
 * -EBUSY when it is held already, also by this process: ret_holder is what its holder wrote then, or empty.
 * -EINVAL for a path at which something else than a regular file is, a symbolic link included.
 */
int lock_file_take(struct lock_file *ret, const char *path, mode_t mode, const char *holder,
                   char ret_holder[LOCK_FILE_HOLDER_MAX], struct err *e) WARN_UNUSED;

/* False when somebody removed or replaced the file: the lock then protects nothing. */
bool lock_file_valid(const struct lock_file *l);

void lock_file_release(struct lock_file *l); /* idempotent */
