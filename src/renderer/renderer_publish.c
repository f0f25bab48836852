/*
 * The renderer as its publisher sees it: bytes on demand, and what becomes of them.
 *
 * Happy path: a table is rendered, passes the hold, and goes live.
 * Failure: an update that takes too much away is held, and confirmed by a fresh listing, before it passes;
 * what nginx refuses is left out of the next render.
 * Not done: when to render; that is renderer.c's.
 */
#include "renderer/renderer_internal.h"

#include "base/log.h"
#include "render/nginx_file.h"

#include <errno.h>

static void say_held(struct renderer *r, const struct content_counts *n)
{
    log_warn(
        r->hold.reason == HOLD_EMPTYING
            ? "every upstream would be empty, keeping previous upstreams until that is confirmed"
            : "too many servers would go, keeping previous upstreams until that is confirmed",
        "live_servers", LOG_U(n->live_servers), "servers", LOG_U(n->servers), "hold_ms",
        LOG_U(r->o.hold), NULL);
}

static int hold_back(struct renderer *r)
{
    const struct content_counts n = content_counts(&r->content);
    enum hold_state before = r->hold.state;
    enum hold_reason reason = before == HOLD_S_OFF ? HOLD_NONE : r->hold.reason;
    /* what nginx refused is left out by us, not by the registry */
    enum hold_verdict verdict =
        hold_offer(&r->hold, io_now(r->io), n.live_servers, n.servers + n.excluded_servers);
    if (verdict == HOLD_PASS) {
        if (r->hold.state == HOLD_S_CONFIRMED && !r->confirmed_said) {
            log_warn("a fresh listing confirms that the servers are gone, publishing that",
                     "servers", LOG_U(n.servers), NULL);
            r->confirmed_said = true;
        } else if (before != HOLD_S_OFF && r->hold.state == HOLD_S_OFF) {
            log_info("the servers are there again, publishing goes on", NULL);
        }
        return 0;
    }
    if (r->hold.reason != reason) {
        say_held(r, &n);
    }
    if (verdict == HOLD_REFRESH) {
        r->o.driver->reader->refresh(r->reader);
        if (r->one_shot) {
            io_timer_start(r->io, &r->limit, RENDERER_ONCE_LIMIT, renderer_on_limit);
        }
    }
    renderer_schedule(r);
    return PUBLISH_E_HELD;
}

static int on_render(void *ctx, struct outputs_bytes *bytes, struct err *e)
{
    struct renderer *r = ctx;
    if (!r->listed) {
        return PUBLISH_E_HELD;
    }
    int err = content_render(&r->content, &r->table, bytes, e);
    return err < 0 ? err : hold_back(r);
}

static bool on_refused(void *ctx, const char *said, const struct blame_file *files)
{
    return content_refuse(&((struct renderer *)ctx)->content, said, files);
}

static void on_readmit(void *ctx)
{
    content_readmit(&((struct renderer *)ctx)->content);
}

static void say_published(const struct renderer *r, size_t i, const char *msg)
{
    const struct engine_result *res = &r->content.parts[i].result;
    log_info(msg, "file", r->o.n_outputs > 0 ? r->o.outputs[i].file.path : "stdout", "upstreams",
             LOG_U(res->upstreams), "servers", LOG_U(res->servers), "empty", LOG_U(res->empty),
             NULL);
}

static bool on_published(void *ctx, bool changed)
{
    struct renderer *r = ctx;
    const struct renderer_options *o = &r->o;
    bool partly = content_counts(&r->content).excluded > 0;
    content_commit(&r->content);
    hold_live(&r->hold);
    r->confirmed_said = false;
    for (size_t i = 0; i < r->content.n && !o->diff; i++) {
        if (changed && (o->n_outputs == 0 || publish_changed(r->publish, i))) {
            say_published(r, i,
                          o->dry_run         ? "would publish"
                          : o->n_outputs > 0 ? "published"
                                             : "printed");
        } else if (!r->settled) {
            say_published(r, i, "up to date");
        }
    }
    return partly;
}

int renderer_adopt_files(struct renderer *r, struct err *e)
{
    for (size_t i = 0; i < r->o.n_outputs; i++) {
        struct buf text = BUF_INIT(NGINX_FILE_MAX);
        int err = publish_read(r->publish, i, &text, e);
        if (err == -ENOENT) {
            err_reset(e);
            err = 0;
        }
        size_t skipped = err == 0 ? content_adopt(&r->content, i, buf_str(&text), text.len) : 0;
        buf_deinit(&text);
        if (err < 0) {
            return err;
        }
        if (skipped > 0 && !r->settled) {
            log_warn("the file has lines that were not written by this program, they will go",
                     "file", r->o.outputs[i].file.path, "lines", LOG_U(skipped), NULL);
        }
    }
    return 0;
}

static void on_restored(void *ctx)
{
    struct err e = ERR_INIT;
    if (renderer_adopt_files(ctx, &e) < 0) {
        log_warn("the files that were put back cannot be read, their last servers are forgotten",
                 "error", e.msg, NULL);
    }
}

static int one_shot_status(const struct renderer *r, enum publish_outcome outcome, bool owed)
{
    bool good = outcome == PUBLISH_SAME || outcome == PUBLISH_DONE;
    if (r->o.diff) {
        return !good ? RENDERER_DIFF_TROUBLE : outcome == PUBLISH_DONE;
    }
    return good && !owed ? 0 : 1;
}

static void on_settled(void *ctx, enum publish_outcome outcome, bool owed)
{
    struct renderer *r = ctx;
    if ((outcome == PUBLISH_SAME || outcome == PUBLISH_DONE) && !owed) {
        content_accepted(&r->content);
    }
    r->settled = r->settled || r->listed;
    renderer_schedule(r);
    if (r->one_shot && outcome != PUBLISH_HELD) {
        renderer_end(r, one_shot_status(r, outcome, owed));
    }
}

const struct publish_events renderer_publish_events = {
    .render = on_render,
    .refused = on_refused,
    .readmit = on_readmit,
    .live = on_published,
    .restored = on_restored,
    .settled = on_settled,
};
