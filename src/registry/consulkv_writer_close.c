/*
 * The end of a writer.
 *
 * Keeping: everything is cancelled and the session is left to its TTL, for a successor to find.
 * Deregistering, within 3 s: our keys that are not on our session are deleted, then our record, each
 * under the fence; then the session is destroyed, which removes all the rest at once. Once the record
 * is gone no successor can adopt the session, so its end hits nobody else.
 * Failure: another agent's record ends it at once, nothing being ours any more; what cannot be reached
 * is tried again until the 3 s are over, and lapses with the session then. What is left is told as trouble.
 */
#include "registry/consulkv_writer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"

#define LEAVE_MAX   3000u
#define LEAVE_RETRY 100u
#define BODY_MAX    (1024u * 1024)

#define UNTIL_SESSION ", until the session ends"

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

static size_t keys_left(const struct registry_writer *w)
{
    return w->leave_left + kv_owned_ours(&w->owned);
}

/* The end, with something left in Consul; until: when it goes. */
static void leave_behind(struct registry_writer *w, size_t keys, const char *until)
{
    struct err why = w->leave_why;
    if (why.class == ERR_NONE) {
        err_set(&why, ERR_TRANSIENT, -ETIMEDOUT, "no answer within %u s", LEAVE_MAX / 1000);
    }
    bool record = w->leave != WRITER_LEAVE_SESSION; /* which comes after it */
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
    leave_behind(w, keys_left(w), UNTIL_SESSION);
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
            k->mark = w->list_mark + 1;
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

/* Consul has answered: these keys are not tried again. Returns how many there were. */
static size_t detached_done(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    size_t n = 0;
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (k->mark == w->list_mark + 1) {
            k->mark = w->list_mark;
            k->ours = false;
            n++;
        }
    }
    return n;
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

/* Takes Consul's words for what it refused. */
static void leave_refused(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_errors errors;
    if (consulkv_decode_errors(&errors, reply->body, reply->len, &w->leave_why) == 0) {
        err_set(&w->leave_why, ERR_CONFLICT, -EEXIST, "consul txn: %s", errors.items[0].what);
        arena_deinit(&errors.arena);
    }
}

/* The record could not be deleted as we knew it: whose is it now? */
static void leave_looked(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_list list;
    struct agent_record by;
    if (reply->status == CONSULKV_NOT_FOUND) { /* an answer was lost, or somebody deleted it */
        w->leave = WRITER_LEAVE_SESSION;
        leave_next(w);
        return;
    }
    if (consulkv_decode_list(&list, reply->body, reply->len, &w->leave_why) < 0) {
        io_timer_start(w->io, &w->timer, LEAVE_RETRY, on_leave_timer);
        return;
    }
    if (list.n == 0) { /* as if it were absent */
        arena_deinit(&list.arena);
        w->leave = WRITER_LEAVE_SESSION;
        leave_next(w);
        return;
    }
    const struct consulkv_pair *now = &list.pairs[0];
    agent_record_decode(&by, now->value, now->value_len);
    bool taken = agent_record_of_other(&by, w->us.instance);
    bool locked = consulkv_writer_holder(w, now->session) == CONSULKV_HOLDER_OTHER;
    if (taken) {
        leave_end(w);
    } else if (locked) {
        err_set(&w->leave_why, ERR_CONFLICT, -EEXIST, "%s is locked by session %s",
                w->layout.record, now->session);
        leave_behind(w, keys_left(w), UNTIL_SESSION);
    } else {
        w->record_index = now->index;
        w->leave = WRITER_LEAVE_RECORD;
        io_timer_start(w->io, &w->timer, LEAVE_RETRY, on_leave_timer); /* it may be refused again */
    }
    arena_deinit(&list.arena);
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
    bool absent =
        w->leave == WRITER_LEAVE_LOOK && reply->status == CONSULKV_NOT_FOUND && reply->index > 0;
    if (!answered && !refused && !absent) {
        w->leave_why = reply->err;
        io_timer_start(w->io, &w->timer, LEAVE_RETRY, on_leave_timer);
        return;
    }
    if (refused) {
        leave_refused(w, reply);
    }
    switch (w->leave) {
    case WRITER_LEAVE_DETACHED: { /* leave_next() finds the rest, or none */
        size_t n = detached_done(w);
        w->leave_left += refused ? n : 0;
        leave_next(w);
        break;
    }
    case WRITER_LEAVE_RECORD:
        w->leave = refused ? WRITER_LEAVE_LOOK : WRITER_LEAVE_SESSION;
        leave_next(w);
        break;
    case WRITER_LEAVE_LOOK:
        leave_looked(w, reply);
        break;
    case WRITER_LEAVE_SESSION: /* destroyed, or gone already */
        if (w->leave_left > 0) {
            leave_behind(w, w->leave_left, "");
        } else {
            leave_end(w);
        }
        break;
    }
}

void consulkv_writer_close(struct registry_writer *w, bool deregister, void (*done)(void *ctx),
                           void *ctx)
{
    must(w->magic == WRITER_MAGIC);
    bool leave = deregister && w->claimed_index != 0 && !w->dry_run && *w->our_session &&
                 w->state != WRITER_S_DEPOSED;
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
