/*
 * The set of a writer's keys. A key that is known to be absent stays in it (exists = false) while older
 * news about it may still be on its way; who gets the last news drops it.
 */
#include "registry/kv_owned.h"

#include "base/alloc.h"

#include <string.h>

void kv_owned_deinit(struct kv_owned *o)
{
    struct kv_owned_key *k, *tmp;
    HASH_ITER (hh, o->keys, k, tmp) {
        kv_owned_drop(o, k);
    }
}

struct kv_owned_key *kv_owned_find(const struct kv_owned *o, const char *key, size_t len)
{
    struct kv_owned_key *k;
    HASH_FIND(hh, o->keys, key, len, k);
    return k;
}

struct kv_owned_key *kv_owned_add(struct kv_owned *o, const char *key)
{
    size_t len = strlen(key);
    struct kv_owned_key *k = kv_owned_find(o, key, len);
    if (!k) {
        k = xcalloc(1, sizeof(*k) + len + 1);
        memcpy(k->key, key, len);
        HASH_ADD(hh, o->keys, key, len, k);
    }
    return k;
}

void kv_owned_drop(struct kv_owned *o, struct kv_owned_key *k)
{
    HASH_DEL(o->keys, k);
    free(k);
}

size_t kv_owned_count(const struct kv_owned *o)
{
    return HASH_COUNT(o->keys);
}

size_t kv_owned_ours(const struct kv_owned *o)
{
    struct kv_owned_key *k, *tmp;
    size_t n = 0;
    HASH_ITER (hh, o->keys, k, tmp) {
        n += k->exists && k->ours;
    }
    return n;
}
