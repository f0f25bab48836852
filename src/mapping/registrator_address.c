/*
 * The addresses of a container, by Registrator's rules.
 *
 * Happy path: with -internal and for the container whose network is shared the default bridge (Registrator
 * looked at the top-level address, which is the same and no longer reported), else the network of the
 * network mode, else the first by name that has an address (Registrator: one at random). Where a network
 * has no IPv4 address, that of IPv6 counts.
 *
 * Failure modes: no network has an address (disconnected, or not attached yet); the container whose
 * network is shared is not known or does not run; a label that holds no address, with a warning. "" is
 * no failure: without a network of its own (host, none), what Registrator wrote was "", for which Consul
 * shows the address of its node.
 *
 * Does not know ports; the host's addresses are address.c's.
 */
#include "mapping/registrator_address.h"

#include "base/str.h"

#include <string.h>

#define NETWORK_BRIDGE  "bridge"  /* the default one */
#define NETWORK_INGRESS "ingress" /* Swarm's routing mesh: reachable by the mesh only */
#define HOST_NAME_CHARS                                                                            \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                                                   \
    "abcdefghijklmnopqrstuvwxyz"                                                                   \
    "0123456789._-"

static enum registrator_mode mode_of(const struct container *c)
{
    const char *mode = c->s.network_mode;
    return mapping_peer_id(c)                                            ? REGISTRATOR_MODE_SHARED
           : streq(mode, "host")                                         ? REGISTRATOR_MODE_HOST
           : streq(mode, "none")                                         ? REGISTRATOR_MODE_NONE
           : streq(mode, "bridge") || streq(mode, "default") || !mode[0] ? REGISTRATOR_MODE_BRIDGE
                                                                         : REGISTRATOR_MODE_NETWORK;
}

/* The network whose address counts, or NULL when none has one. */
static const struct container_network *pick_network(const struct container *c, bool bridge_first)
{
    const struct container_network *first = NULL, *of_mode = NULL;
    for (size_t i = 0; i < c->s.n_networks; i++) {
        const struct container_network *n = &c->s.networks[i];
        if (!n->ipv4[0] && !n->ipv6[0]) {
            continue;
        }
        if (bridge_first && streq(n->name, NETWORK_BRIDGE)) {
            return n;
        }
        if (streq(n->name, c->s.network_mode)) {
            of_mode = n;
        }
        if (!first || streq(first->name, NETWORK_INGRESS)) {
            first = n;
        }
    }
    return of_mode ? of_mode : first;
}

static struct address own_address(struct mapping_job *job, const struct container *c,
                                  bool bridge_first)
{
    const struct container_network *n = pick_network(c, bridge_first);
    if (!n) {
        return (struct address){.reason = "no network gives the container an address"};
    }
    return address_in_network(job, n, "");
}

static struct address shared_address(struct mapping_job *job)
{
    const char *shown = text_clean(job->arena, mapping_peer_id(job->c), CONTAINER_ID_LEN);
    const char *where = arena_printf(job->arena, "network of container %.12s: ", shown);
    struct address a = {0};
    if (!job->peer) {
        a.reason = "that container is not known";
    } else if (!job->peer->s.running) {
        a.reason = "that container is not running";
    } else {
        a = own_address(job, job->peer, true);
        if (!a.host) {
            a = (struct address){.host = "", .reason = "it has no address of its own"};
        }
    }
    a.reason = text_join(job->arena, where, a.reason);
    return a;
}

static bool is_host_name(const char *text)
{
    return text[0] && strnlen(text, SERVICE_HOST_MAX + 1) <= SERVICE_HOST_MAX &&
           text[strspn(text, HOST_NAME_CHARS)] == '\0';
}

/* -useIpFromLabel: "10.0.0.5", or "10.0.0.5/24" as tools that give out addresses write it. */
static struct address label_address(struct mapping_job *job)
{
    const char *name = job->o->ip_label;
    if (str_empty(name)) {
        return (struct address){.reason = ""};
    }
    const char *value = container_label(job->c, name);
    if (str_empty(value)) {
        return (struct address){
            .reason = text_join(job->arena, "; label ", name, " has no address to use instead")};
    }
    const char *slash = strrchr(value, '/');
    const char *host = slash ? arena_memdup0(job->arena, value, (size_t)(slash - value)) : value;
    enum address_kind kind = address_kind(host);
    if (kind != ADDRESS_V4 && kind != ADDRESS_V6 && (kind != ADDRESS_BAD || !is_host_name(host))) {
        warnings_add(&job->warnings, "label %s: \"%s\" is no address; left out", name,
                     text_clean(job->arena, value, TEXT_VALUE_MAX));
        return (struct address){.reason = text_join(job->arena, "; label ", name, " has none")};
    }
    return (struct address){.host = host,
                            .reason = text_join(job->arena, "; address from label ", name)};
}

void registrator_addresses(struct registrator_addresses *ret, struct mapping_job *job)
{
    static const char *const without[] = {
        [REGISTRATOR_MODE_HOST] =
            "network mode host: no address of its own, that of the registry's node counts",
        [REGISTRATOR_MODE_NONE] =
            "network mode none: no address, that of the registry's node counts"};
    *ret = (struct registrator_addresses){.mode = mode_of(job->c), .label = label_address(job)};
    switch (ret->mode) {
    case REGISTRATOR_MODE_SHARED:
        ret->own = shared_address(job);
        break;
    case REGISTRATOR_MODE_HOST:
    case REGISTRATOR_MODE_NONE:
        ret->own = (struct address){.host = "", .reason = without[ret->mode]};
        break;
    case REGISTRATOR_MODE_BRIDGE:
    case REGISTRATOR_MODE_NETWORK:
        ret->own = own_address(job, job->c, job->o->internal);
        break;
    }
}
