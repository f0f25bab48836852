#pragma once
/*
 * Which records a reader has already complained of, so that it does so once per record and content.
 * Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct skipped_item;

struct skipped {
    struct skipped_item *items;
    unsigned listing;
};

void skipped_deinit(struct skipped *s); /* idempotent; zeroed memory is an empty set */

/* True when this content of the key was not noted before; it is now. */
bool skipped_note(struct skipped *s, const char *key, size_t len, uint64_t digest);
/* The same where the reason stands for the content: it is what a person would be told again. */
bool skipped_note_reason(struct skipped *s, const char *key, const char *why);
/* The key is gone, or readable. */
void skipped_forget(struct skipped *s, const char *key, size_t len);

/* Around a complete listing: what is not noted again in between is forgotten. */
void skipped_begin(struct skipped *s);
void skipped_end(struct skipped *s);
