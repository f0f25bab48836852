#pragma once
/*
 * The (port, protocol) pairs of a container, and which of them SERVICE_PORTS names.
 */
#include "mapping/job.h"

struct port_key {
    uint16_t port;
    enum service_proto proto;
    bool named;    /* by SERVICE_PORTS */
    bool unlisted; /* see struct container_port */
};

struct portlist {
    struct port_key *keys; /* sorted, unique */
    size_t n;
    const char *named_by; /* "label SERVICE_PORTS", when it is set; else NULL */
};

/* What passes these limits is left out with a warning. */
#define PORTLIST_MAX       16384 /* ports of one container */
#define PORTLIST_NAMED_MAX 1024  /* items of SERVICE_PORTS */

/* named: the entry of SERVICE_PORTS, or NULL. */
void portlist_read(struct portlist *ret, struct mapping_job *job,
                   const struct metadata_entry *named);
