#pragma once
/*
 * The two orders of decisions: from a container that is fit to be registered to a verdict on each of its
 * ports. Both fill the verdicts and n_services of *ret, and the job's warnings.
 */
#include "mapping/job.h"
#include "mapping/state.h"

void native_map(struct mapping_job *job, const struct state_verdict *state,
                struct mapping_result *ret);

void registrator_map(struct mapping_job *job, const struct state_verdict *state,
                     struct mapping_result *ret);
