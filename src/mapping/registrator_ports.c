/*
 * Which ports, where, by Registrator's rules.
 *
 *   network of the container   default                                    -internal (container port)
 *   bridge, default            published ports: binding, host port        bridge address
 *   host                       exposed ports: host's address              ""
 *   none                       exposed ports: ""                          ""
 *   shared (container:ID)      exposed ports: the other's address         the same
 *   a network's name           published ports: see below                 address in it
 *   macvlan and the like       exposed ports: container address           the same
 *
 * The host's address is that of the host's name, or -ip. -ip goes before every address of the host's side
 * (all but the -internal column and shared networks), the label of -useIpFromLabel before all but shared
 * networks.
 *
 * Happy path: one entry for each (port, protocol), from its first binding only.
 *
 * Failure modes: a port without an address is an entry without host that says why. "" is an address: of a
 * container without a network of its own, Consul shows that of its node.
 *
 * Where this differs from Registrator:
 *   - An engine lists bindings in no order. First is one on every address, else the lowest host port.
 *   - "::" is no address to connect to. It counts as "every address", and engines list it beside
 *     0.0.0.0 of the same publish anyway.
 *   - In a user-defined network a published port was registered with the container's address and the
 *     host's port. That works only where both ports are the same, and only there it is kept; else it is
 *     what the host is reached by.
 *   - A container that has lost its network (disconnected) has no exposed ports on the host; with a
 *     network of its own but no address in it, it is not registered.
 */
#include "mapping/registrator_ports.h"

#include "mapping/bindings.h"
#include "mapping/portlist.h"
#include "mapping/registrator_address.h"

/* The bindings are sorted by host port. */
static const struct binding *first_binding(const struct bindings *found)
{
    for (size_t i = 0; i < found->n; i++) {
        if (found->items[i].any_v4 || found->items[i].any_v6) {
            return &found->items[i];
        }
    }
    return found->n ? &found->items[0] : NULL;
}

/* The host's side of a binding. */
static struct address host_side(const struct mapping_job *job, const struct binding *b,
                                struct binding *ret_half)
{
    struct address a = bindings_address(job, b, ret_half);
    bool every_address = b->any_v4 || b->any_v6;
    if (every_address ? a.host != NULL : !job->o->ip_forced) {
        return a;
    }
    /* Published on the addresses of one family, but the host's is of the other; or -ip. */
    struct address host = address_of_host(job);
    if (!host.host) {
        return a;
    }
    host.reason = text_join(job->arena, bindings_text(job->arena, b), ", reached at ", host.host);
    return host;
}

static struct address published(const struct mapping_job *job,
                                const struct registrator_addresses *addrs, const struct binding *b,
                                struct registrator_port *ret)
{
    struct binding half = *b;
    struct address a;
    if (addrs->mode == REGISTRATOR_MODE_NETWORK && !job->o->ip_forced && addrs->own.host &&
        b->host_port == ret->port) {
        a = (struct address){.host = addrs->own.host,
                             .reason =
                                 text_join(job->arena, bindings_text(job->arena, b),
                                           ", the container's own port; ", addrs->own.reason)};
    } else {
        a = host_side(job, b, &half);
    }
    ret->host_ip = arena_strdup(job->arena, half.host_ip);
    ret->host_port = half.host_port;
    ret->at = half.host_port;
    return a;
}

/* Exposed and not published. *ret_in_group: Registrator counts it. */
static struct address exposed(const struct mapping_job *job,
                              const struct registrator_addresses *addrs, const struct port_key *key,
                              bool *ret_in_group)
{
    bool publishes = addrs->mode == REGISTRATOR_MODE_BRIDGE ||
                     (addrs->mode == REGISTRATOR_MODE_NETWORK && !key->unlisted);
    *ret_in_group = !publishes;
    if (publishes) {
        return (struct address){
            .reason = "not published (container addresses are registered with -internal only)"};
    }
    bool host_side = addrs->mode == REGISTRATOR_MODE_HOST ||
                     (job->o->ip_forced && addrs->mode != REGISTRATOR_MODE_SHARED);
    if (host_side && addrs->own.host) {
        struct address a = address_of_host(job);
        if (a.host) {
            a.reason = job->o->ip_forced ? "address from -ip" : "network mode host";
        }
        return a;
    }
    return addrs->own;
}

static void reach(struct mapping_job *job, const struct registrator_addresses *addrs,
                  const struct port_key *key, struct registrator_port *ret)
{
    struct address a;
    struct bindings found = {0};
    *ret = (struct registrator_port){
        .port = key->port, .proto = key->proto, .in_group = true, .host_ip = "", .at = key->port};
    if (!job->o->internal) {
        bindings_find(&found, job->c, key->port, key->proto, job->arena);
    }
    const struct binding *b = first_binding(&found);
    if (job->o->internal) {
        a = addrs->own;
    } else if (b) {
        a = published(job, addrs, b, ret);
    } else {
        a = exposed(job, addrs, key, &ret->in_group);
    }
    if (addrs->mode == REGISTRATOR_MODE_SHARED) {
        a = addrs->own;
    } else if (ret->in_group && addrs->label.host) {
        a.host = addrs->label.host;
        a.reason = text_join(job->arena, a.reason, addrs->label.reason);
    } else if (ret->in_group && addrs->label.reason[0]) {
        a.reason = text_join(job->arena, a.reason, addrs->label.reason);
    }
    ret->host = a.host;
    ret->reason = a.reason;
}

size_t registrator_ports(struct mapping_job *job, struct registrator_port **ret,
                         const char **ret_none)
{
    struct portlist list;
    portlist_read(&list, job, NULL);
    if (list.n == 0) {
        *ret_none = "exposes no ports";
        return 0;
    }
    struct registrator_addresses addrs;
    registrator_addresses(&addrs, job);
    struct registrator_port *ports = arena_alloc(job->arena, list.n * sizeof(*ports));
    for (size_t i = 0; i < list.n; i++) {
        reach(job, &addrs, &list.keys[i], &ports[i]);
    }
    *ret = ports;
    return list.n;
}
