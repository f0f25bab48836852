#pragma once
/*
 * What of a service is left out because Consul would refuse all of it otherwise: told together, as one
 * message. Pure.
 */
#include "tidewaiter/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct consul_remarks {
    struct err *e; /* may be NULL */
    bool any;
    size_t len;    /* of e's message, without the number of those that had no place in it */
    unsigned more; /* so many */
};

/*
 * Fills e (ERR_INVALID, -EINVAL), or adds "; <remark>" to it; what does not fit is counted: "... and 3
 * more".
 */
void consul_remark(struct consul_remarks *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
