/*
 * TTL checks of our services, kept alive.
 *
 *   WAITING ──a third of the TTL──► DUE ──a renewal is free──► SENT ──answer──► WAITING
 *
 * Happy path: each check has a timer; what is due goes to the queue, and from there to one of a few
 * requests at a time. The status is what the last registration wanted, or what Consul lists where an
 * earlier run of the agent registered it. A critical check does not run out, but Consul would say of it
 * that it had, so it is renewed as well, unless its TTL is so long that it stands for no life at all.
 *
 * Failure modes: a renewal that fails is repeated several times within the TTL. A check that Consul does
 * not know any more, or a connection that fails, means a listing at once. One that is refused (the token's
 * rights were taken away), or fails for a whole TTL, is told as trouble, which is over when every check
 * is renewed again. While the writer is not READY
 * nothing is sent; when it is again, everything is renewed soon, because it may have been long.
 */
#include "registry/consul_writer.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"
#include "registry/consul_query.h"

#include <string.h>
#include <utlist.h>

#define RETRY_MAX 1000u
#define WAKE_MAX  1000u
#define DAY       ((msec_t)24 * 3600 * MSEC_PER_SEC)

static void pump(struct registry_writer *w);

void consul_check_update(struct registry_writer *w, struct consul_call *call, const char *check_id,
                         enum service_status status, bool weight)
{
    static const char *const output[] = {
        [SERVICE_PASSING] = "tidewaiter: the container runs",
        [SERVICE_WARNING] = "tidewaiter: the container runs, its health check has not passed yet",
        [SERVICE_CRITICAL] = "tidewaiter: the container's health check fails",
    };
    struct buf path = BUF_INIT(8192), body = BUF_INIT(1024);
    struct json_writer j;
    buf_puts(&path, "/v1/agent/check/update/");
    consul_path_escape(&path, check_id, strlen(check_id), false);
    json_begin(&j, &body);
    json_object(&j);
    json_field_str(&j, "Status", service_status_name(status));
    json_field_str(&j, "Output",
                   weight ? "tidewaiter: weight 0: no traffic is wanted" : output[status]);
    json_object_end(&j);
    consul_call_start(&w->client, call,
                      &(struct consul_call_spec){.method = HTTP_PUT,
                                                 .path = buf_str(&path),
                                                 .body = buf_str(&body),
                                                 .body_len = body.len});
    buf_deinit(&path);
    buf_deinit(&body);
}

bool consul_reply_unknown(const struct consul_reply *reply)
{
    return reply->status == 404 ||
           (reply->status == 500 &&
            (strstr(reply->body, "does not have associated TTL") ||
             strstr(reply->body, "Unknown check") || strstr(reply->body, "Unknown service")));
}

/* ---- one check ---- */

static bool is_renewed(const struct consul_ttl *t)
{
    return t->status != SERVICE_CRITICAL || t->ttl < DAY;
}

static void on_due(struct io_timer *timer)
{
    struct consul_ttl *t = container_of(timer, struct consul_ttl, timer);
    t->due = true;
    DL_APPEND(t->w->due, t);
    pump(t->w);
}

static void schedule(struct consul_ttl *t, msec_t delay)
{
    struct registry_writer *w = t->w;
    bool may = w->state == CONSUL_WRITER_S_LIST || w->state == CONSUL_WRITER_S_READY;
    if (may && is_renewed(t) && !t->due && !t->sent) {
        io_timer_start(w->io, &t->timer, delay, on_due);
    }
}

/* A third of the TTL, less up to a quarter of that, so that many do not fall due together. */
static msec_t interval(const struct consul_ttl *t)
{
    msec_t third = t->ttl / 3;
    return third - hash64_more(t->w->event + io_now(t->w->io), t->check_id, strlen(t->check_id)) %
                       (third / 4 + 1);
}

static void rest(struct consul_ttl *t)
{
    io_timer_stop(&t->timer);
    if (t->due) {
        t->due = false;
        DL_DELETE(t->w->due, t);
    }
}

static void drop(struct consul_ttl *t)
{
    rest(t);
    HASH_DEL(t->w->ttls, t);
    if (t->sent) {
        t->dropped = true; /* goes when its renewal has ended */
        return;
    }
    free(t->service_id);
    free(t);
}

static struct consul_ttl *find(struct registry_writer *w, const char *check_id)
{
    struct consul_ttl *t;
    HASH_FIND_STR(w->ttls, check_id, t);
    return t;
}

static struct consul_ttl *add(struct registry_writer *w, const struct consul_listed_ttl *listed)
{
    size_t len = strlen(listed->check_id);
    struct consul_ttl *t = xcalloc(1, sizeof(*t) + len + 1);
    memcpy(t->check_id, listed->check_id, len);
    t->w = w;
    t->service_id = xstrdup(listed->service_id);
    t->ttl = listed->ttl;
    t->status = listed->status;
    t->weight = listed->weight;
    t->renewed_at = io_now(w->io);
    HASH_ADD(hh, w->ttls, check_id, len, t);
    return t;
}

/* ---- renewals ---- */

static void pump(struct registry_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->renewals) && w->due; i++) {
        struct consul_renewal *r = &w->renewals[i];
        if (w->state != CONSUL_WRITER_S_READY || consul_call_running(&r->call)) {
            continue;
        }
        struct consul_ttl *t = w->due;
        rest(t);
        t->sent = true;
        r->check = t;
        consul_check_update(w, &r->call, t->check_id, t->status, t->weight);
    }
}

/* After something that succeeded; that a check is gone proves nothing. */
static void trouble_over(struct registry_writer *w)
{
    struct consul_ttl *t, *tmp;
    if (!consul_writer_troubled(w, CONSUL_TROUBLE_RENEWALS)) {
        return;
    }
    HASH_ITER (hh, w->ttls, t, tmp) {
        if (t->failing) {
            return;
        }
    }
    consul_writer_trouble(w, CONSUL_TROUBLE_RENEWALS, NULL);
}

static void tell_outcome(struct consul_ttl *t, const struct consul_reply *reply)
{
    struct registry_writer *w = t->w;
    struct err why = reply->err;
    if (why.class == ERR_NONE) {
        t->renewed_at = io_now(w->io);
        t->failing = false;
        trouble_over(w);
    } else if (why.class == ERR_AUTH || io_now(w->io) - t->renewed_at >= t->ttl) {
        t->failing = true;
        err_wrap(&why, "keep %.80s alive", t->check_id);
        consul_writer_trouble(w, CONSUL_TROUBLE_RENEWALS, &why);
    }
}

static void on_renewed(struct consul_call *call, const struct consul_reply *reply)
{
    struct consul_renewal *r = container_of(call, struct consul_renewal, call);
    struct registry_writer *w = r->w;
    struct consul_ttl *t = take_ptr(r->check);
    bool done = reply->err.class == ERR_NONE;
    struct consul_ttl *kept = t->dropped ? NULL : t;
    t->sent = false;
    if (t->dropped) {
        free(t->service_id);
        free(t);
    } else if (done || reply->err.class == ERR_AUTH) {
        schedule(t, interval(t));
    } else {
        schedule(t, msec_min(t->ttl / 10, RETRY_MAX));
    }
    if (!done && (reply->status == 0 || consul_reply_unknown(reply))) {
        consul_writer_list_soon(w);
    }
    pump(w);
    if (kept && w->state == CONSUL_WRITER_S_READY) {
        tell_outcome(kept, reply);
    }
}

/* ---- which checks there are ---- */

void consul_writer_ttl_put(struct registry_writer *w, const char *service_id,
                           const struct consul_listed_ttl *ttls, size_t n)
{
    consul_writer_ttl_forget(w, service_id);
    for (size_t i = 0; i < n; i++) {
        struct consul_ttl *stolen = find(w, ttls[i].check_id);
        if (stolen) { /* Consul gives a check id to who asks last */
            drop(stolen);
        }
        struct consul_ttl *t = add(w, &ttls[i]);
        schedule(t, interval(t));
    }
}

void consul_writer_ttl_forget(struct registry_writer *w, const char *service_id)
{
    struct consul_ttl *t, *tmp;
    w->may_write = true;
    HASH_ITER (hh, w->ttls, t, tmp) {
        if (streq(t->service_id, service_id)) {
            drop(t);
        }
    }
}

static bool listing_may_speak(const struct registry_writer *w, const char *service_id)
{
    const struct consul_known *k = consul_known_find(&w->services, service_id);
    return !k || (!k->in_flight && k->touched <= w->list.began);
}

void consul_writer_ttl_listed(struct registry_writer *w, const struct consul_listing *l)
{
    for (size_t i = 0; i < l->n_ttls; i++) {
        const struct consul_listed_ttl *listed = &l->ttls[i];
        struct consul_ttl *t = find(w, listed->check_id);
        if (!t && listing_may_speak(w, listed->service_id)) {
            t = add(w, listed);
            schedule(t, 0); /* nobody knows when it was renewed last */
        }
        if (t) {
            t->listing = w->list.number;
        }
    }
    struct consul_ttl *t, *tmp;
    HASH_ITER (hh, w->ttls, t, tmp) {
        if (t->listing != w->list.number && listing_may_speak(w, t->service_id)) {
            drop(t);
        }
    }
    if (w->may_write) {
        w->may_write = false;
        trouble_over(w);
    }
}

/* ---- life ---- */

void consul_writer_ttl_init(struct registry_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->renewals); i++) {
        w->renewals[i].w = w;
        w->renewals[i].call.done = on_renewed;
    }
}

void consul_writer_ttl_wake(struct registry_writer *w)
{
    struct consul_ttl *t, *tmp;
    HASH_ITER (hh, w->ttls, t, tmp) {
        t->renewed_at = io_now(w->io); /* nobody could until now */
        schedule(t, interval(t) % (msec_min(t->ttl / 6, WAKE_MAX) + 1));
    }
    pump(w);
}

void consul_writer_ttl_stop(struct registry_writer *w)
{
    struct consul_ttl *t, *tmp;
    HASH_ITER (hh, w->ttls, t, tmp) {
        rest(t);
    }
}

void consul_writer_ttl_deinit(struct registry_writer *w)
{
    struct consul_ttl *t, *tmp;
    HASH_ITER (hh, w->ttls, t, tmp) {
        drop(t);
    }
}
