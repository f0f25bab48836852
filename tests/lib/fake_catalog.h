#pragma once
/*
 * What readers see of a Consul: the catalog's names and the health of their instances, with indexes,
 * blocking queries and missing rights in the way of 1.8, and a hook in front that lets a test answer any
 * request otherwise. No clock: a blocking query ends with a change, or when the test says so. A request
 * that the reader is not known to make fails the test.
 *
 * A registration wakes the catalog and its own name; a change of health its own name alone. Both wake
 * who waits for the state of checks.
 */
#include "lib/fake_http.h"
#include "registry/uri.h"

#include <stdint.h>

struct fake_catalog;
struct fake_catalog_item;
struct fake_catalog_name;
struct fake_catalog_held;

#define FAKE_CATALOG_STATE "/state"

/* name: of a health query; NULL: the catalog; FAKE_CATALOG_STATE: the state of checks. held: a blocking query. True: taken care of. */
typedef bool (*fake_catalog_fault)(struct fake_catalog *f, struct fake_exchange *x,
                                   const char *name, bool held, void *ctx);

struct fake_catalog {
    struct fake_http *http;
    fake_catalog_fault fault;
    void *ctx;
    struct registry_uri uri; /* consul://127.0.0.1:PORT */

    uint64_t index, catalog_index, state_index;
    unsigned wipes;
    struct fake_catalog_item *items;
    struct fake_catalog_name *names; /* that ever were, or were asked for */
    struct fake_catalog_held *held;
    size_t n_held, held_most; /* of catalog and names: now, and the most at any time */
    size_t n_dropped;         /* blocking queries whose connection was closed before their end */

    bool catalog_late; /* a registration wakes its name, but not the catalog */

    /* Rights of the reader's token. */
    bool no_nodes;        /* no node:read */
    const char *readable; /* glob of services with service:read; NULL: all */

    unsigned catalogs, asks; /* requests: of the catalog, and of names that do not block */
    unsigned fresh_catalogs; /* of the catalog that do not block */
    unsigned states;         /* of the state of checks */
};

void fake_catalog_start(struct fake_catalog *f, struct io *io, fake_catalog_fault fault, void *ctx);
void fake_catalog_stop(struct fake_catalog *f);

/* Registers or changes an instance on a node. status: "passing", "warning", "critical". */
void fake_catalog_put(struct fake_catalog *f, const char *name, const char *id, const char *node,
                      const char *address, uint16_t port, const char *status);
/* The same as it is in Consul's answer: one element of the array. */
void fake_catalog_put_raw(struct fake_catalog *f, const char *name, const char *id,
                          const char *element);
void fake_catalog_remove(struct fake_catalog *f, const char *name, const char *id);
void fake_catalog_status(struct fake_catalog *f, const char *name, const char *id,
                         const char *status);

/*
 * All data is lost and indexes start low, as with a -dev agent: from 10, and 100 higher each time, because
 * no client could tell the same index of another life. Whoever waits goes on waiting.
 */
void fake_catalog_wipe(struct fake_catalog *f);
/* Every blocking query reaches the end of its wait. */
void fake_catalog_wait_over(struct fake_catalog *f);
/*
 * A snapshot of nothing is restored: every blocking query is answered at once as before and with the index
 * that it came with, then all is as after a wipe.
 */
void fake_catalog_restore(struct fake_catalog *f);
/* Only of those that wait with an index from before a wipe. */
void fake_catalog_wait_over_old(struct fake_catalog *f);
/* Answers as it would without the hook. */
void fake_catalog_answer(struct fake_catalog *f, struct fake_exchange *x);

unsigned fake_catalog_asked(const struct fake_catalog *f,
                            const char *name); /* all requests for it */
bool fake_catalog_holds(const struct fake_catalog *f,
                        const char *name); /* NULL: the catalog; or FAKE_CATALOG_STATE */
