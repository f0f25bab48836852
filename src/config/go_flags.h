#pragma once
/*
 * Command lines in the syntax of Go's package flag, for the tools whose command lines this program also
 * has: -x and --x, -x=v and -x v; switches only -x, -x=true and -x=false. Flags end at the first argument
 * that is none, at "-", and behind "--"; of a flag that is given twice the last counts. Pure.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum go_flag_type {
    GO_FLAG_BOOL,   /* bool: 1 t T true TRUE True, 0 f F false FALSE False */
    GO_FLAG_INT,    /* int64_t: with 0x, 0o, 0b or 0 in front of another base, '_' between digits */
    GO_FLAG_STRING, /* const char *, borrowed from the argument */
};

struct go_flag {
    const char *name;
    enum go_flag_type type;
    size_t offset;          /* of the field in the settings struct */
    const char *value_name; /* "ADDRESS"; NULL for BOOL */
    const char *help;       /* lower case, no full stop; says the default where there is one */
};

#define GO_FLAGS_E_HELP 1

/*
 * Sets the fields of the flags that are given; others stay as they are. 0: *ret_used is how many arguments
 * were flags ("--" among them). GO_FLAGS_E_HELP: -h or -help was met, unless the table has such a flag.
 * -EINVAL: what was found, and what is allowed; fields before it may be set.
 */
int go_flags_parse(const struct go_flag *flags, size_t n, int argc, char *const *argv,
                   void *settings, int *ret_used, struct err *e) WARN_UNUSED;

/* One line or more for each flag. */
void go_flags_describe(const struct go_flag *flags, size_t n, struct buf *out);

/* An integer literal of Go, as its ParseInt with base 0 takes it. */
bool go_int_parse(const char *text, int64_t *ret);
