/*
 * The writer's watch: what others do to our keys, and to the record that says who we are.
 *
 * Happy path: the whole prefix is watched, as our keys are spread over it; events of keys that are
 * neither on our lease nor in the owned set cost one lookup. A key that somebody deleted, altered or
 * put without our lease is told at once, so that it is put right again. The record lies below the prefix,
 * or has a watch of its own: the two are independent, each event being judged by its own revision.
 * Failure: a watch that was live is resumed; one that cannot be, or that etcd compacted away, sends the
 * writer back to a complete listing. News older than what is known of a key are dropped: the watch may
 * lag behind the answers to our own writes.
 */
#include "registry/etcd_writer.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define RETRY_MIN 100u
#define RETRY_MAX 10000u

static void watch_ensure(struct writer_watch *v)
{
    if (v->etcd.state != ETCD_WATCH_S_IDLE) {
        return; /* its end comes back here */
    }
    int64_t from = v->from ? v->from : v->etcd.next_revision;
    v->from = 0;
    etcd_watch_start(&v->etcd, from);
}

void writer_watch_from(struct registry_writer *w, int64_t revision)
{
    w->keys_watch.from = revision;
    w->record_watch.from = revision;
}

void writer_watch_ensure(struct registry_writer *w)
{
    watch_ensure(&w->keys_watch);
    if (w->layout.apart) {
        watch_ensure(&w->record_watch);
    }
}

void writer_watch_quiet(struct registry_writer *w)
{
    io_timer_stop(&w->keys_watch.timer);
    io_timer_stop(&w->record_watch.timer);
    etcd_watch_stop(&w->keys_watch.etcd);
    etcd_watch_stop(&w->record_watch.etcd);
}

static void watch_move(struct writer_watch *v)
{
    if (etcd_call_outdated(&v->etcd.call)) {
        etcd_watch_stop(&v->etcd); /* and, at its end, anew at the next endpoint */
    }
}

void writer_watch_move(struct registry_writer *w)
{
    watch_move(&w->keys_watch);
    watch_move(&w->record_watch);
}

static void watch_healthy(struct writer_watch *v)
{
    if (v->etcd.state == ETCD_WATCH_S_LIVE) {
        backoff_reset(&v->backoff);
    }
}

void writer_watch_healthy(struct registry_writer *w)
{
    watch_healthy(&w->keys_watch);
    watch_healthy(&w->record_watch);
}

static void on_watch_timer(struct io_timer *t)
{
    watch_ensure(container_of(t, struct writer_watch, timer));
}

static void on_created(struct etcd_watch *watch)
{
}

/* ---- events ---- */

/* Our own record was written or removed by somebody. */
static void on_record(struct registry_writer *w, const struct etcd_event *event)
{
    struct agent_record by;
    const struct etcd_kv *kv = &event->kv;
    if (kv->mod_revision <= w->record_mod) {
        return; /* from before our claim, or that claim itself */
    }
    if (event->deleted) {
        writer_restart(w, NULL);
        return;
    }
    agent_record_decode(&by, kv->value, kv->value_len);
    if (!streq(by.instance, w->us.instance)) {
        writer_depose(w, &by);
        return;
    }
    w->record_mod = kv->mod_revision; /* the same words by another hand */
    if (kv->lease != w->our_lease) {
        writer_restart(w, NULL);
    }
}

static void on_put(struct registry_writer *w, const struct etcd_kv *kv)
{
    const struct kv_owned_key *k = kv_owned_find(&w->owned, kv->key, kv->key_len);
    bool ours = k || (kv->lease == w->our_lease && writer_is_service(w, kv));
    if (ours && (!k || kv->mod_revision > k->revision)) {
        writer_see(w, kv);
    }
}

static void on_delete(struct registry_writer *w, const struct etcd_kv *kv)
{
    struct kv_owned_key *k = kv_owned_find(&w->owned, kv->key, kv->key_len);
    if (!k) {
        return;
    }
    bool news = kv->mod_revision > k->revision;
    if (news) {
        k->revision = kv->mod_revision;
        k->exists = false;
    }
    if (!k->exists && !kv_batch_has(&w->batch, k->key)) {
        kv_owned_drop(&w->owned, k); /* no older news can follow */
    }
    if (news) {
        w->events->gone(w->ctx, kv->key, kv->mod_revision);
    }
}

static void on_keys(struct etcd_watch *watch, const struct etcd_event *events, size_t n, bool more)
{
    struct registry_writer *w = container_of(watch, struct registry_writer, keys_watch.etcd);
    for (size_t i = 0; i < n && w->state == WRITER_S_READY; i++) {
        const struct etcd_kv *kv = &events[i].kv;
        if (streq(kv->key, w->layout.record)) {
            on_record(w, &events[i]);
        } else if (events[i].deleted) {
            on_delete(w, kv);
        } else {
            on_put(w, kv);
        }
    }
}

static void on_record_alone(struct etcd_watch *watch, const struct etcd_event *events, size_t n,
                            bool more)
{
    struct registry_writer *w = container_of(watch, struct registry_writer, record_watch.etcd);
    for (size_t i = 0; i < n && w->state == WRITER_S_READY; i++) {
        on_record(w, &events[i]);
    }
}

static void watch_ended(struct registry_writer *w, struct writer_watch *v, const struct err *why)
{
    if (w->state != WRITER_S_READY) {
        return;
    }
    if (why->class == ERR_CANCELLED) { /* for another endpoint, or for a listing that is over now */
        watch_ensure(v);
    } else if (why->class == ERR_STALE_WATCH || !v->etcd.created_once) {
        writer_restart(w, NULL);
    } else {
        io_timer_start(w->io, &v->timer, backoff_for(&v->backoff, why->class), on_watch_timer);
    }
}

static void on_keys_ended(struct etcd_watch *watch, const struct err *why)
{
    struct registry_writer *w = container_of(watch, struct registry_writer, keys_watch.etcd);
    watch_ended(w, &w->keys_watch, why);
}

static void on_record_ended(struct etcd_watch *watch, const struct err *why)
{
    struct registry_writer *w = container_of(watch, struct registry_writer, record_watch.etcd);
    watch_ended(w, &w->record_watch, why);
}

void writer_watch_init(struct registry_writer *w, uint64_t seed)
{
    w->keys_watch.etcd = (struct etcd_watch){.key = w->layout.dir,
                                             .end = w->layout.end,
                                             .created = on_created,
                                             .events = on_keys,
                                             .ended = on_keys_ended};
    w->record_watch.etcd = (struct etcd_watch){.key = w->layout.record,
                                               .created = on_created,
                                               .events = on_record_alone,
                                               .ended = on_record_ended};
    backoff_init(&w->keys_watch.backoff, RETRY_MIN, RETRY_MAX, seed);
    backoff_init(&w->record_watch.backoff, RETRY_MIN, RETRY_MAX, ~seed);
    etcd_watch_init(&w->keys_watch.etcd, &w->client);
    etcd_watch_init(&w->record_watch.etcd, &w->client);
}

void writer_watch_deinit(struct registry_writer *w)
{
    etcd_watch_deinit(&w->keys_watch.etcd);
    etcd_watch_deinit(&w->record_watch.etcd);
}
