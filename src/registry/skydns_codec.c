/*
 * Values of the SkyDNS layout, as CoreDNS' msg.Service has them.
 *
 * Happy path: {"host","port","priority","weight","ttl"}, numbers as integers; what is not set is left out.
 * Failure: a host that would not fit into a DNS answer is refused, a bad priority left out and named.
 * Reading refuses what is no address with a port (text, A records alone), with the reason.
 * Not here: Group, targetstrip and mail, which no server behind a proxy has any use for.
 */
#include "registry/skydns_codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "registry/record.h"
#include "tidewaiter/registry.h"

#define HASH_DIGITS 8

/* ---- writing ---- */

static bool is_address(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

/* Labels of letters, digits, '-' and '_'; a dot at the end is taken. */
static bool is_dns_name(const char *host)
{
    size_t len = strlen(host), label = 0;
    if (len > 0 && host[len - 1] == '.') {
        len--;
    }
    if (len == 0 || len > SKYDNS_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = str_lower_char(host[i]);
        if (c == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') ||
                   ++label > SKYDNS_LABEL_MAX) {
            return false;
        }
    }
    return label > 0;
}

/* 1 when svc has a good priority, 0 without one, -EINVAL for a bad one. */
static int priority_of(const struct service *svc, uint64_t *ret, struct err *e)
{
    const char *text = service_attr_get(svc, SKYDNS_PRIORITY);
    if (str_empty(text)) {
        return 0;
    }
    if (!str_to_u64(text, 0, SKYDNS_PRIORITY_MAX, ret)) {
        return err_set(
            e, ERR_INVALID, -EINVAL,
            "SERVICE_PRIORITY is \"%.32s\", not a number from 0 to %d: the record has none", text,
            SKYDNS_PRIORITY_MAX);
    }
    return 1;
}

int skydns_encode(const struct service *svc, unsigned ttl_s, bool bare, struct buf *out,
                  struct err *e)
{
    const struct service_spec *s = &svc->s;
    struct json_writer w;
    uint64_t priority = 0;
    if (!is_address(s->host) && !is_dns_name(s->host)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "the address \"%s\" of %s is neither an IP address nor a DNS name", s->host,
                       s->id);
    }
    if (!bare && (s->weight == 0 || s->status == SERVICE_CRITICAL)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "no traffic is wanted for %s (%s), and DNS can say so only by having no "
                       "record of it",
                       s->id, s->weight == 0 ? "weight 0" : "critical");
    }
    int has_priority = bare ? 0 : priority_of(svc, &priority, e);
    json_begin(&w, out);
    json_object(&w);
    json_field_str(&w, "host", s->host);
    json_field_int(&w, "port", s->port);
    if (has_priority > 0) {
        json_field_int(&w, "priority", (int64_t)priority);
    }
    if (!bare && s->weight != SERVICE_WEIGHT_UNSET) {
        json_field_int(&w, "weight", s->weight);
    }
    if (!bare && ttl_s > 0) {
        json_field_int(&w, "ttl", ttl_s);
    }
    json_object_end(&w);
    if (buf_error(out)) {
        return err_set(e, ERR_INVALID, -EMSGSIZE, "the record of %s is too long", s->id);
    }
    return has_priority < 0 ? REGISTRY_ENCODED_PARTLY : 0;
}

/* ---- reading ---- */

/* Our ids are node-container-port[-proto][-hash]; Registrator's have ':' there. */
static enum service_proto proto_of(const char *id)
{
    static const enum service_proto other[] = {SERVICE_UDP, SERVICE_SCTP};
    size_t len = strlen(id);
    if (len > HASH_DIGITS && id[len - HASH_DIGITS - 1] == '-' &&
        strspn(id + len - HASH_DIGITS, "0123456789abcdef") == HASH_DIGITS) {
        len -= HASH_DIGITS + 1;
    }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        const char *name = service_proto_name(other[i]);
        size_t n = strlen(name);
        if (len > n + 1 && memcmp(id + len - n, name, n) == 0 && strchr("-:", id[len - n - 1]) &&
            id[len - n - 2] >= '0' && id[len - n - 2] <= '9') {
            return other[i];
        }
    }
    return SERVICE_TCP;
}

/* Optional whole number; *io stays when it is absent. */
static int read_number(const json *j, const char *name, int64_t max, int64_t *io, struct err *e)
{
    int64_t value = 0;
    if (!json_get(j, name)) {
        return 0;
    }
    if (!json_int64_text(j, name, &value) || value < 0 || value > max) {
        return err_set(e, ERR_INVALID, -EINVAL, "\"%s\" is not a whole number from 0 to %" PRId64,
                       name, max);
    }
    *io = value;
    return 0;
}

static int read_host(const json *j, const char **ret, struct err *e)
{
    if (!json_get(j, "host") && json_get(j, "text")) {
        return err_set(e, ERR_INVALID, -EINVAL, "a text record, without a host");
    }
    int r = json_need_str(j, "record", "host", ret, e);
    return r < 0 ? r : record_host_check(*ret, strlen(*ret), e);
}

static int read_value(struct service **ret, const char *name, const char *id, const json *j,
                      struct err *e)
{
    struct service_spec spec = {.name = name,
                                .id = id,
                                .proto = proto_of(id),
                                .status = SERVICE_PASSING,
                                .weight = SERVICE_WEIGHT_UNSET};
    int64_t port = 0, weight = SERVICE_WEIGHT_UNSET, priority = -1;
    int r;
    if ((r = read_host(j, &spec.host, e)) < 0 ||
        (r = read_number(j, "port", UINT16_MAX, &port, e)) < 0 ||
        (r = read_number(j, "weight", INT_MAX, &weight, e)) < 0 ||
        (r = read_number(j, "priority", SKYDNS_PRIORITY_MAX, &priority, e)) < 0) {
        return r;
    }
    if (port == 0) {
        return err_set(e, ERR_INVALID, -EINVAL, "an address without a port");
    }
    char digits[24];
    struct service_attr attr = {.key = SKYDNS_PRIORITY, .value = digits};
    if (priority >= 0) {
        snprintf(digits, sizeof(digits), "%" PRId64, priority);
        spec.attrs = &attr;
        spec.n_attrs = 1;
    }
    spec.port = (uint16_t)port;
    spec.weight = (int)weight;
    return service_new(ret, &spec, e);
}

int skydns_decode(struct service **ret, const char *name, const char *id, const char *value,
                  size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r;
    if (len > RECORD_VALUE_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL, "a value of %zu bytes", len);
    }
    if ((r = record_text_check(value, len, e)) < 0 || (r = json_parse(&j, value, len, e)) < 0) {
        return r;
    }
    if (!json_is_object(j)) {
        return err_set(e, ERR_INVALID, -EINVAL, "a record is not an object");
    }
    return read_value(ret, name, id, j, e);
}
