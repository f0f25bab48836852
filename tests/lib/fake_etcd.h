#pragma once
/*
 * An etcd in memory behind a scripted HTTP server: as much of the v3 gateway as the driver uses, in the
 * words of 3.4, with a hook in front that lets a test answer any request otherwise.
 *
 *     static bool fault(struct fake_etcd *f, struct fake_exchange *x, const char *path, void *ctx)
 *     {
 *         if (streq(path, "/v3/kv/txn") && state->once) {
 *             fake_etcd_apply(f, x);   // it happened ...
 *             fake_reset(x);           // ... but nobody will know
 *             return true;
 *         }
 *         return false;
 *     }
 *
 * One member, no clock: leases end when the test says so. A request that the driver is not known to
 * make fails the test.
 */
#include "base/buf.h"
#include "lib/fake_http.h"
#include "registry/uri.h"

#include <stdint.h>

#define FAKE_ETCD_WATCHES 8

struct fake_etcd;
struct fake_etcd_key;
struct fake_etcd_event;

struct fake_etcd_watch {
    struct fake_exchange *x;
    char key[512], end[512]; /* end "": the one key */
};

typedef bool (*fake_etcd_fault)(struct fake_etcd *f, struct fake_exchange *x, const char *path,
                                void *ctx);

struct fake_etcd {
    struct fake_http *http;
    fake_etcd_fault fault; /* true: the exchange is taken care of */
    void *ctx;
    struct registry_uri uri; /* etcd://127.0.0.1:PORT/t */

    int64_t revision, compacted;
    const char *cluster; /* its id */
    struct fake_etcd_key *keys;
    struct fake_etcd_event *log; /* all that happened */
    size_t n_log;
    int64_t leases[16]; /* alive */
    size_t n_leases;
    int64_t next_lease, ttl;
    struct fake_etcd_watch watches[FAKE_ETCD_WATCHES]; /* open streams, newest last */
    size_t n_watches;
    bool fragments; /* send each event of a message as a fragment of its own */

    unsigned ranges, txns, puts, deletes, grants, keepalives, timetolives, revokes, watched;
    int64_t watched_from; /* start_revision of the last watch */
};

void fake_etcd_start(struct fake_etcd *f, struct io *io, fake_etcd_fault fault, void *ctx);
void fake_etcd_stop(struct fake_etcd *f);

/* Does what the request asks for without answering; the body of the answer is lost. */
void fake_etcd_apply(struct fake_etcd *f, struct fake_exchange *x);

/* What others do. lease 0: none. */
void fake_etcd_put(struct fake_etcd *f, const char *key, const char *value, int64_t lease);
void fake_etcd_delete(struct fake_etcd *f, const char *key);
/* The value and the lease of a key, or NULL. */
const char *fake_etcd_get(const struct fake_etcd *f, const char *key, int64_t *ret_lease);
size_t fake_etcd_count(const struct fake_etcd *f, const char *prefix);

/* The lease and its keys end. */
void fake_etcd_expire(struct fake_etcd *f, int64_t lease);
/* Everything is forgotten, as with a new data folder. */
void fake_etcd_wipe(struct fake_etcd *f);
/* Resets the connections of all watches. */
void fake_etcd_cut(struct fake_etcd *f);
/* A line to every open watch. */
void fake_etcd_push(struct fake_etcd *f, const char *line);
