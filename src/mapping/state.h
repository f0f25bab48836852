#pragma once
/*
 * Whether a container is fit to be registered at all, before any port is looked at.
 */
#include "mapping/job.h"

struct state_verdict {
    const char *refusal; /* NULL: it is fit */
    const char *remark;  /* added to the reason of every port; "" when there is none */
    enum service_status status;
    bool keep_stopped; /* see struct mapping_result */
};

struct state_verdict state_judge(const struct mapping_job *job);
