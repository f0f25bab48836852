/*
 * A registry with faults: writes that fail, writes that happen and are reported as failed, a lease that
 * is lost with all its keys, strangers who delete, alter and occupy keys, a restored backup, absences
 * long and short. Its watch delivers every change in order, but late; results travel beside it.
 */
#include "sim.h"

#include <string.h>

#include "base/must.h"

/* ---- telling the agent ---- */

static void tell(struct sim *s, size_t key, const struct store_key *state, int64_t as_of)
{
    struct agent *a = &s->agent;
    a->told_revision[key] = state->changed;
    if (state->present) {
        sim_say(s, "  seen %s@%lld%s", sim_key(key), (long long)state->revision,
                state->foreign ? " foreign" : "");
        reconcile_seen(a->reconcile, sim_key(key), state->digest, state->revision,
                       state->foreign ? REGISTRY_FOREIGN : REGISTRY_OURS);
    } else {
        sim_say(s, "  gone %s@%lld", sim_key(key), (long long)as_of);
        reconcile_seen_gone(a->reconcile, sim_key(key), as_of);
    }
}

static void set_complete(struct sim *s, bool complete)
{
    s->agent.seen_complete = complete;
    reconcile_seen_complete(s->agent.reconcile, complete);
}

static void begin_listing(struct sim *s)
{
    struct store *st = &s->store;
    s->n.relists++;
    st->phase = STORE_LISTING;
    st->listed = 0;
    st->n_news = 0; /* all of it is in the listing */
    memcpy(st->snapshot, st->keys, sizeof(st->keys));
    s->agent.listing++;
    s->agent.seen_complete = false;
    reconcile_seen_begin(s->agent.reconcile);
    sim_say(s, "store lists at %lld", (long long)st->revision);
}

static void go_down(struct sim *s)
{
    s->store.phase = STORE_DOWN;
    set_complete(s, false);
    sim_say(s, "store down");
}

/* ---- changes ---- */

static void changed(struct sim *s, size_t key)
{
    struct store *st = &s->store;
    st->keys[key].changed = ++st->revision;
    if (st->keys[key].present) {
        st->keys[key].revision = st->revision;
    }
    if (st->phase == STORE_DOWN) {
        return; /* nobody watches; the listing will have it */
    }
    if (st->n_news == STORE_NEWS) {
        go_down(s); /* compacted: list again */
        return;
    }
    st->news[st->n_news++] = (struct store_news){.key = key, .state = st->keys[key]};
}

static void remove_key(struct sim *s, size_t key)
{
    s->store.keys[key].present = false;
    changed(s, key);
}

static void put_key(struct sim *s, size_t key, uint64_t digest, bool foreign)
{
    struct store_key *k = &s->store.keys[key];
    k->present = true;
    k->foreign = foreign;
    k->digest = digest;
    changed(s, key);
}

static void lose_lease(struct sim *s)
{
    s->n.leases_lost++;
    s->store.lease++;
    sim_say(s, "lease lost");
    for (size_t i = 0; i < STORE_KEYS; i++) {
        if (s->store.keys[i].present && !s->store.keys[i].foreign) {
            remove_key(s, i);
        }
    }
    go_down(s);
}

/* A restored backup: an older state, with older revisions. */
static void roll_back(struct sim *s)
{
    struct store *st = &s->store;
    s->n.rollbacks++;
    st->lease++;
    st->revision = 1 + (int64_t)sim_below(s, 20);
    sim_say(s, "rolled back to %lld", (long long)st->revision);
    for (size_t i = 0; i < STORE_KEYS; i++) {
        struct store_key *k = &st->keys[i];
        k->present = k->present && sim_chance(s, 50);
        k->digest += sim_chance(s, 30);
        k->revision = k->changed = 1 + sim_below(s, (unsigned)st->revision);
        /* not even by chance the change that the agent was told of last */
        s->agent.told_revision[i] = -1;
    }
    go_down(s);
}

static void stranger(struct sim *s)
{
    size_t key = sim_below(s, STORE_KEYS);
    struct store_key *k = &s->store.keys[key];
    sim_say(s, "stranger at %s", sim_key(key));
    if (!k->present && sim_chance(s, 60)) {
        s->n.foreign_keys++;
        put_key(s, key, sim_random(s), true);
    } else if (!k->present) {
        s->n.strays++; /* left behind by an earlier run of ours */
        put_key(s, key, sim_random(s), false);
    } else if (sim_chance(s, 50)) {
        s->n.altered_by_strangers++;
        remove_key(s, key);
    } else {
        s->n.altered_by_strangers++;
        put_key(s, key, sim_random(s), k->foreign);
    }
}

void store_fault(struct sim *s)
{
    unsigned what = sim_below(s, 100);
    if (what < 70) {
        stranger(s);
    } else if (what < 76) {
        lose_lease(s);
    } else if (what < 78) {
        roll_back(s);
    } else if (what < 88 && s->store.phase == STORE_READY) {
        s->n.short_absences++;
        s->store.phase = STORE_AWAY;
        set_complete(s, false);
        sim_say(s, "store away");
    } else if (what < 93 && s->store.phase == STORE_READY) {
        begin_listing(s); /* the watch broke, nothing else */
    } else {
        go_down(s);
    }
}

void store_release_foreign(struct sim *s)
{
    for (size_t i = 0; i < STORE_KEYS; i++) {
        if (s->store.keys[i].present && s->store.keys[i].foreign) {
            remove_key(s, i);
        }
    }
}

/* ---- batches ---- */

void store_submit(struct sim *s, const struct reconcile_op *ops, size_t n)
{
    struct store *st = &s->store;
    must(st->n_batch == 0);
    unsigned luck = s->calm ? 0 : sim_below(s, 100);
    st->fate = luck < 80   ? FATE_DONE
               : luck < 88 ? FATE_FAILED
               : luck < 96 ? FATE_DONE_BUT_FAILED
                           : FATE_CANCELLED;
    st->n_batch = n;
    st->batch_applied = false;
    st->batch_lease = st->lease;
    st->batch_listing = s->agent.listing;
    for (size_t i = 0; i < n; i++) {
        size_t key = sim_key_index(ops[i].key);
        st->batch[i] = (struct store_op){.kind = ops[i].kind,
                                         .key = key,
                                         .digest = s->agent.digest[key],
                                         .revision = ops[i].revision};
        s->n.probes += st->keys[key].present && st->keys[key].foreign;
        sim_say(s, "%s %s@%lld", ops[i].kind == REGISTRY_PUT ? "put" : "delete", ops[i].key,
                (long long)ops[i].revision);
    }
}

static void apply(struct sim *s, struct store_op *op)
{
    struct store_key *k = &s->store.keys[op->key];
    if (op->kind == REGISTRY_PUT && world_is_poison(op->digest)) {
        op->result.class = ERR_INVALID;
        s->n.refused++;
        return;
    }
    if (op->revision != (k->present ? k->revision : 0)) {
        op->result.class = ERR_CONFLICT;
        return;
    }
    if (k->present && k->foreign) {
        sim_fail(s, "%s was foreign, and is overwritten or deleted", sim_key(op->key));
    }
    if (op->kind == REGISTRY_PUT) {
        s->n.puts++;
        s->n.takeovers += k->foreign;
        put_key(s, op->key, op->digest, false);
        op->result.revision = k->revision;
    } else {
        s->n.deletes++;
        remove_key(s, op->key);
    }
    op->applied = k->changed;
}

static void apply_batch(struct sim *s)
{
    struct store *st = &s->store;
    st->batch_applied = true;
    if (st->lease != st->batch_lease && st->fate != FATE_CANCELLED) {
        st->fate = FATE_FAILED; /* its lease is unknown by now */
    }
    for (size_t i = 0; i < st->n_batch; i++) {
        if (st->fate == FATE_DONE || st->fate == FATE_DONE_BUT_FAILED) {
            apply(s, &st->batch[i]);
        }
    }
}

static enum err_class failure(struct sim *s)
{
    static const enum err_class classes[] = {ERR_TRANSIENT, ERR_THROTTLED, ERR_AUTH, ERR_BUG};
    return classes[sim_below(s, 4)];
}

static void end_batch(struct sim *s)
{
    struct store *st = &s->store;
    struct registry_result results[AGENT_BATCH];
    enum err_class failed = st->fate == FATE_CANCELLED ? ERR_CANCELLED : failure(s);
    size_t n = st->n_batch;
    for (size_t i = 0; i < n; i++) {
        struct store_op *op = &st->batch[i];
        if (st->fate != FATE_DONE) {
            op->result = (struct registry_result){.class = failed};
        } else if (op->result.class == ERR_CONFLICT) {
            s->n.conflicts++;
            tell(s, op->key, &st->keys[op->key], st->revision);
        } else if (op->applied && st->batch_listing == s->agent.listing) {
            s->agent.told_revision[op->key] = op->applied;
        }
        results[i] = op->result;
    }
    s->n.failed_unapplied += st->fate == FATE_FAILED;
    s->n.failed_applied += st->fate == FATE_DONE_BUT_FAILED;
    s->n.cancelled += st->fate == FATE_CANCELLED;
    sim_say(s, "batch ended, %s", st->fate == FATE_DONE ? "done" : err_class_name(failed));
    st->n_batch = 0;
    reconcile_result(s->agent.reconcile, s->now, results, n);
}

/* ---- progress ---- */

static bool batch_progress(struct sim *s)
{
    if (s->store.n_batch == 0) {
        return false;
    }
    if (!s->store.batch_applied) {
        apply_batch(s);
    } else {
        end_batch(s);
    }
    return true;
}

static bool watch_progress(struct sim *s)
{
    struct store *st = &s->store;
    if (st->n_news == 0) {
        return false;
    }
    struct store_news news = st->news[0];
    memmove(st->news, st->news + 1, --st->n_news * sizeof(st->news[0]));
    tell(s, news.key, &news.state, news.state.changed);
    return true;
}

static void list_progress(struct sim *s)
{
    struct store *st = &s->store;
    for (unsigned n = 1 + sim_below(s, 12); n > 0 && st->listed < STORE_KEYS; st->listed++) {
        if (st->snapshot[st->listed].present) {
            tell(s, st->listed, &st->snapshot[st->listed], 0);
            n--;
        } else {
            s->agent.told_revision[st->listed] = st->snapshot[st->listed].changed;
        }
    }
    if (st->listed == STORE_KEYS) {
        st->phase = STORE_READY;
        set_complete(s, true);
        sim_say(s, "store ready");
    }
}

bool store_progress(struct sim *s)
{
    switch (s->store.phase) {
    case STORE_DOWN:
        if (sim_chance(s, 50)) {
            return batch_progress(s) || !s->calm;
        }
        begin_listing(s);
        return true;
    case STORE_LISTING:
        if (sim_chance(s, 30) && batch_progress(s)) {
            return true;
        }
        list_progress(s);
        return true;
    case STORE_AWAY:
        if (sim_chance(s, 50) && batch_progress(s)) {
            return true;
        }
        s->store.phase = STORE_READY;
        set_complete(s, true);
        sim_say(s, "store back");
        return true;
    case STORE_READY:
        break;
    }
    return sim_chance(s, 50) ? batch_progress(s) || watch_progress(s)
                             : watch_progress(s) || batch_progress(s);
}

void store_init(struct sim *s)
{
    struct store *st = &s->store;
    st->revision = 1;
    st->phase = STORE_DOWN;
    /* what an earlier run and others left behind */
    for (unsigned n = sim_below(s, 10); n > 0; n--) {
        put_key(s, sim_below(s, STORE_KEYS), sim_random(s), sim_chance(s, 30));
    }
}
