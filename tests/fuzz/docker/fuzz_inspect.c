/*
 * Fuzzes the body of an inspect: what is accepted is in the order, and within the limits, that struct
 * container promises.
 */
#include "base/must.h"
#include "base/str.h"
#include "docker/decode.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct container_spec *s)
{
    must(docker_id_valid(s->id));
    must(s->name && s->image && s->hostname && s->network_mode && s->started_at && s->error);
    must(s->stop_signal >= 1 && s->stop_signal <= 64);
    must(!(s->running && s->restarting));
    for (size_t i = 0; i < s->n_env; i++) {
        must(str_starts(s->env[i].key, "SERVICE_") && !strchr(s->env[i].key, '='));
    }
    for (size_t i = 1; i < s->n_labels; i++) {
        must(strcmp(s->labels[i - 1].key, s->labels[i].key) <= 0);
    }
    for (size_t i = 0; i < s->n_ports; i++) {
        must(s->ports[i].port != 0 && (s->ports[i].host_port != 0 || !s->ports[i].host_ip[0]));
        must(i == 0 || s->ports[i - 1].port <= s->ports[i].port);
    }
    for (size_t i = 1; i < s->n_networks; i++) {
        must(strcmp(s->networks[i - 1].name, s->networks[i].name) <= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct container *c = NULL;
    struct err e = ERR_INIT;
    struct docker_networks nets = DOCKER_NETWORKS_NULL;
    if (docker_decode_networks(&nets, (const char *)data, size, NULL) < 0) {
        must(nets.n == 0);
    }
    if (docker_decode_inspect(&c, (const char *)data, size, &nets, &e) < 0) {
        must(!c && e.class == ERR_INVALID && e.msg[0]);
    } else {
        check(&c->s);
        container_free(c);
    }
    docker_networks_deinit(&nets);
    return 0;
}
