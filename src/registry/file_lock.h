#pragma once
/*
 * The lock of the embedded registry: PATH.lock, held for life, which names its holder.
 */
#include "base/lock_file.h"

/*
 * Takes the lock of the registry file at `path` without waiting. -EBUSY, ERR_CONFLICT, naming the
 * node and process that hold it, where another agent does; other errors from the file system.
 */
int file_lock_take(struct lock_file *ret, const char *path, const char *node,
                   struct err *e) WARN_UNUSED;
