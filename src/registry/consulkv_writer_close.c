/*
 * The end of a writer.
 *
 * Keeping: everything is cancelled and the session is left to its TTL, for a successor to find.
 * Deregistering, within 3 s: our keys that are not on our session are deleted, then our record, each
 * under the fence; then the session is destroyed, which removes all the rest at once. Once the record
 * is gone no successor can adopt the session, so its end hits nobody else.
 * Failure: another agent's record ends it at once, nothing being ours any more; what cannot be reached
 * is tried again until the 3 s are over, and lapses with the session then.
 */
#include "registry/consulkv_writer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"

#define LEAVE_MAX   3000u
#define LEAVE_RETRY 100u
#define BODY_MAX    (1024u * 1024)

static void leave_next(struct registry_writer *w);

static void on_closed(void *ctx)
{
    struct registry_writer *w = ctx;
    void (*closed)(void *) = w->closed;
    void *closed_ctx = w->closed_ctx;
    kv_owned_deinit(&w->owned);
    kv_batch_deinit(&w->batch);
    kv_layout_deinit(&w->layout);
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
    consul_client_close(&w->client, on_closed, w);
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

/* Sends one transaction of deletes under the fence; false when there is nothing to delete. */
static bool leave_detached(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    struct consulkv_txn t;
    struct buf body = BUF_INIT(BODY_MAX);
    consulkv_txn_begin(&t, &body);
    consulkv_txn_check(&t, w->layout.record, w->record_index);
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        bool detached = k->exists && k->ours && k->holder != CONSULKV_HOLDER_OURS;
        if (detached && t.ops < CONSULKV_TXN_OPS) {
            consulkv_txn_delete(&t, k->key, k->revision);
            k->ours = false; /* tried once, whatever comes of it */
        }
    }
    consulkv_txn_end(&t);
    bool any = t.ops > 1;
    if (any) {
        consulkv_writer_txn(w, &w->step, &body);
    }
    buf_deinit(&body);
    return any;
}

static void leave_record(struct registry_writer *w)
{
    struct consulkv_txn t;
    struct buf body = BUF_INIT(BODY_MAX);
    consulkv_txn_begin(&t, &body);
    consulkv_txn_delete(&t, w->layout.record, w->record_index); /* a fence of its own */
    consulkv_txn_end(&t);
    consulkv_writer_txn(w, &w->step, &body);
    buf_deinit(&body);
}

static void leave_session(struct registry_writer *w)
{
    struct buf path = BUF_INIT(WRITER_PATH_MAX);
    consulkv_session_path(&path, w->uri, "destroy", w->our_session);
    consul_call_start(&w->client, &w->step,
                      &(struct consul_call_spec){.method = HTTP_PUT, .path = buf_str(&path)});
    buf_deinit(&path);
}

static void leave_next(struct registry_writer *w)
{
    if (consul_call_running(&w->step)) {
        return; /* a cancelled one: its end comes here */
    }
    switch (w->leave) {
    case WRITER_LEAVE_DETACHED:
        if (leave_detached(w)) {
            break;
        }
        w->leave = WRITER_LEAVE_RECORD;
        leave_record(w);
        break;
    case WRITER_LEAVE_RECORD:
        leave_record(w);
        break;
    case WRITER_LEAVE_LOOK:
        consulkv_writer_get(w, &w->step, w->layout.record, false, 0);
        break;
    case WRITER_LEAVE_SESSION:
        leave_session(w);
        break;
    }
}

/* The record as it is now; false: it is another agent's. */
static bool still_ours(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_list list;
    struct agent_record by;
    struct err ignored = ERR_INIT;
    if (reply->status == CONSULKV_NOT_FOUND) {
        w->leave = WRITER_LEAVE_SESSION; /* an answer was lost, or somebody deleted it */
        return true;
    }
    if (consulkv_decode_list(&list, reply->body, reply->len, &ignored) < 0 || list.n == 0) {
        return false;
    }
    agent_record_decode(&by, list.pairs[0].value, list.pairs[0].value_len);
    w->record_index = list.pairs[0].index;
    w->leave = WRITER_LEAVE_RECORD;
    arena_deinit(&list.arena);
    return streq(by.instance, w->us.instance);
}

void consulkv_writer_on_leave(struct registry_writer *w, const struct consul_reply *reply)
{
    if (!w->leaving) {
        return;
    }
    if (reply->err.class == ERR_CANCELLED) { /* of the time before */
        leave_next(w);
        return;
    }
    bool answered = reply->err.class == ERR_NONE, refused = reply->status == CONSULKV_CONFLICT;
    bool absent = w->leave == WRITER_LEAVE_LOOK && reply->status == CONSULKV_NOT_FOUND;
    if (!answered && !refused && !absent) {
        io_timer_start(w->io, &w->timer, LEAVE_RETRY, on_leave_timer);
        return;
    }
    switch (w->leave) {
    case WRITER_LEAVE_DETACHED: /* leave_next() finds the rest, or none */
        break;
    case WRITER_LEAVE_RECORD:
        w->leave = refused ? WRITER_LEAVE_LOOK : WRITER_LEAVE_SESSION;
        break;
    case WRITER_LEAVE_LOOK:
        if (!still_ours(w, reply)) {
            leave_end(w);
            return;
        }
        break;
    case WRITER_LEAVE_SESSION: /* destroyed, or gone already */
        leave_end(w);
        return;
    }
    leave_next(w);
}

void consulkv_writer_close(struct registry_writer *w, bool deregister, void (*done)(void *ctx),
                           void *ctx)
{
    must(w->magic == WRITER_MAGIC);
    bool leave =
        deregister && w->claimed && !w->dry_run && *w->our_session && w->state != WRITER_S_DEPOSED;
    consulkv_writer_set_state(w, WRITER_S_CLOSING);
    w->closed = done;
    w->closed_ctx = ctx;
    io_timer_stop(&w->timer);
    consulkv_writer_watch_quiet(w);
    consulkv_session_forget(&w->session);
    consul_call_cancel(&w->slice.call);
    consul_call_cancel(&w->step);
    if (!leave) {
        leave_end(w);
        return;
    }
    w->leaving = true;
    w->leave = WRITER_LEAVE_DETACHED;
    io_timer_start(w->io, &w->deadline, LEAVE_MAX, on_deadline);
    leave_next(w);
}
