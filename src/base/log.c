/*
 * Happy path: one line is built in a buffer and leaves in one write(), so that lines of several
 * processes on one stderr do not mix.
 * Failure: a log that cannot be written is dropped; nothing waits for it. Long values are cut, and a line
 * that would grow beyond its maximum ends in truncated=true.
 * Not done: secrets. Who has one does not pass it here.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "base/wallclock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX  65536u
#define LOG_VALUE_MAX 4096u
#define LOG_BYTE_MAX  6u /* what one byte of a value becomes at most: a JSON escape */

static struct {
    enum log_level level;
    enum log_format format;
    int fd;
} logger = {.level = LOG_INFO, .format = LOG_TEXT, .fd = STDERR_FILENO};

static const char *const LEVELS[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

void log_setup(enum log_level level, enum log_format format)
{
    logger.level = level;
    logger.format = format;
}

bool log_enabled(enum log_level level)
{
    return level <= logger.level;
}

void log_set_fd(int fd)
{
    logger.fd = fd;
}

/* Control characters of Unicode too, and its line ends: terminals and collectors act on them. */
static bool must_escape(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029;
}

static void put_quoted(struct buf *line, const char *s, size_t len)
{
    static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
    buf_putc(line, '"');
    for (size_t i = 0; i < len;) {
        uint32_t point = 0;
        size_t n = str_utf8(s + i, len - i, &point);
        const char *at = s[i] ? strchr(from, s[i]) : NULL;
        if (at) {
            buf_printf(line, "\\%c", to[at - from]);
        } else if (n == 0 || (n == 1 && must_escape(point))) {
            buf_printf(line, "\\x%02x", (unsigned char)s[i]);
        } else if (must_escape(point)) {
            buf_printf(line, "\\u%04x", (unsigned)point);
        } else {
            buf_append(line, s + i, n);
        }
        i += n > 0 ? n : 1;
    }
    buf_putc(line, '"');
}

static bool is_plain(const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t point = 0;
        size_t n = str_utf8(s + i, len - i, &point);
        if (n == 0 || must_escape(point) || strchr(" \"=\\", s[i])) {
            return false;
        }
        i += n;
    }
    return len > 0;
}

static void put_text(struct buf *line, const char *key, const char *value, size_t len)
{
    if (line->len > 0) {
        buf_putc(line, ' ');
    }
    buf_printf(line, "%s=", key);
    if (is_plain(value, len)) {
        buf_append(line, value, len);
    } else {
        put_quoted(line, value, len);
    }
}

/* Adds a pair; false when the line has no room for it. */
static bool put_pair(struct buf *line, struct json_writer *w, const char *key, const char *value)
{
    char cut[LOG_VALUE_MAX + sizeof("...")];
    size_t len = value ? strlen(value) : 0;
    if (len > LOG_VALUE_MAX) {
        memcpy(cut, value, LOG_VALUE_MAX);
        memcpy(cut + LOG_VALUE_MAX, "...", sizeof("..."));
        value = cut;
        len = LOG_VALUE_MAX + strlen("...");
    }
    if (len * LOG_BYTE_MAX + strlen(key) + 64 > line->max - line->len) {
        return false;
    }
    if (w) {
        json_key(w, key);
        json_put_strn(w, value ? value : "", len);
    } else {
        put_text(line, key, value ? value : "", len);
    }
    return true;
}

static void write_line(const struct buf *line)
{
    const char *p = line->data;
    size_t left = line->len;
    while (left > 0) {
        ssize_t n = write(logger.fd, p, left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        p += n;
        left -= (size_t)n;
    }
}

void log_write(enum log_level level, const char *msg, ...)
{
    if (!log_enabled(level)) {
        return;
    }
    const int saved_errno = errno;
    struct buf line = BUF_INIT(LOG_LINE_MAX);
    struct json_writer writer, *w = NULL;
    if (logger.format == LOG_JSON) {
        w = &writer;
        json_begin(w, &line);
        json_object(w);
    }

    char now[CLOCK_TEXT_MAX];
    clock_format(clock_wall(), now);
    if (w) {
        put_pair(&line, w, "time", now);
    } else {
        buf_puts(&line, now);
    }
    put_pair(&line, w, "level", LEVELS[level]);
    put_pair(&line, w, "msg", msg);

    va_list ap;
    va_start(ap, msg);
    for (const char *key; (key = va_arg(ap, const char *)) != NULL;) {
        if (!put_pair(&line, w, key, va_arg(ap, const char *))) {
            put_pair(&line, w, "truncated", "true");
            break;
        }
    }
    va_end(ap);

    if (w) {
        json_object_end(w);
    }
    buf_putc(&line, '\n');
    write_line(&line);
    buf_deinit(&line);
    errno = saved_errno;
}

struct log_num log_num_u64(unsigned long long v)
{
    struct log_num num;
    snprintf(num.text, sizeof(num.text), "%llu", v);
    return num;
}
