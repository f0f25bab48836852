/*
 * Random services through view and engine, judged by a checker that shares no code with either: the output
 * has only lines of a known form, whatever the services say. A second half of the input is taken as the
 * live file of an earlier run.
 *
 * Input: first byte: policy (modulo 3), live file or not (bit 2), http or stream (bit 3). Then records,
 * fields ended by '\n': name, host, port ("53/udp", "80/sctp"; tcp without), weight, attributes "key=value"
 * until an empty line. A line "\x01" ends the records; what follows is the live file, behind the header.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "render/nginx.h"
#include "render/nginx_file.h"
#include "tidewaiter/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ATTRS_MAX 8

/* The next line of the input, as a string in place; NULL at the end. */
static char *next_line(char **at, char *end)
{
    if (*at >= end) {
        return NULL;
    }
    char *line = *at;
    char *newline = memchr(line, '\n', (size_t)(end - line));
    *at = newline ? newline + 1 : end;
    *(newline ? newline : end) = '\0';
    return line;
}

static void put_record(struct table *t, unsigned i, char *name, char **at, char *end)
{
    struct service_attr attrs[ATTRS_MAX];
    size_t n_attrs = 0;
    char *host = next_line(at, end), *port = next_line(at, end), *weight = next_line(at, end);
    for (char *line; (line = next_line(at, end)) && *line;) {
        char *equals = strchr(line, '=');
        if (equals && n_attrs < ATTRS_MAX) {
            *equals = '\0';
            attrs[n_attrs++] = (struct service_attr){line, equals + 1};
        }
    }
    const char *slash = port ? strchr(port, '/') : NULL;
    enum service_proto proto = SERVICE_TCP;
    if (slash && !service_proto_parse(slash + 1, &proto)) {
        proto = SERVICE_TCP;
    }
    char id[32];
    snprintf(id, sizeof(id), "n:c:%u", i);
    struct service_spec spec = {
        .name = name,
        .id = id,
        .host = host ? host : "10.0.0.1",
        .port = port ? (uint16_t)strtoul(port, NULL, 10) : 80,
        .proto = proto,
        .weight = weight && *weight ? (int)strtol(weight, NULL, 10) : SERVICE_WEIGHT_UNSET,
        .attrs = attrs,
        .n_attrs = n_attrs,
    };
    struct service *svc = NULL;
    if (service_new(&svc, &spec, NULL) == 0) {
        table_put(t, svc);
    }
}

/* ---- the checker ---- */

static const char *skip(const char *p, const char *text)
{
    size_t len = strlen(text);
    return p && strncmp(p, text, len) == 0 ? p + len : NULL;
}

static const char *skip_set(const char *p, const char *set)
{
    size_t len = p ? strspn(p, set) : 0;
    return len > 0 ? p + len : NULL;
}

#define DIGITS "0123456789"

/* After "    server "; *backup says whether it is one. */
static const char *check_server(const char *p, bool *backup)
{
    const char *v6 = skip(p, "[");
    p = v6 ? skip(skip_set(v6, "0123456789abcdef:."), "]") : skip_set(p, DIGITS ".");
    p = skip_set(skip(p, ":"), DIGITS);
    while (p && *p == ' ') {
        const char *q;
        *backup |= skip(p, " backup") != NULL;
        if ((q = skip(p, " backup")) || (q = skip(p, " down")) ||
            (q = skip_set(skip(p, " weight="), DIGITS)) ||
            (q = skip_set(skip(p, " max_conns="), DIGITS)) ||
            (q = skip_set(skip(p, " max_fails="), DIGITS)) ||
            (q = skip_set(skip(p, " fail_timeout="), DIGITS "yMwdhms"))) {
            p = q;
        } else {
            return NULL;
        }
    }
    return p;
}

/* Returns the line's end when it is one that may stand in a block of that context. */
static const char *check_directive(const char *p, enum nginx_context context, size_t *primaries)
{
    bool http = context == NGINX_HTTP;
    const char *q;
    bool backup = false;
    if (!(p = skip(p, "    "))) {
        return NULL;
    }
    if ((q = skip(p, "server "))) {
        q = check_server(q, &backup);
        *primaries += !backup;
    } else if (http && (q = skip(p, "keepalive "))) {
        q = skip_set(q, DIGITS);
    } else if ((q = skip(p, "zone "))) {
        q += strcspn(q, ": \n");
        q = skip_set(skip(q, http ? " " : ":stream "), DIGITS);
        q = q ? q + 1 : NULL; /* k, m, and K, M in a file that people wrote */
    } else if ((q = skip(p, "hash "))) {
        q = skip_set(q, "$abcdefghijklmnopqrstuvwxyz_0123456789 ");
    } else if (!(q = skip(p, "least_conn")) && !(q = skip(p, "random")) && http) {
        q = skip(p, "ip_hash");
    }
    return skip(q, ";\n");
}

static void check_output(enum nginx_context context, const char *text, size_t len, size_t blocks)
{
    char last[SERVICE_NAME_MAX + 1] = "";
    size_t seen = 0;
    must(strlen(text) == len);
    const char *p = skip(text, NGINX_HEADER);
    must(p);
    while (*p) {
        must((p = skip(p, "\nupstream ")) != NULL);
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789._-");
        must(n > 0 && n <= SERVICE_NAME_MAX);
        char name[SERVICE_NAME_MAX + 1];
        memcpy(name, p, n);
        name[n] = '\0';
        must(strcmp(last, name) < 0);
        memcpy(last, name, n + 1);
        must((p = skip(p + n, " {\n")) != NULL);
        size_t primaries = 0;
        for (const char *q; !(q = skip(p, "}\n"));) {
            q = check_directive(p, context, &primaries);
            must(q);
            p = q;
        }
        p += 2;
        must(primaries > 0);
        seen++;
    }
    must(seen == blocks);
}

/* ---- the driver ---- */

static struct engine *new_engine(enum nginx_context context, enum nginx_empty empty)
{
    const struct nginx_options o = {.context = context, .empty = empty};
    struct engine *g = NULL;
    must(nginx_engine_new(&g, &o, NULL) == 0);
    return g;
}

static void render(struct engine *g, enum nginx_context context, const struct table *t,
                   struct engine_result *res)
{
    must(g->ops->render(g, t, res, NULL) == 0);
    check_output(context, res->bytes, res->len, res->upstreams);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *input = xmemdup0(data, size);
    char *at = input + 1, *end = input + size, *line;
    enum nginx_context context = *input & 8 ? NGINX_STREAM : NGINX_HTTP;
    struct engine *g = new_engine(context, (enum nginx_empty)((unsigned char)*input % 3));
    bool with_live = *input & 4;
    struct table t = TABLE_NULL;
    for (unsigned i = 0; (line = next_line(&at, end)) && strcmp(line, "\x01") != 0; i++) {
        put_record(&t, i, line, &at, end);
    }
    if (with_live) {
        struct buf live = BUF_INIT(1u << 20);
        buf_puts(&live, NGINX_HEADER);
        buf_append(&live, at, (size_t)(end - at));
        g->ops->adopt(g, buf_str(&live), live.len);
        buf_deinit(&live);
    }
    struct engine_result res, again, kept;
    render(g, context, &t, &res);
    g->ops->commit(g);

    /* what was written is read back in full, and kept when everything is gone */
    struct engine *reader = new_engine(context, NGINX_EMPTY_KEEP);
    struct table none = TABLE_NULL;
    must(reader->ops->adopt(reader, res.bytes, res.len) == 0);
    render(reader, context, &none, &kept);
    must(kept.len == res.len && memcmp(kept.bytes, res.bytes, res.len) == 0);
    must(kept.servers == res.servers);
    /* the same table gives the same bytes */
    must(reader->ops->adopt(reader, res.bytes, res.len) == 0);
    CLEANUP_FREE char *first = xmemdup0(res.bytes, res.len);
    size_t len = res.len;
    render(g, context, &t, &again);
    must(again.len == len && memcmp(again.bytes, first, len) == 0);

    engine_free(reader);
    engine_free(g);
    table_deinit(&t);
    free(input);
    return 0;
}
