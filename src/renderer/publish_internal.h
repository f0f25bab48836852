#pragma once
/*
 * The publish machine's own: its states and its memory, shared by the files that it is made of.
 */
#include "base/backoff.h"
#include "io/loop.h"
#include "io/timer.h"
#include "render/crowd.h"
#include "render/rejection.h"
#include "renderer/check.h"
#include "renderer/outputs.h"
#include "renderer/publish.h"
#include "renderer/reload.h"

enum publish_state {
    PUBLISH_S_IDLE,
    PUBLISH_S_RENDER,
    PUBLISH_S_COMPARE,
    PUBLISH_S_CROWD,
    PUBLISH_S_STAGE,
    PUBLISH_S_CHECK,
    PUBLISH_S_PROMOTE,
    PUBLISH_S_RESTORE,
    PUBLISH_S_RELOAD,
};
#define PUBLISH_N_STATES (PUBLISH_S_RELOAD + 1)

/* One happening, for the status. */
struct publish_mark {
    msec_t at; /* wall clock; 0: never */
    bool good;
    char why[ERR_MSG_MAX]; /* when not good */
};

struct publish {
    struct io *io;
    struct publish_config c;
    const struct publish_events *events;
    void *ctx;
    enum publish_state state;
    bool again;                   /* a kick came during the pass */
    enum publish_outcome outcome; /* of the pass that runs, or of the last one */
    size_t n;                     /* outputs; 1 where there is no file */
    struct outputs *outputs;      /* NULL: stdout */
    struct outputs_bytes *bytes;  /* of this pass */
    struct check check;
    struct reload reload;

    unsigned rounds; /* candidates of this pass that were refused and rendered again */
    uint64_t digest; /* of this candidate */
    uint64_t first;  /* of the pass's first candidate, from which nothing was left out */
    struct rejection rejection;
    struct crowd crowd;
    struct backoff failed_backoff;
    msec_t failed_due;  /* when a failed pass is tried again; MSEC_NEVER */
    struct err failure; /* the last one that was logged; ERR_NONE: none since the last success */

    msec_t *changed; /* wall clock of each output's last change; 0: none in this run */
    struct publish_mark checked, reloaded;
    uint64_t check_said, reload_said; /* hash of what was logged of a success last */
    uint64_t refusal_said;            /* of a refused reload of files that were not rendered now */

    struct io_timer timer; /* retries; while stopping: end of the reload's grace */
    struct io_defer defer; /* the next pass; while stopping: done */
    bool stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* "idle", "render", ... */
const char *publish_state_name(enum publish_state s);

/* Calls back that publish_stop() has ended, from the loop. The machine is idle. */
void publish_stopped(struct publish *p);

/* Logs what outputs.h has to say. */
void publish_say_notes(struct publish *p);

/* ---- publish.c, for publish_refuse.c ---- */

void publish_set_state(struct publish *p, enum publish_state to);
void publish_enter_idle(struct publish *p);
/* Goes on with the reload that is owed and due, else to idle. */
void publish_reload_or_idle(struct publish *p);
/* Another round of the same pass. */
void publish_render(struct publish *p);
/* The pass has failed, for a reason that is no answer; it is tried again. */
void publish_pass_failed(struct publish *p, const struct err *e);

/* ---- publish_refuse.c: what becomes of a candidate that somebody refused ---- */

/* The check said no. */
void publish_check_refused(struct publish *p, const struct check_result *res);
/* The check said nothing. */
void publish_check_unanswered(struct publish *p, const struct check_result *res);
/* nginx goes on with what it had. */
void publish_reload_refused(struct publish *p, const struct reload_result *res);
/* Puts back what a trial has replaced; false when that could not be done, and the pass is over. */
bool publish_end_trial(struct publish *p);

/* publish_print.c: shows what would be written, or how it differs. Returns how many outputs differ, or
 * negative when stdout cannot be written. */
int publish_print(struct publish *p, struct err *e) WARN_UNUSED;
