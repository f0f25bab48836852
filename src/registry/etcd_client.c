/*
 * The etcd client.
 *
 * Happy path: a call goes to the current endpoint and its answer to the caller. With a user, the first
 * call waits until a token was fetched, and all requests carry it.
 *
 *   call   IDLE ──start──► RUNNING ──answer──► IDLE
 *            │                │ ▲ refused for want of a valid token (once)
 *            │                ▼ │
 *            ├─no token yet─► WAITING ──no token to be had, cancel──► FAILED ──next turn──► IDLE
 *            └─cannot be sent─────────────────────────────────────────►┘
 *
 *   token  NONE ──a call needs one──► ASKING ──► HELD | OFF (etcd wants none) | NONE (failed)
 *          HELD, OFF ──a call was refused for it──► NONE
 *
 * Failure: transport errors, 5xx and nonsense move the current endpoint on, unless it has moved since
 * the call was sent: many calls that fail together are one failure. Authentication failures stay, as
 * they are the same everywhere. A request for a token never carries the old one, which etcd 3.4 would
 * refuse.
 * It keeps no backoff: repeating is the business of who calls.
 */
#include "registry/etcd_client.h"

#include "base/alloc.h"
#include "base/must.h"
#include "registry/etcd_request.h"
#include "registry/etcd_response.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define TIMEOUT_ONE     3000u
#define TIMEOUT_SEVERAL 1500u
#define TOKEN_MAX       8192u
#define ERROR_BODY_MAX  65536u

static const char leader_header[] = "Grpc-Metadata-hasleader: true";

static void call_send(struct etcd_call *call);
static void auth_ask(struct etcd_client *c);

static void call_set_state(struct etcd_call *call, enum etcd_call_state to)
{
    static const bool allowed[4][4] = {
        [ETCD_CALL_S_IDLE] = {[ETCD_CALL_S_WAITING] = true,
                              [ETCD_CALL_S_RUNNING] = true,
                              [ETCD_CALL_S_FAILED] = true},
        [ETCD_CALL_S_WAITING] = {[ETCD_CALL_S_RUNNING] = true, [ETCD_CALL_S_FAILED] = true},
        [ETCD_CALL_S_RUNNING] = {[ETCD_CALL_S_IDLE] = true,
                                 [ETCD_CALL_S_WAITING] = true,
                                 [ETCD_CALL_S_RUNNING] = true, /* repeated with another token */
                                 [ETCD_CALL_S_FAILED] = true},
        [ETCD_CALL_S_FAILED] = {[ETCD_CALL_S_IDLE] = true},
    };
    must(allowed[call->state][to]);
    call->state = to;
}

static void auth_set_state(struct etcd_client *c, enum etcd_auth_state to)
{
    static const bool allowed[4][4] = {
        [ETCD_AUTH_S_NONE] = {[ETCD_AUTH_S_ASKING] = true},
        [ETCD_AUTH_S_ASKING] =
            {[ETCD_AUTH_S_NONE] = true, [ETCD_AUTH_S_HELD] = true, [ETCD_AUTH_S_OFF] = true},
        [ETCD_AUTH_S_HELD] = {[ETCD_AUTH_S_NONE] = true},
        [ETCD_AUTH_S_OFF] = {[ETCD_AUTH_S_NONE] = true},
    };
    must(allowed[c->auth][to]);
    c->auth = to;
}

/* ---- life ---- */

static int check_file(const char *path, const char *what, struct err *e)
{
    if (path && access(path, R_OK) < 0) {
        return err_set(e, ERR_INVALID, -EINVAL, "etcd %s file %s: %s", what, path, strerror(errno));
    }
    return 0;
}

int etcd_client_init(struct etcd_client *c, struct io *io, const struct registry_uri *uri,
                     void (*suspect)(void *ctx), void *ctx, struct err *e)
{
    const struct registry_credentials *cred = &uri->credentials;
    must((uri->scheme == REGISTRY_ETCD || uri->scheme == REGISTRY_SKYDNS) && uri->n_endpoints > 0);
    if (check_file(cred->ca_file, "CA", e) < 0 ||
        check_file(cred->cert_file, "certificate", e) < 0 ||
        check_file(cred->key_file, "key", e) < 0) {
        return -EINVAL;
    }
    *c = (struct etcd_client){.io = io, .uri = uri, .suspect = suspect, .ctx = ctx};
    buf_init(&c->auth_header, TOKEN_MAX);
    c->n_peers = uri->n_endpoints;
    c->peers = xcalloc(c->n_peers, sizeof(*c->peers));
    for (size_t i = 0; i < c->n_peers; i++) {
        c->peers[i] = (struct http_peer){
            .base_url = uri->endpoints[i],
            .ca_file = cred->ca_file,
            .cert_file = cred->cert_file,
            .key_file = cred->key_file,
        };
    }
    return 0;
}

static void client_closed(struct io_defer *d)
{
    struct etcd_client *c = container_of(d, struct etcd_client, closed_defer);
    if (c->auth_header.data) {
        explicit_bzero(c->auth_header.data, c->auth_header.len);
    }
    buf_deinit(&c->auth_header);
    free(take_ptr(c->peers));
    c->closed(c->closed_ctx);
}

static void client_check_closed(struct etcd_client *c)
{
    if (c->closing && !c->calls && !http_running(&c->auth_http) &&
        !io_defer_pending(&c->closed_defer)) {
        io_defer(c->io, &c->closed_defer, client_closed);
    }
}

void etcd_client_close(struct etcd_client *c, void (*closed)(void *ctx), void *ctx)
{
    must(!c->closing);
    c->closing = true;
    c->closed = closed;
    c->closed_ctx = ctx;
    http_cancel(&c->auth_http);
    struct etcd_call *call;
    DL_FOREACH (c->calls, call) {
        etcd_call_cancel(call);
    }
    client_check_closed(c);
}

const char *etcd_client_endpoint(const struct etcd_client *c)
{
    return c->peers[c->current].base_url;
}

msec_t etcd_client_timeout(const struct etcd_client *c)
{
    return c->n_peers > 1 ? TIMEOUT_SEVERAL : TIMEOUT_ONE;
}

/* Moves on from an endpoint that failed; true when somebody should hear about it. */
static bool client_rotate(struct etcd_client *c, size_t peer)
{
    if (peer != c->current || c->closing) {
        return false;
    }
    c->current = (c->current + 1) % c->n_peers;
    c->rotations++;
    return c->suspect != NULL;
}

void etcd_call_distrust(const struct etcd_call *call)
{
    if (client_rotate(call->client, call->peer)) {
        call->client->suspect(call->client->ctx);
    }
}

bool etcd_call_outdated(const struct etcd_call *call)
{
    return call->state == ETCD_CALL_S_RUNNING && call->rotations != call->client->rotations;
}

/* What an ended transfer means; true when another endpoint may do better. */
static bool reply_from_result(struct etcd_reply *reply, const struct http_peer *peer,
                              const struct http_result *res, const char *body, size_t len)
{
    if (res->code < 0) {
        bool told = *res->error; /* it names the address */
        err_set(&reply->err, res->class, res->code, "etcd %s%s%s", told ? "" : peer->base_url,
                told ? "" : ": ", told ? res->error : strerror(-res->code));
        return res->code != -ECANCELED && res->code != -EMSGSIZE;
    }
    if (res->status == 200) {
        reply->body = body;
        reply->len = len;
        return false;
    }
    etcd_error_from_answer(&reply->err, res->status, body, len, &reply->error);
    err_wrap(&reply->err, "etcd %s", peer->base_url);
    return reply->err.class == ERR_TRANSIENT || reply->err.class == ERR_BUG;
}

/* ---- calls ---- */

static void call_end(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct etcd_client *c = call->client;
    call_set_state(call, ETCD_CALL_S_IDLE);
    DL_DELETE(c->calls, call);
    buf_deinit(&call->body);
    /* the owner may start it again from inside done, so everything of this run is given up first */
    struct buf error_body = call->error_body;
    call->error_body = (struct buf)BUF_INIT(ERROR_BODY_MAX);
    call->done(call, reply);
    buf_deinit(&error_body);
    client_check_closed(c);
}

static void call_failed(struct io_defer *d)
{
    struct etcd_call *call = container_of(d, struct etcd_call, defer);
    struct etcd_reply reply = {.err = call->failed, .body = ""};
    call_end(call, &reply);
}

static void call_fail(struct etcd_call *call, const struct err *why)
{
    call->failed = *why;
    call_set_state(call, ETCD_CALL_S_FAILED);
    io_defer(call->client->io, &call->defer, call_failed);
}

/* Sends it with the token there is, or parks it until there is one. */
static void call_dispatch(struct etcd_call *call)
{
    struct etcd_client *c = call->client;
    bool want_token =
        c->uri->credentials.user && (c->auth == ETCD_AUTH_S_NONE || c->auth == ETCD_AUTH_S_ASKING);
    if (!want_token) {
        call_send(call);
        return;
    }
    call_set_state(call, ETCD_CALL_S_WAITING);
    if (c->auth == ETCD_AUTH_S_NONE) {
        auth_ask(c);
    }
}

/* True when the call goes on with another token. */
static bool call_renew_token(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct etcd_client *c = call->client;
    if (!reply->error.no_token || call->again || !c->uri->credentials.user || c->closing) {
        return false;
    }
    if (call->auth_epoch == c->auth_epoch) {
        etcd_client_drop_token(c); /* nobody else noticed before */
    }
    call->again = true;
    call_dispatch(call);
    return true;
}

static void call_done(struct http_request *r, const struct http_result *res)
{
    struct etcd_call *call = container_of(r, struct etcd_call, http);
    struct etcd_client *c = call->client;
    struct etcd_reply reply = {.err = ERR_INIT, .body = ""};
    const char *body = call->data ? buf_str(&call->error_body) : res->body;
    size_t len = call->data ? call->error_body.len : res->body_len;
    size_t peer = call->peer;
    bool rotate = reply_from_result(&reply, &c->peers[peer], res, body, len);
    if (call_renew_token(call, &reply)) {
        return;
    }
    /* before the owner starts the next call, which is to go elsewhere; but told after the end, when
     * the owner knows the outcome of this one */
    bool tell = rotate && client_rotate(c, peer);
    call_end(call, &reply);
    if (tell && !c->closing) {
        c->suspect(c->ctx);
    }
}

static void call_head(struct http_request *r, int status)
{
    struct etcd_call *call = container_of(r, struct etcd_call, http);
    call->status = status;
}

static int call_data(struct http_request *r, const char *p, size_t len)
{
    struct etcd_call *call = container_of(r, struct etcd_call, http);
    if (call->status == 200) {
        return call->data(call, p, len);
    }
    buf_append(&call->error_body, p, len);
    return 0;
}

static void call_send(struct etcd_call *call)
{
    struct etcd_client *c = call->client;
    call->peer = c->current;
    call->rotations = c->rotations;
    call->auth_epoch = c->auth_epoch;
    call->status = 0;
    call->http.done = call_done;
    call->http.data = call->data ? call_data : NULL;
    call->http.head = call->data ? call_head : NULL;
    buf_reset(&call->error_body);
    msec_t limit = etcd_client_timeout(c);
    struct http_spec spec = {
        .method = HTTP_POST,
        .peer = &c->peers[call->peer],
        .path = call->path,
        .body = buf_str(&call->body),
        .body_len = call->body.len,
        .headers = {leader_header, c->auth == ETCD_AUTH_S_HELD ? buf_str(&c->auth_header) : NULL},
        .connect_timeout = limit,
        .total_timeout = call->data ? 0 : (call->timeout ? call->timeout : limit),
        .stream = call->data != NULL,
        .body_max = call->body_max,
    };
    struct err why = ERR_INIT;
    if (http_start(c->io, &call->http, &spec, &why) < 0) {
        call_fail(call, &why);
        return;
    }
    call_set_state(call, ETCD_CALL_S_RUNNING);
}

void etcd_call_start(struct etcd_client *c, struct etcd_call *call,
                     const struct etcd_call_spec *spec)
{
    must(call->state == ETCD_CALL_S_IDLE && call->done && !c->closing);
    must(!buf_error(spec->take_body));
    call->client = c;
    call->path = spec->path;
    call->timeout = spec->timeout;
    call->body_max = spec->body_max;
    call->again = false;
    call->body = *spec->take_body;
    *spec->take_body = (struct buf)BUF_INIT(spec->take_body->max);
    if (call->error_body.max == 0) {
        buf_init(&call->error_body, ERROR_BODY_MAX);
    }
    DL_APPEND(c->calls, call);
    call_dispatch(call);
}

void etcd_call_cancel(struct etcd_call *call)
{
    struct err why = ERR_INIT;
    switch (call->state) {
    case ETCD_CALL_S_IDLE:
    case ETCD_CALL_S_FAILED:
        break;
    case ETCD_CALL_S_RUNNING:
        http_cancel(&call->http);
        break;
    case ETCD_CALL_S_WAITING:
        err_set(&why, ERR_CANCELLED, -ECANCELED, "cancelled");
        call_fail(call, &why);
        break;
    }
}

/* ---- token ---- */

void etcd_client_drop_token(struct etcd_client *c)
{
    if (c->auth == ETCD_AUTH_S_HELD || c->auth == ETCD_AUTH_S_OFF) {
        auth_set_state(c, ETCD_AUTH_S_NONE);
    }
}

/* The question is answered: let all who waited go, or fail. */
static void auth_release(struct etcd_client *c, const struct err *why)
{
    struct etcd_call *call, *tmp;
    DL_FOREACH_SAFE (c->calls, call, tmp) {
        if (call->state != ETCD_CALL_S_WAITING) {
            continue;
        }
        if (why) {
            call_fail(call, why);
        } else {
            call_send(call);
        }
    }
}

static void auth_done(struct http_request *r, const struct http_result *res)
{
    struct etcd_client *c = container_of(r, struct etcd_client, auth_http);
    struct etcd_reply reply = {.err = ERR_INIT};
    size_t peer = c->auth_peer;
    bool rotate = reply_from_result(&reply, &c->peers[peer], res, res->body, res->body_len);
    c->auth_epoch++;
    buf_reset(&c->auth_header);
    if (reply.err.class == ERR_NONE) {
        buf_puts(&c->auth_header, "Authorization: ");
        rotate = etcd_response_token(&c->auth_header, reply.body, reply.len, &reply.err) < 0;
    }
    if (reply.err.class == ERR_NONE) {
        auth_set_state(c, ETCD_AUTH_S_HELD);
        auth_release(c, NULL);
    } else if (reply.error.code == ETCD_CODE_FAILED_PRECONDITION) {
        auth_set_state(c, ETCD_AUTH_S_OFF);
        auth_release(c, NULL);
    } else {
        auth_set_state(c, ETCD_AUTH_S_NONE);
        err_wrap(&reply.err, "authenticate");
        bool tell = rotate && client_rotate(c, peer);
        auth_release(c, &reply.err);
        if (tell) {
            c->suspect(c->ctx);
        }
    }
    client_check_closed(c);
}

static void auth_ask(struct etcd_client *c)
{
    const struct registry_credentials *cred = &c->uri->credentials;
    struct buf body = BUF_INIT(65536);
    etcd_request_authenticate(&body, cred->user, cred->password ? cred->password : "");
    auth_set_state(c, ETCD_AUTH_S_ASKING);
    c->auth_peer = c->current;
    c->auth_http.done = auth_done;
    msec_t limit = etcd_client_timeout(c);
    struct http_spec spec = {
        .method = HTTP_POST,
        .peer = &c->peers[c->auth_peer],
        .path = "/v3/auth/authenticate",
        .body = buf_str(&body),
        .body_len = body.len,
        .headers = {leader_header},
        .connect_timeout = limit,
        .total_timeout = TIMEOUT_ONE, /* etcd hashes the password: slow by design */
    };
    struct err why = ERR_INIT;
    int r = http_start(c->io, &c->auth_http, &spec, &why);
    explicit_bzero(body.data, body.len);
    buf_deinit(&body);
    if (r < 0) {
        auth_set_state(c, ETCD_AUTH_S_NONE);
        auth_release(c, &why);
    }
}
