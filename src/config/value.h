#pragma once
/*
 * One value: text → what its type says, and back. Pure.
 */
#include "config/options.h"

union option_value {
    bool flag;
    const char *text; /* STRING, COMMAND and LIST: borrowed; NULL for "" */
    unsigned number;
    msec_t duration;
    mode_t mode;
    struct option_span span;
};

/* -EINVAL: `found "x", allowed: ...`; the value of a secret, and a password in a URI, is not repeated. */
int option_value_parse(const struct option *o, const char *text, union option_value *ret,
                       struct err *e) WARN_UNUSED;

/* What is allowed, in words: "a duration such as 500ms, 30s, 5m or 1h, at least 5s". */
void option_value_allowed(const struct option *o, struct buf *out);

/* Placeholder in --help and messages: "FILE", "TIME", "gate|mark|ignore"; "" for BOOL. */
void option_value_name(const struct option *o, struct buf *out);

/* "30s", "1500ms", "2h": the largest unit that divides it. */
void option_duration_format(msec_t ms, struct buf *out);

/* text with the password of every "scheme://user:password@" in it replaced by "***". */
void option_mask_passwords(const char *text, struct buf *out);
