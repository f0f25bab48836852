#pragma once
/*
 * Request bodies of the etcd v3 JSON gateway. Each function appends one JSON document to out, whose
 * sticky error tells when it did not fit. Bytes go as base64, 64-bit numbers as strings. Pure.
 *
 * Members are spelled as etcd wants them: unknown ones (`ttl` for `TTL`) are ignored without a word.
 */
#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct etcd_range_request {
    const char *key;
    size_t key_len;
    const char *end;  /* first key behind the range; NULL: the one key */
    int64_t limit;    /* 0: all */
    int64_t revision; /* 0: now */
};

void etcd_request_range(struct buf *out, const struct etcd_range_request *r);
void etcd_request_grant(struct buf *out, int64_t ttl_s);
/* Several leases in one body are answered by one line each. */
void etcd_request_keepalive(struct buf *out, const int64_t *leases, size_t n);
void etcd_request_timetolive(struct buf *out, int64_t lease, bool keys);
void etcd_request_revoke(struct buf *out, int64_t lease);
void etcd_request_authenticate(struct buf *out, const char *user, const char *password);
/*
 * All events of [key, end), or of key where end is NULL, from start_revision on, with progress marks,
 * large messages in fragments.
 */
void etcd_request_watch(struct buf *out, const char *key, const char *end, int64_t start_revision);

/*
 * Transactions are built in order: begin, compares, success, its operations, failure, its operations,
 * end. etcd takes at most ETCD_TXN_MAX entries in each of the three lists.
 */
#define ETCD_TXN_MAX 128

struct etcd_txn_builder {
    struct json_writer w;
};

void etcd_txn_begin(struct etcd_txn_builder *t, struct buf *out);
/* Holds when the key was last modified at this revision; 0: the key is absent. */
void etcd_txn_compare(struct etcd_txn_builder *t, const char *key, int64_t mod_revision);
void etcd_txn_success(struct etcd_txn_builder *t);
void etcd_txn_failure(struct etcd_txn_builder *t);
/* A put always names its lease: one without would take the key off its lease for ever. */
void etcd_txn_put(struct etcd_txn_builder *t, const char *key, const void *value, size_t len,
                  int64_t lease);
void etcd_txn_delete(struct etcd_txn_builder *t, const char *key);
void etcd_txn_range(struct etcd_txn_builder *t, const char *key);
void etcd_txn_end(struct etcd_txn_builder *t);
