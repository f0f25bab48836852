#pragma once
/*
 * The ports of a container by Registrator's rules, and where clients reach them.
 */
#include "mapping/job.h"

struct registrator_port {
    uint16_t port; /* of the container */
    enum service_proto proto;
    bool in_group;       /* counts for "more than one": names get a suffix */
    const char *host_ip; /* of the first binding; "" when there is none, or it does not count */
    uint16_t host_port;

    const char
        *host; /* where clients reach it, "": the registry's own node; NULL: not registered */
    uint16_t at;
    const char *reason; /* one line, either way */
};

/*
 * All ports, in order of port and protocol. The array lives in the job's arena. *ret_none says why there
 * is nothing, when there is nothing.
 */
size_t registrator_ports(struct mapping_job *job, struct registrator_port **ret,
                         const char **ret_none);
