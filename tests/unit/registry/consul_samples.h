#pragma once
/*
 * The services whose listings by a real Consul are in tests/golden/consul: what is registered here has
 * to be recognised there.
 */
#include "base/alloc.h"
#include "registry/consul_service.h"
#include "tidewaiter/service.h"

#define SAMPLE_ATTRS_MAX 20
#define SAMPLE_TAGS_MAX  6
#define SAMPLE_CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct consul_sample {
    const char *name, *id, *host;
    uint16_t port;
    enum service_status status;
    int weight;
    bool partly; /* something of it cannot be registered */
    const char *container;
    const char *tags[SAMPLE_TAGS_MAX];
    struct service_attr attrs[SAMPLE_ATTRS_MAX];
};

static const struct consul_owner sample_native = {
    .node = "node1", .id_host = "node1", .dialect = REGISTRY_NATIVE};
static const struct consul_owner sample_registrator = {
    .node = "node1", .id_host = "node1", .dialect = REGISTRY_REGISTRATOR, .adopt_by_id = true};

#define UNSET SERVICE_WEIGHT_UNSET

static const struct consul_sample samples_native[] = {
    {"web",
     "node1:web-1:80",
     "10.0.0.5",
     30080,
     SERVICE_PASSING,
     UNSET,
     false,
     SAMPLE_CONTAINER,
     {"b", "a", ""},
     {{"zone", "z1"}, {"region", "eu"}, {"empty", ""}}},
    {"all",
     "node1:all-1:80",
     "fd00::5",
     8080,
     SERVICE_PASSING,
     10,
     false,
     SAMPLE_CONTAINER,
     {"udp"},
     {{"check_http", "/health?token=x"},
      {"check_http_method", "HEAD"},
      {"check_http_header", "Host: web.example, Accept: text/html\\, text/plain, Host: b"},
      {"check_https", "status"},
      {"check_tls_skip_verify", "true"},
      {"check_tcp", "yes"},
      {"check_grpc", "1"},
      {"check_grpc_use_tls", "on"},
      {"check_ttl", "45s"},
      {"check_script", "/bin/check 'a b' $SERVICE_IP $SERVICE_PORT"},
      {"check_cmd", "/usr/bin/probe --all"},
      {"check_docker", "test -e \"/tmp/the file\""},
      {"check_interval", "1h"},
      {"check_timeout", "1.5s"},
      {"check_deregister_after", "90m"},
      {"check_initial_status", "passing"}}},
    {"open",
     "node1:open-1:80",
     "10.0.0.5",
     30081,
     SERVICE_PASSING,
     UNSET,
     false,
     "",
     {"blue"},
     {{"enable_tag_override", "true"}}},
    {"sick",
     "node1:sick-1:80",
     "10.0.0.5",
     30082,
     SERVICE_WARNING,
     1,
     false,
     SAMPLE_CONTAINER,
     {NULL},
     {{"check_tcp", "off"}}},
    {"odd w\xc3\xa4",
     "my own id%?#\xe2\x82\xac",
     "",
     1,
     SERVICE_PASSING,
     0,
     true,
     "",
     {"a b", "<&>", "bad \xff\xc3", "\xe2\x80\xa8", "a b"},
     {{"text", "\"\\ <&> \xff \x01\x7f \xc2\x80 \xef\xbf\xbe"},
      {"two words", "x"},
      {"consul-x", "y"}}},
    {"beat",
     "node1:beat-1:53:udp",
     "dns.example",
     53,
     SERVICE_CRITICAL,
     65536,
     true,
     SAMPLE_CONTAINER,
     {"udp"},
     {{"check_ttl", "1m0.5s"},
      {"check_http", "/"},
      {"check_interval", "1h"},
      {"check_timeout", "soon"}}},
};

static const struct consul_sample samples_registrator[] = {
    {"plain",
     "node1:plain:80",
     "10.0.0.5",
     30080,
     SERVICE_PASSING,
     UNSET,
     false,
     SAMPLE_CONTAINER,
     {"b", "a"},
     {{"region", "eu"}, {"weight", "7"}, {"enable_tag_override", "true"}}},
    {"http",
     "node1:http:80",
     "10.0.0.5",
     30081,
     SERVICE_PASSING,
     7,
     false,
     SAMPLE_CONTAINER,
     {NULL},
     {{"check_http", "/h"},
      {"check_tcp", "true"},
      {"check_interval", "1h"},
      {"check_timeout", "2s"},
      {"check_http_method", "POST"},
      {"check_initial_status", "warning"}}},
    {"script",
     "node1:script:80",
     "fd00::5",
     30082,
     SERVICE_CRITICAL,
     UNSET,
     false,
     SAMPLE_CONTAINER,
     {NULL},
     {{"check_script", "/bin/check $SERVICE_IP"}, {"check_interval", "1h"}}},
    {"cmd",
     "node1:cmd:8125:udp",
     "10.0.0.5",
     30083,
     SERVICE_PASSING,
     UNSET,
     false,
     SAMPLE_CONTAINER,
     {"udp"},
     {{"check_cmd", "/probe x"}, {"check_interval", "1h"}}},
    {"ttl",
     "custom-id",
     "10.0.0.5",
     30084,
     SERVICE_WARNING,
     UNSET,
     false,
     SAMPLE_CONTAINER,
     {NULL},
     {{"check_ttl", "30s"}, {"check_deregister_after", "10m"}}},
    {"tcp",
     "node1:tcp:80",
     "",
     30085,
     SERVICE_PASSING,
     UNSET,
     true,
     SAMPLE_CONTAINER,
     {NULL},
     {{"check_tcp", "false"}}},
    {"grpc",
     "node1:grpc:80",
     "10.0.0.5",
     30086,
     SERVICE_PASSING,
     UNSET,
     false,
     SAMPLE_CONTAINER,
     {NULL},
     {{"check_grpc", "false"},
      {"check_grpc_use_tls", "x"},
      {"check_tls_skip_verify", "y"},
      {"check_interval", "1h"}}},
};

static inline int sample_service(const struct consul_sample *sample, struct service **ret,
                                 struct err *e)
{
    struct service_spec spec = {
        .name = sample->name,
        .id = sample->id,
        .node = "node1",
        .container = sample->container,
        .host = sample->host,
        .port = sample->port,
        .status = sample->status,
        .weight = sample->weight,
        .tags = sample->tags,
        .attrs = sample->attrs,
    };
    while (spec.n_tags < SAMPLE_TAGS_MAX && sample->tags[spec.n_tags]) {
        spec.n_tags++;
    }
    while (spec.n_attrs < SAMPLE_ATTRS_MAX && sample->attrs[spec.n_attrs].key) {
        spec.n_attrs++;
    }
    return service_new(ret, &spec, e);
}
