/*
 * Happy path: stage, set aside, promote, and a stamp of device, inode, size and times, so that asking
 * whether the file still holds the published bytes costs one stat().
 *
 * Durability: staged files are flushed here, folders by the caller, once for all files. Without that a
 * power loss after the rename may leave an empty file on some file systems, with which nginx does not
 * start, and nobody would repair it before nginx is needed. Measured with 20 KB on ext4 over a virtual
 * disk: 0.2 ms for the file and 0.1 ms for the folder.
 *
 * Failure: whatever fails before the rename leaves the file as it was. A file that is a mount point of its
 * own (a container's bind mount of one file) is written in place, from the copy's safety. Editing a file in
 * place within one tick of its time stamp and without changing its size goes unnoticed until the next
 * change of content.
 * Not done: extended attributes and ACLs.
 */
#include "renderer/live.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIVE_FOLDER 0755

void live_init(struct live *l, const struct target_config *c)
{
    *l = (struct live){.c = *c, .staged = FS_STAGED_NULL};
}

void live_deinit(struct live *l)
{
    fs_discard(&l->staged);
    free(take_ptr(l->real));
    l->known = false;
}

int live_read(struct live *l, struct buf *out, struct err *e)
{
    size_t before = out->len;
    CLEANUP_FREE char *real = fs_real_path(l->c.path);
    l->known = false;
    /* stamp and contents of one file, or another's could pass for the one that was read */
    int r = fs_read_regular(real, out, &l->stamp, e);
    if (r == 0) {
        l->known = true;
        l->digest = hash64(buf_str(out) + before, out->len - before);
    }
    return r;
}

bool live_holds(struct live *l, size_t len, uint64_t digest)
{
    struct stat now;
    if (stat(l->c.path, &now) < 0 || !S_ISREG(now.st_mode) || (size_t)now.st_size != len) {
        return false;
    }
    if (!l->known || !fs_same_stamp(&now, &l->stamp)) {
        struct buf text = BUF_INIT(COPY_FILE_MAX);
        int r = live_read(l, &text, NULL); /* what cannot be read is replaced */
        buf_deinit(&text);
        if (r < 0) {
            return false;
        }
    }
    return l->digest == digest && (size_t)l->stamp.st_size == len;
}

/*
 * By a descriptor of the file that was looked at: whoever may write in the folder could have put a link in its
 * place, and have any file given away.
 */
static int set_attributes(const struct live *l, const struct stat *seen, bool owner, bool mode,
                          struct err *e)
{
    const struct target_config *c = &l->c;
    struct stat now;
    CLEANUP_FREE char *real = fs_real_path(c->path);
    CLEANUP_CLOSE int fd = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return fs_error(e, "open", c->path, errno);
    }
    if (fstat(fd, &now) < 0 || !S_ISREG(now.st_mode) || !fs_same_stamp(&now, seen)) {
        return 0; /* another one meanwhile, which is to be replaced */
    }
    if (owner && fchown(fd, c->owner, c->group) < 0) {
        return fs_error(e, "set owner and group of", c->path, errno);
    }
    /* afterwards: a change of owner clears set-id bits */
    return mode && fchmod(fd, c->mode) < 0 ? fs_error(e, "set the mode of", c->path, errno) : 0;
}

int live_fix_attributes(const struct live *l, struct err *e)
{
    struct stat now;
    const struct target_config *c = &l->c;
    if (stat(c->path, &now) < 0) {
        return 0; /* there will be one, with these attributes */
    }
    if (!l->known || !fs_same_stamp(&now, &l->stamp)) {
        return 0; /* another one than was judged, which is to be replaced */
    }
    bool owner = c->owner != TARGET_OWNER_KEEP && c->owner != now.st_uid;
    bool group = c->group != TARGET_GROUP_KEEP && c->group != now.st_gid;
    bool mode = c->mode != FS_MODE_KEEP && ((now.st_mode & 07777) != c->mode || owner || group);
    return owner || group || mode ? set_attributes(l, &now, owner || group, mode, e) : 0;
}

int live_make_folder(const struct live *l, struct err *e)
{
    CLEANUP_FREE char *real = fs_real_path(l->c.path);
    return fs_make_parent(real, LIVE_FOLDER, e);
}

int live_stage(struct live *l, const void *bytes, size_t len, uint64_t digest, struct err *e)
{
    must(!l->staged.path);
    const struct fs_how how = {
        .mode = l->c.mode, .owner = l->c.owner, .group = l->c.group, .durable = true};
    int r = fs_stage_as(&l->staged, l->c.path, bytes, len, &how, e);
    if (r < 0) {
        return r;
    }
    if (lstat(l->staged.path, &l->staged_stamp) < 0) {
        r = fs_error(e, "look at", l->staged.path, errno);
        fs_discard(&l->staged);
        return r;
    }
    l->staged_digest = digest;
    return 0;
}

int live_set_aside(struct live *l, bool want_good, struct err *e)
{
    must(l->staged.path && l->before == COPY_NONE);
    if (l->real && l->good != COPY_NONE && strcmp(l->real, l->staged.target) != 0) {
        live_drop_good(l); /* the link leads elsewhere now: that one is no copy of this file */
    }
    free(l->real);
    l->real = xstrdup(l->staged.target);
    l->put_before = l->put;
    l->put = l->staged_digest;
    l->touched = false;
    int r = copy_make(l->real, COPY_BEFORE, &l->before, e);
    if (r == 0 && want_good && l->good == COPY_NONE) {
        r = copy_make(l->real, COPY_GOOD, &l->good, e);
    }
    if (r < 0) {
        copy_drop(l->real, COPY_BEFORE);
        l->before = COPY_NONE;
        l->put = l->put_before;
    }
    l->swapping = r == 0;
    return r;
}

static int promote_in_place(struct live *l, struct err *e)
{
    struct buf text = BUF_INIT(COPY_FILE_MAX);
    /* writing into a file of which the copy is but another name would leave nothing to put back */
    if (copy_is_live(l->real, COPY_BEFORE) || copy_is_live(l->real, COPY_GOOD)) {
        return fs_error(e, "replace", l->real, EBUSY);
    }
    const struct fs_how how = {.mode = l->c.mode, .owner = l->c.owner, .group = l->c.group};
    int r = fs_read_regular(l->staged.path, &text, NULL, e);
    if (r == 0 && hash64(buf_str(&text), text.len) != l->staged_digest) {
        r = err_set(e, ERR_CONFLICT, -EAGAIN, "somebody has changed %s", l->staged.path);
    }
    if (r == 0) {
        l->touched = true;
        r = fs_overwrite(l->real, buf_str(&text), text.len, &how, e);
    }
    buf_deinit(&text);
    return r;
}

int live_promote(struct live *l, struct err *e)
{
    must(l->staged.path && l->real);
    l->known = false;
    bool in_place = false;
    if (rename(l->staged.path, l->real) < 0) {
        in_place = errno == EBUSY;
        int r = in_place ? promote_in_place(l, e) : fs_error(e, "replace", l->real, errno);
        if (r < 0) {
            return r;
        }
        l->known = stat(l->real, &l->stamp) == 0;
    } else {
        l->stamp = l->staged_stamp; /* what a later stat() gives may be another's already */
        l->known = true;
    }
    l->touched = true;
    l->digest = l->staged_digest;
    fs_discard(&l->staged);
    return in_place ? LIVE_E_IN_PLACE : 0;
}

bool live_is_promoted(const struct live *l)
{
    struct stat now;
    if (l->known && l->digest == l->put && lstat(l->real, &now) == 0 &&
        fs_same_stamp(&now, &l->stamp)) {
        return true;
    }
    return copy_live_holds(l->real, l->put); /* a check may touch it, or write it anew */
}

int live_retire(struct live *l, struct err *e)
{
    int r = 0;
    if (l->before == COPY_FILE && l->c.backup) {
        r = copy_to_backup(l->real, e);
    } else if (l->before != COPY_NONE) {
        copy_drop(l->real, COPY_BEFORE);
    }
    l->before = COPY_NONE;
    l->swapping = false;
    return r;
}

void live_abandon(struct live *l)
{
    must(!l->touched);
    copy_drop(l->real, COPY_BEFORE);
    l->before = COPY_NONE;
    l->put = l->put_before;
    l->swapping = false;
}

int live_put_back(struct live *l, enum copy_kind kind, struct err *e)
{
    enum copy_state *state = kind == COPY_BEFORE ? &l->before : &l->good;
    enum copy_back back = COPY_BACK_SAME;
    if (*state == COPY_NONE) {
        return 0;
    }
    int r = 0;
    if (kind == COPY_GOOD || l->touched) {
        l->known = false;
        r = copy_put_back(l->real, kind, *state, l->put, &back, e);
    } else {
        copy_drop(l->real, kind);
    }
    if (r == 0 && back == COPY_BACK_STRANGE) {
        CLEANUP_FREE char *copy = copy_path(l->real, kind);
        return err_set(e, ERR_INVALID, -EINVAL, "put back %s: somebody else has put %s there",
                       l->real, copy);
    }
    if (r < 0) {
        return r;
    }
    *state = COPY_NONE;
    if (kind == COPY_BEFORE) {
        l->put = l->put_before;
    }
    return back == COPY_BACK_GONE ? LIVE_E_GONE : 0;
}

void live_drop_good(struct live *l)
{
    if (l->real) { /* also one that a run has left whose journal was not understood */
        copy_drop(l->real, COPY_GOOD);
    }
    l->good = COPY_NONE;
}
