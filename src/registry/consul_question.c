/*
 *   RESTING ─due─► DUE ─ask─► ASKING ─answer, failure─► RESTING
 *      │            ▲           │  └─overtaken─► DUE
 *      │            │          due
 *      │            │           ▼
 *      │            └────── RECALLED          from everywhere ─leave─► LEAVING ──► GONE
 *
 *   NONE ─hold─► HELD ─answer, failure─► NONE
 *    ▲            └──drop──► DROPPED ──┐
 *    └─────────────────────────────────┘
 *
 * Happy path: asked once, for the answer and its index, then held with that index again and again. To ask
 * anew leaves what is held alone: Consul 1.8 notices only at the end of the wait that a connection on
 * which it holds a query was closed, and counts it until then.
 *
 * Failure modes: after a failure the index is forgotten, so that the next answer is a whole one and
 * comes at once. An index that went backwards (a Consul that began anew, or another server) or is 0 is
 * forgotten as well, and what is held with a higher one is dropped, because nothing would wake it. An answer
 * without index to a question that was asked for one is not Consul's: a failure, because to go on from
 * there would be to ask without a pause.
 *
 * What is held ends long before its time with the index that it was begun with: so it goes when a snapshot is
 * restored, and the indexes from then on are others, maybe lower. One question at once finds out. When
 * that happens again and again (a proxy with no patience), it is held after growing pauses only.
 *
 * Two answers can pass each other on the way: of what is held, the older one is not looked at; an answer
 * at once that seems older than one that came meanwhile is asked for again, once.
 *
 * A call that is given up ends later, from the loop; what it brings is not looked at.
 */
#include "registry/consul_question.h"

#include "base/alloc.h"
#include "base/must.h"
#include "registry/consul_query.h"

#include <errno.h>
#include <string.h>

#define PATH_MAX_LEN 32768u
#define BODY_MAX     (32u * 1024 * 1024)
#define PAUSE        1000u
#define PAUSE_MAX    30000u

static void question_set_state(struct consul_question *q, enum consul_question_state to)
{
#define TO(sym) (1u << CONSUL_QUESTION_S_##sym)
    static const unsigned allowed[] = {
        [CONSUL_QUESTION_S_RESTING] = TO(DUE) | TO(LEAVING),
        [CONSUL_QUESTION_S_DUE] = TO(ASKING) | TO(LEAVING),
        [CONSUL_QUESTION_S_ASKING] = TO(RESTING) | TO(DUE) | TO(RECALLED) | TO(LEAVING),
        [CONSUL_QUESTION_S_RECALLED] = TO(DUE) | TO(LEAVING),
        [CONSUL_QUESTION_S_LEAVING] = TO(GONE),
        [CONSUL_QUESTION_S_GONE] = 0,
    };
#undef TO
    must(allowed[q->state] & (1u << to));
    q->state = to;
}

static void hold_set_state(struct consul_hold *h, enum consul_hold_state to)
{
    static const bool allowed[3][3] = {
        [CONSUL_HOLD_S_NONE] = {[CONSUL_HOLD_S_HELD] = true},
        [CONSUL_HOLD_S_HELD] = {[CONSUL_HOLD_S_NONE] = true, [CONSUL_HOLD_S_DROPPED] = true},
        [CONSUL_HOLD_S_DROPPED] = {[CONSUL_HOLD_S_NONE] = true},
    };
    must(allowed[h->state][to]);
    h->state = to;
}

static void drop(struct consul_hold *h)
{
    if (h->state == CONSUL_HOLD_S_HELD) {
        hold_set_state(h, CONSUL_HOLD_S_DROPPED);
        consul_call_cancel(&h->call);
    }
}

static bool check_gone(struct consul_question *q)
{
    if (q->state == CONSUL_QUESTION_S_LEAVING && !consul_call_running(&q->call) &&
        !consul_call_running(&q->hold.call)) {
        question_set_state(q, CONSUL_QUESTION_S_GONE);
    }
    return q->state == CONSUL_QUESTION_S_GONE;
}

/* ---- answers at once ---- */

static void take_asked(struct consul_question *q, const struct consul_reply *reply)
{
    struct consul_reply bad = *reply;
    q->repeated = false;
    q->asked = true;
    q->took = io_now(q->client->io) - q->since;
    if (reply->err.class == ERR_NONE && reply->index == 0) {
        err_set(&bad.err, ERR_BUG, -EPROTO, "not an answer of Consul: no X-Consul-Index");
    }
    q->index = bad.err.class == ERR_NONE ? reply->index : 0;
    if (q->index > 0 && q->hold.index > q->index) {
        drop(&q->hold);
    }
    question_set_state(q, CONSUL_QUESTION_S_RESTING);
    q->ended(q, &bad);
}

static void on_asked(struct consul_call *call, const struct consul_reply *reply)
{
    struct consul_question *q = container_of(call, struct consul_question, call);
    q->cut_short = false;
    if (q->state == CONSUL_QUESTION_S_ASKING) {
        bool older = q->overtaken && reply->err.class == ERR_NONE && reply->index > 0 &&
                     reply->index < q->index;
        if (!older || q->repeated) {
            take_asked(q, reply);
            return;
        }
        q->repeated = true;
        question_set_state(q, CONSUL_QUESTION_S_DUE);
    } else if (q->state == CONSUL_QUESTION_S_RECALLED) {
        question_set_state(q, CONSUL_QUESTION_S_DUE);
    } else {
        must(q->state == CONSUL_QUESTION_S_LEAVING);
        (void)check_gone(q);
    }
    q->ended(q, NULL);
}

/* ---- answers to what is held ---- */

/* True: the answer is to be looked at. */
static bool take_news(struct consul_question *q, const struct consul_reply *reply)
{
    struct consul_hold *h = &q->hold;
    msec_t now = io_now(q->client->io);
    bool reset;
    if (reply->index == h->index && q->took < h->wait / 4 * 3) {
        unsigned doublings = h->early < 5 ? h->early : 5;
        msec_t pause = (msec_t)PAUSE << doublings;
        if (h->early++ > 0) {
            q->not_before = now + (pause < PAUSE_MAX ? pause : PAUSE_MAX);
        }
        q->index = 0;
        q->cut_short = true;
        if (q->state == CONSUL_QUESTION_S_ASKING) {
            consul_question_due(q); /* that may have been answered before */
        }
        return false;
    }
    h->early = 0;
    uint64_t next = consul_index_next(h->index, reply->index, &reset);
    if (!reset && next < q->index) {
        return false;
    }
    q->index = next;
    q->overtaken = true;
    return true;
}

static void on_news(struct consul_call *call, const struct consul_reply *reply)
{
    struct consul_question *q = container_of(call, struct consul_question, hold.call);
    bool held = consul_question_held(q);
    q->cut_short = false;
    hold_set_state(&q->hold, CONSUL_HOLD_S_NONE);
    if (!held) {
        (void)check_gone(q);
        q->ended(q, NULL);
        return;
    }
    q->asked = false;
    q->took = io_now(q->client->io) - q->hold.since;
    if (reply->err.class != ERR_NONE) {
        q->index = 0;
    } else if (!take_news(q, reply)) {
        reply = NULL;
    }
    q->ended(q, reply);
}

/* ---- what owners ask for ---- */

void consul_question_init(struct consul_question *q, struct consul_client *client, const char *path,
                          const char *name)
{
    *q = (struct consul_question){.client = client, .path = BUF_INIT(PATH_MAX_LEN)};
    q->call.done = on_asked;
    q->hold.call.done = on_news;
    buf_puts(&q->path, path);
    if (name) {
        consul_path_escape(&q->path, name, strlen(name), false);
    }
    consul_path_read(&q->path, client->uri);
    must(buf_error(&q->path) == 0); /* names and datacenters have their limits */
}

void consul_question_deinit(struct consul_question *q)
{
    must(!consul_call_running(&q->call) && !consul_call_running(&q->hold.call));
    buf_deinit(&q->path);
}

static void start(struct consul_question *q, struct consul_call *call, uint64_t index, msec_t wait)
{
    struct buf path = BUF_INIT(2 * PATH_MAX_LEN);
    buf_append(&path, q->path.data, q->path.len);
    consul_path_block(&path, index, wait);
    must(buf_error(&path) == 0);
    consul_call_start(
        q->client, call,
        &(struct consul_call_spec){
            .method = HTTP_GET, .path = buf_str(&path), .wait = wait, .body_max = BODY_MAX});
    buf_deinit(&path);
}

void consul_question_due(struct consul_question *q)
{
    if (q->state == CONSUL_QUESTION_S_RESTING) {
        question_set_state(q, CONSUL_QUESTION_S_DUE);
    } else if (q->state == CONSUL_QUESTION_S_ASKING) {
        question_set_state(q, CONSUL_QUESTION_S_RECALLED);
        consul_call_cancel(&q->call);
    }
}

void consul_question_ask(struct consul_question *q)
{
    question_set_state(q, CONSUL_QUESTION_S_ASKING);
    q->overtaken = false;
    q->since = io_now(q->client->io);
    start(q, &q->call, 0, 0);
}

bool consul_question_can_hold(const struct consul_question *q)
{
    return q->state == CONSUL_QUESTION_S_RESTING && q->hold.state == CONSUL_HOLD_S_NONE &&
           q->index > 0 && io_now(q->client->io) >= q->not_before;
}

void consul_question_hold(struct consul_question *q, msec_t wait)
{
    struct consul_hold *h = &q->hold;
    must(consul_question_can_hold(q));
    hold_set_state(h, CONSUL_HOLD_S_HELD);
    h->index = q->index;
    h->since = io_now(q->client->io);
    h->wait = wait;
    start(q, &h->call, h->index, wait);
}

void consul_question_pause(struct consul_question *q, msec_t delay)
{
    q->index = 0;
    q->not_before = io_now(q->client->io) + delay;
}

bool consul_question_leave(struct consul_question *q)
{
    if (q->state == CONSUL_QUESTION_S_LEAVING || q->state == CONSUL_QUESTION_S_GONE) {
        return q->state == CONSUL_QUESTION_S_GONE;
    }
    bool asking = q->state == CONSUL_QUESTION_S_ASKING;
    question_set_state(q, CONSUL_QUESTION_S_LEAVING);
    if (asking) {
        consul_call_cancel(&q->call);
    }
    drop(&q->hold);
    return check_gone(q);
}
