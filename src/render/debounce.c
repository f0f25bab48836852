/*
 * Happy path: the first change ever is due at once; later ones when nothing changed for `min`, or when the
 * oldest has waited `max`.
 * Failure: none.
 * Not done: sleeping; the caller arms a timer for debounce_due().
 */
#include "render/debounce.h"

void debounce_init(struct debounce *d, msec_t min, msec_t max)
{
    *d = (struct debounce){.min = min, .max = max < min ? min : max};
}

void debounce_touch(struct debounce *d, msec_t now)
{
    if (!d->pending) {
        d->pending = true;
        d->first = now;
    }
    d->last = now;
}

msec_t debounce_due(const struct debounce *d)
{
    if (!d->pending) {
        return MSEC_NEVER;
    }
    return d->settled ? msec_min(d->last + d->min, d->first + d->max) : d->first;
}

bool debounce_take(struct debounce *d, msec_t now)
{
    if (!d->pending || now < debounce_due(d)) {
        return false;
    }
    d->pending = false;
    d->settled = true;
    return true;
}
