#pragma once
/*
 * The list of what a render left out (struct engine_report), with its text in one arena.
 */
#include "base/arena.h"
#include "tidewaiter/engine.h"
#include "tidewaiter/err.h"

struct reports {
    struct engine_report *items;
    size_t n, cap;
    struct arena text;
};

#define REPORTS_NULL                                                                               \
    {                                                                                              \
        .text = ARENA_NULL                                                                         \
    }

/* Values of containers are printed through %s as they are; whoever logs them quotes them. */
#define REPORT_VALUE_MAX 64 /* "%.64s": a rejected value is shown, but not four kilobytes of it */

void reports_deinit(struct reports *r); /* idempotent */
void reports_reset(struct reports *r);

/* svc is borrowed as long as the list is in use. */
void reports_add(struct reports *r, const struct service *svc, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
