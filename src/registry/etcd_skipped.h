#pragma once
/*
 * Which records a reader has already complained of, so that it does so once per record and content.
 * Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct etcd_skipped_item;

struct etcd_skipped {
    struct etcd_skipped_item *items;
    unsigned listing;
};

void etcd_skipped_deinit(struct etcd_skipped *s); /* idempotent; zeroed memory is an empty set */

/* True when this content of the key was not noted before; it is now. */
bool etcd_skipped_note(struct etcd_skipped *s, const char *key, size_t len, uint64_t digest);
/* The key is gone, or readable. */
void etcd_skipped_forget(struct etcd_skipped *s, const char *key, size_t len);

/* Around a complete listing: what is not noted again in between is forgotten. */
void etcd_skipped_begin(struct etcd_skipped *s);
void etcd_skipped_end(struct etcd_skipped *s);
