#pragma once
/*
 * What should be registered: container → its services, and from that one service per key.
 *
 * Two containers may claim one key (a SERVICE_ID given twice). The claim that was there first wins, the
 * others wait and take over when it goes; the caller is told about both, so a log can name them.
 * Keys are the registry's own (see registry.h: encode).
 */
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>

struct desired;

/* One service that a container claims. */
struct desired_claim {
    const char *key;         /* copied */
    struct service *service; /* a reference is taken */
};

struct desired_events {
    /* key is to hold svc (new, or changed); borrowed. */
    void (*want)(void *ctx, const char *key, const struct service *svc);
    void (*unwant)(void *ctx, const char *key);
    /* container's claim on key waits behind that of `holder`. Once per collision. */
    void (*contested)(void *ctx, const char *key, const char *container, const char *holder);
};

struct desired *desired_new(const struct desired_events *events, void *ctx);
struct desired *desired_free(struct desired *d);

/*
 * Replaces the claims of a container (n = 0: none). Events are issued from inside, only for what
 * differs. Of two claims of one container on one key the first counts; contested() names it.
 */
void desired_set(struct desired *d, const char *container, const struct desired_claim *claims,
                 size_t n);

/* How many keys are wanted, and how many services a container holds or waits for. */
size_t desired_count(const struct desired *d);
size_t desired_claims_of(const struct desired *d, const char *container);

/* The service wanted at key, or NULL; borrowed. */
const struct service *desired_get(const struct desired *d, const char *key);
