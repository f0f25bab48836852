/*
 * How an operation on a container's nginx ends, and running nginx there.
 *
 * Happy path: the engine runs nginx beside its master, with the same configuration, and its exit status
 * decides.
 * Failure: no such program, a signal (out of memory), an engine that cannot run anything: nginx has not
 * judged, which is unreached. Words for people begin with the container's name.
 * Not done: which file the words are about; see render/blame.h.
 */
#include "renderer/nginx_container.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "render/blame.h"
#include "renderer/command.h"

#define SAID_MAX    (4u * DOCKER_CONTROL_OUTPUT_MAX) /* paths may become longer */
#define EXIT_SIGNAL 128                              /* and the signal's number */

static int first_line(const char *text)
{
    return (int)strcspn(text, "\r\n");
}

void nginx_container_finish(struct nginx_container *n, enum nginx_outcome outcome, const char *why)
{
    io_timer_stop(&n->timer);
    nginx_container_set_state(n, CONTAINER_S_IDLE);
    if (n->task == TASK_COUNT) {
        n->counted(n->ctx, 0);
        return;
    }
    n->done(n->ctx,
            &(struct nginx_result){.outcome = outcome, .why = why, .said = buf_str(&n->said)});
}

void nginx_container_unreached(struct nginx_container *n, const char *fmt, ...)
{
    struct err e = ERR_INIT;
    va_list ap;
    va_start(ap, fmt);
    err_vset(&e, ERR_TRANSIENT, -EIO, fmt, ap);
    va_end(ap);
    err_wrap(&e, "container %s", n->name);
    nginx_container_finish(n, NGINX_UNREACHED, e.msg);
}

void nginx_container_refused(struct nginx_container *n)
{
    size_t len;
    const char *reason = blame_reason(buf_str(&n->said), &len);
    struct err e = ERR_INIT;
    if (len == 0) { /* not in nginx's own form */
        reason = n->said.len > 0 ? buf_str(&n->said) : "its nginx refuses, and does not say why";
        len = (size_t)first_line(reason);
    }
    (void)err_set(&e, ERR_INVALID, -EINVAL, "container %s: %.*s", n->name, (int)len, reason);
    /* what is blamed for it is looked for among the files of this host */
    struct buf said = BUF_INIT(SAID_MAX);
    nginx_mounts_translate(n->mounts, n->n_mounts, buf_str(&n->said), &said);
    buf_deinit(&n->said);
    n->said = said;
    nginx_container_finish(n, NGINX_REFUSED, e.msg);
}

void nginx_container_say(struct nginx_container *n, const char *output)
{
    buf_reset(&n->said);
    for (const char *p = output; *p; p++) {
        if (*p != '\r') { /* of a terminal */
            buf_putc(&n->said, *p);
        }
    }
}

bool nginx_container_ran(struct nginx_container *n, const struct docker_control_result *res,
                         const char *what, bool judges)
{
    if (res->err.class != ERR_NONE) {
        nginx_container_unreached(n, "%s", res->err.msg);
        return false;
    }
    nginx_container_say(n, res->output);
    const char *said = buf_str(&n->said);
    int status = res->exit_status;
    if (status == 0) {
        return true;
    }
    if (status == COMMAND_NOT_RUN || status == COMMAND_NOT_FOUND) {
        nginx_container_unreached(n, "%s cannot be run: %.*s", what, first_line(said), said);
    } else if (status > EXIT_SIGNAL) {
        nginx_container_unreached(n, "%s was ended by signal %d", what, status - EXIT_SIGNAL);
    } else if (judges || strstr(said, "[emerg]")) {
        nginx_container_refused(n);
    } else {
        nginx_container_unreached(n, "%s: status %d%s%.*s", what, status, *said ? ": " : "",
                                  first_line(said), said);
    }
    return false;
}

/* ---- running nginx in the container ---- */

int nginx_container_exec(struct nginx_container *n, const char *const *arguments,
                         docker_control_fn done, struct err *e)
{
    CLEANUP_FREE const char **argv = nginx_family_argv(n->before.command, arguments);
    return docker_control_exec(n->by_id, argv, n->times.check, done, n, e);
}

int nginx_container_test(struct nginx_container *n, enum container_state state,
                         docker_control_fn done, struct err *e)
{
    static const char *const arguments[] = {"-t", "-q", NULL};
    int r = nginx_container_exec(n, arguments, done, e);
    if (r == 0) {
        nginx_container_set_state(n, state);
    }
    return r;
}
