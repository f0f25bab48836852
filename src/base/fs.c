/*
 * Happy path: contents go to a new file in the target's folder and replace the target by rename(), so a
 * reader sees the old file or the new one, never a part.
 * Failure: before the rename the file in place is untouched and the staged file is removed; a crash may
 * leave a staged ".<base>.tw-XXXXXX" behind. A target that is a symbolic link keeps being one: the file it
 * leads to is replaced.
 * Not done: extended attributes and ACLs of the file in place are not carried over.
 */
#include "base/fs.h"

#include "base/alloc.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FS_READ_CHUNK 16384u

static enum err_class class_of(int errnum)
{
    switch (errnum) {
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_AUTH;
    case ENOSPC:
    case EDQUOT:
        return ERR_THROTTLED;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL:
        return ERR_INVALID;
    default:
        return ERR_TRANSIENT;
    }
}

static int failed(struct err *e, const char *doing, const char *path, int errnum)
{
    return err_set(e, class_of(errnum), -errnum, "%s %s: %s", doing, path,
                   strerrordesc_np(errnum) ? strerrordesc_np(errnum) : "unknown error");
}

int fs_read(const char *path, struct buf *out, struct err *e)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(e, "open", path, errno);
    }
    const size_t before = out->len;
    char chunk[FS_READ_CHUNK];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int errnum = errno;
            buf_truncate(out, before);
            return failed(e, "read", path, errnum);
        }
        if (n == 0) {
            return 0;
        }
        buf_append(out, chunk, (size_t)n);
        if (buf_error(out)) {
            buf_truncate(out, before);
            return err_set(e, ERR_INVALID, -EFBIG, "read %s: larger than %zu bytes", path,
                           out->max);
        }
    }
}

static int write_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* "<folder>/.<base>.tw-XXXXXX" for mkostemp(). */
static char *staged_template(const char *target)
{
    const char *slash = strrchr(target, '/');
    int folder = slash ? (int)(slash + 1 - target) : 0;
    char *text = NULL;
    must(asprintf(&text, "%.*s.%s.tw-XXXXXX", folder, target, target + folder) >= 0);
    return text;
}

/* Owner first: changing it clears the set-id bits of a mode set before. */
static int take_over_attributes(int fd, const char *target, mode_t mode)
{
    struct stat st;
    bool in_place = stat(target, &st) == 0;
    if (in_place && (st.st_uid != geteuid() || st.st_gid != getegid()) &&
        fchown(fd, st.st_uid, st.st_gid) < 0 && errno != EPERM) {
        return -errno;
    }
    if (mode == FS_MODE_KEEP) {
        mode = in_place ? st.st_mode & 07777 : 0644;
    }
    return fchmod(fd, mode) < 0 ? -errno : 0;
}

int fs_replaceable(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "%s is not a regular file, and would be lost: name another", path);
    }
    return 0;
}

int fs_stage(struct fs_staged *ret, const char *path, const void *data, size_t len, mode_t mode,
             bool durable, struct err *e)
{
    CLEANUP_FREE char *target = realpath(path, NULL);
    if (!target) {
        target = xstrdup(path); /* not there yet; if the folder is not either, mkostemp says so */
    }
    int r = fs_replaceable(target, e);
    if (r < 0) {
        return r;
    }
    CLEANUP_FREE char *staged = staged_template(target);
    CLEANUP_CLOSE int fd = mkostemp(staged, O_CLOEXEC);
    if (fd < 0) {
        return failed(e, "create", staged, errno);
    }
    r = take_over_attributes(fd, target, mode);
    if (r == 0) {
        r = write_all(fd, data, len);
    }
    if (r == 0 && durable && fsync(fd) < 0) {
        r = -errno;
    }
    /* a network file system may report a failed write only here */
    if (close(take_fd(fd)) < 0 && r == 0) {
        r = -errno;
    }
    if (r < 0) {
        unlink(staged);
        return failed(e, "write", staged, -r);
    }
    *ret = (struct fs_staged){
        .path = take_ptr(staged), .target = take_ptr(target), .durable = durable};
    return 0;
}

/* The new name is in place whether or not this succeeds, so there is nothing to report. */
static void flush_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *folder = slash ? xmemdup0(path, (size_t)(slash + 1 - path)) : xstrdup(".");
    CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
    }
}

int fs_promote(struct fs_staged *s, struct err *e)
{
    must(s->path && s->target);
    if (rename(s->path, s->target) < 0) {
        int r = failed(e, "replace", s->target, errno);
        fs_discard(s);
        return r;
    }
    if (s->durable) {
        flush_folder(s->target);
    }
    free(take_ptr(s->path)); /* nothing of that name is left to remove */
    fs_discard(s);
    return 0;
}

void fs_discard(struct fs_staged *s)
{
    if (s->path) {
        unlink(s->path);
    }
    free(s->path);
    free(s->target);
    *s = (struct fs_staged)FS_STAGED_NULL;
}

int fs_replace(const char *path, const void *data, size_t len, mode_t mode, bool durable,
               struct err *e)
{
    struct fs_staged staged = FS_STAGED_NULL;
    int r = fs_stage(&staged, path, data, len, mode, durable, e);
    return r < 0 ? r : fs_promote(&staged, e);
}

int fs_make_parent(const char *path, mode_t mode, struct err *e)
{
    CLEANUP_FREE char *folder = xstrdup(path);
    for (char *p = folder + 1; *folder && (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        struct stat st;
        if (mkdir(folder, mode) < 0 && errno != EEXIST) {
            /* a read-only parent is no obstacle where the folder is already there */
            int errnum = errno;
            if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
                return failed(e, "create", folder, errnum);
            }
        } else if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
            return failed(e, "create", folder, ENOTDIR);
        }
        *p = '/';
    }
    return 0;
}
