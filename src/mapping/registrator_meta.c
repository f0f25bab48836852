/*
 * Registrator's grammar of SERVICE_*: SERVICE_<key>, and SERVICE_<port>_<key> where what stands before
 * the first '_' is an integer. The ladder is the native one without its upper rungs: port-specific label,
 * port-specific variable, generic label, generic variable; of two on one rung the later one.
 *
 * Ranges and protocols are no scopes here: SERVICE_80_UDP_NAME is the attribute udp_name of port 80, and
 * SERVICE_1-9_NAME the attribute 1-9_name of every port. SERVICE_80 is the attribute 80.
 *
 * Failure modes: an integer that is no port as Docker writes it (080, -1, 70000) matched none, in silence;
 * here it is a warning too. So is a name without key, which Consul refused the whole service for.
 */
#include "mapping/metadata.h"

#include "base/str.h"

#include <string.h>

#define INT64_DIGITS 19

/* What Go's strconv.Atoi takes: a sign or none, decimal digits, within int64. */
static bool is_integer(const char *s, size_t len)
{
    char number[INT64_DIGITS + 1];
    uint64_t v;
    bool minus = s[0] == '-';
    if (minus || s[0] == '+') {
        s++;
        len--;
    }
    if (len == 0 || strspn(s, "0123456789") < len) {
        return false;
    }
    for (; len > 1 && *s == '0'; len--) {
        s++;
    }
    if (len > INT64_DIGITS) {
        return false;
    }
    memcpy(number, s, len);
    number[len] = '\0';
    return str_to_u64(number, 0, (uint64_t)INT64_MAX + minus, &v);
}

bool metadata_registrator(const char *rest, struct metadata_entry *e, const char **why)
{
    size_t head = strcspn(rest, "_");
    e->scope = METADATA_GENERIC;
    e->key = rest;
    if (rest[head] == '_' && is_integer(rest, head)) {
        e->scope = METADATA_PORT;
        e->key = rest + head + 1;
        if (!metadata_port(rest, head, &e->from)) {
            *why = "has no valid port (1 to 65535, no leading zeros)";
            return false;
        }
        e->to = e->from;
    }
    *why = "has no key";
    return e->key[0] != '\0';
}
