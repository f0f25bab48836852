#pragma once
/*
 * What the parts of one mapping share. Lives on mapping_map()'s stack.
 */
#include "base/arena.h"
#include "mapping/mapping.h"
#include "mapping/metadata.h"
#include "mapping/text.h"

struct mapping_job {
    const struct mapping_options *o;
    const struct container *c;
    const struct container *peer; /* the one whose network c shares, if it does and that is known */
    struct arena *arena;
    struct metadata meta;
    struct warnings warnings;
};
