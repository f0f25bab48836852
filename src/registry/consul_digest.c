/*
 * Happy path: every visible field is a link of one chain of hashes, in an order of its own: Consul keeps Meta
 * and checks in maps, which have none.
 *
 * Failure modes: none. A member that is absent or of another type counts as Consul's default, which is
 * how Consul itself reads it; weights of 1 and 1 are that default.
 *
 * Not in it: what Consul adds (TaggedAddresses), the names of checks in the dialect of registrator,
 * which Consul makes up, and the tags where others may change them.
 */
#include "registry/consul_digest.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "registry/consul_check.h"

#include <stdlib.h>
#include <string.h>

static uint64_t add(uint64_t seed, const char *text)
{
    return hash64_more(seed, text, strlen(text));
}

static uint64_t add_int(uint64_t seed, int64_t v)
{
    return hash64_more(seed, &v, sizeof(v));
}

static uint64_t add_tags(uint64_t seed, const json *tags)
{
    for (const json *it = json_first(tags); it; it = json_next(it)) {
        const char *tag = json_value(it);
        seed = add(seed, tag ? tag : "");
    }
    return add_int(seed, (int64_t)json_size(tags));
}

static int compare_names(const void *a, const void *b)
{
    const json *const *x = a, *const *y = b;
    return strcmp(json_name(*x), json_name(*y));
}

static uint64_t add_meta(uint64_t seed, const json *meta)
{
    size_t n = json_size(meta), i = 0;
    CLEANUP_FREE const json **pairs = xcalloc(n + 1, sizeof(const json *));
    for (const json *it = json_first(meta); it; it = json_next(it)) {
        pairs[i++] = it;
    }
    qsort(pairs, n, sizeof(const json *), compare_names);
    for (i = 0; i < n; i++) {
        const char *value = json_value(pairs[i]);
        seed = add(seed, json_name(pairs[i]));
        seed = add(seed, value ? value : "");
    }
    return add_int(seed, (int64_t)n);
}

static int compare_checks(const void *a, const void *b)
{
    const json *const *x = a, *const *y = b;
    return strcmp(json_str(*x, "CheckID", ""), json_str(*y, "CheckID", ""));
}

static uint64_t add_check(uint64_t seed, const json *check, enum registry_dialect dialect)
{
    const char *notes = json_str(check, "Notes", "");
    if (!consul_check_notes_ours(notes)) {
        return seed;
    }
    seed = add(seed, json_str(check, "CheckID", ""));
    seed = add(seed, dialect == REGISTRY_NATIVE ? json_str(check, "Name", "") : "");
    seed = add(seed, notes);
    return consul_check_notes_ttl(notes) > 0 ? add(seed, json_str(check, "Status", "")) : seed;
}

uint64_t consul_digest(const struct cJSON *service, const char *name, const struct cJSON **checks,
                       size_t n_checks, enum registry_dialect dialect)
{
    const json *weights = json_get(service, "Weights");
    bool open_tags = json_bool(service, "EnableTagOverride", false);
    uint64_t digest = add(0, name);
    digest = add(digest, json_str(service, "Address", ""));
    digest = add_int(digest, json_int(service, "Port", 0));
    digest = add_int(digest, json_int(weights, "Passing", 1));
    digest = add_int(digest, json_int(weights, "Warning", 1));
    digest = add_int(digest, open_tags);
    digest = add_tags(digest, open_tags ? NULL : json_get(service, "Tags"));
    digest = add_meta(digest, json_get(service, "Meta"));
    if (n_checks > 1) {
        qsort(checks, n_checks, sizeof(*checks), compare_checks);
    }
    for (size_t i = 0; i < n_checks; i++) {
        digest = add_check(digest, checks[i], dialect);
    }
    return digest;
}

bool consul_listed_ttl_read(struct consul_listed_ttl *ret, const struct cJSON *check,
                            const char *service_id, struct arena *a)
{
    const char *notes = json_str(check, "Notes", "");
    msec_t ttl = consul_check_notes_ttl(notes);
    if (ttl == 0) {
        return false;
    }
    enum service_status status = SERVICE_CRITICAL;
    (void)service_status_parse(json_str(check, "Status", ""), &status);
    *ret = (struct consul_listed_ttl){
        .service_id = service_id,
        .check_id = arena_strdup(a, json_str(check, "CheckID", "")),
        .ttl = ttl,
        .status = status,
        .weight = consul_check_notes_weight(notes),
    };
    return true;
}
