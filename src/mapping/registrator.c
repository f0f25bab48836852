/*
 * The order of decisions as in gliderlabs/registrator: what it registered, its users find again.
 *
 *   ports and addresses → how many of them (that decides on suffixes, whatever is ignored) → what labels
 *     say of each port → name, id → services
 *
 * Happy path: each port of registrator_ports.c becomes one verdict with a service.
 *
 * Failure modes: none for the caller; a port that cannot be registered ends in a verdict without
 * service. What labels get wrong is a warning beside that.
 *
 * Where this differs from Registrator: of several ports with one name and one id (a SERVICE_ID for tcp
 * and udp of a port) the last one registered won, which one that was being left to chance; here it is the
 * first in order of port and protocol. The same id below different names (a SERVICE_ID for several ports)
 * is two records in etcd and in Consul KV, and so it stays; Consul has room for the first only, and the
 * agent says which claims wait behind it.
 *
 * Without effect, because Registrator has no such option: --network, --name-from, --health.
 */
#include "mapping/rules.h"

#include "mapping/ids.h"
#include "mapping/registrator_draft.h"
#include "mapping/registrator_ports.h"
#include "mapping/verdict.h"

/* With -internal all ports, else those that have a port on the host; tcp and udp of a port are two. */
static bool is_group(const struct registrator_port *ports, size_t n)
{
    size_t in_group = 0;
    for (size_t i = 0; i < n; i++) {
        in_group += ports[i].in_group;
    }
    return in_group > 1;
}

static const char *default_id(const struct mapping_job *job, const struct registrator_port *p)
{
    char port[TEXT_NUMBER_MAX];
    return text_join(job->arena, job->o->node, ":", job->c->s.name, ":", text_number(port, p->port),
                     p->proto == SERVICE_UDP ? ":udp" : "");
}

static void make_service(struct mapping_job *job, const struct registrator_port *p,
                         const struct draft *d, bool group, const struct state_verdict *state,
                         struct ids *taken, struct mapping_verdict *v)
{
    bool suffix = group && !d->name_is_of_port;
    char port[TEXT_NUMBER_MAX];
    struct service_spec spec = {
        .name = suffix ? text_join(job->arena, d->name, "-", text_number(port, p->port)) : d->name,
        .id = d->id ? d->id : default_id(job, p),
        .node = job->o->node,
        .container = job->c->s.id,
        .host = p->host,
        .port = p->at,
        .proto = p->proto,
        .status = state->status,
        .weight = d->weight,
        .tags = d->tags.items,
        .n_tags = d->tags.n,
        .attrs = d->attrs,
        .n_attrs = d->n_attrs,
    };
    /* '/' is in neither of what is accepted. */
    if (!ids_claim(taken, job->arena, text_join(job->arena, spec.name, "/", spec.id))) {
        verdict_refuse(v, job,
                       arena_printf(job->arena, "another port has its id \"%s\" already",
                                    text_clean(job->arena, spec.id, TEXT_VALUE_MAX)));
    } else if (verdict_make_service(v, job, &spec, d)) {
        v->reason = text_join(job->arena, p->reason, "; ", d->name_reason,
                              suffix ? ", and the port, as there are several" : "", state->remark);
    }
}

void registrator_map(struct mapping_job *job, const struct state_verdict *state,
                     struct mapping_result *ret)
{
    struct registrator_port *ports;
    const char *none;
    struct ids taken = IDS_NULL;

    metadata_read(&job->meta, job->c, metadata_registrator, &job->warnings);
    registrator_draft_prepare(job);
    size_t n = registrator_ports(job, &ports, &none);
    if (n == 0) {
        verdict_whole(ret, none);
        return;
    }
    bool group = is_group(ports, n);
    const char *default_name = registrator_name_of_image(job->c->s.image, job->arena);
    ret->verdicts = arena_alloc(job->arena, n * sizeof(*ret->verdicts));
    ret->n_verdicts = n;
    for (size_t i = 0; i < n; i++) {
        const struct registrator_port *p = &ports[i];
        struct mapping_verdict *v = &ret->verdicts[i];
        struct draft d;
        registrator_draft_make(&d, job, default_name, p->port, p->proto);
        *v = (struct mapping_verdict){.port = p->port,
                                      .proto = p->proto,
                                      .host_ip = p->host_ip,
                                      .host_port = p->host_port,
                                      .reason = d.refusal ? d.refusal : p->reason};
        if (!d.refusal && p->host) {
            make_service(job, p, &d, group, state, &taken, v);
        }
        ret->n_services += v->service != NULL;
    }
    ids_deinit(&taken);
}
