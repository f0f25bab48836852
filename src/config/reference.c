/*
 * The option tables of the documentation and of the man pages, from the same table as the parser. Pure.
 */
#include "config/options.h"

#include "base/str.h"
#include "config/value.h"

#include <string.h>

static const char *default_of(const struct option *o)
{
    if (o->default_words) {
        return o->default_words;
    }
    if (o->type == OPTION_BOOL) {
        return o->default_value && streq(o->default_value, "true") ? "on" : "off";
    }
    return o->default_value ? o->default_value : "";
}

/* '|' would end a cell. */
static void put_cell(const char *s, struct buf *out)
{
    for (; *s; s++) {
        if (*s == '|') {
            buf_putc(out, '\\');
        }
        buf_putc(out, *s);
    }
}

static void put_names(const struct option *o, struct buf *out)
{
    if (o->flags & OPTION_POSITIONAL) {
        buf_puts(out, o->value_name);
        return;
    }
    if (o->letter) {
        buf_printf(out, "-%c, ", o->letter);
    }
    buf_printf(out, "--%s", o->name);
    if (o->type == OPTION_BOOL && streq(default_of(o), "on")) {
        buf_printf(out, ", --no-%s", o->name);
    }
    if (o->type != OPTION_BOOL) {
        buf_putc(out, ' ');
        option_value_name(o, out);
    }
}

static bool shown(const struct option *o)
{
    return o->flags & OPTION_POSITIONAL || !(o->flags & OPTION_NO_COMMAND_LINE);
}

void options_markdown(const struct options_command *command, struct buf *out)
{
    buf_puts(out, "| option | default | |\n|---|---|---|\n");
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *o = &command->options[i];
        if (!shown(o)) {
            continue;
        }
        struct buf names = BUF_INIT(512);
        put_names(o, &names);
        buf_puts(out, "| `");
        put_cell(buf_str(&names), out);
        buf_puts(out, "` | ");
        put_cell(default_of(o), out);
        buf_puts(out, " | ");
        put_cell(o->help, out);
        buf_puts(out, o->type == OPTION_LIST ? "; may be repeated" : "");
        if (o->env) {
            buf_printf(out, "; also `%s%s`", o->env,
                       o->flags & OPTION_TOOL_NEGATED ? "=false" : "");
        }
        buf_puts(out, " |\n");
        buf_deinit(&names);
    }
}

/* A line of troff text: no backslash or leading dot of ours is a request, dashes stay ASCII. */
static void put_troff(const char *s, struct buf *out)
{
    if (*s == '.' || *s == '\'') {
        buf_puts(out, "\\&");
    }
    for (; *s; s++) {
        if (*s == '\\') {
            buf_puts(out, "\\e");
        } else if (*s == '-') {
            buf_puts(out, "\\-");
        } else {
            buf_putc(out, *s);
        }
    }
}

void options_man(const struct options_command *command, struct buf *out)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *o = &command->options[i];
        if (!shown(o)) {
            continue;
        }
        struct buf names = BUF_INIT(512);
        put_names(o, &names);
        buf_puts(out, ".TP\n.B ");
        put_troff(buf_str(&names), out);
        buf_putc(out, '\n');
        put_troff(o->help, out);
        buf_puts(out, o->type == OPTION_LIST ? "; may be repeated" : "");
        if (*default_of(o)) {
            buf_puts(out, " (default: ");
            put_troff(default_of(o), out);
            buf_putc(out, ')');
        }
        buf_puts(out, ".\n");
        buf_deinit(&names);
    }
}
