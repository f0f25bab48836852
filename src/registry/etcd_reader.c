/*
 * The etcd reader: a complete table of the services below a prefix, followed live.
 *
 *              ┌──────────── stale, cannot resume ──────────────┐
 *              ▼                                                │
 *   LISTING ─complete─► WATCHING ──ended──► WAITING ─timer─► (WATCHING | LISTING)
 *    │  ▲ │                │ refresh, data went back              ▲
 *    │  │ └──failed────────┼──────────────────────────────────────┘
 *    │  └──────────────────┘
 *    └─once─► LISTED ─refresh─► LISTING             every state ─close─► CLOSING
 *
 * Happy path: page through the prefix at one revision into a table built aside, publish it when it is
 * complete, watch from the next revision on and apply each message to the table.
 *
 * Failure modes: the published table stays whatever happens, until a complete one replaces it. A watch
 * that was live is resumed at its own revision, at another endpoint if need be; if that fails too, or
 * etcd was compacted, or its data went back, everything is listed again. A silent watch is found out by
 * a ping: a linearizable question to the same endpoint every 15 s; when it fails the client moves to
 * another endpoint, and the watch with it. A page that is too large is asked for in smaller pieces.
 * It does not know what the services are for, and never gives up.
 */
#include "registry/etcd_reader.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"
#include "io/timer.h"
#include "registry/etcd_client.h"
#include "registry/kv_layout.h"
#include "registry/etcd_request.h"
#include "registry/etcd_watch.h"
#include "registry/skipped.h"
#include "registry/record.h"
#include "registry/skydns_codec.h"

#include <errno.h>
#include <string.h>

#define PAGE_KEYS     4000 /* etcd walks its whole index of the prefix for each page */
#define PAGE_BODY_MAX (32u * 1024 * 1024)
#define PAGE_TIMEOUT  5000u
#define PING_EVERY    15000u
#define PING_TIMEOUT  5000u
#define RETRY_MIN     100u
#define RETRY_MAX     10000u

enum reader_state {
    READER_S_LISTING,
    READER_S_WATCHING,
    READER_S_WAITING, /* for the timer; `relist` says what then */
    READER_S_LISTED,  /* once */
    READER_S_CLOSING,
};

enum reader_live { READER_LIVE_UNTOLD, READER_LIVE_NO, READER_LIVE_YES };

struct registry_reader {
    struct io *io;
    bool once;
    const struct registry_reader_events *events;
    void *ctx;
    struct kv_layout layout;
    struct etcd_client client;
    enum reader_state state;
    enum reader_live live;
    struct backoff backoff;
    struct io_timer timer; /* WAITING: retry; WATCHING: next ping */
    struct etcd_call page_call, ping_call;
    int64_t ping_revision; /* of what was seen when it was sent: the answer is not older */
    struct etcd_watch watch;
    struct skipped skipped;

    struct table table; /* published */
    bool complete;      /* it was, at least once */
    bool changed;       /* by the fragments of an unfinished message */

    /* the listing */
    struct table next;
    int64_t list_revision; /* 0: the first page is to come */
    struct buf from;       /* first key of the next page */
    int64_t page_keys;
    bool relist; /* the next thing to do is a listing, not a resumed watch */

    /* refresh(): how many were asked for, answered, and will be by the listing that runs */
    uint64_t asked, answered, answering;

    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void list_begin(struct registry_reader *r);
static void watch_begin(struct registry_reader *r, int64_t from);

static void reader_set_state(struct registry_reader *r, enum reader_state to)
{
    static const bool allowed[5][5] = {
        [READER_S_LISTING] = {[READER_S_LISTING] = true, /* asked for again meanwhile */
                              [READER_S_WATCHING] = true,
                              [READER_S_WAITING] = true,
                              [READER_S_LISTED] = true,
                              [READER_S_CLOSING] = true},
        [READER_S_WATCHING] = {[READER_S_LISTING] = true,
                               [READER_S_WATCHING] = true, /* at another endpoint */
                               [READER_S_WAITING] = true,
                               [READER_S_CLOSING] = true},
        [READER_S_WAITING] =
            {[READER_S_LISTING] = true, [READER_S_WATCHING] = true, [READER_S_CLOSING] = true},
        [READER_S_LISTED] = {[READER_S_LISTING] = true, [READER_S_CLOSING] = true},
    };
    must(allowed[r->state][to]);
    r->state = to;
}

static void tell_live(struct registry_reader *r, bool live, const struct err *why)
{
    enum reader_live now = live ? READER_LIVE_YES : READER_LIVE_NO;
    if (r->live != now && r->state != READER_S_CLOSING) {
        r->live = now;
        r->events->live(r->ctx, live, why);
    }
}

static void on_retry(struct io_timer *t)
{
    struct registry_reader *r = container_of(t, struct registry_reader, timer);
    if (r->relist) {
        list_begin(r);
    } else {
        watch_begin(r, r->watch.next_revision);
    }
}

static void retry_later(struct registry_reader *r, const struct err *why)
{
    reader_set_state(r, READER_S_WAITING);
    io_timer_start(r->io, &r->timer, backoff_for(&r->backoff, why->class), on_retry);
    tell_live(r, false, why);
}

/* ---- records ---- */

static void skip(struct registry_reader *r, const struct etcd_kv *kv, const struct err *why)
{
    uint64_t digest = hash64(kv->value, kv->value_len);
    if (skipped_note(&r->skipped, kv->key, kv->key_len, digest) && r->state != READER_S_CLOSING) {
        r->events->skipped(r->ctx, kv->key, why);
    }
}

/* Puts the record into t; true when that changed it. */
static bool apply_put(struct registry_reader *r, struct table *t, const struct etcd_kv *kv)
{
    struct kv_key key;
    struct err why = ERR_INIT;
    struct service *svc = NULL;
    switch (kv_layout_parse(&r->layout, kv->key, kv->key_len, &key)) {
    case KV_KEY_HIDDEN:
        return false;
    case KV_KEY_ZONE:
        err_set(&why, ERR_INVALID, -EINVAL, "a record of the zone itself, not of a service");
        skip(r, kv, &why);
        return false;
    case KV_KEY_OTHER:
        err_set(&why, ERR_INVALID, -EINVAL, "the key is not of the form %s%s/ID", r->layout.dir,
                r->layout.kind == KV_LAYOUT_SKYDNS ? "LABEL[/LABEL…]" : "NAME");
        skip(r, kv, &why);
        return false;
    case KV_KEY_SERVICE:
        break;
    }
    int err = r->layout.kind == KV_LAYOUT_SKYDNS
                  ? skydns_decode(&svc, key.name, key.id, kv->value, kv->value_len, &why)
                  : record_decode(&svc, key.name, key.id, kv->value, kv->value_len, &why);
    if (err < 0) {
        skip(r, kv, &why);
        return table_remove(t, key.name, key.id);
    }
    skipped_forget(&r->skipped, kv->key, kv->key_len);
    return table_put(t, svc);
}

static bool apply_delete(struct registry_reader *r, struct table *t, const struct etcd_kv *kv)
{
    struct kv_key key;
    skipped_forget(&r->skipped, kv->key, kv->key_len);
    return kv_layout_parse(&r->layout, kv->key, kv->key_len, &key) == KV_KEY_SERVICE &&
           table_remove(t, key.name, key.id);
}

/* ---- listing ---- */

static void page_ask(struct registry_reader *r)
{
    struct buf body = BUF_INIT(65536);
    etcd_request_range(&body, &(struct etcd_range_request){
                                  .key = buf_str(&r->from),
                                  .key_len = r->from.len,
                                  .end = r->layout.end,
                                  .limit = r->page_keys,
                                  .revision = r->list_revision,
                              });
    etcd_call_start(&r->client, &r->page_call,
                    &(struct etcd_call_spec){.path = "/v3/kv/range",
                                             .take_body = &body,
                                             .timeout = PAGE_TIMEOUT,
                                             .body_max = PAGE_BODY_MAX});
}

static void list_begin(struct registry_reader *r)
{
    reader_set_state(r, READER_S_LISTING);
    r->relist = true; /* until it is complete */
    r->answering = r->asked;
    r->list_revision = 0;
    table_deinit(&r->next);
    table_init(&r->next);
    buf_reset(&r->from);
    buf_append(&r->from, r->layout.dir, r->layout.dir_len);
    skipped_begin(&r->skipped);
    page_ask(r);
}

static void list_complete(struct registry_reader *r)
{
    skipped_end(&r->skipped);
    bool fresh = r->answering > r->answered;
    r->answered = r->answering;
    r->relist = false;
    bool changed = !r->complete || !table_equal(&r->table, &r->next);
    if (changed) {
        table_swap(&r->table, &r->next);
    }
    table_deinit(&r->next);
    table_init(&r->next);
    r->complete = true;
    r->changed = false;
    if (r->asked > r->answered) {
        list_begin(r);
    } else if (r->once) {
        reader_set_state(r, READER_S_LISTED);
    } else {
        watch_begin(r, r->list_revision + 1);
    }
    if (changed || fresh) {
        r->events->table(r->ctx, &r->table, fresh);
    }
}

static void page_received(struct registry_reader *r, const struct etcd_range *page)
{
    if (r->list_revision == 0) {
        r->list_revision = page->header.revision;
    }
    for (size_t i = 0; i < page->n; i++) {
        apply_put(r, &r->next, &page->kvs[i]);
    }
    if (r->state == READER_S_CLOSING) { /* an event's handler closed us */
        return;
    }
    if (!page->more || page->n == 0) {
        list_complete(r);
        return;
    }
    const struct etcd_kv *last = &page->kvs[page->n - 1];
    buf_reset(&r->from);
    buf_append(&r->from, last->key, last->key_len);
    buf_putc(&r->from, '\0'); /* the smallest key behind it */
    page_ask(r);
}

static void on_page(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct registry_reader *r = container_of(call, struct registry_reader, page_call);
    if (r->state == READER_S_CLOSING) {
        return;
    }
    struct err why = reply->err;
    if (why.code == -EMSGSIZE && r->page_keys > 1) {
        r->page_keys /= 2;
        page_ask(r);
        return;
    }
    struct etcd_range page;
    if (why.class == ERR_NONE && etcd_response_range(&page, reply->body, reply->len, &why) == 0) {
        if (page.header.revision > 0) {
            page_received(r, &page);
            arena_deinit(&page.arena);
            return;
        }
        arena_deinit(&page.arena);
        err_set(&why, ERR_BUG, -EPROTO, "not an answer of etcd: no revision");
    }
    if (reply->err.class == ERR_NONE) {
        etcd_call_distrust(call);
    }
    err_wrap(&why, "list %s", r->layout.dir);
    retry_later(r, &why);
}

/* ---- watching ---- */

static void ping_ask(struct io_timer *t)
{
    struct registry_reader *r = container_of(t, struct registry_reader, timer);
    struct buf body = BUF_INIT(8192);
    if (etcd_call_running(&r->ping_call)) {
        return; /* its end sets the timer again */
    }
    /* one key, not the prefix: however many records there are, this costs nothing */
    etcd_request_range(
        &body, &(struct etcd_range_request){.key = r->layout.dir, .key_len = r->layout.dir_len});
    r->ping_revision = r->watch.next_revision - 1;
    etcd_call_start(&r->client, &r->ping_call,
                    &(struct etcd_call_spec){
                        .path = "/v3/kv/range", .take_body = &body, .timeout = PING_TIMEOUT});
}

static void on_ping(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct registry_reader *r = container_of(call, struct registry_reader, ping_call);
    if (r->state != READER_S_WATCHING) {
        return;
    }
    io_timer_start(r->io, &r->timer, PING_EVERY, ping_ask);
    struct etcd_range range;
    struct err ignored = ERR_INIT;
    /* a failure needs nothing here: the client has told on_suspect() */
    if (reply->err.class != ERR_NONE ||
        etcd_response_range(&range, reply->body, reply->len, &ignored) < 0) {
        return;
    }
    if (range.header.revision < r->ping_revision) {
        r->relist = true; /* the data is older than what we saw of it */
        etcd_watch_stop(&r->watch);
    } else if (r->watch.state == ETCD_WATCH_S_LIVE) {
        backoff_reset(&r->backoff);
    }
    arena_deinit(&range.arena);
}

static void on_suspect(void *ctx)
{
    struct registry_reader *r = ctx;
    if (r->state == READER_S_WATCHING && etcd_call_outdated(&r->watch.call)) {
        etcd_watch_stop(&r->watch);
    }
}

static void watch_begin(struct registry_reader *r, int64_t from)
{
    reader_set_state(r, READER_S_WATCHING);
    etcd_watch_start(&r->watch, from);
    io_timer_start(r->io, &r->timer, PING_EVERY, ping_ask);
}

static void on_created(struct etcd_watch *w)
{
    struct registry_reader *r = container_of(w, struct registry_reader, watch);
    tell_live(r, true, NULL);
}

static void on_events(struct etcd_watch *w, const struct etcd_event *events, size_t n, bool more)
{
    struct registry_reader *r = container_of(w, struct registry_reader, watch);
    for (size_t i = 0; i < n && r->state == READER_S_WATCHING; i++) {
        const struct etcd_kv *kv = &events[i].kv;
        r->changed |=
            events[i].deleted ? apply_delete(r, &r->table, kv) : apply_put(r, &r->table, kv);
    }
    if (r->changed && !more && r->state == READER_S_WATCHING) {
        r->changed = false;
        r->events->table(r->ctx, &r->table, false);
    }
}

static void on_ended(struct etcd_watch *w, const struct err *why)
{
    struct registry_reader *r = container_of(w, struct registry_reader, watch);
    if (r->state == READER_S_CLOSING) {
        return;
    }
    io_timer_stop(&r->timer);
    if (why->class == ERR_CANCELLED) { /* our own wish: for a listing, or for another endpoint */
        if (r->relist) {
            list_begin(r);
        } else {
            watch_begin(r, w->next_revision);
        }
        return;
    }
    if (why->class == ERR_STALE_WATCH || !w->created_once) {
        r->relist = true;
    }
    retry_later(r, why);
}

/* ---- the vtable ---- */

static int reader_open(struct registry_reader **ret, struct io *io,
                       const struct registry_reader_config *config,
                       const struct registry_reader_events *events, void *ctx, struct err *e)
{
    CLEANUP_FREE struct registry_reader *r = xcalloc(1, sizeof(*r));
    *r = (struct registry_reader){
        .io = io,
        .once = config->once,
        .events = events,
        .ctx = ctx,
        .page_keys = PAGE_KEYS,
        .state = READER_S_WAITING,
        .relist = true,
        .page_call.done = on_page,
        .ping_call.done = on_ping,
        .watch.created = on_created,
        .watch.events = on_events,
        .watch.ended = on_ended,
    };
    int err = etcd_client_init(&r->client, io, config->uri, on_suspect, r, e);
    if (err < 0) {
        return err;
    }
    /* no node: no failure */
    must(kv_layout_init(&r->layout, config->uri, NULL, REGISTRY_NATIVE, e) == 0);
    r->watch.key = r->layout.dir;
    r->watch.end = r->layout.end;
    etcd_watch_init(&r->watch, &r->client);
    table_init(&r->table);
    table_init(&r->next);
    buf_init(&r->from, 16384);
    backoff_init(&r->backoff, RETRY_MIN, RETRY_MAX, hash64(&r, sizeof(r)) ^ io_now(io));
    *ret = take_ptr(r);
    list_begin(*ret);
    return 0;
}

static void reader_refresh(struct registry_reader *r)
{
    r->asked++;
    switch (r->state) {
    case READER_S_WATCHING:
        r->relist = true;
        etcd_watch_stop(&r->watch);
        break;
    case READER_S_LISTED:
        list_begin(r);
        break;
    case READER_S_WAITING:
        r->relist = true;
        break;
    case READER_S_LISTING: /* list_complete() sees that more was asked for */
    case READER_S_CLOSING:
        break;
    }
}

static void reader_closed(void *ctx)
{
    struct registry_reader *r = ctx;
    void (*closed)(void *) = r->closed;
    void *closed_ctx = r->closed_ctx;
    etcd_watch_deinit(&r->watch);
    kv_layout_deinit(&r->layout);
    skipped_deinit(&r->skipped);
    table_deinit(&r->table);
    table_deinit(&r->next);
    buf_deinit(&r->from);
    free(r);
    closed(closed_ctx);
}

static void reader_close(struct registry_reader *r, void (*done)(void *ctx), void *ctx)
{
    reader_set_state(r, READER_S_CLOSING);
    r->closed = done;
    r->closed_ctx = ctx;
    io_timer_stop(&r->timer);
    etcd_client_close(&r->client, reader_closed, r);
}

const struct registry_reader_ops etcd_reader_ops = {
    .open = reader_open,
    .refresh = reader_refresh,
    .close = reader_close,
};
