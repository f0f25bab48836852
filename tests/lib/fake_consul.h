#pragma once
/*
 * What writers see of a Consul: one agent in memory, with services, checks and a catalog that knows when
 * they change, in the words of 1.8.7, and a hook in front that lets a test answer any request otherwise.
 * (What readers see is in fake_catalog.h.)
 *
 * No clock: a TTL check runs out when the test says so, and a blocking query ends with a change. A
 * request that the writer is not known to make fails the test.
 */
#include "lib/fake_http.h"
#include "registry/uri.h"

#include <stdint.h>

#define FAKE_CONSUL_NODE "fake1"
#define FAKE_CONSUL_HELD 8

struct fake_consul;
struct fake_consul_service;
struct fake_consul_check;

/* True: the exchange is taken care of. */
typedef bool (*fake_consul_fault)(struct fake_consul *f, struct fake_exchange *x, const char *path,
                                  void *ctx);

struct fake_consul {
    struct fake_http *http;
    fake_consul_fault fault;
    void *ctx;
    struct registry_uri uri; /* consul://127.0.0.1:PORT */

    bool acl;                     /* rights are looked at: what is unknown is said in other words */
    bool no_agent_read;           /* the token may not know the name of the node */
    uint64_t index, checks_index; /* of the services, and of the checks */
    struct fake_consul_service *services;
    struct fake_consul_check *checks;
    struct fake_exchange *held[FAKE_CONSUL_HELD];        /* blocking queries, oldest first */
    struct fake_exchange *held_checks[FAKE_CONSUL_HELD]; /* of checks */
    size_t n_held, n_held_checks;

    unsigned registers, deregisters, updates, listings, selfs, queries, checks_queries;
};

void fake_consul_start(struct fake_consul *f, struct io *io, fake_consul_fault fault, void *ctx);
void fake_consul_stop(struct fake_consul *f);

/* Does what a PUT asks for, without answering. */
void fake_consul_apply(struct fake_consul *f, struct fake_exchange *x);

/* What others do: body as in a registration. */
void fake_consul_register(struct fake_consul *f, const char *body);
void fake_consul_deregister(struct fake_consul *f, const char *id);
/* A check by hand, or a maintenance: of Consul's kind "ttl". */
void fake_consul_add_check(struct fake_consul *f, const char *check_id, const char *service_id);
void fake_consul_drop_check(struct fake_consul *f, const char *check_id);
/* A TTL check runs out, or somebody sets it. */
void fake_consul_set_status(struct fake_consul *f, const char *check_id, const char *status);

size_t fake_consul_count(const struct fake_consul *f); /* services */
size_t fake_consul_check_count(const struct fake_consul *f);
/* As /v1/agent/services shows it; NULL: no such service. */
const char *fake_consul_get(const struct fake_consul *f, const char *id);
/* NULL: no such check. */
const char *fake_consul_status(const struct fake_consul *f, const char *check_id);

/* The process dies, and is there again; wipe: without its data, and with indexes that begin low. */
void fake_consul_down(struct fake_consul *f, bool wipe);
void fake_consul_up(struct fake_consul *f);
/* What Consul shows as the output of a check; NULL: no such check. */
const char *fake_consul_output(const struct fake_consul *f, const char *check_id);
/* Breaks the blocking queries. */
void fake_consul_cut(struct fake_consul *f);
