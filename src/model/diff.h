#pragma once
/*
 * What changed between two tables, in order of (name, id).
 */
#include "tidewaiter/table.h"

enum diff_kind { DIFF_ADDED, DIFF_CHANGED, DIFF_REMOVED };

/* before is NULL for ADDED, after is NULL for REMOVED. */
typedef void (*diff_fn)(void *ctx, enum diff_kind kind, const struct service *before,
                        const struct service *after);

/* Returns how many differences there were; fn may be NULL. One merge walk; shared services cost nothing. */
size_t diff_tables(const struct table *before, const struct table *after, diff_fn fn, void *ctx);
