/*
 * Names of signals as a container's StopSignal has them, with Linux's numbers.
 *
 * Happy path: "SIGTERM", "term", "15", "SIGRTMIN+3" become a number from 1 to 64.
 * Failure: anything else is refused; the caller has its default.
 * Not done: other systems' numbers. The real-time range is the kernel's (34 to 64, less what the C
 * library keeps), not that of this process.
 */
#include "docker/decode.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/str.h"

#define RTMIN 34
#define RTMAX 64

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},       {"CHLD", SIGCHLD},
    {"CLD", SIGCHLD},  {"CONT", SIGCONT}, {"FPE", SIGFPE},       {"HUP", SIGHUP},
    {"ILL", SIGILL},   {"INT", SIGINT},   {"IO", SIGIO},         {"IOT", SIGABRT},
    {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGPOLL},     {"PROF", SIGPROF},
    {"PWR", SIGPWR},   {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV},     {"STKFLT", SIGSTKFLT},
    {"STOP", SIGSTOP}, {"SYS", SIGSYS},   {"TERM", SIGTERM},     {"TRAP", SIGTRAP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"RTMIN", RTMIN},      {"RTMAX", RTMAX},
};

/* "RTMIN+3", "RTMAX-1" */
static bool parse_realtime(const char *name, int *ret)
{
    bool up = strncasecmp(name, "RTMIN+", 6) == 0;
    uint64_t offset;
    if ((!up && strncasecmp(name, "RTMAX-", 6) != 0) ||
        !str_to_u64(name + 6, 0, RTMAX - RTMIN, &offset)) {
        return false;
    }
    *ret = up ? RTMIN + (int)offset : RTMAX - (int)offset;
    return true;
}

bool docker_signal_parse(const char *text, int *ret)
{
    uint64_t number;
    if (str_to_u64(text, 1, RTMAX, &number)) {
        *ret = (int)number;
        return true;
    }
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (strcasecmp(name, signals[i].name) == 0) {
            *ret = signals[i].number;
            return true;
        }
    }
    return parse_realtime(name, ret);
}
