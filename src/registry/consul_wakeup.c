/*
 * What wakes names that rest: GET /v1/health/state/any, with a filter that nothing passes.
 *
 * Happy path: the index rises with every change of a check anywhere, and the answer is empty. While names
 * rest, it is held; each new index, also the first, means that they are asked again. At most once in
 * a second, however often checks change. Nothing rests: nothing is asked.
 *
 * Failure modes: without the right for it, or where filters are unknown (before Consul 1.5), names that rest
 * are asked again more often (sweep_every), and this is tried again quietly. The index went
 * backwards: that is another index. Whether Consul is there at all is for others to tell.
 */
#include "registry/consul_reader.h"

#define PACE      1000u
#define RETRY_MIN 1000u
#define RETRY_MAX 60000u

/* filter=CheckID == "" */
#define PATH "/v1/health/state/any?filter=CheckID%20%3D%3D%20%22%22"

static void on_ended(struct consul_question *q, const struct consul_reply *reply)
{
    struct registry_reader *r = container_of(q, struct registry_reader, wakeup);
    if (q->cut_short) {
        consul_reader_cut_short(r);
    }
    if (reply && reply->err.class != ERR_NONE) {
        struct err why = reply->err;
        consul_room_failed(r, q, reply, &why);
        r->wakeup_works = false;
        consul_question_pause(q, backoff_next(&r->wakeup_backoff));
    } else if (reply) {
        backoff_reset(&r->wakeup_backoff);
        r->wakeup_works = true;
        if (reply->index != r->wakeup_index) {
            consul_reader_sweep_soon(r);
            if (!q->asked) {
                consul_question_pause(q, PACE);
            }
        }
        r->wakeup_index = reply->index;
    }
    consul_reader_settle(r);
}

void consul_wakeup_init(struct registry_reader *r)
{
    consul_question_init(&r->wakeup, &r->client, PATH, NULL);
    r->wakeup.ended = on_ended;
    backoff_init(&r->wakeup_backoff, RETRY_MIN, RETRY_MAX, r->seed);
}

void consul_wakeup_schedule(struct registry_reader *r, bool resting)
{
    struct consul_question *q = &r->wakeup;
    if (r->state != CONSUL_READER_S_FOLLOWING || !resting) {
        return;
    }
    consul_reader_ask_again(r, q);
    if (q->state == CONSUL_QUESTION_S_DUE) {
        consul_question_ask(q);
    } else if (consul_reader_may_hold(r, q)) {
        consul_question_hold(q, consul_reader_hold_time(r));
    }
}
