#pragma once
/*
 * What nginx refused, block by block, and what of each block is therefore left out. Pure.
 *
 *     LINES ─its first line, or its placeholder─► SERVERS ─any blame─► BLOCK
 *       └──────────────────its name is taken───────────┴────────────────┘
 *
 *     LINES     single servers, or all directives, or both
 *     SERVERS   everything; a placeholder stands in
 *     BLOCK     the block itself: a comment keeps its name
 *
 * An entry is about a body, the lines between the braces as they would be without it: with another body, or
 * without the block, it is gone. Every blame takes at least one line away, so a block of n servers ends
 * after n + 3 of them at the latest. There is at most one entry for each block that the file would have.
 *
 * The last blame can be taken back: its entry is then what it was before. One that was made for it becomes
 * LINES without lines, which leaves nothing out and still has the servers of the past.
 */
#include "render/nginx_file.h"
#include "render/nginx_place.h"

#include <stdint.h>

enum nginx_exclude_step { NGINX_EXCLUDE_LINES, NGINX_EXCLUDE_SERVERS, NGINX_EXCLUDE_BLOCK };

struct nginx_exclusion {
    char *name;
    enum nginx_exclude_step step;
    uint64_t digest; /* of the whole body */
    size_t *lines;   /* LINES: of the whole body, rising */
    size_t n_lines;
    bool padded; /* a placeholder was put in front of the servers that are left */
    char *kept;  /* the whole body, where it is one of servers of the past; or NULL */
    size_t kept_len, kept_servers;
    bool used; /* by the render that runs */
};

/* What the entry of that name was before the last blame. One that is there is still the same: another body
 * gets an entry only with a blame of its own. */
struct nginx_exclusion_before {
    char *name; /* NULL: there is nothing to take back */
    enum nginx_exclude_step step;
    size_t *lines, n_lines;
};

struct nginx_exclusions {
    struct nginx_exclusion *items; /* sorted by name */
    size_t n, cap;
    struct nginx_exclusion_before before;
    /* of the render that runs, or of the last one */
    size_t places;  /* servers, sets of directives, blocks */
    size_t servers; /* that are not in the file because of them */
};

#define NGINX_EXCLUSIONS_NULL                                                                      \
    {                                                                                              \
        0                                                                                          \
    }

void nginx_exclusions_clear(struct nginx_exclusions *x); /* idempotent */

/* The entry of that name, or NULL. */
struct nginx_exclusion *nginx_exclusions_find(struct nginx_exclusions *x, const char *name,
                                              size_t len);

/* A render: begin, close every block that is open in f with its whole body, end when all went well. */
void nginx_exclusions_begin(struct nginx_exclusions *x);
void nginx_exclusions_close(struct nginx_exclusions *x, struct nginx_file *f, size_t servers);
void nginx_exclusions_end(struct nginx_exclusions *x);

/* One step against what stands at p in f, the file of the last render. Returns the step of its block. */
enum nginx_exclude_step nginx_exclusions_add(struct nginx_exclusions *x, const struct nginx_file *f,
                                             const struct nginx_place *p);

/* Takes the last add() back. False: there is none that is still in force. ret is the name of its block,
 * borrowed until the next call. */
bool nginx_exclusions_undo(struct nginx_exclusions *x, const char **ret) WARN_UNUSED;
