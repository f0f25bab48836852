#pragma once
/*
 * Files: whole reads with a cap, atomic replacement.
 */
#include "base/buf.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Appends the file's contents to out (whose maximum is the cap). -ENOENT is returned as such, with e
 * filled; -EFBIG when the file is larger than the buffer takes. On failure out is as it was.
 */
int fs_read(const char *path, struct buf *out, struct err *e) WARN_UNUSED;

#define FS_MODE_KEEP ((mode_t)-1) /* that of the file in place, else 0644 */

/*
 * Staged replacement, in the folder of the target:
 *   fs_stage    writes contents to a new file ".<base>.tw-XXXXXX" beside path, with mode and the owner
 *               of the file in place, flushed to disk when `durable`;
 *   fs_promote  renames it over path (and flushes the folder when durable);
 *   fs_discard  removes it.
 * fs_replace does stage and promote. On failure the file in place is untouched and no staged file stays
 * (fs_promote discards it too). A path that is a symbolic link stays one: what it leads to is replaced.
 * Where this process may not give files away, the owner is its own. -EINVAL (ERR_INVALID) for a path that
 * is no regular file: a rename would put one in the place of a device, a socket or a pipe.
 */
struct fs_staged {
    char *path; /* of the staged file; NULL when there is none */
    char *target;
    bool durable;
};

#define FS_STAGED_NULL                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

/* -EINVAL (ERR_INVALID) when something is at path that fs_stage() would refuse; absent is fine. */
int fs_replaceable(const char *path, struct err *e) WARN_UNUSED;

int fs_stage(struct fs_staged *ret, const char *path, const void *data, size_t len, mode_t mode,
             bool durable, struct err *e) WARN_UNUSED;
int fs_promote(struct fs_staged *s, struct err *e) WARN_UNUSED;
void fs_discard(struct fs_staged *s); /* idempotent; also after promote */
int fs_replace(const char *path, const void *data, size_t len, mode_t mode, bool durable,
               struct err *e) WARN_UNUSED;

/* mkdir -p of the folder that holds path. */
int fs_make_parent(const char *path, mode_t mode, struct err *e) WARN_UNUSED;
