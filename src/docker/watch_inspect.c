/*
 * Inspects: which container is looked at next, and what the answer means.
 *
 *     IDLE ─want─► URGENT | BULK ─a slot is free─► INFLIGHT ─answer─► IDLE, or URGENT again when dirty
 *                        ▲                            │ no answer, or no state in it
 *                        └──────────── due ─────── DELAYED
 *
 * Happy path: events and listings want containers; as many are asked for at once as there are slots, one
 * request for each container at most; an answer is an upsert, a 404 is gone.
 *
 * Failure modes:
 *   - The engine blocks an inspect while it works on that container, for minutes if it is stuck: only
 *     that container waits (DELAYED, with backoff), and after a few tries a listing no longer does.
 *   - The engine refuses connections, because it is going down while its stream lives on: all inspects
 *     pause, except those of the dead. Who died and cannot be asked about is gone.
 *   - An answer that cannot be understood would be the same at once: the next event or listing asks again.
 *   - An answer that contradicts an event which came meanwhile (it runs, and it died) is not reported.
 *
 * A listing that is only repeated leaves most slots to events.
 */
#include "docker/watch_internal.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/must.h"
#include "docker/peer.h"

#define INSPECTS_DEFAULT 16u
#define BULK_SHARE       4u   /* of the slots, for repeated listings: one in so many */
#define RETRY_TICK       100u /* ms */
#define RETRY_MIN        100u
#define RETRY_MAX        10000u
#define STUCK_AFTER      3u

static void on_inspected(struct http_request *r, const struct http_result *res);

void watch_inspect_init(struct docker_watch *w)
{
    if (w->config.inspects == 0) {
        w->config.inspects = INSPECTS_DEFAULT;
    }
    w->inspects = xcalloc(w->config.inspects, sizeof(*w->inspects));
    for (unsigned i = 0; i < w->config.inspects; i++) {
        w->inspects[i].w = w;
        w->inspects[i].req.done = on_inspected;
    }
    backoff_init(&w->pause, RETRY_MIN, RETRY_MAX, w->backoff.seed + 1);
}

void watch_inspect_deinit(struct docker_watch *w)
{
    watched_drop_all(w);
    must(!watch_inspect_busy(w));
    free(w->inspects);
    w->inspects = NULL;
}

bool watch_inspect_busy(const struct docker_watch *w)
{
    for (unsigned i = 0; i < w->config.inspects; i++) {
        if (http_running(&w->inspects[i].req)) {
            return true;
        }
    }
    return false;
}

void watch_want(struct docker_watch *w, struct watched *e, bool urgent)
{
    switch ((enum watched_place)e->place) {
    case WATCHED_INFLIGHT:
        e->dirty = true;
        break;
    case WATCHED_URGENT:
        if (e->died) {
            watched_move(w, e, WATCHED_URGENT, true);
        }
        break;
    case WATCHED_DELAYED:
    case WATCHED_BULK:
        if (urgent) {
            watched_move(w, e, WATCHED_URGENT, e->died);
        }
        break;
    case WATCHED_IDLE:
        watched_move(w, e, urgent ? WATCHED_URGENT : WATCHED_BULK, e->died);
        break;
    case WATCHED_PLACES:
        must(false);
    }
    watch_pump_soon(w);
}

void watch_stir(struct docker_watch *w, struct watched *e)
{
    e->stirred = w->listing;
    e->digest = 0;
    watch_want(w, e, true);
}

void watch_gone(struct docker_watch *w, struct watched *e, bool listed)
{
    char id[sizeof(e->id)];
    memcpy(id, e->id, sizeof(id));
    watch_list_settle(w, e);
    watched_drop(w, e);
    watch_pump_soon(w);
    w->events.gone(w->ctx, id, listed);
}

/* ---- asking ---- */

static struct watch_inspect *free_slot(struct docker_watch *w)
{
    for (unsigned i = 0; i < w->config.inspects; i++) {
        if (!http_running(&w->inspects[i].req)) {
            return &w->inspects[i];
        }
    }
    return NULL;
}

/* Who is next, or NULL. While the engine refuses connections only the dead are asked about. */
static struct watched *next_wanted(struct docker_watch *w)
{
    struct watched *urgent = w->queue[WATCHED_URGENT];
    if (w->pause_timer.armed) {
        return urgent && urgent->died ? urgent : NULL;
    }
    if (urgent) {
        return urgent;
    }
    size_t limit = w->config.inspects;
    if (w->listed_once) {
        limit = limit / BULK_SHARE > 0 ? limit / BULK_SHARE : 1;
    }
    return w->count[WATCHED_INFLIGHT] < limit ? w->queue[WATCHED_BULK] : NULL;
}

static void on_pause_over(struct io_timer *t)
{
    watch_pump_soon(container_of(t, struct docker_watch, pause_timer));
}

static void pause_all(struct docker_watch *w)
{
    if (!w->pause_timer.armed) {
        io_timer_start(w->io, &w->pause_timer, backoff_next(&w->pause), on_pause_over);
    }
}

static int start(struct docker_watch *w, struct watch_inspect *slot, struct watched *e)
{
    struct err err = ERR_INIT;
    struct buf path = BUF_INIT(WATCH_PATH_MAX);
    docker_path_inspect(&path, w->prefix, e->id);
    int r =
        watch_get(w, &slot->req, &path, w->config.inspect_timeout, DOCKER_INSPECT_MAX, false, &err);
    if (r < 0) {
        w->last_error = err;
        return r;
    }
    slot->of = e;
    slot->listing = w->listing;
    e->inspect = slot;
    e->dirty = false;
    watched_move(w, e, WATCHED_INFLIGHT, false);
    return 0;
}

void watch_inspect_pump(struct docker_watch *w)
{
    struct watch_inspect *slot;
    struct watched *e;
    while (watch_is_streaming(w) && (e = next_wanted(w)) != NULL && (slot = free_slot(w)) != NULL) {
        if (start(w, slot, e) < 0) {
            pause_all(w);
            break;
        }
    }
}

/* ---- no answer ---- */

static void on_retry_tick(struct io_timer *t)
{
    struct docker_watch *w = container_of(t, struct docker_watch, retry_timer);
    msec_t now = io_now(w->io);
    struct watched *e, *next;
    DL_FOREACH_SAFE (w->queue[WATCHED_DELAYED], e, next) {
        if (e->due <= now) {
            watch_want(w, e, true);
        }
    }
    if (w->queue[WATCHED_DELAYED]) {
        io_timer_start(w->io, &w->retry_timer, RETRY_TICK, on_retry_tick);
    }
}

static void give_up_waiting(struct docker_watch *w, struct watched *e)
{
    if (e->owed && !e->stuck) {
        e->stuck = true;
        w->stuck++;
        watch_pump_soon(w);
    }
}

static void delay(struct docker_watch *w, struct watched *e)
{
    struct backoff b = {
        .min = RETRY_MIN, .max = RETRY_MAX, .failures = e->failures, .seed = w->pause.seed};
    e->due = io_now(w->io) + backoff_next(&b);
    w->pause.seed = b.seed;
    if (e->failures < UINT8_MAX) {
        e->failures++;
    }
    if (e->failures >= STUCK_AFTER) {
        give_up_waiting(w, e);
    }
    watched_move(w, e, WATCHED_DELAYED, false);
    if (!w->retry_timer.armed) {
        io_timer_start(w->io, &w->retry_timer, RETRY_TICK, on_retry_tick);
    }
}

/* Failures that may have to do with the container alone; all others are of the connection. */
static bool is_of_one(int code)
{
    return code == 0 || code == -ETIMEDOUT || code == -ECONNRESET || code == -EPROTO;
}

/* The engine could not be reached, did not answer, or answered with an error. */
static void no_answer(struct docker_watch *w, struct watched *e, const struct http_result *res)
{
    if (e->died) {
        watch_gone(w, e, false);
    } else if (is_of_one(res->code)) {
        if (e->dirty) {
            watched_move(w, e, WATCHED_URGENT, false);
        } else {
            delay(w, e);
        }
    } else {
        watched_move(w, e, WATCHED_URGENT, true);
        pause_all(w);
    }
}

/* ---- the answer ---- */

static enum docker_list_state state_of(const struct container *c)
{
    return c->s.restarting ? DOCKER_LIST_RESTARTING
           : c->s.paused   ? DOCKER_LIST_PAUSED
           : c->s.running  ? DOCKER_LIST_RUNNING
                           : DOCKER_LIST_OTHER;
}

/* Takes c. The callback comes last: it may ask for more, or close the watch. */
static void answered(struct docker_watch *w, struct watched *e, uint32_t listing,
                     struct container *take_c)
{
    CLEANUP_CONTAINER struct container *c = take_c;
    bool again = e->dirty;
    bool contradicts = again && c->s.running == e->died;
    e->failures = 0;
    e->state = (uint8_t)state_of(c);
    e->signal_label = container_label(c, "signal") != NULL;
    if (!again) {
        e->died = false;
    }
    watched_move(w, e, again ? WATCHED_URGENT : WATCHED_IDLE, again && e->died);
    if (contradicts) {
        return;
    }
    e->reported = true;
    if (listing == w->listing) {
        if (e->owed && e->stirred != w->listing) {
            e->digest = e->listed;
        }
        watch_list_settle(w, e);
    }
    w->events.upsert(w->ctx, take_ptr(c));
}

static void not_understood(struct docker_watch *w, struct watched *e, const struct err *err)
{
    w->last_error = *err;
    log_debug("an inspect is not understood", "container", e->id, "reason", err->msg, NULL);
    if (e->died) {
        watch_gone(w, e, false);
        return;
    }
    give_up_waiting(w, e);
    watched_move(w, e, e->dirty ? WATCHED_URGENT : WATCHED_IDLE, false);
}

static void on_inspected(struct http_request *r, const struct http_result *res)
{
    struct watch_inspect *slot = container_of(r, struct watch_inspect, req);
    struct docker_watch *w = slot->w;
    must(w->magic == WATCH_MAGIC);
    struct watched *e = slot->of;
    slot->of = NULL;
    if (e) {
        e->inspect = NULL;
    }
    if (watch_ended(w) || !e) {
        watch_pump_soon(w);
        return;
    }
    must(e->place == WATCHED_INFLIGHT);
    watch_pump_soon(w);
    if (res->status != 0 && res->code != -ECANCELED) {
        backoff_reset(&w->pause);
    }
    struct err err = ERR_INIT;
    struct container *c = NULL;
    if (res->code == -EMSGSIZE) {
        err_set(&err, ERR_INVALID, res->code, "%s", res->error);
        not_understood(w, e, &err);
    } else if (res->code == 0 && res->status == 404) {
        watch_gone(w, e, e->unlisted);
    } else if (res->code != 0 || res->status != 200) {
        no_answer(w, e, res);
    } else if (docker_decode_inspect(&c, res->body, res->body_len, &w->networks, &err) < 0) {
        not_understood(w, e, &err);
    } else if (strcmp(c->s.id, e->id) != 0) {
        err_set(&err, ERR_BUG, -EINVAL, "inspect.Id: another container was asked for");
        container_free(c);
        not_understood(w, e, &err);
    } else {
        answered(w, e, slot->listing, c);
    }
}

/* ---- the connection is lost ---- */

void watch_inspect_cancel(struct docker_watch *w)
{
    io_timer_stop(&w->retry_timer);
    io_timer_stop(&w->pause_timer);
    struct watched *e, *next;
    HASH_ITER (hh, w->set, e, next) {
        if (e->inspect) {
            e->inspect->of = NULL;
            http_cancel(&e->inspect->req);
            e->inspect = NULL;
        }
        if (e->place != WATCHED_IDLE) {
            watched_move(w, e, WATCHED_IDLE, false);
        }
        e->dirty = false;
        e->failures = 0;
    }
}

void watch_inspect_bury(struct docker_watch *w)
{
    enum watch_state state = w->state;
    struct watched *e, *next;
    HASH_ITER (hh, w->set, e, next) {
        if (e->died && w->state == state) { /* a callback may close the watch */
            watch_gone(w, e, false);
        }
    }
}
