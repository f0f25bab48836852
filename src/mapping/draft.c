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

#include "mapping/extras.h"
#include "base/str.h"

#include <string.h>

#define WEIGHT_MAX 65535 /* as in SRV records and in Consul */

/* Anything but a clear no: who writes SERVICE_IGNORE=please means it. */
static bool means_ignore(const struct metadata_entry *e)
{
    bool v;
    return metadata_is_set(e) && (!str_to_bool(e->value, &v) || v);
}

const char *draft_refuse(struct mapping_job *job, const char *origin, const char *value,
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
        d->refusal = draft_refuse(job, origin, d->name, why);
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
        d->refusal = draft_refuse(job, e->origin, d->id, why);
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

void draft_prepare(struct mapping_job *job)
{
    static const char *const known[] = {"id",    "ignore", "name",  "network",
                                        "ports", "tags",   "weight"};
    extras_prepare(job, known, sizeof(known) / sizeof(known[0]));
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
    extras_take(ret, job, port, proto);
}
