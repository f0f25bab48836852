#pragma once
/*
 * This host's addresses. Blocking but local, but for netif_resolve_name(): asks the kernel,
 * no name service.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

#define NETIF_ADDR_MAX 46

struct netif_addrs {
    char v4[NETIF_ADDR_MAX]; /* "" when there is none */
    char v6[NETIF_ADDR_MAX]; /* global scope only */
    bool loopback;           /* an address is a loopback one */
    char source[64];         /* for people: "interface eth0", "default route", ... */
};

/*
 * selector: NULL or "" = source address of the default route (no packet is sent), and where there is
 * none the first interface that is up and not loopback; an IP address; an interface name; a CIDR, where
 * the first address within it is taken. -ENOENT (e filled, listing what there is) when nothing fits.
 */
int netif_resolve(const char *selector, struct netif_addrs *ret, struct err *e) WARN_UNUSED;

/*
 * The addresses that a host name has for this host: the first IPv4 one, or, when there is none, the first
 * IPv6 one. Asks the name service, which may take seconds: before a loop runs. -ENOENT (e filled) when
 * it has none.
 */
int netif_resolve_name(const char *name, struct netif_addrs *ret, struct err *e) WARN_UNUSED;

/* The host's name without domain; "localhost" when unset. */
void netif_hostname(char *ret, size_t size);

/* The host's name as it was set, with a domain if it has one; "localhost" when unset. */
void netif_hostname_full(char *ret, size_t size);
