#pragma once
/*
 * Where the nginx of this host has its things: binary, configuration, log, and its master process.
 */
#include "io/child.h"
#include "render/nginx_conf.h"
#include "renderer/nginx_proc.h"

#include <sys/stat.h>

struct nginx_site {
    struct io *io;
    char *given;        /* the configuration that was asked for; NULL: the one it was built with */
    char *binary;       /* NULL: it is nowhere in PATH */
    struct stat stamp;  /* of the binary that built is about */
    bool known;         /* built is */
    struct err unknown; /* why not */
    struct nginx_built built;
    struct stat conf_stamp; /* of the configuration that conf is about */
    struct nginx_conf conf;
    struct nginx_proc titled; /* the master that was found by its title; pid 0: none */
    struct child_job job;
    void (*learned)(void *ctx);
    void *ctx;
};

void nginx_site_init(struct nginx_site *s, struct io *io, const char *conf);
void nginx_site_deinit(struct nginx_site *s); /* idle */

/* Absolute; or "nginx" where it is not found, for a command that says so. Borrowed until the next call. */
const char *nginx_site_binary(struct nginx_site *s);

/*
 * Finds out what is needed for the functions below: false when that is done already. True: `nginx -V` runs
 * and learned follows, from the loop, also when that fails or is cancelled. Where it fails, what does not
 * depend on it works.
 */
bool nginx_site_learn(struct nginx_site *s, void (*learned)(void *ctx), void *ctx);
void nginx_site_cancel(struct nginx_site *s); /* idle is fine */

/* The error log of the configuration as it is now; to be freed. NULL: ret_why says why (borrowed). */
char *nginx_site_log(struct nginx_site *s, const char **ret_why);

/* The master that runs the configuration now. -ESRCH: none, or none that can be told for certain. */
int nginx_site_master(struct nginx_site *s, struct nginx_proc *ret, struct err *e) WARN_UNUSED;
/*
 * The same for frequent use: what was found last without the pid file's help is not looked for among all
 * processes again while it runs, so that another one beside it is not noticed.
 */
int nginx_site_master_again(struct nginx_site *s, struct nginx_proc *ret,
                            struct err *e) WARN_UNUSED;
