/*
 * Happy path: text goes straight into the caller's buffer, whose sticky error tells of overflow.
 * Strings come out as valid JSON whatever they hold: control characters as \uXXXX, bytes that are not
 * UTF-8 as U+FFFD. Not done: checking that calls nest; that is the caller's to get right.
 */
#include "base/json.h"

#include "base/base64.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>

void json_begin(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static void begin_value(struct json_writer *w)
{
    if (w->comma) {
        buf_putc(w->out, ',');
    }
    w->comma = true;
}

static void open_group(struct json_writer *w, char c)
{
    begin_value(w);
    buf_putc(w->out, c);
    w->comma = false;
}

static void close_group(struct json_writer *w, char c)
{
    buf_putc(w->out, c);
    w->comma = true;
}

void json_object(struct json_writer *w)
{
    open_group(w, '{');
}

void json_object_end(struct json_writer *w)
{
    close_group(w, '}');
}

void json_array(struct json_writer *w)
{
    open_group(w, '[');
}

void json_array_end(struct json_writer *w)
{
    close_group(w, ']');
}

/*
 * Beyond what JSON asks for: control characters of Unicode and its line ends, which terminals act on, and
 * what YAML does not take in a quoted scalar.
 */
static bool must_escape(uint32_t point)
{
    return point < 0x20 || point == '"' || point == '\\' || (point >= 0x7f && point < 0xa0) ||
           point == 0x2028 || point == 0x2029 || point == 0xfeff || point == 0xfffe ||
           point == 0xffff;
}

static void put_escaped(struct buf *out, uint32_t point)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = point > 0 && point < 0x80 ? strchr(from, (int)point) : NULL;
    if (at) {
        const char pair[2] = {'\\', to[at - from]};
        buf_append(out, pair, sizeof(pair));
    } else {
        buf_printf(out, "\\u%04x", (unsigned)point);
    }
}

static void put_string(struct buf *out, const char *s, size_t len)
{
    buf_putc(out, '"');
    size_t plain = 0; /* bytes before s + i that are still to be copied as they are */
    for (size_t i = 0; i < len;) {
        uint32_t point = 0;
        size_t n = str_utf8(s + i, len - i, &point);
        bool as_is = n > 0 && !must_escape(point);
        if (!as_is) {
            buf_append(out, s + i - plain, plain);
            plain = 0;
        }
        if (n == 0) {
            buf_puts(out, "\xef\xbf\xbd");
        } else if (!as_is) {
            put_escaped(out, point);
        }
        n = n > 0 ? n : 1;
        i += n;
        plain += as_is ? n : 0;
    }
    buf_append(out, s + len - plain, plain);
    buf_putc(out, '"');
}

void json_key(struct json_writer *w, const char *name)
{
    begin_value(w);
    put_string(w->out, name, strlen(name));
    buf_putc(w->out, ':');
    w->comma = false;
}

void json_put_str(struct json_writer *w, const char *s)
{
    if (s) {
        json_put_strn(w, s, strlen(s));
    } else {
        begin_value(w);
        buf_puts(w->out, "null");
    }
}

void json_put_strn(struct json_writer *w, const char *s, size_t len)
{
    begin_value(w);
    put_string(w->out, s, len);
}

void json_put_int(struct json_writer *w, int64_t v)
{
    begin_value(w);
    buf_printf(w->out, "%" PRId64, v);
}

void json_put_bool(struct json_writer *w, bool v)
{
    begin_value(w);
    buf_puts(w->out, v ? "true" : "false");
}

void json_field_str(struct json_writer *w, const char *name, const char *s)
{
    json_key(w, name);
    json_put_str(w, s);
}

void json_field_int(struct json_writer *w, const char *name, int64_t v)
{
    json_key(w, name);
    json_put_int(w, v);
}

void json_field_bool(struct json_writer *w, const char *name, bool v)
{
    json_key(w, name);
    json_put_bool(w, v);
}

void json_field_base64(struct json_writer *w, const char *name, const void *p, size_t len)
{
    json_key(w, name);
    begin_value(w);
    buf_putc(w->out, '"');
    base64_encode(w->out, p, len);
    buf_putc(w->out, '"');
}
