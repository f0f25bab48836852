/*
 * Happy path: formats into the caller's struct err; nothing is allocated.
 * Over-long text is cut at a character's border and ends in "..."; control characters become '?', so
 * that a message stays one line wherever it is shown. Bytes that are not UTF-8 pass: the log escapes them.
 */
#include "tidewaiter/err.h"

#include <stdio.h>
#include <string.h>

static void finish(char msg[ERR_MSG_MAX], bool cut)
{
    for (char *p = msg; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    if (cut) {
        size_t at = ERR_MSG_MAX - sizeof("...");
        while (at > 0 && ((unsigned char)msg[at] & 0xc0) == 0x80) {
            at--;
        }
        memcpy(msg + at, "...", sizeof("..."));
    }
}

int err_set(struct err *e, enum err_class class, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(e, class, code, fmt, ap);
    va_end(ap);
    return code;
}

int err_vset(struct err *e, enum err_class class, int code, const char *fmt, va_list ap)
{
    if (e) {
        /* formatted aside, because an argument may be the message that is replaced */
        char msg[ERR_MSG_MAX];
        int n = vsnprintf(msg, sizeof(msg), fmt, ap);
        finish(msg, n >= ERR_MSG_MAX);
        memcpy(e->msg, msg, sizeof(msg));
        e->class = class;
        e->code = code;
    }
    return code;
}

void err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e) {
        return;
    }
    char msg[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    if (n >= 0 && n < ERR_MSG_MAX) {
        n += snprintf(msg + n, sizeof(msg) - (size_t)n, ": %s", e->msg);
    }
    finish(msg, n >= ERR_MSG_MAX);
    memcpy(e->msg, msg, sizeof(msg));
}

void err_reset(struct err *e)
{
    *e = (struct err)ERR_INIT;
}

const char *err_class_name(enum err_class class)
{
    static const char *const names[] = {
#define X(sym, name) [ERR_##sym] = (name),
        ERR_CLASSES(X)
#undef X
    };
    size_t i = (size_t) class;
    return i < sizeof(names) / sizeof(names[0]) ? names[i] : "unknown";
}
