/*
 * A blocking query is an exchange that is kept with its name and index, and answered once the name's
 * index is larger.
 */
#include "lib/fake_catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#define BODY_MAX (4u * 1024 * 1024)

struct fake_catalog_item {
    char name[64], id[64], node[32], address[64], status[16];
    uint16_t port;
    char *raw;
    struct fake_catalog_item *next, *prev;
};

struct fake_catalog_name {
    char name[64];
    uint64_t index;
    unsigned asked;
    struct fake_catalog_name *next, *prev;
};

struct fake_catalog_held {
    struct fake_exchange *x;
    struct fake_catalog_name *name; /* NULL: the catalog, or the state */
    bool state;
    uint64_t index;
    struct fake_catalog_held *next, *prev;
};

static struct fake_catalog_name *name_of(struct fake_catalog *f, const char *name)
{
    struct fake_catalog_name *n;
    DL_FOREACH (f->names, n) {
        if (streq(n->name, name)) {
            return n;
        }
    }
    n = xcalloc(1, sizeof(*n));
    str_copy(n->name, sizeof(n->name), name);
    n->index = f->index;
    DL_APPEND(f->names, n);
    return n;
}

static struct fake_catalog_item *item_of(struct fake_catalog *f, const char *name, const char *id)
{
    struct fake_catalog_item *item;
    DL_FOREACH (f->items, item) {
        if (streq(item->name, name) && streq(item->id, id)) {
            return item;
        }
    }
    return NULL;
}

static bool readable(const struct fake_catalog *f, const char *name)
{
    return !f->readable || str_glob(f->readable, name);
}

/* ---- answers ---- */

static void catalog_body(const struct fake_catalog *f, struct buf *out)
{
    const struct fake_catalog_item *item;
    const char *comma = "";
    buf_putc(out, '{');
    if (readable(f, "consul")) {
        buf_puts(out, "\"consul\":[]");
        comma = ",";
    }
    struct fake_catalog_name *n;
    DL_FOREACH (f->names, n) {
        DL_FOREACH (f->items, item) {
            if (streq(item->name, n->name) && readable(f, n->name)) {
                buf_printf(out, "%s\"%s\":[\"a\"]", comma, n->name);
                comma = ",";
                break;
            }
        }
    }
    buf_putc(out, '}');
}

static void health_body(const struct fake_catalog *f, const char *name, struct buf *out)
{
    const struct fake_catalog_item *item;
    const char *comma = "";
    buf_putc(out, '[');
    DL_FOREACH (f->items, item) {
        if (strcasecmp(item->name, name) != 0 || f->no_nodes || !readable(f, item->name)) {
            continue;
        }
        buf_puts(out, comma);
        comma = ",";
        if (item->raw) {
            buf_puts(out, item->raw);
            continue;
        }
        buf_printf(
            out,
            "{\"Node\":{\"Node\":\"%s\",\"Address\":\"10.9.9.9\",\"Datacenter\":\"dc1\"},"
            "\"Service\":{\"ID\":\"%s\",\"Service\":\"%s\",\"Tags\":[\"a\"],\"Address\":\"%s\","
            "\"Port\":%u,\"Meta\":{},\"Weights\":{\"Passing\":1,\"Warning\":1}},"
            "\"Checks\":[{\"CheckID\":\"serfHealth\",\"Status\":\"passing\"},"
            "{\"CheckID\":\"service:%s\",\"Status\":\"%s\",\"ServiceID\":\"%s\"}]}",
            item->node, item->id, item->name, item->address, (unsigned)item->port, item->id,
            item->status, item->id);
    }
    buf_putc(out, ']');
}

static void answer_at(struct fake_catalog *f, struct fake_exchange *x,
                      const struct fake_catalog_name *name, bool state, uint64_t index)
{
    struct buf body = BUF_INIT(BODY_MAX);
    char headers[64];
    if (name) {
        health_body(f, name->name, &body);
    } else if (state) {
        buf_puts(&body, "[]");
    } else {
        catalog_body(f, &body);
    }
    snprintf(headers, sizeof(headers), "X-Consul-Index: %llu\r\n", (unsigned long long)index);
    fake_reply_headers(x, 200, headers, buf_str(&body));
    buf_deinit(&body);
}

static uint64_t index_of(const struct fake_catalog *f, const struct fake_catalog_name *name,
                         bool state)
{
    return name ? name->index : state ? f->state_index : f->catalog_index;
}

enum wake { WAKE_CHANGED, WAKE_OLD, WAKE_ALL, WAKE_RESTORED };

/* Answers what waits for something that has changed, or has an index that is too high, or all. */
static void wake(struct fake_catalog *f, enum wake which)
{
    struct fake_catalog_held *h, *tmp;
    DL_FOREACH_SAFE (f->held, h, tmp) {
        uint64_t index = index_of(f, h->name, h->state);
        bool changed = index > h->index && (h->name || h->state || !f->catalog_late);
        bool old = which == WAKE_OLD && index < h->index;
        bool all = which == WAKE_ALL || which == WAKE_RESTORED;
        bool gone = fake_gone(h->x);
        if (changed || old || all || gone) {
            if (!gone) {
                answer_at(f, h->x, h->name, h->state, which == WAKE_RESTORED ? h->index : index);
            }
            f->n_dropped += gone;
            f->n_held -= !h->state;
            DL_DELETE(f->held, h);
            free(h);
        }
    }
}

/* ---- requests ---- */

static bool is_state(const char *path)
{
    return str_starts(path, "/v1/health/state/any?filter=CheckID%20%3D%3D%20%22%22");
}

static struct fake_catalog_name *requested(struct fake_catalog *f, const char *path)
{
    static const char prefix[] = "/v1/health/service/";
    char name[64];
    if (str_starts(path, "/v1/catalog/services") || is_state(path)) {
        return NULL;
    }
    if (!str_starts(path, prefix)) {
        fail_msg("a request that no reader makes: %s", path);
    }
    path += strlen(prefix);
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(path, "?"), path);
    return name_of(f, name);
}

static uint64_t requested_index(const char *path)
{
    const char *at = strstr(path, "index=");
    return at ? strtoull(at + strlen("index="), NULL, 10) : 0;
}

void fake_catalog_answer(struct fake_catalog *f, struct fake_exchange *x)
{
    struct fake_catalog_name *name = requested(f, fake_path(x));
    uint64_t index = requested_index(fake_path(x));
    bool state = is_state(fake_path(x));
    if (index == 0 || index < index_of(f, name, state)) {
        answer_at(f, x, name, state, index_of(f, name, state));
        return;
    }
    assert_non_null(strstr(fake_path(x), "wait="));
    wake(f, WAKE_CHANGED); /* drops those whose connections are gone */
    struct fake_catalog_held *h = xcalloc(1, sizeof(*h));
    *h = (struct fake_catalog_held){.x = x, .name = name, .state = state, .index = index};
    DL_APPEND(f->held, h);
    f->n_held += !state;
    f->held_most = f->n_held > f->held_most ? f->n_held : f->held_most;
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct fake_catalog *f = ctx;
    struct fake_catalog_name *name = requested(f, fake_path(x));
    const char *about = name ? name->name : NULL;
    bool held = requested_index(fake_path(x)) > 0;
    assert_string_equal(fake_method(x), "GET");
    if (name) {
        name->asked++;
        f->asks += !held;
    } else if (is_state(fake_path(x))) {
        f->states++;
        about = FAKE_CATALOG_STATE;
    } else {
        f->catalogs++;
        f->fresh_catalogs += !held;
    }
    if (!f->fault || !f->fault(f, x, about, held, f->ctx)) {
        fake_catalog_answer(f, x);
    }
}

/* ---- life ---- */

void fake_catalog_start(struct fake_catalog *f, struct io *io, fake_catalog_fault fault, void *ctx)
{
    *f = (struct fake_catalog){
        .fault = fault, .ctx = ctx, .index = 100, .catalog_index = 100, .state_index = 100};
    f->http = fake_http_new(io, NULL, on_request, f);
    char text[96];
    struct err e = ERR_INIT;
    snprintf(text, sizeof(text), "consul://%s", fake_http_url(f->http) + strlen("http://"));
    if (registry_uri_parse(&f->uri, text, &(struct registry_uri_env){0}, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static void drop_items(struct fake_catalog *f)
{
    struct fake_catalog_item *item, *tmp;
    DL_FOREACH_SAFE (f->items, item, tmp) {
        DL_DELETE(f->items, item);
        free(item->raw);
        free(item);
    }
}

void fake_catalog_stop(struct fake_catalog *f)
{
    struct fake_catalog_name *n, *n_tmp;
    struct fake_catalog_held *h, *h_tmp;
    fake_http_free(f->http);
    drop_items(f);
    DL_FOREACH_SAFE (f->names, n, n_tmp) {
        free(n);
    }
    DL_FOREACH_SAFE (f->held, h, h_tmp) {
        free(h);
    }
    registry_uri_deinit(&f->uri);
}

/* ---- what happens ---- */

static void changed(struct fake_catalog *f, const char *name, bool registration)
{
    struct fake_catalog_name *n = name_of(f, name);
    n->index = f->state_index = ++f->index;
    if (registration) {
        f->catalog_index = f->index;
    }
    wake(f, WAKE_CHANGED);
}

static struct fake_catalog_item *put(struct fake_catalog *f, const char *name, const char *id)
{
    struct fake_catalog_item *item = item_of(f, name, id);
    if (!item) {
        item = xcalloc(1, sizeof(*item));
        str_copy(item->name, sizeof(item->name), name);
        str_copy(item->id, sizeof(item->id), id);
        DL_APPEND(f->items, item);
    }
    free(take_ptr(item->raw));
    return item;
}

void fake_catalog_put(struct fake_catalog *f, const char *name, const char *id, const char *node,
                      const char *address, uint16_t port, const char *status)
{
    struct fake_catalog_item *item = put(f, name, id);
    str_copy(item->node, sizeof(item->node), node);
    str_copy(item->address, sizeof(item->address), address);
    str_copy(item->status, sizeof(item->status), status);
    item->port = port;
    changed(f, name, true);
}

void fake_catalog_put_raw(struct fake_catalog *f, const char *name, const char *id,
                          const char *element)
{
    put(f, name, id)->raw = xstrdup(element);
    changed(f, name, true);
}

void fake_catalog_remove(struct fake_catalog *f, const char *name, const char *id)
{
    struct fake_catalog_item *item = item_of(f, name, id);
    assert_non_null(item);
    DL_DELETE(f->items, item);
    free(item->raw);
    free(item);
    changed(f, name, true);
}

void fake_catalog_status(struct fake_catalog *f, const char *name, const char *id,
                         const char *status)
{
    struct fake_catalog_item *item = item_of(f, name, id);
    assert_non_null(item);
    str_copy(item->status, sizeof(item->status), status);
    changed(f, name, false);
}

void fake_catalog_wipe(struct fake_catalog *f)
{
    struct fake_catalog_name *n;
    drop_items(f);
    f->index = f->catalog_index = f->state_index = 10 + 100 * f->wipes++;
    DL_FOREACH (f->names, n) {
        n->index = f->index;
    }
}

void fake_catalog_wait_over(struct fake_catalog *f)
{
    wake(f, WAKE_ALL);
}

void fake_catalog_restore(struct fake_catalog *f)
{
    wake(f, WAKE_RESTORED);
    fake_catalog_wipe(f);
}

void fake_catalog_wait_over_old(struct fake_catalog *f)
{
    wake(f, WAKE_OLD);
}

unsigned fake_catalog_asked(const struct fake_catalog *f, const char *name)
{
    const struct fake_catalog_name *n;
    DL_FOREACH (f->names, n) {
        if (streq(n->name, name)) {
            return n->asked;
        }
    }
    return 0;
}

bool fake_catalog_holds(const struct fake_catalog *f, const char *name)
{
    const struct fake_catalog_held *h;
    bool state = name && streq(name, FAKE_CATALOG_STATE);
    DL_FOREACH (f->held, h) {
        bool is =
            name && !state ? h->name && streq(h->name->name, name) : !h->name && h->state == state;
        if (is && !fake_gone(h->x)) {
            return true;
        }
    }
    return false;
}
