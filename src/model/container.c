/*
 * Happy path: the spec is measured and copied into one block of exactly its size: the struct, the arrays
 * in order of falling alignment, then the strings. Nothing here fails; docker/decode checks and caps what
 * the engine says before it makes a spec.
 */
#include "model/container.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static size_t measure_kv(const struct container_kv *kv, size_t n)
{
    size_t size = n * sizeof(*kv);
    for (size_t i = 0; i < n; i++) {
        size += strlen(kv[i].key) + strlen(kv[i].value) + 2;
    }
    return size;
}

static size_t measure(const struct container_spec *spec)
{
    size_t size = sizeof(struct container);
    const char *const texts[] = {spec->id,           spec->name,       spec->image, spec->hostname,
                                 spec->network_mode, spec->started_at, spec->error};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size += strlen(texts[i]) + 1;
    }
    size += measure_kv(spec->env, spec->n_env);
    size += measure_kv(spec->labels, spec->n_labels);
    size += spec->n_ports * sizeof(*spec->ports);
    for (size_t i = 0; i < spec->n_ports; i++) {
        size += strlen(spec->ports[i].host_ip) + 1;
    }
    size += spec->n_networks * sizeof(*spec->networks);
    for (size_t i = 0; i < spec->n_networks; i++) {
        const struct container_network *net = &spec->networks[i];
        size += strlen(net->name) + strlen(net->ipv4) + strlen(net->ipv6) + 3;
    }
    return size;
}

static void copy_kv(struct container_kv *dst, const struct container_kv *src, size_t n, char **at)
{
    for (size_t i = 0; i < n; i++) {
        dst[i].key = str_pack(at, src[i].key);
        dst[i].value = str_pack(at, src[i].value);
    }
}

struct container *container_new(const struct container_spec *spec)
{
    struct container *c = xmalloc(measure(spec));
    struct container_kv *env = (struct container_kv *)(c + 1);
    struct container_kv *labels = env + spec->n_env;
    struct container_network *networks = (struct container_network *)(labels + spec->n_labels);
    struct container_port *ports = (struct container_port *)(networks + spec->n_networks);
    char *at = (char *)(ports + spec->n_ports);

    c->s = *spec;
    c->s.id = str_pack(&at, spec->id);
    c->s.name = str_pack(&at, spec->name);
    c->s.image = str_pack(&at, spec->image);
    c->s.hostname = str_pack(&at, spec->hostname);
    c->s.network_mode = str_pack(&at, spec->network_mode);
    c->s.started_at = str_pack(&at, spec->started_at);
    c->s.error = str_pack(&at, spec->error);
    copy_kv(env, spec->env, spec->n_env, &at);
    copy_kv(labels, spec->labels, spec->n_labels, &at);
    for (size_t i = 0; i < spec->n_networks; i++) {
        networks[i] = spec->networks[i];
        networks[i].name = str_pack(&at, spec->networks[i].name);
        networks[i].ipv4 = str_pack(&at, spec->networks[i].ipv4);
        networks[i].ipv6 = str_pack(&at, spec->networks[i].ipv6);
    }
    for (size_t i = 0; i < spec->n_ports; i++) {
        ports[i] = spec->ports[i];
        ports[i].host_ip = str_pack(&at, spec->ports[i].host_ip);
    }
    c->s.env = env;
    c->s.labels = labels;
    c->s.networks = networks;
    c->s.ports = ports;
    return c;
}

struct container *container_free(struct container *c)
{
    free(c);
    return NULL;
}

const char *container_label(const struct container *c, const char *key)
{
    for (size_t i = 0; i < c->s.n_labels; i++) {
        if (streq(c->s.labels[i].key, key)) {
            return c->s.labels[i].value;
        }
    }
    return NULL;
}

const struct container_network *container_network(const struct container *c, const char *name)
{
    for (size_t i = 0; i < c->s.n_networks; i++) {
        if (streq(c->s.networks[i].name, name)) {
            return &c->s.networks[i];
        }
    }
    return NULL;
}

const char *container_health_name(enum container_health h)
{
    static const char *const names[] = {[CONTAINER_HEALTH_NONE] = "none",
                                        [CONTAINER_HEALTH_STARTING] = "starting",
                                        [CONTAINER_HEALTH_HEALTHY] = "healthy",
                                        [CONTAINER_HEALTH_UNHEALTHY] = "unhealthy"};
    must((size_t)h < ARRAY_LEN(names));
    return names[h];
}
