/*
 * tidewaiter render: its settings made into the renderer's options. The work is src/renderer's, signals
 * and the exit status are daemon.c's.
 */
#include "cli/command.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "cli/daemon.h"
#include "cli/start.h"
#include "config/render_settings.h"
#include "renderer/renderer.h"

struct render_run {
    struct render_settings settings;
    struct registry_uri uri;
    struct renderer_options options;
    struct renderer *renderer;
    struct daemon *daemon;
};

static int prepare(void *ctx, struct err *e)
{
    struct render_run *run = ctx;
    const struct render_settings *s = &run->settings;
    int r = start_registry(&s->base, &s->registry, &run->uri, e);
    if (r < 0) {
        return r;
    }
    r = s->output ? fs_replaceable(s->output, e) : 0;
    if (r < 0) {
        options_blame(&s->base, "output", 0, e);
        return r;
    }
    run->options = (struct renderer_options){
        .driver = registry_driver_for(&run->uri),
        .uri = &run->uri,
        .output = s->output,
        .services = s->services.items,
        .n_services = s->services.n,
        .expect = s->expect.items,
        .n_expect = s->expect.n,
        .empty = (enum nginx_empty)s->empty,
        .hold = s->hold,
        .wait_min = s->wait.min,
        .wait_max = s->wait.max,
        .check = s->check,
        .reload = s->reload,
        .mode = s->mode,
        .once = s->once,
        .dry_run = s->dry_run,
    };
    return 0;
}

static void announce(const struct render_run *run)
{
    struct buf uri = BUF_INIT(REGISTRY_URI_MAX);
    registry_uri_format(&run->uri, &uri);
    if (run->options.output && !run->options.once) {
        log_info("starting", "version", TIDEWAITER_VERSION, "registry", buf_str(&uri), "output",
                 run->options.output, NULL);
    }
    buf_deinit(&uri);
    start_warn_password(&run->uri);
}

static void on_done(void *ctx, int exit_status)
{
    daemon_done(((struct render_run *)ctx)->daemon, exit_status);
}

static int render_start(void *ctx, struct daemon *d, struct io *io, struct err *e)
{
    struct render_run *run = ctx;
    run->daemon = d;
    return renderer_new(&run->renderer, io, &run->options, on_done, run, e);
}

static void render_stop(void *ctx)
{
    renderer_stop(((struct render_run *)ctx)->renderer);
}

static void render_look_again(void *ctx)
{
    renderer_refresh(((struct render_run *)ctx)->renderer);
}

static void render_state(void *ctx, struct buf *out)
{
    renderer_describe(((struct render_run *)ctx)->renderer, out);
}

static void render_release(void *ctx)
{
    renderer_free(((struct render_run *)ctx)->renderer);
}

static const struct daemon_ops render_daemon = {
    .start = render_start,
    .stop = render_stop,
    .refresh = render_look_again,
    .describe = render_state,
    .free = render_release,
};

static int load(void *ctx, const struct options_input *input, struct err *e)
{
    return render_settings_load(&((struct render_run *)ctx)->settings, input, e);
}

static int run_command(void *ctx)
{
    announce(ctx);
    return daemon_run(&render_daemon, ctx);
}

static void release(void *ctx)
{
    struct render_run *run = ctx;
    registry_uri_deinit(&run->uri);
}

int command_render(int argc, char **argv)
{
    static const struct start_ops ops = {
        .load = load, .prepare = prepare, .run = run_command, .release = release};
    struct render_run run = {0};
    return start_command(&ops, &run, &run.settings.base, &run.settings.common, argc, argv);
}
