/*
 * Watches one file through its folder, because inotify follows the inode: a file that is replaced by
 * rename is another one afterwards.
 *
 * Happy path: any event that names our file sets the deferred call, so that a burst (create, write,
 * rename) within one turn is one call of fn.
 *
 * Failure modes: the folder is removed or replaced. Then the watch is dead without saying more than one
 * event about the folder itself; the folder is compared with the one we watch, and while there is none
 * it is looked for once a second. fn runs when it is lost and when it is back. An overflow of the
 * kernel's queue loses events until the next one: who needs certainty compares now and then.
 *
 * What this does not do: read the file, or follow symbolic links in its last component.
 */
#include "io/fswatch.h"

#include <errno.h>
#include <libgen.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "io/internal.h"
#include "io/timer.h"

#define LOOK_AGAIN 1000u /* ms */

struct io_fswatch {
    struct io *io;
    void (*fn)(void *ctx);
    void *ctx;
    char *folder, *name; /* of the file */
    dev_t dev;           /* of the folder that is watched */
    ino_t ino;
    uv_fs_event_t event;
    struct io_timer look_again; /* armed while there is no folder */
    struct io_defer changed;
};

static void run_fn(struct io_defer *d)
{
    struct io_fswatch *w = container_of(d, struct io_fswatch, changed);
    w->fn(w->ctx);
}

static void set_changed(struct io_fswatch *w)
{
    if (!io_defer_pending(&w->changed)) {
        io_defer(w->io, &w->changed, run_fn);
    }
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status);

static int watch_folder(struct io_fswatch *w)
{
    struct stat st;

    int r = uv_fs_event_start(&w->event, on_event, w->folder, 0);
    if (r == 0 && stat(w->folder, &st) < 0) {
        r = -errno;
        uv_fs_event_stop(&w->event);
    }
    if (r == 0) {
        w->dev = st.st_dev;
        w->ino = st.st_ino;
    }
    return r;
}

static void on_look_again(struct io_timer *t)
{
    struct io_fswatch *w = container_of(t, struct io_fswatch, look_again);

    if (watch_folder(w) < 0) {
        io_timer_start(w->io, t, LOOK_AGAIN, on_look_again);
    } else {
        set_changed(w);
    }
}

/* True while the path leads to the folder that is watched. */
static bool folder_is_same(const struct io_fswatch *w)
{
    struct stat st;
    return stat(w->folder, &st) == 0 && st.st_dev == w->dev && st.st_ino == w->ino;
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct io_fswatch *w = container_of(event, struct io_fswatch, event);

    (void)events;
    if (status < 0 || !name || streq(name, w->name)) {
        set_changed(w);
        return;
    }
    const char *slash = strrchr(w->folder, '/');
    if (streq(name, slash ? slash + 1 : w->folder) && !folder_is_same(w)) {
        uv_fs_event_stop(&w->event);
        set_changed(w);
        io_timer_start(w->io, &w->look_again, 0, on_look_again);
    }
}

static void on_closed(uv_handle_t *h)
{
    struct io_fswatch *w = container_of((uv_fs_event_t *)h, struct io_fswatch, event);

    io_handle_closed(h);
    free(w->folder);
    free(w->name);
    free(w);
}

int io_fswatch_new(struct io_fswatch **ret, struct io *io, const char *path, void (*fn)(void *ctx),
                   void *ctx, struct err *e)
{
    CLEANUP_FREE char *for_dirname = xstrdup(path);
    CLEANUP_FREE char *for_basename = xstrdup(path);
    struct io_fswatch *w = xcalloc(1, sizeof(*w));

    must(io->magic == IO_MAGIC);
    w->io = io;
    w->fn = fn;
    w->ctx = ctx;
    w->folder = xstrdup(dirname(for_dirname));
    w->name = xstrdup(basename(for_basename));
    must(uv_fs_event_init(&io->loop, &w->event) == 0);
    int r = watch_folder(w);
    if (r < 0) {
        err_set(e, r == -ENOENT || r == -EACCES ? ERR_INVALID : ERR_TRANSIENT, r, "watch %s: %s",
                w->folder, uv_strerror(r));
        io_handle_close((uv_handle_t *)&w->event, on_closed);
        return r;
    }
    io->open_fswatches++;
    *ret = w;
    return 0;
}

void io_fswatch_free(struct io_fswatch *w)
{
    if (w) {
        w->io->open_fswatches--;
        io_timer_stop(&w->look_again);
        io_defer_drop(&w->changed);
        io_handle_close((uv_handle_t *)&w->event, on_closed);
    }
}
