#pragma once
/*
 * What agent and renderer know of a registry: two small interfaces, each a const vtable.
 *
 *   writer  the agent's half: keeps a lease (or what stands for it) alive, reports what the registry
 *           holds of our keys, and carries out batches of puts and deletes.
 *   reader  the renderer's half: keeps a complete table of the services in the registry.
 *
 * A driver knows no containers and does not know why a key is wanted. Reconnecting, failing over and
 * renewing are its own business, for ever, with backoff; it reports what follows from them.
 *
 * Every event comes from the loop, never from inside a call of the vtable.
 */
#include "tidewaiter/err.h"
#include "tidewaiter/service.h"
#include "tidewaiter/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct io;
struct registry_uri;

/* ---- writer ---- */

/* Who a key in the registry belongs to, as far as its lease, session or value tell. */
enum registry_owner {
    REGISTRY_OURS,      /* on our lease, or recognisably written by an earlier run of this node */
    REGISTRY_FOREIGN,   /* held by somebody else: never deleted, overwritten only once it is gone */
    REGISTRY_UNCLAIMED, /* nobody's any more (another tool's, with an id of ours): overwritten when
                           wanted, never deleted */
};

enum registry_op_kind { REGISTRY_PUT, REGISTRY_DELETE };

/* One wanted change. Keys and values are the driver's own encoding; borrowed during write(). */
struct registry_op {
    enum registry_op_kind kind;
    const char *key;
    const char *value; /* PUT only */
    size_t value_len;
    /* Of the key as last seen; 0: absent. The write is conditional on it where the registry can do
     * that (Consul's agent cannot). */
    int64_t revision;
};

struct registry_result {
    enum err_class class; /* ERR_NONE: done. CONFLICT: the key was not as last seen; a `seen` or
                             `gone` event with the truth came before this result */
    int64_t revision;     /* of the key after a PUT that was done */
};

struct registry_writer_events {
    /* A complete listing of our keys begins: what was seen before no longer counts. */
    void (*begin)(void *ctx);
    /* A key of ours, or one that we asked for, has this content. digest: as encode() gives it. */
    void (*seen)(void *ctx, const char *key, uint64_t digest, int64_t revision,
                 enum registry_owner owner);
    /* A key is absent as of this revision. Also reported for keys that we never had. */
    void (*gone)(void *ctx, const char *key, int64_t revision);
    /* The listing is complete and the lease is held: writes may begin. */
    void (*ready)(void *ctx);
    /* Out of reach, or the lease is lost: no writes until the next ready. Once per change of state. */
    void (*unready)(void *ctx, const struct err *why);
    /* Another agent with our node name took over. Final: the writer does nothing more. */
    void (*deposed)(void *ctx, const struct err *why);
    /*
     * Something that no write tells of does not work (a check cannot be kept alive, somebody else writes
     * what is ours, records that were to be removed at the end are left), or works again (why NULL).
     * Once per change of state, also from close() on until it is done. May be NULL.
     */
    void (*trouble)(void *ctx, const struct err *why);
    /* The batch given to write() has ended; results[i] belongs to ops[i]. why: the first failure. */
    void (*written)(void *ctx, const struct registry_result *results, size_t n,
                    const struct err *why);
};

/* How records look, where a registry knows more than one way. */
enum registry_dialect {
    REGISTRY_NATIVE,      /* as this project's contract has them */
    REGISTRY_REGISTRATOR, /* as gliderlabs/registrator writes them */
};

struct registry_writer_config {
    const struct registry_uri *uri; /* borrowed until close has ended */
    const char *node;               /* who owns the records: this agent's node name; copied */
    const char *id_host;            /* first part of the services' ids; NULL: node; copied */
    unsigned ttl_s;                 /* lease time to live, at least 5 */
    enum registry_dialect dialect;
    /* Records that say nothing of an owner and whose id has the form id_host:name:port[:udp] are ours. */
    bool adopt_by_id;
    bool dry_run; /* look, report, but never change anything, not even a lease */
};

#define REGISTRY_ENCODED_PARTLY 1

struct registry_writer;

struct registry_writer_ops {
    /* Largest batch that write() takes. */
    size_t batch_max;
    /*
     * Starts the writer; events follow. Fails (nothing to close then) only on what retrying cannot
     * mend: ERR_INVALID for a bad setting, ERR_CONFLICT where a local lock is held by another agent.
     */
    int (*open)(struct registry_writer **ret, struct io *io,
                const struct registry_writer_config *config,
                const struct registry_writer_events *events, void *ctx, struct err *e);
    /*
     * Pure: appends the key (without terminator) and the value that svc has in this registry; *ret_digest
     * is what `seen` reports of a key that holds it. ERR_INVALID when svc cannot be represented in it;
     * REGISTRY_ENCODED_PARTLY when it can, but for what e names (the class of e is ERR_INVALID then).
     */
    int (*encode)(const struct registry_writer *w, const struct service *svc, struct buf *ret_key,
                  struct buf *ret_value, uint64_t *ret_digest, struct err *e);
    /*
     * Carries out 1..batch_max operations on distinct keys; one batch in flight at a time. -EBUSY while
     * one is in flight, -EAGAIN while not ready; otherwise `written` follows exactly once.
     */
    int (*write)(struct registry_writer *w, const struct registry_op *ops, size_t n);
    /*
     * Everything that is wanted is in place for the first time, also when that is nothing at all: readers
     * may take what is there for complete. NULL where a registry needs no such word. Not after a dry run.
     */
    void (*settled)(struct registry_writer *w);
    /*
     * Ends the writer. deregister: our keys and our record are removed first (bounded by 3 s, else the
     * lease lapses). done runs once, from the loop; no event after it; w is freed by then.
     */
    void (*close)(struct registry_writer *w, bool deregister, void (*done)(void *ctx), void *ctx);
    /* Appends a JSON object that describes the state (lease, endpoint, revision) for a state dump. */
    void (*describe)(const struct registry_writer *w, struct buf *out);
};

/* ---- reader ---- */

struct registry_reader_events {
    /*
     * The table is complete and changed, or complete for the first time, or a listing that refresh()
     * asked for has ended (fresh = true, changed or not). table is borrowed for the call.
     * A record that cannot be read was left out and reported by `skipped` before.
     */
    void (*table)(void *ctx, const struct table *table, bool fresh);
    /* The table is followed live, or is stale (why: the reason). Once per change of state. */
    void (*live)(void *ctx, bool live, const struct err *why);
    /* One record was left out: its key, and why. Once per record and content. */
    void (*skipped)(void *ctx, const char *key, const struct err *why);
};

struct registry_reader_config {
    const struct registry_uri *uri; /* borrowed until close has ended */
    bool once;                      /* one listing, no watch */
    /*
     * Which service names the caller looks at, as shell globs for the name as it is or in lower case;
     * borrowed until close has ended; none: all. A hint for registries that are followed name by name;
     * others may report more.
     */
    const char *const *names;
    size_t n_names;
};

struct registry_reader;

struct registry_reader_ops {
    int (*open)(struct registry_reader **ret, struct io *io,
                const struct registry_reader_config *config,
                const struct registry_reader_events *events, void *ctx, struct err *e);
    /* Asks for a fresh complete listing; ends in table(fresh = true), or later after errors. */
    void (*refresh)(struct registry_reader *r);
    /* done runs once, from the loop; no event after it; r is freed by then. */
    void (*close)(struct registry_reader *r, void (*done)(void *ctx), void *ctx);
};

/* ---- drivers ---- */

struct registry_driver {
    const char *name;
    const struct registry_writer_ops *writer;
    const struct registry_reader_ops *reader;
};

extern const struct registry_driver registry_consul;
extern const struct registry_driver registry_consulkv;
extern const struct registry_driver registry_etcd; /* also for the SkyDNS layout */
extern const struct registry_driver registry_file;

/* The driver that a parsed URI asks for; never NULL, because parsing refuses other schemes. */
const struct registry_driver *registry_driver_for(const struct registry_uri *uri);
