/*
 * Calls to Consul: what they carry, what comes of answers that are errors, waits, cancels and ends.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"
#include "registry/consul_client.h"

#define CALLS 3

struct probe {
    struct consul_call call;
    unsigned dones;
    struct err err;
    int status;
    uint64_t index;
    char body[256];
    const struct consul_call_spec *again; /* starts it from its own end, once */
};

struct fixture {
    struct io *io;
    struct fake_http *http;
    struct registry_uri uri;
    struct consul_client client;
    bool open, closed;
    struct probe probes[CALLS];

    /* of the answer */
    int status;
    const char *headers, *body;
    bool silent;
    /* of the last request */
    char method[8], path[256], token[64], authorization[64], sent[256];
};

static void note(char *to, size_t size, const char *text)
{
    assert_true(str_copy(to, size, text ? text : "-"));
}

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct fixture *t = ctx;
    note(t->method, sizeof(t->method), fake_method(x));
    note(t->path, sizeof(t->path), fake_path(x));
    note(t->token, sizeof(t->token), fake_header(x, "X-Consul-Token"));
    note(t->authorization, sizeof(t->authorization), fake_header(x, "Authorization"));
    note(t->sent, sizeof(t->sent), fake_body(x));
    if (!t->silent) {
        fake_reply_headers(x, t->status, t->headers, t->body);
    }
}

static void on_done(struct consul_call *call, const struct consul_reply *reply)
{
    struct probe *p = container_of(call, struct probe, call);
    p->dones++;
    p->err = reply->err;
    p->status = reply->status;
    p->index = reply->index;
    assert_true(reply->len == strlen(reply->body));
    note(p->body, sizeof(p->body), reply->body);
    const struct consul_call_spec *again = take_ptr(p->again);
    if (again) {
        consul_call_start(call->client, call, again);
    }
}

static void on_closed(void *ctx)
{
    struct fixture *t = ctx;
    assert_false(t->closed);
    t->closed = true;
}

/* HOST in the text stands for the server: host and port. */
static void open_client(struct fixture *t, const char *format)
{
    struct buf text = BUF_INIT(1024);
    struct registry_uri_env env = {.uid = 0};
    struct err e = ERR_INIT;
    const char *host = strstr(fake_http_url(t->http), "://") + 3;
    const char *at = strstr(format, "HOST");
    buf_append(&text, format, (size_t)(at - format));
    buf_puts(&text, host);
    buf_puts(&text, at + strlen("HOST"));
    if (registry_uri_parse(&t->uri, buf_str(&text), &env, &e) < 0) {
        fail_msg("%s: %s", buf_str(&text), e.msg);
    }
    buf_deinit(&text);
}

static void init_client(struct fixture *t)
{
    struct err e = ERR_INIT;
    if (consul_client_init(&t->client, t->io, &t->uri, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    t->open = true;
}

static int up(void **state)
{
    struct fixture *t = xcalloc(1, sizeof(*t));
    t->io = loop_open();
    t->http = fake_http_new(t->io, NULL, on_request, t);
    t->status = 200;
    t->headers = "";
    t->body = "{}";
    for (unsigned i = 0; i < CALLS; i++) {
        t->probes[i].call.done = on_done;
    }
    *state = t;
    return 0;
}

static int down(void **state)
{
    struct fixture *t = *state;
    if (t->open) {
        consul_client_close(&t->client, on_closed, t);
        assert_false(t->closed); /* never from inside */
        loop_until(t->io, t->closed);
    }
    fake_http_free(t->http);
    registry_uri_deinit(&t->uri);
    loop_close(t->io);
    free(t);
    return 0;
}

static struct probe *call(struct fixture *t, const struct consul_call_spec *spec)
{
    struct probe *p = &t->probes[0];
    unsigned dones = p->dones;
    consul_call_start(&t->client, &p->call, spec);
    assert_int_equal(p->dones, dones); /* never from inside */
    loop_until(t->io, p->dones > dones);
    assert_int_equal(p->dones, dones + 1);
    assert_false(consul_call_running(&p->call));
    return p;
}

static struct probe *get(struct fixture *t)
{
    return call(t, &(struct consul_call_spec){.method = HTTP_GET, .path = "/v1/x?index=5"});
}

/* ---- */

static void plain(void **state)
{
    struct fixture *t = *state;
    open_client(t, "consul://HOST");
    init_client(t);
    assert_string_equal(consul_client_endpoint(&t->client), fake_http_url(t->http));
    t->headers = "X-Consul-Index: 18446744073709551615\r\n";
    t->body = "{\"a\":1}";
    struct probe *p = get(t);
    assert_int_equal(p->err.class, ERR_NONE);
    assert_int_equal(p->status, 200);
    assert_true(p->index == UINT64_MAX);
    assert_string_equal(p->body, "{\"a\":1}");
    assert_string_equal(t->method, "GET");
    assert_string_equal(t->path, "/v1/x?index=5");
    assert_string_equal(t->token, "-");
    assert_string_equal(t->authorization, "-");

    t->headers = "X-Consul-Index: many\r\n";
    p = call(t, &(struct consul_call_spec){
                    .method = HTTP_PUT, .path = "/v1/y", .body = "[1]", .body_len = 3});
    assert_true(p->index == 0);
    assert_string_equal(t->method, "PUT");
    assert_string_equal(t->sent, "[1]");
    (void)call(t, &(struct consul_call_spec){.method = HTTP_PUT, .path = "/v1/z"});
    assert_string_equal(t->method, "PUT");
    assert_string_equal(t->sent, "");
}

static void credentials(void **state)
{
    struct fixture *t = *state;
    open_client(t, "consul://Aladdin:open%20sesame@HOST");
    t->uri.credentials.token = xstrdup("s3cr-et");
    init_client(t);
    (void)get(t);
    assert_string_equal(t->token, "s3cr-et");
    assert_string_equal(t->authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

static void bad_settings(void **state)
{
    struct fixture *t = *state;
    struct err e = ERR_INIT;
    open_client(t, "consul://HOST");
    t->uri.credentials.token = xstrdup("s3cret\r\nX-Other: y");
    assert_int_equal(consul_client_init(&t->client, t->io, &t->uri, &e), -EINVAL);
    assert_int_equal(e.class, ERR_INVALID);
    assert_null(strstr(e.msg, "s3cret"));
    free(t->uri.credentials.token);
    t->uri.credentials.token = xmalloc(20001);
    memset(t->uri.credentials.token, 't', 20000);
    t->uri.credentials.token[20000] = '\0';
    assert_int_equal(consul_client_init(&t->client, t->io, &t->uri, &e), -EINVAL);
    assert_null(strstr(e.msg, "ttt"));
    free(take_ptr(t->uri.credentials.token));
    t->uri.credentials.ca_file = xstrdup("/nonexistent/ca.pem");
    assert_int_equal(consul_client_init(&t->client, t->io, &t->uri, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "CA file /nonexistent/ca.pem"));
}

static void answers_that_are_errors(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_class class;
    } cases[] = {
        {403, "Permission denied: Missing service:write on web", ERR_AUTH},
        {403, "ACL not found", ERR_AUTH},
        {400, "Invalid check", ERR_INVALID},
        {404, "unknown service ID: x", ERR_INVALID},
        {409, "{\"Errors\":[]}", ERR_CONFLICT},
        {429, "slow down", ERR_THROTTLED},
        {500, "No cluster leader", ERR_TRANSIENT},
        {503, "", ERR_TRANSIENT},
    };
    struct fixture *t = *state;
    open_client(t, "consul://HOST");
    init_client(t);
    t->headers = "X-Consul-Index: 7\r\n";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char status[16];
        t->status = cases[i].status;
        t->body = cases[i].body;
        struct probe *p = get(t);
        snprintf(status, sizeof(status), "HTTP %d", cases[i].status);
        if (p->err.class != cases[i].class || !strstr(p->err.msg, status) ||
            !strstr(p->err.msg, "GET /v1/x at http://")) {
            fail_msg("%d %s: %s: %s", cases[i].status, cases[i].body, err_class_name(p->err.class),
                     p->err.msg);
        }
        assert_int_equal(p->status, cases[i].status);
        assert_string_equal(p->body, cases[i].body); /* a 404 or 500 may be what was expected */
        assert_true(p->index == 7);
    }
}

/* A key of KV may be as long as an error: what came back must still be in it. */
static void long_path(void **state)
{
    struct fixture *t = *state;
    char path[256] = "/v1/kv/";
    open_client(t, "consul://HOST");
    init_client(t);
    memset(path + strlen(path), 'k', 240);
    t->status = 403;
    t->body = "Permission denied";
    struct probe *p = call(t, &(struct consul_call_spec){.method = HTTP_GET, .path = path});
    assert_non_null(strstr(p->err.msg, "GET /v1/kv/kkkk"));
    assert_non_null(strstr(p->err.msg, "... at http://"));
    assert_non_null(strstr(p->err.msg, "Permission denied"));
}

static void nobody_there(void **state)
{
    struct fixture *t = *state;
    open_client(t, "consul://HOST");
    init_client(t);
    fake_http_down(t->http);
    struct probe *p = get(t);
    assert_int_equal(p->err.class, ERR_TRANSIENT);
    assert_int_equal(p->err.code, -ECONNREFUSED);
    assert_int_equal(p->status, 0);
    assert_string_equal(p->body, "");
    assert_non_null(strstr(p->err.msg, "consul GET /v1/x: connect to 127.0.0.1:"));
    fake_http_up(t->http);
    assert_int_equal(get(t)->err.class, ERR_NONE);
}

static void too_long_an_answer(void **state)
{
    struct fixture *t = *state;
    open_client(t, "consul://HOST");
    init_client(t);
    t->body = "12345678";
    struct probe *p =
        call(t, &(struct consul_call_spec){.method = HTTP_GET, .path = "/v1/x", .body_max = 7});
    assert_int_equal(p->err.code, -EMSGSIZE);
    assert_int_equal(p->status, 0);
}

static void waits_as_long_as_it_was_asked_to(void **state)
{
    struct fixture *t = *state;
    open_client(t, "consul://HOST");
    init_client(t);
    t->silent = true;
    msec_t since = io_now(t->io);
    struct probe *p =
        call(t, &(struct consul_call_spec){.method = HTTP_GET, .path = "/v1/x", .timeout = 100});
    assert_int_equal(p->err.code, -ETIMEDOUT);
    assert_in_range(io_now(t->io) - since, 90, 1500);
    since = io_now(t->io);
    p = call(t, &(struct consul_call_spec){
                    .method = HTTP_GET, .path = "/v1/x", .wait = 1600, .timeout = 100});
    assert_int_equal(p->err.code, -ETIMEDOUT);
    assert_in_range(io_now(t->io) - since, 1600 + 100 + 90, 4000);
}

static void unix_socket(void **state)
{
    struct fixture *t = *state;
    char *dir = loop_mkdir();
    struct buf path = BUF_INIT(512);
    buf_printf(&path, "%s/consul.sock", dir);
    struct fake_http *http = fake_http_new(t->io, buf_str(&path), on_request, t);
    t->uri = (struct registry_uri){.scheme = REGISTRY_CONSUL, .unix_socket = buf_take(&path)};
    init_client(t);
    assert_non_null(strstr(consul_client_endpoint(&t->client), "/consul.sock"));
    assert_int_equal(get(t)->err.class, ERR_NONE);
    t->status = 500;
    struct probe *p = get(t);
    assert_non_null(strstr(p->err.msg, "/consul.sock: HTTP 500"));
    fake_http_free(http);
    consul_client_close(&t->client, on_closed, t);
    loop_until(t->io, t->closed);
    t->open = false;
    loop_rmdir(dir);
}

static void cannot_be_sent(void **state)
{
    struct fixture *t = *state;
    char path[200];
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    t->uri = (struct registry_uri){.scheme = REGISTRY_CONSUL, .unix_socket = xstrdup(path)};
    init_client(t);
    struct probe *p = get(t);
    assert_int_equal(p->err.class, ERR_INVALID);
    assert_int_equal(p->status, 0);
    assert_non_null(strstr(p->err.msg, "consul GET /v1/x: unix socket"));

    unsigned dones = p->dones;
    consul_call_start(&t->client, &p->call,
                      &(struct consul_call_spec){.method = HTTP_GET, .path = "/v1/x"});
    consul_call_cancel(&p->call); /* that wins */
    loop_until(t->io, p->dones == dones + 1);
    assert_int_equal(p->err.class, ERR_CANCELLED);
}

static void cancels(void **state)
{
    struct fixture *t = *state;
    struct probe *p = &t->probes[0];
    open_client(t, "consul://HOST");
    init_client(t);
    consul_call_cancel(&p->call); /* idle is fine */
    t->silent = true;
    consul_call_start(&t->client, &p->call,
                      &(struct consul_call_spec){.method = HTTP_GET, .path = "/v1/x"});
    loop_until(t->io, fake_http_busy(t->http) == 1);
    consul_call_cancel(&p->call);
    assert_int_equal(p->dones, 0);
    loop_until(t->io, p->dones == 1);
    assert_int_equal(p->err.class, ERR_CANCELLED);
    assert_int_equal(p->status, 0);
}

static void starts_again_from_its_end(void **state)
{
    struct fixture *t = *state;
    struct probe *p = &t->probes[0];
    struct consul_call_spec again = {.method = HTTP_GET, .path = "/v1/second"};
    open_client(t, "consul://HOST");
    init_client(t);
    p->again = &again;
    consul_call_start(&t->client, &p->call,
                      &(struct consul_call_spec){.method = HTTP_GET, .path = "/v1/first"});
    loop_until(t->io, p->dones == 2);
    assert_string_equal(t->path, "/v1/second");
    assert_int_equal(p->err.class, ERR_NONE);
}

static void close_ends_all(void **state)
{
    struct fixture *t = *state;
    open_client(t, "consul://HOST");
    init_client(t);
    t->silent = true;
    for (unsigned i = 0; i < CALLS; i++) {
        consul_call_start(&t->client, &t->probes[i].call,
                          &(struct consul_call_spec){.method = HTTP_GET, .path = "/v1/x"});
    }
    loop_until(t->io, fake_http_busy(t->http) == CALLS);
    consul_client_close(&t->client, on_closed, t);
    assert_false(t->closed);
    loop_until(t->io, t->closed);
    t->open = false;
    for (unsigned i = 0; i < CALLS; i++) {
        assert_int_equal(t->probes[i].dones, 1); /* before it was told */
        assert_int_equal(t->probes[i].err.class, ERR_CANCELLED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain, up, down),
        cmocka_unit_test_setup_teardown(credentials, up, down),
        cmocka_unit_test_setup_teardown(bad_settings, up, down),
        cmocka_unit_test_setup_teardown(answers_that_are_errors, up, down),
        cmocka_unit_test_setup_teardown(long_path, up, down),
        cmocka_unit_test_setup_teardown(nobody_there, up, down),
        cmocka_unit_test_setup_teardown(too_long_an_answer, up, down),
        cmocka_unit_test_setup_teardown(waits_as_long_as_it_was_asked_to, up, down),
        cmocka_unit_test_setup_teardown(unix_socket, up, down),
        cmocka_unit_test_setup_teardown(cannot_be_sent, up, down),
        cmocka_unit_test_setup_teardown(cancels, up, down),
        cmocka_unit_test_setup_teardown(starts_again_from_its_end, up, down),
        cmocka_unit_test_setup_teardown(close_ends_all, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
