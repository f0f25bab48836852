#pragma once
/*
 * The (port, protocol) pairs of a container, and which of them SERVICE_PORTS names.
 */
#include "mapping/job.h"

struct port_key {
    uint16_t port;
    enum service_proto proto;
    bool named; /* by SERVICE_PORTS */
};

struct portlist {
    struct port_key *keys; /* sorted, unique */
    size_t n;
    const char *named_by; /* "label SERVICE_PORTS", when it is set; else NULL */
};

#define PORTLIST_NAMED_MAX 1024 /* items of SERVICE_PORTS; the rest is left out with a warning */

void portlist_read(struct portlist *ret, struct mapping_job *job);
