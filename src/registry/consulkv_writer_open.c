/*
 * The Consul KV writer's vtable: opening, encoding, describing. The machine that it starts is in
 * consulkv_writer.c. Failure: bad settings are refused here, before anything is sent.
 */
#include "registry/consulkv_writer.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/wallclock.h"
#include "registry/record.h"
#include "registry/writer_config.h"

static const char *const state_names[] = {
#define X(sym, name) [WRITER_S_##sym] = name,
    WRITER_STATES(X)
#undef X
};

static int writer_open(struct registry_writer **ret, struct io *io,
                       const struct registry_writer_config *config,
                       const struct registry_writer_events *events, void *ctx, struct err *e)
{
    CLEANUP_FREE struct registry_writer *w = xcalloc(1, sizeof(*w));
    unsigned ttl_s = consulkv_session_ttl(config->ttl_s);
    *w = (struct registry_writer){
        .magic = WRITER_MAGIC,
        .io = io,
        .uri = config->uri,
        .events = events,
        .ctx = ctx,
        .adopt_by_id = config->adopt_by_id,
        .dry_run = config->dry_run,
        .state = WRITER_S_BACKOFF,
        .us = {.ttl_s = ttl_s},
    };
    uint64_t random[2];
    int r = writer_config_check(config, random, e);
    if (r < 0) {
        return r;
    }
    r = kv_layout_init(&w->layout, config->uri, config->node, config->dialect, e);
    if (r < 0) {
        return r;
    }
    r = consul_client_init(&w->client, io, config->uri, e);
    if (r < 0) {
        kv_layout_deinit(&w->layout);
        return r;
    }
    w->node = xstrdup(config->node);
    w->id_host = xstrdup(config->id_host ? config->id_host : config->node);
    agent_record_begin(&w->us, random, clock_wall());
    consulkv_session_init(&w->session, &w->client, w->node, ttl_s, random[0] ^ random[1]);
    consulkv_writer_batch_init(w);
    consulkv_writer_watch_init(w, random[1]);
    consulkv_writer_start(w, random[0]);
    *ret = take_ptr(w);
    return 0;
}

static int writer_encode(const struct registry_writer *w, const struct service *svc,
                         struct buf *ret_key, struct buf *ret_value, uint64_t *ret_digest,
                         struct err *e)
{
    int r = kv_layout_key(&w->layout, svc, ret_key, e);
    if (r < 0) {
        return r;
    }
    return record_encode_digest(w->uri->form, svc, ret_value, ret_digest, e);
}

static void writer_describe(const struct registry_writer *w, struct buf *out)
{
    struct json_writer j;
    json_begin(&j, out);
    json_object(&j);
    json_field_str(&j, "driver", "consulkv");
    json_field_str(&j, "state", state_names[w->state]);
    json_field_str(&j, "endpoint", consul_client_endpoint(&w->client));
    json_field_str(&j, "session", w->session.id);
    json_field_int(&j, "ttl", w->session.ttl_s);
    json_field_int(&j, "renewal_failures", w->session.failures);
    json_field_int(&j, "index", (int64_t)w->list_index);
    json_field_int(&j, "keys", (int64_t)kv_owned_count(&w->owned));
    json_object_end(&j);
}

const struct registry_writer_ops consulkv_writer_ops = {
    .batch_max = CONSULKV_WRITER_BATCH_MAX,
    .open = writer_open,
    .encode = writer_encode,
    .write = consulkv_writer_write,
    .close = consulkv_writer_close,
    .describe = writer_describe,
};
