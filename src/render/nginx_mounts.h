#pragma once
/*
 * Paths that an nginx sees, as this host calls them. Pure.
 */
#include "base/buf.h"

#include <stddef.h>

/* What is seen as `inside` is `outside` here: absolute, folders or single files. */
struct nginx_mount {
    char *inside, *outside;
};

/*
 * Appends text to out, with every path at or below a mount's inside as it is called here; the deepest
 * mount counts.
 */
void nginx_mounts_translate(const struct nginx_mount *mounts, size_t n, const char *text,
                            struct buf *out);
