#pragma once
/*
 * Errors as values.
 *
 * A function that can fail returns int: 0 is success, a negative errno is an unexpected failure that
 * the caller forwards, a positive number is an outcome that the function's contract documents for its
 * direct caller. Where people will read about the failure, the function also takes a `struct err`: the
 * caller provides it, the function fills it only on failure, and every level may put a prefix in front
 * ("register web-1: etcd put: HTTP 503").
 *
 * Drivers map each failure to one class of a closed list; policy (retry, back off, give up) looks at
 * the class only, never at a status code of some protocol.
 */
#include <stdarg.h>
#include <stdbool.h>

#define ERR_MSG_MAX 256

/* class, name in logs, what policy makes of it */
#define ERR_CLASSES(X)                                                                             \
    X(NONE, "none")               /* no error */                                                   \
    X(TRANSIENT, "transient")     /* try again: network, timeout, 5xx, no leader */                \
    X(THROTTLED, "throttled")     /* try again later: database full, too many requests */          \
    X(AUTH, "auth")               /* credentials refused: try again slowly, say so */              \
    X(CONFLICT, "conflict")       /* a compare failed: somebody else changed it, look again */     \
    X(STALE_WATCH, "stale-watch") /* the watch cannot go on from its revision: list again */       \
    X(INVALID, "invalid")         /* this input can never succeed: name it and skip it */          \
    X(CANCELLED, "cancelled")     /* the caller asked for it */                                    \
    X(BUG, "bug")                 /* the peer or this program broke its own contract */

enum err_class {
#define X(sym, name) ERR_##sym,
    ERR_CLASSES(X)
#undef X
};

struct err {
    enum err_class class;
    int code;              /* the negative errno that was returned beside it */
    char msg[ERR_MSG_MAX]; /* one line, no control characters, always terminated */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        .class = ERR_NONE                                                                          \
    }

#define WARN_UNUSED            __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/*
 * Fills e (which may be NULL) and returns `code`, a negative errno, so that a failing function can end
 * with `return err_set(e, ERR_INVALID, -EINVAL, "port %u: ...", port);`. Control characters in the
 * result are replaced by '?', over-long text is cut and ends in "...".
 */
int err_set(struct err *e, enum err_class class, int code, const char *fmt, ...) PRINTF_LIKE(4, 5);
int err_vset(struct err *e, enum err_class class, int code, const char *fmt, va_list ap)
    PRINTF_LIKE(4, 0);

/* Puts "<prefix>: " in front of e's message (e may be NULL); class and code stay. */
void err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Back to "no error". */
void err_reset(struct err *e);

/* "transient", "auth", ... ; never NULL. */
const char *err_class_name(enum err_class class);
