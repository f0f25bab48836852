/*
 * Consul's KV in memory. A transaction is carried out on a copy of the keys, which replaces them when
 * all of it went well; everything is a linear walk, as tests hold few keys.
 */
#include "lib/fake_consulkv.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"

#define BODY_MAX      (64u * 1024 * 1024)
#define TXN_BYTES_MAX 524288u
#define TXN_OPS_MAX   64u

struct fake_consulkv_key {
    UT_hash_handle hh;
    bool exists; /* false: a trace of it */
    char *value;
    int64_t create, modify; /* modify of a trace: when it was deleted */
    char session[40];
    char key[];
};

/* ---- keys ---- */

static struct fake_consulkv_key *find(struct fake_consulkv_key *keys, const char *key)
{
    struct fake_consulkv_key *k;
    HASH_FIND_STR(keys, key, k);
    return k;
}

static struct fake_consulkv_key *find_existing(struct fake_consulkv_key *keys, const char *key)
{
    struct fake_consulkv_key *k = find(keys, key);
    return k && k->exists ? k : NULL;
}

static struct fake_consulkv_key *make(struct fake_consulkv_key **keys, const char *key)
{
    struct fake_consulkv_key *k = find(*keys, key);
    if (!k) {
        k = xcalloc(1, sizeof(*k) + strlen(key) + 1);
        memcpy(k->key, key, strlen(key));
        HASH_ADD_STR(*keys, key, k);
    }
    return k;
}

static void set(struct fake_consulkv_key **keys, const char *key, const char *value,
                const char *session, int64_t index)
{
    struct fake_consulkv_key *k = make(keys, key);
    bool same = k->exists && streq(k->value, value) && streq(k->session, session);
    char *copy = xstrdup(value); /* value and session may be k's own */
    if (!k->exists) {
        k->create = index;
    }
    if (!same) { /* Consul leaves the index of a key that is put as it is */
        k->modify = index;
    }
    k->exists = true;
    free(k->value);
    k->value = copy;
    assert_true(session == k->session || str_copy(k->session, sizeof(k->session), session));
}

static void unset(struct fake_consulkv_key *k, int64_t index)
{
    k->exists = false;
    k->modify = index;
    k->session[0] = '\0';
}

static void forget_all(struct fake_consulkv_key **keys)
{
    struct fake_consulkv_key *k, *tmp;
    HASH_ITER (hh, *keys, k, tmp) {
        HASH_DEL(*keys, k);
        free(k->value);
        free(k);
    }
}

static struct fake_consulkv_key *copy_all(struct fake_consulkv_key *keys)
{
    struct fake_consulkv_key *copy = NULL, *k, *tmp;
    HASH_ITER (hh, keys, k, tmp) {
        struct fake_consulkv_key *c = make(&copy, k->key);
        c->exists = k->exists;
        c->value = xstrdup(k->value);
        c->create = k->create;
        c->modify = k->modify;
        str_copy(c->session, sizeof(c->session), k->session);
    }
    return copy;
}

static bool denied(const struct fake_consulkv *f, const char *key)
{
    return f->denied && str_starts(key, f->denied);
}

static void put_pair(struct buf *out, const struct fake_consulkv_key *k, bool with_value)
{
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    json_field_int(&w, "LockIndex", *k->session ? 1 : 0);
    json_field_str(&w, "Key", k->key);
    json_field_int(&w, "Flags", 0);
    if (with_value) {
        json_field_base64(&w, "Value", k->value, strlen(k->value));
    } else {
        json_field_str(&w, "Value", NULL);
    }
    if (*k->session) {
        json_field_str(&w, "Session", k->session);
    }
    json_field_int(&w, "CreateIndex", k->create);
    json_field_int(&w, "ModifyIndex", k->modify);
    json_object_end(&w);
}

/* ---- reading ---- */

struct query {
    char key[4096];
    bool recurse;
    int64_t index;
};

static void unescape(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        unsigned code;
        if (*p == '%' && sscanf(p + 1, "%2x", &code) == 1) {
            *to++ = (char)code;
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

static struct query parse_query(const char *path)
{
    struct query q = {.index = 0};
    const char *key = path + strlen("/v1/kv/");
    size_t len = strcspn(key, "?");
    assert_true(len < sizeof(q.key));
    memcpy(q.key, key, len);
    unescape(q.key);
    q.recurse = strstr(key + len, "recurse") != NULL;
    const char *index = strstr(key + len, "index=");
    if (index) {
        assert_int_equal(sscanf(index, "index=%" SCNd64 "&wait=60000ms", &q.index), 1);
        assert_non_null(strstr(index, "&wait=60000ms"));
    }
    return q;
}

/* What X-Consul-Index says: traces count, and a folder without either is as new as anything. */
static int64_t folder_index(const struct fake_consulkv *f, const char *prefix)
{
    struct fake_consulkv_key *k, *tmp;
    int64_t index = 0;
    HASH_ITER (hh, f->keys, k, tmp) {
        if (str_starts(k->key, prefix) && k->modify > index) {
            index = k->modify;
        }
    }
    return index ? index : f->index;
}

/* How many keys; the array is not opened without one. */
static size_t put_keys(const struct fake_consulkv *f, const char *key, bool recurse,
                       struct buf *out)
{
    struct fake_consulkv_key *k, *tmp;
    size_t n = 0;
    HASH_ITER (hh, f->keys, k, tmp) {
        bool wanted = recurse ? str_starts(k->key, key) : streq(k->key, key);
        if (k->exists && wanted && !denied(f, k->key)) {
            buf_putc(out, n++ ? ',' : '[');
            put_pair(out, k, true);
        }
    }
    buf_puts(out, n ? "]" : "");
    return n;
}

int64_t fake_consulkv_list(const struct fake_consulkv *f, const char *prefix, struct buf *out)
{
    put_keys(f, prefix, true, out);
    return folder_index(f, prefix);
}

static void answer_query(struct fake_consulkv *f, struct fake_exchange *x, const struct query *q)
{
    struct buf body = BUF_INIT(BODY_MAX);
    char headers[64];
    if (!q->recurse && denied(f, q->key)) {
        fake_reply(x, 403, "Permission denied");
        return;
    }
    size_t n = put_keys(f, q->key, q->recurse, &body);
    snprintf(headers, sizeof(headers), "X-Consul-Index: %" PRId64 "\r\n", folder_index(f, q->key));
    fake_reply_headers(x, n ? 200 : 404, headers, buf_str(&body));
    buf_deinit(&body);
}

/* After a change: what was held and has news now is answered. */
static void release(struct fake_consulkv *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_held; i++) {
        struct fake_exchange *x = f->held[i];
        if (fake_gone(x)) {
            continue;
        }
        struct query q = parse_query(fake_path(x));
        if (folder_index(f, q.key) > q.index) {
            answer_query(f, x, &q);
        } else {
            f->held[n++] = x;
        }
    }
    f->n_held = n;
}

static void on_get(struct fake_consulkv *f, struct fake_exchange *x, const char *path)
{
    struct query q = parse_query(path);
    if (q.index == 0) {
        f->gets++;
        answer_query(f, x, &q);
        return;
    }
    assert_true(q.recurse);
    f->queries++;
    f->query_index = q.index;
    /* an index from before a wipe: Consul would hold it until the wait has run out */
    bool from_before = q.index > f->index;
    if (folder_index(f, q.key) > q.index || from_before) {
        answer_query(f, x, &q);
        return;
    }
    release(f); /* forgets those whose asker has gone */
    assert_true(f->n_held < FAKE_CONSULKV_HELD);
    f->held[f->n_held++] = x;
}

/* ---- transactions ---- */

static bool session_alive(const struct fake_consulkv *f, const char *id)
{
    for (size_t i = 0; i < f->n_sessions; i++) {
        if (streq(f->sessions[i].id, id)) {
            return true;
        }
    }
    return false;
}

/* Carries one operation out; false and what: it fails. */
static bool do_op(struct fake_consulkv *f, struct fake_consulkv_key **keys, const json *op,
                  int64_t index, struct buf *results, char what[512])
{
    const char *verb = json_str(op, "Verb", ""), *key = json_str(op, "Key", "");
    const char *session = json_str(op, "Session", "");
    struct fake_consulkv_key *k = find_existing(*keys, key), *tmp;
    int64_t wanted = json_int(op, "Index", 0);
    struct buf value = BUF_INIT(BODY_MAX);
    bool result = true, ok = true;
    const char *b64 = json_str(op, "Value", "");
    assert_int_equal(base64_decode(&value, b64, strlen(b64)), 0);
    if (streq(verb, "get-tree")) {
        HASH_ITER (hh, *keys, k, tmp) {
            if (k->exists && str_starts(k->key, key) && !denied(f, k->key)) {
                buf_puts(results, results->len > 1 ? ",{\"KV\":" : "{\"KV\":");
                put_pair(results, k, true);
                buf_putc(results, '}');
            }
        }
        result = false;
    } else if (denied(f, key)) {
        snprintf(what, 512, "Permission denied");
        ok = false;
    } else if (streq(verb, "check-not-exists")) {
        ok = !k;
        result = false;
        snprintf(what, 512, "key \"%s\" exists", key);
    } else if (streq(verb, "check-index")) {
        ok = k && k->modify == wanted;
        if (k) {
            snprintf(what, 512,
                     "failed index check for key \"%s\", current modify index %" PRId64
                     " != %" PRId64,
                     key, k->modify, wanted);
        } else {
            snprintf(what, 512, "failed to check index, key \"%s\" doesn't exist", key);
        }
    } else if (streq(verb, "lock")) {
        f->locks++;
        if (!session_alive(f, session)) {
            snprintf(what, 512, "invalid session \"%s\"", session);
            ok = false;
        } else if (f->delayed && streq(f->delayed, key)) {
            snprintf(what, 512, "failed to lock key \"%s\" due to lock delay", key);
            ok = false;
        } else if (k && *k->session && !streq(k->session, session)) {
            snprintf(what, 512, "failed to lock key \"%s\", lock is already held", key);
            ok = false;
        } else {
            set(keys, key, buf_str(&value), session, index);
        }
    } else if (streq(verb, "unlock")) {
        ok = k && streq(k->session, session);
        snprintf(what, 512,
                 "failed to unlock key \"%s\", lock isn't held, or is held by another session",
                 key);
        if (ok) {
            set(keys, key, buf_str(&value), "", index);
        }
    } else if (streq(verb, "delete-cas")) {
        f->deletes++;
        ok = !k || k->modify == wanted;
        result = false;
        snprintf(what, 512, "failed to delete key \"%s\", index is stale", key);
        if (ok && k) {
            unset(k, index);
        }
    } else {
        fail_msg("verb %s", verb);
    }
    if (ok && result) {
        buf_puts(results, results->len > 1 ? ",{\"KV\":" : "{\"KV\":");
        put_pair(results, find(*keys, key), false);
        buf_putc(results, '}');
    }
    buf_deinit(&value);
    return ok;
}

/* x NULL: nobody is told. */
static void on_txn(struct fake_consulkv *f, struct fake_exchange *x, const char *body, size_t len)
{
    CLEANUP_JSON json *ops = NULL;
    struct err e = ERR_INIT;
    struct buf results = BUF_INIT(BODY_MAX), errors = BUF_INIT(BODY_MAX), out = BUF_INIT(BODY_MAX);
    size_t op = 0;
    f->txns++;
    if (len > (f->body_max ? f->body_max : TXN_BYTES_MAX)) {
        f->too_large++;
        if (x) {
            fake_reply(x, 413, "Request body too large, max size: 524288 bytes.");
        }
        return;
    }
    assert_int_equal(json_parse(&ops, body, len, &e), 0);
    assert_true(json_is_array(ops) && json_size(ops) > 0);
    if (json_size(ops) > TXN_OPS_MAX) {
        fail_msg("%zu operations in a transaction", json_size(ops));
    }
    struct fake_consulkv_key *keys = copy_all(f->keys);
    buf_putc(&results, '[');
    for (const json *it = json_first(ops); it; it = json_next(it), op++) {
        char what[512] = "";
        if (!do_op(f, &keys, json_get(it, "KV"), f->index + 1, &results, what)) {
            struct json_writer w;
            buf_puts(&errors, errors.len ? "," : "");
            json_begin(&w, &errors);
            json_object(&w);
            json_field_int(&w, "OpIndex", (int64_t)op);
            json_field_str(&w, "What", what);
            json_object_end(&w);
        }
    }
    if (errors.len > 0) {
        forget_all(&keys);
        buf_printf(&out, "{\"Results\":null,\"Errors\":[%s]}", buf_str(&errors));
    } else {
        forget_all(&f->keys);
        f->keys = keys;
        f->index++;
        buf_printf(&out, "{\"Results\":%s],\"Errors\":null}", buf_str(&results));
    }
    if (x) {
        fake_reply(x, errors.len ? 409 : 200, buf_str(&out));
    }
    buf_deinit(&results);
    buf_deinit(&errors);
    buf_deinit(&out);
    release(f);
}

/* ---- sessions ---- */

static void on_create(struct fake_consulkv *f, struct fake_exchange *x, const char *body)
{
    CLEANUP_JSON json *j = NULL;
    struct err e = ERR_INIT;
    char out[128];
    f->creates++;
    assert_true(f->n_sessions < FAKE_CONSULKV_SESSIONS);
    assert_int_equal(json_parse(&j, body, strlen(body), &e), 0);
    struct fake_consulkv_session *s = &f->sessions[f->n_sessions++];
    snprintf(s->id, sizeof(s->id), "0a0b0c0d-0000-4000-8000-%012u", ++f->next_session);
    str_copy(s->ttl, sizeof(s->ttl), json_str(j, "TTL", ""));
    str_copy(s->behavior, sizeof(s->behavior), json_str(j, "Behavior", ""));
    str_copy(s->lock_delay, sizeof(s->lock_delay), json_str(j, "LockDelay", ""));
    str_copy(s->name, sizeof(s->name), json_str(j, "Name", ""));
    f->index++;
    if (x) {
        snprintf(out, sizeof(out), "{\"ID\":\"%s\"}", s->id);
        fake_reply(x, 200, out);
    }
}

static void on_renew(struct fake_consulkv *f, struct fake_exchange *x, const char *id)
{
    f->renews++;
    for (size_t i = 0; x && i < f->n_sessions; i++) {
        const struct fake_consulkv_session *s = &f->sessions[i];
        if (streq(s->id, id)) {
            char out[1024];
            snprintf(out, sizeof(out),
                     "[{\"ID\":\"%s\",\"Name\":\"%s\",\"Node\":\"n1\",\"LockDelay\":0,"
                     "\"Behavior\":\"%s\",\"TTL\":\"%s\",\"NodeChecks\":[\"serfHealth\"]}]",
                     s->id, s->name, s->behavior, s->ttl);
            fake_reply(x, 200, out);
            return;
        }
    }
    if (x) {
        char out[128];
        snprintf(out, sizeof(out), "Session id '%s' not found", id);
        fake_reply(x, 404, out);
    }
}

void fake_consulkv_expire(struct fake_consulkv *f, const char *session)
{
    struct fake_consulkv_key *k, *tmp;
    char id[40];
    str_copy(id, sizeof(id), session); /* it may be of the list, or of a key */
    for (size_t i = 0; i < f->n_sessions; i++) {
        if (streq(f->sessions[i].id, id)) {
            f->sessions[i] = f->sessions[--f->n_sessions];
            break;
        }
    }
    f->index++;
    HASH_ITER (hh, f->keys, k, tmp) {
        if (k->exists && streq(k->session, id)) {
            unset(k, f->index);
        }
    }
    release(f);
}

/* ---- requests ---- */

static void do_put(struct fake_consulkv *f, struct fake_exchange *answer, struct fake_exchange *x)
{
    static const char renew[] = "/v1/session/renew/", destroy[] = "/v1/session/destroy/";
    const char *path = fake_path(x);
    if (streq(path, "/v1/txn")) {
        on_txn(f, answer, fake_body(x), fake_body_len(x));
    } else if (streq(path, "/v1/session/create")) {
        on_create(f, answer, fake_body(x));
    } else if (str_starts(path, renew)) {
        on_renew(f, answer, path + strlen(renew));
    } else if (str_starts(path, destroy)) {
        f->destroys++;
        fake_consulkv_expire(f, path + strlen(destroy));
        if (answer) {
            fake_reply(answer, 200, "true");
        }
    } else {
        fail_msg("PUT %s", path);
    }
}

void fake_consulkv_apply(struct fake_consulkv *f, struct fake_exchange *x)
{
    do_put(f, NULL, x);
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct fake_consulkv *f = ctx;
    if (f->fault && f->fault(f, x, fake_path(x), f->ctx)) {
        return;
    }
    if (streq(fake_method(x), "GET") && str_starts(fake_path(x), "/v1/kv/")) {
        on_get(f, x, fake_path(x));
    } else if (streq(fake_method(x), "PUT")) {
        do_put(f, x, x);
    } else {
        fail_msg("%s %s", fake_method(x), fake_path(x));
    }
}

/* ---- what others do ---- */

void fake_consulkv_lock(struct fake_consulkv *f, const char *key, const char *value,
                        const char *session)
{
    f->index++;
    set(&f->keys, key, value, session, f->index);
    release(f);
}

void fake_consulkv_put(struct fake_consulkv *f, const char *key, const char *value)
{
    struct fake_consulkv_key *k = find_existing(f->keys, key);
    fake_consulkv_lock(f, key, value, k ? k->session : "");
}

void fake_consulkv_delete(struct fake_consulkv *f, const char *key)
{
    struct fake_consulkv_key *k = find_existing(f->keys, key);
    assert_non_null(k);
    unset(k, ++f->index);
    release(f);
}

const char *fake_consulkv_get(const struct fake_consulkv *f, const char *key,
                              const char **ret_session)
{
    struct fake_consulkv_key *k = find_existing(f->keys, key);
    if (ret_session) {
        *ret_session = k ? k->session : "";
    }
    return k ? k->value : NULL;
}

size_t fake_consulkv_count(const struct fake_consulkv *f, const char *prefix)
{
    struct fake_consulkv_key *k, *tmp;
    size_t n = 0;
    HASH_ITER (hh, f->keys, k, tmp) {
        n += k->exists && str_starts(k->key, prefix);
    }
    return n;
}

void fake_consulkv_reap(struct fake_consulkv *f)
{
    struct fake_consulkv_key *k, *tmp;
    HASH_ITER (hh, f->keys, k, tmp) {
        if (!k->exists) {
            HASH_DEL(f->keys, k);
            free(k->value);
            free(k);
        }
    }
}

void fake_consulkv_save(struct fake_consulkv *f)
{
    forget_all(&f->snapshot);
    f->snapshot = copy_all(f->keys);
}

void fake_consulkv_restore(struct fake_consulkv *f)
{
    for (size_t i = 0; i < f->n_held; i++) {
        if (!fake_gone(f->held[i])) {
            struct query q = parse_query(fake_path(f->held[i]));
            assert_int_equal(q.index, folder_index(f, q.key));
            answer_query(f, f->held[i], &q);
        }
    }
    f->n_held = 0;
    forget_all(&f->keys);
    f->keys = copy_all(f->snapshot);
    f->index++;
}

void fake_consulkv_cut(struct fake_consulkv *f)
{
    for (size_t i = 0; i < f->n_held; i++) {
        if (!fake_gone(f->held[i])) {
            fake_reply(f->held[i], 500, "No cluster leader");
        }
    }
    f->n_held = 0;
}

void fake_consulkv_wipe(struct fake_consulkv *f)
{
    forget_all(&f->keys);
    f->n_sessions = 0;
    f->index = 10;
    fake_consulkv_cut(f);
}

/* ---- life ---- */

void fake_consulkv_start(struct fake_consulkv *f, struct io *io, fake_consulkv_fault fault,
                         void *ctx)
{
    *f = (struct fake_consulkv){.fault = fault, .ctx = ctx, .index = 10};
    f->http = fake_http_new(io, NULL, on_request, f);
    struct buf text = BUF_INIT(256);
    struct registry_uri_env env = {.uid = 0};
    struct err e = ERR_INIT;
    buf_printf(&text, "consulkv://%s/t", strstr(fake_http_url(f->http), "://") + 3);
    if (registry_uri_parse(&f->uri, buf_str(&text), &env, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    buf_deinit(&text);
}

void fake_consulkv_stop(struct fake_consulkv *f)
{
    fake_http_free(f->http);
    registry_uri_deinit(&f->uri);
    forget_all(&f->keys);
    forget_all(&f->snapshot);
}
