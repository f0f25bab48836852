/*
 * A check → the JSON that Consul's register call takes. What is not given is left out: an empty duration
 * is refused, and with it the whole service.
 */
#include "registry/consul_check.h"

#include "base/json.h"
#include "base/str.h"

static void field(struct json_writer *w, const char *name, const char *value)
{
    if (value) {
        json_field_str(w, name, value);
    }
}

static void flag(struct json_writer *w, const char *name, bool value)
{
    if (value) {
        json_field_bool(w, name, true);
    }
}

static bool named_before(const struct consul_check *c, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (streq(c->headers[j].key, c->headers[i].key)) {
            return true;
        }
    }
    return false;
}

/* {"Name":["value","other value"]} */
static void write_headers(struct json_writer *w, const struct consul_check *c)
{
    json_key(w, "Header");
    json_object(w);
    for (size_t i = 0; i < c->n_headers; i++) {
        if (named_before(c, i)) {
            continue;
        }
        json_key(w, c->headers[i].key);
        json_array(w);
        for (size_t j = i; j < c->n_headers; j++) {
            if (streq(c->headers[j].key, c->headers[i].key)) {
                json_put_str(w, c->headers[j].value);
            }
        }
        json_array_end(w);
    }
    json_object_end(w);
}

void consul_check_write(struct json_writer *w, const struct consul_check *c)
{
    json_object(w);
    field(w, "CheckID", c->id);
    field(w, "Name", c->name);
    field(w, "Notes", c->notes);
    field(w, "HTTP", c->http);
    field(w, "Method", c->method);
    if (c->n_headers > 0) {
        write_headers(w, c);
    }
    field(w, "TCP", c->tcp);
    field(w, "GRPC", c->grpc);
    flag(w, "GRPCUseTLS", c->grpc_tls);
    flag(w, "TLSSkipVerify", c->tls_skip_verify);
    field(w, "DockerContainerID", c->container);
    if (c->args) {
        json_key(w, "Args");
        json_array(w);
        for (const char *const *arg = c->args; *arg; arg++) {
            json_put_str(w, *arg);
        }
        json_array_end(w);
    }
    if (c->ttl > 0) {
        char ttl[CONSUL_DURATION_MAX];
        consul_duration_format(c->ttl, ttl);
        json_field_str(w, "TTL", ttl);
    }
    field(w, "Interval", c->interval);
    field(w, "Timeout", c->timeout);
    field(w, "Status", c->status);
    field(w, "DeregisterCriticalServiceAfter", c->deregister_after);
    json_object_end(w);
}
