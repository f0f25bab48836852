/*
 * etcd:// and skydns://: comma lists of endpoints, then a prefix or a domain.
 *
 * Happy path: endpoints from the text, else from ETCDCTL_ENDPOINTS, else the local etcd; the prefix as
 * it is written, or the domain's labels in reverse below /skydns. Failure: refused, with what is
 * allowed; a domain that is no DNS name is refused here, so that no key can leave the tree.
 */
#include "registry/uri_internal.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"

#define DOMAIN_MAX 253
#define LABEL_MAX  63

/* ---- endpoints ---- */

static const char *etcd_scheme(const struct uri_parser *p)
{
    bool skydns = p->uri->scheme == REGISTRY_SKYDNS;
    return p->uri->tls ? (skydns ? "skydnss" : "etcds") : (skydns ? "skydns" : "etcd");
}

/* ETCDCTL_ENDPOINTS puts a scheme in front of each, which must fit that of the URI. */
static int strip_scheme(struct uri_parser *p, char **one)
{
    if (!strstr(*one, "://")) {
        return 0;
    }
    const char *want = p->uri->tls ? "https://" : "http://";
    if (!str_starts(*one, want)) {
        struct buf text = BUF_INIT(80);
        buf_printf(&text,
                   p->uri->tls ? "%s:// needs https:// endpoints"
                               : "for https:// endpoints write %ss://",
                   etcd_scheme(p));
        int r = uri_refuse(p, "ETCDCTL_ENDPOINTS", *one, buf_str(&text));
        buf_deinit(&text);
        return r;
    }
    *one += strlen(want);
    return 0;
}

static int parse_list(struct uri_parser *p, char *list, bool of_environment)
{
    for (char *next = list; next;) {
        char *one = next;
        char *comma = strchr(one, ',');
        next = comma ? comma + 1 : NULL;
        if (comma) {
            *comma = '\0';
        }
        int r = of_environment ? strip_scheme(p, &one) : 0;
        if (r == 0) {
            r = uri_endpoint_add(p, one, REGISTRY_ETCD_PORT);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int parse_endpoints(struct uri_parser *p, char *hosts)
{
    if (*hosts) {
        return parse_list(p, hosts, false);
    }
    bool given = !str_empty(p->env->etcd_endpoints);
    CLEANUP_FREE char *list = xstrdup(given ? p->env->etcd_endpoints : "127.0.0.1");
    return parse_list(p, list, given);
}

/* ---- etcd ---- */

int uri_parse_etcd(struct uri_parser *p, const char *text)
{
    CLEANUP(uri_parts_deinit) struct uri_parts parts = URI_PARTS_NULL;
    p->uri->form = p->env->registrator ? RECORD_ADDR : RECORD_JSON;
    int r = uri_split(p, text, &parts);
    if (r == 0) {
        r = parse_endpoints(p, parts.hosts);
    }
    if (r == 0) {
        r = uri_trim_prefix(p, parts.path);
    }
    if (r < 0) {
        return r;
    }
    const char *without = p->env->registrator ? "" : REGISTRY_PREFIX_DEFAULT;
    p->uri->prefix = xstrdup(*parts.path ? parts.path : without);
    return uri_parse_query(p, parts.query, URI_OPTION_VALUE,
                           "only ?value=json, addr or grpc is known");
}

/* ---- skydns ---- */

static bool label_ok(const char *label, size_t len)
{
    if (len == 0 || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = label[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    return true;
}

/* "/Svc.Local./" → domain "svc.local", prefix "/skydns/local/svc". */
static int parse_domain(struct uri_parser *p, char *path)
{
    static const char allowed[] = "write skydns://HOST[:2379]/DOMAIN, as in skydns://10.0.0.5/"
                                  "svc.local: labels of a-z, 0-9 and '-', at most 63 bytes each";
    CLEANUP_FREE char *found = xstrdup(path);
    int r = uri_trim_prefix(p, path);
    if (r < 0) {
        return r;
    }
    char *domain = *path ? path + 1 : path;
    size_t len = strlen(domain);
    if (len > 0 && domain[len - 1] == '.') {
        domain[--len] = '\0';
    }
    if (len == 0 || len > DOMAIN_MAX) {
        return uri_refuse(p, "domain", found, allowed);
    }
    str_lower(domain);
    struct buf prefix = BUF_INIT(REGISTRY_PREFIX_MAX);
    buf_puts(&prefix, REGISTRY_SKYDNS_ROOT);
    for (size_t end = len; end > 0;) {
        size_t start = end;
        while (start > 0 && domain[start - 1] != '.') {
            start--;
        }
        if (!label_ok(domain + start, end - start) || start == 1) {
            buf_deinit(&prefix);
            return uri_refuse(p, "domain", found, allowed);
        }
        buf_putc(&prefix, '/');
        buf_append(&prefix, domain + start, end - start);
        end = start ? start - 1 : 0;
    }
    must(!buf_error(&prefix)); /* a domain has one byte less than its labels with slashes */
    p->uri->domain = xstrdup(domain);
    p->uri->prefix = buf_take(&prefix);
    return 0;
}

int uri_parse_skydns(struct uri_parser *p, const char *text)
{
    CLEANUP(uri_parts_deinit) struct uri_parts parts = URI_PARTS_NULL;
    int r = uri_split(p, text, &parts);
    if (r == 0) {
        r = parse_endpoints(p, parts.hosts);
    }
    if (r == 0) {
        r = parse_domain(p, parts.path);
    }
    if (r == 0) {
        r = uri_parse_query(p, parts.query, 0, "skydns:// takes no ?options");
    }
    return r;
}
