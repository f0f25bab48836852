/*
 * The Consul KV writer: one session, one record of the agent itself, and the keys of its services,
 * each locked by the session.
 *
 *   BACKOFF ─► RECORD ─► SESSION ─► CLAIM ─► LIST ─► (PROBE) ─► READY
 *      ▲         │  ▲       │         │       ▲                  │ record gone, session lost,
 *      │         │  │       └─ ours ──┼───────┘                  ▼ index went back, out of reach
 *      │         │  └──── changed ────┘                       SETTLING (the write in flight ends)
 *      └─ every failure of RECORD … PROBE ◄──────────────────────┘
 *   a later record of another agent than ours ─► DEPOSED               everything ─close─► CLOSING
 *
 * Happy path. First start: no record, so a session is created and the record locked with it. Next
 * start: the record leads to its session, which is renewed at once and taken over by writing our
 * instance into the record; the listing then shows which keys that session holds, and nothing has to
 * be written. From READY on: one renewal every third of the TTL, a blocking query of the prefix, and
 * what write() brings.
 *
 * Fencing. Every transaction checks the index of the record that we wrote or read, so an agent that was
 * replaced cannot write any more, even before it knows; and each key's index as last seen, so nobody's
 * change is overwritten unseen.
 *
 * Failure modes. Whatever breaks, the way back is the same: RECORD, and from there what is needed. As
 * long as the session lives nothing is lost by that, and renewals go on meanwhile. When it ended (see
 * consulkv_session.c for when it does) every key has gone with it, and all are put onto a new one. A
 * record that cannot be read is nobody's: it is written anew, unless a session holds it that is not one
 * of this node's agents; then that is told, and tried again. A record of another agent with an index
 * below that of ours comes from a snapshot, and is of the time before. A
 * session of another TTL than ours is renewed beside the new one until its keys have been moved: they
 * are reported with a digest that cannot match. Consul hides what a token may not read and says nothing,
 * but it refuses the record, which is read by its own name; where no record is expected, an empty
 * listing is taken for true only after PROBE. dry_run reads RECORD and LIST and stops there.
 */
#include "registry/consulkv_writer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_query.h"

#define LIST_MAX     (64u * 1024 * 1024)
#define RECORD_MAX   8192u
#define TROUBLES_MAX 1u /* failed renewals in a row that are nothing to speak of */

void consulkv_writer_set_state(struct registry_writer *w, enum writer_state to)
{
#define TO(sym) (1u << WRITER_S_##sym)
    static const unsigned allowed[] = {
        [WRITER_S_BACKOFF] = TO(RECORD) | TO(CLOSING),
        [WRITER_S_RECORD] = TO(SESSION) | TO(LIST) | TO(BACKOFF) | TO(DEPOSED) | TO(CLOSING),
        [WRITER_S_SESSION] = TO(CLAIM) | TO(LIST) | TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_CLAIM] = TO(LIST) | TO(RECORD) | TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_LIST] = TO(READY) | TO(PROBE) | TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_PROBE] = TO(READY) | TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_READY] = TO(SETTLING) | TO(DEPOSED) | TO(CLOSING),
        [WRITER_S_SETTLING] = TO(BACKOFF) | TO(CLOSING),
        [WRITER_S_DEPOSED] = TO(CLOSING),
        [WRITER_S_CLOSING] = 0,
    };
#undef TO
    must(w->magic == WRITER_MAGIC);
    must(allowed[w->state] & (1u << to));
    w->state = to;
}

static void tell_unready(struct registry_writer *w, const struct err *why)
{
    if (w->told != WRITER_TOLD_UNREADY) {
        w->told = WRITER_TOLD_UNREADY;
        w->events->unready(w->ctx, why);
    }
}

/* ---- calls ---- */

void consulkv_writer_get(struct registry_writer *w, struct consul_call *call, const char *key,
                         bool recurse, uint64_t index)
{
    struct buf path = BUF_INIT(WRITER_PATH_MAX);
    buf_puts(&path, "/v1/kv/");
    consul_path_escape(&path, key, strlen(key), true);
    if (w->uri->datacenter) {
        consul_path_query(&path, "dc", w->uri->datacenter);
    }
    if (recurse) {
        consul_path_query(&path, "recurse", NULL);
    }
    consul_path_block(&path, index, CONSULKV_WAIT);
    consul_call_start(&w->client, call,
                      &(struct consul_call_spec){.method = HTTP_GET,
                                                 .path = buf_str(&path),
                                                 .wait = index ? CONSULKV_WAIT : 0,
                                                 .body_max = LIST_MAX});
    buf_deinit(&path);
}

void consulkv_writer_txn(struct registry_writer *w, struct consul_call *call,
                         const struct buf *body)
{
    struct buf path = BUF_INIT(WRITER_PATH_MAX);
    must(!buf_error(body));
    buf_puts(&path, "/v1/txn");
    if (w->uri->datacenter) {
        consul_path_query(&path, "dc", w->uri->datacenter);
    }
    consul_call_start(&w->client, call,
                      &(struct consul_call_spec){.method = HTTP_PUT,
                                                 .path = buf_str(&path),
                                                 .body = buf_str(body),
                                                 .body_len = body->len,
                                                 .body_max = LIST_MAX});
    buf_deinit(&path);
}

/* ---- the way to READY ---- */

static void record_ask(struct registry_writer *w)
{
    consulkv_writer_set_state(w, WRITER_S_RECORD);
    consulkv_writer_get(w, &w->step, w->layout.record, false, 0);
}

static void on_backoff(struct io_timer *t)
{
    struct registry_writer *w = container_of(t, struct registry_writer, timer);
    if (consul_call_running(&w->step)) { /* a cancelled one that has not ended */
        io_timer_start(w->io, &w->timer, CONSULKV_RETRY_MIN, on_backoff);
        return;
    }
    record_ask(w);
}

static void back_off(struct registry_writer *w, enum err_class class)
{
    consulkv_writer_set_state(w, WRITER_S_BACKOFF);
    io_timer_start(w->io, &w->timer, backoff_for(&w->backoff, class), on_backoff);
}

void consulkv_writer_step_failed(struct registry_writer *w, const struct err *why)
{
    consul_call_cancel(&w->step);
    back_off(w, why->class);
    tell_unready(w, why);
}

static bool record_is_ours(const struct registry_writer *w)
{
    return w->record_index != 0 && streq(w->record.instance, w->us.instance);
}

static bool record_is_of_other(const struct registry_writer *w)
{
    return w->record_index > w->claimed_index && agent_record_of_other(&w->record, w->us.instance);
}

static void session_adopt(struct registry_writer *w, const char *id)
{
    str_copy(w->adopting, sizeof(w->adopting), id);
    consulkv_session_adopt(&w->session, id);
}

static void session_create(struct registry_writer *w)
{
    w->adopting[0] = '\0';
    consulkv_session_create(&w->session);
}

/* The record is known: which session? */
static void session_begin(struct registry_writer *w)
{
    const char *candidate = w->dry_run ? "" : w->our_session;
    if (w->record_index != 0) {
        const char *named = *w->record_session ? w->record_session : w->record.session;
        candidate = *named && !streq(named, w->stranger) ? named : candidate;
    }
    if (w->dry_run) {
        str_copy(w->our_session, sizeof(w->our_session), candidate);
        consulkv_writer_list_begin(w);
        return;
    }
    consulkv_writer_set_state(w, WRITER_S_SESSION);
    if (consulkv_session_valid(candidate)) {
        session_adopt(w, candidate);
    } else {
        session_create(w);
    }
}

static void claim(struct registry_writer *w)
{
    struct buf body = BUF_INIT(CONSULKV_TXN_BYTES), value = BUF_INIT(RECORD_MAX);
    struct consulkv_txn t;
    consulkv_writer_set_state(w, WRITER_S_CLAIM);
    str_copy(w->us.session, sizeof(w->us.session), w->session.id);
    agent_record_encode(&w->us, w->node, &value);
    consulkv_txn_begin(&t, &body);
    consulkv_txn_check(&t, w->layout.record, w->record_index);
    if (*w->session.second && streq(w->record_session, w->session.second)) {
        consulkv_txn_unlock(&t, w->layout.record, buf_str(&value), value.len, w->session.second);
    }
    consulkv_txn_lock(&t, w->layout.record, buf_str(&value), value.len, w->session.id);
    consulkv_txn_end(&t);
    consulkv_writer_txn(w, &w->step, &body);
    buf_deinit(&value);
    buf_deinit(&body);
}

static void keep_record(struct registry_writer *w, const struct consulkv_pair *pair)
{
    w->record_index = pair->index;
    if (!str_copy(w->record_session, sizeof(w->record_session), pair->session)) {
        w->record_session[0] = '\0';
    }
    agent_record_decode(&w->record, pair->value, pair->value_len);
}

static void depose(struct registry_writer *w)
{
    struct err why = ERR_INIT;
    consulkv_writer_set_state(w, WRITER_S_DEPOSED);
    consulkv_writer_watch_quiet(w);
    consulkv_session_forget(&w->session);
    consul_call_cancel(&w->slice.call);
    agent_record_deposed(&w->record, w->node, &why);
    w->events->deposed(w->ctx, &why);
}

/* Consul's own words do not say which right it was. */
static void forbidden(const struct registry_writer *w, struct err *why)
{
    err_set(why, ERR_AUTH, -EACCES,
            "the token may not read and write %s: its policy needs key_prefix \"%s\" { policy = "
            "\"write\" }",
            w->layout.record, w->layout.apart ? w->layout.record : w->layout.dir);
}

static void on_record(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_list list = {0};
    struct err why = reply->err;
    bool absent = reply->status == CONSULKV_NOT_FOUND && reply->index > 0;
    if (!absent &&
        (why.class != ERR_NONE || consulkv_decode_list(&list, reply->body, reply->len, &why) < 0)) {
        if (why.class == ERR_AUTH && strstr(reply->body, "Permission denied")) {
            forbidden(w, &why);
        }
        err_wrap(&why, "read the record of node %s", w->node);
        consulkv_writer_step_failed(w, &why);
        return;
    }
    w->record_index = 0;
    w->record_session[0] = '\0';
    if (list.n > 0) {
        keep_record(w, &list.pairs[0]);
    }
    arena_deinit(&list.arena);
    if (w->claimed_index != 0 && record_is_of_other(w)) {
        depose(w);
        return;
    }
    session_begin(w);
}

/* How a transaction was refused; the worst of its reasons. */
static enum consulkv_refusal worst(const struct consulkv_errors *errors)
{
    enum consulkv_refusal kind = CONSULKV_REFUSED_STALE;
    for (size_t i = 0; i < errors->n; i++) {
        kind = errors->items[i].kind > kind ? errors->items[i].kind : kind;
    }
    return kind;
}

static void claim_refused(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_errors errors;
    struct err why = ERR_INIT;
    if (consulkv_decode_errors(&errors, reply->body, reply->len, &why) < 0) {
        consulkv_writer_step_failed(w, &why);
        return;
    }
    enum consulkv_refusal kind = worst(&errors);
    err_set(&why, ERR_TRANSIENT, -EAGAIN, "write the record of node %s: %s", w->node,
            errors.items[0].what);
    arena_deinit(&errors.arena);
    switch (kind) {
    case CONSULKV_REFUSED_STALE:
        if (w->record_index == w->refused_index) { /* it is not that somebody was faster */
            consulkv_writer_step_failed(w, &why);
        } else {
            w->refused_index = w->record_index;
            record_ask(w); /* who was it? */
        }
        break;
    case CONSULKV_REFUSED_DELAY:
        consulkv_writer_step_failed(w, &why);
        break;
    case CONSULKV_REFUSED_SESSION:
        consulkv_writer_session_gone(w);
        break;
    case CONSULKV_REFUSED_AUTH:
        forbidden(w, &why);
        consulkv_writer_step_failed(w, &why);
        break;
    }
}

static void on_claim(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_list list;
    struct err why = reply->err;
    if (reply->status == CONSULKV_CONFLICT) {
        claim_refused(w, reply);
        return;
    }
    if (why.class != ERR_NONE || consulkv_decode_txn(&list, reply->body, reply->len, &why) < 0) {
        err_wrap(&why, "write the record of node %s", w->node);
        consulkv_writer_step_failed(w, &why);
        return;
    }
    int64_t index = list.n > 0 ? list.pairs[list.n - 1].index : 0;
    arena_deinit(&list.arena);
    if (index == 0) {
        err_set(&why, ERR_BUG, -EPROTO, "Consul wrote the record without saying its index");
        consulkv_writer_step_failed(w, &why);
        return;
    }
    w->refused_index = -1;
    w->claimed_index = w->record_index = index;
    consulkv_writer_list_begin(w);
}

/* READY, the record is not below the prefix: it was asked for by itself. */
static void on_record_again(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consulkv_list list = {0};
    struct err ignored = ERR_INIT; /* the renewals tell when Consul is out of reach */
    bool absent = reply->status == CONSULKV_NOT_FOUND && reply->index > 0;
    if (absent || (reply->err.class == ERR_NONE &&
                   consulkv_decode_list(&list, reply->body, reply->len, &ignored) == 0)) {
        (void)consulkv_writer_check_record(w, list.n > 0 ? &list.pairs[0] : NULL);
        arena_deinit(&list.arena);
    }
}

static void on_step(struct consul_call *call, const struct consul_reply *reply)
{
    struct registry_writer *w = container_of(call, struct registry_writer, step);
    if (w->state == WRITER_S_CLOSING) {
        consulkv_writer_on_leave(w, reply);
        return;
    }
    if (reply->err.class == ERR_CANCELLED) {
        return;
    }
    switch (w->state) {
    case WRITER_S_RECORD:
        on_record(w, reply);
        break;
    case WRITER_S_CLAIM:
        on_claim(w, reply);
        break;
    case WRITER_S_LIST:
        consulkv_writer_on_list(w, reply);
        break;
    case WRITER_S_PROBE:
        consulkv_writer_on_probe(w, reply);
        break;
    case WRITER_S_READY:
        on_record_again(w, reply);
        break;
    default:
        break;
    }
}

void consulkv_writer_ready(struct registry_writer *w)
{
    consulkv_writer_set_state(w, WRITER_S_READY);
    consulkv_writer_check_second(w);
    if (!w->dry_run) {
        consulkv_writer_watch_begin(w);
    }
    w->told = WRITER_TOLD_READY;
    w->events->ready(w->ctx);
}

/* ---- the way back ---- */

void consulkv_writer_restart(struct registry_writer *w, const struct err *why)
{
    consulkv_writer_set_state(w, WRITER_S_SETTLING);
    consulkv_writer_watch_quiet(w);
    consul_call_cancel(&w->step);
    if (why) {
        tell_unready(w, why);
    }
    if (w->state == WRITER_S_SETTLING && !w->batch.active) {
        consulkv_writer_settled(w);
    }
}

void consulkv_writer_settled(struct registry_writer *w)
{
    back_off(w, ERR_TRANSIENT);
}

bool consulkv_writer_check_record(struct registry_writer *w, const struct consulkv_pair *now)
{
    if (!now) {
        consulkv_writer_restart(w, NULL); /* RECORD and CLAIM put it again */
        return false;
    }
    if (now->index == w->record_index) {
        return true;
    }
    if (now->index < w->record_index) { /* out of a snapshot: whatever we know is of later */
        consulkv_writer_restart(w, NULL);
        return false;
    }
    keep_record(w, now);
    if (record_is_of_other(w)) {
        depose(w);
        return false;
    }
    if (!record_is_ours(w) || !streq(w->record_session, w->our_session)) {
        consulkv_writer_restart(w, NULL); /* by another hand: it is written anew */
        return false;
    }
    return true;
}

/* ---- the session's events ---- */

static void on_held(struct consulkv_session *s)
{
    struct registry_writer *w = container_of(s, struct registry_writer, session);
    if (w->state != WRITER_S_SESSION) {
        return;
    }
    if (!s->as_wanted) {
        consulkv_session_second(s, s->id);
        session_create(w);
        return;
    }
    str_copy(w->our_session, sizeof(w->our_session), s->id);
    if (record_is_ours(w) && streq(w->record_session, s->id)) {
        w->claimed_index = w->record_index; /* maybe a claim whose answer we never saw */
        consulkv_writer_list_begin(w);
    } else {
        claim(w);
    }
}

static void on_session_failed(struct consulkv_session *s, const struct err *why)
{
    struct registry_writer *w = container_of(s, struct registry_writer, session);
    if (w->state == WRITER_S_SESSION) {
        consulkv_writer_step_failed(w, why);
    }
}

static void session_ended(struct err *why)
{
    err_set(why, ERR_TRANSIENT, -ESTALE,
            "the session has expired or was destroyed, and its keys with it");
}

void consulkv_writer_session_gone(struct registry_writer *w)
{
    struct err why = ERR_INIT;
    consulkv_session_forget(&w->session);
    session_ended(&why);
    switch (w->state) {
    case WRITER_S_CLAIM:
    case WRITER_S_LIST:
    case WRITER_S_PROBE:
        consulkv_writer_step_failed(w, &why);
        break;
    case WRITER_S_READY:
        consulkv_writer_restart(w, &why);
        break;
    default: /* RECORD looks anyway */
        break;
    }
}

/* SESSION: the session that was asked for is not there, or not one of this node's agents. */
static void session_not_found(struct registry_writer *w)
{
    if (*w->our_session && !streq(w->adopting, w->our_session)) {
        str_copy(w->stranger, sizeof(w->stranger), w->adopting);
        session_adopt(w, w->our_session);
        return;
    }
    if (*w->our_session && w->told == WRITER_TOLD_READY) {
        struct err why = ERR_INIT;
        session_ended(&why);
        tell_unready(w, &why);
    }
    if (w->state != WRITER_S_SESSION) { /* an event's handler closed us */
        return;
    }
    if (!*w->our_session) {
        str_copy(w->stranger, sizeof(w->stranger), w->adopting);
    }
    w->our_session[0] = '\0';
    session_create(w);
}

static void on_lost(struct consulkv_session *s)
{
    struct registry_writer *w = container_of(s, struct registry_writer, session);
    if (w->state == WRITER_S_SESSION) {
        session_not_found(w);
    } else {
        consulkv_writer_session_gone(w);
    }
}

static void on_trouble(struct consulkv_session *s, const struct err *why)
{
    struct registry_writer *w = container_of(s, struct registry_writer, session);
    if (w->state == WRITER_S_READY && s->failures > TROUBLES_MAX) {
        consulkv_writer_restart(w, why);
    }
}

static void on_renewed(struct consulkv_session *s)
{
    struct registry_writer *w = container_of(s, struct registry_writer, session);
    if (w->state != WRITER_S_READY) {
        return;
    }
    backoff_reset(&w->backoff);
    if (w->layout.apart && !consul_call_running(&w->step)) {
        consulkv_writer_get(w, &w->step, w->layout.record, false, 0);
    }
}

void consulkv_writer_start(struct registry_writer *w, uint64_t seed)
{
    w->step.done = on_step;
    w->refused_index = -1;
    w->session.held = on_held;
    w->session.failed = on_session_failed;
    w->session.lost = on_lost;
    w->session.trouble = on_trouble;
    w->session.renewed = on_renewed;
    backoff_init(&w->backoff, CONSULKV_RETRY_MIN, CONSULKV_RETRY_MAX, seed);
    io_timer_start(w->io, &w->timer, 0, on_backoff);
}
