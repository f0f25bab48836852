#pragma once
/*
 * A service: one reachable port of one container, as a registry records it.
 *
 * Immutable, reference-counted, one allocation: every string and array it points at lives in the same
 * block. It is made from a `struct service_spec` whose pointers are only borrowed during the call.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum service_proto { SERVICE_TCP, SERVICE_UDP, SERVICE_SCTP };

/* Worst last, as in Consul. Only passing services receive traffic. */
enum service_status { SERVICE_PASSING, SERVICE_WARNING, SERVICE_CRITICAL };

#define SERVICE_WEIGHT_UNSET (-1)

/* Limits on what a container may say; service_new() refuses what passes them. */
#define SERVICE_NAME_MAX  253
#define SERVICE_ID_MAX    512
#define SERVICE_HOST_MAX  253
#define SERVICE_TAGS_MAX  128
#define SERVICE_ATTRS_MAX 128
#define SERVICE_TEXT_MAX  4096 /* one tag, attribute key or attribute value */

struct service_attr {
    const char *key;
    const char *value;
};

/* What a service says; also the whole visible part of a `struct service`. */
struct service_spec {
    const char *name;      /* no '/', no control characters, does not begin with '.' */
    const char *id;        /* no '/', no control characters; unique below the name */
    const char *node;      /* agent that registered it; may be "" in records of other tools */
    const char *container; /* 64 hex digits; may be "" */
    /* IPv4, IPv6 without brackets, or a host name; "": that of the registry's own node, which only
     * Consul can express. */
    const char *host;
    uint16_t port; /* 1..65535 */
    enum service_proto proto;
    enum service_status status;
    int weight; /* >= 0, or SERVICE_WEIGHT_UNSET */
    const char *const *tags;
    size_t n_tags;
    const struct service_attr *attrs; /* service_new() sorts its copy by key; keys are unique */
    size_t n_attrs;
};

struct service {
    struct service_spec s; /* read-only */
    unsigned refs;
};

/*
 * Copies spec into a new service with one reference. Refuses (-EINVAL, ERR_INVALID, naming the field)
 * an empty name or id, a '/' or control character in name or id, a name that begins with '.', control
 * characters in host, port 0, a negative weight other than SERVICE_WEIGHT_UNSET, duplicate attribute
 * keys, and anything above the limits. Strings must not be NULL except node and container, where NULL
 * means "".
 */
int service_new(struct service **ret, const struct service_spec *spec, struct err *e) WARN_UNUSED;

struct service *service_ref(struct service *svc);
struct service *service_unref(struct service *svc); /* takes NULL; returns NULL */

/* Total order of tables and outputs: by name, then by id; both bytewise. */
int service_compare(const struct service *a, const struct service *b);
int service_compare_key(const struct service *a, const char *name, const char *id);

/* True when every visible field is equal. */
bool service_equal(const struct service *a, const struct service *b);

/* The value of an attribute, or NULL. */
const char *service_attr_get(const struct service *svc, const char *key);

const char *service_proto_name(enum service_proto proto);    /* "tcp", "udp", "sctp" */
const char *service_status_name(enum service_status status); /* "passing", "warning", "critical" */
bool service_proto_parse(const char *text, enum service_proto *ret);
bool service_status_parse(const char *text, enum service_status *ret);
