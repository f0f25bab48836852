/*
 * The bridge between curl_multi_socket_action() and libuv.
 *
 * Happy path: curl asks for a socket to be watched (on_want) or for a wake-up (on_want_timer); an event
 * or that wake-up calls into curl (act); behind every such call all of curl's messages are read, and the
 * transfers that callbacks of curl wanted to add meanwhile are added.
 *
 * What published bridges get wrong, and the rule here:
 *   - The timer is curl's alone: set by CURLMOPT_TIMERFUNCTION, stopped by its -1, untouched by socket
 *     events. A bridge that stops it on activity loses the timeout of a silent server.
 *   - Messages are read after every call, whatever the number of running transfers: that number is 0
 *     when the last two end together, and a timeout ends a transfer without any socket event.
 *   - Readable and writable can arrive in one event and are passed on together.
 *   - An error from the poll becomes CURL_CSELECT_ERR. libuv stops a handle on error, so it is started
 *     again while curl keeps the socket: what arrived before a reset can still be read. For the same
 *     reason the wanted directions are passed along with the error.
 *
 * curl calls nothing of ours but on_want and on_want_timer in add and remove, so these are safe anywhere
 * but inside curl_multi_socket_action() itself; there add is postponed, and remove refuses.
 *
 * Close: a uv_poll handle outlives its socket until libuv's close callback, and owns its memory alone.
 */
#include "io/curl_bridge.h"

#include <errno.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/must.h"
#include "io/internal.h"

/* Idle connections kept for reuse: 16 concurrent inspects, streams, and registries besides. */
#define CONNECTIONS_MAX 64L

struct bridge_socket {
    uv_poll_t poll;
    curl_socket_t fd;
    int events; /* that curl wants now */
    struct curl_bridge *bridge;
};

struct curl_bridge {
    struct io *io;
    CURLM *multi;
    struct io_timer timer;
    struct curl_bridge_transfer *waiting; /* to be added when curl returns */
    unsigned count;
    bool in_curl;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void add_now(struct curl_bridge_transfer *t)
{
    must(curl_multi_add_handle(t->bridge->multi, t->easy) == CURLM_OK);
    t->added = true;
}

/* The one way into curl. */
static void act(struct curl_bridge *b, curl_socket_t fd, int flags)
{
    int running; /* deliberately unused: it says nothing about waiting messages */
    must(!b->in_curl);
    b->in_curl = true;
    must(curl_multi_socket_action(b->multi, fd, flags, &running) == CURLM_OK);
    b->in_curl = false;

    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(b->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            struct curl_bridge_transfer *t = NULL;
            CURLcode result = msg->data.result;
            must(curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t) == CURLE_OK);
            must(t && t->bridge == b && t->easy == msg->easy_handle);
            t->done(t, result);
        }
    }
    while (b->waiting) {
        struct curl_bridge_transfer *t = b->waiting;
        DL_DELETE(b->waiting, t);
        t->next = t->prev = NULL;
        add_now(t);
    }
}

/* ---- the timer ---- */

static void on_timer(struct io_timer *timer)
{
    act(container_of(timer, struct curl_bridge, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_want_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct curl_bridge *b = ctx;

    (void)multi;
    if (timeout_ms < 0) {
        io_timer_stop(&b->timer);
    } else {
        /* curl counts from the true time, the loop from the begin of its turn */
        msec_t now = uv_hrtime() / 1000000;
        msec_t late = timeout_ms > 0 && now > io_now(b->io) ? now - io_now(b->io) : 0;
        io_timer_start(b->io, &b->timer, (msec_t)timeout_ms + late, on_timer);
    }
    return 0;
}

/* ---- sockets ---- */

static void watch(struct bridge_socket *s)
{
    must(uv_poll_start(&s->poll, s->events, on_poll) == 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct bridge_socket *s = container_of(poll, struct bridge_socket, poll);
    int flags = 0;

    if (status < 0) {
        flags = CURL_CSELECT_ERR;
        events = s->events;
    }
    flags |= (events & UV_READABLE) ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) ? CURL_CSELECT_OUT : 0;
    act(s->bridge, s->fd, flags);
    if (status < 0 && !uv_is_closing((uv_handle_t *)poll) && s->events) {
        watch(s);
    }
}

static void on_poll_closed(uv_handle_t *h)
{
    io_handle_closed(h);
    free(container_of((uv_poll_t *)h, struct bridge_socket, poll));
}

static struct bridge_socket *socket_new(struct curl_bridge *b, curl_socket_t fd)
{
    struct bridge_socket *s = xcalloc(1, sizeof(*s));
    must(uv_poll_init(&b->io->loop, &s->poll, fd) == 0);
    s->fd = fd;
    s->bridge = b;
    must(curl_multi_assign(b->multi, fd, s) == CURLM_OK);
    return s;
}

static int on_want(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned)
{
    struct curl_bridge *b = ctx;
    struct bridge_socket *s = assigned;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            must(curl_multi_assign(b->multi, fd, NULL) == CURLM_OK);
            uv_poll_stop(&s->poll); /* before curl closes the descriptor */
            io_handle_close((uv_handle_t *)&s->poll, on_poll_closed);
        }
        return 0;
    }
    if (!s) {
        s = socket_new(b, fd);
    }
    s->events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (s->events) {
        watch(s);
    } else {
        uv_poll_stop(&s->poll);
    }
    return 0;
}

/* curl's own would be inherited by child processes. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *addr)
{
    (void)ctx;
    (void)purpose;
    return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* ---- life ---- */

struct curl_bridge *curl_bridge_new(struct io *io)
{
    struct curl_bridge *b = xcalloc(1, sizeof(*b));
    b->io = io;
    b->multi = curl_multi_init();
    must(b->multi);
    must(curl_multi_setopt(b->multi, CURLMOPT_SOCKETFUNCTION, on_want) == CURLM_OK);
    must(curl_multi_setopt(b->multi, CURLMOPT_SOCKETDATA, b) == CURLM_OK);
    must(curl_multi_setopt(b->multi, CURLMOPT_TIMERFUNCTION, on_want_timer) == CURLM_OK);
    must(curl_multi_setopt(b->multi, CURLMOPT_TIMERDATA, b) == CURLM_OK);
    must(curl_multi_setopt(b->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX) == CURLM_OK);
    return b;
}

struct curl_bridge *curl_bridge_free(struct curl_bridge *b)
{
    if (b) {
        must(b->count == 0 && !b->in_curl);
        must(curl_multi_cleanup(b->multi) == CURLM_OK);
        io_timer_stop(&b->timer);
        free(b);
    }
    return NULL;
}

void curl_bridge_add(struct curl_bridge *b, struct curl_bridge_transfer *t)
{
    must(!t->bridge);
    t->bridge = b;
    b->count++;
    must(curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK);
    must(curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK);
    if (b->in_curl) {
        DL_APPEND(b->waiting, t);
    } else {
        add_now(t);
    }
}

bool curl_bridge_remove(struct curl_bridge_transfer *t)
{
    struct curl_bridge *b = t->bridge;

    must(b);
    if (t->added && b->in_curl) {
        return false;
    }
    if (t->added) {
        must(curl_multi_remove_handle(b->multi, t->easy) == CURLM_OK);
        t->added = false;
    } else {
        DL_DELETE(b->waiting, t);
        t->next = t->prev = NULL;
    }
    t->bridge = NULL;
    b->count--;
    return true;
}

unsigned curl_bridge_count(const struct curl_bridge *b)
{
    return b->count;
}
