/*
 * Happy path: see the drawing in hold.h.
 * Failure: a registry out of reach never confirms, so the live file stays as long as that lasts.
 * Not done: holding back a part. One upstream that empties while others have servers is ordinary life.
 */
#include "render/hold.h"

#include "base/must.h"

static const bool allowed[][4] = {
    [HOLD_S_OFF] = {[HOLD_S_WAITING] = true},
    [HOLD_S_WAITING] = {[HOLD_S_OFF] = true, [HOLD_S_CONFIRMING] = true},
    [HOLD_S_CONFIRMING] = {[HOLD_S_OFF] = true, [HOLD_S_CONFIRMED] = true},
    [HOLD_S_CONFIRMED] = {[HOLD_S_OFF] = true},
};

static void set_state(struct hold *h, enum hold_state s)
{
    must(h->state == s || allowed[h->state][s]);
    h->state = s;
}

void hold_init(struct hold *h, msec_t delay)
{
    *h = (struct hold){.state = HOLD_S_OFF, .delay = delay, .until = MSEC_NEVER};
}

enum hold_verdict hold_offer(struct hold *h, msec_t now, size_t live_servers, size_t servers)
{
    if (h->delay == 0 || servers > 0 || live_servers == 0 || h->state == HOLD_S_CONFIRMED) {
        set_state(h, HOLD_S_OFF);
        return HOLD_PASS;
    }
    if (h->state == HOLD_S_OFF) {
        set_state(h, HOLD_S_WAITING);
        h->until = now + h->delay;
    }
    if (h->state == HOLD_S_WAITING && now >= h->until) {
        set_state(h, HOLD_S_CONFIRMING);
        return HOLD_REFRESH;
    }
    return HOLD_WAIT;
}

void hold_fresh(struct hold *h)
{
    if (h->state == HOLD_S_CONFIRMING) {
        set_state(h, HOLD_S_CONFIRMED);
    }
}

msec_t hold_due(const struct hold *h)
{
    return h->state == HOLD_S_WAITING ? h->until : MSEC_NEVER;
}

const char *hold_state_name(enum hold_state s)
{
    static const char *const names[] = {"off", "waiting", "confirming", "confirmed"};
    must(s <= HOLD_S_CONFIRMED);
    return names[s];
}
