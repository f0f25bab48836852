/*
 * URLs of engines.
 *
 * Happy path: the scheme says how to dial, TLS settings come from the two variables of Docker's own
 * client, and a struct http_peer points at the copies made here.
 * Failure: a scheme that cannot be dialled from here (ssh, npipe, fd), a path behind a host, a socket
 * path above the system's limit, a bad port: refused with what is allowed.
 * Not done: nothing is dialled and no file is looked at; a missing ca.pem is the HTTP client's error.
 */
#include "docker/peer.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/str.h"
#include "docker/decode.h"

#define PEER_ALLOWED                                                                               \
    "unix:///PATH, tcp://HOST:PORT, http://HOST:PORT and https://HOST:PORT are possible"
#define PATH_TEXT_MAX 8192u

void docker_peer_deinit(struct docker_peer *p)
{
    free(p->base_url);
    free(p->unix_socket);
    free(p->ca_file);
    free(p->cert_file);
    free(p->key_file);
    free(p->where);
    *p = (struct docker_peer)DOCKER_PEER_NULL;
}

static char *join(const char *a, const char *b)
{
    struct buf out = BUF_INIT(PATH_TEXT_MAX);
    buf_puts(&out, a);
    buf_puts(&out, b);
    return buf_take(&out);
}

static int init_unix(struct docker_peer *ret, const char *url, const char *path, struct err *e)
{
    struct sockaddr_un sun;
    if (path[0] != '/') {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "engine \"%s\": the path of a unix socket begins with '/'; %s", url,
                       PEER_ALLOWED);
    }
    if (strlen(path) >= sizeof(sun.sun_path)) {
        return err_set(e, ERR_INVALID, -EINVAL,
                       "engine \"%.80s...\": the path of a unix socket has at most %zu bytes", url,
                       sizeof(sun.sun_path) - 1);
    }
    *ret = (struct docker_peer){
        .base_url = xstrdup("http://docker"),
        .unix_socket = xstrdup(path),
        .where = xstrdup(path),
    };
    return 0;
}

/*
 * "host", "host:port", "[::1]:port", with a trailing slash; the host is not looked at further than what
 * could change the meaning of a URL. *ret_host_len is without the port.
 */
static bool split_authority(const char *text, size_t *ret_host_len, uint16_t *ret_port)
{
    size_t len = strcspn(text, "/?#@\\ \t");
    if (len == 0 || (text[len] != '\0' && !streq(text + len, "/"))) {
        return false;
    }
    const char *end = text + len;
    const char *host_end = text[0] == '[' ? memchr(text, ']', len) : memchr(text, ':', len);
    if (text[0] == '[') {
        if (!host_end) {
            return false;
        }
        host_end++;
    } else if (!host_end) {
        host_end = end;
    }
    *ret_host_len = (size_t)(host_end - text);
    *ret_port = 0;
    if (host_end == end) {
        return true;
    }
    char port[8] = "";
    size_t port_len = (size_t)(end - host_end) - 1;
    if (*ret_host_len == 0 || *host_end != ':' || port_len >= sizeof(port)) {
        return false;
    }
    memcpy(port, host_end + 1, port_len);
    return str_to_port(port, ret_port);
}

static int init_tcp(struct docker_peer *ret, const char *url, const char *authority, bool tls,
                    bool verify, uint16_t default_port, const char *cert_path, struct err *e)
{
    size_t host_len;
    uint16_t port;
    if (!split_authority(authority, &host_len, &port)) {
        return err_set(e, ERR_INVALID, -EINVAL, "engine \"%s\": not HOST:PORT behind \"//\"; %s",
                       url, PEER_ALLOWED);
    }
    struct buf base = BUF_INIT(PATH_TEXT_MAX);
    buf_printf(&base, "%s://%.*s:%u", tls ? "https" : "http", (int)host_len, authority,
               (unsigned)(port ? port : default_port));
    if (buf_error(&base)) {
        buf_deinit(&base);
        return err_set(e, ERR_INVALID, -EINVAL, "engine \"%.80s...\": too long", url);
    }
    *ret = (struct docker_peer){.base_url = buf_take(&base), .where = xstrdup(url)};
    if (tls && !str_empty(cert_path)) {
        ret->ca_file = verify ? join(cert_path, "/ca.pem") : NULL;
        ret->cert_file = join(cert_path, "/cert.pem");
        ret->key_file = join(cert_path, "/key.pem");
    }
    ret->http.insecure = tls && !verify;
    return 0;
}

int docker_peer_init(struct docker_peer *ret, const char *url, bool tls_verify,
                     const char *cert_path, struct err *e)
{
    bool have_certs = !str_empty(cert_path);
    bool tls = tls_verify || have_certs;
    struct docker_peer p = DOCKER_PEER_NULL;
    int r;
    if (str_empty(url)) {
        r = init_unix(&p, DOCKER_SOCKET_DEFAULT, DOCKER_SOCKET_DEFAULT, e);
    } else if (url[0] == '/') {
        r = init_unix(&p, url, url, e);
    } else if (str_starts(url, "unix://")) {
        r = init_unix(&p, url, url + strlen("unix://"), e);
    } else if (str_starts(url, "tcp://")) {
        r = init_tcp(&p, url, url + strlen("tcp://"), tls, tls_verify, tls ? 2376 : 2375, cert_path,
                     e);
    } else if (str_starts(url, "http://")) {
        r = init_tcp(&p, url, url + strlen("http://"), false, false, 80, NULL, e);
    } else if (str_starts(url, "https://")) {
        r = init_tcp(&p, url, url + strlen("https://"), true, tls_verify || !have_certs, 443,
                     cert_path, e);
    } else {
        r = err_set(e, ERR_INVALID, -EINVAL, "engine \"%s\": no such kind of URL here; %s", url,
                    PEER_ALLOWED);
    }
    if (r < 0) {
        return r;
    }
    p.http.base_url = p.base_url;
    p.http.unix_socket = p.unix_socket;
    p.http.ca_file = p.ca_file;
    p.http.cert_file = p.cert_file;
    p.http.key_file = p.key_file;
    *ret = p;
    return 0;
}

/* ---- paths ---- */

/* Docker's own rule for names, which ids fulfil too. */
int docker_check_reference(const char *ref, struct err *e)
{
    bool ok = isalnum((unsigned char)ref[0]) && strlen(ref) < DOCKER_NAME_MAX;
    for (const char *p = ref; ok && *p; p++) {
        ok = isalnum((unsigned char)*p) || strchr("_.-", *p);
    }
    return ok ? 0
              : err_set(e, ERR_INVALID, -EINVAL,
                        "\"%.80s\" is no container: a name or an id has letters, digits, '_', '.' "
                        "and '-' only",
                        ref);
}

static void put_escaped(struct buf *out, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (const char *p = text; *p; p++) {
        if (strchr(plain, *p)) {
            buf_putc(out, *p);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
        }
    }
}

void docker_path_ping(struct buf *out)
{
    buf_puts(out, "/_ping");
}

void docker_path_info(struct buf *out, const char *prefix)
{
    buf_printf(out, "%s/info", prefix);
}

void docker_path_networks(struct buf *out, const char *prefix)
{
    buf_printf(out, "%s/networks?filters=", prefix);
    put_escaped(out, "{\"driver\":[\"macvlan\",\"ipvlan\"]}");
}

/* An integer of nanoseconds would be taken for seconds, and everything be sent again. */
void docker_path_events(struct buf *out, const char *prefix, uint64_t since_nano, uint64_t since_s)
{
    struct buf filter = BUF_INIT(PATH_TEXT_MAX);
    docker_event_filter(&filter);
    buf_printf(out, "%s/events?filters=", prefix);
    put_escaped(out, buf_str(&filter));
    buf_deinit(&filter);
    if (since_nano != 0) {
        buf_printf(out, "&since=%" PRIu64 ".%09" PRIu64, since_nano / 1000000000u,
                   since_nano % 1000000000u);
    } else if (since_s != 0) {
        buf_printf(out, "&since=%" PRIu64, since_s);
    }
}

void docker_path_list(struct buf *out, const char *prefix)
{
    buf_printf(out, "%s/containers/json", prefix);
}

void docker_path_inspect(struct buf *out, const char *prefix, const char *ref)
{
    buf_printf(out, "%s/containers/", prefix);
    put_escaped(out, ref);
    buf_puts(out, "/json");
}
