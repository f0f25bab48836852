#pragma once
/*
 * Registry URIs: text → which driver, where, and how records are written. Pure.
 *
 *   file:///PATH                                              the embedded registry of one host
 *   etcd://HOST[:2379][,HOST…][/PREFIX][?value=json|addr|grpc]
 *   etcds://…                                                 the same through TLS
 *   skydns://HOST[:2379][,HOST…]/DOMAIN                       etcd v3 in the SkyDNS / CoreDNS layout;
 *                                                             skydns2:// is the same; skydnss://
 *                                                             for TLS
 *   consul://[HOST[:8500]][?dc=NAME&stale=true]               the API of a Consul agent
 *   consuls://…  consul-tls://…                               the same through TLS
 *   consul-unix:///PATH                                       the same through a unix socket
 *   consulkv://[HOST[:8500]]/PREFIX[?value=…&dc=NAME&stale=true]  Consul's KV; consulkvs:// and
 *                                                             consulkv-tls:// for TLS
 *   consulkv-unix:///PATH:/PREFIX                             the same through a unix socket
 *
 * Where an etcd or Consul URI names no host, the tool's own variable does, else 127.0.0.1.
 * No text, or "", is the embedded registry at its default path. No error message repeats a part of the
 * text that may hold a password.
 */
#include "registry/record.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define REGISTRY_URI_MAX        4096
#define REGISTRY_ENDPOINTS_MAX  32
#define REGISTRY_PREFIX_MAX     512
#define REGISTRY_PREFIX_DEFAULT "/services"
#define REGISTRY_ETCD_PORT      2379
#define REGISTRY_CONSUL_PORT    8500
#define REGISTRY_SKYDNS_ROOT    "/skydns"

enum registry_scheme {
    REGISTRY_FILE,
    REGISTRY_ETCD,
    REGISTRY_SKYDNS,
    REGISTRY_CONSUL,
    REGISTRY_CONSULKV,
};

/* How to prove who we are; strings are owned by the URI that holds them, NULL means "not given". */
struct registry_credentials {
    char *ca_file, *cert_file, *key_file; /* PEM */
    char *user, *password;                /* of etcd; of Consul: HTTP basic authentication */
    char *token;                          /* Consul's ACL token */
    bool insecure;                        /* the server's certificate is not checked */
};

struct registry_uri {
    enum registry_scheme scheme;

    /* REGISTRY_FILE */
    char *path; /* absolute */

    /* All others. */
    bool tls;
    /* "http://10.0.0.5:2379", "https://[fd00::1]:2379", in the order given; of Consul exactly one, or
     * none and the socket. */
    char **endpoints;
    size_t n_endpoints;
    char *unix_socket; /* Consul: path, or NULL */
    /*
     * Where records are, without a '/' at the end. ETCD: begins with '/', or is "" (registrator's root);
     * SKYDNS: the domain's labels in reverse below the root, "/skydns/local/svc"; CONSULKV: begins
     * without '/', "services". NULL of CONSUL.
     */
    char *prefix;
    char *domain;          /* SKYDNS: lower case, without a dot at the end: "svc.local" */
    enum record_form form; /* ETCD, CONSULKV */
    char *datacenter;      /* Consul: or NULL: that of its agent */
    bool stale;            /* Consul readers: any server may answer, not the leader alone */

    /* Filled from user:password@; the caller sets what its options and variables add (xstrdup). */
    struct registry_credentials credentials;
    bool password_in_text; /* user:password@ was there: worth a warning */
};

#define REGISTRY_URI_NULL                                                                          \
    {                                                                                              \
        0                                                                                          \
    }

/* What the defaults depend on; all borrowed during the call. */
struct registry_uri_env {
    uid_t uid;
    const char *runtime_dir;    /* $XDG_RUNTIME_DIR, or NULL */
    const char *etcd_endpoints; /* $ETCDCTL_ENDPOINTS: for an etcd URI without a host; or NULL */
    const char *consul_addr;    /* $CONSUL_HTTP_ADDR: for a Consul URI without a host; or NULL */
    bool consul_tls;            /* $CONSUL_HTTP_SSL: consul:// means consuls:// */
    /* Registrator's: values are `addr` unless ?value= says otherwise, and etcd://HOST without a path is
     * the root. */
    bool registrator;
};

/*
 * Parses text (NULL is taken) into ret, which is overwritten on success and is to be released with
 * registry_uri_deinit(). -EINVAL, ERR_INVALID: what was found, and what is allowed.
 */
int registry_uri_parse(struct registry_uri *ret, const char *text,
                       const struct registry_uri_env *env, struct err *e) WARN_UNUSED;
void registry_uri_deinit(struct registry_uri *uri); /* idempotent; wipes the password */

struct buf;
/* Appends the URI as a person may see it: everything but user and password. */
void registry_uri_format(const struct registry_uri *uri, struct buf *out);
