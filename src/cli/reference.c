/*
 * Walks the commands and prints what their option tables say. It holds no text about any option.
 */
#include "cli/reference.h"

#include "cli/command.h"
#include "config/options.h"

static void print_options(FILE *out, const struct options_command *options,
                          void (*format)(const struct options_command *, struct buf *))
{
    struct buf text = BUF_INIT(OPTIONS_FILE_MAX);
    format(options, &text);
    fputs(buf_str(&text), out);
    buf_deinit(&text);
}

void reference_markdown(FILE *out)
{
    fputs("# Commands and options\n\n"
          "Printed by `tidewaiter help --markdown`. Options have one or two dashes, and `=` or a "
          "blank\n"
          "before the value. Where a value may come from, the stronger first: command line, "
          "environment\n"
          "(`TIDEWAITER_NAME`), configuration file (key `name` in the command's section), the "
          "variable\n"
          "of another tool that is named below, default.\n",
          out);
    for (size_t i = 0; i < n_commands; i++) {
        if (commands[i].options) {
            fprintf(out, "\n## %s\n\n    %s\n\n%s\n\n", commands[i].name,
                    commands[i].options->usage, commands[i].options->summary);
            print_options(out, commands[i].options, options_markdown);
            if (commands[i].options->epilogue) {
                fprintf(out, "\n%s\n", commands[i].options->epilogue);
            }
        }
    }
}

void reference_man(FILE *out)
{
    fputs(".TH TIDEWAITER 1\n"
          ".SH NAME\ntidewaiter \\- keep a service registry true to containers, and nginx to it\n"
          ".SH SYNOPSIS\n",
          out);
    for (size_t i = 0; i < n_commands; i++) {
        if (commands[i].options) {
            fprintf(out, "%s%s\n", i ? ".br\n" : "", commands[i].options->usage);
        }
    }
    for (size_t i = 0; i < n_commands; i++) {
        if (commands[i].options) {
            fprintf(out, ".SH %s\n%s\n", commands[i].name, commands[i].options->summary);
            print_options(out, commands[i].options, options_man);
        }
    }
    fputs(
        ".SH EXIT STATUS\n0 done, or stopped by TERM or INT; 1 it cannot go on, or a one-shot run\n"
        "failed; 2 bad usage or configuration.\n",
        out);
}
