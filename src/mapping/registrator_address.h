#pragma once
/*
 * The addresses of a container, by Registrator's rules: what is the same for all of its ports.
 */
#include "mapping/address.h"

enum registrator_mode {
    REGISTRATOR_MODE_BRIDGE, /* the default bridge */
    REGISTRATOR_MODE_HOST,
    REGISTRATOR_MODE_NONE,
    REGISTRATOR_MODE_SHARED,  /* another container's */
    REGISTRATOR_MODE_NETWORK, /* any other, by its name */
};

struct registrator_addresses {
    enum registrator_mode mode;
    /* Of the container, or of the one whose network it shares; "" where it can have none. */
    struct address own;
    /* From the label of -useIpFromLabel. Without one (host NULL) the reason is "", or why there is none;
     * it is made to be appended to another. */
    struct address label;
};

void registrator_addresses(struct registrator_addresses *ret, struct mapping_job *job);
