/*
 * The file of the embedded registry.
 *
 * Happy path: a replacement by rename, so that a reader sees the whole old or the whole new document. It
 * is not flushed to disk: below /run there is no disk, and elsewhere a crash of the machine ends the
 * containers too.
 *
 * Failure modes: what was changed between our rename and our look at the result passes for ours, unless
 * its size differs; the next write ends that.
 *
 * Not here: what the contents mean.
 */
#include "registry/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "registry/file_doc.h"

#define NSEC_PER_SEC  1000000000
#define NSEC_PER_MSEC 1000000

static int64_t nsec(struct timespec t)
{
    return (int64_t)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

int file_stamp_take(const char *path, struct file_stamp *ret, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        int r = -errno;
        return err_set(e, r == -ENOENT ? ERR_INVALID : ERR_TRANSIENT, r, "%s: %s", path,
                       strerrordesc_np(-r));
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(e, ERR_INVALID, -EINVAL, "%s is not a regular file", path);
    }
    *ret = (struct file_stamp){.dev = st.st_dev,
                               .ino = st.st_ino,
                               .size = st.st_size,
                               .mtime_ns = nsec(st.st_mtim),
                               .ctime_ns = nsec(st.st_ctim)};
    return 0;
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

msec_t file_stamp_age(const struct file_stamp *s, msec_t wall)
{
    int64_t mtime = s->mtime_ns / NSEC_PER_MSEC;
    return (int64_t)wall > mtime ? (msec_t)((int64_t)wall - mtime) : 0;
}

static void remember(struct file_store *s, const struct file_stamp *stamp, const char *text,
                     size_t len)
{
    s->known = true;
    s->stamp = *stamp;
    s->digest = hash64(text, len);
    s->len = len;
}

int file_store_read(struct file_store *s, struct buf *out, struct err *e)
{
    /* before the contents: what changes in between moves the stamp */
    struct file_stamp stamp;
    s->known = false;
    int r = file_stamp_take(s->path, &stamp, e);
    if (r < 0) {
        return r;
    }
    size_t before = out->len;
    r = fs_read(s->path, out, e);
    if (r < 0) {
        return r;
    }
    remember(s, &stamp, buf_str(out) + before, out->len - before);
    return 0;
}

int file_store_write(struct file_store *s, const struct buf *text, struct err *e)
{
    int r = fs_make_parent(s->path, 0755, e);
    if (r < 0) {
        return r;
    }
    r = fs_replace(s->path, text->data, text->len, 0644, false, e);
    if (r < 0) {
        return r;
    }
    struct file_stamp stamp;
    s->known = false;
    r = file_stamp_take(s->path, &stamp, e);
    if (r < 0) {
        return r;
    }
    remember(s, &stamp, text->data, text->len);
    return 0;
}

bool file_store_intact(struct file_store *s)
{
    struct file_stamp stamp;
    if (!s->known || file_stamp_take(s->path, &stamp, NULL) < 0) {
        return false;
    }
    if (file_stamp_equal(&stamp, &s->stamp) && (size_t)stamp.size == s->len) {
        return true;
    }
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(FILE_DOC_MAX);
    if ((size_t)stamp.size != s->len || fs_read(s->path, &text, NULL) < 0 || text.len != s->len ||
        hash64(buf_str(&text), text.len) != s->digest) {
        return false;
    }
    s->stamp = stamp;
    return true;
}

int file_store_touch(struct file_store *s, struct err *e)
{
    if (utimensat(AT_FDCWD, s->path, NULL, 0) < 0) {
        int r = -errno;
        return err_set(e, ERR_TRANSIENT, r, "touch %s: %s", s->path, strerrordesc_np(-r));
    }
    return file_stamp_take(s->path, &s->stamp, e);
}
