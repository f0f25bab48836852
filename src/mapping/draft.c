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

#define WEIGHT_MAX 65535 /* as in SRV records and in Consul */

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
        origin = metadata_origin(e, job->arena);
        d->name = e->value;
        d->name_reason = arena_printf(job->arena, "name from %s", origin);
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
        d->refusal = refuse(job, metadata_origin(e, job->arena), d->id, why);
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
                     metadata_origin(e, job->arena),
                     text_clean(job->arena, e->value, TEXT_VALUE_MAX), WEIGHT_MAX);
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

static void add_tags(struct draft *d, struct mapping_job *job, const struct tags *from,
                     const char *origin)
{
    for (size_t i = 0; i < from->n; i++) {
        const char *why = text_refused(from->items[i]);
        if (!why && d->tags.n >= SERVICE_TAGS_MAX - 1) {
            why = "is one tag too many (at most 127 count)";
        }
        if (why) {
            warnings_add(&job->warnings, "%s: tag \"%s\" %s; left out", origin,
                         text_clean(job->arena, from->items[i], TEXT_VALUE_MAX), why);
        } else {
            d->tags.items[d->tags.n++] = from->items[i];
        }
    }
}

/* Registrator's users find udp services by their tag; sctp is told apart the same way. */
static void add_proto_tag(struct draft *d, enum service_proto proto)
{
    const char *name = service_proto_name(proto);
    if (proto == SERVICE_TCP) {
        return;
    }
    for (size_t i = 0; i < d->tags.n; i++) {
        if (streq(d->tags.items[i], name)) {
            return;
        }
    }
    d->tags.items[d->tags.n++] = name;
}

static void take_tags(struct draft *d, struct mapping_job *job, const struct metadata_entry *e,
                      enum service_proto proto)
{
    struct tags own = {0}, every = {0};
    if (e) {
        tags_parse(&own, e->value, job->arena);
    }
    tags_parse(&every, job->o->tags, job->arena);
    if (own.n + every.n == 0 && proto == SERVICE_TCP) {
        return;
    }
    d->tags.items = arena_alloc(job->arena, SERVICE_TAGS_MAX * sizeof(*d->tags.items));
    if (own.n) {
        add_tags(d, job, &own, metadata_origin(e, job->arena));
    }
    add_tags(d, job, &every, "--tags");
    add_proto_tag(d, proto);
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
        if (is_known_key(e->key)) {
            continue;
        }
        const char *why = text_refused(e->key);
        if (!why) {
            why = text_refused(e->value);
        }
        if (!why && d->n_attrs >= SERVICE_ATTRS_MAX) {
            why = "is one attribute too many (at most 128 count)";
        }
        if (why) {
            warnings_add(&job->warnings, "%s %s; left out", metadata_origin(e, job->arena), why);
        } else {
            d->attrs[d->n_attrs++] = (struct service_attr){.key = e->key, .value = e->value};
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
        ret->refusal =
            arena_printf(job->arena, "ignored by %s", metadata_origin(ignore, job->arena));
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
