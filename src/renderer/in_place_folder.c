/*
 * Happy path: the folder is opened, an empty one in memory is mounted over it, and each entry of the
 * former is mounted under its name in the latter: as it is, with its own flags and all mounts below it. A
 * symbolic link is made again, as a mount would be of what it leads to.
 * Failure: too many entries, or one that cannot be mounted, ends it.
 * Not done: extended attributes and ACLs of the folder itself.
 */
#include "renderer/in_place_view.h"

#include "base/alloc.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* What a command may write beside the entries, besides the entries' own names. */
#define VIEW_OPTIONS "mode=0700,size=64m"

struct folder {
    const char *path;
    int before; /* what is covered */
    int view;   /* what covers it */
    DIR *entries;
};

static void folder_deinit(struct folder *f)
{
    if (f->entries) {
        closedir(f->entries); /* also f->before */
    } else if (f->before >= 0) {
        close(f->before);
    }
    if (f->view >= 0) {
        close(f->view);
    }
}

static int open_before(struct folder *f, struct err *e)
{
    f->before = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    f->entries = f->before < 0 ? NULL : fdopendir(f->before);
    return f->entries ? 0 : in_place_fault(e, errno, "opening the folder %s", f->path);
}

/* A folder in memory over it, open for the same users. */
static int cover(struct folder *f, struct err *e)
{
    struct stat st;
    if (fstat(f->before, &st) < 0) {
        return in_place_fault(e, errno, "looking at the folder %s", f->path);
    }
    if (mount("tidewaiter", f->path, "tmpfs", MS_NOSUID | MS_NODEV, VIEW_OPTIONS) < 0) {
        return in_place_fault(e, errno, "mounting a view over the folder %s", f->path);
    }
    f->view = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->view < 0 || fchown(f->view, st.st_uid, st.st_gid) < 0 ||
        fchmod(f->view, st.st_mode & 07777) < 0) {
        return in_place_fault(e, errno, "making the view of the folder %s", f->path);
    }
    return 0;
}

static int copy_link(const struct folder *f, const char *name)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(f->before, name, target, sizeof(target));
    if (len < 0 || (size_t)len == sizeof(target)) {
        return len < 0 ? -errno : -ENAMETOOLONG;
    }
    target[len] = '\0';
    return symlinkat(target, f->view, name) < 0 ? -errno : 0;
}

static int make_stand_in(const struct folder *f, const char *name, bool is_folder)
{
    if (is_folder) {
        return mkdirat(f->view, name, 0700) < 0 ? -errno : 0;
    }
    CLEANUP_CLOSE int fd = openat(f->view, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : 0;
}

static int show_entry(const struct folder *f, const char *name)
{
    struct stat st;
    if (fstatat(f->before, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return errno == ENOENT ? 0 : -errno; /* removed since it was listed */
    }
    if (S_ISLNK(st.st_mode)) {
        return copy_link(f, name);
    }
    bool is_folder = S_ISDIR(st.st_mode);
    int r = make_stand_in(f, name, is_folder);
    if (r < 0) {
        return r;
    }
    /* Through the descriptors: by its path the entry is covered already. */
    char source[NAME_MAX + 64], target[NAME_MAX + 64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d/%s", f->before, name);
    snprintf(target, sizeof(target), "/proc/self/fd/%d/%s", f->view, name);
    if (mount(source, target, NULL, is_folder ? MS_BIND | MS_REC : MS_BIND, NULL) == 0) {
        return 0;
    }
    if (errno != ENOENT) {
        return -errno;
    }
    /* removed between the look and the mount: neither is there to be its stand-in */
    return unlinkat(f->view, name, is_folder ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
}

static int show_entries(const struct folder *f, struct err *e)
{
    unsigned n = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(f->entries);
        if (!entry && errno != 0) {
            return in_place_fault(e, errno, "reading the folder %s", f->path);
        }
        if (!entry) {
            return 0;
        }
        if (streq(entry->d_name, ".") || streq(entry->d_name, "..")) {
            continue;
        }
        if (++n > IN_PLACE_ENTRIES_MAX) {
            return err_set(e, ERR_INVALID, -E2BIG,
                           "showing a new file in %.120s: the folder has more than %u entries",
                           f->path, IN_PLACE_ENTRIES_MAX);
        }
        int r = show_entry(f, entry->d_name);
        if (r < 0) {
            return in_place_fault(e, -r, "showing %s in the view of %s", entry->d_name, f->path);
        }
    }
}

int in_place_rebuild(const char *folder, struct err *e)
{
    if (streq(folder, "/")) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "showing a new file in /: the root folder cannot be covered");
    }
    struct folder f CLEANUP(folder_deinit) = {.path = folder, .before = -1, .view = -1};
    int r = open_before(&f, e);
    if (r == 0) {
        r = cover(&f, e);
    }
    return r < 0 ? r : show_entries(&f, e);
}
