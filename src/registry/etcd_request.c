/*
 * Builders of request bodies. They cannot fail but by the cap of the buffer they append to.
 */
#include "registry/etcd_request.h"

#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void field_text(struct json_writer *w, const char *name, const char *text)
{
    json_field_base64(w, name, text, strlen(text));
}

static void field_int64(struct json_writer *w, const char *name, int64_t v)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, v);
    json_field_str(w, name, text);
}

void etcd_request_range(struct buf *out, const struct etcd_range_request *r)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_field_base64(&w, "key", r->key, r->key_len);
    if (r->end) {
        field_text(&w, "range_end", r->end);
    }
    if (r->limit) {
        field_int64(&w, "limit", r->limit);
    }
    if (r->revision) {
        field_int64(&w, "revision", r->revision);
    }
    json_object_end(&w);
}

static void one_int64(struct buf *out, const char *name, int64_t v)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    field_int64(&w, name, v);
    json_object_end(&w);
}

void etcd_request_grant(struct buf *out, int64_t ttl_s)
{
    one_int64(out, "TTL", ttl_s);
}

void etcd_request_keepalive(struct buf *out, const int64_t *leases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        one_int64(out, "ID", leases[i]);
    }
}

void etcd_request_timetolive(struct buf *out, int64_t lease, bool keys)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    field_int64(&w, "ID", lease);
    if (keys) {
        json_field_bool(&w, "keys", true);
    }
    json_object_end(&w);
}

void etcd_request_revoke(struct buf *out, int64_t lease)
{
    one_int64(out, "ID", lease);
}

void etcd_request_authenticate(struct buf *out, const char *user, const char *password)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_field_str(&w, "name", user);
    json_field_str(&w, "password", password);
    json_object_end(&w);
}

void etcd_request_watch(struct buf *out, const char *key, const char *end, int64_t start_revision)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_key(&w, "create_request");
    json_object(&w);
    field_text(&w, "key", key);
    if (end) {
        field_text(&w, "range_end", end);
    }
    field_int64(&w, "start_revision", start_revision);
    json_field_bool(&w, "progress_notify", true);
    json_field_bool(&w, "fragment", true);
    json_object_end(&w);
    json_object_end(&w);
}

/* ---- transactions ---- */

void etcd_txn_begin(struct etcd_txn_builder *t, struct buf *out)
{
    json_begin(&t->w, out);
    json_object(&t->w);
    json_key(&t->w, "compare");
    json_array(&t->w);
}

void etcd_txn_compare(struct etcd_txn_builder *t, const char *key, int64_t mod_revision)
{
    json_object(&t->w);
    json_field_str(&t->w, "target", "MOD");
    json_field_str(&t->w, "result", "EQUAL");
    field_text(&t->w, "key", key);
    field_int64(&t->w, "mod_revision", mod_revision);
    json_object_end(&t->w);
}

void etcd_txn_success(struct etcd_txn_builder *t)
{
    json_array_end(&t->w);
    json_key(&t->w, "success");
    json_array(&t->w);
}

void etcd_txn_failure(struct etcd_txn_builder *t)
{
    json_array_end(&t->w);
    json_key(&t->w, "failure");
    json_array(&t->w);
}

void etcd_txn_put(struct etcd_txn_builder *t, const char *key, const void *value, size_t len,
                  int64_t lease)
{
    must(lease != 0);
    json_object(&t->w);
    json_key(&t->w, "request_put");
    json_object(&t->w);
    field_text(&t->w, "key", key);
    json_field_base64(&t->w, "value", value, len);
    field_int64(&t->w, "lease", lease);
    json_object_end(&t->w);
    json_object_end(&t->w);
}

static void txn_key(struct etcd_txn_builder *t, const char *kind, const char *key)
{
    json_object(&t->w);
    json_key(&t->w, kind);
    json_object(&t->w);
    field_text(&t->w, "key", key);
    json_object_end(&t->w);
    json_object_end(&t->w);
}

void etcd_txn_delete(struct etcd_txn_builder *t, const char *key)
{
    txn_key(t, "request_delete_range", key);
}

void etcd_txn_range(struct etcd_txn_builder *t, const char *key)
{
    txn_key(t, "request_range", key);
}

void etcd_txn_end(struct etcd_txn_builder *t)
{
    json_array_end(&t->w);
    json_object_end(&t->w);
}
