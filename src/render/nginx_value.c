/*
 * Happy path: a value is parsed into what it means and printed from that, so that what was said and what
 * is written need not share one byte.
 * Failure: false; the caller reports it and leaves the parameter out.
 * Not done: variables of the user's own (map, set, geo). Whether they exist only nginx knows, and an
 * unknown one makes it refuse the whole configuration.
 */
#include "render/nginx_value.h"

#include "base/alloc.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* Variables of nginx's core http module and of modules that no build can leave out. */
static const char *const http_variables[] = {
    "args",           "binary_remote_addr", "document_uri", "host",        "is_args",
    "query_string",   "remote_addr",        "remote_port",  "remote_user", "request",
    "request_method", "request_uri",        "scheme",       "server_addr", "server_name",
    "server_port",    "server_protocol",    "uri",
};
static const char *const http_families[] = {"arg_", "cookie_", "http_"};

/* Those of the core stream module that tell clients apart. */
static const char *const stream_variables[] = {
    "binary_remote_addr",
    "protocol",
    "proxy_protocol_addr",
    "proxy_protocol_port",
    "proxy_protocol_server_addr",
    "proxy_protocol_server_port",
    "remote_addr",
    "remote_port",
    "server_addr",
    "server_port",
};

static const struct {
    const char *const *names, *const *families;
    size_t n_names, n_families;
} variables[] = {
    [NGINX_HTTP] = {http_variables, http_families, ARRAY_LEN(http_variables),
                    ARRAY_LEN(http_families)},
    [NGINX_STREAM] = {stream_variables, NULL, ARRAY_LEN(stream_variables), 0},
};

bool nginx_time_ok(const char *s)
{
    static const char units[] = "yMwdhms";
    const char *next = units;
    size_t len = strlen(s);
    if (len == 0 || len > NGINX_TIME_MAX) {
        return false;
    }
    while (*s) {
        unsigned digits = 0;
        for (; *s >= '0' && *s <= '9'; s++) {
            digits++;
        }
        /* nine digits of any unit stay far below the numbers at which nginx says overflow */
        if (digits == 0 || digits > 9) {
            return false;
        }
        if (*s == '\0') {
            return true;
        }
        const char *unit = strchr(next, *s);
        if (!unit || *unit == '\0') {
            return false;
        }
        next = unit + 1;
        s++;
    }
    return true;
}

const char *nginx_zone_suffix(enum nginx_context context)
{
    return context == NGINX_STREAM ? ":stream" : "";
}

bool nginx_zone_parse(const char *s, uint64_t *ret_k)
{
    char digits[16];
    size_t len = strlen(s);
    if (len < 2 || len >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, s, len - 1);
    digits[len - 1] = '\0';
    char unit = str_lower_char(s[len - 1]);
    uint64_t k = 0;
    if ((unit != 'k' && unit != 'm') || !str_to_u64(digits, 1, NGINX_ZONE_MAX_K, &k)) {
        return false;
    }
    k = unit == 'm' ? k * 1024 : k;
    if (k < NGINX_ZONE_MIN_K || k > NGINX_ZONE_MAX_K) {
        return false;
    }
    *ret_k = k;
    return true;
}

static bool is_variable_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool variable_known(enum nginx_context context, const char *name, size_t len)
{
    const char *const *names = variables[context].names;
    for (size_t i = 0; i < variables[context].n_names; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
            return true;
        }
    }
    const char *const *families = variables[context].families;
    for (size_t i = 0; i < variables[context].n_families; i++) {
        size_t prefix = strlen(families[i]);
        if (len > prefix && memcmp(families[i], name, prefix) == 0) {
            return true;
        }
    }
    return false;
}

static bool key_ok(enum nginx_context context, const char *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if (s[i] != '$') {
            return false;
        }
        size_t from = ++i;
        while (i < len && is_variable_char(s[i])) {
            i++;
        }
        if (!variable_known(context, s + from, i - from)) {
            return false;
        }
    }
    return len > 0 && len < NGINX_VARIABLE_MAX;
}

bool nginx_balance_parse(enum nginx_context context, const char *s, struct nginx_balance *ret)
{
    static const struct {
        const char *word;
        enum nginx_method method;
    } plain[] = {
        {"least_conn", NGINX_LEAST_CONN}, {"ip_hash", NGINX_IP_HASH}, {"random", NGINX_RANDOM}};

    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (streq(s, plain[i].word)) {
            *ret = (struct nginx_balance){.method = plain[i].method};
            return context == NGINX_HTTP || plain[i].method != NGINX_IP_HASH;
        }
    }
    if (!str_starts(s, "hash ")) {
        return false;
    }
    const char *key = s + 5 + strspn(s + 5, " ");
    size_t key_len = strcspn(key, " ");
    const char *rest = key + key_len + strspn(key + key_len, " ");
    bool consistent = streq(rest, "consistent");
    if (!key_ok(context, key, key_len) || (*rest && !consistent)) {
        return false;
    }
    *ret = (struct nginx_balance){.method = consistent ? NGINX_HASH_CONSISTENT : NGINX_HASH};
    memcpy(ret->variable, key, key_len);
    return true;
}

void nginx_balance_format(const struct nginx_balance *b, char out[NGINX_DIRECTIVE_MAX])
{
    static const char *const formats[] = {
        [NGINX_ROUND_ROBIN] = "",    [NGINX_LEAST_CONN] = "least_conn",
        [NGINX_IP_HASH] = "ip_hash", [NGINX_RANDOM] = "random",
        [NGINX_HASH] = "hash ",      [NGINX_HASH_CONSISTENT] = "hash ",
    };
    snprintf(out, NGINX_DIRECTIVE_MAX, "%s%s%s", formats[b->method], b->variable,
             b->method == NGINX_HASH_CONSISTENT ? " consistent" : "");
}

bool nginx_balance_equal(const struct nginx_balance *a, const struct nginx_balance *b)
{
    return a->method == b->method && streq(a->variable, b->variable);
}

bool nginx_balance_takes_backup(const struct nginx_balance *b)
{
    return b->method == NGINX_ROUND_ROBIN || b->method == NGINX_LEAST_CONN;
}
