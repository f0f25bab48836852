#pragma once
/*
 * uthash with this project's digest in place of its own hash, whose macro falls through between case
 * labels, which clang refuses under -Wimplicit-fallthrough. Include this instead of <uthash.h>.
 */
#include "base/hash.h"

#ifdef HASH_FUNCTION
#error "include base/map.h instead of uthash.h"
#endif
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)hash64((keyptr), (keylen)))
#include <uthash.h>
