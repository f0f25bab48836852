/*
 * --help: usage, summary, then the options by group, in two columns that wrap. An option too long for
 * the left column has its description on the next line. Pure.
 */
#include "config/options.h"

#include "base/alloc.h"
#include "base/str.h"
#include "config/value.h"

#include <string.h>

#define HELP_WIDTH_MIN 80u
#define HELP_WIDTH_MAX 100u
#define HELP_LEFT      30u /* columns of the left side, indentation included */
#define HELP_TEXT_MAX  2048u

/* Columns that text takes: one for each character. */
static size_t columns(const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    }
    return n;
}

static void pad(struct buf *out, size_t n)
{
    while (n-- > 0) {
        buf_putc(out, ' ');
    }
}

/* Words of text from column `at` on, wrapped at width, continued at `indent`; ends the line. */
static void put_wrapped(struct buf *out, const char *text, size_t at, size_t indent, size_t width)
{
    bool first = true;
    while (*text) {
        size_t len = strcspn(text, " ");
        size_t wide = columns(text, len);
        if (!first && at + 1 + wide > width) {
            buf_putc(out, '\n');
            pad(out, indent);
            at = indent;
            first = true;
        }
        if (!first) {
            buf_putc(out, ' ');
            at++;
        }
        buf_append(out, text, len);
        at += wide;
        first = false;
        text += len + strspn(text + len, " ");
    }
    buf_putc(out, '\n');
}

static void put_left(const struct option *o, struct buf *out)
{
    buf_puts(out, "  ");
    if (o->flags & OPTION_POSITIONAL) {
        buf_puts(out, o->value_name);
        return;
    }
    if (o->letter) {
        buf_printf(out, "-%c, ", o->letter);
    } else {
        buf_puts(out, "    ");
    }
    buf_printf(out, "--%s", o->name);
    if (o->type == OPTION_BOOL && o->default_value && streq(o->default_value, "true")) {
        buf_printf(out, ", --no-%s", o->name);
    }
    if (o->type != OPTION_BOOL) {
        buf_putc(out, ' ');
        option_value_name(o, out);
    }
}

static void put_right(const struct option *o, struct buf *out)
{
    buf_puts(out, o->help);
    if (o->type == OPTION_LIST && !(o->flags & OPTION_POSITIONAL)) {
        buf_puts(out, "; may be repeated");
    }
    const char *words = o->default_words ? o->default_words : o->default_value;
    if (o->type == OPTION_BOOL && !o->default_words) {
        words = o->default_value ? "on" : NULL;
    }
    if (words) {
        buf_printf(out, " (default: %s)", words);
    }
    if (o->env) {
        buf_printf(out, " [$%s%s]", o->env, o->flags & OPTION_TOOL_NEGATED ? "=false" : "");
    }
}

static void put_option(const struct option *o, size_t width, struct buf *out)
{
    struct buf left CLEANUP(buf_deinit) = BUF_INIT(HELP_TEXT_MAX);
    struct buf right CLEANUP(buf_deinit) = BUF_INIT(HELP_TEXT_MAX);
    put_left(o, &left);
    put_right(o, &right);
    buf_puts(out, buf_str(&left));
    size_t wide = columns(buf_str(&left), left.len);
    if (wide + 2 > HELP_LEFT) {
        buf_putc(out, '\n');
        wide = 0;
    }
    pad(out, HELP_LEFT - wide);
    put_wrapped(out, buf_str(&right), HELP_LEFT, HELP_LEFT, width);
}

static bool shown(const struct option *o)
{
    return o->flags & OPTION_POSITIONAL || !(o->flags & OPTION_NO_COMMAND_LINE);
}

/* True when no option before this one is of its group. */
static bool begins_group(const struct options_command *command, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (shown(&command->options[k]) &&
            streq(command->options[k].group, command->options[i].group)) {
            return false;
        }
    }
    return shown(&command->options[i]);
}

void options_help(const struct options_command *command, unsigned width, struct buf *out)
{
    width = width < HELP_WIDTH_MIN   ? HELP_WIDTH_MIN
            : width > HELP_WIDTH_MAX ? HELP_WIDTH_MAX
                                     : width;
    buf_printf(out, "Usage: %s\n\n", command->usage);
    put_wrapped(out, command->summary, 0, 0, width);
    for (size_t i = 0; i < command->n_options; i++) {
        if (!begins_group(command, i)) {
            continue;
        }
        buf_printf(out, "\n%s:\n", command->options[i].group);
        for (size_t k = i; k < command->n_options; k++) {
            const struct option *o = &command->options[k];
            if (shown(o) && streq(o->group, command->options[i].group)) {
                put_option(o, width, out);
            }
        }
    }
    if (command->epilogue) {
        buf_putc(out, '\n');
        put_wrapped(out, command->epilogue, 0, 0, width);
    }
}
