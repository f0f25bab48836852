/*
 * The Consul agent in memory. A service is kept as the text that the listing shows; everything is a
 * linear walk or a map, as tests hold few services.
 */
#include "lib/fake_consul.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"

#define BODY_MAX (16u * 1024 * 1024)

struct fake_consul_service {
    UT_hash_handle hh;
    char *name;
    char *text; /* as in /v1/agent/services */
    char id[];
};

struct fake_consul_check {
    UT_hash_handle hh;
    char *service_id, *name, *notes, *output;
    const char *type;
    char status[16];
    char id[];
};

/* ---- changes ---- */

static void answer_query(struct fake_exchange *x, uint64_t index, const char *body)
{
    char header[64];
    snprintf(header, sizeof(header), "X-Consul-Index: %" PRIu64 "\r\n", index);
    fake_reply_headers(x, 200, header, body);
}

static void answer_held(struct fake_exchange *const held[], size_t n, uint64_t index,
                        const char *body)
{
    for (size_t i = 0; i < n; i++) {
        if (!fake_gone(held[i])) {
            answer_query(held[i], index, body);
        }
    }
}

#define NODE_BODY   "{\"Node\":{\"Node\":\"" FAKE_CONSUL_NODE "\"},\"Services\":{}}"
#define CHECKS_BODY "[]"

/* A service has. */
static void changed(struct fake_consul *f)
{
    size_t n = f->n_held;
    f->index++;
    f->n_held = 0;
    answer_held(f->held, n, f->index, NODE_BODY);
}

/* A check has, which the index of services does not know of. */
static void check_changed(struct fake_consul *f)
{
    size_t n = f->n_held_checks;
    f->checks_index++;
    f->n_held_checks = 0;
    answer_held(f->held_checks, n, f->checks_index, CHECKS_BODY);
}

static void reset_held(struct fake_exchange *const held[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!fake_gone(held[i])) {
            fake_reset(held[i]);
        }
    }
}

void fake_consul_cut(struct fake_consul *f)
{
    reset_held(f->held, f->n_held);
    reset_held(f->held_checks, f->n_held_checks);
    f->n_held = f->n_held_checks = 0;
}

static void check_free(struct fake_consul *f, struct fake_consul_check *c)
{
    HASH_DEL(f->checks, c);
    free(c->service_id);
    free(c->name);
    free(c->notes);
    free(c->output);
    free(c);
}

static struct fake_consul_check *check_find(const struct fake_consul *f, const char *id)
{
    struct fake_consul_check *c;
    HASH_FIND_STR(f->checks, id, c);
    return c;
}

/* Of a service; those with an id in keep stay. */
static void drop_checks(struct fake_consul *f, const char *service_id, const json *keep)
{
    struct fake_consul_check *c, *tmp;
    HASH_ITER (hh, f->checks, c, tmp) {
        bool stays = !streq(c->service_id, service_id);
        for (const json *it = json_first(keep); it; it = json_next(it)) {
            stays = stays || streq(json_str(it, "CheckID", ""), c->id);
        }
        if (!stays) {
            check_free(f, c);
        }
    }
}

static const char *check_type(const json *check)
{
    static const char *const types[][2] = {{"TTL", "ttl"},     {"HTTP", "http"},
                                           {"TCP", "tcp"},     {"GRPC", "grpc"},
                                           {"Args", "script"}, {"DockerContainerID", "docker"}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (json_get(check, types[i][0])) {
            return types[i][1];
        }
    }
    fail_msg("a check of no kind");
    return NULL;
}

static void put_check(struct fake_consul *f, const char *service_id, const json *check)
{
    const char *id = json_str(check, "CheckID", "");
    struct fake_consul_check *c = check_find(f, id);
    assert_true(*id);
    if (!c) {
        size_t len = strlen(id);
        c = xcalloc(1, sizeof(*c) + len + 1);
        memcpy(c->id, id, len);
        HASH_ADD(hh, f->checks, id, len, c);
        /* only a new one takes the status of the body */
        str_copy(c->status, sizeof(c->status), json_str(check, "Status", "critical"));
    }
    free(c->service_id);
    free(c->name);
    free(c->notes);
    c->service_id = xstrdup(service_id); /* also when it was another's */
    c->name = xstrdup(json_str(check, "Name", ""));
    c->notes = xstrdup(json_str(check, "Notes", ""));
    c->type = check_type(check);
}

static void show_map(struct json_writer *w, const json *map)
{
    json_object(w);
    for (const json *it = json_first(map); it; it = json_next(it)) {
        json_field_str(w, json_name(it), json_value(it));
    }
    json_object_end(w);
}

static char *show_service(const char *id, const json *body)
{
    struct buf out = BUF_INIT(BODY_MAX);
    struct json_writer w;
    const json *weights = json_get(body, "Weights");
    json_begin(&w, &out);
    json_object(&w);
    json_field_str(&w, "ID", id);
    json_field_str(&w, "Service", json_str(body, "Name", ""));
    json_key(&w, "Tags");
    json_array(&w);
    for (const json *it = json_first(json_get(body, "Tags")); it; it = json_next(it)) {
        json_put_str(&w, json_value(it));
    }
    json_array_end(&w);
    json_key(&w, "Meta");
    show_map(&w, json_get(body, "Meta"));
    json_field_int(&w, "Port", json_int(body, "Port", 0));
    json_field_str(&w, "Address", json_str(body, "Address", ""));
    json_key(&w, "Weights");
    json_object(&w);
    json_field_int(&w, "Passing", json_int(weights, "Passing", 1));
    json_field_int(&w, "Warning", json_int(weights, "Warning", 1));
    json_object_end(&w);
    json_field_bool(&w, "EnableTagOverride", json_bool(body, "EnableTagOverride", false));
    json_object_end(&w);
    return buf_take(&out);
}

static void put_service(struct fake_consul *f, const json *body, bool replace_checks)
{
    const char *name = json_str(body, "Name", "");
    const char *id = json_str(body, "ID", name);
    struct fake_consul_service *s;
    HASH_FIND_STR(f->services, id, s);
    if (!s) {
        size_t len = strlen(id);
        s = xcalloc(1, sizeof(*s) + len + 1);
        memcpy(s->id, id, len);
        HASH_ADD(hh, f->services, id, len, s);
    }
    free(s->name);
    free(s->text);
    s->name = xstrdup(name);
    s->text = show_service(id, body);
    if (replace_checks) {
        drop_checks(f, id, json_get(body, "Checks"));
    }
    for (const json *it = json_first(json_get(body, "Checks")); it; it = json_next(it)) {
        put_check(f, id, it);
    }
    changed(f);
    if (json_get(body, "Checks")) {
        check_changed(f);
    }
}

static bool drop_service(struct fake_consul *f, const char *id)
{
    struct fake_consul_service *s;
    HASH_FIND_STR(f->services, id, s);
    if (!s) {
        return false;
    }
    size_t checks = HASH_COUNT(f->checks);
    drop_checks(f, id, NULL);
    HASH_DEL(f->services, s);
    free(s->name);
    free(s->text);
    free(s);
    changed(f);
    if (HASH_COUNT(f->checks) != checks) {
        check_changed(f);
    }
    return true;
}

/* ---- requests ---- */

/* "%3A" → ":" behind a prefix of the path, up to its query. */
static char *path_tail(const char *path, const char *prefix)
{
    struct buf out = BUF_INIT(65536);
    for (const char *p = path + strlen(prefix); *p && *p != '?'; p++) {
        unsigned c = 0;
        if (*p == '%' && sscanf(p + 1, "%2x", &c) == 1) {
            buf_putc(&out, (char)c);
            p += 2;
        } else {
            buf_putc(&out, *p);
        }
    }
    return buf_take(&out);
}

#define REGISTER   "/v1/agent/service/register"
#define DEREGISTER "/v1/agent/service/deregister/"
#define UPDATE     "/v1/agent/check/update/"
#define NAMES      "/v1/catalog/services?"
#define DROP       "/v1/agent/check/deregister/"
#define CHECKS     "/v1/agent/checks"
#define NODE       "/v1/catalog/node/"
#define HEALTH     "/v1/health/node/"
#define ANY        "/v1/health/state/any?"

/* What is wrong with a registration, in Consul's words; NULL: nothing. */
static const char *refusal(const json *body)
{
    static const char *const known[] = {"ID",   "Name",    "Tags",   "Address",          "Port",
                                        "Meta", "Weights", "Checks", "EnableTagOverride"};
    for (const json *it = json_first(body); it; it = json_next(it)) {
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            found = found || streq(json_name(it), known[i]);
        }
        if (!found) {
            return "Request decode failed: json: unknown field";
        }
    }
    return *json_str(body, "Name", "") ? NULL : "Missing service name";
}

/* 200, or the status of an error and its text. */
static int apply(struct fake_consul *f, const char *path, const char *text, const char **ret_error)
{
    CLEANUP_JSON json *body = NULL;
    struct err e = ERR_INIT;
    if (*text && json_parse(&body, text, strlen(text), &e) < 0) {
        fail_msg("body of %s: %s", path, e.msg);
    }
    if (str_starts(path, REGISTER)) {
        *ret_error = refusal(body);
        if (*ret_error) {
            return 400;
        }
        put_service(f, body, strstr(path, "replace-existing-checks=true"));
    } else if (str_starts(path, DEREGISTER)) {
        CLEANUP_FREE char *id = path_tail(path, DEREGISTER);
        if (!drop_service(f, id) && f->acl) {
            *ret_error = "Unknown service {\"x\" {}}";
            return 500;
        }
    } else if (str_starts(path, DROP)) {
        CLEANUP_FREE char *id = path_tail(path, DROP);
        struct fake_consul_check *c = check_find(f, id);
        if (!c) {
            *ret_error = "Unknown check \"x\"";
            return 500;
        }
        check_free(f, c);
        check_changed(f);
    } else {
        CLEANUP_FREE char *id = path_tail(path, UPDATE);
        struct fake_consul_check *c = check_find(f, id);
        if (!c || !streq(c->type, "ttl")) {
            *ret_error =
                f->acl ? "Unknown check \"x\"" : "CheckID \"x\" does not have associated TTL";
            return 500;
        }
        if (!streq(c->status, json_str(body, "Status", ""))) {
            str_copy(c->status, sizeof(c->status), json_str(body, "Status", ""));
            check_changed(f);
        }
        free(c->output);
        c->output = xstrdup(json_str(body, "Output", ""));
    }
    return 200;
}

void fake_consul_apply(struct fake_consul *f, struct fake_exchange *x)
{
    const char *error = NULL;
    assert_int_equal(apply(f, fake_path(x), fake_body(x), &error), 200);
}

static void show_services(const struct fake_consul *f, struct buf *out)
{
    const struct fake_consul_service *s, *tmp;
    struct json_writer w;
    const char *comma = "";
    buf_putc(out, '{');
    HASH_ITER (hh, f->services, s, tmp) {
        buf_puts(out, comma);
        json_begin(&w, out);
        json_put_str(&w, s->id);
        buf_printf(out, ":%s", s->text);
        comma = ",";
    }
    buf_putc(out, '}');
}

/* service: of this one alone; NULL: all. */
static void show_checks(const struct fake_consul *f, const char *service, struct buf *out)
{
    const struct fake_consul_check *c, *tmp;
    const struct fake_consul_service *s;
    struct json_writer w;
    json_begin(&w, out);
    json_object(&w);
    HASH_ITER (hh, f->checks, c, tmp) {
        if (service && !streq(service, c->service_id)) {
            continue;
        }
        HASH_FIND_STR(f->services, c->service_id, s);
        json_key(&w, c->id);
        json_object(&w);
        json_field_str(&w, "Node", FAKE_CONSUL_NODE);
        json_field_str(&w, "CheckID", c->id);
        json_field_str(&w, "Name", c->name);
        json_field_str(&w, "Status", c->status);
        json_field_str(&w, "Notes", c->notes);
        json_field_str(&w, "Output", c->output ? c->output : "");
        json_field_str(&w, "ServiceID", c->service_id);
        json_field_str(&w, "ServiceName", s ? s->name : "");
        json_field_str(&w, "Type", c->type);
        json_key(&w, "Definition");
        json_object(&w);
        json_object_end(&w);
        json_object_end(&w);
    }
    json_object_end(&w);
}

/* Of the checks; whichever they are, the filter leaves none. */
static void on_checks_query(struct fake_consul *f, struct fake_exchange *x)
{
    const char *path = fake_path(x), *index = strstr(path, "index=");
    assert_true(str_starts(path, HEALTH FAKE_CONSUL_NODE "?") ||
                (f->no_agent_read && str_starts(path, ANY)));
    assert_non_null(strstr(path, "filter=CheckID%20%3D%3D%20%22%22"));
    f->checks_queries++;
    if (index && strtoull(index + strlen("index="), NULL, 10) >= f->checks_index) {
        assert_non_null(strstr(path, "wait="));
        assert_true(f->n_held_checks < FAKE_CONSUL_HELD);
        f->held_checks[f->n_held_checks++] = x;
    } else {
        answer_query(x, f->checks_index, CHECKS_BODY);
    }
}

static void on_query(struct fake_consul *f, struct fake_exchange *x)
{
    const char *index = strstr(fake_path(x), "index=");
    assert_true(str_starts(fake_path(x), NODE FAKE_CONSUL_NODE "?") ||
                (f->no_agent_read && str_starts(fake_path(x), NAMES)));
    f->queries++;
    if (index && strtoull(index + strlen("index="), NULL, 10) >= f->index) {
        assert_non_null(strstr(fake_path(x), "wait="));
        assert_true(f->n_held < FAKE_CONSUL_HELD);
        f->held[f->n_held++] = x;
    } else {
        answer_query(x, f->index, NODE_BODY);
    }
}

static void on_get(struct fake_consul *f, struct fake_exchange *x, const char *path)
{
    struct buf out = BUF_INIT(BODY_MAX);
    if (streq(path, "/v1/agent/services")) {
        f->listings++;
        show_services(f, &out);
        fake_reply(x, 200, buf_str(&out));
    } else if (streq(path, CHECKS)) {
        show_checks(f, NULL, &out);
        fake_reply(x, 200, buf_str(&out));
    } else if (str_starts(path, CHECKS "?filter=ServiceID%20%3D%3D%20%22")) {
        CLEANUP_FREE char *service = path_tail(path, CHECKS "?filter=ServiceID%20%3D%3D%20%22");
        service[strcspn(service, "\"")] = '\0';
        show_checks(f, service, &out);
        fake_reply(x, 200, buf_str(&out));
    } else if (streq(path, "/v1/agent/self")) {
        f->selfs++;
        if (f->no_agent_read) {
            fake_reply(x, 403, "Permission denied");
        } else {
            fake_reply(x, 200, "{\"Config\":{\"NodeName\":\"" FAKE_CONSUL_NODE "\"}}");
        }
    } else if (str_starts(path, NODE) || str_starts(path, NAMES)) {
        on_query(f, x);
    } else if (str_starts(path, HEALTH) || str_starts(path, ANY)) {
        on_checks_query(f, x);
    } else {
        fail_msg("GET %s: the fake agent does not know it", path);
    }
    buf_deinit(&out);
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct fake_consul *f = ctx;
    const char *path = fake_path(x), *error = NULL;
    bool put = streq(fake_method(x), "PUT");
    f->registers += str_starts(path, REGISTER);
    f->deregisters += str_starts(path, DEREGISTER);
    f->updates += str_starts(path, UPDATE);
    if (f->fault && f->fault(f, x, path, f->ctx)) {
        return;
    }
    if (!put) {
        assert_string_equal(fake_method(x), "GET");
        on_get(f, x, path);
        return;
    }
    if (!str_starts(path, REGISTER) && !str_starts(path, DEREGISTER) && !str_starts(path, UPDATE) &&
        !str_starts(path, DROP)) {
        fail_msg("PUT %s: the fake agent does not know it", path);
    }
    int status = apply(f, path, fake_body(x), &error);
    fake_reply(x, status, error ? error : "");
}

/* ---- life ---- */

void fake_consul_start(struct fake_consul *f, struct io *io, fake_consul_fault fault, void *ctx)
{
    char text[128];
    struct registry_uri_env env = {.uid = 0};
    struct err e = ERR_INIT;
    *f = (struct fake_consul){.fault = fault, .ctx = ctx, .index = 100, .checks_index = 50};
    f->http = fake_http_new(io, NULL, on_request, f);
    snprintf(text, sizeof(text), "consul://%s", strstr(fake_http_url(f->http), "://") + 3);
    if (registry_uri_parse(&f->uri, text, &env, &e) < 0) {
        fail_msg("%s: %s", text, e.msg);
    }
}

static void wipe(struct fake_consul *f)
{
    struct fake_consul_service *s, *tmp;
    HASH_ITER (hh, f->services, s, tmp) {
        drop_service(f, s->id);
    }
    struct fake_consul_check *c, *next;
    HASH_ITER (hh, f->checks, c, next) {
        check_free(f, c);
    }
    f->index = 10;
    f->checks_index = 5;
}

void fake_consul_stop(struct fake_consul *f)
{
    fake_http_free(f->http);
    f->n_held = f->n_held_checks = 0;
    wipe(f);
    registry_uri_deinit(&f->uri);
}

void fake_consul_down(struct fake_consul *f, bool wiped)
{
    fake_http_down(f->http);
    f->n_held = f->n_held_checks = 0;
    if (wiped) {
        wipe(f);
    }
}

void fake_consul_up(struct fake_consul *f)
{
    fake_http_up(f->http);
}

/* ---- what others do, and what there is ---- */

void fake_consul_register(struct fake_consul *f, const char *body)
{
    const char *error = NULL;
    assert_int_equal(apply(f, REGISTER, body, &error), 200);
}

void fake_consul_deregister(struct fake_consul *f, const char *id)
{
    assert_true(drop_service(f, id));
}

void fake_consul_add_check(struct fake_consul *f, const char *check_id, const char *service_id)
{
    struct err e = ERR_INIT;
    CLEANUP_JSON json *check = NULL;
    struct buf text = BUF_INIT(4096);
    buf_printf(&text, "{\"CheckID\":\"%s\",\"TTL\":\"1h\"}", check_id);
    assert_int_equal(json_parse(&check, buf_str(&text), text.len, &e), 0);
    put_check(f, service_id, check);
    check_changed(f);
    buf_deinit(&text);
}

void fake_consul_drop_check(struct fake_consul *f, const char *check_id)
{
    struct fake_consul_check *c = check_find(f, check_id);
    assert_non_null(c);
    check_free(f, c);
    check_changed(f);
}

void fake_consul_set_status(struct fake_consul *f, const char *check_id, const char *status)
{
    struct fake_consul_check *c = check_find(f, check_id);
    assert_non_null(c);
    str_copy(c->status, sizeof(c->status), status);
    check_changed(f);
}

const char *fake_consul_output(const struct fake_consul *f, const char *check_id)
{
    const struct fake_consul_check *c = check_find(f, check_id);
    return c && c->output ? c->output : NULL;
}

size_t fake_consul_count(const struct fake_consul *f)
{
    return HASH_COUNT(f->services);
}

size_t fake_consul_check_count(const struct fake_consul *f)
{
    return HASH_COUNT(f->checks);
}

const char *fake_consul_get(const struct fake_consul *f, const char *id)
{
    struct fake_consul_service *s;
    HASH_FIND_STR(f->services, id, s);
    return s ? s->text : NULL;
}

const char *fake_consul_status(const struct fake_consul *f, const char *check_id)
{
    const struct fake_consul_check *c = check_find(f, check_id);
    return c ? c->status : NULL;
}
