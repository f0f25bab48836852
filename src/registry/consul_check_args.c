/*
 * Happy path: one pass over the text, which fills one word at a time in a scratch of the text's own size.
 * Failure modes: a line that a shell would not take either is refused with the reason. No variables, no
 * globs, no operators: '|' or '$X' are characters like any other.
 */
#include "registry/consul_check_args.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct splitter {
    const char *at;
    char *word; /* scratch, at least as long as the text */
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int refuse(struct err *e, const char *why)
{
    return err_set(e, ERR_INVALID, -EINVAL, "%s", why);
}

/* From behind the opening quote to behind the closing one. */
static bool take_quoted(struct splitter *s, char quote)
{
    for (; *s->at && *s->at != quote; s->at++) {
        if (quote == '"' && *s->at == '\\' && (s->at[1] == '"' || s->at[1] == '\\')) {
            s->at++;
        }
        s->word[s->len++] = *s->at;
    }
    if (!*s->at) {
        return false;
    }
    s->at++;
    return true;
}

static int take_word(struct splitter *s, struct err *e)
{
    s->len = 0;
    while (*s->at && !is_blank(*s->at)) {
        char c = *s->at++;
        if (c == '\'' || c == '"') {
            if (!take_quoted(s, c)) {
                return refuse(e, "a quote is not closed");
            }
        } else if (c != '\\') {
            s->word[s->len++] = c;
        } else if (*s->at) {
            s->word[s->len++] = *s->at++;
        } else {
            return refuse(e, "a backslash ends it");
        }
    }
    return 0;
}

int consul_args_split(const char *text, struct arena *a, const char *const **ret, struct err *e)
{
    struct splitter s = {.at = text, .word = arena_alloc(a, strlen(text) + 1)};
    const char **args = arena_alloc(a, (CONSUL_ARGS_MAX + 1) * sizeof(*args));
    size_t n = 0;
    for (;;) {
        while (is_blank(*s.at)) {
            s.at++;
        }
        if (!*s.at) {
            break;
        }
        if (n == CONSUL_ARGS_MAX) {
            return err_set(e, ERR_INVALID, -EINVAL, "it has more than %d words", CONSUL_ARGS_MAX);
        }
        int r = take_word(&s, e);
        if (r < 0) {
            return r;
        }
        args[n++] = arena_memdup0(a, s.word, s.len);
    }
    if (n == 0 || !*args[0]) {
        return refuse(e, "it names no command");
    }
    *ret = args;
    return 0;
}
