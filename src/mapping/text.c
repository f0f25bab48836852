/*
 * Text for people, made of what containers say.
 *
 * Happy path: a clean short string is used as it is. A label name with a line break, a value of a
 * megabyte, a thousand labels that are all wrong: replaced, cut, counted.
 *
 * Does not escape for JSON, nginx or a terminal's own language: that is the output's business.
 */
#include "mapping/text.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WARNING_LINE_MAX 512

static void replace_control(char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f) {
            *s = '?';
        }
    }
}

const char *text_clean(struct arena *a, const char *s, size_t max)
{
    size_t len = strnlen(s, max + 1);
    bool cut = len > max;
    if (cut) {
        len = max;
        while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80) {
            len--;
        }
    } else if (str_printable(s, len)) {
        return s;
    }
    char *copy = arena_printf(a, "%.*s%s", (int)len, s, cut ? "..." : "");
    replace_control(copy);
    return copy;
}

const char *text_join_n(struct arena *a, const char *const *parts)
{
    size_t len = 0;
    for (const char *const *p = parts; *p; p++) {
        len += strlen(*p);
    }
    char *joined = arena_alloc(a, len + 1), *at = joined;
    for (const char *const *p = parts; *p; p++) {
        size_t n = strlen(*p);
        memcpy(at, *p, n);
        at += n;
    }
    return joined;
}

const char *text_number(char ret[TEXT_NUMBER_MAX], uint16_t v)
{
    char *at = ret + TEXT_NUMBER_MAX - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return at;
}

void warnings_add(struct warnings *w, const char *fmt, ...)
{
    char line[WARNING_LINE_MAX];
    va_list ap;

    if (w->n >= WARNINGS_MAX) {
        return;
    }
    if (w->n == WARNINGS_MAX - 1) {
        snprintf(line, sizeof(line), "there are more; they are left out here");
    } else {
        va_start(ap, fmt);
        vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
    }
    replace_control(line);
    for (size_t i = 0; i < w->n; i++) {
        if (streq(w->items[i], line)) {
            return;
        }
    }
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 4;
        const char **items = arena_alloc(w->arena, cap * sizeof(*items));
        if (w->n) {
            memcpy(items, w->items, w->n * sizeof(*items));
        }
        w->items = items;
        w->cap = cap;
    }
    w->items[w->n++] = arena_strdup(w->arena, line);
}
