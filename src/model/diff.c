/*
 * One walk over both sorted tables. Services that both share are told apart by their address alone.
 */
#include "model/diff.h"

size_t diff_tables(const struct table *before, const struct table *after, diff_fn fn, void *ctx)
{
    size_t i = 0, k = 0, n = 0;
    while (i < before->n || k < after->n) {
        const struct service *old = i < before->n ? before->items[i] : NULL;
        const struct service *new = k < after->n ? after->items[k] : NULL;
        int c = !old ? 1 : !new ? -1 : old == new ? 0 : service_compare(old, new);
        if (c > 0) {
            old = NULL;
        } else if (c < 0) {
            new = NULL;
        }
        i += old != NULL;
        k += new != NULL;
        if (old && new &&service_equal(old, new)) {
            continue;
        }
        n++;
        if (fn) {
            fn(ctx, !old ? DIFF_ADDED : !new ? DIFF_REMOVED : DIFF_CHANGED, old, new);
        }
    }
    return n;
}
