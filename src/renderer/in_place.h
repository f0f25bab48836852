#pragma once
/*
 * Running a command that sees other files in the place of the live ones, and that nobody else sees: in a
 * mount namespace of its own, where each staged file is mounted over its live file. A live file that is
 * not there yet appears too, through a copy of its folder's view.
 *
 * Two halves: in_place_argv() makes the argument vector that runs this program again, in_place_main() is
 * what that program does then: it unshares, mounts, and becomes the command.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

#define IN_PLACE_WORD "check-in-place" /* argv[1] of the helper; no command that people type */

/* The helper's status and the beginning of its output when it could not run the command in place. */
#define IN_PLACE_STATUS 125
#define IN_PLACE_SAYS   "in place: "

struct in_place_pair {
    const char *staged; /* absolute, or relative to the working folder as live is */
    const char *live;
};

/* This process may make mount namespaces (CAP_SYS_ADMIN) and /proc/self/exe can be run. No proof: a
 * container's profile may forbid mounting all the same, and then the helper says so. */
bool in_place_allowed(void);

/* argv runs in place of itself. program: NULL for /proc/self/exe. Ends with NULL; the strings are
 * borrowed from the arguments, the array is freed by the caller. */
const char **in_place_argv(const char *program, const struct in_place_pair *pairs, size_t n,
                           char *const *argv);

/* What main() does when argv[1] is IN_PLACE_WORD. Returns an exit status only when it failed. */
int in_place_main(int argc, char **argv);

/*
 * The helper said that it could not run the command at all: ret_why is where in output it says why.
 * ret_lasting: this process is not allowed to, so that trying again is of no use.
 */
bool in_place_failed(int exit_status, const char *output, bool *ret_lasting, const char **ret_why);
