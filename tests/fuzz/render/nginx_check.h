#pragma once
/*
 * A file of upstreams has only lines of a known form, and every block a server that is not a backup. Shares
 * no code with the engine.
 */
#include <string.h>

#include "base/must.h"
#include "render/nginx_context.h"
#include "render/nginx_file.h"
#include "tidewaiter/service.h"

static inline const char *skip(const char *p, const char *text)
{
    size_t len = strlen(text);
    return p && strncmp(p, text, len) == 0 ? p + len : NULL;
}

static inline const char *skip_set(const char *p, const char *set)
{
    size_t len = p ? strspn(p, set) : 0;
    return len > 0 ? p + len : NULL;
}

#define CHECK_DIGITS "0123456789"

/* After "    server "; *backup says whether it is one. */
static inline const char *check_server(const char *p, bool *backup)
{
    const char *v6 = skip(p, "[");
    p = v6 ? skip(skip_set(v6, "0123456789abcdef:."), "]") : skip_set(p, CHECK_DIGITS ".");
    p = skip_set(skip(p, ":"), CHECK_DIGITS);
    while (p && *p == ' ') {
        const char *q;
        *backup |= skip(p, " backup") != NULL;
        if ((q = skip(p, " backup")) || (q = skip(p, " down")) ||
            (q = skip_set(skip(p, " weight="), CHECK_DIGITS)) ||
            (q = skip_set(skip(p, " max_conns="), CHECK_DIGITS)) ||
            (q = skip_set(skip(p, " max_fails="), CHECK_DIGITS)) ||
            (q = skip_set(skip(p, " fail_timeout="), CHECK_DIGITS "yMwdhms"))) {
            p = q;
        } else {
            return NULL;
        }
    }
    return p;
}

/* Returns the line's end when it is one that may stand in a block of that context. */
static inline const char *check_directive(const char *p, enum nginx_context context,
                                          size_t *primaries)
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
        q = skip_set(q, CHECK_DIGITS);
    } else if ((q = skip(p, "zone "))) {
        q += strcspn(q, ": \n");
        q = skip_set(skip(q, http ? " " : ":stream "), CHECK_DIGITS);
        q = q ? q + 1 : NULL; /* k, m, and K, M in a file that people wrote */
    } else if ((q = skip(p, "hash "))) {
        q = skip_set(q, "$abcdefghijklmnopqrstuvwxyz_0123456789 ");
    } else if (!(q = skip(p, "least_conn")) && !(q = skip(p, "random")) && http) {
        q = skip(p, "ip_hash");
    }
    return skip(q, ";\n");
}

/* Returns how many blocks are left out by a comment. */
static inline size_t check_output(enum nginx_context context, const char *text, size_t len,
                                  size_t blocks)
{
    char last[SERVICE_NAME_MAX + 1] = "";
    size_t seen = 0, omitted = 0;
    must(strlen(text) == len);
    const char *p = skip(text, NGINX_HEADER);
    must(p);
    while (*p) {
        const char *comment = skip(p, "\n# upstream ");
        must((p = comment ? comment : skip(p, "\nupstream ")) != NULL);
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789._-");
        must(n > 0 && n <= SERVICE_NAME_MAX);
        char name[SERVICE_NAME_MAX + 1];
        memcpy(name, p, n);
        name[n] = '\0';
        must(strcmp(last, name) < 0);
        memcpy(last, name, n + 1);
        if (comment) {
            must((p = skip(p + n, ": left out, nginx refused it.\n")) != NULL);
            omitted++;
            continue;
        }
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
    return omitted;
}
