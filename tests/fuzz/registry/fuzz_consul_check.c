/*
 * The bytes as a service: a byte of switches, then attributes "key=value", one in a line, and a last part
 * as tag. What is registered is JSON that keeps to Consul's limits, and a Consul that lists it as it was
 * sent gives its digest.
 */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/must.h"
#include "registry/consul_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX (1u << 22)
#define ID       "node1:web-1:80"
#define HEAD     "{\"ID\":\"" ID "\",\"Name\":\"web\","

static const char *const hosts[] = {"10.0.0.5", "fd00::5", "", "db.example"};

static struct service *make_service(uint8_t switches, char *text)
{
    struct service_attr attrs[SERVICE_ATTRS_MAX];
    struct service *svc = NULL;
    struct service_spec spec = {
        .name = "web",
        .id = ID,
        .container = switches & 16 ? "0123456789abcdef" : "",
        .host = hosts[switches >> 1 & 3],
        .port = 8080,
        .status = switches & 8 ? SERVICE_CRITICAL : SERVICE_PASSING,
        .weight = switches & 32 ? (int)(switches >> 6) * 40000 : SERVICE_WEIGHT_UNSET,
        .attrs = attrs,
    };
    const char *tag = text;
    for (char *end; (end = strchr(text, '\n')) && spec.n_attrs < SERVICE_ATTRS_MAX;
         text = end + 1) {
        *end = '\0';
        char *equals = strchr(text, '=');
        if (equals) {
            *equals = '\0';
            attrs[spec.n_attrs++] = (struct service_attr){.key = text, .value = equals + 1};
        }
        tag = end + 1;
    }
    spec.tags = &tag;
    spec.n_tags = 1;
    return service_new(&svc, &spec, NULL) == 0 ? svc : NULL;
}

static void check_duration(const json *check, const char *name, bool needed)
{
    const char *text = json_str(check, name, NULL);
    msec_t ms = 0;
    must(text || !needed);
    must(!text || (consul_duration_parse(text, &ms) && (ms > 0 || !needed)));
}

static void check_limits(const json *body)
{
    const json *meta = json_get(body, "Meta");
    must(json_size(meta) <= CONSUL_META_PAIRS_MAX);
    for (const json *it = json_first(meta); it; it = json_next(it)) {
        must(json_name(it)[0] && strlen(json_name(it)) <= CONSUL_META_KEY_MAX);
        must(strlen(json_value(it)) <= CONSUL_META_VALUE_MAX);
    }
    for (const json *it = json_first(json_get(body, "Checks")); it; it = json_next(it)) {
        bool ttl = json_get(it, "TTL");
        const char *status = json_str(it, "Status", NULL);
        enum service_status ignored;
        must(ttl == !json_get(it, "Interval"));
        check_duration(it, "TTL", ttl);
        check_duration(it, "Interval", !ttl);
        check_duration(it, "Timeout", false);
        check_duration(it, "DeregisterCriticalServiceAfter", false);
        must(!status || service_status_parse(status, &ignored));
        must(consul_check_notes_ours(json_str(it, "Notes", "")));
    }
}

/* As Consul's agent would list it. */
static void list(const struct buf *body, const json *parsed, struct buf *services,
                 struct buf *checks)
{
    must(strncmp(body->data, HEAD, strlen(HEAD)) == 0);
    buf_printf(services, "{\"" ID "\":{\"ID\":\"" ID "\",\"Service\":\"web\",%s}",
               body->data + strlen(HEAD));
    struct json_writer w;
    json_begin(&w, checks);
    json_object(&w);
    for (const json *it = json_first(json_get(parsed, "Checks")); it; it = json_next(it)) {
        json_key(&w, json_str(it, "CheckID", NULL));
        json_object(&w);
        json_field_str(&w, "ServiceID", ID);
        json_field_str(&w, "CheckID", json_str(it, "CheckID", NULL));
        json_field_str(&w, "Name", json_str(it, "Name", "made up by Consul"));
        json_field_str(&w, "Notes", json_str(it, "Notes", NULL));
        json_field_str(&w, "Status", json_str(it, "Status", "critical"));
        json_object_end(&w);
    }
    json_object_end(&w);
}

static void check_service(const struct consul_owner *owner, const struct service *svc)
{
    CLEANUP(buf_deinit) struct buf body = BUF_INIT(BODY_MAX);
    CLEANUP(buf_deinit) struct buf services = BUF_INIT(2 * BODY_MAX);
    CLEANUP(buf_deinit) struct buf checks = BUF_INIT(2 * BODY_MAX);
    CLEANUP(consul_listing_deinit) struct consul_listing l = CONSUL_LISTING_NULL;
    CLEANUP_JSON json *parsed = NULL;
    struct err e = ERR_INIT;
    uint64_t digest = 0;
    int r = consul_service_encode(owner, svc, &body, &digest, &e);
    must(r == 0 || (r == REGISTRY_ENCODED_PARTLY && e.class == ERR_INVALID && e.msg[0]));
    must(json_parse(&parsed, body.data, body.len, &e) == 0);
    check_limits(parsed);
    list(&body, parsed, &services, &checks);
    must(consul_listing_decode(&l, owner, services.data, services.len, checks.data, checks.len,
                               &e) == 0);
    must(l.n == 1 && l.items[0].owner == REGISTRY_OURS && l.items[0].digest == digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    CLEANUP_FREE char *text = xmemdup0(data + 1, size - 1);
    struct service *svc = make_service(data[0], text);
    if (svc) {
        const struct consul_owner owner = {
            .node = "node1",
            .id_host = "node1",
            .dialect = data[0] & 1 ? REGISTRY_REGISTRATOR : REGISTRY_NATIVE,
        };
        check_service(&owner, svc);
    }
    service_unref(svc);
    return 0;
}
