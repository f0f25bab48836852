#pragma once
/*
 * Two texts → a unified diff as diff(1) -u prints it. Pure.
 */
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define DIFF_CONTEXT 3u /* lines */

struct diff_text {
    const char *label; /* for the --- and +++ lines */
    const char *p;
    size_t len;
};

/*
 * Appends the diff; nothing when both are equal. True when they differ. A last line without a newline is
 * marked as diff does. The result is always right and is minimal unless the texts have more than some
 * thousand lines of difference, or some hundred thousand lines between their common ends; beyond that
 * whole runs are replaced, so that time and memory stay bounded. out's cap sticks in out.
 */
bool diff_unified(struct buf *out, const struct diff_text *from, const struct diff_text *to);
