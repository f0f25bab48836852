/*
 * Attributes of a service → its checks in Consul.
 *
 * Happy path: for each kind that is asked for, one function fills what is its own (URL, command, TTL),
 * then comes what all share: interval, timeout, first status, id, notes.
 *
 * Failure modes: Consul refuses the whole service for one bad duration or status, so every value is
 * checked here. A check that cannot be formed is left out; an option that makes no sense is left out of
 * its check. Each of these is told, the rest goes on.
 *
 * Not here: whether a check will ever pass.
 */
#include "registry/consul_check.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_check_args.h"
#include "registry/consul_check_notes.h"
#include "registry/consul_check_parts.h"
#include "registry/consul_remark.h"

#include <string.h>

#define PREFIX           "check_"
#define INTERVAL_DEFAULT "10s"
#define TTL_MIN          ((msec_t)MSEC_PER_SEC)
#define TTL_MAX          ((msec_t)8760 * 3600 * MSEC_PER_SEC) /* a year */

struct maker {
    struct consul_checks *checks;
    const struct service *svc;
    enum registry_dialect dialect;
    struct arena *arena;
    struct consul_remarks *remarks;
};

/* Fills what is this kind's own; false when the check is left out, after a remark. */
typedef bool (*make_fn)(struct maker *m, struct consul_check *c, const char *value);

static const char *attr(const struct maker *m, const char *key)
{
    const char *value = service_attr_get(m->svc, key);
    return str_empty(value) ? NULL : value;
}

/* A switch: any text in the dialect of registrator, anything but a clear no otherwise. */
static bool is_on(const struct maker *m, const char *value)
{
    bool on = true;
    if (!value) {
        return false;
    }
    return m->dialect == REGISTRY_REGISTRATOR || !str_to_bool(value, &on) || on;
}

/* NULL, after a remark, when the text is no duration, or is none at all where there must be one. */
static const char *duration(struct maker *m, const char *key, const char *value, bool positive)
{
    msec_t ms = 0;
    uint64_t seconds = 0;
    if (!consul_duration_parse(value, &ms)) {
        if (str_to_u64(value, 0, UINT32_MAX, &seconds)) {
            consul_remark(m->remarks, "%s \"%.32s\" has no unit: write %.32ss", key, value, value);
        } else {
            consul_remark(m->remarks, "%s \"%.32s\" is no duration such as 10s, 500ms or 1m30s",
                          key, value);
        }
        return NULL;
    }
    if (positive && ms == 0) {
        consul_remark(m->remarks, "%s \"%.32s\" has to be more than 0", key, value);
        return NULL;
    }
    return value;
}

/* The service's address, or NULL after a remark where it is that of Consul's node. */
static const char *address(struct maker *m, const char *key)
{
    const struct service_spec *s = &m->svc->s;
    if (str_empty(s->host)) {
        consul_remark(m->remarks,
                      "%s needs the service's address, which is left to Consul's node here", key);
        return NULL;
    }
    return arena_printf(m->arena, strchr(s->host, ':') ? "[%s]:%u" : "%s:%u", s->host, s->port);
}

static bool url(struct maker *m, struct consul_check *c, const char *scheme, const char *key,
                const char *path)
{
    const char *at = address(m, key);
    if (!at) {
        return false;
    }
    if (!str_printable(path, strlen(path))) {
        consul_remark(m->remarks, "%s holds a control character", key);
        return false;
    }
    const char *slash = strchr("/?#", path[0]) ? "" : "/";
    c->http = arena_printf(m->arena, "%s://%s%s%s", scheme, at, slash, path);
    const char *method_key = arena_printf(m->arena, "%s_method", key);
    const char *method = attr(m, method_key);
    if (method && consul_method_valid(method)) {
        c->method = method;
    } else if (method) {
        consul_remark(m->remarks, "%s \"%.32s\" is no method such as GET or HEAD", method_key,
                      method);
    }
    const char *header_key = arena_printf(m->arena, "%s_header", key);
    const char *headers = m->dialect == REGISTRY_NATIVE ? attr(m, header_key) : NULL;
    if (headers) {
        c->n_headers = consul_headers_split(headers, header_key, m->arena, &c->headers, m->remarks);
    }
    return true;
}

static bool make_http(struct maker *m, struct consul_check *c, const char *value)
{
    return url(m, c, "http", "check_http", value);
}

static bool make_https(struct maker *m, struct consul_check *c, const char *value)
{
    c->tls_skip_verify =
        m->dialect == REGISTRY_NATIVE && is_on(m, attr(m, "check_tls_skip_verify"));
    return url(m, c, "https", "check_https", value);
}

static bool make_tcp(struct maker *m, struct consul_check *c, const char *value)
{
    c->tcp = address(m, "check_tcp");
    return c->tcp;
}

static bool make_grpc(struct maker *m, struct consul_check *c, const char *value)
{
    c->grpc = address(m, "check_grpc");
    c->grpc_tls = is_on(m, attr(m, "check_grpc_use_tls"));
    c->tls_skip_verify = c->grpc_tls && is_on(m, attr(m, "check_tls_skip_verify"));
    return c->grpc;
}

static bool make_ttl(struct maker *m, struct consul_check *c, const char *value)
{
    msec_t ttl = 0;
    if (!duration(m, "check_ttl", value, true)) {
        return false;
    }
    if (!consul_duration_parse(value, &ttl) || ttl < TTL_MIN || ttl > TTL_MAX) {
        consul_remark(m->remarks, "check_ttl \"%.32s\" is not between 1s and 8760h", value);
        return false;
    }
    c->ttl = ttl;
    return true;
}

/* Of HEALTH and WEIGHT. */
static bool make_status(struct maker *m, struct consul_check *c, const char *value)
{
    c->ttl = TTL_MAX;
    return true;
}

static bool split_args(struct maker *m, struct consul_check *c, const char *key, const char *value)
{
    struct err e = ERR_INIT;
    if (consul_args_split(value, m->arena, &c->args, &e) < 0) {
        consul_remark(m->remarks, "%s \"%.64s\": %s", key, value, e.msg);
        return false;
    }
    return true;
}

static const char **words(struct maker *m, const char *const *list, size_t n)
{
    const char **args = arena_alloc(m->arena, (n + 1) * sizeof(*args));
    for (size_t i = 0; i < n; i++) {
        args[i] = list[i];
    }
    return args;
}

static bool make_script(struct maker *m, struct consul_check *c, const char *value)
{
    if (strstr(value, "$SERVICE_IP") && !address(m, "check_script")) {
        return false;
    }
    if (m->dialect == REGISTRY_REGISTRATOR && !strpbrk(value, " \t\r\n")) {
        c->args = words(m, &value, 1);
    } else if (!split_args(m, c, "check_script", value)) {
        return false;
    }
    size_t n = 0;
    while (c->args[n]) {
        n++;
    }
    const char **args = words(m, c->args, n);
    for (size_t i = 0; i < n; i++) {
        args[i] = consul_script_word(args[i], m->svc, m->arena);
    }
    c->args = args;
    return true;
}

static bool make_cmd(struct maker *m, struct consul_check *c, const char *value)
{
    const char *port = consul_container_port(m->svc->s.id, m->arena);
    if (!port || str_empty(m->svc->s.container)) {
        consul_remark(m->remarks, "check_cmd needs the container's id and port, and SERVICE_ID "
                                  "hides the port: leave it to the default id");
        return false;
    }
    const char *const list[] = {"check-cmd", arena_printf(m->arena, "%.12s", m->svc->s.container),
                                port, value};
    c->args = words(m, list, ARRAY_LEN(list));
    return true;
}

static bool make_docker(struct maker *m, struct consul_check *c, const char *value)
{
    if (str_empty(m->svc->s.container)) {
        consul_remark(m->remarks, "check_docker needs the container's id");
        return false;
    }
    c->container = m->svc->s.container;
    return split_args(m, c, "check_docker", value);
}

/* Scripts have no timeout in registrator. */
static const struct kind {
    const char *name, *key;
    make_fn make;
    bool is_switch; /* the value says only whether, not what */
    bool runs;      /* by Consul, at an interval */
    bool connects;
} kinds[] = {
    [CONSUL_CHECK_HTTP] = {"http", "check_http", make_http, false, true, true},
    [CONSUL_CHECK_HTTPS] = {"https", "check_https", make_https, false, true, true},
    [CONSUL_CHECK_TCP] = {"tcp", "check_tcp", make_tcp, true, true, true},
    [CONSUL_CHECK_GRPC] = {"grpc", "check_grpc", make_grpc, true, true, true},
    [CONSUL_CHECK_TTL] = {"ttl", "check_ttl", make_ttl, false, false, false},
    [CONSUL_CHECK_SCRIPT] = {"script", "check_script", make_script, false, true, false},
    [CONSUL_CHECK_CMD] = {"cmd", "check_cmd", make_cmd, false, true, false},
    [CONSUL_CHECK_DOCKER] = {"docker", "check_docker", make_docker, false, true, false},
    [CONSUL_CHECK_HEALTH] = {"health", NULL, make_status, false, false, false},
    [CONSUL_CHECK_WEIGHT] = {"weight", NULL, make_status, false, false, false},
};

/* ---- what all kinds share ---- */

/* The status that the check starts with. */
static const char *first_status(struct maker *m)
{
    const char *value = attr(m, "check_initial_status");
    enum service_status status;
    if (value && !service_status_parse(value, &status)) {
        consul_remark(m->remarks,
                      "check_initial_status \"%.32s\" is not passing, warning or critical", value);
        return NULL;
    }
    return value;
}

static const char *optional_duration(struct maker *m, const char *key, bool positive)
{
    const char *value = attr(m, key);
    return value ? duration(m, key, value, positive) : NULL;
}

static void add(struct maker *m, enum consul_check_kind kind)
{
    must(m->checks->n < CONSUL_CHECKS_MAX);
    const struct kind *k = &kinds[kind];
    struct consul_check c = {.kind = kind};
    bool native = m->dialect == REGISTRY_NATIVE;
    if (!k->make(m, &c, k->key ? attr(m, k->key) : NULL)) {
        return;
    }
    if (k->runs) {
        c.interval = optional_duration(m, "check_interval", true);
        c.interval = c.interval ? c.interval : INTERVAL_DEFAULT;
        c.timeout = native || k->connects ? optional_duration(m, "check_timeout", false) : NULL;
        c.status = first_status(m);
    } else {
        c.status =
            service_status_name(kind == CONSUL_CHECK_WEIGHT ? SERVICE_CRITICAL : m->svc->s.status);
    }
    if (k->key) {
        c.deregister_after = optional_duration(m, "check_deregister_after", false);
    }
    c.id = native ? arena_printf(m->arena, "service:%s:%s", m->svc->s.id, k->name)
                  : arena_printf(m->arena, "service:%s", m->svc->s.id);
    c.name = native ? k->name : NULL;
    c.notes = consul_check_notes_make(&c, m->arena);
    m->checks->items[m->checks->n++] = c;
}

static void make_native(struct maker *m)
{
    bool has_ttl = false;
    for (size_t i = 0; i < CONSUL_CHECK_HEALTH; i++) {
        const char *value = attr(m, kinds[i].key);
        if (value && (!kinds[i].is_switch || is_on(m, value))) {
            size_t before = m->checks->n;
            add(m, (enum consul_check_kind)i);
            has_ttl = has_ttl || (i == CONSUL_CHECK_TTL && m->checks->n > before);
        }
    }
    if (m->svc->s.status != SERVICE_PASSING && !has_ttl) {
        add(m, CONSUL_CHECK_HEALTH);
    }
    if (m->svc->s.weight == 0) {
        add(m, CONSUL_CHECK_WEIGHT);
    }
}

static void make_registrator(struct maker *m)
{
    static const enum consul_check_kind order[] = {
        CONSUL_CHECK_HTTP, CONSUL_CHECK_HTTPS, CONSUL_CHECK_CMD,  CONSUL_CHECK_SCRIPT,
        CONSUL_CHECK_TTL,  CONSUL_CHECK_TCP,   CONSUL_CHECK_GRPC,
    };
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (attr(m, kinds[order[i]].key)) {
            add(m, order[i]);
            return;
        }
    }
}

static bool is_option(const char *key)
{
    static const char *const options[] = {
        "check_http_method",      "check_http_header",  "check_https_method",
        "check_https_header",     "check_grpc_use_tls", "check_tls_skip_verify",
        "check_interval",         "check_timeout",      "check_initial_status",
        "check_deregister_after",
    };
    for (size_t i = 0; i < CONSUL_CHECK_HEALTH; i++) {
        if (streq(key, kinds[i].key)) {
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (streq(key, options[i])) {
            return true;
        }
    }
    return false;
}

bool consul_check_is_attr(const char *key)
{
    return str_starts(key, PREFIX);
}

void consul_checks_make(struct consul_checks *ret, const struct service *svc,
                        enum registry_dialect dialect, struct arena *a,
                        struct consul_remarks *remarks)
{
    struct consul_checks checks = {.n = 0};
    struct maker m = {
        .checks = &checks, .svc = svc, .dialect = dialect, .arena = a, .remarks = remarks};
    if (dialect == REGISTRY_REGISTRATOR) {
        make_registrator(&m);
    } else {
        make_native(&m);
        for (size_t i = 0; i < svc->s.n_attrs; i++) {
            if (consul_check_is_attr(svc->s.attrs[i].key) && !is_option(svc->s.attrs[i].key)) {
                consul_remark(remarks, "%.64s is no attribute of checks", svc->s.attrs[i].key);
            }
        }
    }
    *ret = checks;
}
