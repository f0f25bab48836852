/*
 * The bytes as the two listings of Consul's agent, services and checks with a NUL between them. What is
 * accepted is sorted, gives the same digests again, and has TTL checks only of services that are ours.
 * And as the body of a registration.
 */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "registry/consul_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum registry_owner owner_of(const struct consul_listing *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->items[i].id, id) == 0) {
            return l->items[i].owner;
        }
    }
    must(false);
    return REGISTRY_FOREIGN;
}

static void decode(const struct consul_owner *owner, const char *services, size_t services_len,
                   const char *checks, size_t checks_len)
{
    CLEANUP(consul_listing_deinit) struct consul_listing l = CONSUL_LISTING_NULL;
    CLEANUP(consul_listing_deinit) struct consul_listing again = CONSUL_LISTING_NULL;
    struct err e = ERR_INIT;
    if (consul_listing_decode(&l, owner, services, services_len, checks, checks_len, &e) < 0) {
        must(e.class == ERR_BUG && e.msg[0]);
        return;
    }
    must(consul_listing_decode(&again, owner, services, services_len, checks, checks_len, &e) == 0);
    must(l.n == again.n && l.n_ttls == again.n_ttls);
    for (size_t i = 0; i < l.n; i++) {
        must(l.items[i].digest == again.items[i].digest);
        must(i == 0 || strcmp(l.items[i - 1].id, l.items[i].id) < 0);
    }
    for (size_t i = 0; i < l.n_ttls; i++) {
        must(l.ttls[i].ttl > 0);
        must(owner_of(&l, l.ttls[i].service_id) == REGISTRY_OURS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct consul_owner native = {
        .node = "node1", .id_host = "node1", .dialect = REGISTRY_NATIVE};
    static const struct consul_owner adopting = {
        .node = "node1", .id_host = "node1", .dialect = REGISTRY_REGISTRATOR, .adopt_by_id = true};
    CLEANUP_FREE char *text = xmemdup0(data, size);
    CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
    size_t services_len = strlen(text);
    bool both = services_len < size;
    const char *checks = both ? text + services_len + 1 : "{}";
    size_t checks_len = both ? size - services_len - 1 : 2;
    decode(&native, text, services_len, checks, checks_len);
    decode(&adopting, text, services_len, checks, checks_len);

    struct consul_listed_ttl *ttls = NULL;
    size_t n = consul_service_ttls(text, size, &a, &ttls);
    for (size_t i = 0; i < n; i++) {
        must(ttls[i].ttl > 0 && ttls[i].check_id && ttls[i].service_id);
    }
    return 0;
}
