#pragma once
/*
 * What is to be in the output files: one engine for each, rendered from the same table.
 *
 * Knows no files and no commands; the publisher asks it for bytes and tells it what became of them.
 */
#include "render/nginx.h"
#include "renderer/outputs.h"
#include "renderer/report_log.h"
#include "tidewaiter/table.h"

#include <stdbool.h>
#include <stddef.h>

struct blame_file;

#define CONTENT_REFUSALS 64u

struct content_part {
    struct engine *engine;
    struct engine_result result; /* counts of the last render; its pointers are not used later */
    struct report_log reported;
    uint64_t refusals[CONTENT_REFUSALS]; /* digests of what was said to be left out, a ring */
    size_t n_refusals;
};

#define CONTENT_REASON_MAX 512u

/*
 * A name that was refused does not say in which file it was: parts are tried, each alone, then all.
 *
 *     NONE ─a name, of whichever part it is─► ONE ─the same again, or nothing of ours─► ONE, the next part
 *      ▲                                       ├─the same again, after the last part──► NONE, all parts
 *      └────other words; accepted; readmitted──┘
 */
struct content_choice {
    char *name; /* that was refused; NULL: NONE */
    enum engine_blame_kind kind;
    size_t at; /* the part that leaves it out */
    char reason[CONTENT_REASON_MAX];
};

struct content {
    struct content_part *parts;
    size_t n;
    struct content_choice choice;
};

/* Sums over the parts, of the last render. */
struct content_counts {
    size_t upstreams, servers, empty, live_servers, excluded, excluded_servers, reports;
};

#define CONTENT_NULL                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

/* One part for each element of options; as nginx_engine_new(). */
int content_init(struct content *c, const struct nginx_options *options, size_t n,
                 struct err *e) WARN_UNUSED;
void content_deinit(struct content *c); /* idempotent */

/* Takes over what is in file i: at start, or when an earlier file was put back. Returns the number of lines
 * that are not this program's. */
size_t content_adopt(struct content *c, size_t i, const char *text, size_t len);

/* Fills bytes[] (borrowed until the next call); logs what was left out, each thing once. */
int content_render(struct content *c, const struct table *t, struct outputs_bytes *bytes,
                   struct err *e) WARN_UNUSED;

struct content_counts content_counts(const struct content *c);

/*
 * said: why what was rendered last was refused; files[i] are the names of part i. Finds the place and leaves
 * it out from the next render on; logs whose it is, and what nginx said. Where a name may be of several
 * parts, one of them leaves it out; when the next refusal shows that it was another one, it is taken back
 * there. False: no place of ours is named, and no such choice is left.
 */
bool content_refuse(struct content *c, const char *said, const struct blame_file *files);
void content_readmit(struct content *c);

/* What was rendered last is live; a reload may refuse it yet. */
void content_commit(struct content *c);
/* Nobody refuses what went live last any more: what is left out of it was the right thing. */
void content_accepted(struct content *c);
