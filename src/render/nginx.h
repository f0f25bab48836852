#pragma once
/*
 * The nginx engine: a table as upstream blocks for nginx's http{} or stream{} block (docs/render.md).
 *
 *     http     tcp services, less those with attribute nginx=stream
 *     stream   udp services, and tcp services with attribute nginx=stream
 *
 * sctp is in neither. One service is never in both, one name may be: upstreams of the two blocks have name
 * spaces of their own. An expected name has its block in every file that expects it, whatever the services
 * turn out to be: before the first of them is registered nobody knows, and nginx refuses its whole
 * configuration for a name that is missing where it is used, and none for a block that nobody uses.
 */
#include "render/nginx_context.h"
#include "tidewaiter/engine.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

/* A service that is expected, or that the live file names, and that has no server to send traffic to. */
enum nginx_empty {
    NGINX_EMPTY_DOWN, /* one server that is down: the name stays valid, requests get 502 */
    NGINX_EMPTY_KEEP, /* its last servers, as in the live file; DOWN where there were none */
    NGINX_EMPTY_OMIT, /* no block */
};

struct nginx_options {
    enum nginx_context context;
    const char *const *services; /* globs; none: every name */
    size_t n_services;
    const char *const *expect; /* names */
    size_t n_expect;
    enum nginx_empty empty;
};

/* -EINVAL (ERR_INVALID) for what cannot be the name of an upstream, in whatever case. */
int nginx_name_check(const char *name, struct err *e) WARN_UNUSED;

/*
 * Options are copied; globs and names are taken in lower case. -EINVAL (ERR_INVALID) names the expected
 * name that cannot be an upstream.
 */
int nginx_engine_new(struct engine **ret, const struct nginx_options *o, struct err *e) WARN_UNUSED;
