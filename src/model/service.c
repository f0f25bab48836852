/*
 * Happy path: the spec is checked, measured and copied into one block of exactly its size: the struct,
 * the attribute and tag arrays, then the strings.
 * Failure: a spec outside the limits is refused with the field named; nothing is repaired.
 * Not done: whether a name suits DNS, nginx or a registry; that is for those who know them.
 */
#include "tidewaiter/service.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct err *e, const char *field, const char *why)
{
    return err_set(e, ERR_INVALID, -EINVAL, "service %s %s", field, why);
}

static int check_length(const char *field, const char *s, size_t max, struct err *e)
{
    if (strlen(s) > max) {
        return err_set(e, ERR_INVALID, -EINVAL, "service %s is longer than %zu bytes", field, max);
    }
    return 0;
}

static int check_text(const char *field, const char *s, size_t max, struct err *e)
{
    if (str_empty(s)) {
        return refuse(e, field, "is empty");
    }
    if (!str_printable(s, strlen(s))) {
        return refuse(e, field, "holds a control character");
    }
    return check_length(field, s, max, e);
}

static int check_lists(const struct service_spec *spec, struct err *e)
{
    if (spec->n_tags > SERVICE_TAGS_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL, "service has %zu tags, at most %d are allowed",
                       spec->n_tags, SERVICE_TAGS_MAX);
    }
    if (spec->n_attrs > SERVICE_ATTRS_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "service has %zu attributes, at most %d are allowed", spec->n_attrs,
                       SERVICE_ATTRS_MAX);
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < spec->n_tags; i++) {
        r = check_length("tag", spec->tags[i], SERVICE_TEXT_MAX, e);
    }
    for (size_t i = 0; r == 0 && i < spec->n_attrs; i++) {
        r = check_length("attribute key", spec->attrs[i].key, SERVICE_TEXT_MAX, e);
        if (r == 0) {
            r = check_length("attribute value", spec->attrs[i].value, SERVICE_TEXT_MAX, e);
        }
    }
    return r;
}

static int check(const struct service_spec *spec, struct err *e)
{
    must((unsigned)spec->proto <= SERVICE_SCTP && (unsigned)spec->status <= SERVICE_CRITICAL);

    int r = check_text("name", spec->name, SERVICE_NAME_MAX, e);
    if (r == 0) {
        r = check_text("id", spec->id, SERVICE_ID_MAX, e);
    }
    if (r == 0) {
        r = str_empty(spec->host) ? 0 : check_text("host", spec->host, SERVICE_HOST_MAX, e);
    }
    if (r == 0) {
        r = check_length("node", spec->node, SERVICE_TEXT_MAX, e);
    }
    if (r == 0) {
        r = check_length("container", spec->container, SERVICE_TEXT_MAX, e);
    }
    if (r < 0) {
        return r;
    }
    if (spec->name[0] == '.') {
        return refuse(e, "name", "begins with '.'");
    }
    if (strchr(spec->name, '/')) {
        return refuse(e, "name", "holds a '/'");
    }
    if (strchr(spec->id, '/')) {
        return refuse(e, "id", "holds a '/'");
    }
    if (spec->port == 0) {
        return refuse(e, "port", "is 0");
    }
    if (spec->weight < 0 && spec->weight != SERVICE_WEIGHT_UNSET) {
        return refuse(e, "weight", "is negative");
    }
    return check_lists(spec, e);
}

static size_t measure(const struct service_spec *spec)
{
    size_t size = sizeof(struct service) + spec->n_attrs * sizeof(*spec->attrs) +
                  spec->n_tags * sizeof(*spec->tags);
    const char *const texts[] = {spec->name, spec->id, spec->node, spec->container, spec->host};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size += strlen(texts[i]) + 1;
    }
    for (size_t i = 0; i < spec->n_tags; i++) {
        size += strlen(spec->tags[i]) + 1;
    }
    for (size_t i = 0; i < spec->n_attrs; i++) {
        size += strlen(spec->attrs[i].key) + strlen(spec->attrs[i].value) + 2;
    }
    return size;
}

static int compare_attrs(const void *a, const void *b)
{
    return strcmp(((const struct service_attr *)a)->key, ((const struct service_attr *)b)->key);
}

static struct service *copy(const struct service_spec *spec)
{
    struct service *svc = xmalloc(measure(spec));
    struct service_attr *attrs = (struct service_attr *)(svc + 1);
    const char **tags = (const char **)(attrs + spec->n_attrs);
    char *at = (char *)(tags + spec->n_tags);

    svc->refs = 1;
    svc->s = *spec;
    svc->s.name = str_pack(&at, spec->name);
    svc->s.id = str_pack(&at, spec->id);
    svc->s.node = str_pack(&at, spec->node);
    svc->s.container = str_pack(&at, spec->container);
    svc->s.host = str_pack(&at, spec->host);
    for (size_t i = 0; i < spec->n_tags; i++) {
        tags[i] = str_pack(&at, spec->tags[i]);
    }
    for (size_t i = 0; i < spec->n_attrs; i++) {
        attrs[i].key = str_pack(&at, spec->attrs[i].key);
        attrs[i].value = str_pack(&at, spec->attrs[i].value);
    }
    if (spec->n_attrs > 1) {
        qsort(attrs, spec->n_attrs, sizeof(*attrs), compare_attrs);
    }
    svc->s.tags = tags;
    svc->s.attrs = attrs;
    return svc;
}

int service_new(struct service **ret, const struct service_spec *spec, struct err *e)
{
    struct service_spec whole = *spec;
    whole.node = spec->node ? spec->node : "";
    whole.container = spec->container ? spec->container : "";
    int r = check(&whole, e);
    if (r < 0) {
        return r;
    }
    struct service *svc = copy(&whole);
    for (size_t i = 1; i < svc->s.n_attrs; i++) {
        if (streq(svc->s.attrs[i - 1].key, svc->s.attrs[i].key)) {
            r = err_set(e, ERR_INVALID, -EINVAL, "service attribute %s is given twice",
                        svc->s.attrs[i].key);
            service_unref(svc);
            return r;
        }
    }
    *ret = svc;
    return 0;
}

struct service *service_ref(struct service *svc)
{
    must(svc->refs > 0);
    svc->refs++;
    return svc;
}

struct service *service_unref(struct service *svc)
{
    if (svc) {
        must(svc->refs > 0);
        if (--svc->refs == 0) {
            free(svc);
        }
    }
    return NULL;
}

int service_compare(const struct service *a, const struct service *b)
{
    return service_compare_key(a, b->s.name, b->s.id);
}

int service_compare_key(const struct service *a, const char *name, const char *id)
{
    int c = strcmp(a->s.name, name);
    return c != 0 ? c : strcmp(a->s.id, id);
}

bool service_equal(const struct service *a, const struct service *b)
{
    if (a == b) {
        return true;
    }
    const struct service_spec *x = &a->s, *y = &b->s;
    if (x->port != y->port || x->proto != y->proto || x->status != y->status ||
        x->weight != y->weight || x->n_tags != y->n_tags || x->n_attrs != y->n_attrs ||
        !streq(x->name, y->name) || !streq(x->id, y->id) || !streq(x->node, y->node) ||
        !streq(x->container, y->container) || !streq(x->host, y->host)) {
        return false;
    }
    for (size_t i = 0; i < x->n_tags; i++) {
        if (!streq(x->tags[i], y->tags[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < x->n_attrs; i++) {
        if (!streq(x->attrs[i].key, y->attrs[i].key) ||
            !streq(x->attrs[i].value, y->attrs[i].value)) {
            return false;
        }
    }
    return true;
}

const char *service_attr_get(const struct service *svc, const char *key)
{
    const struct service_attr wanted = {.key = key};
    if (svc->s.n_attrs == 0) {
        return NULL;
    }
    const struct service_attr *attr =
        bsearch(&wanted, svc->s.attrs, svc->s.n_attrs, sizeof(*svc->s.attrs), compare_attrs);
    return attr ? attr->value : NULL;
}

static const char *const PROTOS[] = {
    [SERVICE_TCP] = "tcp", [SERVICE_UDP] = "udp", [SERVICE_SCTP] = "sctp"};
static const char *const STATUSES[] = {
    [SERVICE_PASSING] = "passing", [SERVICE_WARNING] = "warning", [SERVICE_CRITICAL] = "critical"};

const char *service_proto_name(enum service_proto proto)
{
    must((size_t)proto < ARRAY_LEN(PROTOS));
    return PROTOS[proto];
}

const char *service_status_name(enum service_status status)
{
    must((size_t)status < ARRAY_LEN(STATUSES));
    return STATUSES[status];
}

bool service_proto_parse(const char *text, enum service_proto *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(PROTOS); i++) {
        if (streq(text, PROTOS[i])) {
            *ret = (enum service_proto)i;
            return true;
        }
    }
    return false;
}

bool service_status_parse(const char *text, enum service_status *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(STATUSES); i++) {
        if (streq(text, STATUSES[i])) {
            *ret = (enum service_status)i;
            return true;
        }
    }
    return false;
}
