/*
 * How many of Consul's connections are taken: names that are held, and questions at the same time.
 *
 * Happy path: hold_max and ask_max.
 *
 * Failure modes: Consul takes 200 connections of one client (limits.http_max_conns_per_client), whatever
 * program they are of, and counts one that was closed in the middle of a blocking query until its wait
 * ends; above that it resets new ones, or answers 429. So when a question fails like that soon after it was
 * asked, half as many are held and asked from then on. What is held already is let go at the end of its
 * wait, as closing it would help nobody. A minute later it may be twice as many again.
 *
 * What it cannot know is whether it really was that limit; a Consul that stops resets connections as well.
 */
#include "registry/consul_reader.h"

#include <errno.h>

#define HOLD_MIN 4u
#define ASK_MIN  2u
#define YOUNG    1000u  /* a question that fails later was let in */
#define BURST    1000u  /* failures within this time are one */
#define CALM     60000u /* so long without one: twice as much */

static size_t limited(size_t max, unsigned halvings, size_t least)
{
    size_t n = max >> halvings;
    return n >= least ? n : max < least ? max : least;
}

size_t consul_room_hold_max(struct registry_reader *r)
{
    if (r->halvings > 0 && io_now(r->io) - r->halved_at > CALM) {
        r->halvings--;
        r->halved_at = io_now(r->io);
    }
    return limited(r->hold_max, r->halvings, HOLD_MIN);
}

size_t consul_room_ask_max(const struct registry_reader *r)
{
    return limited(r->ask_max, r->halvings, ASK_MIN);
}

static bool others_work(const struct registry_reader *r)
{
    struct consul_tally t;
    consul_names_tally(r, &t);
    return t.held > 0 || t.answered > 0 || consul_question_held(&r->catalog) ||
           consul_question_held(&r->wakeup);
}

void consul_room_failed(struct registry_reader *r, const struct consul_question *q,
                        const struct consul_reply *reply, struct err *why)
{
    bool reset = reply->status == 0 && reply->err.code == -ECONNRESET;
    bool refused = reply->status == 0 && reply->err.code == -ECONNREFUSED;
    bool works = others_work(r);
    if (q->took > YOUNG || !(reset || (refused && works) || reply->status == 429)) {
        return;
    }
    if (r->halvings == 0 || io_now(r->io) - r->halved_at > BURST) {
        r->halvings += limited(r->hold_max, r->halvings, HOLD_MIN) > HOLD_MIN ||
                       limited(r->ask_max, r->halvings, ASK_MIN) > ASK_MIN;
        r->halved_at = io_now(r->io);
    }
    if (works) {
        struct err plain = *why;
        err_set(why, plain.class, plain.code,
                "%s, while other connections work: Consul takes 200 of one client "
                "(limits.http_max_conns_per_client)",
                plain.msg);
    }
}
