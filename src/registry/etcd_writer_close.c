/*
 * The end of a writer.
 *
 * Keeping: everything is cancelled and the lease is left to its TTL, for a successor to find.
 * Deregistering, within 3 s: our keys that are not on our lease are deleted, then our record, each
 * under the fence; then the lease is revoked, which removes all the rest in one revision. Once the
 * record is gone no successor can adopt the lease, so the revocation hits nobody else.
 * Failure: another agent's record ends it at once, nothing being ours any more; what cannot be reached
 * is tried again until the 3 s are over, and lapses with the lease then.
 */
#include "registry/etcd_writer.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#include <string.h>

#define LEAVE_MAX   3000u
#define LEAVE_RETRY 100u

static void leave_next(struct registry_writer *w);

static void on_closed(void *ctx)
{
    struct registry_writer *w = ctx;
    void (*closed)(void *) = w->closed;
    void *closed_ctx = w->closed_ctx;
    writer_watch_deinit(w);
    kv_owned_deinit(&w->owned);
    kv_layout_deinit(&w->layout);
    kv_batch_deinit(&w->batch);
    free(w->list.keys);
    free(w->node);
    free(w->id_host);
    w->magic = 0;
    free(w);
    closed(closed_ctx);
}

static void leave_end(struct registry_writer *w)
{
    w->leaving = false;
    io_timer_stop(&w->timer);
    io_timer_stop(&w->deadline);
    etcd_client_close(&w->client, on_closed, w);
}

static void on_deadline(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, deadline);
    leave_end(w);
}

static void on_leave_timer(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, timer);
    leave_next(w);
}

static bool detached(const struct registry_writer *w, const struct kv_owned_key *k)
{
    return k->exists && k->ours && k->holder != w->our_lease;
}

/* One transaction of deletes under the fence; false when there is nothing to delete. */
static bool leave_detached(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    struct etcd_txn_builder t;
    struct buf body = BUF_INIT(4u * 1024 * 1024);
    size_t n = 0;
    etcd_txn_begin(&t, &body);
    etcd_txn_compare(&t, w->layout.record, w->record_mod);
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (detached(w, k) && n < ETCD_WRITER_BATCH_MAX) {
            etcd_txn_compare(&t, k->key, k->revision);
            n++;
        }
    }
    etcd_txn_success(&t);
    n = 0;
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (detached(w, k) && n < ETCD_WRITER_BATCH_MAX) {
            etcd_txn_delete(&t, k->key);
            k->ours = false; /* tried once, whatever comes of it */
            n++;
        }
    }
    etcd_txn_failure(&t);
    etcd_txn_end(&t);
    if (n == 0) {
        buf_deinit(&body);
        return false;
    }
    writer_step(w, "/v3/kv/txn", &body);
    return true;
}

static void leave_record(struct registry_writer *w)
{
    struct etcd_txn_builder t;
    struct buf body = BUF_INIT(65536);
    etcd_txn_begin(&t, &body);
    etcd_txn_compare(&t, w->layout.record, w->record_mod);
    etcd_txn_success(&t);
    etcd_txn_delete(&t, w->layout.record);
    etcd_txn_failure(&t);
    etcd_txn_range(&t, w->layout.record);
    etcd_txn_end(&t);
    writer_step(w, "/v3/kv/txn", &body);
}

static void leave_next(struct registry_writer *w)
{
    if (etcd_call_running(&w->step)) {
        return; /* a cancelled one: its end comes here */
    }
    if (w->leave == WRITER_LEAVE_DETACHED && !leave_detached(w)) {
        w->leave = WRITER_LEAVE_RECORD;
    }
    if (w->leave == WRITER_LEAVE_RECORD) {
        leave_record(w);
    } else if (w->leave == WRITER_LEAVE_LEASE) {
        struct buf body = BUF_INIT(1024);
        etcd_request_revoke(&body, w->our_lease);
        writer_step(w, "/v3/lease/revoke", &body);
    }
}

/* True when the record is ours, or gone: a lost answer, or a lease that has lapsed. */
static bool still_ours(struct registry_writer *w, const struct etcd_reply *reply)
{
    struct etcd_txn_response txn;
    struct agent_record by;
    struct err ignored = ERR_INIT;
    if (etcd_response_txn(&txn, reply->body, reply->len, &ignored) < 0) {
        return false;
    }
    bool ours = txn.succeeded || txn.n == 0 || !txn.items[0].key;
    if (!ours) {
        agent_record_decode(&by, txn.items[0].value, txn.items[0].value_len);
        ours = streq(by.instance, w->us.instance);
    }
    arena_deinit(&txn.arena);
    return ours;
}

void writer_on_leave(struct registry_writer *w, const struct etcd_reply *reply)
{
    if (!w->leaving) {
        return;
    }
    if (reply->err.class == ERR_CANCELLED) { /* of the time before */
        leave_next(w);
        return;
    }
    bool answered = reply->err.class == ERR_NONE;
    if (!answered && reply->err.class != ERR_CONFLICT) {
        io_timer_start(w->io, &w->timer, LEAVE_RETRY, on_leave_timer);
        return;
    }
    switch (w->leave) {
    case WRITER_LEAVE_DETACHED: /* leave_next() finds the rest, or none */
        break;
    case WRITER_LEAVE_RECORD:
        if (!answered || !still_ours(w, reply)) {
            leave_end(w);
            return;
        }
        w->leave = WRITER_LEAVE_LEASE;
        break;
    case WRITER_LEAVE_LEASE: /* revoked, or dead already */
        leave_end(w);
        return;
    }
    leave_next(w);
}

void writer_close(struct registry_writer *w, bool deregister, void (*done)(void *ctx), void *ctx)
{
    must(w->magic == WRITER_MAGIC);
    bool leave = deregister && w->claimed && !w->dry_run && w->our_lease != 0 &&
                 w->state != WRITER_S_DEPOSED;
    writer_set_state(w, WRITER_S_CLOSING);
    w->closed = done;
    w->closed_ctx = ctx;
    io_timer_stop(&w->timer);
    writer_watch_quiet(w);
    etcd_lease_forget(&w->lease);
    etcd_call_cancel(&w->slice.call);
    etcd_call_cancel(&w->step);
    if (!leave) {
        leave_end(w);
        return;
    }
    w->leaving = true;
    w->leave = WRITER_LEAVE_DETACHED;
    io_timer_start(w->io, &w->deadline, LEAVE_MAX, on_deadline);
    leave_next(w);
}
