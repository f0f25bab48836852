/*
 * Happy path: a command that succeeds in silence is not mentioned.
 * Failure: exit status, signal or the reason why it did not run, in words, and the last lines that it
 * printed, because that is where nginx says what is wrong.
 * Not done: storing output; the log has it.
 */
#include "renderer/output.h"

#include "base/log.h"
#include "io/child.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_LOGGED 2000u /* bytes */

bool output_succeeded(const struct child_result *res, char why[OUTPUT_WHY_MAX])
{
    if (res->code == 0 && res->exit_status == 0) {
        return true;
    }
    if (res->code == -ETIMEDOUT) {
        snprintf(why, OUTPUT_WHY_MAX, "took too long and was stopped");
    } else if (res->code < 0) {
        const char *text = strerrordesc_np(-res->code);
        snprintf(why, OUTPUT_WHY_MAX, "%s", text ? text : "unknown error");
    } else if (res->signal > 0) {
        snprintf(why, OUTPUT_WHY_MAX, "killed by signal %d", res->signal);
    } else {
        snprintf(why, OUTPUT_WHY_MAX, "exit status %d", res->exit_status);
    }
    return false;
}

/* The last lines, where nginx says what is wrong. */
static void last_lines(const char *output, char text[OUTPUT_LOGGED + 1])
{
    size_t len = strlen(output);
    while (len > 0 && output[len - 1] == '\n') {
        len--;
    }
    size_t from = len > OUTPUT_LOGGED ? len - OUTPUT_LOGGED : 0;
    memcpy(text, output + from, len - from);
    text[len - from] = '\0';
}

void output_log_failure(const char *msg, const char *command, const char *why, const char *output)
{
    char text[OUTPUT_LOGGED + 1];
    last_lines(output, text);
    log_warn(msg, "reason", why, "command", command, "output", text, NULL);
}

void output_log_success(const char *msg, const char *command, const char *output)
{
    char text[OUTPUT_LOGGED + 1];
    last_lines(output, text);
    log_info(msg, "command", command, "output", text, NULL);
}

int output_write(int fd, const char *p, size_t len, struct err *e)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            (void)poll(&ready, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_set(e, ERR_TRANSIENT, -errno, "write to stdout: %s", strerrordesc_np(errno));
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}
