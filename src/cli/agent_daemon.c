/*
 * Binds src/agent to daemon.c: the loop, signals and the exit status are that file's.
 */
#include "cli/agent_daemon.h"

#include "cli/daemon.h"

struct agent_daemon {
    const struct agent_options *options;
    struct agent *agent;
    struct daemon *daemon;
};

static void on_done(void *ctx, int exit_status)
{
    daemon_done(((struct agent_daemon *)ctx)->daemon, exit_status);
}

static int start(void *ctx, struct daemon *d, struct io *io, struct err *e)
{
    struct agent_daemon *run = ctx;
    run->daemon = d;
    return agent_new(&run->agent, io, run->options, on_done, run, e);
}

static void stop(void *ctx)
{
    agent_stop(((struct agent_daemon *)ctx)->agent);
}

static void refresh(void *ctx)
{
    agent_refresh(((struct agent_daemon *)ctx)->agent);
}

static void describe(void *ctx, struct buf *out)
{
    agent_describe(((struct agent_daemon *)ctx)->agent, out);
}

static void release(void *ctx)
{
    agent_free(((struct agent_daemon *)ctx)->agent);
}

int agent_daemon_run(const struct agent_options *options)
{
    static const struct daemon_ops ops = {
        .start = start,
        .stop = stop,
        .refresh = refresh,
        .describe = describe,
        .free = release,
    };
    struct agent_daemon run = {.options = options};
    return daemon_run(&ops, &run);
}
