/*
 * Happy path: a lock file beside the registry file, with "node <node>, process <pid>" in it.
 * Failure: held by another agent, who is named; a folder that cannot be written.
 */
#include "registry/file_lock.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"

int file_lock_take(struct lock_file *ret, const char *path, const char *node, struct err *e)
{
    CLEANUP_FREE char *lock_path = NULL;
    char mine[LOCK_FILE_HOLDER_MAX], holder[LOCK_FILE_HOLDER_MAX];
    must(asprintf(&lock_path, "%s.lock", path) >= 0);
    snprintf(mine, sizeof(mine), "node %.255s, process %ld\n", node, (long)getpid());
    int r = lock_file_take(ret, lock_path, 0644, mine, holder, e);
    return r != -EBUSY
               ? r
               : err_set(e, ERR_CONFLICT, r,
                         "%s is held by another agent (%s): one agent writes a registry file",
                         lock_path, holder[0] ? holder : "which did not say its name");
}
