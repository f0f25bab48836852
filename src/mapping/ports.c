/*
 * Which ports, where.
 *
 *   network of the container   offered                            reached at
 *   host                       exposed ports                      host address, container port
 *   none                       nothing
 *   shared (container:ID)      its own exposed ports              as the other container's
 *   anything, --internal       exposed and published ports        container address, container port
 *   macvlan, ipvlan            exposed ports                      container address, container port
 *   bridge, user-defined       published ports                    host address, host port
 *
 * SERVICE_PORTS takes the place of "exposed": only what it names is offered.
 *
 * Happy path: keys() lists (port, protocol) pairs, each becomes an offer for each binding. Docker
 * reports a publish on every address twice (0.0.0.0 and ::, same host port): that is one offer.
 *
 * Failure modes: every port that cannot be reached is an offer without host that says why.
 *
 * A container's address is never paired with a host port, nor the host's with an unpublished port.
 */
#include "mapping/ports.h"

#include "mapping/address.h"
#include "mapping/bindings.h"
#include "mapping/portlist.h"
#include "base/str.h"

#include <string.h>

enum reach {
    REACH_HOST,      /* the network is the host's */
    REACH_PUBLISHED, /* by bindings, or own address where the driver gives one */
    REACH_CONTAINER, /* by the container's address */
    REACH_NOTHING,
};

struct plan {
    enum reach reach;
    const struct container *owner; /* of the network */
    const char *where;             /* put in front of reasons */
    const char *nothing;           /* REACH_NOTHING: why */
};

static struct plan plan_for(struct mapping_job *job)
{
    struct plan p = {.reach = REACH_PUBLISHED, .owner = job->c, .where = ""};
    const char *peer_id = mapping_peer_id(job->c);
    if (peer_id) {
        const char *shown = text_clean(job->arena, peer_id, CONTAINER_ID_LEN);
        p.where = arena_printf(job->arena, "network of container %.12s: ", shown);
        p.owner = job->peer;
        const char *why = !job->peer              ? "that container is not known"
                          : !job->peer->s.running ? "that container is not running"
                          : mapping_peer_id(job->peer)
                              ? "that container shares another's network itself"
                              : NULL;
        if (why) {
            p.reach = REACH_NOTHING;
            p.nothing = why;
            return p;
        }
    }
    const char *mode = p.owner->s.network_mode;
    if (streq(mode, "host")) {
        p.reach = REACH_HOST;
    } else if (streq(mode, "none")) {
        p.reach = REACH_NOTHING;
        p.nothing = "network mode none: nothing reaches it";
    } else if (job->o->internal) {
        p.reach = REACH_CONTAINER;
    }
    return p;
}

static void reach_at(struct port_offer *offer, const struct plan *p, struct address a, uint16_t at,
                     struct arena *arena)
{
    offer->host = a.host;
    offer->at = at;
    offer->reason = p->where[0] ? text_join(arena, p->where, a.reason) : a.reason;
}

static bool is_swarm(const struct container *c)
{
    return container_label(c, "com.docker.swarm.service.id") ||
           container_label(c, "com.docker.swarm.task.id") || container_network(c, "ingress");
}

static struct address unpublished(struct mapping_job *job, const struct plan *p,
                                  const struct port_key *key)
{
    if (address_has_own(p->owner)) {
        return address_of_container(job, p->owner, key->port, key->proto, true);
    }
    if (is_swarm(p->owner)) {
        return (struct address){.reason = "not published on this container; ports that Swarm "
                                          "publishes through its ingress mesh are out of scope"};
    }
    return (struct address){
        .reason = "not published (container addresses are registered with --internal only)"};
}

static void offer_bindings(struct mapping_job *job, const struct plan *p, struct port_offer offer,
                           const struct bindings *found, struct port_offer *out)
{
    for (size_t i = 0; i < found->n; i++) {
        const struct binding *b = &found->items[i];
        offer.host_ip = arena_strdup(job->arena, b->host_ip);
        offer.host_port = b->host_port;
        offer.further = i > 0;
        offer.same_host_port = i > 0 && b->host_port == b[-1].host_port;
        struct binding half;
        struct address a = bindings_address(job, b, &half);
        offer.used_ip = arena_strdup(job->arena, half.host_ip);
        offer.used_port = half.host_port;
        reach_at(&offer, p, a, half.host_port, job->arena);
        out[i] = offer;
    }
}

/* Offers of one key: at least one. Room for as many as the owner has bindings of it, or one. */
static size_t offer_key(struct mapping_job *job, const struct plan *p, const struct portlist *list,
                        const struct port_key *key, struct port_offer *out)
{
    struct port_offer offer = {
        .port = key->port, .proto = key->proto, .host_ip = "", .used_ip = ""};
    struct address a = {0};
    struct bindings found;

    if (list->named_by && !key->named) {
        offer.reason = arena_printf(job->arena, "not named by %s", list->named_by);
        *out = offer;
        return 1;
    }
    switch (p->reach) {
    case REACH_NOTHING:
        a.reason = p->nothing;
        break;
    case REACH_HOST:
        a = address_of_host(job);
        a.reason = a.host ? "network mode host" : a.reason;
        break;
    case REACH_CONTAINER:
        a = address_of_container(job, p->owner, key->port, key->proto, false);
        break;
    case REACH_PUBLISHED:
        bindings_find(&found, p->owner, key->port, key->proto, job->arena);
        if (found.n > 0) {
            offer_bindings(job, p, offer, &found, out);
            return found.n;
        }
        a = unpublished(job, p, key);
        break;
    }
    reach_at(&offer, p, a, key->port, job->arena);
    *out = offer;
    return 1;
}

size_t ports_offer(struct mapping_job *job, struct port_offer **ret, const char **ret_none)
{
    struct portlist list;
    portlist_read(&list, job, metadata_find_generic(&job->meta, "ports"));
    if (list.n == 0) {
        *ret_none = list.named_by
                        ? arena_printf(job->arena, "%s names no valid port", list.named_by)
                        : "exposes no ports, and SERVICE_PORTS names none";
        return 0;
    }
    struct plan p = plan_for(job);
    size_t room = list.n + (p.owner ? p.owner->s.n_ports : 0), n = 0;
    struct port_offer *offers = arena_alloc(job->arena, room * sizeof(*offers));
    for (size_t i = 0; i < list.n; i++) {
        n += offer_key(job, &p, &list, &list.keys[i], &offers[n]);
    }
    *ret = offers;
    return n;
}
