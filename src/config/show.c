/*
 * --check-config: the effective settings as a section of a configuration file, each with its origin as a
 * comment. What a file cannot hold is a comment altogether. Secrets, and passwords in URIs, are masked.
 */
#include "config/options.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"
#include "config/value.h"

#include <string.h>

#define SHOW_VALUE_MAX ((size_t)256 * 1024)
#define SHOW_COLUMN    40u /* of the comments */

static bool is_plain(const char *s)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
    return *s && *s != '-' && strspn(s, safe) == strlen(s) && !streq(s, "null");
}

static void put_text(const struct option *o, const char *text, struct buf *out)
{
    struct buf shown CLEANUP(buf_deinit) = BUF_INIT(SHOW_VALUE_MAX);
    if (text && o->flags & OPTION_SECRET) {
        buf_puts(&shown, "***");
    } else if (text) {
        option_mask_passwords(text, &shown);
    }
    if (is_plain(buf_str(&shown))) {
        buf_puts(out, buf_str(&shown));
        return;
    }
    struct json_writer w;
    json_begin(&w, out);
    json_put_str(&w, buf_str(&shown));
}

/* An argument vector is shown as the sequence that the file would have. */
static void put_command(const struct option *o, const char *text, struct buf *out)
{
    CLEANUP_JSON json *vector = NULL;
    if (!text || !str_starts(text, "[\"")) {
        put_text(o, text, out);
        return;
    }
    must(json_parse(&vector, text, strlen(text), NULL) == 0);
    struct json_writer w;
    json_begin(&w, out);
    json_array(&w);
    for (const json *it = json_first(vector); it; it = json_next(it)) {
        struct buf shown CLEANUP(buf_deinit) = BUF_INIT(SHOW_VALUE_MAX);
        option_mask_passwords(json_value(it), &shown);
        json_put_str(&w, buf_str(&shown));
    }
    json_array_end(&w);
}

static void put_value(const struct option *o, const void *field, struct buf *out)
{
    switch (o->type) {
    case OPTION_BOOL:
        buf_puts(out, *(const bool *)field ? "true" : "false");
        break;
    case OPTION_STRING:
        put_text(o, *(const char *const *)field, out);
        break;
    case OPTION_COMMAND:
        put_command(o, *(const char *const *)field, out);
        break;
    case OPTION_UINT:
        buf_printf(out, "%u", *(const unsigned *)field);
        break;
    case OPTION_ENUM:
        buf_puts(out, o->choices[*(const unsigned *)field]);
        break;
    case OPTION_DURATION:
        option_duration_format(*(const msec_t *)field, out);
        break;
    case OPTION_MODE:
        if (*(const mode_t *)field == FS_MODE_KEEP) {
            buf_puts(out, "keep");
        } else {
            buf_printf(out, "%04o", (unsigned)*(const mode_t *)field);
        }
        break;
    case OPTION_SPAN:
        option_duration_format(((const struct option_span *)field)->min, out);
        buf_putc(out, ':');
        option_duration_format(((const struct option_span *)field)->max, out);
        break;
    case OPTION_LIST:
        break;
    }
}

/* Ends the line that began at `from` with a comment in its column. */
static void put_origin(size_t from, const char *origin, struct buf *out)
{
    do {
        buf_putc(out, ' ');
    } while (!buf_error(out) && out->len - from < SHOW_COLUMN);
    buf_printf(out, "# %s\n", origin);
}

static void put_list(const struct option *o, const struct option_list *list, const char *margin,
                     const char *origin, struct buf *out)
{
    size_t from = out->len;
    if (list->n == 0) {
        buf_printf(out, "%s%s: []", margin, o->name);
        put_origin(from, origin, out);
        return;
    }
    buf_printf(out, "%s%s:\n", margin, o->name);
    for (size_t i = 0; i < list->n; i++) {
        from = out->len;
        buf_printf(out, "%s  - ", margin);
        put_text(o, list->items[i], out);
        put_origin(from, list->origins[i], out);
    }
}

static void put_option(const struct options_base *base, size_t i, struct buf *out)
{
    const struct option *o = &base->command->options[i];
    const void *field = (const char *)base + o->offset;
    const struct option_origin *origin = &base->origins[i];
    bool given = origin->source > OPTION_FROM_DEFAULT;
    bool only_comment = o->flags & OPTION_NO_FILE;
    if (o->flags & OPTION_STOPS || (only_comment && !given && !origin->text)) {
        return;
    }
    const char *margin = only_comment ? "  # " : "  ";
    const char *text = origin->text ? origin->text : "default";
    struct buf default_text CLEANUP(buf_deinit) = BUF_INIT(512);
    if (!given && o->default_words) {
        buf_printf(&default_text, "default: %s", o->default_words);
        text = buf_str(&default_text);
    }
    if (o->type == OPTION_LIST) {
        put_list(o, field, margin, text, out);
        return;
    }
    size_t from = out->len;
    buf_printf(out, "%s%s: ", margin, o->name);
    put_value(o, field, out);
    put_origin(from, text, out);
}

void options_show(const struct options_base *base, struct buf *out)
{
    buf_printf(out, "%s:\n", base->command->name);
    for (size_t i = 0; i < base->command->n_options; i++) {
        put_option(base, i, out);
    }
}
