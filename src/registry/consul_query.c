/*
 * Happy path: a path is put together piece by piece in the caller's buffer, whose sticky error tells of
 * overflow.
 *
 * Failure modes: Consul says errors in plain text, a failed transaction in JSON, and a server that is
 * asked through another one puts "rpc error making call: " in front, with status 500. So the words
 * decide before the status where they are known.
 *
 * Not here: when to ask again, and how fast.
 */
#include "registry/consul_query.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define TEXT_MAX 160 /* of Consul's words in a message */

/* ---- paths ---- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void consul_path_escape(struct buf *out, const char *text, size_t len, bool keep_slash)
{
    for (size_t i = 0; i < len; i++) {
        if (is_unreserved(text[i]) || (keep_slash && text[i] == '/')) {
            buf_putc(out, text[i]);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)text[i]);
        }
    }
}

void consul_path_query(struct buf *out, const char *name, const char *value)
{
    buf_putc(out, strchr(buf_str(out), '?') ? '&' : '?');
    buf_puts(out, name);
    if (value) {
        buf_putc(out, '=');
        consul_path_escape(out, value, strlen(value), false);
    }
}

void consul_path_read(struct buf *out, const struct registry_uri *uri)
{
    if (uri->datacenter) {
        consul_path_query(out, "dc", uri->datacenter);
    }
    if (uri->stale) {
        consul_path_query(out, "stale", NULL);
    }
}

void consul_path_block(struct buf *out, uint64_t index, msec_t wait)
{
    if (index == 0) {
        return;
    }
    consul_path_query(out, "index", NULL);
    buf_printf(out, "=%" PRIu64 "&wait=%" PRIu64 "ms", index, wait);
}

uint64_t consul_index_next(uint64_t old, uint64_t seen, bool *ret_reset)
{
    *ret_reset = seen < 1 || seen < old;
    return *ret_reset ? 0 : seen;
}

/* ---- errors ---- */

struct rule {
    int status;       /* 0: any */
    const char *text; /* NULL: any; else how Consul's words begin */
    enum err_class class;
    int error;
    const char *hint; /* NULL, or what to do about it */
};

/* First match wins. */
static const struct rule rules[] = {
    {0, "ACL not found", ERR_AUTH, -EACCES, "Consul does not know this token"},
    {0, "Permission denied: Missing ", ERR_AUTH, -EACCES, "give the token's policy this right"},
    {0, "Permission denied", ERR_AUTH, -EACCES,
     "the token, or the anonymous one where none is given, lacks a right for this"},
    {403, NULL, ERR_AUTH, -EACCES, NULL},
    {401, NULL, ERR_AUTH, -EACCES, NULL},
    {0, "Scripts are disabled on this agent", ERR_TRANSIENT, -EPERM,
     "or do without check_script, check_cmd and check_docker"},
    {0, "No cluster leader", ERR_TRANSIENT, -EIO, "Consul's servers are electing one"},
    {0, "No known Consul servers", ERR_TRANSIENT, -EIO, "the agent has not joined any server"},
    {0, "RPC rate limit exceeded", ERR_THROTTLED, -EAGAIN, NULL},
    {0, "Client sent an HTTP request to an HTTPS server", ERR_INVALID, -EINVAL,
     "write consuls:// or consulkvs://"},
    {429, NULL, ERR_THROTTLED, -EAGAIN, NULL},
    {400, NULL, ERR_INVALID, -EINVAL, NULL},
    {413, NULL, ERR_INVALID, -EMSGSIZE, NULL},
    {404, NULL, ERR_INVALID, -ENOENT, NULL},
    {409, NULL, ERR_CONFLICT, -EEXIST, NULL},
};
static const struct rule otherwise = {0, NULL, ERR_TRANSIENT, -EIO, NULL};

/* One line: each run of blanks and line ends is one blank; a page of a proxy is cut. */
static void take_text(char text[TEXT_MAX + 1], const char *from, size_t len)
{
    size_t n = 0;
    bool gap = false;
    for (size_t i = 0; i < len && n < TEXT_MAX; i++) {
        if (memchr(" \t\r\n", from[i], sizeof(" \t\r\n"))) { /* or NUL */
            gap = n > 0;
            continue;
        }
        if (gap && n + 1 < TEXT_MAX) {
            text[n++] = ' ';
        }
        gap = false;
        text[n++] = from[i];
    }
    text[n] = '\0';
}

/* A failed transaction lists its errors; the first one is named. */
static bool read_txn(char text[TEXT_MAX + 1], const char *body, size_t len)
{
    struct err ignored = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    if (len == 0 || body[0] != '{' || json_parse(&j, body, len, &ignored) < 0) {
        return false;
    }
    const char *what = json_str(json_first(json_get(j, "Errors")), "What", NULL);
    if (what) {
        take_text(text, what, strlen(what));
    }
    return what;
}

static const char *without_route(const char *text)
{
    static const char route[] = "rpc error making call: ";
    while (str_starts(text, route)) {
        text += strlen(route);
    }
    return text;
}

int consul_error_from_answer(struct err *e, int status, const char *body, size_t len)
{
    char text[TEXT_MAX + 1];
    if (!read_txn(text, body, len)) {
        take_text(text, body, len);
    }
    const char *words = without_route(text);
    const struct rule *rule = &otherwise;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if ((rules[i].status == 0 || rules[i].status == status) &&
            (!rules[i].text || str_starts(words, rules[i].text))) {
            rule = &rules[i];
            break;
        }
    }
    return err_set(e, rule->class, rule->error, "HTTP %d: %s%s%s%s", status,
                   *words ? words : "no message", rule->hint ? " (" : "",
                   rule->hint ? rule->hint : "", rule->hint ? ")" : "");
}
