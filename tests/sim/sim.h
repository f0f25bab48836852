#pragma once
/*
 * A simulation under fake time: a model of Docker (world.c), the agent's pure half (agent.c: desired,
 * reconcile and gate, the code under test), and a model of a registry with faults (store.c). One seed
 * is one run; nothing else decides what happens.
 */
#include "model/desired.h"
#include "reconcile/gate.h"
#include "reconcile/reconcile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_SLOTS    8
#define WORLD_NAMES    12
#define WORLD_PORTS    2
#define WORLD_SHARED   2
#define STORE_STRAYS   2
#define STORE_KEYS     (WORLD_NAMES * WORLD_PORTS + WORLD_SHARED + STORE_STRAYS)
#define STORE_NEWS     256
#define AGENT_KNOWN    256
#define AGENT_BATCH    6
#define WORLD_CLAIMS   (WORLD_PORTS + 1)
#define WORLD_NOTES    64
#define CONFLICT_RETRY 20000u

/* What happened at all: a run of the suite in which one of these stays 0 tests less than it claims. */
#define SIM_COUNTERS(X)                                                                            \
    X(puts)                                                                                        \
    X(deletes)                                                                                     \
    X(conflicts)                                                                                   \
    X(failed_unapplied)                                                                            \
    X(failed_applied)                                                                              \
    X(refused)                                                                                     \
    X(cancelled)                                                                                   \
    X(leases_lost)                                                                                 \
    X(rollbacks)                                                                                   \
    X(relists)                                                                                     \
    X(short_absences)                                                                              \
    X(altered_by_strangers)                                                                        \
    X(foreign_keys)                                                                                \
    X(probes)                                                                                      \
    X(takeovers)                                                                                   \
    X(strays)                                                                                      \
    X(notes_lost)                                                                                  \
    X(notes_stale)                                                                                 \
    X(notes_doubled)                                                                               \
    X(gate_holds)                                                                                  \
    X(contested)                                                                                   \
    X(engine_losses)

struct sim_counters {
#define X(name) unsigned long name;
    SIM_COUNTERS(X)
#undef X
};

/* ---- the world: containers as Docker has them ---- */

struct world_container {
    bool exists, running, paused;
    bool shared;      /* claims a key that others claim, too */
    unsigned name;    /* one container has it at a time, but it passes on */
    unsigned address; /* a new one with each start */
    unsigned id;      /* never used again */
};

/* A hint to the agent that something happened to a container. */
struct world_note {
    unsigned id;
    bool stale; /* was inspected when it happened, so that the state may be old by now */
    struct world_container state;
};

struct world {
    struct world_container c[WORLD_SLOTS];
    unsigned last_id, last_address;
    struct world_note notes[WORLD_NOTES];
    size_t n_notes;
};

/* ---- the store: keys as the registry has them ---- */

struct store_key {
    bool present, foreign;
    uint64_t digest;
    int64_t revision; /* of the value, while present */
    int64_t changed;  /* last change, including deletion */
};

struct store_news {
    size_t key;
    struct store_key state;
};

enum store_phase { STORE_DOWN, STORE_LISTING, STORE_READY, STORE_AWAY };
enum store_fate { FATE_DONE, FATE_FAILED, FATE_DONE_BUT_FAILED, FATE_CANCELLED };

struct store_op {
    enum registry_op_kind kind;
    size_t key;
    uint64_t digest;
    int64_t revision;
    struct registry_result result;
    int64_t applied; /* revision of the change, 0: none */
};

struct store {
    struct store_key keys[STORE_KEYS];
    int64_t revision;
    unsigned lease;
    enum store_phase phase;
    struct store_key snapshot[STORE_KEYS];
    size_t listed;
    struct store_news news[STORE_NEWS]; /* changes that the watch did not deliver yet, in order */
    size_t n_news;
    struct store_op batch[AGENT_BATCH];
    size_t n_batch;
    bool batch_applied;
    unsigned batch_lease, batch_listing;
    enum store_fate fate;
};

/* ---- the agent ---- */

struct agent {
    struct desired *desired;
    struct reconcile *reconcile;
    struct gate gate;
    unsigned known[AGENT_KNOWN]; /* ids of containers that may have claims */
    size_t n_known;
    bool wanted_complete, seen_complete;
    bool wanted[STORE_KEYS];
    uint64_t digest[STORE_KEYS];
    unsigned listing;                  /* number of the last one that the store began */
    int64_t told_revision[STORE_KEYS]; /* of the last change that the agent was told of */
    msec_t wake;
};

struct sim {
    uint64_t seed, random;
    msec_t now;
    bool calm;  /* no faults and no changes any more */
    bool trace; /* print what happens */
    bool failed;
    struct world world;
    struct store store;
    struct agent agent;
    struct sim_counters n;
};

uint64_t sim_random(struct sim *s);
unsigned sim_below(struct sim *s, unsigned n);
bool sim_chance(struct sim *s, unsigned percent);
void sim_say(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const char *sim_key(size_t index);
size_t sim_key_index(const char *key);

/* ---- world.c ---- */
void world_change(struct sim *s); /* one thing happens to a container */
const struct world_container *world_find(const struct world *w, unsigned id);
/* The services of a container in that state; references are the caller's. */
size_t world_claims(const struct world_container *c, struct desired_claim claims[WORLD_CLAIMS]);
uint64_t world_digest(const struct service *svc);
bool world_is_poison(uint64_t digest); /* the store can never take this value */
/* Whether the world wants a value at the key; of several claims any will do. */
bool world_wants(const struct world *w, size_t key, uint64_t digest);
bool world_wants_any(const struct world *w, size_t key);
bool world_wants_poison(const struct world *w, size_t key);

/* ---- agent.c ---- */
void agent_init(struct sim *s);
void agent_deinit(struct sim *s);
bool agent_hear(struct sim *s);        /* one note, in any order; false: there is none */
void agent_lose_engine(struct sim *s); /* until the next listing */
bool agent_list(struct sim *s);        /* false: the gate wants another one */
bool agent_step(struct sim *s);        /* true: a batch left */

/* ---- store.c ---- */
void store_init(struct sim *s);
void store_fault(struct sim *s);    /* something goes wrong, or a stranger does something */
bool store_progress(struct sim *s); /* one step of listing, watch or batch; false: nothing to do */
void store_submit(struct sim *s, const struct reconcile_op *ops, size_t n);
void store_release_foreign(struct sim *s); /* all strangers take their keys back */
