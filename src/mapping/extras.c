/*
 * Tags and attributes.
 *
 * Happy path: extras_prepare() judges each entry once, however many ports it is about; extras_take()
 * picks what counts for a port: its own tags, then those of every service, then the protocol's.
 *
 * Failure modes: a tag or an attribute that cannot be stored and shown as it is (a control character, a
 * length beyond the limits of a service), and one too many: left out with a warning; the port is
 * registered without it.
 */
#include "mapping/extras.h"

#include "base/str.h"

#include <string.h>

#define EXTRAS_TAGS_MAX (SERVICE_TAGS_MAX - 1) /* leaves room for "udp" */

static bool is_known(const char *key, const char *const *known, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (streq(key, known[i])) {
            return true;
        }
    }
    return false;
}

/* NULL when the text can be stored and shown as it is. */
static const char *text_refused(const char *text)
{
    size_t len = strnlen(text, SERVICE_TEXT_MAX + 1);
    if (len > SERVICE_TEXT_MAX) {
        return "is longer than 4096 bytes";
    }
    return str_printable(text, len) ? NULL : "has a control character";
}

static void read_tags(struct tags *ret, struct mapping_job *job, const char *text,
                      const char *origin)
{
    struct tags all;
    *ret = (struct tags){0};
    tags_parse(&all, text, job->arena);
    for (size_t i = 0; i < all.n; i++) {
        const char *why = text_refused(all.items[i]);
        if (!why && ret->n == EXTRAS_TAGS_MAX) {
            why = "is one tag too many (at most 127 count)";
        }
        if (why) {
            warnings_add(&job->warnings, "%s: tag \"%s\" %s; left out", origin,
                         text_clean(job->arena, all.items[i], TEXT_VALUE_MAX), why);
        } else {
            all.items[ret->n++] = all.items[i];
            ret->size += strlen(all.items[i]) + 1;
        }
    }
    ret->items = all.items;
    if (job->o->rules == MAPPING_REGISTRATOR) {
        /* Each list by itself, as those who compare with what Registrator wrote expect. */
        tags_reverse(ret);
    }
}

/* Read once for each entry, however many ports it is about. */
static const struct tags *tags_of(struct mapping_job *job, const struct metadata_entry *e)
{
    static const struct tags none = {0};
    if (!e) {
        return &none;
    }
    struct tags **known = &job->own_tags[e - job->meta.entries];
    if (!*known) {
        *known = arena_alloc(job->arena, sizeof(**known));
        read_tags(*known, job, e->value, e->origin);
    }
    return *known;
}

static bool has_tag(const struct tags *tags, const char *tag)
{
    for (size_t i = 0; i < tags->n; i++) {
        if (streq(tags->items[i], tag)) {
            return true;
        }
    }
    return false;
}

/*
 * Registrator's users find udp services by their tag; natively sctp is told apart the same way, and a
 * tag is not given twice. Registrator gives sctp none, and udp always one.
 */
static const char *proto_tag(const struct mapping_job *job, const struct tags *tags,
                             enum service_proto proto)
{
    const char *name = service_proto_name(proto);
    if (job->o->rules == MAPPING_REGISTRATOR) {
        return proto == SERVICE_UDP ? name : NULL;
    }
    return proto != SERVICE_TCP && !has_tag(tags, name) ? name : NULL;
}

static void take_tags(struct draft *d, struct mapping_job *job, const struct metadata_entry *e,
                      enum service_proto proto)
{
    const struct tags *own = tags_of(job, e), *every = &job->every_tags;
    if (proto == SERVICE_TCP && (own->n == 0 || every->n == 0)) {
        d->tags = own->n ? *own : *every;
        return;
    }
    size_t n_every = every->n;
    if (own->n + n_every > EXTRAS_TAGS_MAX) {
        n_every = EXTRAS_TAGS_MAX - own->n;
        warnings_add(&job->warnings, "%s and --tags: only the first 127 tags count", e->origin);
    }
    d->tags.items = arena_alloc(job->arena, (own->n + n_every + 1) * sizeof(*d->tags.items));
    d->tags.size = own->size + every->size;
    for (size_t i = 0; i < own->n; i++) {
        d->tags.items[d->tags.n++] = own->items[i];
    }
    for (size_t i = 0; i < n_every; i++) {
        d->tags.items[d->tags.n++] = every->items[i];
    }
    const char *name = proto_tag(job, &d->tags, proto);
    if (name) {
        d->tags.items[d->tags.n++] = name;
    }
}

static void take_attrs(struct draft *d, struct mapping_job *job, uint16_t port,
                       enum service_proto proto)
{
    const struct metadata_entry *e;
    size_t pos = 0;
    if (job->meta.n == 0) {
        return;
    }
    size_t room = job->meta.n < SERVICE_ATTRS_MAX ? job->meta.n : SERVICE_ATTRS_MAX;
    d->attrs = arena_alloc(job->arena, room * sizeof(*d->attrs));
    while ((e = metadata_next(&job->meta, &pos, port, proto))) {
        if (e->unusable) {
            continue;
        }
        if (d->n_attrs == SERVICE_ATTRS_MAX) {
            warnings_add(&job->warnings,
                         "%s is one attribute too many (at most 128 count); left out", e->origin);
            continue;
        }
        d->attrs[d->n_attrs++] = (struct service_attr){.key = e->key, .value = e->value};
        d->attrs_size += e->size;
    }
}

void extras_prepare(struct mapping_job *job, const char *const *known, size_t n_known)
{
    read_tags(&job->every_tags, job, job->o->tags, "--tags");
    if (job->meta.n) {
        job->own_tags = arena_alloc(job->arena, job->meta.n * sizeof(struct tags *));
    }
    for (size_t i = 0; i < job->meta.n; i++) {
        struct metadata_entry *e = &job->meta.entries[i];
        e->unusable = is_known(e->key, known, n_known);
        if (e->unusable) {
            continue;
        }
        const char *why = text_refused(e->key);
        if (!why) {
            why = text_refused(e->value);
        }
        if (why) {
            e->unusable = true;
            warnings_add(&job->warnings, "%s %s; left out", e->origin, why);
        }
    }
}

void extras_take(struct draft *d, struct mapping_job *job, uint16_t port, enum service_proto proto)
{
    take_tags(d, job, metadata_find(&job->meta, "tags", port, proto), proto);
    take_attrs(d, job, port, proto);
}
