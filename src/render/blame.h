#pragma once
/*
 * What nginx says about a configuration that it refuses → where in our files that is. Pure.
 *
 *     nginx: [emerg] invalid parameter "x=1" in /etc/nginx/conf.d/up.conf:12      file and line
 *     nginx: [emerg] duplicate upstream "web" in /etc/nginx/nginx.conf:40        a name of ours
 */
#include "tidewaiter/engine.h"

#include <stddef.h>

/* One rendered file, under the names that nginx may have for it: as configured, real path, staged. */
struct blame_file {
    const char *paths[3]; /* NULL: not used */
};

/*
 * Judges the line that blame_reason() finds. 0: ret_file is the index of the file that it names. Where it
 * names another file, or none, and an upstream or zone that may be ours, ret->line and ret_file are 0: ask
 * the engine of every file, until one takes the blame. -ENOENT: it says nothing against our files; a host
 * that is not found is the fault of who asks for it.
 * ret->name points into said and is not terminated (ret->name_len).
 */
int blame_parse(const char *said, const struct blame_file *files, size_t n, size_t *ret_file,
                struct engine_blame *ret) WARN_UNUSED;

/*
 * Why nginx refuses: the first line of level emerg, else the first of level alert or crit, without time,
 * level and process; its length in ret_len. "" when there is none.
 */
const char *blame_reason(const char *said, size_t *ret_len);
