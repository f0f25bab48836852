#pragma once
/*
 * Answers of the etcd v3 JSON gateway, 3.4 and 3.5. Pure.
 *
 * The gateway leaves out members whose value is zero, prints 64-bit numbers as strings and bytes as
 * base64. Every decoder fills *ret only on success; strings live in ret->arena, which the caller
 * releases. An answer that is not what etcd sends is -EPROTO, ERR_BUG.
 */
#include "base/arena.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;

struct etcd_header {
    uint64_t
        cluster; /* digest of the cluster id: only for "is it still the same one?"; 0: not given */
    int64_t revision; /* 0: not given */
};

struct etcd_kv {
    const char *key; /* terminated, but may hold zero bytes: key_len counts */
    size_t key_len;
    const char *value;
    size_t value_len;
    int64_t mod_revision;
    int64_t lease; /* 0: none */
};

struct etcd_range {
    struct arena arena;
    struct etcd_header header;
    struct etcd_kv *kvs;
    size_t n;
    bool more; /* the limit cut it off */
};
int etcd_response_range(struct etcd_range *ret, const char *body, size_t len,
                        struct err *e) WARN_UNUSED;

/* Of a transaction whose ranges each name one key. */
struct etcd_txn_response {
    struct arena arena;
    struct etcd_header header;
    bool succeeded;
    struct etcd_kv
        *items; /* one for each operation of the branch; key is NULL for what is not a range
                              and for a range that found nothing */
    size_t n;
};
int etcd_response_txn(struct etcd_txn_response *ret, const char *body, size_t len,
                      struct err *e) WARN_UNUSED;

struct etcd_lease_response {
    int64_t id;
    int64_t ttl; /* seconds; 0 of a keepalive: the lease is dead */
};
int etcd_response_grant(struct etcd_lease_response *ret, const char *body, size_t len,
                        struct err *e) WARN_UNUSED;

/* One answer for each line of a keepalive's body; at most max. */
int etcd_response_keepalive(struct etcd_lease_response *ret, size_t max, size_t *ret_n,
                            const char *body, size_t len, struct err *e) WARN_UNUSED;

struct etcd_timetolive {
    struct arena arena;
    struct etcd_header header;
    int64_t ttl; /* what is left, in seconds; 0: less than one; -1: there is no such lease */
    int64_t granted;
    struct etcd_kv *keys; /* key and key_len only */
    size_t n;
};
int etcd_response_timetolive(struct etcd_timetolive *ret, const char *body, size_t len,
                             struct err *e) WARN_UNUSED;

/* Appends the token. */
struct buf;
int etcd_response_token(struct buf *ret, const char *body, size_t len, struct err *e) WARN_UNUSED;

/* ---- for the decoders of this folder ---- */

/* Of an object that has (or lacks) a "header". */
void etcd_decode_header(struct etcd_header *ret, const struct cJSON *j);
/* A key-value object; with or without its value. -EPROTO for bad base64 or no key. */
int etcd_decode_kv(struct etcd_kv *ret, struct arena *arena, const struct cJSON *j,
                   struct err *e) WARN_UNUSED;
