#pragma once
/*
 * One question to Consul that is asked again and again: at once, or so that Consul answers when there
 * is news (a blocking query). Whoever asks decides when; the machine is drawn in consul_question.c.
 */
#include "registry/consul_client.h"

#include <stdbool.h>
#include <stdint.h>

enum consul_question_state {
    CONSUL_QUESTION_S_RESTING,  /* answered, failed, or never asked */
    CONSUL_QUESTION_S_DUE,      /* to be asked at once; its owner sees when */
    CONSUL_QUESTION_S_ASKING,   /* asked, for an answer at once */
    CONSUL_QUESTION_S_HOLDING,  /* asked, for an answer when there is news */
    CONSUL_QUESTION_S_RECALLED, /* was asked, is given up, and will be due */
    CONSUL_QUESTION_S_LEAVING,  /* was asked, is given up for good */
    CONSUL_QUESTION_S_GONE,     /* nothing follows any more */
};

struct consul_question {
    /*
     * Set by the owner. From the loop, once for each ask and hold: with the reply, RESTING; or with
     * NULL when it was given up, DUE or GONE. May free the question.
     */
    void (*ended)(struct consul_question *q, const struct consul_reply *reply);

    struct consul_client *client;
    struct buf path; /* with dc and stale, without index and wait */
    enum consul_question_state state;
    uint64_t index; /* of the last answer; 0: unknown, or Consul began to count anew: to be asked */
    struct consul_call call;
};

/* name: the last part of the path, escaped; NULL: none. */
void consul_question_init(struct consul_question *q, struct consul_client *client, const char *path,
                          const char *name);
void consul_question_deinit(struct consul_question *q); /* must not be asked just now */

/* What was answered or is being asked is too old: it has to be asked from now on. */
void consul_question_due(struct consul_question *q);
void consul_question_ask(struct consul_question *q);               /* DUE */
void consul_question_hold(struct consul_question *q, msec_t wait); /* RESTING, index not 0 */
/* For good. True: it is GONE already, ended() does not follow. */
bool consul_question_leave(struct consul_question *q);

/* An answer that is not older than the last consul_question_due() is still to come. */
static inline bool consul_question_open(const struct consul_question *q)
{
    return q->state == CONSUL_QUESTION_S_DUE || q->state == CONSUL_QUESTION_S_ASKING ||
           q->state == CONSUL_QUESTION_S_RECALLED;
}
