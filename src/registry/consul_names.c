/*
 * The instances of each name: GET /v1/health/service/NAME.
 *
 * Happy path: a new name is asked for at once, at most ask_max at the same time. Then it is held: a
 * blocking query that wakes for this name alone. Consul takes 200 connections of one client by default,
 * and counts those of readers that have just ended until their waits end, so few names are held
 * (consul_room.c), not before the reader has lived a while, and the others rest. All that rest are asked again, by turns, whenever a service has
 * changed anywhere (consul_catalog.c) or a check has (consul_wakeup.c), and at least every now and then.
 *
 *   asked ─instances─► held, or resting
 *     └─none─► EMPTY ─no question open─► CATALOG ─still there─► AGAIN (asked) ─none─► unreadable
 *                                           └─not there─► gone            └─instances─► held
 *
 * Failure modes: no instance of a name that the catalog has. When its last instance went, the catalog
 * says so as well, maybe a moment later; when the token lacks node:read, it never does. So the catalog
 * is asked again, then the name (what is held has no say in this meanwhile, unless it brings instances).
 * What remains empty, or has an answer that is too large or makes no
 * sense, is unreadable: reported, its last instances stay, and it is asked again in each sweep, because
 * rights that change wake nobody. When every name is unreadable, that is a failure of the listing.
 * Any other failure ends the listing (consul_reader.c); the name goes to the end of the queue, so that
 * one name that always fails keeps no other from its turn.
 */
#include "base/alloc.h"
#include "base/str.h"
#include "registry/consul_health.h"
#include "registry/consul_reader.h"

#include <errno.h>
#include <string.h>

struct answer {
    struct consul_name *name;
    struct table instances;
    size_t seen; /* readable or not */
};

/* ---- names ---- */

static void name_free(struct consul_name *n)
{
    consul_question_deinit(&n->question);
    table_deinit(&n->instances);
    skipped_deinit(&n->skipped);
    free(n);
}

static void on_ended(struct consul_question *q, const struct consul_reply *reply);

struct consul_name *consul_names_add(struct registry_reader *r, const char *name)
{
    struct consul_name *n;
    size_t len = strlen(name);
    HASH_FIND(hh, r->names, name, len, n);
    if (!n) {
        n = xcalloc(1, sizeof(*n) + len + 1);
        n->reader = r;
        memcpy(n->name, name, len);
        consul_question_init(&n->question, &r->client, "/v1/health/service/", name);
        n->question.ended = on_ended;
        consul_question_due(&n->question);
        table_init(&n->instances);
        HASH_ADD(hh, r->names, name, len, n);
    }
    return n;
}

static void remove_name(struct registry_reader *r, struct consul_name *n)
{
    for (size_t i = 0; i < n->instances.n; i++) {
        r->changed |= table_remove(&r->table, n->name, n->instances.items[i]->s.id);
    }
    HASH_DEL(r->names, n);
    if (consul_question_leave(&n->question)) {
        name_free(n);
    }
}

void consul_names_prune(struct registry_reader *r)
{
    struct consul_name *n, *tmp;
    HASH_ITER (hh, r->names, n, tmp) {
        if (n->catalog != r->catalog_answers) {
            remove_name(r, n);
        }
    }
}

void consul_names_free(struct registry_reader *r)
{
    struct consul_name *n, *tmp;
    HASH_ITER (hh, r->names, n, tmp) {
        HASH_DEL(r->names, n);
        name_free(n);
    }
}

/* ---- answers ---- */

static void on_instance(void *ctx, struct service *take_svc)
{
    struct answer *a = ctx;
    a->seen++;
    table_put(&a->instances, take_svc);
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    struct answer *a = ctx;
    a->seen++;
    consul_reader_skip(a->name->reader, &a->name->skipped, key, why);
}

static void unreadable(struct consul_name *n, const struct err *why)
{
    n->why_told = n->why_told && streq(n->why.msg, why->msg);
    n->why = *why;
    n->doubt = CONSUL_DOUBT_NONE;
}

static void apply(struct consul_name *n, struct table *next)
{
    struct registry_reader *r = n->reader;
    for (size_t i = 0; i < n->instances.n; i++) {
        const char *id = n->instances.items[i]->s.id;
        if (!table_find(next, n->name, id)) {
            r->changed |= table_remove(&r->table, n->name, id);
        }
    }
    for (size_t i = 0; i < next->n; i++) {
        r->changed |= table_put(&r->table, service_ref(next->items[i]));
    }
    table_swap(&n->instances, next);
    err_reset(&n->why);
    n->why_told = false;
    n->doubt = CONSUL_DOUBT_NONE;
}

static void take_empty(struct consul_name *n)
{
    struct err why;
    if (n->why.class != ERR_NONE || (n->doubt != CONSUL_DOUBT_NONE && !n->question.asked)) {
        return; /* as before */
    }
    if (n->doubt != CONSUL_DOUBT_AGAIN) {
        n->doubt = CONSUL_DOUBT_EMPTY;
        return;
    }
    err_set(&why, ERR_AUTH, -EACCES,
            "Consul lists the service %s but shows no instance of it: the token lacks node:read",
            n->name);
    unreadable(n, &why);
}

static int take_answer(struct consul_name *n, const struct consul_reply *reply, struct err *e)
{
    struct answer a = {.name = n};
    table_init(&a.instances);
    skipped_begin(&n->skipped);
    int err =
        consul_decode_health(n->name, reply->body, reply->len, on_instance, on_skipped, &a, e);
    if (err == 0) {
        skipped_end(&n->skipped);
        if (a.seen > 0) {
            apply(n, &a.instances);
        } else {
            take_empty(n);
        }
    }
    table_deinit(&a.instances);
    return err;
}

static void to_the_end(struct registry_reader *r, struct consul_name *n)
{
    HASH_DEL(r->names, n);
    HASH_ADD(hh, r->names, name, strlen(n->name), n);
}

static void on_ended(struct consul_question *q, const struct consul_reply *reply)
{
    struct consul_name *n = container_of(q, struct consul_name, question);
    struct registry_reader *r = n->reader;
    if (q->state == CONSUL_QUESTION_S_GONE) {
        name_free(n);
        return;
    }
    if (q->cut_short) {
        consul_reader_cut_short(r);
    }
    if (!reply || !consul_reader_asks(r)) {
        consul_reader_settle(r);
        return;
    }
    struct err why = reply->err;
    if (why.class == ERR_NONE) {
        (void)take_answer(n, reply, &why);
    }
    if (why.class != ERR_NONE) {
        err_wrap(&why, "read the instances of %s", n->name);
    }
    if (why.class == ERR_INVALID || why.class == ERR_BUG) {
        unreadable(n, &why);
    } else if (why.class != ERR_NONE) {
        consul_room_failed(r, q, reply, &why);
        to_the_end(r, n);
        consul_reader_fail(r, &why);
        return;
    }
    consul_reader_settle(r);
}

/* ---- turns ---- */

/* Neither held nor asked just now; one that cannot be read rests also where it is still held. */
static bool rests(const struct consul_name *n)
{
    return n->question.state == CONSUL_QUESTION_S_RESTING &&
           (n->question.hold.state != CONSUL_HOLD_S_HELD || n->why.class != ERR_NONE);
}

void consul_names_due(struct registry_reader *r, bool rested)
{
    struct consul_name *n, *tmp;
    HASH_ITER (hh, r->names, n, tmp) {
        if (!rested || rests(n)) {
            consul_question_due(&n->question);
        }
    }
}

static void schedule_holds(struct registry_reader *r)
{
    struct consul_name *n, *tmp;
    size_t held = 0, max = consul_room_hold_max(r);
    msec_t now = io_now(r->io), from = r->listed_at + r->hold_after;
    if (r->state != CONSUL_READER_S_FOLLOWING) {
        return;
    }
    if (now < from) {
        if (r->names) {
            consul_reader_look_within(r, from - now);
        }
        return;
    }
    HASH_ITER (hh, r->names, n, tmp) {
        held += n->question.hold.state != CONSUL_HOLD_S_NONE;
    }
    HASH_ITER (hh, r->names, n, tmp) {
        if (held < max && n->why.class == ERR_NONE && n->doubt == CONSUL_DOUBT_NONE &&
            consul_reader_may_hold(r, &n->question)) {
            consul_question_hold(&n->question, consul_reader_hold_time(r));
            held++;
        }
    }
}

void consul_names_schedule(struct registry_reader *r)
{
    struct consul_name *n, *tmp;
    size_t asking = 0, max = consul_room_ask_max(r);
    schedule_holds(r);
    HASH_ITER (hh, r->names, n, tmp) {
        asking += n->question.state == CONSUL_QUESTION_S_ASKING;
    }
    HASH_ITER (hh, r->names, n, tmp) {
        if (n->question.state == CONSUL_QUESTION_S_RESTING && n->question.index == 0 &&
            n->why.class == ERR_NONE) {
            consul_question_due(&n->question);
        }
        /* not before the catalog has answered: it is the one question while Consul is out of reach */
        if (n->question.state == CONSUL_QUESTION_S_DUE && asking < max &&
            !consul_question_open(&r->catalog)) {
            consul_question_ask(&n->question);
            asking++;
        }
    }
}

void consul_names_tally(const struct registry_reader *r, struct consul_tally *ret)
{
    struct consul_tally t = {0};
    struct consul_name *n, *tmp;
    HASH_ITER (hh, r->names, n, tmp) {
        t.names++;
        t.open += consul_question_open(&n->question);
        t.doubts += n->doubt != CONSUL_DOUBT_NONE;
        t.empty += n->doubt == CONSUL_DOUBT_EMPTY;
        t.resting += rests(n);
        t.held += consul_question_held(&n->question);
        t.answered += n->question.state == CONSUL_QUESTION_S_RESTING && n->question.index > 0;
        if (n->why.class != ERR_NONE) {
            t.unreadable++;
            t.why = &n->why;
        }
    }
    *ret = t;
}

/* ---- doubts ---- */

void consul_names_ask_catalog(struct registry_reader *r)
{
    struct consul_name *n, *tmp;
    HASH_ITER (hh, r->names, n, tmp) {
        if (n->doubt == CONSUL_DOUBT_EMPTY) {
            n->doubt = CONSUL_DOUBT_CATALOG;
        }
    }
    consul_question_due(&r->catalog);
}

void consul_names_confirmed(struct registry_reader *r)
{
    struct consul_name *n, *tmp;
    HASH_ITER (hh, r->names, n, tmp) {
        if (n->doubt == CONSUL_DOUBT_CATALOG) {
            n->doubt = CONSUL_DOUBT_AGAIN;
            consul_question_due(&n->question);
        }
    }
}

void consul_names_tell_unreadable(struct registry_reader *r)
{
    struct consul_name *n, *tmp;
    HASH_ITER (hh, r->names, n, tmp) {
        if (n->why.class != ERR_NONE && !n->why_told && r->state != CONSUL_READER_S_CLOSING) {
            n->why_told = true;
            r->events->skipped(r->ctx, n->name, &n->why);
        }
    }
}
