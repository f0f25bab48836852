/*
 * write(): batches of puts and deletes as conditional transactions.
 *
 * Happy path: one transaction that compares the agent's record (the fence) and every key with what was
 * last seen, and changes them all.
 *
 * Failure modes. A compare that failed: the record and the keys are read (a transaction of ranges; asking
 * for them in the first one's other branch would cost every write what only few need), the truth is told
 * in events, the stale operations end as CONFLICT, and the others are sent again at once: one contested
 * key does not hold up its batch. A record in another name: deposed. A
 * request that etcd refuses as such: the batch is halved until the one operation at fault is alone. No
 * answer: what happened is not known, so the operations end as TRANSIENT; tried again as they are, they
 * fail their compare if the first try took effect, and the truth is told.
 * Batches larger than etcd takes in one request are sent in slices; a failure ends those that follow.
 */
#include "registry/etcd_writer.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define SLICE_BYTES 1000000u /* etcd takes 1.5 MiB */
#define BODY_MAX    (8u * 1024 * 1024)
#define ANSWER_MAX  (32u * 1024 * 1024)

static void on_written(struct etcd_call *call, const struct etcd_reply *reply);

void writer_batch_init(struct registry_writer *w)
{
    w->slice.call.done = on_written;
}

static void batch_end(struct registry_writer *w)
{
    struct registry_result results[KV_BATCH_MAX];
    struct err why;
    size_t n = kv_batch_finish(&w->batch, results, &why);
    writer_second_check(w);
    if (w->state != WRITER_S_CLOSING) {
        w->events->written(w->ctx, results, n, why.class == ERR_NONE ? NULL : &why);
    }
    if (w->state == WRITER_S_SETTLING) {
        writer_settled(w);
    }
}

static void batch_fail(struct registry_writer *w, const struct err *why)
{
    kv_batch_fail(&w->batch, why);
    batch_end(w);
}

/* ---- sending ---- */

/* What an operation takes in a request: its key stands in the compare and in the put. */
static size_t op_bytes(const struct registry_op *op)
{
    return 2 * strlen(op->key) + op->value_len + 64;
}

static void slice_build(const struct registry_writer *w, struct buf *body)
{
    const struct kv_batch *b = &w->batch;
    struct etcd_txn_builder t;
    etcd_txn_begin(&t, body);
    etcd_txn_compare(&t, w->layout.record, w->record_mod);
    for (size_t i = 0; i < b->n_slice; i++) {
        const struct registry_op *op = &b->ops[b->slice[i]];
        etcd_txn_compare(&t, op->key, op->revision);
    }
    etcd_txn_success(&t);
    for (size_t i = 0; i < b->n_slice; i++) {
        const struct registry_op *op = &b->ops[b->slice[i]];
        if (op->kind == REGISTRY_PUT) {
            etcd_txn_put(&t, op->key, op->value, op->value_len, w->our_lease);
        } else {
            etcd_txn_delete(&t, op->key);
        }
    }
    etcd_txn_failure(&t);
    etcd_txn_end(&t);
}

/* How the record and the slice's keys are now. */
static void slice_ask(struct registry_writer *w)
{
    struct kv_batch *b = &w->batch;
    struct buf body = BUF_INIT(BODY_MAX);
    struct etcd_txn_builder t;
    etcd_txn_begin(&t, &body);
    etcd_txn_success(&t);
    etcd_txn_range(&t, w->layout.record);
    for (size_t i = 0; i < b->n_slice; i++) {
        etcd_txn_range(&t, b->ops[b->slice[i]].key);
    }
    etcd_txn_failure(&t);
    etcd_txn_end(&t);
    w->slice.asking = true;
    etcd_call_start(
        &w->client, &w->slice.call,
        &(struct etcd_call_spec){.path = "/v3/kv/txn", .take_body = &body, .body_max = ANSWER_MAX});
}

static void slice_send(struct registry_writer *w)
{
    if (w->state != WRITER_S_READY) {
        struct err why = ERR_INIT;
        err_set(&why, ERR_TRANSIENT, -EAGAIN, "not ready any more");
        batch_fail(w, &why);
        return;
    }
    if (!kv_batch_pick(&w->batch, SLICE_BYTES, op_bytes)) {
        batch_end(w);
        return;
    }
    struct buf body = BUF_INIT(BODY_MAX);
    slice_build(w, &body);
    w->slice.asking = false;
    etcd_call_start(
        &w->client, &w->slice.call,
        &(struct etcd_call_spec){.path = "/v3/kv/txn", .take_body = &body, .body_max = ANSWER_MAX});
}

/* ---- answers ---- */

static void slice_done(struct registry_writer *w, int64_t revision)
{
    struct kv_batch *b = &w->batch;
    (void)kv_batch_is_fruitless(b, true);
    for (size_t i = 0; i < b->n_slice; i++) {
        const struct registry_op *op = &b->ops[b->slice[i]];
        struct kv_owned_key *k = kv_owned_add(&w->owned, op->key);
        if (revision >= k->revision) {
            k->revision = revision;
            k->exists = op->kind == REGISTRY_PUT;
            k->holder = k->exists ? w->our_lease : 0;
            k->ours = k->exists;
        }
        if (!k->exists && w->keys_watch.etcd.next_revision > revision) {
            kv_owned_drop(&w->owned, k); /* the watch has told all there was */
        }
        kv_batch_end(b, b->slice[i], ERR_NONE, op->kind == REGISTRY_PUT ? revision : 0);
    }
    slice_send(w);
}

/* The key is not as the operation took for granted: tell how it is. */
static void op_stale(struct registry_writer *w, size_t index, const struct etcd_kv *now,
                     int64_t revision)
{
    struct kv_batch *b = &w->batch;
    const char *key = b->ops[index].key;
    if (now->key) {
        writer_see(w, now);
    } else {
        struct kv_owned_key *k = kv_owned_find(&w->owned, key, strlen(key));
        if (k && w->keys_watch.etcd.next_revision > revision) {
            kv_owned_drop(&w->owned, k);
        } else if (k) {
            k->exists = false;
            k->revision = revision;
        }
        w->events->gone(w->ctx, key, revision);
    }
    kv_batch_end(b, index, ERR_CONFLICT, 0);
}

/* True when the fence held; false: the writer has left READY for it. */
static bool fence_check(struct registry_writer *w, const struct etcd_kv *kv)
{
    struct agent_record by;
    if (!kv->key) {
        writer_restart(w, NULL); /* RECORD puts it again */
        return false;
    }
    if (kv->mod_revision == w->record_mod) {
        return true;
    }
    agent_record_decode(&by, kv->value, kv->value_len);
    if (!streq(by.instance, w->us.instance)) {
        writer_depose(w, &by);
        return false;
    }
    w->record_mod = kv->mod_revision;
    if (kv->lease != w->our_lease) {
        writer_restart(w, NULL);
        return false;
    }
    return true;
}

static void slice_refused(struct registry_writer *w, const struct etcd_txn_response *txn)
{
    struct kv_batch *b = &w->batch;
    struct err why = ERR_INIT;
    size_t stale = 0;
    int64_t fence = w->record_mod;
    if (txn->n != b->n_slice + 1) {
        err_set(&why, ERR_BUG, -EPROTO, "etcd txn: %zu answers to %zu questions", txn->n,
                b->n_slice + 1);
        batch_fail(w, &why);
        return;
    }
    if (w->state == WRITER_S_READY && !fence_check(w, &txn->items[0])) {
        bool deposed = w->state == WRITER_S_DEPOSED;
        err_set(&why, deposed ? ERR_CANCELLED : ERR_TRANSIENT, deposed ? -ECANCELED : -EAGAIN,
                "etcd txn: the agent's own record has changed");
        batch_fail(w, &why);
        return;
    }
    for (size_t i = 0; i < b->n_slice && w->state == WRITER_S_READY; i++) {
        size_t index = b->slice[i];
        const struct etcd_kv *now = &txn->items[i + 1];
        if ((now->key ? now->mod_revision : 0) != b->ops[index].revision) {
            err_set(&why, ERR_CONFLICT, -EEXIST, "etcd txn: %s was changed by somebody else",
                    b->ops[index].key);
            kv_batch_note(b, &why);
            op_stale(w, index, now, txn->header.revision);
            stale++;
        }
    }
    if (kv_batch_is_fruitless(b, stale > 0 || fence != w->record_mod)) {
        err_set(&why, ERR_TRANSIENT, -EAGAIN, "etcd txn: refused without a reason");
        batch_fail(w, &why);
        return;
    }
    kv_batch_again(b);
    slice_send(w);
}

/* The request itself was refused. */
static void slice_invalid(struct registry_writer *w, const struct err *why)
{
    if (!kv_batch_halve(&w->batch)) {
        kv_batch_note(&w->batch, why);
        kv_batch_end(&w->batch, w->batch.slice[0], ERR_INVALID, 0);
    }
    slice_send(w);
}

static void on_written(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct registry_writer *w = container_of(call, struct registry_writer, slice.call);
    struct err why = reply->err;
    struct etcd_txn_response txn;
    if (why.class == ERR_NONE && etcd_response_txn(&txn, reply->body, reply->len, &why) == 0) {
        if (w->slice.asking) {
            slice_refused(w, &txn);
        } else if (txn.succeeded) {
            slice_done(w, txn.header.revision);
        } else {
            slice_ask(w);
        }
        arena_deinit(&txn.arena);
        return;
    }
    if (reply->err.class == ERR_NONE) {
        etcd_call_distrust(call);
    }
    err_wrap(&why, "etcd txn");
    if (why.class == ERR_INVALID) {
        slice_invalid(w, &why);
        return;
    }
    if (reply->error.code == ETCD_CODE_NOT_FOUND) {
        why.class = ERR_TRANSIENT; /* a matter of the lease, not of these keys */
        if (w->state == WRITER_S_READY) {
            etcd_lease_forget(&w->lease);
            writer_restart(w, &why);
        }
    }
    batch_fail(w, &why);
}

int writer_write(struct registry_writer *w, const struct registry_op *ops, size_t n)
{
    must(n > 0 && n <= ETCD_WRITER_BATCH_MAX);
    if (w->batch.active) {
        return -EBUSY;
    }
    if (w->state != WRITER_S_READY || w->dry_run) {
        return -EAGAIN;
    }
    kv_batch_begin(&w->batch, ops, n, ETCD_WRITER_BATCH_MAX);
    slice_send(w);
    return 0;
}
