/*
 * The etcd writer: one lease, one record of the agent itself, and the keys of its services.
 *
 *   BACKOFF ─► RECORD ─► LEASE ─► CLAIM ─► KEYS ─► LIST ─► READY
 *      ▲         │  ▲      │        │       ▲               │ watch stale, record gone, lease lost,
 *      │         │  │      └ ours ──┼───────┘               ▼ out of reach
 *      │         │  └─── changed ───┘                    SETTLING (the write in flight ends)
 *      └─ every failure of RECORD … LIST ◄──────────────────┘
 *   another agent's record, once ours was written ─► DEPOSED          everything ─close─► CLOSING
 *
 * Happy path. First start: no record, so a lease is granted and the record created on it. Next start:
 * the record leads to its lease, which is renewed at once and taken over by writing our instance into
 * the record; the lease's own key list then says what we hold, and nothing has to be written. From
 * READY on: one keepalive every third of the TTL, a watch of the prefix (and one of the record, where the
 * layout has it elsewhere), and what write() brings.
 *
 * Fencing. Every write compares the record's revision with the one that we wrote or read, so an agent
 * that was replaced cannot write any more, even before it knows; and each key's revision with the one
 * last seen, so nobody's change is overwritten unseen.
 *
 * Failure modes. Whatever breaks, the way back is the same: RECORD, and from there what is needed. As
 * long as the lease lives nothing is lost by that, and keepalives go on meanwhile. A lease of another
 * TTL than ours is kept alive beside the new one until its keys have been written onto ours: they are
 * reported with a digest that cannot match. dry_run reads RECORD, KEYS, LIST and stops there.
 */
#include "registry/etcd_writer.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"
#include "base/str.h"
#include "base/wallclock.h"
#include "registry/record.h"
#include "registry/skydns_codec.h"
#include "registry/writer_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RETRY_MIN 100u
#define RETRY_MAX 10000u

static const char *const state_names[] = {
#define X(sym, name) [WRITER_S_##sym] = name,
    WRITER_STATES(X)
#undef X
};

void writer_set_state(struct registry_writer *w, enum writer_state to)
{
#define TO(sym) (1u << WRITER_S_##sym)
    static const unsigned allowed[] = {
        [WRITER_S_BACKOFF] = TO(RECORD) | TO(CLOSING),
        [WRITER_S_RECORD] =
            TO(LEASE) | TO(KEYS) | TO(LIST) | TO(BACKOFF) | TO(DEPOSED) | TO(CLOSING),
        [WRITER_S_LEASE] = TO(CLAIM) | TO(KEYS) | TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_CLAIM] = TO(KEYS) | TO(RECORD) | TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_KEYS] = TO(LIST) | TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_LIST] = TO(READY) | TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_READY] = TO(SETTLING) | TO(DEPOSED) | TO(CLOSING),
        [WRITER_S_SETTLING] = TO(BACKOFF) | TO(DEPOSED) | TO(CLOSING),
        [WRITER_S_DEPOSED] = TO(CLOSING),
        [WRITER_S_CLOSING] = 0,
    };
#undef TO
    must(w->magic == WRITER_MAGIC);
    must(allowed[w->state] & (1u << to));
    w->state = to;
}

static void tell_unready(struct registry_writer *w, const struct err *why)
{
    if (w->told != WRITER_TOLD_UNREADY) {
        w->told = WRITER_TOLD_UNREADY;
        w->events->unready(w->ctx, why);
    }
}

void writer_step(struct registry_writer *w, const char *path, struct buf *take_body)
{
    etcd_call_start(&w->client, &w->step,
                    &(struct etcd_call_spec){.path = path, .take_body = take_body});
}

/* ---- the way to READY ---- */

static void record_ask(struct registry_writer *w)
{
    struct buf body = BUF_INIT(8192);
    writer_set_state(w, WRITER_S_RECORD);
    etcd_request_range(&body, &(struct etcd_range_request){.key = w->layout.record,
                                                           .key_len = strlen(w->layout.record)});
    writer_step(w, "/v3/kv/range", &body);
}

static void on_backoff(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, timer);
    if (etcd_call_running(&w->step)) { /* a cancelled one that has not ended */
        io_timer_start(w->io, &w->timer, RETRY_MIN, on_backoff);
        return;
    }
    record_ask(w);
}

static void back_off(struct registry_writer *w, enum err_class class)
{
    writer_set_state(w, WRITER_S_BACKOFF);
    io_timer_start(w->io, &w->timer, backoff_for(&w->backoff, class), on_backoff);
}

void writer_step_failed(struct registry_writer *w, const struct err *why)
{
    etcd_call_cancel(&w->step);
    back_off(w, why->class);
    tell_unready(w, why);
}

static bool record_is_ours(const struct registry_writer *w)
{
    return w->record_mod != 0 && streq(w->record.instance, w->us.instance);
}

/* The record is known: which lease? */
static void lease_begin(struct registry_writer *w)
{
    int64_t candidate = w->lease.id;
    if (w->record_mod != 0) {
        candidate = w->record_lease ? w->record_lease : w->record.lease;
    }
    if (w->dry_run) {
        w->our_lease = candidate;
        if (candidate) {
            writer_keys_begin(w);
        } else {
            writer_list_begin(w);
        }
        return;
    }
    writer_set_state(w, WRITER_S_LEASE);
    bool other_ttl =
        w->record_mod != 0 && !record_is_ours(w) && w->record.ttl_s != (int64_t)w->ttl_s;
    if (candidate && !other_ttl) {
        etcd_lease_adopt(&w->lease, candidate);
        return;
    }
    etcd_lease_grant(&w->lease, w->ttl_s);
    etcd_lease_second(&w->lease, candidate);
}

static void claim(struct registry_writer *w)
{
    struct buf body = BUF_INIT(65536), value = BUF_INIT(8192);
    struct etcd_txn_builder t;
    writer_set_state(w, WRITER_S_CLAIM);
    w->us.lease = w->lease.id;
    agent_record_encode(&w->us, w->node, &value);
    etcd_txn_begin(&t, &body);
    etcd_txn_compare(&t, w->layout.record, w->record_mod);
    etcd_txn_success(&t);
    etcd_txn_put(&t, w->layout.record, buf_str(&value), value.len, w->lease.id);
    etcd_txn_failure(&t);
    etcd_txn_end(&t);
    buf_deinit(&value);
    writer_step(w, "/v3/kv/txn", &body);
}

static void on_record(struct registry_writer *w, const struct etcd_reply *reply)
{
    struct etcd_range range;
    struct err why = ERR_INIT;
    if (etcd_response_range(&range, reply->body, reply->len, &why) < 0) {
        etcd_call_distrust(&w->step);
        writer_step_failed(w, &why);
        return;
    }
    writer_watch_from(w, range.header.revision + 1);
    w->record_mod = 0;
    if (range.n > 0) {
        w->record_mod = range.kvs[0].mod_revision;
        w->record_lease = range.kvs[0].lease;
        agent_record_decode(&w->record, range.kvs[0].value, range.kvs[0].value_len);
    }
    arena_deinit(&range.arena);
    if (w->record_mod != 0 && w->claimed && !record_is_ours(w)) {
        writer_depose(w, &w->record);
        return;
    }
    lease_begin(w);
}

static void on_claim(struct registry_writer *w, const struct etcd_reply *reply)
{
    struct etcd_txn_response txn;
    struct err why = ERR_INIT;
    if (etcd_response_txn(&txn, reply->body, reply->len, &why) < 0) {
        etcd_call_distrust(&w->step);
        writer_step_failed(w, &why);
        return;
    }
    bool succeeded = txn.succeeded;
    int64_t revision = txn.header.revision;
    arena_deinit(&txn.arena);
    if (!succeeded) { /* somebody was faster: look who */
        record_ask(w);
        return;
    }
    w->claimed = true;
    w->record_mod = revision;
    writer_watch_from(w, revision + 1);
    writer_keys_begin(w);
}

static void on_step(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct registry_writer *w = container_of(call, struct registry_writer, step);
    if (w->state == WRITER_S_CLOSING) {
        writer_on_leave(w, reply);
        return;
    }
    bool expected = w->state == WRITER_S_RECORD || w->state == WRITER_S_CLAIM ||
                    w->state == WRITER_S_KEYS || w->state == WRITER_S_LIST;
    if (!expected || reply->err.class == ERR_CANCELLED) {
        return;
    }
    if (w->state == WRITER_S_LIST) {
        writer_on_list(w, reply);
        return;
    }
    if (reply->err.class != ERR_NONE) {
        struct err why = reply->err;
        err_wrap(&why, "%s of node %s", state_names[w->state], w->node);
        if (reply->error.code == ETCD_CODE_NOT_FOUND) {
            etcd_lease_forget(&w->lease);
        }
        writer_step_failed(w, &why);
        return;
    }
    if (w->state == WRITER_S_RECORD) {
        on_record(w, reply);
    } else if (w->state == WRITER_S_CLAIM) {
        on_claim(w, reply);
    } else {
        writer_on_keys(w, reply);
    }
}

void writer_ready(struct registry_writer *w)
{
    writer_set_state(w, WRITER_S_READY);
    writer_second_check(w);
    if (!w->dry_run) {
        writer_watch_ensure(w);
    }
    w->told = WRITER_TOLD_READY;
    w->events->ready(w->ctx);
}

/* ---- the way back ---- */

void writer_restart(struct registry_writer *w, const struct err *why)
{
    writer_set_state(w, WRITER_S_SETTLING);
    writer_watch_quiet(w);
    if (why) {
        tell_unready(w, why);
    }
    if (w->state == WRITER_S_SETTLING && !w->batch.active) {
        writer_settled(w);
    }
}

void writer_settled(struct registry_writer *w)
{
    back_off(w, ERR_TRANSIENT);
}

void writer_depose(struct registry_writer *w, const struct agent_record *by)
{
    struct err why = ERR_INIT;
    writer_set_state(w, WRITER_S_DEPOSED);
    writer_watch_quiet(w);
    etcd_lease_forget(&w->lease);
    etcd_call_cancel(&w->slice.call);
    agent_record_deposed(by, w->node, &why);
    w->events->deposed(w->ctx, &why);
}

/* ---- the lease's events ---- */

static void on_held(struct etcd_lease *l)
{
    struct registry_writer *w = container_of(l, struct registry_writer, lease);
    if (w->state != WRITER_S_LEASE) {
        return;
    }
    w->our_lease = l->id;
    if (record_is_ours(w) && w->record_lease == l->id) {
        w->claimed = true; /* a claim whose answer we never saw */
        writer_keys_begin(w);
    } else {
        claim(w);
    }
}

static void on_lease_failed(struct etcd_lease *l, const struct err *why)
{
    struct registry_writer *w = container_of(l, struct registry_writer, lease);
    if (w->state == WRITER_S_LEASE) {
        writer_step_failed(w, why);
    }
}

static void on_lost(struct etcd_lease *l)
{
    struct registry_writer *w = container_of(l, struct registry_writer, lease);
    struct err why = ERR_INIT;
    err_set(&why, ERR_TRANSIENT, -ESTALE, "the lease has expired or was revoked");
    switch (w->state) {
    case WRITER_S_LEASE: /* that of the record: take a new one */
        etcd_lease_grant(l, w->ttl_s);
        break;
    case WRITER_S_CLAIM:
    case WRITER_S_KEYS:
    case WRITER_S_LIST:
        writer_step_failed(w, &why);
        break;
    case WRITER_S_READY:
        writer_restart(w, &why);
        break;
    default: /* RECORD looks anyway */
        break;
    }
}

static void on_trouble(struct etcd_lease *l, const struct err *why)
{
    struct registry_writer *w = container_of(l, struct registry_writer, lease);
    if (w->state == WRITER_S_READY && l->failures > w->client.n_peers) {
        writer_restart(w, why);
    }
}

static void on_renewed(struct etcd_lease *l)
{
    struct registry_writer *w = container_of(l, struct registry_writer, lease);
    if (w->state == WRITER_S_READY) {
        backoff_reset(&w->backoff);
        writer_watch_healthy(w);
    }
}

static void on_suspect(void *ctx)
{
    struct registry_writer *w = ctx;
    if (w->state == WRITER_S_READY) {
        writer_watch_move(w);
    }
}

/* ---- the vtable ---- */

static int writer_open(struct registry_writer **ret, struct io *io,
                       const struct registry_writer_config *config,
                       const struct registry_writer_events *events, void *ctx, struct err *e)
{
    CLEANUP_FREE struct registry_writer *w = xcalloc(1, sizeof(*w));
    *w = (struct registry_writer){
        .magic = WRITER_MAGIC,
        .io = io,
        .uri = config->uri,
        .events = events,
        .ctx = ctx,
        .ttl_s = config->ttl_s,
        .dialect = config->dialect,
        .adopt_by_id = config->adopt_by_id,
        .dry_run = config->dry_run,
        .state = WRITER_S_BACKOFF,
        .step.done = on_step,
        .lease = {.held = on_held,
                  .failed = on_lease_failed,
                  .lost = on_lost,
                  .trouble = on_trouble,
                  .renewed = on_renewed},
        .us = {.ttl_s = config->ttl_s},
    };
    uint64_t random[2];
    int r = writer_config_check(config, random, e);
    if (r < 0) {
        return r;
    }
    r = kv_layout_init(&w->layout, config->uri, config->node, config->dialect, e);
    if (r < 0) {
        return r;
    }
    r = etcd_client_init(&w->client, io, config->uri, on_suspect, w, e);
    if (r < 0) {
        kv_layout_deinit(&w->layout);
        return r;
    }
    w->node = xstrdup(config->node);
    w->id_host = xstrdup(config->id_host ? config->id_host : config->node);
    agent_record_begin(&w->us, random, clock_wall());
    backoff_init(&w->backoff, RETRY_MIN, RETRY_MAX, random[0]);
    etcd_lease_init(&w->lease, &w->client, random[0] ^ random[1]);
    writer_batch_init(w);
    writer_watch_init(w, random[1]);
    io_timer_start(io, &w->timer, 0, on_backoff);
    *ret = take_ptr(w);
    return 0;
}

static int writer_encode(const struct registry_writer *w, const struct service *svc,
                         struct buf *ret_key, struct buf *ret_value, uint64_t *ret_digest,
                         struct err *e)
{
    int r = kv_layout_key(&w->layout, svc, ret_key, e);
    if (r < 0) {
        return r;
    }
    if (w->layout.kind == KV_LAYOUT_SERVICES) {
        return record_encode_digest(w->uri->form, svc, ret_value, ret_digest, e);
    }
    size_t before = ret_value->len;
    r = skydns_encode(svc, w->ttl_s, w->dialect == REGISTRY_REGISTRATOR, ret_value, e);
    if (r >= 0) {
        *ret_digest = hash64(ret_value->data + before, ret_value->len - before);
    }
    return r;
}

static void writer_describe(const struct registry_writer *w, struct buf *out)
{
    struct json_writer j;
    char number[24];
    json_begin(&j, out);
    json_object(&j);
    json_field_str(&j, "driver", "etcd");
    json_field_str(&j, "state", state_names[w->state]);
    json_field_str(&j, "endpoint", etcd_client_endpoint(&w->client));
    snprintf(number, sizeof(number), "%" PRId64, w->lease.id);
    json_field_str(&j, "lease", number);
    json_field_int(&j, "ttl", w->lease.ttl_s);
    json_field_int(&j, "keepalive_failures", w->lease.failures);
    json_field_int(&j, "revision", w->keys_watch.etcd.next_revision - 1);
    json_field_int(&j, "keys", (int64_t)kv_owned_count(&w->owned));
    json_object_end(&j);
}

const struct registry_writer_ops etcd_writer_ops = {
    .batch_max = ETCD_WRITER_BATCH_MAX,
    .open = writer_open,
    .encode = writer_encode,
    .write = writer_write,
    .close = writer_close,
    .describe = writer_describe,
};
