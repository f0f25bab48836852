/*
 * Parsing of registry URIs.
 *
 * Happy path: the scheme picks a parser; that of etcd takes user, endpoints, prefix and query apart,
 * each by its own small function, into a URI built aside and handed out only when it is whole.
 * Failure: a message that says what was found and what is allowed. A text that has an '@' may hold a
 * password anywhere (an unescaped '/' in one moves every boundary), so none of its parts are quoted.
 * It resolves no names, reads no environment and checks no files.
 */
#include "registry/uri.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define FORMS_ALLOWED   "json, addr or grpc"
#define SCHEMES_ALLOWED "file://, etcd:// or etcds://"

struct parser {
    struct registry_uri *uri;
    const struct registry_uri_env *env;
    const char *text;
    struct err *e;
};

static void wipe(char **secret)
{
    if (*secret) {
        explicit_bzero(*secret, strlen(*secret));
    }
    free(take_ptr(*secret));
}

void registry_uri_deinit(struct registry_uri *uri)
{
    free(take_ptr(uri->path));
    free(take_ptr(uri->prefix));
    for (size_t i = 0; i < uri->n_endpoints; i++) {
        free(uri->endpoints[i]);
    }
    free(take_ptr(uri->endpoints));
    uri->n_endpoints = 0;
    free(take_ptr(uri->credentials.ca_file));
    free(take_ptr(uri->credentials.cert_file));
    free(take_ptr(uri->credentials.key_file));
    free(take_ptr(uri->credentials.user));
    wipe(&uri->credentials.password);
}

/* What of the text an error may show. */
static const char *shown(const struct parser *p, const char *found)
{
    return strchr(p->text, '@') ? "(not shown: the text may hold a password)" : found;
}

static int refuse(const struct parser *p, const char *what, const char *found, const char *allowed)
{
    return err_set(p->e, ERR_INVALID, -EINVAL, "registry URI: %s \"%s\": %s", what, shown(p, found),
                   allowed);
}

/* ---- file ---- */

static int parse_file(struct parser *p, const char *rest)
{
    if (rest[0] != '/' || rest[1] == '\0') {
        return refuse(p, "path", rest, "write file:///PATH with an absolute path of a file");
    }
    if (strchr(rest, '?')) {
        return refuse(p, "path", rest, "file:// takes no ?options");
    }
    p->uri->scheme = REGISTRY_FILE;
    p->uri->path = xstrdup(rest);
    return 0;
}

static int parse_default(struct parser *p)
{
    p->uri->scheme = REGISTRY_FILE;
    if (p->env->uid == 0) {
        p->uri->path = xstrdup("/run/tidewaiter/services.json");
        return 0;
    }
    const char *dir = p->env->runtime_dir;
    if (str_empty(dir) || dir[0] != '/' || !str_printable(dir, strlen(dir))) {
        return err_set(p->e, ERR_INVALID, -EINVAL,
                       "no registry given and XDG_RUNTIME_DIR is not an absolute path: name a "
                       "registry (%s)",
                       SCHEMES_ALLOWED);
    }
    struct buf path = BUF_INIT(REGISTRY_URI_MAX);
    buf_printf(&path, "%s/tidewaiter/services.json", dir);
    if (buf_error(&path)) {
        buf_deinit(&path);
        return err_set(p->e, ERR_INVALID, -EINVAL, "XDG_RUNTIME_DIR is too long");
    }
    p->uri->path = buf_take(&path);
    return 0;
}

/* ---- etcd: user:password@ ---- */

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

static int parse_userinfo(struct parser *p, char *info)
{
    char *colon = strchr(info, ':');
    if (!colon || colon == info) {
        return refuse(p, "user", info, "write user:password@HOST, or give the user as an option");
    }
    *colon = '\0';
    char *password = colon + 1;
    if (!percent_decode(info) || !percent_decode(password)) {
        return refuse(p, "user", info, "%XX in user or password is not a printable character");
    }
    p->uri->credentials.user = xstrdup(info);
    p->uri->credentials.password = xstrdup(password);
    p->uri->password_in_text = true;
    return 0;
}

/* ---- etcd: endpoints ---- */

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

static int add_endpoint(struct parser *p, char *text)
{
    static const char form[] = "write HOST[:PORT], IPv6 as [ADDRESS]:PORT, several with commas";
    CLEANUP_FREE char *found = xstrdup(text);
    char *host = text, *port_text = NULL;
    bool v6 = text[0] == '[';
    if (v6) {
        host = text + 1;
        char *end = strchr(host, ']');
        if (!end || (end[1] != '\0' && end[1] != ':')) {
            return refuse(p, "endpoint", found, form);
        }
        *end = '\0';
        port_text = end[1] == ':' ? end + 2 : NULL;
        struct in6_addr addr;
        if (inet_pton(AF_INET6, host, &addr) != 1) {
            return refuse(p, "endpoint", found, "that is not an IPv6 address");
        }
    } else {
        char *colon = strchr(text, ':');
        if (colon) {
            *colon = '\0';
            port_text = colon + 1;
        }
        if (!host_name_ok(host)) {
            return refuse(p, "endpoint", found, form);
        }
    }
    uint16_t port = REGISTRY_ETCD_PORT;
    if (port_text && !str_to_port(port_text, &port)) {
        return refuse(p, "endpoint", found, "the port is a number from 1 to 65535");
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

/* A comma list; ETCDCTL_ENDPOINTS puts a scheme in front of each, which must fit that of the URI. */
static int parse_endpoints(struct parser *p, char *list, bool with_scheme)
{
    for (char *next = list; next;) {
        char *one = next;
        char *comma = strchr(one, ',');
        next = comma ? comma + 1 : NULL;
        if (comma) {
            *comma = '\0';
        }
        if (with_scheme && strstr(one, "://")) {
            const char *want = p->uri->tls ? "https://" : "http://";
            if (!str_starts(one, want)) {
                return refuse(p, "ETCDCTL_ENDPOINTS", one,
                              p->uri->tls ? "etcds:// needs https:// endpoints"
                                          : "for https:// endpoints write etcds://");
            }
            one += strlen(want);
        }
        int r = add_endpoint(p, one);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* ---- etcd: prefix and query ---- */

static int parse_prefix(struct parser *p, char *prefix)
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
    p->uri->prefix = xstrdup(len == 0 ? REGISTRY_PREFIX_DEFAULT : prefix);
    return 0;
}

static int parse_query(struct parser *p, char *query)
{
    bool form_given = false;
    for (char *next = query; next && *next;) {
        char *name = next;
        char *amp = strchr(name, '&');
        next = amp ? amp + 1 : NULL;
        if (amp) {
            *amp = '\0';
        }
        char *equals = strchr(name, '=');
        if (!equals || equals - name != 5 || strncmp(name, "value", 5) != 0) {
            return refuse(p, "option", name, "only ?value=" FORMS_ALLOWED " is known");
        }
        if (form_given) {
            return refuse(p, "option", name, "given twice");
        }
        form_given = true;
        if (!record_form_parse(equals + 1, &p->uri->form)) {
            return refuse(p, "value", equals + 1, "allowed are " FORMS_ALLOWED);
        }
    }
    return 0;
}

static int parse_etcd(struct parser *p, bool tls, const char *rest)
{
    p->uri->scheme = REGISTRY_ETCD;
    p->uri->tls = tls;
    p->uri->form = RECORD_JSON;

    CLEANUP_FREE char *copy = xstrdup(rest);
    char *query = strchr(copy, '?');
    if (query) {
        *query++ = '\0';
    }
    /* The prefix keeps its slash, so the authority is copied out instead of being cut off. */
    size_t authority_len = strcspn(copy, "/");
    CLEANUP_FREE char *authority = xmemdup0(copy, authority_len);
    char *hosts = authority;
    char *at = strrchr(authority, '@');
    int r = 0;
    if (at) {
        *at = '\0';
        hosts = at + 1;
        r = parse_userinfo(p, authority);
    }
    if (r == 0 && *hosts == '\0') {
        if (str_empty(p->env->etcd_endpoints)) {
            return refuse(p, "host", "", "write etcd://HOST[:2379][,HOST…][/PREFIX]");
        }
        CLEANUP_FREE char *list = xstrdup(p->env->etcd_endpoints);
        r = parse_endpoints(p, list, true);
    } else if (r == 0) {
        r = parse_endpoints(p, hosts, false);
    }
    if (r == 0) {
        r = parse_prefix(p, copy + authority_len);
    }
    if (r == 0 && query) {
        r = parse_query(p, query);
    }
    explicit_bzero(copy, strlen(copy));
    explicit_bzero(authority, authority_len);
    return r;
}

/* ---- all ---- */

static int parse_scheme(struct parser *p)
{
    static const struct {
        const char *name;
        enum registry_scheme scheme;
        bool tls;
    } schemes[] = {
        {"file", REGISTRY_FILE, false},
        {"etcd", REGISTRY_ETCD, false},
        {"etcds", REGISTRY_ETCD, true},
    };
    size_t len = strcspn(p->text, ":/");
    CLEANUP_FREE char *name = xmemdup0(p->text, len);
    if (p->text[len] != ':') {
        return refuse(p, "no scheme in", p->text, "allowed are " SCHEMES_ALLOWED);
    }
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (!streq(name, schemes[i].name)) {
            continue;
        }
        const char *rest = p->text + len + 1;
        if (!str_starts(rest, "//")) {
            return err_set(p->e, ERR_INVALID, -EINVAL,
                           "registry URI: \"%s:\" lacks its slashes: write %s", name,
                           schemes[i].scheme == REGISTRY_FILE
                               ? "file:///PATH"
                               : "etcd://HOST[:2379][/PREFIX] (etcds:// for TLS)");
        }
        return schemes[i].scheme == REGISTRY_FILE ? parse_file(p, rest + 2)
                                                  : parse_etcd(p, schemes[i].tls, rest + 2);
    }
    return refuse(p, "unknown scheme", name, "allowed are " SCHEMES_ALLOWED);
}

int registry_uri_parse(struct registry_uri *ret, const char *text,
                       const struct registry_uri_env *env, struct err *e)
{
    struct registry_uri uri = REGISTRY_URI_NULL;
    struct parser p = {.uri = &uri, .env = env, .text = text, .e = e};
    int r;
    if (str_empty(text)) {
        r = parse_default(&p);
    } else if (strlen(text) > REGISTRY_URI_MAX) {
        r = err_set(e, ERR_INVALID, -EINVAL, "registry URI: longer than %d bytes",
                    REGISTRY_URI_MAX);
    } else if (!str_printable(text, strlen(text))) {
        r = err_set(e, ERR_INVALID, -EINVAL, "registry URI: holds a control character");
    } else {
        r = parse_scheme(&p);
    }
    if (r < 0) {
        registry_uri_deinit(&uri);
        return r;
    }
    *ret = uri;
    return 0;
}

void registry_uri_format(const struct registry_uri *uri, struct buf *out)
{
    if (uri->scheme == REGISTRY_FILE) {
        buf_printf(out, "file://%s", uri->path);
        return;
    }
    buf_puts(out, uri->tls ? "etcds://" : "etcd://");
    for (size_t i = 0; i < uri->n_endpoints; i++) {
        const char *host = strstr(uri->endpoints[i], "://");
        buf_printf(out, "%s%s", i ? "," : "", host + 3);
    }
    buf_printf(out, "%s?value=%s", uri->prefix, record_form_name(uri->form));
}
