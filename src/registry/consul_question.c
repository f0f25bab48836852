/*
 *   RESTING ─due─► DUE ─ask─► ASKING ─answer, failure─► RESTING
 *      │            ▲            │
 *      │            │          due, leave
 *      │            │            ▼
 *      │            └────── RECALLED, LEAVING ──► GONE
 *      │                         ▲
 *      │                     due, leave
 *      └─hold─────────────► HOLDING ─answer, failure─► RESTING
 *
 * Happy path: asked once, for the answer and its index, then held with that index again and again.
 *
 * Failure modes: after a failure the index is forgotten, so that the next answer is a whole one and
 * comes at once. An index that went backwards (a Consul that began anew, or another server) or is 0 is
 * forgotten as well. An answer without index to a question that was asked for one is not Consul's: a
 * failure, because to go on from there would be to ask without a pause.
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

static void question_set_state(struct consul_question *q, enum consul_question_state to)
{
    static const bool allowed[7][7] = {
        [CONSUL_QUESTION_S_RESTING] = {[CONSUL_QUESTION_S_DUE] = true,
                                       [CONSUL_QUESTION_S_HOLDING] = true,
                                       [CONSUL_QUESTION_S_GONE] = true},
        [CONSUL_QUESTION_S_DUE] =
            {[CONSUL_QUESTION_S_ASKING] = true, [CONSUL_QUESTION_S_GONE] = true},
        [CONSUL_QUESTION_S_ASKING] = {[CONSUL_QUESTION_S_RESTING] = true,
                                      [CONSUL_QUESTION_S_RECALLED] = true,
                                      [CONSUL_QUESTION_S_LEAVING] = true},
        [CONSUL_QUESTION_S_HOLDING] = {[CONSUL_QUESTION_S_RESTING] = true,
                                       [CONSUL_QUESTION_S_RECALLED] = true,
                                       [CONSUL_QUESTION_S_LEAVING] = true},
        [CONSUL_QUESTION_S_RECALLED] =
            {[CONSUL_QUESTION_S_DUE] = true, [CONSUL_QUESTION_S_LEAVING] = true},
        [CONSUL_QUESTION_S_LEAVING] = {[CONSUL_QUESTION_S_GONE] = true},
    };
    must(allowed[q->state][to]);
    q->state = to;
}

/* Takes the index of a good answer; fills `ret` with the same answer as a failure where it is none. */
static bool take_index(struct consul_question *q, const struct consul_reply *reply,
                       struct consul_reply *ret)
{
    bool reset;
    if (q->state == CONSUL_QUESTION_S_ASKING && reply->index == 0) {
        *ret = *reply;
        err_set(&ret->err, ERR_BUG, -EPROTO, "not an answer of Consul: no X-Consul-Index");
        return false;
    }
    q->index = consul_index_next(q->index, reply->index, &reset);
    return true;
}

static void on_done(struct consul_call *call, const struct consul_reply *reply)
{
    struct consul_question *q = container_of(call, struct consul_question, call);
    struct consul_reply bad;
    switch (q->state) {
    case CONSUL_QUESTION_S_RECALLED:
        question_set_state(q, CONSUL_QUESTION_S_DUE);
        q->ended(q, NULL);
        return;
    case CONSUL_QUESTION_S_LEAVING:
        question_set_state(q, CONSUL_QUESTION_S_GONE);
        q->ended(q, NULL);
        return;
    case CONSUL_QUESTION_S_ASKING:
    case CONSUL_QUESTION_S_HOLDING:
        break;
    case CONSUL_QUESTION_S_RESTING:
    case CONSUL_QUESTION_S_DUE:
    case CONSUL_QUESTION_S_GONE:
        must(!"a call that nobody made");
    }
    if (reply->err.class != ERR_NONE) {
        q->index = 0;
    } else if (!take_index(q, reply, &bad)) {
        reply = &bad;
    }
    question_set_state(q, CONSUL_QUESTION_S_RESTING);
    q->ended(q, reply);
}

void consul_question_init(struct consul_question *q, struct consul_client *client, const char *path,
                          const char *name)
{
    *q = (struct consul_question){.client = client, .path = BUF_INIT(PATH_MAX_LEN)};
    q->call.done = on_done;
    buf_puts(&q->path, path);
    if (name) {
        consul_path_escape(&q->path, name, strlen(name), false);
    }
    consul_path_read(&q->path, client->uri);
    must(buf_error(&q->path) == 0); /* names and datacenters have their limits */
}

void consul_question_deinit(struct consul_question *q)
{
    must(!consul_call_running(&q->call));
    buf_deinit(&q->path);
}

static void start(struct consul_question *q, uint64_t index, msec_t wait)
{
    struct buf path = BUF_INIT(2 * PATH_MAX_LEN);
    buf_append(&path, q->path.data, q->path.len);
    consul_path_block(&path, index, wait);
    must(buf_error(&path) == 0);
    consul_call_start(
        q->client, &q->call,
        &(struct consul_call_spec){
            .method = HTTP_GET, .path = buf_str(&path), .wait = wait, .body_max = BODY_MAX});
    buf_deinit(&path);
}

void consul_question_due(struct consul_question *q)
{
    switch (q->state) {
    case CONSUL_QUESTION_S_RESTING:
        question_set_state(q, CONSUL_QUESTION_S_DUE);
        break;
    case CONSUL_QUESTION_S_ASKING:
    case CONSUL_QUESTION_S_HOLDING:
        question_set_state(q, CONSUL_QUESTION_S_RECALLED);
        consul_call_cancel(&q->call);
        break;
    case CONSUL_QUESTION_S_DUE:
    case CONSUL_QUESTION_S_RECALLED:
    case CONSUL_QUESTION_S_LEAVING:
    case CONSUL_QUESTION_S_GONE:
        break;
    }
}

void consul_question_ask(struct consul_question *q)
{
    question_set_state(q, CONSUL_QUESTION_S_ASKING);
    q->index = 0;
    start(q, 0, 0);
}

void consul_question_hold(struct consul_question *q, msec_t wait)
{
    must(q->index > 0);
    question_set_state(q, CONSUL_QUESTION_S_HOLDING);
    start(q, q->index, wait);
}

bool consul_question_leave(struct consul_question *q)
{
    switch (q->state) {
    case CONSUL_QUESTION_S_RESTING:
    case CONSUL_QUESTION_S_DUE:
        question_set_state(q, CONSUL_QUESTION_S_GONE);
        break;
    case CONSUL_QUESTION_S_ASKING:
    case CONSUL_QUESTION_S_HOLDING:
        question_set_state(q, CONSUL_QUESTION_S_LEAVING);
        consul_call_cancel(&q->call);
        break;
    case CONSUL_QUESTION_S_RECALLED:
        question_set_state(q, CONSUL_QUESTION_S_LEAVING);
        break;
    case CONSUL_QUESTION_S_LEAVING:
    case CONSUL_QUESTION_S_GONE:
        break;
    }
    return q->state == CONSUL_QUESTION_S_GONE;
}
