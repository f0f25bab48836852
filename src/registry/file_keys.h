#pragma once
/*
 * What the writer of the embedded registry holds in memory: its keys ("name/id") and their values. Pure.
 */
#include "base/map.h"

#include <stddef.h>
#include <stdint.h>

struct buf;

struct file_key {
    UT_hash_handle hh;
    char *value;
    size_t value_len;
    uint64_t digest;
    int64_t revision;
    size_t name_len; /* of the part of key before the '/' */
    char key[];
};

struct file_keys {
    struct file_key *by_key;
};

void file_keys_deinit(struct file_keys *k); /* idempotent */

struct file_key *file_keys_find(const struct file_keys *k, const char *key);

/* Puts a copy of the value, new or over the old one. */
void file_keys_put(struct file_keys *k, const char *key, const char *value, size_t len,
                   int64_t revision);
void file_keys_remove(struct file_keys *k, struct file_key *key);
size_t file_keys_count(const struct file_keys *k);

/* Appends the document that holds them all. */
void file_keys_encode(struct file_keys *k, const char *node, unsigned ttl_s, int64_t revision,
                      struct buf *out);
