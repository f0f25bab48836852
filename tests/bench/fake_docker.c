/*
 * fake_docker SOCKET COUNT DELAY-MICROSECONDS: an engine with COUNT running containers, each with one
 * published port, in which nothing ever happens. Every answer comes DELAY after its request, however
 * many are asked at once; the event stream stands and stays silent. It prints "ready" when it listens.
 *
 * One thread, epoll. All delays are equal, so answers wait in a queue in the order of their requests.
 * Answers are written with blocking calls: the reader is the program under test on the same machine.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX 8192
#define ANSWER_MAX  (64u * 1024)
#define QUEUE_MAX   4096u
#define FIRST_PORT  10000u
#define API_VERSION "1.41"
#define EVENTS_HEADER                                                                              \
    "HTTP/1.1 200 OK\r\nApi-Version: " API_VERSION                                                 \
    "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

struct connection {
    int fd;
    unsigned waiting; /* answers in the queue */
    bool closed;      /* its end was read */
    bool broken;      /* nothing can be written any more */
    size_t len;
    char request[REQUEST_MAX];
};

struct pending {
    uint64_t due;
    struct connection *to;
    char path[256];
};

struct fake {
    unsigned count;
    uint64_t delay_ns;
    int epoll;
    int timer;
    struct pending queue[QUEUE_MAX];
    size_t head, tail;
    char *list;
    size_t list_len;
};

static struct fake fake;

static void fail(const char *what)
{
    fprintf(stderr, "fake_docker: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void send_all(struct connection *c, const char *bytes, size_t n)
{
    while (n > 0 && !c->broken) {
        ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            n -= (size_t)sent;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = c->fd, .events = POLLOUT}, 1, 1000);
        } else if (errno != EINTR) {
            c->broken = true; /* its end is read in its turn */
        }
    }
}

static void send_answer(struct connection *c, int status, const char *body, size_t len)
{
    char head[256];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %d X\r\nApi-Version: " API_VERSION
                     "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     status, len);
    send_all(c, head, (size_t)n);
    send_all(c, body, len);
}

static void make_list(void)
{
    FILE *out = open_memstream(&fake.list, &fake.list_len);
    if (!out) {
        fail("list");
    }
    fputc('[', out);
    for (unsigned i = 0; i < fake.count; i++) {
        fprintf(
            out,
            "%s{\"Id\":\"%064x\",\"Names\":[\"/bench-%05u\"],\"Image\":\"bench/web:1\","
            "\"ImageID\":\"sha256:%064x\",\"Command\":\"/bin/serve\",\"Created\":1795180896,"
            "\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":%u,"
            "\"Type\":\"tcp\"}],\"Labels\":{\"org.example.team\":\"web\"},\"State\":\"running\","
            "\"Status\":\"Up 2 hours\",\"HostConfig\":{\"NetworkMode\":\"default\"},"
            "\"NetworkSettings\":{\"Networks\":{\"bridge\":{\"NetworkID\":\"%064x\","
            "\"IPAddress\":\"172.17.%u.%u\"}}},\"Mounts\":[]}",
            i ? "," : "", i + 1, i, 1u, FIRST_PORT + i, 2u, i / 250, i % 250 + 2);
    }
    fputc(']', out);
    fclose(out);
}

static size_t make_inspect(char *out, size_t size, unsigned i)
{
    unsigned port = FIRST_PORT + i;
    int n = snprintf(
        out, size,
        "{\"Id\":\"%064x\",\"Created\":\"2026-11-20T10:00:00.123456789Z\",\"Path\":\"/bin/serve\","
        "\"Args\":[],\"State\":{\"Status\":\"running\",\"Running\":true,\"Paused\":false,"
        "\"Restarting\":false,\"OOMKilled\":false,\"Dead\":false,\"Pid\":%u,\"ExitCode\":0,"
        "\"Error\":\"\",\"StartedAt\":\"2026-11-20T10:00:01.123456789Z\","
        "\"FinishedAt\":\"0001-01-01T00:00:00Z\"},\"Image\":\"sha256:%064x\",\"Name\":\"/"
        "bench-%05u\","
        "\"RestartCount\":0,\"Driver\":\"overlay2\",\"Platform\":\"linux\",\"HostConfig\":{"
        "\"NetworkMode\":\"default\",\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\","
        "\"HostPort\":\"%u\"}]},\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},"
        "\"AutoRemove\":false,\"Privileged\":false,\"PublishAllPorts\":false,\"ShmSize\":67108864,"
        "\"Runtime\":\"runc\",\"Memory\":0,\"NanoCpus\":0,\"CgroupParent\":\"\"},\"Mounts\":[],"
        "\"Config\":{\"Hostname\":\"%012x\",\"User\":\"\",\"ExposedPorts\":{\"80/tcp\":{}},"
        "\"Tty\":false,\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/"
        "bin\","
        "\"SERVICE_REGION=eu\"],\"Cmd\":[\"/bin/serve\"],\"Image\":\"bench/"
        "web:1\",\"Volumes\":null,"
        "\"WorkingDir\":\"\",\"Entrypoint\":null,\"Labels\":{\"org.example.team\":\"web\"}},"
        "\"NetworkSettings\":{\"Bridge\":\"\",\"SandboxID\":\"%064x\",\"Ports\":{\"80/tcp\":["
        "{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"%u\"},{\"HostIp\":\"::\",\"HostPort\":\"%u\"}]},"
        "\"Networks\":{\"bridge\":{\"IPAMConfig\":null,\"Aliases\":null,\"NetworkID\":\"%064x\","
        "\"Gateway\":\"172.17.0.1\",\"IPAddress\":\"172.17.%u.%u\",\"IPPrefixLen\":16,"
        "\"GlobalIPv6Address\":\"\",\"MacAddress\":\"02:42:ac:11:00:02\"}}}}",
        i + 1, 1000 + i, 1u, i, port, i + 1, i, port, port, 2u, i / 250, i % 250 + 2);
    return (size_t)n;
}

static void answer(struct connection *c, const char *path)
{
    static char body[ANSWER_MAX];
    /* /v1.41/… and /… are the same. */
    if (strncmp(path, "/v", 2) == 0 && path[2] >= '0' && path[2] <= '9') {
        path = strchr(path + 1, '/');
    }
    if (!path) {
        send_answer(c, 404, "{}", 2);
    } else if (strncmp(path, "/_ping", 6) == 0) {
        send_answer(c, 200, "OK", 2);
    } else if (strncmp(path, "/version", 8) == 0) {
        int n = snprintf(body, sizeof(body),
                         "{\"Version\":\"20.10.24\",\"ApiVersion\":\"" API_VERSION
                         "\",\"MinAPIVersion\":\"1.12\"}");
        send_answer(c, 200, body, (size_t)n);
    } else if (strncmp(path, "/info", 5) == 0) {
        int n = snprintf(body, sizeof(body),
                         "{\"Name\":\"bench\",\"ServerVersion\":\"20.10.24\",\"Containers\":%u}",
                         fake.count);
        send_answer(c, 200, body, (size_t)n);
    } else if (strncmp(path, "/containers/json", 16) == 0) {
        send_answer(c, 200, fake.list, fake.list_len);
    } else if (strncmp(path, "/containers/", 12) == 0) {
        /* 64 hex digits; the last eight tell which. */
        char digits[9] = "";
        if (strlen(path) >= 12 + 64) {
            memcpy(digits, path + 12 + 56, 8);
        }
        unsigned long i = strtoul(digits, NULL, 16);
        if (i >= 1 && i <= fake.count) {
            send_answer(c, 200, body, make_inspect(body, sizeof(body), (unsigned)i - 1));
        } else {
            send_answer(c, 404, "{\"message\":\"No such container\"}", 31);
        }
    } else {
        send_answer(c, 404, "{\"message\":\"page not found\"}", 28);
    }
}

static void arm_timer(void)
{
    struct itimerspec spec = {0};
    if (fake.head != fake.tail) {
        uint64_t due = fake.queue[fake.head].due;
        spec.it_value.tv_sec = (time_t)(due / 1000000000u);
        spec.it_value.tv_nsec = (long)(due % 1000000000u);
    }
    timerfd_settime(fake.timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void release(struct connection *c)
{
    if (c->closed && c->waiting == 0) {
        close(c->fd);
        free(c);
    }
}

static void on_timer(void)
{
    uint64_t ignored, now = now_ns();
    if (read(fake.timer, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN) {
        fail("timer");
    }
    while (fake.head != fake.tail && fake.queue[fake.head].due <= now) {
        struct pending *p = &fake.queue[fake.head];
        fake.head = (fake.head + 1) % QUEUE_MAX;
        p->to->waiting--;
        answer(p->to, p->path);
        release(p->to);
    }
    arm_timer();
}

static void on_request(struct connection *c, const char *path)
{
    if (strstr(path, "/events")) {
        send_all(c, EVENTS_HEADER, strlen(EVENTS_HEADER));
        return;
    }
    size_t next = (fake.tail + 1) % QUEUE_MAX;
    if (next == fake.head) {
        errno = ENOBUFS;
        fail("queue");
    }
    struct pending *p = &fake.queue[fake.tail];
    p->due = now_ns() + fake.delay_ns;
    p->to = c;
    snprintf(p->path, sizeof(p->path), "%s", path);
    c->waiting++;
    if (fake.head == fake.tail) {
        fake.tail = next;
        arm_timer();
    } else {
        fake.tail = next;
    }
}

static void on_readable(struct connection *c)
{
    ssize_t n = recv(c->fd, c->request + c->len, sizeof(c->request) - 1 - c->len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        epoll_ctl(fake.epoll, EPOLL_CTL_DEL, c->fd, NULL);
        c->closed = true;
        release(c);
        return;
    }
    c->len += (size_t)n;
    c->request[c->len] = '\0';
    char *end;
    while ((end = strstr(c->request, "\r\n\r\n"))) {
        char path[256] = "/";
        sscanf(c->request, "%*15s %255s", path);
        on_request(c, path);
        c->len -= (size_t)(end + 4 - c->request);
        memmove(c->request, end + 4, c->len + 1);
    }
}

static void watch(int fd, void *what)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(fake.epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        fail("epoll");
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc != 4 || strlen(argv[1]) >= sizeof(address.sun_path)) {
        errno = EINVAL;
        fail("SOCKET COUNT MICROSECONDS are wanted");
    }
    memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
    fake.count = (unsigned)strtoul(argv[2], NULL, 10);
    fake.delay_ns = strtoull(argv[3], NULL, 10) * 1000;
    make_list();

    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fake.epoll = epoll_create1(EPOLL_CLOEXEC);
    fake.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (listener < 0 || fake.epoll < 0 || fake.timer < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 128) < 0) {
        fail(argv[1]);
    }
    watch(listener, &listener);
    watch(fake.timer, &fake.timer);
    printf("ready\n");
    fflush(stdout);

    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(fake.epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;
            if (what == &fake.timer) {
                on_timer();
            } else if (what == &listener) {
                struct connection *c = calloc(1, sizeof(*c));
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (!c || fd < 0) {
                    fail("accept");
                }
                c->fd = fd;
                watch(fd, c);
            } else {
                on_readable(what);
            }
        }
    }
}
