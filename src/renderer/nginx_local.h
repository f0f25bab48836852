#pragma once
/*
 * Between the parts of the control of this host's nginx: nginx_local.c begins and ends operations,
 * nginx_local_verdict.c finds out what nginx made of HUP.
 */
#include "io/timer.h"
#include "renderer/nginx_control.h"
#include "renderer/nginx_site.h"
#include "renderer/nginx_watch.h"

#define LOCAL_CHECK_DEADLINE (30 * MSEC_PER_SEC)
#define LOCAL_WHY_MAX        640u

enum local_state {
    LOCAL_S_IDLE,
    LOCAL_S_LEARN,
    LOCAL_S_COMMAND,
    LOCAL_S_WATCH,
    LOCAL_S_EXPLAIN,
    LOCAL_S_FINISH,
};

struct nginx_local {
    struct nginx_control base;
    uint32_t magic;
    struct io *io;
    struct nginx_site site;
    const char *argv[6]; /* of check_argv() */
    enum local_state state;
    nginx_done_fn done;
    nginx_count_fn counted; /* the operation is count_old() */
    void *ctx;
    bool cancelled;
    struct child_job job; /* COMMAND, EXPLAIN */
    struct io_defer step; /* LEARN where all is known; FINISH */
    struct io_timer timer;

    const struct command *instead;
    struct nginx_watch watch;
    uint64_t begun;              /* as nginx_proc.start counts */
    bool sent;                   /* HUP */
    msec_t told;                 /* when HUP was sent or is to be, or the command had ended */
    msec_t gone;                 /* when the master was missed; 0: it is there */
    unsigned calm;               /* looks in a row that saw it waiting */
    unsigned masters;            /* that were watched */
    bool explained;              /* nginx -t has found nothing */
    char log_why[LOCAL_WHY_MAX]; /* why the log cannot be read */

    enum nginx_outcome outcome;
    char why[LOCAL_WHY_MAX];
    struct buf said;
    unsigned old;
};

void local_set_state(struct nginx_local *n, enum local_state to);

/* The operation ends with this, soon. */
void local_finish(struct nginx_local *n, enum nginx_outcome outcome, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The reason in n->said, or `otherwise`; text is room for it. */
const char *local_reason(const struct nginx_local *n, const char *otherwise,
                         char text[LOCAL_WHY_MAX]);

const char *const *local_check_argv(struct nginx_control *base);

/* Notes what there is of this master and its workers; of no process when it is zeroed. */
void local_watch(struct nginx_local *n, const struct nginx_proc *master);
/* In WATCH: sends HUP to the master that is watched, and looks what becomes of it. */
void local_tell(struct nginx_local *n);
/* In WATCH: looks, as somebody else has told it. */
void local_look(struct nginx_local *n);
