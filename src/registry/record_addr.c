/*
 * "host:port" as text from outside: brackets around IPv6, blanks and a newline around the whole.
 *
 * Failure modes: no port, a port out of range, an unbracketed IPv6 address (where would its port begin?)
 * and bytes that occur in no host are refused with the reason.
 *
 * Not here: whether the host resolves, or whether a name is one that nginx takes.
 */
#include "registry/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool name_char(char c)
{
    char l = str_lower_char(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

/* An IPv6 address, which may name its zone. */
static bool is_ipv6(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;
    const char *zone = memchr(host, '%', len);
    size_t addr_len = zone ? (size_t)(zone - host) : len;
    if (addr_len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host, addr_len);
    text[addr_len] = '\0';
    for (size_t i = addr_len + 1; i < len; i++) {
        if (!name_char(host[i])) {
            return false;
        }
    }
    return inet_pton(AF_INET6, text, &addr) == 1;
}

int record_host_check(const char *host, size_t len, struct err *e)
{
    if (len == 0) {
        return err_set(e, ERR_INVALID, -EINVAL, "the host is empty");
    }
    if (len > SERVICE_HOST_MAX) {
        return err_set(e, ERR_INVALID, -EINVAL, "the host has %zu characters", len);
    }
    if (memchr(host, ':', len)) {
        return is_ipv6(host, len) ? 0
                                  : err_set(e, ERR_INVALID, -EINVAL,
                                            "the host has a colon, but is not an IPv6 address");
    }
    for (size_t i = 0; i < len; i++) {
        if (!name_char(host[i])) {
            return err_set(e, ERR_INVALID, -EINVAL, "the host has byte 0x%02x",
                           (unsigned char)host[i]);
        }
    }
    return 0;
}

static int split(const char *p, size_t len, size_t *ret_host, size_t *ret_host_len,
                 size_t *ret_port, struct err *e)
{
    bool bracketed = len > 0 && p[0] == '[';
    const char *end = bracketed ? memchr(p, ']', len) : memchr(p, ':', len);
    size_t at = end ? (size_t)(end - p) + (bracketed ? 1 : 0) : len;
    if (at >= len || p[at] != ':') {
        return err_set(e, ERR_INVALID, -EINVAL, "no port in an address");
    }
    if (memchr(p + at + 1, ':', len - at - 1)) {
        return err_set(e, ERR_INVALID, -EINVAL, "an IPv6 address without brackets");
    }
    *ret_host = bracketed ? 1 : 0;
    *ret_host_len = (size_t)(end - p) - *ret_host;
    *ret_port = at + 1;
    return 0;
}

int record_addr_parse(const char *text, size_t len, char ret_host[SERVICE_HOST_MAX + 1],
                      uint16_t *ret_port, struct err *e)
{
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    while (len > 0 && is_blank(text[len - 1])) {
        len--;
    }
    size_t host = 0, host_len = 0, port_at = 0;
    int r = split(text, len, &host, &host_len, &port_at, e);
    if (r < 0) {
        return r;
    }
    r = record_host_check(text + host, host_len, e);
    if (r < 0) {
        return r;
    }
    char digits[sizeof("65535")] = "";
    size_t n_digits = len - port_at;
    uint16_t port = 0;
    if (n_digits < sizeof(digits)) {
        memcpy(digits, text + port_at, n_digits);
    }
    if (!str_to_port(digits, &port)) {
        return err_set(e, ERR_INVALID, -EINVAL, "port \"%.*s\" is not between 1 and 65535",
                       (int)(n_digits < 16 ? n_digits : 16), text + port_at);
    }
    memcpy(ret_host, text + host, host_len);
    ret_host[host_len] = '\0';
    *ret_port = port;
    return 0;
}
