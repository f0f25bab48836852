#pragma once
/*
 * The digest of a service as Consul's agent lists it. Pure.
 *
 * A register body and a listing give names to the same things alike, so both go through here: what was
 * registered is found again exactly when the listing shows it as it was sent.
 */
#include "base/arena.h"
#include "registry/consul_service.h"
#include "tidewaiter/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;

/*
 * service: an entry of /v1/agent/services or the body itself; name: what it is called in there. checks:
 * entries of /v1/agent/checks or of the body's Checks, all of this service; those that we did not define
 * are passed over. The order of checks is changed.
 */
uint64_t consul_digest(const struct cJSON *service, const char *name, const struct cJSON **checks,
                       size_t n_checks, enum registry_dialect dialect);

/* Fills *ret, strings in the arena, when the entry is a TTL or HEALTH check of ours. */
bool consul_listed_ttl_read(struct consul_listed_ttl *ret, const struct cJSON *check,
                            const char *service_id, struct arena *a);
