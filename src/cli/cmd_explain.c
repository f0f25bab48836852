/*
 * tidewaiter explain: asks the engine for each container named, maps it as the agent would, and prints
 * the verdict on each port with the rule, label or variable that decided.
 *
 * Containers are looked up one after another, in the order given; a container in another's network leads
 * to one more look-up. One that does not exist is said so, the others are still explained, and the
 * status is 1. It reads; it never writes.
 */
#include "cli/command.h"

#include <stdio.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/explain_print.h"
#include "cli/start.h"
#include "config/explain_settings.h"
#include "docker/api.h"

struct explain_run {
    struct explain_settings settings;
    struct docker_peer peer;
    struct netif_addrs addrs;
    struct mapping_options options;
    char node[DOCKER_NAME_MAX];
    struct io *io;
    struct docker_lookup lookup;
    size_t at;           /* which of the containers named */
    struct container *c; /* found, while its peer is looked up */
    struct buf out;      /* JSON: the array; text: printed at once */
    struct json_writer json;
    int status;
};

#define JSON_MAX (64u * 1024 * 1024)

static void look_up_next(struct explain_run *run);

static void complain(struct explain_run *run, const char *ref, const struct err *why)
{
    fprintf(stderr, "tidewaiter explain: %s: %s\n", ref, why->msg);
    run->status = EXIT_FAILED;
}

static void explain(struct explain_run *run, const struct container *peer)
{
    if (run->settings.json) {
        explain_json(&run->json, &run->options, run->c, peer);
    } else {
        explain_text(stdout, &run->options, run->c, peer);
    }
    run->c = container_free(run->c);
    run->at++;
    look_up_next(run);
}

static void on_peer(void *ctx, struct container *take_c, const char *engine, const struct err *why)
{
    struct explain_run *run = ctx;
    CLEANUP_CONTAINER struct container *peer = take_c;
    (void)engine;
    (void)why; /* that it is unknown is the mapping's verdict */
    explain(run, peer);
}

static void on_container(void *ctx, struct container *take_c, const char *engine,
                         const struct err *why)
{
    struct explain_run *run = ctx;
    if (!take_c) {
        complain(run, run->settings.containers.items[run->at], why);
        run->at++;
        look_up_next(run);
        return;
    }
    run->c = take_c;
    if (str_empty(run->node)) {
        if (str_empty(engine)) {
            netif_hostname(run->node, sizeof(run->node));
        } else {
            str_copy(run->node, sizeof(run->node), engine);
        }
    }
    const char *peer = mapping_peer_id(run->c);
    struct err err = ERR_INIT;
    if (!peer ||
        docker_lookup_start(&run->lookup, run->io, &run->peer.http, peer, on_peer, run, &err) < 0) {
        explain(run, NULL);
    }
}

static void look_up_next(struct explain_run *run)
{
    for (; run->at < run->settings.containers.n; run->at++) {
        const char *ref = run->settings.containers.items[run->at];
        struct err err = ERR_INIT;
        if (docker_lookup_start(&run->lookup, run->io, &run->peer.http, ref, on_container, run,
                                &err) == 0) {
            return;
        }
        complain(run, ref, &err);
    }
}

static int run_command(void *ctx)
{
    struct explain_run *run = ctx;
    struct err err = ERR_INIT;
    if (io_new(&run->io, &err) < 0) {
        complain(run, "cannot start", &err);
        return run->status;
    }
    buf_init(&run->out, JSON_MAX);
    json_begin(&run->json, &run->out);
    json_array(&run->json);
    look_up_next(run);
    io_run(run->io);
    json_array_end(&run->json);
    if (run->settings.json) {
        puts(buf_str(&run->out));
    }
    buf_deinit(&run->out);
    io_free(run->io);
    return run->status;
}

static int load(void *ctx, const struct options_input *input, struct err *e)
{
    return explain_settings_load(&((struct explain_run *)ctx)->settings, input, e);
}

static int prepare(void *ctx, struct err *e)
{
    struct explain_run *run = ctx;
    int r = start_docker(&run->settings.base, &run->settings.docker, &run->peer, e);
    if (r < 0) {
        return r;
    }
    r = start_mapping(&run->settings.base, &run->settings.mapping, &run->addrs, &run->options, e);
    if (r < 0) {
        return r;
    }
    str_copy(run->node, sizeof(run->node), run->options.node);
    run->options.node = run->node;
    return 0;
}

static void release(void *ctx)
{
    struct explain_run *run = ctx;
    docker_peer_deinit(&run->peer);
}

int command_explain(int argc, char **argv)
{
    static const struct start_ops ops = {
        .load = load, .prepare = prepare, .run = run_command, .release = release};
    struct explain_run run = {0};
    return start_command(&ops, &run, &run.settings.base, &run.settings.common, argc, argv);
}
