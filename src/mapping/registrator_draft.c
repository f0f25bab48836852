/*
 * What labels and variables say about one port, by Registrator's rules.
 *
 * Happy path: ignore? → name → id → tags → attributes, each from the entry that counts. Empty means not
 * set, but hides what stands lower on the ladder. Any text in `ignore` ignores, "false" included.
 *
 * All keys but id, tags and name are attributes: check_*, and also ignore (empty), weight, network and
 * ports, which mean something in the native form only.
 *
 * Failure modes: names and ids are kept as they are; Registrator passed everything through. Refused, with
 * a warning, is what no key of a registry can hold: '/', control characters, a name that begins with '.',
 * and what is longer than a service may have it. Nothing is mended.
 */
#include "mapping/registrator_draft.h"

#include "mapping/extras.h"
#include "base/str.h"

#include <string.h>

void registrator_draft_prepare(struct mapping_job *job)
{
    static const char *const known[] = {"id", "name", "tags"};
    extras_prepare(job, known, sizeof(known) / sizeof(known[0]));
}

const char *registrator_name_of_image(const char *image, struct arena *a)
{
    const char *slash = strrchr(image, '/');
    const char *last = slash ? slash + 1 : image;
    return arena_memdup0(a, last, strcspn(last, ":"));
}

/* NULL when text can be part of a key; else what is wrong with it. */
static const char *refused(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);
    if (len == 0) {
        return "is empty";
    }
    if (len > max) {
        return "is too long";
    }
    if (strchr(text, '/')) {
        return "has a '/', which separates the parts of a key";
    }
    return str_printable(text, len) ? NULL : "has a control character";
}

static void take_name(struct draft *d, struct mapping_job *job, const char *default_name,
                      const struct metadata_entry *e)
{
    const char *origin = "name from the image";
    if (metadata_is_set(e)) {
        origin = e->origin;
        d->name = e->value;
        d->name_reason = text_join(job->arena, "name from ", origin);
    } else if (job->o->explicit_only) {
        d->refusal = "no name is given to it (-explicit)";
        return;
    } else {
        d->name = default_name;
        d->name_reason = origin;
    }
    /* Whatever the entry of the port says, and if it is nothing: it suppresses the suffix. */
    d->name_is_of_port = e && e->scope == METADATA_PORT;
    const char *why = refused(d->name, SERVICE_NAME_MAX);
    if (!why && d->name[0] == '.') {
        why = "begins with '.'";
    }
    if (why) {
        d->refusal = draft_refuse(job, origin, d->name, why);
    }
}

static void take_id(struct draft *d, struct mapping_job *job, const struct metadata_entry *e)
{
    if (!metadata_is_set(e)) {
        return;
    }
    d->id = e->value;
    const char *why = refused(d->id, SERVICE_ID_MAX);
    if (why) {
        d->refusal = draft_refuse(job, e->origin, d->id, why);
    }
}

void registrator_draft_make(struct draft *ret, struct mapping_job *job, const char *default_name,
                            uint16_t port, enum service_proto proto)
{
    const struct metadata *m = &job->meta;
    const struct metadata_entry *ignore = metadata_find(m, "ignore", port, proto);

    *ret = (struct draft){.weight = SERVICE_WEIGHT_UNSET};
    if (metadata_is_set(ignore)) {
        ret->refusal = text_join(job->arena, "ignored by ", ignore->origin);
        return;
    }
    take_name(ret, job, default_name, metadata_find(m, "name", port, proto));
    if (!ret->refusal) {
        take_id(ret, job, metadata_find(m, "id", port, proto));
    }
    if (!ret->refusal) {
        extras_take(ret, job, port, proto);
    }
}
