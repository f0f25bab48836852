/*
 * Listings: GET /v1/agent/services and /v1/agent/checks, side by side.
 *
 *   IDLE ──begin──► RUNNING ──both answered──► applied, IDLE
 *     ▲  after a moment │  └─one failed──► consul_writer_lost()
 *     └──── again ◄─────┘ something changed meanwhile
 *
 * Happy path: both are decoded together, and compared with what is known: the first time everything that
 * counts is told between begin and ready, later only what differs.
 * Failure modes: a service with a write of ours in flight, or one that ended after the listing began, is
 * passed over; another listing follows when its batch has ended. An answer that makes no sense is a failure as any other.
 * Reasons to list come in bursts (each registration changes the node): the first one of a burst waits for
 * a moment, and takes the others along.
 */
#include "registry/consul_writer.h"

#include "base/alloc.h"
#include "base/must.h"

#include <errno.h>

#define LIST_TIMEOUT 5000u
#define LIST_MAX     (64u * 1024 * 1024)
#define GATHER       100u /* reasons of so long are one */

static void list_start(struct registry_writer *w)
{
    struct consul_list *l = &w->list;
    must(!l->running);
    l->running = true;
    l->again = false;
    l->failed = false;
    l->began = ++w->event;
    consul_call_start(&w->client, &l->services,
                      &(struct consul_call_spec){.method = HTTP_GET,
                                                 .path = "/v1/agent/services",
                                                 .timeout = LIST_TIMEOUT,
                                                 .body_max = LIST_MAX});
    consul_call_start(&w->client, &l->checks,
                      &(struct consul_call_spec){.method = HTTP_GET,
                                                 .path = "/v1/agent/checks",
                                                 .timeout = LIST_TIMEOUT,
                                                 .body_max = LIST_MAX});
}

/* ---- when ---- */

static void on_list_timer(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, list.timer);
    if (w->state != CONSUL_WRITER_S_READY) {
        return;
    }
    if (w->list.running) {
        w->list.again = true;
    } else {
        list_start(w);
    }
}

void consul_writer_list_begin(struct registry_writer *w)
{
    must(w->state == CONSUL_WRITER_S_LIST);
    list_start(w);
}

void consul_writer_list_soon(struct registry_writer *w)
{
    struct consul_list *l = &w->list;
    if (w->state != CONSUL_WRITER_S_READY) {
        return;
    }
    if (l->running) {
        l->again = true;
    } else if (!l->timer.armed || l->timer.due > io_now(w->io) + GATHER) {
        io_timer_start(w->io, &l->timer, GATHER, on_list_timer);
    }
}

/* In how long a listing has something to say of a contested service, however little changes. */
static msec_t next_contested(const struct registry_writer *w)
{
    const struct consul_known *k, *tmp;
    msec_t now = io_now(w->io), next = MSEC_NEVER;
    HASH_ITER (hh, w->services.items, k, tmp) {
        msec_t due = consul_known_due(k, now);
        next = due == 0 ? next : msec_min(next, due > now ? due - now : GATHER);
    }
    return next;
}

void consul_writer_list_plan(struct registry_writer *w)
{
    struct consul_list *l = &w->list;
    msec_t ttl = (msec_t)w->ttl_s * MSEC_PER_SEC;
    msec_t due = consul_writer_hint_works(w) ? 2 * ttl : ttl / 3;
    due = msec_min(due, next_contested(w));
    if (w->state == CONSUL_WRITER_S_READY && !l->running &&
        (!l->timer.armed || l->timer.due > io_now(w->io) + GATHER)) {
        io_timer_start(w->io, &l->timer, due, on_list_timer);
    }
}

void consul_writer_list_stop(struct registry_writer *w)
{
    io_timer_stop(&w->list.timer);
    consul_call_cancel(&w->list.services);
    consul_call_cancel(&w->list.checks);
}

/* ---- what ---- */

/* What the listing has of it may be older than what we did to it. The end of its batch asks again. */
static bool overlapped(const struct registry_writer *w, const struct consul_known *k)
{
    return k->in_flight || k->touched > w->list.began;
}

/* False when the writer has been closed by who was told. */
static bool take_item(struct registry_writer *w, const struct consul_listed *item, bool fresh)
{
    struct consul_known *k = consul_known_add(&w->services, item->id);
    k->listing = w->list.number;
    if (overlapped(w, k)) {
        return true;
    }
    consul_writer_tell(
        w, k, consul_known_listed(k, true, item->digest, item->owner, fresh, io_now(w->io)));
    return w->state != CONSUL_WRITER_S_CLOSING;
}

/* Those that are known and were not listed. */
static bool take_absent(struct registry_writer *w, bool fresh)
{
    struct consul_known *k, *tmp;
    HASH_ITER (hh, w->services.items, k, tmp) {
        if (k->listing == w->list.number || overlapped(w, k)) {
            continue;
        }
        consul_writer_tell(
            w, k, consul_known_listed(k, false, 0, REGISTRY_FOREIGN, fresh, io_now(w->io)));
        if (w->state == CONSUL_WRITER_S_CLOSING) {
            return false;
        }
        consul_known_drop(&w->services, k, io_now(w->io));
    }
    return true;
}

/* Somebody else is at work, or has stopped. False when the writer has been closed by who was told. */
static bool tell_contested(struct registry_writer *w)
{
    const struct consul_known *k, *tmp, *first = NULL;
    size_t n = 0;
    struct err why = ERR_INIT;
    HASH_ITER (hh, w->services.items, k, tmp) {
        if (consul_known_contested(k)) {
            first = first ? first : k;
            n++;
        }
    }
    if (n == 0) {
        consul_writer_trouble(w, CONSUL_TROUBLE_OTHERS, NULL);
    } else {
        const char *others = n > 1 ? " and others" : "";
        if (first->in_vain) {
            err_set(&why, ERR_CONFLICT, -EEXIST,
                    "Consul does not show %.70s%s as registered: is there another agent with node "
                    "name %.60s, or may the token not read it?",
                    first->id, others, w->node);
        } else {
            err_set(
                &why, ERR_CONFLICT, -EEXIST,
                "somebody else writes or removes %.70s%s in Consul: is there another agent with "
                "node name %.60s? give each its own --node",
                first->id, others, w->node);
        }
        consul_writer_trouble(w, CONSUL_TROUBLE_OTHERS, &why);
    }
    return w->state != CONSUL_WRITER_S_CLOSING;
}

static void apply(struct registry_writer *w, const struct consul_listing *listing)
{
    bool fresh = w->state == CONSUL_WRITER_S_LIST;
    bool open = true;
    w->list.number++;
    if (fresh) {
        w->events->begin(w->ctx);
        open = w->state != CONSUL_WRITER_S_CLOSING;
    }
    for (size_t i = 0; i < listing->n && open; i++) {
        open = take_item(w, &listing->items[i], fresh);
    }
    open = open && take_absent(w, fresh) && tell_contested(w);
    if (!open) {
        return;
    }
    if (!w->dry_run) {
        consul_writer_ttl_listed(w, listing);
    }
    if (w->state == CONSUL_WRITER_S_CLOSING) {
        return;
    }
    if (fresh) {
        consul_writer_listed(w);
    } else if (w->list.again) {
        consul_writer_list_soon(w);
    } else {
        consul_writer_list_plan(w);
    }
}

static void list_end(struct registry_writer *w)
{
    struct consul_list *l = &w->list;
    struct consul_listing listing = CONSUL_LISTING_NULL;
    struct err why = l->why;
    bool wanted = w->state == CONSUL_WRITER_S_LIST || w->state == CONSUL_WRITER_S_READY;
    l->running = false;
    int r = l->failed ? -1 : 0;
    if (wanted && r == 0) {
        r = consul_listing_decode(&listing, &w->owner, buf_str(&l->services_body),
                                  l->services_body.len, buf_str(&l->checks_body),
                                  l->checks_body.len, &why);
    }
    buf_deinit(&l->services_body);
    buf_deinit(&l->checks_body);
    if (wanted && r == 0) {
        apply(w, &listing);
        consul_listing_deinit(&listing);
    } else if (wanted) {
        consul_writer_lost(w, &why);
    }
}

static void take_body(struct registry_writer *w, const struct consul_reply *reply, struct buf *body)
{
    struct consul_list *l = &w->list;
    if (reply->err.class == ERR_NONE) {
        buf_append(body, reply->body, reply->len);
    } else if (!l->failed) {
        l->failed = true;
        l->why = reply->err;
        consul_call_cancel(&l->services);
        consul_call_cancel(&l->checks);
    }
    if (!consul_call_running(&l->services) && !consul_call_running(&l->checks)) {
        list_end(w);
    }
}

static void on_services(struct consul_call *call, const struct consul_reply *reply)
{
    struct registry_writer *w = container_of(call, struct registry_writer, list.services);
    take_body(w, reply, &w->list.services_body);
}

static void on_checks(struct consul_call *call, const struct consul_reply *reply)
{
    struct registry_writer *w = container_of(call, struct registry_writer, list.checks);
    take_body(w, reply, &w->list.checks_body);
}

void consul_writer_list_init(struct registry_writer *w)
{
    struct consul_list *l = &w->list;
    buf_init(&l->services_body, LIST_MAX);
    buf_init(&l->checks_body, LIST_MAX);
    l->services.done = on_services;
    l->checks.done = on_checks;
}

void consul_writer_list_deinit(struct registry_writer *w)
{
    buf_deinit(&w->list.services_body);
    buf_deinit(&w->list.checks_body);
}
