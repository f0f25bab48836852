/*
 * Consul's answers for readers → names and services.
 *
 * Happy path: every entry of a health answer is read into a spec; entries are sorted by id and node, so
 * that who of two with one id keeps it does not depend on the order of the answer.
 *
 * Failure modes: an answer of another shape fails as a whole, before anything is handed on. One instance
 * that cannot be a service is left out with the reason; what other tools leave out (Meta, Tags, Weights)
 * is read as Consul's default. Consul looks names up without regard to case: instances of another name are
 * left out without a word, as they are in the answer about theirs.
 *
 * Not here: which of them get traffic.
 */
#include "registry/consul_health.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
#include "registry/consul_service.h"
#include "registry/record.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int parse(json **ret, const char *text, size_t len, const char *what, struct err *e)
{
    if (record_text_check(text, len, e) < 0 || json_parse(ret, text, len, e) < 0) {
        err_wrap(e, "Consul's answer about %s", what);
        if (e) {
            e->class = ERR_BUG;
        }
        return -EINVAL;
    }
    return 0;
}

/* ---- names ---- */

/* As a service of that name would be checked. */
static int check_name(const char *name, struct err *e)
{
    struct service *svc = NULL;
    const struct service_spec spec = {
        .name = name, .id = "id", .host = "", .port = 1, .weight = SERVICE_WEIGHT_UNSET};
    int r = service_new(&svc, &spec, e);
    service_unref(svc);
    return r;
}

int consul_decode_names(const char *text, size_t len, void (*name)(void *ctx, const char *name),
                        consul_skipped_fn skipped, void *ctx, bool *ret_own, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, text, len, "services", e);
    if (r < 0) {
        return r;
    }
    if (!json_is_object(j)) {
        return err_set(e, ERR_BUG, -EINVAL, "Consul's answer about services is no map");
    }
    bool own = false;
    for (const json *it = json_first(j); it; it = json_next(it)) {
        struct err why = ERR_INIT;
        if (streq(json_name(it), "consul")) {
            own = true;
        } else if (check_name(json_name(it), &why) < 0) {
            skipped(ctx, json_name(it), &why);
        } else {
            name(ctx, json_name(it));
        }
    }
    *ret_own = own;
    return 0;
}

/* ---- one instance ---- */

/* Room for what a spec points at while it is filled. */
struct draft {
    struct service_spec spec;
    char host[SERVICE_HOST_MAX + 1];
    const char *tags[SERVICE_TAGS_MAX];
    struct service_attr attrs[SERVICE_ATTRS_MAX];
};

struct instance {
    const json *entry;
    const char *id, *node; /* of Consul; "" when it does not say */
};

/* Some tools register IPv6 addresses in brackets. */
static int read_host(struct draft *d, const json *entry, struct err *e)
{
    const char *host = json_str(json_get(entry, "Service"), "Address", "");
    if (!*host) {
        host = json_str(json_get(entry, "Node"), "Address", "");
    }
    size_t len = strlen(host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    int r = record_host_check(host, len, e);
    if (r == 0) {
        memcpy(d->host, host, len);
        d->host[len] = '\0';
        d->spec.host = d->host;
    }
    return r;
}

static enum service_status worst_status(const json *checks)
{
    enum service_status worst = SERVICE_PASSING;
    for (const json *it = json_first(checks); it; it = json_next(it)) {
        enum service_status status = SERVICE_CRITICAL; /* whatever else a later Consul says */
        (void)service_status_parse(json_str(it, "Status", ""), &status);
        worst = status > worst ? status : worst;
    }
    return worst;
}

static int read_weight(const json *weights, enum service_status status)
{
    int64_t passing = json_int(weights, "Passing", 1), warning = json_int(weights, "Warning", 1);
    int64_t weight = status == SERVICE_WARNING ? warning : passing;
    bool given = passing != 1 || warning != 1;
    return given && weight >= 0 && weight <= INT_MAX ? (int)weight : SERVICE_WEIGHT_UNSET;
}

static int read_tags(struct draft *d, const json *tags, struct err *e)
{
    for (const json *it = json_first(tags); it; it = json_next(it)) {
        const char *tag = json_value(it);
        if (!tag) {
            continue;
        }
        if (d->spec.n_tags == SERVICE_TAGS_MAX) {
            return err_set(e, ERR_INVALID, -EINVAL, "it has more than %d tags", SERVICE_TAGS_MAX);
        }
        if (streq(tag, service_proto_name(SERVICE_UDP))) {
            d->spec.proto = SERVICE_UDP;
        }
        d->tags[d->spec.n_tags++] = tag;
    }
    return 0;
}

static int read_meta(struct draft *d, const json *meta, struct err *e)
{
    for (const json *it = json_first(meta); it; it = json_next(it)) {
        const char *key = json_name(it), *value = json_value(it);
        if (!value) {
            continue;
        }
        if (streq(key, CONSUL_META_NODE)) {
            d->spec.node = value;
        } else if (streq(key, CONSUL_META_CONTAINER)) {
            d->spec.container = value;
        } else if (d->spec.n_attrs == SERVICE_ATTRS_MAX) {
            return err_set(e, ERR_INVALID, -EINVAL, "it has more than %d pairs of Meta",
                           SERVICE_ATTRS_MAX);
        } else {
            d->attrs[d->spec.n_attrs++] = (struct service_attr){.key = key, .value = value};
        }
    }
    return 0;
}

static int read_instance(struct service **ret, const char *name, const char *id, const json *entry,
                         struct err *e)
{
    const json *service = json_get(entry, "Service");
    enum service_status status = worst_status(json_get(entry, "Checks"));
    struct draft d = {.spec = {.name = name,
                               .id = id,
                               .proto = SERVICE_TCP,
                               .status = status,
                               .weight = read_weight(json_get(service, "Weights"), status)}};
    d.spec.tags = d.tags;
    d.spec.attrs = d.attrs;
    int64_t port = json_int(service, "Port", 0);
    if (port < 1 || port > UINT16_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL, "it has no port between 1 and 65535");
    }
    d.spec.port = (uint16_t)port;
    int r;
    if ((r = read_host(&d, entry, e)) < 0 ||
        (r = read_tags(&d, json_get(service, "Tags"), e)) < 0 ||
        (r = read_meta(&d, json_get(service, "Meta"), e)) < 0) {
        return r;
    }
    return service_new(ret, &d.spec, e);
}

/* ---- all of them ---- */

struct taken {
    const char *id;
    UT_hash_handle hh;
};

struct decoder {
    const char *name;
    struct arena arena;
    struct taken *ids;
    void (*instance)(void *ctx, struct service *take_svc);
    consul_skipped_fn skipped;
    void *ctx;
};

static int compare_instances(const void *a, const void *b)
{
    const struct instance *x = a, *y = b;
    int c = strcmp(x->id, y->id);
    return c != 0 ? c : strcmp(x->node, y->node);
}

static bool is_taken(const struct decoder *d, const char *id)
{
    struct taken *t;
    HASH_FIND_STR(d->ids, id, t);
    return t;
}

static void take_id(struct decoder *d, const char *id)
{
    struct taken *t = arena_alloc(&d->arena, sizeof(*t));
    t->id = id;
    HASH_ADD_KEYPTR(hh, d->ids, t->id, strlen(t->id), t);
}

/* An instance that is left out takes no id from another. */
static void decode_instance(struct decoder *d, const struct instance *in)
{
    struct err why = ERR_INIT;
    struct service *svc = NULL;
    const char *id = in->id;
    int r = 0;
    if (is_taken(d, id)) {
        id = arena_printf(&d->arena, "%s@%s", in->id, in->node);
    }
    if (is_taken(d, id)) {
        r = err_set(&why, ERR_INVALID, -EINVAL, "its id is there twice");
    }
    r = r < 0 ? r : read_instance(&svc, d->name, id, in->entry, &why);
    if (r < 0) {
        d->skipped(d->ctx, arena_printf(&d->arena, "%s/%s", d->name, id), &why);
        return;
    }
    take_id(d, id);
    d->instance(d->ctx, svc);
}

int consul_decode_health(const char *name, const char *text, size_t len,
                         void (*instance)(void *ctx, struct service *take_svc),
                         consul_skipped_fn skipped, void *ctx, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, text, len, "the health of a service", e);
    if (r < 0) {
        return r;
    }
    size_t n = 0, n_seen = 0;
    CLEANUP_FREE struct instance *list = xcalloc(json_size(j) + 1, sizeof(*list));
    for (const json *it = json_first(j); json_is_array(j) && it; it = json_next(it)) {
        const json *service = json_get(it, "Service"), *node = json_get(it, "Node");
        if (!json_is_object(service) || !json_is_object(node)) {
            break;
        }
        n_seen++;
        if (streq(json_str(service, "Service", name), name)) {
            list[n++] = (struct instance){
                .entry = it, .id = json_str(service, "ID", ""), .node = json_str(node, "Node", "")};
        }
    }
    if (!json_is_array(j) || n_seen != json_size(j)) {
        return err_set(e, ERR_BUG, -EINVAL,
                       "Consul's answer about the health of a service is no list of nodes and "
                       "services");
    }
    qsort(list, n, sizeof(*list), compare_instances);
    struct decoder d = {.name = name, .instance = instance, .skipped = skipped, .ctx = ctx};
    for (size_t i = 0; i < n; i++) {
        decode_instance(&d, &list[i]);
    }
    HASH_CLEAR(hh, d.ids);
    arena_deinit(&d.arena);
    return 0;
}
