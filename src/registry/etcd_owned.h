#pragma once
/*
 * The keys that a writer looks after: those it wrote, those found on its lease, and those it asked for
 * and somebody else holds. Pure.
 */
#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct etcd_owned_key {
    UT_hash_handle hh;
    int64_t revision; /* newest one known, of the key or of its absence: older news is stale */
    int64_t lease;
    bool exists;
    bool ours;
    char key[];
};

struct etcd_owned {
    struct etcd_owned_key *keys; /* walk with HASH_ITER(hh, ...) */
};

void etcd_owned_deinit(struct etcd_owned *o); /* idempotent; zeroed memory is an empty set */
struct etcd_owned_key *etcd_owned_find(const struct etcd_owned *o, const char *key, size_t len);
struct etcd_owned_key *etcd_owned_add(struct etcd_owned *o,
                                      const char *key); /* or the one there is */
void etcd_owned_drop(struct etcd_owned *o, struct etcd_owned_key *k);
size_t etcd_owned_count(const struct etcd_owned *o);
