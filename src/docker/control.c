/*
 * Requests about one container.
 *
 *     IDLE ─exec─► CREATE ─201─► START ─end of output─► RESULT ─it has ended─► IDLE
 *      │                                             ▲    │ it runs
 *      │                                             └─ WAIT
 *      └─inspect · top · signal · log_end · logs─► ASK ─answer─► IDLE
 *
 * Happy path: one request, and its answer; or for a command several, see control_exec.c.
 *
 * Failure modes:
 *   - The engine refuses: no such container (404), it does not run or is paused (409), its own trouble
 *     (5xx). Its words are passed on.
 *   - A connection that ends in the middle of a frame is lost.
 *   - Output above the cap is read and dropped.
 *   - A deadline, or cancel: the request is dropped.
 *
 * Not done: no retries; nothing is known about what the container is. Paths carry no version, so the
 * engine answers with its newest; all of them are decoded alike.
 */
#include "docker/control_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"
#include "docker/api.h"

#define CONTROL_MAGIC   0xd0c7401du
#define CONNECT_TIMEOUT 5000u
#define ASK_TIMEOUT     15000u
#define LOG_LINES       "10000" /* bounds what the engine reads for it */

#define TO(s) (1u << CONTROL_S_##s)
static const struct {
    const char *name;
    unsigned next; /* allowed */
} states[] = {
    [CONTROL_S_IDLE] = {"idle", TO(ASK) | TO(CREATE)},
    [CONTROL_S_ASK] = {"ask", TO(IDLE)},
    [CONTROL_S_CREATE] = {"create", TO(START) | TO(IDLE)},
    [CONTROL_S_START] = {"start", TO(RESULT) | TO(IDLE)},
    [CONTROL_S_RESULT] = {"result", TO(WAIT) | TO(IDLE)},
    [CONTROL_S_WAIT] = {"wait", TO(RESULT) | TO(IDLE)},
};

void control_set_state(struct docker_control *c, enum control_state to)
{
    must(states[c->state].next & 1u << to);
    log_debug("docker control", "container", c->container, "from", states[c->state].name, "to",
              states[to].name, NULL);
    c->state = to;
}

static void finish(struct docker_control *c, const struct docker_control_result *res)
{
    struct docker_control_result r = *res;
    if (!r.output) {
        r.output = "";
    }
    if (!r.log_end) {
        r.log_end = "";
    }
    io_timer_stop(&c->timer);
    control_set_state(c, CONTROL_S_IDLE);
    c->done(c->ctx, &r);
}

void control_fail(struct docker_control *c, const struct err *why)
{
    finish(c, &(struct docker_control_result){.err = *why});
}

/* ---- requests ---- */

int control_ask(struct docker_control *c, const struct control_question *q,
                enum control_state state, const char *path, const char *body, struct err *e)
{
    msec_t now = io_now(c->io);
    msec_t left = c->deadline > now ? c->deadline - now : 1;
    struct http_spec spec = {
        .method = q->method,
        .peer = c->peer,
        .path = path,
        .body = body,
        .body_len = body ? strlen(body) : 0,
        .connect_timeout = msec_min(CONNECT_TIMEOUT, left),
        .total_timeout = left,
        .idle_timeout = left + MSEC_PER_SEC, /* a command may be silent up to its deadline */
        .stream = q->stream,
        .body_max = q->body_max,
    };
    c->question = q;
    docker_frames_init(&c->frames, q->method == HTTP_GET);
    c->bad_frame.class = ERR_NONE;
    int r = http_start(c->io, &c->req, &spec, e);
    if (r == 0) {
        control_set_state(c, state);
    }
    return r;
}

static void on_head(struct http_request *r, int status)
{
    container_of(r, struct docker_control, req)->status = status;
}

static int on_data(struct http_request *r, const char *p, size_t len)
{
    struct docker_control *c = container_of(r, struct docker_control, req);
    if (c->status == c->question->status) {
        return docker_frames_feed(&c->frames, p, len, &c->output, &c->bad_frame);
    }
    size_t room = c->output.max - c->output.len; /* the engine's own words */
    buf_append(&c->output, p, len < room ? len : room);
    return 0;
}

/* Classes as control.h promises them. */
static int failed(struct docker_control *c, const struct http_result *res, struct err *e)
{
    if (c->bad_frame.class != ERR_NONE) {
        *e = c->bad_frame;
        err_wrap(e, "%s", c->question->what);
        return e->code;
    }
    if (res->code == -ETIMEDOUT && c->exec_id[0] != '\0') {
        return control_exec_goes_on(e);
    }
    if (res->code == -ECANCELED) {
        return err_set(e, ERR_CANCELLED, -ECANCELED, "%s: cancelled", c->question->what);
    }
    const char *body = c->question->stream ? buf_str(&c->output) : res->body;
    return docker_error(e, c->peer, c->question->what, res, body);
}

static void on_done(struct http_request *r, const struct http_result *res)
{
    struct docker_control *c = container_of(r, struct docker_control, req);
    struct docker_control_result out = {.output = ""};
    must(c->magic == CONTROL_MAGIC);
    int code = res->code != 0 || res->status != c->question->status
                   ? failed(c, res, &out.err)
                   : c->question->answered(c, res, &out, &out.err);
    if (code < 0) {
        control_fail(c, &out.err);
    } else if (code == 0) {
        finish(c, &out);
    }
}

/* ---- the beginning of an operation ---- */

int control_begin(struct docker_control *c, msec_t deadline, docker_control_fn done, void *ctx,
                  struct err *e)
{
    must(c->magic == CONTROL_MAGIC);
    if (c->state != CONTROL_S_IDLE) {
        return err_set(e, ERR_BUG, -EBUSY, "container %s: something is being asked already",
                       c->container);
    }
    c->deadline = io_now(c->io) + deadline;
    c->done = done;
    c->ctx = ctx;
    c->exec_id[0] = '\0';
    buf_reset(&c->output);
    docker_top_deinit(&c->top);
    return 0;
}

int control_ask_container(struct docker_control *c, const struct control_question *q,
                          enum control_state state, const char *rest, const char *body,
                          struct err *e)
{
    char path[CONTROL_PATH_MAX];
    int n = snprintf(path, sizeof(path), "/containers/%s/%s", c->container, rest);
    must(n > 0 && (size_t)n < sizeof(path));
    return control_ask(c, q, state, path, body, e);
}

static int begin_asking(struct docker_control *c, const struct control_question *q,
                        const char *rest, docker_control_fn done, void *ctx, struct err *e)
{
    int r = control_begin(c, ASK_TIMEOUT, done, ctx, e);
    return r < 0 ? r : control_ask_container(c, q, CONTROL_S_ASK, rest, NULL, e);
}

/* ---- inspect, top, signal, logs ---- */

int control_not_understood(struct err *e)
{
    e->class = ERR_TRANSIENT;
    return e->code;
}

static int answered_inspect(struct docker_control *c, const struct http_result *res,
                            struct docker_control_result *ret, struct err *e)
{
    docker_container_state_deinit(&c->described);
    if (docker_decode_state(&c->described, res->body, res->body_len, e) < 0) {
        return control_not_understood(e);
    }
    ret->state = &c->described;
    return 0;
}

int docker_control_inspect(struct docker_control *c, docker_control_fn done, void *ctx,
                           struct err *e)
{
    static const struct control_question q = {.what = "inspect",
                                              .method = HTTP_GET,
                                              .status = 200,
                                              .body_max = DOCKER_INSPECT_MAX,
                                              .answered = answered_inspect};
    return begin_asking(c, &q, "json", done, ctx, e);
}

static int answered_top(struct docker_control *c, const struct http_result *res,
                        struct docker_control_result *ret, struct err *e)
{
    if (docker_decode_top(&c->top, res->body, res->body_len, e) < 0) {
        return control_not_understood(e);
    }
    ret->processes = c->top.items;
    ret->n_processes = c->top.n;
    return 0;
}

int docker_control_top(struct docker_control *c, docker_control_fn done, void *ctx, struct err *e)
{
    static const struct control_question q = {.what = "top",
                                              .method = HTTP_GET,
                                              .status = 200,
                                              .body_max = DOCKER_TOP_MAX,
                                              .answered = answered_top};
    return begin_asking(c, &q, "top?ps_args=" DOCKER_PS_ARGS_QUERY, done, ctx, e);
}

static int answered_signal(struct docker_control *c, const struct http_result *res,
                           struct docker_control_result *ret, struct err *e)
{
    return 0;
}

int docker_control_signal(struct docker_control *c, const char *signal, docker_control_fn done,
                          void *ctx, struct err *e)
{
    static const struct control_question q = {.what = "signal",
                                              .method = HTTP_POST,
                                              .status = 204,
                                              .body_max = CONTROL_BODY_MAX,
                                              .answered = answered_signal};
    char rest[64];
    int number;
    if (strlen(signal) > 16 || !docker_signal_parse(signal, &number)) {
        return err_set(e, ERR_INVALID, -EINVAL, "\"%.40s\" is no signal", signal);
    }
    snprintf(rest, sizeof(rest), "kill?signal=%d", number);
    return begin_asking(c, &q, rest, done, ctx, e);
}

static int answered_log_end(struct docker_control *c, const struct http_result *res,
                            struct docker_control_result *ret, struct err *e)
{
    int r = docker_frames_finish(&c->frames, e);
    if (r < 0 || c->output.len == 0) {
        return r;
    }
    if (!docker_decode_log_end(c->log_end, buf_str(&c->output))) {
        return err_set(e, ERR_TRANSIENT, -EINVAL, "end of the log: no line has a time");
    }
    ret->log_end = c->log_end;
    return 0;
}

int docker_control_log_end(struct docker_control *c, docker_control_fn done, void *ctx,
                           struct err *e)
{
    static const struct control_question q = {.what = "end of the log",
                                              .method = HTTP_GET,
                                              .status = 200,
                                              .stream = true,
                                              .answered = answered_log_end};
    /* the last line of both streams: engines count before they choose */
    return begin_asking(c, &q, "logs?stdout=1&stderr=1&timestamps=1&tail=1", done, ctx, e);
}

static int answered_logs(struct docker_control *c, const struct http_result *res,
                         struct docker_control_result *ret, struct err *e)
{
    ret->output = buf_str(&c->output);
    return docker_frames_finish(&c->frames, e);
}

int docker_control_logs(struct docker_control *c, const char *since, bool terminal,
                        docker_control_fn done, void *ctx, struct err *e)
{
    static const struct control_question q = {.what = "logs",
                                              .method = HTTP_GET,
                                              .status = 200,
                                              .stream = true,
                                              .answered = answered_logs};
    char rest[128];
    if (strlen(since) >= DOCKER_LOG_END_MAX || since[strspn(since, "0123456789.")] != '\0') {
        return err_set(e, ERR_INVALID, -EINVAL, "\"%.40s\" is no end of a log", since);
    }
    snprintf(rest, sizeof(rest), "logs?stdout=%d&stderr=1&tail=" LOG_LINES "&since=%s", terminal,
             str_empty(since) ? "0" : since);
    return begin_asking(c, &q, rest, done, ctx, e);
}

/* ---- life ---- */

int docker_control_new(struct docker_control **ret, struct io *io, const struct http_peer *peer,
                       const char *container, struct err *e)
{
    const char *name = container[0] == '/' ? container + 1 : container;
    int r = docker_check_reference(name, e);
    if (r < 0) {
        return r;
    }
    struct docker_control *c = xcalloc(1, sizeof(*c));
    c->magic = CONTROL_MAGIC;
    c->io = io;
    c->peer = peer;
    must(str_copy(c->container, sizeof(c->container), name));
    c->req.done = on_done;
    c->req.data = on_data;
    c->req.head = on_head;
    buf_init(&c->output, DOCKER_CONTROL_OUTPUT_MAX);
    *ret = c;
    return 0;
}

struct docker_control *docker_control_free(struct docker_control *c)
{
    if (c) {
        must(c->magic == CONTROL_MAGIC && c->state == CONTROL_S_IDLE);
        buf_deinit(&c->output);
        docker_top_deinit(&c->top);
        docker_container_state_deinit(&c->described);
        c->magic = 0;
        free(c);
    }
    return NULL;
}

static void on_cancelled(struct io_defer *d)
{
    struct docker_control *c = container_of(d, struct docker_control, cancel);
    struct err e = ERR_INIT;
    (void)err_set(&e, ERR_CANCELLED, -ECANCELED, "%s: cancelled", c->question->what);
    control_fail(c, &e);
}

void docker_control_cancel(struct docker_control *c)
{
    must(c->magic == CONTROL_MAGIC);
    if (c->state == CONTROL_S_WAIT) {
        io_timer_stop(&c->timer);
        if (!io_defer_pending(&c->cancel)) {
            io_defer(c->io, &c->cancel, on_cancelled);
        }
    } else {
        http_cancel(&c->req);
    }
}
