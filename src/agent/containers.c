/*
 * What the agent knows of each container, and what it makes of it.
 *
 * Happy path: an upsert replaces the container's description, mapping turns it into services, desired
 * turns those into wanted keys. Containers that share another's network are mapped again when that one
 * changes.
 *
 * Draining: a container that was told to stop loses its services at once. The next start clears that;
 * a container that is still up when its stop timeout has passed lives on and is registered again.
 *
 * A container that failed may keep its services (deregister on-success), for good or for a time: a new
 * start ends that, and so does its removal.
 *
 * Failure modes: a label or variable that makes no sense is logged with the container's name, once per
 * content, and costs only what it names. A container that a listing lacks is only marked missing here;
 * sync.c decides when that is believed.
 *
 * It writes nothing to a registry and asks nothing of the engine but a fresh look at a container.
 */
#include "agent/internal.h"

#include <signal.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"

/* The engine kills a container that did not stop in time; its end is seen within moments. */
#define DRAIN_GRACE_MS 1000u
#define DRAIN_KILL_MS  5000u

void agent_containers_init(struct agent *a)
{
    a->containers = NULL;
    a->sharers = NULL;
    a->draining = NULL;
    a->kept = NULL;
}

static struct agent_container *find(const struct agent *a, const char *id)
{
    struct agent_container *e = NULL;
    HASH_FIND_STR(a->containers, id, e);
    return e;
}

/* ---- mapping ---- */

static void warn_once(struct agent_container *e, const struct mapping_result *r)
{
    uint64_t digest = 0;
    for (size_t i = 0; i < r->n_warnings; i++) {
        digest = hash64_more(digest, r->warnings[i], strlen(r->warnings[i]) + 1);
    }
    if (digest == e->warned) {
        return;
    }
    e->warned = digest;
    for (size_t i = 0; i < r->n_warnings; i++) {
        log_warn("skipped what a container says", "container", e->c->s.name, "reason",
                 r->warnings[i], NULL);
    }
}

/* What the registry cannot hold of a container's services, to be logged once per content. */
struct refusals {
    struct arena *arena;
    struct refusal {
        const struct service *svc;
        const char *reason;
        bool partly;
    } * items;
    size_t n;
    uint64_t digest;
};

static void refuse(struct refusals *f, const struct service *svc, bool partly,
                   const struct err *err)
{
    f->items[f->n++] =
        (struct refusal){.svc = svc, .reason = arena_strdup(f->arena, err->msg), .partly = partly};
    f->digest = hash64_more(f->digest, err->msg, strlen(err->msg) + 1);
}

static void warn_refusals(struct agent_container *e, const struct refusals *f)
{
    if (f->digest == e->refused) {
        return;
    }
    e->refused = f->digest;
    for (size_t i = 0; i < f->n; i++) {
        const struct refusal *x = &f->items[i];
        log_warn(x->partly ? "registered without what the registry cannot hold"
                           : "skipped a service",
                 "container", e->c->s.name, "service", x->svc->s.name, "id", x->svc->s.id, "reason",
                 x->reason, NULL);
    }
}

/* Key of each service in the registry's own form; a service it cannot hold is named and left out. */
static size_t make_claims(struct agent *a, struct agent_container *e,
                          const struct mapping_result *r, struct desired_claim *claims,
                          struct arena *keys)
{
    size_t n = 0;
    struct refusals refusals = {
        .arena = keys, .items = arena_alloc(keys, r->n_services * sizeof(*refusals.items) + 1)};
    for (size_t i = 0; i < r->n_verdicts; i++) {
        struct service *svc = r->verdicts[i].service;
        if (!svc) {
            continue;
        }
        struct buf key = BUF_INIT(AGENT_KEY_MAX), value = BUF_INIT(AGENT_VALUE_MAX);
        struct err err = ERR_INIT;
        uint64_t digest;
        int got = a->o.driver->writer->encode(a->writer, svc, &key, &value, &digest, &err);
        if (got != 0) {
            refuse(&refusals, svc, got > 0, &err);
        }
        if (got >= 0) {
            claims[n].key = arena_memdup0(keys, buf_str(&key), key.len);
            claims[n].service = svc;
            n++;
        }
        buf_deinit(&key);
        buf_deinit(&value);
    }
    warn_refusals(e, &refusals);
    return n;
}

/* ---- what a failed container leaves ---- */

static void kept_expired(struct io_timer *t);

static void arm_kept_timer(struct agent *a)
{
    msec_t due = MSEC_NEVER;
    struct agent_container *e;
    DL_FOREACH2(a->kept, e, kept_next)
    {
        due = msec_min(due, e->kept_until);
    }
    if (due == MSEC_NEVER) {
        io_timer_stop(&a->kept_timer);
        return;
    }
    msec_t now = io_now(a->io);
    io_timer_start(a->io, &a->kept_timer, due > now ? due - now : 0, kept_expired);
}

static void keep_begin(struct agent *a, struct agent_container *e)
{
    if (e->kept_until) {
        return;
    }
    e->kept_until = MSEC_NEVER;
    if (a->o.stopped_ttl && desired_claims_of(a->desired, e->id) > 0) {
        e->kept_until = io_now(a->io) + a->o.stopped_ttl;
        DL_APPEND2(a->kept, e, kept_prev, kept_next);
        arm_kept_timer(a);
        log_info("failed, its services stay for a while", "container", e->c->s.name, "seconds",
                 LOG_U(a->o.stopped_ttl / MSEC_PER_SEC), NULL);
    }
}

static void keep_end(struct agent *a, struct agent_container *e)
{
    if (e->kept_until != 0 && e->kept_until != MSEC_NEVER) {
        DL_DELETE2(a->kept, e, kept_prev, kept_next);
        arm_kept_timer(a);
    }
    e->kept_until = 0;
}

static void kept_expired(struct io_timer *t)
{
    struct agent *a = container_of(t, struct agent, kept_timer);
    msec_t now = io_now(a->io);
    struct agent_container *e, *next;
    DL_FOREACH_SAFE2(a->kept, e, next, kept_next)
    {
        if (e->kept_until <= now) {
            DL_DELETE2(a->kept, e, kept_prev, kept_next);
            e->kept_until = MSEC_NEVER;
            desired_set(a->desired, e->id, NULL, 0);
        }
    }
    arm_kept_timer(a);
}

static void map(struct agent *a, struct agent_container *e)
{
    if (!a->writer) {
        return; /* agent_containers_map_all() follows once there is one */
    }
    if (e->drain_until) {
        desired_set(a->desired, e->id, NULL, 0);
        return;
    }
    const char *peer_id = mapping_peer_id(e->c);
    const struct agent_container *peer = peer_id ? find(a, peer_id) : NULL;
    struct mapping_result result;
    mapping_map(&a->o.mapping, e->c, peer ? peer->c : NULL, &result);
    warn_once(e, &result);
    if (result.keep_stopped) {
        keep_begin(a, e);
    } else {
        keep_end(a, e);
        struct arena keys = ARENA_NULL;
        CLEANUP_FREE struct desired_claim *claims =
            result.n_services ? xcalloc(result.n_services, sizeof(*claims)) : NULL;
        size_t n = make_claims(a, e, &result, claims, &keys);
        desired_set(a->desired, e->id, claims, n);
        arena_deinit(&keys);
    }
    mapping_result_deinit(&result);
}

static void map_sharers(struct agent *a, const char *id)
{
    struct agent_container *e;
    DL_FOREACH2(a->sharers, e, share_next)
    {
        if (streq(mapping_peer_id(e->c), id)) {
            map(a, e);
        }
    }
}

void agent_containers_map_all(struct agent *a)
{
    for (struct agent_container *e = a->containers; e; e = e->hh.next) {
        map(a, e);
    }
}

/* ---- draining ---- */

static void drain_expired(struct io_timer *t);

static void arm_drain_timer(struct agent *a)
{
    msec_t due = MSEC_NEVER;
    struct agent_container *e;
    DL_FOREACH2(a->draining, e, drain_next)
    {
        due = msec_min(due, e->drain_until);
    }
    if (due == MSEC_NEVER) {
        io_timer_stop(&a->drain_timer);
        return;
    }
    msec_t now = io_now(a->io);
    io_timer_start(a->io, &a->drain_timer, due > now ? due - now : 0, drain_expired);
}

static void drain_begin(struct agent *a, struct agent_container *e, msec_t until)
{
    if (!e->drain_until) {
        DL_APPEND2(a->draining, e, drain_prev, drain_next);
    }
    e->drain_until = until;
    e->drain_over = false;
    arm_drain_timer(a);
}

static void drain_end(struct agent *a, struct agent_container *e)
{
    if (e->drain_until) {
        DL_DELETE2(a->draining, e, drain_prev, drain_next);
        e->drain_until = 0;
        arm_drain_timer(a);
    }
}

/* The stop timeout has passed without a death: look again, the upsert that follows decides. */
static void drain_expired(struct io_timer *t)
{
    struct agent *a = container_of(t, struct agent, drain_timer);
    msec_t now = io_now(a->io);
    struct agent_container *e;
    DL_FOREACH2(a->draining, e, drain_next)
    {
        if (e->drain_until <= now) {
            e->drain_over = true;
            e->drain_until = now + DRAIN_KILL_MS; /* asked again if no answer comes */
            docker_watch_refresh(a->watch, e->id);
        }
    }
    arm_drain_timer(a);
}

/* Whether what the engine says of e now ends its draining. */
static bool drain_settled(const struct agent_container *e, const struct container *now)
{
    return !now->s.running || !streq(now->s.started_at, e->c->s.started_at) || e->drain_over;
}

void agent_container_told_to_stop(struct agent *a, const char *id, int signal)
{
    struct agent_container *e = find(a, id);
    if (!a->o.drain || !e || !e->c->s.running || !mapping_signal_stops(e->c, signal)) {
        return;
    }
    if (!e->drain_until && desired_claims_of(a->desired, id) > 0) {
        log_info("draining", "container", e->c->s.name, "signal", LOG_U(signal), NULL);
    }
    msec_t patience = signal == SIGKILL
                          ? DRAIN_KILL_MS
                          : (msec_t)e->c->s.stop_timeout_s * MSEC_PER_SEC + DRAIN_GRACE_MS;
    drain_begin(a, e, io_now(a->io) + patience);
    map(a, e);
}

/* ---- what the watch reports ---- */

static void set_sharing(struct agent *a, struct agent_container *e)
{
    bool sharing = mapping_peer_id(e->c) != NULL;
    if (sharing && !e->sharing) {
        DL_APPEND2(a->sharers, e, share_prev, share_next);
    } else if (!sharing && e->sharing) {
        DL_DELETE2(a->sharers, e, share_prev, share_next);
    }
    e->sharing = sharing;
}

void agent_container_upsert(struct agent *a, struct container *take_c)
{
    CLEANUP_CONTAINER struct container *c = take_c;
    struct agent_container *e = find(a, c->s.id);
    if (!e) {
        e = xcalloc(1, sizeof(*e));
        must(str_copy(e->id, sizeof(e->id), c->s.id));
        HASH_ADD_STR(a->containers, id, e);
    } else if (e->drain_until && drain_settled(e, c)) {
        if (c->s.running && streq(c->s.started_at, e->c->s.started_at)) {
            log_info("told to stop but lives on, registering it again", "container", c->s.name,
                     NULL);
        }
        drain_end(a, e);
    }
    container_free(e->c);
    e->c = take_ptr(c);
    e->missing = false;
    set_sharing(a, e);
    map(a, e);
    map_sharers(a, e->id);
}

static void drop(struct agent *a, struct agent_container *e)
{
    desired_set(a->desired, e->id, NULL, 0);
    drain_end(a, e);
    keep_end(a, e);
    if (e->sharing) {
        DL_DELETE2(a->sharers, e, share_prev, share_next);
    }
    HASH_DEL(a->containers, e);
    map_sharers(a, e->id);
    container_free(e->c);
    free(e);
}

void agent_container_gone(struct agent *a, const char *id, bool listed)
{
    struct agent_container *e = find(a, id);
    if (!e) {
        return;
    }
    if (listed) {
        e->missing = true; /* until agent_containers_drop_missing(), or until it is seen again */
    } else {
        drop(a, e);
    }
}

size_t agent_containers_missing(const struct agent *a)
{
    size_t n = 0;
    for (const struct agent_container *e = a->containers; e; e = e->hh.next) {
        n += e->missing ? desired_claims_of(a->desired, e->id) : 0;
    }
    return n;
}

void agent_containers_drop_missing(struct agent *a)
{
    struct agent_container *e, *next;
    HASH_ITER (hh, a->containers, e, next) {
        if (e->missing) {
            drop(a, e);
        }
    }
}

void agent_containers_deinit(struct agent *a)
{
    io_timer_stop(&a->drain_timer);
    io_timer_stop(&a->kept_timer);
    struct agent_container *e, *next;
    HASH_ITER (hh, a->containers, e, next) {
        HASH_DEL(a->containers, e);
        container_free(e->c);
        free(e);
    }
    agent_containers_init(a);
}
