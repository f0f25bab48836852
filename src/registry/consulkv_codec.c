/*
 * Bodies of Consul's KV, transaction and session calls.
 *
 * Happy path: parse, take what is there. Failure: text that is not JSON or has another shape is the
 * peer's bug (a proxy's page, another program on that port) and says so. What a refused transaction
 * gives as reasons is prose: only a lost session, a missing right and a lock delay are told by their
 * words, all else counts as stale, and whoever sent it looks at the keys. A key may hold any byte; a zero
 * byte would end it here and make it look like another one, so it is read as another control character,
 * which no key of a service has.
 */
#include "registry/consulkv_codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"

#define TTL_MIN 10u
#define TTL_MAX 86400u

static int not_consul(struct err *e, const char *what)
{
    return err_set(e, ERR_BUG, -EPROTO, "not an answer of Consul: %s", what);
}

static int parse(json **ret, const char *body, size_t len, struct err *e)
{
    struct err why = ERR_INIT;
    return json_parse(ret, body, len, &why) < 0 ? not_consul(e, why.msg) : 0;
}

/* ---- keys ---- */

/* Turns "\u0000" into "\u0001"; Consul writes control characters in no other way. */
static void mask_zeros(char *body, size_t len)
{
    static const char zero[] = "\\u0000";
    for (size_t i = 0; i + strlen(zero) <= len;) {
        if (body[i] != '\\') {
            i++;
        } else if (memcmp(body + i, zero, strlen(zero)) == 0) {
            body[i + strlen(zero) - 1] = '1';
            i += strlen(zero);
        } else {
            i += 2; /* an escaped backslash escapes nothing */
        }
    }
}

/* A body with keys in it. */
static int parse_keys(json **ret, const char *body, size_t len, struct err *e)
{
    if (!memmem(body, len, "\\u0000", strlen("\\u0000"))) {
        return parse(ret, body, len, e);
    }
    CLEANUP_FREE char *copy = xmemdup0(body, len);
    mask_zeros(copy, len);
    return parse(ret, copy, len, e);
}

static int decode_pair(struct consulkv_pair *ret, struct arena *arena, const json *j, struct err *e)
{
    const char *key = json_str(j, "Key", "");
    struct consulkv_pair pair = {.index = json_int(j, "ModifyIndex", 0)};
    if (*key == '\0' || pair.index <= 0) {
        return not_consul(e, "a key without name or index");
    }
    if (base64_decode_arena(arena, json_str(j, "Value", ""), &pair.value, &pair.value_len) < 0) {
        return not_consul(e, "a value is not base64");
    }
    pair.key = arena_strdup(arena, key);
    pair.key_len = strlen(key);
    pair.session = arena_strdup(arena, json_str(j, "Session", ""));
    *ret = pair;
    return 0;
}

/* array: of pairs, or of objects that hold one each. */
static int decode_pairs(struct consulkv_list *ret, const json *array, const char *member,
                        struct err *e)
{
    struct consulkv_list list = {0};
    list.pairs = arena_alloc(&list.arena, (json_size(array) + 1) * sizeof(*list.pairs));
    for (const json *it = json_first(array); it; it = json_next(it)) {
        const json *pair = member ? json_get(it, member) : it;
        int r = decode_pair(&list.pairs[list.n], &list.arena, pair, e);
        if (r < 0) {
            arena_deinit(&list.arena);
            return r;
        }
        list.n++;
    }
    *ret = list;
    return 0;
}

int consulkv_decode_list(struct consulkv_list *ret, const char *body, size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse_keys(&j, body, len, e);
    if (r < 0) {
        return r;
    }
    return json_is_array(j) ? decode_pairs(ret, j, NULL, e) : not_consul(e, "no list of keys");
}

int consulkv_decode_txn(struct consulkv_list *ret, const char *body, size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse_keys(&j, body, len, e);
    if (r < 0) {
        return r;
    }
    const json *results = json_get(j, "Results"); /* null when nothing has a result */
    if (!json_is_object(j) || (results && !json_is_array(results))) {
        return not_consul(e, "no results of a transaction");
    }
    return decode_pairs(ret, results, "KV", e);
}

static enum consulkv_refusal refusal(const char *what)
{
    if (strstr(what, "invalid session") || strstr(what, "session lookup")) {
        return CONSULKV_REFUSED_SESSION;
    }
    if (strstr(what, "Permission denied") || strstr(what, "ACL not found")) {
        return CONSULKV_REFUSED_AUTH;
    }
    return strstr(what, "due to lock delay") ? CONSULKV_REFUSED_DELAY : CONSULKV_REFUSED_STALE;
}

int consulkv_decode_errors(struct consulkv_errors *ret, const char *body, size_t len, struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, body, len, e);
    if (r < 0) {
        return r;
    }
    const json *array = json_get(j, "Errors");
    if (!json_is_array(array) || !json_first(array)) {
        return not_consul(e, "no errors of a transaction");
    }
    struct consulkv_errors errors = {0};
    errors.items = arena_alloc(&errors.arena, json_size(array) * sizeof(*errors.items));
    for (const json *it = json_first(array); it; it = json_next(it)) {
        int64_t op = json_int(it, "OpIndex", -1);
        if (op < 0) {
            arena_deinit(&errors.arena);
            return not_consul(e, "an error of a transaction does not name its operation");
        }
        const char *what = arena_strdup(&errors.arena, json_str(it, "What", ""));
        errors.items[errors.n++] =
            (struct consulkv_error){.op = (size_t)op, .kind = refusal(what), .what = what};
    }
    *ret = errors;
    return 0;
}

/* ---- transactions ---- */

void consulkv_txn_begin(struct consulkv_txn *t, struct buf *out)
{
    t->ops = 0;
    json_begin(&t->w, out);
    json_array(&t->w);
}

static void op_begin(struct consulkv_txn *t, const char *verb, const char *key)
{
    must(t->ops < CONSULKV_TXN_OPS);
    t->ops++;
    json_object(&t->w);
    json_key(&t->w, "KV");
    json_object(&t->w);
    json_field_str(&t->w, "Verb", verb);
    json_field_str(&t->w, "Key", key);
}

static void op_end(struct consulkv_txn *t)
{
    json_object_end(&t->w);
    json_object_end(&t->w);
}

void consulkv_txn_check(struct consulkv_txn *t, const char *key, int64_t index)
{
    op_begin(t, index ? "check-index" : "check-not-exists", key);
    if (index) {
        json_field_int(&t->w, "Index", index);
    }
    op_end(t);
}

static void op_locking(struct consulkv_txn *t, const char *verb, const char *key, const void *value,
                       size_t len, const char *session)
{
    must(consulkv_session_valid(session));
    op_begin(t, verb, key);
    json_field_base64(&t->w, "Value", value, len);
    json_field_str(&t->w, "Session", session);
    op_end(t);
}

void consulkv_txn_lock(struct consulkv_txn *t, const char *key, const void *value, size_t len,
                       const char *session)
{
    op_locking(t, "lock", key, value, len, session);
}

void consulkv_txn_unlock(struct consulkv_txn *t, const char *key, const void *value, size_t len,
                         const char *session)
{
    op_locking(t, "unlock", key, value, len, session);
}

void consulkv_txn_delete(struct consulkv_txn *t, const char *key, int64_t index)
{
    op_begin(t, "delete-cas", key);
    json_field_int(&t->w, "Index", index);
    op_end(t);
}

void consulkv_txn_get(struct consulkv_txn *t, const char *key)
{
    op_begin(t, "get-tree", key);
    op_end(t);
}

void consulkv_txn_end(struct consulkv_txn *t)
{
    json_array_end(&t->w);
}

/* ---- sessions ---- */

bool consulkv_session_valid(const char *id)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    for (size_t i = 0; i < CONSULKV_SESSION_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (id[i] == '\0' || (dash ? id[i] != '-' : !strchr(digits, id[i]))) {
            return false;
        }
    }
    return id[CONSULKV_SESSION_LEN] == '\0';
}

unsigned consulkv_session_ttl(unsigned ttl_s)
{
    return ttl_s < TTL_MIN ? TTL_MIN : ttl_s > TTL_MAX ? TTL_MAX : ttl_s;
}

void consulkv_session_name(char ret[CONSULKV_SESSION_NAME_MAX + 1], const char *node)
{
    snprintf(ret, CONSULKV_SESSION_NAME_MAX + 1, "tidewaiter %s", node);
}

void consulkv_encode_session(struct buf *out, const char *node, unsigned ttl_s)
{
    struct json_writer w;
    char name[CONSULKV_SESSION_NAME_MAX + 1], ttl[16];
    consulkv_session_name(name, node);
    snprintf(ttl, sizeof(ttl), "%us", ttl_s);
    json_begin(&w, out);
    json_object(&w);
    json_field_str(&w, "Name", name);
    json_field_str(&w, "TTL", ttl);
    json_field_str(&w, "Behavior", "delete");
    json_field_str(&w, "LockDelay", "0s");
    json_object_end(&w);
}

int consulkv_decode_created(char ret_id[CONSULKV_SESSION_LEN + 1], const char *body, size_t len,
                            struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, body, len, e);
    if (r < 0) {
        return r;
    }
    const char *id = json_str(j, "ID", "");
    if (!consulkv_session_valid(id)) {
        return not_consul(e, "a session without id");
    }
    str_copy(ret_id, CONSULKV_SESSION_LEN + 1, id);
    return 0;
}

int consulkv_decode_renewed(struct consulkv_session_info *ret, const char *body, size_t len,
                            struct err *e)
{
    CLEANUP_JSON json *j = NULL;
    int r = parse(&j, body, len, e);
    if (r < 0) {
        return r;
    }
    const json *session = json_is_array(j) ? json_first(j) : NULL;
    const char *id = json_str(session, "ID", "");
    if (!consulkv_session_valid(id)) {
        return not_consul(e, "a renewal without session");
    }
    struct consulkv_session_info info = {
        .deletes_keys = streq(json_str(session, "Behavior", ""), "delete"),
    };
    str_copy(info.id, sizeof(info.id), id);
    str_copy(info.name, sizeof(info.name), json_str(session, "Name", ""));
    str_copy(info.ttl, sizeof(info.ttl), json_str(session, "TTL", ""));
    *ret = info;
    return 0;
}
