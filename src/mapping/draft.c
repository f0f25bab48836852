/*
 * What labels and variables say about one port.
 *
 * Happy path: ignore? → name → id → weight → tags → attributes, each from the entry that counts.
 *
 * Failure modes: a name or an id that cannot be used refuses the port, with a warning that names the
 * label; a weight, tag or attribute that cannot be used is left out with a warning, and the port is
 * registered without it.
 *
 * Keys that are not known here, `check_*` among them, are attributes; what a registry makes of them is
 * its codec's business.
 */
#include "mapping/draft.h"

#include "base/str.h"

#include <string.h>

#define WEIGHT_MAX   65535                  /* as in SRV records and in Consul */
#define OWN_TAGS_MAX (SERVICE_TAGS_MAX - 1) /* leaves room for "udp" */

static bool is_known_key(const char *key)
{
    static const char *const known[] = {"id",    "ignore", "name",  "network",
                                        "ports", "tags",   "weight"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (streq(key, known[i])) {
            return true;
        }
    }
    return false;
}

/* Anything but a clear no: who writes SERVICE_IGNORE=please means it. */
static bool means_ignore(const struct metadata_entry *e)
{
    bool v;
    return metadata_is_set(e) && (!str_to_bool(e->value, &v) || v);
}

static const char *refuse(struct mapping_job *job, const char *origin, const char *value,
                          const char *why)
{
    const char *shown = text_clean(job->arena, value, TEXT_VALUE_MAX);
    warnings_add(&job->warnings, "%s: \"%s\" %s; not registered", origin, shown, why);
    return arena_printf(job->arena, "%s: \"%s\" %s", origin, shown, why);
}

static void take_name(struct draft *d, struct mapping_job *job,
                      const struct naming_default *default_name, const struct metadata_entry *e)
{
    const char *origin = default_name->reason, *why;
    if (metadata_is_set(e)) {
        origin = e->origin;
        d->name = e->value;
        d->name_reason = text_join(job->arena, "name from ", origin);
        d->name_is_of_port = e->scope != METADATA_GENERIC;
    } else if (job->o->explicit_only) {
        d->refusal = "no name is given to it (--explicit)";
        return;
    } else {
        d->name = default_name->name;
        d->name_reason = default_name->reason;
    }
    if ((why = naming_name_refused(d->name))) {
        d->refusal = refuse(job, origin, d->name, why);
    }
}

static void take_id(struct draft *d, struct mapping_job *job, const struct metadata_entry *e)
{
    const char *why;
    if (!metadata_is_set(e)) {
        return;
    }
    d->id = e->value;
    if ((why = naming_id_refused(d->id, NAMING_ID_MAX))) {
        d->refusal = refuse(job, e->origin, d->id, why);
    }
}

static void take_weight(struct draft *d, struct mapping_job *job, const struct metadata_entry *e)
{
    uint64_t v;
    d->weight = SERVICE_WEIGHT_UNSET;
    if (!metadata_is_set(e)) {
        return;
    }
    if (str_to_u64(e->value, 0, WEIGHT_MAX, &v)) {
        d->weight = (int)v;
    } else {
        warnings_add(&job->warnings, "%s: \"%s\" is not a whole number from 0 to %d; left out",
                     e->origin, text_clean(job->arena, e->value, TEXT_VALUE_MAX), WEIGHT_MAX);
    }
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
        if (!why && ret->n == OWN_TAGS_MAX) {
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

static void take_tags(struct draft *d, struct mapping_job *job, const struct metadata_entry *e,
                      enum service_proto proto)
{
    const struct tags *own = tags_of(job, e), *every = &job->every_tags;
    if (proto == SERVICE_TCP && (own->n == 0 || every->n == 0)) {
        d->tags = own->n ? *own : *every;
        return;
    }
    size_t n_every = every->n;
    if (own->n + n_every > OWN_TAGS_MAX) {
        n_every = OWN_TAGS_MAX - own->n;
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
    /* Registrator's users find udp services by their tag; sctp is told apart the same way. */
    const char *name = service_proto_name(proto);
    if (proto != SERVICE_TCP && !has_tag(&d->tags, name)) {
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

void draft_prepare(struct mapping_job *job)
{
    read_tags(&job->every_tags, job, job->o->tags, "--tags");
    if (job->meta.n) {
        job->own_tags = arena_alloc(job->arena, job->meta.n * sizeof(struct tags *));
    }
    for (size_t i = 0; i < job->meta.n; i++) {
        struct metadata_entry *e = &job->meta.entries[i];
        e->unusable = is_known_key(e->key);
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

void draft_make(struct draft *ret, struct mapping_job *job,
                const struct naming_default *default_name, uint16_t port, enum service_proto proto)
{
    const struct metadata *m = &job->meta;
    const struct metadata_entry *ignore = metadata_find(m, "ignore", port, proto);

    *ret = (struct draft){0};
    if (means_ignore(ignore)) {
        ret->refusal = arena_printf(job->arena, "ignored by %s", ignore->origin);
        return;
    }
    take_name(ret, job, default_name, metadata_find(m, "name", port, proto));
    if (!ret->refusal) {
        take_id(ret, job, metadata_find(m, "id", port, proto));
    }
    if (ret->refusal) {
        return;
    }
    take_weight(ret, job, metadata_find(m, "weight", port, proto));
    take_tags(ret, job, metadata_find(m, "tags", port, proto), proto);
    take_attrs(ret, job, port, proto);
}
