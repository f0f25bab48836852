/*
 * KEYS and LIST: what etcd holds of ours.
 *
 * Happy path: the lease's own key list (and that of a second lease that is being left), together with
 * the keys we know from before, are read in transactions of ranges; each one that exists is told.
 * Failure: everything from the start (writer_step_failed); an answer too large for its cap is asked for
 * in smaller pieces. A key on the lease that is no service below our prefix is not ours to touch.
 *
 * Whose a key is: ours on our leases. Elsewhere its id and value tell in our own records; those of
 * Registrator and SkyDNS may be shared with other tools, so a lease of somebody else makes them foreign,
 * and without one an id like ours lets us overwrite, and delete only what we were told to adopt.
 */
#include "registry/etcd_writer.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/record.h"
#include "registry/record_owner.h"
#include "registry/skydns_codec.h"

#include <errno.h>
#include <string.h>

#define LIST_BODY_MAX (32u * 1024 * 1024)
#define LIST_TIMEOUT  5000u

/* ---- who owns a key ---- */

bool writer_is_service(const struct registry_writer *w, const struct etcd_kv *kv)
{
    struct kv_key key;
    return kv_layout_parse(&w->layout, kv->key, kv->key_len, &key) == KV_KEY_SERVICE;
}

/* By id or value, on whatever lease it is. */
static bool written_by_us(const struct registry_writer *w, const struct kv_key *key,
                          const struct etcd_kv *kv)
{
    if (record_id_of_host(key->id, w->node)) {
        return true;
    }
    struct service *svc = NULL;
    struct err ignored = ERR_INIT;
    if (record_decode(&svc, key->name, key->id, kv->value, kv->value_len, &ignored) < 0) {
        return false;
    }
    bool ours = streq(svc->s.node, w->node);
    service_unref(svc);
    return ours;
}

/* Of a key that is on none of our leases. */
static enum registry_owner owner_by_content(const struct registry_writer *w,
                                            const struct etcd_kv *kv)
{
    struct kv_key key;
    if (kv_layout_parse(&w->layout, kv->key, kv->key_len, &key) != KV_KEY_SERVICE) {
        return REGISTRY_FOREIGN;
    }
    bool skydns = w->layout.kind == KV_LAYOUT_SKYDNS;
    if (!skydns && w->dialect == REGISTRY_NATIVE) {
        return written_by_us(w, &key, kv) ? REGISTRY_OURS : REGISTRY_FOREIGN;
    }
    if (kv->lease != 0) {
        return REGISTRY_FOREIGN; /* somebody keeps it alive, or it will go by itself */
    }
    const struct record_owner_rules rules = {
        .node = w->node, .id_host = w->id_host, .adopt_by_id = w->adopt_by_id};
    /* the values of SkyDNS name no node */
    enum registry_owner owner =
        record_owner(&rules, key.id, skydns ? "" : kv->value, skydns ? 0 : kv->value_len);
    if (skydns && owner == REGISTRY_FOREIGN && skydns_id_of_host(key.id, w->id_host)) {
        return REGISTRY_UNCLAIMED;
    }
    return owner;
}

void writer_see(struct registry_writer *w, const struct etcd_kv *kv)
{
    bool on_lease = kv->lease != 0 && kv->lease == w->our_lease;
    bool on_second = kv->lease != 0 && kv->lease == w->lease.second;
    enum registry_owner owner = on_lease || on_second ? REGISTRY_OURS : owner_by_content(w, kv);
    uint64_t digest = hash64(kv->value, kv->value_len);
    if (!on_lease) {
        digest = ~digest; /* right or wrong, it must be put onto our lease */
    }
    struct kv_owned_key *k = kv_owned_add(&w->owned, kv->key);
    k->revision = kv->mod_revision;
    k->holder = kv->lease;
    k->exists = true;
    k->ours = owner == REGISTRY_OURS;
    w->events->seen(w->ctx, k->key, digest, kv->mod_revision, owner);
}

void writer_second_check(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    if (w->lease.second == 0) {
        return;
    }
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        if (k->exists && k->holder == w->lease.second) {
            return;
        }
    }
    etcd_lease_second(&w->lease, 0);
}

/* ---- KEYS ---- */

static void keys_ask(struct registry_writer *w)
{
    struct buf body = BUF_INIT(1024);
    etcd_request_timetolive(&body, w->list.of_second ? w->lease.second : w->our_lease, true);
    etcd_call_start(&w->client, &w->step,
                    &(struct etcd_call_spec){.path = "/v3/lease/timetolive",
                                             .take_body = &body,
                                             .timeout = LIST_TIMEOUT,
                                             .body_max = LIST_BODY_MAX});
}

void writer_keys_begin(struct registry_writer *w)
{
    writer_set_state(w, WRITER_S_KEYS);
    w->list.of_second = false;
    keys_ask(w);
}

static void remember_keys(struct registry_writer *w, const struct etcd_timetolive *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (writer_is_service(w, &t->keys[i])) {
            kv_owned_add(&w->owned, t->keys[i].key);
        }
    }
}

void writer_on_keys(struct registry_writer *w, const struct etcd_reply *reply)
{
    struct etcd_timetolive t;
    struct err why = ERR_INIT;
    if (etcd_response_timetolive(&t, reply->body, reply->len, &why) < 0) {
        etcd_call_distrust(&w->step);
        writer_step_failed(w, &why);
        return;
    }
    bool dead = t.ttl < 0;
    remember_keys(w, &t);
    arena_deinit(&t.arena);
    if (dead && !w->dry_run && !w->list.of_second) {
        etcd_lease_forget(&w->lease);
        err_set(&why, ERR_TRANSIENT, -ESTALE, "the lease has expired or was revoked");
        writer_step_failed(w, &why);
        return;
    }
    if (dead && w->list.of_second) {
        etcd_lease_second(&w->lease, 0);
    }
    if (!w->list.of_second && w->lease.second) {
        w->list.of_second = true;
        keys_ask(w);
        return;
    }
    writer_list_begin(w);
}

/* ---- LIST ---- */

static void list_end(struct registry_writer *w)
{
    free(take_ptr(w->list.keys));
    w->list.n = w->list.at = 0;
}

static void list_ask(struct registry_writer *w)
{
    struct buf body = BUF_INIT(1024 * 1024);
    struct etcd_txn_builder t;
    size_t left = w->list.n - w->list.at;
    w->list.asked = left < w->list.chunk ? left : w->list.chunk;
    etcd_txn_begin(&t, &body);
    etcd_txn_success(&t);
    for (size_t i = 0; i < w->list.asked; i++) {
        etcd_txn_range(&t, w->list.keys[w->list.at + i]);
    }
    etcd_txn_failure(&t);
    etcd_txn_end(&t);
    etcd_call_start(&w->client, &w->step,
                    &(struct etcd_call_spec){.path = "/v3/kv/txn",
                                             .take_body = &body,
                                             .timeout = LIST_TIMEOUT,
                                             .body_max = LIST_BODY_MAX});
}

void writer_list_begin(struct registry_writer *w)
{
    struct kv_owned_key *k, *tmp;
    size_t n = 0;
    writer_set_state(w, WRITER_S_LIST);
    list_end(w);
    w->list.keys = xcalloc(kv_owned_count(&w->owned) + 1, sizeof(*w->list.keys));
    HASH_ITER (hh, w->owned.keys, k, tmp) {
        w->list.keys[n++] = k->key;
    }
    w->list.n = n;
    w->list.chunk = ETCD_TXN_MAX;
    w->events->begin(w->ctx);
    if (w->state != WRITER_S_LIST) {
        return;
    }
    if (n == 0) {
        list_end(w);
        writer_ready(w);
    } else {
        list_ask(w);
    }
}

static void list_received(struct registry_writer *w, const struct etcd_txn_response *txn)
{
    for (size_t i = 0; i < w->list.asked; i++) {
        const char *key = w->list.keys[w->list.at + i];
        if (txn->items[i].key) {
            writer_see(w, &txn->items[i]);
            if (w->state != WRITER_S_LIST) {
                return;
            }
        } else {
            kv_owned_drop(&w->owned, kv_owned_find(&w->owned, key, strlen(key)));
        }
    }
    w->list.at += w->list.asked;
    if (w->list.at < w->list.n) {
        list_ask(w);
        return;
    }
    list_end(w);
    writer_ready(w);
}

void writer_on_list(struct registry_writer *w, const struct etcd_reply *reply)
{
    struct err why = reply->err;
    if (why.code == -EMSGSIZE && w->list.chunk > 1) {
        w->list.chunk /= 2;
        list_ask(w);
        return;
    }
    struct etcd_txn_response txn;
    if (why.class == ERR_NONE && etcd_response_txn(&txn, reply->body, reply->len, &why) == 0) {
        bool whole = txn.n == w->list.asked;
        if (whole) {
            list_received(w, &txn);
        } else {
            err_set(&why, ERR_BUG, -EPROTO, "%zu answers to %zu questions", txn.n, w->list.asked);
        }
        arena_deinit(&txn.arena);
        if (whole) {
            return;
        }
    }
    if (reply->err.class == ERR_NONE) {
        etcd_call_distrust(&w->step);
    }
    list_end(w);
    err_wrap(&why, "list the keys of node %s", w->node);
    writer_step_failed(w, &why);
}
