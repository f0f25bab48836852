/*
 * A service → the body of PUT /v1/agent/service/register, and its digest.
 *
 * Happy path: identity, address, Meta, weights and checks are written in that order; the body is read
 * again for the digest, by the same code that reads Consul's listings.
 *
 * Failure modes: Consul refuses the whole service for one pair of Meta beyond its limits, so those are
 * left out, and each is told. An address that means "any" is refused: nobody could connect to it. A
 * body that the caller's buffer does not take is -EMSGSIZE.
 */
#include "registry/consul_service.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_digest.h"
#include "registry/consul_remark.h"
#include "registry/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define TAG_OVERRIDE "enable_tag_override"
#define RESERVED     "consul-"
#define WEIGHT_MAX   65535 /* of DNS, and so of Consul */

static bool is_any_address(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    return (inet_pton(AF_INET, host, &v4) == 1 && v4.s_addr == INADDR_ANY) ||
           (inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6));
}

/* As many bytes as the text has in JSON: what is not UTF-8 becomes a character of three. */
static size_t json_text_len(const char *s)
{
    size_t total = 0;
    for (size_t len = strlen(s); len > 0;) {
        size_t n = str_utf8(s, len, NULL);
        total += n > 0 ? n : 3;
        n = n > 0 ? n : 1;
        s += n;
        len -= n;
    }
    return total;
}

/* ---- Meta ---- */

static bool is_ours(const char *key)
{
    return streq(key, CONSUL_META_NODE) || streq(key, CONSUL_META_CONTAINER);
}

/* Why Consul would refuse the pair; NULL: it would not. */
static const char *refusal(const struct service_attr *attr)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = strlen(attr->key);
    if (len == 0 || strspn(attr->key, chars) != len) {
        return "Consul's Meta takes only letters, digits, '_' and '-' in a name";
    }
    if (len > CONSUL_META_KEY_MAX) {
        return "its name is longer than the 128 bytes that Consul's Meta takes";
    }
    if (str_starts(attr->key, RESERVED)) {
        return "Consul keeps names that begin with \"consul-\" to itself";
    }
    if (is_ours(attr->key)) {
        return "tidewaiter keeps this name to itself";
    }
    if (json_text_len(attr->value) > CONSUL_META_VALUE_MAX) {
        return "its value is longer than the 512 bytes that Consul's Meta takes";
    }
    return NULL;
}

static bool is_setting(const char *key)
{
    return consul_check_is_attr(key) || streq(key, TAG_OVERRIDE);
}

static void write_meta(struct json_writer *w, const struct consul_owner *owner,
                       const struct service *svc, struct consul_remarks *remarks)
{
    size_t n = 1;
    json_key(w, "Meta");
    json_object(w);
    json_field_str(w, CONSUL_META_NODE, owner->node);
    if (!str_empty(svc->s.container)) {
        json_field_str(w, CONSUL_META_CONTAINER, svc->s.container);
        n++;
    }
    for (size_t i = 0; i < svc->s.n_attrs; i++) {
        const struct service_attr *attr = &svc->s.attrs[i];
        if (owner->dialect == REGISTRY_NATIVE && is_setting(attr->key)) {
            continue;
        }
        const char *why = refusal(attr);
        if (!why && n == CONSUL_META_PAIRS_MAX) {
            why = "Consul's Meta takes at most 64 pairs, two of them tidewaiter's";
        }
        if (why) {
            consul_remark(remarks, "attribute %.64s is left out: %s", attr->key, why);
            continue;
        }
        json_field_str(w, attr->key, attr->value);
        n++;
    }
    json_object_end(w);
}

/* ---- the rest ---- */

static void write_tags(struct json_writer *w, const struct service *svc)
{
    json_key(w, "Tags");
    json_array(w);
    for (size_t i = 0; i < svc->s.n_tags; i++) {
        json_put_str(w, svc->s.tags[i]);
    }
    json_array_end(w);
}

/* A warning service keeps Consul's own default of 1. Weight 0 is a check: see CONSUL_CHECK_WEIGHT. */
static void write_weights(struct json_writer *w, int weight, struct consul_remarks *remarks)
{
    int sent = weight < 1 ? 1 : weight > WEIGHT_MAX ? WEIGHT_MAX : weight;
    if (sent != weight && weight != 0) {
        consul_remark(remarks, "weight %d is registered as %d: Consul takes 1 to %d", weight, sent,
                      WEIGHT_MAX);
    }
    json_key(w, "Weights");
    json_object(w);
    json_field_int(w, "Passing", sent);
    json_field_int(w, "Warning", 1);
    json_object_end(w);
}

static void write_tag_override(struct json_writer *w, const struct service *svc,
                               struct consul_remarks *remarks)
{
    const char *value = service_attr_get(svc, TAG_OVERRIDE);
    bool on = false;
    if (str_empty(value)) {
        return;
    }
    if (!str_to_bool(value, &on)) {
        consul_remark(remarks, TAG_OVERRIDE " \"%.32s\" is neither true nor false", value);
    } else if (on) {
        json_field_bool(w, "EnableTagOverride", true);
    }
}

static void write_checks(struct json_writer *w, const struct consul_owner *owner,
                         const struct service *svc, struct consul_remarks *remarks)
{
    CLEANUP(arena_deinit) struct arena arena = ARENA_NULL;
    struct consul_checks checks;
    consul_checks_make(&checks, svc, owner->dialect, &arena, remarks);
    json_key(w, "Checks");
    json_array(w);
    for (size_t i = 0; i < checks.n; i++) {
        consul_check_write(w, &checks.items[i]);
    }
    json_array_end(w);
}

static void write_body(const struct consul_owner *owner, const struct service *svc, struct buf *out,
                       struct consul_remarks *remarks)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_field_str(&w, "ID", svc->s.id);
    json_field_str(&w, "Name", svc->s.name);
    write_tags(&w, svc);
    if (!str_empty(svc->s.host)) {
        json_field_str(&w, "Address", svc->s.host);
    }
    json_field_int(&w, "Port", svc->s.port);
    write_meta(&w, owner, svc, remarks);
    if (owner->dialect == REGISTRY_NATIVE) {
        if (svc->s.weight != SERVICE_WEIGHT_UNSET) {
            write_weights(&w, svc->s.weight, remarks);
        }
        write_tag_override(&w, svc, remarks);
    }
    write_checks(&w, owner, svc, remarks);
    json_object_end(&w);
}

static uint64_t body_digest(const char *text, size_t len, enum registry_dialect dialect)
{
    struct err ignored = ERR_INIT;
    CLEANUP_JSON json *body = NULL;
    const json *checks[CONSUL_CHECKS_MAX] = {NULL};
    size_t n = 0;
    must(json_parse(&body, text, len, &ignored) == 0); /* this file wrote it */
    for (const json *it = json_first(json_get(body, "Checks")); it; it = json_next(it)) {
        must(n < CONSUL_CHECKS_MAX);
        checks[n++] = it;
    }
    return consul_digest(body, json_str(body, "Name", ""), checks, n, dialect);
}

/* What makes the whole service impossible. */
static int check(const struct consul_owner *owner, const struct service *svc, struct err *e)
{
    if (is_any_address(svc->s.host)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "the address %s cannot be registered in Consul: nobody could connect to it",
                       svc->s.host);
    }
    if (record_text_check(svc->s.id, strlen(svc->s.id), e) < 0) {
        err_wrap(e, "the id cannot be registered in Consul");
        return -EINVAL;
    }
    if (streq(svc->s.id, ".") || streq(svc->s.id, "..")) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "the id \"%s\" cannot be registered in Consul: in a path it means something "
                       "else",
                       svc->s.id);
    }
    if (json_text_len(owner->node) > CONSUL_META_VALUE_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "the node name is longer than the %d bytes that Consul's Meta takes",
                       CONSUL_META_VALUE_MAX);
    }
    return 0;
}

int consul_service_encode(const struct consul_owner *owner, const struct service *svc,
                          struct buf *out, uint64_t *ret_digest, struct err *e)
{
    struct consul_remarks remarks = {.e = e};
    size_t start = out->len;
    int r = check(owner, svc, e);
    if (r < 0) {
        return r;
    }
    write_body(owner, svc, out, &remarks);
    if (buf_error(out) < 0) {
        return err_set(e, ERR_INVALID, -EMSGSIZE,
                       "the service takes more than %zu bytes in a registration", out->max);
    }
    *ret_digest = body_digest(out->data + start, out->len - start, owner->dialect);
    return remarks.any ? REGISTRY_ENCODED_PARTLY : 0;
}

size_t consul_service_ttls(const char *body, size_t len, struct arena *a,
                           struct consul_listed_ttl **ret)
{
    struct err ignored = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    *ret = NULL;
    if (json_parse(&j, body, len, &ignored) < 0) {
        return 0;
    }
    const json *checks = json_get(j, "Checks");
    const char *id = arena_strdup(a, json_str(j, "ID", ""));
    struct consul_listed_ttl *ttls = arena_alloc(a, (json_size(checks) + 1) * sizeof(*ttls));
    size_t n = 0;
    for (const json *it = json_first(checks); it; it = json_next(it)) {
        n += consul_listed_ttl_read(&ttls[n], it, id, a);
    }
    *ret = ttls;
    return n;
}
