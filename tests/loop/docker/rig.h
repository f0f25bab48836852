#pragma once
/*
 * A watch on a scripted engine, and a journal of what it reported.
 *
 * The engine answers at once unless told to hold, or to fail. Containers are numbers; id(7) is their id.
 * The journal has one line for each event of the watch, in order: "up", "down: why", "upsert 7 running",
 * "gone 7", "gone-listed 7", "stop 7 15", "complete".
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"
#include "docker/decode.h"
#include "docker/peer.h"
#include "docker/watch.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RIG_CONTAINERS 1200u
#define RIG_HELD       64u

struct rig_container {
    bool exists, running, paused, restarting;
    bool hold;          /* its inspects are not answered */
    bool reset;         /* ... but the connection ends */
    int status;         /* of the next inspects; 0: as it is */
    const char *body;   /* of the next inspects; NULL: as it is */
    const char *labels; /* JSON members */
    unsigned inspects;
};

struct rig {
    struct io *io;
    struct fake_http *srv;
    char *dir; /* of the unix socket, or NULL */
    char socket[256];
    struct docker_watch *watch;
    struct docker_watch_config config;
    bool closed;

    /* the engine */
    struct rig_container c[RIG_CONTAINERS];
    const char *api_version;
    const char *networks; /* body of /networks */
    int info_status;
    bool hold_ping, hold_info, hold_head, hold_networks, hold_list, hold_inspects;
    int events_status;      /* 0: 200 */
    unsigned list_failures; /* that many lists are answered with 503 */
    const char *list_body;  /* of the next list only */
    size_t list_cut;        /* the next list ends behind so many bytes */
    struct fake_exchange *stream, *list;
    struct fake_exchange *held[RIG_HELD]; /* inspects that wait for rig_release() */
    size_t n_held, max_held;
    unsigned pings, infos, streams, lists, inspects;
    char asked[2048];       /* paths in order, without those of inspects, less their queries */
    char events_path[2048]; /* of the last stream */
    uint64_t nano;          /* of the last event */

    /* the watch */
    struct buf journal;
    size_t progress, total;
    unsigned completes;
    bool own_address;     /* of the last upsert's first network */
    const char *close_at; /* close the watch from the callback that writes this line */
};

static inline const char *id(unsigned n)
{
    static char text[4][CONTAINER_ID_LEN + 1];
    static unsigned at;
    at = (at + 1) % 4;
    snprintf(text[at], sizeof(text[at]), "%064x", n);
    return text[at];
}

static inline unsigned number(const char *container)
{
    return (unsigned)strtoul(container, NULL, 16);
}

/* ---- the engine ---- */

static inline void rig_write_inspect(const struct rig *r, unsigned n, struct buf *out)
{
    static const char *const words[] = {"false", "true"};
    const struct rig_container *c = &r->c[n];
    buf_printf(out,
               "{\"Id\":\"%s\",\"Name\":\"/c%u\",\"State\":{\"Running\":%s,\"Paused\":%s,"
               "\"Restarting\":%s},\"Config\":{\"Labels\":{%s}},\"HostConfig\":{},"
               "\"NetworkSettings\":{\"Ports\":{},\"Networks\":{\"lan\":{\"NetworkID\":\"%s\","
               "\"IPAddress\":\"10.0.0.%u\"}}}}",
               id(n), n, words[c->running], words[c->paused], words[c->restarting],
               c->labels ? c->labels : "", id(0xbeef), n % 250 + 1);
}

static inline void rig_answer_inspect(struct rig *r, struct fake_exchange *x)
{
    const char *at = strstr(fake_path(x), "/containers/");
    char name[CONTAINER_ID_LEN + 1];
    (void)str_copy(name, sizeof(name), at + strlen("/containers/"));
    unsigned n = number(name);
    assert_true(n < RIG_CONTAINERS);
    struct buf body = BUF_INIT(65536);
    if (r->c[n].status) {
        fake_reply(x, r->c[n].status, "{\"message\":\"scripted\"}");
    } else if (r->c[n].body) {
        fake_reply(x, 200, r->c[n].body);
    } else if (!r->c[n].exists) {
        fake_reply(x, 404, "{\"message\":\"No such container\"}\n");
    } else {
        rig_write_inspect(r, n, &body);
        fake_reply(x, 200, buf_str(&body));
    }
    buf_deinit(&body);
}

static inline void rig_on_inspect(struct rig *r, struct fake_exchange *x)
{
    char name[CONTAINER_ID_LEN + 1];
    (void)str_copy(name, sizeof(name), strstr(fake_path(x), "/containers/") + 12);
    struct rig_container *c = &r->c[number(name)];
    r->inspects++;
    c->inspects++;
    if (c->reset) {
        fake_reset(x);
    } else if (r->hold_inspects || c->hold) {
        must(r->n_held < RIG_HELD);
        r->held[r->n_held++] = x;
        r->max_held = r->n_held > r->max_held ? r->n_held : r->max_held;
    } else {
        rig_answer_inspect(r, x);
    }
}

/* Answers one of the inspects that wait: the first one. */
static inline void rig_release(struct rig *r)
{
    must(r->n_held > 0);
    struct fake_exchange *x = r->held[0];
    memmove(r->held, r->held + 1, --r->n_held * sizeof(r->held[0]));
    rig_answer_inspect(r, x);
}

static inline void rig_release_all(struct rig *r)
{
    r->hold_inspects = false;
    for (unsigned n = 0; n < RIG_CONTAINERS; n++) {
        r->c[n].hold = false;
    }
    while (r->n_held > 0) {
        rig_release(r);
    }
}

static inline void rig_answer_list(struct rig *r, struct fake_exchange *x)
{
    struct buf body = BUF_INIT(1u << 20);
    buf_putc(&body, '[');
    for (unsigned n = 0; n < RIG_CONTAINERS; n++) {
        const struct rig_container *c = &r->c[n];
        if (c->exists && (c->running || c->restarting)) {
            buf_printf(&body, "%s{\"Id\":\"%s\",\"Labels\":{%s},\"State\":\"%s\"}",
                       body.len > 1 ? "," : "", id(n), c->labels ? c->labels : "",
                       c->restarting ? "restarting"
                       : c->paused   ? "paused"
                                     : "running");
        }
    }
    buf_putc(&body, ']');
    assert_int_equal(buf_error(&body), 0);
    if (r->list_cut) {
        fake_reply_reset(x, 200, buf_str(&body), r->list_cut);
        r->list_cut = 0;
    } else {
        fake_reply(x, 200, r->list_body ? r->list_body : buf_str(&body));
        r->list_body = NULL;
    }
    buf_deinit(&body);
}

static inline void rig_on_list(struct rig *r, struct fake_exchange *x)
{
    r->lists++;
    if (r->list_failures > 0) {
        r->list_failures--;
        fake_reply(x, 503, "{\"message\":\"not now\"}\n");
    } else if (r->hold_list) {
        r->list = x;
    } else {
        rig_answer_list(r, x);
    }
}

static inline void rig_on_events(struct rig *r, struct fake_exchange *x)
{
    r->streams++;
    assert_true(str_copy(r->events_path, sizeof(r->events_path), fake_path(x)));
    if (r->events_status) {
        fake_reply(x, r->events_status, "{\"message\":\"no events here\"}\n");
    } else if (!r->hold_head) {
        fake_stream_begin(x, 200, NULL);
        r->stream = x;
    }
}

static inline void rig_on_request(struct fake_exchange *x, void *ctx)
{
    struct rig *r = ctx;
    const char *path = fake_path(x);
    bool inspect = strstr(path, "/containers/") && !strstr(path, "/containers/json");
    size_t used = strlen(r->asked);
    if (!inspect && used + 200 < sizeof(r->asked)) {
        snprintf(r->asked + used, sizeof(r->asked) - used, "%.*s\n", (int)strcspn(path, "?"), path);
    }
    if (str_ends(path, "/_ping")) {
        r->pings++;
        if (!r->hold_ping) {
            char header[64];
            snprintf(header, sizeof(header), "Api-Version: %s\r\n", r->api_version);
            fake_reply_headers(x, 200, r->api_version ? header : "", "OK");
        }
    } else if (str_ends(path, "/info")) {
        r->infos++;
        if (!r->hold_info) {
            fake_reply(x, r->info_status, "{\"Name\":\"dock\"}");
        }
    } else if (strstr(path, "/networks")) {
        if (!r->hold_networks) {
            fake_reply(x, 200, r->networks);
        }
    } else if (strstr(path, "/events")) {
        rig_on_events(r, x);
    } else if (inspect) {
        rig_on_inspect(r, x);
    } else if (str_ends(path, "/containers/json")) {
        rig_on_list(r, x);
    } else {
        fail_msg("nobody should ask for %s", path);
    }
}

/* A line of the stream as it is. */
static inline void rig_line(struct rig *r, const char *line)
{
    must(r->stream);
    fake_stream_puts(r->stream, line);
}

/* An event of a container, in the form of API 1.52; attributes: JSON members, or "". */
static inline void rig_event(struct rig *r, unsigned n, const char *action, const char *attributes)
{
    char line[1024];
    r->nano += 1000;
    snprintf(
        line, sizeof(line),
        "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\",\"Attributes\":{%s}},"
        "\"time\":%" PRIu64 ",\"timeNano\":%" PRIu64 "}\n",
        action, id(n), attributes, r->nano / 1000000000, r->nano);
    rig_line(r, line);
}

static inline void rig_network_event(struct rig *r, unsigned n, const char *action,
                                     const char *driver)
{
    char line[1024];
    r->nano += 1000;
    snprintf(line, sizeof(line),
             "{\"Type\":\"network\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\",\"Attributes\":{"
             "\"container\":\"%s\",\"name\":\"lan\",\"type\":\"%s\"}},\"time\":%" PRIu64
             ",\"timeNano\":%" PRIu64 "}\n",
             action, id(0xbeef), id(n), driver, r->nano / 1000000000, r->nano);
    rig_line(r, line);
}

static inline void rig_run(struct rig *r, unsigned n)
{
    r->c[n].exists = r->c[n].running = true;
}

static inline void rig_stop(struct rig *r, unsigned n)
{
    r->c[n].running = r->c[n].paused = r->c[n].restarting = false;
}

static inline void rig_remove(struct rig *r, unsigned n)
{
    rig_stop(r, n);
    r->c[n].exists = false;
}

/* ---- the watch ---- */

static inline void rig_on_closed(void *ctx)
{
    struct rig *r = ctx;
    r->closed = true;
    r->watch = NULL;
}

static inline void rig_close(struct rig *r)
{
    docker_watch_close(r->watch, rig_on_closed, r);
    assert_false(r->closed); /* not from inside the call */
}

static inline void rig_wrote(struct rig *r)
{
    assert_int_equal(buf_error(&r->journal), 0);
    assert_false(r->closed);
    if (r->close_at && strstr(buf_str(&r->journal), r->close_at)) {
        r->close_at = NULL;
        rig_close(r);
    }
}

static inline void rig_on_upsert(void *ctx, struct container *take_c)
{
    CLEANUP_CONTAINER struct container *c = take_c;
    struct rig *r = ctx;
    r->own_address = c->s.networks[0].own_address;
    buf_printf(&r->journal, "upsert %u %s\n", number(c->s.id),
               c->s.restarting ? "restarting"
               : c->s.paused   ? "paused"
               : c->s.running  ? "running"
                               : "stopped");
    rig_wrote(r);
}

static inline void rig_on_gone(void *ctx, const char *container, bool listed)
{
    struct rig *r = ctx;
    buf_printf(&r->journal, "gone%s %u\n", listed ? "-listed" : "", number(container));
    rig_wrote(r);
}

static inline void rig_on_told(void *ctx, const char *container, int signal)
{
    struct rig *r = ctx;
    buf_printf(&r->journal, "stop %u %d\n", number(container), signal);
    rig_wrote(r);
}

static inline void rig_on_progress(void *ctx, size_t inspected, size_t total)
{
    struct rig *r = ctx;
    assert_true(inspected <= total);
    r->progress = inspected;
    r->total = total;
}

static inline void rig_on_complete(void *ctx)
{
    struct rig *r = ctx;
    r->completes++;
    buf_puts(&r->journal, "complete\n");
    rig_wrote(r);
}

static inline void rig_on_connected(void *ctx, bool up, const struct err *why)
{
    struct rig *r = ctx;
    assert_true(up == (why == NULL));
    if (up) {
        buf_puts(&r->journal, "up\n");
    } else {
        buf_printf(&r->journal, "down: %s\n", why->msg);
    }
    rig_wrote(r);
}

static const struct docker_watch_events rig_events = {
    .upsert = rig_on_upsert,
    .gone = rig_on_gone,
    .told_to_stop = rig_on_told,
    .progress = rig_on_progress,
    .complete = rig_on_complete,
    .connected = rig_on_connected,
};

static inline struct rig *rig_new_at(bool unix_socket)
{
    struct rig *r = xcalloc(1, sizeof(*r));
    r->io = loop_open();
    if (unix_socket) {
        r->dir = loop_mkdir();
        snprintf(r->socket, sizeof(r->socket), "%s/docker.sock", r->dir);
    }
    r->srv = fake_http_new(r->io, unix_socket ? r->socket : NULL, rig_on_request, r);
    r->config = (struct docker_watch_config){.peer = fake_http_peer(r->srv)};
    r->api_version = "1.41";
    r->networks = "[]";
    r->info_status = 200;
    r->nano = 1795181044238410985u;
    buf_init(&r->journal, 1u << 20);
    return r;
}

static inline struct rig *rig_new(void)
{
    return rig_new_at(false);
}

static inline void rig_open(struct rig *r)
{
    struct err e = ERR_INIT;
    if (docker_watch_open(&r->watch, r->io, &r->config, &rig_events, r, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    assert_int_equal(r->journal.len, 0); /* nothing from inside the call */
}

/* Closes whatever is open, and proves that nothing is left behind. */
static inline void rig_free(struct rig *r)
{
    if (r->watch && !r->closed) {
        rig_close(r);
    }
    loop_until(r->io, !r->watch);
    fake_http_free(r->srv);
    loop_close(r->io);
    if (r->dir) {
        loop_rmdir(r->dir);
    }
    buf_deinit(&r->journal);
    free(r);
}

static inline bool rig_has(const struct rig *r, const char *text)
{
    return strstr(buf_str(&r->journal), text) != NULL;
}

static inline unsigned rig_count(const struct rig *r, const char *text)
{
    unsigned n = 0;
    for (const char *p = buf_str(&r->journal); (p = strstr(p, text)) != NULL; p++) {
        n++;
    }
    return n;
}

/* Compares the journal and empties it. */
static inline void rig_expect(struct rig *r, const char *want)
{
    if (!streq(buf_str(&r->journal), want)) {
        fail_msg("the journal is\n%swant\n%s", buf_str(&r->journal), want);
    }
    buf_reset(&r->journal);
}

/* Opens the watch and waits until it is live; empties the journal. */
static inline void rig_live(struct rig *r)
{
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    buf_reset(&r->journal);
}

/* True when the watch says that this member of its description has this value. */
static inline bool rig_says(const struct rig *r, const char *member)
{
    struct buf out = BUF_INIT(4096);
    docker_watch_describe(r->watch, &out);
    bool found = strstr(buf_str(&out), member) != NULL;
    buf_deinit(&out);
    return found;
}
