/*
 * Happy path: the table is walked name by name, each name becomes a group; groups are sorted by their
 * lower-case name and merged with those that nginx would take for the same; the servers of each upstream
 * are sorted by address and its duplicates dropped. Cost is that of the table, with one sort key computed
 * for each server.
 * Failure: a name or a host that nginx could not take is reported and left out, and so is a udp service
 * that would get tcp traffic; the rest goes on.
 * Not done: parameters of servers and blocks, which are the engine's business.
 */
#include "render/view.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "tidewaiter/table.h"

#include <string.h>

/* The services [from, to) of the table under one lower-case name; from == to for an expected name. */
struct view_group {
    const char *name;
    size_t from, to;
};

static void drop_servers(struct view *v)
{
    for (size_t i = 0; i < v->n_servers; i++) {
        service_unref((struct service *)v->servers[i].svc);
    }
    v->n_servers = 0;
}

void view_deinit(struct view *v)
{
    drop_servers(v);
    free(v->upstreams);
    free(v->servers);
    free(v->groups);
    arena_deinit(&v->names);
    *v = (struct view)VIEW_NULL;
}

bool view_name_ok(const char *name, size_t len)
{
    if (len == 0 || len > SERVICE_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return true;
}

static bool is_expected(const struct view_filter *f, const char *name)
{
    size_t from = 0, to = f->n_expect;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int order = strcmp(f->expect[mid], name);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return false;
}

bool view_selects(const struct view_filter *f, const char *name)
{
    if (f->n_globs == 0) {
        return true;
    }
    for (size_t i = 0; i < f->n_globs; i++) {
        if (str_glob(f->globs[i], name)) {
            return true;
        }
    }
    return is_expected(f, name);
}

/* Doubles an array of the view until it takes n elements. */
static void *reserve(void *items, size_t *cap, size_t n, size_t size)
{
    if (n <= *cap) {
        return items;
    }
    *cap = *cap * 2 > n ? *cap * 2 : n;
    return xreallocarray(items, *cap, size);
}

/* Is the service, whatever its status, one for this block of nginx? */
static bool belongs(enum nginx_context context, const struct service *svc)
{
    if (svc->s.proto != SERVICE_TCP) {
        return context == NGINX_STREAM && svc->s.proto == SERVICE_UDP;
    }
    const char *kind = svc->s.n_attrs > 0 ? service_attr_get(svc, "nginx") : NULL;
    bool stream = kind && streq(kind, "stream");
    return stream == (context == NGINX_STREAM);
}

/* The name as an upstream's: itself where it is in lower case already, else a copy. */
static const char *lower_name(struct view *v, const char *name)
{
    for (const char *p = name; *p; p++) {
        if (*p >= 'A' && *p <= 'Z') {
            char *copy = arena_strdup(&v->names, name);
            str_lower(copy);
            return copy;
        }
    }
    return name;
}

static size_t add_group(struct view *v, size_t n, const char *name, size_t from, size_t to)
{
    v->groups = reserve(v->groups, &v->cap_groups, n + 1, sizeof(*v->groups));
    v->groups[n] = (struct view_group){.name = name, .from = from, .to = to};
    return n + 1;
}

/* Ties are broken by place in the table, so that the sort has one result. */
static int group_compare(const void *pa, const void *pb)
{
    const struct view_group *a = pa, *b = pb;
    int order = strcmp(a->name, b->name);
    return order ? order : a->from < b->from ? -1 : a->from > b->from;
}

static size_t collect_groups(struct view *v, const struct view_filter *f, const struct table *t,
                             struct reports *reports)
{
    size_t n = 0;
    for (size_t i = 0, end; i < t->n; i = end) {
        end = table_name_end(t, i);
        size_t first = i;
        while (first < end && !belongs(f->context, t->items[first])) {
            first++;
        }
        if (first == end) {
            continue;
        }
        const char *name = lower_name(v, t->items[i]->s.name);
        if (!view_selects(f, name)) {
            continue;
        }
        if (view_name_ok(name, strlen(name))) {
            n = add_group(v, n, name, first, end);
            continue;
        }
        for (size_t k = first; k < end; k++) {
            if (belongs(f->context, t->items[k])) {
                reports_add(reports, t->items[k],
                            "the name has a character outside [a-z0-9._-]: service left out");
            }
        }
    }
    for (size_t i = 0; i < f->n_expect; i++) {
        n = add_group(v, n, f->expect[i], t->n, t->n);
    }
    for (size_t i = 1; i < n; i++) {
        if (group_compare(&v->groups[i - 1], &v->groups[i]) > 0) {
            qsort(v->groups, n, sizeof(*v->groups), group_compare);
            break;
        }
    }
    return n;
}

/* tcp before udp at one address, because there tcp makes the server. */
static int server_compare(const void *pa, const void *pb)
{
    const struct view_server *a = pa, *b = pb;
    int order = address_compare(&a->address, &b->address);
    if (order == 0) {
        order = (int)a->svc->s.proto - (int)b->svc->s.proto;
    }
    return order ? order : service_compare(a->svc, b->svc);
}

/* Adds the group's servers behind the n that are there; *tcp says whether the name has tcp services. */
static size_t collect_servers(struct view *v, size_t n, enum nginx_context context,
                              const struct view_group *g, const struct table *t, bool *tcp,
                              struct reports *reports)
{
    for (size_t i = g->from; i < g->to; i++) {
        const struct service *svc = t->items[i];
        if (!belongs(context, svc)) {
            continue;
        }
        *tcp |= svc->s.proto == SERVICE_TCP;
        if (svc->s.status != SERVICE_PASSING) {
            continue;
        }
        struct address address;
        if (!address_parse(svc->s.host, svc->s.port, &address)) {
            reports_add(reports, svc, "host \"%.*s\" is not an IP address: server left out",
                        REPORT_VALUE_MAX, svc->s.host);
            continue;
        }
        v->servers[n++] = (struct view_server){.address = address, .svc = svc};
    }
    return n;
}

/*
 * Sorts servers [from, to) and drops those whose address is there already, and beside tcp services the udp
 * ones that have an address of their own; returns the new end.
 */
static size_t sort_servers(struct view *v, size_t from, size_t to, bool tcp,
                           struct reports *reports)
{
    struct view_server *s = v->servers;
    for (size_t i = from + 1; i < to; i++) {
        if (server_compare(&s[i - 1], &s[i]) > 0) {
            qsort(s + from, to - from, sizeof(*s), server_compare);
            break;
        }
    }
    size_t end = from;
    for (size_t i = from; i < to; i++) {
        if (end > from && address_compare(&s[end - 1].address, &s[i].address) == 0) {
            continue;
        }
        if (tcp && s[i].svc->s.proto == SERVICE_UDP) {
            reports_add(reports, s[i].svc,
                        "udp beside tcp services of the same name, none of which passes at this "
                        "address: server left out; SERVICE_<port>_udp_NAME gives the udp port a "
                        "name of its own");
            continue;
        }
        s[end++] = s[i];
    }
    return end;
}

void view_build(struct view *v, const struct view_filter *filter, const struct table *t,
                struct reports *reports)
{
    arena_deinit(&v->names);
    arena_init(&v->names);
    v->n = 0;
    drop_servers(v);
    size_t n_groups = collect_groups(v, filter, t, reports);
    /* in full at once: upstreams point into this array */
    v->servers = reserve(v->servers, &v->cap_servers, t->n + 1, sizeof(*v->servers));
    v->upstreams = reserve(v->upstreams, &v->cap_upstreams, n_groups + 1, sizeof(*v->upstreams));

    size_t n_servers = 0;
    for (size_t i = 0; i < n_groups;) {
        const char *name = v->groups[i].name;
        size_t from = n_servers;
        bool tcp = false;
        for (; i < n_groups && streq(v->groups[i].name, name); i++) {
            n_servers =
                collect_servers(v, n_servers, filter->context, &v->groups[i], t, &tcp, reports);
        }
        n_servers = sort_servers(v, from, n_servers, tcp, reports);
        v->upstreams[v->n++] = (struct view_upstream){
            .name = name, .servers = v->servers + from, .n = n_servers - from};
    }
    must(n_servers <= t->n);
    for (size_t i = 0; i < n_servers; i++) {
        service_ref((struct service *)v->servers[i].svc);
    }
    v->n_servers = n_servers;
}
