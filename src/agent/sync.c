/*
 * From desired state to the registry.
 *
 * Happy path: desired says what a key is to hold, reconcile compares with what the writer has seen, a
 * pump (once per loop turn, however many inputs came) sends the next batch. While a batch is out, what
 * comes in collects and makes the next one, so a burst of changes costs few transactions and a single
 * change waits for nothing.
 *
 * Acting is withheld until the engine's first complete listing and the registry's own are both there,
 * after a jump of the clock until the next listing, and when a listing would remove a large share of
 * what is registered until a second listing agrees.
 *
 * Failure modes: a failed write is reconcile's to retry; here it is logged once for each batch. An
 * unreachable registry is the writer's to reach again; here it is logged once per change of state.
 */
#include "agent/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"
#include "base/wallclock.h"
#include "io/memory.h"

#define RETRY_MIN_MS       50u
#define RETRY_MAX_MS       10000u
#define CONFLICT_RETRY_MS  5000u
#define GATE_MIN_REMOVALS  10u
#define GATE_SHARE_PCT     50u
#define CLOCK_TOLERANCE_MS 5000u
#define LOG_EACH_MAX       20u /* batches up to this size are logged key by key */

static void pump(struct io_defer *d);

static void pump_soon(struct agent *a)
{
    if (!io_defer_pending(&a->pump)) {
        io_defer(a->io, &a->pump, pump);
    }
}

/* ---- desired → reconcile ---- */

static void on_want(void *ctx, const char *key, const struct service *svc)
{
    struct agent *a = ctx;
    struct buf k = BUF_INIT(AGENT_KEY_MAX), v = BUF_INIT(AGENT_VALUE_MAX);
    struct err err = ERR_INIT;
    uint64_t digest;
    /* Encoded once before, when the claim was made. */
    must(a->o.driver->writer->encode(a->writer, svc, &k, &v, &digest, &err) >= 0);
    reconcile_want(a->reconcile, key, digest);
    buf_deinit(&k);
    buf_deinit(&v);
    pump_soon(a);
}

static void on_unwant(void *ctx, const char *key)
{
    struct agent *a = ctx;
    reconcile_unwant(a->reconcile, key);
    pump_soon(a);
}

static void on_contested(void *ctx, const char *key, const char *container, const char *holder)
{
    if (streq(container, holder)) {
        log_warn("two ports of a container claim one key, the first keeps it", "key", key,
                 "container", container, NULL);
    } else {
        log_warn("two containers claim one key, the first keeps it", "key", key, "container",
                 container, "holder", holder, NULL);
    }
}

static const struct desired_events desired_events = {
    .want = on_want,
    .unwant = on_unwant,
    .contested = on_contested,
};

/* ---- the gate ---- */

static void withhold(struct agent *a)
{
    a->acting = false;
    a->listed = false;
    reconcile_wanted_complete(a->reconcile, false);
    docker_watch_relist(a->watch);
}

/* Both sides are known: what does this listing remove, and is that believable? */
static void consider(struct agent *a)
{
    if (!a->listed || !a->ready) {
        return;
    }
    size_t removals = agent_containers_missing(a);
    if (!a->acting) {
        removals += reconcile_surplus(a->reconcile);
    }
    size_t registered = reconcile_seen_count(a->reconcile);
    if (!gate_listing(&a->gate, removals, registered)) {
        log_warn("a listing would remove most of what is registered, listing again before "
                 "believing it",
                 "removals", LOG_U(removals), "registered", LOG_U(registered), NULL);
        docker_watch_relist(a->watch);
        return;
    }
    agent_containers_drop_missing(a);
    if (!a->acting) {
        a->acting = true;
        reconcile_wanted_complete(a->reconcile, true);
    }
    pump_soon(a);
}

void agent_sync_listed(struct agent *a)
{
    a->listed = true;
    consider(a);
}

/* ---- the pump ---- */

static void on_foreign(void *ctx, const char *key)
{
    log_warn("a key is held by somebody else, it is left alone and tried again now and then", "key",
             key, NULL);
}

/* The first time that nothing is left to do but what the registry or another owner refuses. */
static void announce(struct agent *a)
{
    if (a->in_sync || !a->acting || !a->ready || a->in_flight ||
        reconcile_pending(a->reconcile) > reconcile_foreign(a->reconcile, NULL, NULL) + a->failed) {
        return;
    }
    a->in_sync = true;
    log_info(a->o.dry_run ? "compared, and wrote nothing" : "in sync", "containers",
             LOG_U(HASH_COUNT(a->containers)), "services", LOG_U(desired_count(a->desired)),
             "written", LOG_U(a->written), "deleted", LOG_U(a->deleted), "ms",
             LOG_U(io_now(a->io) - a->started), NULL);
    if (!a->o.dry_run && a->o.driver->writer->settled) {
        a->o.driver->writer->settled(a->writer);
    }
    io_trim();
    if (a->o.once || a->o.dry_run) {
        agent_end(a, reconcile_pending(a->reconcile) ? 1 : 0);
    }
}

/* Encodes the values behind one another, then points the operations at them. */
static void encode_batch(struct agent *a, size_t n)
{
    struct buf key = BUF_INIT(AGENT_KEY_MAX);
    for (size_t i = 0; i < n; i++) {
        a->batch[i] = (struct registry_op){
            .kind = a->ops[i].kind,
            .key = a->ops[i].key,
            .revision = a->ops[i].revision,
            .value_len = a->values.len,
        };
        if (a->ops[i].kind == REGISTRY_PUT) {
            struct err err = ERR_INIT;
            buf_reset(&key);
            const struct service *svc = desired_get(a->desired, a->ops[i].key);
            must(svc);
            uint64_t digest;
            must(a->o.driver->writer->encode(a->writer, svc, &key, &a->values, &digest, &err) >= 0);
        }
        a->batch[i].value_len = a->values.len - a->batch[i].value_len;
    }
    buf_deinit(&key);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        a->batch[i].value = a->batch[i].kind == REGISTRY_PUT ? buf_str(&a->values) + at : NULL;
        at += a->batch[i].value_len;
    }
}

static void log_operation(const struct agent *a, const struct registry_op *op)
{
    if (op->kind == REGISTRY_DELETE) {
        log_info("deregistered", "key", op->key, NULL);
        return;
    }
    const struct service *svc = desired_get(a->desired, op->key);
    if (svc) {
        log_info("registered", "key", op->key, "host", svc->s.host, "port", LOG_U(svc->s.port),
                 NULL);
    } else { /* its container went while the write was on its way: a delete follows */
        log_info("registered, but no longer wanted", "key", op->key, NULL);
    }
}

static void on_written(void *ctx, const struct registry_result *results, size_t n,
                       const struct err *why);

/* --dry-run: the operation on stdout, then as if it had been done. */
static void print_batch(struct agent *a, size_t n)
{
    CLEANUP_FREE struct registry_result *results = xcalloc(n, sizeof(*results));
    for (size_t i = 0; i < n; i++) {
        const struct registry_op *op = &a->batch[i];
        if (op->kind == REGISTRY_PUT) {
            printf("put %s %.*s\n", op->key, (int)op->value_len, op->value);
        } else {
            printf("delete %s\n", op->key);
        }
        results[i].revision = op->revision + 1;
    }
    fflush(stdout);
    a->in_flight = n;
    on_written(a, results, n, NULL);
}

static void retry_due(struct io_timer *t)
{
    pump_soon(container_of(t, struct agent, retry_timer));
}

static void pump(struct io_defer *d)
{
    struct agent *a = container_of(d, struct agent, pump);
    if (a->state != AGENT_S_RUNNING || a->in_flight) {
        return;
    }
    if (a->acting && gate_clock(&a->gate, clock_wall(), clock_monotonic(), CLOCK_TOLERANCE_MS)) {
        log_warn("the clock jumped, listing again before anything is changed", NULL);
        withhold(a);
        return;
    }
    msec_t wake = MSEC_NEVER;
    size_t n = reconcile_step(a->reconcile, io_now(a->io), a->ops, &wake);
    if (n == 0) {
        if (wake == MSEC_NEVER) {
            io_timer_stop(&a->retry_timer);
        } else {
            msec_t now = io_now(a->io);
            io_timer_start(a->io, &a->retry_timer, wake > now ? wake - now : 0, retry_due);
        }
        announce(a);
        return;
    }
    encode_batch(a, n);
    if (a->o.dry_run) {
        print_batch(a, n);
        return;
    }
    a->in_flight = n;
    int r = a->o.driver->writer->write(a->writer, a->batch, n);
    must(r == 0 || r == -EAGAIN);
    if (r < 0) {
        CLEANUP_FREE struct registry_result *results = xcalloc(n, sizeof(*results));
        for (size_t i = 0; i < n; i++) {
            results[i].class = ERR_CANCELLED;
        }
        on_written(a, results, n, NULL);
    }
}

/* Writes fail: each reason is said once, until none of them waits for another try any more. */
static void report_failing(struct agent *a, size_t n, const struct err *why)
{
    const char *reason = why ? why->msg : "";
    uint64_t digest = hash64(reason, strlen(reason));
    for (size_t i = 0; i < a->n_failing; i++) {
        if (a->failing[i] == digest) {
            return;
        }
    }
    if (a->n_failing < AGENT_REASONS_MAX && a->ready) {
        a->failing[a->n_failing++] = digest;
        log_warn("writes fail and will be tried again", "operations", LOG_U(n), "error", reason,
                 NULL);
    }
}

static void report_recovery(struct agent *a)
{
    if (a->n_failing > 0 && reconcile_retrying(a->reconcile) == 0) {
        a->n_failing = 0;
        log_info("writes succeed again", NULL);
    }
}

static void on_written(void *ctx, const struct registry_result *results, size_t n,
                       const struct err *why)
{
    struct agent *a = ctx;
    must(n == a->in_flight);
    size_t done = 0, conflicts = 0, failures = 0;
    for (size_t i = 0; i < n; i++) {
        const struct registry_op *op = &a->batch[i];
        switch (results[i].class) {
        case ERR_NONE:
            done++;
            a->written += op->kind == REGISTRY_PUT;
            a->deleted += op->kind == REGISTRY_DELETE;
            if (n <= LOG_EACH_MAX && !a->o.dry_run) {
                log_operation(a, op);
            }
            break;
        case ERR_CONFLICT:
        case ERR_CANCELLED:
            conflicts++;
            break;
        case ERR_INVALID:
            a->failed++;
            log_error("the registry refuses a record", "key", op->key, "error", why ? why->msg : "",
                      NULL);
            break;
        default:
            failures++;
        }
    }
    if (n > LOG_EACH_MAX && done > 0 && !a->o.dry_run) {
        log_info("wrote a batch", "operations", LOG_U(done), NULL);
    }
    if (failures) {
        report_failing(a, failures, why);
    }
    a->in_flight = 0;
    buf_deinit(&a->values);
    reconcile_result(a->reconcile, io_now(a->io), results, n);
    if (done) {
        report_recovery(a);
    }
    if (conflicts) {
        reconcile_foreign(a->reconcile, on_foreign, a);
    }
    pump_soon(a);
}

/* ---- the registry writer ---- */

static void on_begin(void *ctx)
{
    struct agent *a = ctx;
    reconcile_seen_begin(a->reconcile);
}

static void on_seen(void *ctx, const char *key, uint64_t digest, int64_t revision,
                    enum registry_owner owner)
{
    struct agent *a = ctx;
    reconcile_seen(a->reconcile, key, digest, revision, owner);
    pump_soon(a);
}

static void on_gone(void *ctx, const char *key, int64_t revision)
{
    struct agent *a = ctx;
    reconcile_seen_gone(a->reconcile, key, revision);
    pump_soon(a);
}

static void on_ready(void *ctx)
{
    struct agent *a = ctx;
    a->ready = a->reached = true;
    io_timer_stop(&a->patience);
    reconcile_seen_complete(a->reconcile, true);
    log_info("registry is ready", "keys", LOG_U(reconcile_seen_count(a->reconcile)), NULL);
    consider(a);
    pump_soon(a);
}

static void give_up(struct agent *a)
{
    log_error("giving up, the registry was not reached at the start", NULL);
    agent_end(a, 1);
}

static void patience_ended(struct io_timer *t)
{
    give_up(container_of(t, struct agent, patience));
}

static void on_unready(void *ctx, const struct err *why)
{
    struct agent *a = ctx;
    a->ready = false;
    reconcile_seen_complete(a->reconcile, false);
    log_warn("registry is out of reach, changes wait", "error", why->msg, NULL);
    if (!a->reached && a->o.registry_patience == 0) {
        give_up(a);
    }
}

static void on_deposed(void *ctx, const struct err *why)
{
    struct agent *a = ctx;
    log_error("stopping", "error", why->msg, NULL);
    agent_end(a, 1);
}

static void on_trouble(void *ctx, const struct err *why)
{
    if (why) {
        log_warn("trouble with the registry", "error", why->msg, NULL);
    } else {
        log_info("the trouble with the registry is over", NULL);
    }
}

static const struct registry_writer_events writer_events = {
    .begin = on_begin,
    .seen = on_seen,
    .gone = on_gone,
    .ready = on_ready,
    .unready = on_unready,
    .deposed = on_deposed,
    .trouble = on_trouble,
    .written = on_written,
};

void agent_sync_init(struct agent *a)
{
    a->desired = desired_new(&desired_events, a);
    gate_init(&a->gate, GATE_MIN_REMOVALS, GATE_SHARE_PCT);
}

int agent_sync_open(struct agent *a, struct err *e)
{
    struct registry_writer_config config = {
        .uri = a->o.uri,
        .node = a->owner,
        .id_host = a->node,
        .ttl_s = a->o.ttl_s,
        .dialect = a->o.dialect,
        .adopt_by_id = a->o.adopt_by_id,
        .dry_run = a->o.dry_run,
    };
    int r = a->o.driver->writer->open(&a->writer, a->io, &config, &writer_events, a, e);
    if (r < 0) {
        return r;
    }
    size_t batch_max = a->o.driver->writer->batch_max;
    struct reconcile_limits limits = {
        .batch_max = batch_max,
        .retry_min = RETRY_MIN_MS,
        .retry_max = RETRY_MAX_MS,
        .conflict_retry = CONFLICT_RETRY_MS,
        .seed = hash64(a->node, strlen(a->node)) ^ clock_wall(),
    };
    a->reconcile = reconcile_new(&limits);
    a->ops = xcalloc(batch_max, sizeof(*a->ops));
    a->batch = xcalloc(batch_max, sizeof(*a->batch));
    buf_init(&a->values, batch_max * AGENT_VALUE_MAX);
    a->open_parts++;
    if (a->o.registry_patience != 0 && a->o.registry_patience != MSEC_NEVER) {
        io_timer_start(a->io, &a->patience, a->o.registry_patience, patience_ended);
    }
    return 0;
}

void agent_sync_deinit(struct agent *a)
{
    io_timer_stop(&a->retry_timer);
    io_timer_stop(&a->patience);
    io_defer_drop(&a->pump);
    a->desired = desired_free(a->desired);
    a->reconcile = reconcile_free(a->reconcile);
    buf_deinit(&a->values);
    free(take_ptr(a->ops));
    free(take_ptr(a->batch));
}
