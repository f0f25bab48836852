#pragma once
/*
 * A 64-bit digest of bytes (FNV-1a with a final mix), for comparing contents and for temporary names.
 * Not for secrets, and not a defence against chosen collisions: a collision only delays one write
 * until the next change.
 */
#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *p, size_t len);
uint64_t hash64_more(uint64_t seed, const void *p, size_t len); /* chain; seed 0 begins */
