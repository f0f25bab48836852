#pragma once
/*
 * Which address clients are given.
 */
#include "mapping/job.h"

struct address {
    const char *host;   /* NULL: none */
    const char *reason; /* where it comes from, or why there is none */
};

/* The host's: IPv4 where it has one. */
struct address address_of_host(const struct mapping_job *job);

/* The host's, for a port published on every address of these families. */
struct address address_of_wildcard(const struct mapping_job *job, bool v4, bool v6);

/*
 * The container's own, for one port: in the network that SERVICE_NETWORK names (it must be there), else
 * --network (where it is there), else the first by name that has an address. own_only: only networks
 * whose addresses can be reached without publishing.
 */
struct address address_of_container(struct mapping_job *job, const struct container *owner,
                                    uint16_t port, enum service_proto proto, bool own_only);

/* The address in one network; because: added to the reason. */
struct address address_in_network(struct mapping_job *job, const struct container_network *n,
                                  const char *because);

/* True when one of its networks gives addresses of its own (macvlan, ipvlan). */
bool address_has_own(const struct container *owner);

enum address_kind {
    ADDRESS_BAD,
    ADDRESS_ANY_V4,
    ADDRESS_ANY_V6,
    ADDRESS_ANY,
    ADDRESS_V4,
    ADDRESS_V6
};

/* What a HostIp is: podman's "" is ADDRESS_ANY. */
enum address_kind address_kind(const char *ip);

bool address_is_loopback(const char *ip);
