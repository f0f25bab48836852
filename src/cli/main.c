/*
 * Entry: finds the command. The only file that decides the exit status of the process.
 */
#include <stdio.h>

#include "base/str.h"
#include "cli/command.h"

int main(int argc, char **argv)
{
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
    const struct command *c = command_find(name);
    if (!c) {
        fprintf(stderr, "tidewaiter: there is no command \"%s\"; `tidewaiter help` lists them\n",
                name);
        return EXIT_USAGE;
    }
    int status = c->run(argc - 2, argv + 2);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("tidewaiter: writing to stdout");
        return status == EXIT_DONE ? EXIT_FAILED : status;
    }
    return status;
}
