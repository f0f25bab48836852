/*
 * The machine that follows an engine.
 *
 *              ┌──────────────────────── any error, end of stream, stall ───────────────────────┐
 *              ▼                                                                                │
 *     ┌─► BACKOFF ─delay─► CONNECT ─ping, info─► STREAMING ─head─► LISTING ─list─► REPLAY ──► LIVE
 *     └───────────────────────┘ ◄─────────────────┘                   ▲  ▲            │        │ │
 *                                                                     │  └─overflow───┘        │ │
 *                                                                     └── resync · relist ─────┘ │
 *     CLOSING ◄─ close ─ from every state                                       DONE ◄─── once ──┘
 *
 * Happy path: ping tells the API version, info the engine's name; the event stream is opened before the
 * list is asked, so nothing falls between them. From then on two things keep the watch honest: a listing
 * every minute (resync), and a side ping that tells a silent stream from a stalled engine.
 *
 * Failure modes:
 *   - The engine is not there, or does not answer: tried again for ever, with backoff; connected(false)
 *     says once why.
 *   - The engine goes down: it refuses connections at once, but its stream lives on and tells of every
 *     death. So a refused side ping means nothing; only one that is not answered in time does.
 *   - The engine starts: connecting works, answers hang; every request has a time limit.
 *   - An engine that does not tell its name (a proxy refuses /info) is watched without.
 *
 * Close: every request is cancelled and counted home, then the memory goes. No event after close.
 */
#include "docker/watch_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/must.h"
#include "docker/api.h"

#define BACKOFF_MIN     100u
#define BACKOFF_MAX     10000u
#define PING_DEFAULT    15000u
#define ANSWER_DEFAULT  5000u
#define INSPECT_DEFAULT 10000u

#define S(state) (1u << WATCH_S_##state)

static const struct {
    const char *name;
    unsigned to; /* states that may follow */
} states[] = {
    [WATCH_S_CONNECT] = {"connect", S(STREAMING) | S(BACKOFF) | S(CLOSING)},
    [WATCH_S_STREAMING] = {"streaming", S(LISTING) | S(BACKOFF) | S(CLOSING)},
    [WATCH_S_LISTING] = {"listing", S(REPLAY) | S(BACKOFF) | S(CLOSING)},
    [WATCH_S_REPLAY] = {"replay", S(LIVE) | S(LISTING) | S(BACKOFF) | S(CLOSING)},
    [WATCH_S_LIVE] = {"live", S(LISTING) | S(DONE) | S(BACKOFF) | S(CLOSING)},
    [WATCH_S_BACKOFF] = {"backoff", S(CONNECT) | S(CLOSING)},
    [WATCH_S_DONE] = {"done", S(CLOSING)},
    [WATCH_S_CLOSING] = {"closing", 0},
};

void watch_set_state(struct docker_watch *w, enum watch_state state)
{
    must(states[w->state].to & (1u << state));
    log_debug("docker watch", "from", states[w->state].name, "to", states[state].name, NULL);
    w->state = state;
}

bool watch_is_streaming(const struct docker_watch *w)
{
    return w->stream_open && ((1u << w->state) & (S(STREAMING) | S(LISTING) | S(REPLAY) | S(LIVE)));
}

void watch_report(struct docker_watch *w, bool up, const struct err *why)
{
    if (!w->up_known || w->up != up) {
        w->up_known = true;
        w->up = up;
        w->events.connected(w->ctx, up, why);
    }
}

void watch_keep_message(struct docker_watch *w, const char *p, size_t len)
{
    size_t room = w->message.max - w->message.len;
    buf_append(&w->message, p, len < room ? len : room);
}

/* ---- requests ---- */

int watch_get(struct docker_watch *w, struct http_request *r, struct buf *take_path, msec_t total,
              size_t body_max, bool stream, struct err *e)
{
    struct http_spec spec = {.peer = w->config.peer,
                             .path = buf_str(take_path),
                             .connect_timeout = w->config.answer_timeout,
                             .total_timeout = total,
                             .body_max = body_max,
                             .stream = stream};
    must(buf_error(take_path) == 0);
    int ret = http_start(w->io, r, &spec, e);
    buf_deinit(take_path);
    return ret;
}

static void connect_engine(struct docker_watch *w)
{
    watch_set_state(w, WATCH_S_CONNECT);
    watch_ask(w, WATCH_ASK_PING);
}

static bool is_busy(const struct docker_watch *w)
{
    return http_running(&w->ask) || http_running(&w->stream) || http_running(&w->list) ||
           http_running(&w->ping);
}

/* A request that was cancelled must be home before it is started again. */
static void connect_when_idle(struct docker_watch *w)
{
    if (w->state == WATCH_S_BACKOFF && !w->timer.armed && !is_busy(w)) {
        connect_engine(w);
    }
}

static void free_watch(struct io_defer *d)
{
    struct docker_watch *w = container_of(d, struct docker_watch, pump);
    void (*closed)(void *ctx) = w->closed;
    void *ctx = w->closed_ctx;
    watch_inspect_deinit(w);
    watch_list_deinit(w);
    watch_stream_deinit(w);
    docker_networks_deinit(&w->networks);
    buf_deinit(&w->message);
    w->magic = 0;
    free(w);
    closed(ctx);
}

static void free_when_idle(struct docker_watch *w)
{
    if (!is_busy(w) && !watch_inspect_busy(w) && !io_defer_pending(&w->pump)) {
        io_defer(w->io, &w->pump, free_watch);
    }
}

bool watch_ended(struct docker_watch *w)
{
    switch (w->state) {
    case WATCH_S_CLOSING:
        free_when_idle(w);
        return true;
    case WATCH_S_BACKOFF:
        connect_when_idle(w);
        return true;
    default:
        return w->state == WATCH_S_DONE;
    }
}

/* ---- ping, info, networks ---- */

void watch_ask(struct docker_watch *w, enum watch_ask what)
{
    struct err err = ERR_INIT;
    struct buf path = BUF_INIT(WATCH_PATH_MAX);
    size_t max = DOCKER_INFO_MAX;
    w->asking = what;
    switch (what) {
    case WATCH_ASK_PING:
        docker_path_ping(&path);
        break;
    case WATCH_ASK_INFO:
        docker_path_info(&path, w->prefix);
        break;
    case WATCH_ASK_NETWORKS:
        docker_path_networks(&path, w->prefix);
        max = DOCKER_NETWORKS_MAX;
        break;
    }
    if (watch_get(w, &w->ask, &path, w->config.answer_timeout, max, false, &err) < 0) {
        watch_lost(w, &err);
    }
}

static void pinged(struct docker_watch *w, const struct http_result *res)
{
    struct err err = ERR_INIT;
    if (res->code != 0 || res->status != 200) {
        docker_error(&err, w->config.peer, "ping", res, res->body);
        watch_lost(w, &err);
    } else if (docker_api_prefix(w->prefix, http_header(&w->ask, "api-version"), &err) < 0) {
        watch_lost(w, &err);
    } else if (w->engine.name[0] == '\0') {
        watch_ask(w, WATCH_ASK_INFO);
    } else {
        watch_stream_start(w);
    }
}

static void informed(struct docker_watch *w, const struct http_result *res)
{
    struct err err = ERR_INIT;
    if (res->code != 0 && res->code != -EMSGSIZE) {
        docker_error(&err, w->config.peer, "info", res, "");
        watch_lost(w, &err);
        return;
    }
    if (res->code == 0 && res->status == 200 &&
        docker_decode_info(&w->engine, res->body, res->body_len, &err) < 0) {
        w->last_error = err;
    }
    watch_stream_start(w);
}

static void on_asked(struct http_request *r, const struct http_result *res)
{
    struct docker_watch *w = container_of(r, struct docker_watch, ask);
    must(w->magic == WATCH_MAGIC);
    if (watch_ended(w)) {
        return;
    }
    struct err err = ERR_INIT;
    switch (w->asking) {
    case WATCH_ASK_PING:
        pinged(w, res);
        break;
    case WATCH_ASK_INFO:
        informed(w, res);
        break;
    case WATCH_ASK_NETWORKS:
        if (res->code == 0 && res->status == 200 &&
            docker_decode_networks(&w->networks, res->body, res->body_len, &err) < 0) {
            w->last_error = err;
        }
        watch_list_get(w);
        break;
    }
}

/* ---- side ping ---- */

static void on_ping_due(struct io_timer *t)
{
    struct docker_watch *w = container_of(t, struct docker_watch, ping_timer);
    struct err err = ERR_INIT;
    struct buf path = BUF_INIT(WATCH_PATH_MAX);
    docker_path_ping(&path);
    if (watch_get(w, &w->ping, &path, w->config.answer_timeout, DOCKER_INFO_MAX, false, &err) < 0) {
        watch_lost(w, &err);
    }
}

static void on_side_ping(struct http_request *r, const struct http_result *res)
{
    struct docker_watch *w = container_of(r, struct docker_watch, ping);
    must(w->magic == WATCH_MAGIC);
    if (watch_ended(w)) {
        return;
    }
    struct err err = ERR_INIT;
    if (res->code != 0) {
        docker_error(&err, w->config.peer, "ping", res, "");
        w->last_error = err;
    }
    if (res->code == -ETIMEDOUT) {
        watch_lost(w, &err);
    } else {
        io_timer_start(w->io, &w->ping_timer, w->config.ping_every, on_ping_due);
    }
}

/* ---- what happens next ---- */

static void on_pump(struct io_defer *d)
{
    struct docker_watch *w = container_of(d, struct docker_watch, pump);
    must(w->magic == WATCH_MAGIC);
    if (w->state == WATCH_S_STREAMING && w->stream_open) {
        io_timer_start(w->io, &w->ping_timer, w->config.ping_every, on_ping_due);
        watch_list_begin(w);
        if (w->state == WATCH_S_LISTING) {
            watch_report(w, true, NULL);
        }
    }
    watch_inspect_pump(w);
    watch_list_check(w);
}

void watch_pump_soon(struct docker_watch *w)
{
    if (w->state != WATCH_S_CLOSING && w->state != WATCH_S_DONE && !io_defer_pending(&w->pump)) {
        io_defer(w->io, &w->pump, on_pump);
    }
}

void watch_on_timer(struct io_timer *t)
{
    struct docker_watch *w = container_of(t, struct docker_watch, timer);
    struct err err = ERR_INIT;
    must(w->magic == WATCH_MAGIC);
    switch (w->state) {
    case WATCH_S_STREAMING:
        err_set(&err, ERR_TRANSIENT, -ETIMEDOUT, "%s: events: no answer in time",
                docker_peer_name(w->config.peer));
        watch_lost(w, &err);
        break;
    case WATCH_S_LISTING:
        watch_list_timer(w);
        break;
    case WATCH_S_LIVE:
        watch_list_begin(w);
        break;
    case WATCH_S_BACKOFF:
        connect_when_idle(w);
        break;
    default:
        must(false);
    }
}

static void cancel_all(struct docker_watch *w)
{
    io_timer_stop(&w->timer);
    io_timer_stop(&w->ping_timer);
    http_cancel(&w->ask);
    http_cancel(&w->stream);
    http_cancel(&w->list);
    http_cancel(&w->ping);
    watch_inspect_cancel(w);
    watch_stream_reset(w);
}

void watch_lost(struct docker_watch *w, const struct err *why)
{
    struct err copy = *why; /* it may be ours */
    watch_set_state(w, WATCH_S_BACKOFF);
    cancel_all(w);
    w->last_error = copy;
    w->gap = true;
    w->reconnects++;
    io_timer_start(w->io, &w->timer, backoff_next(&w->backoff), watch_on_timer);
    watch_inspect_bury(w);
    if (w->state == WATCH_S_BACKOFF) {
        watch_report(w, false, &copy);
    }
}

void watch_done(struct docker_watch *w)
{
    watch_set_state(w, WATCH_S_DONE);
    cancel_all(w);
}

/* ---- the interface ---- */

int docker_watch_open(struct docker_watch **ret, struct io *io,
                      const struct docker_watch_config *config,
                      const struct docker_watch_events *events, void *ctx, struct err *e)
{
    if (!config->peer) {
        return err_set(e, ERR_BUG, -EINVAL, "docker watch: no peer is given");
    }
    struct docker_watch *w = xcalloc(1, sizeof(*w));
    w->magic = WATCH_MAGIC;
    w->io = io;
    w->config = *config;
    w->events = *events;
    w->ctx = ctx;
    struct docker_watch_config *c = &w->config;
    c->ping_every = c->ping_every ? c->ping_every : PING_DEFAULT;
    c->answer_timeout = c->answer_timeout ? c->answer_timeout : ANSWER_DEFAULT;
    c->inspect_timeout = c->inspect_timeout ? c->inspect_timeout : INSPECT_DEFAULT;
    backoff_init(&w->backoff, BACKOFF_MIN, BACKOFF_MAX, (uint64_t)(uintptr_t)w ^ io_now(io));
    buf_init(&w->message, WATCH_MESSAGE_MAX);
    w->ask.done = on_asked;
    w->ping.done = on_side_ping;
    watch_stream_init(w);
    watch_list_init(w);
    watch_inspect_init(w);
    w->state = WATCH_S_BACKOFF;
    io_timer_start(io, &w->timer, 0, watch_on_timer); /* no event from inside this call */
    *ret = w;
    return 0;
}

void docker_watch_refresh(struct docker_watch *w, const char *id)
{
    must(w->magic == WATCH_MAGIC);
    if (docker_id_valid(id)) {
        watch_stir(w, watched_get(w, id));
    }
}

void docker_watch_relist(struct docker_watch *w)
{
    must(w->magic == WATCH_MAGIC);
    w->relist = w->full = true;
    watch_pump_soon(w);
}

const char *docker_watch_engine_name(const struct docker_watch *w)
{
    return w->engine.name;
}

const char *docker_watch_engine_id(const struct docker_watch *w)
{
    return w->engine.id;
}

void docker_watch_close(struct docker_watch *w, void (*done)(void *ctx), void *ctx)
{
    must(w->magic == WATCH_MAGIC);
    w->closed = done;
    w->closed_ctx = ctx;
    watch_set_state(w, WATCH_S_CLOSING);
    cancel_all(w);
    io_defer_drop(&w->pump);
    free_when_idle(w);
}

void docker_watch_describe(const struct docker_watch *w, struct buf *out)
{
    struct json_writer j;
    char since[32];
    snprintf(since, sizeof(since), "%" PRIu64, w->since_nano);
    json_begin(&j, out);
    json_object(&j);
    json_field_str(&j, "state", states[w->state].name);
    json_field_str(&j, "address", docker_peer_name(w->config.peer));
    json_field_str(&j, "engine", w->engine.name);
    json_field_str(&j, "api", w->prefix);
    json_field_bool(&j, "connected", w->up);
    json_field_int(&j, "containers", (int64_t)HASH_COUNT(w->set));
    json_field_int(&j, "urgent", (int64_t)w->count[WATCHED_URGENT]);
    json_field_int(&j, "bulk", (int64_t)w->count[WATCHED_BULK]);
    json_field_int(&j, "delayed", (int64_t)w->count[WATCHED_DELAYED]);
    json_field_int(&j, "inflight", (int64_t)w->count[WATCHED_INFLIGHT]);
    json_field_int(&j, "owed", (int64_t)w->owed);
    json_field_int(&j, "refused", (int64_t)w->pause.failures); /* connections, in a row */
    json_field_int(&j, "events", (int64_t)w->n_events);
    json_field_int(&j, "listings", (int64_t)w->listing);
    json_field_int(&j, "reconnects", (int64_t)w->reconnects);
    json_field_str(&j, "last_event", since); /* nanoseconds do not fit a JSON number */
    json_field_str(&j, "last_error", w->last_error.msg);
    json_object_end(&j);
}
