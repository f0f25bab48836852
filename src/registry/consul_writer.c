/*
 * The Consul writer: services of one agent, their TTL checks, and a look at the agent now and then.
 *
 *              ┌── the agent answers no more, or with an error ──┐
 *              ▼                                                 │
 *   open ─► BACKOFF ──due, no batch in flight──► LIST ─► READY ──┤
 *              ▲                                  │              │
 *              └────────── it failed ─────────────┘              └─ write(): in READY only
 *   any of them ──close──► CLOSING
 *
 * Happy path. LIST reads the agent's services and checks, and everything that counts is told. In READY,
 * listings are repeated when a blocking query says that something happened to the node or its checks, when
 * that query breaks (Consul has gone), after own writes, and every 2 TTLs anyhow (a third of the TTL where
 * one of these queries does not work); only what differs is told. TTL checks are renewed all the while.
 *
 * Failure modes. Consul lost everything (-dev, new data folder): the query breaks, LIST succeeds when it
 * is back and shows nothing, so all is registered again. Consul lost one service, or somebody removed or
 * changed it: the next listing says so. A check that is not known any more: a listing at once.
 * Rights: Consul answers reads without the right to with less (an empty listing), never with an error. To
 * register a service needs service:write, which includes the right to read that service and its checks,
 * so what we can write we also see, and what we cannot see fails with 403 when written. Should a service
 * that was registered still not show up, or show up otherwise, it is registered once more, and that is
 * repeated after a minute (consul_known.h).
 *
 * Consul's agent has no compare-and-swap and no lease. So revisions are numbers of our own, which order
 * what is told; who else writes the same id is noticed by the next listing only; services outlive an
 * agent that dies, unless a TTL check with check_deregister_after removes them; and two agents with the
 * same node name cannot tell each other, so that nobody is ever deposed: they take turns, more and more
 * slowly (consul_known.h), and say so.
 */
#include "registry/consul_writer.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/must.h"
#include "registry/writer_config.h"

#include <errno.h>

#define RETRY_MIN 100u
#define RETRY_MAX 1000u

static const char *const state_names[] = {
#define X(sym, name) [CONSUL_WRITER_S_##sym] = name,
    CONSUL_WRITER_STATES(X)
#undef X
};

static void set_state(struct registry_writer *w, enum consul_writer_state to)
{
#define TO(sym) (1u << CONSUL_WRITER_S_##sym)
    static const unsigned allowed[] = {
        [CONSUL_WRITER_S_BACKOFF] = TO(LIST) | TO(CLOSING),
        [CONSUL_WRITER_S_LIST] = TO(READY) | TO(BACKOFF) | TO(CLOSING),
        [CONSUL_WRITER_S_READY] = TO(BACKOFF) | TO(CLOSING),
        [CONSUL_WRITER_S_CLOSING] = 0,
    };
#undef TO
    must(w->magic == CONSUL_WRITER_MAGIC);
    must(allowed[w->state] & (1u << to));
    w->state = to;
}

static void begin_list(struct registry_writer *w)
{
    set_state(w, CONSUL_WRITER_S_LIST);
    consul_writer_list_begin(w);
}

static void on_backoff(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, timer);
    /* a listing that a write overlaps says nothing certain; its end comes here too */
    if (!w->batch.active && !w->list.running) {
        begin_list(w);
    } else {
        io_timer_start(w->io, &w->timer, RETRY_MIN, on_backoff);
    }
}

void consul_writer_closing(struct registry_writer *w)
{
    set_state(w, CONSUL_WRITER_S_CLOSING);
}

void consul_writer_tell(struct registry_writer *w, struct consul_known *k, enum consul_news news)
{
    switch (news) {
    case CONSUL_NEWS_NONE:
        break;
    case CONSUL_NEWS_SEEN:
        w->events->seen(w->ctx, k->id, k->digest, ++w->revision, k->owner);
        break;
    case CONSUL_NEWS_GONE:
        w->events->gone(w->ctx, k->id, ++w->revision);
        break;
    }
}

void consul_writer_listed(struct registry_writer *w)
{
    set_state(w, CONSUL_WRITER_S_READY);
    backoff_reset(&w->backoff);
    consul_writer_hint_start(w);
    consul_writer_ttl_wake(w);
    consul_writer_list_plan(w);
    w->told = CONSUL_TOLD_READY;
    w->events->ready(w->ctx);
}

void consul_writer_lost(struct registry_writer *w, const struct err *why)
{
    set_state(w, CONSUL_WRITER_S_BACKOFF);
    consul_writer_list_stop(w);
    consul_writer_hint_stop(w);
    consul_writer_ttl_stop(w);
    io_timer_start(w->io, &w->timer, backoff_for(&w->backoff, why->class), on_backoff);
    if (w->told != CONSUL_TOLD_UNREADY) {
        w->told = CONSUL_TOLD_UNREADY;
        w->events->unready(w->ctx, why);
    }
}

void consul_writer_trouble(struct registry_writer *w, enum consul_trouble what,
                           const struct err *why)
{
    unsigned bit = 1u << what, before = w->troubles;
    w->troubles = why ? before | bit : before & ~bit;
    if (w->troubles != before && (why || w->troubles == 0) && w->events->trouble) {
        w->events->trouble(w->ctx, why);
    }
}

/* ---- the vtable ---- */

static int writer_open(struct registry_writer **ret, struct io *io,
                       const struct registry_writer_config *config,
                       const struct registry_writer_events *events, void *ctx, struct err *e)
{
    CLEANUP_FREE struct registry_writer *w = xcalloc(1, sizeof(*w));
    uint64_t random[2];
    *w = (struct registry_writer){
        .magic = CONSUL_WRITER_MAGIC,
        .io = io,
        .uri = config->uri,
        .events = events,
        .ctx = ctx,
        .ttl_s = config->ttl_s,
        .dry_run = config->dry_run,
        .state = CONSUL_WRITER_S_BACKOFF,
    };
    int r = writer_config_check(config, random, e);
    if (r < 0) {
        return r;
    }
    r = consul_client_init(&w->client, io, config->uri, e);
    if (r < 0) {
        return r;
    }
    w->node = xstrdup(config->node);
    w->id_host = xstrdup(config->id_host ? config->id_host : config->node);
    w->owner = (struct consul_owner){
        .node = w->node,
        .id_host = w->id_host,
        .dialect = config->dialect,
        .adopt_by_id = config->adopt_by_id,
    };
    backoff_init(&w->backoff, RETRY_MIN, RETRY_MAX, random[0]);
    consul_writer_list_init(w);
    consul_writer_hint_init(w, random[1]);
    consul_slots_init(w);
    consul_writer_ttl_init(w);
    io_timer_start(io, &w->timer, 0, on_backoff);
    *ret = take_ptr(w);
    return 0;
}

static int writer_encode(const struct registry_writer *w, const struct service *svc,
                         struct buf *ret_key, struct buf *ret_value, uint64_t *ret_digest,
                         struct err *e)
{
    buf_puts(ret_key, svc->s.id);
    if (buf_error(ret_key)) {
        return err_set(e, ERR_INVALID, -EMSGSIZE, "the id %s is too long", svc->s.id);
    }
    return consul_service_encode(&w->owner, svc, ret_value, ret_digest, e);
}

static void writer_describe(const struct registry_writer *w, struct buf *out)
{
    const struct consul_known *k, *tmp;
    struct json_writer j;
    int64_t ours = 0;
    HASH_ITER (hh, w->services.items, k, tmp) {
        ours += k->exists && k->owner == REGISTRY_OURS;
    }
    json_begin(&j, out);
    json_object(&j);
    json_field_str(&j, "driver", "consul");
    json_field_str(&j, "state", state_names[w->state]);
    json_field_str(&j, "endpoint", consul_client_endpoint(&w->client));
    json_field_str(&j, "hint", consul_writer_hint_name(w));
    json_field_int(&j, "services", ours);
    json_field_int(&j, "ttl_checks", (int64_t)HASH_COUNT(w->ttls));
    json_field_int(&j, "revision", w->revision);
    json_object_end(&j);
}

const struct registry_writer_ops consul_writer_ops = {
    .batch_max = CONSUL_WRITER_BATCH_MAX,
    .open = writer_open,
    .encode = writer_encode,
    .write = consul_writer_write,
    .close = consul_writer_close,
    .describe = writer_describe,
};
