#pragma once
/*
 * The renderer's own: its memory, shared by the files that it is made of.
 */
#include "io/timer.h"
#include "render/debounce.h"
#include "render/hold.h"
#include "renderer/content.h"
#include "renderer/publish.h"
#include "renderer/renderer.h"

#define RENDERER_ONCE_LIMIT                                                                        \
    (10 * MSEC_PER_SEC)         /* for a listing, where nobody would wait for ever */
#define RENDERER_DIFF_TROUBLE 2 /* exit status, as diff(1) */

enum renderer_state { RENDERER_S_RUNNING, RENDERER_S_STOPPING, RENDERER_S_STOPPED };

struct renderer {
    struct io *io;
    struct renderer_options o;
    enum renderer_state state;
    bool one_shot;
    struct content content;
    struct publish *publish;
    struct target_config *files;
    struct registry_reader *reader;
    char **names; /* for the reader */
    size_t n_names;

    struct table table; /* the last complete one */
    bool listed;        /* there was one */
    bool live;          /* it is followed */
    bool reached;       /* `live` was reported at least once, either way */
    struct debounce debounce;
    struct hold hold;
    bool settled;        /* a pass over a listing has ended */
    bool confirmed_said; /* of the hold that is confirmed now */

    struct io_timer wake;  /* debounce or hold is due */
    struct io_timer limit; /* one-shot: end of patience */
    struct io_defer finish;
    unsigned open_parts;
    int exit_status;
    void (*done)(void *ctx, int exit_status);
    void *ctx;
};

/* ---- renderer.c ---- */

void renderer_end(struct renderer *r, int exit_status);
/* Sets the timer to what is due next. */
void renderer_schedule(struct renderer *r);
/* One-shot: patience is over. */
void renderer_on_limit(struct io_timer *t);

/* ---- renderer_publish.c ---- */

extern const struct publish_events renderer_publish_events;

/* Names and last servers of the live files, so that a restart changes nothing. */
int renderer_adopt_files(struct renderer *r, struct err *e) WARN_UNUSED;
