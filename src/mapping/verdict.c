/*
 * Verdicts.
 *
 * Happy path: a spec becomes a service, and its size is taken off what the container may still use.
 *
 * Failure modes: what service_new() refuses, and what does not fit: a verdict without service, and a
 * warning.
 */
#include "mapping/verdict.h"

#define SERVICE_OVERHEAD 512 /* bytes of one, beside its tags and attributes */

void verdict_whole(struct mapping_result *r, const char *reason)
{
    r->verdicts = arena_alloc(&r->arena, sizeof(*r->verdicts));
    r->verdicts[0] = (struct mapping_verdict){.host_ip = "", .reason = reason};
    r->n_verdicts = 1;
}

void verdict_refuse(struct mapping_verdict *v, struct mapping_job *job, const char *reason)
{
    v->reason = reason;
    warnings_add(&job->warnings, "port %u: %s", (unsigned)v->port, reason);
}

bool verdict_make_service(struct mapping_verdict *v, struct mapping_job *job,
                          const struct service_spec *spec, const struct draft *draft)
{
    struct err e = ERR_INIT;
    size_t size = SERVICE_OVERHEAD + draft->tags.size + draft->attrs_size;
    if (size > job->room) {
        verdict_refuse(v, job, "the container's services are larger than 16 MiB together");
        return false;
    }
    if (service_new(&v->service, spec, &e) < 0) {
        verdict_refuse(v, job, arena_printf(job->arena, "refused: %s", e.msg));
        return false;
    }
    job->room -= size;
    return true;
}
