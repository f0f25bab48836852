/*
 * The writer's watch: what others do to our keys, and to the record that says who we are.
 *
 * Happy path: the whole prefix is watched, as our keys are spread over it; events of keys that are
 * neither on our lease nor in the owned set cost one lookup. A key that somebody deleted, altered or
 * put without our lease is told at once, so that it is put right again.
 * Failure: a watch that was live is resumed; one that cannot be, or that etcd compacted away, sends the
 * writer back to a complete listing. News older than what is known of a key are dropped: the watch may
 * lag behind the answers to our own writes.
 */
#include "registry/etcd_writer.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

void writer_watch_ensure(struct registry_writer *w)
{
    if (w->watch.state != ETCD_WATCH_S_IDLE) {
        return; /* its end comes back here */
    }
    int64_t from = w->watch_from ? w->watch_from : w->watch.next_revision;
    w->watch_from = 0;
    etcd_watch_start(&w->watch, from);
}

void writer_watch_quiet(struct registry_writer *w)
{
    io_timer_stop(&w->watch_timer);
    etcd_watch_stop(&w->watch);
}

static void on_watch_timer(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, watch_timer);
    writer_watch_ensure(w);
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
    if (!k->exists && !writer_batch_has(w, k->key)) {
        kv_owned_drop(&w->owned, k); /* no older news can follow */
    }
    if (news) {
        w->events->gone(w->ctx, kv->key, kv->mod_revision);
    }
}

static void on_events(struct etcd_watch *watch, const struct etcd_event *events, size_t n,
                      bool more)
{
    struct registry_writer *w = container_of(watch, struct registry_writer, watch);
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

static void on_ended(struct etcd_watch *watch, const struct err *why)
{
    struct registry_writer *w = container_of(watch, struct registry_writer, watch);
    if (w->state != WRITER_S_READY) {
        return;
    }
    if (why->class == ERR_CANCELLED) { /* for another endpoint, or for a listing that is over now */
        writer_watch_ensure(w);
    } else if (why->class == ERR_STALE_WATCH || !watch->created_once) {
        writer_restart(w, NULL);
    } else {
        io_timer_start(w->io, &w->watch_timer, backoff_for(&w->watch_backoff, why->class),
                       on_watch_timer);
    }
}

void writer_watch_init(struct registry_writer *w)
{
    w->watch.key = w->layout.dir;
    w->watch.end = w->layout.end;
    w->watch.created = on_created;
    w->watch.events = on_events;
    w->watch.ended = on_ended;
    etcd_watch_init(&w->watch, &w->client);
}
