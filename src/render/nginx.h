#pragma once
/*
 * The nginx engine: a table as the upstream blocks of an http{} context (docs/render.md).
 */
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
    const char *const *services; /* globs; none: every name */
    size_t n_services;
    const char *const *expect; /* names */
    size_t n_expect;
    enum nginx_empty empty;
};

/*
 * Options are copied; globs and names are taken in lower case. -EINVAL (ERR_INVALID) names the expected
 * name that cannot be an upstream.
 */
int nginx_engine_new(struct engine **ret, const struct nginx_options *o, struct err *e) WARN_UNUSED;
