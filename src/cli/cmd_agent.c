/*
 * tidewaiter agent: its settings made into the agent's options. The work is src/agent's, run by
 * agent_daemon.c.
 */
#include "cli/command.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"
#include "cli/agent_daemon.h"
#include "cli/start.h"
#include "config/agent_settings.h"

struct agent_run {
    struct agent_settings settings;
    struct registry_uri uri;
    struct docker_peer peer;
    struct netif_addrs addrs;
    struct agent_options options;
};

static int prepare(void *ctx, struct err *e)
{
    struct agent_run *run = ctx;
    const struct agent_settings *s = &run->settings;
    int r = start_registry(&s->base, &s->registry, &run->uri, e);
    if (r == 0) {
        r = start_docker(&s->base, &s->docker, &run->peer, e);
    }
    if (r == 0) {
        r = start_mapping(&s->base, &s->mapping, &run->addrs, &run->options.mapping, e);
    }
    if (r < 0) {
        return r;
    }
    run->options.docker = &run->peer.http;
    run->options.inspects = s->inspects;
    run->options.resync = s->resync;
    run->options.driver = registry_driver_for(&run->uri);
    run->options.uri = &run->uri;
    run->options.ttl_s = (unsigned)((s->ttl + MSEC_PER_SEC - 1) / MSEC_PER_SEC);
    run->options.registry_patience = MSEC_NEVER;
    run->options.drain = s->drain;
    run->options.deregister_on_exit = s->on_exit == SETTING_EXIT_DEREGISTER;
    run->options.once = s->once;
    run->options.dry_run = s->dry_run;
    return 0;
}

static void announce(const struct agent_run *run)
{
    struct buf uri = BUF_INIT(REGISTRY_URI_MAX);
    registry_uri_format(&run->uri, &uri);
    const char *address = run->addrs.v4[0] ? run->addrs.v4 : run->addrs.v6;
    log_info("starting", "version", TIDEWAITER_VERSION, "docker", run->peer.where, "registry",
             buf_str(&uri), "address", address, "from", run->addrs.source, NULL);
    buf_deinit(&uri);
    start_warn_password(&run->uri);
    if (run->addrs.loopback && !run->options.mapping.internal) {
        log_warn("services are registered with a loopback address, other hosts cannot reach them",
                 "address", address, NULL);
    }
}

static int load(void *ctx, const struct options_input *input, struct err *e)
{
    return agent_settings_load(&((struct agent_run *)ctx)->settings, input, e);
}

static int run_command(void *ctx)
{
    struct agent_run *run = ctx;
    announce(run);
    return agent_daemon_run(&run->options);
}

static void release(void *ctx)
{
    struct agent_run *run = ctx;
    docker_peer_deinit(&run->peer);
    registry_uri_deinit(&run->uri);
}

int command_agent(int argc, char **argv)
{
    static const struct start_ops ops = {
        .load = load, .prepare = prepare, .run = run_command, .release = release};
    struct agent_run run = {0};
    return start_command(&ops, &run, &run.settings.base, &run.settings.common, argc, argv);
}
