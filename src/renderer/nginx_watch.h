#pragma once
/*
 * One master, its workers and its log, since a moment.
 */
#include "renderer/nginx_proc.h"
#include "renderer/nginx_tail.h"

struct nginx_watch {
    struct nginx_proc master;
    struct nginx_proc *before; /* the children of that moment */
    size_t n_before;
    uint64_t since;             /* that moment, as nginx_proc.start counts */
    struct nginx_tail tails[2]; /* the log of the configuration, and that of the master */
    size_t serving;             /* workers of before */
    bool side_by_side;          /* there were more than that, so that there is a new generation */
};

#define NGINX_WATCH_NULL                                                                           \
    {                                                                                              \
        .tails = { NGINX_TAIL_NULL, NGINX_TAIL_NULL }                                              \
    }

struct nginx_sight {
    enum nginx_mood mood;
    size_t fresh;   /* workers that have come since and serve */
    size_t stale;   /* of before, and serve as if nothing was */
    size_t leaving; /* workers that are shutting down */
};

/* log: of the configuration; NULL: it has none. A watch that has begun is begun anew. */
void nginx_watch_begin(struct nginx_watch *w, const struct nginx_proc *master, const char *log);
void nginx_watch_end(struct nginx_watch *w); /* idempotent; NGINX_WATCH_NULL is fine */

/* What is there now counts as before. */
void nginx_watch_mark(struct nginx_watch *w);
/*
 * The same, provided that a HUP is pending still when all of that has been noted; else nothing changes
 * and it is false: some of what is there may come from that HUP.
 */
bool nginx_watch_mark_untold(struct nginx_watch *w);
/* The master has only just started: all of its workers are new. */
void nginx_watch_mark_start(struct nginx_watch *w);

struct nginx_sight nginx_watch_look(struct nginx_watch *w);

/* How many workers of that master are shutting down. */
size_t nginx_watch_leaving(const struct nginx_proc *master);

/* Where the master says something, that can be read. */
bool nginx_watch_hears(const struct nginx_watch *w);

/* As nginx_log_refusal() and nginx_log_last() for what was logged since. */
size_t nginx_watch_refusal(const struct nginx_watch *w, struct buf *said);
size_t nginx_watch_last(const struct nginx_watch *w, bool others, struct buf *said);
