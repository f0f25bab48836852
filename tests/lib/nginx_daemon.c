/*
 * A real nginx. Happy path: fork, exec in the foreground, ask until it answers. One that does not answer
 * within 10 s fails the test with its log. The master ends with its test, by TERM, which its workers obey.
 */
#include "lib/nginx_daemon.h"

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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/wallclock.h"
#include "lib/loop_test.h"

#define UP_MAX     10000u
#define LOOK_EVERY 10
#define ANSWER_MAX 65536u
#define FAMILY_MAX 64u

bool nginx_daemon_installed(void)
{
    return access(NGINX_DAEMON_BINARY, X_OK) == 0;
}

unsigned nginx_daemon_port(int *ret_fd)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0 || (ret_fd && listen(fd, 16) < 0)) {
        fail_msg("no free port: %s", strerror(errno));
    }
    if (ret_fd) {
        *ret_fd = fd;
    } else {
        close(fd);
    }
    return ntohs(addr.sin_port);
}

void nginx_daemon_init(struct nginx_daemon *d)
{
    *d = (struct nginx_daemon){.dir = loop_mkdir(), .workers = 2, .port = nginx_daemon_port(NULL)};
    assert_int_equal(chmod(d->dir, 0755), 0);
    snprintf(d->conf, sizeof(d->conf), "%s/nginx.conf", d->dir);
    snprintf(d->log, sizeof(d->log), "%s/error.log", d->dir);
    snprintf(d->pid_file, sizeof(d->pid_file), "%s/nginx.pid", d->dir);
    nginx_daemon_write(d, "one", "", "");
}

void nginx_daemon_write(const struct nginx_daemon *d, const char *text, const char *http,
                        const char *main)
{
    struct buf b = BUF_INIT(65536);
    buf_printf(&b, "worker_processes %u;\npid %s;\nerror_log %s;\n%s\n%s\nevents {}\nhttp {\n",
               d->workers, d->pid_file, d->error_log ? d->error_log : d->log,
               geteuid() == 0 ? "user root;" : "", main);
    for (const char *const *p =
             (const char *const[]){"client_body", "proxy", "fastcgi", "uwsgi", "scgi", NULL};
         *p; p++) {
        buf_printf(&b, "%s_temp_path %s/%s;\n", *p, d->dir, *p);
    }
    buf_printf(&b,
               "access_log off; keepalive_timeout 3600s;\n"
               "server { listen 127.0.0.1:%u; location = / { return 200 \"%s\"; }\n%s }\n}\n",
               d->port, text, http);
    assert_int_equal(buf_error(&b), 0);
    assert_int_equal(fs_replace(d->conf, buf_str(&b), b.len, 0644, false, NULL), 0);
    buf_deinit(&b);
}

static void run(const struct nginx_daemon *d)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO); /* with error_log stderr nobody hears it */
    execl(NGINX_DAEMON_BINARY, NGINX_DAEMON_BINARY, "-c", d->conf, "-g", "daemon off;",
          (char *)NULL);
    _exit(127);
}

void nginx_daemon_start(struct nginx_daemon *d)
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
    for (;;) {
        CLEANUP_FREE char *answer = nginx_daemon_get(d, "/");
        if (*answer) {
            return;
        }
        bool dead = poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, LOOK_EVERY) > 0;
        if (dead || clock_monotonic() > give_up) {
            fail_msg("nginx %s; its log: %s", dead ? "has ended" : "is not up", d->log);
        }
    }
}

/* Descriptors of the master's children, as their numbers may be of others once they have gone. */
static size_t open_children(int pid, int fds[FAMILY_MAX])
{
    char path[64];
    struct buf text = BUF_INIT(4096);
    size_t n = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    assert_int_equal(fs_read(path, &text, NULL), 0);
    char *at = text.len ? text.data : NULL, *end = at;
    while (at && n < FAMILY_MAX) {
        long child = strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        at = end;
        int fd = pidfd_open((pid_t)child, 0);
        if (fd >= 0) {
            fds[n++] = fd;
        }
    }
    buf_deinit(&text);
    return n;
}

void nginx_daemon_kill(struct nginx_daemon *d, int signal)
{
    int fds[FAMILY_MAX];
    assert_true(d->pid > 0);
    size_t n = open_children(d->pid, fds);
    assert_int_equal(kill(d->pid, signal), 0);
    kill(d->pid, SIGCONT);
    assert_int_equal(waitpid(d->pid, NULL, 0), d->pid);
    d->pid = 0;
    for (size_t i = 0; i < n; i++) {
        if (signal == SIGKILL) {
            (void)pidfd_send_signal(fds[i], SIGKILL, NULL, 0); /* they would go on listening */
        }
        close(fds[i]);
    }
}

void nginx_daemon_deinit(struct nginx_daemon *d)
{
    if (d->pid) {
        nginx_daemon_kill(d, SIGKILL);
    }
    loop_rmdir(d->dir);
}

int nginx_daemon_connect(const struct nginx_daemon *d)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)d->port)};
    struct timeval limit = {.tv_sec = 5};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void nginx_daemon_ask(int fd, const char *path)
{
    char request[256];
    int n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
}

/* The answer's body, of "Content-Length" bytes. */
char *nginx_daemon_answer(int fd)
{
    static const char field[] = "Content-Length: ";
    struct buf all = BUF_INIT(ANSWER_MAX);
    char chunk[4096];
    for (ssize_t n; (n = recv(fd, chunk, sizeof(chunk), 0)) > 0;) {
        buf_append(&all, chunk, (size_t)n);
        const char *body = strstr(buf_str(&all), "\r\n\r\n");
        const char *length = strstr(buf_str(&all), field);
        if (body && length && strlen(body + 4) >= strtoul(length + strlen(field), NULL, 10)) {
            char *copy = xstrdup(body + 4);
            buf_deinit(&all);
            return copy;
        }
    }
    buf_deinit(&all);
    return xstrdup("");
}

char *nginx_daemon_get(const struct nginx_daemon *d, const char *path)
{
    CLEANUP_CLOSE int fd = nginx_daemon_connect(d);
    if (fd < 0) {
        return xstrdup("");
    }
    nginx_daemon_ask(fd, path);
    return nginx_daemon_answer(fd);
}
