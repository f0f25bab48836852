#pragma once
/*
 * What the parts of asking one container share: control.c has the requests, and control_exec.c what needs
 * several of them. Only they include this.
 */
#include "docker/control.h"
#include "docker/decode.h"
#include "docker/decode_control.h"
#include "io/timer.h"

#include <stdint.h>

#define CONTROL_PATH_MAX 1024u
#define CONTROL_BODY_MAX (256u * 1024)
#define CONTROL_GOES_ON  1

enum control_state {
    CONTROL_S_IDLE,
    CONTROL_S_ASK,
    CONTROL_S_CREATE,
    CONTROL_S_START,
    CONTROL_S_RESULT,
    CONTROL_S_WAIT,
};

/* How something is asked, what that is called in errors, and what becomes of a good answer. */
struct control_question {
    const char *what;
    enum http_method method;
    int status; /* of success */
    size_t body_max;
    bool stream; /* the answer is framed output */
    /* 0: ret is the operation's result; negative: it failed; or CONTROL_GOES_ON. */
    int (*answered)(struct docker_control *c, const struct http_result *res,
                    struct docker_control_result *ret, struct err *e);
};

struct docker_control {
    uint32_t magic;
    struct io *io;
    const struct http_peer *peer;
    char container[DOCKER_NAME_MAX];
    enum control_state state;
    const struct control_question *question; /* of the request that runs */
    struct http_request req;
    struct io_timer timer;  /* WAIT */
    struct io_defer cancel; /* out of WAIT */
    msec_t deadline, wait;
    char exec_id[CONTAINER_ID_LEN + 1]; /* "" until it is made */
    int status;                         /* of the answer whose body arrives */
    struct docker_frames frames;
    struct err bad_frame;
    struct buf output;
    struct docker_top top;
    struct docker_container_state described;
    char log_end[DOCKER_LOG_END_MAX];
    docker_control_fn done;
    void *ctx;
};

/* ---- control.c ---- */

void control_set_state(struct docker_control *c, enum control_state to);

/* Ends the operation; c may be gone behind it. */
void control_fail(struct docker_control *c, const struct err *why);

/* Begins an operation: -EBUSY while one runs. deadline: in ms, for the whole. */
int control_begin(struct docker_control *c, msec_t deadline, docker_control_fn done, void *ctx,
                  struct err *e) WARN_UNUSED;

/* One request of it; body: NULL or JSON. */
int control_ask(struct docker_control *c, const struct control_question *q,
                enum control_state state, const char *path, const char *body,
                struct err *e) WARN_UNUSED;
/* The same about the container; rest: of the path, behind the container's. */
int control_ask_container(struct docker_control *c, const struct control_question *q,
                          enum control_state state, const char *rest, const char *body,
                          struct err *e) WARN_UNUSED;

/* An answer that cannot be understood is not the container's fault: asking again may help. */
int control_not_understood(struct err *e);

/* ---- control_exec.c ---- */

/* The command has not ended by the deadline. */
int control_exec_goes_on(struct err *e);
