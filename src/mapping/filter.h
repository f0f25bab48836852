#pragma once
/*
 * --filter: which containers are looked at. mapping_filter_check() in mapping.h says what is allowed.
 *
 * Filters with one key are alternatives; a container must match one of each key. The keys are `name`,
 * `image`, `network`, and every label name for itself (label=env=prod and label=tier=web: both).
 */
#include "base/arena.h"
#include "mapping/mapping.h"

/* NULL when c matches; else the reason, one line. */
const char *filter_refuses(const struct mapping_options *o, const struct container *c,
                           struct arena *a);
