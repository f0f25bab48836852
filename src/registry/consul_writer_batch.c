/*
 * write(): each operation is a request of its own, several at a time.
 *
 *   slot   FREE ──PUT──► REGISTER ──200──► UPDATE (each TTL check in turn) ──► FREE
 *            ├──DELETE─► REMOVE ──200, or it was gone────────────────────────────┘
 *            └─ any failure of a step ends the operation with its class
 *
 * Happy path: the operations are copied, and free slots take one after the other; when all have ended,
 * written is told. After a registration the status of its TTL checks is sent too, because Consul keeps
 * that of a check that was there before.
 *
 * Failure modes: each operation fails by itself: 400 is the fault of that service alone. A service that
 * is known to be another owner's is not touched: that is told, and the operation is a conflict. No
 * answer, or a check that is unknown right after its registration: a listing finds out. When the writer
 * is not READY any more, what was not sent yet fails without being sent.
 */
#include "registry/consul_writer.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_query.h"

#include <errno.h>
#include <string.h>

static void batch_pump(struct registry_writer *w);

static void set_step(struct consul_slot *s, enum consul_slot_step to)
{
    static const bool allowed[4][4] = {
        [CONSUL_SLOT_FREE] = {[CONSUL_SLOT_REGISTER] = true, [CONSUL_SLOT_REMOVE] = true},
        [CONSUL_SLOT_REGISTER] = {[CONSUL_SLOT_UPDATE] = true, [CONSUL_SLOT_FREE] = true},
        [CONSUL_SLOT_UPDATE] = {[CONSUL_SLOT_FREE] = true},
        [CONSUL_SLOT_REMOVE] = {[CONSUL_SLOT_FREE] = true},
    };
    must(allowed[s->step][to]);
    s->step = to;
}

struct consul_slot *consul_slot_free(struct registry_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->slots); i++) {
        if (w->slots[i].step == CONSUL_SLOT_FREE) {
            return &w->slots[i];
        }
    }
    return NULL;
}

bool consul_slot_idle(const struct registry_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->slots); i++) {
        if (w->slots[i].step != CONSUL_SLOT_FREE) {
            return false;
        }
    }
    return true;
}

/* ---- results ---- */

static void op_end(struct registry_writer *w, size_t op, const struct err *why, int64_t revision)
{
    struct consul_batch *b = &w->batch;
    b->results[op] = (struct registry_result){.class = why->class, .revision = revision};
    if (why->class != ERR_NONE && b->why.class == ERR_NONE) {
        b->why = *why;
    }
}

static void batch_end(struct registry_writer *w)
{
    struct consul_batch *b = &w->batch;
    struct registry_result results[CONSUL_WRITER_BATCH_MAX];
    struct err why = b->why;
    size_t n = b->n;
    memcpy(results, b->results, n * sizeof(results[0]));
    b->active = false;
    arena_deinit(&b->arena);
    consul_writer_list_soon(w); /* what the one before passed over */
    w->events->written(w->ctx, results, n, why.class == ERR_NONE ? NULL : &why);
}

/* The operation of a slot has ended, with whatever result. */
static void slot_end(struct consul_slot *s, const struct err *why)
{
    struct registry_writer *w = s->w;
    struct consul_known *k = take_ptr(s->service);
    bool put = w->batch.ops[s->op].kind == REGISTRY_PUT;
    set_step(s, CONSUL_SLOT_FREE);
    arena_deinit(&s->arena);
    k->in_flight = false;
    k->touched = ++w->event;
    op_end(w, s->op, why, put && why->class == ERR_NONE ? ++w->revision : 0);
    w->batch.running--;
    batch_pump(w);
}

/* What a failure means for the operation; `unknown service` has been looked at before. */
static struct err failure_of(const struct consul_reply *reply, const char *verb, const char *id)
{
    struct err why = reply->err;
    if (reply->status == 404) {
        why.class = ERR_BUG; /* no such path: that is no Consul agent */
    } else if (why.class == ERR_CONFLICT) {
        why.class = ERR_TRANSIENT; /* nothing was compared */
    }
    err_wrap(&why, "%s %s", verb, id);
    return why;
}

/* ---- steps ---- */

static void update_next(struct consul_slot *s)
{
    const struct err none = ERR_INIT;
    if (s->at == s->n_ttls) {
        slot_end(s, &none);
        return;
    }
    if (s->step != CONSUL_SLOT_UPDATE) {
        set_step(s, CONSUL_SLOT_UPDATE);
    }
    const struct consul_listed_ttl *t = &s->ttls[s->at++];
    consul_check_update(s->w, &s->call, t->check_id, t->status);
}

static void on_registered(struct consul_slot *s, const struct consul_reply *reply)
{
    struct registry_writer *w = s->w;
    const struct registry_op *op = &w->batch.ops[s->op];
    if (reply->err.class != ERR_NONE) {
        struct err why = failure_of(reply, "register", s->service->id);
        consul_known_unsure(s->service);
        slot_end(s, &why);
        return;
    }
    consul_known_put(s->service, hash64(op->value, op->value_len) | 1, io_now(w->io));
    consul_writer_ttl_put(w, s->service->id, s->ttls, s->n_ttls);
    update_next(s);
}

static void on_updated(struct consul_slot *s, const struct consul_reply *reply)
{
    if (reply->err.class == ERR_NONE) {
        update_next(s);
        return;
    }
    struct err why = failure_of(reply, "set the checks of", s->service->id);
    if (consul_reply_unknown(reply)) {
        why.class = ERR_TRANSIENT; /* lost again, as soon as it was registered */
    }
    slot_end(s, &why);
}

static void on_removed(struct consul_slot *s, const struct consul_reply *reply)
{
    struct err why = ERR_INIT;
    if (reply->err.class == ERR_NONE || consul_reply_unknown(reply)) {
        consul_known_removed(s->service);
        consul_writer_ttl_forget(s->w, s->service->id);
    } else {
        why = failure_of(reply, "deregister", s->service->id);
        consul_known_unsure(s->service);
    }
    slot_end(s, &why);
}

static void on_answer(struct consul_call *call, const struct consul_reply *reply)
{
    struct consul_slot *s = container_of(call, struct consul_slot, call);
    struct registry_writer *w = s->w;
    if (w->state == CONSUL_WRITER_S_CLOSING) {
        struct consul_known *k = take_ptr(s->service);
        bool removal = s->step == CONSUL_SLOT_REMOVE;
        set_step(s, CONSUL_SLOT_FREE);
        arena_deinit(&s->arena);
        consul_writer_left(w, k, removal, reply);
        return;
    }
    switch (s->step) {
    case CONSUL_SLOT_REGISTER:
        on_registered(s, reply);
        break;
    case CONSUL_SLOT_UPDATE:
        on_updated(s, reply);
        break;
    case CONSUL_SLOT_REMOVE:
        on_removed(s, reply);
        break;
    case CONSUL_SLOT_FREE:
        must(!"an answer for a slot that asks nothing");
    }
}

/* ---- operations ---- */

static void slot_take(struct consul_slot *s, struct consul_known *k, enum consul_slot_step step)
{
    set_step(s, step);
    s->service = k;
    s->n_ttls = s->at = 0;
    k->in_flight = true;
    k->touched = ++s->w->event;
}

void consul_slot_remove(struct consul_slot *s, struct consul_known *k)
{
    struct buf path = BUF_INIT(8192);
    slot_take(s, k, CONSUL_SLOT_REMOVE);
    buf_puts(&path, "/v1/agent/service/deregister/");
    consul_path_escape(&path, k->id, strlen(k->id), false);
    consul_call_start(&s->w->client, &s->call,
                      &(struct consul_call_spec){.method = HTTP_PUT, .path = buf_str(&path)});
    buf_deinit(&path);
}

static void slot_register(struct consul_slot *s, struct consul_known *k,
                          const struct registry_op *op)
{
    slot_take(s, k, CONSUL_SLOT_REGISTER);
    arena_init(&s->arena);
    s->n_ttls = consul_service_ttls(op->value, op->value_len, &s->arena, &s->ttls);
    consul_call_start(&s->w->client, &s->call,
                      &(struct consul_call_spec){
                          .method = HTTP_PUT,
                          .path = "/v1/agent/service/register?replace-existing-checks=true",
                          .body = op->value,
                          .body_len = op->value_len,
                      });
}

/* Somebody else's: told, and left alone. */
static void op_refuse(struct registry_writer *w, size_t op, struct consul_known *k)
{
    struct err why = ERR_INIT;
    err_set(&why, ERR_CONFLICT, -EEXIST, "%s is registered in Consul by somebody else", k->id);
    k->told = true;
    consul_writer_tell(w, k, CONSUL_NEWS_SEEN);
    op_end(w, op, &why, 0);
}

static void op_start(struct registry_writer *w, size_t i)
{
    struct consul_batch *b = &w->batch;
    const struct registry_op *op = &b->ops[i];
    struct consul_known *k = consul_known_add(&w->services, op->key);
    bool others = k->exists && (op->kind == REGISTRY_PUT ? k->owner == REGISTRY_FOREIGN
                                                         : k->owner != REGISTRY_OURS);
    if (others) {
        op_refuse(w, i, k);
        return;
    }
    struct consul_slot *s = consul_slot_free(w);
    s->op = i;
    b->running++;
    if (op->kind == REGISTRY_PUT) {
        slot_register(s, k, op);
    } else {
        consul_slot_remove(s, k);
    }
}

static void batch_pump(struct registry_writer *w)
{
    struct consul_batch *b = &w->batch;
    while (b->next < b->n) {
        if (w->state != CONSUL_WRITER_S_READY) {
            struct err why = ERR_INIT;
            err_set(&why, ERR_TRANSIENT, -EAGAIN, "Consul is out of reach");
            op_end(w, b->next++, &why, 0);
        } else if (consul_slot_free(w)) {
            op_start(w, b->next++);
        } else {
            break;
        }
    }
    if (b->active && b->next == b->n && b->running == 0) {
        batch_end(w);
    }
}

static void on_begin(struct io_defer *d)
{
    batch_pump(container_of(d, struct registry_writer, batch.begin));
}

int consul_writer_write(struct registry_writer *w, const struct registry_op *ops, size_t n)
{
    struct consul_batch *b = &w->batch;
    must(w->magic == CONSUL_WRITER_MAGIC);
    must(n > 0 && n <= CONSUL_WRITER_BATCH_MAX);
    if (b->active) {
        return -EBUSY;
    }
    if (w->state != CONSUL_WRITER_S_READY || w->dry_run) {
        return -EAGAIN;
    }
    b->active = true;
    b->n = n;
    b->next = b->running = 0;
    err_reset(&b->why);
    arena_init(&b->arena);
    b->ops = arena_alloc(&b->arena, n * sizeof(*b->ops));
    for (size_t i = 0; i < n; i++) {
        b->ops[i] = ops[i];
        b->ops[i].key = arena_strdup(&b->arena, ops[i].key);
        if (ops[i].kind == REGISTRY_PUT) {
            b->ops[i].value = arena_memdup0(&b->arena, ops[i].value, ops[i].value_len);
        } else {
            b->ops[i].value = NULL;
            b->ops[i].value_len = 0;
        }
    }
    /* not from inside: an operation may end at once */
    io_defer(w->io, &b->begin, on_begin);
    return 0;
}

void consul_writer_batch_init(struct registry_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->slots); i++) {
        w->slots[i].w = w;
        w->slots[i].call.done = on_answer;
    }
}
