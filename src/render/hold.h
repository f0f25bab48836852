#pragma once
/*
 * Holding back the update that would take too much away: one that leaves every upstream empty, or one that
 * drops more than a set share of the servers. An empty registry, or half of one, is far more often a fault
 * (a registry restored without its data, an agent that lost its engine) than the truth.
 *
 *     OFF ─too much gone─► WAITING ─delay passed─► CONFIRMING ─fresh listing─► CONFIRMED ─live─► OFF
 *
 *     from each of them: enough servers ─► OFF;  a drop has become an emptying ─► WAITING, once;
 *     CONFIRMED, and fewer servers than the listing said ─► WAITING
 *
 * What counts: how many servers the candidate has, without placeholders, against how many the live file
 * has; numbers only, so that a rolling replacement, which takes away as many as it adds, passes.
 * The candidate is
 *   emptying  when the live file has servers and it has none;
 *   dropping  when it has fewer, and what is missing is more than max_drop percent of the live ones. The
 *             share is exact: with 40, one of two servers is too much and two of five are not.
 *
 * A candidate that is neither passes and ends the wait. The wait belongs to the reason: where a drop becomes
 * an emptying it begins anew, once; a fresh listing that confirms the drop says nothing of the rest.
 *
 * Pure: `now` is an argument.
 */
#include "tidewaiter/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLD_ANY          SIZE_MAX
#define HOLD_MAX_DROP_OFF 100u /* percent: only an emptying is held */

enum hold_state { HOLD_S_OFF, HOLD_S_WAITING, HOLD_S_CONFIRMING, HOLD_S_CONFIRMED };

enum hold_reason { HOLD_NONE, HOLD_DROPPING, HOLD_EMPTYING };

struct hold {
    enum hold_state state;
    enum hold_reason reason; /* of the last offer, whatever the verdict; NONE: within the limit */
    enum hold_reason worst;  /* since the wait began */
    msec_t delay;            /* 0: nothing is ever held */
    msec_t until;            /* WAITING: end of the delay */
    unsigned max_drop;       /* percent */
    size_t confirmed; /* CONFIRMED: servers that the listing showed; HOLD_ANY: of the next offer */
};

enum hold_verdict {
    HOLD_PASS,    /* publish */
    HOLD_WAIT,    /* do not; offer again at hold_due() or with the next table */
    HOLD_REFRESH, /* do not; ask the registry for a fresh listing, once */
};

/* max_drop: 0 (any loss is held) to 100. */
void hold_init(struct hold *h, msec_t delay, unsigned max_drop);

/*
 * A candidate is about to be published: how many servers the live file has, and how many this one; sums,
 * where several files are published as one. h->reason then says what is held, or what was confirmed.
 */
enum hold_verdict hold_offer(struct hold *h, msec_t now, size_t live_servers, size_t servers);

/* A fresh listing has ended; offer its candidate next. */
void hold_fresh(struct hold *h);

/* The candidate of the last offer that passed is live. Until then the same loss passes again, however often
 * publishing it fails. */
void hold_live(struct hold *h);

/* When to offer again; MSEC_NEVER while nothing waits for time to pass. */
msec_t hold_due(const struct hold *h);

const char *hold_state_name(enum hold_state s);   /* "off", "waiting", "confirming", "confirmed" */
const char *hold_reason_name(enum hold_reason r); /* "none", "dropping", "emptying" */
