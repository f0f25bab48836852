/*
 * The key layout. Happy path: compose and split keys. A key of another shape is classified, never an
 * error: other programs may keep keys of their own below the prefix. No I/O.
 */
#include "registry/kv_layout.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/skydns_codec.h"
#include "registry/uri.h"

#include <errno.h>
#include <string.h>

#define NODE_MAX 253
#define KEY_MAX  4096

#define RECORDS_APART ".tidewaiter/agents"

int kv_layout_init(struct kv_layout *ret, const struct registry_uri *uri, const char *node,
                   enum registry_dialect dialect, struct err *e)
{
    const char *prefix = uri->prefix;
    enum kv_layout_kind kind =
        uri->scheme == REGISTRY_SKYDNS ? KV_LAYOUT_SKYDNS : KV_LAYOUT_SERVICES;
    bool apart = kind == KV_LAYOUT_SKYDNS || dialect == REGISTRY_REGISTRATOR;
    if (node) {
        size_t len = strlen(node);
        if (len == 0 || len > NODE_MAX || strchr(node, '/') || !str_printable(node, len)) {
            return err_set(e, ERR_INVALID, -EINVAL,
                           "node name \"%.64s\": 1 to %d bytes without '/' and control characters "
                           "are allowed",
                           node, NODE_MAX);
        }
    }
    struct buf dir = BUF_INIT(KEY_MAX), end = BUF_INIT(KEY_MAX), record = BUF_INIT(KEY_MAX);
    buf_printf(&dir, "%s/", prefix);
    /* '0' follows '/': the end of the range is the folder with its last byte raised */
    buf_printf(&end, "%s0", prefix);
    if (node && apart) {
        bool slash = uri->scheme != REGISTRY_CONSULKV; /* Consul's keys begin without one */
        buf_printf(&record, slash ? "/%s%s/%s" : "%s/%s/%s", RECORDS_APART, prefix, node);
    } else if (node) {
        buf_printf(&record, "%s/.agents/%s", prefix, node);
    }
    must(!buf_error(&dir) && !buf_error(&record)); /* the URI caps the prefix */
    size_t dir_len = dir.len; /* before buf_take(): initialisers have no order */
    *ret = (struct kv_layout){
        .kind = kind,
        .apart = apart,
        .dir_len = dir_len,
        .dir = buf_take(&dir),
        .end = buf_take(&end),
        .record = node ? buf_take(&record) : NULL,
    };
    return 0;
}

void kv_layout_deinit(struct kv_layout *l)
{
    free(take_ptr(l->dir));
    free(take_ptr(l->end));
    free(take_ptr(l->record));
    l->dir_len = 0;
}

static int skydns_key(const struct kv_layout *l, const struct service *svc, struct buf *out,
                      struct err *e)
{
    size_t before = out->len;
    buf_puts(out, l->dir);
    int r = skydns_key_write(svc->s.name, svc->s.id, out, e);
    if (r < 0) {
        return r;
    }
    /* its DNS name has the same labels, the root left out */
    size_t len = out->len - before - strlen(REGISTRY_SKYDNS_ROOT "/");
    if (len > SKYDNS_NAME_MAX) {
        return err_set(e, ERR_INVALID, -EMSGSIZE,
                       "a DNS name of %zu bytes, at most %d are allowed: %s of service %s", len,
                       SKYDNS_NAME_MAX, svc->s.id, svc->s.name);
    }
    return 0;
}

int kv_layout_key(const struct kv_layout *l, const struct service *svc, struct buf *out,
                  struct err *e)
{
    int r = 0;
    must(!strchr(svc->s.name, '/') && !strchr(svc->s.id, '/'));
    switch (l->kind) {
    case KV_LAYOUT_SERVICES:
        buf_printf(out, "%s%s/%s", l->dir, svc->s.name, svc->s.id);
        break;
    case KV_LAYOUT_SKYDNS:
        r = skydns_key(l, svc, out, e);
        break;
    }
    if (r == 0 && buf_error(out)) {
        r = err_set(e, ERR_INVALID, -EMSGSIZE, "the key of %s is too long", svc->s.id);
    }
    return r;
}

static enum kv_key_kind parse_skydns(const char *path, size_t len, struct kv_key *ret)
{
    switch (skydns_key_parse(path, len, ret->name, ret->id)) {
    case SKYDNS_KEY_SERVICE:
        return KV_KEY_SERVICE;
    case SKYDNS_KEY_ZONE:
        return KV_KEY_ZONE;
    case SKYDNS_KEY_OTHER:
        break;
    }
    return KV_KEY_OTHER;
}

enum kv_key_kind kv_layout_parse(const struct kv_layout *l, const char *key, size_t len,
                                 struct kv_key *ret)
{
    if (len <= l->dir_len || memcmp(key, l->dir, l->dir_len) != 0) {
        return KV_KEY_OTHER;
    }
    if (l->kind == KV_LAYOUT_SKYDNS) {
        return parse_skydns(key + l->dir_len, len - l->dir_len, ret);
    }
    const char *name = key + l->dir_len;
    if (*name == '.') {
        return KV_KEY_HIDDEN;
    }
    const char *end = key + len;
    const char *slash = memchr(name, '/', (size_t)(end - name));
    if (!slash) {
        return KV_KEY_OTHER;
    }
    const char *id = slash + 1;
    size_t name_len = (size_t)(slash - name), id_len = (size_t)(end - id);
    if (name_len == 0 || name_len > SERVICE_NAME_MAX || id_len == 0 || id_len > SERVICE_ID_MAX ||
        memchr(id, '/', id_len) || !str_printable(name, name_len + 1 + id_len)) {
        return KV_KEY_OTHER;
    }
    memcpy(ret->name, name, name_len);
    ret->name[name_len] = '\0';
    memcpy(ret->id, id, id_len);
    ret->id[id_len] = '\0';
    return KV_KEY_SERVICE;
}
