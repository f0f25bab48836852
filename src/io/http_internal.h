#pragma once
/*
 * What the three files of the HTTP client share: http.c (life of a request), http_setup.c (request →
 * curl options) and http_error.c (curl's result → class, code and text).
 */
#include "io/curl_bridge.h"
#include "io/http.h"

#include <stdint.h>

#define HTTP_MAGIC 0x4774b0d1u

struct http_client {
    struct io *io;
    struct curl_bridge *bridge;       /* of new requests; older ones live while they have any */
    struct http_transfer *delivering; /* its done is running */
};

struct http_transfer {
    uint32_t magic;
    struct curl_bridge_transfer link;
    struct io_defer finish; /* queued once the result is settled */
    struct http_client *client;
    struct http_request *request;

    bool stream;
    bool settled;   /* err is final, curl has no more say */
    bool head_seen; /* of the final response */
    struct err err; /* code 0: success */
    struct buf body;

    struct curl_slist *headers;
    CURLU *url;
    bool tls;
    char *target; /* whom we talk to, for people: "/run/docker.sock", "127.0.0.1:2379" */
    char curl_text[CURL_ERROR_SIZE];
};

/* Fills t->url, t->target, t->tls and the options of t->link.easy; not the callbacks. */
int http_setup(struct http_transfer *t, const struct http_spec *spec, struct err *e) WARN_UNUSED;

/* Sets e from a result other than CURLE_OK. */
void http_error(struct err *e, const struct http_transfer *t, CURLcode result);

#define HTTP_SETOPT(easy, option, value) must(curl_easy_setopt(easy, option, value) == CURLE_OK)
