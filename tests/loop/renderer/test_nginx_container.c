/*
 * The nginx in a container, against a scripted engine: what it is asked and told, and what becomes of
 * that when nginx, the container or the engine does not do what it should. Times are short.
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
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "docker/peer.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"
#include "renderer/command.h"
#include "renderer/nginx_container.h"

#include <errno.h>
#include <unistd.h>

#define ID      "f42a95714253142fd998a3df1d8d5b402e6481b0c1c5af898526b3093ee3654e"
#define OTHER   "0ab437ce772c6176a2a82e833bb6700a0341592220e0519b722dc5b822202b35"
#define EXEC    "7c67766517d8afd39fe6591dd113ab28f134a508a95ba3a4309b3a94850ed7af"
#define HEAD    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
#define MASTER  "nginx: master process nginx -g daemon off; -c /etc/own.conf"
#define WORKER  "nginx: worker process"
#define OLD     "nginx: worker process is shutting down"
#define EMERG   "2026/11/20 20:59:13 [emerg] 1#1: "
#define HERE    "unknown directive \"bogus\" in /srv/conf/b.conf:1" /* as this host calls it */
#define REASON  "unknown directive \"bogus\" in /etc/nginx/conf.d/b.conf:1"
#define MARK_AT "2026-11-20T20:59:13.583264632Z text\n"

struct process {
    int pid, parent;
    const char *title;
};

struct rig {
    struct io *io;
    struct fake_http *srv;
    struct docker_peer peer;
    struct nginx_control *n;
    struct nginx_container_times times;
    struct buf asked; /* a letter each: i t e s(tart) r(esult) k m(ark) l */
    char *dir;
    /* the container */
    const char *state; /* members of State */
    const char *id;
    struct process list[8], next[8]; /* next: once it was told, after `lag` lists */
    struct process then[8];          /* and after one look at that, if it is given */
    unsigned lag;
    bool told;
    int turnover; /* not 0: the last of next has another number in each list */
    int top_status, top_failures;
    const char *log; /* since it was told */
    int log_status;
    bool terminal;
    const char *test_says, *reload_says;
    int test_status, reload_status;
    char command[256];
    int exec_create_status, inspect_status, kill_status;
    char hold; /* a request of this letter is not answered */
    bool held;
    /* the result */
    unsigned dones, old;
    enum nginx_outcome outcome;
    char why[512], said[1024];
};

static bool ask(struct rig *r, char letter)
{
    buf_putc(&r->asked, letter);
    r->held = r->hold == letter;
    return r->held;
}

static void reply_top(struct rig *r, struct fake_exchange *x)
{
    struct process list[8];
    memcpy(list, r->list, sizeof(list));
    if (r->told && r->next[0].pid != 0) {
        if (r->lag == 0) {
            if (r->turnover) {
                r->next[2].pid = r->turnover++;
                r->then[0].pid = 0;
            }
            memcpy(list, r->next, sizeof(list));
            if (r->then[0].pid != 0) {
                memcpy(r->next, r->then, sizeof(r->next));
            }
        } else {
            r->lag--;
        }
    }
    if (r->told && r->top_failures > 0) {
        r->top_failures--;
        fake_reply(x, r->top_status, "{\"message\":\"scripted\"}");
        return;
    }
    struct buf body = BUF_INIT(1u << 16);
    buf_puts(&body, "{\"Titles\":[\"PID\",\"PPID\",\"COMMAND\"],\"Processes\":[");
    for (size_t i = 0; i < ARRAY_LEN(r->list) && list[i].pid != 0; i++) {
        buf_printf(&body, "%s[\"%d\",\"%d\",\"%s\"]", i > 0 ? "," : "", list[i].pid, list[i].parent,
                   list[i].title);
    }
    buf_puts(&body, "]}");
    fake_reply(x, 200, buf_str(&body));
    buf_deinit(&body);
}

static void put_frame(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    const char head[8] = {2, 0, 0, 0, 0, 0, (char)(len >> 8), (char)len};
    if (len > 0) {
        buf_append(out, head, sizeof(head));
        buf_puts(out, text);
    }
}

static void reply_logs(struct rig *r, struct fake_exchange *x, bool mark)
{
    struct buf body = BUF_INIT(1u << 16);
    const char *text = mark ? MARK_AT : r->log ? r->log : "";
    if (r->log_status) {
        fake_reply(x, r->log_status, "{\"message\":\"cannot be read\"}");
        return;
    }
    if (!mark) {
        assert_non_null(strstr(fake_path(x), "since=1795208353.583264633"));
        assert_true((strstr(fake_path(x), "stdout=1") != NULL) == r->terminal);
    }
    if (r->terminal) {
        buf_puts(&body, text);
    } else {
        put_frame(&body, text);
    }
    fake_reply_len(x, 200, buf_str(&body), body.len);
    buf_deinit(&body);
}

static void on_exec(struct rig *r, struct fake_exchange *x)
{
    assert_true(str_copy(r->command, sizeof(r->command), strstr(fake_body(x), "\"Cmd\"")));
    if (r->exec_create_status) {
        fake_reply(x, r->exec_create_status, "{\"message\":\"scripted\"}");
    } else {
        fake_reply(x, 201, "{\"Id\":\"" EXEC "\"}");
    }
}

static void on_started(struct rig *r, struct fake_exchange *x)
{
    bool test = strstr(r->command, "\"-t\"") != NULL;
    const char *says = test ? r->test_says : r->reload_says;
    struct buf body = BUF_INIT(1u << 16);
    buf_puts(&body, HEAD);
    put_frame(&body, says ? says : "");
    fake_raw(x, body.data, body.len);
    fake_close(x);
    buf_deinit(&body);
    r->told |= !test;
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct rig *r = ctx;
    const char *path = fake_path(x);
    char body[256];
    if (streq(path, "/containers/web/json")) { /* by name; all else by id */
        if (ask(r, 'i')) {
        } else if (r->inspect_status) {
            fake_reply(x, r->inspect_status, "{\"message\":\"scripted\"}");
        } else {
            snprintf(
                body, sizeof(body),
                "{\"Id\":\"%s\",\"State\":{%s},\"Config\":{\"Tty\":%s},"
                "\"Mounts\":[{\"Source\":\"/srv/conf\",\"Destination\":\"/etc/nginx/conf.d\"}]}",
                r->id, r->state, r->terminal ? "true" : "false");
            fake_reply(x, 200, body);
        }
    } else if (str_starts(path, "/exec/" EXEC "/start")) {
        if (!ask(r, 's')) {
            on_started(r, x);
        }
    } else if (str_starts(path, "/exec/" EXEC "/json")) {
        bool test = strstr(r->command, "\"-t\"") != NULL;
        snprintf(body, sizeof(body), "{\"Running\":false,\"ExitCode\":%d}",
                 test ? r->test_status : r->reload_status);
        if (!ask(r, 'r')) {
            fake_reply(x, 200, body);
        }
    } else if (strncmp(path + strlen("/containers/"), r->id, 64) != 0) {
        fail_msg("nobody should ask for %s", path);
    } else if (str_ends(path, "/exec")) {
        if (!ask(r, 'e')) {
            on_exec(r, x);
        }
    } else if (strstr(path, "/top?")) {
        if (!ask(r, 't')) {
            reply_top(r, x);
        }
    } else if (str_ends(path, "/kill?signal=1")) {
        if (!ask(r, 'k')) {
            r->told = r->kill_status == 0;
            fake_reply(x, r->kill_status ? r->kill_status : 204, "{\"message\":\"scripted\"}");
        }
    } else {
        bool mark = strstr(path, "timestamps=1") != NULL;
        if (!ask(r, mark ? 'm' : 'l')) {
            reply_logs(r, x, mark);
        }
    }
}

static struct rig *rig_new(void)
{
    struct rig *r = xcalloc(1, sizeof(*r));
    r->io = loop_open();
    r->dir = loop_mkdir();
    r->srv = fake_http_new(r->io, NULL, on_request, r);
    r->peer.http = *fake_http_peer(r->srv);
    r->times = (struct nginx_container_times){
        .check = 5000, .instead = 5000, .confirm = 5000, .poll = 5, .log = 30, .settle = 60};
    r->id = ID;
    r->state = "\"Running\":true,\"Pid\":10";
    const struct process list[] = {{10, 1, MASTER}, {11, 10, WORKER}, {12, 10, WORKER}};
    const struct process next[] = {{10, 1, MASTER}, {12, 10, OLD}, {21, 10, WORKER}};
    memcpy(r->list, list, sizeof(list));
    memcpy(r->next, next, sizeof(next));
    buf_init(&r->asked, 1u << 20);
    return r;
}

static struct nginx_control *control(struct rig *r)
{
    struct err e = ERR_INIT;
    if (!r->n && nginx_container_new_timed(&r->n, r->io, &r->peer, "web", &r->times, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    return r->n;
}

static void rig_free(struct rig *r)
{
    assert_null(nginx_control_free(r->n));
    fake_http_free(r->srv);
    loop_close(r->io);
    loop_rmdir(r->dir);
    buf_deinit(&r->asked);
    free(r);
}

static void on_done(void *ctx, const struct nginx_result *res)
{
    struct rig *r = ctx;
    r->dones++;
    r->outcome = res->outcome;
    assert_true(str_copy(r->why, sizeof(r->why), res->why));
    (void)str_copy(r->said, sizeof(r->said), res->said);
}

static void on_counted(void *ctx, unsigned old)
{
    struct rig *r = ctx;
    r->dones++;
    r->old = old;
}

static void begin(struct rig *r, char what, const struct command *instead)
{
    struct nginx_control *n = control(r);
    struct err e = ERR_INIT;
    int code = what == 'c'   ? n->ops->check(n, on_done, r, &e)
               : what == 'r' ? n->ops->reload(n, instead, on_done, r, &e)
                             : n->ops->count_old(n, on_counted, r, &e);
    if (code < 0) {
        fail_msg("%s", e.msg);
    }
}

static void run(struct rig *r, char what, const struct command *instead)
{
    unsigned before = r->dones;
    buf_reset(&r->asked);
    begin(r, what, instead);
    assert_int_equal(r->dones, before);
    loop_until(r->io, r->dones == before + 1);
}

static void expect(struct rig *r, enum nginx_outcome outcome, const char *why)
{
    static const char *const names[] = {"accepted", "refused", "unreached"};
    if (r->outcome != outcome || !strstr(r->why, why) || (outcome == NGINX_ACCEPTED && *r->why)) {
        fail_msg("%s: \"%s\", want %s: \"%s\" (asked %s)", names[r->outcome], r->why,
                 names[outcome], why, buf_str(&r->asked));
    }
}

static void expect_asked(struct rig *r, const char *want)
{
    if (!streq(buf_str(&r->asked), want)) {
        fail_msg("asked %s, want %s", buf_str(&r->asked), want);
    }
}

/* ---- checks ---- */

static void check_accepted(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    assert_string_equal(control(r)->ops->name, "container");
    assert_null(control(r)->ops->check_argv);
    run(r, 'c', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itesr");
    /* whose command is known from then on */
    run(r, 'c', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "iesr");
    /* with the configuration of the master that runs */
    assert_string_equal(r->command,
                        "\"Cmd\":[\"nginx\",\"-t\",\"-q\",\"-g\",\"daemon off;\",\"-c\","
                        "\"/etc/own.conf\"]}");
    /* none runs, and still it can judge */
    r->list[0].title = "sh";
    r->state = "\"Running\":true,\"Pid\":9"; /* it was restarted */
    run(r, 'c', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itesr");
    assert_string_equal(r->command, "\"Cmd\":[\"nginx\",\"-t\",\"-q\"]}");
    /* nor is another container of that name known */
    r->list[0].title = MASTER;
    r->state = "\"Running\":true,\"Pid\":10";
    run(r, 'c', NULL);
    r->id = OTHER;
    run(r, 'c', NULL);
    expect_asked(r, "itesr");
    rig_free(r);
}

static void check_refused(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->test_status = 1;
    r->test_says = "nginx: [warn] x\nnginx: [emerg] " REASON "\nnginx: configuration file "
                   "/etc/nginx/nginx.conf test failed\n";
    run(r, 'c', NULL);
    expect(r, NGINX_REFUSED, "container web: " REASON);
    assert_string_equal(r->said, "nginx: [warn] x\nnginx: [emerg] " HERE "\nnginx: configuration "
                                 "file /etc/nginx/nginx.conf test failed\n");
    r->test_says = "odd words\nmore\n";
    run(r, 'c', NULL);
    expect(r, NGINX_REFUSED, "container web: odd words");
    r->test_says = NULL;
    run(r, 'c', NULL);
    expect(r, NGINX_REFUSED, "container web: its nginx refuses, and does not say why");
    rig_free(r);
}

static void check_cannot_judge(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->test_status = 126;
    r->test_says = "OCI runtime exec failed: \"nginx\": not found\r\n";
    run(r, 'c', NULL);
    expect(r, NGINX_UNREACHED, "container web: nginx -t cannot be run: OCI runtime exec failed");
    r->test_status = 137;
    run(r, 'c', NULL);
    expect(r, NGINX_UNREACHED, "nginx -t was ended by signal 9");
    r->exec_create_status = 500;
    run(r, 'c', NULL);
    expect(r, NGINX_UNREACHED, "exec: HTTP 500: scripted");
    r->exec_create_status = 409;
    run(r, 'c', NULL);
    expect(r, NGINX_UNREACHED, "exec: HTTP 409: scripted");
    rig_free(r);
}

/* ---- what state the container is in ---- */

static void states(void **state)
{
    static const struct {
        const char *state, *why;
    } cases[] = {
        {"\"Running\":false", "container web: it does not run"},
        {"\"Running\":true,\"Paused\":true,\"Pid\":10", "container web: it is paused"},
        {"\"Running\":true,\"Restarting\":true", "container web: it is between two restarts"},
    };
    struct rig *r = rig_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        r->state = cases[i].state;
        for (const char *what = "cr"; *what; what++) {
            run(r, *what, NULL);
            expect(r, NGINX_UNREACHED, cases[i].why);
            expect_asked(r, "i");
        }
        r->old = 7;
        run(r, 'o', NULL);
        assert_int_equal(r->old, 0);
    }
    r->inspect_status = 404;
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "container web: there is none of this name");
    r->inspect_status = 500;
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "inspect: HTTP 500: scripted");
    fake_http_down(r->srv);
    run(r, 'c', NULL);
    expect(r, NGINX_UNREACHED, "connection refused; is the engine running?");
    rig_free(r);
}

static void counts(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    run(r, 'o', NULL);
    assert_int_equal(r->old, 0);
    expect_asked(r, "it");
    r->list[1].title = OLD;
    r->list[2].title = OLD;
    run(r, 'o', NULL);
    assert_int_equal(r->old, 2);
    expect_asked(r, "t"); /* it is known */
    run(r, 'c', NULL);
    expect_asked(r, "iesr");
    r->list[0].title = "sh";
    run(r, 'o', NULL);
    assert_int_equal(r->old, 0);
    r->told = true;
    r->top_status = 404;
    r->top_failures = 1;
    r->old = 7;
    run(r, 'o', NULL);
    assert_int_equal(r->old, 0);
    rig_free(r);
}

/* ---- reloads ---- */

static void reload_accepted(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itmktt");
    assert_string_equal(r->said, "");
    rig_free(r);
}

static void reload_takes_its_time(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->times.log = 60000;
    r->lag = 5;
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itmkttttttt");
    rig_free(r);
}

static void not_the_first_process(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->state = "\"Running\":true,\"Pid\":9";
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itmesrtt");
    assert_string_equal(r->command, "\"Cmd\":[\"nginx\",\"-s\",\"reload\",\"-g\",\"daemon off;\","
                                    "\"-c\",\"/etc/own.conf\"]}");
    r->told = false;
    r->reload_status = 1;
    r->reload_says = "nginx: [emerg] " REASON "\n";
    run(r, 'r', NULL);
    expect(r, NGINX_REFUSED, "container web: " REASON);
    r->reload_says = "nginx: [error] open() \"/run/nginx.pid\" failed (2: No such file)\n";
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED,
           "nginx -s reload: status 1: nginx: [error] open() \"/run/nginx.pid\"");
    rig_free(r);
}

static void numbers_of_the_container(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    /* podman */
    const struct process list[] = {{1, 0, MASTER}, {11, 1, WORKER}, {0, 0, NULL}};
    const struct process next[] = {{1, 0, MASTER}, {11, 1, OLD}, {21, 1, WORKER}, {0, 0, NULL}};
    memcpy(r->list, list, sizeof(list));
    memcpy(r->next, next, sizeof(next));
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itmktt");
    rig_free(r);
}

static void reload_refused(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->next[0].pid = 0;
    r->log = "2026/11/20 20:59:13 [notice] 1#1: x\n" EMERG REASON "\n";
    run(r, 'r', NULL);
    expect(r, NGINX_REFUSED, "container web: " REASON);
    assert_string_equal(r->said, "nginx: [emerg] " HERE "\n");
    assert_true(str_ends(buf_str(&r->asked), "tl"));
    r->told = false;
    r->terminal = true;
    r->log = EMERG REASON "\r\n";
    run(r, 'r', NULL);
    expect(r, NGINX_REFUSED, "container web: " REASON);
    assert_string_equal(r->said, "nginx: [emerg] " HERE "\n");
    rig_free(r);
}

static void still_trying_to_bind(void **state)
{
#define BIND EMERG "bind() to 0.0.0.0:81 failed (98: Address already in use)\n"
    struct rig *r = rig_new();
    (void)state;
    r->next[0].pid = 0;
    r->log = BIND;
    begin(r, 'r', NULL);
    loop_until(r->io, strchr(buf_str(&r->asked), 'l'));
    loop_until(r->io, strchr(strchr(buf_str(&r->asked), 'l') + 1, 'l'));
    assert_int_equal(r->dones, 0);
    r->log = BIND BIND EMERG "still could not bind()\n";
    loop_until(r->io, r->dones == 1);
    expect(r, NGINX_REFUSED,
           "container web: bind() to 0.0.0.0:81 failed (98: Address already in use)");
    rig_free(r);
#undef BIND
}

static void log_that_cannot_be_read(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->log_status = 501;
    r->next[0].pid = 0;
    r->times.confirm = 200;
    r->test_status = 1;
    r->test_says = "nginx: [emerg] " REASON "\n";
    run(r, 'r', NULL);
    expect(r, NGINX_REFUSED, "container web: " REASON);
    assert_null(strchr(buf_str(&r->asked), 'l'));
    assert_true(str_ends(buf_str(&r->asked), "tesr"));
    /* and nginx -t sees no fault either */
    r->told = false;
    r->test_status = 0;
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "still runs its old configuration");
    rig_free(r);
}

static void workers_that_stay(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->times.confirm = 200;
    r->next[1].title = WORKER; /* 11 may have died, and 21 stand in for it */
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "its nginx has new workers, and old ones that go on serving");
    r->told = false;
    r->log = EMERG REASON "\n";
    run(r, 'r', NULL);
    expect(r, NGINX_REFUSED, "container web: " REASON);
    /* it has been told to go, and does not */
    r->told = false;
    r->next[3] = (struct process){22, 10, WORKER};
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    assert_null(strchr(buf_str(&r->asked), 'l'));
    rig_free(r);
}

/* The only worker is another one: after a reload, or because it died. */
static struct rig *rig_of_one_worker(void)
{
    struct rig *r = rig_new();
    const struct process list[] = {{10, 1, MASTER}, {11, 10, WORKER}, {0, 0, NULL}};
    const struct process next[] = {{10, 1, MASTER}, {21, 10, WORKER}, {0, 0, NULL}};
    memcpy(r->list, list, sizeof(list));
    memcpy(r->next, next, sizeof(next));
    r->times.log = 60000; /* it is looked at because there is doubt */
    return r;
}

static void the_only_worker_is_another_one(void **state)
{
    struct rig *r = rig_of_one_worker();
    (void)state;
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itmkttl");
    r->told = false;
    r->log = EMERG REASON "\n";
    run(r, 'r', NULL);
    expect(r, NGINX_REFUSED, "container web: " REASON);
    expect_asked(r, "itmkttl");
    /* it died, and nothing else is said for a while */
    r->told = false;
    r->log = "2026/11/20 20:59:13 [alert] 1#1: worker process 11 exited on signal 9\n";
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    assert_non_null(strstr(buf_str(&r->asked), "itmkttltl"));
    /* it died, and nginx was still trying */
    r->told = false;
    r->times.settle = 60000;
    r->log = EMERG "bind() to 0.0.0.0:81 failed (98: Address already in use)\n";
    begin(r, 'r', NULL);
    loop_until(r->io, r->told && str_ends(buf_str(&r->asked), "tltl"));
    r->log = EMERG "bind() to 0.0.0.0:81 failed (98: Address already in use)\n" EMERG
                   "still could not bind()\n";
    unsigned dones = r->dones;
    loop_until(r->io, r->dones == dones + 1);
    expect(r, NGINX_REFUSED, "container web: bind() to 0.0.0.0:81 failed");
    /* nobody can say */
    r->told = false;
    r->log_status = 501;
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    rig_free(r);
}

static void new_workers_that_end_at_once(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    const struct process then[] = {{10, 1, MASTER}, {0, 0, NULL}};
    const struct process next[] = {{10, 1, MASTER}, {12, 10, OLD}, {21, 10, WORKER}, {0, 0, NULL}};
    memcpy(r->then, then, sizeof(then));
    r->times.log = 60000;
    r->log = "2026/11/20 20:59:13 [emerg] 21#21: chdir(\"/nowhere\") failed (2: No such file)\n"
             "2026/11/20 20:59:13 [alert] 1#1: worker process 21 exited with fatal code 2 and "
             "cannot be respawned\n";
    run(r, 'r', NULL);
    expect(r, NGINX_REFUSED, "container web: chdir(\"/nowhere\") failed");
    expect_asked(r, "itmktttl");
    /* without a log */
    r->told = false;
    r->log_status = 501;
    memcpy(r->next, next, sizeof(next));
    run(r, 'r', NULL);
    expect(r, NGINX_REFUSED, "container web: its new workers have ended at once");
    /* begun again and again */
    r->told = false;
    r->times.confirm = 100;
    r->turnover = 100;
    memcpy(r->next, next, sizeof(next));
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "new workers, which end again and again");
    rig_free(r);
}

static void no_workers_but_old_ones(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    const struct process next[] = {{10, 1, MASTER}, {11, 10, OLD}, {12, 10, OLD}, {0, 0, NULL}};
    memcpy(r->next, next, sizeof(next));
    r->times.confirm = 100;
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "has no workers that serve: it is stopping, or the new ones");
    rig_free(r);
}

static void as_long_as_is_documented(void **state)
{
    static const struct nginx_container_times times = NGINX_CONTAINER_TIMES;
    (void)state;
    assert_int_equal(NGINX_COMMAND_DEADLINE, 60000);
    assert_int_equal(times.instead, NGINX_COMMAND_DEADLINE);
    assert_true(times.settle < times.confirm);
}

static void container_goes(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->top_status = 409;
    r->top_failures = 1;
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED,
           "while its nginx was to read its configuration: top: HTTP 409: scripted");
    r->told = false;
    r->kill_status = 409;
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "container web: signal: HTTP 409: scripted");
    rig_free(r);
}

static void container_restarted(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    const struct process next[] = {{30, 1, MASTER}, {31, 30, WORKER}, {0, 0, NULL}};
    memcpy(r->next, next, sizeof(next));
    r->lag = 1;
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    rig_free(r);
}

static void container_replaced(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    run(r, 'r', NULL);
    r->id = OTHER; /* requests with the id of before would fail the test */
    r->told = false;
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itmktt");
    rig_free(r);
}

static void engine_has_trouble(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->top_status = 500;
    r->top_failures = 3;
    run(r, 'r', NULL);
    expect(r, NGINX_ACCEPTED, "");
    expect_asked(r, "itmkttttt");
    nginx_control_free(r->n);
    r->n = NULL;
    r->told = false;
    r->top_failures = 100000;
    r->times.confirm = 200;
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "of what its nginx does: top: HTTP 500: scripted");
    rig_free(r);
}

static void no_master(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->list[0].title = "nginx";
    run(r, 'r', NULL);
    expect(r, NGINX_UNREACHED, "container web: no process in it is an nginx master");
    expect_asked(r, "it");
    rig_free(r);
}

/* ---- a command instead ---- */

static void reload_by(struct rig *r, const char *text)
{
    struct command c = COMMAND_NULL;
    struct err e = ERR_INIT;
    if (command_parse(&c, text, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    r->told = false;
    run(r, 'r', &c);
    command_deinit(&c);
}

static void command_instead(void **state)
{
    struct rig *r = rig_new();
    char text[512], path[256];
    (void)state;
    snprintf(path, sizeof(path), "%s/told", r->dir);
    snprintf(text, sizeof(text), "echo told >%s", path);
    r->times.confirm = 200;
    reload_by(r, text); /* nginx takes no notice */
    expect(r, NGINX_UNREACHED, "still runs its old configuration");
    assert_int_equal(access(path, F_OK), 0);
    assert_null(strchr(buf_str(&r->asked), 'k'));
    reload_by(r, "echo no luck; exit 3");
    expect(r, NGINX_UNREACHED, "container web: the reload command: status 3: no luck");
    assert_string_equal(r->said, "no luck\n");
    reload_by(r, "echo 'nginx: [emerg] host not found'; exit 1");
    expect(r, NGINX_REFUSED, "container web: host not found");
    reload_by(r, "kill -9 $$");
    expect(r, NGINX_UNREACHED, "the reload command was ended by signal 9");
    reload_by(r, "[\"/nosuch/command\"]");
    expect(r, NGINX_UNREACHED, "/nosuch/command: no such file or directory");
    rig_free(r);
}

static void command_takes_too_long(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->times.instead = 100;
    reload_by(r, "exec sleep 60");
    expect(r, NGINX_UNREACHED, "the reload command has not ended in 0 s");
    rig_free(r);
}

/* ---- cancelled, and started twice ---- */

static void cancelled(void **state)
{
    (void)state;
    for (const char *hold = "itmklesrT"; *hold; hold++) {
        struct rig *r = rig_new();
        struct err e = ERR_INIT;
        bool check = strchr("esr", *hold) != NULL;
        control(r)->ops->cancel(r->n); /* idle */
        r->hold = *hold;
        r->next[0].pid = 0;
        begin(r, check ? 'c' : 'r', NULL);
        assert_int_equal(r->n->ops->reload(r->n, NULL, on_done, r, &e), -EBUSY);
        assert_int_equal(e.class, ERR_BUG);
        if (r->hold == 'T') { /* between two looks */
            loop_until(r->io, str_ends(buf_str(&r->asked), "kt"));
            loop_until(r->io, fake_http_busy(r->srv) == 0);
        } else {
            loop_until(r->io, r->held);
        }
        r->n->ops->cancel(r->n);
        r->n->ops->cancel(r->n);
        assert_int_equal(r->dones, 0);
        loop_until(r->io, r->dones == 1);
        expect(r, NGINX_UNREACHED, "cancelled");
        rig_free(r);
    }
}

static void cancelled_command(void **state)
{
    struct rig *r = rig_new();
    struct command c = COMMAND_NULL;
    char path[256], text[512];
    (void)state;
    snprintf(path, sizeof(path), "%s/runs", r->dir);
    snprintf(text, sizeof(text), "echo >%s; exec sleep 60", path);
    assert_int_equal(command_parse(&c, text, NULL), 0);
    begin(r, 'r', &c);
    loop_until_outside(r->io, access(path, F_OK) == 0);
    r->n->ops->cancel(r->n);
    loop_until(r->io, r->dones == 1);
    expect(r, NGINX_UNREACHED, "cancelled");
    command_deinit(&c);
    rig_free(r);
}

static void bad_name(void **state)
{
    struct io *io = loop_open();
    struct docker_peer peer = DOCKER_PEER_NULL;
    struct nginx_control *n = NULL;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(nginx_container_new(&n, io, &peer, "a/b", &e), -EINVAL);
    assert_int_equal(e.class, ERR_INVALID);
    assert_null(n);
    loop_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_accepted),
        cmocka_unit_test(check_refused),
        cmocka_unit_test(check_cannot_judge),
        cmocka_unit_test(states),
        cmocka_unit_test(counts),
        cmocka_unit_test(reload_accepted),
        cmocka_unit_test(reload_takes_its_time),
        cmocka_unit_test(not_the_first_process),
        cmocka_unit_test(numbers_of_the_container),
        cmocka_unit_test(reload_refused),
        cmocka_unit_test(still_trying_to_bind),
        cmocka_unit_test(log_that_cannot_be_read),
        cmocka_unit_test(workers_that_stay),
        cmocka_unit_test(the_only_worker_is_another_one),
        cmocka_unit_test(new_workers_that_end_at_once),
        cmocka_unit_test(no_workers_but_old_ones),
        cmocka_unit_test(as_long_as_is_documented),
        cmocka_unit_test(container_goes),
        cmocka_unit_test(container_restarted),
        cmocka_unit_test(container_replaced),
        cmocka_unit_test(engine_has_trouble),
        cmocka_unit_test(no_master),
        cmocka_unit_test(command_instead),
        cmocka_unit_test(command_takes_too_long),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(cancelled_command),
        cmocka_unit_test(bad_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
