/*
 * Decoders of unary answers.
 *
 * Happy path: parse, take what is there, default what is left out. Failure: text that is not JSON or
 * has the wrong shape is the peer's bug (a proxy's page, another program on that port) and says so.
 * Error bodies are the business of etcd_error.c, lines of a watch that of etcd_event.c.
 */
#include "registry/etcd_response.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/framer.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/must.h"

#include <errno.h>
#include <string.h>

#define KEEPALIVE_LINE_MAX 4096

static int not_etcd(struct err *e, const char *what)
{
    return err_set(e, ERR_BUG, -EPROTO, "not an answer of etcd: %s", what);
}

static int parse(json **ret, const char *body, size_t len, struct err *e)
{
    struct err why = ERR_INIT;
    json *j = NULL;
    if (json_parse(&j, body, len, &why) < 0) {
        return not_etcd(e, why.msg);
    }
    if (!json_is_object(j)) {
        json_free(j);
        return not_etcd(e, "no object");
    }
    *ret = j;
    return 0;
}

/* As parse(), for answers that always have a header. */
static int parse_with_header(json **ret, struct etcd_header *ret_header, const char *body,
                             size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, body, len, e);
    if (r < 0) {
        return r;
    }
    if (!json_is_object(json_get(j, "header"))) {
        return not_etcd(e, "no header");
    }
    etcd_decode_header(ret_header, j);
    *ret = j;
    j = NULL;
    return 0;
}

static int64_t int64_or(const json *j, const char *name, int64_t or_else)
{
    int64_t v = or_else;
    return json_int64_text(j, name, &v) ? v : or_else;
}

void etcd_decode_header(struct etcd_header *ret, const json *j)
{
    const json *header = json_get(j, "header");
    const char *cluster = json_str(header, "cluster_id", "");
    *ret = (struct etcd_header){
        .cluster = *cluster ? hash64(cluster, strlen(cluster)) : 0,
        .revision = int64_or(header, "revision", 0),
    };
}

int etcd_decode_kv(struct etcd_kv *ret, struct arena *arena, const json *j, struct err *e)
{
    struct etcd_kv kv = {
        .mod_revision = int64_or(j, "mod_revision", 0),
        .lease = int64_or(j, "lease", 0),
    };
    if (base64_decode_arena(arena, json_str(j, "key", ""), &kv.key, &kv.key_len) < 0 ||
        kv.key_len == 0) {
        return not_etcd(e, "a key is missing or not base64");
    }
    if (base64_decode_arena(arena, json_str(j, "value", ""), &kv.value, &kv.value_len) < 0) {
        return not_etcd(e, "a value is not base64");
    }
    *ret = kv;
    return 0;
}

int etcd_response_range(struct etcd_range *ret, const char *body, size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    struct etcd_range range = {0};
    int r = parse_with_header(&j, &range.header, body, len, e);
    if (r < 0) {
        return r;
    }
    range.more = json_bool(j, "more", false);
    const json *kvs = json_get(j, "kvs");
    range.kvs = arena_alloc(&range.arena, (json_size(kvs) + 1) * sizeof(*range.kvs));
    for (const json *it = json_first(kvs); it; it = json_next(it)) {
        r = etcd_decode_kv(&range.kvs[range.n], &range.arena, it, e);
        if (r < 0) {
            arena_deinit(&range.arena);
            return r;
        }
        range.n++;
    }
    *ret = range;
    return 0;
}

int etcd_response_txn(struct etcd_txn_response *ret, const char *body, size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    struct etcd_txn_response txn = {0};
    int r = parse_with_header(&j, &txn.header, body, len, e);
    if (r < 0) {
        return r;
    }
    txn.succeeded = json_bool(j, "succeeded", false);
    const json *responses = json_get(j, "responses");
    txn.items = arena_alloc(&txn.arena, (json_size(responses) + 1) * sizeof(*txn.items));
    for (const json *it = json_first(responses); it; it = json_next(it)) {
        const json *kv = json_first(json_path(it, "response_range", "kvs", NULL));
        if (kv) {
            r = etcd_decode_kv(&txn.items[txn.n], &txn.arena, kv, e);
            if (r < 0) {
                arena_deinit(&txn.arena);
                return r;
            }
        }
        txn.n++;
    }
    *ret = txn;
    return 0;
}

int etcd_response_grant(struct etcd_lease_response *ret, const char *body, size_t len,
                        struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, body, len, e);
    if (r < 0) {
        return r;
    }
    struct etcd_lease_response lease = {
        .id = int64_or(j, "ID", 0),
        .ttl = int64_or(j, "TTL", 0),
    };
    if (lease.id == 0 || lease.ttl <= 0) {
        return not_etcd(e, "a grant without ID and TTL");
    }
    *ret = lease;
    return 0;
}

struct keepalive_lines {
    struct etcd_lease_response *leases;
    size_t max, n;
    struct err *e;
};

static int keepalive_line(void *ctx, const char *line, size_t len)
{
    struct keepalive_lines *k = ctx;
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, line, len, k->e);
    if (r < 0) {
        return r;
    }
    const json *result = json_get(j, "result");
    int64_t id = int64_or(result, "ID", 0);
    if (id == 0) {
        /* here an error comes as a line of a stream that began with 200 */
        const char *text = json_str(json_get(j, "error"), "message", NULL);
        return text ? err_set(k->e, ERR_TRANSIENT, -EIO, "%s", text)
                    : not_etcd(k->e, "a keepalive without ID");
    }
    if (k->n == k->max) {
        return not_etcd(k->e, "too many lines of a keepalive");
    }
    k->leases[k->n++] = (struct etcd_lease_response){.id = id, .ttl = int64_or(result, "TTL", 0)};
    return 0;
}

int etcd_response_keepalive(struct etcd_lease_response *ret, size_t max, size_t *ret_n,
                            const char *body, size_t len, struct err *e)
{
    struct keepalive_lines lines = {.leases = ret, .max = max, .e = e};
    struct framer framer;
    framer_init(&framer, KEEPALIVE_LINE_MAX);
    int r = framer_feed(&framer, body, len, keepalive_line, &lines);
    if (r == 0) {
        r = framer_finish(&framer, keepalive_line, &lines);
    }
    framer_deinit(&framer);
    if (r == -EMSGSIZE) {
        return not_etcd(e, "a keepalive line is too long");
    }
    if (r == 0 && lines.n == 0) {
        return not_etcd(e, "an empty keepalive");
    }
    if (r == 0) {
        *ret_n = lines.n;
    }
    return r;
}

int etcd_response_timetolive(struct etcd_timetolive *ret, const char *body, size_t len,
                             struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    struct etcd_timetolive t = {0};
    int r = parse_with_header(&j, &t.header, body, len, e);
    if (r < 0) {
        return r;
    }
    t.ttl = int64_or(j, "TTL", 0);
    t.granted = int64_or(j, "grantedTTL", 0);
    const json *keys = json_get(j, "keys");
    t.keys = arena_alloc(&t.arena, (json_size(keys) + 1) * sizeof(*t.keys));
    for (const json *it = json_first(keys); it; it = json_next(it)) {
        const char *text = json_value(it);
        struct etcd_kv *kv = &t.keys[t.n];
        if (!text || base64_decode_arena(&t.arena, text, &kv->key, &kv->key_len) < 0) {
            arena_deinit(&t.arena);
            return not_etcd(e, "a key of a lease is not base64");
        }
        t.n++;
    }
    *ret = t;
    return 0;
}

int etcd_response_token(struct buf *ret, const char *body, size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, body, len, e);
    if (r < 0) {
        return r;
    }
    const char *token = json_str(j, "token", "");
    /* it becomes a header line */
    for (const char *c = token; *c; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f) {
            return not_etcd(e, "a token with blanks");
        }
    }
    if (!*token) {
        return not_etcd(e, "no token");
    }
    buf_puts(ret, token);
    return buf_error(ret) ? not_etcd(e, "an endless token") : 0;
}
