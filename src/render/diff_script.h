#pragma once
/*
 * Two sequences of line numbers → which elements of each are changed: what is left unmarked is a common
 * subsequence of both. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct diff_side {
    const uint32_t *ids; /* equal ids are equal lines */
    size_t n;
    bool *changed; /* n, false at the start */
};

/*
 * Marks both sides. ids are below n_ids. The longest common subsequence is left unmarked unless the work
 * passes a limit; then whole runs are marked.
 */
void diff_script_mark(const struct diff_side *from, const struct diff_side *to, uint32_t n_ids);

/*
 * Slides each run of marks to where people look for it: as far down as equal lines allow, but next to a
 * run of the other side where there is one. The number of unmarked lines and their text stay.
 */
void diff_script_slide(const struct diff_side *side, const struct diff_side *other);
