/*
 * The writer of the embedded registry: the vtable, and batches.
 *
 * Happy path: open() takes the lock and starts the keeper; write() applies a batch in memory, writes the
 * whole document once, and delivers the results in the next turn of the loop.
 *
 * Failure modes: an operation whose condition does not hold is a conflict, and the truth is told before
 * the result. When the file cannot be written, every operation of the batch fails, though memory keeps
 * them: the keeper writes memory once it can, and then lists it (file_keeper.c).
 *
 * Blocking: a write of a local file, once for each batch.
 */
#include "registry/file_writer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/must.h"
#include "registry/file.h"
#include "registry/file_doc.h"
#include "registry/record.h"
#include "registry/uri.h"

#define BATCH_MAX 4096

#define REPAIR_MIN 250u /* ms */
#define REPAIR_MAX 10000u

static struct registry_writer *writer_free(struct registry_writer *w)
{
    if (w) {
        must(!w->watch && !w->batch.results);
        file_keys_deinit(&w->keys);
        lock_file_release(&w->lock);
        free(w->node);
        free(w->path);
        free(w);
    }
    return NULL;
}

static int writer_open(struct registry_writer **ret, struct io *io,
                       const struct registry_writer_config *config,
                       const struct registry_writer_events *events, void *ctx, struct err *e)
{
    if (config->ttl_s < 1 || config->ttl_s > FILE_DOC_TTL_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL, "a ttl of %u s", config->ttl_s);
    }
    struct registry_writer *w = xcalloc(1, sizeof(*w));
    w->io = io;
    w->events = events;
    w->ctx = ctx;
    w->node = xstrdup(config->node);
    w->ttl_s = config->ttl_s;
    w->dry_run = config->dry_run;
    w->lock = (struct lock_file)LOCK_FILE_NULL;
    w->path = xstrdup(config->uri->path);
    w->store.path = w->path;
    backoff_init(&w->backoff, REPAIR_MIN, REPAIR_MAX, hash64(w->node, strlen(w->node)));
    if (!w->dry_run) {
        int r = fs_make_parent(w->store.path, 0755, e);
        if (r == 0) {
            r = file_lock_take(&w->lock, w->store.path, w->node, e);
        }
        if (r < 0) {
            writer_free(w);
            return r;
        }
    }
    file_keeper_start(w);
    *ret = w;
    return 0;
}

static int writer_encode(const struct registry_writer *w, const struct service *svc,
                         struct buf *ret_key, struct buf *ret_value, uint64_t *ret_digest,
                         struct err *e)
{
    (void)w;
    buf_printf(ret_key, "%s/%s", svc->s.name, svc->s.id);
    if (buf_error(ret_key)) {
        return err_set(e, ERR_INVALID, buf_error(ret_key), "the key of %s is too long", svc->s.id);
    }
    return record_encode_digest(RECORD_JSON, svc, ret_value, ret_digest, e);
}

/* ---- batches ---- */

static bool apply(struct registry_writer *w, const struct registry_op *op, int64_t revision)
{
    struct file_key *key = file_keys_find(&w->keys, op->key);
    if (op->revision != (key ? key->revision : 0)) {
        return false;
    }
    if (op->kind == REGISTRY_PUT) {
        file_keys_put(&w->keys, op->key, op->value, op->value_len, revision);
    } else if (key) {
        file_keys_remove(&w->keys, key);
    }
    return true;
}

static void tell_truth(struct registry_writer *w, const char *name)
{
    const struct file_key *key = file_keys_find(&w->keys, name);
    if (key) {
        w->events->seen(w->ctx, name, key->digest, key->revision, REGISTRY_OURS);
    } else {
        w->events->gone(w->ctx, name, w->revision);
    }
}

static void on_ended(struct io_defer *d)
{
    struct registry_writer *w = container_of(d, struct registry_writer, ended);
    struct file_batch batch = w->batch;
    w->batch = (struct file_batch){0}; /* written() may begin the next one */
    for (size_t i = 0; i < batch.n; i++) {
        if (batch.conflicts[i]) {
            tell_truth(w, batch.conflicts[i]);
            free(batch.conflicts[i]);
        }
    }
    w->events->written(w->ctx, batch.results, batch.n, &batch.why);
    free(batch.results);
    free(batch.conflicts);
    if (w->state == FILE_WRITER_S_BROKEN) {
        file_keeper_tell_broken(w);
    }
}

static int writer_write(struct registry_writer *w, const struct registry_op *ops, size_t n)
{
    must(n > 0 && n <= BATCH_MAX);
    if (w->batch.results) {
        return -EBUSY;
    }
    if (w->state != FILE_WRITER_S_READY || w->dry_run) {
        return -EAGAIN;
    }
    struct file_batch *b = &w->batch;
    *b = (struct file_batch){.results = xcalloc(n, sizeof(*b->results)),
                             .conflicts = xcalloc(n, sizeof(*b->conflicts)),
                             .n = n};
    size_t applied = 0;
    for (size_t i = 0; i < n; i++) {
        if (apply(w, &ops[i], w->revision + 1)) {
            b->results[i].revision = w->revision + 1;
            applied++;
        } else {
            b->results[i].class = ERR_CONFLICT;
            b->conflicts[i] = xstrdup(ops[i].key);
            err_set(&b->why, ERR_CONFLICT, -EAGAIN, "%s is not as it was last seen", ops[i].key);
        }
    }
    w->revision += applied > 0;
    struct err e = ERR_INIT;
    if (applied > 0 && file_keeper_store(w, &e) < 0) {
        for (size_t i = 0; i < n; i++) {
            b->results[i].class = b->results[i].class == ERR_NONE ? e.class : ERR_CONFLICT;
        }
        b->why = e;
        file_keeper_break(w, &e);
    }
    io_defer(w->io, &w->ended, on_ended);
    return 0;
}

/* ---- the end ---- */

static void on_closed(struct io_defer *d)
{
    struct registry_writer *w = container_of(d, struct registry_writer, closed);
    void (*done)(void *ctx) = w->done;
    void *ctx = w->done_ctx;
    writer_free(w);
    done(ctx);
}

static void writer_close(struct registry_writer *w, bool deregister, void (*done)(void *ctx),
                         void *ctx)
{
    bool ours = !w->dry_run && w->state != FILE_WRITER_S_DEPOSED && lock_file_valid(&w->lock);
    file_keeper_stop(w);
    file_writer_set_state(w, FILE_WRITER_S_CLOSING);
    if (deregister && ours) {
        struct err e = ERR_INIT;
        file_keys_deinit(&w->keys);
        w->revision++;
        /* where the disk refuses even now, the records expire with the ttl */
        (void)!file_keeper_store(w, &e);
    }
    w->done = done;
    w->done_ctx = ctx;
    io_defer(w->io, &w->closed, on_closed); /* behind the results of a batch */
}

static void writer_describe(const struct registry_writer *w, struct buf *out)
{
    struct json_writer j;
    json_begin(&j, out);
    json_object(&j);
    json_field_str(&j, "driver", "file");
    json_field_str(&j, "path", w->store.path);
    json_field_str(&j, "state", file_writer_state_name(w));
    json_field_int(&j, "revision", w->revision);
    json_field_int(&j, "services", (int64_t)file_keys_count(&w->keys));
    json_field_bool(&j, "locked", w->lock.fd >= 0);
    json_object_end(&j);
}

const struct registry_writer_ops file_writer_ops = {
    .batch_max = BATCH_MAX,
    .open = writer_open,
    .encode = writer_encode,
    .write = writer_write,
    .settled = file_keeper_settle,
    .close = writer_close,
    .describe = writer_describe,
};
