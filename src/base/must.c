/*
 * Happy path: never called. It writes one line with a single system call and aborts, so that a core
 * holds the state. It allocates nothing and takes no lock: the heap may be what is broken.
 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void must_fail(const char *what, const char *file, int line)
{
    char text[512];
    int n =
        snprintf(text, sizeof(text), "tidewaiter: %s:%d: broken invariant: %s\n", file, line, what);
    if (n > 0) {
        size_t len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
        ssize_t ignored = write(STDERR_FILENO, text, len);
        (void)ignored;
    }
    abort();
}
