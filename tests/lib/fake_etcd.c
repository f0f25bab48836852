/*
 * The etcd in memory. Requests are parsed with the project's JSON, keys and values stay base64 where
 * they are only passed through; everything is a linear walk, as tests hold few keys.
 */
#include "lib/fake_etcd.h"

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
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"

#define BODY_MAX (64u * 1024 * 1024)

struct fake_etcd_key {
    UT_hash_handle hh;
    char *value; /* base64 */
    int64_t mod, lease;
    char key[]; /* plain */
};

struct fake_etcd_event {
    char *text; /* as it stands in a message */
    char *key;
    int64_t revision;
};

static char *plain(const char *b64)
{
    struct buf out = BUF_INIT(BODY_MAX);
    assert_int_equal(base64_decode(&out, b64, strlen(b64)), 0);
    return buf_take(&out);
}

static char *coded(const char *text)
{
    struct buf out = BUF_INIT(BODY_MAX);
    base64_encode(&out, text, strlen(text));
    return buf_take(&out);
}

static int64_t number(const json *j, const char *name)
{
    int64_t v = 0;
    (void)json_int64_text(j, name, &v);
    return v;
}

static struct fake_etcd_key *find(const struct fake_etcd *f, const char *key)
{
    struct fake_etcd_key *k;
    HASH_FIND_STR(f->keys, key, k);
    return k;
}

static bool lease_alive(const struct fake_etcd *f, int64_t id)
{
    for (size_t i = 0; i < f->n_leases; i++) {
        if (f->leases[i] == id) {
            return true;
        }
    }
    return false;
}

static void put_header(const struct fake_etcd *f, struct buf *out)
{
    buf_printf(out,
               "\"header\":{\"cluster_id\":\"%s\",\"member_id\":\"1\",\"revision\":\"%" PRId64
               "\",\"raft_term\":\"2\"}",
               f->cluster, f->revision);
}

static void put_kv(struct buf *out, const struct fake_etcd_key *k)
{
    CLEANUP_FREE char *key = coded(k->key);
    buf_printf(out, "{\"key\":\"%s\",\"mod_revision\":\"%" PRId64 "\"", key, k->mod);
    if (*k->value) {
        buf_printf(out, ",\"value\":\"%s\"", k->value);
    }
    if (k->lease) {
        buf_printf(out, ",\"lease\":\"%" PRId64 "\"", k->lease);
    }
    buf_putc(out, '}');
}

/* ---- changes ---- */

static void note(struct fake_etcd *f, const char *key, struct buf *text)
{
    f->log = xreallocarray(f->log, f->n_log + 1, sizeof(*f->log));
    f->log[f->n_log++] = (struct fake_etcd_event){
        .text = buf_take(text), .key = xstrdup(key), .revision = f->revision};
}

static void set(struct fake_etcd *f, const char *key, const char *value_b64, int64_t lease)
{
    struct fake_etcd_key *k = find(f, key);
    if (!k) {
        k = xcalloc(1, sizeof(*k) + strlen(key) + 1);
        memcpy(k->key, key, strlen(key));
        HASH_ADD_STR(f->keys, key, k);
    }
    free(k->value);
    k->value = xstrdup(value_b64);
    k->mod = f->revision;
    k->lease = lease;
    struct buf text = BUF_INIT(BODY_MAX);
    buf_puts(&text, "{\"kv\":");
    put_kv(&text, k);
    buf_putc(&text, '}');
    note(f, key, &text);
}

static void forget(struct fake_etcd *f, struct fake_etcd_key *k)
{
    HASH_DEL(f->keys, k);
    free(k->value);
    free(k);
}

static void unset(struct fake_etcd *f, struct fake_etcd_key *k)
{
    CLEANUP_FREE char *key = coded(k->key);
    struct buf text = BUF_INIT(BODY_MAX);
    buf_printf(&text,
               "{\"type\":\"DELETE\",\"kv\":{\"key\":\"%s\",\"mod_revision\":\"%" PRId64 "\"}}",
               key, f->revision);
    note(f, k->key, &text);
    forget(f, k);
}

/* ---- watches ---- */

static bool in_range(const char *key, const char *from, const char *end)
{
    return *end ? strcmp(key, from) >= 0 && strcmp(key, end) < 0 : streq(key, from);
}

static void send_events(struct fake_etcd *f, const struct fake_etcd_watch *w, size_t from)
{
    struct buf line = BUF_INIT(BODY_MAX);
    size_t left = 0;
    bool first = true;
    for (size_t i = from; i < f->n_log; i++) {
        left += in_range(f->log[i].key, w->key, w->end);
    }
    for (size_t i = from; i < f->n_log; i++) {
        if (!in_range(f->log[i].key, w->key, w->end)) {
            continue;
        }
        bool last = --left == 0;
        if (first || f->fragments) {
            buf_puts(&line, "{\"result\":{");
            put_header(f, &line);
            buf_printf(&line, "%s,\"events\":[", f->fragments && !last ? ",\"fragment\":true" : "");
        } else {
            buf_putc(&line, ',');
        }
        first = false;
        buf_puts(&line, f->log[i].text);
        if (last || f->fragments) {
            buf_puts(&line, "]}}\n");
        }
    }
    if (line.len > 0) {
        fake_stream_push(w->x, line.data, line.len);
    }
    buf_deinit(&line);
}

void fake_etcd_push(struct fake_etcd *f, const char *line)
{
    for (size_t i = 0; i < f->n_watches; i++) {
        fake_stream_puts(f->watches[i].x, line);
    }
}

void fake_etcd_cut(struct fake_etcd *f)
{
    for (size_t i = 0; i < f->n_watches; i++) {
        if (!fake_gone(f->watches[i].x)) {
            fake_reset(f->watches[i].x);
        }
    }
    f->n_watches = 0;
}

static void tell_watches(struct fake_etcd *f, size_t from)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_watches; i++) {
        if (!fake_gone(f->watches[i].x)) {
            f->watches[n++] = f->watches[i];
        }
    }
    f->n_watches = n;
    for (size_t i = 0; i < n && from < f->n_log; i++) {
        send_events(f, &f->watches[i], from);
    }
}

static void on_watch(struct fake_etcd *f, struct fake_exchange *x, const json *request)
{
    const json *create = json_get(request, "create_request");
    struct buf line = BUF_INIT(4096);
    f->watched++;
    f->watched_from = number(create, "start_revision");
    assert_true(json_bool(create, "progress_notify", false));
    assert_true(json_bool(create, "fragment", false));
    fake_stream_begin(x, 200, NULL);
    buf_puts(&line, "{\"result\":{");
    put_header(f, &line);
    buf_puts(&line, ",\"created\":true}}\n");
    fake_stream_puts(x, buf_str(&line));
    buf_deinit(&line);
    if (f->watched_from < f->compacted) {
        /* and the response stays open */
        char canceled[128];
        snprintf(canceled, sizeof(canceled),
                 "{\"result\":{\"header\":{\"raft_term\":\"2\"},\"canceled\":true,"
                 "\"compact_revision\":\"%" PRId64 "\"}}\n",
                 f->compacted);
        fake_stream_puts(x, canceled);
        return;
    }
    size_t from = 0;
    while (from < f->n_log && f->log[from].revision < f->watched_from) {
        from++;
    }
    assert_true(f->n_watches < FAKE_ETCD_WATCHES);
    struct fake_etcd_watch *w = &f->watches[f->n_watches++];
    CLEANUP_FREE char *key = plain(json_str(create, "key", ""));
    CLEANUP_FREE char *end = plain(json_str(create, "range_end", ""));
    w->x = x;
    assert_true(str_copy(w->key, sizeof(w->key), key) && str_copy(w->end, sizeof(w->end), end));
    send_events(f, w, from);
}

/* ---- requests ---- */

static void do_range(const struct fake_etcd *f, const json *request, struct buf *out)
{
    CLEANUP_FREE char *key = plain(json_str(request, "key", ""));
    CLEANUP_FREE char *end = plain(json_str(request, "range_end", ""));
    int64_t limit = number(request, "limit");
    struct fake_etcd_key *k, *tmp;
    int64_t n = 0;
    bool more = false;
    buf_puts(out, "{");
    put_header(f, out);
    HASH_ITER (hh, f->keys, k, tmp) {
        if (!in_range(k->key, key, end)) {
            continue;
        }
        if (limit && n == limit) {
            more = true;
            break;
        }
        buf_puts(out, n++ ? "," : ",\"kvs\":[");
        put_kv(out, k);
    }
    buf_printf(out, "%s%s}", n ? "]" : "", more ? ",\"more\":true" : "");
}

static bool compares_hold(const struct fake_etcd *f, const json *txn)
{
    for (const json *it = json_first(json_get(txn, "compare")); it; it = json_next(it)) {
        assert_string_equal(json_str(it, "target", ""), "MOD");
        CLEANUP_FREE char *key = plain(json_str(it, "key", ""));
        const struct fake_etcd_key *k = find(f, key);
        if ((k ? k->mod : 0) != number(it, "mod_revision")) {
            return false;
        }
    }
    return true;
}

static bool leases_exist(const struct fake_etcd *f, const json *ops)
{
    for (const json *it = json_first(ops); it; it = json_next(it)) {
        const json *put = json_get(it, "request_put");
        if (put && !lease_alive(f, number(put, "lease"))) {
            return false;
        }
    }
    return true;
}

static bool changes(const json *ops)
{
    for (const json *it = json_first(ops); it; it = json_next(it)) {
        if (json_get(it, "request_put") || json_get(it, "request_delete_range")) {
            return true;
        }
    }
    return false;
}

/* One entry of the answer; the comma in front is set by the caller. */
static void do_op(struct fake_etcd *f, const json *op, struct buf *out)
{
    const json *put = json_get(op, "request_put"), *del = json_get(op, "request_delete_range");
    const json *range = json_get(op, "request_range");
    const json *any = put ? put : (del ? del : range);
    assert_non_null(any);
    CLEANUP_FREE char *key = plain(json_str(any, "key", ""));
    if (put) {
        f->puts++;
        set(f, key, json_str(put, "value", ""), number(put, "lease"));
        buf_puts(out, "{\"response_put\":{}}");
    } else if (del) {
        struct fake_etcd_key *k = find(f, key);
        f->deletes++;
        if (k) {
            unset(f, k);
        }
        buf_puts(out, "{\"response_delete_range\":{}}");
    } else {
        buf_puts(out, "{\"response_range\":");
        do_range(f, range, out);
        buf_puts(out, "}");
    }
}

/* Returns the HTTP status. */
static int do_txn(struct fake_etcd *f, const json *txn, struct buf *out)
{
    bool ok = compares_hold(f, txn);
    const json *ops = json_get(txn, ok ? "success" : "failure");
    size_t from = f->n_log;
    struct buf answers = BUF_INIT(BODY_MAX);
    f->txns++;
    assert_true(json_size(json_get(txn, "compare")) <= 128);
    assert_true(json_size(json_get(txn, "success")) <= 128);
    assert_true(json_size(json_get(txn, "failure")) <= 128);
    if (!leases_exist(f, ops)) {
        buf_puts(out, "{\"error\":\"etcdserver: requested lease not found\",\"message\":"
                      "\"etcdserver: requested lease not found\",\"code\":5}");
        return 404;
    }
    f->revision += changes(ops);
    for (const json *it = json_first(ops); it; it = json_next(it)) {
        buf_puts(&answers, it == json_first(ops) ? "" : ",");
        do_op(f, it, &answers);
    }
    buf_puts(out, "{");
    put_header(f, out);
    buf_printf(out, "%s,\"responses\":[", ok ? ",\"succeeded\":true" : "");
    buf_append(out, buf_str(&answers), answers.len);
    buf_puts(out, "]}");
    buf_deinit(&answers);
    tell_watches(f, from);
    return 200;
}

static void do_grant(struct fake_etcd *f, const json *request, struct buf *out)
{
    f->grants++;
    f->ttl = number(request, "TTL");
    assert_true(f->ttl > 0 && f->n_leases < ARRAY_LEN(f->leases));
    f->leases[f->n_leases++] = ++f->next_lease;
    buf_puts(out, "{");
    put_header(f, out);
    buf_printf(out, ",\"ID\":\"%" PRId64 "\",\"TTL\":\"%" PRId64 "\"}", f->next_lease, f->ttl);
}

/* A body of one or several objects: the last `}{` is cut by hand, as JSON has no such thing. */
static void do_keepalive(struct fake_etcd *f, const char *body, struct buf *out)
{
    f->keepalives++;
    for (const char *at = body; (at = strstr(at, "\"ID\":\"")) != NULL;) {
        at += 6;
        int64_t id = strtoll(at, NULL, 10);
        buf_puts(out, "{\"result\":{");
        put_header(f, out);
        buf_printf(out, ",\"ID\":\"%" PRId64 "\"", id);
        if (lease_alive(f, id)) {
            buf_printf(out, ",\"TTL\":\"%" PRId64 "\"", f->ttl);
        }
        buf_puts(out, "}}\n");
    }
}

static void do_timetolive(struct fake_etcd *f, const json *request, struct buf *out)
{
    int64_t id = number(request, "ID");
    struct fake_etcd_key *k, *tmp;
    unsigned n = 0;
    f->timetolives++;
    buf_puts(out, "{");
    put_header(f, out);
    buf_printf(out, ",\"ID\":\"%" PRId64 "\"", id);
    if (!lease_alive(f, id)) {
        buf_puts(out, ",\"TTL\":\"-1\"}");
        return;
    }
    buf_printf(out, ",\"TTL\":\"%" PRId64 "\",\"grantedTTL\":\"%" PRId64 "\",\"keys\":[", f->ttl,
               f->ttl);
    HASH_ITER (hh, f->keys, k, tmp) {
        if (k->lease == id) {
            CLEANUP_FREE char *key = coded(k->key);
            buf_printf(out, "%s\"%s\"", n++ ? "," : "", key);
        }
    }
    buf_puts(out, "]}");
}

/* Returns the HTTP status; -1: a stream, already answered. */
static int answer(struct fake_etcd *f, struct fake_exchange *x, struct buf *out)
{
    const char *path = fake_path(x);
    CLEANUP_JSON json *request = NULL;
    struct err e = ERR_INIT;
    assert_string_equal(fake_method(x), "POST");
    if (streq(path, "/v3/lease/keepalive")) {
        do_keepalive(f, fake_body(x), out);
        return 200;
    }
    if (json_parse(&request, fake_body(x), fake_body_len(x), &e) < 0) {
        fail_msg("%s: %s: %s", path, e.msg, fake_body(x));
    }
    if (streq(path, "/v3/kv/range")) {
        f->ranges++;
        do_range(f, request, out);
    } else if (streq(path, "/v3/kv/txn")) {
        return do_txn(f, request, out);
    } else if (streq(path, "/v3/lease/grant")) {
        do_grant(f, request, out);
    } else if (streq(path, "/v3/lease/timetolive")) {
        do_timetolive(f, request, out);
    } else if (streq(path, "/v3/lease/revoke")) {
        f->revokes++;
        fake_etcd_expire(f, number(request, "ID"));
        buf_puts(out, "{");
        put_header(f, out);
        buf_puts(out, "}");
    } else if (streq(path, "/v3/watch")) {
        on_watch(f, x, request);
        return -1;
    } else {
        fail_msg("unexpected request %s", path);
    }
    return 200;
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct fake_etcd *f = ctx;
    const char *leader = fake_header(x, "Grpc-Metadata-hasleader");
    assert_non_null(leader); /* else a member without quorum looks healthy */
    assert_string_equal(leader, "true");
    if (f->fault && f->fault(f, x, fake_path(x), f->ctx)) {
        return;
    }
    struct buf out = BUF_INIT(BODY_MAX);
    int status = answer(f, x, &out);
    if (status > 0) {
        fake_reply_len(x, status, buf_str(&out), out.len);
    }
    buf_deinit(&out);
}

void fake_etcd_apply(struct fake_etcd *f, struct fake_exchange *x)
{
    struct buf out = BUF_INIT(BODY_MAX);
    assert_true(answer(f, x, &out) > 0);
    buf_deinit(&out);
}

/* ---- what others do ---- */

void fake_etcd_put(struct fake_etcd *f, const char *key, const char *value, int64_t lease)
{
    CLEANUP_FREE char *value_b64 = coded(value);
    f->revision++;
    set(f, key, value_b64, lease);
    tell_watches(f, f->n_log - 1);
}

void fake_etcd_delete(struct fake_etcd *f, const char *key)
{
    struct fake_etcd_key *k = find(f, key);
    assert_non_null(k);
    f->revision++;
    unset(f, k);
    tell_watches(f, f->n_log - 1);
}

const char *fake_etcd_get(const struct fake_etcd *f, const char *key, int64_t *ret_lease)
{
    static char *last;
    const struct fake_etcd_key *k = find(f, key);
    free(take_ptr(last));
    if (k) {
        last = plain(k->value);
        if (ret_lease) {
            *ret_lease = k->lease;
        }
    }
    return last;
}

size_t fake_etcd_count(const struct fake_etcd *f, const char *prefix)
{
    struct fake_etcd_key *k, *tmp;
    size_t n = 0;
    HASH_ITER (hh, f->keys, k, tmp) {
        n += str_starts(k->key, prefix);
    }
    return n;
}

void fake_etcd_expire(struct fake_etcd *f, int64_t lease)
{
    struct fake_etcd_key *k, *tmp;
    size_t from = f->n_log;
    for (size_t i = 0; i < f->n_leases; i++) {
        if (f->leases[i] == lease) {
            f->leases[i] = f->leases[--f->n_leases];
        }
    }
    f->revision++;
    HASH_ITER (hh, f->keys, k, tmp) {
        if (k->lease == lease) {
            unset(f, k);
        }
    }
    tell_watches(f, from);
}

static void clear(struct fake_etcd *f)
{
    struct fake_etcd_key *k, *tmp;
    HASH_ITER (hh, f->keys, k, tmp) {
        forget(f, k);
    }
    for (size_t i = 0; i < f->n_log; i++) {
        free(f->log[i].text);
        free(f->log[i].key);
    }
    free(take_ptr(f->log));
    f->n_log = 0;
    f->n_leases = 0;
    f->revision = 1;
    f->compacted = 0;
}

void fake_etcd_wipe(struct fake_etcd *f)
{
    clear(f);
}

/* ---- life ---- */

void fake_etcd_start(struct fake_etcd *f, struct io *io, fake_etcd_fault fault, void *ctx)
{
    *f = (struct fake_etcd){.fault = fault,
                            .ctx = ctx,
                            .revision = 1,
                            .cluster = "14841639068965178418",
                            .next_lease = 7587894112341234000};
    f->http = fake_http_new(io, NULL, on_request, f);
    struct buf text = BUF_INIT(256);
    struct registry_uri_env env = {.uid = 0};
    struct err e = ERR_INIT;
    buf_printf(&text, "etcd://%s/t", strstr(fake_http_url(f->http), "://") + 3);
    if (registry_uri_parse(&f->uri, buf_str(&text), &env, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    buf_deinit(&text);
}

void fake_etcd_stop(struct fake_etcd *f)
{
    fake_http_free(f->http);
    registry_uri_deinit(&f->uri);
    clear(f);
    (void)fake_etcd_get(f, "", NULL); /* drops the value handed out last */
}
