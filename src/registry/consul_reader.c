/*
 * The Consul reader: a complete table of the services in the catalog, followed live.
 *
 *            ┌─────────────── refresh ───────────────┐
 *            ▼                                       │
 *   LISTING ─all answered─► FOLLOWING ───────────────┤
 *    │ ▲  │ │                   │                    │
 *    │ │  │ └─once─► LISTED ────┼────────────────────┘
 *    │ │  └─failure─► WAITING ◄─┘ failure
 *    │ └──────timer──────┘                          every state ─close─► CLOSING
 *
 * Happy path: ask which names there are (consul_catalog.c), then each name for its instances with their
 * health (consul_names.c), for answers at once. When all have answered, the table is complete. From
 * then on the catalog and some names are held: blocking queries that Consul answers when there is news. Names
 * beyond these are asked again when there is news of any (consul_wakeup.c). All answers of one turn of the
 * loop make one event.
 *
 * Listing anew, for refresh() or after a failure, asks beside what is held and leaves it alone. So it does
 * when something that was held ends long before its time without news: a snapshot was restored, and what
 * was not held at that moment has not heard of it.
 *
 * Failure modes: after whatever fails (no leader, a reset, silence, a missing right) everything is listed
 * anew, after a while; what was still being asked is given up then, so that nothing that happened meanwhile
 * is missed. Nothing new is held until a listing is complete. The table stays all the time, and what a
 * listing finds out before it fails does count. A silent Consul is found out when a held question is not
 * answered ten seconds after it should have been (wait and its sixteenth), a question that is not held after
 * ten. Too many connections: consul_room.c. Indexes of a Consul that was restarted: consul_question.c.
 *
 * A Consul that was restarted without its data has an empty catalog, and that is the truth: whether to
 * believe it at once is the business of whoever reads the table.
 *
 * It does not know what the services are for, and never gives up.
 */
#include "registry/consul_reader.h"

#include "base/alloc.h"
#include "base/must.h"

#include <errno.h>

/*
 * Of the 200 connections that Consul takes of one client by default. Two readers on one host that are both
 * killed and started again twice within one wait must fit in: 2 * 3 * (HOLD_MAX + 2) + 2 * ASK_MAX.
 */
#define HOLD_MAX     24u
#define ASK_MAX      8u
#define WAIT         28000u /* 30 s with what Consul adds to it */
#define SWEEP_EVERY  10000u
#define SWEEP_IDLE   60000u
#define SWEEP_PAUSE  1000u /* however often something changes */
#define SWEEP_BEHIND 1000u /* while the last one is not over */
#define HOLD_AFTER   5000u /* who is started again and again leaves few connections behind */
#define AGAIN        50u   /* all that is cut short has come by then */
#define AGAIN_PAUSE  10000u
#define RETRY_MIN    100u
#define RETRY_MAX    10000u
#define CALM         30000u /* so long without a failure: the next one is the first again */

static void list_begin(struct registry_reader *r);

static void reader_set_state(struct registry_reader *r, enum consul_reader_state to)
{
    static const bool allowed[5][5] = {
        [CONSUL_READER_S_LISTING] = {[CONSUL_READER_S_LISTING] = true, /* asked for meanwhile */
                                     [CONSUL_READER_S_FOLLOWING] = true,
                                     [CONSUL_READER_S_WAITING] = true,
                                     [CONSUL_READER_S_LISTED] = true,
                                     [CONSUL_READER_S_CLOSING] = true},
        [CONSUL_READER_S_FOLLOWING] = {[CONSUL_READER_S_LISTING] = true,
                                       [CONSUL_READER_S_WAITING] = true,
                                       [CONSUL_READER_S_CLOSING] = true},
        [CONSUL_READER_S_WAITING] =
            {[CONSUL_READER_S_LISTING] = true, [CONSUL_READER_S_CLOSING] = true},
        [CONSUL_READER_S_LISTED] =
            {[CONSUL_READER_S_LISTING] = true, [CONSUL_READER_S_CLOSING] = true},
    };
    must(allowed[r->state][to]);
    r->state = to;
}

static void tell_live(struct registry_reader *r, bool live, const struct err *why)
{
    enum consul_reader_live now = live ? CONSUL_READER_LIVE_YES : CONSUL_READER_LIVE_NO;
    if (r->live != now && r->state != CONSUL_READER_S_CLOSING) {
        r->live = now;
        r->events->live(r->ctx, live, why);
    }
}

static void tell_table(struct registry_reader *r, bool fresh)
{
    if (r->state != CONSUL_READER_S_CLOSING) {
        r->changed = false;
        r->events->table(r->ctx, &r->table, fresh);
    }
}

void consul_reader_skip(struct registry_reader *r, struct skipped *known, const char *key,
                        const struct err *why)
{
    if (skipped_note_reason(known, key, why->msg) && r->state != CONSUL_READER_S_CLOSING) {
        r->events->skipped(r->ctx, key, why);
    }
}

msec_t consul_reader_hold_time(struct registry_reader *r)
{
    r->seed = hash64(&r->seed, sizeof(r->seed));
    return r->wait - r->seed % (r->wait / 5 + 1);
}

/* ---- failures ---- */

static void on_retry(struct io_timer *t)
{
    list_begin(container_of(t, struct registry_reader, timer));
}

void consul_reader_fail(struct registry_reader *r, const struct err *why)
{
    if (!consul_reader_asks(r)) {
        return;
    }
    reader_set_state(r, CONSUL_READER_S_WAITING);
    if (io_now(r->io) - r->failed_at > CALM) {
        backoff_reset(&r->backoff);
    }
    r->failed_at = io_now(r->io);
    io_timer_start(r->io, &r->timer, backoff_for(&r->backoff, why->class), on_retry);
    consul_reader_settle(r); /* what changed before it counts */
    tell_live(r, false, why);
}

/* ---- listing ---- */

static void list_begin(struct registry_reader *r)
{
    reader_set_state(r, CONSUL_READER_S_LISTING);
    io_timer_stop(&r->timer);
    r->answering = r->asked;
    consul_question_due(&r->catalog);
    consul_names_due(r, false);
    consul_reader_settle(r);
}

static void list_complete(struct registry_reader *r)
{
    bool fresh = r->answering > r->answered;
    bool tell = !r->complete || r->changed || fresh;
    r->answered = r->answering;
    r->listed_at = r->complete ? r->listed_at : io_now(r->io);
    r->complete = true;
    r->swept_at = io_now(r->io);
    reader_set_state(r, r->once ? CONSUL_READER_S_LISTED : CONSUL_READER_S_FOLLOWING);
    if (tell) {
        tell_table(r, fresh);
    }
    if (r->state == CONSUL_READER_S_FOLLOWING) {
        tell_live(r, true, NULL);
    }
    if (r->asked > r->answered &&
        (r->state == CONSUL_READER_S_FOLLOWING || r->state == CONSUL_READER_S_LISTED)) {
        list_begin(r);
    }
}

/* ---- following ---- */

static void sweep_within(struct registry_reader *r, msec_t delay);

static void on_sweep(struct io_timer *t)
{
    struct registry_reader *r = container_of(t, struct registry_reader, timer);
    struct consul_tally tally;
    consul_names_tally(r, &tally);
    if (tally.open > 0) {
        sweep_within(r, SWEEP_BEHIND);
        return;
    }
    r->swept_at = io_now(r->io);
    consul_names_due(r, true);
    consul_reader_settle(r);
}

static void sweep_within(struct registry_reader *r, msec_t delay)
{
    if (r->state == CONSUL_READER_S_FOLLOWING &&
        (!r->timer.armed || r->timer.due > io_now(r->io) + delay)) {
        io_timer_start(r->io, &r->timer, delay, on_sweep);
    }
}

void consul_reader_sweep_soon(struct registry_reader *r)
{
    msec_t since = io_now(r->io) - r->swept_at;
    sweep_within(r, since < SWEEP_PAUSE ? SWEEP_PAUSE - since : 0);
}

static void on_again(struct io_timer *t)
{
    struct registry_reader *r = container_of(t, struct registry_reader, again);
    r->again_at = io_now(r->io);
    if (consul_reader_asks(r)) { /* else that follows anyway */
        list_begin(r);
    }
}

void consul_reader_cut_short(struct registry_reader *r)
{
    consul_question_due(&r->wakeup);
    if (r->state != CONSUL_READER_S_CLOSING && !r->again.armed) {
        msec_t since = io_now(r->io) - r->again_at;
        msec_t delay = r->again_at > 0 && since < AGAIN_PAUSE ? AGAIN_PAUSE - since : AGAIN;
        io_timer_start(r->io, &r->again, delay < AGAIN ? AGAIN : delay, on_again);
    }
}

static void on_pace(struct io_timer *t)
{
    consul_reader_settle(container_of(t, struct registry_reader, pace));
}

void consul_reader_look_within(struct registry_reader *r, msec_t delay)
{
    if (!r->pace.armed || r->pace.due > io_now(r->io) + delay) {
        io_timer_start(r->io, &r->pace, delay, on_pace);
    }
}

void consul_reader_ask_again(struct registry_reader *r, struct consul_question *q)
{
    msec_t now = io_now(r->io);
    if (q->state != CONSUL_QUESTION_S_RESTING || q->index > 0) {
        return;
    }
    if (now < q->not_before) {
        consul_reader_look_within(r, q->not_before - now);
    } else {
        consul_question_due(q);
    }
}

bool consul_reader_may_hold(struct registry_reader *r, const struct consul_question *q)
{
    msec_t now = io_now(r->io);
    if (r->state != CONSUL_READER_S_FOLLOWING) {
        return false;
    }
    if (now < q->not_before && q->state == CONSUL_QUESTION_S_RESTING && !consul_question_held(q)) {
        consul_reader_look_within(r, q->not_before - now);
    }
    return consul_question_can_hold(q);
}

static bool whole(const struct registry_reader *r, const struct consul_tally *t)
{
    return !consul_question_open(&r->catalog) && t->open == 0 && t->doubts == 0;
}

/* Looks at where everything stands, and sees to what is next. */
static void look(struct registry_reader *r)
{
    struct consul_tally t;
    consul_names_tally(r, &t);
    if (whole(r, &t)) {
        if (t.names > 0 && t.unreadable == t.names) {
            struct err why = *t.why;
            consul_reader_fail(r, &why);
            return;
        }
        consul_names_tell_unreadable(r);
        if (r->state == CONSUL_READER_S_LISTING) {
            list_complete(r);
        }
    } else if (t.empty > 0 && t.open == 0) {
        consul_names_ask_catalog(r);
    }
    if (consul_reader_asks(r)) {
        consul_catalog_schedule(r);
        consul_names_schedule(r);
        consul_names_tally(r, &t);
        consul_wakeup_schedule(r, t.resting > 0);
        if (t.resting > 0) {
            /* rights that are given wake nobody */
            bool told = r->wakeup_works && t.unreadable == 0;
            sweep_within(r, told ? r->sweep_idle : r->sweep_every);
        }
    }
}

static void on_settle(struct io_defer *d)
{
    struct registry_reader *r = container_of(d, struct registry_reader, settle);
    if (consul_reader_asks(r)) {
        look(r);
    }
    if (r->changed && r->complete) {
        tell_table(r, false);
    }
}

void consul_reader_settle(struct registry_reader *r)
{
    if (r->state != CONSUL_READER_S_CLOSING && !io_defer_pending(&r->settle)) {
        io_defer(r->io, &r->settle, on_settle);
    }
}

/* ---- the vtable ---- */

static int reader_open(struct registry_reader **ret, struct io *io,
                       const struct registry_reader_config *config,
                       const struct registry_reader_events *events, void *ctx, struct err *e)
{
    CLEANUP_FREE struct registry_reader *r = xcalloc(1, sizeof(*r));
    *r = (struct registry_reader){
        .io = io,
        .once = config->once,
        .globs = config->names,
        .n_globs = config->n_names,
        .events = events,
        .ctx = ctx,
        .hold_max = HOLD_MAX,
        .ask_max = ASK_MAX,
        .wait = WAIT,
        .hold_after = HOLD_AFTER,
        .sweep_every = SWEEP_EVERY,
        .sweep_idle = SWEEP_IDLE,
        .state = CONSUL_READER_S_WAITING,
    };
    int err = consul_client_init(&r->client, io, config->uri, e);
    if (err < 0) {
        return err;
    }
    consul_catalog_init(r);
    table_init(&r->table);
    r->seed = hash64(&r, sizeof(r)) ^ io_now(io);
    backoff_init(&r->backoff, RETRY_MIN, RETRY_MAX, r->seed);
    consul_wakeup_init(r);
    *ret = take_ptr(r);
    list_begin(*ret);
    return 0;
}

static void reader_refresh(struct registry_reader *r)
{
    r->asked++;
    if (r->state == CONSUL_READER_S_FOLLOWING || r->state == CONSUL_READER_S_LISTED) {
        list_begin(r);
    } /* LISTING: list_complete() sees that more was asked for; WAITING: a listing follows */
}

static void reader_closed(void *ctx)
{
    struct registry_reader *r = ctx;
    void (*closed)(void *) = r->closed;
    void *closed_ctx = r->closed_ctx;
    consul_names_free(r);
    consul_question_deinit(&r->catalog);
    consul_question_deinit(&r->wakeup);
    skipped_deinit(&r->catalog_skipped);
    table_deinit(&r->table);
    free(r);
    closed(closed_ctx);
}

static void reader_close(struct registry_reader *r, void (*done)(void *ctx), void *ctx)
{
    reader_set_state(r, CONSUL_READER_S_CLOSING);
    r->closed = done;
    r->closed_ctx = ctx;
    io_timer_stop(&r->timer);
    io_timer_stop(&r->pace);
    io_timer_stop(&r->again);
    io_defer_drop(&r->settle);
    consul_client_close(&r->client, reader_closed, r);
}

const struct registry_reader_ops consul_reader_ops = {
    .open = reader_open,
    .refresh = reader_refresh,
    .close = reader_close,
};
