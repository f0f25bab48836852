/*
 * Entry: finds the command. The only file that decides the exit status of the process. One word is not a
 * command of people's: the renderer runs this program with it for each check in place.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/command.h"
#include "renderer/in_place.h"

static int run(const struct subcommand *c, int argc, char **argv)
{
    int status = c->run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("tidewaiter: writing to stdout");
        return status == EXIT_DONE ? EXIT_FAILED : status;
    }
    return status;
}

/* The command whose name the program was called by, or NULL. */
static const struct subcommand *linked(const char *program)
{
    const char *slash = program ? strrchr(program, '/') : NULL;
    const struct subcommand *c = program ? command_find(slash ? slash + 1 : program) : NULL;
    return c && c->link ? c : NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1 && streq(argv[1], IN_PLACE_WORD)) {
        return in_place_main(argc, argv);
    }
    const struct subcommand *link = linked(argv[0]);
    if (link) {
        return run(link, argc - 1, argv + 1);
    }
    if (argc < 2) {
        fputs("tidewaiter: a command is missing; `tidewaiter help` lists them\n", stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (streq(name, "--version") || streq(name, "-version")) {
        command_print_version();
        return EXIT_DONE;
    }
    if (streq(name, "--help") || streq(name, "-help") || streq(name, "-h")) {
        return command_help(0, NULL);
    }
    const struct subcommand *c = command_find(name);
    if (!c) {
        fprintf(stderr, "tidewaiter: there is no command \"%s\"; `tidewaiter help` lists them\n",
                name);
        return EXIT_USAGE;
    }
    return run(c, argc - 2, argv + 2);
}
