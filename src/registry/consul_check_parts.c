/*
 * Happy path: each piece is taken apart by hand and put together in the arena.
 * Failure modes: what HTTP could not carry (a line end in a header) never gets into a check.
 */
#include "registry/consul_check_parts.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#include <string.h>

#define METHOD_MAX 32
#define WORD_MAX   (1u << 20) /* what SERVICE_TEXT_MAX bytes grow to at most, and more */

bool consul_method_valid(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= METHOD_MAX && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

static bool is_token(const char *s)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    return *s && strspn(s, chars) == strlen(s);
}

/* Without blanks at both ends; text is changed. */
static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        len--;
    }
    text[len] = '\0';
    return text;
}

/* The item up to the next comma, with "\," unescaped; *at moves behind it. */
static char *take_item(const char **at, struct arena *a)
{
    char *item = arena_alloc(a, strlen(*at) + 1);
    size_t n = 0;
    const char *p = *at;
    for (; *p && *p != ','; p++) {
        if (p[0] == '\\' && p[1] == ',') {
            p++;
        }
        item[n++] = *p;
    }
    *at = *p ? p + 1 : p;
    return item;
}

static bool take_header(char *item, struct service_attr *ret)
{
    char *colon = strchr(item, ':');
    if (!colon) {
        return false;
    }
    *colon = '\0';
    const char *name = trimmed(item), *value = trimmed(colon + 1);
    *ret = (struct service_attr){.key = name, .value = value};
    return is_token(name) && str_printable(value, strlen(value));
}

size_t consul_headers_split(const char *text, const char *key, struct arena *a,
                            const struct service_attr **ret, struct consul_remarks *remarks)
{
    struct service_attr *headers = arena_alloc(a, CONSUL_HEADERS_MAX * sizeof(*headers));
    size_t n = 0;
    while (*text) {
        char *item = take_item(&text, a);
        if (!*trimmed(item)) {
            continue;
        }
        if (n == CONSUL_HEADERS_MAX) {
            consul_remark(remarks, "%s has more than %d headers", key, CONSUL_HEADERS_MAX);
            break;
        }
        if (take_header(item, &headers[n])) {
            n++;
        } else {
            consul_remark(remarks,
                          "%s has a part that is no \"Name: value\" (a comma in a value is "
                          "written \"\\,\")",
                          key);
        }
    }
    *ret = headers;
    return n;
}

const char *consul_script_word(const char *word, const struct service *svc, struct arena *a)
{
    static const char ip[] = "$SERVICE_IP", port[] = "$SERVICE_PORT";
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(WORD_MAX);
    while (*word) {
        if (str_starts(word, ip)) {
            buf_puts(&b, svc->s.host);
            word += sizeof(ip) - 1;
        } else if (str_starts(word, port)) {
            buf_printf(&b, "%u", svc->s.port);
            word += sizeof(port) - 1;
        } else {
            buf_putc(&b, *word++);
        }
    }
    return arena_strdup(a, buf_str(&b));
}

const char *consul_container_port(const char *id, struct arena *a)
{
    size_t len = strlen(id);
    for (enum service_proto p = SERVICE_TCP; p <= SERVICE_SCTP; p++) {
        const char *name = service_proto_name(p);
        size_t n = strlen(name);
        if (len > n && streq(id + len - n, name) && id[len - n - 1] == ':') {
            len -= n + 1;
            break;
        }
    }
    char *whole = arena_memdup0(a, id, len);
    const char *last = strrchr(whole, ':');
    uint16_t port;
    if (!last || !str_to_port(last + 1, &port) ||
        memchr(whole, ':', (size_t)(last - whole)) == NULL) {
        return NULL;
    }
    return last + 1;
}
