/*
 * Asking and telling one container something, against a scripted engine: its answers in the form of
 * 20.10 (an output has no length and ends with the connection), and its failures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "docker/control.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"

#include <errno.h>

#define ID    "f42a95714253142fd998a3df1d8d5b402e6481b0c1c5af898526b3093ee3654e"
#define EXEC  "7c67766517d8afd39fe6591dd113ab28f134a508a95ba3a4309b3a94850ed7af"
#define HEAD  "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
#define MSECS 10000u

struct rig {
    struct io *io;
    struct fake_http *srv;
    struct docker_control *c;
    struct buf asked;
    /* what is answered; status 0: success */
    int status;
    const char *body;
    const char *output; /* of the command, with heads */
    size_t output_len;
    unsigned flood;   /* frames of 1,000 bytes before that */
    unsigned running; /* answers that say that it still runs */
    const char *exec_state;
    enum { END, RESET, HOLD } ends;
    struct fake_exchange *held;
    /* the result */
    unsigned dones;
    struct err err;
    int exit_status;
    char output_seen[4096];
    size_t output_seen_len;
    char log_end[DOCKER_LOG_END_MAX];
    struct docker_container_state state;
    size_t n_processes;
    char title[64];
    bool again; /* asks once more from inside the callback */
};

static void reply(struct rig *r, struct fake_exchange *x, int status, const char *body)
{
    fake_reply(x, r->status ? r->status : status, r->body ? r->body : body);
}

static void send_output(struct rig *r, struct fake_exchange *x)
{
    static char frame[1008] = {2, 0, 0, 0, 0, 0, 1000 >> 8, (char)(1000 & 255)};
    fake_raw(x, HEAD, strlen(HEAD));
    memset(frame + 8, 'x', 1000);
    for (unsigned i = 0; i < r->flood; i++) {
        fake_raw(x, frame, sizeof(frame));
    }
    fake_raw(x, r->output, r->output_len);
    if (r->ends == END) {
        fake_close(x);
    } else if (r->ends == RESET) {
        fake_reset(x);
    } else {
        r->held = x;
    }
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct rig *r = ctx;
    const char *path = fake_path(x);
    buf_printf(&r->asked, "%s %s %s\n", fake_method(x), path, fake_body(x) ? fake_body(x) : "");
    if (streq(path, "/containers/web/exec")) {
        reply(r, x, 201, "{\"Id\":\"" EXEC "\"}");
    } else if (streq(path, "/exec/" EXEC "/start")) {
        send_output(r, x);
    } else if (streq(path, "/exec/" EXEC "/json")) {
        bool runs = r->running > 0;
        r->running -= runs;
        fake_reply(x, 200,
                   runs            ? "{\"Running\":true,\"ExitCode\":null}"
                   : r->exec_state ? r->exec_state
                                   : "{\"Running\":false,\"ExitCode\":3}");
    } else if (r->ends == HOLD) {
        r->held = x;
    } else if (strstr(path, "/kill?")) {
        reply(r, x, 204, "");
    } else if (strstr(path, "/json")) {
        reply(r, x, 200, "{\"Id\":\"" ID "\",\"State\":{\"Running\":true,\"Pid\":7}}");
    } else if (strstr(path, "/top?")) {
        reply(r, x, 200,
              "{\"Titles\":[\"PID\",\"PPID\",\"CMD\"],\"Processes\":[[\"7\",\"1\",\"nginx\"]]}");
    } else if (r->output) {
        fake_reply_len(x, r->status ? r->status : 200, r->output, r->output_len);
    } else {
        reply(r, x, 200, "");
    }
}

static struct rig *rig_new(void)
{
    struct rig *r = xcalloc(1, sizeof(*r));
    struct err e = ERR_INIT;
    r->io = loop_open();
    buf_init(&r->asked, 1u << 20);
    r->srv = fake_http_new(r->io, NULL, on_request, r);
    assert_int_equal(docker_control_new(&r->c, r->io, fake_http_peer(r->srv), "/web", &e), 0);
    return r;
}

static void rig_free(struct rig *r)
{
    assert_null(docker_control_free(r->c));
    fake_http_free(r->srv);
    loop_close(r->io);
    buf_deinit(&r->asked);
    free(r);
}

static void on_done(void *ctx, const struct docker_control_result *res)
{
    struct rig *r = ctx;
    r->dones++;
    r->err = res->err;
    r->exit_status = res->exit_status;
    (void)str_copy(r->output_seen, sizeof(r->output_seen), res->output);
    r->output_seen_len = strlen(res->output);
    assert_true(str_copy(r->log_end, sizeof(r->log_end), res->log_end));
    r->state = res->state ? *res->state : (struct docker_container_state){0};
    r->state.mounts = NULL; /* borrowed */
    r->n_processes = res->n_processes;
    if (res->n_processes > 0) {
        (void)str_copy(r->title, sizeof(r->title), res->processes[0].title);
    }
    if (r->again) {
        struct err e = ERR_INIT;
        r->again = false;
        assert_int_equal(docker_control_top(r->c, on_done, r, &e), 0);
    }
}

enum what { INSPECT, EXECUTE, SIGNAL, TOP, LOG_END, LOGS, WHATS };

static const char *const argv[] = {"nginx", "-t", NULL};

static int start(struct rig *r, enum what what, msec_t deadline, struct err *e)
{
    switch (what) {
    case INSPECT:
        return docker_control_inspect(r->c, on_done, r, e);
    case EXECUTE:
        return docker_control_exec(r->c, argv, deadline, on_done, r, e);
    case SIGNAL:
        return docker_control_signal(r->c, "HUP", on_done, r, e);
    case TOP:
        return docker_control_top(r->c, on_done, r, e);
    case LOG_END:
        return docker_control_log_end(r->c, on_done, r, e);
    case LOGS:
        return docker_control_logs(r->c, "1795208353.583264633", false, on_done, r, e);
    case WHATS:
        break;
    }
    return -1;
}

static void run(struct rig *r, enum what what, msec_t deadline)
{
    struct err e = ERR_INIT;
    unsigned before = r->dones;
    buf_reset(&r->asked);
    if (start(r, what, deadline, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    assert_int_equal(r->dones, before);
    loop_until(r->io, r->dones == before + 1);
}

static void expect(struct rig *r, enum err_class class, const char *message)
{
    if (r->err.class != class || (message && !strstr(r->err.msg, message))) {
        fail_msg("%s: \"%s\"; want %s: \"%s\"", err_class_name(r->err.class), r->err.msg,
                 err_class_name(class), message ? message : "");
    }
}

static void output(struct rig *r, const char *text, size_t len)
{
    r->output = text;
    r->output_len = len;
}
#define OUTPUT(r, s) output(r, s, sizeof(s) - 1)

/* ---- tests ---- */

static void answers(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    run(r, INSPECT, 0);
    expect(r, ERR_NONE, NULL);
    assert_string_equal(r->state.id, ID);
    assert_int_equal(r->state.pid, 7);
    run(r, TOP, 0);
    expect(r, ERR_NONE, NULL);
    assert_int_equal(r->n_processes, 1);
    assert_string_equal(r->title, "nginx");
    assert_string_equal(buf_str(&r->asked),
                        "GET /containers/web/top?ps_args=-eo%20pid,ppid,args \n");
    run(r, SIGNAL, 0);
    expect(r, ERR_NONE, NULL);
    assert_string_equal(buf_str(&r->asked), "POST /containers/web/kill?signal=1 \n");
    run(r, LOG_END, 0);
    expect(r, ERR_NONE, NULL);
    assert_string_equal(r->log_end, "");
    OUTPUT(r, "\2\0\0\0\0\0\0\x23"
              "2026-11-20T20:59:13.583264632Z text");
    run(r, LOG_END, 0);
    expect(r, ERR_NONE, NULL);
    assert_string_equal(r->log_end, "1795208353.583264633");
    OUTPUT(r, "\2\0\0\0\0\0\0\4text");
    run(r, LOGS, 0);
    expect(r, ERR_NONE, NULL);
    assert_string_equal(r->output_seen, "text");
    assert_string_equal(buf_str(&r->asked),
                        "GET /containers/web/logs?stdout=0&stderr=1&tail=10000&since="
                        "1795208353.583264633 \n");
    OUTPUT(r, "of a terminal");
    run(r, LOGS, 0);
    assert_string_equal(r->output_seen, "of a terminal");
    run(r, LOG_END, 0);
    expect(r, ERR_TRANSIENT, "end of the log: no line has a time");
    rig_free(r);
}

static void commands(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    OUTPUT(r, "\1\0\0\0\0\0\0\2o\n\2\0\0\0\0\0\0\2e\n");
    r->running = 2; /* the status comes later than the end of the output */
    run(r, EXECUTE, MSECS);
    expect(r, ERR_NONE, NULL);
    assert_int_equal(r->exit_status, 3);
    assert_string_equal(r->output_seen, "o\ne\n");
    assert_string_equal(buf_str(&r->asked),
                        "POST /containers/web/exec {\"AttachStdin\":false,\"AttachStdout\":true,"
                        "\"AttachStderr\":true,\"Tty\":false,\"Cmd\":[\"nginx\",\"-t\"]}\n"
                        "POST /exec/" EXEC "/start {\"Detach\":false,\"Tty\":false}\n"
                        "GET /exec/" EXEC "/json \nGET /exec/" EXEC "/json \nGET /exec/" EXEC
                        "/json \n");
    r->exec_state = "{\"Running\":false,\"ExitCode\":0}";
    r->again = true;
    run(r, EXECUTE, MSECS);
    expect(r, ERR_NONE, NULL);
    assert_int_equal(r->exit_status, 0);
    assert_string_equal(r->output_seen, "o\ne\n");
    loop_until(r->io, r->dones == 3);
    assert_string_equal(r->title, "nginx");
    rig_free(r);
}

static void refusals(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_class class;
        int code;
        const char *message;
    } cases[] = {
        {404, "{\"message\":\"No such container: web\"}", ERR_INVALID, -ENOENT,
         "HTTP 404: No such container: web"},
        {409, "{\"message\":\"Container web is not running\"}", ERR_INVALID, -EIO,
         "HTTP 409: Container web is not running"},
        {500, "{\"message\":\"no luck\"}", ERR_TRANSIENT, -EIO, "HTTP 500: no luck"},
        {501, "{\"message\":\"configured logging driver does not support reading\"}", ERR_TRANSIENT,
         -EIO, "does not support reading"},
        {403, "denied by the proxy", ERR_AUTH, -EIO, "HTTP 403: denied by the proxy"},
        /* podman */
        {409,
         "{\"cause\":\"container state improper\",\"message\":\"can only kill running\","
         "\"response\":409}",
         ERR_INVALID, -EIO, "can only kill running"},
    };
    struct rig *r = rig_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (enum what what = INSPECT; what < WHATS; what++) {
            r->status = cases[i].status;
            r->body = cases[i].body;
            run(r, what, MSECS);
            expect(r, cases[i].class, cases[i].message);
            assert_int_equal(r->err.code, cases[i].code);
        }
    }
    r->status = 0;
    r->body = "nonsense";
    run(r, INSPECT, 0);
    expect(r, ERR_TRANSIENT, "inspect: ");
    run(r, TOP, 0);
    expect(r, ERR_TRANSIENT, "top: ");
    run(r, LOGS, 0);
    expect(r, ERR_NONE, NULL); /* a terminal's */
    run(r, EXECUTE, MSECS);
    expect(r, ERR_TRANSIENT, "exec: ");
    rig_free(r);
}

static void cut_off(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    OUTPUT(r, "\1\0\0\0\0\0\0\7abc");
    run(r, EXECUTE, MSECS);
    expect(r, ERR_TRANSIENT, "exec: output: ends inside of a frame");
    OUTPUT(r, "\1\0\0\0");
    run(r, EXECUTE, MSECS);
    expect(r, ERR_TRANSIENT, "exec: output: ends inside of a frame");
    OUTPUT(r, "no frames at all");
    run(r, EXECUTE, MSECS);
    expect(r, ERR_TRANSIENT, "exec: output: byte 0x6e where a frame should begin");
    /* between two frames: its status says what has become of it */
    OUTPUT(r, "\1\0\0\0\0\0\0\3abc");
    r->running = 3;
    run(r, EXECUTE, MSECS);
    expect(r, ERR_NONE, NULL);
    assert_int_equal(r->exit_status, 3);
    r->exec_state = "{}";
    run(r, EXECUTE, 300);
    expect(r, ERR_TRANSIENT, "has not ended in time, and goes on in the container");
    r->ends = RESET;
    run(r, EXECUTE, MSECS);
    expect(r, ERR_TRANSIENT, "exec");
    fake_http_down(r->srv);
    run(r, TOP, 0);
    expect(r, ERR_TRANSIENT, "connection refused; is the engine running?");
    rig_free(r);
}

static void much_output(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    OUTPUT(r, "\1\0\0\0\0\0\0\3abc");
    r->flood = 2 * DOCKER_CONTROL_OUTPUT_MAX / 1000;
    run(r, EXECUTE, MSECS);
    expect(r, ERR_NONE, NULL);
    assert_int_equal(r->exit_status, 3);
    assert_int_equal(r->output_seen_len, DOCKER_CONTROL_OUTPUT_MAX);
    rig_free(r);
}

static void deadline(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    OUTPUT(r, "\1\0\0\0\0\0\0\3abc");
    r->ends = HOLD;
    run(r, EXECUTE, 200);
    expect(r, ERR_TRANSIENT, "has not ended in time, and goes on in the container");
    assert_int_equal(r->err.code, -ETIMEDOUT);
    assert_string_equal(r->output_seen, "");
    rig_free(r);
}

static void cancelled(void **state)
{
    struct rig *r = rig_new();
    struct err e = ERR_INIT;
    (void)state;
    docker_control_cancel(r->c); /* idle */
    r->ends = HOLD;
    OUTPUT(r, "\1\0\0\0\0\0\0\3abc");
    for (enum what what = INSPECT; what < WHATS; what++) {
        unsigned before = r->dones;
        r->held = NULL;
        assert_int_equal(start(r, what, MSECS, &e), 0);
        assert_int_equal(start(r, what, MSECS, &e), -EBUSY);
        assert_int_equal(e.class, ERR_BUG);
        loop_until(r->io, r->held);
        docker_control_cancel(r->c);
        docker_control_cancel(r->c);
        assert_int_equal(r->dones, before);
        loop_until(r->io, r->dones == before + 1);
        expect(r, ERR_CANCELLED, "cancelled");
    }
    /* while its status is waited for */
    r->ends = END;
    r->running = 1000;
    unsigned before = r->dones;
    assert_int_equal(start(r, EXECUTE, MSECS, &e), 0);
    loop_until(r->io, r->running < 998);
    docker_control_cancel(r->c);
    docker_control_cancel(r->c);
    assert_int_equal(r->dones, before);
    loop_until(r->io, r->dones == before + 1);
    expect(r, ERR_CANCELLED, "cancelled");
    rig_free(r);
}

static void bad_arguments(void **state)
{
    static const char *const bad[] = {"", "/", "a/b", "../x", "a b", "-x", "a?b"};
    struct rig *r = rig_new();
    struct docker_control *c = NULL;
    struct err e = ERR_INIT;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(docker_control_new(&c, r->io, fake_http_peer(r->srv), bad[i], &e),
                         -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
    }
    assert_null(c);
    assert_int_equal(docker_control_signal(r->c, "HUP&x", on_done, r, &e), -EINVAL);
    assert_int_equal(docker_control_logs(r->c, "1&x=2", false, on_done, r, &e), -EINVAL);
    char *big = xcalloc(1, 300000);
    memset(big, 'x', 299999);
    const char *const words[] = {"nginx", big, NULL};
    assert_int_equal(docker_control_exec(r->c, words, MSECS, on_done, r, &e), -EMSGSIZE);
    free(big);
    assert_int_equal(r->dones, 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),   cmocka_unit_test(commands),      cmocka_unit_test(refusals),
        cmocka_unit_test(cut_off),   cmocka_unit_test(much_output),   cmocka_unit_test(deadline),
        cmocka_unit_test(cancelled), cmocka_unit_test(bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
