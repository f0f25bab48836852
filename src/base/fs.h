#pragma once
/*
 * Files: whole reads with a cap, atomic replacement, and names.
 */
#include "base/buf.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Fills e with "<doing> <path>: <what errnum means>" and the class of errnum; returns -errnum. */
int fs_error(struct err *e, const char *doing, const char *path, int errnum);

/*
 * Appends the file's contents to out (whose maximum is the cap). -ENOENT is returned as such, with e
 * filled; -EFBIG when the file is larger than the buffer takes. On failure out is as it was.
 */
int fs_read(const char *path, struct buf *out, struct err *e) WARN_UNUSED;
/*
 * The same for a name in a folder that may be another user's: -EINVAL for what is no regular file, a symbolic
 * link included. ret_st (NULL: none) is of the very file that was read.
 */
int fs_read_regular(const char *path, struct buf *out, struct stat *ret_st,
                    struct err *e) WARN_UNUSED;
/* The same as fs_read() from where fd stands; path is for messages. */
int fs_read_fd(int fd, const char *path, struct buf *out, struct err *e) WARN_UNUSED;

#define FS_MODE_KEEP ((mode_t)-1) /* that of the file in place, else 0644 */
#define FS_OWNER_KEEP                                                                              \
    ((uid_t)-1) /* that of the file in place where allowed, else of this process */
#define FS_GROUP_KEEP ((gid_t)-1)

/* How a file is to be. */
struct fs_how {
    mode_t mode;   /* or FS_MODE_KEEP */
    uid_t owner;   /* or FS_OWNER_KEEP; -EPERM where this process may not give it away */
    gid_t group;   /* or FS_GROUP_KEEP; likewise */
    bool durable;  /* flushed to disk, and the folder after the rename */
    bool no_links; /* a symbolic link is replaced itself: for names that are this program's own */
};

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

/* Creates the staged file as it is to be: mode, owner and group are set before any name leads to it. */
int fs_stage_as(struct fs_staged *ret, const char *path, const void *data, size_t len,
                const struct fs_how *how, struct err *e) WARN_UNUSED;

/* -EINVAL (ERR_INVALID) when something is at path that fs_stage() would refuse; absent is fine. */
int fs_replaceable(const char *path, struct err *e) WARN_UNUSED;

int fs_stage(struct fs_staged *ret, const char *path, const void *data, size_t len, mode_t mode,
             bool durable, struct err *e) WARN_UNUSED;
int fs_promote(struct fs_staged *s, struct err *e) WARN_UNUSED;
void fs_discard(struct fs_staged *s); /* idempotent; also after promote */
int fs_replace(const char *path, const void *data, size_t len, mode_t mode, bool durable,
               struct err *e) WARN_UNUSED;
int fs_replace_as(const char *path, const void *data, size_t len, const struct fs_how *how,
                  struct err *e) WARN_UNUSED;

/*
 * Writes into the file that is there, for one that no rename can replace (something is mounted on it), and
 * flushes it. Nobody may read it meanwhile who may not read both what it had and what it is to have. Not
 * atomic: space is reserved first, so that a full disk leaves the file as it was, but
 * after other failures, or a crash, it holds a mixture. Attributes that how keeps stay as they are.
 * -EINVAL as for fs_read_regular().
 */
int fs_overwrite(const char *path, const void *data, size_t len, const struct fs_how *how,
                 struct err *e) WARN_UNUSED;

/* mkdir -p of the folder that holds path. */
int fs_make_parent(const char *path, mode_t mode, struct err *e) WARN_UNUSED;

/*
 * The path without symbolic links, "." and "..", also where it, or folders of it, are not there yet. Absolute,
 * except where a folder cannot be looked into: as it was given then. Never NULL; the caller frees it.
 */
char *fs_real_path(const char *path);

/* "<folder>/.<base><suffix>" of a path; the caller frees it. */
char *fs_beside(const char *path, const char *suffix);

/* Flushes the folder that holds path: which names it has. Where that cannot be asked for, nothing is lost. */
int fs_flush_folder(const char *path, struct err *e) WARN_UNUSED;

/* The same file, as far as device, inode, size and time of its contents tell. */
bool fs_same_stamp(const struct stat *a, const struct stat *b);
