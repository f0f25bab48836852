#pragma once
/*
 * Reconcile: wanted keys against what the registry holds → operations. Pure: step(inputs, now).
 *
 * Each key has a state of its own; inputs mark keys dirty; a step looks only at dirty keys and at those
 * whose retry is due, so its cost follows the change. At most one write per key is in flight.
 *
 * No operation leaves before both sides are known completely (`wanted_complete`, `seen_complete`).
 */
#include "tidewaiter/clock.h"
#include "tidewaiter/registry.h"

struct reconcile;

struct reconcile_limits {
    size_t batch_max;            /* operations per step */
    msec_t retry_min, retry_max; /* per key, after a failed write */
    msec_t conflict_retry;       /* a key held by somebody else is tried again after so long */
    uint64_t seed;               /* of the jitter */
};

/* key is borrowed until reconcile_result() of the step that issued it. */
struct reconcile_op {
    enum registry_op_kind kind;
    const char *key;
    int64_t revision; /* as in registry_op */
};

struct reconcile *reconcile_new(const struct reconcile_limits *limits);
struct reconcile *reconcile_free(struct reconcile *r);

/* ---- wanted: from desired ---- */
void reconcile_want(struct reconcile *r, const char *key, uint64_t digest);
void reconcile_unwant(struct reconcile *r, const char *key);
void reconcile_wanted_complete(struct reconcile *r, bool complete);

/* ---- seen: from the registry writer's events, one to one ---- */
void reconcile_seen_begin(struct reconcile *r);
void reconcile_seen(struct reconcile *r, const char *key, uint64_t digest, int64_t revision,
                    enum registry_owner owner);
void reconcile_seen_gone(struct reconcile *r, const char *key, int64_t revision);
void reconcile_seen_complete(struct reconcile *r, bool complete); /* ready / unready */

/*
 * The next batch: writes up to limits.batch_max operations to ops (deletes and puts in the order in
 * which they became due) and returns how many. 0 while a batch is in flight, while either side is
 * incomplete, or when nothing differs. *ret_wake: when to call again without an input; MSEC_NEVER.
 */
size_t reconcile_step(struct reconcile *r, msec_t now, struct reconcile_op *ops, msec_t *ret_wake);

/* The batch of the last step ended; results in its order. Digests are those wanted at the step. */
void reconcile_result(struct reconcile *r, msec_t now, const struct registry_result *results,
                      size_t n);

/* Keys where wanted and seen differ (what --dry-run and readiness look at), among them those that
 * somebody else holds or that the registry refuses for good; and totals. */
size_t reconcile_pending(const struct reconcile *r);
size_t reconcile_seen_count(const struct reconcile *r); /* keys of ours in the registry */
size_t reconcile_surplus(const struct reconcile *r);    /* keys of ours in it that are not wanted */
/* Keys whose last write failed and that wait for the next try. */
size_t reconcile_retrying(const struct reconcile *r);

/* A key wanted but held by somebody else; for logs, once per change. NULL fn counts only. */
size_t reconcile_foreign(struct reconcile *r, void (*fn)(void *ctx, const char *key), void *ctx);
