#pragma once
/*
 * The writer's lease: granted or taken over, and kept alive from then on.
 */
#include "io/timer.h"
#include "registry/etcd_client.h"

#include <stdint.h>

enum etcd_lease_state {
    ETCD_LEASE_S_NONE,
    ETCD_LEASE_S_GRANTING,
    ETCD_LEASE_S_ADOPTING, /* asking for the first keepalive of a lease that was there before */
    ETCD_LEASE_S_HELD,
};

struct etcd_lease {
    /* Set by the owner before the first use; all run from the loop. */
    void (*held)(struct etcd_lease *l); /* granted, or adopted */
    /* GRANTING or ADOPTING failed: nothing is held. */
    void (*failed)(struct etcd_lease *l, const struct err *why);
    /* etcd says that the lease is dead, while ADOPTING or HELD. */
    void (*lost)(struct etcd_lease *l);
    /* HELD: a keepalive failed, `failures` in a row by now; it goes on trying. */
    void (*trouble)(struct etcd_lease *l, const struct err *why);
    void (*renewed)(struct etcd_lease *l); /* HELD: after each keepalive */

    /* To be read by the owner. */
    enum etcd_lease_state state;
    int64_t id;     /* ADOPTING, HELD */
    int64_t ttl_s;  /* granted */
    msec_t expires; /* HELD: when it lapses unless it is renewed, as far as is known here */
    unsigned failures;

    /* Its own. */
    struct etcd_client *client;
    int64_t second; /* another lease to keep alive with it; 0: none */
    int64_t ask_ttl_s;
    struct etcd_call call;
    bool call_grants;  /* what the running call is */
    bool call_dropped; /* its answer no longer counts: something else was asked for meanwhile */
    msec_t sent;
    struct io_timer timer;
    struct backoff backoff;
};

void etcd_lease_init(struct etcd_lease *l, struct etcd_client *client, uint64_t seed);

/* Both end in held, failed or (adopt) lost; a state of before is forgotten. */
void etcd_lease_grant(struct etcd_lease *l, int64_t ttl_s);
void etcd_lease_adopt(struct etcd_lease *l, int64_t id);

/* Keeps a second lease alive too, as long as it lives; 0: no longer. */
void etcd_lease_second(struct etcd_lease *l, int64_t id);

/* Stops keeping anything alive; no event follows. */
void etcd_lease_forget(struct etcd_lease *l);
