/*
 * Tag lists. Every text is a list; there is no failure. What a tag may hold is judged by the caller.
 */
#include "mapping/tags.h"

#include <string.h>

void tags_parse(struct tags *ret, const char *text, struct arena *a)
{
    *ret = (struct tags){0};
    size_t len = strlen(text);
    if (len == 0) {
        return;
    }
    size_t commas = 0;
    for (size_t i = 0; i < len; i++) {
        commas += text[i] == ',';
    }
    const char **items = arena_alloc(a, (commas + 1) * sizeof(*items));
    char *out = arena_alloc(a, len + 1), *start = out;
    for (size_t i = 0; i <= len; i++) {
        if (text[i] == ',' && out > start && out[-1] == '\\') {
            out[-1] = ',';
        } else if (text[i] != ',' && text[i] != '\0') {
            *out++ = text[i];
        } else if (out > start) {
            *out++ = '\0';
            items[ret->n++] = start;
            ret->size += (size_t)(out - start);
            start = out;
        }
    }
    ret->items = items;
}

void tags_reverse(struct tags *t)
{
    for (size_t i = 0; i < t->n / 2; i++) {
        const char *last = t->items[t->n - 1 - i];
        t->items[t->n - 1 - i] = t->items[i];
        t->items[i] = last;
    }
}
