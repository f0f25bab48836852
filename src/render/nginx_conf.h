#pragma once
/*
 * What nginx was built with, and what the main context of its configuration says about where it keeps
 * its pid and its log. Pure; files that are included are not followed.
 */
#include "tidewaiter/err.h"

#include <stddef.h>

/* What `nginx -V` says; all are paths, resolved against the prefix. */
struct nginx_built {
    char *prefix, *conf, *pid;
    char *error_log; /* NULL: it is no file */
};

#define NGINX_BUILT_NULL                                                                           \
    {                                                                                              \
        0                                                                                          \
    }

/* -EINVAL (ERR_INVALID) for what is not the output of `nginx -V`. */
int nginx_built_parse(struct nginx_built *ret, const char *said, struct err *e) WARN_UNUSED;
void nginx_built_deinit(struct nginx_built *b); /* idempotent */

/* As written there; NULL: not there. */
struct nginx_conf {
    char *pid;
    char *error_log; /* the first that is a file */
    char *
        log_nowhere; /* the first that is none: "stderr", "syslog:...", "memory:...", "/dev/null" */
};

#define NGINX_CONF_NULL                                                                            \
    {                                                                                              \
        0                                                                                          \
    }

/* Where the text is no configuration, ret has what stands before the fault. */
void nginx_conf_parse(struct nginx_conf *ret, const char *text, size_t len);
void nginx_conf_deinit(struct nginx_conf *c); /* idempotent */

/* path itself where it is absolute, else below prefix; NULL when that is NULL too. To be freed. */
char *nginx_path(const char *prefix, const char *path);
