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
    size_t upstreams; /* blocks in bytes */
    size_t servers;   /* in them, without placeholders */
    /* names for which the registry has no server: their blocks hold a placeholder, or servers of the past */
    size_t empty;
    size_t excluded; /* servers, sets of directives and blocks left out because of exclude() */
    size_t excluded_servers; /* servers that would be in bytes without that */
    /*
     * Servers in the live file, as adopted or committed, with those that exclude() kept out of it. What is
     * excluded has not gone away: the loss is that from live_servers to servers + excluded_servers.
     */
    size_t live_servers;
    const struct engine_report *reports; /* borrowed like bytes, and from the table */
    size_t n_reports;
};

enum engine_blame_kind {
    ENGINE_BLAME_LINE,     /* what stands in that line */
    ENGINE_BLAME_UPSTREAM, /* the upstream of that name, as a whole: somebody else has the name */
    ENGINE_BLAME_ZONE,     /* the shared memory zone of that name */
};

/* Where the judge of a file says the fault is. */
struct engine_blame {
    enum engine_blame_kind kind;
    size_t line; /* of the bytes that were rendered last, from 1; 0: it names no line of them */
    const char *name; /* of the upstream or the zone; NULL for a line */
    size_t name_len;
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
    /*
     * What was rendered last was refused because of this place, whether it was committed or not. The next
     * render() leaves out the least that stands there, and each further blame takes one step more: a
     * server; the directives of a block; then all its servers; then the block. A block whose name is taken
     * is left out at once. render() goes on leaving it out until what the registry says about that block
     * changes, or readmit(). ret (all borrowed until the next call) says of whom and what. -ENOENT:
     * nothing there can be left out, or there was no render() since the last exclude() or readmit();
     * nothing changes.
     */
    int (*exclude)(struct engine *g, const struct engine_blame *b, struct engine_report *ret);
    /*
     * Takes back the last exclude(), which did not help: what it left out is there again, what was left out
     * before it stays out. ret (borrowed until the next call) says of which upstream, and what. -ENOENT:
     * there is none, it was taken back already, or what the registry says about that block has changed
     * since and ended it. As after exclude(), another blame needs another render().
     */
    int (*undo)(struct engine *g, struct engine_report *ret);
    /* Gives what was excluded another chance; there is nothing to take back then. */
    void (*readmit)(struct engine *g);
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
