/*
 * LIST, PROBE and the watch: what Consul holds of ours.
 *
 * Happy path: one listing of the prefix, then a blocking query of the same, whose every answer is again
 * a complete listing; it is compared with what is known of each key, and what differs is told. A key that
 * somebody deleted, altered or took off our session is so put right again. Keys of others cost one lookup
 * each. However fast others write, we ask no more than once a second.
 *
 * Failure modes. News that are older than what is known of a key are dropped: a listing may be on its
 * way while our own writes are answered; each is recognised by the key's index, and an absence by the
 * listing's. An index that went back (Consul lost its data, or cleared away traces of deleted keys)
 * sends the writer to RECORD, to begin anew; so does a listing without our own record, as one that Consul
 * has filtered would look. A query that failed is repeated without its index, for an answer at once; so is
 * one that was answered without news before its wait was over: a snapshot was restored, and Consul would
 * hold the index of before for the whole wait.
 */
#include "registry/consulkv_writer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_query.h"

#define NEWS_EVERY 1000u

/* ---- keys ---- */

enum consulkv_holder consulkv_writer_holder(const struct registry_writer *w, const char *session)
{
    if (*session == '\0') {
        return CONSULKV_HOLDER_NONE;
    }
    if (streq(session, w->our_session)) {
        return CONSULKV_HOLDER_OURS;
    }
    return streq(session, w->session.second) ? CONSULKV_HOLDER_SECOND : CONSULKV_HOLDER_OTHER;
}

/* False: no key of a service, and none of the writer's business. */
static bool owner_of(const struct registry_writer *w, const struct consulkv_pair *pair,
                     enum registry_owner *ret)
{
    struct kv_key key;
    if (kv_layout_parse(&w->layout, pair->key, pair->key_len, &key) != KV_KEY_SERVICE) {
        return false;
    }
    switch (consulkv_writer_holder(w, pair->session)) {
    case CONSULKV_HOLDER_OURS:
    case CONSULKV_HOLDER_SECOND:
        *ret = REGISTRY_OURS;
        break;
    case CONSULKV_HOLDER_OTHER:
        *ret = REGISTRY_FOREIGN;
        break;
    case CONSULKV_HOLDER_NONE: {
        struct record_owner_rules rules = {
            .node = w->node, .id_host = w->id_host, .adopt_by_id = w->adopt_by_id};
        *ret = record_owner(&rules, key.id, pair->value, pair->value_len);
        break;
    }
    }
    return true;
}

void consulkv_writer_see(struct registry_writer *w, const struct consulkv_pair *pair)
{
    enum registry_owner owner = REGISTRY_FOREIGN;
    must(owner_of(w, pair, &owner));
    uint64_t digest = hash64(pair->value, pair->value_len);
    struct kv_owned_key *k = kv_owned_add(&w->owned, pair->key);
    k->revision = pair->index;
    k->holder = consulkv_writer_holder(w, pair->session);
    k->exists = true;
    k->ours = owner == REGISTRY_OURS;
    if (owner != REGISTRY_FOREIGN && k->holder != CONSULKV_HOLDER_OURS) {
        digest = ~digest; /* right or wrong, it must be put onto our session */
    }
    w->events->seen(w->ctx, k->key, digest, pair->index, owner);
}

void consulkv_writer_miss(struct registry_writer *w, const char *key, int64_t index)
{
    struct kv_owned_key *k = kv_owned_find(&w->owned, key, strlen(key));
    if (k) {
        k->exists = false;
        k->revision = k->revision > index ? k->revision : index;
        index = k->revision;
    }
    w->events->gone(w->ctx, key, index);
}

void consulkv_writer_check_second(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    if (*w->session.second == '\0') {
        return;
    }
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (k->exists && k->holder == CONSULKV_HOLDER_SECOND) {
            return;
        }
    }
    consulkv_session_second(&w->session, "");
}

/* ---- LIST ---- */

void consulkv_writer_list_begin(struct registry_writer *w)
{
    consulkv_writer_set_state(w, WRITER_S_LIST);
    consulkv_writer_get(w, &w->step, w->layout.dir, true, 0);
}

static bool is_record(const struct registry_writer *w, const struct consulkv_pair *pair)
{
    return streq(pair->key, w->layout.record);
}

static bool has_record(const struct registry_writer *w, const struct consulkv_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (is_record(w, &list->pairs[i])) {
            return true;
        }
    }
    return false;
}

/* The listing is all there is: whatever was known before does not count. */
static void list_take(struct registry_writer *w, const struct consulkv_list *list)
{
    struct kv_owned_key *k, *tmp;
    enum writer_state state = w->state;
    enum registry_owner owner;
    unsigned mark = ++w->list_mark;
    w->events->begin(w->ctx);
    for (size_t i = 0; i < list->n && w->state == state; i++) {
        const struct consulkv_pair *pair = &list->pairs[i];
        if (!owner_of(w, pair, &owner)) {
            continue;
        }
        k = kv_owned_find(&w->owned, pair->key, pair->key_len);
        if (k || owner != REGISTRY_FOREIGN) {
            consulkv_writer_see(w, pair);
            k = kv_owned_find(&w->owned, pair->key, pair->key_len);
            k->mark = mark;
        }
    }
    if (w->state != state) { /* an event's handler closed us */
        return;
    }
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (k->mark != mark) {
            kv_owned_drop(&w->owned, k);
        }
    }
    consulkv_writer_ready(w);
}

/* Fills list, empty where Consul says that there is nothing. */
static int decode(struct consulkv_list *list, const struct consul_reply *reply, struct err *why)
{
    *why = reply->err;
    *list = (struct consulkv_list){0};
    if (reply->status == CONSULKV_NOT_FOUND && reply->index > 0) {
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

static void list_failed(struct registry_writer *w, struct err *why)
{
    err_wrap(why, "list the keys below %s", w->layout.dir);
    consulkv_writer_step_failed(w, why);
}

void consulkv_writer_on_list(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_list list;
    struct err why;
    if (decode(&list, reply, &why) < 0) {
        list_failed(w, &why);
        return;
    }
    bool record_due = !w->layout.apart && !w->dry_run;
    w->list_index = reply->index;
    if (record_due && !has_record(w, &list)) {
        err_set(&why, ERR_TRANSIENT, -ESTALE, "our own record is not among them any more");
        list_failed(w, &why);
    } else if (list.n == 0) {
        consulkv_writer_set_state(w, WRITER_S_PROBE);
        consulkv_writer_get(w, &w->step, w->layout.dir, false, 0);
    } else {
        list_take(w, &list);
    }
    arena_deinit(&list.arena);
}

void consulkv_writer_on_probe(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_list list, none = {0};
    struct err why;
    if (decode(&list, reply, &why) < 0) {
        list_failed(w, &why);
        return;
    }
    arena_deinit(&list.arena); /* a key of that name itself is no service */
    list_take(w, &none);
}

/* ---- the watch ---- */

static void watch_ask(struct registry_writer *w)
{
    if (consul_call_running(&w->watch)) {
        return; /* a cancelled one: its end comes back here */
    }
    w->watching = true;
    w->watch_asked = io_now(w->io);
    consulkv_writer_get(w, &w->watch, w->layout.dir, true, w->watch_index);
}

static void on_watch_timer(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, watch_timer);
    watch_ask(w);
}

void consulkv_writer_watch_begin(struct registry_writer *w)
{
    w->watch_index = w->list_index;
    watch_ask(w);
}

void consulkv_writer_watch_quiet(struct registry_writer *w)
{
    w->watching = false;
    io_timer_stop(&w->watch_timer);
    consul_call_cancel(&w->watch);
}

static void diff_pair(struct registry_writer *w, const struct consulkv_pair *pair)
{
    enum registry_owner owner;
    struct kv_owned_key *k = kv_owned_find(&w->owned, pair->key, pair->key_len);
    if (k) {
        k->mark = w->list_mark;
        if (pair->index > k->revision) {
            consulkv_writer_see(w, pair);
        }
    } else if (owner_of(w, pair, &owner) && owner != REGISTRY_FOREIGN) {
        consulkv_writer_see(w, pair);
        k = kv_owned_find(&w->owned, pair->key, pair->key_len);
        k->mark = w->list_mark;
    }
}

static void diff_absent(struct registry_writer *w, struct kv_owned_key *k)
{
    int64_t index = (int64_t)w->list_index;
    bool news = k->exists && k->revision <= index;
    bool held = kv_batch_has(&w->batch, k->key); /* its result is still to come */
    if (k->exists && !news) {
        return; /* the listing is older than our write */
    }
    if (news) {
        consulkv_writer_miss(w, k->key, index);
    }
    if (!held) {
        kv_owned_drop(&w->owned, k);
    }
}

/* What differs from what is known. */
static void diff(struct registry_writer *w, const struct consulkv_list *list)
{
    struct kv_owned_key *k, *tmp;
    const struct consulkv_pair *record = NULL;
    w->list_mark++;
    for (size_t i = 0; i < list->n && !w->layout.apart; i++) {
        record = is_record(w, &list->pairs[i]) ? &list->pairs[i] : record;
    }
    if (!w->layout.apart && !consulkv_writer_check_record(w, record)) {
        return;
    }
    for (size_t i = 0; i < list->n && w->state == WRITER_S_READY; i++) {
        diff_pair(w, &list->pairs[i]);
    }
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (w->state != WRITER_S_READY) {
            return;
        }
        if (k->mark != w->list_mark) {
            diff_absent(w, k);
        }
    }
}

/* As soon as the last query was asked long enough ago, however long it was held. */
static void watch_pause(struct registry_writer *w)
{
    msec_t took = io_now(w->io) - w->watch_asked;
    if (took >= NEWS_EVERY) {
        watch_ask(w);
    } else {
        io_timer_start(w->io, &w->watch_timer, NEWS_EVERY - took, on_watch_timer);
    }
}

static void watch_news(struct registry_writer *w, const struct consulkv_list *list, uint64_t index)
{
    if (index < w->list_index) {
        consulkv_writer_restart(w, NULL);
        return;
    }
    backoff_reset(&w->watch_backoff);
    bool early = io_now(w->io) - w->watch_asked < CONSULKV_WAIT;
    bool restored = early && index == w->watch_index;
    w->list_index = index;
    w->watch_index = restored ? 0 : index;
    diff(w, list);
    if (w->state == WRITER_S_READY) {
        consulkv_writer_check_second(w);
        watch_pause(w);
    }
}

static void on_watch(struct consul_call *call, const struct consul_reply *reply)
{
    struct registry_writer *w = container_of(call, struct registry_writer, watch);
    struct consulkv_list list;
    struct err why;
    if (w->state != WRITER_S_READY) {
        return;
    }
    if (!w->watching || reply->err.class == ERR_CANCELLED) { /* of the time before */
        watch_ask(w);
        return;
    }
    if (decode(&list, reply, &why) < 0) { /* the renewals tell when Consul is out of reach */
        w->watch_index = 0;
        io_timer_start(w->io, &w->watch_timer, backoff_for(&w->watch_backoff, why.class),
                       on_watch_timer);
        return;
    }
    watch_news(w, &list, reply->index);
    arena_deinit(&list.arena);
}

void consulkv_writer_watch_init(struct registry_writer *w, uint64_t seed)
{
    w->watch.done = on_watch;
    backoff_init(&w->watch_backoff, CONSULKV_RETRY_MIN, CONSULKV_RETRY_MAX, seed);
}
