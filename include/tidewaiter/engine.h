#pragma once
/*
 * A render engine: services in, the bytes of one file out. Pure: no file, clock or log.
 *
 * An engine remembers what its file holds, because a service without servers may keep its block or its
 * last servers (`--empty`). The publisher owns the file and tells the engine about it: adopt() once with
 * what was found at start, commit() each time that the bytes of the last render() have gone live. A
 * candidate that was rejected is never committed, so the memory is always that of the live file.
 */
#include "tidewaiter/err.h"
#include "tidewaiter/table.h"

#include <stddef.h>

/* One thing that a record asked for and that was left out; the rest was rendered. */
struct engine_report {
    const char *service;   /* name as registered */
    const char *id;        /* "" where the file itself is meant, not a record */
    const char *container; /* may be "" */
    const char *text;      /* one sentence: what was rejected, and what happens instead */
};

struct engine_result {
    const char *bytes; /* borrowed until the next call of the engine */
    size_t len;
    size_t upstreams;    /* blocks in bytes */
    size_t servers;      /* in them, without placeholders */
    size_t empty;        /* blocks that hold only a placeholder, or servers of the past */
    size_t live_servers; /* servers in the live file, as adopted or committed */
    const struct engine_report *reports; /* borrowed like bytes, and from the table */
    size_t n_reports;
};

struct engine;

struct engine_ops {
    const char *name;
    /*
     * Renders a complete table; deterministic: the order in which records arrived never shows. Fails
     * only when the file as a whole cannot be made (-EMSGSIZE: above the cap); ret is untouched then.
     */
    int (*render)(struct engine *g, const struct table *t, struct engine_result *ret,
                  struct err *e);
    /* The file's contents before the first render. What is not the engine's own format is skipped; the
     * number of lines skipped is returned. */
    size_t (*adopt)(struct engine *g, const char *bytes, size_t len);
    /* The bytes of the last render() are live now. At most once for each render(). */
    void (*commit)(struct engine *g);
    void (*free)(struct engine *g);
};

struct engine {
    const struct engine_ops *ops; /* first member of every engine */
};

static inline struct engine *engine_free(struct engine *g)
{
    if (g) {
        g->ops->free(g);
    }
    return NULL;
}
