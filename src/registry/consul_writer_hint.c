/*
 * The hint: a blocking query on the agent's node, which ends when a service or check of it changes, or
 * when Consul does.
 *
 *   OFF ──READY──► NODE ──its name──► QUERY ◄──────┐
 *    ▲              ▲ │                 │ ▲        │ a moment, or after a failure
 *    │              │ └─not to be had─► PAUSE ◄────┘ a backoff
 *    └── not READY ─┴── from everywhere
 *
 * Happy path: each answer with another index means a listing, and the next query. The time between two
 * queries is bounded from below, as a busy node changes all the time.
 *
 * No right to know the node's name (agent:read): the query is one on all services' names, whose index
 * rises with every registration anywhere; who has no rights there is told the index all the same.
 *
 * Failure modes: the connection breaks (Consul has gone): a listing at once, which finds out. No leader, no
 * right for either query, an answer that makes no sense: the hint does not work, listings come more often
 * (consul_writer_list_plan()), and it is tried again quietly.
 * The index goes backwards when Consul has lost its state: the query begins anew, and there is a listing.
 * Should the query reach the new Consul with the old index (curl repeats it by itself when a connection
 * that was kept open breaks), that is noticed at the end of its wait, which is short for this reason.
 * What the answers say of services is not looked at: they come from the catalog, which lags behind the
 * agent.
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
/* The index is what counts, not the services. */
#define NO_SERVICE "ID == \"\""

static void hint_next(struct registry_writer *w);

static void set_state(struct consul_hint *h, enum consul_hint_state to)
{
#define TO(sym) (1u << CONSUL_HINT_S_##sym)
    static const unsigned allowed[] = {
        [CONSUL_HINT_S_OFF] = TO(OFF) | TO(NODE) | TO(QUERY) | TO(PAUSE),
        [CONSUL_HINT_S_NODE] = TO(OFF) | TO(QUERY) | TO(PAUSE),
        [CONSUL_HINT_S_QUERY] = TO(OFF) | TO(PAUSE),
        [CONSUL_HINT_S_PAUSE] = TO(OFF) | TO(NODE) | TO(QUERY),
    };
#undef TO
    must(allowed[h->state] & (1u << to));
    h->state = to;
}

static void set_working(struct registry_writer *w, bool working)
{
    if (w->hint.working != working) {
        w->hint.working = working;
        consul_writer_list_plan(w);
    }
}

static void on_pause(struct io_timer *t)
{
    hint_next(container_of(t, struct registry_writer, hint.timer));
}

static void pause_for(struct registry_writer *w, msec_t delay)
{
    set_state(&w->hint, CONSUL_HINT_S_PAUSE);
    io_timer_start(w->io, &w->hint.timer, delay, on_pause);
}

static void ask_node(struct registry_writer *w)
{
    set_state(&w->hint, CONSUL_HINT_S_NODE);
    consul_call_start(&w->client, &w->hint.call,
                      &(struct consul_call_spec){
                          .method = HTTP_GET, .path = "/v1/agent/self", .body_max = SELF_MAX});
}

static void query(struct registry_writer *w)
{
    struct consul_hint *h = &w->hint;
    struct buf path = BUF_INIT(8192);
    set_state(h, CONSUL_HINT_S_QUERY);
    if (h->node) {
        buf_puts(&path, "/v1/catalog/node/");
        consul_path_escape(&path, h->node, strlen(h->node), false);
        consul_path_query(&path, "filter", NO_SERVICE);
    } else {
        buf_puts(&path, "/v1/catalog/services");
    }
    consul_path_query(&path, "stale", NULL);
    consul_path_block(&path, h->index, WAIT);
    consul_call_start(&w->client, &h->call,
                      &(struct consul_call_spec){.method = HTTP_GET,
                                                 .path = buf_str(&path),
                                                 .wait = h->index ? WAIT : 0,
                                                 .body_max = NODE_MAX});
    buf_deinit(&path);
}

static void hint_next(struct registry_writer *w)
{
    if (consul_call_running(&w->hint.call)) {
        pause_for(w, PACE); /* a cancelled one that has not ended */
    } else if (w->hint.node || w->hint.nameless) {
        query(w);
    } else {
        ask_node(w);
    }
}

/* ---- answers ---- */

static void hint_failed(struct registry_writer *w, const struct consul_reply *reply)
{
    bool gone = reply->status == 0;
    w->hint.index = 0;
    pause_for(w, backoff_next(&w->hint.backoff));
    set_working(w, false);
    if (gone) {
        consul_writer_list_soon(w);
    }
}

static void take_node(struct registry_writer *w, const struct consul_reply *reply)
{
    CLEANUP_JSON json *j = NULL;
    struct err ignored = ERR_INIT;
    const char *node = "";
    if (json_parse(&j, reply->body, reply->len, &ignored) == 0) {
        node = json_str(json_get(j, "Config"), "NodeName", "");
    }
    if (!*node) {
        hint_failed(w, reply);
        return;
    }
    w->hint.node = xstrdup(node);
    query(w);
}

static void take_index(struct registry_writer *w, const struct consul_reply *reply)
{
    struct consul_hint *h = &w->hint;
    bool reset = false;
    if (reply->index == 0) { /* Consul always sends one */
        hint_failed(w, reply);
        return;
    }
    uint64_t before = h->index;
    h->index = consul_index_next(before, reply->index, &reset);
    backoff_reset(&h->backoff);
    pause_for(w, h->node ? PACE : PACE_ALL);
    set_working(w, true);
    /* also after the first: it tells of the time between the listing and the query */
    if (reset || before != reply->index) {
        consul_writer_list_soon(w);
    }
}

static void on_answer(struct consul_call *call, const struct consul_reply *reply)
{
    struct registry_writer *w = container_of(call, struct registry_writer, hint.call);
    enum consul_hint_state state = w->hint.state;
    if (reply->err.class == ERR_CANCELLED ||
        (state != CONSUL_HINT_S_NODE && state != CONSUL_HINT_S_QUERY)) {
        return;
    }
    if (state == CONSUL_HINT_S_NODE && reply->err.class == ERR_AUTH) {
        w->hint.nameless = true;
        query(w);
    } else if (reply->err.class != ERR_NONE) {
        w->hint.nameless = false;
        hint_failed(w, reply);
    } else if (state == CONSUL_HINT_S_NODE) {
        take_node(w, reply);
    } else {
        take_index(w, reply);
    }
}

/* ---- life ---- */

void consul_writer_hint_init(struct registry_writer *w, uint64_t seed)
{
    w->hint.call.done = on_answer;
    backoff_init(&w->hint.backoff, RETRY_MIN, RETRY_MAX, seed);
}

void consul_writer_hint_start(struct registry_writer *w)
{
    if (w->dry_run) {
        return;
    }
    backoff_reset(&w->hint.backoff);
    w->hint.index = 0;
    hint_next(w);
}

void consul_writer_hint_stop(struct registry_writer *w)
{
    struct consul_hint *h = &w->hint;
    set_state(h, CONSUL_HINT_S_OFF);
    h->working = false;
    h->nameless = false;
    free(take_ptr(h->node)); /* who answers next may be another agent */
    io_timer_stop(&h->timer);
    consul_call_cancel(&h->call);
}

const char *consul_writer_hint_name(const struct registry_writer *w)
{
    return w->hint.state == CONSUL_HINT_S_OFF ? "off" : w->hint.working ? "live" : "polling";
}
