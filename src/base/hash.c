/*
 * FNV-1a over the bytes, then the finaliser of splitmix64, so that short inputs spread over all 64 bits.
 * The same on every machine and in every release: digests are compared with those of earlier runs.
 */
#include "base/hash.h"

#define FNV_OFFSET 0xcbf29ce484222325u
#define FNV_PRIME  0x100000001b3u

uint64_t hash64(const void *p, size_t len)
{
    return hash64_more(0, p, len);
}

uint64_t hash64_more(uint64_t seed, const void *p, size_t len)
{
    const unsigned char *bytes = p;
    uint64_t h = FNV_OFFSET ^ seed;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ bytes[i]) * FNV_PRIME;
    }
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}
