/*
 * The publish machine's beginning and end, and what it says of itself.
 *
 * Happy path: an earlier run has left its files settled. One that ended during a check gets its files from
 * before put back; one that ended before its reload succeeded still owes it, and this run pays.
 * Failure: files that cannot be put back are an error of publish_new().
 * Not done: the passes (publish.c).
 */
#include "renderer/publish.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/must.h"
#include "base/wallclock.h"
#include "renderer/nginx_control.h"
#include "renderer/publish_internal.h"

#include <string.h>
#include <unistd.h>

#define RELOAD_GRACE (5 * MSEC_PER_SEC)
#define RETRY_MIN    (1 * MSEC_PER_SEC)
#define RETRY_MAX    (60 * MSEC_PER_SEC)

static int open_outputs(struct publish *p, struct err *e)
{
    enum outputs_found found = OUTPUTS_FOUND_CLEAN;
    bool touch = !p->c.dry_run && !p->c.diff;
    int r =
        outputs_new(&p->outputs, p->c.files, p->c.n_files, p->c.nginx != NULL, touch, &found, e);
    if (r < 0) {
        return r;
    }
    publish_say_notes(p);
    if (found == OUTPUTS_FOUND_TAKEN_BACK) {
        log_warn("an earlier run ended in the middle of a change, its files from before are back",
                 "file", p->c.files[0].path, NULL);
    } else if (found == OUTPUTS_FOUND_OWED && reload_wanted(&p->reload)) {
        log_info("an earlier run ended before its reload succeeded, it is still owed", "file",
                 p->c.files[0].path, NULL);
    }
    if (touch && !reload_wanted(&p->reload) && outputs_phase(p->outputs) == OUTPUTS_OWED) {
        outputs_settle(p->outputs); /* owed by a run that had a reload; this one has none */
    }
    return 0;
}

int publish_new(struct publish **ret, struct io *io, const struct publish_config *c,
                const struct publish_events *events, void *ctx, struct err *e)
{
    struct publish *p = xcalloc(1, sizeof(*p));
    p->io = io;
    p->c = *c;
    p->events = events;
    p->ctx = ctx;
    p->n = c->n_files ? c->n_files : 1;
    p->bytes = xcalloc(p->n, sizeof(*p->bytes));
    p->changed = xcalloc(p->n, sizeof(*p->changed));
    p->failed_due = MSEC_NEVER;
    const char *first = c->n_files ? c->files[0].path : "";
    uint64_t seed = hash64(first, strlen(first)) ^ ((uint64_t)getpid() << 32) ^ io_now(io);
    backoff_init(&p->failed_backoff, RETRY_MIN, RETRY_MAX, seed);
    rejection_init(&p->rejection, seed + 2);
    crowd_init(&p->crowd, c->old_workers, c->old_workers_wait);
    bool quiet = c->n_files == 0 || c->dry_run || c->diff;
    check_init(&p->check, io, quiet ? NULL : c->check, quiet ? NULL : c->nginx);
    reload_init(&p->reload, io, quiet ? NULL : c->reload, quiet ? NULL : c->nginx, c->once,
                seed + 1);
    int r = c->n_files ? open_outputs(p, e) : 0;
    if (r < 0) {
        publish_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

int publish_read(struct publish *p, size_t i, struct buf *out, struct err *e)
{
    return outputs_read(p->outputs, i, out, e);
}

bool publish_changed(const struct publish *p, size_t i)
{
    return p->outputs && outputs_differs(p->outputs, i);
}

bool publish_owes(const struct publish *p)
{
    return p->outputs && outputs_phase(p->outputs) == OUTPUTS_OWED && reload_wanted(&p->reload);
}

static void on_grace_over(struct io_timer *t)
{
    reload_cancel(&container_of(t, struct publish, timer)->reload);
}

void publish_stop(struct publish *p, void (*done)(void *ctx), void *ctx)
{
    must(!p->stopping);
    p->stopping = true;
    p->stopped = done;
    p->stopped_ctx = ctx;
    io_defer_drop(&p->defer);
    io_timer_stop(&p->timer);
    if (p->state == PUBLISH_S_RELOAD) {
        p->reload.last = true;
        io_timer_start(p->io, &p->timer, RELOAD_GRACE, on_grace_over);
    } else if (p->state == PUBLISH_S_CHECK) {
        check_cancel(&p->check);
    } else if (p->state == PUBLISH_S_CROWD) {
        p->c.nginx->ops->cancel(p->c.nginx);
    } else {
        must(p->state == PUBLISH_S_IDLE);
        publish_stopped(p);
    }
}

struct publish *publish_free(struct publish *p)
{
    if (!p) {
        return NULL;
    }
    must(p->state == PUBLISH_S_IDLE && !reload_running(&p->reload) && !io_defer_pending(&p->defer));
    io_timer_stop(&p->timer);
    check_deinit(&p->check);
    outputs_free(p->outputs);
    free(p->bytes);
    free(p->changed);
    free(p);
    return NULL;
}

/* ---- state ---- */

static void put_time(struct json_writer *w, const char *name, msec_t wall)
{
    char text[CLOCK_TEXT_MAX];
    if (wall) {
        clock_format(wall, text);
    }
    json_field_str(w, name, wall ? text : NULL);
}

static void put_mark(struct json_writer *w, const char *name, const struct publish_mark *m)
{
    json_key(w, name);
    if (!m->at) {
        json_put_str(w, NULL);
        return;
    }
    json_object(w);
    put_time(w, "at", m->at);
    json_field_bool(w, "good", m->good);
    if (!m->good) {
        json_field_str(w, "why", m->why);
    }
    json_object_end(w);
}

void publish_describe(const struct publish *p, struct json_writer *w)
{
    bool owed = publish_owes(p);
    json_field_str(w, "publish", publish_state_name(p->state));
    json_key(w, "outputs");
    json_array(w);
    for (size_t i = 0; i < p->c.n_files; i++) {
        json_object(w);
        json_field_str(w, "file", p->c.files[i].path);
        put_time(w, "last_change", p->changed[i]);
        put_mark(w, "last_check", &p->checked);
        put_mark(w, "last_reload", &p->reloaded);
        json_field_bool(w, "reload_owed", owed);
        if (owed) {
            put_time(w, "owed_since", outputs_owed_since(p->outputs));
            json_field_str(w, "owed_why",
                           p->reloaded.at && !p->reloaded.good ? p->reloaded.why
                                                               : "it has not been tried yet");
        }
        json_object_end(w);
    }
    json_array_end(w);
    json_field_bool(w, "rejected", p->rejection.state != REJECTION_S_NONE && p->rejection.whole);
    msec_t due = rejection_due(&p->rejection);
    put_time(w, "next_try",
             due == MSEC_NEVER ? 0 : clock_wall() + due - msec_min(due, io_now(p->io)));
    json_field_bool(w, "reload_owed", owed);
    json_field_str(w, "failure", p->failure.class == ERR_NONE ? NULL : p->failure.msg);
}
