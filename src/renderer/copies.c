/*
 * Happy path: a copy is a hard link, so it costs no space, and putting it back is one rename() that brings
 * back the very inode with its owner, mode and times. Where the file system has no hard links, or the file
 * is a mount point (EXDEV), or the process may not link it, it is a copy of the contents.
 *
 * A live file that is a mount point cannot be renamed over (EBUSY): it is put back by writing into it, and
 * the copy goes only when that is on disk.
 *
 * Failure: each operation may be repeated from its beginning after a crash anywhere in it. The folder may be
 * another user's, or a container's that has it mounted: no symbolic link is followed in the last component of
 * a live file's or copy's path, as contents are read and written with this process's rights.
 * Not done: extended attributes and ACLs of a copy that is no link; folders on the way that somebody
 * exchanges for links while this works.
 */
#include "renderer/copies.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/must.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const suffixes[] = {[COPY_BEFORE] = ".tw-before", [COPY_GOOD] = ".tw-good"};

char *copy_path(const char *live, enum copy_kind kind)
{
    return fs_beside(live, suffixes[kind]);
}

/* With its slash. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? xmemdup0(path, (size_t)(slash + 1 - path)) : xstrdup("./");
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return lstat(a, &x) == 0 && lstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool copy_is_live(const char *live, enum copy_kind kind)
{
    CLEANUP_FREE char *copy = copy_path(live, kind);
    return same_file(live, copy);
}

/* The contents of one file with its mode, owner and group, as far as this process may give them. */
static int copy_contents(const char *from, const char *to, struct err *e)
{
    struct stat st;
    struct buf text = BUF_INIT(COPY_FILE_MAX);
    int r = fs_read_regular(from, &text, &st, e);
    if (r == 0) {
        struct fs_how how = {.mode = st.st_mode & 07777,
                             .owner = st.st_uid,
                             .group = st.st_gid,
                             .durable = true,
                             .no_links = true};
        r = fs_replace_as(to, buf_str(&text), text.len, &how, e);
        if (r == -EPERM) {
            how.owner = FS_OWNER_KEEP;
            how.group = FS_GROUP_KEEP;
            r = fs_replace_as(to, buf_str(&text), text.len, &how, e);
        }
    }
    buf_deinit(&text);
    return r;
}

int copy_make(const char *live, enum copy_kind kind, enum copy_state *ret, struct err *e)
{
    CLEANUP_FREE char *copy = copy_path(live, kind);
    if (unlink(copy) < 0 && errno != ENOENT) {
        return fs_error(e, "remove", copy, errno);
    }
    if (link(live, copy) < 0) {
        if (errno == ENOENT) {
            *ret = COPY_ABSENT;
            return 0;
        }
        int r = copy_contents(live, copy, e);
        if (r < 0) {
            return r;
        }
    }
    struct stat st;
    if (lstat(copy, &st) < 0 || !S_ISREG(st.st_mode)) { /* link() takes a link by itself, too */
        unlink(copy);
        return err_set(e, ERR_INVALID, -EINVAL, "%s is not a regular file", live);
    }
    *ret = COPY_FILE;
    return 0;
}

/* As far as this process may: what cannot be given stays, but nobody else comes to read it by that. */
static int write_back_as(const char *live, const struct buf *text, const struct stat *copy,
                         struct err *e)
{
    struct stat st;
    struct fs_how how = {
        .mode = copy->st_mode & 07777, .owner = copy->st_uid, .group = copy->st_gid};
    int r = fs_overwrite(live, buf_str(text), text->len, &how, e);
    if (r == -EPERM) {
        how.owner = FS_OWNER_KEEP;
        how.group = FS_GROUP_KEEP;
        r = fs_overwrite(live, buf_str(text), text->len, &how, e);
    }
    if (r == -EPERM && lstat(live, &st) == 0 && (st.st_mode & ~copy->st_mode & 077) == 0) {
        how.mode = FS_MODE_KEEP;
        r = fs_overwrite(live, buf_str(text), text->len, &how, e);
    }
    return r;
}

static int write_back(const char *live, const char *copy, struct err *e)
{
    struct stat st;
    struct buf text = BUF_INIT(COPY_FILE_MAX);
    int r = fs_read_regular(copy, &text, &st, e);
    if (r == 0) {
        r = write_back_as(live, &text, &st, e);
    }
    buf_deinit(&text);
    if (r == 0 && unlink(copy) < 0 && errno != ENOENT) {
        r = fs_error(e, "remove", copy, errno);
    }
    return r;
}

static bool same_contents(const char *a, const char *b)
{
    struct buf x = BUF_INIT(COPY_FILE_MAX), y = BUF_INIT(COPY_FILE_MAX);
    bool same = same_file(a, b) || (fs_read_regular(a, &x, NULL, NULL) == 0 &&
                                    fs_read_regular(b, &y, NULL, NULL) == 0 && x.len == y.len &&
                                    memcmp(buf_str(&x), buf_str(&y), x.len) == 0);
    buf_deinit(&x);
    buf_deinit(&y);
    return same;
}

/* As when a crash came before the live file was touched. */
static bool is_as_copied(const char *live, const char *copy)
{
    struct stat x, y;
    return same_file(live, copy) ||
           (lstat(live, &x) == 0 && lstat(copy, &y) == 0 && x.st_mode == y.st_mode &&
            x.st_uid == y.st_uid && x.st_gid == y.st_gid && same_contents(live, copy));
}

/* As the contract says; false, too, when there is nothing. */
static bool is_copy(const char *live, const char *copy)
{
    struct stat st, of_folder, of_live;
    CLEANUP_FREE char *folder = folder_of(copy);
    if (lstat(copy, &st) < 0 || !S_ISREG(st.st_mode) || stat(folder, &of_folder) < 0) {
        return false;
    }
    return (of_folder.st_mode & 022) == 0 || st.st_uid == 0 || st.st_uid == geteuid() ||
           st.st_uid == of_folder.st_uid ||
           (lstat(live, &of_live) == 0 && st.st_uid == of_live.st_uid);
}

bool copy_live_holds(const char *live, uint64_t digest)
{
    struct buf text = BUF_INIT(COPY_FILE_MAX);
    bool same =
        fs_read_regular(live, &text, NULL, NULL) == 0 && hash64(buf_str(&text), text.len) == digest;
    buf_deinit(&text);
    return same;
}

static int put_back_file(const char *live, const char *copy, uint64_t put, enum copy_back *ret,
                         struct err *e)
{
    struct stat st;
    *ret = COPY_BACK_SAME;
    if (lstat(copy, &st) < 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            return fs_error(e, "look at", copy, errno);
        }
        /* put back already, or removed by somebody; or the whole folder is gone */
        *ret = copy_live_holds(live, put) ? COPY_BACK_GONE : COPY_BACK_SAME;
        return 0;
    }
    if (!is_copy(live, copy)) {
        *ret = COPY_BACK_STRANGE;
        return 0;
    }
    if (is_as_copied(live, copy)) {
        /* and a rename() of one name of a file over another of it would do nothing */
        return unlink(copy) < 0 && errno != ENOENT ? fs_error(e, "remove", copy, errno) : 0;
    }
    int r = 0;
    if (rename(copy, live) < 0) {
        r = errno == EBUSY ? write_back(live, copy, e) : fs_error(e, "put back", live, errno);
    }
    *ret = r == 0 ? COPY_BACK_DONE : COPY_BACK_SAME;
    return r;
}

static int put_back_absence(const char *live, uint64_t put, enum copy_back *ret, struct err *e)
{
    struct stat st;
    *ret = COPY_BACK_SAME;
    if (lstat(live, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > COPY_FILE_MAX) {
        return 0; /* nothing that was put here */
    }
    struct buf text = BUF_INIT(COPY_FILE_MAX);
    int r = fs_read_regular(live, &text, NULL, e);
    bool ours = r == 0 && hash64(buf_str(&text), text.len) == put;
    buf_deinit(&text);
    if (ours) {
        if (unlink(live) < 0 && errno != ENOENT) {
            return fs_error(e, "remove", live, errno);
        }
        *ret = COPY_BACK_DONE;
    }
    return r;
}

int copy_put_back(const char *live, enum copy_kind kind, enum copy_state state, uint64_t put,
                  enum copy_back *ret, struct err *e)
{
    must(state != COPY_NONE);
    CLEANUP_FREE char *copy = copy_path(live, kind);
    return state == COPY_FILE ? put_back_file(live, copy, put, ret, e)
                              : put_back_absence(live, put, ret, e);
}

void copy_drop(const char *live, enum copy_kind kind)
{
    CLEANUP_FREE char *copy = copy_path(live, kind);
    unlink(copy);
}

int copy_to_backup(const char *live, struct err *e)
{
    CLEANUP_FREE char *copy = copy_path(live, COPY_BEFORE);
    char *backup = NULL;
    must(asprintf(&backup, "%s" COPY_BACKUP, live) >= 0);
    int r = !is_copy(live, copy) || rename(copy, backup) == 0 || errno == ENOENT
                ? 0
                : fs_error(e, "make", backup, errno);
    unlink(copy); /* still there when the rename failed, or both are names of one file */
    free(backup);
    return r;
}

/* ---- what a crash has left ---- */

/* mkostemp() puts six letters or digits there; "before" would be six letters too. */
static bool is_random(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    return strlen(s) == 6 && strspn(s, letters) == 6 && !streq(s, "before");
}

/* A staged file of `of`, by the names that fs_stage() gives. */
static bool is_staged(const char *name, const char *of)
{
    CLEANUP_FREE char *prefix = fs_beside(of, ".tw-");
    const char *slash = strrchr(prefix, '/');
    const char *base = slash ? slash + 1 : prefix;
    return str_starts(name, base) && is_random(name + strlen(base));
}

static void sweep_staged(const char *live)
{
    CLEANUP_FREE char *before = copy_path(live, COPY_BEFORE);
    CLEANUP_FREE char *good = copy_path(live, COPY_GOOD);
    CLEANUP_FREE char *state = fs_beside(live, ".tw-state");
    CLEANUP_FREE char *folder = folder_of(live);
    DIR *dir = opendir(folder);
    if (!dir) {
        return; /* it is not there yet, or may not be listed: then they stay */
    }
    for (struct dirent *ent; (ent = readdir(dir)) != NULL;) {
        const char *name = ent->d_name;
        if (is_staged(name, live) || is_staged(name, before) || is_staged(name, good) ||
            is_staged(name, state)) {
            (void)unlinkat(dirfd(dir), name, 0);
        }
    }
    closedir(dir);
}

void copy_sweep(const char *live, bool backup, bool keep_good)
{
    CLEANUP_FREE char *before = copy_path(live, COPY_BEFORE);
    CLEANUP_FREE char *good = copy_path(live, COPY_GOOD);
    sweep_staged(live);
    if (is_copy(live, before)) {
        if (backup && !same_contents(before, live)) {
            (void)!copy_to_backup(live, NULL);
        }
        unlink(before);
    }
    if (!keep_good && is_copy(live, good)) {
        copy_drop(live, COPY_GOOD);
    }
}
