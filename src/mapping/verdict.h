#pragma once
/*
 * Verdicts, and the services in them.
 */
#include "mapping/draft.h"

/* A container with long labels and a great many ports must not fill the agent's memory. */
#define VERDICT_SERVICES_SIZE (16u * 1024 * 1024)

/* One verdict about the container as a whole. */
void verdict_whole(struct mapping_result *r, const char *reason);

/* Not registered, because of what labels say: a reason, and a warning. */
void verdict_refuse(struct mapping_verdict *v, struct mapping_job *job, const char *reason);

/* Makes the service; false when it was refused, with reason and warning. draft: of its tags and
 * attributes. The reason for a service is left to the caller. */
bool verdict_make_service(struct mapping_verdict *v, struct mapping_job *job,
                          const struct service_spec *spec, const struct draft *draft);
