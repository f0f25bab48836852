/*
 * The life of a request.
 *
 * Happy path: http_start() makes a transfer with a curl easy handle and hands it to the bridge. Portions
 * of a stream go to the user from inside curl; a collected body goes into a capped buffer. When curl is
 * done the result is settled and the delivery deferred: outside curl, the transfer leaves the bridge,
 * done runs, and the transfer is freed.
 *
 *     running ─curl is done · cancel · body above cap · data callback said no─► settled ─defer─► done
 *
 * Failure modes: what no retry mends fails in http_start(). Everything else settles the transfer with a
 * code and a class. The first settlement wins, except that a cancel also replaces a result that was not
 * delivered yet. A kept-alive connection that the server closed meanwhile is retried by curl on a new
 * one, which the user does not see.
 *
 * Ownership: the transfer is the client's; the request points at it while it runs. At delivery the
 * request is idle before done runs, so done may start it again or free its owner.
 *
 * What this does not do: redirects, proxies, compression, HTTP/2, retries of failed requests.
 */
#include "io/http.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/must.h"
#include "io/http_internal.h"
#include "io/internal.h"

#define BODY_MAX (8u * 1024 * 1024)

static struct http_client *client_get(struct io *io)
{
    if (!io->http) {
        /* CURL_GLOBAL_NOTHING: TLS libraries initialise themselves when a connection first needs them,
         * and most agents talk to a unix socket and to plain HTTP on loopback. */
        must(curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK);
        io->http = xcalloc(1, sizeof(*io->http));
        io->http->io = io;
        io->http->bridge = curl_bridge_new(io);
    }
    return io->http;
}

void http_client_free(struct http_client *c)
{
    if (c) {
        c->bridge = curl_bridge_free(c->bridge);
        curl_global_cleanup();
        free(c);
    }
}

static void transfer_free(struct http_transfer *t)
{
    if (t) {
        curl_easy_cleanup(t->link.easy); /* takes NULL, as the next two do */
        curl_slist_free_all(t->headers);
        curl_url_cleanup(t->url);
        buf_deinit(&t->body);
        free(t->target);
        t->magic = 0;
        free(t);
    }
}

static void transfer_freep(struct http_transfer **t)
{
    transfer_free(*t);
}

/* Takes the transfer out of the bridge unless we are inside curl. */
static bool leave_bridge(struct http_transfer *t)
{
    return !t->link.bridge || curl_bridge_remove(&t->link);
}

static void deliver(struct io_defer *d)
{
    struct http_transfer *t = container_of(d, struct http_transfer, finish);
    struct http_client *c = t->client;
    struct http_request *r = t->request;
    long status = 0;

    must(t->magic == HTTP_MAGIC && t->settled && r->transfer == t);
    must(leave_bridge(t));
    must(curl_easy_getinfo(t->link.easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
    bool ok = t->err.code == 0;
    struct http_result res = {
        .code = t->err.code,
        .class = t->err.class,
        .status = (int)status,
        .body = ok ? buf_str(&t->body) : "",
        .body_len = ok ? t->body.len : 0,
        .error = t->err.msg,
    };
    r->transfer = NULL;
    c->io->open_requests--;
    c->delivering = t;
    r->done(r, &res); /* r may be gone from here on */
    c->delivering = NULL;
    transfer_free(t);
}

static void settle(struct http_transfer *t)
{
    must(!t->settled);
    t->settled = true;
    io_defer(t->client->io, &t->finish, deliver);
}

/* ---- callbacks of curl ---- */

static void on_curl_done(struct curl_bridge_transfer *link, CURLcode result)
{
    struct http_transfer *t = container_of(link, struct http_transfer, link);

    must(t->magic == HTTP_MAGIC);
    if (t->settled) {
        return;
    }
    if (result != CURLE_OK) {
        http_error(&t->err, t, result);
    }
    settle(t);
}

static void deliver_portion(struct http_transfer *t, const char *p, size_t len)
{
    int r = t->request->data(t->request, p, len);

    if (r != 0 && !t->settled) {
        err_set(&t->err, r == -ECANCELED ? ERR_CANCELLED : ERR_TRANSIENT, r,
                "%s: the stream was ended by its reader", t->target);
        settle(t);
    }
}

static void collect(struct http_transfer *t, const char *p, size_t len)
{
    buf_append(&t->body, p, len);
    if (buf_error(&t->body)) {
        err_set(&t->err, ERR_INVALID, -EMSGSIZE, "%s: the answer is longer than %zu bytes",
                t->target, t->body.max);
        settle(t);
    }
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct http_transfer *t = ctx;

    must(t->magic == HTTP_MAGIC);
    if (!t->settled) {
        if (t->stream) {
            deliver_portion(t, p, size * n);
        } else {
            collect(t, p, size * n);
        }
    }
    return t->settled ? CURL_WRITEFUNC_ERROR : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct http_transfer *t = ctx;
    size_t len = size * n;

    must(t->magic == HTTP_MAGIC);
    bool last = len > 0 && (p[0] == '\r' || p[0] == '\n');
    if (!t->settled && t->stream && last && !t->head_seen) {
        long status = 0;
        must(curl_easy_getinfo(t->link.easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
        if (status >= 200) { /* what comes before is an interim answer */
            t->head_seen = true;
            if (t->request->head) {
                t->request->head(t->request, (int)status);
            }
        }
    }
    return t->settled ? CURL_WRITEFUNC_ERROR : len;
}

/* ---- the interface ---- */

int http_start(struct io *io, struct http_request *r, const struct http_spec *spec, struct err *e)
{
    must(io->magic == IO_MAGIC);
    must(r->done && (!spec->stream || r->data));
    if (r->transfer) {
        return err_set(e, ERR_BUG, -EBUSY, "the request is running");
    }
    struct http_client *c = client_get(io);
    CLEANUP(transfer_freep) struct http_transfer *t = xcalloc(1, sizeof(*t));
    t->magic = HTTP_MAGIC;
    t->client = c;
    t->request = r;
    t->stream = spec->stream;
    buf_init(&t->body, spec->body_max ? spec->body_max : BODY_MAX);
    t->link.easy = curl_easy_init();
    t->link.done = on_curl_done;
    must(t->link.easy);
    int rc = http_setup(t, spec, e);
    if (rc < 0) {
        return rc;
    }
    HTTP_SETOPT(t->link.easy, CURLOPT_WRITEFUNCTION, on_body);
    HTTP_SETOPT(t->link.easy, CURLOPT_WRITEDATA, t);
    HTTP_SETOPT(t->link.easy, CURLOPT_HEADERFUNCTION, on_header);
    HTTP_SETOPT(t->link.easy, CURLOPT_HEADERDATA, t);
    curl_bridge_add(c->bridge, &t->link);
    r->io = io;
    r->transfer = take_ptr(t);
    io->open_requests++;
    return 0;
}

void http_cancel(struct http_request *r)
{
    struct http_transfer *t = r->transfer;

    if (!t) {
        return;
    }
    must(t->magic == HTTP_MAGIC && t->request == r);
    err_set(&t->err, ERR_CANCELLED, -ECANCELED, "%s: cancelled", t->target);
    if (!t->settled) {
        settle(t);
    }
    (void)leave_bridge(t); /* now, so that nothing more is sent; else at delivery */
}

bool http_running(const struct http_request *r)
{
    return r->transfer != NULL;
}

const char *http_header(const struct http_request *r, const char *name)
{
    struct http_transfer *t = r->transfer;
    struct curl_header *h = NULL;

    if (!t && r->io && r->io->http->delivering && r->io->http->delivering->request == r) {
        t = r->io->http->delivering;
    }
    if (!t || curl_easy_header(t->link.easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK) {
        return NULL;
    }
    return h->value;
}
