/*
 * Services → values of a key-value registry.
 *
 * Happy path: the members are written in the fixed order of record.h; attributes are already sorted in
 * the service and tags keep their order, so equal services have equal bytes.
 *
 * Failure modes: a value longer than RECORD_VALUE_MAX, or than the caller's buffer, is refused. That is
 * all that can go wrong, because a struct service is valid by construction.
 *
 * Not here: keys (each driver has its own layout), and reading values back (record_decode.c).
 */
#include "registry/record.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"

static const char *const form_names[] = {
#define X(sym, name) name,
    RECORD_FORMS(X)
#undef X
};

#define N_FORMS (sizeof(form_names) / sizeof(form_names[0]))

const char *record_form_name(enum record_form form)
{
    must((size_t)form < N_FORMS);
    return form_names[form];
}

bool record_form_parse(const char *text, enum record_form *ret)
{
    for (size_t i = 0; i < N_FORMS; i++) {
        if (streq(text, form_names[i])) {
            *ret = (enum record_form)i;
            return true;
        }
    }
    return false;
}

void record_addr_format(struct buf *out, const char *host, uint16_t port)
{
    buf_printf(out, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
}

/* "name" to "weight": what the json form has behind host and port, and the grpc form as metadata. */
static void write_members(struct json_writer *w, const struct service_spec *s)
{
    json_field_str(w, "name", s->name);
    json_field_str(w, "id", s->id);
    json_field_str(w, "node", s->node);
    json_field_str(w, "container", s->container);
    json_field_str(w, "proto", service_proto_name(s->proto));
    json_key(w, "tags");
    json_array(w);
    for (size_t i = 0; i < s->n_tags; i++) {
        json_put_str(w, s->tags[i]);
    }
    json_array_end(w);
    json_key(w, "attrs");
    json_object(w);
    for (size_t i = 0; i < s->n_attrs; i++) {
        json_field_str(w, s->attrs[i].key, s->attrs[i].value);
    }
    json_object_end(w);
    json_field_str(w, "status", service_status_name(s->status));
    if (s->weight != SERVICE_WEIGHT_UNSET) {
        json_field_int(w, "weight", s->weight);
    }
}

void record_write(struct json_writer *w, const struct service *svc)
{
    json_object(w);
    json_field_str(w, "host", svc->s.host);
    json_field_int(w, "port", svc->s.port);
    write_members(w, &svc->s);
    json_object_end(w);
}

static void write_grpc(struct json_writer *w, const struct service *svc)
{
    CLEANUP(buf_deinit) struct buf addr = BUF_INIT(SERVICE_HOST_MAX + sizeof("[]:65535"));
    record_addr_format(&addr, svc->s.host, svc->s.port);
    json_object(w);
    json_field_int(w, "Op", 0);
    json_field_str(w, "Addr", buf_str(&addr));
    json_key(w, "Metadata");
    json_object(w);
    write_members(w, &svc->s);
    json_object_end(w);
    json_object_end(w);
}

int record_encode(enum record_form form, const struct service *svc, struct buf *out, struct err *e)
{
    size_t before = out->len;
    struct json_writer w;
    if (str_empty(svc->s.host)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "%s has no address, which only Consul's agent can express", svc->s.id);
    }
    json_begin(&w, out);
    switch (form) {
    case RECORD_JSON:
        record_write(&w, svc);
        break;
    case RECORD_ADDR:
        record_addr_format(out, svc->s.host, svc->s.port);
        break;
    case RECORD_GRPC:
        write_grpc(&w, svc);
        break;
    }
    if (buf_error(out) || out->len - before > RECORD_VALUE_MAX) {
        return err_set(e, ERR_INVALID, -EMSGSIZE, "the record of %s is too long", svc->s.id);
    }
    return 0;
}

int record_encode_digest(enum record_form form, const struct service *svc, struct buf *out,
                         uint64_t *ret_digest, struct err *e)
{
    size_t before = out->len;
    int r = record_encode(form, svc, out, e);
    if (r == 0) {
        *ret_digest = hash64(out->data + before, out->len - before);
    }
    return r;
}
