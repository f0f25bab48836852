/*
 * drain: an application that is stopped well. It serves its host name over HTTP on port 80 and, told to end
 * by TERM, goes on for DRAIN seconds (default 3) before it ends. Its last line says how many requests came
 * in that time, and how long after TERM the last of them did: nobody may ask it any more by its end.
 *
 * drain --healthy: status 0 when the one on this host answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT             80
#define CONNECTIONS_MAX  1024
#define REQUEST_SIZE_MAX 4096

struct connection {
    size_t len;
    char request[REQUEST_SIZE_MAX];
};

static struct pollfd polled[1 + CONNECTIONS_MAX]; /* [0]: the listener */
static struct connection connections[1 + CONNECTIONS_MAX];
static size_t n_polled;

static volatile sig_atomic_t told;
static long long told_at, last_at; /* 0: not yet */
static unsigned requests;          /* since TERM */

static void fail(const char *what)
{
    fprintf(stderr, "drain: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void on_term(int signal)
{
    told = signal;
}

static long long now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct sockaddr_in address(in_addr_t host)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(host)};
}

static int healthy(void)
{
    struct sockaddr_in to = address(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? 0 : 1;
}

static void drop(size_t i)
{
    close(polled[i].fd);
    polled[i] = polled[--n_polled];
    connections[i] = connections[n_polled];
}

/* Answers one request; false when the connection ends with it. */
static bool answer(int fd, const char *request)
{
    char name[256] = "", text[512];
    bool stays = strstr(request, " HTTP/1.1\r\n") && !strcasestr(request, "\nConnection: close");
    gethostname(name, sizeof(name) - 1);
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s\n",
                     strlen(name) + 1, stays ? "keep-alive" : "close", name);
    if (told_at) {
        last_at = now_ms();
        requests++;
    }
    return send(fd, text, (size_t)n, MSG_NOSIGNAL) == n && stays;
}

/* False when the connection is done with. */
static bool serve(size_t i)
{
    struct connection *c = &connections[i];
    ssize_t n = recv(polled[i].fd, c->request + c->len, REQUEST_SIZE_MAX - 1 - c->len, 0);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    c->len += (size_t)n;
    c->request[c->len] = '\0';
    if (!strstr(c->request, "\r\n\r\n")) {
        return c->len < REQUEST_SIZE_MAX - 1;
    }
    c->len = 0;
    return answer(polled[i].fd, c->request);
}

static void accept_all(void)
{
    int fd;
    while (n_polled <= CONNECTIONS_MAX &&
           (fd = accept4(polled[0].fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        polled[n_polled] = (struct pollfd){.fd = fd, .events = POLLIN};
        connections[n_polled++].len = 0;
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--healthy") == 0) {
        return healthy();
    }
    const char *drain = getenv("DRAIN");
    long long drain_ms = 1000 * (drain ? strtoll(drain, NULL, 10) : 3);
    struct sockaddr_in any = address(INADDR_ANY);
    polled[0] =
        (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .events = POLLIN};
    n_polled = 1;
    setsockopt(polled[0].fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(polled[0].fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
        listen(polled[0].fd, CONNECTIONS_MAX) < 0) {
        fail("cannot listen");
    }
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    while (!told_at || now_ms() < told_at + drain_ms) {
        /* The handler may run just before the call: the limit is for that. */
        int n = poll(polled, n_polled, 20);
        if (told && !told_at) {
            told_at = now_ms();
        }
        if (n <= 0) {
            continue;
        }
        for (size_t i = n_polled - 1; i > 0; i--) {
            if (polled[i].revents && !serve(i)) {
                drop(i);
            }
        }
        accept_all();
    }
    printf("%u requests after TERM, the last after %lld ms\n", requests,
           last_at ? last_at - told_at : 0);
    return 0;
}
