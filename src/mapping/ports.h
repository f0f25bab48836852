#pragma once
/*
 * Which ports of a container could become services, and where clients would reach them.
 */
#include "mapping/job.h"

/* One port on one binding: one service, unless labels say otherwise. */
struct port_offer {
    uint16_t port; /* of the container */
    enum service_proto proto;
    const char *host_ip; /* of the binding; "" without one */
    uint16_t host_port;  /* 0 without one */
    const char *used_ip; /* of its half for the address that was chosen: differs from the above */
    uint16_t used_port;  /* only where the families were bound to different host ports */
    /* Several bindings of one port: the first one has neither. */
    bool further;        /* not the first: its id carries the host port */
    bool same_host_port; /* as an earlier binding, on another address: its id carries that too */

    const char *host; /* where clients reach it; NULL: it cannot be registered */
    uint16_t at;
    const char *reason; /* one line, either way */
};

/*
 * All ports of the container, in order of port, protocol and host port. The array lives in the job's
 * arena. *ret_none says why there is nothing, when there is nothing.
 */
size_t ports_offer(struct mapping_job *job, struct port_offer **ret, const char **ret_none);
