/*
 * The Consul KV reader: a complete table of the services below a prefix, followed live.
 *
 *   LISTING ─answer─► (PROBING) ─► FOLLOWING ─answer─► PAUSED ─► FOLLOWING
 *    ▲   │                │            │ index went back, or may     │ refresh, or may have
 *    │   └──failed────────┴────────────┼──────────► WAITING ─timer─┐ │
 *    └─────────────────────────────────┴───────────────────────────┴─┘
 *   LISTING ─once─► LISTED ─refresh─► LISTING             every state ─close─► CLOSING
 *
 * Happy path: list the prefix, then ask the same again with the index of the last answer, which Consul
 * holds back until something below the prefix has changed. Every answer is a complete listing: a table is
 * built from it and published where it differs. Consul is asked at most four times a second. What
 * refresh() asks for is listed beside the held query: Consul counts a connection that was closed as one
 * that waits, until the wait is over.
 *
 * Failure modes: the published table stays whatever happens, until a complete one replaces it. A query
 * that failed is followed by a listing without index, after a while, and so is an index that went back:
 * Consul would hold a query with the old, larger one for its whole wait. A snapshot that is restored has
 * the same effect unseen: Consul ends held queries with the index that they asked with. So an answer
 * without news, before its wait is over, is followed by one listing, too. Consul leaves out what a token
 * may not read and does not say so: an empty listing is believed only after PROBING, which reads a key
 * by its name and is refused then. Rights to a part of the prefix give that part.
 * It does not know what the services are for, and never gives up.
 */
#include "registry/consulkv_reader.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/must.h"
#include "io/timer.h"
#include "registry/consul_client.h"
#include "registry/consul_query.h"
#include "registry/consulkv_codec.h"
#include "registry/kv_layout.h"
#include "registry/skipped.h"
#include "registry/record.h"

#define LIST_MAX   (64u * 1024 * 1024)
#define WAIT       60000u
#define NEWS_EVERY 250u
#define RETRY_MIN  100u
#define RETRY_MAX  10000u
#define PATH_CAP   16384u
#define NOT_FOUND  404

enum reader_state {
    READER_S_LISTING,   /* asked for an answer at once */
    READER_S_PROBING,   /* it was empty: may we see anything at all? */
    READER_S_FOLLOWING, /* asked for an answer when there is news */
    READER_S_PAUSED,    /* there was news just now */
    READER_S_WAITING,   /* to list again after a failure */
    READER_S_LISTED,    /* once */
    READER_S_CLOSING,
};

enum reader_live { READER_LIVE_UNTOLD, READER_LIVE_NO, READER_LIVE_YES };

struct registry_reader {
    struct io *io;
    const struct registry_uri *uri;
    bool once;
    const struct registry_reader_events *events;
    void *ctx;
    struct kv_layout layout;
    struct consul_client client;
    enum reader_state state;
    enum reader_live live;
    struct backoff backoff;
    struct io_timer timer; /* WAITING, PAUSED */
    struct consul_call call;
    bool recalled;       /* the call's answer no longer counts */
    uint64_t index;      /* of the last answer */
    uint64_t held_index; /* FOLLOWING: the query asks with it */
    bool listing_due;    /* PAUSED: LISTING is next */
    msec_t asked_at;
    struct consul_call beside; /* for refresh(), while the other one is held */
    struct skipped skipped;
    struct table table; /* published */
    bool complete;      /* it was, at least once */

    /* refresh(): how many were asked for, answered, and will be by the listing that runs */
    uint64_t asked, answered, answering, answering_beside;

    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void reader_set_state(struct registry_reader *r, enum reader_state to)
{
#define TO(sym) (1u << READER_S_##sym)
    static const unsigned allowed[] = {
        [READER_S_LISTING] =
            TO(LISTING) | TO(PROBING) | TO(FOLLOWING) | TO(WAITING) | TO(LISTED) | TO(CLOSING),
        [READER_S_PROBING] =
            TO(LISTING) | TO(FOLLOWING) | TO(PAUSED) | TO(WAITING) | TO(LISTED) | TO(CLOSING),
        [READER_S_FOLLOWING] =
            TO(LISTING) | TO(PROBING) | TO(FOLLOWING) | TO(PAUSED) | TO(WAITING) | TO(CLOSING),
        [READER_S_PAUSED] = TO(LISTING) | TO(FOLLOWING) | TO(CLOSING),
        [READER_S_WAITING] = TO(LISTING) | TO(CLOSING),
        [READER_S_LISTED] = TO(LISTING) | TO(CLOSING),
        [READER_S_CLOSING] = 0,
    };
#undef TO
    must(allowed[r->state] & (1u << to));
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

/* ---- asking ---- */

static void ask(struct registry_reader *r, struct consul_call *call, bool recurse, uint64_t index)
{
    struct buf path = BUF_INIT(PATH_CAP);
    buf_puts(&path, "/v1/kv/");
    consul_path_escape(&path, r->layout.dir, r->layout.dir_len, true);
    consul_path_read(&path, r->uri);
    if (recurse) {
        consul_path_query(&path, "recurse", NULL);
    }
    consul_path_block(&path, index, WAIT);
    consul_call_start(&r->client, call,
                      &(struct consul_call_spec){.method = HTTP_GET,
                                                 .path = buf_str(&path),
                                                 .wait = index ? WAIT : 0,
                                                 .body_max = LIST_MAX});
    buf_deinit(&path);
}

/* Sends the listing, or lets the end of the running call do so. */
static void list_begin(struct registry_reader *r)
{
    reader_set_state(r, READER_S_LISTING);
    io_timer_stop(&r->timer);
    r->listing_due = false;
    if (consul_call_running(&r->call)) {
        r->recalled = true;
        consul_call_cancel(&r->call);
        return;
    }
    r->answering = r->asked;
    r->asked_at = io_now(r->io);
    ask(r, &r->call, true, 0);
}

/* The same without giving up the held query. */
static void list_beside(struct registry_reader *r)
{
    if (!consul_call_running(&r->beside)) {
        r->answering_beside = r->asked;
        ask(r, &r->beside, true, 0);
    }
}

static void follow(struct registry_reader *r)
{
    reader_set_state(r, READER_S_FOLLOWING);
    r->asked_at = io_now(r->io);
    r->held_index = r->index;
    ask(r, &r->call, true, r->index);
}

static void on_timer(struct io_timer *t)
{
    struct registry_reader *r = container_of(t, struct registry_reader, timer);
    if (r->state == READER_S_PAUSED && !r->listing_due) {
        follow(r);
    } else {
        list_begin(r);
    }
}

static void retry_later(struct registry_reader *r, struct err *why)
{
    err_wrap(why, "list %s", r->layout.dir);
    reader_set_state(r, READER_S_WAITING);
    io_timer_start(r->io, &r->timer, backoff_for(&r->backoff, why->class), on_timer);
    tell_live(r, false, why);
}

/* ---- records ---- */

static void skip(struct registry_reader *r, const struct consulkv_pair *pair, const struct err *why)
{
    uint64_t digest = hash64(pair->value, pair->value_len);
    if (skipped_note(&r->skipped, pair->key, pair->key_len, digest) &&
        r->state != READER_S_CLOSING) {
        r->events->skipped(r->ctx, pair->key, why);
    }
}

static void take(struct registry_reader *r, struct table *t, const struct consulkv_pair *pair)
{
    struct kv_key key;
    struct err why = ERR_INIT;
    struct service *svc = NULL;
    enum kv_key_kind kind = kv_layout_parse(&r->layout, pair->key, pair->key_len, &key);
    bool folder = pair->value_len == 0 && pair->key[pair->key_len - 1] == '/';
    if (kind == KV_KEY_HIDDEN || folder) { /* folders: Consul's web interface makes such keys */
        return;
    }
    if (kind != KV_KEY_SERVICE) {
        err_set(&why, ERR_INVALID, -EINVAL, "the key is not of the form %sNAME/ID", r->layout.dir);
        skip(r, pair, &why);
    } else if (record_decode(&svc, key.name, key.id, pair->value, pair->value_len, &why) < 0) {
        skip(r, pair, &why);
    } else {
        table_put(t, svc);
    }
}

/* ---- answers ---- */

/* Asks again, but not at once if the last question was just now. */
static void pause_then(struct registry_reader *r, bool listing_due)
{
    msec_t took = io_now(r->io) - r->asked_at;
    if (took < NEWS_EVERY) {
        reader_set_state(r, READER_S_PAUSED);
        r->listing_due = listing_due;
        io_timer_start(r->io, &r->timer, NEWS_EVERY - took, on_timer);
    } else if (listing_due) {
        list_begin(r);
    } else {
        follow(r);
    }
}

/* After the table was published: what next? */
static void go_on(struct registry_reader *r)
{
    if (r->asked > r->answered && r->state != READER_S_FOLLOWING) {
        list_begin(r);
    } else if (r->once) {
        reader_set_state(r, READER_S_LISTED);
    } else if (r->state == READER_S_LISTING) {
        follow(r);
    } else {
        pause_then(r, false);
    }
}

/* next: what to do once the table is up to date, before anybody is told. */
static void publish(struct registry_reader *r, const struct consulkv_list *list, uint64_t answering,
                    void (*next_step)(struct registry_reader *r))
{
    struct table next;
    table_init(&next);
    skipped_begin(&r->skipped);
    for (size_t i = 0; i < list->n; i++) {
        take(r, &next, &list->pairs[i]);
    }
    skipped_end(&r->skipped);
    bool changed = !r->complete || !table_equal(&r->table, &next);
    if (changed) {
        table_swap(&r->table, &next);
    }
    table_deinit(&next);
    if (r->state == READER_S_CLOSING) { /* an event's handler closed us */
        return;
    }
    bool fresh = answering > r->answered;
    r->answered = fresh ? answering : r->answered;
    r->complete = true;
    backoff_reset(&r->backoff);
    next_step(r);
    if (changed || fresh) {
        r->events->table(r->ctx, &r->table, fresh);
    }
    if (r->state != READER_S_CLOSING && !r->once) {
        tell_live(r, true, NULL);
    }
}

/* Fills list, empty where Consul says that there is nothing. */
static int decode(struct consulkv_list *list, const struct consul_reply *reply, struct err *why)
{
    *why = reply->err;
    *list = (struct consulkv_list){0};
    if (reply->status == NOT_FOUND && reply->index > 0) {
        return 0;
    }
    if (why->class != ERR_NONE) {
        return why->code;
    }
    if (reply->index == 0) {
        return err_set(why, ERR_BUG, -EPROTO, "not an answer of Consul: no X-Consul-Index");
    }
    return consulkv_decode_list(list, reply->body, reply->len, why);
}

static void on_listed(struct registry_reader *r, const struct consulkv_list *list, uint64_t index)
{
    bool reset = false, following = r->state == READER_S_FOLLOWING;
    bool early = io_now(r->io) - r->asked_at < WAIT;
    r->index = consul_index_next(following ? r->index : 0, index, &reset);
    if (reset) { /* what came may be held for long already: the truth is one listing away */
        list_begin(r);
    } else if (following && early && index == r->held_index) {
        pause_then(r, true);
    } else if (list->n == 0) {
        reader_set_state(r, READER_S_PROBING);
        ask(r, &r->call, false, 0);
    } else {
        publish(r, list, r->answering, go_on);
    }
}

static bool is_followed(const struct registry_reader *r)
{
    return r->state == READER_S_FOLLOWING || r->state == READER_S_PAUSED;
}

static void after_beside(struct registry_reader *r)
{
    if (r->asked > r->answered) {
        list_beside(r);
    }
}

/*
 * Whatever is not a plain success is looked into by a listing in the held query's place; so is what is
 * older than the table, as after a snapshot. When the reader is listing anyway, that one counts.
 */
static void on_beside(struct consul_call *call, const struct consul_reply *reply)
{
    struct registry_reader *r = container_of(call, struct registry_reader, beside);
    struct consulkv_list list;
    struct err why;
    if (!is_followed(r)) {
        return;
    }
    if (decode(&list, reply, &why) < 0) {
        list_begin(r);
        return;
    }
    if ((list.n == 0 && r->table.n > 0) || reply->index < r->index) {
        list_begin(r);
    } else {
        r->index = reply->index;
        publish(r, &list, r->answering_beside, after_beside);
    }
    arena_deinit(&list.arena);
}

static void on_answer(struct consul_call *call, const struct consul_reply *reply)
{
    struct registry_reader *r = container_of(call, struct registry_reader, call);
    struct consulkv_list list, none = {0};
    struct err why;
    if (r->state == READER_S_CLOSING) {
        return;
    }
    if (r->recalled) {
        r->recalled = false;
        list_begin(r);
        return;
    }
    if (decode(&list, reply, &why) < 0) {
        if (why.class == ERR_AUTH && r->state == READER_S_PROBING) {
            err_set(&why, ERR_AUTH, -EACCES,
                    "Consul shows no key, and the token may not read there: its policy needs "
                    "key_prefix \"%s\" { policy = \"read\" }",
                    r->layout.dir);
        }
        retry_later(r, &why);
        return;
    }
    if (r->state == READER_S_PROBING) {
        publish(r, &none, r->answering, go_on); /* a key of that name itself is no service */
    } else {
        on_listed(r, &list, reply->index);
    }
    arena_deinit(&list.arena);
}

/* ---- the vtable ---- */

static int reader_open(struct registry_reader **ret, struct io *io,
                       const struct registry_reader_config *config,
                       const struct registry_reader_events *events, void *ctx, struct err *e)
{
    CLEANUP_FREE struct registry_reader *r = xcalloc(1, sizeof(*r));
    *r = (struct registry_reader){
        .io = io,
        .uri = config->uri,
        .once = config->once,
        .events = events,
        .ctx = ctx,
        .state = READER_S_WAITING,
        .call.done = on_answer,
        .beside.done = on_beside,
    };
    int err = consul_client_init(&r->client, io, config->uri, e);
    if (err < 0) {
        return err;
    }
    /* no node: no failure */
    must(kv_layout_init(&r->layout, config->uri, NULL, REGISTRY_NATIVE, e) == 0);
    table_init(&r->table);
    backoff_init(&r->backoff, RETRY_MIN, RETRY_MAX, hash64(&r, sizeof(r)) ^ io_now(io));
    *ret = take_ptr(r);
    list_begin(*ret);
    return 0;
}

static void reader_refresh(struct registry_reader *r)
{
    r->asked++;
    switch (r->state) {
    case READER_S_FOLLOWING:
    case READER_S_PAUSED:
        list_beside(r);
        break;
    case READER_S_LISTED:
        list_begin(r);
        break;
    case READER_S_LISTING: /* go_on() sees that more was asked for */
    case READER_S_PROBING:
    case READER_S_WAITING: /* a listing follows */
    case READER_S_CLOSING:
        break;
    }
}

static void reader_closed(void *ctx)
{
    struct registry_reader *r = ctx;
    void (*closed)(void *) = r->closed;
    void *closed_ctx = r->closed_ctx;
    kv_layout_deinit(&r->layout);
    skipped_deinit(&r->skipped);
    table_deinit(&r->table);
    free(r);
    closed(closed_ctx);
}

static void reader_close(struct registry_reader *r, void (*done)(void *ctx), void *ctx)
{
    reader_set_state(r, READER_S_CLOSING);
    r->closed = done;
    r->closed_ctx = ctx;
    io_timer_stop(&r->timer);
    consul_client_close(&r->client, reader_closed, r);
}

const struct registry_reader_ops consulkv_reader_ops = {
    .open = reader_open,
    .refresh = reader_refresh,
    .close = reader_close,
};
