/*
 * Happy path: the text is cut into words as nginx does it; a directive at depth 0 is looked at when its
 * ';' comes. Quotes count at the beginning of a word only, a backslash takes the next byte with it, '#'
 * begins a comment where a word could begin, and "${" opens no block.
 * Failure: a stray '}', a quote without its end, a word above what nginx takes: the rest is not read. A
 * block of another language (Lua) may look like that; pid and error_log usually stand above it.
 * Not done: include files, variables, and whether nginx would take the directive.
 */
#include "render/nginx_conf.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define WORD_MAX 4096u /* nginx's own limit */

#define PREFIX_DEFAULT "/usr/local/nginx"

struct scanner {
    const char *at, *end;
    struct buf word; /* of TOKEN_WORD */
};

enum token { TOKEN_WORD, TOKEN_SEMICOLON, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_END };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct scanner *s)
{
    bool comment = false;
    for (; s->at < s->end; s->at++) {
        if (comment) {
            comment = *s->at != '\n';
        } else if (*s->at == '#') {
            comment = true;
        } else if (!is_blank(*s->at)) {
            return;
        }
    }
}

/* Behind a backslash: quotes and backslash stand for themselves, t r n for a control character. */
static void put_escaped(struct buf *word, char c)
{
    static const char from[] = "\"'\\trn", to[] = "\"'\\\t\r\n";
    const char *p = c ? strchr(from, c) : NULL;
    if (p) {
        buf_putc(word, to[p - from]);
    } else {
        buf_putc(word, '\\');
        buf_putc(word, c);
    }
}

/* False where the word has no end, or is too long. */
static bool read_word(struct scanner *s)
{
    char quote = *s->at == '"' || *s->at == '\'' ? *s->at++ : '\0';
    char before = '\0';
    buf_reset(&s->word);
    while (s->at < s->end) {
        char c = *s->at;
        if (c == '\\') {
            if (++s->at == s->end) {
                return false;
            }
            put_escaped(&s->word, *s->at);
        } else if (quote && c == quote) {
            s->at++;
            return buf_error(&s->word) == 0;
        } else if (!quote && (is_blank(c) || c == ';' || (c == '{' && before != '$'))) {
            return buf_error(&s->word) == 0;
        } else {
            buf_putc(&s->word, c);
        }
        before = c;
        s->at++;
    }
    return false;
}

static enum token next_token(struct scanner *s)
{
    skip_blanks(s);
    if (s->at == s->end) {
        return TOKEN_END;
    }
    switch (*s->at) {
    case ';':
        s->at++;
        return TOKEN_SEMICOLON;
    case '{':
        s->at++;
        return TOKEN_OPEN;
    case '}':
        s->at++;
        return TOKEN_CLOSE;
    default:
        return read_word(s) ? TOKEN_WORD : TOKEN_END;
    }
}

static bool is_file(const char *log)
{
    return *log && !streq(log, "stderr") && !streq(log, "/dev/null") &&
           !str_starts(log, "syslog:") && !str_starts(log, "memory:");
}

static void take_first(char **slot, const char *value)
{
    if (!*slot) {
        *slot = xstrdup(value);
    }
}

static void take_directive(struct nginx_conf *c, const char *name, const char *value)
{
    if (streq(name, "pid") && *value) {
        take_first(&c->pid, value);
    } else if (streq(name, "error_log")) {
        take_first(is_file(value) ? &c->error_log : &c->log_nowhere, value);
    }
}

void nginx_conf_parse(struct nginx_conf *ret, const char *text, size_t len)
{
    struct nginx_conf c = NGINX_CONF_NULL;
    struct scanner s = {.at = text, .end = text + len, .word = BUF_INIT(WORD_MAX)};
    struct buf name = BUF_INIT(WORD_MAX), value = BUF_INIT(WORD_MAX);
    size_t words = 0, depth = 0;
    bool fine = true;

    while (fine) {
        switch (next_token(&s)) {
        case TOKEN_WORD:
            if (depth == 0 && words < 2) {
                struct buf *to = words == 0 ? &name : &value;
                buf_reset(to);
                buf_append(to, buf_str(&s.word), s.word.len);
            }
            words++;
            break;
        case TOKEN_SEMICOLON:
            if (depth == 0 && words >= 2) {
                take_directive(&c, buf_str(&name), buf_str(&value));
            }
            words = 0;
            break;
        case TOKEN_OPEN:
            depth++;
            words = 0;
            break;
        case TOKEN_CLOSE:
            fine = depth > 0 && words == 0;
            depth -= fine;
            break;
        case TOKEN_END:
            fine = false;
            break;
        }
    }
    buf_deinit(&s.word);
    buf_deinit(&name);
    buf_deinit(&value);
    *ret = c;
}

void nginx_conf_deinit(struct nginx_conf *c)
{
    free(c->pid);
    free(c->error_log);
    free(c->log_nowhere);
    *c = (struct nginx_conf)NGINX_CONF_NULL;
}

char *nginx_path(const char *prefix, const char *path)
{
    struct buf out = BUF_INIT(2 * WORD_MAX + 1);
    if (*path == '/') {
        return xstrdup(path);
    }
    if (!prefix) {
        return NULL;
    }
    buf_puts(&out, prefix);
    if (!str_ends(prefix, "/")) {
        buf_putc(&out, '/');
    }
    buf_puts(&out, path);
    return buf_take(&out);
}

/* ---- nginx -V ---- */

/* The next word of a line that was written for a shell; false at its end. */
static bool next_argument(const char **at, struct buf *word)
{
    const char *p = *at + strspn(*at, " \t\r");
    char quote = '\0';
    buf_reset(word);
    if (*p == '\0' || *p == '\n') {
        return false;
    }
    for (; *p && *p != '\n' && (quote || !is_blank(*p)); p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? '\0' : *p;
        } else {
            buf_putc(word, *p);
        }
    }
    *at = p;
    return true;
}

int nginx_built_parse(struct nginx_built *ret, const char *said, struct err *e)
{
    static const char begin[] = "configure arguments:";
    const char *at = strstr(said, begin);
    if (!at) {
        return err_set(e, ERR_INVALID, -EINVAL, "nginx -V says nothing about how it was built: %s",
                       *said ? said : "(nothing)");
    }
    static const char *const names[] = {
        "--prefix=", "--conf-path=", "--pid-path=", "--error-log-path="};
    char *values[ARRAY_LEN(names)] = {xstrdup(PREFIX_DEFAULT), xstrdup("conf/nginx.conf"),
                                      xstrdup("logs/nginx.pid"), xstrdup("logs/error.log")};
    struct buf word = BUF_INIT(WORD_MAX);
    at += sizeof(begin) - 1;
    while (next_argument(&at, &word)) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            if (buf_error(&word) == 0 && str_starts(buf_str(&word), names[i])) {
                free(values[i]);
                values[i] = xstrdup(buf_str(&word) + strlen(names[i]));
            }
        }
    }
    buf_deinit(&word);
    *ret = (struct nginx_built){.prefix = take_ptr(values[0])};
    ret->conf = nginx_path(ret->prefix, values[1]);
    ret->pid = nginx_path(ret->prefix, values[2]);
    ret->error_log = is_file(values[3]) ? nginx_path(ret->prefix, values[3]) : NULL;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        free(values[i]);
    }
    return 0;
}

void nginx_built_deinit(struct nginx_built *b)
{
    free(b->prefix);
    free(b->conf);
    free(b->pid);
    free(b->error_log);
    *b = (struct nginx_built)NGINX_BUILT_NULL;
}
