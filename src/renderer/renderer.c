/*
 * Happy path: the reader reports its first complete table, which is rendered and published at once; later
 * tables wait for the debounce. Any number of tables sets one thing: that a pass is due.
 *
 *   RUNNING ─renderer_stop, one-shot over─► STOPPING ─reader and publisher closed─► STOPPED
 *
 * Failure modes: a registry out of reach is the reader's to retry, for ever; the file stays, and that is
 * logged once. A table that takes too much away is held (render/hold.h) and confirmed by a fresh listing. A
 * one-shot run that gets no listing within ten seconds fails. A reload that an earlier run has left owed
 * does not wait for the registry.
 *
 * Not done: anything about files and commands (publish.c), and reading the configuration again.
 */
#include "renderer/renderer.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"
#include "renderer/renderer_internal.h"

#include <errno.h>

static void set_state(struct renderer *r, enum renderer_state to)
{
    static const bool allowed[][3] = {
        [RENDERER_S_RUNNING] = {[RENDERER_S_STOPPING] = true},
        [RENDERER_S_STOPPING] = {[RENDERER_S_STOPPED] = true},
        [RENDERER_S_STOPPED] = {false},
    };
    must(allowed[r->state][to]);
    r->state = to;
}

/* ---- stopping ---- */

static void finished(struct io_defer *d)
{
    struct renderer *r = container_of(d, struct renderer, finish);
    set_state(r, RENDERER_S_STOPPED);
    r->done(r->ctx, r->exit_status);
}

static void part_closed(void *ctx)
{
    struct renderer *r = ctx;
    must(r->open_parts > 0);
    if (--r->open_parts == 0) {
        io_defer(r->io, &r->finish, finished);
    }
}

void renderer_end(struct renderer *r, int exit_status)
{
    if (r->state != RENDERER_S_RUNNING) {
        return;
    }
    set_state(r, RENDERER_S_STOPPING);
    r->exit_status = exit_status;
    io_timer_stop(&r->wake);
    io_timer_stop(&r->limit);
    r->open_parts = 2;
    publish_stop(r->publish, part_closed, r);
    r->o.driver->reader->close(take_ptr(r->reader), part_closed, r);
}

void renderer_stop(struct renderer *r)
{
    renderer_end(r, 0);
}

void renderer_refresh(struct renderer *r)
{
    if (r->reader) {
        r->o.driver->reader->refresh(r->reader);
    }
}

void renderer_on_limit(struct io_timer *t)
{
    struct renderer *r = container_of(t, struct renderer, limit);
    log_error("giving up on a one-shot run, the registry could not be listed", NULL);
    renderer_end(r, r->o.diff ? RENDERER_DIFF_TROUBLE : 1);
}

/* ---- when ---- */

static void on_wake(struct io_timer *t);

void renderer_schedule(struct renderer *r)
{
    msec_t now = io_now(r->io);
    /* one that is due already is for the pass that follows the running one */
    msec_t hold = hold_due(&r->hold) > now ? hold_due(&r->hold) : MSEC_NEVER;
    msec_t due = msec_min(debounce_due(&r->debounce), hold);
    if (r->state != RENDERER_S_RUNNING || due == MSEC_NEVER) {
        io_timer_stop(&r->wake);
        return;
    }
    io_timer_start(r->io, &r->wake, due > now ? due - now : 0, on_wake);
}

static void on_wake(struct io_timer *t)
{
    struct renderer *r = container_of(t, struct renderer, wake);
    msec_t now = io_now(r->io);
    if (debounce_take(&r->debounce, now) || hold_due(&r->hold) <= now) {
        publish_kick(r->publish);
    }
    renderer_schedule(r);
}

/* ---- the reader's events ---- */

static void on_table(void *ctx, const struct table *table, bool fresh)
{
    struct renderer *r = ctx;
    if (r->state != RENDERER_S_RUNNING) {
        return;
    }
    table_copy(&r->table, table);
    r->listed = true;
    io_timer_stop(&r->limit);
    if (fresh) {
        hold_fresh(&r->hold);
    }
    debounce_touch(&r->debounce, io_now(r->io));
    renderer_schedule(r);
}

static void on_live(void *ctx, bool live, const struct err *why)
{
    struct renderer *r = ctx;
    if (!live) {
        log_warn(r->listed
                     ? "registry is out of reach, keeping previous upstreams"
                     : "registry is out of reach, nothing is rendered before its first listing",
                 "error", why ? why->msg : "", NULL);
    } else {
        log_info(r->reached ? "registry is followed again" : "registry is followed", "services",
                 LOG_U(r->table.n), NULL);
    }
    r->live = live;
    r->reached = true;
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    (void)ctx;
    log_warn("record left out", "key", key, "error", why ? why->msg : "", NULL);
}

static const struct registry_reader_events reader_events = {
    .table = on_table,
    .live = on_live,
    .skipped = on_skipped,
};

/* ---- life ---- */

static void release(struct renderer *r)
{
    publish_free(r->publish);
    content_deinit(&r->content);
    table_deinit(&r->table);
    free(r->files);
    for (size_t i = 0; i < r->n_names; i++) {
        free(r->names[i]);
    }
    free(r->names);
    free(r);
}

/*
 * What the engine selects: the globs, and besides them the expected names, which it has in lower case and
 * which hold nothing that means something in a glob. No glob is every name.
 */
static void name_wanted(struct renderer *r)
{
    const struct renderer_options *o = &r->o;
    if (o->n_services == 0) {
        return;
    }
    r->names = xcalloc(o->n_services + o->n_expect, sizeof(*r->names));
    for (size_t i = 0; i < o->n_services; i++) {
        r->names[r->n_names++] = xstrdup(o->services[i]);
    }
    for (size_t i = 0; i < o->n_expect; i++) {
        char *name = xstrdup(o->expect[i]);
        str_lower(name);
        r->names[r->n_names++] = name;
    }
}

static int open_content(struct renderer *r, struct err *e)
{
    const struct renderer_options *o = &r->o;
    size_t n = o->n_outputs > 0 ? o->n_outputs : 1;
    struct nginx_options *engines = xcalloc(n, sizeof(*engines));
    for (size_t i = 0; i < n; i++) {
        engines[i] = (struct nginx_options){
            .context = o->n_outputs > 0 ? o->outputs[i].context : NGINX_HTTP,
            .services = o->services,
            .n_services = o->n_services,
            .expect = o->expect,
            .n_expect = o->n_expect,
            .empty = o->empty,
        };
    }
    int err = content_init(&r->content, engines, n, e);
    free(engines);
    return err;
}

static int open_publish(struct renderer *r, struct err *e)
{
    const struct renderer_options *o = &r->o;
    r->files = xcalloc(o->n_outputs + 1, sizeof(*r->files));
    for (size_t i = 0; i < o->n_outputs; i++) {
        r->files[i] = o->outputs[i].file;
    }
    const struct publish_config publish = {
        .files = r->files,
        .n_files = o->n_outputs,
        .check = o->check,
        .reload = o->reload,
        .nginx = o->nginx,
        .old_workers = o->old_workers,
        .old_workers_wait = o->wait_max,
        .once = r->one_shot,
        .strict = o->strict,
        .dry_run = o->dry_run,
        .diff = o->diff,
    };
    return publish_new(&r->publish, r->io, &publish, &renderer_publish_events, r, e);
}

static int open_parts(struct renderer *r, struct err *e)
{
    const struct renderer_options *o = &r->o;
    int err = open_content(r, e);
    if (err == 0) {
        err = open_publish(r, e);
    }
    if (err == 0) {
        err = renderer_adopt_files(r, e);
    }
    if (err < 0) {
        return err;
    }
    name_wanted(r);
    const struct registry_reader_config reader = {
        .uri = o->uri,
        .once = r->one_shot,
        .names = (const char *const *)r->names,
        .n_names = r->n_names,
    };
    return o->driver->reader->open(&r->reader, r->io, &reader, &reader_events, r, e);
}

int renderer_new(struct renderer **ret, struct io *io, const struct renderer_options *options,
                 void (*done)(void *ctx, int exit_status), void *ctx, struct err *e)
{
    struct renderer *r = xcalloc(1, sizeof(*r));
    r->io = io;
    r->o = *options;
    r->done = done;
    r->ctx = ctx;
    bool shows = options->dry_run || options->diff || options->n_outputs == 0;
    r->one_shot = options->once || shows;
    table_init(&r->table);
    debounce_init(&r->debounce, options->wait_min, options->wait_max);
    /* what is only printed may be empty */
    hold_init(&r->hold, shows ? 0 : options->hold, options->max_drop);
    int err = open_parts(r, e);
    if (err < 0) {
        release(r);
        return err;
    }
    if (r->one_shot) {
        io_timer_start(io, &r->limit, RENDERER_ONCE_LIMIT, renderer_on_limit);
    } else if (publish_owes(r->publish)) {
        publish_kick(r->publish);
    }
    *ret = r;
    return 0;
}

struct renderer *renderer_free(struct renderer *r)
{
    if (r) {
        must(r->state == RENDERER_S_STOPPED);
        release(r);
    }
    return NULL;
}

void renderer_describe(const struct renderer *r, struct buf *out)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_field_bool(&w, "listed", r->listed);
    json_field_bool(&w, "live", r->live);
    const struct content_counts n = content_counts(&r->content);
    json_field_int(&w, "services", (int64_t)r->table.n);
    json_field_int(&w, "upstreams", (int64_t)n.upstreams);
    json_field_int(&w, "servers", (int64_t)n.servers);
    json_field_int(&w, "empty", (int64_t)n.empty);
    json_field_int(&w, "refused_by_nginx", (int64_t)n.excluded);
    json_field_int(&w, "rejected_values", (int64_t)n.reports);
    json_field_str(&w, "hold", hold_state_name(r->hold.state));
    json_field_str(&w, "hold_reason", hold_reason_name(r->hold.reason));
    publish_describe(r->publish, &w);
    json_object_end(&w);
}
