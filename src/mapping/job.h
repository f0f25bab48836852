#pragma once
/*
 * What the parts of one mapping share. Lives on mapping_map()'s stack.
 */
#include "base/arena.h"
#include "mapping/mapping.h"
#include "mapping/metadata.h"
#include "mapping/tags.h"
#include "mapping/text.h"

struct mapping_job {
    const struct mapping_options *o;
    const struct container *c;
    const struct container *peer; /* the one whose network c shares, if it does and that is known */
    struct arena *arena;
    struct metadata meta;
    struct warnings warnings;
    struct tags every_tags; /* --tags */
    struct tags **own_tags; /* of each entry of meta that was asked for its tags */
    size_t room;            /* bytes that the container's services may still take */
};
