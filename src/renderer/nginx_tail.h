#pragma once
/*
 * What was written to one log file since a moment: also when the file is moved away, replaced or emptied
 * meanwhile.
 */
#include "base/buf.h"

#include <stdbool.h>
#include <sys/stat.h>

#define NGINX_TAIL_MAX (1024u * 1024) /* of each file: what is older is passed over */

struct nginx_tail {
    char *path; /* NULL: there is none */
    int fd;     /* -1: no regular file there, or it may not be read */
    dev_t dev;  /* of what was there at the mark */
    ino_t ino;  /* 0: nothing, or that is not known */
    off_t from;
    int error; /* errno of why fd is -1; 0: it is no regular file */
};

#define NGINX_TAIL_NULL                                                                            \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* path is copied; NULL: a tail of nothing. That there is no file yet is fine. */
void nginx_tail_open(struct nginx_tail *t, const char *path);
void nginx_tail_close(struct nginx_tail *t); /* idempotent */

/*
 * One of the same path that begins here, in addition to t; to be closed. A file that was moved away is
 * followed until there is another.
 */
struct nginx_tail nginx_tail_anew(const struct nginx_tail *t);

/* What is written there can be read. */
bool nginx_tail_readable(const struct nginx_tail *t);

/* Appends what was written since the mark, whole lines from a certain point on. */
void nginx_tail_read(const struct nginx_tail *t, struct buf *out);
