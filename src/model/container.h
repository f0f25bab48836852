#pragma once
/*
 * A container, reduced to what tidewaiter needs of Docker's inspect. Immutable, one allocation.
 */
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTAINER_ID_LEN 64

struct container_kv {
    const char *key;
    const char *value;
};

/* One port: exposed only (host_port 0), or one of its bindings on the host. */
struct container_port {
    uint16_t port;
    enum service_proto proto;
    uint16_t host_port;  /* 0: not published */
    const char *host_ip; /* "0.0.0.0", "::", an address, "" (podman: any); "" when not published */
    /* Exposed, but the engine's list of the network's ports has no entry for it: its network (of the
     * host, of another container, macvlan, ...) is one in which nothing is published. */
    bool unlisted;
};

struct container_network {
    const char *name;
    const char *ipv4; /* "" when none */
    const char *ipv6;
    /* Driver macvlan or ipvlan: ports are never published, the address itself is reachable from outside
     * the host. Inspect does not tell drivers (an internal bridge looks the same); from GET /networks,
     * false when not known. */
    bool own_address;
};

enum container_health {
    CONTAINER_HEALTH_NONE, /* no HEALTHCHECK */
    CONTAINER_HEALTH_STARTING,
    CONTAINER_HEALTH_HEALTHY,
    CONTAINER_HEALTH_UNHEALTHY,
};

/* All strings non-NULL. Filled by docker/decode; container_new() copies it into one block. */
struct container_spec {
    const char *id;           /* 64 hex digits */
    const char *name;         /* without the leading slash */
    const char *image;        /* as typed: Config.Image */
    const char *hostname;     /* Config.Hostname */
    const char *network_mode; /* HostConfig.NetworkMode: "default", "bridge", "host", "none",
                                 "container:<id>", or a network's name */
    const char *started_at;   /* State.StartedAt, RFC 3339; compares as text within one engine */
    const char *error;        /* State.Error */
    const struct container_kv *env; /* SERVICE_* only, in order, split at the first '=' */
    size_t n_env;
    const struct container_kv *labels; /* sorted by key */
    size_t n_labels;
    const struct container_port
        *ports; /* sorted by port, proto, published first, host ip, host port */
    size_t n_ports;
    const struct container_network *networks; /* sorted by name */
    size_t n_networks;
    bool running; /* State.Running and not Restarting, not Dead; true while paused */
    bool paused;
    bool restarting;
    enum container_health health;
    int exit_code;
    int stop_signal;         /* Config.StopSignal as a number; 15 when unset or unknown */
    unsigned stop_timeout_s; /* Config.StopTimeout; 10 when unset */
};

struct container {
    struct container_spec s; /* read-only */
};

struct container *container_new(const struct container_spec *spec);
struct container *container_free(struct container *c); /* takes NULL; returns NULL */

static inline void container_freep(struct container **c)
{
    *c = container_free(*c);
}
#define CLEANUP_CONTAINER __attribute__((cleanup(container_freep)))

/* The value of a label, or NULL. */
const char *container_label(const struct container *c, const char *key);
const struct container_network *container_network(const struct container *c, const char *name);

const char *container_health_name(enum container_health h);
