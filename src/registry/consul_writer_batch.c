/*
 * write(): each operation is a request of its own (or some: consul_writer_slot.c), several at a time.
 *
 * Happy path: the operations are copied, and free slots take one after the other; when all have ended,
 * written is told, and a listing follows that verifies what was written.
 *
 * Failure modes: each operation fails by itself: 400 is the fault of that service alone. A service that
 * is known to be another owner's is not touched: that is told, and the operation is a conflict. When the
 * writer is not READY any more, what was not sent yet fails without being sent.
 */
#include "registry/consul_writer.h"

#include "base/alloc.h"
#include "base/must.h"

#include <errno.h>
#include <string.h>

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
    if (w->state == CONSUL_WRITER_S_CLOSING) { /* since it told of a conflict */
        return;
    }
    consul_writer_list_soon(w); /* what the one before passed over */
    w->events->written(w->ctx, results, n, why.class == ERR_NONE ? NULL : &why);
}

/* Somebody else's: told, and left alone. */
static void op_refuse(struct registry_writer *w, size_t op, struct consul_known *k)
{
    struct err why = ERR_INIT;
    err_set(&why, ERR_CONFLICT, -EEXIST, "%.80s is registered in Consul by somebody else", k->id);
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
        consul_slot_register(s, k, op->value, op->value_len);
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

void consul_writer_op_ended(struct registry_writer *w, size_t op, const struct err *why,
                            int64_t revision)
{
    op_end(w, op, why, revision);
    w->batch.running--;
    batch_pump(w);
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
