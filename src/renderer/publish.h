#pragma once
/*
 * The publish machine: from rendered bytes to files that were checked, went live, and are in use.
 *
 * It knows no services: `render` gives it bytes, and it says when they are live. One pass runs at a time,
 * over all outputs; a kick during a pass only means that another pass follows.
 */
#include "io/loop.h"
#include "renderer/outputs.h"
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

struct blame_file;
struct command;
struct json_writer;
struct nginx_control;
struct publish;

#define PUBLISH_E_HELD 1 /* from render: not now; the live files stay */

/* How a pass ended. */
enum publish_outcome {
    PUBLISH_SAME, /* the files hold these bytes already */
    PUBLISH_DONE, /* new bytes went live (or were printed) */
    PUBLISH_HELD, /* render said so, or too many old workers are shutting down; another follows */
    PUBLISH_REJECTED, /* the check or nginx said no, now or before; the old files stay */
    PUBLISH_FAILED,   /* nothing could be rendered, written, checked or put in place; as before */
};

struct publish_events {
    /* Renders what is to be live, one entry for each output. 0, PUBLISH_E_HELD, or negative with e
     * filled; bytes are borrowed until live or settled. */
    int (*render)(void *ctx, struct outputs_bytes *bytes, struct err *e);
    /*
     * What render gave last was refused, in these words; files (one for each output) are the names that
     * the words may have for them. True when the next render leaves out what was at fault, so that
     * another try in the same pass is worth it.
     */
    bool (*refused)(void *ctx, const char *said, const struct blame_file *files);
    /* What was left out after refused() gets another chance with the next render. */
    void (*readmit)(void *ctx);
    /* What render gave last is in the files (changed: as of now), and the check (if any) said yes. True
     * when something is left out of it after refused(). */
    bool (*live)(void *ctx, bool changed);
    /* The files hold again what they held before the last live(). */
    void (*restored)(void *ctx);
    /* The pass has ended. owed: the reload has yet to succeed. The machine is idle; it may be stopped
     * from here, but not freed. */
    void (*settled)(void *ctx, enum publish_outcome outcome, bool owed);
};

/* Everything is borrowed until publish_stop() has ended. */
struct publish_config {
    const struct target_config *files;
    size_t n_files;               /* 0: one output, to stdout */
    const struct command *check;  /* NULL: nginx's own, or none */
    const struct command *reload; /* NULL: nginx's own, or none */
    struct nginx_control *nginx;  /* NULL: none */
    unsigned old_workers;         /* more than these still shutting down: the next change waits */
    msec_t old_workers_wait;      /* so long at most */
    bool once;                    /* nobody waits for a later try */
    bool strict;                  /* a refused candidate is rejected whole */
    bool dry_run;                 /* print what would be written, touch nothing */
    bool diff;                    /* print how it differs, touch nothing */
};

/* Puts back what a trial of an earlier run has left; fails when that cannot be done. */
int publish_new(struct publish **ret, struct io *io, const struct publish_config *c,
                const struct publish_events *events, void *ctx, struct err *e) WARN_UNUSED;

/* Live file i's contents; -ENOENT when there is none. Before the first pass, or from restored(). */
int publish_read(struct publish *p, size_t i, struct buf *out, struct err *e) WARN_UNUSED;

/* From live(): file i is another than before. */
bool publish_changed(const struct publish *p, size_t i);

/* A reload is owed by an earlier run: a pass is worth it before anything is rendered. */
bool publish_owes(const struct publish *p);

/* Runs a pass, now or behind the one that is running. Not from inside an event. */
void publish_kick(struct publish *p);

/* Ends a check (the old files stay or are put back), gives a reload five seconds more. done runs once,
 * from the loop; no event after it. */
void publish_stop(struct publish *p, void (*done)(void *ctx), void *ctx);

/* After publish_stop() has ended, or before the first kick. NULL is taken; returns NULL. */
struct publish *publish_free(struct publish *p);

/* Appends members of a JSON object that is open in w: one entry for each output, and what is owed. */
void publish_describe(const struct publish *p, struct json_writer *w);
