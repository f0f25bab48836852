/*
 * The state machine of one key, and the queues that go with the states.
 *
 *             differs         issued
 *      IDLE ---------> DIRTY ---------> INFLIGHT
 *       ^ <---------    ^ |                |  done: same -> IDLE, differs again -> DIRTY
 *       |  same again   | |                |
 *       |               | |                +-- failed -----------> RETRY    backs off
 *       |               | +- somebody -----+-- somebody else's --> FOREIGN  conflict_retry
 *       |               |    else's        +-- can never be -----> REFUSED  wanted changes
 *       |               |                                            |
 *       |               +--- the wait is over -----------------------+
 *       +------------------- same again -----------------------------+
 *
 * Happy path: IDLE, DIRTY, INFLIGHT, IDLE. DIRTY is a list in order of becoming due, RETRY and FOREIGN
 * share a heap, so a step costs what is due and nothing else. Totals are kept with every change.
 *
 * A key that is neither wanted nor seen is freed as soon as it is idle; one in flight never is.
 *
 * Not here: what is written, and what a result means (reconcile.c).
 */
#include "reconcile/keys.h"

#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/must.h"

#define BIT(state) (1u << (state))

static const unsigned allowed[] = {
    [KEY_S_IDLE] = BIT(KEY_S_DIRTY),
    [KEY_S_DIRTY] = BIT(KEY_S_IDLE) | BIT(KEY_S_INFLIGHT) | BIT(KEY_S_FOREIGN),
    [KEY_S_INFLIGHT] = BIT(KEY_S_IDLE) | BIT(KEY_S_DIRTY) | BIT(KEY_S_RETRY) | BIT(KEY_S_FOREIGN) |
                       BIT(KEY_S_REFUSED),
    [KEY_S_RETRY] = BIT(KEY_S_IDLE) | BIT(KEY_S_DIRTY),
    [KEY_S_FOREIGN] = BIT(KEY_S_IDLE) | BIT(KEY_S_DIRTY),
    [KEY_S_REFUSED] = BIT(KEY_S_IDLE) | BIT(KEY_S_DIRTY),
};

static struct key *key_of_wait(struct retry_node *node)
{
    return container_of(node, struct key, wait);
}

static bool waits(enum key_state state)
{
    return state == KEY_S_RETRY || state == KEY_S_FOREIGN;
}

bool key_differs(const struct key *k)
{
    if (k->wanted) {
        return k->presence != KEY_OURS || k->seen_digest != k->want_digest;
    }
    return k->presence == KEY_OURS;
}

static bool contested(const struct key *k)
{
    return k->wanted && k->presence == KEY_FOREIGN;
}

void keys_set_state(struct keys *s, struct key *k, enum key_state state, msec_t due)
{
    must(allowed[k->state] & BIT(state));
    must(waits(state) == (due != MSEC_NEVER));
    if (k->state == KEY_S_DIRTY) {
        DL_DELETE(s->dirty, k);
    } else if (waits(k->state)) {
        retry_heap_remove(&s->waiting, &k->wait);
    }
    s->n_retry -= k->state == KEY_S_RETRY;
    s->n_retry += state == KEY_S_RETRY;
    k->state = (uint8_t)state;
    if (state == KEY_S_DIRTY) {
        DL_APPEND(s->dirty, k);
    } else if (waits(state)) {
        retry_heap_add(&s->waiting, &k->wait, due);
    }
}

struct key *keys_find(struct keys *s, const char *name)
{
    struct key *k = NULL;
    HASH_FIND(hh, s->by_name, name, strlen(name), k);
    return k;
}

struct key *keys_get(struct keys *s, const char *name)
{
    struct key *k = keys_find(s, name);
    if (k) {
        return k;
    }
    size_t len = strlen(name);
    k = xcalloc(1, sizeof(*k) + len + 1);
    memcpy(k->name, name, len + 1);
    HASH_ADD_KEYPTR(hh, s->by_name, k->name, len, k);
    return k;
}

static void key_drop(struct keys *s, struct key *k)
{
    HASH_DEL(s->by_name, k);
    free(k);
}

void keys_deinit(struct keys *s)
{
    struct key *k, *next;
    HASH_ITER (hh, s->by_name, k, next) {
        if (waits(k->state)) {
            retry_heap_remove(&s->waiting, &k->wait);
        }
        key_drop(s, k);
    }
    retry_heap_deinit(&s->waiting);
    *s = (struct keys){0};
}

void keys_change(struct keys *s, struct key *k)
{
    s->n_differ -= key_differs(k);
    s->n_ours -= k->presence == KEY_OURS;
    s->n_surplus -= k->presence == KEY_OURS && !k->wanted;
    s->n_contested -= contested(k);
    s->n_untold -= contested(k) && !k->told;
}

static void count(struct keys *s, struct key *k)
{
    k->told = k->told && contested(k);
    s->n_differ += key_differs(k);
    s->n_ours += k->presence == KEY_OURS;
    s->n_surplus += k->presence == KEY_OURS && !k->wanted;
    s->n_contested += contested(k);
    s->n_untold += contested(k) && !k->told;
}

static void settle(struct keys *s, struct key *k)
{
    bool differs = key_differs(k);
    if (differs && k->state != KEY_S_DIRTY) {
        keys_set_state(s, k, KEY_S_DIRTY, MSEC_NEVER);
    } else if (!differs) {
        k->failures = 0;
        k->conflicted = false;
        k->probe = false;
        if (k->state != KEY_S_IDLE) {
            keys_set_state(s, k, KEY_S_IDLE, MSEC_NEVER);
        }
        if (!k->wanted && k->presence == KEY_ABSENT) {
            key_drop(s, k);
        }
    }
}

void keys_changed(struct keys *s, struct key *k)
{
    count(s, k);
    switch ((enum key_state)k->state) {
    case KEY_S_INFLIGHT: /* its result looks again */
        break;
    case KEY_S_RETRY:
    case KEY_S_REFUSED: /* only peace ends the wait early */
        if (!key_differs(k)) {
            settle(s, k);
        }
        break;
    case KEY_S_FOREIGN:
        if (!contested(k)) {
            settle(s, k);
        }
        break;
    case KEY_S_IDLE:
    case KEY_S_DIRTY:
        settle(s, k);
        break;
    }
}

void keys_reopen(struct keys *s, struct key *k)
{
    must(k->state == KEY_S_INFLIGHT || k->state == KEY_S_RETRY);
    settle(s, k);
}

void keys_wake(struct keys *s, msec_t now)
{
    struct retry_node *node;
    while ((node = retry_heap_first(&s->waiting)) != NULL && node->due <= now) {
        struct key *k = key_of_wait(node);
        k->probe = k->state == KEY_S_FOREIGN;
        keys_set_state(s, k, KEY_S_DIRTY, MSEC_NEVER);
    }
}

msec_t keys_next_due(const struct keys *s)
{
    const struct retry_node *node = retry_heap_first(&s->waiting);
    return node ? node->due : MSEC_NEVER;
}
