/*
 * A request → curl's options.
 *
 * Happy path: URL, method with its body, headers, limits and trust are set on a fresh easy handle; curl
 * copies every string.
 *
 * Failure modes, all before anything is sent and all ERR_INVALID: a URL that is none, or of a scheme other
 * than http and https; a unix socket path that is too long for the kernel; a header with a control
 * character (it could smuggle in another one); a certificate or key file that cannot be read.
 *
 * Environment variables for proxies are not followed: this program talks to daemons of its own host or
 * site, and with tokens.
 */
#include "io/http_internal.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#define CONNECT_TIMEOUT 3000u
#define TOTAL_TIMEOUT   10000u
#define IDLE_TIMEOUT    10000u
#define URL_MAX         (64u * 1024)

/* Seconds after which an idle connection is no longer trusted: address translation on the way forgets
 * such, and nobody tells. */
#define IDLE_CONNECTION_MAX 90L

static void free_curlp(char **p)
{
    curl_free(*p);
}
#define CLEANUP_CURL CLEANUP(free_curlp)

static int set_url(struct http_transfer *t, const struct http_spec *spec, struct err *e)
{
    const struct http_peer *peer = spec->peer;
    const char *base = peer->base_url ? peer->base_url : "http://localhost";
    struct buf text = BUF_INIT(URL_MAX);
    CLEANUP_CURL char *scheme = NULL;
    CLEANUP_CURL char *host = NULL;
    CLEANUP_CURL char *port = NULL;
    size_t len = strlen(base);

    must(peer->base_url || peer->unix_socket);
    while (len > 0 && base[len - 1] == '/') {
        len--;
    }
    buf_append(&text, base, len);
    buf_puts(&text, spec->path);
    t->url = curl_url();
    must(t->url);
    CURLUcode r = CURLUE_MALFORMED_INPUT;
    if (!buf_error(&text) && spec->path[0] == '/') {
        r = curl_url_set(t->url, CURLUPART_URL, buf_str(&text), CURLU_PATH_AS_IS);
    }
    buf_deinit(&text);
    if (r == CURLUE_OK) {
        r = curl_url_get(t->url, CURLUPART_SCHEME, &scheme, 0);
    }
    if (r == CURLUE_OK) {
        r = curl_url_get(t->url, CURLUPART_HOST, &host, 0);
    }
    if (r == CURLUE_OK) {
        r = curl_url_get(t->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    }
    if (r != CURLUE_OK) {
        /* the text is not shown: it may hold a password or a token */
        return err_set(e, ERR_INVALID, -EINVAL, "not a URL: %s", curl_url_strerror(r));
    }
    t->tls = streq(scheme, "https");
    if (!t->tls && !streq(scheme, "http")) {
        return err_set(e, ERR_INVALID, -EINVAL, "URL scheme \"%s\": only http and https are known",
                       scheme);
    }
    if (peer->unix_socket) {
        t->target = xstrdup(peer->unix_socket);
    } else {
        struct buf target = BUF_INIT(1024);
        buf_printf(&target, "%s:%s", host, port);
        t->target = buf_take(&target);
    }
    HTTP_SETOPT(t->link.easy, CURLOPT_CURLU, t->url);
    HTTP_SETOPT(t->link.easy, CURLOPT_PATH_AS_IS, 1L);
    HTTP_SETOPT(t->link.easy, CURLOPT_PROTOCOLS_STR, "http,https");
    HTTP_SETOPT(t->link.easy, CURLOPT_PROXY, "");
    return 0;
}

static int set_unix_socket(struct http_transfer *t, const char *path, struct err *e)
{
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return err_set(e, ERR_INVALID, -ENAMETOOLONG, "unix socket %s: the path is too long", path);
    }
    HTTP_SETOPT(t->link.easy, CURLOPT_UNIX_SOCKET_PATH, path);
    return 0;
}

static int set_file(CURL *easy, CURLoption option, const char *path, const char *what,
                    struct err *e)
{
    if (!path) {
        return 0;
    }
    if (access(path, R_OK) < 0) {
        int code = -errno;
        return err_set(e, ERR_INVALID, code, "%s %s: %s", what, path, strerror(-code));
    }
    HTTP_SETOPT(easy, option, path);
    return 0;
}

static int set_trust(CURL *easy, const struct http_peer *peer, struct err *e)
{
    int r = set_file(easy, CURLOPT_CAINFO, peer->ca_file, "CA file", e);
    if (r == 0) {
        r = set_file(easy, CURLOPT_SSLCERT, peer->cert_file, "certificate", e);
    }
    if (r == 0) {
        r = set_file(easy, CURLOPT_SSLKEY, peer->key_file, "key", e);
    }
    if (peer->insecure) {
        HTTP_SETOPT(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        HTTP_SETOPT(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return r;
}

static void add_header(struct http_transfer *t, const char *text)
{
    struct curl_slist *more = curl_slist_append(t->headers, text);
    must(more);
    t->headers = more;
}

static int set_headers(struct http_transfer *t, const struct http_spec *spec, struct err *e)
{
    bool typed = false;

    for (size_t i = 0; i < HTTP_HEADERS_MAX && spec->headers[i]; i++) {
        const char *h = spec->headers[i];
        const char *colon = strchr(h, ':');
        if (!colon || colon == h || !str_printable(h, strlen(h))) {
            return err_set(e, ERR_INVALID, -EINVAL, "header %zu is not \"Name: value\"", i + 1);
        }
        typed = typed || strncasecmp(h, "Content-Type:", strlen("Content-Type:")) == 0;
        add_header(t, h);
    }
    if (!typed) {
        /* without one curl would claim that the body is a form */
        add_header(t, spec->body_len > 0 ? "Content-Type: application/json" : "Content-Type:");
    }
    add_header(t, "Expect:"); /* waiting for "100 Continue" would cost a second with some servers */
    HTTP_SETOPT(t->link.easy, CURLOPT_HTTPHEADER, t->headers);
    return 0;
}

static void set_method(CURL *easy, const struct http_spec *spec)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"};
    bool sends = spec->body_len > 0 || spec->method == HTTP_POST || spec->method == HTTP_PUT;

    if (sends) {
        HTTP_SETOPT(easy, CURLOPT_POST, 1L);
        HTTP_SETOPT(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body_len);
        HTTP_SETOPT(easy, CURLOPT_COPYPOSTFIELDS, spec->body_len > 0 ? spec->body : "");
    } else {
        HTTP_SETOPT(easy, CURLOPT_HTTPGET, 1L);
    }
    HTTP_SETOPT(easy, CURLOPT_CUSTOMREQUEST, names[spec->method]);
}

static long to_long(msec_t v)
{
    return v > INT32_MAX ? INT32_MAX : (long)v;
}

static void set_limits(CURL *easy, const struct http_spec *spec)
{
    msec_t connect = spec->connect_timeout ? spec->connect_timeout : CONNECT_TIMEOUT;
    msec_t total = spec->total_timeout;
    msec_t idle = spec->idle_timeout;

    if (!spec->stream) {
        total = total ? total : TOTAL_TIMEOUT;
        idle = idle ? idle : IDLE_TIMEOUT;
    }
    HTTP_SETOPT(easy, CURLOPT_CONNECTTIMEOUT_MS, to_long(connect));
    HTTP_SETOPT(easy, CURLOPT_TIMEOUT_MS, to_long(total));
    if (idle > 0) {
        HTTP_SETOPT(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        HTTP_SETOPT(easy, CURLOPT_LOW_SPEED_TIME, to_long((idle + 999) / 1000));
    }
}

static void set_connection(CURL *easy)
{
    HTTP_SETOPT(easy, CURLOPT_NOSIGNAL, 1L);
    /* a request that ends while its name is still being looked up must not wait for that */
    HTTP_SETOPT(easy, CURLOPT_QUICK_EXIT, 1L);
    HTTP_SETOPT(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    HTTP_SETOPT(easy, CURLOPT_ACCEPT_ENCODING, NULL);
    HTTP_SETOPT(easy, CURLOPT_FOLLOWLOCATION, 0L);
    HTTP_SETOPT(easy, CURLOPT_USERAGENT, "tidewaiter/" TIDEWAITER_VERSION);
    HTTP_SETOPT(easy, CURLOPT_TCP_NODELAY, 1L);
    HTTP_SETOPT(easy, CURLOPT_TCP_KEEPALIVE, 1L); /* a stream to a host that lost power must end */
    HTTP_SETOPT(easy, CURLOPT_TCP_KEEPIDLE, 30L);
    HTTP_SETOPT(easy, CURLOPT_TCP_KEEPINTVL, 10L);
    HTTP_SETOPT(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_MAX);
}

int http_setup(struct http_transfer *t, const struct http_spec *spec, struct err *e)
{
    CURL *easy = t->link.easy;

    HTTP_SETOPT(easy, CURLOPT_ERRORBUFFER, t->curl_text);
    int r = set_url(t, spec, e);
    if (r == 0 && spec->peer->unix_socket) {
        r = set_unix_socket(t, spec->peer->unix_socket, e);
    }
    if (r == 0 && t->tls) {
        r = set_trust(easy, spec->peer, e);
    }
    if (r == 0) {
        r = set_headers(t, spec, e);
    }
    if (r == 0) {
        set_method(easy, spec);
        set_limits(easy, spec);
        set_connection(easy);
    }
    return r;
}
