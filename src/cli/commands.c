/*
 * The list of commands, and the one that explains them. Settings of a command are documented by its
 * option table (src/config), so nothing about them is repeated here.
 */
#include "cli/command.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/reference.h"
#include "cli/start.h"
#include "config/agent_settings.h"
#include "config/explain_settings.h"
#include "config/ls_settings.h"
#include "config/render_settings.h"

const struct subcommand commands[] = {
    {"agent", "watch Docker and keep a registry true to its containers", command_agent,
     &agent_command},
    {"render", "watch a registry and keep nginx upstreams true to it", command_render,
     &render_command},
    {"ls", "list the services in a registry", command_ls, &ls_command},
    {"explain", "say which service each port of a container becomes, or why none", command_explain,
     &explain_command},
    {"registrator", "as gliderlabs/registrator, whose command line it has", command_registrator,
     .help = command_registrator_help, .link = true},
    {"help", "print this text, or the options of a command", command_help, NULL},
};
const size_t n_commands = ARRAY_LEN(commands);

const struct subcommand *command_find(const char *name)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (streq(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

void command_print_version(void)
{
    printf("tidewaiter %s\n", TIDEWAITER_VERSION);
}

void start_print_help(const struct options_command *command)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0) {
        size.ws_col = 0;
    }
    struct buf text = BUF_INIT(OPTIONS_FILE_MAX);
    options_help(command, size.ws_col, &text);
    fputs(buf_str(&text), stdout);
    buf_deinit(&text);
}

int command_help(int argc, char **argv)
{
    if (argc > 0 && streq(argv[0], "--markdown")) {
        reference_markdown(stdout);
        return EXIT_DONE;
    }
    if (argc > 0 && streq(argv[0], "--man")) {
        reference_man(stdout);
        return EXIT_DONE;
    }
    if (argc > 0 && !str_starts(argv[0], "-")) {
        const struct subcommand *c = command_find(argv[0]);
        if (!c) {
            fprintf(stderr,
                    "tidewaiter: there is no command \"%s\"; `tidewaiter help` lists them\n",
                    argv[0]);
            return EXIT_USAGE;
        }
        if (c->options) {
            start_print_help(c->options);
            return EXIT_DONE;
        }
        if (c->help) {
            c->help();
            return EXIT_DONE;
        }
    }
    puts("tidewaiter keeps a service registry true to the containers that run, and nginx true to "
         "the\n"
         "registry.\n\n"
         "Usage: tidewaiter COMMAND [OPTIONS] [ARGUMENTS]\n\n"
         "Commands:");
    for (size_t i = 0; i < n_commands; i++) {
        printf("  %-11s %s\n", commands[i].name, commands[i].summary);
    }
    puts("\n`tidewaiter help COMMAND` or `tidewaiter COMMAND --help` prints its options.\n"
         "`tidewaiter help --man` and `help --markdown` print the whole reference.\n"
         "`tidewaiter --version` prints the version.");
    return EXIT_DONE;
}
