/*
 * The Consul client.
 *
 * Happy path: a call carries the token (and the user of an authenticating proxy) to the one agent there
 * is, and its answer goes to the caller with X-Consul-Index.
 *
 *   call   IDLE ──start──► RUNNING ──answer, failure, cancel──► IDLE
 *            └─cannot be sent──► FAILED ──next turn──► IDLE
 *
 * Failure modes: whatever is no HTTP 200 is classified here (transport by io/http, answers by
 * consul_query.h); of an answer that is an error the caller also gets status, body and index, because
 * Consul's 404 and 500 can be what was expected.
 * A blocking query may be silent for as long as it was asked to wait, and a sixteenth, by which Consul
 * spreads the ends of many.
 * What this does not do: other agents, retries, backoff.
 */
#include "registry/consul_client.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_query.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define HEADER_MAX     16384u
#define TIMEOUT        10000u
#define SHOWN_PATH_MAX 72u
#define WAIT_SPREADS   16u /* an agent adds up to this part of the wait */

static const char *const method_names[] = {
    [HTTP_GET] = "GET",
    [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",
    [HTTP_DELETE] = "DELETE",
};

static void call_set_state(struct consul_call *call, enum consul_call_state to)
{
    static const bool allowed[3][3] = {
        [CONSUL_CALL_S_IDLE] = {[CONSUL_CALL_S_RUNNING] = true, [CONSUL_CALL_S_FAILED] = true},
        [CONSUL_CALL_S_RUNNING] = {[CONSUL_CALL_S_IDLE] = true},
        [CONSUL_CALL_S_FAILED] = {[CONSUL_CALL_S_IDLE] = true},
    };
    must(allowed[call->state][to]);
    call->state = to;
}

/* ---- life ---- */

static int check_file(const char *path, const char *what, struct err *e)
{
    if (path && access(path, R_OK) < 0) {
        return err_set(e, ERR_INVALID, -EINVAL, "Consul %s file %s: %s", what, path,
                       strerror(errno));
    }
    return 0;
}

static void wipe(struct buf *secret)
{
    if (secret->data) {
        explicit_bzero(secret->data, secret->len);
    }
    buf_deinit(secret);
}

/* Neither text is repeated in errors. */
static int make_headers(struct consul_client *c, struct err *e)
{
    const struct registry_credentials *cred = &c->uri->credentials;
    if (cred->token) {
        buf_printf(&c->token_header, "X-Consul-Token: %s", cred->token);
    }
    if (cred->user) {
        struct buf plain = BUF_INIT(HEADER_MAX);
        buf_printf(&plain, "%s:%s", cred->user, cred->password ? cred->password : "");
        buf_puts(&c->auth_header, "Authorization: Basic ");
        base64_encode(&c->auth_header, buf_str(&plain), plain.len);
        wipe(&plain);
    }
    if (buf_error(&c->token_header) || buf_error(&c->auth_header)) {
        return err_set(e, ERR_INVALID, -EINVAL, "Consul's token or password is too long: %u bytes",
                       HEADER_MAX);
    }
    if (!str_printable(buf_str(&c->token_header), c->token_header.len)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "Consul's token holds a control character; a token is one line");
    }
    return 0;
}

int consul_client_init(struct consul_client *c, struct io *io, const struct registry_uri *uri,
                       struct err *e)
{
    const struct registry_credentials *cred = &uri->credentials;
    must(uri->unix_socket || uri->n_endpoints == 1);
    if (check_file(cred->ca_file, "CA", e) < 0 ||
        check_file(cred->cert_file, "certificate", e) < 0 ||
        check_file(cred->key_file, "key", e) < 0) {
        return -EINVAL;
    }
    *c = (struct consul_client){
        .io = io,
        .uri = uri,
        .peer =
            {
                .base_url = uri->n_endpoints ? uri->endpoints[0] : NULL,
                .unix_socket = uri->unix_socket,
                .ca_file = cred->ca_file,
                .cert_file = cred->cert_file,
                .key_file = cred->key_file,
                .insecure = cred->insecure,
            },
        .token_header = BUF_INIT(HEADER_MAX),
        .auth_header = BUF_INIT(HEADER_MAX),
    };
    int r = make_headers(c, e);
    if (r < 0) {
        wipe(&c->token_header);
        wipe(&c->auth_header);
    }
    return r;
}

static void client_closed(struct io_defer *d)
{
    struct consul_client *c = container_of(d, struct consul_client, closed_defer);
    wipe(&c->token_header);
    wipe(&c->auth_header);
    c->closed(c->closed_ctx);
}

static void client_check_closed(struct consul_client *c)
{
    if (c->closing && !c->calls && !io_defer_pending(&c->closed_defer)) {
        io_defer(c->io, &c->closed_defer, client_closed);
    }
}

void consul_client_close(struct consul_client *c, void (*closed)(void *ctx), void *ctx)
{
    struct consul_call *call;
    must(!c->closing);
    c->closing = true;
    c->closed = closed;
    c->closed_ctx = ctx;
    DL_FOREACH (c->calls, call) {
        consul_call_cancel(call);
    }
    client_check_closed(c);
}

const char *consul_client_endpoint(const struct consul_client *c)
{
    return c->peer.unix_socket ? c->peer.unix_socket : c->peer.base_url;
}

/* ---- calls ---- */

static void call_end(struct consul_call *call, const struct consul_reply *reply)
{
    struct consul_client *c = call->client;
    call_set_state(call, CONSUL_CALL_S_IDLE);
    DL_DELETE(c->calls, call);
    buf_deinit(&call->what);
    call->done(call, reply); /* may start it again, or free its owner */
    client_check_closed(c);
}

static void call_failed(struct io_defer *d)
{
    struct consul_call *call = container_of(d, struct consul_call, defer);
    struct consul_reply reply = {.err = call->failed, .body = ""};
    call_end(call, &reply);
}

static void call_done(struct http_request *r, const struct http_result *res)
{
    struct consul_call *call = container_of(r, struct consul_call, http);
    const char *what = buf_str(&call->what);
    struct consul_reply reply = {.err = ERR_INIT, .body = ""};
    if (res->code < 0) {
        err_set(&reply.err, res->class, res->code, "consul %s: %s", what,
                *res->error ? res->error : strerror(-res->code));
        call_end(call, &reply);
        return;
    }
    const char *index = http_header(r, "x-consul-index");
    reply.status = res->status;
    reply.body = res->body;
    reply.len = res->body_len;
    if (!index || !str_to_u64(index, 0, UINT64_MAX, &reply.index)) {
        reply.index = 0;
    }
    if (res->status != 200) {
        (void)consul_error_from_answer(&reply.err, res->status, res->body, res->body_len);
        err_wrap(&reply.err, "consul %s at %s", what, consul_client_endpoint(call->client));
    }
    call_end(call, &reply);
}

/* The query is left out: it says how to wait, not what for. A long path would leave no room in an error
 * for what came back. */
static void describe_call(struct buf *what, const struct consul_call_spec *spec)
{
    size_t len = strcspn(spec->path, "?");
    bool cut = len > SHOWN_PATH_MAX;
    buf_init(what, HEADER_MAX);
    buf_printf(what, "%s %.*s%s", method_names[spec->method], (int)(cut ? SHOWN_PATH_MAX : len),
               spec->path, cut ? "..." : "");
}

void consul_call_start(struct consul_client *c, struct consul_call *call,
                       const struct consul_call_spec *spec)
{
    must(call->state == CONSUL_CALL_S_IDLE && call->done && !c->closing);
    call->client = c;
    call->http.done = call_done;
    describe_call(&call->what, spec);
    msec_t total =
        spec->wait + spec->wait / WAIT_SPREADS + (spec->timeout ? spec->timeout : TIMEOUT);
    struct http_spec http = {
        .method = spec->method,
        .peer = &c->peer,
        .path = spec->path,
        .body = spec->body,
        .body_len = spec->body_len,
        .total_timeout = total,
        .idle_timeout = total,
        .body_max = spec->body_max,
    };
    size_t n = 0;
    if (c->token_header.len > 0) {
        http.headers[n++] = buf_str(&c->token_header);
    }
    if (c->auth_header.len > 0) {
        http.headers[n++] = buf_str(&c->auth_header);
    }
    DL_APPEND(c->calls, call);
    err_reset(&call->failed);
    if (http_start(c->io, &call->http, &http, &call->failed) < 0) {
        err_wrap(&call->failed, "consul %s", buf_str(&call->what));
        call_set_state(call, CONSUL_CALL_S_FAILED);
        io_defer(c->io, &call->defer, call_failed);
        return;
    }
    call_set_state(call, CONSUL_CALL_S_RUNNING);
}

void consul_call_cancel(struct consul_call *call)
{
    switch (call->state) {
    case CONSUL_CALL_S_IDLE:
        break;
    case CONSUL_CALL_S_FAILED:
        err_set(&call->failed, ERR_CANCELLED, -ECANCELED, "consul %s: cancelled",
                buf_str(&call->what));
        break;
    case CONSUL_CALL_S_RUNNING:
        http_cancel(&call->http);
        break;
    }
}
