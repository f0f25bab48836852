/*
 * The agent's pure half: notes and listings of the engine go to desired, desired's wants to reconcile,
 * and what a step issues is checked before it goes to the store.
 */
#include "sim.h"

#include "base/must.h"

#define GATE_COUNT 4
#define GATE_SHARE 50

static void on_want(void *ctx, const char *key, const struct service *svc)
{
    struct sim *s = ctx;
    size_t i = sim_key_index(key);
    s->agent.wanted[i] = true;
    s->agent.digest[i] = world_digest(svc);
    reconcile_want(s->agent.reconcile, key, s->agent.digest[i]);
}

static void on_unwant(void *ctx, const char *key)
{
    struct sim *s = ctx;
    s->agent.wanted[sim_key_index(key)] = false;
    reconcile_unwant(s->agent.reconcile, key);
}

static void on_contested(void *ctx, const char *key, const char *container, const char *holder)
{
    struct sim *s = ctx;
    (void)key, (void)container, (void)holder;
    s->n.contested++;
}

static const struct desired_events desired_events = {
    .want = on_want, .unwant = on_unwant, .contested = on_contested};

void agent_init(struct sim *s)
{
    const struct reconcile_limits limits = {.batch_max = AGENT_BATCH,
                                            .retry_min = 500,
                                            .retry_max = 10000,
                                            .conflict_retry = CONFLICT_RETRY,
                                            .seed = s->seed};
    s->agent.reconcile = reconcile_new(&limits);
    s->agent.desired = desired_new(&desired_events, s);
    gate_init(&s->agent.gate, GATE_COUNT, GATE_SHARE);
}

void agent_deinit(struct sim *s)
{
    s->agent.desired = desired_free(s->agent.desired);
    s->agent.reconcile = reconcile_free(s->agent.reconcile);
}

/* ---- the engine's side ---- */

static void container_name(unsigned id, char text[16])
{
    text[0] = 'c';
    for (int i = 8; i > 0; i--, id /= 10) {
        text[i] = (char)('0' + id % 10);
    }
    text[9] = '\0';
}

static void set_claims(struct sim *s, unsigned id, const struct world_container *c)
{
    char name[16];
    struct desired_claim claims[WORLD_CLAIMS];
    size_t n = c ? world_claims(c, claims) : 0;
    container_name(id, name);
    desired_set(s->agent.desired, name, claims, n);
    for (size_t i = 0; i < n; i++) {
        service_unref(claims[i].service);
    }
}

static void know(struct sim *s, unsigned id)
{
    struct agent *a = &s->agent;
    for (size_t i = 0; i < a->n_known; i++) {
        if (a->known[i] == id) {
            return;
        }
    }
    must(a->n_known < AGENT_KNOWN);
    a->known[a->n_known++] = id;
}

bool agent_hear(struct sim *s)
{
    struct world *w = &s->world;
    if (w->n_notes == 0) {
        return false;
    }
    size_t i = sim_below(s, (unsigned)w->n_notes);
    struct world_note note = w->notes[i];
    w->notes[i] = w->notes[--w->n_notes];
    const struct world_container *c = note.stale ? &note.state : world_find(w, note.id);
    sim_say(s, "note of container %u%s", note.id, note.stale ? ", stale" : "");
    know(s, note.id);
    set_claims(s, note.id, c);
    return true;
}

void agent_lose_engine(struct sim *s)
{
    s->n.engine_losses++;
    s->agent.wanted_complete = false;
    reconcile_wanted_complete(s->agent.reconcile, false);
    sim_say(s, "engine lost");
}

bool agent_list(struct sim *s)
{
    struct agent *a = &s->agent;
    size_t removals = 0;
    for (size_t i = 0; i < WORLD_SLOTS; i++) {
        const struct world_container *c = &s->world.c[i];
        if (c->exists) {
            know(s, c->id);
            set_claims(s, c->id, c);
        }
    }
    for (size_t i = 0; i < a->n_known; i++) {
        char name[16];
        container_name(a->known[i], name);
        removals += world_find(&s->world, a->known[i]) ? 0 : desired_claims_of(a->desired, name);
    }
    bool pass = gate_listing(&a->gate, removals, desired_count(a->desired));
    sim_say(s, "engine listed, %zu removals%s", removals, pass ? "" : ", held back");
    if (!pass) {
        s->n.gate_holds++;
        return false;
    }
    for (size_t i = 0; i < a->n_known;) {
        if (world_find(&s->world, a->known[i])) {
            i++;
        } else {
            set_claims(s, a->known[i], NULL);
            a->known[i] = a->known[--a->n_known];
        }
    }
    a->wanted_complete = true;
    reconcile_wanted_complete(a->reconcile, true);
    return true;
}

/* ---- the registry's side ---- */

static void check_op(struct sim *s, const struct reconcile_op *op)
{
    const struct agent *a = &s->agent;
    size_t i = sim_key_index(op->key);
    const struct store_key *k = &s->store.keys[i];
    bool told = a->told_revision[i] == k->changed;

    if ((op->kind == REGISTRY_PUT) != a->wanted[i]) {
        sim_fail(s, "%s of %s, which is%s wanted", op->kind == REGISTRY_PUT ? "put" : "delete",
                 op->key, a->wanted[i] ? "" : " not");
    }
    if (!told) {
        return; /* the agent knows no better */
    }
    if (op->kind == REGISTRY_DELETE && !k->present) {
        sim_fail(s, "delete of %s, which is known to be absent", op->key);
    }
    if (op->kind == REGISTRY_DELETE && k->foreign) {
        sim_fail(s, "delete of %s, which is known to be foreign", op->key);
    }
    if (op->kind == REGISTRY_PUT && k->present && !k->foreign && k->digest == a->digest[i]) {
        sim_fail(s, "put of %s, which is known to be right", op->key);
    }
    if (op->kind == REGISTRY_PUT && k->present && k->foreign && op->revision != 0) {
        sim_fail(s, "put over %s, which is known to be foreign", op->key);
    }
    if (k->present && !k->foreign && op->revision != k->revision) {
        sim_fail(s, "%s at revision %lld, though %lld is known", op->key, (long long)op->revision,
                 (long long)k->revision);
    }
}

bool agent_step(struct sim *s)
{
    struct agent *a = &s->agent;
    struct reconcile_op ops[AGENT_BATCH];
    bool busy = s->store.n_batch > 0;
    size_t n = reconcile_step(a->reconcile, s->now, ops, &a->wake);
    if (n == 0) {
        return false;
    }
    if (!a->wanted_complete || !a->seen_complete) {
        sim_fail(s, "%zu operations while incomplete", n);
    }
    if (busy || n > AGENT_BATCH) {
        sim_fail(s, "%zu operations while a batch is in flight", n);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (ops[k].key == ops[i].key) {
                sim_fail(s, "two operations on %s in one batch", ops[i].key);
            }
        }
        check_op(s, &ops[i]);
    }
    store_submit(s, ops, n);
    return true;
}
