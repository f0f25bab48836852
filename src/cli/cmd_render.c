/*
 * tidewaiter render: its settings made into the renderer's options. The work is src/renderer's, signals
 * and the exit status are daemon.c's.
 */
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/daemon.h"
#include "cli/start.h"
#include "config/render_settings.h"
#include "docker/peer.h"
#include "renderer/command.h"
#include "renderer/nginx_control.h"
#include "renderer/renderer.h"

struct render_run {
    struct render_settings settings;
    struct registry_uri uri;
    struct docker_peer peer; /* --nginx container:NAME */
    struct command check, reload;
    struct renderer_output outputs[2];
    struct renderer_options options;
    struct nginx_control *nginx;
    struct renderer *renderer;
    struct daemon *daemon;
};

/* The container that --nginx names, or NULL. */
static const char *nginx_container(const struct render_settings *s)
{
    return s->nginx && str_starts(s->nginx, "container:") ? strchr(s->nginx, ':') + 1 : NULL;
}

/* The configuration that `--nginx local:/CONF` names, or NULL. */
static const char *nginx_conf(const struct render_settings *s)
{
    const char *colon = strchr(s->nginx, ':');
    return colon ? colon + 1 : NULL;
}

static int prepare_command(const struct options_base *base, const char *name, const char *text,
                           struct command *ret, struct err *e)
{
    int r = text ? command_parse(ret, text, e) : 0;
    if (r < 0) {
        options_blame(base, name, 0, e);
    }
    return r;
}

static int prepare_output(struct render_run *run, const char *name, const char *path,
                          enum nginx_context context, struct err *e)
{
    const struct render_settings *s = &run->settings;
    if (!path) {
        return 0;
    }
    int r = str_ends(path, "/") ? err_set(e, ERR_INVALID, -EINVAL, "%s names a folder", path)
            : str_starts(path, "/dev/") || str_starts(path, "/proc/")
                ? err_set(e, ERR_INVALID, -EINVAL,
                          "%s is no place for a file; without an output it goes to stdout", path)
                : fs_replaceable(path, e);
    if (r < 0) {
        options_blame(&s->base, name, 0, e);
        return r;
    }
    run->outputs[run->options.n_outputs++] = (struct renderer_output){
        .context = context,
        .file =
            {.path = path, .mode = s->mode, .owner = s->uid, .group = s->gid, .backup = s->backup},
    };
    return 0;
}

static int prepare_commands(struct render_run *run, struct err *e)
{
    const struct render_settings *s = &run->settings;
    int r = prepare_command(&s->base, "check", s->check, &run->check, e);
    if (r == 0) {
        r = prepare_command(&s->base, "reload", s->reload, &run->reload, e);
    }
    if (r == 0 && s->reload && command_names_src(&run->reload)) {
        r = err_set(e, ERR_INVALID, -EINVAL,
                    "{{.src}} is the staged file, which is gone by then; name the file itself");
        options_blame(&s->base, "reload", 0, e);
    }
    return r;
}

static int prepare_expected(const struct render_settings *s, struct err *e)
{
    for (size_t i = 0; i < s->expect.n; i++) {
        int r = nginx_name_check(s->expect.items[i], e);
        if (r < 0) {
            options_blame(&s->base, "expect", i, e);
            return r;
        }
    }
    return 0;
}

static int prepare(void *ctx, struct err *e)
{
    struct render_run *run = ctx;
    const struct render_settings *s = &run->settings;
    int r = start_registry(&s->base, &s->registry, &run->uri, e);
    if (r < 0) {
        return r;
    }
    run->options = (struct renderer_options){
        .driver = registry_driver_for(&run->uri),
        .uri = &run->uri,
        .outputs = run->outputs,
        .services = s->services.items,
        .n_services = s->services.n,
        .expect = s->expect.items,
        .n_expect = s->expect.n,
        .empty = (enum nginx_empty)s->empty,
        .hold = s->hold,
        .max_drop = s->max_drop,
        .wait_min = s->wait.min,
        .wait_max = s->wait.max,
        .check = s->check ? &run->check : NULL,
        .reload = s->reload ? &run->reload : NULL,
        .old_workers = s->old_workers,
        .strict = s->strict,
        .once = s->once,
        .dry_run = s->dry_run,
        .diff = s->diff,
    };
    r = prepare_expected(s, e);
    if (r == 0) {
        r = prepare_output(run, "output", s->output, NGINX_HTTP, e);
    }
    if (r == 0) {
        r = prepare_output(run, "stream-output", s->stream_output, NGINX_STREAM, e);
    }
    if (r == 0) {
        r = prepare_commands(run, e);
    }
    return r == 0 && nginx_container(s) ? start_docker(&s->base, &s->docker, &run->peer, e) : r;
}

static void announce(const struct render_run *run)
{
    struct buf uri = BUF_INIT(REGISTRY_URI_MAX);
    registry_uri_format(&run->uri, &uri);
    const struct renderer_options *o = &run->options;
    if (o->n_outputs > 0 && !o->once && !o->dry_run && !o->diff) {
        log_info("starting", "version", TIDEWAITER_VERSION, "registry", buf_str(&uri), "output",
                 o->outputs[0].file.path, o->n_outputs > 1 ? "stream_output" : NULL,
                 o->outputs[1].file.path, NULL);
    }
    buf_deinit(&uri);
    start_warn_password(&run->uri);
}

static void on_done(void *ctx, int exit_status)
{
    daemon_done(((struct render_run *)ctx)->daemon, exit_status);
}

static int open_nginx(struct render_run *run, struct io *io, struct err *e)
{
    const struct render_settings *s = &run->settings;
    const char *container = nginx_container(s);
    int r = !s->nginx   ? 0
            : container ? nginx_container_new(&run->nginx, io, &run->peer, container, e)
                        : nginx_local_new(&run->nginx, io, nginx_conf(s), e);
    if (r < 0) {
        options_blame(&s->base, "nginx", 0, e);
    }
    run->options.nginx = run->nginx;
    return r;
}

static int render_start(void *ctx, struct daemon *d, struct io *io, struct err *e)
{
    struct render_run *run = ctx;
    run->daemon = d;
    int r = open_nginx(run, io, e);
    return r < 0 ? r : renderer_new(&run->renderer, io, &run->options, on_done, run, e);
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
    struct render_run *run = ctx;
    renderer_free(run->renderer);
    nginx_control_free(run->nginx);
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
    docker_peer_deinit(&run->peer);
    command_deinit(&run->check);
    command_deinit(&run->reload);
}

int command_render(int argc, char **argv)
{
    static const struct start_ops ops = {
        .load = load, .prepare = prepare, .run = run_command, .release = release};
    struct render_run run = {0};
    return start_command(&ops, &run, &run.settings.base, &run.settings.common, argc, argv);
}
