/*
 * floor_nginx CONF PID FILE: the least that must happen before an nginx serves another set. For each line
 * on stdin, the path of a file with the wanted contents: it is written beside FILE and renamed over it,
 * `nginx -t -q -c CONF` is run, and the master PID gets a HUP. Prints "NANOSECONDS", when that began with the
 * contents in hand. Nothing is flushed to disk, looked at, or confirmed.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONTENTS_MAX (8u << 20)

extern char **environ;

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static size_t read_all(const char *path, char *into)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, into, CONTENTS_MAX);
    if (n < 0 || (size_t)n == CONTENTS_MAX) {
        fail(path);
    }
    close(fd);
    return (size_t)n;
}

static void replace(const char *path, const char *bytes, size_t len)
{
    char beside[4096];
    snprintf(beside, sizeof(beside), "%s.floor", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd) < 0 ||
        rename(beside, path) < 0) {
        fail(beside);
    }
}

static void check(char *conf)
{
    static char command[] = "nginx", test[] = "-t", quiet[] = "-q", from[] = "-c";
    char *argv[] = {command, test, quiet, from, conf, NULL};
    pid_t pid;
    int status = 1;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0) {
        fail("nginx -t");
    }
}

int main(int argc, char **argv)
{
    char source[4096];
    char *contents = malloc(CONTENTS_MAX);
    if (argc != 4 || !contents) {
        fprintf(stderr, "floor_nginx: CONF PID FILE are wanted\n");
        return 2;
    }
    while (fgets(source, sizeof(source), stdin)) {
        source[strcspn(source, "\n")] = '\0';
        size_t len = read_all(source, contents);
        uint64_t began = now_ns();
        replace(argv[3], contents, len);
        check(argv[1]);
        if (kill((pid_t)strtol(argv[2], NULL, 10), SIGHUP) < 0) {
            fail("HUP");
        }
        printf("%" PRIu64 "\n", began);
        fflush(stdout);
    }
    return 0;
}
