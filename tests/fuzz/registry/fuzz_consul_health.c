/*
 * The bytes as each answer that readers get from Consul, and as an error. Instances have ids that differ
 * and hosts; what is left out has a reason.
 */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "registry/consul_health.h"
#include "registry/consul_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEEN_MAX 64

struct seen {
    struct service *services[SEEN_MAX];
    size_t n;
};

static void on_instance(void *ctx, struct service *take_svc)
{
    struct seen *s = ctx;
    must(take_svc->s.host[0] && take_svc->s.port > 0);
    for (size_t i = 0; i < s->n; i++) {
        must(strcmp(s->services[i]->s.id, take_svc->s.id) != 0);
    }
    if (s->n < SEEN_MAX) {
        s->services[s->n++] = take_svc;
    } else {
        service_unref(take_svc);
    }
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    must(key && why->class == ERR_INVALID && why->msg[0]);
}

static void on_name(void *ctx, const char *name)
{
    must(name[0] && name[0] != '.' && !strchr(name, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = {.n = 0};
    struct err e = ERR_INIT;
    bool own;
    CLEANUP_FREE char *text = xmemdup0(data, size);
    if (consul_decode_health("web", text, size, on_instance, on_skipped, &seen, &e) < 0) {
        must(e.class == ERR_BUG && seen.n == 0);
    }
    for (size_t i = 0; i < seen.n; i++) {
        service_unref(seen.services[i]);
    }
    if (consul_decode_names(text, size, on_name, on_skipped, NULL, &own, &e) < 0) {
        must(e.class == ERR_BUG);
    }
    int status = size > 0 ? 400 + data[0] % 200 : 500;
    must(consul_error_from_answer(&e, status, text, size) < 0 && e.class != ERR_NONE);
    return 0;
}
