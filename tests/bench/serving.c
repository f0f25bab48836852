/*
 * serving PORT PATH: what an HTTP server on loopback answers, asked every half millisecond on a connection
 * of its own each time. Prints "NANOSECONDS BODY" whenever the body is another than that of the request
 * before; the time is that of the clock that observe.c has, when the answer was there.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 8192

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The body of one answer with status 200 in answer, as a string; NULL when there is none. */
static const char *ask(const struct sockaddr_in *to, const char *request, char answer[ANSWER_MAX])
{
    size_t len = 0, request_len = strlen(request);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
        return NULL;
    }
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 &&
        send(fd, request, request_len, MSG_NOSIGNAL) == (ssize_t)request_len) {
        for (ssize_t n;
             len < ANSWER_MAX - 1 && (n = recv(fd, answer + len, ANSWER_MAX - 1 - len, 0)) > 0;) {
            len += (size_t)n;
        }
    }
    close(fd);
    answer[len] = '\0';
    const char *body = strstr(answer, " 200 ") ? strstr(answer, "\r\n\r\n") : NULL;
    return body ? body + 4 : NULL;
}

int main(int argc, char **argv)
{
    char request[1024], answer[ANSWER_MAX], last[ANSWER_MAX] = "";
    if (argc != 3) {
        fprintf(stderr, "serving: PORT PATH are wanted\n");
        return 2;
    }
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct timespec pause = {.tv_nsec = 500000};
    snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", argv[2]);
    for (;;) {
        const char *body = ask(&to, request, answer);
        if (body && strcmp(body, last) != 0) {
            printf("%" PRIu64 " %s\n", now_ns(), body);
            fflush(stdout);
            snprintf(last, sizeof(last), "%s", body);
        }
        ppoll(NULL, 0, &pause, NULL);
    }
}
