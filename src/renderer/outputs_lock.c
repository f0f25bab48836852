/*
 * Happy path: ".<base>.tw-lock" beside every output's real file, so that two processes collide whose sets of
 * outputs overlap, by whatever names. Held for the life of the object; the files stay (base/lock_file.h).
 * Failure: -EBUSY, with words that name the process, when another one has any of them.
 * Not done: locks for dry runs.
 */
#include "renderer/outputs_self.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int take(struct lock_file *ret, const char *path, const char *output, struct err *e)
{
    char mine[40], holder[LOCK_FILE_HOLDER_MAX];
    struct stat st;
    snprintf(mine, sizeof(mine), "process %ld\n", (long)getpid());
    int r = lock_file_take(ret, path, 0600, mine, holder, e);
    if (r == -EBUSY) {
        return err_set(e, ERR_CONFLICT, r,
                       "another tidewaiter (%.40s) is publishing %.110s: end that one, or give "
                       "this one other outputs",
                       holder[0] ? holder : "it does not say which", output);
    }
    if (r == -EACCES && lstat(path, &st) == 0) {
        return err_set(
            e, ERR_AUTH, -EPERM,
            "lock %.140s: user %lu has, or had, a tidewaiter that publishes it; end that "
            "one and remove the lock file",
            path, (unsigned long)st.st_uid);
    }
    return r;
}

int outputs_lock_other(struct lock_file *ret, const char *real, struct err *e)
{
    CLEANUP_FREE char *path = fs_beside(real, ".tw-lock");
    return take(ret, path, real, e);
}

/* That of the list which is for the path and still holds; it is taken out of the list. */
static struct lock_file find(struct lock_file *locks, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++) {
        if (locks[i].path && streq(locks[i].path, path) && lock_file_valid(&locks[i])) {
            struct lock_file l = locks[i];
            locks[i] = (struct lock_file)LOCK_FILE_NULL;
            return l;
        }
    }
    return (struct lock_file)LOCK_FILE_NULL;
}

/* Goes on behind what cannot be locked, as a later file may be another process's. */
static int lock_all(struct outputs *o, bool make_folders, struct err *e)
{
    struct lock_file *old = o->locks;
    int first = 0;
    o->locks = xcalloc(o->n, sizeof(o->locks[0]));
    for (size_t i = 0; i < o->n; i++) {
        CLEANUP_FREE char *real = fs_real_path(o->files[i].c.path);
        CLEANUP_FREE char *path = fs_beside(real, ".tw-lock");
        o->locks[i] = old ? find(old, o->n, path) : (struct lock_file)LOCK_FILE_NULL;
    }
    for (size_t i = 0; i < o->n; i++) {
        struct err why = ERR_INIT;
        if (o->locks[i].fd >= 0) {
            continue;
        }
        int r = make_folders ? live_make_folder(&o->files[i], &why) : 0;
        if (r == 0) {
            CLEANUP_FREE char *real = fs_real_path(o->files[i].c.path);
            CLEANUP_FREE char *path = fs_beside(real, ".tw-lock");
            r = take(&o->locks[i], path, o->files[i].c.path, &why);
        }
        if (r < 0 && (first == 0 || (r == -EBUSY && first != -EBUSY))) {
            first = r;
            *e = why;
        }
    }
    for (size_t i = 0; old && i < o->n; i++) {
        lock_file_release(&old[i]);
    }
    free(old);
    return first;
}

int outputs_lock(struct outputs *o, struct err *e)
{
    struct err why = ERR_INIT;
    int r = lock_all(o, true, &why);
    return r < 0 ? err_set(e, why.class, r, "%s", why.msg) : 0;
}

int outputs_lock_early(struct outputs *o, struct err *e)
{
    struct err why = ERR_INIT;
    int r = lock_all(o, false, &why);
    if (r == 0) {
        return 0;
    }
    (void)err_set(e, why.class, r, "%s", why.msg);
    return r == -EBUSY || r == -EINVAL || r == -EPERM ? r : OUTPUTS_E_UNLOCKED;
}
