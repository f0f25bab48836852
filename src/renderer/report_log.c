/*
 * Happy path: a report is known by the digest of its texts; the digests of the last render are kept sorted.
 * Failure: a collision hides one line of the log.
 * Not done: remembering beyond one render: what was mended and comes back is said again.
 */
#include "renderer/report_log.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"

#include <string.h>

#define LOGGED_MAX                                                                                 \
    100u /* lines for one render; a registry full of nonsense must not fill the disk */

void report_log_deinit(struct report_log *l)
{
    free(l->known);
    *l = (struct report_log)REPORT_LOG_NULL;
}

/* With the terminators, so that fields cannot run into each other. */
static uint64_t digest_of(const struct engine_report *r)
{
    const char *const fields[] = {r->service, r->id, r->container, r->text};
    uint64_t h = 0;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        h = hash64_more(h, fields[i], strlen(fields[i]) + 1);
    }
    return h;
}

static int compare(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return a < b ? -1 : a > b;
}

void report_log_all(struct report_log *l, const struct engine_report *reports, size_t n)
{
    if (n == 0) {
        report_log_deinit(l);
        return;
    }
    uint64_t *digests = xreallocarray(NULL, n, sizeof(*digests));
    size_t fresh = 0;
    for (size_t i = 0; i < n; i++) {
        const struct engine_report *r = &reports[i];
        digests[i] = digest_of(r);
        if (l->n > 0 && bsearch(&digests[i], l->known, l->n, sizeof(*l->known), compare)) {
            continue;
        }
        if (++fresh <= LOGGED_MAX) {
            log_warn("rejected", "service", r->service, "id", r->id, "container", r->container,
                     "reason", r->text, NULL);
        }
    }
    if (fresh > LOGGED_MAX) {
        log_warn("rejected more than is logged one by one", "more", LOG_U(fresh - LOGGED_MAX),
                 NULL);
    }
    qsort(digests, n, sizeof(*digests), compare);
    free(l->known);
    l->known = digests;
    l->n = n;
}
