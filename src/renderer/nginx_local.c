/*
 * The nginx of this host.
 *
 *     IDLE ───► LEARN ─count─────────────────────────────► FINISH ─► done, IDLE
 *                │  └─instead─► COMMAND ─► WATCH ─────────►  ▲
 *                └─HUP───────────────────►  │ ▲              │
 *                                           ▼ │              │
 *                                         EXPLAIN ───────────┘
 *
 * Happy path of a reload: LEARN finds the master; its workers and the end of its log are noted; it
 * gets HUP, or a command runs; WATCH (nginx_local_verdict.c) finds out what became of it.
 *
 * Failure modes: no master, no right to signal it, a command that fails: unreached, in words. A command
 * that judges the configuration by itself (nginx -s reload) and says no: refused.
 *
 * Not done: master_process off (there is no master), other process namespaces.
 */
#include "renderer/nginx_local.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/must.h"
#include "render/blame.h"
#include "renderer/command.h"
#include "renderer/output.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOCAL_MAGIC 0x10ca1a9eu

#define SAID_MAX (128u * 1024)

#define TO(s) (1u << LOCAL_S_##s)
static const struct {
    const char *name;
    unsigned next; /* allowed */
} states[] = {
    [LOCAL_S_IDLE] = {"idle", TO(LEARN)},
    [LOCAL_S_LEARN] = {"learn", TO(COMMAND) | TO(WATCH) | TO(FINISH)},
    [LOCAL_S_COMMAND] = {"command", TO(WATCH) | TO(FINISH)},
    [LOCAL_S_WATCH] = {"watch", TO(EXPLAIN) | TO(FINISH)},
    [LOCAL_S_EXPLAIN] = {"explain", TO(WATCH) | TO(FINISH)},
    [LOCAL_S_FINISH] = {"finish", TO(IDLE)},
};

static struct nginx_local *of(struct nginx_control *base)
{
    struct nginx_local *n = container_of(base, struct nginx_local, base);
    must(n->magic == LOCAL_MAGIC);
    return n;
}

void local_set_state(struct nginx_local *n, enum local_state to)
{
    must(states[n->state].next & 1u << to);
    log_debug("nginx local", "from", states[n->state].name, "to", states[to].name, NULL);
    n->state = to;
}

/* ---- the end ---- */

static void on_finish(struct io_defer *d)
{
    struct nginx_local *n = container_of(d, struct nginx_local, step);
    struct buf said = n->said;
    char why[LOCAL_WHY_MAX];
    /* the next operation may begin in the callback, or the owner free this */
    memcpy(why, n->why, sizeof(why));
    buf_init(&n->said, SAID_MAX);
    nginx_watch_end(&n->watch);
    n->instead = NULL;
    local_set_state(n, LOCAL_S_IDLE);
    if (n->counted) {
        n->counted(n->ctx, n->cancelled ? 0 : n->old);
    } else if (n->cancelled) {
        n->done(n->ctx, &(struct nginx_result){NGINX_UNREACHED, "cancelled", ""});
    } else {
        n->done(n->ctx, &(struct nginx_result){n->outcome, why, buf_str(&said)});
    }
    buf_deinit(&said);
}

void local_finish(struct nginx_local *n, enum nginx_outcome outcome, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(n->why, sizeof(n->why), fmt, ap);
    va_end(ap);
    for (char *p = n->why; *p; p++) {
        *p = (unsigned char)*p < ' ' ? ' ' : *p; /* commands may have several lines */
    }
    n->outcome = outcome;
    io_timer_stop(&n->timer);
    local_set_state(n, LOCAL_S_FINISH);
    io_defer(n->io, &n->step, on_finish);
}

const char *local_reason(const struct nginx_local *n, const char *otherwise,
                         char text[LOCAL_WHY_MAX])
{
    size_t len = 0;
    const char *p = blame_reason(buf_str(&n->said), &len);
    if (len == 0) {
        return otherwise;
    }
    snprintf(text, LOCAL_WHY_MAX, "%.*s", (int)(len < LOCAL_WHY_MAX ? len : LOCAL_WHY_MAX - 1), p);
    return text;
}

/* ---- the command that checks ---- */

const char *const *local_check_argv(struct nginx_control *base)
{
    struct nginx_local *n = of(base);
    size_t i = 0;
    n->argv[i++] = nginx_site_binary(&n->site);
    n->argv[i++] = "-t";
    n->argv[i++] = "-q";
    if (n->site.given) {
        n->argv[i++] = "-c";
        n->argv[i++] = n->site.given;
    }
    n->argv[i] = NULL;
    return n->argv;
}

/* ---- reload and count ---- */

static void on_command(struct child_job *j, const struct child_result *res)
{
    struct nginx_local *n = container_of(j, struct nginx_local, job);
    char why[OUTPUT_WHY_MAX], text[LOCAL_WHY_MAX];
    if (!output_succeeded(res, why) || n->cancelled) {
        /* nginx -s reload, for one, reads the configuration first and says no by itself */
        buf_puts(&n->said, res->output);
        bool judged = strstr(res->output, "[emerg]") != NULL;
        local_finish(n, judged ? NGINX_REFUSED : NGINX_UNREACHED, "%s: %s", n->instead->text,
                     judged ? local_reason(n, why, text) : why);
        return;
    }
    n->told = io_now(n->io);
    local_set_state(n, LOCAL_S_WATCH);
    local_look(n);
}

static void start_command(struct nginx_local *n)
{
    struct err e = ERR_INIT;
    char **argv = command_argv(n->instead, NULL);
    local_set_state(n, LOCAL_S_COMMAND);
    n->job.done = on_command;
    int r = child_start(n->io, &n->job, (const char *const *)argv, NGINX_COMMAND_DEADLINE, &e);
    command_argv_free(argv);
    if (r < 0) {
        local_finish(n, NGINX_UNREACHED, "%s", e.msg);
    }
}

static void start_reload(struct nginx_local *n)
{
    struct nginx_proc master = {0};
    struct err e = ERR_INIT;
    int r = nginx_site_master(&n->site, &master, &e);
    if (r < 0 && !n->instead) {
        local_finish(n, NGINX_UNREACHED, "%s", e.msg);
        return;
    }
    n->begun = nginx_proc_now();
    n->masters = 0;
    n->explained = false;
    local_watch(n, &master); /* of no process, when the command is to start it */
    if (n->instead) {
        start_command(n);
        return;
    }
    local_set_state(n, LOCAL_S_WATCH);
    local_tell(n);
}

static void count(struct nginx_local *n)
{
    struct nginx_proc master;
    n->old = 0;
    if (nginx_site_master_again(&n->site, &master, NULL) == 0) {
        n->old = (unsigned)nginx_watch_leaving(&master);
    }
    local_finish(n, NGINX_ACCEPTED, "%s", "");
}

static void on_learned(void *ctx)
{
    struct nginx_local *n = ctx;
    if (n->cancelled) {
        local_finish(n, NGINX_UNREACHED, "%s", "");
    } else if (n->counted) {
        count(n);
    } else {
        start_reload(n);
    }
}

static void on_known(struct io_defer *d)
{
    on_learned(container_of(d, struct nginx_local, step));
}

static int begin(struct nginx_local *n, nginx_done_fn done, nginx_count_fn counted, void *ctx,
                 struct err *e)
{
    if (n->state != LOCAL_S_IDLE) {
        return err_set(e, ERR_BUG, -EBUSY, "nginx: an operation is running");
    }
    n->done = done;
    n->counted = counted;
    n->ctx = ctx;
    n->cancelled = false;
    buf_reset(&n->said);
    return 0;
}

static void learn(struct nginx_local *n)
{
    local_set_state(n, LOCAL_S_LEARN);
    if (!nginx_site_learn(&n->site, on_learned, n)) {
        io_defer(n->io, &n->step, on_known);
    }
}

static int op_reload(struct nginx_control *base, const struct command *instead, nginx_done_fn done,
                     void *ctx, struct err *e)
{
    struct nginx_local *n = of(base);
    int r = begin(n, done, NULL, ctx, e);
    if (r < 0) {
        return r;
    }
    n->instead = instead;
    learn(n);
    return 0;
}

static int op_count_old(struct nginx_control *base, nginx_count_fn done, void *ctx, struct err *e)
{
    struct nginx_local *n = of(base);
    int r = begin(n, NULL, done, ctx, e);
    if (r < 0) {
        return r;
    }
    learn(n);
    return 0;
}

static void op_cancel(struct nginx_control *base)
{
    struct nginx_local *n = of(base);
    if (n->state == LOCAL_S_IDLE) {
        return;
    }
    n->cancelled = true;
    nginx_site_cancel(&n->site);
    child_cancel(&n->job);
    if (n->state == LOCAL_S_WATCH) {
        local_finish(n, NGINX_UNREACHED, "%s", "");
    }
}

static void op_free(struct nginx_control *base)
{
    struct nginx_local *n = of(base);
    must(n->state == LOCAL_S_IDLE);
    nginx_site_deinit(&n->site);
    nginx_watch_end(&n->watch);
    buf_deinit(&n->said);
    n->magic = 0;
    free(n);
}

int nginx_local_new(struct nginx_control **ret, struct io *io, const char *conf, struct err *e)
{
    static const struct nginx_control_ops ops = {
        .name = "local",
        .check_argv = local_check_argv,
        .check = NULL, /* check_argv() can be run where the candidate is to be seen */
        .reload = op_reload,
        .count_old = op_count_old,
        .cancel = op_cancel,
        .free = op_free,
    };
    if (conf && *conf != '/') {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "--nginx local:%s: the configuration is named by its absolute path", conf);
    }
    struct nginx_local *n = xcalloc(1, sizeof(*n));
    n->base.ops = &ops;
    n->magic = LOCAL_MAGIC;
    n->io = io;
    n->watch = (struct nginx_watch)NGINX_WATCH_NULL;
    nginx_site_init(&n->site, io, conf);
    buf_init(&n->said, SAID_MAX);
    *ret = &n->base;
    return 0;
}
