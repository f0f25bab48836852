#pragma once
/*
 * Logs what renders leave out: each thing once, however often it is rendered again.
 */
#include "tidewaiter/engine.h"

#include <stddef.h>
#include <stdint.h>

struct report_log {
    uint64_t *known; /* digests of the reports of the last render, sorted */
    size_t n;
};

#define REPORT_LOG_NULL                                                                            \
    {                                                                                              \
        0                                                                                          \
    }

void report_log_deinit(struct report_log *l); /* idempotent */

/* All reports of one render: warns about those that the last one did not have. */
void report_log_all(struct report_log *l, const struct engine_report *reports, size_t n);
