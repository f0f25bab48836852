#pragma once
/*
 * --check and --reload: what is run.
 *
 * One string is the shell's (`/bin/sh -c`); a JSON array of strings, from its first two bytes `["` on, is
 * an argument vector and no shell is asked. {{.src}} in either is the staged file.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>

/* Exit statuses of shells, and of engines, where no program ran. */
#define COMMAND_NOT_RUN   126 /* it is there, and cannot be run */
#define COMMAND_NOT_FOUND 127

struct command {
    char *text;  /* as it was given, for people */
    char **argv; /* ends with NULL; {{.src}} still in it */
    bool shell;  /* argv is /bin/sh -c text */
};

#define COMMAND_NULL                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

/* -EINVAL (ERR_INVALID) for what is empty, or begins as an array and is none of strings. */
int command_parse(struct command *ret, const char *text, struct err *e) WARN_UNUSED;
void command_deinit(struct command *c); /* idempotent */

/* It holds {{.src}} (blanks inside the braces are fine). */
bool command_names_src(const struct command *c);

/*
 * A copy of argv with every {{.src}} replaced by src, which is quoted for the shell where that needs it
 * and stands as it is in a vector. src may be NULL when the command does not name it. Ends with NULL;
 * free with command_argv_free().
 */
char **command_argv(const struct command *c, const char *src);
char **command_argv_free(char **argv); /* NULL is taken; returns NULL */
