/*
 * The agent's life: start, the engine's events, stop.
 *
 * Happy path: the watch connects, the node name is known (given, or the engine's own), the registry
 * writer opens, both report their complete listings, and from then on changes flow (sync.c).
 *
 *   STARTING ──node name known──► RUNNING ──agent_stop, agent_end──► STOPPING ──parts closed──► STOPPED
 *      └──────────────agent_stop, agent_end─────────────────────────────▲
 *
 * Failure modes: an engine out of reach is retried by the watch for ever and logged once per change of
 * state, while what is registered stays; a registry setting that cannot work ends the agent with 1, as
 * does another agent that took over the node name, and a registry that does not answer once within the
 * patience that was asked for. A one-shot run that reaches no engine or registry within its limit ends
 * with 1.
 */
#include "agent/internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"
#include "io/netif.h"

#define ONCE_CONNECT_MS 10000u /* for the engine and the registry to answer */
#define ONCE_TOTAL_MS   60000u /* more for everything to be in place */
#define PROGRESS_MIN    200u   /* listings below this are over before a line is read */

static const unsigned allowed[] = {
    [AGENT_S_STARTING] = 1u << AGENT_S_RUNNING | 1u << AGENT_S_STOPPING,
    [AGENT_S_RUNNING] = 1u << AGENT_S_STOPPING,
    [AGENT_S_STOPPING] = 1u << AGENT_S_STOPPED,
    [AGENT_S_STOPPED] = 0,
};

static const char *const state_names[] = {
    [AGENT_S_STARTING] = "starting",
    [AGENT_S_RUNNING] = "running",
    [AGENT_S_STOPPING] = "stopping",
    [AGENT_S_STOPPED] = "stopped",
};

static void set_state(struct agent *a, enum agent_state to)
{
    must(allowed[a->state] & 1u << to);
    log_debug("agent", "from", state_names[a->state], "to", state_names[to], NULL);
    a->state = to;
}

/* ---- stopping ---- */

static void finished(struct io_defer *d)
{
    struct agent *a = container_of(d, struct agent, finish);
    set_state(a, AGENT_S_STOPPED);
    a->done(a->ctx, a->exit_status);
}

static void part_closed(void *ctx)
{
    struct agent *a = ctx;
    must(a->open_parts > 0);
    if (--a->open_parts == 0) {
        io_defer(a->io, &a->finish, finished);
    }
}

static void stop(struct agent *a, bool deregister)
{
    if (a->state == AGENT_S_STOPPING || a->state == AGENT_S_STOPPED) {
        return;
    }
    set_state(a, AGENT_S_STOPPING);
    io_timer_stop(&a->once_limit);
    io_timer_stop(&a->drain_timer);
    io_timer_stop(&a->kept_timer);
    io_timer_stop(&a->retry_timer);
    io_timer_stop(&a->patience);
    if (a->writer) {
        a->o.driver->writer->close(take_ptr(a->writer), deregister, part_closed, a);
    }
    docker_watch_close(take_ptr(a->watch), part_closed, a);
}

void agent_stop(struct agent *a)
{
    stop(a, a->o.deregister_on_exit);
}

void agent_refresh(struct agent *a)
{
    if (a->watch) {
        docker_watch_relist(a->watch);
    }
}

void agent_end(struct agent *a, int exit_status)
{
    a->exit_status = exit_status;
    stop(a, false);
}

static void once_total(struct io_timer *t)
{
    struct agent *a = container_of(t, struct agent, once_limit);
    log_error("giving up on a one-shot run, not everything could be written", "pending",
              LOG_U(reconcile_pending(a->reconcile)), NULL);
    agent_end(a, 1);
}

static void once_connect(struct io_timer *t)
{
    struct agent *a = container_of(t, struct agent, once_limit);
    if (a->docker_up && a->ready) {
        io_timer_start(a->io, &a->once_limit, ONCE_TOTAL_MS, once_total);
        return;
    }
    log_error("giving up on a one-shot run", "no_answer_from",
              a->docker_up ? "registry" : "docker engine", NULL);
    agent_end(a, 1);
}

/* ---- the engine's events ---- */

/* Who the records belong to: '@' is in no host name, so no node is another's owner by accident. */
static void set_owner(struct agent *a)
{
    const char *engine = docker_watch_engine_id(a->watch);
    bool with = a->o.owner_with_engine && !str_empty(engine);
    int len = snprintf(a->owner, sizeof(a->owner), "%s%s%s", a->node, with ? "@" : "",
                       with ? engine : "");
    must(len >= 0 && (size_t)len < sizeof(a->owner));
}

/* Once the node name is certain: it is the first part of every id and names the agent's record. */
static void open_registry(struct agent *a)
{
    if (str_empty(a->node)) {
        const char *engine = docker_watch_engine_name(a->watch);
        if (!str_empty(engine)) {
            str_copy(a->node, sizeof(a->node), engine);
        } else {
            netif_hostname(a->node, sizeof(a->node));
        }
    }
    set_owner(a);
    struct err err = ERR_INIT;
    if (agent_sync_open(a, &err) < 0) {
        log_error("cannot open the registry", "error", err.msg, NULL);
        agent_end(a, 1);
        return;
    }
    set_state(a, AGENT_S_RUNNING);
    agent_containers_map_all(a);
}

static void on_connected(void *ctx, bool up, const struct err *why)
{
    struct agent *a = ctx;
    a->docker_up = up;
    if (!up) {
        log_warn("docker engine is out of reach, keeping what is registered", "error", why->msg,
                 NULL);
        return;
    }
    log_info("docker engine is connected", "engine", docker_watch_engine_name(a->watch), NULL);
    if (a->state == AGENT_S_STARTING) {
        open_registry(a);
    }
}

static void on_upsert(void *ctx, struct container *take_c)
{
    agent_container_upsert(ctx, take_c);
}

static void on_container_gone(void *ctx, const char *id, bool listed)
{
    agent_container_gone(ctx, id, listed);
}

static void on_told_to_stop(void *ctx, const char *id, int signal)
{
    agent_container_told_to_stop(ctx, id, signal);
}

/* A tenth at a time, and only for listings that take a while. */
static void on_progress(void *ctx, size_t inspected, size_t total)
{
    struct agent *a = ctx;
    if (a->in_sync || total < PROGRESS_MIN) {
        return;
    }
    size_t tenth = inspected * 10 / total;
    if (tenth != a->progress_logged) {
        a->progress_logged = tenth;
        log_info("listing containers", "inspected", LOG_U(inspected), "total", LOG_U(total), NULL);
    }
}

static void on_complete(void *ctx)
{
    agent_sync_listed(ctx);
}

static const struct docker_watch_events watch_events = {
    .upsert = on_upsert,
    .gone = on_container_gone,
    .told_to_stop = on_told_to_stop,
    .progress = on_progress,
    .complete = on_complete,
    .connected = on_connected,
};

/* ---- life ---- */

int agent_new(struct agent **ret, struct io *io, const struct agent_options *options,
              void (*done)(void *ctx, int exit_status), void *ctx, struct err *e)
{
    struct agent *a = xcalloc(1, sizeof(*a));
    a->magic = AGENT_MAGIC;
    a->io = io;
    a->o = *options;
    a->done = done;
    a->ctx = ctx;
    a->started = io_now(io);
    if (!str_empty(options->mapping.node) &&
        !str_copy(a->node, sizeof(a->node), options->mapping.node)) {
        free(a);
        return err_set(e, ERR_INVALID, -EINVAL, "node name is longer than %d bytes",
                       AGENT_NODE_MAX - 1);
    }
    a->o.mapping.node = a->node;
    agent_containers_init(a);
    agent_sync_init(a);
    struct docker_watch_config config = {
        .peer = options->docker,
        .inspects = options->inspects,
        .resync = options->resync,
    };
    int r = docker_watch_open(&a->watch, io, &config, &watch_events, a, e);
    if (r < 0) {
        agent_sync_deinit(a);
        free(a);
        return r;
    }
    a->open_parts = 1;
    if (options->once || options->dry_run) {
        io_timer_start(io, &a->once_limit, ONCE_CONNECT_MS, once_connect);
    }
    if (!str_empty(a->node) && !options->owner_with_engine) {
        open_registry(a);
    }
    *ret = a;
    return 0;
}

struct agent *agent_free(struct agent *a)
{
    if (a) {
        must(a->magic == AGENT_MAGIC && a->state == AGENT_S_STOPPED);
        agent_containers_deinit(a);
        agent_sync_deinit(a);
        a->magic = 0;
        free(a);
    }
    return NULL;
}

void agent_describe(const struct agent *a, struct buf *out)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_field_str(&w, "state", state_names[a->state]);
    json_field_str(&w, "node", a->node);
    json_field_str(&w, "owner", a->owner);
    json_field_bool(&w, "docker_connected", a->docker_up);
    json_field_bool(&w, "registry_ready", a->ready);
    json_field_bool(&w, "acting", a->acting);
    json_field_int(&w, "containers", (int64_t)HASH_COUNT(a->containers));
    json_field_int(&w, "services", (int64_t)desired_count(a->desired));
    if (a->reconcile) {
        json_field_int(&w, "registered", (int64_t)reconcile_seen_count(a->reconcile));
        json_field_int(&w, "pending", (int64_t)reconcile_pending(a->reconcile));
    }
    json_field_int(&w, "written", (int64_t)a->written);
    json_field_int(&w, "deleted", (int64_t)a->deleted);
    if (a->watch) {
        json_key(&w, "docker");
        docker_watch_describe(a->watch, out);
    }
    if (a->writer) {
        w.comma = true;
        json_key(&w, "registry");
        a->o.driver->writer->describe(a->writer, out);
    }
    w.comma = true;
    json_object_end(&w);
}
