/*
 * A real Consul. Happy path: fork, exec, look until the catalog has Consul's own service. One that does
 * not come up within 30 s fails the test with the place of its log. It dies with its test.
 *
 * -dev keeps everything in memory; with a data folder it is a server of its own, with the shortest
 * election that Consul allows.
 */
#include "lib/consul_daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/wallclock.h"
#include "lib/loop_test.h"

#define CONSUL      "/usr/bin/consul"
#define UP_MAX      30000u
#define LOOK_EVERY  50
#define REQUEST_MAX (64u * 1024)
#define ANSWER_MAX  (4u * 1024 * 1024)

bool consul_daemon_installed(void)
{
    return access(CONSUL, X_OK) == 0;
}

static int loopback_socket(unsigned port, struct sockaddr_in *ret)
{
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    ret->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

static unsigned free_port(void)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    CLEANUP_CLOSE int fd = loopback_socket(0, &addr);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
        fail_msg("no free port: %s", strerror(errno));
    }
    return ntohs(addr.sin_port);
}

/* ---- requests ---- */

/* HTTP/1.0: the answer ends with the connection. False: none, or cut off. */
static bool exchange(const struct consul_daemon *d, const struct buf *request, struct buf *ret)
{
    struct sockaddr_in addr;
    struct timeval limit = {.tv_sec = 15};
    char part[16384];
    ssize_t got = -1;
    CLEANUP_CLOSE int fd = loopback_socket(d->port, &addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        send(fd, request->data, request->len, MSG_NOSIGNAL) == (ssize_t)request->len) {
        while ((got = read(fd, part, sizeof(part))) > 0) {
            buf_append(ret, part, (size_t)got);
        }
    }
    return got == 0 && ret->len > 0;
}

static char *ask(const struct consul_daemon *d, enum http_method method, const char *path,
                 const char *body, int *ret_status)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"};
    struct buf request = BUF_INIT(REQUEST_MAX), answer = BUF_INIT(ANSWER_MAX);
    buf_printf(&request, "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n", names[method], path,
               strlen(body));
    if (d->token) {
        buf_printf(&request, "X-Consul-Token: %s\r\n", d->token);
    }
    buf_printf(&request, "\r\n%s", body);
    assert_int_equal(buf_error(&request), 0);
    *ret_status = 0;
    char *text = NULL;
    if (exchange(d, &request, &answer)) {
        const char *blank = strchr(buf_str(&answer), ' ');
        const char *end = strstr(buf_str(&answer), "\r\n\r\n");
        assert_true(blank && end);
        *ret_status = (int)strtol(blank, NULL, 10);
        text = xstrdup(end + 4);
    }
    buf_deinit(&request);
    buf_deinit(&answer);
    return text ? text : xstrdup("");
}

char *consul_do(const struct consul_daemon *d, enum http_method method, const char *fmt, ...)
{
    struct buf text = BUF_INIT(REQUEST_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    char *path = buf_take(&text), *body = strchr(path, ' ');
    if (body) {
        *body++ = '\0';
    }
    int status;
    char *answer = ask(d, method, path, body ? body : "", &status);
    if (status != 200) {
        fail_msg("consul %s: %d %s", path, status, answer);
    }
    free(path);
    return answer;
}

/* ---- life ---- */

/* With ACLs the catalog is empty to whoever has no token; a leader is all that can be seen then. */
static bool leads(const struct consul_daemon *d)
{
    int status;
    char *answer =
        ask(d, HTTP_GET, d->token ? "/v1/catalog/services" : "/v1/status/leader", "", &status);
    bool up = status == 200 && strstr(answer, d->token ? "\"consul\"" : ":");
    free(answer);
    if (up && !d->token) {
        answer = ask(d, HTTP_GET, "/v1/catalog/services", "", &status);
        up = status == 200 && strstr(answer, "\"consul\"");
        free(answer);
    }
    return up;
}

static void run(const struct consul_daemon *d)
{
    char log[512], config[512], data[512];
    snprintf(log, sizeof(log), "%s/log", d->dir);
    snprintf(config, sizeof(config), "-config-file=%s/config.hcl", d->dir);
    snprintf(data, sizeof(data), "-data-dir=%s/data", d->dir);
    const char *argv[] = {CONSUL,
                          "agent",
                          config,
                          "-bind=127.0.0.1",
                          "-node=n1",
                          d->keeps_data ? "-server" : "-dev",
                          d->keeps_data ? data : NULL,
                          "-bootstrap-expect=1",
                          NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execv(CONSUL, (char *const *)argv);
    _exit(127);
}

void consul_daemon_again(struct consul_daemon *d)
{
    assert_int_equal(d->pid, 0);
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (d->pid == 0) {
        run(d);
    }
    msec_t give_up = clock_monotonic() + UP_MAX;
    CLEANUP_CLOSE int pidfd = pidfd_open(d->pid, 0);
    assert_true(pidfd >= 0);
    while (!leads(d)) {
        /* the next look is due after a moment, or at once when the process ends */
        bool dead = poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, LOOK_EVERY) > 0;
        if (dead || clock_monotonic() > give_up) {
            fail_msg("consul %s; its log: %s/log", dead ? "has died" : "is not up", d->dir);
        }
    }
}

static void write_config(const struct consul_daemon *d)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/config.hcl", d->dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(d->hcl, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

void consul_daemon_start(struct consul_daemon *d, bool keeps_data, const char *hcl)
{
    char text[64];
    struct err e = ERR_INIT;
    const char *token = d->token;
    *d = (struct consul_daemon){.keeps_data = keeps_data, .dir = loop_mkdir(), .token = token};
    d->port = free_port();
    int n = snprintf(d->hcl, sizeof(d->hcl),
                     "ports { http = %u, dns = -1, grpc = -1, server = %u, serf_lan = %u, "
                     "serf_wan = %u }\nperformance { raft_multiplier = 1 }\n%s\n",
                     d->port, free_port(), free_port(), free_port(), hcl ? hcl : "");
    assert_in_range(n, 1, sizeof(d->hcl) - 1);
    write_config(d);
    snprintf(text, sizeof(text), "consul://127.0.0.1:%u", d->port);
    if (registry_uri_parse(&d->uri, text, &(struct registry_uri_env){0}, &e) < 0) {
        fail_msg("%s: %s", text, e.msg);
    }
    consul_daemon_again(d);
}

void consul_daemon_kill(struct consul_daemon *d, int signal)
{
    assert_true(d->pid > 0);
    assert_int_equal(kill(d->pid, signal), 0);
    assert_int_equal(waitpid(d->pid, NULL, 0), d->pid);
    d->pid = 0;
}

void consul_daemon_stop(struct consul_daemon *d)
{
    if (d->pid) {
        consul_daemon_kill(d, SIGKILL);
    }
    loop_rmdir(d->dir);
    d->dir = NULL;
    registry_uri_deinit(&d->uri);
}
