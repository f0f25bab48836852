#pragma once
/*
 * What a writer knows of the services of its Consul agent, and what of that is worth telling. Pure.
 *
 * Two things make a listing less than the truth: it is not atomic with our own writes, and Consul may
 * show something other than what was written (a right that is missing, somebody who changes it back at
 * once). The first is told by `touched`, the second by `shown`: a write that is repeated as it was, and
 * again shows what it showed after the first time, is futile, and what it shows is kept from whoever
 * would repeat it, for a minute.
 *
 * Somebody who changes it back later shows something right in between. So repetitions are counted as well:
 * with the third within a minute the service is contested, and what is listed of it is kept back for a
 * while after each repetition, 10 s at first and a minute from the sixth on, until nobody has touched it
 * for twice that time.
 */
#include "base/map.h"
#include "tidewaiter/clock.h"
#include "tidewaiter/registry.h"

#include <stdbool.h>
#include <stdint.h>

#define CONSUL_FUTILE_PAUSE  60000u /* also the minute of the repetitions */
#define CONSUL_REPEATS       3u     /* so many within a minute are no accident */
#define CONSUL_REPEATS_MANY  6u
#define CONSUL_REPEATS_PAUSE 10000u

struct consul_known {
    UT_hash_handle hh;
    uint64_t digest;  /* as last listed */
    uint64_t touched; /* when our last write began or ended, in events of the writer */
    uint64_t put;     /* digest of the body that was last registered, odd; 0: none */
    uint64_t shown;   /* what the first listing after it showed */
    msec_t put_at;
    uint64_t done; /* what was done last: as `put`, or a removal; 0: nothing that is certain */
    msec_t done_at;
    unsigned repeats;   /* of that, as others had undone it */
    msec_t repeated_at; /* the last one; the first one while it is not contested */
    unsigned listing;   /* the last one that it was in */
    enum registry_owner owner;
    bool exists;
    bool in_flight;  /* a write of ours: not to be dropped, and a listing knows nothing better */
    bool unverified; /* written, or tried to, since the last listing */
    bool told;       /* who uses the writer knows that it exists */
    bool shown_known;
    bool repeated; /* the last registration repeated the one before */
    bool futile;
    bool in_vain; /* it was futile, and nothing has changed since */
    bool muted;   /* listed otherwise than told, in the pause */
    bool left;    /* at the end: was tried to be removed */
    char id[];
};

struct consul_services {
    struct consul_known *items; /* walk with HASH_ITER(hh, ...); zeroed memory is an empty set */
};

enum consul_news { CONSUL_NEWS_NONE, CONSUL_NEWS_SEEN, CONSUL_NEWS_GONE };

void consul_known_deinit(struct consul_services *s); /* idempotent */
struct consul_known *consul_known_find(const struct consul_services *s, const char *id);
struct consul_known *consul_known_add(struct consul_services *s, const char *id); /* or find */

/* Frees it, unless it still means something (in flight, or a registration of the last minute). */
void consul_known_drop(struct consul_services *s, struct consul_known *k, msec_t now);

/* A registration of this body was done. */
void consul_known_put(struct consul_known *k, uint64_t body, msec_t now);
/* A registration failed, and may have happened all the same. */
void consul_known_unsure(struct consul_known *k);
/* It was deregistered. */
void consul_known_removed(struct consul_known *k, msec_t now);

/* Somebody else changes it whenever we have written it, or it never shows what we wrote. */
bool consul_known_contested(const struct consul_known *k);
/* When a listing has more to tell or to forget of it than its changes; 0: never. */
msec_t consul_known_due(const struct consul_known *k, msec_t now);

/*
 * A listing has it so, or does not have it (exists false). fresh: everything that counts is to be told
 * again. The answer is what is to be told, and taken for told.
 */
enum consul_news consul_known_listed(struct consul_known *k, bool exists, uint64_t digest,
                                     enum registry_owner owner, bool fresh, msec_t now);
