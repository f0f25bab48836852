#pragma once
/*
 * Both halves of a registry driver under a test's eyes.
 *
 * keeper: a writer with the real reconciler behind it, as the agent wires them, without containers: the
 * test says which keys it wants with which service, and waits until the registry holds them.
 * viewer: a reader that keeps a copy of the last table and counts what was reported.
 */
#include "io/loop.h"
#include "io/timer.h"
#include "registry/uri.h"
#include "tidewaiter/registry.h"
#include "tidewaiter/table.h"

struct keeper_item;

struct keeper {
    struct io *io;
    const struct registry_driver *driver;
    struct registry_writer *writer; /* NULL while closed */
    struct reconcile *reconcile;
    struct keeper_item *items; /* what is wanted */
    struct io_timer wake;
    struct registry_op *ops; /* of the batch in flight */
    bool ready, deposed, closed;
    unsigned begins, readies, unreadies, batches, puts, deletes, conflicts, failures;
    struct err last; /* the last reason for anything */
    unsigned troubles, recoveries;
    struct err trouble; /* the last one */
};

/* Fails the test when the writer cannot be opened. */
void keeper_open(struct keeper *k, struct io *io, const struct registry_driver *driver,
                 const struct registry_uri *uri, const char *node, unsigned ttl_s, bool dry_run);
/* The same as a return value, for writers that are to be refused. */
int keeper_try_open(struct keeper *k, struct io *io, const struct registry_driver *driver,
                    const struct registry_uri *uri, const char *node, unsigned ttl_s, bool dry_run,
                    struct err *e);
/* With everything that a writer can be told. */
void keeper_open_config(struct keeper *k, struct io *io, const struct registry_driver *driver,
                        const struct registry_writer_config *config);
void keeper_close(struct keeper *k, bool deregister); /* runs the loop until it has ended */

/* A tcp service NAME at host:port with the id "<node>:<host>:<port>". */
void keeper_want(struct keeper *k, const char *node, const char *name, const char *host,
                 uint16_t port);
void keeper_unwant(struct keeper *k, const char *node, const char *name, const char *host,
                   uint16_t port);
/* The same with so many bytes of attributes, for records of some size. */
void keeper_want_large(struct keeper *k, const char *node, const char *name, const char *host,
                       uint16_t port, size_t bytes);
/* Any service; again with the same key: changed. */
void keeper_want_spec(struct keeper *k, const struct service_spec *spec);
/* Ready, and the registry holds exactly what is wanted. */
bool keeper_settled(const struct keeper *k);
size_t keeper_seen(const struct keeper *k); /* keys of ours in the registry */

struct viewer {
    struct io *io;
    const struct registry_driver *driver;
    struct registry_reader *reader;
    struct table table;
    bool live, told, closed;
    unsigned tables, fresh, lives, stales, skips;
    char skipped[512]; /* key of the last one */
    struct err last;
};

void viewer_open(struct viewer *v, struct io *io, const struct registry_driver *driver,
                 const struct registry_uri *uri, bool once);
/* The same with the names that are wanted. */
void viewer_open_names(struct viewer *v, struct io *io, const struct registry_driver *driver,
                       const struct registry_uri *uri, bool once, const char *const *names,
                       size_t n_names);
void viewer_close(struct viewer *v);
/* The table has exactly the wanted services of the keeper. */
bool viewer_agrees(const struct viewer *v, const struct keeper *k);
