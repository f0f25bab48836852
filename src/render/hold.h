#pragma once
/*
 * Holding back the update that would leave every upstream empty: an empty registry is far more often a
 * fault (a registry restored without its data, an agent that lost its engine) than the truth.
 *
 *     OFF ─empty─► WAITING ─delay passed─► CONFIRMING ─fresh listing, still empty─► CONFIRMED ─► OFF
 *      ▲             │ servers again          │ servers again                         │
 *      └─────────────┴────────────────────────┴───────────────────────────────────────┘
 *
 * Pure: `now` is an argument.
 */
#include "tidewaiter/clock.h"

#include <stdbool.h>
#include <stddef.h>

enum hold_state { HOLD_S_OFF, HOLD_S_WAITING, HOLD_S_CONFIRMING, HOLD_S_CONFIRMED };

struct hold {
    enum hold_state state;
    msec_t delay; /* 0: nothing is ever held */
    msec_t until; /* WAITING: end of the delay */
};

enum hold_verdict {
    HOLD_PASS,    /* publish */
    HOLD_WAIT,    /* do not; offer again at hold_due() or with the next table */
    HOLD_REFRESH, /* do not; ask the registry for a fresh listing, once */
};

void hold_init(struct hold *h, msec_t delay);

/* A candidate is about to be published: how many servers the live file has, and how many this one. */
enum hold_verdict hold_offer(struct hold *h, msec_t now, size_t live_servers, size_t servers);

/* A fresh listing has ended; offer its candidate next. */
void hold_fresh(struct hold *h);

/* When to offer again; MSEC_NEVER while nothing waits for time to pass. */
msec_t hold_due(const struct hold *h);

const char *hold_state_name(enum hold_state s); /* "off", "waiting", "confirming", "confirmed" */
