/*
 * Happy path: IPv4 by hand, because ten thousand of them are parsed and printed for one file; IPv6 by
 * inet_pton() and inet_ntop().
 * Failure: parsing says false; host names, zones (fe80::1%eth0) and octal IPv4 are not addresses.
 * Not done: resolving names. nginx resolves once at load and refuses its whole configuration when one
 * name is unknown, so names never get into a file.
 */
#include "render/address.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

static bool parse_v4(const char *s, uint64_t *ret)
{
    uint64_t address = 0;
    for (unsigned part = 0; part < 4; part++) {
        if (part > 0 && *s++ != '.') {
            return false;
        }
        unsigned value = 0, digits = 0;
        while (*s >= '0' && *s <= '9') {
            if (digits > 0 && value == 0) {
                return false; /* a leading zero means octal to some readers */
            }
            value = value * 10 + (unsigned)(*s++ - '0');
            if (++digits > 3 || value > 255) {
                return false;
            }
        }
        if (digits == 0) {
            return false;
        }
        address = address << 8 | value;
    }
    *ret = address;
    return *s == '\0';
}

static uint64_t get_be64(const unsigned char *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static void put_be64(unsigned char *p, uint64_t v)
{
    for (unsigned i = 8; i-- > 0; v >>= 8) {
        p[i] = (unsigned char)v;
    }
}

bool address_parse(const char *host, uint16_t port, struct address *ret)
{
    uint64_t v4 = 0;
    if (parse_v4(host, &v4)) {
        *ret = (struct address){.lo = v4, .port = port};
        return true;
    }
    unsigned char raw[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET6, host, raw) != 1) {
        return false;
    }
    *ret = (struct address){.hi = get_be64(raw), .lo = get_be64(raw + 8), .port = port, .v6 = true};
    return true;
}

bool address_parse_pair(const char *text, size_t len, struct address *ret)
{
    char pair[ADDRESS_TEXT_MAX];
    if (len >= sizeof(pair)) {
        return false;
    }
    memcpy(pair, text, len);
    pair[len] = '\0';
    char *colon = strrchr(pair, ':');
    uint16_t port = 0;
    if (!colon || !str_to_port(colon + 1, &port)) {
        return false;
    }
    *colon = '\0';
    char *host = pair;
    bool bracketed = *host == '[';
    if (bracketed) {
        if (colon[-1] != ']') {
            return false;
        }
        colon[-1] = '\0';
        host++;
    }
    struct address a;
    if (!address_parse(host, port, &a) || a.v6 != bracketed) {
        return false;
    }
    *ret = a;
    return true;
}

int address_compare(const struct address *a, const struct address *b)
{
    if (a->v6 != b->v6) {
        return a->v6 ? 1 : -1;
    }
    if (a->hi != b->hi) {
        return a->hi < b->hi ? -1 : 1;
    }
    if (a->lo != b->lo) {
        return a->lo < b->lo ? -1 : 1;
    }
    return a->port == b->port ? 0 : a->port < b->port ? -1 : 1;
}

size_t address_put_u64(char *out, uint64_t v)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = digits[n - 1 - i];
    }
    return n;
}

size_t address_format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    char *p = out;
    if (a->v6) {
        unsigned char raw[sizeof(struct in6_addr)];
        put_be64(raw, a->hi);
        put_be64(raw + 8, a->lo);
        *p++ = '[';
        inet_ntop(AF_INET6, raw, p, INET6_ADDRSTRLEN);
        p += strlen(p);
        *p++ = ']';
    } else {
        for (unsigned shift = 32; shift > 0;) {
            shift -= 8;
            p += address_put_u64(p, a->lo >> shift & 0xff);
            if (shift > 0) {
                *p++ = '.';
            }
        }
    }
    *p++ = ':';
    p += address_put_u64(p, a->port);
    *p = '\0';
    return (size_t)(p - out);
}
