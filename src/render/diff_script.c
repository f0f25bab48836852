/*
 * Happy path: a line that the other side has nowhere is marked at once, which costs nothing in length.
 * What is left goes through Myers' algorithm in its linear-space form: from both corners of the box, the
 * furthest points that d edits reach are moved on until the two fronts meet; the meeting point splits the
 * box into two, each with half the edits. Recursion is thus no deeper than the logarithm of the edits.
 * Failure: more than SCRIPT_DEPTH edits on each half, or more than SCRIPT_WORK steps altogether: the box
 * at hand is marked whole. The result is still right, only longer.
 * Not done: no text is seen here.
 */
#include "render/diff_script.h"

#include "base/alloc.h"
#include "base/must.h"

#include <limits.h>
#include <string.h>

#define SCRIPT_DEPTH 4096l      /* edits on each half of the box */
#define SCRIPT_WORK  (1l << 26) /* elements and diagonals looked at: less than a second */

/* The sequences without the lines that have no counterpart, and where each stood. */
struct matched {
    uint32_t *ids;
    size_t *at;
    long n;
};

struct search {
    struct matched a, b;
    bool *a_changed, *b_changed;
    long *forward, *backward; /* furthest x for each diagonal x - y */
    long depth;               /* each front has 2 * depth + 1 diagonals */
    long work;                /* left */
};

struct box {
    long a0, a1, b0, b1;
};

static struct matched matched_new(const struct diff_side *side, const bool *in_other)
{
    struct matched m = {
        .ids = xcalloc(side->n + 1, sizeof(*m.ids)),
        .at = xcalloc(side->n + 1, sizeof(*m.at)),
    };
    for (size_t i = 0; i < side->n; i++) {
        if (in_other[side->ids[i]]) {
            m.ids[m.n] = side->ids[i];
            m.at[m.n++] = i;
        } else {
            side->changed[i] = true;
        }
    }
    return m;
}

static void matched_deinit(struct matched *m)
{
    free(m->ids);
    free(m->at);
}

static long max(long a, long b)
{
    return a > b ? a : b;
}

static long min(long a, long b)
{
    return a < b ? a : b;
}

/*
 * Moves the forward front on to d edits. A diagonal that no path inside the box reaches holds -1.
 * True when it met the backward front, which has d - 1 edits, at x on diagonal *ret_k.
 */
static bool step_forward(struct search *s, const struct box *in, long d, long *ret_k)
{
    long mid = in->a0 - in->b0, other = in->a1 - in->b1;
    long *fd = s->forward + s->depth - mid;
    const long *bd = s->backward + s->depth - other;
    for (long k = mid - d; k <= mid + d; k += 2) {
        long x = -1;
        if (k - 1 >= mid - (d - 1) && fd[k - 1] >= 0 && fd[k - 1] < in->a1) {
            x = fd[k - 1] + 1;
        }
        if (k + 1 <= mid + (d - 1) && fd[k + 1] >= 0 && fd[k + 1] - k <= in->b1) {
            x = max(x, fd[k + 1]);
        }
        s->work--;
        if (x >= 0) {
            while (x < in->a1 && x - k < in->b1 && s->a.ids[x] == s->b.ids[x - k]) {
                x++;
                s->work--;
            }
        }
        fd[k] = x;
        if (x >= 0 && (mid - other) % 2 != 0 && k >= other - (d - 1) && k <= other + (d - 1) &&
            bd[k] <= x) {
            *ret_k = k;
            return true;
        }
    }
    return false;
}

/* The same from the other corner; unreached diagonals hold LONG_MAX. The forward front has d edits. */
static bool step_backward(struct search *s, const struct box *in, long d, long *ret_k)
{
    long mid = in->a1 - in->b1, other = in->a0 - in->b0;
    long *bd = s->backward + s->depth - mid;
    const long *fd = s->forward + s->depth - other;
    for (long k = mid - d; k <= mid + d; k += 2) {
        long x = LONG_MAX;
        if (k + 1 <= mid + (d - 1) && bd[k + 1] != LONG_MAX && bd[k + 1] > in->a0) {
            x = bd[k + 1] - 1;
        }
        if (k - 1 >= mid - (d - 1) && bd[k - 1] != LONG_MAX && bd[k - 1] - k >= in->b0) {
            x = min(x, bd[k - 1]);
        }
        s->work--;
        if (x != LONG_MAX) {
            while (x > in->a0 && x - k > in->b0 && s->a.ids[x - 1] == s->b.ids[x - k - 1]) {
                x--;
                s->work--;
            }
        }
        bd[k] = x;
        if (x != LONG_MAX && (mid - other) % 2 == 0 && k >= other - d && k <= other + d &&
            fd[k] >= x) {
            *ret_k = k;
            return true;
        }
    }
    return false;
}

/* A point on a shortest path through the box, not one of its corners. False: the limits were passed. */
static bool find_middle(struct search *s, const struct box *in, long *ret_x, long *ret_y)
{
    s->forward[s->depth] = in->a0;
    s->backward[s->depth] = in->a1;
    for (long d = 1; d <= s->depth && s->work > 0; d++) {
        long k;
        if (step_forward(s, in, d, &k)) {
            *ret_x = s->forward[s->depth + k - (in->a0 - in->b0)];
            *ret_y = *ret_x - k;
            return true;
        }
        if (step_backward(s, in, d, &k)) {
            *ret_x = s->backward[s->depth + k - (in->a1 - in->b1)];
            *ret_y = *ret_x - k;
            return true;
        }
    }
    return false;
}

static void mark(const struct matched *m, bool *changed, long from, long to)
{
    for (long i = from; i < to; i++) {
        changed[m->at[i]] = true;
    }
}

static void compare(struct search *s, struct box in)
{
    while (in.a0 < in.a1 && in.b0 < in.b1 && s->a.ids[in.a0] == s->b.ids[in.b0]) {
        in.a0++;
        in.b0++;
    }
    while (in.a0 < in.a1 && in.b0 < in.b1 && s->a.ids[in.a1 - 1] == s->b.ids[in.b1 - 1]) {
        in.a1--;
        in.b1--;
    }
    long x, y;
    if (in.a0 == in.a1 || in.b0 == in.b1 || !find_middle(s, &in, &x, &y)) {
        mark(&s->a, s->a_changed, in.a0, in.a1);
        mark(&s->b, s->b_changed, in.b0, in.b1);
        return;
    }
    must(x + y > in.a0 + in.b0 && x + y < in.a1 + in.b1);
    compare(s, (struct box){in.a0, x, in.b0, y});
    compare(s, (struct box){x, in.a1, y, in.b1});
}

void diff_script_mark(const struct diff_side *from, const struct diff_side *to, uint32_t n_ids)
{
    CLEANUP_FREE bool *in_from = xcalloc((size_t)n_ids + 1, sizeof(*in_from));
    CLEANUP_FREE bool *in_to = xcalloc((size_t)n_ids + 1, sizeof(*in_to));
    for (size_t i = 0; i < from->n; i++) {
        in_from[from->ids[i]] = true;
    }
    for (size_t i = 0; i < to->n; i++) {
        in_to[to->ids[i]] = true;
    }
    struct search s = {
        .a = matched_new(from, in_to),
        .b = matched_new(to, in_from),
        .a_changed = from->changed,
        .b_changed = to->changed,
        .work = SCRIPT_WORK,
    };
    s.depth = min(SCRIPT_DEPTH, s.a.n + s.b.n + 1);
    s.forward = xcalloc(2 * (size_t)s.depth + 1, sizeof(*s.forward));
    s.backward = xcalloc(2 * (size_t)s.depth + 1, sizeof(*s.backward));
    compare(&s, (struct box){0, s.a.n, 0, s.b.n});
    free(s.forward);
    free(s.backward);
    matched_deinit(&s.a);
    matched_deinit(&s.b);
}

/* ---- sliding ---- */

/* A run of marks [from, to) behind `gap` unmarked lines. */
struct run {
    const struct diff_side *side;
    size_t from, to, gap;
};

static bool run_up(struct run *r)
{
    const struct diff_side *s = r->side;
    if (r->from == 0 || s->ids[r->from - 1] != s->ids[r->to - 1]) {
        return false;
    }
    s->changed[--r->from] = true;
    s->changed[--r->to] = false;
    r->gap--;
    while (r->from > 0 && s->changed[r->from - 1]) {
        r->from--;
    }
    return true;
}

static bool run_down(struct run *r)
{
    const struct diff_side *s = r->side;
    if (r->to == s->n || s->ids[r->from] != s->ids[r->to]) {
        return false;
    }
    s->changed[r->from++] = false;
    s->changed[r->to++] = true;
    r->gap++;
    while (r->to < s->n && s->changed[r->to]) {
        r->to++;
    }
    return true;
}

/* other_runs[g]: the other side has marks behind its g-th unmarked line. */
static void slide_run(struct run *r, const bool *other_runs)
{
    size_t len, beside;
    do {
        len = r->to - r->from;
        while (run_up(r)) {
        }
        beside = other_runs[r->gap] ? r->to : 0;
        while (run_down(r)) {
            beside = other_runs[r->gap] ? r->to : beside;
        }
    } while (r->to - r->from != len);
    while (beside > 0 && r->to > beside) {
        must(run_up(r));
    }
}

void diff_script_slide(const struct diff_side *side, const struct diff_side *other)
{
    CLEANUP_FREE bool *other_runs = xcalloc(other->n + 1, sizeof(*other_runs));
    for (size_t i = 0, gap = 0; i < other->n; i++) {
        if (other->changed[i]) {
            other_runs[gap] = true;
        } else {
            gap++;
        }
    }
    for (size_t i = 0, gap = 0; i < side->n; i++) {
        if (!side->changed[i]) {
            gap++;
            continue;
        }
        struct run r = {side, i, i, gap};
        while (r.to < side->n && side->changed[r.to]) {
            r.to++;
        }
        slide_run(&r, other_runs);
        i = r.to - 1;
        gap = r.gap;
    }
}
