#pragma once
/*
 * Which records a reader has already complained of, so that it does so once per record and content.
 * Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kv_skipped_item;

struct kv_skipped {
    struct kv_skipped_item *items;
    unsigned listing;
};

void kv_skipped_deinit(struct kv_skipped *s); /* idempotent; zeroed memory is an empty set */

/* True when this content of the key was not noted before; it is now. */
bool kv_skipped_note(struct kv_skipped *s, const char *key, size_t len, uint64_t digest);
/* The key is gone, or readable. */
void kv_skipped_forget(struct kv_skipped *s, const char *key, size_t len);

/* Around a complete listing: what is not noted again in between is forgotten. */
void kv_skipped_begin(struct kv_skipped *s);
void kv_skipped_end(struct kv_skipped *s);
