#pragma once
/*
 * Users and groups by name or number, for options that say whose a file is to be.
 */
#include "tidewaiter/err.h"

#include <sys/types.h>

/*
 * "keep" and NULL are -1, digits are the number itself, anything else is looked up. -EINVAL (ERR_INVALID)
 * names what was found and what is allowed; a lookup that could not be made gives its own errno.
 */
int owner_find_user(const char *text, uid_t *ret, struct err *e) WARN_UNUSED;
int owner_find_group(const char *text, gid_t *ret, struct err *e) WARN_UNUSED;
