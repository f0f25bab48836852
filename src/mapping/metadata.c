/*
 * SERVICE_* labels and variables.
 *
 * Happy path: metadata_read() splits every name into scope and key and sorts the lot by (key, rank), so
 * that "which one counts for port 80/tcp?" is the first entry of the key that matches.
 *
 * Failure modes: a name without a key, a port outside 1..65535 or with leading zeros, a range that is
 * none, a key or a value of unreasonable length: each a warning, and the entry is left out. More than
 * METADATA_MAX entries: one warning.
 *
 * Does not know what any key means.
 */
#include "mapping/metadata.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX     "SERVICE_"
#define PREFIX_LEN (sizeof(PREFIX) - 1)

bool metadata_port(const char *s, size_t len, uint16_t *ret)
{
    unsigned v = 0;
    if (len == 0 || len > 5 || s[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
        v = v * 10 + (unsigned)(s[i] - '0');
    }
    if (v > UINT16_MAX) {
        return false;
    }
    *ret = (uint16_t)v;
    return true;
}

/* The first len bytes want to be a port or a range: digits and '-', at least one digit. */
static bool looks_like_ports(const char *s, size_t len)
{
    return len > 0 && strspn(s, "0123456789-") >= len && strcspn(s, "0123456789") < len;
}

static bool parse_ports(const char *s, size_t len, struct metadata_entry *e)
{
    const char *dash = memchr(s, '-', len);
    if (!dash) {
        e->scope = METADATA_PORT;
        return metadata_port(s, len, &e->from) && metadata_port(s, len, &e->to);
    }
    size_t left = (size_t)(dash - s);
    e->scope = METADATA_RANGE;
    return metadata_port(s, left, &e->from) && metadata_port(dash + 1, len - left - 1, &e->to) &&
           e->from <= e->to;
}

/* "tcp_name": takes the protocol off; a name that ends after it ("tcp") is a key of its own. */
static void parse_proto(struct metadata_entry *e)
{
    static const enum service_proto all[] = {SERVICE_TCP, SERVICE_UDP, SERVICE_SCTP};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *name = service_proto_name(all[i]);
        size_t len = strlen(name);
        if (str_starts(e->key, name) && e->key[len] == '_' && e->key[len + 1]) {
            e->key += len + 1;
            e->proto = all[i];
            e->scope = e->scope == METADATA_PORT ? METADATA_PORT_PROTO : METADATA_RANGE_PROTO;
            return;
        }
    }
}

bool metadata_native(const char *rest, struct metadata_entry *e, const char **why)
{
    size_t head = strcspn(rest, "_");
    e->scope = METADATA_GENERIC;
    e->key = rest;
    if (rest[head] == '_' && looks_like_ports(rest, head)) {
        if (!parse_ports(rest, head, e)) {
            *why = memchr(rest, '-', head) ? "has no valid port range (FROM-TO, each 1 to 65535)"
                                           : "has no valid port (1 to 65535, no leading zeros)";
            return false;
        }
        e->key = rest + head + 1;
        parse_proto(e);
    }
    *why = "has no key";
    return e->key[0] != '\0';
}

static int compare_entries(const void *pa, const void *pb)
{
    const struct metadata_entry *a = pa, *b = pb;
    int c = strcmp(a->key, b->key);
    if (c) {
        return c;
    }
    if (a->scope != b->scope) {
        return a->scope < b->scope ? -1 : 1;
    }
    if (a->is_label != b->is_label) {
        return a->is_label ? -1 : 1;
    }
    int wa = a->to - a->from, wb = b->to - b->from;
    if (wa != wb) {
        return wa < wb ? -1 : 1;
    }
    if (a->from != b->from) {
        return a->from < b->from ? -1 : 1;
    }
    return a->order > b->order ? -1 : a->order < b->order;
}

static const char *origin_of(const char *name, bool is_label, struct arena *a)
{
    return text_join(a, is_label ? "label " : "variable ", text_clean(a, name, TEXT_LABEL_MAX));
}

/* Fills e from one label or variable; false with *why. */
static bool read_entry(struct metadata_entry *e, const struct container_kv *kv,
                       metadata_grammar *grammar, struct arena *a, const char **why)
{
    const char *name = kv->key + PREFIX_LEN;
    size_t key_len = strnlen(name, METADATA_KEY_MAX + 1);
    size_t value_len = strnlen(kv->value, METADATA_VALUE_MAX + 1);
    if (key_len > METADATA_KEY_MAX) {
        *why = "has a key of more than 256 bytes";
        return false;
    }
    if (value_len > METADATA_VALUE_MAX) {
        *why = "has a value of more than 65536 bytes";
        return false;
    }
    char *rest = arena_memdup0(a, name, key_len);
    str_lower(rest);
    e->value = kv->value;
    e->size = key_len + value_len + 2;
    return grammar(rest, e, why);
}

static void read_list(struct metadata *m, const struct container_kv *kv, size_t n, bool is_label,
                      metadata_grammar *grammar, struct warnings *w)
{
    for (size_t i = 0; i < n; i++) {
        if (!str_starts(kv[i].key, PREFIX)) {
            continue;
        }
        struct metadata_entry e = {.is_label = is_label, .order = i};
        const char *why;
        e.origin = origin_of(kv[i].key, is_label, w->arena);
        if (m->n >= METADATA_MAX) {
            warnings_add(w, "%s and what follows it is left out: more than %d SERVICE_* entries",
                         e.origin, METADATA_MAX);
            return;
        }
        if (read_entry(&e, &kv[i], grammar, w->arena, &why)) {
            m->entries[m->n++] = e;
        } else {
            warnings_add(w, "%s %s; it is left out", e.origin, why);
        }
    }
}

static size_t count_prefixed(const struct container_kv *kv, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += str_starts(kv[i].key, PREFIX);
    }
    return found;
}

void metadata_read(struct metadata *ret, const struct container *c, metadata_grammar *grammar,
                   struct warnings *w)
{
    size_t cap = count_prefixed(c->s.labels, c->s.n_labels) + count_prefixed(c->s.env, c->s.n_env);
    *ret = (struct metadata){0};
    if (cap == 0) {
        return;
    }
    if (cap > METADATA_MAX) {
        cap = METADATA_MAX;
    }
    ret->entries = arena_alloc(w->arena, cap * sizeof(*ret->entries));
    /* Labels first: where there are too many entries, they are the ones to keep. */
    read_list(ret, c->s.labels, c->s.n_labels, true, grammar, w);
    read_list(ret, c->s.env, c->s.n_env, false, grammar, w);
    qsort(ret->entries, ret->n, sizeof(*ret->entries), compare_entries);
    for (size_t i = 1; i < ret->n; i++) {
        struct metadata_entry *e = &ret->entries[i];
        e->group = e[-1].group + !streq(e->key, e[-1].key);
    }
}

static bool matches(const struct metadata_entry *e, uint16_t port, enum service_proto proto)
{
    if (e->scope == METADATA_GENERIC) {
        return true;
    }
    if (port < e->from || port > e->to) {
        return false;
    }
    bool any_proto = e->scope == METADATA_PORT || e->scope == METADATA_RANGE;
    return any_proto || e->proto == proto;
}

/* Index of the first entry whose key is not below `key`. */
static size_t lower_bound(const struct metadata *m, const char *key)
{
    size_t lo = 0, hi = m->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(m->entries[mid].key, key) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

const struct metadata_entry *metadata_find(const struct metadata *m, const char *key, uint16_t port,
                                           enum service_proto proto)
{
    for (size_t i = lower_bound(m, key); i < m->n && streq(m->entries[i].key, key); i++) {
        if (matches(&m->entries[i], port, proto)) {
            return &m->entries[i];
        }
    }
    return NULL;
}

const struct metadata_entry *metadata_find_generic(const struct metadata *m, const char *key)
{
    for (size_t i = lower_bound(m, key); i < m->n && streq(m->entries[i].key, key); i++) {
        if (m->entries[i].scope == METADATA_GENERIC) {
            return &m->entries[i];
        }
    }
    return NULL;
}

const struct metadata_entry *metadata_next(const struct metadata *m, size_t *pos, uint16_t port,
                                           enum service_proto proto)
{
    while (*pos < m->n) {
        size_t group = m->entries[*pos].group;
        const struct metadata_entry *found = NULL;
        for (; *pos < m->n && m->entries[*pos].group == group; (*pos)++) {
            if (!found && matches(&m->entries[*pos], port, proto)) {
                found = &m->entries[*pos];
            }
        }
        if (found) {
            return found;
        }
    }
    return NULL;
}
