/*
 * An etcd watch.
 *
 *   IDLE ─start─► OPENING ─"created"─► LIVE
 *    ▲               │ too late, error   │ canceled, error, stop
 *    │               ▼                   ▼
 *    └──────────── STOPPING ◄────────────┘        (and straight to IDLE when the stream ends by itself)
 *
 * Happy path: one POST whose response never ends; lines become messages, messages events.
 * next_revision follows the events and the progress marks, so a new start misses nothing and repeats
 * nothing. The header of a message with events is no measure: while a watch catches up it already
 * names the newest revision.
 *
 * Failure modes: a stream that ends in whatever way; a `canceled` line, after which etcd leaves the
 * response open (it is closed from here); an error line without a newline at the very end; "created"
 * that does not come; a server whose revision is behind the one to resume from, or whose cluster id is
 * another one: its data is not the data that was listed, so STALE_WATCH.
 * A silent but open stream is not noticed here: the owner asks the endpoint other questions.
 */
#include "registry/etcd_watch.h"

#include "base/alloc.h"
#include "base/must.h"
#include "registry/etcd_request.h"

#include <errno.h>
#include <string.h>

#define LINE_MAX_BYTES  (16u * 1024 * 1024)
#define CREATED_TIMEOUT 5000u

static void watch_set_state(struct etcd_watch *w, enum etcd_watch_state to)
{
    static const bool allowed[4][4] = {
        [ETCD_WATCH_S_IDLE] = {[ETCD_WATCH_S_OPENING] = true},
        [ETCD_WATCH_S_OPENING] = {[ETCD_WATCH_S_LIVE] = true,
                                  [ETCD_WATCH_S_STOPPING] = true,
                                  [ETCD_WATCH_S_IDLE] = true},
        [ETCD_WATCH_S_LIVE] = {[ETCD_WATCH_S_STOPPING] = true, [ETCD_WATCH_S_IDLE] = true},
        [ETCD_WATCH_S_STOPPING] = {[ETCD_WATCH_S_IDLE] = true},
    };
    must(allowed[w->state][to]);
    w->state = to;
}

static void on_end(struct etcd_call *call, const struct etcd_reply *reply);
static int on_data(struct etcd_call *call, const char *p, size_t len);

void etcd_watch_init(struct etcd_watch *w, struct etcd_client *client)
{
    w->client = client;
    framer_init(&w->framer, LINE_MAX_BYTES);
    w->call.done = on_end;
    w->call.data = on_data;
}

void etcd_watch_deinit(struct etcd_watch *w)
{
    must(w->state == ETCD_WATCH_S_IDLE);
    framer_deinit(&w->framer);
}

/* Ends the run for a reason of our own; on_end() follows. */
static void watch_abort(struct etcd_watch *w, const struct err *why)
{
    w->why = *why;
    io_timer_stop(&w->timer);
    watch_set_state(w, ETCD_WATCH_S_STOPPING);
    etcd_call_cancel(&w->call);
}

static void on_created_timeout(struct io_timer *t)
{
    struct etcd_watch *w = container_of(t, struct etcd_watch, timer);
    struct err why = ERR_INIT;
    err_set(&why, ERR_TRANSIENT, -ETIMEDOUT, "watch at %s: no answer within %u s",
            w->client->peers[w->call.peer].base_url, CREATED_TIMEOUT / MSEC_PER_SEC);
    watch_abort(w, &why);
    etcd_call_distrust(&w->call);
}

void etcd_watch_start(struct etcd_watch *w, int64_t from)
{
    must(w->state == ETCD_WATCH_S_IDLE && from > 0);
    w->next_revision = from;
    w->fragment_revision = 0;
    w->created_once = false;
    err_reset(&w->why);
    framer_reset(&w->framer);
    struct buf body = BUF_INIT(8192);
    etcd_request_watch(&body, w->key, w->end, from);
    watch_set_state(w, ETCD_WATCH_S_OPENING);
    io_timer_start(w->client->io, &w->timer, CREATED_TIMEOUT, on_created_timeout);
    etcd_call_start(w->client, &w->call,
                    &(struct etcd_call_spec){.path = "/v3/watch", .take_body = &body});
}

void etcd_watch_stop(struct etcd_watch *w)
{
    if (w->state == ETCD_WATCH_S_OPENING || w->state == ETCD_WATCH_S_LIVE) {
        struct err why = ERR_INIT;
        err_set(&why, ERR_CANCELLED, -ECANCELED, "watch stopped");
        watch_abort(w, &why);
    }
}

/* ---- messages ---- */

static int on_created(struct etcd_watch *w, const struct etcd_watch_line *line)
{
    uint64_t before = w->cluster;
    w->cluster = line->header.cluster;
    if (before && w->cluster && before != w->cluster) {
        return err_set(&w->why, ERR_STALE_WATCH, -ESTALE, "etcd is another cluster now");
    }
    if (line->header.revision && line->header.revision < w->next_revision - 1) {
        return err_set(&w->why, ERR_STALE_WATCH, -ESTALE,
                       "etcd went back from revision %lld to %lld", (long long)w->next_revision - 1,
                       (long long)line->header.revision);
    }
    if (w->state == ETCD_WATCH_S_OPENING) {
        io_timer_stop(&w->timer);
        watch_set_state(w, ETCD_WATCH_S_LIVE);
        w->created_once = true;
        w->created(w);
    }
    return 0;
}

static void on_events(struct etcd_watch *w, const struct etcd_watch_line *line)
{
    for (size_t i = 0; i < line->n; i++) {
        if (line->events[i].kv.mod_revision > w->fragment_revision) {
            w->fragment_revision = line->events[i].kv.mod_revision;
        }
    }
    if (!line->fragment && w->fragment_revision >= w->next_revision) {
        w->next_revision = w->fragment_revision + 1;
    }
    w->events(w, line->events, line->n, line->fragment);
}

/* Non-zero: the run is over, why says so (or it is being stopped). */
static int on_line(void *ctx, const char *text, size_t len)
{
    struct etcd_watch *w = ctx;
    struct etcd_watch_line line;
    int r = etcd_watch_line(&line, text, len, &w->why);
    if (r < 0) {
        return r;
    }
    switch (line.kind) {
    case ETCD_LINE_CREATED:
        r = on_created(w, &line);
        break;
    case ETCD_LINE_EVENTS:
        on_events(w, &line);
        break;
    case ETCD_LINE_PROGRESS:
        if (line.header.revision >= w->next_revision) {
            w->next_revision = line.header.revision + 1;
        }
        break;
    case ETCD_LINE_CANCELED:
        w->why = line.why;
        r = -ECONNABORTED;
        break;
    }
    arena_deinit(&line.arena);
    /* a callback may have stopped the watch: no further line is delivered */
    return r == 0 && w->state == ETCD_WATCH_S_STOPPING ? -ECANCELED : r;
}

static int on_data(struct etcd_call *call, const char *p, size_t len)
{
    struct etcd_watch *w = container_of(call, struct etcd_watch, call);
    if (w->state == ETCD_WATCH_S_STOPPING) {
        return -ECANCELED;
    }
    int r = framer_feed(&w->framer, p, len, on_line, w);
    if (r == -EMSGSIZE && w->why.class == ERR_NONE) {
        /* resuming would bring the same line again */
        err_set(&w->why, ERR_STALE_WATCH, r, "a watch message of more than %u bytes",
                LINE_MAX_BYTES);
    }
    return r < 0 ? -ECANCELED : 0; /* why has the reason */
}

static void on_end(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct etcd_watch *w = container_of(call, struct etcd_watch, call);
    io_timer_stop(&w->timer);
    if (reply->err.class == ERR_NONE && w->why.class == ERR_NONE) {
        /* 3.4 ends with an error line that has no newline */
        int r = framer_finish(&w->framer, on_line, w);
        if (r == 0) {
            err_set(&w->why, ERR_TRANSIENT, -ECONNRESET, "etcd ended the watch");
        }
    }
    bool own = w->why.class != ERR_NONE; /* not something the client knows already */
    struct err why = own ? w->why : reply->err;
    watch_set_state(w, ETCD_WATCH_S_IDLE);
    if (own && (why.class == ERR_TRANSIENT || why.class == ERR_BUG)) {
        etcd_call_distrust(&w->call);
    }
    if (why.class == ERR_AUTH) {
        etcd_client_drop_token(w->client); /* it may have run out: etcd does not tell */
    }
    w->ended(w, &why);
}
