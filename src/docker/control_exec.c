/*
 * Running a command in one container. The states are drawn in control.c.
 *
 * Happy path: it is made, started (the answer is its output, until the connection ends), and asked for its
 * exit status.
 *
 * Failure modes:
 *   - A connection that ends between two frames looks like the end of the command, and so does a command
 *     that closes its output and goes on: both are told from the end by its status, which is asked for
 *     until it has one.
 *   - A deadline, or cancel: the command goes on in the container; engines end it neither when its
 *     connection does nor on request (seen with 20.10: 25 s later it was still there).
 *
 * Not done: no input, and no terminal.
 */
#include "docker/control_internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/must.h"

#define WAIT_MIN 20u /* ms: the status may lag behind the end of the output */
#define WAIT_MAX 1000u

int control_exec_goes_on(struct err *e)
{
    return err_set(e, ERR_TRANSIENT, -ETIMEDOUT,
                   "exec: the command has not ended in time, and goes on in the container");
}

static int ask_result(struct docker_control *c, struct err *e);

static void on_wait_over(struct io_timer *t)
{
    struct docker_control *c = container_of(t, struct docker_control, timer);
    struct err e = ERR_INIT;
    if (io_now(c->io) >= c->deadline) {
        (void)control_exec_goes_on(&e);
        control_fail(c, &e);
    } else if (ask_result(c, &e) < 0) {
        control_fail(c, &e);
    }
}

static int answered_result(struct docker_control *c, const struct http_result *res,
                           struct docker_control_result *ret, struct err *e)
{
    bool running;
    int status;
    if (docker_decode_exec_state(&running, &status, res->body, res->body_len, e) < 0) {
        return control_not_understood(e);
    }
    if (running) {
        control_set_state(c, CONTROL_S_WAIT);
        io_timer_start(c->io, &c->timer, c->wait, on_wait_over);
        c->wait = msec_min(c->wait * 2, WAIT_MAX);
        return CONTROL_GOES_ON;
    }
    ret->exit_status = status;
    ret->output = buf_str(&c->output);
    return 0;
}

static int ask_result(struct docker_control *c, struct err *e)
{
    static const struct control_question q = {.what = "exec: exit status",
                                              .method = HTTP_GET,
                                              .status = 200,
                                              .body_max = DOCKER_EXEC_MAX,
                                              .answered = answered_result};
    char path[CONTROL_PATH_MAX];
    snprintf(path, sizeof(path), "/exec/%s/json", c->exec_id);
    return control_ask(c, &q, CONTROL_S_RESULT, path, NULL, e);
}

static int answered_start(struct docker_control *c, const struct http_result *res,
                          struct docker_control_result *ret, struct err *e)
{
    int r = docker_frames_finish(&c->frames, e);
    if (r < 0) {
        err_wrap(e, "exec");
        return r;
    }
    r = ask_result(c, e);
    return r < 0 ? r : CONTROL_GOES_ON;
}

static int answered_create(struct docker_control *c, const struct http_result *res,
                           struct docker_control_result *ret, struct err *e)
{
    static const struct control_question q = {.what = "exec",
                                              .method = HTTP_POST,
                                              .status = 200,
                                              .stream = true,
                                              .answered = answered_start};
    char path[CONTROL_PATH_MAX];
    if (docker_decode_exec_id(c->exec_id, res->body, res->body_len, e) < 0) {
        return control_not_understood(e);
    }
    snprintf(path, sizeof(path), "/exec/%s/start", c->exec_id);
    int r = control_ask(c, &q, CONTROL_S_START, path, "{\"Detach\":false,\"Tty\":false}", e);
    return r < 0 ? r : CONTROL_GOES_ON;
}

int docker_control_exec(struct docker_control *c, const char *const *argv, msec_t deadline,
                        docker_control_fn done, void *ctx, struct err *e)
{
    static const struct control_question q = {.what = "exec",
                                              .method = HTTP_POST,
                                              .status = 201,
                                              .body_max = DOCKER_EXEC_MAX,
                                              .answered = answered_create};
    must(argv[0]);
    int r = control_begin(c, deadline, done, ctx, e);
    if (r < 0) {
        return r;
    }
    struct buf body = BUF_INIT(CONTROL_BODY_MAX);
    docker_exec_body(&body, argv);
    r = buf_error(&body);
    if (r < 0) {
        (void)err_set(e, ERR_INVALID, r, "exec: a command of more than %u bytes", CONTROL_BODY_MAX);
    } else {
        c->wait = WAIT_MIN;
        r = control_ask_container(c, &q, CONTROL_S_CREATE, "exec", buf_str(&body), e);
    }
    buf_deinit(&body);
    return r;
}
