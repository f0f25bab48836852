/*
 * Bindings of one port.
 *
 * Happy path: `-p 8081:80` is two entries in Docker ("0.0.0.0" and "::"), one in podman (""); both are
 * one binding here. Published on a free port, the two may have different host ports, because the engine
 * counts each family by itself; they are one binding all the same. The order depends on nothing but the
 * bindings themselves, so ids that are made of it stay as they are.
 */
#include "mapping/bindings.h"

#include "mapping/text.h"

#include <stdlib.h>
#include <string.h>

static bool is_any(const struct binding *b)
{
    return b->any_v4 || b->any_v6;
}

static int compare_bindings(const void *pa, const void *pb)
{
    const struct binding *a = pa, *b = pb;
    if (a->host_port != b->host_port) {
        return a->host_port < b->host_port ? -1 : 1;
    }
    if (is_any(a) != is_any(b)) {
        return is_any(a) ? -1 : 1;
    }
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return strcmp(a->host_ip, b->host_ip);
}

/* Index of the first port entry that is not below (port, proto); c->s.ports is sorted. */
static size_t lower_bound(const struct container *c, uint16_t port, enum service_proto proto)
{
    size_t lo = 0, hi = c->s.n_ports;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct container_port *p = &c->s.ports[mid];
        if (p->port < port || (p->port == port && p->proto < proto)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/*
 * The n-th publish on every IPv4 address goes with the n-th on every IPv6 address. What was bound is still
 * in order, and stands at the place of its IPv4 half. Returns how many are left.
 */
static size_t pair_families(struct binding *all, size_t n)
{
    for (size_t v4 = 0, v6 = 0;; v4++, v6++) {
        while (v4 < n && (!all[v4].any_v4 || all[v4].any_v6)) {
            v4++;
        }
        while (v6 < n && (!all[v6].any_v6 || all[v6].any_v4)) {
            v6++;
        }
        if (v4 == n || v6 == n) {
            break;
        }
        all[v4].any_v6 = true;
        all[v4].host_port_v6 = all[v6].host_port;
        all[v6].host_port = 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (all[i].host_port) {
            all[kept++] = all[i];
        }
    }
    return kept;
}

void bindings_find(struct bindings *ret, const struct container *owner, uint16_t port,
                   enum service_proto proto, struct arena *a)
{
    *ret = (struct bindings){0};
    size_t from = lower_bound(owner, port, proto), to = from;
    while (to < owner->s.n_ports && owner->s.ports[to].port == port &&
           owner->s.ports[to].proto == proto) {
        to++;
    }
    if (from == to) {
        return;
    }
    struct binding *all = arena_alloc(a, (to - from) * sizeof(*all));
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        const struct container_port *p = &owner->s.ports[i];
        if (p->host_port) {
            enum address_kind kind = address_kind(p->host_ip);
            all[n++] = (struct binding){
                .host_ip = p->host_ip,
                .host_port = p->host_port,
                .host_port_v6 = p->host_port,
                .kind = kind,
                .any_v4 = kind == ADDRESS_ANY_V4 || kind == ADDRESS_ANY,
                .any_v6 = kind == ADDRESS_ANY_V6 || kind == ADDRESS_ANY,
            };
        }
    }
    qsort(all, n, sizeof(*all), compare_bindings);
    for (size_t i = 0; i < n; i++) {
        struct binding *last = ret->n ? &all[ret->n - 1] : NULL;
        bool same = last && last->host_port == all[i].host_port;
        if (same && is_any(last) && is_any(&all[i])) {
            last->any_v4 |= all[i].any_v4;
            last->any_v6 |= all[i].any_v6;
        } else if (!same || strcmp(last->host_ip, all[i].host_ip) != 0) {
            all[ret->n++] = all[i];
        }
    }
    ret->n = pair_families(all, ret->n);
    ret->items = all;
}

static bool is_v6(const char *host)
{
    return strchr(host, ':') != NULL;
}

const char *bindings_text(struct arena *a, const struct binding *b)
{
    bool v6 = is_v6(b->host_ip);
    char port[TEXT_NUMBER_MAX];
    const char *ip = b->host_ip[0] ? text_clean(a, b->host_ip, TEXT_VALUE_MAX) : "every address";
    const char *note = b->kind == ADDRESS_BAD            ? ", which is no IP address"
                       : address_is_loopback(b->host_ip) ? ", loopback: reachable on this host only"
                                                         : "";
    return text_join(a, "published on ", v6 ? "[" : "", ip, v6 ? "]:" : ":",
                     text_number(port, b->host_port), note);
}

struct address bindings_address(const struct mapping_job *job, const struct binding *b,
                                struct binding *ret_half)
{
    struct address a = {0};
    struct binding half = *b;
    if (b->any_v4 || b->any_v6) {
        a = address_of_wildcard(job, b->any_v4, b->any_v6);
    } else if (b->kind != ADDRESS_BAD) {
        a.host = b->host_ip;
    }
    if (b->any_v6 && b->host_port_v6 != b->host_port && a.host && is_v6(a.host)) {
        half.host_ip = "::";
        half.host_port = b->host_port_v6;
    }
    const char *text = bindings_text(job->arena, &half);
    bool why_not = !a.host && a.reason;
    a.reason = why_not ? text_join(job->arena, text, ", but ", a.reason) : text;
    *ret_half = half;
    return a;
}
