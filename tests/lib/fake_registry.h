#pragma once
/*
 * A registry in memory, for tests of what reads one: the test changes its table, says when that is
 * reported, and when the registry is out of reach.
 *
 *     struct fake_registry f;
 *     fake_registry_init(&f, io);
 *     options.driver = &fake_registry_driver;
 *     options.uri = fake_registry_uri(&f);
 *     ...
 *     fake_registry_put(&f, "web", "10.0.0.5", 80);
 *     fake_registry_push(&f);
 *
 * Events come from the loop, as registry.h demands, and only while a reader is open.
 */
#include "io/loop.h"
#include "tidewaiter/registry.h"
#include "tidewaiter/table.h"

struct fake_registry {
    struct io *io;
    struct table table; /* the truth; change it with table_put() and the functions below */
    bool silent;        /* refresh() is not answered */
    unsigned opened, closed, refreshed, delivered;
    struct registry_reader *reader; /* NULL while closed */
};

extern const struct registry_driver fake_registry_driver;

void fake_registry_init(struct fake_registry *f, struct io *io);
void fake_registry_deinit(struct fake_registry *f);
const struct registry_uri *fake_registry_uri(struct fake_registry *f);

/* A passing tcp service with the id "n:<host>:<port>"; the same again replaces it. */
void fake_registry_put(struct fake_registry *f, const char *name, const char *host, uint16_t port);
/* The same with one attribute. */
void fake_registry_put_attr(struct fake_registry *f, const char *name, const char *host,
                            uint16_t port, const char *key, const char *value);
void fake_registry_remove(struct fake_registry *f, const char *name, const char *host,
                          uint16_t port);
void fake_registry_clear(struct fake_registry *f);

/* Reports the table. Reports that were not delivered yet become one. */
void fake_registry_push(struct fake_registry *f);
/* The same as the end of a fresh listing: the answer to a refresh() while silent. */
void fake_registry_push_fresh(struct fake_registry *f);
/* Reports that the registry is out of reach, or followed. */
void fake_registry_live(struct fake_registry *f, bool live);
/* Reports a record that was left out. */
void fake_registry_skip(struct fake_registry *f, const char *key);
