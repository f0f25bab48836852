#pragma once
/*
 * Bodies around telling one container something: its state, its processes, commands run in it, what they
 * and it wrote. Pure. Takes API 1.24 and later, and podman's.
 */
#include "docker/control.h"
#include "model/container.h"

#include <stdint.h>
#include <sys/types.h>

#define DOCKER_TOP_MAX  (4u * 1024 * 1024)
#define DOCKER_EXEC_MAX (64u * 1024)

/* Body of an inspect. */
int docker_decode_state(struct docker_container_state *ret, const char *text, size_t len,
                        struct err *e) WARN_UNUSED;
void docker_container_state_deinit(struct docker_container_state *s); /* idempotent */

/* ---- processes ---- */

struct docker_top {
    struct docker_process *items; /* in the engine's order */
    size_t n;
    struct cJSON *root; /* holds the titles */
};

#define DOCKER_TOP_NULL                                                                            \
    {                                                                                              \
        0                                                                                          \
    }

/* The arguments of ps that are asked for: procps' and busybox's take them. */
#define DOCKER_PS_ARGS_QUERY "-eo%20pid,ppid,args"

/* Body of a top. Columns are found by their titles; rows without numbers or command are left out. */
int docker_decode_top(struct docker_top *ret, const char *text, size_t len,
                      struct err *e) WARN_UNUSED;
void docker_top_deinit(struct docker_top *t); /* idempotent */

/* ---- commands ---- */

/* The body that asks for argv (ends with NULL) to be run with its output attached. */
void docker_exec_body(struct buf *out, const char *const *argv);

/* Answer to that: ret is the command's id, hex digits. */
int docker_decode_exec_id(char ret[CONTAINER_ID_LEN + 1], const char *text, size_t len,
                          struct err *e) WARN_UNUSED;

/* Body of its inspect. While it runs (or has not begun) ret_exit is not touched. */
int docker_decode_exec_state(bool *ret_running, int *ret_exit, const char *text, size_t len,
                             struct err *e) WARN_UNUSED;

/* ---- output ---- */

/*
 * stdout and stderr of a command or a container, in one stream: frames of an 8-byte head (1 stdout, 2
 * stderr, 3 the engine's own trouble; 0 0 0; length, big endian) and that many bytes. Logs of a container
 * with a terminal come without heads.
 */
struct docker_frames {
    unsigned char head[8];
    size_t n_head;
    uint32_t left;  /* of the frame that is being read */
    bool maybe_raw; /* until it has begun */
    bool raw;
};

/* maybe_raw: what does not begin like a frame is text. */
void docker_frames_init(struct docker_frames *f, bool maybe_raw);

/* Appends to out what it has room for and drops the rest. -EPROTO (e filled) for what is no frame. */
int docker_frames_feed(struct docker_frames *f, const char *p, size_t len, struct buf *out,
                       struct err *e) WARN_UNUSED;
/* -ECONNRESET (TRANSIENT) when the stream has ended inside of a frame. */
int docker_frames_finish(const struct docker_frames *f, struct err *e) WARN_UNUSED;

/*
 * The time in front of the last line that has one ("2026-11-20T20:59:13.583264632Z text") and one
 * nanosecond, as the parameter `since` wants it: "1795208353.583264633". False when no line has one.
 */
bool docker_decode_log_end(char ret[DOCKER_LOG_END_MAX], const char *text);
