#pragma once
/*
 * The batch that a writer of a key-value registry has in flight: a copy of its operations, cut into
 * slices of one transaction each, and the results so far. Pure.
 */
#include "base/arena.h"
#include "tidewaiter/registry.h"

#define KV_BATCH_MAX 127

enum kv_op_state { KV_OP_PENDING, KV_OP_SENT, KV_OP_ENDED };

struct kv_batch {
    bool active;
    struct arena arena; /* copies of keys and values */
    struct registry_op *ops;
    size_t n;
    enum kv_op_state state[KV_BATCH_MAX];
    struct registry_result results[KV_BATCH_MAX];
    size_t slice[KV_BATCH_MAX]; /* indices into ops of the running transaction */
    size_t n_slice;
    size_t slice_max;   /* shrinks to find the one operation that the registry refuses */
    unsigned fruitless; /* transactions in a row that failed without telling why */
    struct err why;     /* the first failure */
};

void kv_batch_begin(struct kv_batch *b, const struct registry_op *ops, size_t n, size_t slice_max);
void kv_batch_deinit(struct kv_batch *b); /* idempotent; zeroed memory is an idle batch */
bool kv_batch_has(const struct kv_batch *b, const char *key);

/* ---- slices ---- */

/*
 * Picks what the next transaction takes, at most bytes_max as bytes() counts them, but at least one;
 * false: every operation has ended.
 */
bool kv_batch_pick(struct kv_batch *b, size_t bytes_max,
                   size_t (*bytes)(const struct registry_op *));
/* Puts back what of the slice has not ended. */
void kv_batch_again(struct kv_batch *b);
/* The request was refused as such: from now on half as many; false: this was a single operation. */
bool kv_batch_halve(struct kv_batch *b);
/* After a refused transaction; true: enough of them in a row brought nothing to light. */
bool kv_batch_is_fruitless(struct kv_batch *b, bool progress);

/* ---- results ---- */

void kv_batch_note(struct kv_batch *b, const struct err *why);
void kv_batch_end(struct kv_batch *b, size_t op, enum err_class class, int64_t revision);
void kv_batch_fail(struct kv_batch *b, const struct err *why); /* all that have not ended */
/* The batch is over: idle again. Returns how many results; *ret_why: class NONE if none failed. */
size_t kv_batch_finish(struct kv_batch *b, struct registry_result ret[KV_BATCH_MAX],
                       struct err *ret_why);
