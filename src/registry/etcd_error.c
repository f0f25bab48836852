/*
 * Classification of failures at the edge: nothing above this file looks at a status or a gRPC code.
 *
 * The gRPC code decides where there is one, the HTTP status where there is none. Some codes mean
 * several things, which only the text tells apart: code 3 is "no token" as well as "bad request", code
 * 8 is "database full" as well as "message too large", never rate limiting.
 */
#include "registry/etcd_error.h"

#include "base/json.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define TEXT_MAX 160 /* of etcd's words in a message */

struct answer {
    int status;
    int code; /* ETCD_CODE_UNKNOWN or gRPC's */
    char text[TEXT_MAX + 1];
};

struct rule {
    int code;         /* ETCD_CODE_UNKNOWN: any */
    int status;       /* 0: any */
    const char *text; /* NULL: any; else a part of the message */
    enum err_class class;
    int error;
    bool no_token;
    const char *hint; /* NULL, or what to do about it */
};

/* First match wins. */
static const struct rule rules[] = {
    {-1, 0, "user name is empty", ERR_AUTH, -EACCES, true, "etcd asks for a user"},
    {-1, 0, "authentication failed", ERR_AUTH, -EACCES, false, "wrong user or password"},
    {-1, 0, "CommonName of client", ERR_AUTH, -EACCES, false,
     "with authentication, etcd's gateway needs a client certificate without CN"},
    {16, 0, NULL, ERR_AUTH, -EACCES, true, NULL},
    {7, 0, NULL, ERR_AUTH, -EACCES, false, NULL},
    {8, 0, "space exceeded", ERR_THROTTLED, -ENOSPC, false, "etcd's database is full"},
    {8, 0, NULL, ERR_INVALID, -EMSGSIZE, false, "the request is too large for etcd"},
    {11, 0, "compacted", ERR_STALE_WATCH, -ESTALE, false, NULL},
    {11, 0, "future revision", ERR_STALE_WATCH, -ESTALE, false, NULL},
    {11, 0, NULL, ERR_INVALID, -ERANGE, false, NULL},
    {5, 0, NULL, ERR_CONFLICT, -ENOENT, false, NULL},
    {3, 0, NULL, ERR_INVALID, -EINVAL, false, NULL},
    {9, 0, NULL, ERR_INVALID, -EPERM, false, NULL},
    {-1, 0, "broken pipe", ERR_TRANSIENT, -EIO, false,
     "etcd's own certificate may lack the key usage clientAuth"},
    {-1, 401, NULL, ERR_AUTH, -EACCES, true, NULL},
    {-1, 403, NULL, ERR_AUTH, -EACCES, false, NULL},
    {-1, 404, NULL, ERR_BUG, -EPROTO, false, "no etcd gateway of version 3.4 or later there"},
    {-1, 405, NULL, ERR_BUG, -EPROTO, false, "no etcd gateway of version 3.4 or later there"},
    {-1, 400, NULL, ERR_INVALID, -EINVAL, false, NULL},
    {-1, 413, NULL, ERR_INVALID, -EMSGSIZE, false, NULL},
    {-1, 429, "space exceeded", ERR_THROTTLED, -ENOSPC, false, "etcd's database is full"},
    {-1, 429, NULL, ERR_INVALID, -EMSGSIZE, false, "the request is too large for etcd"},
};
static const struct rule otherwise = {-1, 0, NULL, ERR_TRANSIENT, -EIO, false, NULL};

static bool applies(const struct rule *rule, const struct answer *a)
{
    return (rule->code == ETCD_CODE_UNKNOWN || rule->code == a->code) &&
           (rule->status == 0 || rule->status == a->status) &&
           (!rule->text || strstr(a->text, rule->text));
}

/* Plain text, one line; a page of a proxy is cut. */
static void take_text(struct answer *a, const char *text, size_t len)
{
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    size_t n = len < TEXT_MAX ? len : TEXT_MAX;
    memcpy(a->text, text, n);
    a->text[n] = '\0';
}

static void read_body(struct answer *a, const char *body, size_t len)
{
    struct err ignored = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    if (json_parse(&j, body, len, &ignored) < 0 || !json_is_object(j)) {
        take_text(a, body, len);
        return;
    }
    const json *error = json_get(j, "error");
    const json *from = json_is_object(error) ? error : j;
    int64_t code = json_int(from, "grpc_code", json_int(from, "code", ETCD_CODE_UNKNOWN));
    if (code >= 0 && code <= 16) {
        a->code = (int)code;
    }
    const char *text = json_str(from, "message", json_str(j, "error", ""));
    take_text(a, text, strlen(text));
}

int etcd_error_from_answer(struct err *e, int status, const char *body, size_t len,
                           struct etcd_error *ret)
{
    struct answer a = {.status = status, .code = ETCD_CODE_UNKNOWN};
    read_body(&a, body, len);
    const struct rule *rule = &otherwise;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (applies(&rules[i], &a)) {
            rule = &rules[i];
            break;
        }
    }
    if (ret) {
        *ret = (struct etcd_error){.code = (enum etcd_code)a.code, .no_token = rule->no_token};
    }
    int r = err_set(e, rule->class, rule->error, "%s%s%s%s", *a.text ? a.text : "no message",
                    rule->hint ? " (" : "", rule->hint ? rule->hint : "", rule->hint ? ")" : "");
    if (status) {
        err_wrap(e, "HTTP %d", status);
    }
    return r;
}
