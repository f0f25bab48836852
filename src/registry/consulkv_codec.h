#pragma once
/*
 * Bodies of Consul's KV, transaction and session calls, both ways. Pure.
 *
 * Every decoder fills *ret only on success; strings live in ret->arena, which the caller releases. A
 * body that is not what Consul sends is -EPROTO, ERR_BUG.
 */
#include "base/arena.h"
#include "base/json.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define CONSULKV_SESSION_LEN 36 /* a UUID */
#define CONSULKV_TXN_OPS     64
/* Of a request body; Consul's default, and its smallest setting. */
#define CONSULKV_TXN_BYTES 524288u

struct consulkv_pair {
    const char *key; /* terminated, without zero bytes: one that Consul has is U+0001 here */
    size_t key_len;
    const char *value;
    size_t value_len;
    int64_t index;       /* ModifyIndex */
    const char *session; /* that holds the lock; "" when there is none */
};

struct consulkv_list {
    struct arena arena;
    struct consulkv_pair *pairs; /* in Consul's order: by key */
    size_t n;
};

/* GET /v1/kv/... with and without recurse. */
int consulkv_decode_list(struct consulkv_list *ret, const char *body, size_t len,
                         struct err *e) WARN_UNUSED;

/*
 * A transaction that took effect: a pair for each operation that has a result, without values where it
 * wrote. A key that was checked and written comes twice; the last one is how it is now.
 */
int consulkv_decode_txn(struct consulkv_list *ret, const char *body, size_t len,
                        struct err *e) WARN_UNUSED;

enum consulkv_refusal {
    CONSULKV_REFUSED_STALE,   /* not as checked, or locked by another session */
    CONSULKV_REFUSED_DELAY,   /* its lock ended just now, and is to be free for a while */
    CONSULKV_REFUSED_SESSION, /* our session is not, or no longer, known */
    CONSULKV_REFUSED_AUTH,    /* no right to write this key */
};

struct consulkv_error {
    size_t op; /* index of the operation */
    enum consulkv_refusal kind;
    const char *what; /* Consul's words */
};

struct consulkv_errors {
    struct arena arena;
    struct consulkv_error *items;
    size_t n; /* at least 1 */
};

/* The body of a 409: nothing of the transaction took effect. */
int consulkv_decode_errors(struct consulkv_errors *ret, const char *body, size_t len,
                           struct err *e) WARN_UNUSED;

/* ---- transactions: begin, operations, end; cannot fail but by the cap of out ---- */

struct consulkv_txn {
    struct json_writer w;
    size_t ops;
};

void consulkv_txn_begin(struct consulkv_txn *t, struct buf *out);
void consulkv_txn_check(struct consulkv_txn *t, const char *key, int64_t index); /* 0: absent */
void consulkv_txn_lock(struct consulkv_txn *t, const char *key, const void *value, size_t len,
                       const char *session);
void consulkv_txn_unlock(struct consulkv_txn *t, const char *key, const void *value, size_t len,
                         const char *session);
/* A key that is absent is no failure. */
void consulkv_txn_delete(struct consulkv_txn *t, const char *key, int64_t index);
/* The key, and all that begin with it; none is no failure, as it would be of a plain get. */
void consulkv_txn_get(struct consulkv_txn *t, const char *key);
void consulkv_txn_end(struct consulkv_txn *t);

/* ---- sessions ---- */

#define CONSULKV_SESSION_NAME_MAX 300

struct consulkv_session_info {
    char id[CONSULKV_SESSION_LEN + 1];
    char name[CONSULKV_SESSION_NAME_MAX + 1];
    char ttl[24];      /* as it was asked for: "30s" */
    bool deletes_keys; /* rather than only unlocking them, when it ends */
};

/* TTL as Consul takes it: 10 s to 24 h. */
unsigned consulkv_session_ttl(unsigned ttl_s);
/* "tidewaiter <node>" */
void consulkv_session_name(char ret[CONSULKV_SESSION_NAME_MAX + 1], const char *node);
void consulkv_encode_session(struct buf *out, const char *node, unsigned ttl_s);
int consulkv_decode_created(char ret_id[CONSULKV_SESSION_LEN + 1], const char *body, size_t len,
                            struct err *e) WARN_UNUSED;
/* The answer to a renewal. */
int consulkv_decode_renewed(struct consulkv_session_info *ret, const char *body, size_t len,
                            struct err *e) WARN_UNUSED;
bool consulkv_session_valid(const char *id); /* has the form of a session's id */
