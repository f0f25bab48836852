#pragma once
/*
 * What commands say, and what goes to stdout.
 */
#include "tidewaiter/err.h"

#include <stdbool.h>
#include <stddef.h>

struct child_result;

#define OUTPUT_WHY_MAX 64

/* True when the command ran and ended with 0; else why: "exit status 1", "killed by signal 9", ... */
bool output_succeeded(const struct child_result *res, char why[OUTPUT_WHY_MAX]);

/* One warning with the command and the end of what it printed. */
void output_log_failure(const char *msg, const char *command, const char *why, const char *output);

/* The same of a command that succeeded and had something to say. */
void output_log_success(const char *msg, const char *command, const char *output);

/* Writes everything, waiting where fd is slow. */
int output_write(int fd, const char *p, size_t len, struct err *e) WARN_UNUSED;
