/*
 * Running the loop until something holds. A deadline timer of the helper keeps the loop from waiting for
 * ever, so a condition that never comes true fails with its text instead of hanging the test.
 */
#include "lib/loop_test.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "io/internal.h"
#include "io/timer.h"

struct loop_wait {
    struct io *io;
    struct io_timer deadline;
    struct io_timer look; /* wakes the loop, so that the condition is evaluated */
    msec_t ms;
    const char *what, *file;
    int line;
};

struct io *loop_open(void)
{
    struct io *io = NULL;
    struct err e = ERR_INIT;

    if (io_new(&io, &e) < 0) {
        fail_msg("io_new: %s", e.msg);
    }
    return io;
}

static void on_deadline(struct io_timer *t)
{
    struct loop_wait *w = container_of(t, struct loop_wait, deadline);

    print_error("still not true after %llu ms: %s\n", (unsigned long long)w->ms, w->what);
    print_error("open: %u requests, %u children, %u signals, %u watches; handles:\n",
                w->io->open_requests, w->io->open_children, w->io->open_signals,
                w->io->open_fswatches);
    uv_print_all_handles(&w->io->loop, stderr);
    _fail(w->file, w->line);
}

static void on_look(struct io_timer *t)
{
    io_timer_start(t->io, t, 5, on_look);
}

struct loop_wait *loop_wait_begin(struct io *io, msec_t ms, bool look, const char *what,
                                  const char *file, int line)
{
    struct loop_wait *w = xcalloc(1, sizeof(*w));
    w->io = io;
    w->ms = ms;
    w->what = what;
    w->file = file;
    w->line = line;
    io_update_time(io); /* the test may have worked for long since the last turn */
    io_timer_start(io, &w->deadline, ms, on_deadline);
    if (look) {
        io_timer_start(io, &w->look, 0, on_look);
    }
    return w;
}

void loop_wait_turn(struct loop_wait *w)
{
    io_turn(w->io);
}

void loop_wait_end(struct loop_wait *w)
{
    io_timer_stop(&w->deadline);
    io_timer_stop(&w->look);
    free(w);
}

static void count_handle(uv_handle_t *h, void *n)
{
    (void)h;
    (*(unsigned *)n)++;
}

/* True when only the helper's deadline and the three handles of the loop itself are left. */
static bool is_empty(struct loop_wait *w)
{
    unsigned handles = 0;

    uv_walk(&w->io->loop, count_handle, &handles);
    return handles == 3 && !w->io->deferred && w->io->timers == &w->deadline &&
           !w->deadline.heap[0];
}

void loop_close(struct io *io)
{
    struct loop_wait *w =
        loop_wait_begin(io, LOOP_DEADLINE, false, "the loop is empty", __FILE__, __LINE__);

    while (!is_empty(w)) {
        loop_wait_turn(w);
    }
    loop_wait_end(w);
    io_free(io);
}

char *loop_mkdir(void)
{
    const char *tmp = getenv("TMPDIR");
    struct buf path = BUF_INIT(4096);

    buf_printf(&path, "%s/tidewaiter-test-XXXXXX", tmp ? tmp : "/tmp");
    char *dir = buf_take(&path);
    if (!mkdtemp(dir)) {
        fail_msg("mkdtemp %s failed", dir);
    }
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void loop_rmdir(char *dir)
{
    assert_int_equal(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(dir);
}
