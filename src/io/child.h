#pragma once
/*
 * Child processes: a command with a deadline and captured output (bounded job runner).
 */
#include "base/buf.h"
#include "io/loop.h"

#include <sys/types.h>

#define CHILD_OUTPUT_MAX (64u * 1024)

struct child_result {
    int code;        /* 0: it ran and ended; -ETIMEDOUT, -ECANCELED */
    int exit_status; /* 0..255, or -1 when a signal ended it */
    int signal;      /* that signal, or 0 */
    const char
        *output; /* stdout and stderr together, cut at CHILD_OUTPUT_MAX, NUL as '?'; borrowed */
};

struct child_job {
    void (*done)(struct child_job *j, const struct child_result *res);
    struct io *io;
    struct child_process *process; /* NULL while idle */
};

/*
 * Starts argv (argv[0] looked up in PATH) in a process group of its own, stdin from /dev/null. After
 * `deadline` ms the group gets TERM, 2 s later KILL. The job ends when argv's own process does, even if a
 * daemon that it started still holds its output. Fails (e filled) when it cannot be started.
 */
int child_start(struct io *io, struct child_job *j, const char *const *argv, msec_t deadline,
                struct err *e) WARN_UNUSED;
void child_cancel(struct child_job *j); /* TERM, then KILL; done follows with -ECANCELED */
bool child_running(const struct child_job *j);
