#pragma once
/*
 * A command line → its words, as a shell splits it, without anything that a shell would expand. Pure.
 */
#include "base/arena.h"
#include "tidewaiter/err.h"

#include <stddef.h>

#define CONSUL_ARGS_MAX 128

/*
 * Words are separated by blanks. '...' takes everything as it is; "..." takes all but \" and \\; a
 * backslash outside of quotes takes the next character as it is. The list ends in NULL and lives in the
 * arena, as do the words. -EINVAL (ERR_INVALID) for a quote that is not closed, a backslash at the end,
 * no word at all, an empty first word, and more than CONSUL_ARGS_MAX words.
 */
int consul_args_split(const char *text, struct arena *a, const char *const **ret,
                      struct err *e) WARN_UNUSED;
