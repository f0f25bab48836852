#pragma once
/*
 * The processes of one nginx: its master, its workers, and those of earlier configurations that still
 * shut down; told by their titles, which nginx sets itself. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct nginx_process {
    pid_t pid, parent;
    const char *title;
};

struct nginx_family {
    pid_t master;
    char *command;  /* the master's own, behind its title: "nginx -g daemon off;" */
    pid_t *workers; /* that serve */
    size_t n_workers;
    pid_t *rest; /* its other children: some have no title of their own yet */
    size_t n_rest;
    size_t n_old; /* "worker process is shutting down" */
};

#define NGINX_FAMILY_NULL                                                                          \
    {                                                                                              \
        0                                                                                          \
    }

/*
 * The family whose master is `first`, or else that of the first master in the list. False: there is no
 * master (it does not run, or with master_process off).
 */
bool nginx_family_find(struct nginx_family *ret, const struct nginx_process *list, size_t n,
                       pid_t first);
void nginx_family_deinit(struct nginx_family *f); /* idempotent */

enum nginx_change {
    NGINX_SAME,     /* no new worker */
    NGINX_CHANGING, /* there are new ones, and some from before go on as if nothing was, or none of the
                       new ones has been there for two looks */
    NGINX_REPLACED, /* only new ones; whether those from before were told to go or died is not known */
    NGINX_CHANGED, /* only new ones, for they have been told to go; or of another master */
    NGINX_BARE,    /* none at all, for two looks: new ones have ended, and are not begun again */
};

/* What becomes of a family from look to look. */
struct nginx_progress {
    struct nginx_family last;
    size_t serving;  /* workers of before */
    bool generation; /* there has been a new one */
    bool lasting;    /* one of its workers was there at the last two looks */
};

void nginx_progress_begin(struct nginx_progress *p, const struct nginx_family *before);
void nginx_progress_deinit(struct nginx_progress *p); /* idempotent */
/* now is taken over, and zero then. */
enum nginx_change nginx_progress_look(struct nginx_progress *p, const struct nginx_family *before,
                                      struct nginx_family *now);

/*
 * The argument vector that runs the same nginx with these arguments in addition (NULL-terminated): its
 * program and what it was given as -c, -e, -g and -p. command is a title's, in which blanks do not say
 * whether they part words; what cannot be told is left out. NULL: plain `nginx`. The vector is one block with
 * the words that are not borrowed from extra, to be freed.
 */
const char **nginx_family_argv(const char *command, const char *const *extra);
