/*
 * The order of decisions in the native form.
 *
 *   ports and addresses → what labels say of each port → how many ports remain (that decides on
 *     suffixes) → names, ids → services
 *
 * Happy path: each offer of ports.c becomes one verdict with a service.
 *
 * Failure modes: none for the caller; a port that cannot be registered ends in a verdict without
 * service. What labels get wrong is a warning beside that.
 *
 * Two passes, because a suffix depends on the ports that are registered and on nothing else: what is
 * ignored, refused or unpublished does not change the names of the rest.
 */
#include "mapping/rules.h"

#include "mapping/draft.h"
#include "mapping/ids.h"
#include "mapping/naming.h"
#include "mapping/ports.h"
#include "mapping/verdict.h"

/* What the second pass needs of the first. */
struct candidate {
    const struct port_offer *offer;
    const struct draft *draft; /* shared by the bindings of one port */
};

static bool same_port(const struct port_offer *a, const struct port_offer *b)
{
    return a->port == b->port && a->proto == b->proto;
}

/* First pass: one draft for each port. Returns how many ports will be registered. */
static size_t make_drafts(struct mapping_job *job, const struct port_offer *offers, size_t n,
                          struct candidate *out)
{
    struct naming_default default_name = naming_default(job);
    size_t registered = 0;
    bool counted = false;
    for (size_t i = 0; i < n; i++) {
        out[i].offer = &offers[i];
        if (i > 0 && same_port(&offers[i], &offers[i - 1])) {
            out[i].draft = out[i - 1].draft;
        } else {
            struct draft *d = arena_alloc(job->arena, sizeof(*d));
            draft_make(d, job, &default_name, offers[i].port, offers[i].proto);
            out[i].draft = d;
            counted = false;
        }
        if (offers[i].host && !out[i].draft->refusal && !counted) {
            registered++;
            counted = true;
        }
    }
    return registered;
}

/* Where the port cannot be reached and is ignored as well, the label is what people want to read. */
static const char *refusal_of(const struct candidate *c)
{
    return c->draft->refusal ? c->draft->refusal : c->offer->host ? NULL : c->offer->reason;
}

static void make_service(struct mapping_job *job, const struct candidate *cand, bool several,
                         const struct state_verdict *state, struct ids *ids,
                         struct mapping_verdict *v)
{
    const struct port_offer *offer = cand->offer;
    const struct draft *d = cand->draft;
    bool suffix = several && !d->name_is_of_port;
    char port[TEXT_NUMBER_MAX];
    struct service_spec spec = {
        .name =
            suffix ? text_join(job->arena, d->name, "-", text_number(port, offer->port)) : d->name,
        .id = ids_take(ids, job, offer, d->id),
        .node = job->o->node,
        .container = job->c->s.id,
        .host = offer->host,
        .port = offer->at,
        .proto = offer->proto,
        .status = state->status,
        .weight = d->weight,
        .tags = d->tags.items,
        .n_tags = d->tags.n,
        .attrs = d->attrs,
        .n_attrs = d->n_attrs,
    };
    const char *why = naming_id_refused(spec.id, SERVICE_ID_MAX);
    if (why) {
        verdict_refuse(v, job,
                       arena_printf(job->arena, "its id \"%s\" %s",
                                    text_clean(job->arena, spec.id, TEXT_VALUE_MAX), why));
    } else if (verdict_make_service(v, job, &spec, d)) {
        v->reason =
            text_join(job->arena, offer->reason, "; ", d->name_reason,
                      suffix ? ", and the port, as several are registered" : "", state->remark);
    }
}

void native_map(struct mapping_job *job, const struct state_verdict *state,
                struct mapping_result *ret)
{
    struct port_offer *offers;
    const char *none;
    struct ids ids = IDS_NULL;

    metadata_read(&job->meta, job->c, metadata_native, &job->warnings);
    draft_prepare(job);
    size_t n = ports_offer(job, &offers, &none);
    if (n == 0) {
        verdict_whole(ret, none);
        return;
    }
    struct candidate *cands = arena_alloc(job->arena, n * sizeof(*cands));
    bool several = make_drafts(job, offers, n, cands) > 1;
    ret->verdicts = arena_alloc(job->arena, n * sizeof(*ret->verdicts));
    ret->n_verdicts = n;
    for (size_t i = 0; i < n; i++) {
        struct mapping_verdict *v = &ret->verdicts[i];
        *v = (struct mapping_verdict){.port = offers[i].port,
                                      .proto = offers[i].proto,
                                      .host_ip = offers[i].used_ip,
                                      .host_port = offers[i].used_port,
                                      .reason = refusal_of(&cands[i])};
        if (!v->reason) {
            make_service(job, &cands[i], several, state, &ids, v);
        }
        ret->n_services += v->service != NULL;
    }
    ids_deinit(&ids);
}
