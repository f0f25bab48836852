/*
 * Containers that start, die, restart, pause, get renamed and removed, and the notes of it, which may be
 * lost, doubled, late, or hold a state that is old by now.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"

const struct world_container *world_find(const struct world *w, unsigned id)
{
    for (size_t i = 0; i < WORLD_SLOTS; i++) {
        if (w->c[i].exists && w->c[i].id == id) {
            return &w->c[i];
        }
    }
    return NULL;
}

static bool name_taken(const struct world *w, unsigned name)
{
    for (size_t i = 0; i < WORLD_SLOTS; i++) {
        if (w->c[i].exists && w->c[i].name == name) {
            return true;
        }
    }
    return false;
}

static unsigned free_name(struct sim *s)
{
    unsigned name;
    do {
        name = sim_below(s, WORLD_NAMES);
    } while (name_taken(&s->world, name));
    return name;
}

static void add_note(struct sim *s, const struct world_container *c)
{
    struct world *w = &s->world;
    if (w->n_notes == WORLD_NOTES) {
        s->n.notes_lost++;
        return;
    }
    bool stale = sim_chance(s, 15);
    s->n.notes_stale += stale;
    w->notes[w->n_notes++] = (struct world_note){.id = c->id, .stale = stale, .state = *c};
}

static void note(struct sim *s, const struct world_container *c)
{
    if (sim_chance(s, 10)) {
        s->n.notes_lost++;
        return;
    }
    add_note(s, c);
    if (sim_chance(s, 10)) {
        s->n.notes_doubled++;
        add_note(s, c);
    }
}

/* The engine is restarted without live restore, or somebody tidies up. */
static void lose_all(struct sim *s)
{
    sim_say(s, "all containers removed");
    for (size_t i = 0; i < WORLD_SLOTS; i++) {
        struct world_container *c = &s->world.c[i];
        if (c->exists) {
            c->exists = c->running = c->paused = false;
            note(s, c);
        }
    }
}

void world_change(struct sim *s)
{
    struct world *w = &s->world;
    if (sim_chance(s, 3)) {
        lose_all(s);
        return;
    }
    struct world_container *c = &w->c[sim_below(s, WORLD_SLOTS)];
    if (!c->exists) {
        *c = (struct world_container){.exists = true,
                                      .running = true,
                                      .shared = sim_chance(s, 30),
                                      .name = free_name(s),
                                      .address = ++w->last_address,
                                      .id = ++w->last_id};
    } else if (!c->running) {
        if (sim_chance(s, 50)) {
            c->running = true;
            c->address = ++w->last_address;
        } else {
            c->exists = false;
        }
    } else {
        switch (sim_below(s, 5)) {
        case 0:
            c->running = c->paused = false;
            break;
        case 1: /* restarts; sometimes with the same address */
            c->paused = false;
            c->address = sim_chance(s, 70) ? ++w->last_address : c->address;
            break;
        case 2:
            c->paused = !c->paused;
            break;
        case 3:
            c->name = free_name(s);
            break;
        default: /* rm -f */
            c->exists = c->running = c->paused = false;
            break;
        }
    }
    sim_say(s, "container %u: name %u%s%s%s address %u", c->id, c->name,
            c->exists ? "" : " removed", c->running ? " runs" : " dead", c->paused ? " paused" : "",
            c->address);
    note(s, c);
}

static void claim(struct desired_claim *ret, size_t key, unsigned address)
{
    char host[32];
    const char *text = sim_key(key), *slash = strchr(text, '/');
    char name[16];
    snprintf(host, sizeof(host), "10.0.%u.%u", address / 256 % 256, address % 256);
    snprintf(name, sizeof(name), "%.*s", (int)(slash - text), text);
    const struct service_spec spec = {
        .name = name, .id = slash + 1, .host = host, .port = 80, .weight = SERVICE_WEIGHT_UNSET};
    ret->key = text;
    must(service_new(&ret->service, &spec, NULL) == 0);
}

size_t world_claims(const struct world_container *c, struct desired_claim claims[WORLD_CLAIMS])
{
    size_t n = 0;
    if (!c->exists || !c->running || c->paused) {
        return 0;
    }
    for (size_t port = 0; port < WORLD_PORTS; port++) {
        claim(&claims[n++], c->name * WORLD_PORTS + port, c->address);
    }
    if (c->shared) {
        claim(&claims[n++], WORLD_NAMES * WORLD_PORTS + c->name % WORLD_SHARED, c->address);
    }
    return n;
}

uint64_t world_digest(const struct service *svc)
{
    return hash64(svc->s.host, strlen(svc->s.host));
}

bool world_is_poison(uint64_t digest)
{
    return digest % 13 == 0;
}

/* Calls fn for each value that a container wants at the key, until it returns true. */
static bool any_value(const struct world *w, size_t key, bool (*fn)(uint64_t value, uint64_t arg),
                      uint64_t arg)
{
    bool found = false;
    for (size_t i = 0; i < WORLD_SLOTS; i++) {
        struct desired_claim claims[WORLD_CLAIMS];
        size_t n = world_claims(&w->c[i], claims);
        for (size_t k = 0; k < n; k++) {
            found = found || (sim_key_index(claims[k].key) == key &&
                              fn(world_digest(claims[k].service), arg));
            service_unref(claims[k].service);
        }
    }
    return found;
}

static bool value_equals(uint64_t value, uint64_t arg)
{
    return value == arg;
}

static bool value_any(uint64_t value, uint64_t arg)
{
    (void)value, (void)arg;
    return true;
}

static bool value_poison(uint64_t value, uint64_t arg)
{
    (void)arg;
    return world_is_poison(value);
}

bool world_wants(const struct world *w, size_t key, uint64_t digest)
{
    return any_value(w, key, value_equals, digest);
}

bool world_wants_any(const struct world *w, size_t key)
{
    return any_value(w, key, value_any, 0);
}

bool world_wants_poison(const struct world *w, size_t key)
{
    return any_value(w, key, value_poison, 0);
}
