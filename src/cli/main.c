/*
 * Entry: finds the command. The only file that decides the exit status of the process. One word is not a
 * command of people's: the renderer runs this program with it for each check in place.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
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

/*
 * A descriptor below 3 that was closed would become some socket or file of ours, and what is meant for
 * stdout or the log would go there. Reading from stdin and writing to stdout still fail.
 */
static void fill_standard_descriptors(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd < (int)ARRAY_LEN(modes); fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) < 0) {
            return; /* without /dev/null this is the least of the troubles */
        }
    }
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
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
