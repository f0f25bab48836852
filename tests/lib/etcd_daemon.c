/*
 * Real etcd members. Happy path: fork, exec, poll /health until it says true. A member that does not
 * come up within 20 s fails the test with the tail of its log. A member dies with its test.
 */
#include "lib/etcd_daemon.h"

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
#include "base/wallclock.h"
#include "lib/loop_test.h"

#define ETCD       "/usr/bin/etcd"
#define ETCDCTL    "/usr/bin/etcdctl"
#define UP_MAX     20000u
#define LOOK_EVERY 20
#define OUTPUT_MAX (1024u * 1024)

bool etcd_daemon_installed(void)
{
    return access(ETCD, X_OK) == 0 && access(ETCDCTL, X_OK) == 0;
}

static unsigned free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
        fail_msg("no free port: %s", strerror(errno));
    }
    close(fd);
    return ntohs(addr.sin_port);
}

/* True when GET /health says that the member has a leader and takes requests. */
static bool healthy(const struct etcd_daemon *m)
{
    static const char request[] = "GET /health HTTP/1.0\r\n\r\n";
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)m->client_port)};
    struct timeval limit = {.tv_sec = 2};
    char answer[1024];
    size_t n = 0;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        write(fd, request, sizeof(request) - 1) == (ssize_t)sizeof(request) - 1) {
        ssize_t got;
        while (n < sizeof(answer) - 1 && (got = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0) {
            n += (size_t)got;
        }
    }
    close(fd);
    answer[n] = '\0';
    return strstr(answer, "\"health\":\"true\"") != NULL;
}

static void wait_healthy(struct etcd_cluster *c, unsigned i)
{
    struct etcd_daemon *m = &c->members[i];
    msec_t give_up = clock_monotonic() + UP_MAX;
    CLEANUP_CLOSE int pidfd = pidfd_open(m->pid, 0);
    assert_true(pidfd >= 0);
    while (!healthy(m)) {
        /* the next look is due after a moment, or at once when the process ends */
        bool dead = poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, LOOK_EVERY) > 0;
        if (dead || clock_monotonic() > give_up) {
            fail_msg("etcd member %u %s; its log: %s/%s.log", i, dead ? "has died" : "is not up",
                     c->dir, m->name);
        }
    }
}

static void member_exec(const struct etcd_cluster *c, const struct etcd_daemon *m)
{
    char data[512], peer[64], log[512], initial[512] = "--initial-cluster=";
    size_t at = strlen(initial);
    snprintf(data, sizeof(data), "--data-dir=%s/%s", c->dir, m->name);
    snprintf(log, sizeof(log), "%s/%s.log", c->dir, m->name);
    snprintf(peer, sizeof(peer), "http://127.0.0.1:%u", m->peer_port);
    for (unsigned i = 0; i < c->n; i++) {
        at += (size_t)snprintf(initial + at, sizeof(initial) - at, "%s%s=http://127.0.0.1:%u",
                               i ? "," : "", c->members[i].name, c->members[i].peer_port);
    }
    const char *argv[] = {ETCD,
                          "--name",
                          m->name,
                          data,
                          initial,
                          "--initial-cluster-token=test",
                          "--listen-peer-urls",
                          peer,
                          "--initial-advertise-peer-urls",
                          peer,
                          "--listen-client-urls",
                          m->url,
                          "--advertise-client-urls",
                          m->url,
                          c->extra, /* NULL ends the list here, too */
                          NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execv(ETCD, (char *const *)argv);
    _exit(127);
}

static void member_spawn(struct etcd_cluster *c, unsigned i)
{
    struct etcd_daemon *m = &c->members[i];
    assert_int_equal(m->pid, 0);
    m->pid = fork();
    assert_true(m->pid >= 0);
    if (m->pid == 0) {
        member_exec(c, m);
    }
}

void etcd_cluster_start(struct etcd_cluster *c, unsigned n, const char *extra)
{
    assert_true(n <= ETCD_DAEMONS_MAX);
    *c = (struct etcd_cluster){.dir = loop_mkdir(), .n = n, .extra = extra};
    for (unsigned i = 0; i < n; i++) {
        struct etcd_daemon *m = &c->members[i];
        snprintf(m->name, sizeof(m->name), "m%u", i);
        m->client_port = free_port();
        m->peer_port = free_port();
        snprintf(m->host, sizeof(m->host), "127.0.0.1:%u", m->client_port);
        snprintf(m->url, sizeof(m->url), "http://%s", m->host);
    }
    for (unsigned i = 0; i < n; i++) {
        member_spawn(c, i);
    }
    for (unsigned i = 0; i < n; i++) {
        wait_healthy(c, i);
    }
}

void etcd_member_signal(struct etcd_cluster *c, unsigned i, int signal)
{
    assert_true(c->members[i].pid > 0);
    assert_int_equal(kill(c->members[i].pid, signal), 0);
}

void etcd_member_kill(struct etcd_cluster *c, unsigned i, int signal)
{
    etcd_member_signal(c, i, signal);
    assert_int_equal(waitpid(c->members[i].pid, NULL, 0), c->members[i].pid);
    c->members[i].pid = 0;
}

void etcd_member_start(struct etcd_cluster *c, unsigned i)
{
    member_spawn(c, i);
    wait_healthy(c, i);
}

void etcd_member_wipe(struct etcd_cluster *c, unsigned i)
{
    struct buf path = BUF_INIT(1024);
    assert_int_equal(c->members[i].pid, 0);
    buf_printf(&path, "%s/%s", c->dir, c->members[i].name);
    loop_rmdir(buf_take(&path));
}

void etcd_cluster_stop(struct etcd_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->members[i].pid) {
            etcd_member_kill(c, i, SIGKILL);
        }
    }
    loop_rmdir(c->dir);
    c->dir = NULL;
}

char *etcdctl(const struct etcd_cluster *c, unsigned i, ...)
{
    const char *argv[32] = {ETCDCTL, "--endpoints", c->members[i].url};
    size_t n = 3;
    va_list ap;
    va_start(ap, i);
    do {
        assert_true(n < 31);
        argv[n] = va_arg(ap, const char *);
    } while (argv[n++]);
    va_end(ap);

    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("ETCDCTL_API", "3", 1);
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        execv(ETCDCTL, (char *const *)argv);
        _exit(127);
    }
    close(fds[1]);
    struct buf out = BUF_INIT(OUTPUT_MAX);
    char chunk[4096];
    for (ssize_t got; (got = read(fds[0], chunk, sizeof(chunk))) > 0;) {
        buf_append(&out, chunk, (size_t)got);
    }
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0) {
        fail_msg("etcdctl %s %s: status %d: %s", argv[3], argv[4] ? argv[4] : "", status,
                 buf_str(&out));
    }
    return buf_take(&out);
}
