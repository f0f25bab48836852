#pragma once
/*
 * One question to Consul that is asked again and again: for an answer at once, and beside that so that
 * Consul answers when there is news (a blocking query, which is held). Whoever asks decides when; the
 * machines are drawn in consul_question.c.
 */
#include "registry/consul_client.h"

#include <stdbool.h>
#include <stdint.h>

/* What becomes of it, and of the answer at once. */
enum consul_question_state {
    CONSUL_QUESTION_S_RESTING,  /* answered, failed, or never asked */
    CONSUL_QUESTION_S_DUE,      /* to be asked; its owner sees when */
    CONSUL_QUESTION_S_ASKING,   /* asked */
    CONSUL_QUESTION_S_RECALLED, /* was asked, is given up, and will be due */
    CONSUL_QUESTION_S_LEAVING,  /* given up for good */
    CONSUL_QUESTION_S_GONE,     /* nothing follows any more */
};

/* What becomes of the blocking query. */
enum consul_hold_state {
    CONSUL_HOLD_S_NONE,
    CONSUL_HOLD_S_HELD,
    CONSUL_HOLD_S_DROPPED, /* was held, is given up */
};

struct consul_hold {
    struct consul_call call;
    enum consul_hold_state state;
    uint64_t index; /* that it was begun with */
    msec_t since, wait;
    unsigned early; /* so many times in a row it ended long before its time, without news */
};

struct consul_question {
    /*
     * Set by the owner. From the loop: with a reply that is to be looked at; or with NULL when something
     * has ended that needs no look, was cut short, or the question is GONE. May free the question.
     */
    void (*ended)(struct consul_question *q, const struct consul_reply *reply);

    struct consul_client *client;
    struct buf path; /* with dc and stale, without index and wait */
    enum consul_question_state state;
    struct consul_call call; /* for an answer at once */
    msec_t since;
    struct consul_hold hold;

    uint64_t index;    /* of the newest answer; 0: unknown, or no longer trusted: to be asked */
    msec_t not_before; /* the time of the loop from which on it may be held */
    bool overtaken;    /* while it was asked, what was held had an answer */
    bool repeated;     /* it was asked again for that reason */

    /* During ended(). */
    bool asked;  /* the reply was asked for at once */
    msec_t took; /* the reply */
    bool
        cut_short; /* what was held ended long before its time without news: has Consul another past? */
};

/* name: the last part of the path, escaped; NULL: none. */
void consul_question_init(struct consul_question *q, struct consul_client *client, const char *path,
                          const char *name);
void consul_question_deinit(struct consul_question *q); /* nothing must be under way */

/* What was answered or is being asked is too old: it has to be asked from now on. What is held stays. */
void consul_question_due(struct consul_question *q);
void consul_question_ask(struct consul_question *q); /* DUE */
/* Answered, not held, and its index is one that may be held with by now. */
bool consul_question_can_hold(const struct consul_question *q);
void consul_question_hold(struct consul_question *q, msec_t wait);
/*
 * RESTING: it is to be left alone for so long, and then asked rather than held: whatever would have ended it
 * meanwhile went unheard.
 */
void consul_question_pause(struct consul_question *q, msec_t delay);
/* For good. True: it is GONE already, ended() does not follow. */
bool consul_question_leave(struct consul_question *q);

/* An answer that is not older than the last consul_question_due() is still to come. */
static inline bool consul_question_open(const struct consul_question *q)
{
    return q->state == CONSUL_QUESTION_S_DUE || q->state == CONSUL_QUESTION_S_ASKING ||
           q->state == CONSUL_QUESTION_S_RECALLED;
}

static inline bool consul_question_held(const struct consul_question *q)
{
    return q->hold.state == CONSUL_HOLD_S_HELD;
}
