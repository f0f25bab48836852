/*
 * A listening socket whose queue of connections is full and never emptied: the kernel drops further
 * SYNs, so a connect to it hangs as one to a host that is switched off does.
 */
#include "lib/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"

#define FILLERS 8

struct deaf {
    int fds[1 + FILLERS];
    char url[64];
};

struct deaf *deaf_new(void)
{
    struct deaf *d = xcalloc(1, sizeof(*d));
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    bool full = false;

    d->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(d->fds[0] >= 0);
    assert_int_equal(bind(d->fds[0], (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(d->fds[0], 0), 0);
    assert_int_equal(getsockname(d->fds[0], (struct sockaddr *)&addr, &len), 0);
    (void)snprintf(d->url, sizeof(d->url), "http://127.0.0.1:%d", ntohs(addr.sin_port));
    for (size_t i = 1; i <= FILLERS; i++) {
        d->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(d->fds[i] >= 0);
        (void)connect(d->fds[i], (struct sockaddr *)&addr, sizeof(addr)); /* in progress */
        struct pollfd p = {.fd = d->fds[i], .events = POLLOUT};
        full = full || poll(&p, 1, 50) == 0;
    }
    assert_true(full);
    return d;
}

const char *deaf_url(const struct deaf *d)
{
    return d->url;
}

void deaf_free(struct deaf *d)
{
    for (size_t i = 0; i < ARRAY_LEN(d->fds); i++) {
        close(d->fds[i]);
    }
    free(d);
}
