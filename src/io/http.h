#pragma once
/*
 * HTTP/1.1 client on libcurl's multi interface, driven by the loop (the bridge is in curl_bridge.c).
 *
 * Connections are kept alive and reused by curl. A request either collects its body up to a cap
 * (http_done) or streams it (http_data for each portion, at most 16 KiB, then http_done).
 */
#include "base/buf.h"
#include "io/loop.h"

#include <stddef.h>

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE };

#define HTTP_HEADERS_MAX 8

/* TLS and address of a peer; borrowed by every request that names it, so it must outlive them. */
struct http_peer {
    const char *base_url;    /* "http://127.0.0.1:2379", the request's path is appended; may be NULL
                                when unix_socket is given */
    const char *unix_socket; /* path, or NULL */
    const char *ca_file, *cert_file, *key_file; /* PEM, or NULL */
    bool insecure;                              /* do not verify the server */
};

struct http_spec {
    enum http_method method;
    const struct http_peer *peer;
    const char *path; /* begins with '/', with query, percent-encoded; copied */
    const void *body; /* copied */
    size_t body_len;
    const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", NULL ends; copied. A JSON content type
                                              is sent with every body unless given here */
    msec_t connect_timeout;                /* 0: 3 s */
    msec_t total_timeout;                  /* 0: 10 s; for streams: none */
    msec_t idle_timeout; /* longest silence, in whole seconds; 0: 10 s; for streams:
                                              none. A long poll sets this and the total */
    bool stream;         /* deliver portions */
    size_t body_max;     /* cap of a collected body; 0: 8 MiB */
};

struct http_result {
    /*
     * 0, or negative: -ECANCELED, -ETIMEDOUT, -ECONNREFUSED, -ENOENT (no such unix socket), -EMSGSIZE
     * (body above cap), -ECONNRESET (ended early), -EHOSTUNREACH (no such host), -EPROTO (not HTTP, not
     * TLS), -EACCES (TLS trust, or no permission for the unix socket), -EIO (all else), or what the
     * data callback said.
     */
    int code;
    /* ERR_NONE when code is 0, whatever the status; else TRANSIENT, CANCELLED, AUTH (-EACCES) or
     * INVALID (body above cap). */
    enum err_class class;
    int status;       /* HTTP status, 0 when none was received */
    const char *body; /* collected; terminated; borrowed during the callback; "" on failure */
    size_t body_len;
    /* For people: "connect to /run/docker.sock: Connection refused"; "" if none. */
    const char *error;
};

struct http_request;
typedef void (*http_done_fn)(struct http_request *r, const struct http_result *res);
/* Status and headers are known by then. Non-zero ends the transfer with that code in the result. */
typedef int (*http_data_fn)(struct http_request *r, const char *p, size_t len);

/* Embedded in its owner; zeroed before first use; may be started again once done has run. */
struct http_request {
    http_done_fn done;
    http_data_fn data; /* stream only */
    /* Stream only, may be NULL: the final header was seen. */
    void (*head)(struct http_request *r, int status);
    struct io *io;
    struct http_transfer *transfer; /* NULL while idle */
};

/*
 * Sets r->done (and r->data, r->head for a stream) before the call. -EBUSY while r is running; fails
 * with e filled on what no retry mends (bad URL, unreadable CA file).
 */
int http_start(struct io *io, struct http_request *r, const struct http_spec *spec,
               struct err *e) WARN_UNUSED;

/* Nothing more is sent, and done follows with -ECANCELED; idle is fine. */
void http_cancel(struct http_request *r);
bool http_running(const struct http_request *r);

/* Header of the response seen so far, by lower-case name; NULL when absent. Valid in callbacks. */
const char *http_header(const struct http_request *r, const char *name);
