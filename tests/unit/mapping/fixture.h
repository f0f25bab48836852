#pragma once
/*
 * Containers and options for the tests of mapping, and a mapping's result as text: one line for each
 * verdict, then one for each warning, so that a test shows all that it expects and a failure all that
 * it got.
 */
#include "base/buf.h"
#include "base/str.h"
#include "mapping/mapping.h"
#include "model/container.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FX_ID     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FX_PEER   "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define FX_EVERY  "0.0.0.0"
#define FX_HOST   "192.168.1.102"
#define FX_HOST6  "2001:db8::102"
#define FX_MAX    64
#define FX_OUTPUT (1024 * 1024)

struct fx {
    struct container_spec spec;
    struct container_kv env[FX_MAX], labels[FX_MAX];
    struct container_port ports[FX_MAX];
    struct container_network networks[FX_MAX];
    const char *filters[FX_MAX];
    struct mapping_options o;
    const struct fx *peer;
};

/* A running container web-1 of image web:1 on bridge, without ports. */
static inline void fx_init(struct fx *fx)
{
    *fx = (struct fx){
        .spec = {.id = FX_ID,
                 .name = "web-1",
                 .image = "web:1",
                 .hostname = "0123456789ab",
                 .network_mode = "bridge",
                 .started_at = "2026-01-01T10:00:00.5Z",
                 .error = "",
                 .running = true,
                 .stop_signal = 15,
                 .stop_timeout_s = 10},
        .o = {.node = "node1", .host_v4 = FX_HOST, .host_v6 = "", .network = "", .tags = ""},
    };
}

static inline void fx_label(struct fx *fx, const char *key, const char *value)
{
    assert_true(fx->spec.n_labels < FX_MAX);
    fx->labels[fx->spec.n_labels++] = (struct container_kv){key, value};
}

static inline void fx_env(struct fx *fx, const char *key, const char *value)
{
    assert_true(fx->spec.n_env < FX_MAX);
    fx->env[fx->spec.n_env++] = (struct container_kv){key, value};
}

static inline void fx_bind(struct fx *fx, uint16_t port, enum service_proto proto, const char *ip,
                           uint16_t host_port)
{
    assert_true(fx->spec.n_ports < FX_MAX);
    fx->ports[fx->spec.n_ports++] = (struct container_port){
        .port = port, .proto = proto, .host_port = host_port, .host_ip = ip};
}

static inline void fx_expose(struct fx *fx, uint16_t port, enum service_proto proto)
{
    fx_bind(fx, port, proto, "", 0);
}

/* Exposed in a network where nothing is published. */
static inline void fx_expose_unlisted(struct fx *fx, uint16_t port, enum service_proto proto)
{
    fx_expose(fx, port, proto);
    fx->ports[fx->spec.n_ports - 1].unlisted = true;
}

/* As Docker reports `-p host_port:port`. */
static inline void fx_publish(struct fx *fx, uint16_t port, enum service_proto proto,
                              uint16_t host_port)
{
    fx_bind(fx, port, proto, "0.0.0.0", host_port);
    fx_bind(fx, port, proto, "::", host_port);
}

static inline void fx_network(struct fx *fx, const char *name, const char *v4, const char *v6)
{
    assert_true(fx->spec.n_networks < FX_MAX);
    fx->networks[fx->spec.n_networks++] =
        (struct container_network){.name = name, .ipv4 = v4, .ipv6 = v6};
}

static inline void fx_filter(struct fx *fx, const char *filter)
{
    struct err e = ERR_INIT;
    assert_int_equal(mapping_filter_check(filter, &e), 0);
    fx->filters[fx->o.n_filters++] = filter;
}

static inline int fx_compare_port(const void *pa, const void *pb)
{
    const struct container_port *a = pa, *b = pb;
    int by[] = {a->port - b->port, (int)a->proto - (int)b->proto, !a->host_port - !b->host_port,
                strcmp(a->host_ip, b->host_ip), a->host_port - b->host_port};
    for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
        if (by[i]) {
            return by[i];
        }
    }
    return 0;
}

static inline int fx_compare_key(const void *pa, const void *pb)
{
    return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

/* In the orders that struct container_spec promises; caller frees. */
static inline struct container *fx_container(const struct fx *fx)
{
    struct fx sorted = *fx;
    sorted.spec.env = sorted.env;
    sorted.spec.labels = sorted.labels;
    sorted.spec.ports = sorted.ports;
    sorted.spec.networks = sorted.networks;
    qsort(sorted.labels, sorted.spec.n_labels, sizeof(sorted.labels[0]), fx_compare_key);
    qsort(sorted.networks, sorted.spec.n_networks, sizeof(sorted.networks[0]), fx_compare_key);
    qsort(sorted.ports, sorted.spec.n_ports, sizeof(sorted.ports[0]), fx_compare_port);
    return container_new(&sorted.spec);
}

static inline void fx_write_service(struct buf *out, const struct service_spec *s)
{
    bool v6 = strchr(s->host, ':') != NULL;
    buf_printf(out, "%s %s %s%s%s:%u", s->name, s->id, v6 ? "[" : "", s->host, v6 ? "]" : "",
               (unsigned)s->port);
    if (s->status != SERVICE_PASSING) {
        buf_printf(out, " %s", service_status_name(s->status));
    }
    if (s->weight != SERVICE_WEIGHT_UNSET) {
        buf_printf(out, " weight=%d", s->weight);
    }
    for (size_t i = 0; i < s->n_tags; i++) {
        buf_printf(out, " <%s>", s->tags[i]);
    }
    for (size_t i = 0; i < s->n_attrs; i++) {
        buf_printf(out, " %s=%s", s->attrs[i].key, s->attrs[i].value);
    }
}

/*
 *   80/tcp 0.0.0.0:8081 = <name> <id> <host>:<port> [status] [weight] <tags> attrs
 *     because <reason>
 */
static inline void fx_write(struct buf *out, const struct mapping_result *r, bool reasons)
{
    size_t n_services = 0;
    for (size_t i = 0; i < r->n_verdicts; i++) {
        const struct mapping_verdict *v = &r->verdicts[i];
        if (v->port) {
            buf_printf(out, "%u/%s", (unsigned)v->port, service_proto_name(v->proto));
        } else {
            buf_puts(out, "container");
        }
        if (v->host_port) {
            buf_printf(out, " %s:%u", v->host_ip, (unsigned)v->host_port);
        }
        buf_puts(out, v->service ? " = " : " -");
        if (v->service) {
            fx_write_service(out, &v->service->s);
            assert_int_equal(v->service->s.proto, v->proto);
        }
        n_services += v->service != NULL;
        buf_puts(out, "\n");
        if (reasons) {
            buf_printf(out, "  because %s\n", v->reason);
        }
    }
    for (size_t i = 0; i < r->n_warnings; i++) {
        buf_printf(out, "warning: %s\n", r->warnings[i]);
    }
    if (r->keep_stopped) {
        buf_puts(out, "kept\n");
    }
    assert_int_equal(n_services, r->n_services);
    assert_int_equal(buf_error(out), 0);
}

static inline void fx_map(const struct fx *fx, struct mapping_result *ret)
{
    struct mapping_options o = fx->o;
    o.filters = fx->filters;
    CLEANUP_CONTAINER struct container *c = fx_container(fx);
    CLEANUP_CONTAINER struct container *peer = fx->peer ? fx_container(fx->peer) : NULL;
    /* Twice, as a result may depend on nothing but its input. The containers are freed on return, so
     * that the sanitizer sees a result that points into them. */
    struct mapping_result other;
    mapping_map(&o, c, peer, &other);
    mapping_map(&o, c, peer, ret);
    assert_int_equal(other.n_verdicts, ret->n_verdicts);
    for (size_t i = 0; i < ret->n_verdicts; i++) {
        assert_string_equal(other.verdicts[i].reason, ret->verdicts[i].reason);
    }
    mapping_result_deinit(&other);
    mapping_result_deinit(&other);
}

static inline void fx_check(const struct fx *fx, bool reasons, const char *want)
{
    struct mapping_result r;
    struct buf out = BUF_INIT(FX_OUTPUT);
    fx_map(fx, &r);
    fx_write(&out, &r, reasons);
    assert_string_equal(buf_str(&out), want);
    buf_deinit(&out);
    mapping_result_deinit(&r);
}

/* All of the result but the reasons. */
static inline void fx_expect(const struct fx *fx, const char *want)
{
    fx_check(fx, false, want);
}

static inline void fx_expect_reasons(const struct fx *fx, const char *want)
{
    fx_check(fx, true, want);
}
