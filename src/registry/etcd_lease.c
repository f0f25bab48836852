/*
 * A lease and its keepalives.
 *
 *            ┌─grant─► GRANTING ─granted─┐
 *   NONE ────┤            │failed        ├──► HELD ─keepalive every ttl/3─► HELD
 *    ▲       └─adopt─► ADOPTING ─renewed─┘      │
 *    │                    │failed, dead         │dead
 *    └────────────────────┴─────────────────────┘         forget, grant, adopt: from every state
 *
 * Happy path: one POST per keepalive on a kept-alive connection, answered by one line per lease. etcd
 * answers the keepalive of a dead lease with 200 too: only the missing TTL tells.
 *
 * Failure modes: a keepalive that fails is repeated soon, and at another endpoint, as the client has
 * moved on by then; the rest of the TTL is there for that. It is etcd that decides whether a lease is
 * dead, not a clock here: without a leader leases do not lapse, and a restart of etcd renews them.
 */
#include "registry/etcd_lease.h"

#include "base/alloc.h"
#include "base/must.h"
#include "registry/etcd_request.h"
#include "registry/etcd_response.h"

#define RETRY_MIN     200u
#define RETRY_MAX     1000u
#define TRIES_PER_TTL 4
#define LEASES        2 /* that one keepalive renews */

static void lease_ask(struct etcd_lease *l);

static void lease_set_state(struct etcd_lease *l, enum etcd_lease_state to)
{
    static const bool allowed[4][4] = {
        [ETCD_LEASE_S_NONE] = {[ETCD_LEASE_S_NONE] = true,
                               [ETCD_LEASE_S_GRANTING] = true,
                               [ETCD_LEASE_S_ADOPTING] = true},
        [ETCD_LEASE_S_GRANTING] = {true, true, true, true},
        [ETCD_LEASE_S_ADOPTING] = {true, true, true, true},
        [ETCD_LEASE_S_HELD] = {[ETCD_LEASE_S_NONE] = true,
                               [ETCD_LEASE_S_GRANTING] = true,
                               [ETCD_LEASE_S_ADOPTING] = true},
    };
    must(allowed[l->state][to]);
    l->state = to;
    if (to == ETCD_LEASE_S_NONE) {
        l->id = 0;
        l->second = 0;
        io_timer_stop(&l->timer);
    }
}

static void on_timer(struct io_timer *t)
{
    struct etcd_lease *l = container_of(t, struct etcd_lease, timer);
    lease_ask(l);
}

static void renewed(struct etcd_lease *l, int64_t ttl_s)
{
    l->ttl_s = ttl_s;
    l->failures = 0;
    backoff_reset(&l->backoff);
    l->expires = l->sent + (msec_t)ttl_s * MSEC_PER_SEC;
    msec_t next = l->sent + (msec_t)ttl_s * MSEC_PER_SEC / 3;
    msec_t now = io_now(l->client->io);
    io_timer_start(l->client->io, &l->timer, next > now ? next - now : 0, on_timer);
    if (l->state == ETCD_LEASE_S_HELD) {
        l->renewed(l);
    } else {
        lease_set_state(l, ETCD_LEASE_S_HELD);
        l->held(l);
    }
}

static void trouble(struct etcd_lease *l, const struct err *why)
{
    if (l->state != ETCD_LEASE_S_HELD) {
        lease_set_state(l, ETCD_LEASE_S_NONE);
        l->failed(l, why);
        return;
    }
    l->failures++;
    io_timer_start(l->client->io, &l->timer, backoff_next(&l->backoff), on_timer);
    l->trouble(l, why);
}

static void granted(struct etcd_lease *l, const struct etcd_lease_response *answer)
{
    l->id = answer->id;
    renewed(l, answer->ttl);
}

static void kept_alive(struct etcd_lease *l, const struct etcd_lease_response *answers, size_t n)
{
    int64_t ttl = 0;
    for (size_t i = 0; i < n; i++) {
        if (answers[i].id == l->id) {
            ttl = answers[i].ttl;
        } else if (answers[i].id == l->second && answers[i].ttl <= 0) {
            l->second = 0;
        }
    }
    if (ttl > 0) {
        renewed(l, ttl);
    } else {
        lease_set_state(l, ETCD_LEASE_S_NONE);
        l->lost(l);
    }
}

static void on_answer(struct etcd_call *call, const struct etcd_reply *reply)
{
    struct etcd_lease *l = container_of(call, struct etcd_lease, call);
    if (l->client->closing || l->state == ETCD_LEASE_S_NONE) {
        return;
    }
    if (l->call_dropped) {
        lease_ask(l);
        return;
    }
    struct err why = reply->err;
    struct etcd_lease_response answers[LEASES];
    size_t n = 0;
    if (why.class == ERR_NONE) {
        int r = l->call_grants
                    ? etcd_response_grant(answers, reply->body, reply->len, &why)
                    : etcd_response_keepalive(answers, LEASES, &n, reply->body, reply->len, &why);
        if (r < 0) {
            etcd_call_distrust(call);
        }
    }
    if (why.class != ERR_NONE) {
        err_wrap(&why, l->call_grants ? "lease grant" : "lease keepalive");
        trouble(l, &why);
    } else if (l->call_grants) {
        granted(l, answers);
    } else {
        kept_alive(l, answers, n);
    }
}

/* Sends what the state asks for, or lets the end of the running call do so. */
static void lease_ask(struct etcd_lease *l)
{
    if (etcd_call_running(&l->call)) {
        l->call_dropped = true;
        etcd_call_cancel(&l->call);
        return;
    }
    struct buf body = BUF_INIT(1024);
    l->call_dropped = false;
    l->call_grants = l->state == ETCD_LEASE_S_GRANTING;
    l->sent = io_now(l->client->io);
    if (l->call_grants) {
        etcd_request_grant(&body, l->ask_ttl_s);
    } else {
        int64_t ids[LEASES] = {l->id, l->second};
        etcd_request_keepalive(&body, ids, l->second ? 2 : 1);
    }
    const char *path = l->call_grants ? "/v3/lease/grant" : "/v3/lease/keepalive";
    /* a short TTL needs room for several tries */
    msec_t limit = (msec_t)l->ttl_s * MSEC_PER_SEC / TRIES_PER_TTL;
    etcd_call_start(l->client, &l->call,
                    &(struct etcd_call_spec){
                        .path = path,
                        .take_body = &body,
                        .timeout = limit ? msec_min(limit, etcd_client_timeout(l->client)) : 0,
                    });
}

void etcd_lease_init(struct etcd_lease *l, struct etcd_client *client, uint64_t seed)
{
    l->client = client;
    l->call.done = on_answer;
    backoff_init(&l->backoff, RETRY_MIN, RETRY_MAX, seed);
}

void etcd_lease_grant(struct etcd_lease *l, int64_t ttl_s)
{
    lease_set_state(l, ETCD_LEASE_S_NONE);
    lease_set_state(l, ETCD_LEASE_S_GRANTING);
    l->ask_ttl_s = ttl_s;
    lease_ask(l);
}

void etcd_lease_adopt(struct etcd_lease *l, int64_t id)
{
    must(id != 0);
    int64_t second = l->id == id ? l->second : 0;
    lease_set_state(l, ETCD_LEASE_S_NONE);
    lease_set_state(l, ETCD_LEASE_S_ADOPTING);
    l->id = id;
    l->second = second;
    lease_ask(l);
}

void etcd_lease_second(struct etcd_lease *l, int64_t id)
{
    l->second = id;
}

void etcd_lease_forget(struct etcd_lease *l)
{
    lease_set_state(l, ETCD_LEASE_S_NONE);
}
