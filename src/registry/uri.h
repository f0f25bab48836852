#pragma once
/*
 * Registry URIs: text → which driver, where, and how records are written. Pure.
 *
 *   file:///PATH                                              the embedded registry of one host
 *   etcd://HOST[:2379][,HOST…][/PREFIX][?value=json|addr|grpc]
 *   etcds://…                                                 the same through TLS
 *
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

enum registry_scheme { REGISTRY_FILE, REGISTRY_ETCD };

/* How to prove who we are; strings are owned by the URI that holds them, NULL means "not given". */
struct registry_credentials {
    char *ca_file, *cert_file, *key_file; /* PEM */
    char *user, *password;
};

struct registry_uri {
    enum registry_scheme scheme;

    /* REGISTRY_FILE */
    char *path; /* absolute */

    /* REGISTRY_ETCD */
    bool tls;
    char **endpoints; /* "http://10.0.0.5:2379", "https://[fd00::1]:2379", in the order given */
    size_t n_endpoints;
    char *prefix; /* begins with '/', does not end with one */
    enum record_form form;

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
