/*
 * What nginx says in a container names its paths.
 *
 * Happy path: "in /etc/nginx/conf.d/up.conf:12" becomes "in /srv/nginx/up.conf:12".
 * Failure: text that only looks like such a path is taken for one.
 * Not done: symbolic links on either side; what no mount covers stays as it is.
 */
#include "render/nginx_mounts.h"

#include <stdbool.h>
#include <string.h>

/* A path may begin behind it. */
static bool parts(char c)
{
    return c == ' ' || c == '"' || c == '\'' || c == '(' || c == '\n' || c == '=';
}

/* Length of the mount's inside when path begins with it, else 0. */
static size_t covers(const struct nginx_mount *m, const char *path)
{
    size_t len = strlen(m->inside);
    if (strncmp(path, m->inside, len) != 0) {
        return 0;
    }
    char next = path[len];
    return next == '/' || next == ':' || next == '\0' || parts(next) ? len : 0;
}

void nginx_mounts_translate(const struct nginx_mount *mounts, size_t n, const char *text,
                            struct buf *out)
{
    for (const char *p = text; *p;) {
        const struct nginx_mount *best = NULL;
        size_t best_len = 0;
        for (size_t i = 0; *p == '/' && (p == text || parts(p[-1])) && i < n; i++) {
            size_t len = covers(&mounts[i], p);
            if (len > best_len) {
                best = &mounts[i];
                best_len = len;
            }
        }
        if (best) {
            buf_puts(out, best->outside);
            p += best_len;
        } else {
            buf_putc(out, *p++);
        }
    }
}
