/*
 * A container in a small text form → mapping_map() by both rules, and what must hold of every result.
 *
 * One line for each fact; '|' in it stands for a line break:
 *   l KEY=VALUE   label              e KEY=VALUE   variable
 *   p PORT PROTO HOST_PORT IP        n NAME FLAG IPV4 IPV6     (IP "-": unlisted; FLAG 1: macvlan)
 *   m MODE        network mode       i IMAGE       c NAME
 *   s STATE       bits: 1 stopped, 2 paused, 4 restarting, 8.. health
 *   o OPTIONS     bits, see read_options()
 *   t TAGS        f FILTER           w NETWORK     a NODE
 *   peer          what follows is about the container whose network is shared
 */
#include "base/must.h"
#include "base/str.h"
#include "mapping/mapping.h"
#include "mapping/text.h"
#include "model/container.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX      256
#define INPUT    (64u * 1024)
#define HOST_V4  "192.0.2.1"
#define HOST_V6  "2001:db8::1"
#define ID_OK    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define IP_LABEL "inet"
#define NAME_SET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define ID_SET   NAME_SET ":@+~"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct subject {
    struct container_spec spec;
    struct container_kv labels[MAX], env[MAX];
    struct container_port ports[MAX];
    struct container_network networks[MAX];
};

struct scene {
    struct subject self, peer;
    struct mapping_options o;
    const char *filters[MAX];
};

static void init(struct subject *s)
{
    s->spec = (struct container_spec){.id = ID_OK,
                                      .name = "web-1",
                                      .image = "web",
                                      .hostname = "",
                                      .network_mode = "bridge",
                                      .started_at = "",
                                      .error = "",
                                      .running = true,
                                      .env = s->env,
                                      .labels = s->labels,
                                      .ports = s->ports,
                                      .networks = s->networks};
}

/* Cuts the next word off; "" when there is none. */
static const char *word(char **rest)
{
    char *start = *rest;
    *rest += strcspn(start, " ");
    if (**rest) {
        *(*rest)++ = '\0';
    }
    return start;
}

static void read_kv(struct container_kv *kv, size_t *n, char *text)
{
    char *eq = strchr(text, '=');
    if (eq && *n < MAX) {
        *eq = '\0';
        kv[(*n)++] = (struct container_kv){text, eq + 1};
    }
}

static void read_port(struct subject *s, char *text)
{
    unsigned port = (unsigned)strtoul(word(&text), NULL, 10) & 0xffff;
    unsigned proto = (unsigned)strtoul(word(&text), NULL, 10) % 3;
    unsigned host_port = (unsigned)strtoul(word(&text), NULL, 10) & 0xffff;
    if (port && s->spec.n_ports < MAX) {
        s->ports[s->spec.n_ports++] =
            (struct container_port){.port = (uint16_t)port,
                                    .proto = (enum service_proto)proto,
                                    .host_port = (uint16_t)host_port,
                                    .host_ip = text,
                                    .unlisted = !host_port && streq(text, "-")};
    }
}

static void read_network(struct subject *s, char *text)
{
    if (s->spec.n_networks < MAX) {
        struct container_network *n = &s->networks[s->spec.n_networks++];
        n->name = word(&text);
        n->own_address = streq(word(&text), "1");
        n->ipv4 = word(&text);
        n->ipv6 = text;
    }
}

static void read_state(struct subject *s, unsigned bits)
{
    s->spec.running = !(bits & 1);
    s->spec.paused = bits & 2;
    s->spec.restarting = bits & 4;
    s->spec.health = (enum container_health)(bits >> 3 & 3);
    s->spec.exit_code = (int)(bits >> 5 & 255);
}

static void read_options(struct mapping_options *o, unsigned bits)
{
    o->internal = bits & 1;
    o->explicit_only = bits & 2;
    o->host_v4 = bits & 4 ? "" : HOST_V4;
    o->host_v6 = bits & 8 ? HOST_V6 : "";
    o->name_from = (enum mapping_name_from)((bits >> 4) % 3);
    o->health = (enum mapping_health)((bits >> 6) % 3);
    o->deregister = bits & 256 ? MAPPING_DEREGISTER_ON_SUCCESS : MAPPING_DEREGISTER_ALWAYS;
    o->ip_forced = bits & 512;
    o->ip_label = bits & 1024 ? IP_LABEL : "";
}

static struct subject *read_line(struct scene *sc, struct subject *s, char *line)
{
    char *text = line[0] && line[1] == ' ' ? line + 2 : line + strlen(line);
    switch (line[0]) {
    case 'l':
        read_kv(s->labels, &s->spec.n_labels, text);
        break;
    case 'e':
        read_kv(s->env, &s->spec.n_env, text);
        break;
    case 'p':
        if (streq(line, "peer")) {
            return &sc->peer;
        }
        read_port(s, text);
        break;
    case 'n':
        read_network(s, text);
        break;
    case 'm':
        s->spec.network_mode = text;
        break;
    case 'i':
        s->spec.image = text;
        break;
    case 'c':
        s->spec.name = text;
        break;
    case 's':
        read_state(s, (unsigned)strtoul(text, NULL, 10));
        break;
    case 'o':
        read_options(&sc->o, (unsigned)strtoul(text, NULL, 10));
        break;
    case 't':
        sc->o.tags = mapping_tags_check(text, NULL) == 0 ? text : "";
        break;
    case 'f':
        if (sc->o.n_filters < MAX && mapping_filter_check(text, NULL) == 0) {
            sc->filters[sc->o.n_filters++] = text;
        }
        break;
    case 'w':
        sc->o.network = text;
        break;
    case 'a':
        sc->o.node = text;
        break;
    default:
        break;
    }
    return s;
}

/* In the orders that struct container_spec promises. */
static int compare_port(const void *pa, const void *pb)
{
    const struct container_port *a = pa, *b = pb;
    if (a->port != b->port) {
        return a->port < b->port ? -1 : 1;
    }
    if (a->proto != b->proto) {
        return a->proto < b->proto ? -1 : 1;
    }
    if (!a->host_port != !b->host_port) {
        return a->host_port ? -1 : 1;
    }
    if (a->unlisted != b->unlisted) {
        return a->unlisted ? 1 : -1;
    }
    int c = strcmp(a->host_ip, b->host_ip);
    return c ? c : (a->host_port > b->host_port) - (a->host_port < b->host_port);
}

static int compare_first(const void *pa, const void *pb)
{
    return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

static struct container *make(struct subject *s)
{
    qsort(s->labels, s->spec.n_labels, sizeof(s->labels[0]), compare_first);
    qsort(s->networks, s->spec.n_networks, sizeof(s->networks[0]), compare_first);
    qsort(s->ports, s->spec.n_ports, sizeof(s->ports[0]), compare_port);
    return container_new(&s->spec);
}

/* ---- what must hold ---- */

static void must_be_line(const char *s)
{
    must(s && s[0]);
    must(str_printable(s, strlen(s)));
}

static bool is_of_host(const struct mapping_verdict *v, const struct mapping_options *o)
{
    const char *host = v->service->s.host;
    return streq(host, v->host_ip) || streq(host, o->host_v4) || streq(host, o->host_v6);
}

static void check_native(const struct mapping_verdict *v, const struct mapping_options *o)
{
    const struct service_spec *s = &v->service->s;
    must(s->name[0] && s->name[strspn(s->name, NAME_SET)] == '\0');
    must(s->name[0] != '.' && s->name[0] != '-');
    must(s->id[0] && s->id[strspn(s->id, ID_SET)] == '\0');
    must(s->host[0]);
    must(!v->host_port || is_of_host(v, o));
}

static void must_be_part_of_key(const char *s)
{
    must_be_line(s);
    must(!strchr(s, '/'));
}

static void check_registrator(const struct mapping_verdict *v, const struct mapping_options *o,
                              const struct container *c)
{
    const struct service_spec *s = &v->service->s;
    const char *label = container_label(c, IP_LABEL);
    must_be_part_of_key(s->name);
    must_be_part_of_key(s->id);
    must(s->name[0] != '.' && s->weight == SERVICE_WEIGHT_UNSET);
    must(!o->internal || !v->host_port);
    /* A container's address goes with a host's port only where that is its own port as well. */
    must(s->port == v->port || is_of_host(v, o) || mapping_peer_id(c) ||
         (o->ip_label[0] && label && str_starts(label, s->host)));
}

static void check_service(const struct mapping_verdict *v, const struct mapping_options *o,
                          const struct container *c)
{
    const struct service_spec *s = &v->service->s;
    if (o->rules == MAPPING_REGISTRATOR) {
        check_registrator(v, o, c);
    } else {
        check_native(v, o);
    }
    must(s->proto == v->proto);
    /* Either both of the host, or both of the container. */
    must(s->port == (v->host_port ? v->host_port : v->port));
    for (size_t i = 0; i < s->n_tags; i++) {
        must_be_line(s->tags[i]);
    }
    for (size_t i = 0; i < s->n_attrs; i++) {
        must_be_line(s->attrs[i].key);
        must(str_printable(s->attrs[i].value, strlen(s->attrs[i].value)));
    }
}

static bool has_verdict(const struct mapping_result *r, const struct container_port *p)
{
    for (size_t i = 0; i < r->n_verdicts; i++) {
        if (r->verdicts[i].port == p->port && r->verdicts[i].proto == p->proto) {
            return true;
        }
    }
    return false;
}

/* Registrator's ids are unique below their names. */
static bool same_id(const struct service *a, const struct service *b,
                    const struct mapping_options *o)
{
    return o->rules == MAPPING_REGISTRATOR ? service_compare(a, b) == 0 : streq(a->s.id, b->s.id);
}

static void check(const struct mapping_result *r, const struct container *c,
                  const struct mapping_options *o)
{
    size_t n = 0;
    must(r->n_verdicts > 0);
    for (size_t i = 0; i < r->n_verdicts; i++) {
        const struct mapping_verdict *v = &r->verdicts[i];
        must_be_line(v->reason);
        must(v->host_ip);
        must(v->port || r->n_verdicts == 1);
        if (v->service) {
            n++;
            check_service(v, o, c);
            for (size_t j = 0; j < i; j++) {
                must(!r->verdicts[j].service || !same_id(r->verdicts[j].service, v->service, o));
            }
        }
    }
    must(n == r->n_services);
    must(n == 0 || !r->keep_stopped);
    must(n == 0 || (c->s.running && (!c->s.paused || o->rules == MAPPING_REGISTRATOR)));
    for (size_t i = 0; r->verdicts[0].port && i < c->s.n_ports; i++) {
        must(has_verdict(r, &c->s.ports[i]));
    }
    must(r->n_warnings <= WARNINGS_MAX);
    for (size_t i = 0; i < r->n_warnings; i++) {
        must_be_line(r->warnings[i]);
    }
}

static void check_same(const struct mapping_result *a, const struct mapping_result *b)
{
    must(a->n_verdicts == b->n_verdicts && a->n_warnings == b->n_warnings);
    for (size_t i = 0; i < a->n_verdicts; i++) {
        const struct service *sa = a->verdicts[i].service, *sb = b->verdicts[i].service;
        must(streq(a->verdicts[i].reason, b->verdicts[i].reason));
        must(!sa == !sb && (!sa || service_equal(sa, sb)));
    }
}

static void map(const struct mapping_options *o, const struct container *c,
                const struct container *peer)
{
    struct mapping_result once, again;
    mapping_map(o, c, peer, &once);
    check(&once, c, o);
    mapping_map(o, c, peer, &again);
    check_same(&once, &again);
    mapping_result_deinit(&once);
    mapping_result_deinit(&again);
}

static void run(struct scene *sc)
{
    static const enum mapping_rules rules[] = {MAPPING_NATIVE, MAPPING_REGISTRATOR};
    struct container *c = make(&sc->self), *peer = make(&sc->peer);
    sc->o.filters = sc->filters;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        sc->o.rules = rules[i];
        map(&sc->o, c, peer);
        map(&sc->o, c, NULL);
    }
    container_free(peer);
    container_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT) {
        return 0;
    }
    char *text = malloc(size + 1);
    struct scene *sc = calloc(1, sizeof(*sc));
    must(text && sc);
    memcpy(text, data, size);
    text[size] = '\0';
    init(&sc->self);
    init(&sc->peer);
    sc->o = (struct mapping_options){.node = "node1", .network = "", .tags = ""};
    read_options(&sc->o, 0);

    struct subject *s = &sc->self;
    for (char *line = text; line;) {
        char *end = strchr(line, '\n');
        if (end) {
            *end = '\0';
        }
        for (char *p = line; *p; p++) {
            *p = *p == '|' ? '\n' : *p;
        }
        s = read_line(sc, s, line);
        line = end ? end + 1 : NULL;
    }
    run(sc);
    free(sc);
    free(text);
    return 0;
}
