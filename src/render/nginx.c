/*
 * Happy path: the view of the table and the blocks of the live file, both sorted by name, are merged in
 * one walk: a name with servers gets its block, a name without gets what the policy says. commit() makes
 * the file that was rendered last the remembered one.
 * Failure: what one service asks for and nginx would refuse is reported and left out (nginx_server.c,
 * view.c); combinations that nginx refuses are resolved here:
 *   - only backup servers: a placeholder that is down stands in front of them;
 *   - backup beside ip_hash, hash or random: the backup servers are left out while there are others, and
 *     are ordinary servers while there are none;
 *   - a large weight beside a consistent hash, which would cost gigabytes: left out.
 * What nginx refused all the same is left out block by block, once that is known (nginx_exclude.h).
 * Not done: which services belong in which context (view.c), and what a context takes (nginx_value.c).
 */
#include "render/nginx.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "render/nginx_accuse.h"
#include "render/nginx_exclude.h"
#include "render/nginx_file.h"
#include "render/nginx_server.h"
#include "render/view.h"

#include <errno.h>
#include <string.h>

struct nginx_engine {
    struct engine base;
    enum nginx_empty empty;
    struct view_filter filter;
    struct arena strings; /* of the filter */
    struct view view;
    struct reports reports;
    struct nginx_params *params; /* of the servers of one block */
    size_t cap_params;
    struct nginx_file live;        /* what the file holds, as far as we know */
    struct nginx_file next;        /* the last candidate */
    bool rendered;                 /* next is there to be committed */
    const struct nginx_file *last; /* which of them holds the last candidate; NULL: neither */
    struct nginx_exclusions excluded;
    size_t live_excluded, next_excluded; /* servers left out of these files */
    struct arena answer;                 /* to exclude() */
};

static struct nginx_engine *self(struct engine *g)
{
    return container_of(g, struct nginx_engine, base);
}

/* Reads what every server of u asks for; d gets what they ask for their block. */
static void read_params(struct nginx_engine *n, const struct view_upstream *u,
                        struct nginx_directives *d)
{
    if (n->cap_params < u->n) {
        n->params = xreallocarray(n->params, u->n, sizeof(*n->params));
        n->cap_params = u->n;
    }
    for (size_t i = 0; i < u->n; i++) {
        nginx_params_read(&n->params[i], d, u->servers[i].svc, &n->reports);
    }
    if (d->balance.method != NGINX_HASH_CONSISTENT) {
        return;
    }
    for (size_t i = 0; i < u->n; i++) {
        if (n->params[i].weight > NGINX_WEIGHT_CONSISTENT_MAX) {
            reports_add(&n->reports, u->servers[i].svc,
                        "weight %lld is above %u, the most beside a consistent hash: left out",
                        (long long)n->params[i].weight, NGINX_WEIGHT_CONSISTENT_MAX);
            n->params[i].weight = -1;
        }
    }
}

static void close_block(struct nginx_engine *n, size_t servers)
{
    if (n->excluded.n > 0) {
        nginx_exclusions_close(&n->excluded, &n->next, servers);
    } else {
        nginx_file_close(&n->next, servers);
    }
}

static void put_block(struct nginx_engine *n, const struct view_upstream *u)
{
    struct buf *out = &n->next.bytes;
    struct nginx_directives d = {.context = n->filter.context, .balance.method = NGINX_ROUND_ROBIN};
    read_params(n, u, &d);

    size_t primaries = 0;
    for (size_t i = 0; i < u->n; i++) {
        primaries += !n->params[i].backup;
    }
    bool backups_work = nginx_balance_takes_backup(&d.balance);
    nginx_file_open(&n->next, u->name, strlen(u->name), u);
    nginx_directives_put(out, &d, u->name, u->n);
    if (primaries == 0 && backups_work) {
        buf_puts(out, NGINX_PLACEHOLDER);
    }
    size_t servers = 0;
    for (size_t i = 0; i < u->n; i++) {
        const struct nginx_params *p = &n->params[i];
        if (p->backup && !backups_work && primaries > 0) {
            reports_add(&n->reports, u->servers[i].svc,
                        "nginx has no backup servers beside %s: server left out while there are "
                        "others",
                        d.balance.method == NGINX_IP_HASH  ? "ip_hash"
                        : d.balance.method == NGINX_RANDOM ? "random"
                                                           : "hash");
            continue;
        }
        nginx_server_put(out, &u->servers[i].address, p, p->backup && backups_work);
        servers++;
    }
    close_block(n, servers);
}

/* A name without servers. live: its block in the live file, or NULL. True when it got a block. */
static bool put_empty(struct nginx_engine *n, const char *name, size_t name_len,
                      const struct nginx_block *live)
{
    if (n->empty == NGINX_EMPTY_OMIT) {
        return false;
    }
    bool keep = n->empty == NGINX_EMPTY_KEEP;
    const struct nginx_exclusion *x =
        keep ? nginx_exclusions_find(&n->excluded, name, name_len) : NULL;
    size_t servers = 0;
    nginx_file_open(&n->next, name, name_len, NULL);
    if (x && x->kept) {
        buf_append(&n->next.bytes, x->kept, x->kept_len);
        servers = x->kept_servers;
    } else if (keep && live && live->body_len > 0) {
        buf_append(&n->next.bytes, n->live.bytes.data + live->body, live->body_len);
        servers = live->servers;
    } else {
        buf_puts(&n->next.bytes, NGINX_PLACEHOLDER);
    }
    close_block(n, servers);
    return true;
}

static bool live_selected(const struct nginx_engine *n, const struct nginx_block *b)
{
    char name[SERVICE_NAME_MAX + 1];
    must(b->name_len < sizeof(name));
    memcpy(name, n->live.bytes.data + b->name, b->name_len);
    name[b->name_len] = '\0';
    return view_selects(&n->filter, name);
}

/* The walk over view and live file; returns how many blocks have no servers of now. */
static size_t put_blocks(struct nginx_engine *n)
{
    const struct nginx_file *live = &n->live;
    const struct view *v = &n->view;
    size_t empty = 0;
    for (size_t i = 0, k = 0; i < v->n || k < live->n;) {
        int order = i == v->n      ? -1
                    : k == live->n ? 1
                                   : nginx_file_compare(live, k, v->upstreams[i].name);
        const struct nginx_block *b = order <= 0 ? &live->blocks[k] : NULL;
        if (order < 0) {
            if (live_selected(n, b)) {
                empty += put_empty(n, live->bytes.data + b->name, b->name_len, b);
            }
        } else if (v->upstreams[i].n > 0) {
            put_block(n, &v->upstreams[i]);
        } else {
            const char *name = v->upstreams[i].name;
            empty += put_empty(n, name, strlen(name), b);
        }
        i += order >= 0;
        k += order <= 0;
    }
    return empty;
}

static int nginx_render(struct engine *g, const struct table *t, struct engine_result *ret,
                        struct err *e)
{
    struct nginx_engine *n = self(g);
    n->rendered = false;
    n->last = NULL;
    reports_reset(&n->reports);
    nginx_exclusions_begin(&n->excluded);
    nginx_file_begin(&n->next);
    view_build(&n->view, &n->filter, t, &n->reports);
    size_t empty = put_blocks(n);
    int r = buf_error(&n->next.bytes);
    if (r < 0) {
        return err_set(e, ERR_INVALID, r, "upstreams: more than %u bytes", NGINX_FILE_MAX);
    }
    nginx_exclusions_end(&n->excluded);
    n->next_excluded = n->excluded.servers;
    n->rendered = true;
    n->last = &n->next;
    *ret = (struct engine_result){
        .bytes = n->next.bytes.data,
        .len = n->next.bytes.len,
        .upstreams = n->next.n - n->next.omitted,
        .servers = n->next.servers,
        .empty = empty,
        .excluded = n->excluded.places,
        .excluded_servers = n->excluded.servers,
        .live_servers = n->live.servers + n->live_excluded,
        .reports = n->reports.items,
        .n_reports = n->reports.n,
    };
    return 0;
}

static size_t nginx_adopt(struct engine *g, const char *bytes, size_t len)
{
    struct nginx_engine *n = self(g);
    if (n->last == &n->live) {
        n->last = NULL;
    }
    n->live_excluded = 0;
    return nginx_file_parse(&n->live, bytes, len);
}

static void nginx_commit(struct engine *g)
{
    struct nginx_engine *n = self(g);
    must(n->rendered);
    struct nginx_file before = n->live;
    n->live = n->next;
    n->next = before;
    n->live_excluded = n->next_excluded;
    n->rendered = false;
    n->last = n->last ? &n->live : NULL;
}

static int nginx_exclude(struct engine *g, const struct engine_blame *b, struct engine_report *ret)
{
    struct nginx_engine *n = self(g);
    struct nginx_place p;
    if (!n->last || !nginx_place_find(n->last, b, &p)) {
        return -ENOENT;
    }
    enum nginx_exclude_step step = nginx_exclusions_add(&n->excluded, n->last, &p);
    arena_deinit(&n->answer);
    nginx_accuse(n->last, &p, step, &n->answer, ret);
    n->last = NULL; /* another blame needs the file that follows from this one */
    return 0;
}

static int nginx_undo(struct engine *g, struct engine_report *ret)
{
    struct nginx_engine *n = self(g);
    const char *name = NULL;
    if (!nginx_exclusions_undo(&n->excluded, &name)) {
        return -ENOENT;
    }
    arena_deinit(&n->answer);
    *ret = (struct engine_report){
        .service = arena_strdup(&n->answer, name),
        .id = "",
        .container = "",
        .text = arena_printf(&n->answer, "upstream %s is as before: leaving that out did not help",
                             name)};
    n->last = NULL;
    return 0;
}

static void nginx_readmit(struct engine *g)
{
    struct nginx_engine *n = self(g);
    nginx_exclusions_clear(&n->excluded);
    n->last = NULL;
}

static void nginx_free(struct engine *g)
{
    struct nginx_engine *n = self(g);
    view_deinit(&n->view);
    reports_deinit(&n->reports);
    nginx_file_deinit(&n->live);
    nginx_file_deinit(&n->next);
    nginx_exclusions_clear(&n->excluded);
    arena_deinit(&n->answer);
    arena_deinit(&n->strings);
    free(n->params);
    free(n);
}

static const struct engine_ops nginx_ops = {
    .name = "nginx",
    .render = nginx_render,
    .adopt = nginx_adopt,
    .commit = nginx_commit,
    .exclude = nginx_exclude,
    .undo = nginx_undo,
    .readmit = nginx_readmit,
    .free = nginx_free,
};

static const char **copy_lower(struct arena *a, const char *const *from, size_t n)
{
    const char **to = arena_alloc(a, (n + 1) * sizeof(*to));
    for (size_t i = 0; i < n; i++) {
        char *copy = arena_strdup(a, from[i]);
        str_lower(copy);
        to[i] = copy;
    }
    return to;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int nginx_name_check(const char *name, struct err *e)
{
    CLEANUP_FREE char *lower = xstrdup(name);
    str_lower(lower);
    if (!view_name_ok(lower, strlen(lower))) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "expected service \"%s\": a name of an upstream is 1 to %d characters of "
                       "[a-z0-9._-]",
                       name, SERVICE_NAME_MAX);
    }
    return 0;
}

int nginx_engine_new(struct engine **ret, const struct nginx_options *o, struct err *e)
{
    struct arena strings = ARENA_NULL;
    const char **globs = copy_lower(&strings, o->services, o->n_services);
    const char **expect = copy_lower(&strings, o->expect, o->n_expect);
    for (size_t i = 0; i < o->n_expect; i++) {
        int r = nginx_name_check(o->expect[i], e);
        if (r < 0) {
            arena_deinit(&strings);
            return r;
        }
    }
    qsort(expect, o->n_expect, sizeof(*expect), compare_strings);
    size_t n_expect = 0;
    for (size_t i = 0; i < o->n_expect; i++) {
        if (n_expect == 0 || !streq(expect[n_expect - 1], expect[i])) {
            expect[n_expect++] = expect[i];
        }
    }
    struct nginx_engine *n = xcalloc(1, sizeof(*n));
    n->base.ops = &nginx_ops;
    n->empty = o->empty;
    n->strings = strings;
    n->filter = (struct view_filter){.context = o->context,
                                     .globs = globs,
                                     .n_globs = o->n_services,
                                     .expect = expect,
                                     .n_expect = n_expect};
    n->view = (struct view)VIEW_NULL;
    n->answer = (struct arena)ARENA_NULL;
    n->excluded = (struct nginx_exclusions)NGINX_EXCLUSIONS_NULL;
    n->reports = (struct reports)REPORTS_NULL;
    nginx_file_init(&n->live, o->context);
    nginx_file_init(&n->next, o->context);
    *ret = &n->base;
    return 0;
}
