/*
 * Thousands of runs: for some time the world changes and everything goes wrong, then it is calm, and the
 * store must become what the world wants, in finite time; after that, nothing may be written any more.
 * While it lasts, every operation is checked (agent.c, store.c).
 *
 *     SIM_SEED=N  one run with that seed, printing all that happens
 *     SIM_RUNS=N  so many runs
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#define RUNS       2000
#define CALM_TURNS 20000
#define STEADY     10

uint64_t sim_random(struct sim *s)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

unsigned sim_below(struct sim *s, unsigned n)
{
    return (unsigned)(sim_random(s) % n);
}

bool sim_chance(struct sim *s, unsigned percent)
{
    return sim_below(s, 100) < percent;
}

__attribute__((format(printf, 3, 0))) static void print(struct sim *s, const char *prefix,
                                                        const char *fmt, va_list ap)
{
    printf("%s%10llu ms  ", prefix, (unsigned long long)s->now);
    vprintf(fmt, ap);
    printf("\n");
}

void sim_say(struct sim *s, const char *fmt, ...)
{
    if (s->trace) {
        va_list ap;
        va_start(ap, fmt);
        print(s, "", fmt, ap);
        va_end(ap);
    }
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    if (!s->failed) {
        printf("FAILED with SIM_SEED=%llu:\n", (unsigned long long)s->seed);
    }
    s->failed = true;
    va_start(ap, fmt);
    print(s, "  ", fmt, ap);
    va_end(ap);
}

static char key_names[STORE_KEYS][24];

static void name_keys(void)
{
    for (unsigned i = 0; i < STORE_KEYS; i++) {
        unsigned shared = WORLD_NAMES * WORLD_PORTS, stray = shared + WORLD_SHARED;
        if (i < shared) {
            snprintf(key_names[i], sizeof(key_names[i]), "web/n:c%u:%u", i / WORLD_PORTS,
                     80 + i % WORLD_PORTS);
        } else {
            snprintf(key_names[i], sizeof(key_names[i]), "%s/x%u", i < stray ? "shared" : "stray",
                     i);
        }
    }
}

const char *sim_key(size_t index)
{
    must(index < STORE_KEYS);
    return key_names[index];
}

size_t sim_key_index(const char *key)
{
    for (size_t i = 0; i < STORE_KEYS; i++) {
        if (streq(key_names[i], key)) {
            return i;
        }
    }
    must(!"a key that nobody claims");
    return 0;
}

/* ---- phases of a run ---- */

static void turmoil(struct sim *s)
{
    for (unsigned turns = 100 + sim_below(s, 300); turns > 0 && !s->failed; turns--) {
        s->now += 1 + sim_below(s, sim_chance(s, 5) ? 30000 : 300);
        unsigned what = sim_below(s, 100);
        if (what < 15) {
            world_change(s);
        } else if (what < 35) {
            (void)agent_hear(s);
        } else if (what < 36) {
            agent_lose_engine(s);
        } else if (what < 43) {
            (void)agent_list(s);
        } else if (what < 93) {
            (void)store_progress(s);
        } else {
            store_fault(s);
        }
        (void)agent_step(s);
    }
}

/* The key is as the world wants it, as far as the store and others let us. */
static bool is_right(const struct sim *s, size_t i)
{
    const struct store_key *k = &s->store.keys[i];
    if ((k->present && k->foreign) || world_wants_poison(&s->world, i)) {
        return true;
    }
    return k->present ? world_wants(&s->world, i, k->digest) : !world_wants_any(&s->world, i);
}

static bool all_right(const struct sim *s)
{
    for (size_t i = 0; i < STORE_KEYS; i++) {
        if (!is_right(s, i)) {
            return false;
        }
    }
    return true;
}

static void say_wrong(struct sim *s)
{
    for (size_t i = 0; i < STORE_KEYS; i++) {
        const struct store_key *k = &s->store.keys[i];
        if (!is_right(s, i)) {
            sim_fail(s, "%s is %s, and the world wants %s", sim_key(i),
                     k->present ? "there" : "absent",
                     world_wants_any(&s->world, i) ? "another value" : "none");
        }
    }
}

static void become_calm(struct sim *s)
{
    s->calm = true;
    if (sim_chance(s, 50)) {
        store_release_foreign(s);
    }
    while (agent_hear(s)) {
    }
    /* the gate may hold back the first listing, not the second */
    if (!agent_list(s) && !agent_list(s)) {
        sim_fail(s, "the gate holds back for good");
    }
    for (unsigned turns = 0; !s->failed; turns++) {
        bool busy = store_progress(s) || agent_step(s) || s->store.n_batch > 0 ||
                    s->store.phase != STORE_READY;
        if (busy) {
            s->now += 10;
        } else if (all_right(s)) {
            return;
        } else if (s->agent.wake == MSEC_NEVER) {
            sim_fail(s, "nothing is due any more");
            say_wrong(s);
        } else {
            s->now = s->agent.wake > s->now ? s->agent.wake : s->now;
        }
        if (turns == CALM_TURNS) {
            sim_fail(s, "no end in sight");
            say_wrong(s);
        }
    }
}

/* Once all is right: listings change nothing, and only somebody else's keys are tried now and then. */
static void stay_steady(struct sim *s)
{
    struct sim_counters before = s->n;
    for (unsigned i = 0; i < STEADY && !s->failed; i++) {
        s->now += 60000;
        if (!agent_list(s)) {
            sim_fail(s, "the gate holds back where nothing changes");
        }
        if (i == STEADY / 2) {
            s->store.phase = STORE_DOWN; /* a listing of the store changes nothing, either */
            s->agent.seen_complete = false;
            reconcile_seen_complete(s->agent.reconcile, false);
        }
        (void)agent_step(s);
        while (store_progress(s) || agent_step(s) || s->store.phase != STORE_READY) {
        }
    }
    if (s->n.puts != before.puts || s->n.deletes != before.deletes) {
        sim_fail(s, "%lu puts and %lu deletes where nothing changes", s->n.puts - before.puts,
                 s->n.deletes - before.deletes);
    }
    size_t differ = 0, foreign = 0;
    for (size_t i = 0; i < STORE_KEYS; i++) {
        const struct store_key *k = &s->store.keys[i];
        foreign += s->agent.wanted[i] && k->present && k->foreign;
        differ += s->agent.wanted[i] ? !k->present || k->foreign || k->digest != s->agent.digest[i]
                                     : k->present && !k->foreign;
    }
    if (reconcile_pending(s->agent.reconcile) != differ) {
        sim_fail(s, "%zu pending, but %zu keys differ", reconcile_pending(s->agent.reconcile),
                 differ);
    }
    if (reconcile_foreign(s->agent.reconcile, NULL, NULL) != foreign) {
        sim_fail(s, "%zu foreign, but there are %zu",
                 reconcile_foreign(s->agent.reconcile, NULL, NULL), foreign);
    }
}

static bool run(uint64_t seed, bool trace, struct sim_counters *total)
{
    struct sim *s = xcalloc(1, sizeof(*s));
    s->seed = s->random = seed;
    s->trace = trace;
    s->now = 1000;
    agent_init(s);
    store_init(s);
    turmoil(s);
    if (!s->failed) {
        become_calm(s);
    }
    if (!s->failed) {
        stay_steady(s);
    }
#define X(name) total->name += s->n.name;
    SIM_COUNTERS(X)
#undef X
    agent_deinit(s);
    bool ok = !s->failed;
    free(s);
    return ok;
}

static uint64_t setting(const char *name, uint64_t or_else)
{
    uint64_t value = or_else;
    const char *text = getenv(name);
    if (text && !str_to_u64(text, 0, UINT64_MAX, &value)) {
        fprintf(stderr, "%s=%s is not a number\n", name, text);
        exit(2);
    }
    return value;
}

int main(void)
{
    struct sim_counters total = {0};
    uint64_t runs = setting("SIM_RUNS", RUNS), failed = 0;
    name_keys();
    if (getenv("SIM_SEED")) {
        return run(setting("SIM_SEED", 0), true, &total) ? 0 : 1;
    }
    for (uint64_t seed = 1; seed <= runs && failed < 5; seed++) {
        failed += !run(seed, false, &total);
    }
    bool blind = false;
#define X(name)                                                                                    \
    printf("%12lu %s%s\n", total.name, #name, total.name ? "" : "  <- never happened");            \
    blind = blind || !total.name;
    SIM_COUNTERS(X)
#undef X
    printf("%llu runs, %llu failed\n", (unsigned long long)runs, (unsigned long long)failed);
    return failed || (runs >= RUNS && blind) ? 1 : 0;
}
