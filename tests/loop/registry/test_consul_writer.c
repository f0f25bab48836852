/*
 * The Consul writer against a scripted agent: answers that are lost, late or errors, services that come
 * and go by other hands, and an agent that dies with and without its data.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "lib/fake_consul.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"
#include "registry/consul_writer.h"

#define NODE "n1"
#define ID   NODE ":10.0.0.5:80" /* of keeper_want() */
#define OTHER                                                                                      \
    "{\"ID\":\"" ID "\",\"Name\":\"web\",\"Port\":80,\"Meta\":{\"tidewaiter-node\":\"n2\"}}"
#define PLAIN "{\"ID\":\"" ID "\",\"Name\":\"web\",\"Port\":80}"
#define TWIN                                                                                       \
    "{\"ID\":\"" ID "\",\"Name\":\"web\",\"Port\":1,\"Meta\":{\"tidewaiter-node\":\"" NODE "\"}}"
#define LIST "/v1/agent/services"

#define REGISTER   "/v1/agent/service/register"
#define DEREGISTER "/v1/agent/service/deregister/"

enum fault_kind {
    FAULT_APPLY_RESET, /* it happens, but the answer is lost */
    FAULT_RESET,       /* lost before it happens */
    FAULT_SILENCE,
    FAULT_LATE,   /* it happens, and is answered after a while */
    FAULT_STATUS, /* status and body */
};

struct fixture {
    struct io *io;
    struct fake_consul consul;
    struct keeper k;

    /* the fault: on requests with this path whose body has this text */
    const char *path, *text;
    enum fault_kind kind;
    int status;
    const char *body;
    unsigned times, hits;
    struct fake_exchange *late;
    struct io_timer timer;
    const char *hold; /* the next request with this path is kept, for the test to answer */
    struct fake_exchange *held;

    bool queries_only;              /* and the fault is on them */
    unsigned most_open;             /* connections */
    msec_t renewed_at, renewed_gap; /* the longest between two */
};

static void on_late(struct io_timer *timer)
{
    struct fixture *t = container_of(timer, struct fixture, timer);
    fake_consul_apply(&t->consul, t->late);
    fake_reply(t->late, 200, "");
}

/* Only to turn the loop. */
static void on_nothing(struct io_timer *timer)
{
    assert_false(timer->armed);
}

static void note(struct fixture *t, const char *path)
{
    if (str_starts(path, "/v1/agent/check/update/")) {
        msec_t gap = t->renewed_at ? io_now(t->io) - t->renewed_at : 0;
        t->renewed_gap = gap > t->renewed_gap ? gap : t->renewed_gap;
        t->renewed_at = io_now(t->io);
    }
}

static bool fault(struct fake_consul *f, struct fake_exchange *x, const char *path, void *ctx)
{
    struct fixture *t = ctx;
    unsigned n = fake_http_open(t->consul.http);
    t->most_open = n > t->most_open ? n : t->most_open;
    if (t->hold && str_starts(path, t->hold)) {
        t->hold = NULL;
        t->held = x;
        return true;
    }
    bool query = str_starts(path, "/v1/catalog/node/") || str_starts(path, "/v1/health/node/");
    if (t->times == 0 || (t->queries_only && !query) || (t->path && !str_starts(path, t->path)) ||
        (t->text && !strstr(fake_body(x), t->text))) {
        note(t, path);
        return false;
    }
    t->times--;
    t->hits++;
    switch (t->kind) {
    case FAULT_APPLY_RESET:
        fake_consul_apply(f, x);
        fake_reset(x);
        break;
    case FAULT_RESET:
        fake_reset(x);
        break;
    case FAULT_SILENCE:
        break;
    case FAULT_LATE:
        t->late = x;
        io_timer_start(t->io, &t->timer, 100, on_late);
        break;
    case FAULT_STATUS:
        fake_reply(x, t->status, t->body);
        break;
    }
    return true;
}

static void arm(struct fixture *t, enum fault_kind kind, const char *path, unsigned times)
{
    t->kind = kind;
    t->path = path;
    t->times = times;
    t->hits = 0;
}

static void arm_status(struct fixture *t, const char *path, unsigned times, int status,
                       const char *body)
{
    arm(t, FAULT_STATUS, path, times);
    t->status = status;
    t->body = body;
}

static int up(void **state)
{
    struct fixture *t = xcalloc(1, sizeof(*t));
    t->io = loop_open();
    fake_consul_start(&t->consul, t->io, fault, t);
    *state = t;
    return 0;
}

static int down(void **state)
{
    struct fixture *t = *state;
    if (t->k.writer) { /* the test has failed, or leaves it to us */
        keeper_close(&t->k, false);
    }
    fake_consul_stop(&t->consul);
    loop_close(t->io);
    free(t);
    return 0;
}

static void keep(struct fixture *t)
{
    keeper_open(&t->k, t->io, &registry_consul, &t->consul.uri, NODE, 30, false);
}

static void want(struct fixture *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        keeper_want(&t->k, NODE, "web", "10.0.0.5", (uint16_t)(80 + i));
    }
}

static void want_ttl(struct fixture *t, const char *ttl, enum service_status status)
{
    struct service_attr attr = {.key = "check_ttl", .value = ttl};
    keeper_want_spec(&t->k, &(struct service_spec){.name = "web",
                                                   .id = ID,
                                                   .node = NODE,
                                                   .host = "10.0.0.5",
                                                   .port = 80,
                                                   .status = status,
                                                   .weight = SERVICE_WEIGHT_UNSET,
                                                   .attrs = &attr,
                                                   .n_attrs = 1});
}

/* The same service without a check. */
static void want_plain(struct fixture *t)
{
    keeper_want_spec(&t->k, &(struct service_spec){.name = "web",
                                                   .id = ID,
                                                   .node = NODE,
                                                   .host = "10.0.0.5",
                                                   .port = 80,
                                                   .weight = SERVICE_WEIGHT_UNSET});
}

#define TTL_CHECK "service:" ID ":ttl"

#define DOWN_ID      NODE ":down:80"
#define WEIGHT_CHECK "service:" DOWN_ID ":weight"

static void want_down(struct fixture *t)
{
    keeper_want_spec(&t->k, &(struct service_spec){.name = "down",
                                                   .id = DOWN_ID,
                                                   .node = NODE,
                                                   .host = "10.0.0.6",
                                                   .port = 80,
                                                   .weight = 0});
}

/* A check that others have changed has this status again. */
static void heals_soon(struct fixture *t, const char *check_id, const char *status)
{
    msec_t since = io_now(t->io);
    loop_until(t->io, fake_consul_status(&t->consul, check_id) &&
                          streq(fake_consul_status(&t->consul, check_id), status));
    assert_in_range(io_now(t->io) - since, 0, 2500);
    loop_until(t->io, keeper_settled(&t->k));
}

/* A change by other hands has been looked at: two listings that began later have ended. */
static void look_again(struct fixture *t)
{
    unsigned seen = t->consul.listings;
    fake_consul_register(&t->consul, "{\"ID\":\"stir\",\"Name\":\"stir\"}");
    loop_until(t->io, t->consul.listings > seen);
    seen = t->consul.listings;
    fake_consul_deregister(&t->consul, "stir");
    loop_until(t->io, t->consul.listings > seen && t->consul.n_held == 1);
}

static bool live(const struct keeper *k)
{
    struct buf out = BUF_INIT(4096);
    k->driver->writer->describe(k->writer, &out);
    bool found = strstr(buf_str(&out), "\"hint\":\"live\"") != NULL;
    buf_deinit(&out);
    return found;
}

/* ---- the happy path ---- */

static void registers_and_removes(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 3);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k));
    assert_int_equal(fake_consul_count(&t->consul), 3);
    assert_non_null(strstr(fake_consul_get(&t->consul, ID), "\"tidewaiter-node\":\"" NODE "\""));
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(fake_consul_count(&t->consul), 2);
    assert_null(fake_consul_get(&t->consul, ID));
    look_again(t);
    assert_int_equal(t->consul.registers, 3);
    assert_int_equal(t->consul.deregisters, 1);
    assert_int_equal(t->k.begins, 1);
    assert_int_equal(t->k.readies, 1);
    assert_int_equal(t->k.unreadies, 0);
}

static void next_run_writes_nothing(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 3);
    loop_until(t->io, keeper_settled(&t->k));
    keeper_close(&t->k, false);
    assert_int_equal(fake_consul_count(&t->consul), 3);
    keep(t);
    want(t, 2);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(t->consul.registers, 3);
    assert_int_equal(t->consul.deregisters, 1); /* the third, of the run before */
}

static void many_in_parallel(void **state)
{
    struct fixture *t = *state;
    keep(t);
    loop_until(t->io, live(&t->k));
    want(t, 200);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(fake_consul_count(&t->consul), 200);
    assert_int_equal(t->consul.registers, 200);
    assert_in_range(t->most_open, 16, 16 + 4); /* and two of a listing, and two hints */
}

/* ---- other hands ---- */

static void heals_what_others_do(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 2);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k));
    fake_consul_deregister(&t->consul, ID);
    loop_until(t->io, t->consul.registers == 3 && keeper_settled(&t->k));
    assert_non_null(fake_consul_get(&t->consul, ID));
    fake_consul_register(&t->consul, PLAIN); /* now without an owner */
    loop_until(t->io, t->consul.registers == 4 && keeper_settled(&t->k));
    assert_non_null(strstr(fake_consul_get(&t->consul, ID), "\"tidewaiter-node\":\"" NODE "\""));
    assert_int_equal(t->k.begins, 1);
    assert_int_equal(t->k.unreadies, 0);
}

static void pass_time(struct fixture *t, msec_t ms)
{
    msec_t until = io_now(t->io) + ms;
    io_timer_start(t->io, &t->timer, ms, on_nothing);
    loop_until(t->io, io_now(t->io) >= until);
}

/* The index of the services knows nothing of any of this. */
static void checks_by_other_hands(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "1h", SERVICE_PASSING);
    want_down(t);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k) && t->consul.n_held_checks == 1);
    assert_string_equal(fake_consul_output(&t->consul, WEIGHT_CHECK),
                        "tidewaiter: weight 0: no traffic is wanted");
    assert_string_equal(fake_consul_output(&t->consul, TTL_CHECK),
                        "tidewaiter: the container runs");
    fake_consul_drop_check(&t->consul, TTL_CHECK);
    heals_soon(t, TTL_CHECK, "passing");
    fake_consul_set_status(&t->consul, TTL_CHECK, "critical");
    heals_soon(t, TTL_CHECK, "passing");
    fake_consul_set_status(&t->consul, WEIGHT_CHECK, "passing");
    heals_soon(t, WEIGHT_CHECK, "critical");
    assert_int_equal(t->k.troubles, 0);
    assert_int_equal(t->k.begins, 1);
}

static void flapping_checks_cost_little(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 1);
    fake_consul_add_check(&t->consul, "by-hand", ID);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k) && t->consul.n_held_checks == 1);
    pass_time(t, 1500); /* what came before is over */
    unsigned listings = t->consul.listings, queries = t->consul.checks_queries;
    for (unsigned i = 0; i < 150; i++) {
        fake_consul_set_status(&t->consul, "by-hand", i % 2 ? "passing" : "critical");
        pass_time(t, 20);
    }
    assert_in_range(t->consul.listings - listings, 2, 4);
    assert_in_range(t->consul.checks_queries - queries, 2, 4);
}

/* An agent of the same node name that has the same container name. */
static void two_agents_take_turns(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 2);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k));
    for (unsigned i = 0; i < 3; i++) { /* undone at once as long as it may be an accident */
        unsigned registers = t->consul.registers;
        assert_int_equal(t->k.troubles, 0);
        loop_until(t->io, !consul_known_find(&t->k.writer->services, ID)->unverified);
        fake_consul_register(&t->consul, TWIN);
        loop_until(t->io, t->consul.registers > registers && keeper_settled(&t->k));
    }
    loop_until(t->io, t->k.troubles == 1);
    assert_non_null(strstr(t->k.trouble.msg, "writes or removes " ID " in Consul"));
    assert_non_null(strstr(t->k.trouble.msg, "node name " NODE "?"));
    unsigned registers = t->consul.registers;
    fake_consul_register(&t->consul, TWIN);
    msec_t since = io_now(t->io);
    pass_time(t, 1000);
    assert_int_equal(t->consul.registers, registers);
    fake_consul_deregister(&t->consul, NODE ":10.0.0.5:81"); /* others are healed as ever */
    loop_until(t->io, fake_consul_get(&t->consul, NODE ":10.0.0.5:81"));
    assert_non_null(strstr(fake_consul_get(&t->consul, ID), "\"Port\":1,"));
    loop_until_ms(t->io, 15000, t->consul.registers == registers + 2);
    assert_in_range(io_now(t->io) - since, CONSUL_REPEATS_PAUSE - 2000,
                    CONSUL_REPEATS_PAUSE + 1000);
    assert_int_equal(t->k.troubles, 1);
    assert_int_equal(t->k.recoveries, 0);
}

static void foreign_is_never_touched(void **state)
{
    struct fixture *t = *state;
    fake_consul_register(&t->consul, OTHER);
    CLEANUP_FREE char *before = xstrdup(fake_consul_get(&t->consul, ID));
    keep(t);
    want(t, 2);
    loop_until(t->io, t->k.conflicts >= 2); /* also when it is tried again */
    assert_string_equal(fake_consul_get(&t->consul, ID), before);
    assert_int_equal(t->consul.registers, 1); /* that of the second one */
    assert_int_equal(t->k.last.class, ERR_CONFLICT);
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
    look_again(t);
    keeper_want(&t->k, NODE, "web", "10.0.0.5", 80);
    loop_until(t->io, t->k.conflicts >= 3);
    assert_string_equal(fake_consul_get(&t->consul, ID), before);
    assert_int_equal(t->consul.deregisters, 0);
    fake_consul_deregister(&t->consul, ID);
    loop_until(t->io, keeper_settled(&t->k));
    assert_string_not_equal(fake_consul_get(&t->consul, ID), before);
}

static void unclaimed_is_taken_and_never_removed(void **state)
{
    struct fixture *t = *state;
    fake_consul_register(&t->consul, PLAIN);
    fake_consul_register(&t->consul, "{\"ID\":\"" NODE ":left:81\",\"Name\":\"left\"}");
    keep(t);
    want(t, 1);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(t->consul.registers, 1);
    assert_int_equal(t->consul.deregisters, 0);
    keeper_close(&t->k, true);
    assert_int_equal(t->consul.deregisters, 1);
    assert_non_null(fake_consul_get(&t->consul, NODE ":left:81"));
    assert_null(fake_consul_get(&t->consul, ID));
}

static void adopts_by_id(void **state)
{
    struct fixture *t = *state;
    struct registry_writer_config config = {.uri = &t->consul.uri,
                                            .node = NODE,
                                            .id_host = "host7",
                                            .ttl_s = 30,
                                            .dialect = REGISTRY_REGISTRATOR,
                                            .adopt_by_id = true};
    fake_consul_register(&t->consul, "{\"ID\":\"host7:left:81\",\"Name\":\"left\"}");
    fake_consul_register(&t->consul, "{\"ID\":\"host7:left:81:udp\",\"Name\":\"left\"}");
    fake_consul_register(&t->consul, "{\"ID\":\"host8:left:81\",\"Name\":\"left\"}");
    fake_consul_register(&t->consul, "{\"ID\":\"vault\",\"Name\":\"vault\"}");
    keeper_open_config(&t->k, t->io, &registry_consul, &config);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(t->consul.deregisters, 2);
    assert_int_equal(fake_consul_count(&t->consul), 2);
    assert_non_null(fake_consul_get(&t->consul, "host8:left:81"));
    assert_non_null(fake_consul_get(&t->consul, "vault"));
}

/* A listing that shows the time before a write says nothing about it. */
static void listings_overlap_writes(void **state)
{
    struct fixture *t = *state;
    keep(t);
    loop_until(t->io, live(&t->k) && t->consul.n_held == 1);
    t->hold = LIST;
    fake_consul_register(&t->consul, "{\"ID\":\"stir\",\"Name\":\"stir\"}");
    loop_until(t->io, t->held);
    want(t, 1);
    loop_until(t->io, keeper_settled(&t->k));
    unsigned listings = t->consul.listings;
    fake_reply(t->held, 200, "{}");
    t->held = NULL;
    loop_until(t->io, t->consul.listings > listings); /* another look */
    look_again(t);
    assert_int_equal(t->consul.registers, 1);
    assert_true(keeper_settled(&t->k));

    CLEANUP_FREE char *before = xstrdup(fake_consul_get(&t->consul, ID));
    struct buf text = BUF_INIT(65536);
    buf_printf(&text, "{\"" ID "\":%s}", before);
    t->hold = LIST;
    fake_consul_register(&t->consul, "{\"ID\":\"stir\",\"Name\":\"stir\"}");
    loop_until(t->io, t->held);
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
    loop_until(t->io, keeper_settled(&t->k));
    listings = t->consul.listings;
    fake_reply(t->held, 200, buf_str(&text));
    t->held = NULL;
    loop_until(t->io, t->consul.listings > listings);
    look_again(t);
    assert_int_equal(t->consul.deregisters, 1);
    assert_true(keeper_settled(&t->k));
    buf_deinit(&text);
}

/* ---- an agent that fails ---- */

static void restart_without_data(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 5);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k));
    fake_consul_down(&t->consul, true);
    loop_until(t->io, !t->k.ready);
    msec_t since = io_now(t->io);
    fake_consul_up(&t->consul);
    loop_until(t->io, keeper_settled(&t->k));
    assert_in_range(io_now(t->io) - since, 0, 2000);
    assert_int_equal(fake_consul_count(&t->consul), 5);
    assert_int_equal(t->consul.registers, 10);
    assert_int_equal(t->k.unreadies, 1);
    assert_int_equal(t->k.readies, 2);
    loop_until(t->io, live(&t->k)); /* with an index far below the old one */
    fake_consul_deregister(&t->consul, ID);
    loop_until(t->io, fake_consul_get(&t->consul, ID));
}

static void restart_with_data(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 5);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k));
    fake_consul_down(&t->consul, false);
    loop_until(t->io, !t->k.ready);
    fake_consul_up(&t->consul);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k));
    assert_int_equal(t->consul.registers, 5);
    assert_int_equal(t->k.unreadies, 1);
}

static void index_goes_backwards(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 1);
    loop_until(t->io, keeper_settled(&t->k) && t->consul.n_held == 1);
    t->consul.index = 3; /* as after a restart that nobody noticed */
    unsigned queries = t->consul.queries;
    look_again(t);
    assert_in_range(t->consul.queries, queries + 2, queries + 10);
    fake_consul_deregister(&t->consul, ID);
    loop_until(t->io, fake_consul_get(&t->consul, ID));
    assert_int_equal(t->k.unreadies, 0);
}

static void broken_query_is_not_the_end(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 1);
    loop_until(t->io, keeper_settled(&t->k) && t->consul.n_held == 1);
    unsigned listings = t->consul.listings;
    /* curl tries again by itself as long as it has connections that were kept open */
    arm(t, FAULT_RESET, NULL, 100);
    t->queries_only = true;
    fake_consul_cut(&t->consul);
    loop_until(t->io, t->consul.listings > listings); /* has Consul gone? */
    t->times = 0;
    loop_until(t->io, live(&t->k) && t->consul.n_held == 1);
    assert_int_equal(t->k.unreadies, 0);
    assert_int_equal(t->consul.registers, 1);
}

static void errors_of_listings(void **state)
{
    struct fixture *t = *state;
    arm_status(t, LIST, 3, 503, "busy");
    keep(t);
    want(t, 1);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(t->hits, 3);
    assert_int_equal(t->k.unreadies, 1);
    assert_int_equal(t->k.readies, 1);
    assert_int_equal(t->k.begins, 1);
    arm_status(t, "/v1/agent/checks", 2, 500, "No cluster leader");
    fake_consul_register(&t->consul, "{\"ID\":\"stir\",\"Name\":\"stir\"}");
    loop_until(t->io, !t->k.ready);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(t->k.unreadies, 2);
    assert_int_equal(t->consul.registers, 1);
    arm_status(t, LIST, 1, 200, "[1,2]");
    fake_consul_deregister(&t->consul, "stir");
    loop_until(t->io, !t->k.ready);
    assert_int_equal(t->k.last.class, ERR_BUG);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(t->consul.registers, 1);
}

/* After a failure it is listed anew, but not before what is in flight has ended. */
static void lost_with_a_write_in_flight(void **state)
{
    struct fixture *t = *state;
    keep(t);
    loop_until(t->io, live(&t->k) && t->consul.n_held == 1);
    t->hold = REGISTER;
    want(t, 1);
    loop_until(t->io, t->held);
    unsigned listings = t->consul.listings;
    arm_status(t, LIST, 1, 503, "busy");
    fake_consul_register(&t->consul, "{\"ID\":\"stir\",\"Name\":\"stir\"}");
    loop_until(t->io, !t->k.ready);
    msec_t since = io_now(t->io);
    io_timer_start(t->io, &t->timer, 500, on_nothing);
    loop_until(t->io, io_now(t->io) - since >= 500);
    assert_int_equal(t->consul.listings, listings);
    fake_consul_apply(&t->consul, t->held);
    fake_reply(t->held, 200, "");
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(t->consul.registers, 1);
    assert_int_equal(t->k.begins, 2);
}

static void silent_agent(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 1);
    loop_until(t->io, keeper_settled(&t->k) && t->consul.n_held == 1);
    arm(t, FAULT_SILENCE, NULL, 1000);
    fake_consul_register(&t->consul, "{\"ID\":\"stir\",\"Name\":\"stir\"}");
    loop_until(t->io, !t->k.ready);
    assert_int_equal(t->k.last.class, ERR_TRANSIENT);
    t->times = 0;
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(t->consul.registers, 1);
}

static void node_is_not_to_be_known(void **state)
{
    struct fixture *t = *state;
    t->consul.no_agent_read = true;
    keep(t);
    want(t, 1);
    loop_until(t->io, keeper_settled(&t->k) && live(&t->k) && t->consul.n_held == 1);
    msec_t since = io_now(t->io);
    fake_consul_deregister(&t->consul, ID);
    loop_until(t->io, fake_consul_get(&t->consul, ID));
    assert_in_range(io_now(t->io) - since, 0, 2000);
    loop_until(t->io, t->consul.n_held == 1);
    fake_consul_down(&t->consul, true);
    loop_until(t->io, !t->k.ready);
    fake_consul_up(&t->consul);
    loop_until(t->io, fake_consul_get(&t->consul, ID));
    assert_in_range(t->consul.selfs, 2, 3);
}

/* Whichever of the two it is. */
static void hint_is_refused(struct fixture *t, const char *path)
{
    arm_status(t, path, 1000, 403, "Permission denied");
    keeper_open(&t->k, t->io, &registry_consul, &t->consul.uri, NODE, 5, false);
    want(t, 1);
    loop_until(t->io, keeper_settled(&t->k));
    fake_consul_deregister(&t->consul, ID);
    loop_until(t->io, fake_consul_get(&t->consul, ID)); /* found by polling */
    assert_false(live(&t->k));
    assert_int_equal(t->k.unreadies, 0);
    t->times = 0;
    loop_until(t->io, live(&t->k)); /* tried again by itself */
}

static void hint_on_services_is_refused(void **state)
{
    hint_is_refused(*state, "/v1/catalog/");
}

static void hint_on_checks_is_refused(void **state)
{
    hint_is_refused(*state, "/v1/health/");
}

/* ---- writes that fail ---- */

static void lost_requests(void **state)
{
    struct fixture *t = *state;
    keep(t);
    arm(t, FAULT_RESET, REGISTER, 2);
    want(t, 3);
    loop_until(t->io, t->hits == 2 && keeper_settled(&t->k));
    assert_int_equal(fake_consul_count(&t->consul), 3);
    arm(t, FAULT_APPLY_RESET, DEREGISTER, 1);
    t->consul.acl = true; /* the second try is told that it is unknown */
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
    loop_until(t->io, t->hits == 1 && keeper_settled(&t->k));
    assert_int_equal(fake_consul_count(&t->consul), 2);
    arm(t, FAULT_APPLY_RESET, REGISTER, 1);
    keeper_want(&t->k, NODE, "web", "10.0.0.5", 80);
    loop_until(t->io, t->hits == 1 && keeper_settled(&t->k));
    assert_int_equal(fake_consul_count(&t->consul), 3);
}

static void unknown_service_is_removed(void **state)
{
    struct fixture *t = *state;
    static const struct {
        int status;
        const char *body;
    } answers[] = {{500, "Unknown service {\"x\" {}}"}, {404, "Unknown service ID \"x\""}};
    keep(t);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        want(t, 1);
        loop_until(t->io, keeper_settled(&t->k));
        unsigned failures = t->k.failures;
        arm_status(t, DEREGISTER, 1, answers[i].status, answers[i].body);
        fake_consul_deregister(&t->consul, ID);
        keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
        loop_until(t->io, t->hits == 1 && keeper_settled(&t->k));
        assert_int_equal(t->k.failures, failures);
    }
}

static void one_is_refused(void **state)
{
    struct fixture *t = *state;
    keep(t);
    arm_status(t, REGISTER, 1000, 400, "Invalid check");
    t->text = "\"Port\":81";
    want(t, 3);
    loop_until(t->io, fake_consul_count(&t->consul) == 2 && t->k.failures == 1);
    assert_int_equal(t->k.last.class, ERR_INVALID);
    assert_non_null(strstr(t->k.last.msg, "register " NODE ":10.0.0.5:81"));
    look_again(t);
    assert_int_equal(t->hits, 1); /* not until something about it changes */
    t->times = 0;
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 81);
    keeper_want(&t->k, NODE, "web", "10.0.0.5", 81);
    loop_until(t->io, keeper_settled(&t->k));
}

static void no_right_to_write(void **state)
{
    struct fixture *t = *state;
    keep(t);
    arm_status(t, REGISTER, 3, 403, "Permission denied: Missing service:write on web");
    want(t, 1);
    loop_until(t->io, t->k.failures == 3);
    assert_int_equal(t->k.last.class, ERR_AUTH);
    assert_non_null(strstr(t->k.last.msg, "service:write"));
    assert_true(t->k.ready);
    loop_until(t->io, keeper_settled(&t->k));
}

static void no_consul_there(void **state)
{
    struct fixture *t = *state;
    keep(t);
    arm_status(t, REGISTER, 1, 404, "<html>not here</html>");
    want(t, 1);
    loop_until(t->io, t->k.failures == 1);
    assert_int_equal(t->k.last.class, ERR_BUG); /* not a fault of the service: tried again */
    loop_until(t->io, keeper_settled(&t->k));
}

/* What is registered never shows up: as with a right to write that does not include the one to read. */
static void invisible_is_not_repeated_for_ever(void **state)
{
    struct fixture *t = *state;
    keep(t);
    loop_until(t->io, t->k.ready && live(&t->k));
    arm_status(t, LIST, 1000, 200, "{}");
    want(t, 2);
    loop_until(t->io, t->consul.registers == 4);
    unsigned hits = t->hits;
    for (unsigned i = 0; i < 4; i++) {
        fake_consul_register(&t->consul, "{\"ID\":\"stir\",\"Name\":\"stir\"}");
        loop_until(t->io, t->hits > hits);
        hits = t->hits;
    }
    assert_true(keeper_settled(&t->k));
    assert_int_equal(t->consul.registers, 4); /* each once more, to make sure */
    assert_int_equal(t->k.troubles, 1);
    assert_non_null(strstr(t->k.trouble.msg, " and others as registered"));
    assert_int_equal(t->k.recoveries, 0);
    t->times = 0;
    look_again(t);
    loop_until(t->io, t->k.recoveries == 1);
    assert_int_equal(t->consul.registers, 4);
    assert_true(keeper_settled(&t->k));
}

/* ---- checks ---- */

static void keeps_checks_alive(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "1s", SERVICE_PASSING);
    loop_until(t->io, t->consul.updates >= 6);
    assert_string_equal(fake_consul_status(&t->consul, TTL_CHECK), "passing");
    assert_in_range(t->renewed_gap, 1, 700); /* meant to be a third of a second */
    assert_int_equal(t->consul.registers, 1);

    keeper_close(&t->k, false);
    unsigned updates = t->consul.updates;
    t->renewed_at = 0;
    keep(t); /* a successor learns of it from the listing, and renews at once */
    want_ttl(t, "1s", SERVICE_PASSING);
    loop_until(t->io, t->consul.updates > updates);
    assert_int_equal(t->consul.registers, 1);
}

static void status_follows(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "1h", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    assert_string_equal(fake_consul_status(&t->consul, TTL_CHECK), "passing");
    want_ttl(t, "1h", SERVICE_CRITICAL); /* the registration alone would not change it */
    loop_until(t->io, keeper_settled(&t->k));
    assert_string_equal(fake_consul_status(&t->consul, TTL_CHECK), "critical");
    want_ttl(t, "1h", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    assert_string_equal(fake_consul_status(&t->consul, TTL_CHECK), "passing");
    assert_int_equal(t->consul.updates, 3);
    fake_consul_set_status(&t->consul, TTL_CHECK, "critical"); /* ran out */
    look_again(t);
    loop_until(t->io, keeper_settled(&t->k));
    assert_string_equal(fake_consul_status(&t->consul, TTL_CHECK), "passing");
}

static void lost_check(void **state)
{
    struct fixture *t = *state;
    keep(t);
    for (unsigned i = 0; i < 2; i++) {
        t->consul.acl = i == 1; /* in other words */
        want_ttl(t, "1s", SERVICE_PASSING);
        loop_until(t->io, keeper_settled(&t->k) && t->consul.n_held == 1);
        fake_consul_drop_check(&t->consul, TTL_CHECK);
        loop_until(t->io, fake_consul_status(&t->consul, TTL_CHECK));
        loop_until(t->io, keeper_settled(&t->k));
        assert_int_equal(t->k.unreadies, 0);
    }
}

/* Consul would say that it ran out, of the agent that lives. */
static void critical_is_renewed(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "1s", SERVICE_CRITICAL);
    loop_until(t->io, t->consul.updates >= 6);
    assert_string_equal(fake_consul_status(&t->consul, TTL_CHECK), "critical");
    assert_in_range(t->renewed_gap, 1, 700);
    assert_string_equal(fake_consul_output(&t->consul, TTL_CHECK),
                        "tidewaiter: the container's health check fails");
}

/* A critical check that stands for no life. */
static void weight_rests(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_down(t);
    loop_until(t->io, keeper_settled(&t->k));
    keeper_close(&t->k, false);
    keep(t); /* what a successor has to keep alive it renews at once */
    want_down(t);
    loop_until(t->io, keeper_settled(&t->k));
    unsigned updates = t->consul.updates;
    struct service_attr attr = {.key = "check_ttl", .value = "1s"};
    keeper_want_spec(&t->k, &(struct service_spec){.name = "clock",
                                                   .id = "clock",
                                                   .node = NODE,
                                                   .host = "10.0.0.6",
                                                   .port = 80,
                                                   .weight = SERVICE_WEIGHT_UNSET,
                                                   .attrs = &attr,
                                                   .n_attrs = 1});
    arm_status(t, "/v1/agent/check/update/service%3A" NODE, 1000, 200, "");
    loop_until(t->io, t->consul.updates >= updates + 4); /* all of the other one */
    assert_int_equal(t->hits, 0);
}

static void refused_renewals_are_told(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "1s", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    msec_t since = io_now(t->io);
    arm_status(t, "/v1/agent/check/update/", 1000, 403,
               "Permission denied: Missing service:write on web");
    loop_until(t->io, t->k.troubles == 1);
    assert_in_range(io_now(t->io) - since, 0, 1000);
    assert_int_equal(t->k.trouble.class, ERR_AUTH);
    assert_non_null(strstr(t->k.trouble.msg, "keep " TTL_CHECK " alive"));
    assert_non_null(strstr(t->k.trouble.msg, "Missing service:write on web"));
    loop_until(t->io, t->hits >= 4);
    assert_int_equal(t->k.troubles, 1);
    assert_int_equal(t->k.recoveries, 0);
    t->times = 0;
    loop_until(t->io, t->k.recoveries == 1);
    assert_int_equal(t->k.troubles, 1);
    assert_true(t->k.ready);
}

/* Other failures are told once they have cost the check its life. */
static void failing_renewals_are_told(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "2s", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    msec_t since = io_now(t->io);
    arm_status(t, "/v1/agent/check/update/", 1000, 500, "No cluster leader");
    loop_until(t->io, t->k.troubles == 1);
    assert_in_range(io_now(t->io) - since, 1500, 3500);
    /* a registration proves that the rights are there, and the check is a new one */
    t->times = 0;
    want_ttl(t, "1h", SERVICE_PASSING);
    loop_until(t->io, t->k.recoveries == 1);
    assert_int_equal(t->k.troubles, 1);
}

static void renewals_are_tried_again(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "2s", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    arm_status(t, "/v1/agent/check/update/", 2, 500, "No cluster leader");
    unsigned updates = t->consul.updates;
    loop_until(t->io, t->hits == 2 && t->consul.updates > updates + 2);
    assert_in_range(t->renewed_gap, 1, 1300); /* within the TTL all the same */
    assert_int_equal(t->consul.registers, 1);
}

static void checks_end_with_their_service(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "1s", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    want(t, 1); /* no such item: the same id without a check */
    keeper_unwant(&t->k, NODE, "web", "10.0.0.5", 80);
    loop_until(t->io, keeper_settled(&t->k));
    assert_int_equal(fake_consul_check_count(&t->consul), 0);
    look_again(t);
    struct buf out = BUF_INIT(4096);
    t->k.driver->writer->describe(t->k.writer, &out);
    assert_non_null(strstr(buf_str(&out), "\"ttl_checks\":0"));
    assert_non_null(strstr(buf_str(&out), "\"services\":0"));
    assert_non_null(strstr(buf_str(&out), "\"state\":\"ready\""));
    buf_deinit(&out);
}

/* A registration anew removes its own checks that are not wanted any more, and no others. */
static void other_checks_stay(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "1h", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    fake_consul_add_check(&t->consul, "_service_maintenance:" ID, ID);
    fake_consul_add_check(&t->consul, "by-hand", ID);
    fake_consul_add_check(&t->consul, "service:" ID, ID);     /* Registrator's */
    fake_consul_add_check(&t->consul, "service:" ID "1", ID); /* of a service with a longer id */
    fake_consul_add_check(&t->consul, "service:" ID ":x", "another");
    want_plain(t);
    loop_until(t->io, keeper_settled(&t->k));
    assert_null(fake_consul_status(&t->consul, TTL_CHECK));
    assert_null(fake_consul_status(&t->consul, "service:" ID));
    assert_non_null(fake_consul_status(&t->consul, "_service_maintenance:" ID));
    assert_non_null(fake_consul_status(&t->consul, "by-hand"));
    assert_non_null(fake_consul_status(&t->consul, "service:" ID "1"));
    assert_non_null(fake_consul_status(&t->consul, "service:" ID ":x"));
    assert_int_equal(t->k.failures, 0);

    want_ttl(t, "1h", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    arm(t, FAULT_APPLY_RESET, "/v1/agent/check/deregister/", 1); /* 500 when tried again */
    want_plain(t);
    loop_until(t->io, t->hits == 1 && keeper_settled(&t->k));
    assert_null(fake_consul_status(&t->consul, TTL_CHECK));
    arm(t, FAULT_RESET, "/v1/agent/checks?", 1);
    want_ttl(t, "1h", SERVICE_PASSING);
    loop_until(t->io, t->hits == 1 && keeper_settled(&t->k));
    look_again(t);
    assert_int_equal(fake_consul_check_count(&t->consul), 5);
}

/* ---- dry run, and the end ---- */

static void dry_run(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want_ttl(t, "1s", SERVICE_PASSING);
    loop_until(t->io, keeper_settled(&t->k));
    keeper_close(&t->k, false);
    unsigned puts = t->consul.registers + t->consul.deregisters + t->consul.updates;
    keeper_open(&t->k, t->io, &registry_consul, &t->consul.uri, NODE, 5, true);
    unsigned listings = t->consul.listings;
    loop_until(t->io, t->k.ready && t->consul.listings > listings + 1); /* also the second time */
    assert_int_equal(keeper_seen(&t->k), 1);
    assert_int_equal(
        t->k.writer ? t->k.driver->writer->write(
                          t->k.writer, &(struct registry_op){.kind = REGISTRY_DELETE, .key = ID}, 1)
                    : 0,
        -EAGAIN);
    keeper_close(&t->k, true);
    assert_int_equal(t->consul.registers + t->consul.deregisters + t->consul.updates, puts);
    assert_non_null(fake_consul_get(&t->consul, ID));
}

static void close_removes_ours(void **state)
{
    struct fixture *t = *state;
    fake_consul_register(&t->consul, "{\"ID\":\"" NODE ":left:81\",\"Name\":\"left\"}");
    fake_consul_register(&t->consul,
                         "{\"ID\":\"o\",\"Name\":\"o\",\"Meta\":{\"tidewaiter-node\":\"n2\"}}");
    keep(t);
    want(t, 40);
    loop_until(t->io, keeper_settled(&t->k));
    arm(t, FAULT_RESET, DEREGISTER, 5); /* tried again */
    keeper_close(&t->k, true);
    assert_int_equal(t->hits, 5);
    assert_int_equal(fake_consul_count(&t->consul), 2);
    assert_int_equal(t->k.troubles, 0);
}

static void close_waits_for_a_registration(void **state)
{
    struct fixture *t = *state;
    keep(t);
    loop_until(t->io, t->k.ready);
    arm(t, FAULT_LATE, REGISTER, 1);
    want(t, 1);
    loop_until(t->io, t->hits == 1);
    keeper_close(&t->k, true);
    assert_int_equal(fake_consul_count(&t->consul), 0);
    assert_int_equal(t->consul.deregisters, 1);
}

static void close_gives_up(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 20);
    loop_until(t->io, keeper_settled(&t->k));
    arm(t, FAULT_SILENCE, DEREGISTER, 1000);
    msec_t since = io_now(t->io);
    keeper_close(&t->k, true);
    assert_in_range(io_now(t->io) - since, 2900, 4500);
    assert_int_equal(fake_consul_count(&t->consul), 20);
    assert_int_equal(t->k.troubles, 1);
    assert_string_equal(t->k.trouble.msg,
                        "20 of 20 services are left in Consul: no answer within 3 s");
}

static void close_tells_what_is_left(void **state)
{
    struct fixture *t = *state;
    keep(t);
    want(t, 5);
    loop_until(t->io, keeper_settled(&t->k));
    arm_status(t, DEREGISTER, 2, 403, "Permission denied: Missing service:write on web");
    keeper_close(&t->k, true);
    assert_int_equal(fake_consul_count(&t->consul), 2);
    assert_int_equal(t->k.troubles, 1);
    assert_int_equal(t->k.trouble.class, ERR_AUTH);
    assert_non_null(strstr(t->k.trouble.msg, "2 of 5 services are left in Consul: "));
    assert_non_null(strstr(t->k.trouble.msg, "Missing service:write on web"));
}

static void close_at_any_time(void **state)
{
    struct fixture *t = *state;
    for (unsigned turn = 0; turn < 12; turn++) {
        unsigned begun = fake_http_requests(t->consul.http);
        keep(t);
        want_ttl(t, "1s", SERVICE_PASSING);
        loop_until(t->io, fake_http_requests(t->consul.http) >= begun + turn);
        keeper_close(&t->k, turn % 2);
        if (turn % 2) {
            assert_int_equal(fake_consul_count(&t->consul), 0);
        }
    }
}

static void too_short_ttl(void **state)
{
    struct fixture *t = *state;
    struct err e = ERR_INIT;
    assert_int_equal(
        keeper_try_open(&t->k, t->io, &registry_consul, &t->consul.uri, NODE, 4, false, &e),
        -EINVAL);
    assert_int_equal(e.class, ERR_INVALID);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(registers_and_removes, up, down),
        cmocka_unit_test_setup_teardown(next_run_writes_nothing, up, down),
        cmocka_unit_test_setup_teardown(many_in_parallel, up, down),
        cmocka_unit_test_setup_teardown(heals_what_others_do, up, down),
        cmocka_unit_test_setup_teardown(checks_by_other_hands, up, down),
        cmocka_unit_test_setup_teardown(flapping_checks_cost_little, up, down),
        cmocka_unit_test_setup_teardown(two_agents_take_turns, up, down),
        cmocka_unit_test_setup_teardown(foreign_is_never_touched, up, down),
        cmocka_unit_test_setup_teardown(unclaimed_is_taken_and_never_removed, up, down),
        cmocka_unit_test_setup_teardown(adopts_by_id, up, down),
        cmocka_unit_test_setup_teardown(listings_overlap_writes, up, down),
        cmocka_unit_test_setup_teardown(restart_without_data, up, down),
        cmocka_unit_test_setup_teardown(restart_with_data, up, down),
        cmocka_unit_test_setup_teardown(index_goes_backwards, up, down),
        cmocka_unit_test_setup_teardown(broken_query_is_not_the_end, up, down),
        cmocka_unit_test_setup_teardown(errors_of_listings, up, down),
        cmocka_unit_test_setup_teardown(lost_with_a_write_in_flight, up, down),
        cmocka_unit_test_setup_teardown(silent_agent, up, down),
        cmocka_unit_test_setup_teardown(node_is_not_to_be_known, up, down),
        cmocka_unit_test_setup_teardown(hint_on_services_is_refused, up, down),
        cmocka_unit_test_setup_teardown(hint_on_checks_is_refused, up, down),
        cmocka_unit_test_setup_teardown(lost_requests, up, down),
        cmocka_unit_test_setup_teardown(unknown_service_is_removed, up, down),
        cmocka_unit_test_setup_teardown(one_is_refused, up, down),
        cmocka_unit_test_setup_teardown(no_right_to_write, up, down),
        cmocka_unit_test_setup_teardown(no_consul_there, up, down),
        cmocka_unit_test_setup_teardown(invisible_is_not_repeated_for_ever, up, down),
        cmocka_unit_test_setup_teardown(keeps_checks_alive, up, down),
        cmocka_unit_test_setup_teardown(status_follows, up, down),
        cmocka_unit_test_setup_teardown(lost_check, up, down),
        cmocka_unit_test_setup_teardown(critical_is_renewed, up, down),
        cmocka_unit_test_setup_teardown(weight_rests, up, down),
        cmocka_unit_test_setup_teardown(refused_renewals_are_told, up, down),
        cmocka_unit_test_setup_teardown(failing_renewals_are_told, up, down),
        cmocka_unit_test_setup_teardown(renewals_are_tried_again, up, down),
        cmocka_unit_test_setup_teardown(checks_end_with_their_service, up, down),
        cmocka_unit_test_setup_teardown(other_checks_stay, up, down),
        cmocka_unit_test_setup_teardown(dry_run, up, down),
        cmocka_unit_test_setup_teardown(close_removes_ours, up, down),
        cmocka_unit_test_setup_teardown(close_waits_for_a_registration, up, down),
        cmocka_unit_test_setup_teardown(close_gives_up, up, down),
        cmocka_unit_test_setup_teardown(close_tells_what_is_left, up, down),
        cmocka_unit_test_setup_teardown(close_at_any_time, up, down),
        cmocka_unit_test_setup_teardown(too_short_ttl, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
