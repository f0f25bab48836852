/*
 * flock(): the kernel ends the lock with the process, so a crash leaves none behind; the file itself stays,
 * because a start on a full disk could not make it anew, and what a crash has left must be put back there too.
 *
 * Happy path: open, lock, see that the path still leads to what was locked, write the holder into it. What
 * stays open is for reading, so that the file system may become read-only meanwhile; on NFS, where such a file
 * cannot be locked, it is for writing.
 * Failure: held by somebody; a folder that cannot be written. The folder may be another user's: a symbolic
 * link is not followed, nothing but a regular file is touched, and one that has other names is not written
 * to but replaced. A file that was removed while it was held is noticed by lock_file_valid().
 * Not done: waiting; file systems on which flock() does nothing.
 */
#include "base/lock_file.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3 /* somebody removes the file again and again */

static bool leads_to(const char *path, int fd, nlink_t *ret_names)
{
    struct stat by_fd, by_path;
    if (fstat(fd, &by_fd) < 0 || lstat(path, &by_path) < 0 || by_fd.st_dev != by_path.st_dev ||
        by_fd.st_ino != by_path.st_ino) {
        return false;
    }
    *ret_names = by_fd.st_nlink;
    return true;
}

static int open_regular(const char *path, int flags, mode_t mode, struct err *e)
{
    struct stat st;
    CLEANUP_CLOSE int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
    if (fd < 0 && errno != ELOOP && errno != EISDIR && errno != ENXIO) {
        return fs_error(e, "open", path, errno);
    }
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "%s is to be a lock, but is no regular file: remove it", path);
    }
    return take_fd(fd);
}

static void read_holder(int fd, char ret[LOCK_FILE_HOLDER_MAX])
{
    ssize_t n = pread(fd, ret, LOCK_FILE_HOLDER_MAX - 1, 0);
    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
}

/* 1: the lock is on a file that is not the one at path, or is no more. */
static int try_to_take(int *ret, const char *path, int flags, mode_t mode,
                       char ret_holder[LOCK_FILE_HOLDER_MAX], struct err *e)
{
    nlink_t names;
    CLEANUP_CLOSE int fd = open_regular(path, flags | O_CREAT, mode, e);
    if (fd < 0) {
        return fd;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EBADF && flags == O_RDONLY) {
            return try_to_take(ret, path, O_RDWR, mode, ret_holder, e);
        }
        if (errno != EWOULDBLOCK) {
            return fs_error(e, "lock", path, errno);
        }
        read_holder(fd, ret_holder);
        return err_set(e, ERR_CONFLICT, -EBUSY, "%s is held (%s)", path,
                       ret_holder[0] ? ret_holder : "by whom it does not say");
    }
    if (!leads_to(path, fd, &names)) {
        return 1;
    }
    if (names > 1) { /* writing into it would change a file of another name */
        return unlink(path) < 0 && errno != ENOENT ? fs_error(e, "remove", path, errno) : 1;
    }
    *ret = take_fd(fd);
    return 0;
}

/* The lock holds all the same where that fails; it only names nobody. */
static void write_holder(int locked, const char *path, const char *holder)
{
    nlink_t names;
    size_t len = strlen(holder);
    CLEANUP_CLOSE int fd = open_regular(path, O_WRONLY, 0, NULL);
    if (fd < 0 || !leads_to(path, locked, &names) || !leads_to(path, fd, &names) || names > 1) {
        return;
    }
    if (ftruncate(fd, 0) < 0 || pwrite(fd, holder, len, 0) != (ssize_t)len) {
        (void)!ftruncate(fd, 0);
    }
}

int lock_file_take(struct lock_file *ret, const char *path, mode_t mode, const char *holder,
                   char ret_holder[LOCK_FILE_HOLDER_MAX], struct err *e)
{
    int fd = -1, r = 1;
    for (int i = 0; r > 0 && i < TRIES; i++) {
        r = try_to_take(&fd, path, O_RDONLY, mode, ret_holder, e);
    }
    if (r != 0) {
        return r < 0 ? r : fs_error(e, "lock", path, EAGAIN);
    }
    write_holder(fd, path, holder);
    *ret = (struct lock_file){.path = xstrdup(path), .fd = fd};
    return 0;
}

bool lock_file_valid(const struct lock_file *l)
{
    nlink_t names;
    return l->fd >= 0 && leads_to(l->path, l->fd, &names);
}

void lock_file_release(struct lock_file *l)
{
    if (l->fd >= 0) {
        close(l->fd);
    }
    free(l->path);
    *l = (struct lock_file)LOCK_FILE_NULL;
}
