/*
 * A Consul session and its renewals.
 *
 *            ┌─create─► CREATING ─created─┐
 *   NONE ────┤             │failed        ├──► HELD ─renewed every ttl/3─► HELD
 *    ▲       └─adopt──► ADOPTING ─renewed─┘      │
 *    │                     │failed, unknown      │unknown
 *    └─────────────────────┴─────────────────────┘     forget, create, adopt: from every state
 *
 * Happy path: a session whose keys are deleted when it ends (Behavior delete), without lock delay, so
 * that a successor may lock them at once. Consul ends it when it was not renewed for its TTL, and may
 * take as long again to notice: keys of a host that died stay for up to twice the TTL.
 *
 * Failure modes: a renewal that fails is repeated soon; the rest of the TTL is there for that. It is
 * Consul that decides whether a session is dead (404), not a clock here: a new leader gives every
 * session its whole TTL again. Every session also depends on the health of the node that the Consul
 * agent runs on (the check serfHealth, which Consul attaches to it): when the other Consul agents find
 * that one dead, the session ends at once and its keys with it, although this process may be alive; once
 * the agent answers again the renewal finds no session, and everything is put onto a new one.
 * A session of another TTL, from an earlier configuration, can be renewed beside the one held until
 * its keys have moved.
 */
#include "registry/consulkv_session.h"

#include "base/alloc.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_query.h"

#include <stdio.h>
#include <string.h>

#define RETRY_MIN        200u
#define RETRY_MAX        1000u
#define TRIES_PER_TTL    4u
#define TIMEOUT_MAX      10000u
#define NOT_FOUND        404
#define SESSION_PATH_MAX 1024u
#define SESSION_BODY_MAX 1024u

static void session_ask(struct consulkv_session *s);

static void session_set_state(struct consulkv_session *s, enum consulkv_session_state to)
{
    static const bool allowed[4][4] = {
        [CONSULKV_SESSION_S_NONE] = {[CONSULKV_SESSION_S_NONE] = true,
                                     [CONSULKV_SESSION_S_CREATING] = true,
                                     [CONSULKV_SESSION_S_ADOPTING] = true},
        [CONSULKV_SESSION_S_CREATING] =
            {[CONSULKV_SESSION_S_NONE] = true, [CONSULKV_SESSION_S_HELD] = true},
        [CONSULKV_SESSION_S_ADOPTING] =
            {[CONSULKV_SESSION_S_NONE] = true, [CONSULKV_SESSION_S_HELD] = true},
        [CONSULKV_SESSION_S_HELD] = {[CONSULKV_SESSION_S_NONE] = true},
    };
    must(allowed[s->state][to]);
    s->state = to;
    if (to == CONSULKV_SESSION_S_NONE) {
        s->id[0] = '\0';
        io_timer_stop(&s->timer);
    }
}

void consulkv_session_path(struct buf *out, const struct registry_uri *uri, const char *verb,
                           const char *id)
{
    buf_printf(out, "/v1/session/%s", verb);
    if (id) {
        buf_putc(out, '/');
        consul_path_escape(out, id, strlen(id), false);
    }
    if (uri->datacenter) {
        consul_path_query(out, "dc", uri->datacenter);
    }
}

static void on_timer(struct io_timer *t)
{
    struct consulkv_session *s = container_of(t, struct consulkv_session, timer);
    session_ask(s);
}

static void renewed(struct consulkv_session *s)
{
    s->failures = 0;
    backoff_reset(&s->backoff);
    msec_t next = s->sent + (msec_t)s->ttl_s * MSEC_PER_SEC / 3;
    msec_t now = io_now(s->client->io);
    io_timer_start(s->client->io, &s->timer, next > now ? next - now : 0, on_timer);
    if (s->state == CONSULKV_SESSION_S_HELD) {
        s->renewed(s);
    } else {
        session_set_state(s, CONSULKV_SESSION_S_HELD);
        s->held(s);
    }
}

static void trouble(struct consulkv_session *s, const struct err *why)
{
    if (s->state != CONSULKV_SESSION_S_HELD) {
        session_set_state(s, CONSULKV_SESSION_S_NONE);
        s->failed(s, why);
        return;
    }
    s->failures++;
    io_timer_start(s->client->io, &s->timer, backoff_next(&s->backoff), on_timer);
    s->trouble(s, why);
}

static bool is_as_wanted(const struct consulkv_session *s, const struct consulkv_session_info *info)
{
    char ttl[16];
    snprintf(ttl, sizeof(ttl), "%us", s->ttl_s);
    return info->deletes_keys && streq(info->ttl, ttl);
}

/* A record may name any session: one that is not of this node's agents is left alone. */
static bool is_ours(const struct consulkv_session *s, const struct consulkv_session_info *info)
{
    char name[CONSULKV_SESSION_NAME_MAX + 1];
    consulkv_session_name(name, s->node);
    return streq(info->name, name) && streq(info->id, s->id);
}

static void on_created(struct consulkv_session *s, const struct consul_reply *reply)
{
    struct err why = ERR_INIT;
    if (consulkv_decode_created(s->id, reply->body, reply->len, &why) < 0) {
        trouble(s, &why);
        return;
    }
    s->as_wanted = true;
    renewed(s);
}

static void on_renewed(struct consulkv_session *s, const struct consul_reply *reply)
{
    struct err why = ERR_INIT;
    struct consulkv_session_info info;
    if (consulkv_decode_renewed(&info, reply->body, reply->len, &why) < 0) {
        trouble(s, &why);
        return;
    }
    if (!is_ours(s, &info)) {
        session_set_state(s, CONSULKV_SESSION_S_NONE);
        s->lost(s);
        return;
    }
    s->as_wanted = is_as_wanted(s, &info);
    renewed(s);
}

static void on_answer(struct consul_call *call, const struct consul_reply *reply)
{
    struct consulkv_session *s = container_of(call, struct consulkv_session, call);
    if (s->client->closing || s->state == CONSULKV_SESSION_S_NONE) {
        return;
    }
    if (s->call_dropped) {
        session_ask(s);
        return;
    }
    if (reply->status == NOT_FOUND && !s->call_creates) {
        session_set_state(s, CONSULKV_SESSION_S_NONE);
        s->lost(s);
    } else if (reply->err.class != ERR_NONE) {
        struct err why = reply->err;
        err_wrap(&why, s->call_creates ? "create a session" : "renew the session");
        trouble(s, &why);
    } else if (s->call_creates) {
        on_created(s, reply);
    } else {
        on_renewed(s, reply);
    }
}

static void on_second(struct consul_call *call, const struct consul_reply *reply)
{
    struct consulkv_session *s = container_of(call, struct consulkv_session, second_call);
    if (reply->status == NOT_FOUND) {
        s->second[0] = '\0';
    }
}

static msec_t timeout(const struct consulkv_session *s)
{
    return msec_min((msec_t)s->ttl_s * MSEC_PER_SEC / TRIES_PER_TTL, TIMEOUT_MAX);
}

static void renew(struct consulkv_session *s, struct consul_call *call, const char *id)
{
    struct buf path = BUF_INIT(SESSION_PATH_MAX);
    consulkv_session_path(&path, s->client->uri, "renew", id);
    consul_call_start(s->client, call,
                      &(struct consul_call_spec){
                          .method = HTTP_PUT, .path = buf_str(&path), .timeout = timeout(s)});
    buf_deinit(&path);
}

static void create(struct consulkv_session *s)
{
    struct buf path = BUF_INIT(SESSION_PATH_MAX), body = BUF_INIT(SESSION_BODY_MAX);
    consulkv_session_path(&path, s->client->uri, "create", NULL);
    consulkv_encode_session(&body, s->node, s->ttl_s);
    consul_call_start(s->client, &s->call,
                      &(struct consul_call_spec){.method = HTTP_PUT,
                                                 .path = buf_str(&path),
                                                 .body = buf_str(&body),
                                                 .body_len = body.len,
                                                 .timeout = timeout(s)});
    buf_deinit(&path);
    buf_deinit(&body);
}

/* Sends what the state asks for, or lets the end of the running call do so. */
static void session_ask(struct consulkv_session *s)
{
    if (consul_call_running(&s->call)) {
        s->call_dropped = true;
        consul_call_cancel(&s->call);
        return;
    }
    s->call_dropped = false;
    s->call_creates = s->state == CONSULKV_SESSION_S_CREATING;
    s->sent = io_now(s->client->io);
    if (s->call_creates) {
        create(s);
    } else {
        renew(s, &s->call, s->id);
    }
    if (*s->second && !consul_call_running(&s->second_call)) {
        renew(s, &s->second_call, s->second);
    }
}

void consulkv_session_init(struct consulkv_session *s, struct consul_client *client,
                           const char *node, unsigned ttl_s, uint64_t seed)
{
    s->client = client;
    s->node = node;
    s->ttl_s = ttl_s;
    s->call.done = on_answer;
    s->second_call.done = on_second;
    backoff_init(&s->backoff, RETRY_MIN, RETRY_MAX, seed);
}

void consulkv_session_create(struct consulkv_session *s)
{
    session_set_state(s, CONSULKV_SESSION_S_NONE);
    session_set_state(s, CONSULKV_SESSION_S_CREATING);
    session_ask(s);
}

void consulkv_session_adopt(struct consulkv_session *s, const char *id)
{
    char copy[sizeof(s->id)];
    must(consulkv_session_valid(id) && str_copy(copy, sizeof(copy), id)); /* id may be s->id */
    session_set_state(s, CONSULKV_SESSION_S_NONE);
    session_set_state(s, CONSULKV_SESSION_S_ADOPTING);
    str_copy(s->id, sizeof(s->id), copy);
    session_ask(s);
}

void consulkv_session_second(struct consulkv_session *s, const char *id)
{
    must(str_copy(s->second, sizeof(s->second), id));
}

void consulkv_session_forget(struct consulkv_session *s)
{
    session_set_state(s, CONSULKV_SESSION_S_NONE);
    s->second[0] = '\0';
}
