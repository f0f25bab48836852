#pragma once
/*
 * Asking the engine one thing, and what to call its failures.
 */
#include "docker/decode.h"
#include "docker/peer.h"
#include "io/http.h"
#include "model/container.h"

/* The engine's address for people. */
const char *docker_peer_name(const struct http_peer *peer);

/*
 * A failed request → words: where the engine is and what is wrong with it ("... no such socket; is the
 * engine running?"), or "<what>: HTTP 404: <its message>". body: of the answer, "" when none was kept.
 * Returns the negative errno put into e.
 */
int docker_error(struct err *e, const struct http_peer *peer, const char *what,
                 const struct http_result *res, const char *body);

/* ---- one container, for `explain` ---- */

/*
 * take_c: the container, or NULL and why. engine: the engine's host name, "" when it does not say;
 * borrowed for the call.
 */
typedef void (*docker_lookup_fn)(void *ctx, struct container *take_c, const char *engine,
                                 const struct err *why);

enum docker_lookup_step { DOCKER_LOOKUP_INFO, DOCKER_LOOKUP_NETWORKS, DOCKER_LOOKUP_INSPECT };

/* Embedded in its owner; zeroed before first use; may be started again once done has run. */
struct docker_lookup {
    struct http_request req;
    struct io *io;
    const struct http_peer *peer;
    enum docker_lookup_step step;
    char ref[DOCKER_NAME_MAX];
    struct docker_info engine;
    struct docker_networks networks;
    docker_lookup_fn done;
    void *ctx;
};

/*
 * Asks for a container by name, id, or the beginning of an id. -EINVAL for what can be none of these;
 * otherwise done runs once, from the loop. peer is borrowed until then.
 */
int docker_lookup_start(struct docker_lookup *l, struct io *io, const struct http_peer *peer,
                        const char *ref, docker_lookup_fn done, void *ctx,
                        struct err *e) WARN_UNUSED;
void docker_lookup_cancel(struct docker_lookup *l); /* done follows with -ECANCELED; idle is fine */
