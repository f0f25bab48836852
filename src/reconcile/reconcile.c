/*
 * Reconcile: inputs mark keys, a step issues what differs, results settle it.
 *
 * Happy path: wanted and seen become complete, the keys that differ are dirty already, steps issue them
 * batch by batch, each result makes seen equal wanted, and nothing is left to do.
 *
 * Failure modes:
 *   - A write fails: the key waits, backing off; those that failed in one batch wait equally long, so
 *     that they stay one batch. The registry coming back (not complete → complete) ends the waits.
 *   - A write happened but was reported as failed: the event, or the conflict of the next try, says so.
 *   - A conflict: the truth came before the result; one try at once, then backing off.
 *   - Events out of order: within a listing and what follows it, what is older than what is known is
 *     passed over. A new listing may be older than everything (a restored registry), and is believed.
 *   - A result from before a listing: it says nothing about the world after it, and is passed over; if
 *     that was wrong, the next write meets a conflict, which heals it.
 *   - A key of somebody else: never deleted. After conflict_retry it is put under the condition that it
 *     is absent, which only succeeds once it is gone.
 *
 * Not here: encoding, batching into requests, the gate on removals, and logging.
 */
#include "reconcile/reconcile.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/must.h"
#include "reconcile/keys.h"

/* One operation in flight, as it was when it was issued. */
struct issued {
    struct key *key;
    uint64_t digest; /* PUT only */
    int64_t revision;
    enum registry_op_kind kind;
};

struct reconcile {
    struct reconcile_limits limits;
    struct keys keys;
    struct issued *batch; /* limits.batch_max of them */
    size_t n_batch;       /* 0: none in flight */
    uint32_t batch_listing;
    uint32_t listing; /* rises with every reconcile_seen_begin() */
    bool listing_open;
    bool wanted_complete, seen_complete;
};

struct reconcile *reconcile_new(const struct reconcile_limits *limits)
{
    must(limits->batch_max > 0);
    struct reconcile *r = xcalloc(1, sizeof(*r));
    r->limits = *limits;
    r->batch = xcalloc(limits->batch_max, sizeof(*r->batch));
    return r;
}

struct reconcile *reconcile_free(struct reconcile *r)
{
    if (r) {
        keys_deinit(&r->keys);
        free(r->batch);
        free(r);
    }
    return NULL;
}

/* ---- wanted ---- */

static void change_wanted(struct reconcile *r, struct key *k, bool wanted, uint64_t digest)
{
    if (k->wanted == wanted && (!wanted || k->want_digest == digest)) {
        return;
    }
    keys_change(&r->keys, k);
    k->wanted = wanted;
    k->want_digest = digest;
    if (k->state == KEY_S_REFUSED) {
        keys_set_state(&r->keys, k, KEY_S_DIRTY, MSEC_NEVER);
    }
    keys_changed(&r->keys, k);
}

void reconcile_want(struct reconcile *r, const char *key, uint64_t digest)
{
    change_wanted(r, keys_get(&r->keys, key), true, digest);
}

void reconcile_unwant(struct reconcile *r, const char *key)
{
    struct key *k = keys_find(&r->keys, key);
    if (k) {
        change_wanted(r, k, false, 0);
    }
}

void reconcile_wanted_complete(struct reconcile *r, bool complete)
{
    r->wanted_complete = complete;
}

/* ---- seen ---- */

void reconcile_seen_begin(struct reconcile *r)
{
    r->listing++;
    r->listing_open = true;
    r->seen_complete = false;
}

/* Whether news of this revision are older than what this listing, or its watch, said already. */
static bool outdated(const struct reconcile *r, const struct key *k, int64_t revision)
{
    return k->listing == r->listing && revision < k->revision;
}

static void observe(struct reconcile *r, struct key *k, enum key_presence presence, uint64_t digest,
                    int64_t revision)
{
    keys_change(&r->keys, k);
    k->presence = (uint8_t)presence;
    k->seen_digest = digest;
    k->revision = revision;
    k->listing = r->listing;
    keys_changed(&r->keys, k);
}

void reconcile_seen(struct reconcile *r, const char *key, uint64_t digest, int64_t revision,
                    enum registry_owner owner)
{
    struct key *k = keys_get(&r->keys, key);
    if (!outdated(r, k, revision)) {
        static const enum key_presence presence[] = {
            [REGISTRY_OURS] = KEY_OURS,
            [REGISTRY_FOREIGN] = KEY_FOREIGN,
            [REGISTRY_UNCLAIMED] = KEY_UNCLAIMED,
        };
        observe(r, k, presence[owner], digest, revision);
    }
}

void reconcile_seen_gone(struct reconcile *r, const char *key, int64_t revision)
{
    struct key *k = keys_find(&r->keys, key);
    if (k && !outdated(r, k, revision)) {
        observe(r, k, KEY_ABSENT, 0, revision);
    }
}

/* The listing has ended: what it did not name is absent. */
static void sweep(struct reconcile *r)
{
    struct key *k, *next;
    HASH_ITER (hh, r->keys.by_name, k, next) {
        if (k->listing != r->listing) {
            observe(r, k, KEY_ABSENT, 0, 0);
        }
    }
}

static void end_waits(struct reconcile *r)
{
    struct key *k, *next;
    HASH_ITER (hh, r->keys.by_name, k, next) {
        if (k->state == KEY_S_RETRY) {
            keys_reopen(&r->keys, k);
        }
    }
}

void reconcile_seen_complete(struct reconcile *r, bool complete)
{
    if (complete && r->listing_open) {
        r->listing_open = false;
        sweep(r);
    }
    if (complete && !r->seen_complete) {
        end_waits(r);
    }
    r->seen_complete = complete;
}

/* ---- step ---- */

static void issue(struct reconcile *r, struct key *k, struct reconcile_op *op)
{
    must(r->n_batch < r->limits.batch_max);
    op->kind = k->wanted ? REGISTRY_PUT : REGISTRY_DELETE;
    op->key = k->name;
    /* somebody else's key: on the condition that it is gone */
    bool replaces = k->presence == KEY_OURS || k->presence == KEY_UNCLAIMED;
    op->revision = replaces ? k->revision : 0;
    r->batch[r->n_batch++] = (struct issued){
        .key = k, .digest = k->want_digest, .revision = op->revision, .kind = op->kind};
    k->probe = false;
    keys_set_state(&r->keys, k, KEY_S_INFLIGHT, MSEC_NEVER);
}

size_t reconcile_step(struct reconcile *r, msec_t now, struct reconcile_op *ops, msec_t *ret_wake)
{
    *ret_wake = MSEC_NEVER;
    if (r->n_batch > 0 || !r->wanted_complete || !r->seen_complete) {
        return 0;
    }
    keys_wake(&r->keys, now);
    struct key *k;
    while (r->n_batch < r->limits.batch_max && (k = r->keys.dirty) != NULL) {
        if (k->presence == KEY_FOREIGN && !k->probe) {
            keys_set_state(&r->keys, k, KEY_S_FOREIGN, now + r->limits.conflict_retry);
        } else {
            issue(r, k, &ops[r->n_batch]);
        }
    }
    r->batch_listing = r->listing;
    if (r->n_batch == 0) {
        *ret_wake = keys_next_due(&r->keys);
    }
    return r->n_batch;
}

/* ---- results ---- */

/* The write was done: unless something newer was seen already, that is what the key holds now. */
static void apply(struct reconcile *r, const struct issued *op, int64_t revision)
{
    struct key *k = op->key;
    if (op->kind == REGISTRY_PUT) {
        if (!outdated(r, k, revision)) {
            observe(r, k, KEY_OURS, op->digest, revision);
        }
    } else if (!outdated(r, k, op->revision)) {
        /* above its last revision, so that a late event of that one does not bring it back */
        observe(r, k, KEY_ABSENT, 0, op->revision + 1);
    }
}

static void wait_retry(struct reconcile *r, struct key *k, msec_t now)
{
    struct backoff b;
    backoff_init(&b, r->limits.retry_min, r->limits.retry_max, r->limits.seed);
    b.failures = k->failures;
    msec_t delay = backoff_next(&b);
    k->failures = k->failures < UINT8_MAX ? (uint8_t)(k->failures + 1) : UINT8_MAX;
    keys_set_state(&r->keys, k, KEY_S_RETRY, now + delay);
}

/* The write did not happen, or may not have. */
static void put_off(struct reconcile *r, const struct issued *op, msec_t now, enum err_class class)
{
    struct key *k = op->key;
    bool first_conflict = class == ERR_CONFLICT && !k->conflicted;
    bool same = k->wanted ? op->kind == REGISTRY_PUT && k->want_digest == op->digest
                          : op->kind == REGISTRY_DELETE;
    k->conflicted = class == ERR_CONFLICT;
    if (class == ERR_INVALID && same) {
        keys_set_state(&r->keys, k, KEY_S_REFUSED, MSEC_NEVER);
    } else if (k->wanted && k->presence == KEY_FOREIGN) {
        keys_set_state(&r->keys, k, KEY_S_FOREIGN, now + r->limits.conflict_retry);
    } else if (class == ERR_INVALID || class == ERR_CANCELLED || first_conflict) {
        keys_reopen(&r->keys, k);
    } else {
        wait_retry(r, k, now);
    }
}

void reconcile_result(struct reconcile *r, msec_t now, const struct registry_result *results,
                      size_t n)
{
    must(n > 0 && n == r->n_batch);
    bool current = r->batch_listing == r->listing;
    for (size_t i = 0; i < n; i++) {
        const struct issued *op = &r->batch[i];
        struct key *k = op->key;
        bool done = results[i].class == ERR_NONE;
        if (done && current) {
            apply(r, op, results[i].revision);
        }
        if (done) {
            k->failures = 0;
            k->conflicted = false;
        }
        if (done || !key_differs(k)) {
            keys_reopen(&r->keys, k);
        } else {
            put_off(r, op, now, results[i].class);
        }
    }
    r->n_batch = 0;
    /* all keys of one result wait equally long; the next result draws anew */
    r->limits.seed = r->limits.seed * 6364136223846793005u + 1442695040888963407u;
}

/* ---- totals ---- */

size_t reconcile_pending(const struct reconcile *r)
{
    return r->keys.n_differ;
}

size_t reconcile_seen_count(const struct reconcile *r)
{
    return r->keys.n_ours;
}

size_t reconcile_surplus(const struct reconcile *r)
{
    return r->keys.n_surplus;
}

size_t reconcile_retrying(const struct reconcile *r)
{
    return r->keys.n_retry;
}

size_t reconcile_foreign(struct reconcile *r, void (*fn)(void *ctx, const char *key), void *ctx)
{
    if (fn && r->keys.n_untold > 0) {
        struct key *k, *next;
        HASH_ITER (hh, r->keys.by_name, k, next) {
            if (k->wanted && k->presence == KEY_FOREIGN && !k->told) {
                k->told = true;
                r->keys.n_untold--;
                fn(ctx, k->name);
            }
        }
    }
    return r->keys.n_contested;
}
