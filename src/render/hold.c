/*
 * Happy path: see the drawing in hold.h.
 * Failure: a registry out of reach never confirms, so the live file stays as long as that lasts.
 * Not done: holding back a part. One upstream that empties while the others keep the sum within the limit
 * is ordinary life.
 */
#include "render/hold.h"

#include "base/must.h"

static const bool allowed[][4] = {
    [HOLD_S_OFF] = {[HOLD_S_WAITING] = true},
    [HOLD_S_WAITING] = {[HOLD_S_OFF] = true, [HOLD_S_CONFIRMING] = true},
    [HOLD_S_CONFIRMING] = {[HOLD_S_OFF] = true, [HOLD_S_WAITING] = true, [HOLD_S_CONFIRMED] = true},
    [HOLD_S_CONFIRMED] = {[HOLD_S_OFF] = true, [HOLD_S_WAITING] = true},
};

static void set_state(struct hold *h, enum hold_state s)
{
    must(h->state == s || allowed[h->state][s]);
    h->state = s;
}

void hold_init(struct hold *h, msec_t delay, unsigned max_drop)
{
    must(max_drop <= 100);
    *h = (struct hold){
        .state = HOLD_S_OFF, .delay = delay, .until = MSEC_NEVER, .max_drop = max_drop};
}

static enum hold_reason judge(const struct hold *h, size_t live_servers, size_t servers)
{
    if (h->delay == 0 || servers >= live_servers) {
        return HOLD_NONE;
    }
    if (servers == 0) {
        return HOLD_EMPTYING;
    }
    /* in whole servers on both sides: a rounded percentage would let some through */
    size_t gone = live_servers - servers;
    return gone * 100 > live_servers * h->max_drop ? HOLD_DROPPING : HOLD_NONE;
}

enum hold_verdict hold_offer(struct hold *h, msec_t now, size_t live_servers, size_t servers)
{
    h->reason = judge(h, live_servers, servers);
    bool worse = h->reason > h->worst;
    if (h->reason == HOLD_NONE) {
        set_state(h, HOLD_S_OFF);
        h->worst = HOLD_NONE;
        return HOLD_PASS;
    }
    if (h->state == HOLD_S_CONFIRMED && !worse) {
        h->confirmed = h->confirmed == HOLD_ANY ? servers : h->confirmed;
        if (servers >= h->confirmed) {
            return HOLD_PASS;
        }
        worse = true; /* fewer than the listing said: another loss */
    }
    if (worse) {
        set_state(h, HOLD_S_WAITING);
        h->worst = h->reason;
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
        h->confirmed = HOLD_ANY;
    }
}

void hold_live(struct hold *h)
{
    if (h->state == HOLD_S_CONFIRMED) {
        set_state(h, HOLD_S_OFF);
        h->worst = HOLD_NONE;
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

const char *hold_reason_name(enum hold_reason r)
{
    static const char *const names[] = {"none", "dropping", "emptying"};
    must(r <= HOLD_EMPTYING);
    return names[r];
}
