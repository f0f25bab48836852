/*
 * consul://, consulkv:// and their -unix forms: one Consul agent, by host or by socket.
 *
 * Happy path: the host of the text, else CONSUL_HTTP_ADDR (host:port, http://, https:// or unix://), else
 * the local agent. Failure: refused, with what is allowed. consul:// with a path is refused: it is a
 * prefix of somebody who wanted consulkv://, or a socket.
 */
#include "registry/uri_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/str.h"

#define KV_PREFIX_DEFAULT "services"
#define LOCALHOST         "127.0.0.1"
#define HTTP_PORT         80
#define HTTPS_PORT        443

/* ---- where ---- */

static int set_socket(struct uri_parser *p, const char *path, const char *allowed)
{
    struct sockaddr_un addr;
    if (path[0] != '/' || path[1] == '\0') {
        return uri_refuse(p, "socket", path, allowed);
    }
    if (strlen(path) >= sizeof(addr.sun_path)) {
        return uri_refuse(p, "socket", path, "a socket's path has at most 107 bytes");
    }
    p->uri->unix_socket = xstrdup(path);
    p->uri->tls = false;
    return 0;
}

/*
 * CONSUL_HTTP_ADDR as Consul's own tools read it: https:// asks for TLS, http:// does not take it away
 * from a URI that asks for it, and a URL without a port has that of its scheme.
 */
static int parse_variable(struct uri_parser *p)
{
    static const char allowed[] =
        "CONSUL_HTTP_ADDR is HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:///PATH";
    const char *value = p->env->consul_addr;
    if (!str_printable(value, strlen(value)) || strchr(value, '?')) {
        return uri_refuse(p, "CONSUL_HTTP_ADDR", value, allowed);
    }
    if (str_starts(value, "unix://")) {
        return set_socket(p, value + strlen("unix://"), allowed);
    }
    CLEANUP_FREE char *copy = xstrdup(value);
    char *host = copy;
    uint16_t port = REGISTRY_CONSUL_PORT;
    bool https = str_starts(copy, "https://");
    if (https || str_starts(copy, "http://")) {
        host = strstr(copy, "://") + 3;
        p->uri->tls = p->uri->tls || https;
        port = p->uri->tls ? HTTPS_PORT : HTTP_PORT;
    }
    size_t len = strlen(host);
    if (len > 0 && host[len - 1] == '/') {
        host[--len] = '\0';
    }
    if (len == 0 || strpbrk(host, "/@")) {
        return uri_refuse(p, "CONSUL_HTTP_ADDR", value, allowed);
    }
    struct buf where = BUF_INIT(REGISTRY_URI_MAX);
    buf_printf(&where, "%s%s", *host == ':' ? LOCALHOST : "", host);
    int r = buf_error(&where) ? uri_refuse(p, "CONSUL_HTTP_ADDR", "(too long)", allowed)
                              : uri_endpoint_add(p, where.data, port);
    buf_deinit(&where);
    if (r < 0) {
        err_wrap(p->e, "CONSUL_HTTP_ADDR");
    }
    return r;
}

static int parse_host(struct uri_parser *p, char *hosts)
{
    if (p->env->consul_tls) {
        p->uri->tls = true;
    }
    if (strchr(hosts, ',')) {
        return uri_refuse(p, "host", hosts, "one is allowed: that of a Consul agent");
    }
    if (*hosts) {
        return uri_endpoint_add(p, hosts, REGISTRY_CONSUL_PORT);
    }
    if (!str_empty(p->env->consul_addr)) {
        return parse_variable(p);
    }
    char local[] = LOCALHOST;
    return uri_endpoint_add(p, local, REGISTRY_CONSUL_PORT);
}

static int parse_options(struct uri_parser *p, char *query)
{
    if (p->uri->scheme == REGISTRY_CONSUL) {
        return uri_parse_query(p, query, URI_OPTION_DC | URI_OPTION_STALE,
                               "known are dc=NAME and stale=true");
    }
    return uri_parse_query(
        p, query, URI_OPTION_VALUE | URI_OPTION_DC | URI_OPTION_STALE,
        "known are value=json, value=addr or value=grpc, dc=NAME and stale=true");
}

/* The text of a -unix scheme has no host: [user:password@]/PATH. */
static int split_socket(struct uri_parser *p, const char *text, struct uri_parts *parts,
                        const char *form)
{
    int r = uri_split(p, text, parts);
    if (r == 0 && *parts->hosts) {
        return uri_refuse(p, "socket", text, form);
    }
    return r;
}

/* ---- consul ---- */

int uri_parse_consul(struct uri_parser *p, const char *text)
{
    CLEANUP(uri_parts_deinit) struct uri_parts parts = URI_PARTS_NULL;
    int r = uri_split(p, text, &parts);
    if (r == 0 && *parts.path && !streq(parts.path, "/")) {
        return uri_refuse(p, "path", parts.path,
                          "consul:// takes none; for keys write consulkv://HOST[:8500]/PREFIX");
    }
    if (r == 0) {
        r = parse_host(p, parts.hosts);
    }
    return r == 0 ? parse_options(p, parts.query) : r;
}

int uri_parse_consul_unix(struct uri_parser *p, const char *text)
{
    static const char form[] = "write consul-unix:///PATH with the absolute path of a socket";
    CLEANUP(uri_parts_deinit) struct uri_parts parts = URI_PARTS_NULL;
    int r = split_socket(p, text, &parts, form);
    if (r == 0) {
        r = set_socket(p, parts.path, form);
    }
    return r == 0 ? parse_options(p, parts.query) : r;
}

/* ---- consulkv ---- */

/* Consul's HTTP server redirects paths with such segments elsewhere. */
static bool is_plain_path(const char *path)
{
    for (;;) {
        size_t len = strcspn(path, "/");
        if (len == 0 || (len <= 2 && memcmp(path, "..", len) == 0)) {
            return false;
        }
        path += len;
        if (*path++ == '\0') {
            return true;
        }
    }
}

/* "/a/b", "/a/b/", "/" or "". Consul's keys begin without a slash. */
static int set_prefix(struct uri_parser *p, char *prefix)
{
    CLEANUP_FREE char *found = xstrdup(prefix);
    prefix += *prefix == '/';
    size_t len = strlen(prefix);
    if (len > 0) {
        prefix[len - 1] = prefix[len - 1] == '/' ? '\0' : prefix[len - 1];
        if (!is_plain_path(prefix)) {
            return uri_refuse(p, "prefix", found,
                              "names with one '/' between them are allowed, none of them \".\" or "
                              "\"..\"");
        }
    }
    int r = uri_trim_prefix(p, prefix);
    if (r < 0) {
        return r;
    }
    p->uri->prefix = xstrdup(*prefix ? prefix : KV_PREFIX_DEFAULT);
    return 0;
}

static void set_form(struct uri_parser *p)
{
    p->uri->form = p->env->registrator ? RECORD_ADDR : RECORD_JSON;
}

int uri_parse_consulkv(struct uri_parser *p, const char *text)
{
    CLEANUP(uri_parts_deinit) struct uri_parts parts = URI_PARTS_NULL;
    set_form(p);
    int r = uri_split(p, text, &parts);
    if (r == 0) {
        r = parse_host(p, parts.hosts);
    }
    if (r == 0) {
        r = set_prefix(p, parts.path);
    }
    return r == 0 ? parse_options(p, parts.query) : r;
}

int uri_parse_consulkv_unix(struct uri_parser *p, const char *text)
{
    static const char form[] = "write consulkv-unix:///PATH:/PREFIX with the path of a socket";
    CLEANUP(uri_parts_deinit) struct uri_parts parts = URI_PARTS_NULL;
    char none[] = "";
    set_form(p);
    int r = split_socket(p, text, &parts, form);
    if (r < 0) {
        return r;
    }
    char *colon = strstr(parts.path, ":/");
    if (colon) {
        *colon = '\0';
    }
    r = set_socket(p, parts.path, form);
    if (r == 0) {
        r = set_prefix(p, colon ? colon + 1 : none);
    }
    return r == 0 ? parse_options(p, parts.query) : r;
}
