/*
 * Happy path: a service is registered, the next listing shows it, and that is told once; later listings
 * that show the same tell nothing.
 *
 * Failure modes: what is lost or changed in Consul is told as it is seen. A write that shows no effect is
 * told once, so that it is repeated once; one that is undone again and again is repeated less and less
 * often. See the header for both. A restart of Consul, and a write that failed, count for nothing.
 * Services of others are only told of to who has asked for them: an agent may hold thousands.
 *
 * Not here: which entries a listing may speak of (consul_writer_list.c).
 */
#include "registry/consul_known.h"

#include <string.h>

void consul_known_deinit(struct consul_services *s)
{
    struct consul_known *k, *tmp;
    HASH_ITER (hh, s->items, k, tmp) {
        HASH_DEL(s->items, k);
        free(k);
    }
}

struct consul_known *consul_known_find(const struct consul_services *s, const char *id)
{
    struct consul_known *k;
    HASH_FIND_STR(s->items, id, k);
    return k;
}

struct consul_known *consul_known_add(struct consul_services *s, const char *id)
{
    struct consul_known *k = consul_known_find(s, id);
    if (!k) {
        size_t len = strlen(id);
        k = xcalloc(1, sizeof(*k) + len + 1);
        memcpy(k->id, id, len);
        HASH_ADD(hh, s->items, id, len, k);
    }
    return k;
}

#define REMOVAL 2u /* digests of bodies are odd */

static bool put_lately(const struct consul_known *k, msec_t now)
{
    return k->put != 0 && now - k->put_at < CONSUL_FUTILE_PAUSE;
}

bool consul_known_contested(const struct consul_known *k)
{
    return k->in_vain || k->repeats >= CONSUL_REPEATS;
}

/* How long after a repetition nothing is told. */
static msec_t pause_of(const struct consul_known *k)
{
    return k->repeats < CONSUL_REPEATS        ? 0
           : k->repeats < CONSUL_REPEATS_MANY ? CONSUL_REPEATS_PAUSE
                                              : CONSUL_FUTILE_PAUSE;
}

/* How long after one it is remembered. */
static msec_t memory_of(const struct consul_known *k)
{
    return k->repeats < CONSUL_REPEATS ? CONSUL_FUTILE_PAUSE : 2 * pause_of(k);
}

msec_t consul_known_due(const struct consul_known *k, msec_t now)
{
    msec_t pause = k->repeated_at + pause_of(k), end = k->repeated_at + memory_of(k);
    if (k->futile) {
        return k->put_at + CONSUL_FUTILE_PAUSE;
    }
    if (k->repeats < CONSUL_REPEATS) {
        return 0;
    }
    return now < pause ? pause : end;
}

static void forget_repeats(struct consul_known *k, msec_t now)
{
    if (k->repeats > 0 && now - k->repeated_at >= memory_of(k)) {
        k->repeats = 0;
    }
}

/* A write has happened; what: of which kind. */
static void note_done(struct consul_known *k, uint64_t what, msec_t now)
{
    forget_repeats(k, now);
    if (k->done == what) {
        k->repeats++;
        if (k->repeats == 1 || k->repeats >= CONSUL_REPEATS) {
            k->repeated_at = now;
        }
    } else if (k->repeats < CONSUL_REPEATS) {
        k->repeats = 0; /* it is our own wish that changes */
    }
    k->done = what;
    k->done_at = now;
}

void consul_known_drop(struct consul_services *s, struct consul_known *k, msec_t now)
{
    forget_repeats(k, now);
    bool lately = k->done != 0 && now - k->done_at < CONSUL_FUTILE_PAUSE;
    if (!k->in_flight && !put_lately(k, now) && !lately && k->repeats == 0) {
        HASH_DEL(s->items, k);
        free(k);
    }
}

/* What a listing showed, as one number; absence is one of the things it can show. */
static uint64_t state_of(bool exists, uint64_t digest)
{
    return exists ? digest : ~(uint64_t)0;
}

void consul_known_put(struct consul_known *k, uint64_t body, msec_t now)
{
    k->repeated = put_lately(k, now) && k->put == body && k->shown_known && !k->unverified &&
                  k->shown == state_of(k->exists, k->digest);
    k->in_vain = k->in_vain && k->put == body;
    note_done(k, body, now);
    k->put = body;
    k->put_at = now;
    k->shown_known = k->repeated;
    k->exists = true;
    k->owner = REGISTRY_OURS;
    k->unverified = true;
    k->told = true;
    k->futile = false;
}

void consul_known_unsure(struct consul_known *k)
{
    k->put = 0;
    k->done = 0;
    k->repeated = false;
    k->unverified = true;
    k->futile = false;
}

void consul_known_removed(struct consul_known *k, msec_t now)
{
    k->in_vain = false;
    note_done(k, REMOVAL, now);
    k->put = 0;
    k->exists = false;
    k->unverified = false;
    k->told = false;
    k->futile = false;
}

enum consul_news consul_known_listed(struct consul_known *k, bool exists, uint64_t digest,
                                     enum registry_owner owner, bool fresh, msec_t now)
{
    uint64_t state = state_of(exists, digest);
    forget_repeats(k, now);
    bool held = !fresh && !k->futile && now - k->repeated_at < pause_of(k);
    bool changed =
        k->unverified || state != state_of(k->exists, k->digest) || (exists && k->owner != owner);
    if (fresh) { /* Consul was away, and may have lost it meanwhile: that proves nothing */
        k->shown_known = false;
        k->futile = false;
        k->in_vain = false;
        k->done = 0;
    } else if (k->unverified && k->put != 0) {
        k->futile = k->repeated && k->shown == state;
        k->in_vain = k->futile || (k->in_vain && k->shown == state);
        k->shown = state;
        k->shown_known = true;
    } else if (changed || !put_lately(k, now)) {
        k->in_vain = k->in_vain && !changed;
        changed = changed || k->futile; /* the pause is over */
        k->futile = false;
    }
    k->exists = exists;
    k->digest = digest;
    k->owner = owner;
    k->unverified = false;
    k->muted = k->muted || (held && changed);
    if (held || (!fresh && !(changed || k->muted)) || k->futile) {
        return CONSUL_NEWS_NONE;
    }
    k->muted = false;
    if (!exists || (owner == REGISTRY_FOREIGN && !k->told)) {
        bool tell = k->told && !exists && !fresh;
        k->told = false;
        return tell ? CONSUL_NEWS_GONE : CONSUL_NEWS_NONE;
    }
    k->told = true;
    return CONSUL_NEWS_SEEN;
}
