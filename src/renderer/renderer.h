#pragma once
/*
 * The renderer: keeps a file of nginx upstreams true to a registry.
 *
 *   registry reader ─► table ─► debounce ─► engine ─► hold ─► publish (stage, check, promote, reload)
 *
 * It wires the parts, logs what follows from their events, and never turns a failed, partial or doubtful
 * listing into a smaller file. It does not exit the process: `done` says how it ended.
 */
#include "io/loop.h"
#include "render/nginx.h"
#include "tidewaiter/clock.h"
#include "tidewaiter/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct renderer;

/* Everything is borrowed until `done` has run. */
struct renderer_options {
    const struct registry_driver *driver;
    const struct registry_uri *uri;
    const char *output;          /* NULL: to stdout, once */
    const char *const *services; /* globs; none: every name */
    size_t n_services;
    const char *const *expect; /* names that have a block from the first file on */
    size_t n_expect;
    enum nginx_empty empty;
    msec_t hold;               /* 0: never */
    msec_t wait_min, wait_max; /* debounce; wait_max below wait_min counts as wait_min */
    const char *check;         /* NULL: none; {{.src}} is the staged file */
    const char *reload;        /* NULL: none */
    mode_t mode;               /* FS_MODE_KEEP: of the file in place, else 0644 */
    bool once;
    bool dry_run; /* print what would be written, touch nothing, stop */
};

/*
 * Starts. done runs once, from the loop, when the renderer has stopped: 0 after renderer_stop() or a
 * successful one-shot run (once, dry_run, or no output), 1 when the one-shot failed; the reason was logged.
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
