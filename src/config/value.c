/*
 * Happy path: each type has one parser; a check of the option's own follows.
 * Failure: one form of message for all types: what was found, what is allowed, and for a choice the
 * nearest one. Masking errs on the side of hiding too much.
 */
#include "config/value.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"
#include "config/nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_TEXT_MAX  1024u
#define VALUE_SHOWN_MAX 80

static uint64_t longest(const struct option *o)
{
    return o->max > 0 ? o->max : OPTION_DURATION_MAX;
}

void option_duration_format(msec_t ms, struct buf *out)
{
    static const struct {
        msec_t ms;
        const char *name;
    } units[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms != 0) {
        i++;
    }
    if (ms == 0) {
        i = 2;
    }
    buf_printf(out, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].name);
}

void option_value_name(const struct option *o, struct buf *out)
{
    if (o->type == OPTION_BOOL) {
        return;
    }
    if (o->type == OPTION_ENUM) {
        for (size_t i = 0; o->choices[i]; i++) {
            buf_printf(out, "%s%s", i > 0 ? "|" : "", o->choices[i]);
        }
        return;
    }
    static const char *const names[] = {
        [OPTION_STRING] = "TEXT",   [OPTION_LIST] = "TEXT", [OPTION_UINT] = "NUMBER",
        [OPTION_DURATION] = "TIME", [OPTION_MODE] = "MODE", [OPTION_SPAN] = "MIN[:MAX]",
        [OPTION_COMMAND] = "CMD"};
    buf_puts(out, o->value_name ? o->value_name : names[o->type]);
}

static void put_limits(const struct option *o, struct buf *out)
{
    if (o->min > 0) {
        buf_puts(out, ", at least ");
        option_duration_format(o->min, out);
    }
    if (o->max > 0) {
        buf_puts(out, ", at most ");
        option_duration_format(o->max, out);
    }
}

void option_value_allowed(const struct option *o, struct buf *out)
{
    switch (o->type) {
    case OPTION_BOOL:
        buf_puts(out, "true or false");
        break;
    case OPTION_UINT:
        buf_printf(out, "a whole number from %llu to %llu", (unsigned long long)o->min,
                   (unsigned long long)o->max);
        break;
    case OPTION_DURATION:
        buf_puts(out, "a duration such as 500ms, 30s, 5m or 1h");
        put_limits(o, out);
        break;
    case OPTION_SPAN:
        buf_puts(out, "MIN or MIN:MAX, two durations such as 100ms:1s, MAX not below MIN");
        put_limits(o, out);
        break;
    case OPTION_MODE:
        buf_puts(out, "keep, or an octal mode up to 0777 such as 0644");
        break;
    case OPTION_ENUM:
        for (size_t i = 0; o->choices[i]; i++) {
            buf_printf(out, "%s%s", i == 0 ? "" : o->choices[i + 1] ? ", " : " or ", o->choices[i]);
        }
        break;
    case OPTION_COMMAND:
        buf_puts(out, "a command for the shell, or an array of strings such as [\"nginx\",\"-t\"] "
                      "whose first is the program");
        break;
    case OPTION_STRING:
    case OPTION_LIST:
        buf_puts(out, "text");
        break;
    }
}

static bool is_port(const char *from, const char *to)
{
    while (from < to && *from >= '0' && *from <= '9') {
        from++;
    }
    return from == to;
}

/* The '@' behind user and password of the authority that begins at s, or NULL. */
static const char *userinfo_end(const char *s)
{
    const char *word_end = s + strcspn(s, " \t\r\n\"'");
    const char *end = s + strcspn(s, "/?# \t\r\n\"'");
    const char *at = memrchr(s, '@', (size_t)(end - s));
    if (at) {
        return at;
    }
    /* a password with an unescaped '/': what follows the colon is no port */
    const char *colon = memchr(s, ':', (size_t)(end - s));
    if (colon && !is_port(colon + 1, end)) {
        at = memrchr(end, '@', (size_t)(word_end - end));
    }
    return at;
}

void option_mask_passwords(const char *text, struct buf *out)
{
    for (const char *mark; (mark = strstr(text, "://")) != NULL;) {
        const char *authority = mark + strlen("://");
        buf_append(out, text, (size_t)(authority - text));
        const char *at = userinfo_end(authority);
        const char *colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
        if (colon) {
            buf_append(out, authority, (size_t)(colon + 1 - authority));
            buf_puts(out, "***");
            authority = at;
        }
        text = authority;
    }
    buf_puts(out, text);
}

static const char *nearest_choice(const struct option *o, const char *text)
{
    struct nearest nearest;
    nearest_init(&nearest, text);
    for (size_t i = 0; o->choices[i]; i++) {
        nearest_offer(&nearest, o->choices[i]);
    }
    return nearest_best(&nearest);
}

static int refuse(const struct option *o, const char *text, struct err *e)
{
    struct buf allowed CLEANUP(buf_deinit) = BUF_INIT(VALUE_TEXT_MAX);
    option_value_allowed(o, &allowed);
    if (o->flags & OPTION_SECRET) {
        return err_set(e, ERR_INVALID, -EINVAL, "allowed: %s", buf_str(&allowed));
    }
    if (!*text) {
        return err_set(e, ERR_INVALID, -EINVAL, "found nothing, allowed: %s", buf_str(&allowed));
    }
    struct buf shown CLEANUP(buf_deinit) = BUF_INIT(strlen(text) * 4 + 1);
    option_mask_passwords(text, &shown);
    const char *hint = o->type == OPTION_ENUM ? nearest_choice(o, text) : NULL;
    return err_set(e, ERR_INVALID, -EINVAL, "found \"%.*s\", allowed: %s%s%s%s", VALUE_SHOWN_MAX,
                   buf_str(&shown), buf_str(&allowed), hint ? "; did you mean " : "",
                   hint ? hint : "", hint ? "?" : "");
}

static bool parse_mode(const char *text, mode_t *ret)
{
    if (streq(text, "keep")) {
        *ret = FS_MODE_KEEP;
        return true;
    }
    unsigned mode = 0;
    size_t n = 0;
    for (; text[n] >= '0' && text[n] <= '7' && n < 5; n++) {
        mode = mode * 8 + (unsigned)(text[n] - '0');
    }
    if (n == 0 || text[n] || mode > 0777) {
        return false;
    }
    *ret = mode;
    return true;
}

static bool parse_span(const struct option *o, const char *text, struct option_span *ret)
{
    char min[32];
    const char *colon = strchr(text, ':');
    if (!str_copy(min, sizeof(min), text)) {
        return false;
    }
    if (colon) {
        min[colon - text] = '\0';
    }
    struct option_span span;
    if (!str_to_duration(min, &span.min) || span.min > longest(o) ||
        (colon && !str_to_duration(colon + 1, &span.max))) {
        return false;
    }
    if (!colon) {
        span.max = msec_min(span.min * 4, longest(o));
    }
    if (span.min < o->min || span.max > longest(o) || span.max < span.min) {
        return false;
    }
    *ret = span;
    return true;
}

static bool parse_choice(const struct option *o, const char *text, unsigned *ret)
{
    for (unsigned i = 0; o->choices[i]; i++) {
        if (streq(text, o->choices[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Text that begins as an array of strings is one, and names a program. */
static bool is_command(const char *text)
{
    if (!str_starts(text, "[\"")) {
        return !*text || text[strspn(text, " \t\r\n")];
    }
    CLEANUP_JSON json *array = NULL;
    if (json_parse(&array, text, strlen(text), NULL) < 0) {
        return false;
    }
    for (const json *it = json_first(array); it; it = json_next(it)) {
        if (!json_value(it)) {
            return false;
        }
    }
    return *json_value(json_first(array)) != '\0';
}

static bool parse_typed(const struct option *o, const char *text, union option_value *ret)
{
    uint64_t v = 0;
    switch (o->type) {
    case OPTION_BOOL:
        return str_to_bool(text, &ret->flag);
    case OPTION_STRING:
    case OPTION_LIST:
        ret->text = *text ? text : NULL;
        return true;
    case OPTION_COMMAND:
        ret->text = *text ? text : NULL;
        return is_command(text);
    case OPTION_UINT:
        must(o->max <= UINT32_MAX);
        if (!str_to_u64(text, o->min, o->max, &v)) {
            return false;
        }
        ret->number = (unsigned)v;
        return true;
    case OPTION_DURATION:
        if (!str_to_duration(text, &v) || v < o->min || v > longest(o)) {
            return false;
        }
        ret->duration = v;
        return true;
    case OPTION_ENUM:
        return parse_choice(o, text, &ret->number);
    case OPTION_MODE:
        return parse_mode(text, &ret->mode);
    case OPTION_SPAN:
        return parse_span(o, text, &ret->span);
    }
    must(!"an option's type");
    return false;
}

int option_value_parse(const struct option *o, const char *text, union option_value *ret,
                       struct err *e)
{
    union option_value value;
    if (!parse_typed(o, text, &value)) {
        return refuse(o, text, e);
    }
    if (o->check && *text) {
        int r = o->check(text, e);
        if (r < 0) {
            return r;
        }
    }
    *ret = value;
    return 0;
}
