#pragma once
/*
 * The check: the judge of a candidate, wherever it has to look.
 *
 *   in place    as root: the command sees the staged files where the live ones are (in_place.h)
 *   staged      the command names {{.src}} and looks at that file alone
 *   on trial    all others: the candidate has to be live while the check runs, and is taken back if it fails
 */
#include "io/child.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

struct command;
struct nginx_control;
struct outputs;

enum check_verdict {
    CHECK_GOOD,
    CHECK_REFUSED,
    CHECK_UNANSWERED,  /* it could not be run, or was ended before it answered */
    CHECK_NEEDS_TRIAL, /* in place was impossible; nothing was judged. Start it again, on trial where
                        * check_needs_trial() says so now */
};

struct check_result {
    enum check_verdict verdict;
    const char *why;  /* one line; "" when good; borrowed during the callback, as said is */
    const char *said; /* what it printed */
};

struct check {
    struct io *io;
    const struct command *command; /* NULL: nginx's own */
    struct nginx_control *nginx;   /* NULL: none */
    bool in_place;                 /* as far as is known */
    bool not_now;                  /* the next run is not in place, for a reason that passes */
    struct child_job job;
    bool asking; /* nginx judges by itself */
    bool wrapped;
    char *name;
    void (*done)(void *ctx, const struct check_result *res);
    void *ctx;
};

/* Everything is borrowed. With neither command nor nginx there is no check. */
void check_init(struct check *c, struct io *io, const struct command *command,
                struct nginx_control *nginx);
void check_deinit(struct check *c); /* idle; idempotent */

bool check_wanted(const struct check *c);
/* The candidate has to be live for it. May turn from false to true with CHECK_NEEDS_TRIAL. */
bool check_needs_trial(const struct check *c);

/*
 * Judges what is staged in o (or is live, on trial). done runs once, from the loop. Fails when nothing can
 * be started. Limit: 30 s, then the command and its children are ended.
 */
int check_start(struct check *c, struct outputs *o, size_t n_outputs,
                void (*done)(void *ctx, const struct check_result *res), void *ctx,
                struct err *e) WARN_UNUSED;
void check_cancel(struct check *c); /* done follows, CHECK_UNANSWERED; idle is fine */

/* What ran last, for people: the command, or "nginx -t -q -c /etc/nginx/nginx.conf". */
const char *check_name(const struct check *c);
