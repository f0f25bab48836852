/*
 * A slot: the requests of one operation, one after the other.
 *
 *   FREE ──PUT──► REGISTER ─► CHECKS ─► DROP each ─► UPDATE each ─► FREE
 *     └──DELETE─► REMOVE ──200, or it was gone──────────────────────┘
 *   any failure of a step ends the operation with its class
 *
 * Happy path: a service that is new needs REGISTER only, and UPDATE of its TTL checks, because Consul keeps
 * the status of a check that was there before. One that Consul had before may have checks that are not
 * wanted any more: those with ids of ours are removed. Consul's own way of doing so
 * (replace-existing-checks) would also remove a check that was added by hand, and end a maintenance.
 *
 * Failure modes: each operation fails by itself. What is to be removed and is not there is removed. A check
 * that is unknown right after its registration is a failure that passes.
 */
#include "registry/consul_writer.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_query.h"

#include <errno.h>
#include <string.h>

#define CHECKS_MAX (64u * 1024 * 1024)

static void set_step(struct consul_slot *s, enum consul_slot_step to)
{
#define TO(sym) (1u << CONSUL_SLOT_##sym)
    static const unsigned allowed[] = {
        [CONSUL_SLOT_FREE] = TO(REGISTER) | TO(REMOVE),
        [CONSUL_SLOT_REGISTER] = TO(CHECKS) | TO(UPDATE) | TO(FREE),
        [CONSUL_SLOT_CHECKS] = TO(DROP) | TO(UPDATE) | TO(FREE),
        [CONSUL_SLOT_DROP] = TO(DROP) | TO(UPDATE) | TO(FREE),
        [CONSUL_SLOT_UPDATE] = TO(UPDATE) | TO(FREE),
        [CONSUL_SLOT_REMOVE] = TO(FREE),
    };
#undef TO
    must(allowed[s->step] & (1u << to));
    s->step = to;
}

struct consul_slot *consul_slot_free(struct registry_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->slots); i++) {
        if (w->slots[i].step == CONSUL_SLOT_FREE) {
            return &w->slots[i];
        }
    }
    return NULL;
}

bool consul_slot_idle(const struct registry_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->slots); i++) {
        if (w->slots[i].step != CONSUL_SLOT_FREE) {
            return false;
        }
    }
    return true;
}

static void slot_end(struct consul_slot *s, const struct err *why)
{
    struct registry_writer *w = s->w;
    struct consul_known *k = take_ptr(s->service);
    bool put = s->step != CONSUL_SLOT_REMOVE;
    set_step(s, CONSUL_SLOT_FREE);
    arena_deinit(&s->arena);
    k->in_flight = false;
    k->touched = ++w->event;
    consul_writer_op_ended(w, s->op, why, put && why->class == ERR_NONE ? ++w->revision : 0);
}

static void slot_fail(struct consul_slot *s, const struct consul_reply *reply, const char *verb)
{
    struct err why = reply->err;
    if (s->step == CONSUL_SLOT_UPDATE && consul_reply_unknown(reply)) {
        why.class = ERR_TRANSIENT; /* lost again, as soon as it was registered */
    } else if (reply->status == 404) {
        why.class = ERR_BUG; /* no such path: that is no Consul agent */
    } else if (why.class == ERR_CONFLICT) {
        why.class = ERR_TRANSIENT; /* nothing was compared */
    }
    err_wrap(&why, "%s %.80s", verb, s->service->id);
    consul_known_unsure(s->service);
    slot_end(s, &why);
}

/* ---- steps ---- */

static void ask_checks(struct consul_slot *s)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-";
    struct buf path = BUF_INIT(16384), filter = BUF_INIT(4096);
    const char *id = s->service->id;
    set_step(s, CONSUL_SLOT_CHECKS);
    buf_puts(&path, "/v1/agent/checks");
    if (strspn(id, plain) == strlen(id)) { /* else all of them */
        buf_printf(&filter, "ServiceID == \"%s\"", id);
        consul_path_query(&path, "filter", buf_str(&filter));
    }
    consul_call_start(&s->w->client, &s->call,
                      &(struct consul_call_spec){
                          .method = HTTP_GET, .path = buf_str(&path), .body_max = CHECKS_MAX});
    buf_deinit(&path);
    buf_deinit(&filter);
}

static void drop_check(struct consul_slot *s)
{
    struct buf path = BUF_INIT(8192);
    const char *id = s->obsolete[s->obsolete_at++];
    set_step(s, CONSUL_SLOT_DROP);
    buf_puts(&path, "/v1/agent/check/deregister/");
    consul_path_escape(&path, id, strlen(id), false);
    consul_call_start(&s->w->client, &s->call,
                      &(struct consul_call_spec){.method = HTTP_PUT, .path = buf_str(&path)});
    buf_deinit(&path);
}

static void next_step(struct consul_slot *s)
{
    const struct err none = ERR_INIT;
    if (s->look) {
        s->look = false;
        ask_checks(s);
    } else if (s->obsolete_at < s->n_obsolete) {
        drop_check(s);
    } else if (s->ttl_at < s->n_ttls) {
        const struct consul_listed_ttl *t = &s->ttls[s->ttl_at++];
        set_step(s, CONSUL_SLOT_UPDATE);
        consul_check_update(s->w, &s->call, t->check_id, t->status, t->weight);
    } else {
        slot_end(s, &none);
    }
}

static void on_registered(struct consul_slot *s, const struct consul_reply *reply)
{
    struct registry_writer *w = s->w;
    if (reply->err.class != ERR_NONE) {
        slot_fail(s, reply, "register");
        return;
    }
    consul_known_put(s->service, hash64(s->body, s->body_len) | 1, io_now(w->io));
    consul_writer_ttl_put(w, s->service->id, s->ttls, s->n_ttls);
    next_step(s);
}

static bool body_has_check(const json *body, const char *check_id)
{
    const json *checks = json_get(body, "Checks");
    for (const json *it = json_first(checks); it; it = json_next(it)) {
        if (streq(json_str(it, "CheckID", ""), check_id)) {
            return true;
        }
    }
    return false;
}

/* "service:<id>", ours or Registrator's, or with anything behind another colon. */
static bool id_is_ours(const char *check_id, const char *service_id)
{
    size_t len = strlen(service_id);
    if (!str_starts(check_id, "service:")) {
        return false;
    }
    check_id += strlen("service:");
    return strncmp(check_id, service_id, len) == 0 &&
           (check_id[len] == '\0' || check_id[len] == ':');
}

static void on_checks(struct consul_slot *s, const struct consul_reply *reply)
{
    CLEANUP_JSON json *checks = NULL, *body = NULL;
    struct err why = reply->err;
    if (why.class != ERR_NONE) {
        slot_fail(s, reply, "look at the checks of");
        return;
    }
    if (json_parse(&checks, reply->body, reply->len, &why) < 0 ||
        json_parse(&body, s->body, s->body_len, &why) < 0) {
        why.class = ERR_BUG;
        err_wrap(&why, "look at the checks of %.80s", s->service->id);
        consul_known_unsure(s->service);
        slot_end(s, &why);
        return;
    }
    s->obsolete = arena_alloc(&s->arena, (json_size(checks) + 1) * sizeof(*s->obsolete));
    for (const json *it = json_first(checks); it; it = json_next(it)) {
        const char *id = json_name(it);
        if (streq(json_str(it, "ServiceID", ""), s->service->id) &&
            id_is_ours(id, s->service->id) && !body_has_check(body, id)) {
            s->obsolete[s->n_obsolete++] = arena_strdup(&s->arena, id);
        }
    }
    next_step(s);
}

static void on_step(struct consul_slot *s, const struct consul_reply *reply, const char *verb)
{
    bool gone = s->step == CONSUL_SLOT_DROP && consul_reply_unknown(reply);
    if (reply->err.class == ERR_NONE || gone) {
        next_step(s);
    } else {
        slot_fail(s, reply, verb);
    }
}

static void on_removed(struct consul_slot *s, const struct consul_reply *reply)
{
    const struct err none = ERR_INIT;
    if (reply->err.class == ERR_NONE || consul_reply_unknown(reply)) {
        consul_known_removed(s->service, io_now(s->w->io));
        consul_writer_ttl_forget(s->w, s->service->id);
        slot_end(s, &none);
    } else {
        slot_fail(s, reply, "deregister");
    }
}

static void on_answer(struct consul_call *call, const struct consul_reply *reply)
{
    struct consul_slot *s = container_of(call, struct consul_slot, call);
    struct registry_writer *w = s->w;
    if (w->state == CONSUL_WRITER_S_CLOSING) {
        struct consul_known *k = take_ptr(s->service);
        bool removal = s->step == CONSUL_SLOT_REMOVE;
        set_step(s, CONSUL_SLOT_FREE);
        arena_deinit(&s->arena);
        consul_writer_left(w, k, removal, reply);
        return;
    }
    switch (s->step) {
    case CONSUL_SLOT_REGISTER:
        on_registered(s, reply);
        break;
    case CONSUL_SLOT_CHECKS:
        on_checks(s, reply);
        break;
    case CONSUL_SLOT_DROP:
        on_step(s, reply, "remove a check of");
        break;
    case CONSUL_SLOT_UPDATE:
        on_step(s, reply, "set the checks of");
        break;
    case CONSUL_SLOT_REMOVE:
        on_removed(s, reply);
        break;
    case CONSUL_SLOT_FREE:
        must(!"an answer for a slot that asks nothing");
    }
}

/* ---- operations ---- */

static void slot_take(struct consul_slot *s, struct consul_known *k, enum consul_slot_step step)
{
    set_step(s, step);
    s->service = k;
    s->look = false;
    s->n_ttls = s->ttl_at = s->n_obsolete = s->obsolete_at = 0;
    k->in_flight = true;
    k->touched = ++s->w->event;
}

void consul_slot_remove(struct consul_slot *s, struct consul_known *k)
{
    struct buf path = BUF_INIT(8192);
    slot_take(s, k, CONSUL_SLOT_REMOVE);
    buf_puts(&path, "/v1/agent/service/deregister/");
    consul_path_escape(&path, k->id, strlen(k->id), false);
    consul_call_start(&s->w->client, &s->call,
                      &(struct consul_call_spec){.method = HTTP_PUT, .path = buf_str(&path)});
    buf_deinit(&path);
}

void consul_slot_register(struct consul_slot *s, struct consul_known *k, const char *body,
                          size_t len)
{
    slot_take(s, k, CONSUL_SLOT_REGISTER);
    s->look = k->exists || k->unverified;
    s->body = body;
    s->body_len = len;
    arena_init(&s->arena);
    s->n_ttls = consul_service_ttls(body, len, &s->arena, &s->ttls);
    consul_call_start(&s->w->client, &s->call,
                      &(struct consul_call_spec){
                          .method = HTTP_PUT,
                          .path = "/v1/agent/service/register",
                          .body = body,
                          .body_len = len,
                      });
}

void consul_slots_init(struct registry_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->slots); i++) {
        w->slots[i].w = w;
        w->slots[i].call.done = on_answer;
    }
}
