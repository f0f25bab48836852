/*
 * Which address of this host a selector means.
 *
 * Happy path: without one, a UDP socket is connected to an address far away, which sends nothing but
 * makes the kernel choose the route and with it the source address. Names of interfaces and CIDRs are
 * looked up among the addresses of the interfaces that are up; IPv6 link-local ones are passed over,
 * since nobody can use them without knowing the link.
 *
 * Failure modes: nothing fits: -ENOENT with a list of what there is.
 */
#include "io/netif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

/* An address of either family; v4 in the first four bytes. */
struct addr {
    int family;
    uint8_t bytes[16];
};

static bool addr_parse(const char *text, struct addr *ret)
{
    ret->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(ret->family, text, ret->bytes) == 1;
}

static bool addr_from(const struct sockaddr *sa, struct addr *ret)
{
    if (sa && sa->sa_family == AF_INET) {
        ret->family = AF_INET;
        memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        return true;
    }
    if (sa && sa->sa_family == AF_INET6) {
        ret->family = AF_INET6;
        memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
        return ret->bytes[0] != 0xfe || (ret->bytes[1] & 0xc0) != 0x80; /* not link-local */
    }
    return false;
}

static bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t v6[16] = {[15] = 1};
    return a->family == AF_INET ? a->bytes[0] == 127 : memcmp(a->bytes, v6, sizeof(v6)) == 0;
}

static bool addr_within(const struct addr *a, const struct addr *net, unsigned bits)
{
    if (a->family != net->family || memcmp(a->bytes, net->bytes, bits / 8) != 0) {
        return false;
    }
    unsigned rest = bits % 8;
    return rest == 0 || ((a->bytes[bits / 8] ^ net->bytes[bits / 8]) >> (8 - rest)) == 0;
}

/* Takes a as the address of its family unless there is one already. */
static void take(struct netif_addrs *out, const struct addr *a)
{
    char *text = a->family == AF_INET ? out->v4 : out->v6;

    if (!text[0]) {
        (void)inet_ntop(a->family, a->bytes, text, NETIF_ADDR_MAX);
        out->loopback = out->loopback || addr_is_loopback(a);
    }
}

static bool found(const struct netif_addrs *out)
{
    return out->v4[0] || out->v6[0];
}

static void set_source(struct netif_addrs *out, const char *what, const char *name)
{
    (void)snprintf(out->source, sizeof(out->source), "%s %s", what, name);
}

/* ---- the four kinds of selector ---- */

static void take_route_source(struct netif_addrs *out, const char *far_away)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    struct addr a;

    if (!addr_parse(far_away, &a)) {
        return;
    }
    sa.ss_family = (sa_family_t)a.family;
    if (a.family == AF_INET) {
        ((struct sockaddr_in *)&sa)->sin_port = htons(9);
        memcpy(&((struct sockaddr_in *)&sa)->sin_addr, a.bytes, 4);
    } else {
        ((struct sockaddr_in6 *)&sa)->sin6_port = htons(9);
        memcpy(&((struct sockaddr_in6 *)&sa)->sin6_addr, a.bytes, 16);
    }
    CLEANUP_CLOSE int fd = socket(a.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
        getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
        addr_from((struct sockaddr *)&sa, &a)) {
        take(out, &a);
    }
}

static void take_default(struct netif_addrs *out, const struct ifaddrs *all)
{
    struct addr a;
    const char *name = NULL;

    /* addresses of the documentation prefixes: routed nowhere but by the default route */
    take_route_source(out, "192.0.2.1");
    take_route_source(out, "2001:db8::1");
    if (found(out)) {
        (void)str_copy(out->source, sizeof(out->source), "default route");
        return;
    }
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if ((i->ifa_flags & IFF_UP) && !(i->ifa_flags & IFF_LOOPBACK) &&
            (!name || streq(name, i->ifa_name)) && addr_from(i->ifa_addr, &a)) {
            name = i->ifa_name;
            take(out, &a);
            set_source(out, "interface", name);
        }
    }
}

static void take_interface(struct netif_addrs *out, const struct ifaddrs *all, const char *name)
{
    struct addr a;

    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if ((i->ifa_flags & IFF_UP) && streq(i->ifa_name, name) && addr_from(i->ifa_addr, &a)) {
            take(out, &a);
            set_source(out, "interface", name);
        }
    }
}

static void take_within(struct netif_addrs *out, const struct ifaddrs *all, const char *cidr)
{
    char text[NETIF_ADDR_MAX];
    struct addr net, a;
    uint64_t bits;
    const char *slash = strchr(cidr, '/');

    (void)snprintf(text, sizeof(text), "%.*s", (int)(slash - cidr), cidr);
    if (!addr_parse(text, &net) ||
        !str_to_u64(slash + 1, 0, net.family == AF_INET ? 32 : 128, &bits)) {
        return;
    }
    for (const struct ifaddrs *i = all; i && !found(out); i = i->ifa_next) {
        if ((i->ifa_flags & IFF_UP) && addr_from(i->ifa_addr, &a) &&
            addr_within(&a, &net, (unsigned)bits)) {
            take(out, &a);
            (void)snprintf(out->source, sizeof(out->source), "%s on %s", cidr, i->ifa_name);
        }
    }
}

/* ---- the interface ---- */

static void list(struct buf *out, const struct ifaddrs *all)
{
    char text[NETIF_ADDR_MAX];
    struct addr a;

    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if ((i->ifa_flags & IFF_UP) && addr_from(i->ifa_addr, &a)) {
            buf_printf(out, "%s%s %s", out->len ? ", " : "", i->ifa_name,
                       inet_ntop(a.family, a.bytes, text, sizeof(text)));
        }
    }
}

static void free_ifaddrs(struct ifaddrs **all)
{
    if (*all) {
        freeifaddrs(*all);
    }
}

int netif_resolve(const char *selector, struct netif_addrs *ret, struct err *e)
{
    CLEANUP(free_ifaddrs) struct ifaddrs *all = NULL;
    struct netif_addrs out = {0};
    struct addr a;

    if (getifaddrs(&all) < 0) {
        int code = -errno;
        return err_set(e, ERR_TRANSIENT, code, "addresses of this host: %s", strerror(-code));
    }
    if (str_empty(selector)) {
        take_default(&out, all);
    } else if (addr_parse(selector, &a)) {
        take(&out, &a);
        set_source(&out, "address", selector);
    } else if (strchr(selector, '/')) {
        take_within(&out, all, selector);
    } else {
        take_interface(&out, all, selector);
    }
    if (!found(&out)) {
        struct buf there_is = BUF_INIT(4096);
        list(&there_is, all);
        err_set(e, ERR_INVALID, -ENOENT, "no address of this host is %s; there is: %s",
                str_empty(selector) ? "reachable from outside" : selector,
                there_is.len ? buf_str(&there_is) : "none");
        buf_deinit(&there_is);
        return -ENOENT;
    }
    *ret = out;
    return 0;
}

static void free_addrinfo(struct addrinfo **all)
{
    if (*all) {
        freeaddrinfo(*all);
    }
}

int netif_resolve_name(const char *name, struct netif_addrs *ret, struct err *e)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    CLEANUP(free_addrinfo) struct addrinfo *all = NULL;
    struct netif_addrs out = {0};
    struct addr a;

    int r = getaddrinfo(name, NULL, &hints, &all);
    if (r != 0) {
        return err_set(e, ERR_INVALID, -ENOENT, "host name %s: %s", name,
                       r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
    }
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t f = 0; f < ARRAY_LEN(families) && !found(&out); f++) {
        for (const struct addrinfo *i = all; i && !found(&out); i = i->ai_next) {
            if (i->ai_family == families[f] && addr_from(i->ai_addr, &a)) {
                take(&out, &a);
            }
        }
    }
    if (!found(&out)) {
        return err_set(e, ERR_INVALID, -ENOENT, "host name %s has no address but link-local ones",
                       name);
    }
    set_source(&out, "host name", name);
    *ret = out;
    return 0;
}

void netif_hostname_full(char *ret, size_t size)
{
    char name[256];

    if (gethostname(name, sizeof(name)) < 0) {
        name[0] = '\0';
    }
    name[sizeof(name) - 1] = '\0';
    (void)str_copy(ret, size, name[0] ? name : "localhost");
}

void netif_hostname(char *ret, size_t size)
{
    char name[256];

    netif_hostname_full(name, sizeof(name));
    name[strcspn(name, ".")] = '\0';
    (void)str_copy(ret, size, name[0] ? name : "localhost");
}
