/*
 * flock() on a file beside the registry file. The kernel ends the lock with the process, so a crash
 * leaves none behind; the file itself stays, because removing it would race with the next taker.
 *
 * Happy path: open, lock, write "<node> <pid>" into it.
 *
 * Failure modes: held by another agent; a folder that cannot be written. A lock file that was removed
 * while held is noticed by file_lock_valid().
 */
#include "registry/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define HOLDER_MAX 320

static int failed(struct err *e, const char *doing, const char *path, int errnum)
{
    return err_set(e, errnum == EACCES || errnum == EROFS ? ERR_AUTH : ERR_TRANSIENT, -errnum,
                   "%s %s: %s", doing, path, strerrordesc_np(errnum));
}

static int held(int fd, const char *path, struct err *e)
{
    char holder[HOLDER_MAX] = "";
    ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    return err_set(e, ERR_CONFLICT, -EBUSY,
                   "%s is held by another agent (%s): one agent writes a registry file", path,
                   holder[0] ? holder : "which did not say its name");
}

static bool same_file(int fd, const char *path)
{
    struct stat by_fd, by_path;
    return fstat(fd, &by_fd) == 0 && stat(path, &by_path) == 0 && by_fd.st_dev == by_path.st_dev &&
           by_fd.st_ino == by_path.st_ino;
}

int file_lock_take(struct file_lock *ret, const char *path, const char *node, struct err *e)
{
    size_t size = strlen(path) + sizeof(".lock");
    CLEANUP_FREE char *lock_path = xmalloc(size);
    snprintf(lock_path, size, "%s.lock", path);
    CLEANUP_CLOSE int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        return failed(e, "open", lock_path, errno);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return errno == EWOULDBLOCK ? held(fd, lock_path, e) : failed(e, "lock", lock_path, errno);
    }
    if (!same_file(fd, lock_path)) {
        return failed(e, "lock", lock_path, EAGAIN);
    }
    char holder[HOLDER_MAX];
    int len = snprintf(holder, sizeof(holder), "node %.255s, process %ld\n", node, (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, holder, (size_t)len, 0) != len) {
        /* the lock holds all the same; it only names nobody */
        (void)ftruncate(fd, 0);
    }
    ret->path = take_ptr(lock_path);
    ret->fd = take_fd(fd);
    return 0;
}

bool file_lock_valid(const struct file_lock *l)
{
    return l->fd >= 0 && same_file(l->fd, l->path);
}

void file_lock_release(struct file_lock *l)
{
    if (l->fd >= 0) {
        close(l->fd);
    }
    free(l->path);
    *l = (struct file_lock)FILE_LOCK_NULL;
}
