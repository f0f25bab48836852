/*
 * Keeps the file of the embedded registry right and alive.
 *
 *                    listing told                  cannot write
 *      OPENING ----------------------> READY -----------------------> BROKEN
 *         |                            ^   |  <---------------------   |   |
 *         |                            |   |   written, listing told   |   |
 *         |                            |   +------> DEPOSED <----------+   |
 *         |                            |    lock lost   |                  |
 *         +----------------------------+----------------+------------------+--> CLOSING
 *
 * Happy path: the keys in the file are ours, because we hold its lock; they are told as seen. Each ttl/3
 * the file is touched, which is this registry's lease: a reader takes the table for expired once the
 * file's time has not moved for the ttl. Nothing is written while nothing changes.
 *
 * What memory holds is the truth, since nobody else may write. So when the file is deleted, truncated
 * or altered, it is put back in one piece and no key is told as gone: no reader ever sees a table with
 * fewer services in between. Against somebody who keeps altering it this is done once a second at most.
 *
 * Failure modes:
 *   - There is no file, or it is not ours to understand (the reason is told by `unready`), or it has
 *     expired, so that its keys lapsed as those of a lease do: the listing is empty, and the file is
 *     left as it is until the first write, or until the agent has settled with nothing to write.
 *     Otherwise a reader would see an empty table, or a revived old one, before the first comparison.
 *   - The disk refuses: unready, tried again with backoff for ever; when it works all of memory is
 *     written, including what failed, and a new listing tells what is there.
 *   - Somebody removed the lock file: it is taken anew. Where another agent was faster: deposed.
 *
 * A dry run takes no lock, touches nothing, and lists again when the file changes.
 */
#include "registry/file_writer.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/must.h"
#include "base/wallclock.h"
#include "registry/file_doc.h"
#include "registry/record.h"

#define REPAIR_PAUSE 1000u /* ms between repairs of what somebody else altered */

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next;
} states[] = {
    [FILE_WRITER_S_OPENING] = {"opening", BIT(FILE_WRITER_S_READY) | BIT(FILE_WRITER_S_CLOSING)},
    [FILE_WRITER_S_READY] = {"ready", BIT(FILE_WRITER_S_BROKEN) | BIT(FILE_WRITER_S_DEPOSED) |
                                          BIT(FILE_WRITER_S_CLOSING)},
    [FILE_WRITER_S_BROKEN] = {"broken", BIT(FILE_WRITER_S_READY) | BIT(FILE_WRITER_S_DEPOSED) |
                                            BIT(FILE_WRITER_S_CLOSING)},
    [FILE_WRITER_S_DEPOSED] = {"deposed", BIT(FILE_WRITER_S_CLOSING)},
    [FILE_WRITER_S_CLOSING] = {"closing", 0},
};

void file_writer_set_state(struct registry_writer *w, enum file_writer_state state)
{
    must(states[w->state].next & BIT(state));
    log_debug("file writer", "from", states[w->state].name, "to", states[state].name, NULL);
    w->state = state;
}

const char *file_writer_state_name(const struct registry_writer *w)
{
    return states[w->state].name;
}

static msec_t heartbeat_interval(const struct registry_writer *w)
{
    return (msec_t)w->ttl_s * MSEC_PER_SEC / 3;
}

static void encode(struct registry_writer *w, struct buf *out)
{
    file_keys_encode(&w->keys, w->node, w->ttl_s, w->revision, out);
}

int file_keeper_store(struct registry_writer *w, struct err *e)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(FILE_DOC_MAX);
    encode(w, &text);
    int r = buf_error(&text) ? err_set(e, ERR_THROTTLED, buf_error(&text), "%s: too many services",
                                       w->store.path)
                             : file_store_write(&w->store, &text, e);
    w->owed = r < 0;
    if (r < 0 && e->class == ERR_INVALID) {
        e->class = ERR_TRANSIENT; /* it is the path that is wrong, and that can be mended */
    }
    return r;
}

/* ---- the file that is there ---- */

static void adopt(struct registry_writer *w, const struct table *services)
{
    CLEANUP(buf_deinit) struct buf key = BUF_INIT(SERVICE_NAME_MAX + SERVICE_ID_MAX + 1);
    CLEANUP(buf_deinit) struct buf value = BUF_INIT(RECORD_VALUE_MAX);
    for (size_t i = 0; i < services->n; i++) {
        const struct service *svc = services->items[i];
        buf_reset(&key);
        buf_reset(&value);
        buf_printf(&key, "%s/%s", svc->s.name, svc->s.id);
        if (record_encode(RECORD_JSON, svc, &value, NULL) == 0) {
            file_keys_put(&w->keys, buf_str(&key), value.data, value.len, w->revision);
        }
    }
    w->adopted = true;
}

static void load(struct registry_writer *w)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(FILE_DOC_MAX);
    CLEANUP(file_doc_deinit) struct file_doc doc = FILE_DOC_NULL;
    struct err e = ERR_INIT;
    file_keys_deinit(&w->keys);
    w->adopted = false;
    w->owed = true;
    int r = file_store_read(&w->store, &text, &e);
    if (r == -ENOENT) {
        return;
    }
    if (r == 0) {
        r = file_doc_decode(&doc, buf_str(&text), text.len, NULL, NULL, &e);
    }
    if (r < 0) {
        err_wrap(&e, "%s cannot be used and will be replaced", w->store.path);
        w->trouble = e;
        return;
    }
    w->revision = doc.revision > 0 ? doc.revision : 1;
    if (file_stamp_age(&w->store.stamp, clock_wall()) >= (msec_t)doc.ttl_s * MSEC_PER_SEC) {
        return;
    }
    adopt(w, &doc.services);
    CLEANUP(buf_deinit) struct buf ours = BUF_INIT(FILE_DOC_MAX);
    encode(w, &ours);
    w->owed = hash64(buf_str(&ours), ours.len) != w->store.digest;
}

/* ---- telling ---- */

static void list(struct registry_writer *w)
{
    const struct registry_writer_events *ev = w->events;
    struct file_key *key, *next;
    ev->begin(w->ctx);
    HASH_ITER (hh, w->keys.by_key, key, next) {
        if (w->state == FILE_WRITER_S_CLOSING) {
            return;
        }
        ev->seen(w->ctx, key->key, key->digest, key->revision, REGISTRY_OURS);
    }
    if (w->state == FILE_WRITER_S_CLOSING) {
        return;
    }
    if (w->state != FILE_WRITER_S_READY) {
        file_writer_set_state(w, FILE_WRITER_S_READY);
    }
    ev->ready(w->ctx);
}

static void tell_trouble(struct registry_writer *w)
{
    if (w->trouble.class != ERR_NONE) {
        struct err why = w->trouble;
        err_reset(&w->trouble);
        w->events->unready(w->ctx, &why);
    }
}

static void depose(struct registry_writer *w, const struct err *why)
{
    file_keeper_stop(w);
    file_writer_set_state(w, FILE_WRITER_S_DEPOSED);
    w->events->deposed(w->ctx, why);
}

/* ---- repairing ---- */

/* False when another agent has the lock now (ERR_CONFLICT), or when it cannot be had. */
static bool relock(struct registry_writer *w, struct err *e)
{
    if (lock_file_valid(&w->lock)) {
        return true;
    }
    struct lock_file anew = LOCK_FILE_NULL;
    if (fs_make_parent(w->store.path, 0755, e) < 0 ||
        file_lock_take(&anew, w->store.path, w->node, e) < 0) {
        return false;
    }
    lock_file_release(&w->lock);
    w->lock = anew;
    return true;
}

static void on_repair(struct io_timer *t);

void file_keeper_break(struct registry_writer *w, const struct err *why)
{
    w->trouble = *why;
    if (w->state == FILE_WRITER_S_READY) {
        file_writer_set_state(w, FILE_WRITER_S_BROKEN);
    }
}

void file_keeper_tell_broken(struct registry_writer *w)
{
    io_timer_start(w->io, &w->repair, backoff_next(&w->backoff), on_repair);
    tell_trouble(w);
}

static void repair(struct registry_writer *w)
{
    struct err e = ERR_INIT;
    bool broken = w->state == FILE_WRITER_S_BROKEN;
    w->repaired_at = io_now(w->io);
    if (relock(w, &e) && file_keeper_store(w, &e) == 0) {
        if (broken) {
            backoff_reset(&w->backoff);
            list(w);
        }
    } else if (e.class == ERR_CONFLICT) {
        depose(w, &e);
    } else if (broken) {
        /* told already */
        io_timer_start(w->io, &w->repair, backoff_next(&w->backoff), on_repair);
    } else {
        file_keeper_break(w, &e);
        file_keeper_tell_broken(w);
    }
}

static void on_repair(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, repair);
    if (w->state == FILE_WRITER_S_BROKEN || !file_store_intact(&w->store)) {
        repair(w);
    }
}

static void on_announce(struct io_defer *d);

static void on_file_event(void *ctx)
{
    struct registry_writer *w = ctx;
    if (w->dry_run) {
        if (!io_defer_pending(&w->announce) && !file_store_intact(&w->store)) {
            load(w);
            io_defer(w->io, &w->announce, on_announce);
        }
        return;
    }
    /* a file that is still to come has nothing that could be repaired */
    if (w->state != FILE_WRITER_S_READY || w->owed || w->repair.armed ||
        file_store_intact(&w->store)) {
        return;
    }
    msec_t since = io_now(w->io) - w->repaired_at;
    if (w->repaired_at == 0 || since >= REPAIR_PAUSE) {
        repair(w);
    } else {
        io_timer_start(w->io, &w->repair, REPAIR_PAUSE - since, on_repair);
    }
}

/* ---- keeping alive ---- */

static void watch(struct registry_writer *w)
{
    if (!w->watch && io_fswatch_new(&w->watch, w->io, w->store.path, on_file_event, w, NULL) < 0) {
        w->watch = NULL; /* the heartbeat looks, too, and tries again */
    }
}

static void keep_alive(struct registry_writer *w)
{
    struct err e = ERR_INIT;
    if (w->owed || !lock_file_valid(&w->lock) || !file_store_intact(&w->store) ||
        file_store_touch(&w->store, &e) < 0) {
        repair(w);
    }
}

void file_keeper_settle(struct registry_writer *w)
{
    if (w->state == FILE_WRITER_S_READY && !w->dry_run && w->owed) {
        keep_alive(w);
    }
}

static void on_heartbeat(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, heartbeat);
    io_timer_start(w->io, t, heartbeat_interval(w), on_heartbeat);
    watch(w);
    if (w->dry_run) {
        on_file_event(w);
    } else if (w->state == FILE_WRITER_S_READY) {
        keep_alive(w);
    }
}

static void on_announce(struct io_defer *d)
{
    struct registry_writer *w = container_of(d, struct registry_writer, announce);
    if (!w->heartbeat.armed) {
        io_timer_start(w->io, &w->heartbeat, heartbeat_interval(w), on_heartbeat);
    }
    tell_trouble(w);
    if (w->state == FILE_WRITER_S_CLOSING) {
        return;
    }
    list(w);
    if (w->adopted && !w->dry_run && w->state == FILE_WRITER_S_READY) {
        keep_alive(w); /* a new node name or ttl is written, else the file is touched */
    }
}

void file_keeper_start(struct registry_writer *w)
{
    load(w);
    watch(w);
    io_defer(w->io, &w->announce, on_announce);
}

void file_keeper_stop(struct registry_writer *w)
{
    io_timer_stop(&w->heartbeat);
    io_timer_stop(&w->repair);
    io_defer_drop(&w->announce);
    io_fswatch_free(w->watch);
    w->watch = NULL;
}
