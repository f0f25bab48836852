/*
 * write(): batches of puts and deletes as transactions.
 *
 * Happy path: one transaction that checks the agent's record (the fence) and each key's index as last
 * seen, and writes and locks, or deletes, them all.
 *
 * Failure modes. A refused transaction names every operation at fault, and nothing of it took effect:
 * the record and the keys at fault are read, the truth about them is told in events, they end as
 * CONFLICT, and the others are sent again at once: one contested key does not hold up its batch. A key
 * that the token may not write ends as AUTH, alone; one whose lock ended just now, by a session that asked
 * for a delay, as TRANSIENT, alone, and so does one that is refused again and again although it is as it
 * should be. A session that Consul does not know: everything from
 * the start. A record in another name: deposed. A request that is too large: the batch is halved until
 * the one operation at fault is alone. No answer: what happened is not known, so the operations end as
 * TRANSIENT; tried again as they are, they fail their check if the first try took effect, and the truth
 * is told. A failure ends the slices that follow, too.
 */
#include "registry/consulkv_writer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"

#define FENCE       SIZE_MAX
#define SLICE_BYTES (CONSULKV_TXN_BYTES - 32768u)
#define BODY_MAX    (8u * 1024 * 1024)

static void batch_finish(struct registry_writer *w)
{
    struct registry_result results[KV_BATCH_MAX];
    struct err why;
    size_t n = kv_batch_finish(&w->batch, results, &why);
    consulkv_writer_check_second(w);
    if (w->state != WRITER_S_CLOSING) {
        w->events->written(w->ctx, results, n, why.class == ERR_NONE ? NULL : &why);
    }
    if (w->state == WRITER_S_SETTLING) {
        consulkv_writer_settled(w);
    }
}

static void batch_fail(struct registry_writer *w, const struct err *why)
{
    kv_batch_fail(&w->batch, why);
    batch_finish(w);
}

/* ---- sending ---- */

/* What an operation takes in a request, at most: a key may have to be escaped. */
static size_t op_bytes(const struct registry_op *op)
{
    return 3 * (6 * strlen(op->key) + 128) + op->value_len / 3 * 4 + 4;
}

static void add(struct registry_writer *w, size_t op)
{
    w->slice.of_op[w->slice.n++] = op;
}

static void slice_build(struct registry_writer *w, struct buf *body)
{
    struct consulkv_txn t;
    w->slice.n = 0;
    consulkv_txn_begin(&t, body);
    consulkv_txn_check(&t, w->layout.record, w->record_index);
    add(w, FENCE);
    for (size_t i = 0; i < w->batch.n_slice; i++) {
        size_t index = w->batch.slice[i];
        const struct registry_op *op = &w->batch.ops[index];
        if (op->kind == REGISTRY_DELETE) {
            consulkv_txn_delete(&t, op->key, op->revision);
            add(w, index);
            continue;
        }
        consulkv_txn_check(&t, op->key, op->revision);
        add(w, index);
        const struct kv_owned_key *k = kv_owned_find(&w->owned, op->key, strlen(op->key));
        if (k && k->exists && k->holder == CONSULKV_HOLDER_SECOND && *w->session.second) {
            consulkv_txn_unlock(&t, op->key, op->value, op->value_len, w->session.second);
            add(w, index);
        }
        consulkv_txn_lock(&t, op->key, op->value, op->value_len, w->our_session);
        add(w, index);
    }
    consulkv_txn_end(&t);
}

static void slice_send(struct registry_writer *w)
{
    struct buf body = BUF_INIT(BODY_MAX);
    if (w->state != WRITER_S_READY) {
        struct err why = ERR_INIT;
        err_set(&why, ERR_TRANSIENT, -EAGAIN, "not ready any more");
        batch_fail(w, &why);
        return;
    }
    /* a key that is moved from the second session has its value twice: in the unlock, in the lock */
    size_t bytes_max = *w->session.second ? SLICE_BYTES / 2 : SLICE_BYTES;
    if (!kv_batch_pick(&w->batch, bytes_max, op_bytes)) {
        batch_finish(w);
        return;
    }
    slice_build(w, &body);
    w->slice.asking = false;
    consulkv_writer_txn(w, &w->slice.call, &body);
    buf_deinit(&body);
}

/* Reads the record and the keys of a refused slice. */
static void slice_ask(struct registry_writer *w)
{
    struct buf body = BUF_INIT(BODY_MAX);
    struct consulkv_txn t;
    consulkv_txn_begin(&t, &body);
    consulkv_txn_get(&t, w->layout.record);
    for (size_t i = 0; i < w->batch.n_slice; i++) {
        size_t index = w->batch.slice[i];
        if (w->batch.state[index] == KV_OP_SENT) {
            consulkv_txn_get(&t, w->batch.ops[index].key);
        }
    }
    consulkv_txn_end(&t);
    w->slice.asking = true;
    consulkv_writer_txn(w, &w->slice.call, &body);
    buf_deinit(&body);
}

/* ---- answers ---- */

/* The last pair of this key: how it is after the transaction. NULL: it is not there. */
static const struct consulkv_pair *pair_of(const struct consulkv_list *list, const char *key)
{
    for (size_t i = list->n; i > 0; i--) {
        if (streq(list->pairs[i - 1].key, key)) {
            return &list->pairs[i - 1];
        }
    }
    return NULL;
}

static void put_done(struct registry_writer *w, size_t index, const struct consulkv_list *list)
{
    const struct registry_op *op = &w->batch.ops[index];
    const struct consulkv_pair *pair = pair_of(list, op->key);
    if (!pair) {
        struct err why = ERR_INIT;
        err_set(&why, ERR_BUG, -EPROTO, "Consul wrote %s without saying its index", op->key);
        kv_batch_note(&w->batch, &why);
        kv_batch_end(&w->batch, index, ERR_BUG, 0);
        return;
    }
    struct kv_owned_key *k = kv_owned_add(&w->owned, op->key);
    if (pair->index >= k->revision) {
        k->revision = pair->index;
        k->exists = true;
        k->ours = true;
        k->holder = CONSULKV_HOLDER_OURS;
    }
    kv_batch_end(&w->batch, index, ERR_NONE, pair->index);
}

static void delete_done(struct registry_writer *w, size_t index)
{
    const struct registry_op *op = &w->batch.ops[index];
    struct kv_owned_key *k = kv_owned_find(&w->owned, op->key, strlen(op->key));
    /* the entry stays, so that a listing from before is recognised; the next one drops it */
    if (k && k->revision <= op->revision) {
        k->exists = false;
    }
    kv_batch_end(&w->batch, index, ERR_NONE, 0);
}

static void slice_done(struct registry_writer *w, const struct consulkv_list *list)
{
    struct kv_batch *b = &w->batch;
    (void)kv_batch_is_fruitless(b, true);
    for (size_t i = 0; i < b->n_slice; i++) {
        if (b->ops[b->slice[i]].kind == REGISTRY_PUT) {
            put_done(w, b->slice[i], list);
        } else {
            delete_done(w, b->slice[i]);
        }
    }
    slice_send(w);
}

/* Ends an operation whose key is not as it took for granted; true when that is so. */
static bool end_if_stale(struct registry_writer *w, size_t index, const struct consulkv_pair *now)
{
    struct kv_batch *b = &w->batch;
    const struct registry_op *op = &b->ops[index];
    bool taken = now && op->kind == REGISTRY_PUT &&
                 consulkv_writer_holder(w, now->session) == CONSULKV_HOLDER_OTHER;
    if ((now ? now->index : 0) == op->revision && !taken) {
        return false;
    }
    struct err why = ERR_INIT;
    err_set(&why, ERR_CONFLICT, -EEXIST, "consul txn: %s was changed by somebody else", op->key);
    kv_batch_note(b, &why);
    if (now) {
        consulkv_writer_see(w, now);
    } else {
        int64_t known = (int64_t)w->list_index;
        consulkv_writer_miss(w, op->key, known > op->revision ? known : op->revision);
    }
    kv_batch_end(b, index, ERR_CONFLICT, 0);
    return true;
}

/* Ends one operation of the slice; a refusal may name it more than once. */
static void op_refused(struct registry_writer *w, size_t index, const struct err *why)
{
    if (w->batch.state[index] == KV_OP_SENT) {
        kv_batch_note(&w->batch, why);
        kv_batch_end(&w->batch, index, why->class, 0);
    }
}

/* The truth behind a refusal. */
static void slice_told(struct registry_writer *w, const struct consulkv_list *list)
{
    struct kv_batch *b = &w->batch;
    struct err why = ERR_INIT;
    int64_t fence = w->record_index;
    bool progress = false;
    if (w->state == WRITER_S_READY &&
        !consulkv_writer_check_record(w, pair_of(list, w->layout.record))) {
        bool deposed = w->state == WRITER_S_DEPOSED;
        err_set(&why, deposed ? ERR_CANCELLED : ERR_TRANSIENT, deposed ? -ECANCELED : -EAGAIN,
                "consul txn: the agent's own record has changed");
        batch_fail(w, &why);
        return;
    }
    for (size_t i = 0; i < b->n_slice && w->state == WRITER_S_READY; i++) {
        size_t index = b->slice[i];
        if (b->state[index] == KV_OP_SENT) {
            progress |= end_if_stale(w, index, pair_of(list, b->ops[index].key));
        }
    }
    if (kv_batch_is_fruitless(b, progress || fence != w->record_index)) {
        size_t named = w->slice.named;
        if (named == FENCE || b->state[named] != KV_OP_SENT) {
            batch_fail(w, &w->slice.refused);
            return;
        }
        (void)kv_batch_is_fruitless(b, true);
        op_refused(w, named, &w->slice.refused);
    }
    kv_batch_again(b);
    slice_send(w);
}

/* The token may not write this key; of the fence: any. */
static void op_forbidden(struct registry_writer *w, size_t index, const char *what)
{
    struct err why = ERR_INIT;
    bool fence = index == FENCE;
    err_set(&why, ERR_AUTH, -EACCES, "consul txn: %s: %s; the token's policy lacks write for it",
            fence ? w->layout.record : w->batch.ops[index].key, what);
    if (fence) {
        kv_batch_fail(&w->batch, &why);
    } else {
        op_refused(w, index, &why);
    }
}

static void slice_refused(struct registry_writer *w, const struct consulkv_errors *errors)
{
    bool stale = false, lost = false;
    for (size_t i = 0; i < errors->n; i++) {
        const struct consulkv_error *error = &errors->items[i];
        size_t index = error->op < w->slice.n ? w->slice.of_op[error->op] : FENCE;
        struct err why = ERR_INIT;
        err_set(&why, ERR_TRANSIENT, -EAGAIN, "consul txn: %s", error->what);
        switch (error->kind) {
        case CONSULKV_REFUSED_DELAY:
            if (index != FENCE) {
                op_refused(w, index, &why);
                break;
            }
            __attribute__((fallthrough)); /* of our own record: look again */
        case CONSULKV_REFUSED_STALE:
            if (!stale) {
                w->slice.named = index;
                w->slice.refused = why;
            }
            stale = true;
            break;
        case CONSULKV_REFUSED_SESSION:
            lost = true;
            break;
        case CONSULKV_REFUSED_AUTH:
            op_forbidden(w, index, error->what);
            break;
        }
    }
    if (lost) {
        struct err why = ERR_INIT;
        err_set(&why, ERR_TRANSIENT, -ESTALE, "consul txn: %s", errors->items[0].what);
        if (w->state == WRITER_S_READY) {
            consulkv_writer_session_gone(w);
        }
        batch_fail(w, &why);
    } else if (stale && w->state == WRITER_S_READY) {
        slice_ask(w);
    } else {
        kv_batch_again(&w->batch);
        slice_send(w);
    }
}

static void slice_invalid(struct registry_writer *w, const struct err *why)
{
    if (!kv_batch_halve(&w->batch)) {
        kv_batch_note(&w->batch, why);
        kv_batch_end(&w->batch, w->batch.slice[0], ERR_INVALID, 0);
    }
    slice_send(w);
}

static void on_written(struct consul_call *call, const struct consul_reply *reply)
{
    struct registry_writer *w = container_of(call, struct registry_writer, slice.call);
    struct err why = reply->err;
    struct consulkv_list list;
    struct consulkv_errors errors;
    if (why.class == ERR_NONE && consulkv_decode_txn(&list, reply->body, reply->len, &why) == 0) {
        if (w->slice.asking) {
            slice_told(w, &list);
        } else {
            slice_done(w, &list);
        }
        arena_deinit(&list.arena);
        return;
    }
    if (reply->status == CONSULKV_CONFLICT && !w->slice.asking &&
        consulkv_decode_errors(&errors, reply->body, reply->len, &why) == 0) {
        slice_refused(w, &errors);
        arena_deinit(&errors.arena);
        return;
    }
    err_wrap(&why, "consul txn");
    if (why.class == ERR_INVALID && !w->slice.asking) {
        slice_invalid(w, &why);
        return;
    }
    batch_fail(w, &why);
}

void consulkv_writer_batch_init(struct registry_writer *w)
{
    w->slice.call.done = on_written;
}

int consulkv_writer_write(struct registry_writer *w, const struct registry_op *ops, size_t n)
{
    must(n > 0 && n <= CONSULKV_WRITER_BATCH_MAX);
    if (w->batch.active) {
        return -EBUSY;
    }
    if (w->state != WRITER_S_READY || w->dry_run) {
        return -EAGAIN;
    }
    kv_batch_begin(&w->batch, ops, n,
                   *w->session.second ? CONSULKV_WRITER_MOVES_MAX : CONSULKV_WRITER_BATCH_MAX);
    slice_send(w);
    return 0;
}
