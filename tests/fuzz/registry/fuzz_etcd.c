/*
 * Every decoder of etcd's bytes over the same input: unary answers, errors, keepalive lines, watch
 * lines, the agent's record, and keys. What is decoded is read once, so that a bad pointer shows.
 */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "registry/agent_record.h"
#include "registry/etcd_error.h"
#include "registry/etcd_event.h"
#include "registry/kv_layout.h"
#include "registry/etcd_response.h"
#include "registry/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static void look(const struct etcd_kv *kv)
{
    if (kv->key) {
        sink ^= hash64(kv->key, kv->key_len + 1);
        sink ^= kv->value ? hash64(kv->value, kv->value_len + 1) : 0;
    }
}

static void unary(const char *text, size_t len)
{
    struct err e = ERR_INIT;
    struct etcd_range range;
    if (etcd_response_range(&range, text, len, &e) == 0) {
        for (size_t i = 0; i < range.n; i++) {
            look(&range.kvs[i]);
        }
        arena_deinit(&range.arena);
    }
    struct etcd_txn_response txn;
    if (etcd_response_txn(&txn, text, len, &e) == 0) {
        for (size_t i = 0; i < txn.n; i++) {
            look(&txn.items[i]);
        }
        arena_deinit(&txn.arena);
    }
    struct etcd_timetolive t;
    if (etcd_response_timetolive(&t, text, len, &e) == 0) {
        for (size_t i = 0; i < t.n; i++) {
            sink ^= hash64(t.keys[i].key, t.keys[i].key_len + 1);
        }
        arena_deinit(&t.arena);
    }
    struct etcd_lease_response leases[2];
    size_t n = 0;
    if (etcd_response_grant(leases, text, len, &e) == 0) {
        sink ^= (uint64_t)leases[0].id;
    }
    if (etcd_response_keepalive(leases, 2, &n, text, len, &e) == 0) {
        sink ^= (uint64_t)leases[n - 1].ttl;
    }
    struct buf token = BUF_INIT(1024);
    if (etcd_response_token(&token, text, len, &e) == 0) {
        sink ^= hash64(buf_str(&token), token.len);
    }
    buf_deinit(&token);
}

static void stream(const char *text, size_t len)
{
    struct err e = ERR_INIT;
    struct etcd_watch_line line;
    if (etcd_watch_line(&line, text, len, &e) == 0) {
        for (size_t i = 0; i < line.n; i++) {
            look(&line.events[i].kv);
        }
        arena_deinit(&line.arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* decoders get terminated text, as from the HTTP client and the framer */
    struct buf copy = BUF_INIT(size + 1);
    buf_append(&copy, data, size);
    const char *text = buf_str(&copy);
    unary(text, size);
    stream(text, size);

    struct err e = ERR_INIT;
    etcd_error_from_answer(&e, size & 1 ? 400 : 503, text, size, NULL);
    sink ^= strlen(e.msg);

    struct agent_record record;
    agent_record_decode(&record, text, size);
    sink ^= strlen(record.instance);

    struct kv_layout layout;
    struct kv_key key;
    char prefix[] = "/s";
    const struct registry_uri uri = {.scheme = REGISTRY_ETCD, .prefix = prefix};
    if (kv_layout_init(&layout, &uri, NULL, REGISTRY_NATIVE, &e) == 0) {
        if (kv_layout_parse(&layout, text, size, &key) == KV_KEY_SERVICE) {
            sink ^= strlen(key.name) ^ strlen(key.id);
        }
        kv_layout_deinit(&layout);
    }
    buf_deinit(&copy);
    return 0;
}
