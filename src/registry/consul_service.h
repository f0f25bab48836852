#pragma once
/*
 * A service as Consul's agent registers and lists it. Pure.
 *
 * Key of a service: its id, which Consul's agent keeps unique. Value: the body of
 * PUT /v1/agent/service/register. Digest: over what the agent's listings show of it (below), computed
 * alike from what is wanted and from what is listed.
 *
 *   native       Meta: the attributes without check_* and enable_tag_override, and tidewaiter-node and
 *                tidewaiter-container; Weights from the service's weight (Consul refuses 0: sent as 1,
 *                with a check that is critical); EnableTagOverride from attribute enable_tag_override
 *   registrator  Meta: all attributes, check_* among them, and the same two of ours
 *
 * Digest of: name, tags in order (not with EnableTagOverride: others may change them), address, port,
 * Meta, Weights, EnableTagOverride, and of each check its id, name (native; registrator's are made up by
 * Consul) and Notes, of TTL and HEALTH checks also the status. Checks that we did not define (maintenance, by hand) do not count.
 */
#include "base/arena.h"
#include "registry/consul_check.h"
#include "tidewaiter/err.h"
#include "tidewaiter/registry.h"
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define CONSUL_META_NODE      "tidewaiter-node"
#define CONSUL_META_CONTAINER "tidewaiter-container"

/* Consul's own limits. */
#define CONSUL_META_PAIRS_MAX 64
#define CONSUL_META_KEY_MAX   128
#define CONSUL_META_VALUE_MAX 512

struct consul_owner {
    const char *node;    /* Meta tidewaiter-node of what is ours */
    const char *id_host; /* first part of our ids */
    enum registry_dialect dialect;
    bool adopt_by_id;
};

/*
 * Appends the body. 0; REGISTRY_ENCODED_PARTLY with e naming each attribute, tag or check that
 * Consul would refuse the whole service for (a Meta key or value beyond its limits, a key that begins
 * with "consul-", more pairs than it takes): it was left out; -EINVAL (ERR_INVALID) when the service
 * itself cannot be registered (host 0.0.0.0 or ::); -EMSGSIZE (ERR_INVALID) when out does not take it.
 */
int consul_service_encode(const struct consul_owner *owner, const struct service *svc,
                          struct buf *out, uint64_t *ret_digest, struct err *e) WARN_UNUSED;

/* ---- what the agent lists ---- */

/* A TTL or HEALTH check that we defined. */
struct consul_listed_ttl {
    const char *service_id; /* borrowed from the listing */
    const char *check_id;
    msec_t ttl;
    enum service_status status;
    bool weight; /* CONSUL_CHECK_WEIGHT */
};

struct consul_listed {
    const char *id;
    uint64_t digest;
    enum registry_owner owner;
};

/* Owned by the caller; strings live in the arena. */
struct consul_listing {
    struct arena arena;
    struct consul_listed *items; /* every service of the agent, by id */
    size_t n;
    struct consul_listed_ttl *ttls; /* of services that are OURS */
    size_t n_ttls;
};

#define CONSUL_LISTING_NULL                                                                        \
    {                                                                                              \
        0                                                                                          \
    }

/*
 * From GET /v1/agent/services and GET /v1/agent/checks. Owner: OURS when Meta names our node (or, with
 * adopt_by_id, names none and the id is id_host:name:port[:udp]: name at least two characters of
 * [A-Za-z0-9_.-], the first alphanumeric); UNCLAIMED when Meta names none and the id begins with
 * "id_host:"; in the registrator dialect every service without an owner; FOREIGN otherwise. -EINVAL,
 * ERR_BUG for what is not such a listing.
 */
int consul_listing_decode(struct consul_listing *ret, const struct consul_owner *owner,
                          const char *services, size_t services_len, const char *checks,
                          size_t checks_len, struct err *e) WARN_UNUSED;
void consul_listing_deinit(struct consul_listing *l); /* idempotent */

/*
 * The TTL and HEALTH checks of one registration body that we made ourselves: what is to be kept alive
 * after a write, and to be given its status, which a registration does not change where there was one.
 * Strings live in the arena; returns how many, *ret in the arena.
 */
size_t consul_service_ttls(const char *body, size_t len, struct arena *a,
                           struct consul_listed_ttl **ret);
