/*
 * Optimal string alignment over three rows of a fixed size.
 */
#include "config/nearest.h"

#include "base/str.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][NEAREST_WORD_MAX + 1];
    for (size_t k = 0; k <= m; k++) {
        rows[0][k] = k;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            size_t change = above[k - 1] + (a[i - 1] != b[k - 1]);
            row[k] = least(change, least(above[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1]) {
                row[k] = least(row[k], above2[k - 2] + 1);
            }
        }
    }
    return rows[n % 3][m];
}

void nearest_init(struct nearest *n, const char *word)
{
    *n = (struct nearest){.word = word, .distance = SIZE_MAX};
}

void nearest_offer(struct nearest *n, const char *candidate)
{
    size_t len = strlen(n->word), other = strlen(candidate);
    if (len == 0 || len > NEAREST_WORD_MAX || other > NEAREST_WORD_MAX) {
        return;
    }
    size_t distance = edit_distance(n->word, len, candidate, other);
    if (len >= 3 && str_starts(candidate, n->word)) {
        distance = 1;
    }
    if (distance < n->distance) {
        n->distance = distance;
        n->best = candidate;
    }
}

const char *nearest_best(const struct nearest *n)
{
    size_t len = strlen(n->word);
    size_t allowed = len < 4 ? 1 : len < 9 ? 2 : len / 3;
    return n->distance <= allowed ? n->best : NULL;
}
