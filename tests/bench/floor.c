/*
 * floor SOCKET ETCD-HOST:PORT KEY-PREFIX LABEL=VALUE: the least that any agent must do, against which
 * the real one is measured. For each start event of a container with that label: one inspect, then one
 * put, one after the other on two kept-alive connections, with nothing looked at or decided. The event
 * stream is read in the same thread, so the two calls begin the moment that the event is there.
 */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (256u * 1024)

struct floor {
    CURL *inspect;
    CURL *put;
    const char *etcd;
    const char *prefix;
    const char *label; /* "KEY":"VALUE" as it stands in an event */
    char line[TEXT_MAX];
    size_t len;
};

static void fail(const char *what)
{
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static size_t ignore(char *bytes, size_t size, size_t n, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * n;
}

static void encode(const char *text, char *out, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = strlen(text), o = 0;
    for (size_t i = 0; i < n && o + 5 < size; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)text[i] << 16;
        v |= i + 1 < n ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
        v |= i + 2 < n ? (uint32_t)(unsigned char)text[i + 2] : 0;
        out[o++] = digits[v >> 18 & 63];
        out[o++] = digits[v >> 12 & 63];
        out[o++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
        out[o++] = i + 2 < n ? digits[v & 63] : '=';
    }
    out[o] = '\0';
}

static void perform(CURL *easy, const char *what)
{
    long status = 0;
    if (curl_easy_perform(easy) != CURLE_OK ||
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status != 200) {
        fail(what);
    }
}

static void on_start(struct floor *f, const char *id, size_t id_len)
{
    char url[512], key[512], body[4096], encoded_key[1024], encoded_value[1024];
    snprintf(url, sizeof(url), "http://docker/v1.41/containers/%.*s/json", (int)id_len, id);
    curl_easy_setopt(f->inspect, CURLOPT_URL, url);
    perform(f->inspect, "inspect failed");

    /* As long as a record of the agent. */
    char value[400];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    snprintf(key, sizeof(key), "%s%.*s", f->prefix, (int)id_len, id);
    encode(key, encoded_key, sizeof(encoded_key));
    encode(value, encoded_value, sizeof(encoded_value));
    snprintf(body, sizeof(body), "{\"key\":\"%s\",\"value\":\"%s\"}", encoded_key, encoded_value);
    curl_easy_setopt(f->put, CURLOPT_COPYPOSTFIELDS, body);
    perform(f->put, "put failed");
}

static void on_line(struct floor *f)
{
    if (!strstr(f->line, "\"Action\":\"start\"") || !strstr(f->line, f->label)) {
        return;
    }
    const char *id = strstr(f->line, "\"ID\":\"");
    const char *end = id ? strchr(id + 6, '"') : NULL;
    if (end) {
        on_start(f, id + 6, (size_t)(end - id - 6));
    }
}

static size_t on_events(char *bytes, size_t size, size_t n, void *ctx)
{
    struct floor *f = ctx;
    for (size_t i = 0; i < size * n; i++) {
        if (bytes[i] == '\n') {
            f->line[f->len] = '\0';
            f->len = 0;
            on_line(f);
        } else if (f->len + 1 < sizeof(f->line)) {
            f->line[f->len++] = bytes[i];
        }
    }
    return size * n;
}

static CURL *handle(const char *socket_path)
{
    CURL *easy = curl_easy_init();
    if (!easy) {
        fail("no curl handle");
    }
    if (socket_path) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    return easy;
}

int main(int argc, char **argv)
{
    static struct floor f;
    if (argc != 5) {
        fail("four arguments are wanted");
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    f.etcd = argv[2];
    f.prefix = argv[3];
    char label[256], url[256];
    char *value = strchr(argv[4], '=');
    if (!value) {
        fail("LABEL=VALUE is wanted");
    }
    *value++ = '\0';
    snprintf(label, sizeof(label), "\"%s\":\"%s\"", argv[4], value);
    f.label = label;

    f.inspect = handle(argv[1]);
    f.put = handle(NULL);
    snprintf(url, sizeof(url), "http://%s/v3/kv/put", f.etcd);
    curl_easy_setopt(f.put, CURLOPT_URL, url);
    /* Both connections stand before the first event. */
    curl_easy_setopt(f.inspect, CURLOPT_URL, "http://docker/_ping");
    perform(f.inspect, "no engine answers");
    curl_easy_setopt(f.put, CURLOPT_COPYPOSTFIELDS, "{\"key\":\"L2Zsb29y\"}");
    perform(f.put, "no etcd answers");
    printf("ready\n");
    fflush(stdout);

    CURL *events = handle(argv[1]);
    curl_easy_setopt(events, CURLOPT_URL, "http://docker/events");
    curl_easy_setopt(events, CURLOPT_WRITEFUNCTION, on_events);
    curl_easy_setopt(events, CURLOPT_WRITEDATA, &f);
    curl_easy_perform(events);
    fail("the event stream ended");
}
