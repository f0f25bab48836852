#pragma once
/*
 * Where the engine is: a URL in the form of DOCKER_HOST → an HTTP peer; and the paths asked there. Pure.
 */
#include "base/buf.h"
#include "io/http.h"
#include "tidewaiter/err.h"

#include <stdbool.h>

#define DOCKER_SOCKET_DEFAULT "/var/run/docker.sock"

struct docker_peer {
    struct http_peer http; /* points into the strings below */
    char *base_url, *unix_socket, *ca_file, *cert_file, *key_file;
    char *where; /* for people: "/var/run/docker.sock", "tcp://10.0.0.5:2376" */
};

#define DOCKER_PEER_NULL                                                                           \
    {                                                                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/*
 * url: unix:///PATH, /PATH, tcp://HOST[:PORT], http://HOST[:PORT], https://HOST[:PORT]; NULL or "" is the
 * default socket. tls_verify and cert_path have the meaning of DOCKER_TLS_VERIFY (set and not empty) and
 * DOCKER_CERT_PATH (a folder with ca.pem, cert.pem and key.pem; NULL or "" when unset): tcp:// is TLS
 * when one of them is set, and then the server is verified only with tls_verify; https:// is TLS always,
 * unverified only with cert_path and without tls_verify. Ports: 2375, with TLS 2376; http 80, https 443.
 * -EINVAL names what was found and what is allowed; *ret is untouched then.
 */
int docker_peer_init(struct docker_peer *ret, const char *url, bool tls_verify,
                     const char *cert_path, struct err *e) WARN_UNUSED;
void docker_peer_deinit(struct docker_peer *p); /* idempotent */

/* -EINVAL for what can be neither a name nor an id (nor its beginning) of a container. */
int docker_check_reference(const char *ref, struct err *e) WARN_UNUSED;

/* ---- paths; prefix is "" or "/v1.NN" (docker_api_prefix) ---- */

void docker_path_ping(struct buf *out);
void docker_path_info(struct buf *out, const char *prefix);
void docker_path_networks(struct buf *out, const char *prefix);
/* since_nano 0: no replay, unless since_s (seconds) is not 0. */
void docker_path_events(struct buf *out, const char *prefix, uint64_t since_nano, uint64_t since_s);
void docker_path_list(struct buf *out, const char *prefix);
/* An id, a name, or the beginning of an id. */
void docker_path_inspect(struct buf *out, const char *prefix, const char *ref);
