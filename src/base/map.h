#pragma once
/*
 * uthash as this project uses it: include this rather than <uthash.h>. Own hash function (uthash's falls
 * through switch labels in a way that clang warns about), and no memory aborts as everywhere else.
 */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)hash64(keyptr, keylen))
#define uthash_malloc(size)                  xmalloc(size)
#define uthash_fatal(msg)                    must_fail(msg, __FILE__, __LINE__)

#include <uthash.h>
