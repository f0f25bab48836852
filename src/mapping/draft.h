#pragma once
/*
 * What labels and variables say about one port: everything of a service but its address and its place
 * among the other ports.
 */
#include "mapping/job.h"
#include "mapping/naming.h"
#include "mapping/tags.h"

struct draft {
    const char *refusal; /* why the port is not registered; NULL: it is */

    const char *name;        /* without suffix */
    const char *name_reason; /* "name from label SERVICE_NAME" */
    bool name_is_of_port;    /* given to this port: it takes no suffix */
    const char *id;          /* SERVICE_ID, or NULL */
    int weight;
    struct tags tags;
    struct service_attr *attrs;
    size_t n_attrs;
    size_t attrs_size; /* bytes of keys and values, terminators included */
};

/* Once, before the first draft: what is the same for every port. */
void draft_prepare(struct mapping_job *job);

void draft_make(struct draft *ret, struct mapping_job *job,
                const struct naming_default *default_name, uint16_t port, enum service_proto proto);

/* Warns that value, from origin, cannot be used; returns the same as the reason for a refusal. */
const char *draft_refuse(struct mapping_job *job, const char *origin, const char *value,
                         const char *why);
