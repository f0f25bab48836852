/*
 * Happy path: each output is a file of its own, and none of them bears a name that this program gives to what
 * stands beside another (".<base>.tw-...", "<base>.bak").
 * Failure: -EINVAL, with words that name both; also for names to which no more can be added.
 * Not done: names in folders that become one by a link that somebody makes later; staging asks again.
 */
#include "renderer/outputs_self.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* the longest of all: a copy being written beside a live file */
#define LONGEST_ADDITION                                                                           \
    (sizeof("..tw-before"                                                                          \
            "..tw-XXXXXX") -                                                                       \
     1)
#define BASE_MAX (NAME_MAX - LONGEST_ADDITION)

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int check_length(const char *path, const char *real, struct err *e)
{
    const char *base = base_of(real);
    if (strlen(base) > BASE_MAX) {
        return err_set(
            e, ERR_INVALID, -EINVAL,
            "output %.60s...: its name has %zu bytes; at most %zu are allowed, as longer "
            "ones stand beside it",
            base, strlen(base), (size_t)BASE_MAX);
    }
    if (strlen(real) + LONGEST_ADDITION >= PATH_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "output %.60s...: its path has %zu bytes; at most %zu are allowed", path,
                       strlen(real), PATH_MAX - LONGEST_ADDITION - 1);
    }
    return 0;
}

static bool is_one_file(const char *a, const char *b)
{
    struct stat x, y;
    return streq(a, b) ||
           (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* The path is a name that is needed beside the other one. */
static bool stands_beside(const char *real, const char *other, bool backup)
{
    CLEANUP_FREE char *own = fs_beside(other, ".tw-");
    const size_t len = strlen(other);
    return str_starts(real, own) ||
           (backup && strncmp(real, other, len) == 0 && streq(real + len, COPY_BACKUP));
}

static int check_pair(const struct live *a, const struct live *b, struct err *e)
{
    CLEANUP_FREE char *real = fs_real_path(a->c.path);
    CLEANUP_FREE char *other = fs_real_path(b->c.path);
    if (is_one_file(real, other)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "%.110s and %.110s are one file: give each output its own", b->c.path,
                       a->c.path);
    }
    bool taken = stands_beside(real, other, b->c.backup);
    if (taken || stands_beside(other, real, a->c.backup)) {
        return err_set(
            e, ERR_INVALID, -EINVAL,
            "output %.90s has a name that is needed for what stands beside output %.90s: "
            "give it another",
            taken ? a->c.path : b->c.path, taken ? b->c.path : a->c.path);
    }
    return 0;
}

int outputs_check_names(const struct outputs *o, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < o->n && r == 0; i++) {
        CLEANUP_FREE char *real = fs_real_path(o->files[i].c.path);
        r = check_length(o->files[i].c.path, real, e);
        for (size_t j = 0; j < i && r == 0; j++) {
            r = check_pair(&o->files[i], &o->files[j], e);
        }
    }
    return r;
}
