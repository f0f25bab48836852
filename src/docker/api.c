/*
 * One-shot questions to the engine.
 *
 * Happy path of a look-up: /info for the engine's name, /networks for drivers, then the inspect, one
 * after the other on one connection; paths carry no version, so the engine answers with its newest, all
 * of which decode.h takes.
 * Failure modes: an engine that cannot be reached, or a container that does not exist, ends the look-up
 * with words for people. Info and networks that are refused (a proxy in front of the socket) do not:
 * they are only worth a name and a flag.
 * Not done: no retries, the caller is a person at a terminal.
 */
#include "docker/api.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"

#define PATH_MAX_LEN   1024u
#define MESSAGE_MAX    160u
#define LOOKUP_CONNECT 5000u
#define LOOKUP_TOTAL   15000u

const char *docker_peer_name(const struct http_peer *peer)
{
    return peer->unix_socket ? peer->unix_socket : peer->base_url;
}

static int transport_error(struct err *e, const struct http_peer *peer, const char *what,
                           const struct http_result *res)
{
    const char *where = docker_peer_name(peer);
    switch (res->code) {
    case -ENOENT:
        return err_set(e, res->class, res->code, "%s: no such socket; is the engine running?",
                       where);
    case -ECONNREFUSED:
        return err_set(e, res->class, res->code, "%s: connection refused; is the engine running?",
                       where);
    case -EACCES:
        if (peer->unix_socket) {
            return err_set(
                e, res->class, res->code,
                "%s: permission denied; run as root or as a member of the socket's group", where);
        }
        break;
    case -ETIMEDOUT:
        return err_set(e, res->class, res->code, "%s: %s: no answer in time", where, what);
    default:
        break;
    }
    return err_set(e, res->class, res->code, "%s: %s", what, res->error);
}

static enum err_class class_of_status(int status)
{
    return status == 401 || status == 403 ? ERR_AUTH
           : status == 429                ? ERR_THROTTLED
           : status >= 500                ? ERR_TRANSIENT
                                          : ERR_INVALID;
}

int docker_error(struct err *e, const struct http_peer *peer, const char *what,
                 const struct http_result *res, const char *body)
{
    if (res->code != 0) {
        return transport_error(e, peer, what, res);
    }
    char message[MESSAGE_MAX];
    docker_decode_message(message, sizeof(message), body, strlen(body));
    return err_set(e, class_of_status(res->status), res->status == 404 ? -ENOENT : -EIO,
                   "%s: HTTP %d%s%s", what, res->status, message[0] ? ": " : "", message);
}

/* ---- look-up ---- */

static void finish(struct docker_lookup *l, struct container *take_c, const struct err *why)
{
    docker_networks_deinit(&l->networks);
    l->done(l->ctx, take_c, l->engine.name, why);
}

static int ask(struct docker_lookup *l, enum docker_lookup_step step, struct err *e)
{
    struct buf path = BUF_INIT(PATH_MAX_LEN);
    size_t max = 0;
    l->step = step;
    switch (step) {
    case DOCKER_LOOKUP_INFO:
        docker_path_info(&path, "");
        max = DOCKER_INFO_MAX;
        break;
    case DOCKER_LOOKUP_NETWORKS:
        docker_path_networks(&path, "");
        max = DOCKER_NETWORKS_MAX;
        break;
    case DOCKER_LOOKUP_INSPECT:
        docker_path_inspect(&path, "", l->ref);
        max = DOCKER_INSPECT_MAX;
        break;
    }
    must(buf_error(&path) == 0);
    struct http_spec spec = {.peer = l->peer,
                             .path = buf_str(&path),
                             .connect_timeout = LOOKUP_CONNECT,
                             .total_timeout = LOOKUP_TOTAL,
                             .body_max = max};
    int r = http_start(l->io, &l->req, &spec, e);
    buf_deinit(&path);
    return r;
}

static void inspected(struct docker_lookup *l, const struct http_result *res)
{
    struct err err = ERR_INIT;
    struct container *c = NULL;
    if (res->status == 404) {
        err_set(&err, ERR_INVALID, -ENOENT, "no such container: %s", l->ref);
    } else if (res->status != 200) {
        docker_error(&err, l->peer, "inspect", res, res->body);
    } else {
        int r = docker_decode_inspect(&c, res->body, res->body_len, &l->networks, &err);
        must(r <= 0);
    }
    finish(l, c, c ? NULL : &err);
}

/* What info and networks say is used where it makes sense, and not missed where it does not. */
static void on_done(struct http_request *r, const struct http_result *res)
{
    struct docker_lookup *l = container_of(r, struct docker_lookup, req);
    struct err err = ERR_INIT;
    if (res->code != 0) {
        transport_error(&err, l->peer, "inspect", res);
        finish(l, NULL, &err);
        return;
    }
    bool ok = res->status == 200;
    int next = 0;
    switch (l->step) {
    case DOCKER_LOOKUP_INFO:
        if (ok && docker_decode_info(&l->engine, res->body, res->body_len, NULL) < 0) {
            l->engine.name[0] = '\0';
        }
        next = ask(l, DOCKER_LOOKUP_NETWORKS, &err);
        break;
    case DOCKER_LOOKUP_NETWORKS:
        if (ok && docker_decode_networks(&l->networks, res->body, res->body_len, NULL) < 0) {
            docker_networks_deinit(&l->networks);
        }
        next = ask(l, DOCKER_LOOKUP_INSPECT, &err);
        break;
    case DOCKER_LOOKUP_INSPECT:
        inspected(l, res);
        return;
    }
    if (next < 0) {
        finish(l, NULL, &err);
    }
}

int docker_lookup_start(struct docker_lookup *l, struct io *io, const struct http_peer *peer,
                        const char *ref, docker_lookup_fn done, void *ctx, struct err *e)
{
    const char *name = ref[0] == '/' ? ref + 1 : ref;
    int r = docker_check_reference(name, e);
    if (r < 0) {
        return r;
    }
    must(!http_running(&l->req));
    l->req.done = on_done;
    l->io = io;
    l->peer = peer;
    l->networks = (struct docker_networks)DOCKER_NETWORKS_NULL;
    l->engine.name[0] = '\0';
    l->done = done;
    l->ctx = ctx;
    must(str_copy(l->ref, sizeof(l->ref), name));
    return ask(l, DOCKER_LOOKUP_INFO, e);
}

void docker_lookup_cancel(struct docker_lookup *l)
{
    http_cancel(&l->req);
}
