#pragma once
/*
 * Consul's KV in memory behind a scripted HTTP server: keys, sessions, transactions and blocking queries
 * in the words of 1.8.7, with a hook in front that lets a test answer any request otherwise.
 *
 * No clock: sessions end when the test says so, and a blocking query ends with a change. A request that
 * the driver is not known to make fails the test.
 */
#include "lib/fake_http.h"
#include "registry/uri.h"

#include <stdint.h>

#define FAKE_CONSULKV_SESSIONS 16
#define FAKE_CONSULKV_HELD     8

struct buf;
struct fake_consulkv;
struct fake_consulkv_key;

/* True: the exchange is taken care of. */
typedef bool (*fake_consulkv_fault)(struct fake_consulkv *f, struct fake_exchange *x,
                                    const char *path, void *ctx);

struct fake_consulkv_session {
    char id[40];
    char ttl[24], behavior[16], lock_delay[16], name[300];
};

struct fake_consulkv {
    struct fake_http *http;
    fake_consulkv_fault fault;
    void *ctx;
    struct registry_uri uri; /* consulkv://127.0.0.1:PORT/t */

    int64_t index;
    struct fake_consulkv_key *keys; /* also the traces of deleted ones */
    struct fake_consulkv_session sessions[FAKE_CONSULKV_SESSIONS]; /* alive */
    size_t n_sessions;
    unsigned next_session;
    struct fake_exchange *held[FAKE_CONSULKV_HELD]; /* blocking queries */
    size_t n_held;
    const char *denied;  /* keys that begin so: no right to read or write; NULL: none */
    const char *delayed; /* a key that nobody may lock for a while; NULL: none */
    size_t body_max;     /* of a transaction; 0: 512 KiB */
    struct fake_consulkv_key *snapshot; /* of the keys */

    unsigned gets, queries, txns, locks, deletes, creates, renews, destroys;
    unsigned too_large;  /* transactions refused for that */
    int64_t query_index; /* of the last blocking query */
};

void fake_consulkv_start(struct fake_consulkv *f, struct io *io, fake_consulkv_fault fault,
                         void *ctx);
void fake_consulkv_stop(struct fake_consulkv *f);

/* Does what a PUT asks for without answering. */
void fake_consulkv_apply(struct fake_consulkv *f, struct fake_exchange *x);

/* What others do: a put keeps the session that holds the key. */
void fake_consulkv_put(struct fake_consulkv *f, const char *key, const char *value);
void fake_consulkv_lock(struct fake_consulkv *f, const char *key, const char *value,
                        const char *session);
void fake_consulkv_delete(struct fake_consulkv *f, const char *key);
/* The value of a key, or NULL; the session that holds it, or "". Valid until the next change. */
const char *fake_consulkv_get(const struct fake_consulkv *f, const char *key,
                              const char **ret_session);
size_t fake_consulkv_count(const struct fake_consulkv *f, const char *prefix);

/* Appends what a listing of the folder says now; returns its index. */
int64_t fake_consulkv_list(const struct fake_consulkv *f, const char *prefix, struct buf *out);

/* The session and its keys end. */
void fake_consulkv_expire(struct fake_consulkv *f, const char *session);
/* Everything is forgotten, as of a -dev agent that was restarted; as with cut. */
void fake_consulkv_wipe(struct fake_consulkv *f);
/* Takes a snapshot of the keys, and puts it in their place: held queries end with the index that they
 * asked with, while those of the keys go back. Sessions stay as they are. */
void fake_consulkv_save(struct fake_consulkv *f);
void fake_consulkv_restore(struct fake_consulkv *f);
/* Forgets the traces of deleted keys: indexes of folders may go back. */
void fake_consulkv_reap(struct fake_consulkv *f);
void fake_consulkv_cut(struct fake_consulkv *f); /* held queries end in an error */
