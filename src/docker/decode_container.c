/*
 * Inspect → struct container.
 *
 * Happy path: the body is parsed, what tidewaiter needs is gathered in an arena, sorted, and copied into
 * one block by container_new().
 * Failure: a body that is no JSON object, or without an Id of 64 hex digits, is refused. Anything else
 * that is missing or odd costs only itself: a port, a binding or an address that makes no sense is left
 * out, an unknown stop signal is TERM.
 * Not done: nothing is judged here. A stopped container may still have its ports and addresses
 * (live-restore), a wildcard port is there twice (0.0.0.0 and ::); mapping knows.
 */
#include "docker/decode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"

#define ENV_PREFIX         "SERVICE_"
#define STOP_TIMEOUT_UNSET 10
#define STOP_TIMEOUT_MAX   (24 * 60 * 60) /* also what -1, "for ever", becomes */

static void arena_deinitp(struct arena *a)
{
    arena_deinit(a);
}

/* ---- environment and labels ---- */

static void gather_env(struct arena *a, const json *env, struct container_spec *s)
{
    struct container_kv *kv = arena_alloc(a, (json_size(env) + 1) * sizeof(*kv));
    for (const json *it = json_first(env); it; it = json_next(it)) {
        const char *text = json_value(it);
        if (!text || !str_starts(text, ENV_PREFIX)) {
            continue;
        }
        const char *equals = strchr(text, '=');
        size_t len = equals ? (size_t)(equals - text) : strlen(text);
        kv[s->n_env].key = arena_memdup0(a, text, len);
        kv[s->n_env].value = equals ? equals + 1 : "";
        s->n_env++;
    }
    s->env = kv;
}

static int compare_kv(const void *a, const void *b)
{
    return strcmp(((const struct container_kv *)a)->key, ((const struct container_kv *)b)->key);
}

static void gather_labels(struct arena *a, const json *labels, struct container_spec *s)
{
    struct container_kv *kv = arena_alloc(a, (json_size(labels) + 1) * sizeof(*kv));
    for (const json *it = json_first(labels); it; it = json_next(it)) {
        const char *value = json_value(it);
        if (value) {
            kv[s->n_labels++] = (struct container_kv){json_name(it), value};
        }
    }
    qsort(kv, s->n_labels, sizeof(*kv), compare_kv);
    s->labels = kv;
}

/* ---- addresses ---- */

/* An address as it is, "" when the text is none. */
static const char *address(int family, const char *text)
{
    unsigned char bin[sizeof(struct in6_addr)];
    return inet_pton(family, text, bin) == 1 ? text : "";
}

static bool is_address(const char *text)
{
    return address(AF_INET, text)[0] || address(AF_INET6, text)[0];
}

static int compare_network(const void *a, const void *b)
{
    return strcmp(((const struct container_network *)a)->name,
                  ((const struct container_network *)b)->name);
}

static void gather_networks(struct arena *a, const json *networks,
                            const struct docker_networks *own, struct container_spec *s)
{
    struct container_network *net = arena_alloc(a, (json_size(networks) + 1) * sizeof(*net));
    for (const json *it = json_first(networks); it; it = json_next(it)) {
        const char *name = json_name(it);
        net[s->n_networks++] = (struct container_network){
            .name = name,
            .ipv4 = address(AF_INET, json_str(it, "IPAddress", "")),
            .ipv6 = address(AF_INET6, json_str(it, "GlobalIPv6Address", "")),
            .own_address = own && docker_networks_have(own, json_str(it, "NetworkID", ""), name),
        };
    }
    qsort(net, s->n_networks, sizeof(*net), compare_network);
    s->networks = net;
}

/* ---- ports ---- */

/* "80/tcp", "5000/sctp", "80" */
static bool parse_port_key(const char *key, struct container_port *ret)
{
    char number[8];
    const char *slash = strchr(key, '/');
    size_t len = slash ? (size_t)(slash - key) : strlen(key);
    if (len >= sizeof(number)) {
        return false;
    }
    memcpy(number, key, len);
    number[len] = '\0';
    *ret = (struct container_port){.proto = SERVICE_TCP, .host_ip = ""};
    return str_to_port(number, &ret->port) &&
           (!slash || service_proto_parse(slash + 1, &ret->proto));
}

/* How much room one object of ports can need: a port for each key, and one for each binding. */
static size_t count_ports(const json *ports)
{
    size_t n = 0;
    for (const json *it = json_first(ports); it; it = json_next(it)) {
        n += 1 + json_size(it);
    }
    return n;
}

/* The bindings of one port. podman has "" for "every address". */
static size_t gather_bindings(const json *bindings, const struct container_port *port,
                              struct container_port *ret)
{
    size_t n = 0;
    for (const json *it = json_is_array(bindings) ? json_first(bindings) : NULL; it;
         it = json_next(it)) {
        const char *ip = json_str(it, "HostIp", "");
        ret[n] = *port;
        ret[n].host_ip = ip;
        if (str_to_port(json_str(it, "HostPort", ""), &ret[n].host_port) &&
            (ip[0] == '\0' || is_address(ip))) {
            n++;
        }
    }
    return n;
}

static int compare_numbers(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

/* What the engine lists comes before what it does not, so that port_is_known() sees it first. */
static int compare_port(const void *pa, const void *pb)
{
    const struct container_port *a = pa, *b = pb;
    int c = compare_numbers(a->port, b->port);
    c = c ? c : compare_numbers(a->proto, b->proto);
    c = c ? c : compare_numbers(a->host_port == 0, b->host_port == 0);
    c = c ? c : compare_numbers(a->unlisted, b->unlisted);
    c = c ? c : strcmp(a->host_ip, b->host_ip);
    return c ? c : compare_numbers(a->host_port, b->host_port);
}

/* Whether the sorted list already says what p says. */
static bool port_is_known(const struct container_port *last, const struct container_port *p)
{
    return last->port == p->port && last->proto == p->proto &&
           (p->host_port == 0 || compare_port(last, p) == 0);
}

static void gather_ports(struct arena *a, const json *published, const json *exposed,
                         struct container_spec *s)
{
    struct container_port *ports =
        arena_alloc(a, (count_ports(published) + count_ports(exposed) + 1) * sizeof(*ports));
    size_t n = 0;
    for (const json *it = json_first(published); it; it = json_next(it)) {
        struct container_port port;
        if (parse_port_key(json_name(it), &port)) {
            ports[n] = port;
            n += 1 + gather_bindings(it, &port, &ports[n + 1]);
        }
    }
    for (const json *it = json_first(exposed); it; it = json_next(it)) {
        if (parse_port_key(json_name(it), &ports[n])) {
            ports[n++].unlisted = true;
        }
    }

    qsort(ports, n, sizeof(*ports), compare_port);
    for (size_t i = 0; i < n; i++) {
        if (s->n_ports == 0 || !port_is_known(&ports[s->n_ports - 1], &ports[i])) {
            ports[s->n_ports++] = ports[i];
        }
    }
    s->ports = ports;
}

/* ---- state ---- */

/* The key is absent without a health check; podman has it always, with "". */
static enum container_health parse_health(const json *state)
{
    const char *text = json_str(json_get(state, "Health"), "Status", "");
    if (text[0] == '\0' || streq(text, "none")) {
        return CONTAINER_HEALTH_NONE;
    }
    /* a word that is not known here must not pass for healthy */
    return streq(text, "healthy")     ? CONTAINER_HEALTH_HEALTHY
           : streq(text, "unhealthy") ? CONTAINER_HEALTH_UNHEALTHY
                                      : CONTAINER_HEALTH_STARTING;
}

static void gather_state(const json *state, struct container_spec *s)
{
    s->started_at = json_str(state, "StartedAt", "");
    s->error = json_str(state, "Error", "");
    s->paused = json_bool(state, "Paused", false);
    s->restarting = json_bool(state, "Restarting", false);
    /* Docker's Running is true while paused and while waiting for a restart; podman's is not */
    s->running = (json_bool(state, "Running", false) || s->paused) && !s->restarting &&
                 !json_bool(state, "Dead", false);
    s->health = parse_health(state);
    int64_t code = json_int(state, "ExitCode", 0);
    s->exit_code = code >= INT32_MIN && code <= INT32_MAX ? (int)code : -1;
}

static void gather_stop(const json *config, struct container_spec *s)
{
    if (!docker_signal_parse(json_str(config, "StopSignal", ""), &s->stop_signal)) {
        s->stop_signal = SIGTERM;
    }
    int64_t timeout = json_int(config, "StopTimeout", STOP_TIMEOUT_UNSET);
    s->stop_timeout_s =
        timeout < 0 || timeout > STOP_TIMEOUT_MAX ? STOP_TIMEOUT_MAX : (unsigned)timeout;
}

int docker_decode_inspect(struct container **ret, const char *text, size_t len,
                          const struct docker_networks *nets, struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    CLEANUP(arena_deinitp) struct arena a = ARENA_NULL;
    struct container_spec s = {0};
    int r = json_parse(&root, text, len, e);
    if (r < 0) {
        err_wrap(e, "inspect");
        return r;
    }
    r = json_need_str(root, "inspect", "Id", &s.id, e);
    if (r < 0) {
        return r;
    }
    if (!docker_id_valid(s.id)) {
        return err_set(e, ERR_INVALID, -EINVAL, "inspect.Id: not a container id: \"%.80s\"", s.id);
    }

    const json *config = json_get(root, "Config");
    const json *network = json_get(root, "NetworkSettings");
    const char *name = json_str(root, "Name", "");
    s.name = name[0] == '/' ? name + 1 : name;
    s.image = json_str(config, "Image", "");
    s.hostname = json_str(config, "Hostname", "");
    s.network_mode = json_str(json_get(root, "HostConfig"), "NetworkMode", "");
    gather_state(json_get(root, "State"), &s);
    gather_stop(config, &s);
    gather_env(&a, json_get(config, "Env"), &s);
    gather_labels(&a, json_get(config, "Labels"), &s);
    gather_networks(&a, json_get(network, "Networks"), nets, &s);
    gather_ports(&a, json_get(network, "Ports"), json_get(config, "ExposedPorts"), &s);
    *ret = container_new(&s);
    return 0;
}
