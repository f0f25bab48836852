/*
 * The pieces that registry URIs are made of: user and password, endpoints, prefix and ?options.
 *
 * Happy path: uri_split() copies the text, cuts it at its '?', '/' and '@', and the other functions take
 * one piece each. Failure: the piece is named, with what is allowed. Names are not resolved.
 */
#include "registry/uri_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define FORMS_ALLOWED  "json, addr or grpc"
#define DATACENTER_MAX 64

/* ---- user:password@ ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = str_lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes in place; false for a bad escape or a control character. */
static bool percent_decode(char *s)
{
    char *to = s;
    for (const char *from = s; *from; from++) {
        char c = *from;
        if (c == '%') {
            int hi = hex_value(from[1]);
            int lo = hi < 0 ? -1 : hex_value(from[2]);
            if (lo < 0) {
                return false;
            }
            c = (char)(hi * 16 + lo);
            from += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f) {
            return false;
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

static int parse_userinfo(struct uri_parser *p, char *info)
{
    char *colon = strchr(info, ':');
    if (!colon || colon == info) {
        return uri_refuse(p, "user", info,
                          "write user:password@HOST, or give the user as an option");
    }
    *colon = '\0';
    char *password = colon + 1;
    if (!percent_decode(info) || !percent_decode(password)) {
        return uri_refuse(p, "user", info, "%XX in user or password is not a printable character");
    }
    p->uri->credentials.user = xstrdup(info);
    p->uri->credentials.password = xstrdup(password);
    p->uri->password_in_text = true;
    return 0;
}

int uri_split(struct uri_parser *p, const char *text, struct uri_parts *ret)
{
    struct uri_parts parts = URI_PARTS_NULL;
    parts.authority_len = strcspn(text, "/?");
    parts.authority = xmemdup0(text, parts.authority_len);
    parts.hosts = parts.authority;
    parts.rest = xstrdup(text + parts.authority_len);
    parts.rest_len = strlen(parts.rest);
    parts.path = parts.rest;
    char *question = strchr(parts.rest, '?');
    if (question) {
        *question = '\0';
        parts.query = question + 1;
    }
    char *at = strrchr(parts.authority, '@');
    if (at) {
        *at = '\0';
        parts.hosts = at + 1;
        int r = parse_userinfo(p, parts.authority);
        if (r < 0) {
            uri_parts_deinit(&parts);
            return r;
        }
    }
    *ret = parts;
    return 0;
}

static void wipe(char *text, size_t len)
{
    if (text) {
        explicit_bzero(text, len);
    }
    free(text);
}

void uri_parts_deinit(struct uri_parts *parts)
{
    wipe(take_ptr(parts->authority), parts->authority_len);
    wipe(take_ptr(parts->rest), parts->rest_len);
    *parts = (struct uri_parts)URI_PARTS_NULL;
}

/* ---- endpoints ---- */

static bool host_name_ok(const char *host)
{
    if (host[0] == '\0' || host[0] == '-' || strlen(host) > 253) {
        return false;
    }
    for (const char *c = host; *c; c++) {
        char l = str_lower_char(*c);
        if (!((l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '.' ||
              l == '_')) {
            return false;
        }
    }
    return true;
}

int uri_endpoint_add(struct uri_parser *p, char *text, uint16_t default_port)
{
    static const char form[] = "write HOST[:PORT], IPv6 as [ADDRESS]:PORT, several with commas";
    CLEANUP_FREE char *found = xstrdup(text);
    char *host = text, *port_text = NULL;
    bool v6 = text[0] == '[';
    if (v6) {
        host = text + 1;
        char *end = strchr(host, ']');
        if (!end || (end[1] != '\0' && end[1] != ':')) {
            return uri_refuse(p, "endpoint", found, form);
        }
        *end = '\0';
        port_text = end[1] == ':' ? end + 2 : NULL;
        struct in6_addr addr;
        if (inet_pton(AF_INET6, host, &addr) != 1) {
            return uri_refuse(p, "endpoint", found, "that is not an IPv6 address");
        }
    } else {
        char *colon = strchr(text, ':');
        if (colon) {
            *colon = '\0';
            port_text = colon + 1;
        }
        if (!host_name_ok(host)) {
            return uri_refuse(p, "endpoint", found, form);
        }
    }
    uint16_t port = default_port;
    if (port_text && !str_to_port(port_text, &port)) {
        return uri_refuse(p, "endpoint", found, "the port is a number from 1 to 65535");
    }
    if (p->uri->n_endpoints == REGISTRY_ENDPOINTS_MAX) {
        return err_set(p->e, ERR_INVALID, -EINVAL, "registry URI: more than %d endpoints",
                       REGISTRY_ENDPOINTS_MAX);
    }
    struct buf url = BUF_INIT(512);
    buf_printf(&url, "%s://%s%s%s:%u", p->uri->tls ? "https" : "http", v6 ? "[" : "", host,
               v6 ? "]" : "", (unsigned)port);
    p->uri->endpoints =
        xreallocarray(p->uri->endpoints, p->uri->n_endpoints + 1, sizeof(*p->uri->endpoints));
    p->uri->endpoints[p->uri->n_endpoints++] = buf_take(&url);
    return 0;
}

/* ---- prefix and options ---- */

int uri_trim_prefix(struct uri_parser *p, char *prefix)
{
    size_t len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == '/') {
        prefix[--len] = '\0';
    }
    if (len > REGISTRY_PREFIX_MAX) {
        return err_set(p->e, ERR_INVALID, -EINVAL,
                       "registry URI: the prefix has %zu bytes, at most %d are allowed", len,
                       REGISTRY_PREFIX_MAX);
    }
    return 0;
}

static int parse_datacenter(struct uri_parser *p, const char *name)
{
    size_t len = strlen(name);
    bool good = len > 0 && len <= DATACENTER_MAX;
    for (size_t i = 0; good && i < len; i++) {
        char l = str_lower_char(name[i]);
        good = (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '_';
    }
    if (!good) {
        return uri_refuse(p, "dc", name,
                          "a datacenter has 1 to 64 letters, digits, hyphens and underscores");
    }
    p->uri->datacenter = xstrdup(name);
    return 0;
}

static int parse_option(struct uri_parser *p, enum uri_option option, const char *value)
{
    switch (option) {
    case URI_OPTION_VALUE:
        return record_form_parse(value, &p->uri->form)
                   ? 0
                   : uri_refuse(p, "value", value, "allowed are " FORMS_ALLOWED);
    case URI_OPTION_DC:
        return parse_datacenter(p, value);
    case URI_OPTION_STALE:
        break;
    }
    return str_to_bool(value, &p->uri->stale)
               ? 0
               : uri_refuse(p, "stale", value, "allowed are true and false");
}

int uri_parse_query(struct uri_parser *p, char *query, unsigned options, const char *known)
{
    static const struct {
        const char *name;
        enum uri_option option;
    } names[] = {{"value", URI_OPTION_VALUE}, {"dc", URI_OPTION_DC}, {"stale", URI_OPTION_STALE}};
    unsigned given = 0;
    for (char *next = query; next && *next;) {
        char *name = next;
        char *amp = strchr(name, '&');
        next = amp ? amp + 1 : NULL;
        if (amp) {
            *amp = '\0';
        }
        size_t len = strcspn(name, "="), i = 0;
        while (i < ARRAY_LEN(names) &&
               !(strlen(names[i].name) == len && strncmp(names[i].name, name, len) == 0)) {
            i++;
        }
        if (i == ARRAY_LEN(names) || !(options & names[i].option) || name[len] != '=') {
            return uri_refuse(p, "option", name, known);
        }
        if (given & names[i].option) {
            return uri_refuse(p, "option", name, "given twice");
        }
        given |= names[i].option;
        int r = parse_option(p, names[i].option, name + len + 1);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
