#pragma once
/*
 * The nearest of several words to a misspelt one, by edit distance (a swap of neighbours counts one). Pure.
 */
#include <stddef.h>

#define NEAREST_WORD_MAX 48 /* longer words get no suggestion */

struct nearest {
    const char *word; /* borrowed, as all candidates */
    const char *best;
    size_t distance;
};

void nearest_init(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *candidate);

/*
 * NULL when nothing is near enough to be meant: more than a third of the word differs (two letters of a
 * short one), and it is not how the candidate begins.
 */
const char *nearest_best(const struct nearest *n);
