/*
 * keeper and viewer: see the header. Every misuse of the contract by the driver that can be seen from
 * here (events after the end, a second unready, results out of turn) fails the test.
 */
#include "lib/registry_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/str.h"
#include "lib/loop_test.h"
#include "reconcile/reconcile.h"

struct keeper_item {
    UT_hash_handle hh;
    struct service *service;
    struct buf value;
    uint64_t digest;
    char key[];
};

/* ---- keeper ---- */

static void pump(struct keeper *k);

static void on_wake(struct io_timer *t)
{
    pump(container_of(t, struct keeper, wake));
}

static void pump(struct keeper *k)
{
    struct reconcile_op planned[256];
    struct registry_op ops[256];
    msec_t now = io_now(k->io), wake;
    size_t n = reconcile_step(k->reconcile, now, planned, &wake);
    if (wake != MSEC_NEVER) {
        io_timer_start(k->io, &k->wake, wake > now ? wake - now : 0, on_wake);
    }
    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct keeper_item *item;
        HASH_FIND_STR(k->items, planned[i].key, item);
        ops[i] = (struct registry_op){
            .kind = planned[i].kind, .key = planned[i].key, .revision = planned[i].revision};
        if (planned[i].kind == REGISTRY_PUT) {
            assert_non_null(item);
            ops[i].value = buf_str(&item->value);
            ops[i].value_len = item->value.len;
            k->puts++;
        } else {
            k->deletes++;
        }
    }
    k->batches++;
    int r = k->driver->writer->write(k->writer, ops, n);
    if (r < 0) {
        struct registry_result results[256];
        for (size_t i = 0; i < n; i++) {
            results[i] = (struct registry_result){.class = ERR_TRANSIENT};
        }
        reconcile_result(k->reconcile, now, results, n);
        pump(k);
    }
}

static void w_begin(void *ctx)
{
    struct keeper *k = ctx;
    assert_false(k->closed);
    k->begins++;
    k->ready = false;
    reconcile_seen_begin(k->reconcile);
}

static void w_seen(void *ctx, const char *key, uint64_t digest, int64_t revision,
                   enum registry_owner owner)
{
    struct keeper *k = ctx;
    assert_false(k->closed);
    reconcile_seen(k->reconcile, key, digest, revision, owner);
    pump(k);
}

static void w_gone(void *ctx, const char *key, int64_t revision)
{
    struct keeper *k = ctx;
    assert_false(k->closed);
    reconcile_seen_gone(k->reconcile, key, revision);
    pump(k);
}

static void w_ready(void *ctx)
{
    struct keeper *k = ctx;
    assert_false(k->closed);
    k->ready = true;
    k->readies++;
    reconcile_seen_complete(k->reconcile, true);
    pump(k);
}

static void w_unready(void *ctx, const struct err *why)
{
    struct keeper *k = ctx;
    assert_false(k->closed);
    assert_int_not_equal(why->class, ERR_NONE);
    k->ready = false;
    k->unreadies++;
    k->last = *why;
    reconcile_seen_complete(k->reconcile, false);
}

static void w_deposed(void *ctx, const struct err *why)
{
    struct keeper *k = ctx;
    assert_false(k->closed || k->deposed);
    k->ready = false;
    k->deposed = true;
    k->last = *why;
    reconcile_seen_complete(k->reconcile, false);
}

static void w_trouble(void *ctx, const struct err *why)
{
    struct keeper *k = ctx;
    assert_false(k->closed);
    if (why) {
        assert_int_not_equal(why->class, ERR_NONE);
        k->troubles++;
        k->trouble = *why;
    } else {
        k->recoveries++;
        assert_true(k->recoveries <= k->troubles);
    }
}

static void w_written(void *ctx, const struct registry_result *results, size_t n,
                      const struct err *why)
{
    struct keeper *k = ctx;
    assert_false(k->closed);
    for (size_t i = 0; i < n; i++) {
        k->conflicts += results[i].class == ERR_CONFLICT;
        k->failures += results[i].class != ERR_NONE && results[i].class != ERR_CONFLICT;
        assert_true(results[i].class == ERR_NONE || why);
    }
    if (why && !k->deposed) {
        k->last = *why;
    }
    reconcile_result(k->reconcile, io_now(k->io), results, n);
    pump(k);
}

static const struct registry_writer_events writer_events = {
    .begin = w_begin,
    .seen = w_seen,
    .gone = w_gone,
    .ready = w_ready,
    .unready = w_unready,
    .deposed = w_deposed,
    .trouble = w_trouble,
    .written = w_written,
};

static int try_open(struct keeper *k, struct io *io, const struct registry_driver *driver,
                    const struct registry_writer_config *config, struct err *e)
{
    *k = (struct keeper){.io = io, .driver = driver};
    struct reconcile_limits limits = {.batch_max = driver->writer->batch_max,
                                      .retry_min = 50,
                                      .retry_max = 500,
                                      .conflict_retry = 500,
                                      .seed = 1};
    assert_true(limits.batch_max <= 256);
    k->reconcile = reconcile_new(&limits);
    reconcile_wanted_complete(k->reconcile, true);
    int r = driver->writer->open(&k->writer, io, config, &writer_events, k, e);
    if (r < 0) {
        k->reconcile = reconcile_free(k->reconcile);
    }
    return r;
}

int keeper_try_open(struct keeper *k, struct io *io, const struct registry_driver *driver,
                    const struct registry_uri *uri, const char *node, unsigned ttl_s, bool dry_run,
                    struct err *e)
{
    struct registry_writer_config config = {
        .uri = uri, .node = node, .ttl_s = ttl_s, .dry_run = dry_run};
    return try_open(k, io, driver, &config, e);
}

void keeper_open_config(struct keeper *k, struct io *io, const struct registry_driver *driver,
                        const struct registry_writer_config *config)
{
    struct err e = ERR_INIT;
    if (try_open(k, io, driver, config, &e) < 0) {
        fail_msg("writer: %s", e.msg);
    }
}

void keeper_open(struct keeper *k, struct io *io, const struct registry_driver *driver,
                 const struct registry_uri *uri, const char *node, unsigned ttl_s, bool dry_run)
{
    struct registry_writer_config config = {
        .uri = uri, .node = node, .ttl_s = ttl_s, .dry_run = dry_run};
    keeper_open_config(k, io, driver, &config);
}

static void w_done(void *ctx)
{
    struct keeper *k = ctx;
    assert_false(k->closed);
    k->closed = true;
}

void keeper_close(struct keeper *k, bool deregister)
{
    k->driver->writer->close(k->writer, deregister, w_done, k);
    assert_false(k->closed); /* never from inside */
    loop_until(k->io, k->closed);
    io_timer_stop(&k->wake);
    k->writer = NULL;
    k->reconcile = reconcile_free(k->reconcile);
    struct keeper_item *item, *tmp;
    HASH_ITER (hh, k->items, item, tmp) {
        HASH_DEL(k->items, item);
        buf_deinit(&item->value);
        service_unref(item->service);
        free(item);
    }
}

static struct service *make_service(const char *node, const char *name, const char *host,
                                    uint16_t port)
{
    char id[512];
    struct err e = ERR_INIT;
    struct service *svc = NULL;
    snprintf(id, sizeof(id), "%s:%s:%u", node, host, (unsigned)port);
    struct service_spec spec = {.name = name,
                                .id = id,
                                .node = node,
                                .host = host,
                                .port = port,
                                .weight = SERVICE_WEIGHT_UNSET};
    if (service_new(&svc, &spec, &e) < 0) {
        fail_msg("service: %s", e.msg);
    }
    return svc;
}

/* The item of a service, made on demand; consumes svc. */
static struct keeper_item *item_of(struct keeper *k, struct service *svc, bool make)
{
    struct buf key = BUF_INIT(4096), value = BUF_INIT(1 << 21);
    struct err e = ERR_INIT;
    struct keeper_item *item;
    uint64_t digest;
    if (k->driver->writer->encode(k->writer, svc, &key, &value, &digest, &e) != 0) {
        fail_msg("%s: %s", svc->s.id, e.msg);
    }
    HASH_FIND_STR(k->items, buf_str(&key), item);
    if (!item && make) {
        item = xcalloc(1, sizeof(*item) + key.len + 1);
        memcpy(item->key, buf_str(&key), key.len);
        HASH_ADD_STR(k->items, key, item);
        item->service = service_ref(svc);
        item->value = value;
        item->digest = digest;
    } else {
        buf_deinit(&value);
    }
    buf_deinit(&key);
    service_unref(svc);
    return item;
}

void keeper_want(struct keeper *k, const char *node, const char *name, const char *host,
                 uint16_t port)
{
    struct keeper_item *item = item_of(k, make_service(node, name, host, port), true);
    reconcile_want(k->reconcile, item->key, item->digest);
    pump(k);
}

void keeper_want_large(struct keeper *k, const char *node, const char *name, const char *host,
                       uint16_t port, size_t bytes)
{
    struct service *small = make_service(node, name, host, port), *large = NULL;
    struct service_attr attrs[SERVICE_ATTRS_MAX];
    char keys[SERVICE_ATTRS_MAX][8];
    char *text = xmalloc(SERVICE_TEXT_MAX + 1);
    struct err e = ERR_INIT;
    struct service_spec spec = small->s;
    memset(text, 'x', SERVICE_TEXT_MAX);
    text[SERVICE_TEXT_MAX] = '\0';
    spec.attrs = attrs;
    spec.n_attrs = bytes / SERVICE_TEXT_MAX;
    assert_true(spec.n_attrs <= SERVICE_ATTRS_MAX);
    for (size_t i = 0; i < spec.n_attrs; i++) {
        snprintf(keys[i], sizeof(keys[i]), "a%zu", i % 1000);
        attrs[i] = (struct service_attr){.key = keys[i], .value = text};
    }
    assert_int_equal(service_new(&large, &spec, &e), 0);
    service_unref(small);
    free(text);
    struct keeper_item *item = item_of(k, large, true);
    reconcile_want(k->reconcile, item->key, item->digest);
    pump(k);
}

void keeper_want_spec(struct keeper *k, const struct service_spec *spec)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    struct buf key = BUF_INIT(4096);
    if (service_new(&svc, spec, &e) < 0) {
        fail_msg("service: %s", e.msg);
    }
    struct keeper_item *item = item_of(k, service_ref(svc), true);
    service_unref(item->service);
    item->service = svc;
    buf_reset(&item->value);
    assert_int_equal(
        k->driver->writer->encode(k->writer, svc, &key, &item->value, &item->digest, &e), 0);
    buf_deinit(&key);
    reconcile_want(k->reconcile, item->key, item->digest);
    pump(k);
}

void keeper_unwant(struct keeper *k, const char *node, const char *name, const char *host,
                   uint16_t port)
{
    struct keeper_item *item = item_of(k, make_service(node, name, host, port), false);
    assert_non_null(item);
    reconcile_unwant(k->reconcile, item->key);
    HASH_DEL(k->items, item);
    buf_deinit(&item->value);
    service_unref(item->service);
    free(item);
    pump(k);
}

bool keeper_settled(const struct keeper *k)
{
    return k->ready && reconcile_pending(k->reconcile) == 0 &&
           reconcile_seen_count(k->reconcile) == HASH_COUNT(k->items);
}

size_t keeper_seen(const struct keeper *k)
{
    return reconcile_seen_count(k->reconcile);
}

/* ---- viewer ---- */

static void r_table(void *ctx, const struct table *table, bool fresh)
{
    struct viewer *v = ctx;
    assert_false(v->closed);
    v->tables++;
    v->fresh += fresh;
    table_copy(&v->table, table);
}

static void r_live(void *ctx, bool live, const struct err *why)
{
    struct viewer *v = ctx;
    assert_false(v->closed);
    assert_true(!v->told || v->live != live); /* once per change of state */
    assert_true(live || why->class != ERR_NONE);
    v->told = true;
    v->live = live;
    v->lives += live;
    v->stales += !live;
    if (why) {
        v->last = *why;
    }
}

static void r_skipped(void *ctx, const char *key, const struct err *why)
{
    struct viewer *v = ctx;
    assert_false(v->closed);
    v->skips++;
    v->last = *why;
    str_copy(v->skipped, sizeof(v->skipped), key);
}

static const struct registry_reader_events reader_events = {
    .table = r_table,
    .live = r_live,
    .skipped = r_skipped,
};

void viewer_open(struct viewer *v, struct io *io, const struct registry_driver *driver,
                 const struct registry_uri *uri, bool once)
{
    viewer_open_names(v, io, driver, uri, once, NULL, 0);
}

void viewer_open_names(struct viewer *v, struct io *io, const struct registry_driver *driver,
                       const struct registry_uri *uri, bool once, const char *const *names,
                       size_t n_names)
{
    struct err e = ERR_INIT;
    *v = (struct viewer){.io = io, .driver = driver};
    table_init(&v->table);
    struct registry_reader_config config = {
        .uri = uri, .once = once, .names = names, .n_names = n_names};
    if (driver->reader->open(&v->reader, io, &config, &reader_events, v, &e) < 0) {
        fail_msg("reader: %s", e.msg);
    }
    assert_int_equal(v->tables, 0); /* never from inside */
}

static void r_done(void *ctx)
{
    struct viewer *v = ctx;
    assert_false(v->closed);
    v->closed = true;
}

void viewer_close(struct viewer *v)
{
    v->driver->reader->close(v->reader, r_done, v);
    assert_false(v->closed);
    loop_until(v->io, v->closed);
    table_deinit(&v->table);
}

bool viewer_agrees(const struct viewer *v, const struct keeper *k)
{
    if (v->table.n != HASH_COUNT(k->items)) {
        return false;
    }
    struct keeper_item *item, *tmp;
    HASH_ITER (hh, k->items, item, tmp) {
        const struct service *svc =
            table_find(&v->table, item->service->s.name, item->service->s.id);
        if (!svc || !service_equal(svc, item->service)) {
            return false;
        }
    }
    return true;
}
