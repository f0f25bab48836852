/*
 * Happy path: the children of the moment are noted, and each look sorts the workers of now into new
 * ones and old ones. A worker is new when it was not noted and has started since: the list of children
 * may lack one, and a number may come again.
 * Failure: more workers than are looked at are not seen.
 * Not done: no decision; see nginx_local_verdict.c.
 *
 * Two logs are followed, because nginx says what it makes of a configuration in the log of the one that
 * runs (its standard error leads there, as far as that may be seen), and what comes after reading it in that
 * of the new one. Mostly they are the same, and what is said is read twice.
 */
#include "renderer/nginx_watch.h"

#include "base/alloc.h"
#include "render/nginx_log.h"

#include <stdio.h>
#include <string.h>

#define CHILDREN_MAX 4096u
#define LOGS_MAX     (4 * NGINX_TAIL_MAX) /* two tails, each of two files */

static size_t list_children(const struct nginx_proc *master, struct nginx_proc **ret)
{
    struct nginx_proc *list = xreallocarray(NULL, CHILDREN_MAX, sizeof(*list));
    size_t n = nginx_proc_children(master->pid, list, CHILDREN_MAX);
    *ret = xreallocarray(list, n + 1, sizeof(*list));
    return n;
}

/* Notes the children of now in w, which has a master, and nothing else of that kind yet. */
static void note(struct nginx_watch *w)
{
    w->since = nginx_proc_now();
    w->n_before = list_children(&w->master, &w->before); /* some without a title yet */
    for (size_t i = 0; i < w->n_before; i++) {
        w->serving += w->before[i].role == NGINX_ROLE_WORKER;
    }
}

/* A watch that begins now, in addition to w. */
static struct nginx_watch anew(const struct nginx_watch *w)
{
    struct nginx_watch now = NGINX_WATCH_NULL;
    now.master = w->master;
    note(&now);
    now.tails[0] = nginx_tail_anew(&w->tails[0]);
    now.tails[1] = nginx_tail_anew(&w->tails[1]);
    return now;
}

void nginx_watch_mark(struct nginx_watch *w)
{
    struct nginx_watch now = anew(w);
    nginx_watch_end(w);
    *w = now;
}

bool nginx_watch_mark_untold(struct nginx_watch *w)
{
    struct nginx_watch now = anew(w);
    bool untold = nginx_proc_mood(&w->master) == NGINX_MOOD_UNTOLD;
    nginx_watch_end(untold ? w : &now);
    if (untold) {
        *w = now;
    }
    return untold;
}

void nginx_watch_mark_start(struct nginx_watch *w)
{
    w->since = w->master.start;
    w->n_before = w->serving = 0;
}

void nginx_watch_begin(struct nginx_watch *w, const struct nginx_proc *master, const char *log)
{
    char path[64];
    nginx_watch_end(w);
    w->master = *master;
    snprintf(path, sizeof(path), "/proc/%ld/fd/2", (long)master->pid);
    note(w);
    nginx_tail_open(&w->tails[0], log);
    nginx_tail_open(&w->tails[1], path);
}

void nginx_watch_end(struct nginx_watch *w)
{
    nginx_tail_close(&w->tails[0]);
    nginx_tail_close(&w->tails[1]);
    free(w->before);
    *w = (struct nginx_watch)NGINX_WATCH_NULL;
}

static bool was_before(const struct nginx_watch *w, const struct nginx_proc *p)
{
    for (size_t i = 0; i < w->n_before; i++) {
        if (w->before[i].pid == p->pid && w->before[i].start == p->start) {
            return true;
        }
    }
    return p->start < w->since;
}

struct nginx_sight nginx_watch_look(struct nginx_watch *w)
{
    struct nginx_sight sight = {.mood = nginx_proc_mood(&w->master)};
    if (sight.mood == NGINX_MOOD_GONE) {
        return sight;
    }
    CLEANUP_FREE struct nginx_proc *now = NULL;
    size_t n = list_children(&w->master, &now);
    for (size_t i = 0; i < n; i++) {
        if (now[i].role == NGINX_ROLE_LEAVING) {
            sight.leaving++;
        } else if (now[i].role == NGINX_ROLE_WORKER) {
            *(was_before(w, &now[i]) ? &sight.stale : &sight.fresh) += 1;
        }
    }
    if (sight.fresh == 0 && sight.stale > w->serving) {
        w->serving = sight.stale; /* it has only now got its title */
    }
    /* more than there were: none of them stands in for one that died */
    w->side_by_side |= sight.fresh > 0 && sight.fresh + sight.stale > w->serving;
    return sight;
}

size_t nginx_watch_leaving(const struct nginx_proc *master)
{
    CLEANUP_FREE struct nginx_proc *list = NULL;
    size_t n = list_children(master, &list), leaving = 0;
    for (size_t i = 0; i < n; i++) {
        leaving += list[i].role == NGINX_ROLE_LEAVING;
    }
    return leaving;
}

bool nginx_watch_hears(const struct nginx_watch *w)
{
    return nginx_tail_readable(&w->tails[0]) || nginx_tail_readable(&w->tails[1]);
}

static void read_logs(const struct nginx_watch *w, struct buf *out)
{
    buf_init(out, LOGS_MAX);
    nginx_tail_read(&w->tails[1], out);
    nginx_tail_read(&w->tails[0], out);
}

size_t nginx_watch_refusal(const struct nginx_watch *w, struct buf *said)
{
    struct buf text;
    read_logs(w, &text);
    size_t n = nginx_log_refusal(buf_str(&text), text.len, w->master.pid, said);
    buf_deinit(&text);
    return n;
}

size_t nginx_watch_last(const struct nginx_watch *w, bool others, struct buf *said)
{
    struct buf text;
    read_logs(w, &text);
    size_t n = nginx_log_last(buf_str(&text), text.len, w->master.pid, others, said);
    buf_deinit(&text);
    return n;
}
