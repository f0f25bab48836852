/*
 * Listings, and when one is complete.
 *
 * Happy path: the stream is open, so nothing that happens from here on is missed. The networks' drivers
 * are asked, then the list; each container in it is inspected (REPLAY), and when all of these answers are
 * in, complete() is called and the watch is LIVE until the next listing is due. A container that is known
 * to run but absent from the list is inspected too, so that its exit code is known if it only stopped.
 * Events meanwhile are worked on as always.
 *
 * Failure modes:
 *   - A list that fails (refused, 5xx, cut off, not a list) is asked again on the same stream, with
 *     backoff. The stream is worth more than the listing: an engine that goes down tells of every death
 *     on it while it answers nothing else.
 *   - Containers in a part of a list before it failed are merely known.
 *   - More news than the queue takes: the rest is dropped and another listing goes over all.
 *   - Networks that cannot be listed leave their drivers unknown.
 *
 * A resync on a stream that lost nothing inspects only what the list shows differently than before: it
 * costs one request, however many containers run. All are inspected after a gap, and when asked for.
 * Stopped containers are not in the list. They are looked at again only when events may have been missed.
 */
#include "docker/watch_internal.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/must.h"
#include "docker/api.h"

#define RESYNC_DEFAULT 60000u
#define LIST_DEFAULT   60000u
#define SOON           1000u

static void on_list_done(struct http_request *r, const struct http_result *res);
static int on_list_data(struct http_request *r, const char *p, size_t len);
static void on_list_head(struct http_request *r, int status);

void watch_list_init(struct docker_watch *w)
{
    w->config.resync = w->config.resync ? w->config.resync : RESYNC_DEFAULT;
    w->config.list_timeout = w->config.list_timeout ? w->config.list_timeout : LIST_DEFAULT;
    w->list.done = on_list_done;
    w->list.data = on_list_data;
    w->list.head = on_list_head;
    docker_list_init(&w->parser);
}

void watch_list_deinit(struct docker_watch *w)
{
    docker_list_deinit(&w->parser);
}

void watch_list_begin(struct docker_watch *w)
{
    watch_set_state(w, WATCH_S_LISTING);
    io_timer_stop(&w->timer);
    w->relist = w->relist_soon = w->overflow = false;
    watch_ask(w, WATCH_ASK_NETWORKS);
}

/* ---- the request ---- */

void watch_list_get(struct docker_watch *w)
{
    struct err err = ERR_INIT;
    struct buf path = BUF_INIT(WATCH_PATH_MAX);
    /* a new number: what is inspected from here on counts for this list */
    w->listing++;
    w->total = w->owed = w->stuck = 0;
    for (struct watched *e = w->set; e; e = e->hh.next) {
        e->owed = e->stuck = e->unlisted = false;
    }
    docker_list_deinit(&w->parser);
    docker_list_init(&w->parser);
    buf_reset(&w->message);
    err_reset(&w->list_error);
    docker_path_list(&path, w->prefix);
    if (watch_get(w, &w->list, &path, 0, 0, true, &err) < 0) {
        watch_lost(w, &err);
        return;
    }
    io_timer_start(w->io, &w->timer, w->config.list_timeout, watch_on_timer);
}

void watch_list_timer(struct docker_watch *w)
{
    if (http_running(&w->list)) {
        http_cancel(&w->list); /* on_list_done() follows */
    } else {
        watch_ask(w, WATCH_ASK_NETWORKS);
    }
}

static void on_list_head(struct http_request *r, int status)
{
    container_of(r, struct docker_watch, list)->list_status = status;
}

static int on_item(void *ctx, const struct docker_list_item *item)
{
    struct docker_watch *w = ctx;
    struct watched *e = watched_get(w, item->id);
    e->seen = w->listing;
    e->listed = item->digest;
    e->differs = e->state != item->state || e->digest != item->digest;
    return 0;
}

static int on_list_data(struct http_request *r, const char *p, size_t len)
{
    struct docker_watch *w = container_of(r, struct docker_watch, list);
    must(w->magic == WATCH_MAGIC);
    if (w->list_status != 200) {
        watch_keep_message(w, p, len);
        return 0;
    }
    return docker_list_feed(&w->parser, p, len, on_item, w, &w->list_error);
}

/* ---- the answer ---- */

static void owe(struct docker_watch *w, struct watched *e, bool urgent)
{
    e->owed = true;
    w->owed++;
    w->total++;
    bool fresh = e->inspect && e->inspect->listing == w->listing;
    if (!fresh) {
        watch_want(w, e, urgent);
    }
}

static void list_is_in(struct docker_watch *w)
{
    bool gap = w->gap;
    bool full = w->full || gap;
    w->gap = w->full = false;
    watch_set_state(w, WATCH_S_REPLAY);
    io_timer_stop(&w->timer);
    backoff_reset(&w->backoff);
    for (struct watched *e = w->set; e; e = e->hh.next) {
        if (e->seen == w->listing) {
            if (full || !e->reported || e->differs || e->place != WATCHED_IDLE) {
                owe(w, e, !e->reported || e->differs);
            }
        } else if (!e->reported || e->state != DOCKER_LIST_OTHER || gap) {
            e->unlisted = e->place == WATCHED_IDLE || e->place == WATCHED_BULK;
            owe(w, e, true);
        }
    }
    w->progressed = true;
    watch_pump_soon(w);
    watch_report(w, true, NULL);
}

/* A dead engine's stream may still be telling: no reason to call the connection lost. */
static bool is_unreachable(int code)
{
    return code == -ECONNREFUSED || code == -ENOENT;
}

static void list_failed(struct docker_watch *w, const struct err *why, bool report)
{
    w->last_error = *why;
    if (report) {
        watch_report(w, false, why);
    }
    if (w->state == WATCH_S_LISTING) { /* unless the callback closed the watch */
        io_timer_start(w->io, &w->timer, backoff_next(&w->backoff), watch_on_timer);
    }
}

static void on_list_done(struct http_request *r, const struct http_result *res)
{
    struct docker_watch *w = container_of(r, struct docker_watch, list);
    must(w->magic == WATCH_MAGIC);
    if (watch_ended(w)) {
        return;
    }
    must(w->state == WATCH_S_LISTING);
    struct err err = ERR_INIT;
    if (res->code == 0 && res->status == 200) {
        if (docker_list_finish(&w->parser, &err) < 0) {
            list_failed(w, &err, true);
        } else {
            list_is_in(w);
        }
    } else if (w->list_error.class != ERR_NONE) {
        list_failed(w, &w->list_error, true);
    } else if (res->code == -ECANCELED) {
        err_set(&err, ERR_TRANSIENT, -ETIMEDOUT, "list containers: no answer within %llu s",
                (unsigned long long)w->config.list_timeout / MSEC_PER_SEC);
        list_failed(w, &err, true);
    } else {
        docker_error(&err, w->config.peer, "list containers", res, buf_str(&w->message));
        list_failed(w, &err, !is_unreachable(res->code));
    }
}

/* ---- complete ---- */

void watch_list_settle(struct docker_watch *w, struct watched *e)
{
    e->unlisted = false;
    if (!e->owed) {
        return;
    }
    e->owed = false;
    w->owed--;
    if (e->stuck) {
        e->stuck = false;
        w->stuck--;
    }
    w->progressed = true;
    watch_pump_soon(w);
}

static void live(struct docker_watch *w)
{
    watch_set_state(w, WATCH_S_LIVE);
    msec_t delay = w->relist_soon ? msec_min(SOON, w->config.resync) : w->config.resync;
    io_timer_start(w->io, &w->timer, delay, watch_on_timer);
    if (w->relist) {
        watch_pump_soon(w);
    }
    w->listed_once = true;
    w->events.complete(w->ctx);
    if (w->config.once && w->state == WATCH_S_LIVE) {
        watch_done(w);
    }
}

void watch_list_check(struct docker_watch *w)
{
    if (w->state == WATCH_S_REPLAY && w->progressed) {
        w->progressed = false;
        w->events.progress(w->ctx, w->total - w->owed, w->total);
    }
    if (w->state == WATCH_S_LIVE && (w->overflow || w->relist)) {
        watch_list_begin(w);
    } else if (w->state == WATCH_S_REPLAY && w->owed == w->stuck) {
        size_t answered = w->total - w->owed;
        if (w->stuck > answered) {
            return; /* rather the engine than these containers */
        }
        if (w->overflow) {
            watch_list_begin(w);
        } else {
            live(w);
        }
    }
}

void watch_list_soon(struct docker_watch *w)
{
    w->full = true;
    if (w->state != WATCH_S_LIVE) {
        w->relist_soon = true;
    } else if (w->timer.due > io_now(w->io) + SOON) {
        io_timer_start(w->io, &w->timer, SOON, watch_on_timer);
    }
}
