#pragma once
/*
 * The lock of the embedded registry: PATH.lock, held for life, which names its holder.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>

struct file_lock {
    char *path; /* of the lock file */
    int fd;     /* -1: not held */
};

#define FILE_LOCK_NULL                                                                             \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/*
 * Takes the lock of the registry file at `path` without waiting. -EBUSY, ERR_CONFLICT, naming the
 * node and process that hold it, where another agent does; other errors from the file system.
 */
int file_lock_take(struct file_lock *ret, const char *path, const char *node,
                   struct err *e) WARN_UNUSED;

/* False when somebody removed or replaced the lock file: the lock then protects nothing. */
bool file_lock_valid(const struct file_lock *l);

void file_lock_release(struct file_lock *l); /* idempotent */
