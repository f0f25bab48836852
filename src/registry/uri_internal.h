#pragma once
/*
 * What the parts of the URI parser share: uri.c picks the scheme, uri_etcd.c and uri_consul.c fill in
 * what theirs say, uri_hosts.c has the pieces that both are made of. Nobody else includes this.
 */
#include "base/alloc.h"
#include "registry/uri.h"

#include <stdint.h>

struct uri_parser {
    struct registry_uri *uri; /* built aside; handed out when it is whole */
    const struct registry_uri_env *env;
    const char *text; /* the whole text */
    struct err *e;
};

/*
 * ERR_INVALID: `registry URI: WHAT "FOUND": ALLOWED`. Nothing of a text with an '@' is quoted: an
 * unescaped '/' or '?' in a password moves every boundary. Returns -EINVAL.
 */
int uri_refuse(const struct uri_parser *p, const char *what, const char *found,
               const char *allowed);

/* ---- uri_hosts.c ---- */

/* [user:password@]HOSTS[/PATH][?QUERY], taken apart; the pieces may be written to. */
struct uri_parts {
    char *authority; /* owned */
    char *hosts;     /* in authority, behind the user; may be "" */
    char *rest;      /* owned */
    size_t authority_len, rest_len;
    char *path;  /* in rest: with its '/', or "" */
    char *query; /* in rest: without its '?'; NULL when there is none */
};

#define URI_PARTS_NULL                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

/* text: what follows "scheme://". User and password go to the URI at once. */
int uri_split(struct uri_parser *p, const char *text, struct uri_parts *ret) WARN_UNUSED;
void uri_parts_deinit(struct uri_parts *parts); /* wipes: a password may be in any of them */

/* One HOST[:PORT] or [V6][:PORT], cut into by this, becomes an endpoint with the URI's tls. */
int uri_endpoint_add(struct uri_parser *p, char *text, uint16_t default_port) WARN_UNUSED;

/* Which ?options a scheme has. */
enum uri_option {
    URI_OPTION_VALUE = 1 << 0,
    URI_OPTION_DC = 1 << 1,
    URI_OPTION_STALE = 1 << 2,
};

/* known: the options as a person may write them. query: NULL is taken. */
int uri_parse_query(struct uri_parser *p, char *query, unsigned options,
                    const char *known) WARN_UNUSED;

/* Cuts slashes off the end; refuses what is longer than REGISTRY_PREFIX_MAX. */
int uri_trim_prefix(struct uri_parser *p, char *prefix) WARN_UNUSED;

/* ---- uri_etcd.c, uri_consul.c: text is what follows "scheme://" ---- */
int uri_parse_etcd(struct uri_parser *p, const char *text) WARN_UNUSED;
int uri_parse_skydns(struct uri_parser *p, const char *text) WARN_UNUSED;
int uri_parse_consul(struct uri_parser *p, const char *text) WARN_UNUSED;
int uri_parse_consul_unix(struct uri_parser *p, const char *text) WARN_UNUSED;
int uri_parse_consulkv(struct uri_parser *p, const char *text) WARN_UNUSED;
int uri_parse_consulkv_unix(struct uri_parser *p, const char *text) WARN_UNUSED;
