#pragma once
/*
 * Where things are in etcd and in Consul's KV, in two kinds:
 *
 *   services  <prefix>/<name>/<id>, and <prefix>/.agents/<node> for an agent's own record
 *   skydns    <prefix>/<labels of the name in reverse>/<id as a label>
 *
 * CoreDNS takes everything below the prefix for its own, and templates written for Registrator's records
 * expect nothing else beside them: there the agent's record is at /.tidewaiter/agents<prefix>/<node>.
 * Consul's keys are like etcd's services, without the slash at the beginning. Pure.
 */
#include "tidewaiter/err.h"
#include "tidewaiter/registry.h"
#include "tidewaiter/service.h"

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct registry_uri;

enum kv_layout_kind { KV_LAYOUT_SERVICES, KV_LAYOUT_SKYDNS };

struct kv_layout {
    enum kv_layout_kind kind;
    char *dir; /* "<prefix>/": every key of ours begins so */
    size_t dir_len;
    char *end;    /* first key behind all that begin with dir */
    char *record; /* the agent's own record; NULL for readers */
    bool apart;   /* record is not below dir: it is to be watched on its own */
};

#define KV_LAYOUT_NULL                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

/*
 * Of the URI counts the scheme (SKYDNS; all others: services) and the prefix. node: NULL for a reader. -EINVAL (ERR_INVALID) for a node name that is empty, longer than 253 bytes,
 * or holds '/' or a control character.
 */
int kv_layout_init(struct kv_layout *ret, const struct registry_uri *uri, const char *node,
                   enum registry_dialect dialect, struct err *e) WARN_UNUSED;
void kv_layout_deinit(struct kv_layout *l); /* idempotent */

/*
 * Appends the key of a service; service_new() has made sure that it cannot leave the prefix. -EINVAL,
 * -EMSGSIZE (ERR_INVALID): it has none in this layout, or one longer than out or a DNS name takes.
 */
int kv_layout_key(const struct kv_layout *l, const struct service *svc, struct buf *out,
                  struct err *e) WARN_UNUSED;

enum kv_key_kind {
    KV_KEY_SERVICE, /* name and id are filled */
    KV_KEY_HIDDEN,  /* a name that begins with a dot: not for readers */
    KV_KEY_ZONE,    /* skydns: a record of the zone itself */
    KV_KEY_OTHER,   /* another shape, or outside the prefix */
};

struct kv_key {
    char name[SERVICE_NAME_MAX + 1];
    char id[SERVICE_ID_MAX + 1];
};

enum kv_key_kind kv_layout_parse(const struct kv_layout *l, const char *key, size_t len,
                                 struct kv_key *ret);
