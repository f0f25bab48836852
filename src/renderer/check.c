/*
 * Happy path: a command line is made (the operator's, or nginx's own), wrapped so that it runs in place
 * where that is allowed, and run; exit status 0 is yes. An nginx that can only be asked through another
 * interface is asked there.
 * Failure: what cannot be run has judged nothing, which is not the same as a no. Where the kernel does not
 * allow mount namespaces (a container's profile) candidates are on trial from then on; where one could not
 * be made for a reason that passes, this candidate is.
 * Not done: swapping and taking back; that is publish.c with outputs.h.
 */
#include "renderer/check.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"
#include "renderer/command.h"
#include "renderer/in_place.h"
#include "renderer/nginx_control.h"
#include "renderer/output.h"
#include "renderer/outputs.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

#define CHECK_DEADLINE (30 * MSEC_PER_SEC)
#define NAME_MAX_LEN   4096u

void check_init(struct check *c, struct io *io, const struct command *command,
                struct nginx_control *nginx)
{
    bool asks = !command && nginx && !nginx->ops->check_argv;
    *c = (struct check){.io = io,
                        .command = command,
                        .nginx = nginx,
                        .in_place = (command || nginx) && !asks && in_place_allowed()};
}

static bool check_running(const struct check *c)
{
    return c->asking || child_running(&c->job);
}

void check_deinit(struct check *c)
{
    must(!check_running(c));
    free(c->name);
    c->name = NULL;
}

bool check_wanted(const struct check *c)
{
    return c->command || c->nginx;
}

bool check_needs_trial(const struct check *c)
{
    bool in_place = c->in_place && !c->not_now;
    return check_wanted(c) && !in_place && !(c->command && command_names_src(c->command));
}

const char *check_name(const struct check *c)
{
    return c->command ? c->command->text : c->name ? c->name : "nginx -t";
}

static void finish(struct check *c, enum check_verdict verdict, const char *why, const char *said)
{
    const struct check_result res = {.verdict = verdict, .why = why, .said = said};
    c->done(c->ctx, &res);
}

static bool not_in_place(struct check *c, const struct child_result *res)
{
    /* a profile may answer with an error, or with SIGSYS */
    bool lasting = res->signal == SIGSYS;
    const char *why = "the system call was answered with SIGSYS";
    if (res->code < 0 ||
        (!lasting && !in_place_failed(res->exit_status, res->output, &lasting, &why))) {
        return false;
    }
    char text[ERR_MSG_MAX];
    str_copy(text, sizeof(text), why);
    text[strcspn(text, "\n")] = '\0';
    log_warn(lasting
                 ? "cannot check in place, from now on a candidate goes live for its check and is "
                   "taken back if that fails"
                 : "cannot check in place this time, the candidate goes live for its check and "
                   "is taken back if that fails",
             "reason", text, NULL);
    c->in_place = !lasting;
    c->not_now = true;
    return true;
}

static void on_ended(struct child_job *j, const struct child_result *res)
{
    struct check *c = container_of(j, struct check, job);
    char why[OUTPUT_WHY_MAX];
    if (output_succeeded(res, why)) {
        finish(c, CHECK_GOOD, "", res->output);
    } else if (c->wrapped && not_in_place(c, res)) {
        finish(c, CHECK_NEEDS_TRIAL, "not in place", "");
    } else {
        bool ran = res->code == 0 && res->exit_status != COMMAND_NOT_FOUND &&
                   res->exit_status != COMMAND_NOT_RUN;
        finish(c, ran ? CHECK_REFUSED : CHECK_UNANSWERED, why, res->output);
    }
}

static void on_judged(void *ctx, const struct nginx_result *res)
{
    struct check *c = ctx;
    c->asking = false;
    finish(c,
           res->outcome == NGINX_ACCEPTED  ? CHECK_GOOD
           : res->outcome == NGINX_REFUSED ? CHECK_REFUSED
                                           : CHECK_UNANSWERED,
           res->why, res->said);
}

/* The first staged file, which is what {{.src}} means. */
static const char *staged_src(struct outputs *o, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *path = outputs_staged_path(o, i);
        if (path) {
            return path;
        }
    }
    return NULL;
}

static void remember_name(struct check *c, char *const *argv)
{
    struct buf text = BUF_INIT(NAME_MAX_LEN);
    for (; *argv; argv++) {
        buf_printf(&text, "%s%s", text.len ? " " : "", *argv);
    }
    free(c->name);
    c->name = buf_take(&text);
}

static int run(struct check *c, struct outputs *o, size_t n, char *const *argv, struct err *e)
{
    struct in_place_pair *pairs = xcalloc(n + 1, sizeof(*pairs));
    char **live = xcalloc(n + 1, sizeof(*live));
    size_t n_pairs = 0;
    for (size_t i = 0; c->in_place && !c->not_now && i < n; i++) {
        const char *staged = outputs_staged_path(o, i);
        if (staged) {
            live[n_pairs] = xstrdup(outputs_live_path(o, i));
            pairs[n_pairs] = (struct in_place_pair){.staged = staged, .live = live[n_pairs]};
            n_pairs++;
        }
    }
    c->wrapped = n_pairs > 0;
    c->not_now = false;
    const char **wrapped = c->wrapped ? in_place_argv(NULL, pairs, n_pairs, argv) : NULL;
    c->job.done = on_ended;
    int r = child_start(c->io, &c->job, wrapped ? wrapped : (const char *const *)argv,
                        CHECK_DEADLINE, e);
    free(wrapped);
    for (size_t i = 0; i < n_pairs; i++) {
        free(live[i]);
    }
    free(live);
    free(pairs);
    return r;
}

int check_start(struct check *c, struct outputs *o, size_t n_outputs,
                void (*done)(void *ctx, const struct check_result *res), void *ctx, struct err *e)
{
    must(check_wanted(c) && !check_running(c));
    c->done = done;
    c->ctx = ctx;
    if (c->command) {
        char **argv = command_argv(c->command, staged_src(o, n_outputs));
        int r = run(c, o, n_outputs, argv, e);
        command_argv_free(argv);
        return r;
    }
    if (!c->nginx->ops->check_argv) {
        c->asking = true;
        int r = c->nginx->ops->check(c->nginx, on_judged, c, e);
        c->asking = r == 0;
        return r;
    }
    char *const *argv = (char *const *)(uintptr_t)c->nginx->ops->check_argv(c->nginx);
    remember_name(c, argv);
    return run(c, o, n_outputs, argv, e);
}

void check_cancel(struct check *c)
{
    if (c->asking) {
        c->nginx->ops->cancel(c->nginx);
    } else {
        child_cancel(&c->job);
    }
}
