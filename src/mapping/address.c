/*
 * Which address clients are given.
 *
 * Happy path: a port published on every address is reached by the host's (--ip); with --internal, on
 * macvlan and ipvlan, it is the container's own, in one network that is always the same.
 *
 * Failure modes: the host has no address of the family; SERVICE_NETWORK names a network that the
 * container is not attached to (a warning); no network has an address (not attached yet, or no more).
 *
 * Does not resolve names and does not look at interfaces: --ip became addresses before.
 */
#include "mapping/address.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

/* Swarm's routing mesh: an address there is reachable by the mesh only. */
#define NETWORK_INGRESS "ingress"

struct address address_of_host(const struct mapping_job *job)
{
    return address_of_wildcard(job, true, true);
}

struct address address_of_wildcard(const struct mapping_job *job, bool v4, bool v6)
{
    if (v4 && job->o->host_v4[0]) {
        return (struct address){.host = job->o->host_v4};
    }
    if (v6 && job->o->host_v6[0]) {
        return (struct address){.host = job->o->host_v6};
    }
    const char *family = v4 && v6 ? "" : v4 ? "IPv4 " : "IPv6 ";
    return (struct address){
        .reason = arena_printf(job->arena, "no %saddress of this host is known (--ip)", family)};
}

static const char *any_address(const struct container_network *n)
{
    return n->ipv4[0] ? n->ipv4 : n->ipv6[0] ? n->ipv6 : NULL;
}

struct address address_in_network(struct mapping_job *job, const struct container_network *n,
                                  const char *because)
{
    const char *name = text_clean(job->arena, n->name, TEXT_VALUE_MAX);
    const char *host = any_address(n);
    return (struct address){
        .host = host,
        .reason = host ? arena_printf(job->arena, "address in network %s%s", name, because)
                       : arena_printf(job->arena, "no address in network %s%s", name, because)};
}

/* SERVICE_NETWORK: what it names, or nothing at all. */
static struct address named_by_label(struct mapping_job *job, const struct container *owner,
                                     const struct metadata_entry *e, bool own_only)
{
    const char *origin = e->origin;
    const char *name = text_clean(job->arena, e->value, TEXT_VALUE_MAX);
    const struct container_network *n = container_network(owner, e->value);
    if (!n) {
        warnings_add(&job->warnings, "%s: the container is not attached to network \"%s\"", origin,
                     name);
        return (struct address){
            .reason = arena_printf(job->arena, "%s: not attached to network %s", origin, name)};
    }
    if (own_only && !n->own_address) {
        return (struct address){
            .reason = arena_printf(job->arena,
                                   "not published, and addresses in network %s (%s) are "
                                   "registered with --internal only",
                                   name, origin)};
    }
    return address_in_network(job, n, arena_printf(job->arena, " (%s)", origin));
}

struct address address_of_container(struct mapping_job *job, const struct container *owner,
                                    uint16_t port, enum service_proto proto, bool own_only)
{
    const struct metadata_entry *e = metadata_find(&job->meta, "network", port, proto);
    if (metadata_is_set(e)) {
        return named_by_label(job, owner, e, own_only);
    }
    const struct container_network *best = NULL;
    bool several = false;
    for (size_t i = 0; i < owner->s.n_networks; i++) {
        const struct container_network *n = &owner->s.networks[i];
        if (!any_address(n) || streq(n->name, NETWORK_INGRESS) || (own_only && !n->own_address)) {
            continue;
        }
        if (streq(n->name, job->o->network)) {
            return address_in_network(job, n, " (--network)");
        }
        several |= best != NULL;
        if (!best) {
            best = n;
        }
    }
    if (!best) {
        return (struct address){.reason = "no network gives the container an address"};
    }
    return address_in_network(job, best, several ? " (the first by name)" : "");
}

bool address_has_own(const struct container *owner)
{
    for (size_t i = 0; i < owner->s.n_networks; i++) {
        if (owner->s.networks[i].own_address) {
            return true;
        }
    }
    return false;
}

enum address_kind address_kind(const char *ip)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (ip[0] == '\0') {
        return ADDRESS_ANY;
    }
    if (inet_pton(AF_INET, ip, &v4) == 1) {
        return v4.s_addr == htonl(INADDR_ANY) ? ADDRESS_ANY_V4 : ADDRESS_V4;
    }
    if (inet_pton(AF_INET6, ip, &v6) == 1) {
        return IN6_IS_ADDR_UNSPECIFIED(&v6) ? ADDRESS_ANY_V6 : ADDRESS_V6;
    }
    return ADDRESS_BAD;
}

bool address_is_loopback(const char *ip)
{
    return str_starts(ip, "127.") || streq(ip, "::1");
}
