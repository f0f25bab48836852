/*
 * Happy path: contents go to a new file in the target's folder and replace the target by rename(), so a
 * reader sees the old file or the new one, never a part.
 * Failure: before the rename the file in place is untouched and the staged file is removed; a crash may
 * leave a staged ".<base>.tw-XXXXXX" behind. A target that is a symbolic link keeps being one: the file it
 * leads to is replaced. Writing over a file in place is here too, for files on which something is mounted.
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

int fs_error(struct err *e, const char *doing, const char *path, int errnum)
{
    return err_set(e, class_of(errnum), -errnum, "%s %s: %s", doing, path,
                   strerrordesc_np(errnum) ? strerrordesc_np(errnum) : "unknown error");
}

int fs_read(const char *path, struct buf *out, struct err *e)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? fs_error(e, "open", path, errno) : fs_read_fd(fd, path, out, e);
}

/* For a name of this program's own, which somebody else may have put there. */
static int open_regular(const char *path, int flags, struct stat *ret_st, struct err *e)
{
    CLEANUP_CLOSE int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno != ELOOP && errno != ENXIO) {
        return fs_error(e, "open", path, errno);
    }
    if (fd < 0 || fstat(fd, ret_st) < 0 || !S_ISREG(ret_st->st_mode)) {
        return err_set(e, ERR_INVALID, -EINVAL, "%s is not a regular file", path);
    }
    return take_fd(fd);
}

int fs_read_regular(const char *path, struct buf *out, struct stat *ret_st, struct err *e)
{
    struct stat st;
    CLEANUP_CLOSE int fd = open_regular(path, O_RDONLY, &st, e);
    int r = fd < 0 ? fd : fs_read_fd(fd, path, out, e);
    if (r == 0 && ret_st) {
        *ret_st = st;
    }
    return r;
}

int fs_read_fd(int fd, const char *path, struct buf *out, struct err *e)
{
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
            return fs_error(e, "read", path, errnum);
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

/* What was not asked for is kept where that is allowed, and not worth a word where it is not. */
static int keep_owner(int fd, const struct stat *st, uid_t owner, gid_t group)
{
    if ((owner == FS_OWNER_KEEP || owner == st->st_uid) &&
        (group == FS_GROUP_KEEP || group == st->st_gid)) {
        return 0;
    }
    return fchown(fd, owner, group) == 0 || errno == EPERM || errno == EINVAL ? 0 : -errno;
}

static int give(int fd, const struct stat *st, const struct fs_how *how, const char *path,
                struct err *e)
{
    if ((how->owner == FS_OWNER_KEEP || how->owner == st->st_uid) &&
        (how->group == FS_GROUP_KEEP || how->group == st->st_gid)) {
        return 0;
    }
    if (fchown(fd, how->owner, how->group) == 0) {
        return 0;
    }
    int errnum = errno;
    int r = fs_error(e, "set owner and group of", path, errnum);
    if (errnum == EPERM) {
        return err_set(e, ERR_AUTH, r,
                       "set owner and group of %s: not permitted; only root may give files away, "
                       "others may choose among their own groups",
                       path);
    }
    return r;
}

/*
 * Owner first: changing it clears the set-id bits of a mode set before. in_place: the file that the one
 * behind fd is to replace; NULL: it is none, or the file itself.
 */
static int set_attributes(int fd, const struct stat *in_place, const struct fs_how *how,
                          const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return fs_error(e, "look at", path, errno);
    }
    int r = give(fd, &st, how, path, e);
    if (r < 0) {
        return r;
    }
    mode_t mode = how->mode;
    if (in_place) {
        uid_t owner = how->owner == FS_OWNER_KEEP ? in_place->st_uid : FS_OWNER_KEEP;
        gid_t group = how->group == FS_GROUP_KEEP ? in_place->st_gid : FS_GROUP_KEEP;
        /* apart: who may not keep the owner may still be in the group */
        r = keep_owner(fd, &st, owner, FS_GROUP_KEEP);
        if (r == 0) {
            r = keep_owner(fd, &st, FS_OWNER_KEEP, group);
        }
        if (r < 0) {
            return fs_error(e, "keep owner and group of", path, -r);
        }
        mode = mode == FS_MODE_KEEP ? in_place->st_mode & 07777 : mode;
    }
    if (mode != FS_MODE_KEEP && fchmod(fd, mode) < 0) {
        return fs_error(e, "set the mode of", path, errno);
    }
    return 0;
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

static int fill(int fd, const void *data, size_t len, bool durable)
{
    int r = write_all(fd, data, len);
    return r == 0 && durable && fsync(fd) < 0 ? -errno : r;
}

int fs_stage_as(struct fs_staged *ret, const char *path, const void *data, size_t len,
                const struct fs_how *how, struct err *e)
{
    CLEANUP_FREE char *target = how->no_links ? xstrdup(path) : fs_real_path(path);
    int r = how->no_links ? 0 : fs_replaceable(target, e);
    if (r < 0) {
        return r;
    }
    CLEANUP_FREE char *staged = fs_beside(target, ".tw-XXXXXX");
    CLEANUP_CLOSE int fd = mkostemp(staged, O_CLOEXEC);
    if (fd < 0) {
        return fs_error(e, "create", staged, errno);
    }
    struct stat st;
    struct fs_how as = *how;
    bool in_place = (how->no_links ? lstat(target, &st) : stat(target, &st)) == 0;
    if (!in_place && as.mode == FS_MODE_KEEP) {
        as.mode = 0644;
    }
    r = set_attributes(fd, in_place ? &st : NULL, &as, target, e);
    if (r == 0) {
        r = fill(fd, data, len, how->durable);
        /* a network file system may report a failed write only here */
        if (close(take_fd(fd)) < 0 && r == 0) {
            r = -errno;
        }
        if (r < 0) {
            r = fs_error(e, "write", staged, -r);
        }
    }
    if (r < 0) {
        unlink(staged);
        return r;
    }
    *ret = (struct fs_staged){
        .path = take_ptr(staged), .target = take_ptr(target), .durable = how->durable};
    return 0;
}

int fs_stage(struct fs_staged *ret, const char *path, const void *data, size_t len, mode_t mode,
             bool durable, struct err *e)
{
    const struct fs_how how = {
        .mode = mode, .owner = FS_OWNER_KEEP, .group = FS_GROUP_KEEP, .durable = durable};
    return fs_stage_as(ret, path, data, len, &how, e);
}

int fs_promote(struct fs_staged *s, struct err *e)
{
    must(s->path && s->target);
    if (rename(s->path, s->target) < 0) {
        int r = fs_error(e, "replace", s->target, errno);
        fs_discard(s);
        return r;
    }
    if (s->durable) {
        /* the new name is in place whether or not this succeeds, so there is nothing to report */
        (void)!fs_flush_folder(s->target, NULL);
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

int fs_replace_as(const char *path, const void *data, size_t len, const struct fs_how *how,
                  struct err *e)
{
    struct fs_staged staged = FS_STAGED_NULL;
    int r = fs_stage_as(&staged, path, data, len, how, e);
    return r < 0 ? r : fs_promote(&staged, e);
}

/*
 * Before contents change in place: no rights but those that are for both the old and the new ones, and the
 * owner of the new ones. On failure the file is as it was. how then has the mode for afterwards.
 */
static int close_up(int fd, const struct stat *st, struct fs_how *how, const char *path,
                    struct err *e)
{
    const mode_t now = st->st_mode & 07777, then = how->mode == FS_MODE_KEEP ? now : how->mode;
    bool given = (how->owner != FS_OWNER_KEEP && how->owner != st->st_uid) ||
                 (how->group != FS_GROUP_KEEP && how->group != st->st_gid);
    const mode_t both = now & then & (given ? 0700 : 07777);
    if (both == now && then == now && !given) {
        return 0;
    }
    if (fchmod(fd, both) < 0) {
        return fs_error(e, "set the mode of", path, errno);
    }
    int r = give(fd, st, how, path, e);
    if (r < 0) {
        (void)!fchmod(fd, now);
        return r;
    }
    how->mode = then;
    return 0;
}

int fs_overwrite(const char *path, const void *data, size_t len, const struct fs_how *how,
                 struct err *e)
{
    struct stat st;
    struct fs_how as = *how;
    CLEANUP_CLOSE int fd = open_regular(path, O_WRONLY, &st, e);
    if (fd < 0) {
        return fd;
    }
    /* where a file system cannot reserve space, write() will say whether there was enough */
    if (len > 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)len) < 0 &&
        (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
        return fs_error(e, "reserve space in", path, errno);
    }
    int r = close_up(fd, &st, &as, path, e);
    if (r < 0) {
        return r;
    }
    r = write_all(fd, data, len);
    if (r == 0 && ftruncate(fd, (off_t)len) < 0) {
        r = -errno;
    }
    if (r < 0) {
        return fs_error(e, "write", path, -r);
    }
    r = set_attributes(fd, NULL, &as, path, e);
    if (r < 0) {
        return r;
    }
    r = fsync(fd) < 0 ? -errno : 0;
    if (close(take_fd(fd)) < 0 && r == 0) {
        r = -errno;
    }
    return r < 0 ? fs_error(e, "write", path, -r) : 0;
}
