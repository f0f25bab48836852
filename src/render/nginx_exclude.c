/*
 * Happy path: close() finds the block's entry, sees by the digest that it is about this body, and writes the
 * lines that are left in place of the body.
 * Failure: none of its own; the cap of the buffer sticks there. Two bodies of one digest would be taken for
 * one until the next change.
 * Not done: which line is to blame (nginx_place.c), and whose it is (nginx.c).
 */
#include "render/nginx_exclude.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"

#include <string.h>

static void deinit(struct nginx_exclusion *x)
{
    free(x->name);
    free(x->lines);
    free(x->kept);
}

static void forget_before(struct nginx_exclusions *x)
{
    free(x->before.name);
    free(x->before.lines);
    x->before = (struct nginx_exclusion_before){0};
}

void nginx_exclusions_clear(struct nginx_exclusions *x)
{
    forget_before(x);
    for (size_t i = 0; i < x->n; i++) {
        deinit(&x->items[i]);
    }
    free(x->items);
    *x = (struct nginx_exclusions)NGINX_EXCLUSIONS_NULL;
}

/* Where the name is, or belongs. */
static size_t place_of(const struct nginx_exclusions *x, const char *name, size_t len, bool *there)
{
    size_t from = 0, to = x->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int order = strncmp(x->items[mid].name, name, len);
        if (order == 0 && x->items[mid].name[len]) {
            order = 1;
        }
        if (order == 0) {
            *there = true;
            return mid;
        }
        if (order < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    *there = false;
    return from;
}

struct nginx_exclusion *nginx_exclusions_find(struct nginx_exclusions *x, const char *name,
                                              size_t len)
{
    bool there = false;
    size_t at = x->n > 0 ? place_of(x, name, len, &there) : 0;
    return there ? &x->items[at] : NULL;
}

static struct nginx_exclusion *find_or_insert(struct nginx_exclusions *x, const char *name,
                                              size_t len, uint64_t digest)
{
    bool there = false;
    size_t at = place_of(x, name, len, &there);
    if (!there) {
        if (x->n == x->cap) {
            x->cap = x->cap ? x->cap * 2 : 4;
            x->items = xreallocarray(x->items, x->cap, sizeof(*x->items));
        }
        memmove(x->items + at + 1, x->items + at, (x->n - at) * sizeof(*x->items));
        x->items[at] =
            (struct nginx_exclusion){.name = xmemdup0(name, len), .digest = digest, .used = true};
        x->n++;
    }
    return &x->items[at];
}

static void set_step(struct nginx_exclusion *x, enum nginx_exclude_step to)
{
    static const bool allowed[][3] = {
        [NGINX_EXCLUDE_LINES] = {[NGINX_EXCLUDE_SERVERS] = true, [NGINX_EXCLUDE_BLOCK] = true},
        [NGINX_EXCLUDE_SERVERS] = {[NGINX_EXCLUDE_BLOCK] = true},
        [NGINX_EXCLUDE_BLOCK] = {false},
    };
    must(allowed[x->step][to]);
    x->step = to;
}

/* ---- rendering ---- */

void nginx_exclusions_begin(struct nginx_exclusions *x)
{
    x->places = x->servers = 0;
    for (size_t i = 0; i < x->n; i++) {
        x->items[i].used = false;
    }
}

void nginx_exclusions_end(struct nginx_exclusions *x)
{
    size_t n = 0;
    for (size_t i = 0; i < x->n; i++) {
        if (x->items[i].used) {
            x->items[n++] = x->items[i];
        } else {
            deinit(&x->items[i]);
        }
    }
    x->n = n;
}

/* A body is walked line by line: `for (... ; next(&l); )`. */
struct lines {
    const char *rest;
    size_t len;
    const char *line;
    size_t line_len;
};

static bool next(struct lines *l)
{
    l->line = l->rest;
    l->line_len = nginx_line_len(l->rest, l->len);
    l->rest += l->line_len;
    l->len -= l->line_len;
    return l->line_len > 0;
}

static bool is_directive(const struct lines *l)
{
    return !nginx_line_is_server(l->line, l->line_len);
}

/* What is left of a body. */
struct left {
    size_t primaries, excluded_servers;
    bool excluded_directives;
};

/* Marks in keep, one for each line, what x leaves in. */
static struct left choose(const struct nginx_exclusion *x, const char *body, size_t len, bool *keep)
{
    struct left left = {0};
    struct lines l = {.rest = body, .len = len};
    for (size_t i = 0, k = 0; next(&l); i++) {
        bool listed = k < x->n_lines && x->lines[k] == i;
        k += listed;
        keep[i] = x->step == NGINX_EXCLUDE_LINES && !listed;
        if (is_directive(&l)) {
            left.excluded_directives |= !keep[i];
        } else if (keep[i]) {
            left.primaries += !nginx_line_is_backup(l.line, l.line_len);
        } else {
            left.excluded_servers += !nginx_line_is_placeholder(l.line, l.line_len);
        }
    }
    return left;
}

static size_t count_lines(const char *body, size_t len)
{
    struct lines l = {.rest = body, .len = len};
    size_t n = 0;
    while (next(&l)) {
        n++;
    }
    return n;
}

/* Writes the body of the open block anew. Returns how many servers are left out. */
static size_t rewrite(struct nginx_exclusions *all, struct nginx_exclusion *x, struct nginx_file *f)
{
    struct nginx_block *b = &f->blocks[f->n];
    size_t len = f->bytes.len - b->body;
    CLEANUP_FREE char *body = xmemdup0(f->bytes.data + b->body, len);
    CLEANUP_FREE bool *keep = xcalloc(count_lines(body, len) + 1, sizeof(*keep));
    struct left left = choose(x, body, len, keep);
    all->places += left.excluded_servers + left.excluded_directives;

    buf_truncate(&f->bytes, b->body);
    x->padded = left.primaries == 0;
    bool pad = x->padded;
    struct lines l = {.rest = body, .len = len};
    for (size_t i = 0; next(&l); i++) {
        if (pad && !is_directive(&l)) {
            buf_puts(&f->bytes, NGINX_PLACEHOLDER);
            pad = false;
        }
        if (keep[i]) {
            buf_append(&f->bytes, l.line, l.line_len);
        }
    }
    return left.excluded_servers;
}

void nginx_exclusions_close(struct nginx_exclusions *all, struct nginx_file *f, size_t servers)
{
    struct nginx_block *b = &f->blocks[f->n];
    struct nginx_exclusion *x =
        buf_error(&f->bytes) ? NULL
                             : nginx_exclusions_find(all, f->bytes.data + b->name, b->name_len);
    const char *body = f->bytes.data + b->body;
    size_t len = f->bytes.len - b->body;
    if (!x || x->digest != hash64(body, len)) {
        nginx_file_close(f, servers);
        return;
    }
    x->used = true;
    if (!b->from && servers > 0 && !x->kept) {
        /* what is live from now on has less */
        x->kept = xmemdup0(body, len);
        x->kept_len = len;
        x->kept_servers = servers;
    }
    if (x->step == NGINX_EXCLUDE_BLOCK) {
        all->places++;
        all->servers += servers;
        nginx_file_omit(f);
        return;
    }
    size_t excluded = rewrite(all, x, f);
    must(excluded <= servers);
    all->servers += excluded;
    nginx_file_close(f, servers - excluded);
}

/* ---- blame ---- */

/* The directives come first. */
static size_t count_directives(const char *body, size_t len)
{
    struct lines l = {.rest = body, .len = len};
    size_t n = 0;
    while (next(&l) && is_directive(&l)) {
        n++;
    }
    return n;
}

/* The line's number in the whole body. */
static size_t whole_line(const struct nginx_exclusion *x, size_t line, bool server)
{
    line -= server && x->padded;
    for (size_t k = 0; k < x->n_lines && x->lines[k] <= line; k++) {
        line++;
    }
    return line;
}

/* A line that is rendered is in no list yet. */
static void add_line(struct nginx_exclusion *x, size_t line)
{
    must(x->step == NGINX_EXCLUDE_LINES);
    x->lines = xreallocarray(x->lines, x->n_lines + 1, sizeof(*x->lines));
    size_t at = x->n_lines++;
    for (; at > 0 && x->lines[at - 1] > line; at--) {
        x->lines[at] = x->lines[at - 1];
    }
    must(at == 0 || x->lines[at - 1] != line);
    x->lines[at] = line;
}

static void remember_before(struct nginx_exclusions *all, const struct nginx_exclusion *x)
{
    forget_before(all);
    all->before =
        (struct nginx_exclusion_before){.name = xstrdup(x->name),
                                        .step = x->step,
                                        .lines = xcalloc(x->n_lines + 1, sizeof(*x->lines)),
                                        .n_lines = x->n_lines};
    for (size_t i = 0; i < x->n_lines; i++) {
        all->before.lines[i] = x->lines[i];
    }
}

enum nginx_exclude_step nginx_exclusions_add(struct nginx_exclusions *all,
                                             const struct nginx_file *f,
                                             const struct nginx_place *p)
{
    const struct nginx_block *b = p->block;
    const char *body = f->bytes.data + b->body;
    /* without an entry, what was rendered is the whole body */
    struct nginx_exclusion *x =
        find_or_insert(all, f->bytes.data + b->name, b->name_len, hash64(body, b->body_len));
    remember_before(all, x);
    size_t directives;
    switch (p->kind) {
    case NGINX_PLACE_SERVER:
        add_line(x, whole_line(x, p->line, true));
        break;
    case NGINX_PLACE_DIRECTIVE:
        directives = count_directives(body, b->body_len);
        for (size_t i = 0; i < directives; i++) {
            add_line(x, i);
        }
        break;
    case NGINX_PLACE_BLOCK:
        /* where nothing else is left, the placeholder is what was refused */
        set_step(x, nginx_line_is_placeholder(body, b->body_len) ? NGINX_EXCLUDE_BLOCK
                                                                 : NGINX_EXCLUDE_SERVERS);
        break;
    case NGINX_PLACE_TAKEN:
        set_step(x, NGINX_EXCLUDE_BLOCK);
        break;
    }
    return x->step;
}

bool nginx_exclusions_undo(struct nginx_exclusions *all, const char **ret)
{
    struct nginx_exclusion_before *before = &all->before;
    struct nginx_exclusion *x =
        before->name ? nginx_exclusions_find(all, before->name, strlen(before->name)) : NULL;
    if (x) {
        /* the one way back, so not by set_step() */
        x->step = before->step;
        free(x->lines);
        x->lines = before->lines;
        x->n_lines = before->n_lines;
        before->lines = NULL;
        *ret = x->name;
    }
    forget_before(all);
    return x != NULL;
}
