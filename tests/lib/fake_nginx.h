#pragma once
/*
 * An nginx that does as the test says, behind renderer/nginx_control.h: how it judges, how a reload ends,
 * how many old workers it has. Everything that it is asked is counted.
 */
#include "io/loop.h"
#include "io/timer.h"
#include "renderer/nginx_control.h"

struct fake_nginx {
    struct nginx_control base;
    struct io *io;
    /* what it answers; said is borrowed */
    enum nginx_outcome check_outcome, reload_outcome;
    const char *said;
    /* When not NULL: asked at each check and reload, and answers instead of the above. */
    enum nginx_outcome (*judge)(struct fake_nginx *n, bool reload);
    void *ctx;
    unsigned old_workers;
    bool slow; /* a reload lasts until cancel(), or until fake_nginx_go() */
    unsigned checks, reloads, counts, cancels;

    nginx_done_fn done;
    nginx_count_fn counted;
    void *done_ctx;
    enum nginx_outcome outcome;
    struct io_defer defer;
};

void fake_nginx_init(struct fake_nginx *n, struct io *io);
/* Ends a slow reload. */
void fake_nginx_go(struct fake_nginx *n);
