/*
 * Happy path: the command exits with 0; or nginx is told and confirms.
 * Failure: tried again with backoff, for ever; said when it begins and when it ends. A refusal is not
 * tried again: the same files would be refused again, so the caller puts others there.
 * Not done: confirming a reload command where no nginx is named; its exit status is all that is known.
 */
#include "renderer/reload.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/must.h"
#include "renderer/command.h"
#include "renderer/nginx_control.h"
#include "renderer/output.h"

#define RELOAD_DEADLINE (60 * MSEC_PER_SEC)
#define RETRY_MIN       (1 * MSEC_PER_SEC)
#define RETRY_MAX       (60 * MSEC_PER_SEC)

void reload_init(struct reload *r, struct io *io, const struct command *command,
                 struct nginx_control *nginx, bool once, uint64_t seed)
{
    *r = (struct reload){.io = io, .command = command, .nginx = nginx, .once = once};
    backoff_init(&r->backoff, RETRY_MIN, RETRY_MAX, seed);
}

bool reload_wanted(const struct reload *r)
{
    return r->command || r->nginx;
}

void reload_changed(struct reload *r)
{
    r->due = io_now(r->io);
}

msec_t reload_due(const struct reload *r)
{
    return r->due;
}

const char *reload_name(const struct reload *r)
{
    return r->command ? r->command->text : "HUP";
}

bool reload_running(const struct reload *r)
{
    return r->asking || child_running(&r->job);
}

static void note_failure(struct reload *r, const char *why, const char *said)
{
    if (r->once) {
        output_log_failure("reload failed, the file is live but not in use; it stays owed to the "
                           "next run",
                           reload_name(r), why, said);
    } else if (r->last) {
        output_log_failure("stopping before the reload has succeeded, it stays owed",
                           reload_name(r), why, said);
    } else if (!r->failing) {
        r->failing = true;
        output_log_failure("reload failed, the file is live but not in use; trying again until it "
                           "succeeds",
                           reload_name(r), why, said);
    }
}

static void finish(struct reload *r, enum reload_outcome outcome, const char *why, const char *said)
{
    const struct reload_result res = {.outcome = outcome, .why = why, .said = said};
    if (outcome == RELOAD_DONE) {
        if (r->failing) {
            log_info("reload succeeded", "command", reload_name(r), NULL);
        }
        r->failing = false;
        backoff_reset(&r->backoff);
    } else {
        r->due = io_now(r->io) + backoff_next(&r->backoff);
    }
    if (outcome == RELOAD_FAILED) {
        note_failure(r, why, said);
    }
    r->done(r->ctx, &res);
}

static void on_ended(struct child_job *j, const struct child_result *res)
{
    struct reload *r = container_of(j, struct reload, job);
    char why[OUTPUT_WHY_MAX] = "";
    bool good = output_succeeded(res, why);
    finish(r, good ? RELOAD_DONE : RELOAD_FAILED, why, res->output);
}

static void on_told(void *ctx, const struct nginx_result *res)
{
    struct reload *r = ctx;
    r->asking = false;
    finish(r,
           res->outcome == NGINX_ACCEPTED  ? RELOAD_DONE
           : res->outcome == NGINX_REFUSED ? RELOAD_REFUSED
                                           : RELOAD_FAILED,
           res->why, res->said);
}

int reload_start(struct reload *r, void (*done)(void *ctx, const struct reload_result *res),
                 void *ctx, struct err *e)
{
    int err;
    must(reload_wanted(r) && !reload_running(r));
    r->done = done;
    r->ctx = ctx;
    r->last = false;
    if (r->nginx) {
        r->asking = true;
        err = r->nginx->ops->reload(r->nginx, r->command, on_told, r, e);
        r->asking = err == 0;
    } else {
        char **argv = command_argv(r->command, NULL);
        r->job.done = on_ended;
        err = child_start(r->io, &r->job, (const char *const *)argv, RELOAD_DEADLINE, e);
        command_argv_free(argv);
    }
    if (err < 0) {
        r->due = io_now(r->io) + backoff_next(&r->backoff);
        note_failure(r, e->msg, "");
    }
    return err;
}

void reload_cancel(struct reload *r)
{
    r->last = true;
    if (r->asking) {
        r->nginx->ops->cancel(r->nginx);
    } else {
        child_cancel(&r->job);
    }
}
