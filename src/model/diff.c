/*
 * One walk over both sorted tables. Services that both share are told apart by their address alone.
 */
#include "model/diff.h"

size_t diff_tables(const struct table *before, const struct table *after, diff_fn fn, void *ctx)
{
    size_t i = 0, k = 0, n = 0;
    while (i < before->n || k < after->n) {
        const struct service *was = i < before->n ? before->items[i] : NULL;
        const struct service *now = k < after->n ? after->items[k] : NULL;
        int c = !was ? 1 : !now ? -1 : was == now ? 0 : service_compare(was, now);
        if (c > 0) {
            was = NULL;
        } else if (c < 0) {
            now = NULL;
        }
        i += was != NULL;
        k += now != NULL;
        if (was && now && service_equal(was, now)) {
            continue;
        }
        n++;
        if (fn) {
            fn(ctx, !was ? DIFF_ADDED : !now ? DIFF_REMOVED : DIFF_CHANGED, was, now);
        }
    }
    return n;
}
