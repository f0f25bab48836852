/*
 * The key layout. Happy path: compose and split keys. A key of another shape is classified, never an
 * error: other programs may keep keys of their own below the prefix. No I/O.
 */
#include "registry/etcd_layout.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define NODE_MAX 253
#define KEY_MAX  4096

int etcd_layout_init(struct etcd_layout *ret, const char *prefix, const char *node, struct err *e)
{
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
    if (node) {
        buf_printf(&record, "%s/.agents/%s", prefix, node);
    }
    must(!buf_error(&dir) && !buf_error(&record)); /* the URI caps the prefix */
    size_t dir_len = dir.len; /* before buf_take(): initialisers have no order */
    *ret = (struct etcd_layout){
        .dir_len = dir_len,
        .dir = buf_take(&dir),
        .end = buf_take(&end),
        .record = node ? buf_take(&record) : NULL,
    };
    return 0;
}

void etcd_layout_deinit(struct etcd_layout *l)
{
    free(take_ptr(l->dir));
    free(take_ptr(l->end));
    free(take_ptr(l->record));
    l->dir_len = 0;
}

void etcd_layout_key(const struct etcd_layout *l, const struct service *svc, struct buf *out)
{
    must(!strchr(svc->s.name, '/') && !strchr(svc->s.id, '/'));
    buf_printf(out, "%s%s/%s", l->dir, svc->s.name, svc->s.id);
}

enum etcd_key_kind etcd_layout_parse(const struct etcd_layout *l, const char *key, size_t len,
                                     struct etcd_key *ret)
{
    if (len <= l->dir_len || memcmp(key, l->dir, l->dir_len) != 0) {
        return ETCD_KEY_OTHER;
    }
    const char *name = key + l->dir_len;
    if (*name == '.') {
        return ETCD_KEY_HIDDEN;
    }
    const char *end = key + len;
    const char *slash = memchr(name, '/', (size_t)(end - name));
    if (!slash) {
        return ETCD_KEY_OTHER;
    }
    const char *id = slash + 1;
    size_t name_len = (size_t)(slash - name), id_len = (size_t)(end - id);
    if (name_len == 0 || name_len > SERVICE_NAME_MAX || id_len == 0 || id_len > SERVICE_ID_MAX ||
        memchr(id, '/', id_len) || !str_printable(name, name_len + 1 + id_len)) {
        return ETCD_KEY_OTHER;
    }
    memcpy(ret->name, name, name_len);
    ret->name[name_len] = '\0';
    memcpy(ret->id, id, id_len);
    ret->id[id_len] = '\0';
    return ETCD_KEY_SERVICE;
}
