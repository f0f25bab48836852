#pragma once
/*
 * Text from containers on its way to people: one line, no control characters, bounded.
 */
#include "base/arena.h"
#include "tidewaiter/err.h"

#include <stddef.h>
#include <stdint.h>

#define TEXT_LABEL_MAX 128 /* bytes shown of a label's name */
#define TEXT_VALUE_MAX 64  /* bytes shown of its value */

/*
 * A copy of s in the arena with '?' for control characters, cut (between UTF-8 characters, marked by
 * "...") after max bytes. s itself when it is clean.
 */
const char *text_clean(struct arena *a, const char *s, size_t max);

/*
 * The texts up to NULL, one behind the other, in the arena. Every port of every container gets a few
 * lines of text; printf takes most of a mapping's time where it is used for them.
 */
#define text_join(a, ...) text_join_n((a), (const char *const[]){__VA_ARGS__, NULL})
const char *text_join_n(struct arena *a, const char *const *parts);

#define TEXT_NUMBER_MAX 6 /* "65535" */
const char *text_number(char ret[TEXT_NUMBER_MAX], uint16_t v);

/* What in labels and variables makes no sense. Repetitions are dropped, and so is the flood. */
struct warnings {
    struct arena *arena;
    const char **items;
    size_t n, cap;
};

#define WARNINGS_MAX 64

void warnings_add(struct warnings *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
