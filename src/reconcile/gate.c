/*
 * The safety gate.
 *
 * Happy path: removals are few, clocks run side by side, everything passes.
 *
 * Failure modes it stands for: an engine that answers with a list that is too short (just restarted,
 * storage not mounted yet), and a machine that slept, where everything known is old. It only ever delays:
 * a second listing that says the same is believed.
 *
 * Not here: the listing itself, and single removals by event, which name their container.
 */
#include "reconcile/gate.h"

void gate_init(struct gate *g, size_t min_count, unsigned share_pct)
{
    *g = (struct gate){.min_count = min_count, .share_pct = share_pct, .offset = INT64_MIN};
}

bool gate_listing(struct gate *g, size_t removals, size_t registered)
{
    bool large = removals >= g->min_count && removals * 100 > registered * g->share_pct;
    bool pass = !large || g->confirming;
    g->confirming = !pass;
    g->jumped = false;
    return pass;
}

bool gate_clock(struct gate *g, msec_t wall, msec_t monotonic, msec_t tolerance)
{
    int64_t offset = (int64_t)wall - (int64_t)monotonic;
    int64_t before = g->offset;
    g->offset = offset;
    if (before == INT64_MIN) {
        return false;
    }
    uint64_t moved = offset > before ? (uint64_t)(offset - before) : (uint64_t)(before - offset);
    if (moved <= tolerance) {
        return false;
    }
    g->jumped = true;
    return true;
}
