#pragma once
/*
 * The commands of the program, one file each. A command gets the arguments behind its name and returns
 * the exit status: 0 done or stopped by TERM or INT, 1 it cannot go on or a one-shot run failed, 2 bad
 * usage or configuration.
 */
#include <stdbool.h>
#include <stddef.h>

struct options_command;

#define EXIT_DONE   0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

struct subcommand {
    const char *name;
    const char *summary; /* one line, for the list of commands */
    int (*run)(int argc, char **argv);
    const struct options_command *options; /* for `help COMMAND`; NULL: has none */
    void (*help)(void);                    /* of a command that has other options than those */
    bool link; /* the program is this command where it is called by this name */
};

int command_agent(int argc, char **argv);
int command_render(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_registrator(int argc, char **argv);
int command_help(int argc, char **argv);

extern const struct subcommand commands[];
extern const size_t n_commands;

/* NULL when there is no such command. */
const struct subcommand *command_find(const char *name);

void command_print_version(void);
void command_registrator_help(void);
