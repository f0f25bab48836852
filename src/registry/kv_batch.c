/*
 * The bookkeeping of a batch:
 *
 *   PENDING ─picked─► SENT ─result─► ENDED        SENT ─again─► PENDING
 *
 * Happy path: one slice, one result for each. Failure modes are the writer's; here is only what they
 * share: trying the rest again, halving, and giving up on a transaction that fails without a reason.
 */
#include "registry/kv_batch.h"

#include <string.h>

#include "base/must.h"
#include "base/str.h"

#define FRUITLESS_MAX 3u

void kv_batch_begin(struct kv_batch *b, const struct registry_op *ops, size_t n, size_t slice_max)
{
    must(!b->active && n > 0 && n <= KV_BATCH_MAX);
    *b = (struct kv_batch){.active = true, .n = n, .slice_max = slice_max};
    arena_init(&b->arena);
    b->ops = arena_alloc(&b->arena, n * sizeof(*b->ops));
    for (size_t i = 0; i < n; i++) {
        b->ops[i] = ops[i];
        b->ops[i].key = arena_strdup(&b->arena, ops[i].key);
        if (ops[i].kind == REGISTRY_PUT) {
            b->ops[i].value = arena_memdup0(&b->arena, ops[i].value, ops[i].value_len);
        } else {
            b->ops[i].value_len = 0;
        }
    }
}

void kv_batch_deinit(struct kv_batch *b)
{
    arena_deinit(&b->arena);
    b->active = false;
}

bool kv_batch_has(const struct kv_batch *b, const char *key)
{
    for (size_t i = 0; b->active && i < b->n; i++) {
        if (streq(b->ops[i].key, key)) {
            return true;
        }
    }
    return false;
}

/* ---- slices ---- */

bool kv_batch_pick(struct kv_batch *b, size_t bytes_max,
                   size_t (*bytes)(const struct registry_op *))
{
    size_t sum = 0;
    b->n_slice = 0;
    for (size_t i = 0; i < b->n && b->n_slice < b->slice_max; i++) {
        if (b->state[i] != KV_OP_PENDING) {
            continue;
        }
        sum += bytes(&b->ops[i]);
        if (b->n_slice > 0 && sum > bytes_max) {
            break;
        }
        b->state[i] = KV_OP_SENT;
        b->slice[b->n_slice++] = i;
    }
    return b->n_slice > 0;
}

void kv_batch_again(struct kv_batch *b)
{
    for (size_t i = 0; i < b->n_slice; i++) {
        if (b->state[b->slice[i]] == KV_OP_SENT) {
            b->state[b->slice[i]] = KV_OP_PENDING;
        }
    }
}

bool kv_batch_halve(struct kv_batch *b)
{
    if (b->n_slice <= 1) {
        return false;
    }
    b->slice_max = b->n_slice / 2;
    kv_batch_again(b);
    return true;
}

bool kv_batch_is_fruitless(struct kv_batch *b, bool progress)
{
    b->fruitless = progress ? 0 : b->fruitless + 1;
    return b->fruitless >= FRUITLESS_MAX;
}

/* ---- results ---- */

void kv_batch_note(struct kv_batch *b, const struct err *why)
{
    if (b->why.class == ERR_NONE) {
        b->why = *why;
    }
}

void kv_batch_end(struct kv_batch *b, size_t op, enum err_class class, int64_t revision)
{
    must(op < b->n && b->state[op] != KV_OP_ENDED);
    b->state[op] = KV_OP_ENDED;
    b->results[op] = (struct registry_result){.class = class, .revision = revision};
}

void kv_batch_fail(struct kv_batch *b, const struct err *why)
{
    kv_batch_note(b, why);
    for (size_t i = 0; i < b->n; i++) {
        if (b->state[i] != KV_OP_ENDED) {
            kv_batch_end(b, i, why->class, 0);
        }
    }
}

size_t kv_batch_finish(struct kv_batch *b, struct registry_result ret[KV_BATCH_MAX],
                       struct err *ret_why)
{
    for (size_t i = 0; i < b->n; i++) {
        must(b->state[i] == KV_OP_ENDED);
    }
    memcpy(ret, b->results, b->n * sizeof(ret[0]));
    *ret_why = b->why;
    kv_batch_deinit(b);
    return b->n;
}
