/*
 * Calls to etcd: tokens that are fetched, shared, renewed and refused; endpoints that fail; ends.
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
#include "registry/etcd_client.h"

#define CALLS 4

struct server {
    struct fake_http *http;
    unsigned authenticates, others, refused, silent;
    const char *token; /* the valid one; NULL: authentication is off */
    bool wrong_password;
    bool refuse_all; /* no token is good enough */
    unsigned hold;   /* the call with this ordinal (from 1) is not answered but kept */
    struct fake_exchange *held;
    int status; /* not 0: of every call */
};

struct probe {
    struct etcd_call call;
    unsigned dones;
    struct err err;
    struct etcd_error error;
    char body[256];
};

struct fixture {
    struct io *io;
    struct server servers[2];
    struct registry_uri uri;
    struct etcd_client client;
    struct probe probes[CALLS];
    unsigned suspects;
    bool closed;
};

static void on_request(struct fake_exchange *x, void *ctx)
{
    struct server *s = ctx;
    const char *token = fake_header(x, "Authorization");
    assert_string_equal(fake_header(x, "Grpc-Metadata-hasleader"), "true");
    if (streq(fake_path(x), "/v3/auth/authenticate")) {
        char body[128];
        s->authenticates++;
        assert_null(token); /* 3.4 refuses even this call for a bad one */
        assert_string_equal(fake_body(x), "{\"name\":\"agent\",\"password\":\"s3cret\"}");
        if (s->silent) {
            return;
        }
        if (!s->token) {
            fake_reply(x, 412,
                       "{\"error\":\"x\",\"message\":\"etcdserver: authentication is not "
                       "enabled\",\"code\":9}");
        } else if (s->wrong_password) {
            fake_reply(x, 400,
                       "{\"error\":\"x\",\"message\":\"etcdserver: authentication failed, invalid "
                       "user ID or password\",\"code\":3}");
        } else {
            snprintf(body, sizeof(body), "{\"header\":{},\"token\":\"%s\"}", s->token);
            fake_reply(x, 200, body);
        }
        return;
    }
    s->others++;
    if (s->others == s->hold) {
        s->held = x;
        return;
    }
    if (s->silent) {
        return;
    }
    if (s->status) {
        fake_reply(x, s->status, "{\"code\":14, \"message\":\"etcdserver: no leader\"}");
    } else if (s->token && !token) {
        s->refused++;
        fake_reply(x, 400, "{\"code\":3, \"message\":\"etcdserver: user name is empty\"}");
    } else if (token && (s->refuse_all || !s->token || !streq(token, s->token))) {
        s->refused++; /* 3.4 does so even with authentication off */
        fake_reply(x, 401, "{\"code\":16, \"message\":\"etcdserver: invalid auth token\"}");
    } else {
        fake_reply(x, 200, "{\"header\":{\"revision\":\"7\"}}");
    }
}

static void on_suspect(void *ctx)
{
    struct fixture *t = ctx;
    t->suspects++;
}

static void on_done(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct probe *p = container_of(call, struct probe, call);
    p->dones++;
    p->err = reply->err;
    p->error = reply->error;
    str_copy(p->body, sizeof(p->body), reply->body ? reply->body : "");
    assert_true(reply->err.class != ERR_NONE || reply->len > 0);
}

static void open_client(struct fixture *t, const char *user_at, unsigned servers)
{
    struct buf text = BUF_INIT(1024);
    struct registry_uri_env env = {.uid = 0};
    struct err e = ERR_INIT;
    buf_printf(&text, "etcd://%s", user_at);
    for (unsigned i = 0; i < servers; i++) {
        t->servers[i].http = fake_http_new(t->io, NULL, on_request, &t->servers[i]);
        buf_printf(&text, "%s%s", i ? "," : "",
                   strstr(fake_http_url(t->servers[i].http), "://") + 3);
    }
    if (registry_uri_parse(&t->uri, buf_str(&text), &env, &e) < 0 ||
        etcd_client_init(&t->client, t->io, &t->uri, on_suspect, t, &e) < 0) {
        fail_msg("%s: %s", buf_str(&text), e.msg);
    }
    buf_deinit(&text);
    for (unsigned i = 0; i < CALLS; i++) {
        t->probes[i].call.done = on_done;
    }
}

static void start(struct fixture *t, unsigned i)
{
    struct buf body = BUF_INIT(64);
    buf_puts(&body, "{}");
    etcd_call_start(&t->client, &t->probes[i].call,
                    &(struct etcd_call_spec){.path = "/v3/kv/range", .take_body = &body});
}

static void run(struct fixture *t, unsigned i)
{
    unsigned before = t->probes[i].dones;
    start(t, i);
    assert_int_equal(t->probes[i].dones, before); /* never from inside */
    loop_until(t->io, t->probes[i].dones == before + 1);
}

static void expect(const struct probe *p, enum err_class class, const char *text)
{
    if (p->err.class != class || !strstr(p->err.msg, text)) {
        fail_msg("%s \"%s\", not %s \"%s\"", err_class_name(p->err.class), p->err.msg,
                 err_class_name(class), text);
    }
}

static void on_closed(void *ctx)
{
    struct fixture *t = ctx;
    t->closed = true;
}

static int up(void **state)
{
    struct fixture *t = xcalloc(1, sizeof(*t));
    t->io = loop_open();
    *state = t;
    return 0;
}

static int down(void **state)
{
    struct fixture *t = *state;
    if (!t->closed) {
        etcd_client_close(&t->client, on_closed, t);
        assert_false(t->closed);
        loop_until(t->io, t->closed);
    }
    registry_uri_deinit(&t->uri);
    fake_http_free(t->servers[0].http);
    fake_http_free(t->servers[1].http);
    loop_close(t->io);
    free(t);
    return 0;
}

/* ---- tokens ---- */

static void token_is_shared(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    open_client(t, "agent:s3cret@", 1);
    for (unsigned i = 0; i < CALLS; i++) {
        start(t, i);
    }
    loop_until(t->io, t->probes[0].dones && t->probes[1].dones && t->probes[2].dones &&
                          t->probes[3].dones);
    for (unsigned i = 0; i < CALLS; i++) {
        expect(&t->probes[i], ERR_NONE, "");
        assert_string_equal(t->probes[i].body, "{\"header\":{\"revision\":\"7\"}}");
    }
    assert_int_equal(t->servers[0].authenticates, 1);
    assert_int_equal(t->servers[0].refused, 0);
}

/* etcd was restarted: the token means nothing any more. All calls that notice share one renewal. */
static void token_is_renewed(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    open_client(t, "agent:s3cret@", 1);
    run(t, 0);
    t->servers[0].token = "tok.2";
    for (unsigned i = 0; i < CALLS; i++) {
        start(t, i);
    }
    loop_until(t->io, t->probes[0].dones == 2 && t->probes[1].dones && t->probes[2].dones &&
                          t->probes[3].dones);
    for (unsigned i = 0; i < CALLS; i++) {
        expect(&t->probes[i], ERR_NONE, "");
    }
    assert_int_equal(t->servers[0].authenticates, 2);
    assert_int_equal(t->servers[0].refused, CALLS);
}

/* A refusal that comes late does not throw the new token away. */
static void late_refusal(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    open_client(t, "agent:s3cret@", 1);
    run(t, 0);
    t->servers[0].hold = 2;
    start(t, 1);
    loop_until(t->io, t->servers[0].held);
    t->servers[0].token = "tok.2";
    run(t, 0);
    assert_int_equal(t->servers[0].authenticates, 2);
    fake_reply(t->servers[0].held, 401,
               "{\"code\":16, \"message\":\"etcdserver: invalid auth token\"}");
    loop_until(t->io, t->probes[1].dones == 1);
    expect(&t->probes[1], ERR_NONE, "");
    assert_int_equal(t->servers[0].authenticates, 2);
}

/* One renewal for a call, not one after the other. */
static void token_is_never_good(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    t->servers[0].refuse_all = true;
    open_client(t, "agent:s3cret@", 1);
    run(t, 0);
    expect(&t->probes[0], ERR_AUTH, "invalid auth token");
    assert_int_equal(t->servers[0].others, 2);
    assert_int_equal(t->servers[0].authenticates, 2);
}

static void authentication_off(void **state)
{
    struct fixture *t = *state;
    open_client(t, "agent:s3cret@", 1);
    run(t, 0);
    expect(&t->probes[0], ERR_NONE, "");
    run(t, 0);
    assert_int_equal(t->servers[0].authenticates, 1);
    /* switched on later: "user name is empty" */
    t->servers[0].token = "tok.1";
    run(t, 0);
    expect(&t->probes[0], ERR_NONE, "");
    assert_int_equal(t->servers[0].refused, 1);
    assert_int_equal(t->servers[0].authenticates, 2);
    /* and off again, where 3.4 refuses the token it gave out */
    t->servers[0].token = NULL;
    run(t, 0);
    expect(&t->probes[0], ERR_NONE, "");
    assert_int_equal(t->servers[0].authenticates, 3);
}

static void refused_for_good(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    t->servers[0].wrong_password = true;
    open_client(t, "agent:s3cret@", 1);
    start(t, 0);
    run(t, 1);
    assert_int_equal(t->probes[0].dones, 1);
    expect(&t->probes[0], ERR_AUTH, "authenticate: ");
    expect(&t->probes[0], ERR_AUTH, "wrong user or password");
    expect(&t->probes[1], ERR_AUTH, "wrong user or password");
    assert_int_equal(t->servers[0].authenticates, 1);
    assert_int_equal(t->servers[0].others, 0);
    assert_int_equal(t->suspects, 0); /* it is the same everywhere */
    t->servers[0].wrong_password = false;
    run(t, 0);
    expect(&t->probes[0], ERR_NONE, "");
}

static void no_user(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    open_client(t, "", 1);
    run(t, 0);
    expect(&t->probes[0], ERR_AUTH, "etcd asks for a user");
    assert_int_equal(t->servers[0].others, 1);
    assert_int_equal(t->servers[0].authenticates, 0);
}

/* ---- endpoints ---- */

/* Calls that fail together are one failure: the next goes to the other endpoint, not past it. */
static void one_rotation(void **state)
{
    struct fixture *t = *state;
    t->servers[0].status = 503;
    open_client(t, "", 2);
    start(t, 0);
    start(t, 1);
    run(t, 2);
    loop_until(t->io, t->probes[0].dones && t->probes[1].dones);
    expect(&t->probes[0], ERR_TRANSIENT, "HTTP 503: etcdserver: no leader");
    expect(&t->probes[0], ERR_TRANSIENT, fake_http_url(t->servers[0].http));
    assert_int_equal(t->suspects, 1);
    assert_string_equal(etcd_client_endpoint(&t->client), fake_http_url(t->servers[1].http));
    run(t, 3);
    expect(&t->probes[3], ERR_NONE, "");
    assert_int_equal(t->servers[1].others, 1);
}

static void dead_endpoint(void **state)
{
    struct fixture *t = *state;
    open_client(t, "", 2);
    fake_http_down(t->servers[0].http);
    run(t, 0);
    expect(&t->probes[0], ERR_TRANSIENT, "refused");
    run(t, 0);
    expect(&t->probes[0], ERR_NONE, "");
}

static void silent_endpoint(void **state)
{
    struct fixture *t = *state;
    t->servers[0].silent = true;
    open_client(t, "", 2);
    msec_t before = io_now(t->io);
    run(t, 0);
    msec_t took = io_now(t->io) - before;
    expect(&t->probes[0], ERR_TRANSIENT, "");
    if (took < 1000 || took > 3000) {
        fail_msg("with several endpoints a call is given up after 1.5 s, not %u ms",
                 (unsigned)took);
    }
    run(t, 0);
    expect(&t->probes[0], ERR_NONE, "");
}

/* What would fail everywhere moves nothing. */
static void own_fault(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    t->servers[1].token = "tok.1";
    open_client(t, "", 2);
    run(t, 0);
    expect(&t->probes[0], ERR_AUTH, "");
    assert_int_equal(t->suspects, 0);
    assert_int_equal(t->client.current, 0);
}

/* ---- ends ---- */

static void cancelled(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    t->servers[0].silent = true;
    open_client(t, "agent:s3cret@", 1);
    start(t, 0); /* waits for a token */
    loop_until(t->io, t->servers[0].authenticates == 1);
    etcd_call_cancel(&t->probes[0].call);
    etcd_call_cancel(&t->probes[0].call);
    assert_int_equal(t->probes[0].dones, 0);
    loop_until(t->io, t->probes[0].dones == 1);
    assert_int_equal(t->probes[0].err.class, ERR_CANCELLED);
    assert_int_equal(t->suspects, 0);
}

static void closed_in_flight(void **state)
{
    struct fixture *t = *state;
    t->servers[0].silent = true;
    open_client(t, "", 1);
    start(t, 0);
    start(t, 1);
    loop_until(t->io, t->servers[0].others == 2);
    etcd_client_close(&t->client, on_closed, t);
    assert_false(t->closed);
    loop_until(t->io, t->closed);
    assert_int_equal(t->probes[0].dones, 1);
    assert_int_equal(t->probes[1].dones, 1);
    assert_int_equal(t->probes[1].err.class, ERR_CANCELLED);
    assert_int_equal(t->suspects, 0);
}

static void closed_idle(void **state)
{
    struct fixture *t = *state;
    open_client(t, "", 1);
}

static void closed_asking(void **state)
{
    struct fixture *t = *state;
    t->servers[0].token = "tok.1";
    t->servers[0].silent = true;
    open_client(t, "agent:s3cret@", 1);
    start(t, 0);
    loop_until(t->io, t->servers[0].authenticates == 1);
    etcd_client_close(&t->client, on_closed, t);
    loop_until(t->io, t->closed);
    assert_int_equal(t->probes[0].dones, 1);
}

static void unreadable_file(void **state)
{
    struct fixture *t = *state;
    struct err e = ERR_INIT;
    struct etcd_client other;
    open_client(t, "", 1);
    t->uri.credentials.key_file = xstrdup("/nonexistent/key.pem");
    assert_int_equal(etcd_client_init(&other, t->io, &t->uri, NULL, NULL, &e), -EINVAL);
    assert_int_equal(e.class, ERR_INVALID);
    assert_string_equal(e.msg, "etcd key file /nonexistent/key.pem: No such file or directory");
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
#define ONE(fn) cmocka_unit_test_setup_teardown(fn, up, down)
    const struct CMUnitTest tests[] = {
        ONE(token_is_shared),
        ONE(token_is_renewed),
        ONE(late_refusal),
        ONE(token_is_never_good),
        ONE(authentication_off),
        ONE(refused_for_good),
        ONE(no_user),
        ONE(one_rotation),
        ONE(dead_endpoint),
        ONE(silent_endpoint),
        ONE(own_fault),
        ONE(cancelled),
        ONE(closed_in_flight),
        ONE(closed_idle),
        ONE(closed_asking),
        ONE(unreadable_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
