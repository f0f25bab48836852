#pragma once
/*
 * The keys that reconcile knows: what each should hold, what it was seen to hold, and its state. The
 * machine is drawn in keys.c.
 */
#include "base/map.h"
#include "reconcile/retry_heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_state {
    KEY_S_IDLE,     /* nothing to do */
    KEY_S_DIRTY,    /* wanted and seen differ: in the next batches */
    KEY_S_INFLIGHT, /* in the batch that was issued last */
    KEY_S_RETRY,    /* a write failed: waits */
    KEY_S_FOREIGN,  /* wanted, but held by somebody else: waits until gone, or for the next try */
    KEY_S_REFUSED,  /* the registry can never take what is wanted: waits until that changes */
};

/* As enum registry_owner, and absent. */
enum key_presence { KEY_ABSENT, KEY_OURS, KEY_FOREIGN, KEY_UNCLAIMED };

struct key {
    UT_hash_handle hh;
    struct key *prev, *next; /* of the dirty list */
    struct retry_node wait;
    uint64_t want_digest;
    uint64_t seen_digest;
    int64_t revision; /* as of which the presence is known */
    uint32_t listing; /* the last listing that it was seen in, or gone */
    uint8_t state;    /* enum key_state */
    uint8_t presence; /* enum key_presence */
    uint8_t failures; /* in a row */
    bool wanted : 1;
    bool conflicted : 1; /* the last result was a conflict */
    bool probe : 1;      /* the wait for somebody else's key is over: one write may try */
    bool told : 1;       /* was reported as held by somebody else */
    char name[];
};

struct keys {
    struct key *by_name;
    struct key *dirty; /* in order of becoming due */
    struct retry_heap waiting;
    size_t n_differ;    /* wanted and seen differ */
    size_t n_ours;      /* seen, and ours */
    size_t n_surplus;   /* of those, not wanted */
    size_t n_contested; /* wanted, but somebody else's */
    size_t n_untold;    /* of those, not yet reported */
    size_t n_retry;     /* in RETRY */
};

void keys_deinit(struct keys *s); /* frees all, whatever their state */

struct key *keys_find(struct keys *s, const char *name);
struct key *keys_get(struct keys *s, const char *name); /* adds it where it is new */

/* What is wanted or seen may only be changed between these two; changed() also brings an idle key to
 * the dirty list, or a waiting one back to rest, and frees one that means nothing any more. */
void keys_change(struct keys *s, struct key *k);
void keys_changed(struct keys *s, struct key *k);

/* Moves along an allowed edge of the machine, and from queue to queue. due: RETRY and FOREIGN only. */
void keys_set_state(struct keys *s, struct key *k, enum key_state state, msec_t due);

/* Looks again at a key in flight, or in RETRY, and takes it to DIRTY or IDLE; may free it. */
void keys_reopen(struct keys *s, struct key *k);

/* Waiting keys that are due become dirty. */
void keys_wake(struct keys *s, msec_t now);

/* When the first waiting key is due; MSEC_NEVER. */
msec_t keys_next_due(const struct keys *s);

bool key_differs(const struct key *k);
