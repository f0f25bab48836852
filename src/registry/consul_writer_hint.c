/*
 * The hints: two blocking queries, which end when something changes, or when Consul does. One is on the
 * agent's node, whose index rises with its services; the other on the node's checks, as the first one's
 * index does not know of them.
 *
 *   OFF ──READY──► NODE ──its name──► QUERY ◄──────┐
 *    ▲              ▲ │                 │ ▲        │ a moment, or after a failure
 *    │              │ └─not to be had─► PAUSE ◄────┘ a backoff
 *    └── not READY ─┴── from everywhere
 *
 * Happy path: the first query asks for the node's name, and then both run. Each answer with another index
 * means a listing, and the next query. The time between two queries is bounded from below, as a busy node
 * changes all the time, and checks flap: by a second for the checks, so that they cost no more than about
 * one listing a second. (Their index is that of all checks of the datacenter: who asks after a pause is
 * answered at once where another node's have changed.)
 *
 * No right to know the node's name (agent:read): the queries are on all services' names and on all checks,
 * whose indexes rise with every change anywhere; who has no rights there is told the index all the same.
 *
 * Failure modes: the connection breaks (Consul has gone): a listing at once, which finds out. No leader, no
 * right for either query, an answer that makes no sense: the hint does not work, listings come more often
 * (consul_writer_list_plan()), and it is tried again quietly.
 * The index goes backwards when Consul has lost its state: the query begins anew, and there is a listing.
 * Should the query reach the new Consul with the old index (curl repeats it by itself when a connection
 * that was kept open breaks), that is noticed at the end of its wait, which is short for this reason.
 * What the answers say is not looked at, and kept empty by a filter: they come from the catalog, which
 * lags behind the agent.
 */
#include "registry/consul_writer.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_query.h"

#include <errno.h>

#define WAIT      15000u
#define PACE      200u
#define PACE_ALL  1000u
#define RETRY_MIN 1000u
#define RETRY_MAX 60000u
#define SELF_MAX  (8u * 1024 * 1024)
#define NODE_MAX  (64u * 1024 * 1024)
/* The index is what counts, not what there is. */
#define NO_SERVICE "ID == \"\""
#define NO_CHECK   "CheckID == \"\""

static void hint_next(struct consul_hint_query *q);

static void set_state(struct consul_hint_query *q, enum consul_hint_state to)
{
#define TO(sym) (1u << CONSUL_HINT_S_##sym)
    static const unsigned allowed[] = {
        [CONSUL_HINT_S_OFF] = TO(OFF) | TO(NODE) | TO(QUERY) | TO(PAUSE),
        [CONSUL_HINT_S_NODE] = TO(OFF) | TO(QUERY) | TO(PAUSE),
        [CONSUL_HINT_S_QUERY] = TO(OFF) | TO(PAUSE),
        [CONSUL_HINT_S_PAUSE] = TO(OFF) | TO(NODE) | TO(QUERY),
    };
#undef TO
    must(allowed[q->state] & (1u << to));
    q->state = to;
}

bool consul_writer_hint_works(const struct registry_writer *w)
{
    return w->hint.services.working && w->hint.checks.working;
}

static void set_working(struct consul_hint_query *q, bool working)
{
    if (q->working != working) {
        q->working = working;
        consul_writer_list_plan(q->w);
    }
}

static void on_pause(struct io_timer *t)
{
    hint_next(container_of(t, struct consul_hint_query, timer));
}

static void pause_for(struct consul_hint_query *q, msec_t delay)
{
    set_state(q, CONSUL_HINT_S_PAUSE);
    io_timer_start(q->w->io, &q->timer, delay, on_pause);
}

static void ask_node(struct consul_hint_query *q)
{
    set_state(q, CONSUL_HINT_S_NODE);
    consul_call_start(&q->w->client, &q->call,
                      &(struct consul_call_spec){
                          .method = HTTP_GET, .path = "/v1/agent/self", .body_max = SELF_MAX});
}

static bool is_checks(const struct consul_hint_query *q)
{
    return q == &q->w->hint.checks;
}

static void add_path(const struct consul_hint_query *q, struct buf *path)
{
    const char *node = q->w->hint.node;
    if (node) {
        buf_puts(path, is_checks(q) ? "/v1/health/node/" : "/v1/catalog/node/");
        consul_path_escape(path, node, strlen(node), false);
    } else {
        buf_puts(path, is_checks(q) ? "/v1/health/state/any" : "/v1/catalog/services");
    }
    if (is_checks(q)) {
        consul_path_query(path, "filter", NO_CHECK);
    } else if (node) {
        consul_path_query(path, "filter", NO_SERVICE);
    }
}

static void query(struct consul_hint_query *q)
{
    struct buf path = BUF_INIT(8192);
    set_state(q, CONSUL_HINT_S_QUERY);
    add_path(q, &path);
    consul_path_query(&path, "stale", NULL);
    consul_path_block(&path, q->index, WAIT);
    consul_call_start(&q->w->client, &q->call,
                      &(struct consul_call_spec){.method = HTTP_GET,
                                                 .path = buf_str(&path),
                                                 .wait = q->index ? WAIT : 0,
                                                 .body_max = NODE_MAX});
    buf_deinit(&path);
}

static void hint_next(struct consul_hint_query *q)
{
    if (consul_call_running(&q->call)) {
        pause_for(q, PACE); /* a cancelled one that has not ended */
    } else if (is_checks(q) || q->w->hint.node || q->w->hint.nameless) {
        query(q);
    } else {
        ask_node(q);
    }
}

/* ---- answers ---- */

static void hint_failed(struct consul_hint_query *q, const struct consul_reply *reply)
{
    bool gone = reply->status == 0;
    q->index = 0;
    pause_for(q, backoff_next(&q->backoff));
    set_working(q, false);
    if (gone) {
        consul_writer_list_soon(q->w);
    }
}

/* Whether there is a name or none is to be had: now both queries can run. */
static void go_on(struct consul_hint_query *q)
{
    struct consul_hint_query *checks = &q->w->hint.checks;
    query(q);
    if (checks->state == CONSUL_HINT_S_OFF) {
        hint_next(checks);
    }
}

static void take_node(struct consul_hint_query *q, const struct consul_reply *reply)
{
    CLEANUP_JSON json *j = NULL;
    struct err ignored = ERR_INIT;
    const char *node = "";
    if (json_parse(&j, reply->body, reply->len, &ignored) == 0) {
        node = json_str(json_get(j, "Config"), "NodeName", "");
    }
    if (!*node) {
        hint_failed(q, reply);
        return;
    }
    q->w->hint.node = xstrdup(node);
    go_on(q);
}

static void take_index(struct consul_hint_query *q, const struct consul_reply *reply)
{
    bool reset = false;
    if (reply->index == 0) { /* Consul always sends one */
        hint_failed(q, reply);
        return;
    }
    uint64_t before = q->index;
    q->index = consul_index_next(before, reply->index, &reset);
    backoff_reset(&q->backoff);
    pause_for(q, q->w->hint.node && !is_checks(q) ? PACE : PACE_ALL);
    set_working(q, true);
    /* also after the first: it tells of the time between the listing and the query */
    if (reset || before != reply->index) {
        consul_writer_list_soon(q->w);
    }
}

static void on_answer(struct consul_call *call, const struct consul_reply *reply)
{
    struct consul_hint_query *q = container_of(call, struct consul_hint_query, call);
    enum consul_hint_state state = q->state;
    if (reply->err.class == ERR_CANCELLED ||
        (state != CONSUL_HINT_S_NODE && state != CONSUL_HINT_S_QUERY)) {
        return;
    }
    if (state == CONSUL_HINT_S_NODE && reply->err.class == ERR_AUTH) {
        q->w->hint.nameless = true;
        go_on(q);
    } else if (reply->err.class != ERR_NONE) {
        q->w->hint.nameless = q->w->hint.nameless && is_checks(q);
        hint_failed(q, reply);
    } else if (state == CONSUL_HINT_S_NODE) {
        take_node(q, reply);
    } else {
        take_index(q, reply);
    }
}

/* ---- life ---- */

static void query_init(struct consul_hint_query *q, struct registry_writer *w, uint64_t seed)
{
    q->w = w;
    q->call.done = on_answer;
    backoff_init(&q->backoff, RETRY_MIN, RETRY_MAX, seed);
}

static void query_stop(struct consul_hint_query *q)
{
    set_state(q, CONSUL_HINT_S_OFF);
    q->working = false;
    q->index = 0;
    backoff_reset(&q->backoff);
    io_timer_stop(&q->timer);
    consul_call_cancel(&q->call);
}

void consul_writer_hint_init(struct registry_writer *w, uint64_t seed)
{
    query_init(&w->hint.services, w, seed);
    query_init(&w->hint.checks, w, ~seed);
}

void consul_writer_hint_start(struct registry_writer *w)
{
    if (!w->dry_run) {
        hint_next(&w->hint.services);
    }
}

void consul_writer_hint_stop(struct registry_writer *w)
{
    query_stop(&w->hint.services);
    query_stop(&w->hint.checks);
    w->hint.nameless = false;
    free(take_ptr(w->hint.node)); /* who answers next may be another agent */
}

const char *consul_writer_hint_name(const struct registry_writer *w)
{
    return w->hint.services.state == CONSUL_HINT_S_OFF ? "off"
           : consul_writer_hint_works(w)               ? "live"
                                                       : "polling";
}
