#pragma once
/*
 * Addresses as numbers, so that they sort as people expect (10.0.0.9 before 10.0.0.10) and so that two
 * spellings of one IPv6 address are one server.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {
    uint64_t hi, lo; /* IPv4: hi is 0 */
    uint16_t port;
    bool v6;
};

/* "[" + 45 + "]:65535" and a terminator */
#define ADDRESS_TEXT_MAX 56

/* Dotted IPv4 without leading zeros, or IPv6 without brackets and zone; false for anything else. */
bool address_parse(const char *host, uint16_t port, struct address *ret);

/* The forms of address_format(): "10.0.0.1:80", "[2001:db8::1]:80". Not terminated: len counts. */
bool address_parse_pair(const char *text, size_t len, struct address *ret);

/* IPv4 first, then by address, then by port. */
int address_compare(const struct address *a, const struct address *b);

/* Writes the canonical form and a terminator; returns its length. */
size_t address_format(const struct address *a, char out[ADDRESS_TEXT_MAX]);

/* Decimal digits of v without terminator; returns how many (at most 20). */
size_t address_put_u64(char *out, uint64_t v);
