#pragma once
/*
 * The bindings of one container port on the host.
 */
#include "base/arena.h"
#include "mapping/address.h"
#include "model/container.h"

struct binding {
    const char
        *host_ip; /* as the engine gave it; of a publish on every address: 0.0.0.0, else :: */
    uint16_t host_port;
    uint16_t host_port_v6; /* of a publish on every address: on those of IPv6 */
    enum address_kind kind;
    bool any_v4, any_v6; /* published on every address of that family */
};

struct bindings {
    struct binding *items; /* by host port, then every address, IPv4, IPv6, then text */
    size_t n;
};

/* 0.0.0.0 and :: are one publish: first those with one host port, then the others in order. */
void bindings_find(struct bindings *ret, const struct container *owner, uint16_t port,
                   enum service_proto proto, struct arena *a);

/*
 * Where clients reach a binding: the address it has, or the host's of its family for a publish on every
 * address; *ret_half is the half of such a publish that goes with the address. The reason says "published
 * on ..." either way.
 */
struct address bindings_address(const struct mapping_job *job, const struct binding *b,
                                struct binding *ret_half);

/* "published on 0.0.0.0:8081" */
const char *bindings_text(struct arena *a, const struct binding *b);
