/*
 * Happy path: what the test wants to be reported is noted and delivered from the defer queue, first the
 * state of the connection, then skipped records, then the table.
 * Failure: none; a registry out of reach is a state that the test sets.
 */
#include "lib/fake_registry.h"

#include "base/alloc.h"
#include "base/must.h"

#include <errno.h>
#include <stdio.h>

struct registry_reader {
    struct fake_registry *f;
    const struct registry_reader_events *events;
    void *ctx;
    struct io_defer deliver;
    bool table, fresh, live_changed, live;
    const char *skip;
    void (*done)(void *ctx);
    void *done_ctx;
};

static void deliver(struct io_defer *d)
{
    struct registry_reader *r = container_of(d, struct registry_reader, deliver);
    struct err why = ERR_INIT;
    if (r->done) {
        void (*done)(void *ctx) = r->done;
        void *ctx = r->done_ctx;
        r->f->closed++;
        free(r);
        done(ctx);
        return;
    }
    err_set(&why, ERR_TRANSIENT, -ECONNREFUSED, "fake registry: connection refused");
    bool table = r->table, fresh = r->fresh, live_changed = r->live_changed;
    const char *skip = r->skip;
    r->table = r->fresh = r->live_changed = false;
    r->skip = NULL;
    if (live_changed) {
        r->events->live(r->ctx, r->live, r->live ? NULL : &why);
    }
    if (skip && !r->done) {
        r->events->skipped(r->ctx, skip, &why);
    }
    if (table && !r->done) {
        r->f->delivered++;
        r->events->table(r->ctx, &r->f->table, fresh);
    }
}

static void soon(struct registry_reader *r)
{
    if (!io_defer_pending(&r->deliver)) {
        io_defer(r->f->io, &r->deliver, deliver);
    }
}

static int fake_open(struct registry_reader **ret, struct io *io,
                     const struct registry_reader_config *config,
                     const struct registry_reader_events *events, void *ctx, struct err *e)
{
    struct fake_registry *f = (struct fake_registry *)(uintptr_t)config->uri;
    must(f->io == io && !f->reader);
    f->opened++;
    f->reader = xcalloc(1, sizeof(*f->reader));
    *f->reader = (struct registry_reader){.f = f, .events = events, .ctx = ctx};
    *ret = f->reader;
    return 0;
}

static void fake_refresh(struct registry_reader *r)
{
    r->f->refreshed++;
    if (!r->f->silent) {
        r->table = r->fresh = true;
        soon(r);
    }
}

static void fake_close(struct registry_reader *r, void (*done)(void *ctx), void *ctx)
{
    must(r->f->reader == r && !r->done);
    r->f->reader = NULL;
    r->done = done;
    r->done_ctx = ctx;
    soon(r);
}

static const struct registry_reader_ops reader_ops = {
    .open = fake_open, .refresh = fake_refresh, .close = fake_close};

const struct registry_driver fake_registry_driver = {.name = "fake", .reader = &reader_ops};

void fake_registry_init(struct fake_registry *f, struct io *io)
{
    *f = (struct fake_registry){.io = io};
    table_init(&f->table);
}

void fake_registry_deinit(struct fake_registry *f)
{
    must(!f->reader);
    table_deinit(&f->table);
}

const struct registry_uri *fake_registry_uri(struct fake_registry *f)
{
    return (const struct registry_uri *)(uintptr_t)f;
}

void fake_registry_put_attr(struct fake_registry *f, const char *name, const char *host,
                            uint16_t port, const char *key, const char *value)
{
    char id[SERVICE_ID_MAX];
    snprintf(id, sizeof(id), "n:%s:%u", host, port);
    const struct service_attr attr = {key, value};
    const struct service_spec spec = {.name = name,
                                      .id = id,
                                      .node = "n",
                                      .container = "c0ffee",
                                      .host = host,
                                      .port = port,
                                      .weight = SERVICE_WEIGHT_UNSET,
                                      .attrs = key ? &attr : NULL,
                                      .n_attrs = key ? 1 : 0};
    struct service *svc = NULL;
    must(service_new(&svc, &spec, NULL) == 0);
    table_put(&f->table, svc);
}

void fake_registry_put(struct fake_registry *f, const char *name, const char *host, uint16_t port)
{
    fake_registry_put_attr(f, name, host, port, NULL, NULL);
}

void fake_registry_remove(struct fake_registry *f, const char *name, const char *host,
                          uint16_t port)
{
    char id[SERVICE_ID_MAX];
    snprintf(id, sizeof(id), "n:%s:%u", host, port);
    must(table_remove(&f->table, name, id));
}

void fake_registry_clear(struct fake_registry *f)
{
    uint64_t generation = f->table.generation;
    table_deinit(&f->table);
    f->table.generation = generation + 1;
}

void fake_registry_push(struct fake_registry *f)
{
    must(f->reader);
    f->reader->table = true;
    soon(f->reader);
}

void fake_registry_push_fresh(struct fake_registry *f)
{
    fake_registry_push(f);
    f->reader->fresh = true;
}

void fake_registry_live(struct fake_registry *f, bool live)
{
    must(f->reader);
    f->reader->live_changed = true;
    f->reader->live = live;
    soon(f->reader);
}

void fake_registry_skip(struct fake_registry *f, const char *key)
{
    must(f->reader);
    f->reader->skip = key;
    soon(f->reader);
}
