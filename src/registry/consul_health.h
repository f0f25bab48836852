#pragma once
/*
 * What readers get from Consul: names, and the instances of a name with their health. Pure.
 */
#include "tidewaiter/err.h"
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>

/* One instance that was left out. */
typedef void (*consul_skipped_fn)(void *ctx, const char *key, const struct err *why);

/*
 * GET /v1/catalog/services: calls name for each service name, but for "consul" itself and names that
 * cannot be ours (service_new() would refuse them: skipped). *ret_own: "consul" was there; every catalog
 * has it, so an answer without it was filtered for want of rights. -EINVAL, ERR_BUG for what is no such
 * answer.
 */
int consul_decode_names(const char *text, size_t len, void (*name)(void *ctx, const char *name),
                        consul_skipped_fn skipped, void *ctx, bool *ret_own,
                        struct err *e) WARN_UNUSED;

/*
 * GET /v1/health/service/NAME: calls instance (which takes the reference) for each whose name is exactly
 * that (Consul's answer about "web" has those of "WEB" as well), by id. Host:
 * Service.Address, where that is empty Node.Address. Id: the agent keeps ids unique, the catalog only
 * per node, so of several with one id all but that of the first node by name get "@<node>". Status: the worst of all its checks, node checks
 * among them; maintenance is critical. Weight: Weights.Passing, or Weights.Warning of a warning one; both
 * 1, Consul's default: unset. Attributes: Meta, without our own two, which become node and container.
 * Tags in order; proto udp when there is a tag "udp". Port 0 (a service without one) and what service_new()
 * refuses is skipped.
 */
int consul_decode_health(const char *name, const char *text, size_t len,
                         void (*instance)(void *ctx, struct service *take_svc),
                         consul_skipped_fn skipped, void *ctx, struct err *e) WARN_UNUSED;
