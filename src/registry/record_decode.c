/*
 * Values of a key-value registry → services.
 *
 * Happy path: the first character tells JSON from host:port, the member "Addr" tells grpc from json.
 * A service spec is filled from the value, its gaps from the id, and service_new() has the last word.
 *
 * Failure modes: whatever is not one of the three forms, or gives a member a wrong type or an
 * impossible value, is refused with the reason; the caller skips that record and goes on. Guessing is
 * limited to what other tools leave out: everything but an address.
 *
 * Not here: whether a name may be an nginx upstream, and what a status means for traffic.
 */
#include "registry/record.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

/* Room for what a spec points at while it is filled. */
struct draft {
    struct service_spec spec;
    char host[SERVICE_HOST_MAX + 1];
    char node[SERVICE_ID_MAX + 1];
    char container[SERVICE_ID_MAX + 1];
    const char *tags[SERVICE_TAGS_MAX];
    struct service_attr attrs[SERVICE_ATTRS_MAX];
};

static int refuse_type(const char *name, const char *wanted, struct err *e)
{
    return err_set(e, ERR_INVALID, -EINVAL, "\"%s\" is not %s", name, wanted);
}

/* node:container:port[:proto]; anything else tells nothing. */
static void derive_from_id(struct draft *d, const char *id)
{
    const char *colon[4] = {NULL};
    size_t n = 0;
    for (const char *p = strchr(id, ':'); p; p = strchr(p + 1, ':')) {
        if (n == 3) {
            return;
        }
        colon[n++] = p;
    }
    if (n < 2 || colon[0] == id || colon[1] == colon[0] + 1 || strlen(id) > SERVICE_ID_MAX) {
        return;
    }
    enum service_proto proto = SERVICE_TCP;
    if (n == 3 && !service_proto_parse(colon[2] + 1, &proto)) {
        return;
    }
    char digits[sizeof("65535")] = "";
    size_t n_digits = n == 3 ? (size_t)(colon[2] - colon[1]) - 1 : strlen(colon[1] + 1);
    uint16_t port = 0;
    if (n_digits < sizeof(digits)) {
        memcpy(digits, colon[1] + 1, n_digits);
    }
    if (!str_to_port(digits, &port)) {
        return;
    }
    memcpy(d->node, id, (size_t)(colon[0] - id));
    memcpy(d->container, colon[0] + 1, (size_t)(colon[1] - colon[0]) - 1);
    d->spec.node = d->node;
    d->spec.container = d->container;
    d->spec.proto = proto;
}

static void draft_init(struct draft *d, const char *name, const char *id)
{
    memset(d, 0, sizeof(*d));
    d->spec.name = name;
    d->spec.id = id;
    d->spec.node = "";
    d->spec.container = "";
    d->spec.proto = SERVICE_TCP;
    d->spec.status = SERVICE_PASSING;
    d->spec.weight = SERVICE_WEIGHT_UNSET;
    d->spec.tags = d->tags;
    d->spec.attrs = d->attrs;
    if (id) {
        derive_from_id(d, id);
    }
}

/* Optional: *io stays when the member is absent. */
static int read_str(const json *j, const char *name, const char **io, struct err *e)
{
    const json *m = json_get(j, name);
    if (!m) {
        return 0;
    }
    if (!json_is_string(m)) {
        return refuse_type(name, "a string", e);
    }
    *io = json_value(m);
    return 0;
}

static int read_tags(const json *j, struct draft *d, struct err *e)
{
    const json *tags = json_get(j, "tags");
    if (tags && !json_is_array(tags)) {
        return refuse_type("tags", "an array", e);
    }
    for (const json *it = json_first(tags); it; it = json_next(it)) {
        if (!json_is_string(it)) {
            return refuse_type("tags", "an array of strings", e);
        }
        if (d->spec.n_tags == SERVICE_TAGS_MAX) {
            return err_set(e, ERR_INVALID, -EINVAL, "more than %d tags", SERVICE_TAGS_MAX);
        }
        d->tags[d->spec.n_tags++] = json_value(it);
    }
    return 0;
}

static int read_attrs(const json *j, struct draft *d, struct err *e)
{
    const json *attrs = json_get(j, "attrs");
    if (attrs && !json_is_object(attrs)) {
        return refuse_type("attrs", "an object", e);
    }
    for (const json *it = json_first(attrs); it; it = json_next(it)) {
        if (!json_is_string(it)) {
            return refuse_type("attrs", "an object of strings", e);
        }
        if (d->spec.n_attrs == SERVICE_ATTRS_MAX) {
            return err_set(e, ERR_INVALID, -EINVAL, "more than %d attributes", SERVICE_ATTRS_MAX);
        }
        d->attrs[d->spec.n_attrs++] =
            (struct service_attr){.key = json_name(it), .value = json_value(it)};
    }
    return 0;
}

static int read_weight(const json *j, struct draft *d, struct err *e)
{
    if (!json_get(j, "weight")) {
        return 0;
    }
    int64_t weight = 0;
    if (!json_int64_text(j, "weight", &weight) || weight < 0 || weight > INT_MAX) {
        return refuse_type("weight", "a whole number of at least 0", e);
    }
    d->spec.weight = (int)weight;
    return 0;
}

/* Everything but the address; j may be NULL. */
static int read_members(const json *j, struct draft *d, struct err *e)
{
    const char *proto = NULL, *status = NULL;
    int r;
    if ((r = read_str(j, "node", &d->spec.node, e)) < 0 ||
        (r = read_str(j, "container", &d->spec.container, e)) < 0 ||
        (r = read_str(j, "proto", &proto, e)) < 0 || (r = read_str(j, "status", &status, e)) < 0 ||
        (r = read_tags(j, d, e)) < 0 || (r = read_attrs(j, d, e)) < 0 ||
        (r = read_weight(j, d, e)) < 0) {
        return r;
    }
    if (proto && !service_proto_parse(proto, &d->spec.proto)) {
        return err_set(e, ERR_INVALID, -EINVAL, "\"proto\" is \"%.32s\", not tcp, udp or sctp",
                       proto);
    }
    if (status && !service_status_parse(status, &d->spec.status)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "\"status\" is \"%.32s\", not passing, warning or critical", status);
    }
    return 0;
}

/* "host" without brackets, though some write them. */
static int read_host(const json *j, struct draft *d, struct err *e)
{
    const char *host = NULL;
    int r = json_need_str(j, "record", "host", &host, e);
    if (r < 0) {
        return r;
    }
    size_t len = strlen(host);
    bool bracketed = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    if (bracketed) {
        host++;
        len -= 2;
    }
    r = record_host_check(host, len, e);
    if (r < 0) {
        return r;
    }
    memcpy(d->host, host, len);
    d->host[len] = '\0';
    d->spec.host = d->host;
    return 0;
}

int record_read(struct service **ret, const char *name, const char *id, const struct cJSON *j,
                struct err *e)
{
    if (!json_is_object(j)) {
        return err_set(e, ERR_INVALID, -EINVAL, "a record is not an object");
    }
    int r;
    if ((!name && (r = json_need_str(j, "record", "name", &name, e)) < 0) ||
        (!id && (r = json_need_str(j, "record", "id", &id, e)) < 0)) {
        return r;
    }
    struct draft d;
    draft_init(&d, name, id);
    if ((r = read_host(j, &d, e)) < 0) {
        return r;
    }
    int64_t port = 0;
    if (!json_int64_text(j, "port", &port) || port < 1 || port > UINT16_MAX) {
        return refuse_type("port", "a number between 1 and 65535", e);
    }
    d.spec.port = (uint16_t)port;
    r = read_members(j, &d, e);
    return r < 0 ? r : service_new(ret, &d.spec, e);
}

static int read_grpc(struct service **ret, const char *name, const char *id, const json *j,
                     struct err *e)
{
    struct draft d;
    draft_init(&d, name, id);
    const char *addr = NULL;
    int r = json_need_str(j, "record", "Addr", &addr, e);
    if (r < 0) {
        return r;
    }
    r = record_addr_parse(addr, strlen(addr), d.host, &d.spec.port, e);
    if (r < 0) {
        return r;
    }
    d.spec.host = d.host;
    /* Other writers put anything there; only an object can be one of ours. */
    const json *meta = json_get(j, "Metadata");
    r = read_members(json_is_object(meta) ? meta : NULL, &d, e);
    return r < 0 ? r : service_new(ret, &d.spec, e);
}

static int read_addr(struct service **ret, const char *name, const char *id, const char *value,
                     size_t len, struct err *e)
{
    struct draft d;
    draft_init(&d, name, id);
    int r = record_addr_parse(value, len, d.host, &d.spec.port, e);
    if (r < 0) {
        return r;
    }
    d.spec.host = d.host;
    return service_new(ret, &d.spec, e);
}

int record_text_check(const char *text, size_t len, struct err *e)
{
    for (size_t at = 0, n; at < len; at += n) {
        n = str_utf8(text + at, len - at, NULL);
        if (n == 0) {
            return err_set(e, ERR_INVALID, -EINVAL, "not UTF-8 at byte %zu of %zu", at, len);
        }
    }
    return 0;
}

int record_decode(struct service **ret, const char *name, const char *id, const char *value,
                  size_t len, struct err *e)
{
    if (len > RECORD_VALUE_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL, "a value of %zu bytes", len);
    }
    size_t at = 0;
    while (at < len && strchr(" \t\r\n", value[at]) && value[at] != '\0') {
        at++;
    }
    if (at == len) {
        return err_set(e, ERR_INVALID, -EINVAL, "an empty value");
    }
    if (value[at] != '{') {
        return read_addr(ret, name, id, value, len, e);
    }
    CLEANUP_JSON json *j = NULL;
    int r = record_text_check(value, len, e);
    if (r < 0) {
        return r;
    }
    r = json_parse(&j, value, len, e);
    if (r < 0) {
        return r;
    }
    if (json_get(j, "Addr") && !json_get(j, "host")) {
        return read_grpc(ret, name, id, j, e);
    }
    return record_read(ret, name, id, j, e);
}
