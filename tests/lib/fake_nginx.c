/*
 * Happy path: every question is answered from the loop, one turn later.
 */
#include "lib/fake_nginx.h"

#include "base/alloc.h"
#include "base/must.h"

static void answer(struct io_defer *d)
{
    struct fake_nginx *n = container_of(d, struct fake_nginx, defer);
    const struct nginx_result res = {
        .outcome = n->outcome,
        .why = n->outcome == NGINX_ACCEPTED ? "" : "the test says so",
        .said = n->outcome == NGINX_ACCEPTED ? "" : n->said,
    };
    nginx_done_fn done = n->done;
    n->done = NULL;
    done(n->done_ctx, &res);
}

static void answer_count(struct io_defer *d)
{
    struct fake_nginx *n = container_of(d, struct fake_nginx, defer);
    nginx_count_fn counted = n->counted;
    n->counted = NULL;
    counted(n->done_ctx, n->old_workers);
}

static int check(struct nginx_control *base, nginx_done_fn done, void *ctx, struct err *e)
{
    struct fake_nginx *n = container_of(base, struct fake_nginx, base);
    must(!n->done && !n->counted);
    n->checks++;
    n->done = done;
    n->done_ctx = ctx;
    n->outcome = n->judge ? n->judge(n, false) : n->check_outcome;
    io_defer(n->io, &n->defer, answer);
    return 0;
}

static int reload(struct nginx_control *base, const struct command *instead, nginx_done_fn done,
                  void *ctx, struct err *e)
{
    struct fake_nginx *n = container_of(base, struct fake_nginx, base);
    must(!n->done && !n->counted);
    n->reloads++;
    n->done = done;
    n->done_ctx = ctx;
    n->outcome = n->judge ? n->judge(n, true) : n->reload_outcome;
    if (!n->slow) {
        io_defer(n->io, &n->defer, answer);
    }
    return 0;
}

static int count_old(struct nginx_control *base, nginx_count_fn done, void *ctx, struct err *e)
{
    struct fake_nginx *n = container_of(base, struct fake_nginx, base);
    must(!n->done && !n->counted);
    n->counts++;
    n->counted = done;
    n->done_ctx = ctx;
    io_defer(n->io, &n->defer, answer_count);
    return 0;
}

static void cancel(struct nginx_control *base)
{
    struct fake_nginx *n = container_of(base, struct fake_nginx, base);
    n->cancels++;
    if (n->done) {
        n->outcome = NGINX_UNREACHED;
        if (!io_defer_pending(&n->defer)) {
            io_defer(n->io, &n->defer, answer);
        }
    }
}

static void release(struct nginx_control *base)
{
    (void)base; /* the test's */
}

static const struct nginx_control_ops ops = {
    .name = "fake",
    .check = check,
    .reload = reload,
    .count_old = count_old,
    .cancel = cancel,
    .free = release,
};

void fake_nginx_init(struct fake_nginx *n, struct io *io)
{
    *n = (struct fake_nginx){.base.ops = &ops, .io = io, .said = ""};
}

void fake_nginx_go(struct fake_nginx *n)
{
    must(n->done);
    n->slow = false;
    io_defer(n->io, &n->defer, answer);
}
