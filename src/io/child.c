/*
 * One external command: its own process group, a deadline, its output up to a cap.
 *
 *     RUNNING ─deadline · cancel─► TERMINATED (TERM sent) ─2 s─► KILLED (KILL sent)
 *        └──────────────┬────────────────┴──────────────────────────┘
 *                       └─exit─► EXITED ─defer─► done
 *
 * Happy path: uv_spawn() reports a failing exec at once, so child_start() fails on a command that does
 * not exist. stdout and stderr are one pipe, in the order written. The exit ends the job: what is in the
 * pipe by then is read, whatever is still holding it. A command that leaves a daemon behind (nginx
 * without "daemon off") would otherwise never end.
 *
 * Failure modes: output above the cap is read and dropped, so that the command cannot block on it. A
 * command that ignores TERM gets KILL, which cannot be ignored. When its leader has gone after a TERM,
 * what is left of the group gets KILL; after a normal exit it is left alone, as it may be such a daemon.
 *
 * Every other descriptor of this process is marked close-on-exec first, because some libraries open them
 * without (curl: the pair behind its wake-up).
 *
 * Close: the memory goes when both handles are closed and done has run; one counter.
 */
#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/must.h"
#include "io/internal.h"
#include "io/timer.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2) /* libc has no name for it, the kernel does */
#endif

#define CHILD_MAGIC 0xc411d0e5u
#define KILL_AFTER  2000u /* ms */

enum child_state { CHILD_S_RUNNING, CHILD_S_TERMINATED, CHILD_S_KILLED, CHILD_S_EXITED };

#define TO(s) (1u << (s))
static const struct {
    const char *name;
    unsigned next; /* allowed */
} states[] = {
    [CHILD_S_RUNNING] = {"running", TO(CHILD_S_TERMINATED) | TO(CHILD_S_EXITED)},
    [CHILD_S_TERMINATED] = {"terminated", TO(CHILD_S_KILLED) | TO(CHILD_S_EXITED)},
    [CHILD_S_KILLED] = {"killed", TO(CHILD_S_EXITED)},
    [CHILD_S_EXITED] = {"exited", 0},
};

struct child_process {
    uint32_t magic;
    struct io *io;
    struct child_job *job;
    uv_process_t process;
    uv_pipe_t pipe;
    struct io_timer timer; /* deadline, then the time until KILL */
    struct io_defer finish;
    struct buf output;
    enum child_state state;
    int code, exit_status, signal;
    unsigned pending; /* handles to close, and done to run */
};

static void set_state(struct child_process *p, enum child_state to)
{
    must(states[p->state].next & TO(to));
    log_debug("child", "pid", LOG_U(p->process.pid), "from", states[p->state].name, "to",
              states[to].name, NULL);
    p->state = to;
}

static void put(struct child_process *p)
{
    must(p->pending > 0);
    if (--p->pending == 0) {
        buf_deinit(&p->output);
        p->magic = 0;
        free(p);
    }
}

static void on_process_closed(uv_handle_t *h)
{
    io_handle_closed(h);
    put(container_of((uv_process_t *)h, struct child_process, process));
}

static void on_pipe_closed(uv_handle_t *h)
{
    io_handle_closed(h);
    put(container_of((uv_pipe_t *)h, struct child_process, pipe));
}

static void close_handles(struct child_process *p)
{
    io_handle_close((uv_handle_t *)&p->process, on_process_closed);
    io_handle_close((uv_handle_t *)&p->pipe, on_pipe_closed);
}

/* ---- output ---- */

static void keep(struct child_process *p, const char *bytes, size_t len)
{
    size_t room = p->output.max - p->output.len;
    buf_append(&p->output, bytes, len < room ? len : room);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    static char bytes[4096]; /* one loop, one thread, and used up in on_read */
    (void)h;
    (void)suggested;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct child_process *p = container_of((uv_pipe_t *)stream, struct child_process, pipe);

    must(p->magic == CHILD_MAGIC);
    if (n > 0) {
        keep(p, buf->base, (size_t)n);
    } else if (n < 0) {
        uv_read_stop(stream);
    }
}

/* Reads what the pipe holds now, without waiting for its end. */
static void drain(struct child_process *p)
{
    char bytes[4096];
    uv_os_fd_t fd;
    ssize_t n;

    must(uv_fileno((uv_handle_t *)&p->pipe, &fd) == 0);
    while (p->output.len < p->output.max && (n = read(fd, bytes, sizeof(bytes))) > 0) {
        keep(p, bytes, (size_t)n);
    }
}

/* ---- the end ---- */

static void signal_group(const struct child_process *p, int signal)
{
    (void)kill(-p->process.pid, signal); /* that nobody is left is fine */
}

static void finish(struct io_defer *d)
{
    struct child_process *p = container_of(d, struct child_process, finish);
    struct child_job *j = p->job;
    for (size_t i = 0; i < p->output.len; i++) {
        p->output.data[i] = p->output.data[i] ? p->output.data[i] : '?';
    }
    struct child_result res = {
        .code = p->code,
        .exit_status = p->exit_status,
        .signal = p->signal,
        .output = buf_str(&p->output),
    };

    must(p->magic == CHILD_MAGIC && p->state == CHILD_S_EXITED && j->process == p);
    j->process = NULL;
    p->io->open_children--;
    j->done(j, &res); /* j may be gone from here on */
    put(p);
}

static void on_exit_status(uv_process_t *process, int64_t exit_status, int signal)
{
    struct child_process *p = container_of(process, struct child_process, process);

    must(p->magic == CHILD_MAGIC);
    if (p->state != CHILD_S_RUNNING) {
        signal_group(p, SIGKILL);
    }
    set_state(p, CHILD_S_EXITED);
    io_timer_stop(&p->timer);
    p->signal = signal;
    p->exit_status = signal ? -1 : (int)exit_status;
    drain(p);
    close_handles(p);
    io_defer(p->io, &p->finish, finish);
}

static void on_kill_time(struct io_timer *t)
{
    struct child_process *p = container_of(t, struct child_process, timer);

    set_state(p, CHILD_S_KILLED);
    signal_group(p, SIGKILL);
}

static void terminate(struct child_process *p)
{
    set_state(p, CHILD_S_TERMINATED);
    signal_group(p, SIGTERM);
    io_timer_start(p->io, &p->timer, KILL_AFTER, on_kill_time);
}

static void on_deadline(struct io_timer *t)
{
    struct child_process *p = container_of(t, struct child_process, timer);

    p->code = -ETIMEDOUT;
    terminate(p);
}

/* ---- the interface ---- */

/* Starts argv with its output going to fd. */
static int spawn(struct child_process *p, const char *const *argv, int fd)
{
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = fd},
        {.flags = UV_INHERIT_FD, .data.fd = fd},
    };
    uv_process_options_t options = {
        .file = argv[0],
        .args = (char **)(uintptr_t)argv, /* libuv only reads it */
        .exit_cb = on_exit_status,
        .flags = UV_PROCESS_DETACHED, /* a session, hence a process group, of its own */
        .stdio_count = ARRAY_LEN(stdio),
        .stdio = stdio,
    };

    (void)syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC); /* refused by old kernels */
    return uv_spawn(&p->io->loop, &p->process, &options);
}

int child_start(struct io *io, struct child_job *j, const char *const *argv, msec_t deadline,
                struct err *e)
{
    CLEANUP_CLOSE int read_end = -1;
    CLEANUP_CLOSE int write_end = -1;
    int fds[2];

    must(io->magic == IO_MAGIC && j->done && argv[0]);
    if (j->process) {
        return err_set(e, ERR_BUG, -EBUSY, "%s: the job is running", argv[0]);
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        int code = -errno;
        return err_set(e, ERR_TRANSIENT, code, "%s: no pipe: %s", argv[0], uv_strerror(code));
    }
    read_end = fds[0];
    write_end = fds[1];

    struct child_process *p = xcalloc(1, sizeof(*p));
    p->magic = CHILD_MAGIC;
    p->io = io;
    p->job = j;
    p->pending = 2;
    buf_init(&p->output, CHILD_OUTPUT_MAX);
    must(uv_pipe_init(&io->loop, &p->pipe, 0) == 0);
    must(uv_pipe_open(&p->pipe, read_end) == 0);
    (void)take_fd(read_end); /* the handle closes it */
    int r = spawn(p, argv, write_end);
    if (r < 0) {
        close_handles(p); /* libuv wants the process handle closed even so */
        bool resources = r == -EAGAIN || r == -ENOMEM || r == -EMFILE || r == -ENFILE;
        return err_set(e, resources ? ERR_TRANSIENT : ERR_INVALID, r, "%s: %s", argv[0],
                       uv_strerror(r));
    }
    must(uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read) == 0);
    io_timer_start(io, &p->timer, deadline, on_deadline);
    p->pending++; /* done */
    io->open_children++;
    j->io = io;
    j->process = p;
    return 0;
}

void child_cancel(struct child_job *j)
{
    struct child_process *p = j->process;

    if (p) {
        must(p->magic == CHILD_MAGIC && p->job == j);
        p->code = -ECANCELED;
        if (p->state == CHILD_S_RUNNING) {
            terminate(p);
        }
    }
}

bool child_running(const struct child_job *j)
{
    return j->process != NULL;
}
