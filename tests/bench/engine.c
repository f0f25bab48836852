/*
 * engine FOLDER: what one change costs a renderer of 1,000 upstreams of 10 servers: the engine renders the
 * table and the outputs compare the bytes with the file in FOLDER. Prints a line for each round, with the
 * nanoseconds of both together: "changed N" when one service has another port, "same N" when none has.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/must.h"
#include "render/nginx.h"
#include "renderer/outputs.h"
#include "tidewaiter/table.h"

#define UPSTREAMS 1000u
#define SERVERS   10u
#define ROUNDS    50u

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void fail(const struct err *e)
{
    fprintf(stderr, "engine: %s\n", e->msg);
    exit(1);
}

static void put(struct table *t, unsigned upstream, unsigned server, uint16_t port)
{
    char name[32], id[64], host[32];
    snprintf(name, sizeof(name), "s%05u", upstream);
    snprintf(id, sizeof(id), "n:c%u-%u:80", upstream, server);
    snprintf(host, sizeof(host), "10.%u.%u.%u", server, upstream / 250, upstream % 250 + 1);
    struct service_spec spec = {
        .name = name,
        .id = id,
        .node = "n",
        .host = host,
        .port = port,
        .weight = SERVICE_WEIGHT_UNSET,
        .status = SERVICE_PASSING,
    };
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    if (service_new(&svc, &spec, &e) < 0) {
        fail(&e);
    }
    table_put(t, svc);
}

/* Renders and compares; what differs goes to the file, untimed. */
static uint64_t round_ns(struct engine *g, struct outputs *o, const struct table *t, size_t differ)
{
    struct engine_result r;
    struct err e = ERR_INIT;
    uint64_t digest, began = now_ns();
    if (g->ops->render(g, t, &r, &e) < 0) {
        fail(&e);
    }
    size_t differs =
        outputs_compare(o, &(struct outputs_bytes){.p = r.bytes, .len = r.len}, &digest);
    uint64_t took = now_ns() - began;
    must(differs == differ && r.upstreams == UPSTREAMS && r.servers == UPSTREAMS * SERVERS);
    if (differs > 0) {
        if (outputs_stage(o, &e) < 0 || outputs_swap(o, OUTPUTS_SETTLED, &e) < 0) {
            fail(&e);
        }
        g->ops->commit(g);
    }
    return took;
}

int main(int argc, char **argv)
{
    char path[4096];
    must(argc == 2);
    snprintf(path, sizeof(path), "%s/engine.conf", argv[1]);
    struct target_config file = {
        .path = path,
        .mode = FS_MODE_KEEP,
        .owner = TARGET_OWNER_KEEP,
        .group = TARGET_GROUP_KEEP,
    };
    struct outputs *outputs = NULL;
    enum outputs_found found;
    struct engine *g = NULL;
    struct table t = TABLE_NULL;
    struct err e = ERR_INIT;
    if (outputs_new(&outputs, &file, 1, false, true, &found, &e) < 0 ||
        nginx_engine_new(&g, &(struct nginx_options){.empty = NGINX_EMPTY_DOWN}, &e) < 0) {
        fail(&e);
    }
    for (unsigned i = 0; i < UPSTREAMS; i++) {
        for (unsigned j = 0; j < SERVERS; j++) {
            put(&t, i, j, 80);
        }
    }
    round_ns(g, outputs, &t, 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        put(&t, i * 7 % UPSTREAMS, i % SERVERS, (uint16_t)(1000 + i));
        printf("changed %llu\n", (unsigned long long)round_ns(g, outputs, &t, 1));
        printf("same %llu\n", (unsigned long long)round_ns(g, outputs, &t, 0));
    }
    table_deinit(&t);
    engine_free(g);
    outputs_free(outputs);
    return 0;
}
