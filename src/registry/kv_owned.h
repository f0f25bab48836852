#pragma once
/*
 * The keys that a writer looks after: those it wrote, those found on its lease, and those it asked for
 * and somebody else holds. Pure.
 */
#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kv_owned_key {
    UT_hash_handle hh;
    int64_t revision; /* newest one known, of the key or of its absence: older news is stale */
    int64_t holder;   /* etcd: the lease that it is on; Consul: enum consulkv_holder */
    bool exists;
    bool ours;
    unsigned
        mark; /* its owner's. Consul: of the last listing that had it; etcd: leaving, in flight */
    char key[];
};

struct kv_owned {
    struct kv_owned_key *keys; /* walk with HASH_ITER(hh, ...) */
};

void kv_owned_deinit(struct kv_owned *o); /* idempotent; zeroed memory is an empty set */
struct kv_owned_key *kv_owned_find(const struct kv_owned *o, const char *key, size_t len);
struct kv_owned_key *kv_owned_add(struct kv_owned *o, const char *key); /* or the one there is */
void kv_owned_drop(struct kv_owned *o, struct kv_owned_key *k);
size_t kv_owned_count(const struct kv_owned *o);
size_t kv_owned_ours(const struct kv_owned *o); /* those that exist and are ours */
