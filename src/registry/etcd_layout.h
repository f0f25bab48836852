#pragma once
/*
 * Where things are in etcd: <prefix>/<name>/<id> for services, <prefix>/.agents/<node> for an agent's
 * own record. Pure.
 */
#include "tidewaiter/err.h"
#include "tidewaiter/service.h"

#include <stddef.h>

struct buf;

struct etcd_layout {
    char *dir; /* "<prefix>/": every key of ours begins so */
    size_t dir_len;
    char *end;    /* first key behind all that begin with dir */
    char *record; /* the agent's own record; NULL for readers */
};

#define ETCD_LAYOUT_NULL                                                                           \
    {                                                                                              \
        0                                                                                          \
    }

/*
 * node: NULL for a reader. -EINVAL (ERR_INVALID) for a node name that is empty, longer than 253 bytes,
 * or holds '/' or a control character.
 */
int etcd_layout_init(struct etcd_layout *ret, const char *prefix, const char *node,
                     struct err *e) WARN_UNUSED;
void etcd_layout_deinit(struct etcd_layout *l); /* idempotent */

/* Appends the key of a service; service_new() has made sure that it cannot leave the prefix. */
void etcd_layout_key(const struct etcd_layout *l, const struct service *svc, struct buf *out);

enum etcd_key_kind {
    ETCD_KEY_SERVICE, /* name and id are filled */
    ETCD_KEY_HIDDEN,  /* a name that begins with a dot: not for readers */
    ETCD_KEY_OTHER,   /* another shape, or outside the prefix */
};

struct etcd_key {
    char name[SERVICE_NAME_MAX + 1];
    char id[SERVICE_ID_MAX + 1];
};

enum etcd_key_kind etcd_layout_parse(const struct etcd_layout *l, const char *key, size_t len,
                                     struct etcd_key *ret);
