#pragma once
/*
 * The publish machine: from rendered bytes to a file that went live, was checked, and was told to nginx.
 *
 * It knows no services: `render` gives it bytes, and it says when they are live. One pass runs at a time;
 * a kick during a pass only means that another pass follows.
 */
#include "io/loop.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct buf;
struct publish;

#define PUBLISH_E_HELD 1 /* from render: not now; the live file stays */

/* How a pass ended. */
enum publish_outcome {
    PUBLISH_SAME,     /* the file holds these bytes already */
    PUBLISH_DONE,     /* new bytes went live (or were printed) */
    PUBLISH_HELD,     /* render said so */
    PUBLISH_REJECTED, /* the check failed, now or before with these bytes; the old file stays */
    PUBLISH_FAILED,   /* nothing could be rendered, written or put in place; the old file stays */
};

struct publish_events {
    /* Renders what is to be live. 0, PUBLISH_E_HELD, or negative with e filled; bytes are borrowed until
     * live or settled. */
    int (*render)(void *ctx, const char **bytes, size_t *len, struct err *e);
    /* What render gave last is in the file (changed: as of now), and the check (if any) said yes. */
    void (*live)(void *ctx, bool changed);
    /* The pass has ended. owed: the reload command has yet to succeed. The machine is idle; it may be
     * stopped from here, but not freed. */
    void (*settled)(void *ctx, enum publish_outcome outcome, bool owed);
};

/* Strings are borrowed until publish_stop() has ended. */
struct publish_config {
    const char *output; /* NULL: stdout */
    mode_t mode;        /* or FS_MODE_KEEP */
    const char *check;  /* NULL: none */
    const char *reload; /* NULL: none */
    bool dry_run;       /* print what would be written, touch nothing */
};

/* Puts back what a trial of an earlier run has left; fails when that cannot be done. */
int publish_new(struct publish **ret, struct io *io, const struct publish_config *c,
                const struct publish_events *events, void *ctx, struct err *e) WARN_UNUSED;

/* The live file's contents before the first pass; -ENOENT when there is none. */
int publish_read(struct publish *p, struct buf *out, struct err *e) WARN_UNUSED;

/* Runs a pass, now or behind the one that is running. Not from inside an event. */
void publish_kick(struct publish *p);

/* Ends a check (the old file stays or is put back), gives a reload five seconds more. done runs once, from
 * the loop; no event after it. */
void publish_stop(struct publish *p, void (*done)(void *ctx), void *ctx);

/* After publish_stop() has ended, or before the first kick. NULL is taken; returns NULL. */
struct publish *publish_free(struct publish *p);

/* Appends members of a JSON object that is open in out's writer. */
struct json_writer;
void publish_describe(const struct publish *p, struct json_writer *w);
