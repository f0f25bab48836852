/*
 * Happy path: unshare, cut the new namespace's mounts off from everybody else's, then mount. Descriptors
 * of the staged files come first, since a rebuilt folder hides them; rebuilt folders come before the
 * mounts over single files, since those may lie in one.
 * Failure: the first mount that is refused ends it, with its path; the namespace goes with the process.
 * Not done: other names of a live file (hard links, a second bind mount of its folder) show what they
 * did.
 */
#include "renderer/in_place_view.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#define LINKS_MAX 40u /* as the kernel follows */

/* Where a live file is, or is to be. */
struct place {
    char *folder; /* real path; NULL where the file is there */
    char *path;   /* of the file: its real path, or folder/name */
};

static void place_deinit(struct place *p)
{
    free(p->folder);
    free(p->path);
}

struct view {
    const struct in_place_pair *pairs;
    size_t n;
    int *staged; /* descriptors, O_PATH */
    char **rebuilt;
    size_t n_rebuilt;
};

static void view_deinit(struct view *v)
{
    for (size_t i = 0; v->staged && i < v->n; i++) {
        if (v->staged[i] >= 0) {
            close(v->staged[i]);
        }
    }
    for (size_t i = 0; i < v->n_rebuilt; i++) {
        free(v->rebuilt[i]);
    }
    free(v->staged);
    free(v->rebuilt);
}

int in_place_fault(struct err *e, int errnum, const char *fmt, ...)
{
    char tried[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(tried, sizeof(tried), fmt, ap);
    va_end(ap);
    const char *why = strerrordesc_np(errnum);
    /* the reason has its place, however long the paths are */
    return err_set(e, ERR_TRANSIENT, -errnum, "%.180s: %s", tried, why ? why : "unknown error");
}

/* The flags that a remount has to repeat: in a user namespace they are locked. */
static unsigned long flags_of(const char *path)
{
    static const struct {
        unsigned long st, ms;
    } flags[] = {{ST_NOSUID, MS_NOSUID},         {ST_NODEV, MS_NODEV},
                 {ST_NOEXEC, MS_NOEXEC},         {ST_NOATIME, MS_NOATIME},
                 {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME}};
    struct statvfs st;
    unsigned long found = 0;
    if (statvfs(path, &st) == 0) {
        for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
            found |= st.f_flag & flags[i].st ? flags[i].ms : 0;
        }
    }
    return found;
}

int in_place_bind(int fd, const char *path, struct err *e)
{
    char source[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    if (mount(source, path, NULL, MS_BIND, NULL) < 0) {
        return in_place_fault(e, errno, "mounting the staged file over %s", path);
    }
    /* what was judged is what goes live: the judge may not write to it */
    if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags_of(path), NULL) < 0) {
        return in_place_fault(e, errno, "making the staged file read-only over %s", path);
    }
    return 0;
}

static char *join(const char *folder, const char *name)
{
    struct buf path = BUF_INIT((size_t)2 * PATH_MAX);
    buf_puts(&path, folder);
    buf_putc(&path, '/');
    buf_puts(&path, name);
    return buf_take(&path);
}

/*
 * One step towards a file that is not there: path, of which at least the last part is missing, is a place
 * in its folder (1), or a symbolic link whose target is the path to go on with (0, in *next).
 */
static int step(const char *path, struct place *ret, char **next, struct err *e)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    CLEANUP_FREE char *folder = slash ? xmemdup0(path, (size_t)(slash + 1 - path)) : xstrdup(".");
    CLEANUP_FREE char *real = realpath(folder, NULL);
    if (!real) {
        return in_place_fault(e, errno, "finding the folder %s", folder);
    }
    if (!*name || streq(name, ".") || streq(name, "..")) {
        return in_place_fault(e, ENOENT, "finding the place of %s", path);
    }
    CLEANUP_FREE char *whole = join(real, name);
    char target[PATH_MAX];
    ssize_t len = readlink(whole, target, sizeof(target));
    if (len < 0 && errno == ENOENT) {
        *ret = (struct place){.folder = take_ptr(real), .path = take_ptr(whole)};
        return 1;
    }
    if (len < 0 || (size_t)len == sizeof(target)) {
        return in_place_fault(e, len < 0 ? errno : ENAMETOOLONG, "reading the link %s", whole);
    }
    CLEANUP_FREE char *text = xmemdup0(target, (size_t)len);
    *next = *text == '/' ? take_ptr(text) : join(real, text);
    return 0;
}

static int locate(const char *live, struct place *ret, struct err *e)
{
    CLEANUP_FREE char *path = xstrdup(live);
    for (unsigned links = 0; links <= LINKS_MAX; links++) {
        char *real = realpath(path, NULL);
        if (real) {
            *ret = (struct place){.path = real};
            return 0;
        }
        if (errno != ENOENT) {
            return in_place_fault(e, errno, "finding %s", path);
        }
        char *next = NULL;
        int r = step(path, ret, &next, e);
        if (r != 0) {
            return r < 0 ? r : 0;
        }
        free(path);
        path = next;
    }
    return in_place_fault(e, ELOOP, "finding %s", live);
}

static int open_staged(struct view *v, struct err *e)
{
    v->staged = xcalloc(v->n, sizeof(*v->staged));
    memset(v->staged, -1, v->n * sizeof(*v->staged));
    for (size_t i = 0; i < v->n; i++) {
        v->staged[i] = open(v->pairs[i].staged, O_PATH | O_CLOEXEC);
        if (v->staged[i] < 0) {
            return in_place_fault(e, errno, "opening the staged file %s", v->pairs[i].staged);
        }
    }
    return 0;
}

static int rebuild_once(struct view *v, const char *folder, struct err *e)
{
    for (size_t i = 0; i < v->n_rebuilt; i++) {
        if (streq(v->rebuilt[i], folder)) {
            return 0;
        }
    }
    int r = in_place_rebuild(folder, e);
    if (r == 0) {
        v->rebuilt[v->n_rebuilt++] = xstrdup(folder);
    }
    return r;
}

/* The live files that are not there get an empty file to be mounted over. */
static int make_missing(struct view *v, struct err *e)
{
    v->rebuilt = xcalloc(v->n, sizeof(*v->rebuilt));
    for (size_t i = 0; i < v->n; i++) {
        struct place p CLEANUP(place_deinit) = {0};
        int r = locate(v->pairs[i].live, &p, e);
        if (r == 0 && p.folder) {
            r = rebuild_once(v, p.folder, e);
        }
        if (r < 0) {
            return r;
        }
        CLEANUP_CLOSE int fd =
            p.folder ? open(p.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
        if (p.folder && fd < 0) {
            return in_place_fault(e, errno, "making %s in the view of its folder", p.path);
        }
    }
    return 0;
}

static int mount_staged(const struct view *v, struct err *e)
{
    for (size_t i = 0; i < v->n; i++) {
        CLEANUP_FREE char *real = realpath(v->pairs[i].live, NULL);
        if (!real) {
            return in_place_fault(e, errno, "finding %s", v->pairs[i].live);
        }
        int r = in_place_bind(v->staged[i], real, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int separate(struct err *e)
{
    if (unshare(CLONE_NEWNS) < 0) {
        return in_place_fault(e, errno, "making a mount namespace");
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return in_place_fault(e, errno, "making the mounts of the namespace private");
    }
    return 0;
}

int in_place_enter(const struct in_place_pair *pairs, size_t n, struct err *e)
{
    struct view v CLEANUP(view_deinit) = {.pairs = pairs, .n = n};
    int r = separate(e);
    if (r == 0) {
        r = open_staged(&v, e);
    }
    /* one that was removed has no path, and none of the folders is it */
    CLEANUP_FREE char *folder = getcwd(NULL, 0);
    if (r == 0) {
        r = make_missing(&v, e);
    }
    /* from here on relative paths mean the rebuilt folders */
    if (r == 0 && v.n_rebuilt > 0 && folder && chdir(folder) < 0) {
        r = in_place_fault(e, errno, "entering the working folder %s again", folder);
    }
    return r < 0 ? r : mount_staged(&v, e);
}
