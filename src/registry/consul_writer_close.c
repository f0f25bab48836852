/*
 * The end of a writer.
 *
 * Keeping: everything is cancelled; services and checks stay as they are, and TTL checks run out unless a
 * successor renews them in time.
 * Deregistering, within 3 s: our services are removed, several at a time. Registrations in flight are let
 * end first, as they would come after the removal otherwise; a service that may have been registered is
 * removed too.
 * Failure: what cannot be reached is tried again until the 3 s are over; what Consul refuses is left. What
 * is left is told as trouble.
 */
#include "registry/consul_writer.h"

#include "base/alloc.h"
#include "base/must.h"

#include <errno.h>

#define LEAVE_MAX   3000u
#define LEAVE_RETRY 100u

static void leave_next(struct registry_writer *w);

static void on_closed(void *ctx)
{
    struct registry_writer *w = ctx;
    void (*closed)(void *) = w->closed;
    void *closed_ctx = w->closed_ctx;
    consul_writer_ttl_deinit(w);
    consul_writer_list_deinit(w);
    consul_known_deinit(&w->services);
    arena_deinit(&w->batch.arena);
    for (size_t i = 0; i < ARRAY_LEN(w->slots); i++) {
        arena_deinit(&w->slots[i].arena);
    }
    free(w->hint.node);
    free(w->node);
    free(w->id_host);
    w->magic = 0;
    free(w);
    closed(closed_ctx);
}

/* Nobody looks after them any more, and only those with a TTL check turn critical. */
static void tell_left(struct registry_writer *w)
{
    struct consul_known *k, *tmp;
    struct err why = w->leave_why;
    size_t left = 0;
    HASH_ITER (hh, w->services.items, k, tmp) {
        left += (k->exists && k->owner == REGISTRY_OURS) || k->in_flight;
    }
    if (left == 0) {
        return;
    }
    if (why.class == ERR_NONE) {
        err_set(&why, ERR_TRANSIENT, -ETIMEDOUT, "no answer within %u s", LEAVE_MAX / MSEC_PER_SEC);
    }
    err_wrap(&why, "%zu of %zu services are left in Consul", left, w->leave_removed + left);
    consul_writer_trouble(w, CONSUL_TROUBLE_LEFT, &why);
}

static void leave_end(struct registry_writer *w)
{
    io_timer_stop(&w->timer);
    io_timer_stop(&w->deadline);
    consul_client_close(&w->client, on_closed, w);
}

static void on_deadline(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, deadline);
    w->leave_over = true;
    tell_left(w);
    leave_end(w);
}

static void on_leave_timer(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, timer);
    struct consul_known *k, *tmp;
    HASH_ITER (hh, w->services.items, k, tmp) {
        k->left = false;
    }
    leave_next(w);
}

static bool to_be_removed(const struct consul_known *k)
{
    return k->exists && k->owner == REGISTRY_OURS && !k->in_flight && !k->left;
}

static void leave_next(struct registry_writer *w)
{
    struct consul_known *k, *tmp;
    HASH_ITER (hh, w->services.items, k, tmp) {
        struct consul_slot *s = consul_slot_free(w);
        if (!s) {
            return; /* the end of another one comes here */
        }
        if (to_be_removed(k)) {
            consul_slot_remove(s, k);
        }
    }
    if (!consul_slot_idle(w)) {
        return;
    }
    if (w->leave_failed) {
        w->leave_failed = false;
        io_timer_start(w->io, &w->timer, LEAVE_RETRY, on_leave_timer);
    } else {
        tell_left(w);
        leave_end(w);
    }
}

void consul_writer_left(struct registry_writer *w, struct consul_known *k, bool removal,
                        const struct consul_reply *reply)
{
    bool done = reply->err.class == ERR_NONE || consul_reply_unknown(reply);
    k->in_flight = false;
    if (w->leave_over) {
        return;
    }
    if (!removal) { /* a registration, whatever came of it */
        k->exists = true;
        k->owner = REGISTRY_OURS;
    } else if (done) {
        k->exists = false;
        w->leave_removed++;
    } else {
        k->left = true;
        if (w->leave_why.class == ERR_NONE) {
            w->leave_why = reply->err;
        }
        w->leave_failed =
            w->leave_failed || (reply->err.class != ERR_AUTH && reply->err.class != ERR_INVALID);
    }
    leave_next(w);
}

void consul_writer_close(struct registry_writer *w, bool deregister, void (*done)(void *ctx),
                         void *ctx)
{
    w->closed = done;
    w->closed_ctx = ctx;
    consul_writer_closing(w);
    io_timer_stop(&w->timer);
    io_defer_drop(&w->batch.begin);
    consul_writer_list_stop(w);
    consul_writer_hint_stop(w);
    consul_writer_ttl_stop(w);
    if (!deregister || w->dry_run) {
        w->leave_over = true;
        leave_end(w);
        return;
    }
    io_timer_start(w->io, &w->deadline, LEAVE_MAX, on_deadline);
    leave_next(w);
}
