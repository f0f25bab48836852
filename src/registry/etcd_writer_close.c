/*
 * The end of a writer.
 *
 * Keeping: everything is cancelled and the lease is left to its TTL, for a successor to find.
 * Deregistering, within 3 s: our keys that are not on our lease are deleted, then our record, each
 * under the fence; then the lease is revoked, which removes all the rest in one revision. Once the
 * record is gone no successor can adopt the lease, so the revocation hits nobody else.
 * Failure: another agent's record ends it at once, nothing being ours any more; what cannot be reached
 * is tried again until the 3 s are over, and lapses with the lease then. A key that is not as it was
 * last seen, or that etcd will not delete, is passed over. What is left is told as trouble.
 */
#include "registry/etcd_writer.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#include <errno.h>
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

/* The end, with something left in etcd; until: when it goes. */
static void leave_behind(struct registry_writer *w, size_t keys, const char *until)
{
    struct err why = w->leave_why;
    if (why.class == ERR_NONE) {
        err_set(&why, ERR_TRANSIENT, -ETIMEDOUT, "no answer within %u s", LEAVE_MAX / 1000);
    }
    bool record = w->leave != WRITER_LEAVE_LEASE; /* which comes after it */
    err_wrap(&why, "deregister node %s: %zu keys below %s%s are left%s", w->node, keys,
             w->layout.dir, record ? " and the agent's own record" : "", until);
    if (w->events->trouble) {
        w->events->trouble(w->ctx, &why);
    }
    leave_end(w);
}

static void on_deadline(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, deadline);
    size_t keys = w->leave_left + kv_owned_ours(&w->owned);
    if (keys == 0 && w->leave == WRITER_LEAVE_LEASE) {
        leave_end(w); /* an empty lease */
    } else {
        leave_behind(w, keys, ", those on its lease until that ends");
    }
}

static void on_leave_timer(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, timer);
    leave_next(w);
}

/* Marks the keys of the next transaction. */
static void detached_mark(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    size_t n = 0;
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        bool detached = k->exists && k->ours && k->holder != w->our_lease;
        k->mark = detached && n < ETCD_WRITER_BATCH_MAX;
        n += k->mark;
    }
    w->leave_asked = n;
}

/* One transaction of deletes under the fence; false when there is nothing to delete. */
static bool leave_detached(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    detached_mark(w);
    if (w->leave_asked == 0) {
        return false;
    }
    struct etcd_txn_builder t;
    struct buf body = BUF_INIT(4u * 1024 * 1024);
    etcd_txn_begin(&t, &body);
    etcd_txn_compare(&t, w->layout.record, w->record_mod);
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (k->mark) {
            etcd_txn_compare(&t, k->key, k->revision);
        }
    }
    etcd_txn_success(&t);
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (k->mark) {
            etcd_txn_delete(&t, k->key);
        }
    }
    etcd_txn_failure(&t);
    etcd_txn_range(&t, w->layout.record);
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (k->mark) {
            etcd_txn_range(&t, k->key);
        }
    }
    etcd_txn_end(&t);
    writer_step(w, "/v3/kv/txn", &body);
    return true;
}

/* The keys of the transaction are not tried again. Returns how many there were. */
static size_t detached_end(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (k->mark) {
            k->ours = false;
        }
    }
    return w->leave_asked;
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

/* Nothing is known of what the step did: once more. */
static void leave_again(struct registry_writer *w, const struct err *why)
{
    w->leave_why = *why;
    io_timer_start(w->io, &w->timer, LEAVE_RETRY, on_leave_timer);
}

/*
 * The record as it is now, after the fence did not hold or may not have: false when it is another
 * agent's, which is the end.
 */
static bool fence_move(struct registry_writer *w, const struct etcd_kv *now)
{
    struct agent_record by;
    w->record_mod = now->key ? now->mod_revision : 0; /* gone: a lost answer, or the lease's end */
    if (!now->key) {
        return true;
    }
    agent_record_decode(&by, now->value, now->value_len);
    if (!streq(by.instance, w->us.instance)) {
        leave_end(w);
        return false;
    }
    return true;
}

/* Takes out the keys that are not as we knew them; the others go into the next transaction. */
static void detached_stale(struct registry_writer *w, const struct etcd_txn_response *txn)
{
    struct kv_owned_key *k, *tmp;
    int64_t fence = w->record_mod;
    size_t i = 1, stale = 0;
    if (!fence_move(w, &txn->items[0])) {
        return;
    }
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        const struct etcd_kv *now = k->mark ? &txn->items[i++] : NULL;
        if (!now || (now->key && now->mod_revision == k->revision)) {
            continue;
        }
        k->ours = false;
        stale++;
        if (now->key) { /* else: an answer was lost, or somebody deleted it */
            err_set(&w->leave_why, ERR_CONFLICT, -EEXIST, "%s was changed by somebody else",
                    k->key);
            w->leave_left++;
        }
    }
    if (stale == 0 && w->record_mod == fence) {
        err_set(&w->leave_why, ERR_BUG, -EPROTO, "etcd txn: refused without a reason");
        w->leave_left += detached_end(w);
    }
    leave_next(w);
}

static void on_detached(struct registry_writer *w, const struct etcd_reply *reply)
{
    struct etcd_txn_response txn;
    struct err why = ERR_INIT;
    if (etcd_response_txn(&txn, reply->body, reply->len, &why) < 0) {
        etcd_call_distrust(&w->step);
        leave_again(w, &why);
        return;
    }
    if (txn.succeeded) {
        (void)detached_end(w);
        leave_next(w); /* finds the rest, or none */
    } else if (txn.n == w->leave_asked + 1) {
        detached_stale(w, &txn);
    } else {
        err_set(&why, ERR_BUG, -EPROTO, "etcd txn: %zu answers to %zu questions", txn.n,
                w->leave_asked + 1);
        leave_again(w, &why);
    }
    arena_deinit(&txn.arena);
}

static void on_record_deleted(struct registry_writer *w, const struct etcd_reply *reply)
{
    struct etcd_txn_response txn;
    struct err why = ERR_INIT;
    if (etcd_response_txn(&txn, reply->body, reply->len, &why) < 0) {
        etcd_call_distrust(&w->step);
        leave_again(w, &why);
        return;
    }
    if (txn.succeeded || txn.n == 0 || !txn.items[0].key) {
        w->leave = WRITER_LEAVE_LEASE;
        leave_next(w);
    } else if (fence_move(w, &txn.items[0])) {
        err_set(&why, ERR_CONFLICT, -EEXIST, "the agent's own record has changed");
        leave_again(w, &why);
    }
    arena_deinit(&txn.arena);
}

/* The lease is revoked, or was dead already. */
static void on_revoked(struct registry_writer *w)
{
    if (w->leave_left > 0) {
        leave_behind(w, w->leave_left, "");
    } else {
        leave_end(w);
    }
}

static void leave_failed(struct registry_writer *w, const struct err *why)
{
    enum err_class class = why->class;
    if (w->leave == WRITER_LEAVE_LEASE && class == ERR_CONFLICT) {
        on_revoked(w);
    } else if (w->leave == WRITER_LEAVE_DETACHED && (class == ERR_INVALID || class == ERR_AUTH)) {
        w->leave_why = *why; /* trying again would hold up all the rest until the deadline */
        w->leave_left += detached_end(w);
        leave_next(w);
    } else {
        leave_again(w, why);
    }
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
    if (reply->err.class != ERR_NONE) {
        leave_failed(w, &reply->err);
        return;
    }
    switch (w->leave) {
    case WRITER_LEAVE_DETACHED:
        on_detached(w, reply);
        break;
    case WRITER_LEAVE_RECORD:
        on_record_deleted(w, reply);
        break;
    case WRITER_LEAVE_LEASE:
        on_revoked(w);
        break;
    }
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
