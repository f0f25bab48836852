/*
 * Every decoder of Consul's KV, transaction and session answers over the same input, and whose a record
 * with that value is. What is decoded is read once, so that a bad pointer shows.
 */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/must.h"
#include "registry/consulkv_codec.h"
#include "registry/record_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static void look(struct consulkv_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct consulkv_pair *pair = &list->pairs[i];
        must(pair->key_len > 0 && pair->index > 0);
        sink ^= hash64(pair->key, pair->key_len + 1);
        sink ^= hash64(pair->value, pair->value_len + 1);
        sink ^= strlen(pair->session);
    }
    arena_deinit(&list->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* decoders get terminated text, as from the HTTP client */
    struct buf copy = BUF_INIT(size + 1);
    buf_append(&copy, data, size);
    const char *text = buf_str(&copy);
    struct err e = ERR_INIT;
    struct consulkv_list list;
    struct consulkv_errors errors;
    struct consulkv_session_info info;
    char id[CONSULKV_SESSION_LEN + 1];
    if (consulkv_decode_list(&list, text, size, &e) == 0) {
        look(&list);
    }
    if (consulkv_decode_txn(&list, text, size, &e) == 0) {
        look(&list);
    }
    if (consulkv_decode_errors(&errors, text, size, &e) == 0) {
        must(errors.n > 0);
        for (size_t i = 0; i < errors.n; i++) {
            sink ^= strlen(errors.items[i].what) + errors.items[i].op;
        }
        arena_deinit(&errors.arena);
    }
    if (consulkv_decode_created(id, text, size, &e) == 0) {
        must(consulkv_session_valid(id));
    }
    if (consulkv_decode_renewed(&info, text, size, &e) == 0) {
        must(consulkv_session_valid(info.id));
        sink ^= strlen(info.ttl);
    }
    struct record_owner_rules rules = {.node = "n1", .id_host = "n1", .adopt_by_id = size & 1};
    sink ^= (uint64_t)record_owner(&rules, "n1:web:80", text, size);
    sink ^= (uint64_t)record_owner(&rules, text, "", 0);
    buf_deinit(&copy);
    return 0;
}
