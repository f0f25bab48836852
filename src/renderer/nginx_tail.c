/*
 * Happy path: the file is held open, and read from where it ended at the mark.
 * Failure: another file under the same name (log rotation) is read whole, after the rest of the one
 * that was moved away; a file that has become shorter is read from its beginning. One that could not be
 * opened at the mark is read from there if it can be later, and not at all where the mark could not
 * even see it: what is old in it must not pass for new. Anything but a regular file is not opened, as
 * that might block or wake somebody.
 * Not done: finding a file that was moved away and replaced twice.
 */
#include "renderer/nginx_tail.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CHUNK 16384u

/* The regular file at path; -1 and why not. What is there is in ret, all zero where that is not known. */
static int open_regular(const char *path, struct stat *ret, int *ret_error)
{
    *ret_error = 0;
    if (stat(path, ret) < 0) {
        *ret_error = errno;
        *ret = (struct stat){0};
        return -1;
    }
    if (!S_ISREG(ret->st_mode)) {
        return -1;
    }
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, ret) < 0) {
        *ret_error = errno;
        return -1;
    }
    return take_fd(fd);
}

static void mark(struct nginx_tail *t)
{
    struct stat st;
    t->fd = open_regular(t->path, &st, &t->error);
    t->dev = st.st_dev;
    t->ino = st.st_ino;
    t->from = st.st_size;
}

void nginx_tail_open(struct nginx_tail *t, const char *path)
{
    *t = (struct nginx_tail)NGINX_TAIL_NULL;
    t->path = xstrdup(path);
    if (path) {
        mark(t);
    }
}

struct nginx_tail nginx_tail_anew(const struct nginx_tail *t)
{
    struct nginx_tail now;
    struct stat st;
    nginx_tail_open(&now, t->path);
    if (now.path && now.fd < 0 && now.error == ENOENT && t->fd >= 0 && fstat(t->fd, &st) == 0) {
        now.fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
        now.dev = st.st_dev;
        now.ino = st.st_ino;
        now.from = st.st_size;
    }
    return now;
}

void nginx_tail_close(struct nginx_tail *t)
{
    if (t->fd >= 0) {
        close(t->fd);
    }
    free(t->path);
    *t = (struct nginx_tail)NGINX_TAIL_NULL;
}

bool nginx_tail_readable(const struct nginx_tail *t)
{
    return t->fd >= 0 || (t->path && t->error == ENOENT);
}

static void read_from(int fd, off_t at, off_t end, struct buf *out)
{
    char chunk[CHUNK];
    if (at > end) {
        at = 0; /* it was emptied */
    }
    if (end - at > (off_t)NGINX_TAIL_MAX) {
        at = end - (off_t)NGINX_TAIL_MAX;
    }
    while (at < end) {
        size_t want = end - at < (off_t)sizeof(chunk) ? (size_t)(end - at) : sizeof(chunk);
        ssize_t n = pread(fd, chunk, want, at);
        if (n <= 0) {
            return;
        }
        buf_append(out, chunk, (size_t)n);
        at += n;
    }
}

void nginx_tail_read(const struct nginx_tail *t, struct buf *out)
{
    struct stat st;
    int error;
    if (!t->path) {
        return;
    }
    if (t->fd >= 0 && fstat(t->fd, &st) == 0) {
        read_from(t->fd, t->from, st.st_size, out);
    }
    CLEANUP_CLOSE int fd = open_regular(t->path, &st, &error);
    if (fd < 0) {
        return;
    }
    if (st.st_dev == t->dev && st.st_ino == t->ino) {
        if (t->fd < 0) { /* it can be opened only now */
            read_from(fd, t->from, st.st_size, out);
        }
    } else if (t->ino != 0 || t->error == ENOENT) {
        read_from(fd, 0, st.st_size, out);
    }
}
