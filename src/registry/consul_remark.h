#pragma once
/*
 * What of a service is left out because Consul would refuse all of it otherwise: the first is told. Pure.
 */
#include "tidewaiter/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>

struct consul_remarks {
    struct err *e; /* may be NULL */
    bool any;
};

/* Only the first fills e (ERR_INVALID, -EINVAL). */
static inline void consul_remark(struct consul_remarks *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline void consul_remark(struct consul_remarks *r, const char *fmt, ...)
{
    if (!r->any) {
        va_list ap;
        va_start(ap, fmt);
        err_vset(r->e, ERR_INVALID, -EINVAL, fmt, ap);
        va_end(ap);
    }
    r->any = true;
}
