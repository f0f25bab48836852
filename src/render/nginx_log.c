/*
 * Happy path: lines of the one form that nginx has are cut into level, pid and text; the last that counts
 * is kept.
 * Failure: lines of any other form are passed over, also a first one that was cut.
 * Not done: when a line was written; the caller gives the part of the log that it is asked about.
 */
#include "render/nginx_log.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DATE_LEN  19u /* "2026/01/02 03:04:05" */
#define TRIES_MAX 16u /* addresses that are taken, as far as they are named */

struct piece {
    const char *p;
    size_t len;
};

struct line {
    struct piece level; /* with its brackets */
    struct piece text;
    pid_t pid;
};

static bool begins(struct piece s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.p, with, n) == 0;
}

static bool same(struct piece a, struct piece b)
{
    return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

static struct piece from(struct piece s, size_t n)
{
    return (struct piece){s.p + n, s.len - n};
}

static bool take_number(struct piece *s, uint64_t *ret)
{
    size_t n = 0;
    uint64_t v = 0;
    for (; n < s->len && n < 12 && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
        v = v * 10 + (uint64_t)(s->p[n] - '0');
    }
    *s = from(*s, n);
    *ret = v;
    return n > 0;
}

static bool parse_line(struct piece s, struct line *ret)
{
    uint64_t pid, thread;
    if (s.len <= DATE_LEN || s.p[4] != '/' || s.p[13] != ':' || !begins(from(s, DATE_LEN), " [")) {
        return false;
    }
    s = from(s, DATE_LEN + 1);
    const char *close = memchr(s.p, ']', s.len);
    if (!close) {
        return false;
    }
    ret->level = (struct piece){s.p, (size_t)(close - s.p) + 1};
    s = from(s, ret->level.len);
    if (!begins(s, " ")) {
        return false;
    }
    s = from(s, 1);
    if (!take_number(&s, &pid) || !begins(s, "#")) {
        return false;
    }
    s = from(s, 1);
    if (!take_number(&s, &thread) || !begins(s, ": ")) {
        return false;
    }
    ret->pid = (pid_t)pid;
    ret->text = from(s, 2);
    return true;
}

/* The next line of rest that has the form; false at its end. */
static bool next_line(struct piece *rest, struct line *ret)
{
    while (rest->len > 0) {
        const char *newline = memchr(rest->p, '\n', rest->len);
        if (!newline) {
            return false; /* it is still being written */
        }
        struct piece s = {rest->p, (size_t)(newline - rest->p)};
        *rest = from(*rest, s.len + 1);
        if (parse_line(s, ret)) {
            return true;
        }
    }
    return false;
}

static void put(struct buf *said, struct piece level, struct piece text)
{
    buf_puts(said, "nginx: ");
    buf_append(said, level.p, level.len);
    buf_putc(said, ' ');
    buf_append(said, text.p, text.len);
    buf_putc(said, '\n');
}

/* "bind() to 0.0.0.0:80 failed (98: Address already in use)": nginx tries that again. */
static bool tries_again(struct piece text)
{
    char busy[32]; /* the words behind the number are the C library's */
    snprintf(busy, sizeof(busy), " failed (%d: ", EADDRINUSE);
    return (begins(text, "bind() to ") || begins(text, "listen() to ")) &&
           memmem(text.p, text.len, busy, strlen(busy)) != NULL;
}

static void add_try(struct piece *tries, size_t *n, struct piece text)
{
    for (size_t i = 0; i < *n; i++) {
        if (same(tries[i], text)) {
            return;
        }
    }
    if (*n < TRIES_MAX) {
        tries[(*n)++] = text;
    }
}

size_t nginx_log_refusal(const char *text, size_t len, pid_t pid, struct buf *said)
{
    struct piece rest = {text, len}, level = {"[emerg]", 7};
    struct piece found[TRIES_MAX], tries[TRIES_MAX];
    size_t n_found = 0, n_tries = 0;
    struct line line;
    while (next_line(&rest, &line)) {
        if ((pid != 0 && line.pid != pid) || !begins(line.level, "[emerg]")) {
            continue;
        }
        if (tries_again(line.text)) {
            add_try(tries, &n_tries, line.text);
            continue;
        }
        if (n_tries > 0 && begins(line.text, "still could not bind()")) {
            memcpy(found, tries, n_tries * sizeof(*tries));
            n_found = n_tries;
        } else {
            found[0] = line.text;
            n_found = 1;
        }
        n_tries = 0;
    }
    for (size_t i = 0; i < n_found; i++) {
        put(said, level, found[i]);
    }
    return n_found;
}

size_t nginx_log_last(const char *text, size_t len, pid_t pid, bool others, struct buf *said)
{
    struct piece rest = {text, len};
    struct line line, last = {0};
    while (next_line(&rest, &line)) {
        if ((line.pid != pid) == others &&
            (begins(line.level, "[emerg]") || begins(line.level, "[alert]"))) {
            last = line;
        }
    }
    if (!last.text.p) {
        return 0;
    }
    put(said, last.level, last.text);
    return 1;
}

bool nginx_log_unsettled(const char *text, size_t len)
{
    static const char ended[] = " exited on signal ";
    struct piece rest = {text, len};
    struct line line;
    bool trying = false;
    while (next_line(&rest, &line)) {
        if (begins(line.text, "worker process ") &&
            memmem(line.text.p, line.text.len, ended, sizeof(ended) - 1)) {
            return true;
        }
        if (begins(line.level, "[emerg]")) {
            trying = tries_again(line.text);
        }
    }
    return trying;
}
