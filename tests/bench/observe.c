/*
 * observe SOURCE…: the stopwatch of the benchmarks. One process sees everything that is
 * timed, with one clock and one loop, and prints a line for each thing that it sees:
 *
 *   NANOSECONDS NUMBER TEXT     NUMBER: 0 for the first argument, 1 for the second, …
 *
 *   docker:PATH          the events of the engine behind that unix socket; TEXT is the event
 *   etcd:HOST:PORT:KEY,END   a watch of the keys from KEY to END (both base64); TEXT is the
 *                        response line
 *   file:PATH            TEXT is "replaced", each time that a file is renamed to PATH
 *
 * Once everything is connected it prints "ready". It ends with the first stream that ends.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define SOURCES_MAX     8
#define SOURCE_LINE_MAX (8u * 1024 * 1024)

struct source {
    unsigned number;
    CURL *easy;
    char *line;
    size_t len;
    size_t allocated;
    char *body;
    char *url;
    int inotify; /* -1: a stream */
    const char *name;
    int connected;
};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "observe: %s\n", what);
    exit(1);
}

__attribute__((format(printf, 1, 2))) static char *format(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) {
        fail("out of memory");
    }
    va_end(ap);
    return text;
}

/* The time is taken once for all that came in one piece: none of it can have been seen earlier. */
static size_t on_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
    struct source *s = ctx;
    uint64_t at = now_ns();
    n *= size;
    if (s->len + n > s->allocated) {
        s->allocated = (s->len + n) * 2;
        s->line = s->allocated <= SOURCE_LINE_MAX ? realloc(s->line, s->allocated) : NULL;
        if (!s->line) {
            fail("a line is too long");
        }
    }
    memcpy(s->line + s->len, bytes, n);
    s->len += n;
    char *end;
    while ((end = memchr(s->line, '\n', s->len))) {
        size_t len = (size_t)(end - s->line);
        printf("%" PRIu64 " %u %.*s\n", at, s->number, (int)len, s->line);
        s->len -= len + 1;
        memmove(s->line, end + 1, s->len);
    }
    return n;
}

/* Both APIs send their headers as soon as the stream stands. */
static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    (void)bytes;
    struct source *s = ctx;
    s->connected = 1;
    return size * n;
}

static void open_stream(struct source *s, CURLM *multi, char *arg)
{
    s->easy = curl_easy_init();
    if (!s->easy) {
        fail("no curl handle");
    }
    if (strncmp(arg, "docker:", 7) == 0) {
        s->url = strdup("http://docker/events");
        curl_easy_setopt(s->easy, CURLOPT_UNIX_SOCKET_PATH, arg + 7);
    } else {
        char *key = strrchr(arg, ':');
        char *end = key ? strchr(key, ',') : NULL;
        if (!end) {
            fail("etcd:HOST:PORT:KEY,END is wanted");
        }
        *key++ = '\0';
        *end++ = '\0';
        s->url = format("http://%s/v3/watch", arg + 5);
        s->body = format("{\"create_request\":{\"key\":\"%s\",\"range_end\":\"%s\"}}", key, end);
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->body);
    }
    curl_easy_setopt(s->easy, CURLOPT_URL, s->url);
    curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(s->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(s->easy, CURLOPT_HEADERDATA, s);
    curl_multi_add_handle(multi, s->easy);
}

static void open_file(struct source *s, char *arg)
{
    char *path = arg + strlen("file:");
    s->name = strrchr(path, '/');
    char *folder = strdup(path);
    s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (!s->name || !folder || s->inotify < 0 ||
        inotify_add_watch(s->inotify, dirname(folder), IN_MOVED_TO) < 0) {
        fail("cannot watch that file");
    }
    s->name++;
    s->connected = 1;
    free(folder);
}

static void read_file_events(struct source *s)
{
    _Alignas(struct inotify_event) char events[16384];
    uint64_t at = now_ns();
    ssize_t n = read(s->inotify, events, sizeof(events));
    for (ssize_t i = 0; i < n;) {
        struct inotify_event e;
        memcpy(&e, events + i, sizeof(e));
        if (e.len > 0 && strcmp(events + i + sizeof(e), s->name) == 0) {
            printf("%" PRIu64 " %u replaced\n", at, s->number);
        }
        i += (ssize_t)(sizeof(e) + e.len);
    }
}

int main(int argc, char **argv)
{
    struct source sources[SOURCES_MAX];
    memset(sources, 0, sizeof(sources));
    unsigned n = (unsigned)argc - 1;
    if (n < 1 || n > SOURCES_MAX) {
        fail("one to eight sources are wanted");
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    struct curl_waitfd files[SOURCES_MAX];
    unsigned n_files = 0;
    for (unsigned i = 0; i < n; i++) {
        sources[i].number = i;
        sources[i].inotify = -1;
        if (strncmp(argv[i + 1], "file:", 5) == 0) {
            open_file(&sources[i], argv[i + 1]);
            files[n_files++] =
                (struct curl_waitfd){.fd = sources[i].inotify, .events = CURL_WAIT_POLLIN};
        } else {
            open_stream(&sources[i], multi, argv[i + 1]);
        }
    }
    int ready = 0;
    for (;;) {
        int running = 0, left = 0;
        curl_multi_perform(multi, &running);
        for (unsigned i = 0; i < n; i++) {
            if (sources[i].inotify >= 0) {
                read_file_events(&sources[i]);
            }
        }
        CURLMsg *ended = curl_multi_info_read(multi, &left);
        if (ended) {
            fail(curl_easy_strerror(ended->data.result));
        }
        unsigned connected = 0;
        for (unsigned i = 0; i < n; i++) {
            connected += sources[i].connected ? 1 : 0;
        }
        if (!ready && connected == n) {
            ready = 1;
            printf("ready\n");
        }
        fflush(stdout);
        curl_multi_poll(multi, files, n_files, 1000, NULL);
    }
}
