/*
 * Happy path: the remarks are joined in the message itself.
 * Failure modes: once one does not fit, it and all that follow are only counted; a first one that leaves
 * no place for the count is cut, at a character's border.
 */
#include "registry/consul_remark.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT_MAX sizeof(" and 4294967295 more")
#define ROOM      (ERR_MSG_MAX - COUNT_MAX)

static void count_one(struct consul_remarks *r)
{
    char *msg = r->e->msg;
    if (r->len > ROOM) {
        r->len = ROOM;
        while (r->len > 0 && ((unsigned char)msg[r->len] & 0xc0) == 0x80) {
            r->len--;
        }
    }
    r->more++;
    snprintf(msg + r->len, ERR_MSG_MAX - r->len, " and %u more", r->more);
}

void consul_remark(struct consul_remarks *r, const char *fmt, ...)
{
    struct err one = ERR_INIT;
    va_list ap;
    va_start(ap, fmt);
    err_vset(&one, ERR_INVALID, -EINVAL, fmt, ap);
    va_end(ap);
    bool first = !r->any;
    r->any = true;
    if (!r->e) {
        return;
    }
    size_t len = strlen(one.msg);
    if (first) {
        *r->e = one;
        r->len = len;
    } else if (r->more == 0 && r->len + 2 + len <= ROOM) {
        snprintf(r->e->msg + r->len, ERR_MSG_MAX - r->len, "; %s", one.msg);
        r->len += 2 + len;
    } else {
        count_one(r);
    }
}
