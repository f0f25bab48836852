/*
 * The set of a writer's keys. A key that is known to be absent stays in it (exists = false) while older
 * news about it may still be on its way; who gets the last news drops it.
 */
#include "registry/etcd_owned.h"

#include "base/alloc.h"

#include <string.h>

void etcd_owned_deinit(struct etcd_owned *o)
{
    struct etcd_owned_key *k, *tmp;
    HASH_ITER (hh, o->keys, k, tmp) {
        etcd_owned_drop(o, k);
    }
}

struct etcd_owned_key *etcd_owned_find(const struct etcd_owned *o, const char *key, size_t len)
{
    struct etcd_owned_key *k;
    HASH_FIND(hh, o->keys, key, len, k);
    return k;
}

struct etcd_owned_key *etcd_owned_add(struct etcd_owned *o, const char *key)
{
    size_t len = strlen(key);
    struct etcd_owned_key *k = etcd_owned_find(o, key, len);
    if (!k) {
        k = xcalloc(1, sizeof(*k) + len + 1);
        memcpy(k->key, key, len);
        HASH_ADD(hh, o->keys, key, len, k);
    }
    return k;
}

void etcd_owned_drop(struct etcd_owned *o, struct etcd_owned_key *k)
{
    HASH_DEL(o->keys, k);
    free(k);
}

size_t etcd_owned_count(const struct etcd_owned *o)
{
    return HASH_COUNT(o->keys);
}
