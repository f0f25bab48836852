/*
 * The event stream, and what events mean.
 *
 * Happy path: the stream is asked for, from the last event seen on when there is one; its head opens the
 * way to the listing. Lines are decoded as they arrive; each is a hint that a container be inspected,
 * nothing more, except that the destroyed are gone at once, and that a kill is told at once.
 *
 * Failure modes:
 *   - The stream ends, is refused, or its head does not come: the connection is lost.
 *   - After a reconnect the engine sends the events from the last one on, that one included: exact
 *     duplicates are dropped.
 *   - A line that is too long or not understood hides something: a listing follows soon. So it does when
 *     podman says that some container was connected to a network.
 *
 * What needs no inspect: a container that is known to be stopped is not looked at when it says so again,
 * or when a network lets go of it; networks are connected before the start, which tells.
 *
 * Not done: the exit code and the signal of an event are hints as well, because a label called `exitCode`
 * or `signal` replaces them; a container that has such a label gets "not known" for its signal.
 */
#include "docker/watch_internal.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/must.h"
#include "docker/api.h"

#define QUEUE_DEFAULT 4096u

static void on_stream_done(struct http_request *r, const struct http_result *res);
static int on_stream_data(struct http_request *r, const char *p, size_t len);
static void on_stream_head(struct http_request *r, int status);

void watch_stream_init(struct docker_watch *w)
{
    w->config.queue_max = w->config.queue_max ? w->config.queue_max : QUEUE_DEFAULT;
    w->stream.done = on_stream_done;
    w->stream.data = on_stream_data;
    w->stream.head = on_stream_head;
    framer_init(&w->framer, DOCKER_EVENT_MAX);
}

void watch_stream_deinit(struct docker_watch *w)
{
    framer_deinit(&w->framer);
}

void watch_stream_reset(struct docker_watch *w)
{
    w->stream_open = false;
    w->skipping = false;
    framer_reset(&w->framer);
}

void watch_stream_start(struct docker_watch *w)
{
    struct err err = ERR_INIT;
    struct buf path = BUF_INIT(WATCH_PATH_MAX);
    watch_set_state(w, WATCH_S_STREAMING);
    watch_stream_reset(w);
    buf_reset(&w->message);
    docker_path_events(&path, w->prefix, w->since_nano, w->since_s);
    if (watch_get(w, &w->stream, &path, 0, 0, true, &err) < 0) {
        watch_lost(w, &err);
        return;
    }
    io_timer_start(w->io, &w->timer, w->config.answer_timeout, watch_on_timer);
}

static void on_stream_head(struct http_request *r, int status)
{
    struct docker_watch *w = container_of(r, struct docker_watch, stream);
    must(w->magic == WATCH_MAGIC);
    if (status == 200 && w->state == WATCH_S_STREAMING) {
        w->stream_open = true;
        io_timer_stop(&w->timer);
        watch_pump_soon(w);
    }
}

static void on_stream_done(struct http_request *r, const struct http_result *res)
{
    struct docker_watch *w = container_of(r, struct docker_watch, stream);
    must(w->magic == WATCH_MAGIC);
    if (watch_ended(w)) {
        return;
    }
    struct err err = ERR_INIT;
    if (w->stream_open) {
        err_set(&err, ERR_TRANSIENT, res->code, "%s: the event stream has ended",
                docker_peer_name(w->config.peer));
    } else {
        docker_error(&err, w->config.peer, "events", res, buf_str(&w->message));
    }
    watch_lost(w, &err);
}

/* ---- what an event means ---- */

static bool is_duplicate(struct docker_watch *w, const struct docker_event *ev)
{
    if (ev->time_nano == 0 || ev->time_nano < w->since_nano) {
        return false;
    }
    if (ev->time_nano > w->since_nano) {
        w->since_nano = ev->time_nano;
        w->n_digests = 0;
    }
    for (size_t i = 0; i < w->n_digests; i++) {
        if (w->digests[i] == ev->digest) {
            return true;
        }
    }
    if (w->n_digests < WATCH_DIGESTS) {
        w->digests[w->n_digests++] = ev->digest;
    }
    return false;
}

/* The entry of an event; NULL when there are too many new ones, which a listing will find. */
static struct watched *entry_for(struct docker_watch *w, const char *id)
{
    struct watched *e = watched_find(w, id);
    if (!e && w->count[WATCHED_URGENT] >= w->config.queue_max) {
        w->overflow = w->full = true;
        watch_pump_soon(w);
        return NULL;
    }
    return e ? e : watched_get(w, id);
}

/* Nothing is under way and it did not run when it was looked at last. */
static bool is_settled_stopped(const struct watched *e)
{
    return e->place == WATCHED_IDLE && e->reported && e->state == DOCKER_LIST_OTHER;
}

static void on_container_event(struct docker_watch *w, const struct docker_event *ev)
{
    struct watched *e = watched_find(w, ev->container);
    if (ev->action == DOCKER_ACTION_DESTROY) {
        if (e) {
            watch_gone(w, e, false);
        }
        return;
    }
    if (ev->action == DOCKER_ACTION_KILL) {
        w->events.told_to_stop(w->ctx, ev->container, e && e->signal_label ? 0 : ev->signal);
        return;
    }
    bool death = ev->action == DOCKER_ACTION_DIE || ev->action == DOCKER_ACTION_STOP;
    if (death && e && is_settled_stopped(e)) {
        return;
    }
    e = entry_for(w, ev->container);
    if (e) {
        if (death) {
            e->died = true;
        } else if (ev->action == DOCKER_ACTION_START) {
            e->died = false;
        }
        e->unlisted = false;
        watch_stir(w, e);
    }
}

static void on_network_event(struct docker_watch *w, const struct docker_event *ev)
{
    if (ev->action != DOCKER_ACTION_CONNECT && ev->action != DOCKER_ACTION_DISCONNECT) {
        return;
    }
    if (ev->own_address) {
        docker_networks_add(&w->networks, ev->network, ev->network_name);
    }
    if (!ev->container[0]) {
        watch_list_soon(w);
        return;
    }
    struct watched *e = watched_find(w, ev->container);
    if (e && !is_settled_stopped(e)) {
        watch_stir(w, e);
    }
}

static int on_line(void *ctx, const char *line, size_t len)
{
    struct docker_watch *w = ctx;
    struct docker_event ev;
    struct err err = ERR_INIT;
    if (!watch_is_streaming(w)) {
        return 0; /* a callback closed the watch in the middle of a portion */
    }
    if (docker_decode_event(&ev, line, len, &err) < 0) {
        w->last_error = err;
        log_debug("an event is not understood", "reason", err.msg, NULL);
        watch_list_soon(w);
        return 0;
    }
    if (ev.action == DOCKER_ACTION_OTHER || is_duplicate(w, &ev)) {
        return 0;
    }
    w->n_events++;
    w->since_s = ev.time;
    log_debug("event", "action", docker_action_name(ev.action), "detail", ev.detail, "container",
              ev.container, NULL);
    if (ev.type == DOCKER_EVENT_CONTAINER) {
        on_container_event(w, &ev);
    } else {
        on_network_event(w, &ev);
    }
    return 0;
}

/* ---- lines ---- */

/* One portion up to and including a line's end, or without one. A line that is too long is passed over. */
static void feed(struct docker_watch *w, const char *p, size_t len, bool ends)
{
    if (!w->skipping && framer_feed(&w->framer, p, len, on_line, w) < 0) {
        err_set(&w->last_error, ERR_INVALID, -EMSGSIZE, "an event is longer than %u bytes",
                DOCKER_EVENT_MAX);
        framer_reset(&w->framer);
        w->skipping = true;
        watch_list_soon(w);
    }
    if (ends) {
        w->skipping = false;
    }
}

static int on_stream_data(struct http_request *r, const char *p, size_t len)
{
    struct docker_watch *w = container_of(r, struct docker_watch, stream);
    must(w->magic == WATCH_MAGIC);
    if (!w->stream_open) {
        watch_keep_message(w, p, len);
        return 0;
    }
    const char *end = p + len;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline + 1 : end;
        feed(w, p, (size_t)(stop - p), newline != NULL);
        p = stop;
    }
    return 0;
}
