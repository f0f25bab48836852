/*
 * Happy path: see the drawing in rejection.h.
 * Failure: none; two files of the same digest would share a rejection, which a retry ends.
 * Not done: knowing why; the log has said it.
 */
#include "render/rejection.h"

#include "base/must.h"

#define RETRY_MIN (60 * MSEC_PER_SEC)
#define RETRY_MAX (600 * MSEC_PER_SEC)

static const bool allowed[][3] = {
    [REJECTION_S_NONE] = {[REJECTION_S_WAITING] = true},
    [REJECTION_S_WAITING] = {[REJECTION_S_NONE] = true, [REJECTION_S_DUE] = true},
    [REJECTION_S_DUE] = {[REJECTION_S_NONE] = true, [REJECTION_S_WAITING] = true},
};

static void set_state(struct rejection *r, enum rejection_state s)
{
    must(r->state == s || allowed[r->state][s]);
    r->state = s;
}

static void wait_again(struct rejection *r, msec_t now)
{
    set_state(r, REJECTION_S_WAITING);
    r->due = now + backoff_next(&r->backoff);
}

void rejection_init(struct rejection *r, uint64_t seed)
{
    *r = (struct rejection){.state = REJECTION_S_NONE};
    backoff_init(&r->backoff, RETRY_MIN, RETRY_MAX, seed);
}

bool rejection_is(const struct rejection *r, uint64_t digest)
{
    return r->state != REJECTION_S_NONE && r->whole && r->digest == digest;
}

bool rejection_bars(const struct rejection *r, uint64_t digest)
{
    return r->state == REJECTION_S_WAITING && rejection_is(r, digest);
}

bool rejection_refused(struct rejection *r, uint64_t digest, msec_t now)
{
    bool news = !rejection_is(r, digest);
    if (news) {
        backoff_reset(&r->backoff);
    }
    r->whole = true;
    r->digest = digest;
    wait_again(r, now);
    return news;
}

void rejection_accepted(struct rejection *r, bool partly, bool again, msec_t now)
{
    bool before = r->state != REJECTION_S_NONE && !r->whole;
    r->whole = false;
    if (!partly) {
        set_state(r, REJECTION_S_NONE);
        backoff_reset(&r->backoff);
        return;
    }
    if (!before) {
        backoff_reset(&r->backoff);
    }
    if (!before || again || r->state == REJECTION_S_DUE) {
        wait_again(r, now);
    }
}

msec_t rejection_due(const struct rejection *r)
{
    return r->state == REJECTION_S_WAITING ? r->due : MSEC_NEVER;
}

bool rejection_tick(struct rejection *r, msec_t now)
{
    if (r->state != REJECTION_S_WAITING || now < r->due) {
        return false;
    }
    set_state(r, REJECTION_S_DUE);
    return true;
}
