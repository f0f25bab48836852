/*
 * Names: where a path leads, what stands beside it, and the folders that hold it.
 * Failure: a path that leads nowhere (a loop, a folder without rights) stays as it was given, so that who
 * opens it says why. Not done: paths are not made safe against others who may write in their folders.
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

#define LINKS_MAX 40 /* as the kernel has it */

/* Length of the folder with its slash; 0 when there is none. */
static int folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

static char *folder_of(const char *path)
{
    int len = folder_len(path);
    return len > 0 ? xmemdup0(path, (size_t)len) : xstrdup(".");
}

static char *real_path_of_absent(const char *path);

/* Of a folder, which may not be there either; no slash at its end. NULL when it cannot be known. */
static char *real_folder(const char *path)
{
    CLEANUP_FREE char *folder = folder_of(path);
    char *real = realpath(folder, NULL);
    if (real || errno != ENOENT || folder[0] == '\0') {
        return real;
    }
    size_t len = strlen(folder);
    while (len > 1 && folder[len - 1] == '/') {
        folder[--len] = '\0';
    }
    return strcmp(folder, ".") == 0 ? NULL : real_path_of_absent(folder);
}

/*
 * One that is not there: the folder's real path and its base. A folder that is missing is going to be made, so
 * what is below it leads to no links.
 */
static char *real_path_of_absent(const char *path)
{
    CLEANUP_FREE char *real = real_folder(path);
    const char *base = path + folder_len(path);
    if (!real) {
        return xstrdup(path);
    }
    if (strcmp(base, ".") == 0) {
        return take_ptr(real);
    }
    if (strcmp(base, "..") == 0) {
        char *slash = strrchr(real, '/');
        if (slash) {
            slash[slash == real] = '\0';
        }
        return take_ptr(real);
    }
    char *text = NULL;
    must(asprintf(&text, "%s%s%s", real, strcmp(real, "/") == 0 ? "" : "/", base) >= 0);
    return text;
}

char *fs_real_path(const char *path)
{
    CLEANUP_FREE char *at = xstrdup(path);
    for (int hops = 0; hops < LINKS_MAX; hops++) {
        char *real = realpath(at, NULL);
        if (real) {
            return real;
        }
        char to[PATH_MAX];
        ssize_t n = errno == ENOENT ? readlink(at, to, sizeof(to) - 1) : -1;
        if (n < 0) {
            return errno == ENOENT || errno == EINVAL ? real_path_of_absent(at) : take_ptr(at);
        }
        to[n] = '\0';
        char *next = NULL;
        must(asprintf(&next, "%.*s%s", to[0] == '/' ? 0 : folder_len(at), at, to) >= 0);
        free(at);
        at = next;
    }
    return xstrdup(path);
}

char *fs_beside(const char *path, const char *suffix)
{
    int folder = folder_len(path);
    char *text = NULL;
    must(asprintf(&text, "%.*s.%s%s", folder, path, path + folder, suffix) >= 0);
    return text;
}

int fs_flush_folder(const char *path, struct err *e)
{
    CLEANUP_FREE char *folder = folder_of(path);
    CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        /* one may write names in a folder that one may not read */
        return errno == EACCES ? 0 : fs_error(e, "open", folder, errno);
    }
    if (fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP) {
        return fs_error(e, "flush", folder, errno);
    }
    return 0;
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
                return fs_error(e, "create", folder, errnum);
            }
        } else if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
            return fs_error(e, "create", folder, ENOTDIR);
        }
        *p = '/';
    }
    return 0;
}

bool fs_same_stamp(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}
