/*
 * Parsing of registry URIs.
 *
 * Happy path: the scheme picks a parser (uri_etcd.c, uri_consul.c, file here), which fills a URI that is
 * built aside and handed out only when it is whole.
 * Failure: a message that says what was found and what is allowed. A text that has an '@' may hold a
 * password anywhere (an unescaped '/' in one moves every boundary), so none of its parts are quoted.
 * It resolves no names, reads no environment and checks no files.
 */
#include "registry/uri.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/uri_internal.h"

#define SCHEMES_ALLOWED                                                                            \
    "file, etcd, etcds, skydns (skydns2), skydnss, consul, consuls (consul-tls), consul-unix, "    \
    "consulkv, consulkvs (consulkv-tls), consulkv-unix"

static int parse_file(struct uri_parser *p, const char *text);

/* The first name of each kind is the one that registry_uri_format() writes. */
static const struct scheme {
    const char *name;
    enum registry_scheme scheme;
    bool tls, unix_socket;
    int (*parse)(struct uri_parser *p, const char *text);
    const char *form;
} schemes[] = {
    {"file", REGISTRY_FILE, false, false, parse_file, "file:///PATH"},
    {"etcd", REGISTRY_ETCD, false, false, uri_parse_etcd,
     "etcd://HOST[:2379][/PREFIX] (etcds:// for TLS)"},
    {"etcds", REGISTRY_ETCD, true, false, uri_parse_etcd, "etcds://HOST[:2379][/PREFIX]"},
    {"skydns", REGISTRY_SKYDNS, false, false, uri_parse_skydns, "skydns://HOST[:2379]/DOMAIN"},
    {"skydnss", REGISTRY_SKYDNS, true, false, uri_parse_skydns, "skydnss://HOST[:2379]/DOMAIN"},
    {"skydns2", REGISTRY_SKYDNS, false, false, uri_parse_skydns, "skydns2://HOST[:2379]/DOMAIN"},
    {"consul", REGISTRY_CONSUL, false, false, uri_parse_consul, "consul://HOST[:8500]"},
    {"consuls", REGISTRY_CONSUL, true, false, uri_parse_consul, "consuls://HOST[:8500]"},
    {"consul-tls", REGISTRY_CONSUL, true, false, uri_parse_consul, "consul-tls://HOST[:8500]"},
    {"consul-unix", REGISTRY_CONSUL, false, true, uri_parse_consul_unix, "consul-unix:///PATH"},
    {"consulkv", REGISTRY_CONSULKV, false, false, uri_parse_consulkv,
     "consulkv://HOST[:8500]/PREFIX"},
    {"consulkvs", REGISTRY_CONSULKV, true, false, uri_parse_consulkv,
     "consulkvs://HOST[:8500]/PREFIX"},
    {"consulkv-tls", REGISTRY_CONSULKV, true, false, uri_parse_consulkv,
     "consulkv-tls://HOST[:8500]/PREFIX"},
    {"consulkv-unix", REGISTRY_CONSULKV, false, true, uri_parse_consulkv_unix,
     "consulkv-unix:///PATH:/PREFIX"},
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
    free(take_ptr(uri->unix_socket));
    free(take_ptr(uri->prefix));
    free(take_ptr(uri->domain));
    free(take_ptr(uri->datacenter));
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
    wipe(&uri->credentials.token);
}

int uri_refuse(const struct uri_parser *p, const char *what, const char *found, const char *allowed)
{
    bool secret = strchr(p->text, '@') || strchr(found, '@');
    return err_set(p->e, ERR_INVALID, -EINVAL, "registry URI: %s \"%s\": %s", what,
                   secret ? "(not shown: the text may hold a password)" : found, allowed);
}

/* ---- file ---- */

static int parse_file(struct uri_parser *p, const char *text)
{
    if (text[0] != '/' || text[1] == '\0') {
        return uri_refuse(p, "path", text, "write file:///PATH with an absolute path of a file");
    }
    if (strchr(text, '?')) {
        return uri_refuse(p, "path", text, "file:// takes no ?options");
    }
    p->uri->path = xstrdup(text);
    return 0;
}

static int parse_default(struct uri_parser *p)
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
                       "registry; its scheme is one of " SCHEMES_ALLOWED);
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

/* ---- all ---- */

static int parse_scheme(struct uri_parser *p)
{
    size_t len = strcspn(p->text, ":/");
    CLEANUP_FREE char *name = xmemdup0(p->text, len);
    if (p->text[len] != ':') {
        return uri_refuse(p, "no scheme in", p->text, "allowed are " SCHEMES_ALLOWED);
    }
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        const struct scheme *s = &schemes[i];
        if (strcasecmp(name, s->name) != 0) {
            continue;
        }
        const char *rest = p->text + len + 1;
        if (!str_starts(rest, "//")) {
            return err_set(p->e, ERR_INVALID, -EINVAL,
                           "registry URI: \"%s:\" lacks its slashes: write %s", name, s->form);
        }
        p->uri->scheme = s->scheme;
        p->uri->tls = s->tls;
        return s->parse(p, rest + 2);
    }
    if (streq(name, "zookeeper")) {
        return err_set(
            p->e, ERR_INVALID, -EINVAL,
            "registry URI: scheme \"zookeeper\" is not supported: allowed are " SCHEMES_ALLOWED);
    }
    return uri_refuse(p, "unknown scheme", name, "allowed are " SCHEMES_ALLOWED);
}

int registry_uri_parse(struct registry_uri *ret, const char *text,
                       const struct registry_uri_env *env, struct err *e)
{
    struct registry_uri uri = REGISTRY_URI_NULL;
    struct uri_parser p = {.uri = &uri, .env = env, .text = text, .e = e};
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

/* ---- for people ---- */

static const char *scheme_name(const struct registry_uri *uri)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        const struct scheme *s = &schemes[i];
        if (s->scheme == uri->scheme && s->tls == uri->tls &&
            s->unix_socket == (uri->unix_socket != NULL)) {
            return s->name;
        }
    }
    must(!"a URI of no scheme");
    return "";
}

static void format_where(const struct registry_uri *uri, struct buf *out)
{
    if (uri->unix_socket) {
        buf_puts(out, uri->unix_socket);
    }
    for (size_t i = 0; i < uri->n_endpoints; i++) {
        const char *host = strstr(uri->endpoints[i], "://");
        buf_printf(out, "%s%s", i ? "," : "", host + 3);
    }
    switch (uri->scheme) {
    case REGISTRY_ETCD:
        buf_puts(out, *uri->prefix ? uri->prefix : "/");
        break;
    case REGISTRY_SKYDNS:
        buf_printf(out, "/%s", uri->domain);
        break;
    case REGISTRY_CONSULKV:
        buf_printf(out, "%s/%s", uri->unix_socket ? ":" : "", uri->prefix);
        break;
    case REGISTRY_FILE:
    case REGISTRY_CONSUL:
        break;
    }
}

void registry_uri_format(const struct registry_uri *uri, struct buf *out)
{
    const char *sep = "?";
    buf_printf(out, "%s://", scheme_name(uri));
    if (uri->scheme == REGISTRY_FILE) {
        buf_puts(out, uri->path);
        return;
    }
    format_where(uri, out);
    if (uri->scheme == REGISTRY_ETCD || uri->scheme == REGISTRY_CONSULKV) {
        buf_printf(out, "%svalue=%s", sep, record_form_name(uri->form));
        sep = "&";
    }
    if (uri->datacenter) {
        buf_printf(out, "%sdc=%s", sep, uri->datacenter);
        sep = "&";
    }
    if (uri->stale) {
        buf_printf(out, "%sstale=true", sep);
    }
}
