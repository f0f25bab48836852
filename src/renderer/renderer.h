#pragma once
/*
 * The renderer: keeps files of nginx upstreams true to a registry.
 *
 *   registry reader ─► table ─► debounce ─► engines ─► hold ─► publish (stage, check, promote, reload)
 *
 * It wires the parts, logs what follows from their events, and never turns a failed, partial or doubtful
 * listing into a smaller file. It does not exit the process: `done` says how it ended.
 */
#include "io/loop.h"
#include "render/nginx.h"
#include "renderer/target.h"
#include "tidewaiter/clock.h"
#include "tidewaiter/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct command;
struct nginx_control;
struct renderer;

struct renderer_output {
    enum nginx_context context;
    struct target_config file;
};

/* Everything is borrowed until `done` has run. */
struct renderer_options {
    const struct registry_driver *driver;
    const struct registry_uri *uri;
    const struct renderer_output *outputs;
    size_t n_outputs;            /* 0: the http upstreams to stdout, once */
    const char *const *services; /* globs; none: every name */
    size_t n_services;
    const char *const *expect; /* names that have a block from the first file on */
    size_t n_expect;
    enum nginx_empty empty;
    msec_t hold;               /* 0: never */
    unsigned max_drop;         /* percent of the servers that one update may take away; 100: any */
    msec_t wait_min, wait_max; /* debounce; wait_max below wait_min counts as wait_min */
    const struct command *check;  /* NULL: nginx's own, or none; {{.src}} is the staged file */
    const struct command *reload; /* NULL: nginx's own, or none */
    struct nginx_control *nginx;  /* NULL: none; freed by the caller, after `done` */
    unsigned old_workers; /* more of them still shutting down: a change waits, up to wait_max */
    bool strict;          /* nothing is left out of what nginx refuses */
    bool once;
    bool dry_run; /* print what would be written, touch nothing, stop */
    bool diff;    /* print how that differs from the files, touch nothing, stop */
};

/*
 * Starts. done runs once, from the loop, when the renderer has stopped: 0 after renderer_stop() or a
 * successful one-shot run (once, dry_run, or no output), 1 when the one-shot failed; the reason was logged.
 * With diff: 0 when nothing differs, 1 when something does, 2 when that could not be found out.
 * Fails, with nothing to stop, on settings that no retry mends.
 */
int renderer_new(struct renderer **ret, struct io *io, const struct renderer_options *options,
                 void (*done)(void *ctx, int exit_status), void *ctx, struct err *e) WARN_UNUSED;

/* Begins to stop; done follows. Further calls do nothing. */
void renderer_stop(struct renderer *r);

/* Asks for a fresh listing of the registry; what it says is published as any other change. */
void renderer_refresh(struct renderer *r);

/* After done has run. NULL is taken; returns NULL. */
struct renderer *renderer_free(struct renderer *r);

/* Appends the state as one JSON object. */
void renderer_describe(const struct renderer *r, struct buf *out);
