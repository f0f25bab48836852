#pragma once
/*
 * curl's multi interface on the loop: sockets become uv_poll handles, curl's timeout an io_timer.
 * Knows nothing of HTTP.
 */
#include "io/timer.h"

#include <curl/curl.h>

struct curl_bridge;

/* Embedded in its owner; zeroed before first use. */
struct curl_bridge_transfer {
    CURL *easy; /* CURLOPT_PRIVATE and CURLOPT_OPENSOCKETFUNCTION belong to the bridge */
    /* Once, when curl has finished with it; not from inside curl, but from inside its event. */
    void (*done)(struct curl_bridge_transfer *t, CURLcode result);
    struct curl_bridge *bridge;               /* NULL while idle */
    struct curl_bridge_transfer *next, *prev; /* while it waits for curl to return */
    bool added;                               /* curl knows it */
};

struct curl_bridge *curl_bridge_new(struct io *io);
struct curl_bridge *
curl_bridge_free(struct curl_bridge *b); /* no transfer is left; NULL is taken */

/* Also from inside curl's callbacks. done follows, never from inside this call. */
void curl_bridge_add(struct curl_bridge *b, struct curl_bridge_transfer *t);

/*
 * Takes t from its bridge, finished or not: nothing more is sent, and no done follows. False, and nothing
 * happened, from inside curl's callbacks: defer it then. Must succeed before the easy handle is freed.
 */
bool curl_bridge_remove(struct curl_bridge_transfer *t) WARN_UNUSED;

/* Transfers between add and remove. */
unsigned curl_bridge_count(const struct curl_bridge *b);
