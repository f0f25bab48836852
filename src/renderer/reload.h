#pragma once
/*
 * The reload: telling nginx (or whoever reads the files) that they have changed, until it has succeeded.
 *
 * Whether one is owed is kept by outputs.h, across restarts; here is when it is tried, how, and how it
 * ended.
 */
#include "base/backoff.h"
#include "io/child.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

struct command;
struct nginx_control;

enum reload_outcome {
    RELOAD_DONE,    /* the command succeeded, and nginx (where it is known) serves the new files */
    RELOAD_FAILED,  /* still owed; try again at reload_due() */
    RELOAD_REFUSED, /* nginx judged the files and goes on with its old configuration */
};

struct reload_result {
    enum reload_outcome outcome;
    const char *why;  /* one line; "" when done; borrowed during the callback, as said is */
    const char *said; /* what it printed or logged */
};

struct reload {
    struct io *io;
    const struct command *command; /* NULL: none, or nginx's own */
    struct nginx_control *nginx;   /* NULL: nothing is confirmed */
    struct child_job job;
    bool asking; /* nginx is being told */
    msec_t due;  /* not before */
    bool failing;
    bool once; /* this process makes one try only */
    bool last; /* it stops: say so when the try fails */
    struct backoff backoff;
    void (*done)(void *ctx, const struct reload_result *res);
    void *ctx;
};

/* Everything is borrowed. With neither command nor nginx there is no reload. */
void reload_init(struct reload *r, struct io *io, const struct command *command,
                 struct nginx_control *nginx, bool once, uint64_t seed);

bool reload_wanted(const struct reload *r);
/* The files have changed: what failed before may be tried at once. */
void reload_changed(struct reload *r);
/* When the next try is due. */
msec_t reload_due(const struct reload *r);

/*
 * done runs once, from the loop. Fails when nothing could be started, which counts as a try that failed.
 * Limit: 60 s for the command.
 */
int reload_start(struct reload *r, void (*done)(void *ctx, const struct reload_result *res),
                 void *ctx, struct err *e) WARN_UNUSED;
void reload_cancel(struct reload *r); /* done follows, RELOAD_FAILED; idle is fine */
bool reload_running(const struct reload *r);

/* What is run, for people. */
const char *reload_name(const struct reload *r);
