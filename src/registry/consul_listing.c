/*
 * What Consul's agent lists → owners and digests.
 *
 * Happy path: both answers are maps. The checks are sorted by service, so that each service finds its own
 * in one stretch; then each service gets its owner, its digest, and, where it is ours, its TTL checks.
 *
 * Failure modes: an answer that is not such a map fails as a whole: half a listing would look like
 * services that are gone. What other tools put into a service is never wrong here.
 */
#include "registry/consul_service.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "registry/consul_digest.h"
#include "registry/record.h"
#include "registry/record_owner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct listing_job {
    struct consul_listing *to;
    const struct consul_owner *owner;
    const json **checks; /* of services, sorted by them */
    size_t n_checks;
};

/* ---- owners ---- */

static enum registry_owner owner_of(const struct consul_owner *owner, const char *id,
                                    const json *service)
{
    const char *node = json_str(json_get(service, "Meta"), CONSUL_META_NODE, NULL);
    if (node) {
        return streq(node, owner->node) ? REGISTRY_OURS : REGISTRY_FOREIGN;
    }
    if (owner->adopt_by_id && record_id_regular(id, owner->id_host)) {
        return REGISTRY_OURS;
    }
    bool unclaimed =
        owner->dialect == REGISTRY_REGISTRATOR || record_id_of_host(id, owner->id_host);
    return unclaimed ? REGISTRY_UNCLAIMED : REGISTRY_FOREIGN;
}

/* ---- checks ---- */

static int compare_services(const void *a, const void *b)
{
    const json *const *x = a, *const *y = b;
    return strcmp(json_str(*x, "ServiceID", ""), json_str(*y, "ServiceID", ""));
}

static int need_map(const json *j, const char *what, struct err *e)
{
    if (!json_is_object(j)) {
        return err_set(e, ERR_BUG, -EINVAL, "Consul's answer is no map of %s", what);
    }
    for (const json *it = json_first(j); it; it = json_next(it)) {
        if (!json_is_object(it)) {
            return err_set(e, ERR_BUG, -EINVAL, "Consul's map of %s holds \"%.64s\", which is none",
                           what, json_name(it));
        }
    }
    return 0;
}

static void sort_checks(struct listing_job *job, const json *checks)
{
    job->checks = xcalloc(json_size(checks) + 1, sizeof(const json *));
    for (const json *it = json_first(checks); it; it = json_next(it)) {
        if (!str_empty(json_str(it, "ServiceID", ""))) {
            job->checks[job->n_checks++] = it;
        }
    }
    qsort(job->checks, job->n_checks, sizeof(const json *), compare_services);
}

/* The first check of a service or, where it has none, of the next one. */
static size_t first_check(const struct listing_job *job, const char *id)
{
    size_t low = 0, high = job->n_checks;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(json_str(job->checks[middle], "ServiceID", ""), id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- services ---- */

static int compare_ids(const void *a, const void *b)
{
    const json *const *x = a, *const *y = b;
    return strcmp(json_name(*x), json_name(*y));
}

static void take_service(struct listing_job *job, const char *id, const json *service)
{
    struct consul_listing *to = job->to;
    size_t first = first_check(job, id), end = first;
    while (end < job->n_checks && streq(json_str(job->checks[end], "ServiceID", ""), id)) {
        end++;
    }
    struct consul_listed *item = &to->items[to->n++];
    item->id = arena_strdup(&to->arena, id);
    item->owner = owner_of(job->owner, id, service);
    item->digest = consul_digest(service, json_str(service, "Service", ""), job->checks + first,
                                 end - first, job->owner->dialect);
    for (size_t i = first; item->owner == REGISTRY_OURS && i < end; i++) {
        to->n_ttls +=
            consul_listed_ttl_read(&to->ttls[to->n_ttls], job->checks[i], item->id, &to->arena);
    }
}

static int check_ids(const json *const *sorted, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const char *key = json_name(sorted[i]), *id = json_str(sorted[i], "ID", "");
        if (!*key || !streq(id, key)) {
            return err_set(e, ERR_BUG, -EINVAL,
                           "Consul's map of services has the id \"%.64s\" under \"%.64s\"", id,
                           key);
        }
        if (i > 0 && streq(json_name(sorted[i - 1]), key)) {
            return err_set(e, ERR_BUG, -EINVAL, "Consul lists the service \"%.64s\" twice", key);
        }
    }
    return 0;
}

static int take_services(struct listing_job *job, const json *services, struct err *e)
{
    struct consul_listing *to = job->to;
    size_t n = json_size(services), i = 0;
    CLEANUP_FREE const json **sorted = xcalloc(n + 1, sizeof(const json *));
    for (const json *it = json_first(services); it; it = json_next(it)) {
        sorted[i++] = it;
    }
    qsort(sorted, n, sizeof(const json *), compare_ids);
    int r = check_ids(sorted, n, e);
    if (r < 0) {
        return r;
    }
    to->items = arena_alloc(&to->arena, (n + 1) * sizeof(*to->items));
    /* ids differ, so no check is taken twice */
    to->ttls = arena_alloc(&to->arena, (job->n_checks + 1) * sizeof(*to->ttls));
    for (i = 0; i < n; i++) {
        take_service(job, json_name(sorted[i]), sorted[i]);
    }
    return 0;
}

static int parse(json **ret, const char *text, size_t len, const char *what, struct err *e)
{
    if (record_text_check(text, len, e) < 0 || json_parse(ret, text, len, e) < 0) {
        err_wrap(e, "Consul's list of %s", what);
        if (e) {
            e->class = ERR_BUG;
        }
        return -EINVAL;
    }
    return need_map(*ret, what, e);
}

int consul_listing_decode(struct consul_listing *ret, const struct consul_owner *owner,
                          const char *services, size_t services_len, const char *checks,
                          size_t checks_len, struct err *e)
{
    CLEANUP_JSON json *s = NULL, *c = NULL;
    CLEANUP(consul_listing_deinit) struct consul_listing listing = CONSUL_LISTING_NULL;
    struct listing_job job = {.to = &listing, .owner = owner};
    int r = parse(&s, services, services_len, "services", e);
    if (r == 0) {
        r = parse(&c, checks, checks_len, "checks", e);
    }
    if (r < 0) {
        return r;
    }
    sort_checks(&job, c);
    r = take_services(&job, s, e);
    free(job.checks);
    if (r < 0) {
        return r;
    }
    *ret = listing;
    listing = (struct consul_listing)CONSUL_LISTING_NULL;
    return 0;
}

void consul_listing_deinit(struct consul_listing *l)
{
    arena_deinit(&l->arena);
    *l = (struct consul_listing)CONSUL_LISTING_NULL;
}
