/*
 * Happy path: the renderer runs this program again, with the pairs and the command as its arguments; that
 * process enters a view of its own and becomes the command, which so keeps the process's number, group,
 * environment, working folder and descriptors, and is waited for as if it had been run by itself.
 * Failure: a status that commands do not use by custom, and a line whose beginning they do not print,
 * together tell that the command never ran. A program that does not exist is the command's own failure,
 * with the shell's statuses 126 and 127.
 */
#include "renderer/in_place.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "renderer/command.h"
#include "renderer/in_place_view.h"

#define SELF          "/proc/self/exe"
#define PAIR_FOLLOWS  "+"
#define COMMAND_BEGIN "--"
#define LASTING       "not allowed: "

bool in_place_allowed(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, sets) < 0) {
        return false;
    }
    const uint32_t mounts = CAP_TO_MASK(CAP_SYS_ADMIN);
    return (sets[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & mounts) != 0 &&
           eaccess(SELF, R_OK | X_OK) == 0;
}

const char **in_place_argv(const char *program, const struct in_place_pair *pairs, size_t n,
                           char *const *argv)
{
    size_t words = 0;
    while (argv[words]) {
        words++;
    }
    const char **whole = xcalloc(2 + 3 * n + 1 + words + 1, sizeof(*whole));
    size_t i = 0;
    whole[i++] = program ? program : SELF;
    whole[i++] = IN_PLACE_WORD;
    for (size_t k = 0; k < n; k++) {
        whole[i++] = PAIR_FOLLOWS;
        whole[i++] = pairs[k].staged;
        whole[i++] = pairs[k].live;
    }
    whole[i++] = COMMAND_BEGIN;
    memcpy(whole + i, argv, words * sizeof(*whole));
    return whole;
}

/* The pairs at argv[2..]; returns where the command begins, or NULL. */
static char **parse(int argc, char **argv, struct in_place_pair *pairs, size_t *ret_n)
{
    int at = 2;
    size_t n = 0;
    while (argc - at > 3 && streq(argv[at], PAIR_FOLLOWS)) {
        pairs[n++] = (struct in_place_pair){.staged = argv[at + 1], .live = argv[at + 2]};
        at += 3;
    }
    if (argc - at < 2 || !streq(argv[at], COMMAND_BEGIN)) {
        return NULL;
    }
    *ret_n = n;
    return argv + at + 1;
}

/* A right or a system call that this process will not get. */
static bool is_lasting(const struct err *e)
{
    return e->code == -EPERM || e->code == -EACCES || e->code == -ENOSYS;
}

int in_place_main(int argc, char **argv)
{
    CLEANUP_FREE struct in_place_pair *pairs = xcalloc((size_t)argc, sizeof(*pairs));
    size_t n = 0;
    char **command = parse(argc, argv, pairs, &n);
    if (!command) {
        dprintf(STDERR_FILENO, IN_PLACE_SAYS "the arguments of %s are the program's own business\n",
                IN_PLACE_WORD);
        return IN_PLACE_STATUS;
    }
    struct err e = ERR_INIT;
    if (in_place_enter(pairs, n, &e) < 0) {
        dprintf(STDERR_FILENO, IN_PLACE_SAYS "%s%s\n", is_lasting(&e) ? LASTING : "", e.msg);
        return IN_PLACE_STATUS;
    }
    execvp(command[0], command);
    int errnum = errno;
    dprintf(STDERR_FILENO, "running %s: %s\n", command[0], strerror(errnum));
    return errnum == ENOENT ? COMMAND_NOT_FOUND : COMMAND_NOT_RUN;
}

bool in_place_failed(int exit_status, const char *output, bool *ret_lasting, const char **ret_why)
{
    if (exit_status != IN_PLACE_STATUS || !str_starts(output, IN_PLACE_SAYS)) {
        return false;
    }
    const char *why = output + strlen(IN_PLACE_SAYS);
    *ret_lasting = str_starts(why, LASTING);
    *ret_why = *ret_lasting ? why + strlen(LASTING) : why;
    return true;
}
