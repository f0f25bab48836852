/*
 * The reader of the embedded registry.
 *
 *      WAITING ----> LIVE <----> STALE        the file cannot be read: the last table stays, until
 *         |           | ^          |          its ttl has passed
 *         |           v |          |
 *         +-------> EXPIRED <------+          nobody renewed the table: it is empty, as a registry is
 *                                             whose lease has lapsed
 *      (any) ----> CLOSING
 *
 * Happy path: inotify says that the file may have changed, it is looked at, and where contents differ
 * from the last ones the table is read and told. Its writer touches the file each ttl/3; the table
 * counts as renewed when that time has moved, by our own monotonic clock, so a jump of the wall clock
 * neither ends nor prolongs it. Only at the first look the age comes from the wall clock, between 0
 * and the ttl.
 *
 * Failure modes:
 *   - There is no file yet, or one that is no table of services: not live, with the reason, and no
 *     table is told. An agent that was not started yet, or a broken file, must not look like "no
 *     services". With `once` the same: "not live" before any table is a failed listing, and refresh()
 *     tries again.
 *   - The file vanishes or breaks later: stale. A living agent repairs it within moments; after the
 *     ttl it has expired like any other that nobody renews.
 *   - inotify loses events, or there is no folder to watch yet: a slow timer looks as well.
 *
 * Blocking: stat() and reads of a local file.
 */
#include "registry/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/must.h"
#include "base/wallclock.h"
#include "io/fswatch.h"
#include "io/timer.h"
#include "registry/file_doc.h"
#include "registry/skipped.h"
#include "registry/file_store.h"
#include "registry/uri.h"

#define POLL_WATCHED   10000u /* ms */
#define POLL_UNWATCHED 1000u

enum reader_state {
    FILE_READER_S_WAITING,
    FILE_READER_S_LIVE,
    FILE_READER_S_STALE,
    FILE_READER_S_EXPIRED,
    FILE_READER_S_CLOSING,
};

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next;
} states[] = {
    [FILE_READER_S_WAITING] = {"waiting", BIT(FILE_READER_S_LIVE) | BIT(FILE_READER_S_EXPIRED) |
                                              BIT(FILE_READER_S_CLOSING)},
    [FILE_READER_S_LIVE] = {"live", BIT(FILE_READER_S_STALE) | BIT(FILE_READER_S_EXPIRED) |
                                        BIT(FILE_READER_S_CLOSING)},
    [FILE_READER_S_STALE] = {"stale", BIT(FILE_READER_S_LIVE) | BIT(FILE_READER_S_EXPIRED) |
                                          BIT(FILE_READER_S_CLOSING)},
    [FILE_READER_S_EXPIRED] = {"expired", BIT(FILE_READER_S_LIVE) | BIT(FILE_READER_S_CLOSING)},
    [FILE_READER_S_CLOSING] = {"closing", 0},
};

struct registry_reader {
    struct io *io;
    const struct registry_reader_events *events;
    void *ctx;
    char *path;
    bool once;

    enum reader_state state;
    bool told, live; /* what the caller knows */
    bool refresh;    /* a fresh listing is owed */

    struct file_store store; /* contents that were read last */
    struct err unreadable;   /* why those are no table; ERR_NONE: they are */
    struct file_doc doc;     /* the last table that was read */
    bool has_doc;
    bool changed;       /* it is not what the caller was told last */
    int64_t mtime_ns;   /* of the file when it was renewed last, */
    int64_t renewed_at; /* and monotonic; may lie before the clock's beginning */
    struct skipped skipped;

    struct io_fswatch *watch;
    struct io_timer check;
    struct io_defer look, closed;
    void (*done)(void *ctx);
    void *done_ctx;
};

static void set_state(struct registry_reader *r, enum reader_state state)
{
    must(states[r->state].next & BIT(state));
    log_debug("file reader", "from", states[r->state].name, "to", states[state].name, NULL);
    r->state = state;
}

/* ---- telling ---- */

static void tell_live(struct registry_reader *r, bool live, const struct err *why)
{
    if (r->state != FILE_READER_S_CLOSING && (!r->told || r->live != live)) {
        r->told = true;
        r->live = live;
        r->events->live(r->ctx, live, why);
    }
}

static void tell_table(struct registry_reader *r, const struct table *table)
{
    bool fresh = r->refresh || r->once;
    r->refresh = false;
    if (r->state != FILE_READER_S_CLOSING) {
        r->events->table(r->ctx, table, fresh);
    }
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    struct registry_reader *r = ctx;
    if (skipped_note_reason(&r->skipped, key, why->msg) && r->state != FILE_READER_S_CLOSING) {
        r->events->skipped(r->ctx, key, why);
    }
}

/* ---- reading ---- */

static int64_t ttl_ms(const struct registry_reader *r)
{
    return (int64_t)r->doc.ttl_s * MSEC_PER_SEC;
}

static int64_t unrenewed_for(const struct registry_reader *r)
{
    return (int64_t)io_now(r->io) - r->renewed_at;
}

/* Services that stayed the same stay the same objects, so that a diff of two tables costs nothing. */
static void share_unchanged(struct table *now, const struct table *before)
{
    for (size_t i = 0, k = 0; i < now->n && k < before->n;) {
        int c = service_compare(now->items[i], before->items[k]);
        if (c == 0 && service_equal(now->items[i], before->items[k])) {
            service_unref(now->items[i]);
            now->items[i] = service_ref(before->items[k]);
        }
        i += c <= 0;
        k += c >= 0;
    }
}

static void take_table(struct registry_reader *r, struct file_doc *doc)
{
    share_unchanged(&doc->services, &r->doc.services);
    r->changed = r->changed || !r->has_doc || !table_equal(&doc->services, &r->doc.services);
    table_swap(&r->doc.services, &doc->services);
    memcpy(r->doc.node, doc->node, sizeof(doc->node));
    r->doc.ttl_s = doc->ttl_s;
}

static void renew(struct registry_reader *r)
{
    const struct file_stamp *stamp = &r->store.stamp;
    int64_t now = (int64_t)io_now(r->io);
    if (!r->has_doc) {
        int64_t age = (int64_t)file_stamp_age(stamp, clock_wall());
        r->has_doc = true;
        r->renewed_at = now - (age < ttl_ms(r) ? age : ttl_ms(r));
    } else if (stamp->mtime_ns != r->mtime_ns) {
        r->renewed_at = now;
    }
    r->mtime_ns = stamp->mtime_ns;
}

static int read_contents(struct registry_reader *r, struct err *e)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(FILE_DOC_MAX);
    CLEANUP(file_doc_deinit) struct file_doc doc = FILE_DOC_NULL;
    struct file_store before = r->store;
    int res = file_store_read(&r->store, &text, e);
    if (res < 0) {
        return res;
    }
    bool same = before.known && before.digest == r->store.digest && before.len == r->store.len;
    if (!same || r->unreadable.class != ERR_NONE || !r->has_doc) {
        skipped_begin(&r->skipped);
        res = file_doc_decode(&doc, buf_str(&text), text.len, on_skipped, r, e);
        if (res < 0) {
            err_wrap(e, "%s", r->path);
            r->unreadable = *e;
            return res;
        }
        skipped_end(&r->skipped);
        take_table(r, &doc);
    }
    err_reset(&r->unreadable);
    renew(r);
    return 0;
}

/* 0 when doc is what the file says now; else why it is not. */
static int look_at_file(struct registry_reader *r, struct err *e)
{
    struct file_stamp stamp;
    int res = file_stamp_take(r->path, &stamp, e);
    if (res < 0) {
        r->store.known = false;
        return res;
    }
    if (r->store.known && !r->refresh && file_stamp_equal(&stamp, &r->store.stamp)) {
        if (r->unreadable.class != ERR_NONE) {
            *e = r->unreadable;
            return e->code;
        }
        return 0;
    }
    return read_contents(r, e);
}

/* ---- the machine ---- */

static void expire(struct registry_reader *r)
{
    struct err why = ERR_INIT;
    bool news = r->state != FILE_READER_S_EXPIRED;
    if (news) {
        set_state(r, FILE_READER_S_EXPIRED);
        r->changed = true; /* should it be renewed, with whatever contents */
    }
    if (news || r->refresh) {
        struct table none = TABLE_NULL;
        none.generation = ++r->doc.services.generation;
        tell_table(r, &none);
    }
    err_set(&why, ERR_TRANSIENT, -ETIMEDOUT,
            "the agent of node %s has not renewed %s for %u s: its records have expired",
            r->doc.node, r->path, r->doc.ttl_s);
    tell_live(r, false, &why);
}

static void follow(struct registry_reader *r)
{
    if (r->state == FILE_READER_S_EXPIRED) {
        r->doc.services.generation++;
    }
    if (r->state != FILE_READER_S_LIVE) {
        set_state(r, FILE_READER_S_LIVE);
    }
    if (r->changed || r->refresh) {
        r->changed = false;
        tell_table(r, &r->doc.services);
    }
    tell_live(r, true, NULL);
}

static void lose(struct registry_reader *r, const struct err *why)
{
    if (r->state == FILE_READER_S_LIVE) {
        set_state(r, FILE_READER_S_STALE);
    }
    tell_live(r, false, why);
}

static void on_check(struct io_timer *t);

static void look(struct registry_reader *r)
{
    struct err e = ERR_INIT;
    int res = look_at_file(r, &e);
    if (r->state == FILE_READER_S_CLOSING) {
        return; /* closed from inside skipped() */
    }
    if (r->has_doc && unrenewed_for(r) >= ttl_ms(r)) {
        expire(r);
    } else if (res < 0) {
        lose(r, &e);
    } else {
        follow(r);
    }
    if (r->state == FILE_READER_S_CLOSING || r->once) {
        return;
    }
    msec_t delay = r->watch ? POLL_WATCHED : POLL_UNWATCHED;
    if (r->has_doc && r->state != FILE_READER_S_EXPIRED) {
        int64_t left = ttl_ms(r) - unrenewed_for(r);
        delay = msec_min(delay, left > 1 ? (msec_t)left : 1);
    }
    io_timer_start(r->io, &r->check, delay, on_check);
}

static void on_file_event(void *ctx)
{
    look(ctx);
}

static void watch_and_look(struct registry_reader *r)
{
    if (!r->watch && !r->once &&
        io_fswatch_new(&r->watch, r->io, r->path, on_file_event, r, NULL) < 0) {
        r->watch = NULL; /* no folder yet: the timer looks for it */
    }
    look(r);
}

static void on_look(struct io_defer *d)
{
    watch_and_look(container_of(d, struct registry_reader, look));
}

static void on_check(struct io_timer *t)
{
    watch_and_look(container_of(t, struct registry_reader, check));
}

/* ---- the interface ---- */

static int reader_open(struct registry_reader **ret, struct io *io,
                       const struct registry_reader_config *config,
                       const struct registry_reader_events *events, void *ctx, struct err *e)
{
    (void)e;
    struct registry_reader *r = xcalloc(1, sizeof(*r));
    r->io = io;
    r->events = events;
    r->ctx = ctx;
    r->path = xstrdup(config->uri->path);
    r->store.path = r->path;
    r->once = config->once;
    io_defer(io, &r->look, on_look);
    *ret = r;
    return 0;
}

static void reader_refresh(struct registry_reader *r)
{
    r->refresh = true;
    if (!io_defer_pending(&r->look)) {
        io_defer(r->io, &r->look, on_look);
    }
}

static void on_closed(struct io_defer *d)
{
    struct registry_reader *r = container_of(d, struct registry_reader, closed);
    void (*done)(void *ctx) = r->done;
    void *ctx = r->done_ctx;
    file_doc_deinit(&r->doc);
    skipped_deinit(&r->skipped);
    free(r->path);
    free(r);
    done(ctx);
}

static void reader_close(struct registry_reader *r, void (*done)(void *ctx), void *ctx)
{
    set_state(r, FILE_READER_S_CLOSING);
    io_timer_stop(&r->check);
    io_defer_drop(&r->look);
    io_fswatch_free(r->watch);
    r->watch = NULL;
    r->done = done;
    r->done_ctx = ctx;
    io_defer(r->io, &r->closed, on_closed);
}

const struct registry_reader_ops file_reader_ops = {
    .open = reader_open,
    .refresh = reader_refresh,
    .close = reader_close,
};
