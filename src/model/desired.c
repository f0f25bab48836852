/*
 * Happy path: two hash tables, keys and containers, tied together by claims. A key's claims stand in the
 * order in which they were made; the first is the holder.
 *
 *     key ──► claim ──► claim ──► …      (holder first, the others wait)
 *               ▲         ▲
 *     container ┴─────────┘              (each claim is in one key's and one container's list)
 *
 * Setting a container's claims marks those that are still made and drops the rest; events are issued only
 * where a holder's service changed. Nothing fails. Entries and claims are single blocks, because there is
 * one of each for every service.
 */
#include "model/desired.h"

#include "base/alloc.h"
#include "base/map.h"
#include "base/must.h"

#include <stdint.h>
#include <string.h>
#include <utlist.h>

struct claim {
    struct claim *next_of_key;
    struct claim *next_of_owner;
    struct wanted_key *key;
    struct owner *owner;
    struct service *service;
    uint32_t pass; /* of desired_set() in which it was last made */
    /* further claims on the key by the same container, in that pass and in the one before */
    uint16_t repeats, repeats_before;
};

struct wanted_key {
    UT_hash_handle hh;
    struct claim *claims; /* never empty */
    char name[];
};

struct owner {
    UT_hash_handle hh;
    struct claim *claims; /* never empty outside desired_set() */
    char name[];
};

struct desired {
    struct desired_events events;
    void *ctx;
    struct wanted_key *keys;
    struct owner *owners;
    uint32_t pass;
    bool busy; /* events must not change what they report about */
};

struct desired *desired_new(const struct desired_events *events, void *ctx)
{
    struct desired *d = xcalloc(1, sizeof(*d));
    d->events = *events;
    d->ctx = ctx;
    return d;
}

static void free_claim(struct claim *claim)
{
    service_unref(claim->service);
    free(claim);
}

struct desired *desired_free(struct desired *d)
{
    if (!d) {
        return NULL;
    }
    must(!d->busy);
    /* clearing frees the tables and leaves the entries linked */
    struct wanted_key *key = d->keys, *next_key;
    struct owner *owner = d->owners, *next_owner;
    HASH_CLEAR(hh, d->keys);
    HASH_CLEAR(hh, d->owners);
    for (; key; key = next_key) {
        next_key = key->hh.next;
        struct claim *claim, *next;
        LL_FOREACH_SAFE2(key->claims, claim, next, next_of_key)
        {
            free_claim(claim);
        }
        free(key);
    }
    for (; owner; owner = next_owner) {
        next_owner = owner->hh.next;
        free(owner);
    }
    free(d);
    return NULL;
}

static struct wanted_key *key_get(struct desired *d, const char *name)
{
    struct wanted_key *key;
    HASH_FIND_STR(d->keys, name, key);
    if (!key) {
        size_t size = strlen(name) + 1;
        key = xmalloc(sizeof(*key) + size);
        key->claims = NULL;
        memcpy(key->name, name, size);
        HASH_ADD_STR(d->keys, name, key);
    }
    return key;
}

static struct owner *owner_get(struct desired *d, const char *name)
{
    struct owner *owner;
    HASH_FIND_STR(d->owners, name, owner);
    if (!owner) {
        size_t size = strlen(name) + 1;
        owner = xmalloc(sizeof(*owner) + size);
        owner->claims = NULL;
        memcpy(owner->name, name, size);
        HASH_ADD_STR(d->owners, name, owner);
    }
    return owner;
}

static struct claim *claim_new(struct wanted_key *key, struct owner *owner, struct service *service)
{
    struct claim *claim = xcalloc(1, sizeof(*claim));
    claim->key = key;
    claim->owner = owner;
    claim->service = service_ref(service);
    LL_APPEND2(key->claims, claim, next_of_key);
    LL_PREPEND2(owner->claims, claim, next_of_owner);
    return claim;
}

static struct claim *claim_of(const struct wanted_key *key, const struct owner *owner)
{
    struct claim *claim = key->claims;
    while (claim && claim->owner != owner) {
        claim = claim->next_of_key;
    }
    return claim;
}

static void put_claim(struct desired *d, struct owner *owner, const struct desired_claim *made)
{
    struct wanted_key *key = key_get(d, made->key);
    struct claim *claim = claim_of(key, owner);
    if (!claim) {
        claim = claim_new(key, owner, made->service);
        claim->pass = d->pass;
        if (key->claims == claim) {
            d->events.want(d->ctx, key->name, claim->service);
        } else {
            d->events.contested(d->ctx, key->name, owner->name, key->claims->owner->name);
        }
        return;
    }
    if (claim->pass == d->pass) {
        if (claim->repeats < UINT16_MAX && ++claim->repeats > claim->repeats_before) {
            d->events.contested(d->ctx, key->name, owner->name, owner->name);
        }
        return;
    }
    claim->pass = d->pass;
    claim->repeats_before = claim->repeats;
    claim->repeats = 0;
    bool same = service_equal(claim->service, made->service);
    struct service *old = claim->service;
    claim->service = service_ref(made->service);
    service_unref(old);
    if (!same && key->claims == claim) {
        d->events.want(d->ctx, key->name, claim->service);
    }
}

static void drop_claim(struct desired *d, struct claim *claim)
{
    struct wanted_key *key = claim->key;
    bool held = key->claims == claim;
    LL_DELETE2(key->claims, claim, next_of_key);
    if (!key->claims) {
        HASH_DEL(d->keys, key);
        d->events.unwant(d->ctx, key->name);
        free(key);
    } else if (held && !service_equal(key->claims->service, claim->service)) {
        d->events.want(d->ctx, key->name, key->claims->service);
    }
    free_claim(claim);
}

void desired_set(struct desired *d, const char *container, const struct desired_claim *claims,
                 size_t n)
{
    must(!d->busy);
    d->busy = true;
    d->pass++;

    struct owner *owner = owner_get(d, container);
    for (size_t i = 0; i < n; i++) {
        put_claim(d, owner, &claims[i]);
    }

    struct claim *kept = NULL, *claim, *next;
    LL_FOREACH_SAFE2(owner->claims, claim, next, next_of_owner)
    {
        if (claim->pass == d->pass) {
            LL_PREPEND2(kept, claim, next_of_owner);
        } else {
            drop_claim(d, claim);
        }
    }
    owner->claims = kept;
    if (!kept) {
        HASH_DEL(d->owners, owner);
        free(owner);
    }
    d->busy = false;
}

size_t desired_count(const struct desired *d)
{
    return HASH_COUNT(d->keys);
}

size_t desired_claims_of(const struct desired *d, const char *container)
{
    const struct owner *owner;
    HASH_FIND_STR(d->owners, container, owner);
    size_t n = 0;
    for (const struct claim *claim = owner ? owner->claims : NULL; claim;
         claim = claim->next_of_owner) {
        n++;
    }
    return n;
}

const struct service *desired_get(const struct desired *d, const char *key)
{
    const struct wanted_key *found;
    HASH_FIND_STR(d->keys, key, found);
    return found ? found->claims->service : NULL;
}
