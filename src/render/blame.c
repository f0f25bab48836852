/*
 * Happy path: the first line of the highest level is the reason. A line of it that says that an upstream's
 * name is taken blames that upstream, wherever nginx met it; else the place at its end, when that is in one
 * of our files; else the shared memory zone that it names.
 * Failure: nginx cuts a line at 2,048 bytes and prints values as they are, with newlines and all. What has
 * lost its place, or was made to look like one, does not match the end of the line and blames nothing.
 * Not done: whether a name is ours; the engines know.
 */
#include "render/blame.h"

#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* A piece of what nginx said. */
struct text {
    const char *p;
    size_t len;
};

/* Takes prefix from the front. */
static bool take(struct text *t, const char *prefix)
{
    size_t len = strlen(prefix);
    if (t->len < len || memcmp(t->p, prefix, len) != 0) {
        return false;
    }
    t->p += len;
    t->len -= len;
    return true;
}

/* Takes a pattern of the same length, in which '0' stands for any digit. */
static bool take_digits(struct text *t, const char *pattern)
{
    size_t len = strlen(pattern);
    if (t->len < len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (pattern[i] == '0' ? !isdigit((unsigned char)t->p[i]) : t->p[i] != pattern[i]) {
            return false;
        }
    }
    t->p += len;
    t->len -= len;
    return true;
}

static bool take_number(struct text *t)
{
    size_t n = 0;
    while (n < t->len && isdigit((unsigned char)t->p[n])) {
        n++;
    }
    t->p += n;
    t->len -= n;
    return n > 0;
}

/* Takes everything up to and with mark. */
static bool take_past(struct text *t, const char *mark)
{
    size_t len = strlen(mark);
    const char *at = memmem(t->p, t->len, mark, len);
    if (!at) {
        return false;
    }
    t->len -= (size_t)(at - t->p) + len;
    t->p = at + len;
    return true;
}

/* Takes "nginx: " or, as in a log, "2026/11/20 21:00:38 "; then "[level] ", then "18562#18562: ". */
static bool take_prefix(struct text *t, const char *level)
{
    if ((!take(t, "nginx: ") && !take_digits(t, "0000/00/00 00:00:00 ")) || !take(t, "[") ||
        !take(t, level) || !take(t, "] ")) {
        return false;
    }
    struct text process = *t;
    if (take_number(&process) && take(&process, "#") && take_number(&process) &&
        take(&process, ": ")) {
        *t = process;
    }
    return true;
}

/* The first line of that level; a log that cannot be opened refuses nothing, whatever its level. */
static bool find_line(const char *said, const char *level, struct text *ret)
{
    for (const char *line = said, *end; *line; line = *end ? end + 1 : end) {
        end = strchrnul(line, '\n');
        struct text t = {line, (size_t)(end - line)};
        if (take_prefix(&t, level)) {
            struct text harmless = t;
            if (!take(&harmless, "could not open error log file")) {
                *ret = t;
                return true;
            }
        }
    }
    return false;
}

static bool find_reason(const char *said, struct text *ret)
{
    struct text alert, crit;
    if (find_line(said, "emerg", ret)) {
        return true;
    }
    bool has_alert = find_line(said, "alert", &alert);
    bool has_crit = find_line(said, "crit", &crit);
    if (has_alert || has_crit) {
        *ret = has_alert && (!has_crit || alert.p < crit.p) ? alert : crit;
    }
    return has_alert || has_crit;
}

const char *blame_reason(const char *said, size_t *ret_len)
{
    struct text t = {"", 0};
    find_reason(said, &t);
    *ret_len = t.len;
    return t.p;
}

/* ---- places ---- */

/* One step of a path, in which "//" and "/./" are "/". Returns the rest behind the character *ret. */
static struct text path_step(struct text t, char *ret)
{
    *ret = t.len > 0 ? *t.p : '\0';
    t.p += t.len > 0;
    t.len -= t.len > 0;
    while (*ret == '/' && (take(&t, "/") || take(&t, "./"))) {
    }
    return t;
}

static bool same_path(struct text a, struct text b)
{
    char x = '/', y = '/';
    while (x == y && (a.len > 0 || b.len > 0)) {
        a = path_step(a, &x);
        b = path_step(b, &y);
    }
    return x == y;
}

/* The end of reason: " in PATH:LINE". */
static bool find_place(struct text reason, const struct blame_file *files, size_t n,
                       size_t *ret_file, size_t *ret_line)
{
    const char *colon = memrchr(reason.p, ':', reason.len);
    if (!colon) {
        return false;
    }
    struct text number = {colon + 1, reason.len - (size_t)(colon + 1 - reason.p)};
    char digits[24];
    uint64_t line = 0;
    if (number.len >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, number.p, number.len);
    digits[number.len] = '\0';
    if (!str_to_u64(digits, 1, SIZE_MAX, &line)) {
        return false;
    }
    /* a path may hold " in " as well: each of them may be where it begins */
    struct text path = {reason.p, (size_t)(colon - reason.p)};
    while (take_past(&path, " in ")) {
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < ARRAY_LEN(files[i].paths); k++) {
                const char *own = files[i].paths[k];
                if (own && same_path(path, (struct text){own, strlen(own)})) {
                    *ret_file = i;
                    *ret_line = (size_t)line;
                    return true;
                }
            }
        }
    }
    return false;
}

/* ---- names ---- */

/* What stands before a name and its quote, and what after. */
static const struct {
    enum engine_blame_kind kind;
    const char *first, *before, *after;
} sayings[] = {
    {ENGINE_BLAME_UPSTREAM, "duplicate upstream ", "\"", "\" in "},
    /* http://web:8080 where web was a host before it was an upstream */
    {ENGINE_BLAME_UPSTREAM, "upstream ", "\"", "\" may not have port "},
    {ENGINE_BLAME_ZONE, "the size ", " of shared memory zone \"", "\" conflicts with "},
    {ENGINE_BLAME_ZONE, "the shared memory zone ", "\"", "\" is already declared "},
    {ENGINE_BLAME_ZONE, "ngx_slab_alloc() failed: ", "no memory in upstream zone \"", "\""},
};

static bool find_name(struct text reason, struct engine_blame *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(sayings); i++) {
        struct text t = reason;
        if (!take(&t, sayings[i].first) || !take_past(&t, sayings[i].before)) {
            continue;
        }
        struct text rest = t;
        if (take_past(&rest, "\"")) {
            size_t len = (size_t)(rest.p - 1 - t.p);
            struct text after = {rest.p - 1, rest.len + 1};
            if (len > 0 && take(&after, sayings[i].after)) {
                *ret = (struct engine_blame){.kind = sayings[i].kind, .name = t.p, .name_len = len};
                return true;
            }
        }
    }
    return false;
}

int blame_parse(const char *said, const struct blame_file *files, size_t n, size_t *ret_file,
                struct engine_blame *ret)
{
    struct text reason;
    if (!find_reason(said, &reason)) {
        return -ENOENT;
    }
    size_t file = 0, line = 0;
    struct engine_blame named = {0};
    bool placed = find_place(reason, files, n, &file, &line);
    bool has_name = find_name(reason, &named);
    if (!placed && !has_name) {
        return -ENOENT;
    }
    /* a zone that is met in a line of ours: the line says it all */
    if (!has_name || (placed && named.kind == ENGINE_BLAME_ZONE)) {
        named = (struct engine_blame){.kind = ENGINE_BLAME_LINE};
    }
    named.line = line;
    *ret_file = file;
    *ret = named;
    return 0;
}
