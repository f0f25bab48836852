/*
 * The Consul reader against a scripted Consul: who is asked again and who is not, indexes that go back,
 * answers that break off or never come, and rights that are missing without a word.
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
#include "base/hash.h"
#include "base/str.h"
#include "lib/fake_catalog.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"
#include "registry/consul_reader.h"

static const struct registry_driver driver = {.name = "consul", .reader = &consul_reader_ops};

enum harm {
    HARM_NONE,
    HARM_500,
    HARM_403,
    HARM_SILENCE,
    HARM_RESET,    /* in the middle of the body */
    HARM_RUBBISH,  /* 200, not JSON */
    HARM_NO_INDEX, /* 200, from somebody else */
    HARM_DRIP,     /* the right answer, byte by byte */
    HARM_HASTE,    /* the end of the wait, at once */
};

struct fixture {
    struct io *io;
    struct fake_catalog consul;
    struct viewer v;
    enum harm harm;
    const char *to; /* glob of names; "": the catalog; NULL: all */
    bool held_only;
    unsigned times; /* 0: until further notice */
    unsigned harmed;
    unsigned dcs; /* requests that carried dc and stale */
};

static void do_harm(struct fixture *t, struct fake_exchange *x)
{
    static const char body[] =
        "[{\"Node\":{\"Node\":\"n1\",\"Address\":\"10.9.9.9\"},\"Service\":{}}]";
    static const char drip[] = "HTTP/1.1 200 OK\r\nX-Consul-Index: 90\r\nContent-Length: 25\r\n\r\n"
                               "{\"consul\":[],\"web\":[\"a\"]}";
    char headers[64];
    const char *at;
    switch (t->harm) {
    case HARM_500:
        fake_reply(x, 500, "No cluster leader");
        break;
    case HARM_403:
        fake_reply(x, 403, "ACL not found");
        break;
    case HARM_RESET:
        fake_reply_reset(x, 200, body, 120);
        break;
    case HARM_RUBBISH:
        fake_reply_headers(x, 200, "X-Consul-Index: 500\r\n", "<html>");
        break;
    case HARM_NO_INDEX:
        fake_reply(x, 200, "{\"consul\":[]}");
        break;
    case HARM_DRIP:
        fake_drip(x, drip, strlen(drip));
        break;
    case HARM_HASTE:
        at = strstr(fake_path(x), "index=");
        assert_non_null(at);
        snprintf(headers, sizeof(headers), "X-Consul-Index: %llu\r\n",
                 strtoull(at + strlen("index="), NULL, 10));
        fake_reply_headers(x, 200, headers, "[]");
        break;
    case HARM_SILENCE:
    case HARM_NONE:
        break;
    }
}

static bool fault(struct fake_catalog *f, struct fake_exchange *x, const char *name, bool held,
                  void *ctx)
{
    struct fixture *t = ctx;
    (void)f;
    t->dcs += strstr(fake_path(x), "dc=dc2") && strstr(fake_path(x), "stale");
    if (t->harm == HARM_NONE || (t->held_only && !held) ||
        (t->to && !str_glob(t->to, name ? name : ""))) {
        return false;
    }
    t->harmed++;
    do_harm(t, x);
    if (t->times > 0 && --t->times == 0) {
        t->harm = HARM_NONE;
    }
    return true;
}

static int up(void **state)
{
    struct fixture *t = xcalloc(1, sizeof(*t));
    t->io = loop_open();
    fake_catalog_start(&t->consul, t->io, fault, t);
    *state = t;
    return 0;
}

static int down(void **state)
{
    struct fixture *t = *state;
    viewer_close(&t->v);
    fake_catalog_stop(&t->consul);
    loop_close(t->io);
    free(t);
    return 0;
}

/* The scripted Consul has no clock: no answer is early. */
static void look(struct fixture *t)
{
    viewer_open(&t->v, t->io, &driver, &t->consul.uri, false);
    t->v.reader->wait = 1;
    t->v.reader->hold_after = 0;
}

static void refresh(struct fixture *t)
{
    t->v.driver->reader->refresh(t->v.reader);
}

static void put(struct fixture *t, const char *name, const char *id, const char *host)
{
    fake_catalog_put(&t->consul, name, id, "n1", host, 80, "passing");
}

static void put_many(struct fixture *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%03u", i);
        put(t, name, "a", "10.0.0.1");
    }
}

static const struct service *find(const struct fixture *t, const char *name, const char *id)
{
    return table_find(&t->v.table, name, id);
}

static bool has(const struct fixture *t, const char *name, const char *id, const char *host)
{
    const struct service *svc = find(t, name, id);
    return svc && streq(svc->s.host, host);
}

static enum service_status status(const struct fixture *t, const char *name, const char *id)
{
    const struct service *svc = find(t, name, id);
    return svc ? svc->s.status : SERVICE_CRITICAL;
}

static unsigned asked(const struct fixture *t, const char *name)
{
    return fake_catalog_asked(&t->consul, name);
}

/* Live, and everything is held again. */
static bool at_rest(const struct fixture *t, size_t names)
{
    return t->v.live && fake_catalog_holds(&t->consul, NULL) && t->consul.n_held == names + 1;
}

/* The next try after a failure comes at once, where it would take seconds. */
static void hurry(struct fixture *t)
{
    assert_int_equal(t->v.reader->state, CONSUL_READER_S_WAITING);
    io_timer_start(t->io, &t->v.reader->timer, 0, t->v.reader->timer.fn);
}

static void assert_says(const struct fixture *t, const char *text)
{
    if (!strstr(t->v.last.msg, text)) {
        fail_msg("\"%s\" lacks \"%s\"", t->v.last.msg, text);
    }
}

/* ---- what is there ---- */

static void follows(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    put(t, "web", "b", "");
    put(t, "api", "a", "10.0.0.3");
    look(t);
    loop_until(t->io, at_rest(t, 2));
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.fresh, 0);
    assert_int_equal(t->v.table.n, 3);
    assert_true(has(t, "web", "b", "10.9.9.9")); /* that of its node */
    assert_int_equal(t->consul.asks, 2);

    put(t, "db", "a", "10.0.0.4");
    loop_until(t->io, has(t, "db", "a", "10.0.0.4"));
    put(t, "web", "a", "10.0.0.5");
    loop_until(t->io, has(t, "web", "a", "10.0.0.5"));
    fake_catalog_remove(&t->consul, "api", "a"); /* the last of its name */
    loop_until(t->io, !find(t, "api", "a"));
    assert_int_equal(t->v.tables, 4);
    loop_until(t->io, at_rest(t, 2));
    assert_int_equal(t->v.table.n, 3);
    assert_int_equal(t->v.stales, 0);
    assert_int_equal(t->v.skips, 0);
}

static void nothing_there(void **state)
{
    struct fixture *t = *state;
    look(t);
    loop_until(t->io, at_rest(t, 0));
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.table.n, 0);
    put(t, "web", "a", "10.0.0.1");
    loop_until(t->io, t->v.table.n == 1);
}

/* A change of one name costs one question about it, and none about another. */
static void wakes_alone(void **state)
{
    struct fixture *t = *state;
    put_many(t, 10);
    look(t);
    loop_until(t->io, at_rest(t, 10));
    assert_int_equal(asked(t, "s003"), 2); /* once, and held */
    unsigned catalogs = t->consul.catalogs;

    fake_catalog_status(&t->consul, "s003", "a", "critical");
    loop_until(t->io, status(t, "s003", "a") == SERVICE_CRITICAL && at_rest(t, 10));
    assert_int_equal(asked(t, "s003"), 3);
    fake_catalog_status(&t->consul, "s003", "a", "warning");
    loop_until(t->io, status(t, "s003", "a") == SERVICE_WARNING && at_rest(t, 10));
    assert_int_equal(asked(t, "s003"), 4);
    for (unsigned i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%03u", i);
        assert_int_equal(asked(t, name), i == 3 ? 4 : 2);
    }
    assert_int_equal(t->consul.catalogs, catalogs);
    assert_int_equal(t->v.tables, 3);
}

/* Neither the end of a wait nor another index is a change. */
static void nothing_new(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    look(t);
    loop_until(t->io, at_rest(t, 1));
    unsigned requests = fake_http_requests(t->consul.http);
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, fake_http_requests(t->consul.http) == requests + 2 && at_rest(t, 1));
    put(t, "web", "a", "10.0.0.1"); /* as it was */
    /* the catalog is asked before it is held again */
    loop_until(t->io, fake_http_requests(t->consul.http) == requests + 5 && at_rest(t, 1));
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.stales, 0);
}

/* What is answered in one turn is one event. */
static void one_event(void **state)
{
    struct fixture *t = *state;
    put_many(t, 20);
    look(t);
    loop_until(t->io, at_rest(t, 20));
    assert_int_equal(t->v.tables, 1);
    fake_catalog_wipe(&t->consul);
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, t->v.table.n == 0 && at_rest(t, 0));
    assert_int_equal(t->v.tables, 2);
    assert_int_equal(t->v.stales, 0);
}

static void weights_and_nodes(void **state)
{
    struct fixture *t = *state;
    fake_catalog_put_raw(
        &t->consul, "web", "x",
        "{\"Node\":{\"Node\":\"n1\",\"Address\":\"10.9.9.9\"},\"Service\":{\"ID\":\"x\","
        "\"Service\":"
        "\"web\",\"Tags\":[\"b\",\"a\"],\"Address\":\"10.0.0.1\",\"Port\":80,\"Meta\":{\"region\":"
        "\"eu\"},\"Weights\":{\"Passing\":10,\"Warning\":3}},\"Checks\":[{\"Status\":\"passing\"}]"
        "}");
    fake_catalog_put_raw(
        &t->consul, "web", "y", /* the same id on another node */
        "{\"Node\":{\"Node\":\"n2\",\"Address\":\"10.9.9.8\"},\"Service\":{\"ID\":\"x\","
        "\"Service\":"
        "\"web\",\"Tags\":null,\"Address\":\"10.0.0.2\",\"Port\":80,\"Meta\":null,\"Weights\":"
        "{\"Passing\":10,\"Warning\":3}},\"Checks\":[{\"Status\":\"warning\"}]}");
    fake_catalog_put_raw(
        &t->consul, "web", "z",
        "{\"Node\":{\"Node\":\"n1\",\"Address\":\"10.9.9.9\"},\"Service\":{\"ID\":\"z\","
        "\"Service\":"
        "\"web\",\"Tags\":[],\"Address\":\"10.0.0.3\",\"Port\":0,\"Meta\":{}},\"Checks\":[]}");
    look(t);
    loop_until(t->io, at_rest(t, 1));
    assert_int_equal(t->v.table.n, 2);
    assert_int_equal(find(t, "web", "x")->s.weight, 10);
    assert_string_equal(service_attr_get(find(t, "web", "x"), "region"), "eu");
    const struct service *other = t->v.table.items[1];
    assert_string_equal(other->s.id, "x@n2");
    assert_string_equal(other->s.host, "10.0.0.2");
    assert_int_equal(other->s.weight, 3);
    assert_int_equal(other->s.status, SERVICE_WARNING);

    /* the one without a port: once per content, not once per answer */
    assert_int_equal(t->v.skips, 1);
    unsigned before = asked(t, "web");
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, asked(t, "web") == before + 1 && at_rest(t, 1));
    refresh(t);
    loop_until(t->io, t->v.fresh == 1 && at_rest(t, 1));
    assert_int_equal(t->v.skips, 1);
}

/* Skipped instances are no reason to doubt the rest, nor to take the name for gone. */
static void all_skipped(void **state)
{
    struct fixture *t = *state;
    fake_catalog_put(&t->consul, "cron", "a", "n1", "10.0.0.1", 0, "passing");
    look(t);
    loop_until(t->io, at_rest(t, 1));
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.table.n, 0);
    assert_int_equal(t->v.skips, 1);
    assert_int_equal(t->consul.fresh_catalogs, 1);
}

static void wanted_names(void **state)
{
    static const char *const globs[] = {"web*", "[xy]-?"};
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    put(t, "web2", "a", "10.0.0.1");
    put(t, "api", "a", "10.0.0.1");
    put(t, "x-1", "a", "10.0.0.1");
    put(t, "z-1", "a", "10.0.0.1");
    put(t, "WebShop", "a", "10.0.0.1");
    viewer_open_names(&t->v, t->io, &driver, &t->consul.uri, false, globs, ARRAY_LEN(globs));
    t->v.reader->hold_after = 0;
    loop_until(t->io, at_rest(t, 4));
    assert_int_equal(t->v.table.n, 4);
    assert_true(has(t, "x-1", "a", "10.0.0.1"));
    assert_true(has(t, "WebShop", "a", "10.0.0.1"));
    assert_int_equal(asked(t, "api"), 0);
    assert_int_equal(asked(t, "z-1"), 0);
}

static void datacenter(void **state)
{
    struct fixture *t = *state;
    t->consul.uri.datacenter = xstrdup("dc2");
    t->consul.uri.stale = true;
    put(t, "web", "a", "10.0.0.1");
    look(t);
    loop_until(t->io, at_rest(t, 1));
    assert_int_equal(t->dcs, fake_http_requests(t->consul.http));
    assert_int_equal(t->dcs, 4);
}

static void byte_by_byte(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    t->harm = HARM_DRIP;
    t->to = "";
    t->times = 1;
    look(t);
    loop_until(t->io, at_rest(t, 1));
    assert_int_equal(t->harmed, 1);
    assert_int_equal(t->v.table.n, 1);
    assert_int_equal(t->v.stales, 0);
}

/* ---- many names ---- */

/* Names beyond the limit are not held, but neither forgotten nor asked without end. */
static void beyond_the_limit(void **state)
{
    struct fixture *t = *state;
    put_many(t, 20);
    look(t);
    t->v.reader->hold_max = 5;
    t->v.reader->sweep_idle = 200;
    loop_until(t->io, at_rest(t, 5));
    assert_int_equal(t->v.table.n, 20);
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->consul.held_most, 6);

    /* one that is held: by itself */
    assert_true(fake_catalog_holds(&t->consul, "s000"));
    fake_catalog_status(&t->consul, "s000", "a", "critical");
    loop_until(t->io, status(t, "s000", "a") == SERVICE_CRITICAL);
    /* one that is not: by its turn */
    assert_false(fake_catalog_holds(&t->consul, "s019"));
    fake_catalog_status(&t->consul, "s019", "a", "critical");
    loop_until(t->io, status(t, "s019", "a") == SERVICE_CRITICAL);
    unsigned before = asked(t, "s019");
    loop_until(t->io, asked(t, "s019") == before + 2);
    assert_in_range(asked(t, "s010"), before + 1, before + 3); /* and so do all others */

    /* a place is taken as soon as there is one */
    fake_catalog_remove(&t->consul, "s000", "a");
    loop_until(t->io, t->v.table.n == 19 && at_rest(t, 5));
    assert_int_equal(t->consul.held_most, 6);
    assert_int_equal(t->v.stales, 0);
}

/* Names that rest are asked again because some check has changed, and not before. */
static void woken_by_checks(void **state)
{
    struct fixture *t = *state;
    put_many(t, 6);
    look(t);
    t->v.reader->hold_max = 1;
    t->v.reader->sweep_every = t->v.reader->sweep_idle = 3600 * 1000;
    loop_until(t->io, at_rest(t, 1) && fake_catalog_holds(&t->consul, FAKE_CATALOG_STATE));
    loop_until(t->io, !t->v.reader->timer.armed || t->v.reader->timer.due > io_now(t->io) + 5000);
    loop_until(t->io, asked(t, "s005") == 2); /* what happened before it was held */
    for (unsigned i = 0; i < 2; i++) {
        unsigned before = asked(t, "s005");
        fake_catalog_status(&t->consul, "s004", "a", i == 0 ? "critical" : "warning");
        loop_until(t->io, status(t, "s004", "a") == (i == 0 ? SERVICE_CRITICAL : SERVICE_WARNING));
        loop_until(t->io, fake_catalog_holds(&t->consul, FAKE_CATALOG_STATE) && at_rest(t, 1));
        assert_int_equal(asked(t, "s005"), before + 1);
    }
    assert_int_equal(t->v.stales, 0);

    /* often: once in a second */
    msec_t begin = io_now(t->io);
    unsigned before = asked(t, "s005"), states = t->consul.states;
    for (unsigned i = 0; i < 50; i++) {
        unsigned requests = fake_http_requests(t->consul.http);
        fake_catalog_status(&t->consul, "s000", "a", i % 2 == 0 ? "critical" : "warning");
        loop_until(t->io, fake_http_requests(t->consul.http) > requests);
    }
    msec_t took = io_now(t->io) - begin;
    assert_in_range(asked(t, "s005"), before, before + 2 + took / 1000);
    assert_in_range(t->consul.states, states, states + 2 + took / 500);
}

/* Who may not ask for checks, or whose Consul knows no filters, looks from time to time. */
static void wakeup_refused(void **state)
{
    static const enum harm harms[] = {HARM_403, HARM_500, HARM_NO_INDEX};
    struct fixture *t = *state;
    put_many(t, 3);
    t->to = FAKE_CATALOG_STATE;
    for (size_t i = 0; i < ARRAY_LEN(harms); i++) {
        fake_catalog_status(&t->consul, "s002", "a", "passing");
        t->harm = harms[i];
        t->harmed = 0;
        if (i > 0) {
            viewer_close(&t->v);
        }
        look(t);
        t->v.reader->hold_max = 1;
        t->v.reader->sweep_every = 100;
        t->v.reader->sweep_idle = 3600 * 1000;
        loop_until(t->io, at_rest(t, 1) && t->harmed == 1);
        unsigned before = asked(t, "s002");
        loop_until(t->io, asked(t, "s002") >= before + 3);
        fake_catalog_status(&t->consul, "s002", "a", "critical");
        loop_until(t->io, status(t, "s002", "a") == SERVICE_CRITICAL);
        assert_in_range(t->harmed, 1, 2);
        assert_int_equal(t->v.stales, 0);
        assert_int_equal(t->v.skips, 0);
    }
}

/* A reader that is started again and again leaves few connections behind; it hears of news all the same. */
static void young(void **state)
{
    struct fixture *t = *state;
    put_many(t, 6);
    look(t);
    t->v.reader->hold_after = 2500;
    t->v.reader->sweep_every = t->v.reader->sweep_idle = 3600 * 1000;
    loop_until(t->io, at_rest(t, 0) && fake_catalog_holds(&t->consul, FAKE_CATALOG_STATE));
    fake_catalog_status(&t->consul, "s004", "a", "critical");
    loop_until(t->io, status(t, "s004", "a") == SERVICE_CRITICAL);
    assert_int_equal(t->consul.held_most, 1);
    loop_until(t->io, at_rest(t, 6));
    assert_int_equal(t->v.stales, 0);
}

/* As long as no name rests. */
static void no_wakeup(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    loop_until(t->io, at_rest(t, 3));
    fake_catalog_status(&t->consul, "s002", "a", "critical");
    loop_until(t->io, status(t, "s002", "a") == SERVICE_CRITICAL && at_rest(t, 3));
    assert_int_equal(t->consul.states, 0);
}

/* Consul looks names up without regard to case. */
static void other_case(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    put(t, "WEB", "b", "10.0.0.2");
    look(t);
    loop_until(t->io, at_rest(t, 2));
    assert_int_equal(t->v.table.n, 2);
    assert_true(has(t, "web", "a", "10.0.0.1"));
    assert_true(has(t, "WEB", "b", "10.0.0.2"));
    assert_int_equal(t->v.skips, 0);
}

/* A registration anywhere is reason enough to look. */
static void swept_by_the_catalog(void **state)
{
    struct fixture *t = *state;
    put_many(t, 4);
    look(t);
    t->v.reader->hold_max = 1;
    t->harm = HARM_403;
    t->to = FAKE_CATALOG_STATE;
    t->v.reader->sweep_every = t->v.reader->sweep_idle = 3600 * 1000;
    loop_until(t->io, at_rest(t, 1));
    put(t, "s003", "b", "10.0.0.2");
    loop_until(t->io, has(t, "s003", "b", "10.0.0.2")); /* within a second */
    assert_int_equal(t->v.stales, 0);
}

static void few_at_a_time(void **state)
{
    struct fixture *t = *state;
    put_many(t, 40);
    t->harm = HARM_SILENCE;
    look(t);
    loop_until(t->io, t->harmed == 1); /* the catalog */
    assert_int_equal(t->consul.asks, 0);
    viewer_close(&t->v); /* while it is asked */

    t->to = "s*";
    t->harmed = 0;
    look(t);
    t->v.reader->ask_max = 3;
    loop_until(t->io, t->harmed == 3);
    refresh(t);          /* which asks no other question, as the listing runs */
    viewer_close(&t->v); /* while names are asked */
    assert_int_equal(t->consul.asks, 3);

    t->harm = HARM_NONE;
    look(t);
    loop_until(t->io, at_rest(t, t->v.reader->hold_max));
    assert_int_equal(t->v.table.n, 40);

    /* out of reach: one question at a time, however many names there are */
    unsigned asks = t->consul.asks;
    t->harm = HARM_500;
    t->to = NULL;
    t->harmed = 0;
    refresh(t);
    loop_until(t->io, t->harmed == 2);
    assert_int_equal(t->consul.asks, asks);
    assert_false(t->v.live);
}

/* ---- refresh, once ---- */

static void refreshed(void **state)
{
    struct fixture *t = *state;
    put_many(t, 12);
    look(t);
    loop_until(t->io, at_rest(t, 12));
    refresh(t);
    assert_int_equal(t->v.fresh, 0); /* never from inside */
    loop_until(t->io, t->v.fresh == 1 && at_rest(t, 12));
    assert_int_equal(t->v.tables, 2);
    assert_int_equal(t->consul.asks, 24);
    assert_int_equal(t->consul.fresh_catalogs, 2);
    assert_int_equal(t->v.stales, 0);

    /* two while one runs: they end, with one more listing */
    refresh(t);
    loop_until(t->io, t->consul.fresh_catalogs == 3);
    refresh(t);
    refresh(t);
    loop_until(t->io, t->v.fresh == 3 && at_rest(t, 12));
    assert_int_equal(t->consul.fresh_catalogs, 4);

    /* while out of reach: after it */
    t->harm = HARM_500;
    t->times = 3;
    refresh(t);
    loop_until(t->io, !t->v.live);
    assert_int_equal(t->v.fresh, 3);
    loop_until(t->io, t->v.fresh == 4 && at_rest(t, 12));
}

/* Consul would count the connections of those that were dropped until their waits end. */
static void held_stay(void **state)
{
    struct fixture *t = *state;
    put_many(t, 12);
    look(t);
    loop_until(t->io, at_rest(t, 12));
    unsigned names = asked(t, "s004"), catalogs = t->consul.catalogs;
    for (unsigned i = 1; i <= 5; i++) {
        refresh(t);
        loop_until(t->io, t->v.fresh == i && at_rest(t, 12));
        assert_int_equal(asked(t, "s004"), names + i); /* at once, but not held anew */
        assert_int_equal(t->consul.catalogs, catalogs + i);
    }
    t->harm = HARM_500; /* nor do failures */
    t->to = "s007";
    t->times = 3;
    refresh(t);
    loop_until(t->io, !t->v.live);
    loop_until(t->io, t->v.fresh == 6 && at_rest(t, 12));
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, at_rest(t, 12));
    assert_int_equal(t->consul.n_dropped, 0);
    /* eight at a time, beside thirteen */
    assert_in_range(fake_http_accepted(t->consul.http), 13, 13 + 9);
}

/* A question with news for what is held as well: both tell, in whatever order. */
static void beside_news(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    loop_until(t->io, at_rest(t, 3));
    for (unsigned i = 0; i < 30; i++) {
        char host[16];
        snprintf(host, sizeof(host), "10.0.1.%u", i);
        refresh(t);
        if (i % 3 > 0) {
            unsigned asks = t->consul.asks;
            loop_until(t->io, t->consul.asks >= asks + i % 3);
        }
        put(t, "s001", "a", host);
        loop_until(t->io, has(t, "s001", "a", host) && t->v.fresh == i + 1 && at_rest(t, 3));
    }
    assert_int_equal(t->v.stales, 0);
    assert_int_equal(t->consul.n_dropped, 0);
}

/* What was asked before somebody wanted it fresh is not fresh. */
static void refreshed_early(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    loop_until(t->io, t->consul.fresh_catalogs == 1);
    refresh(t);
    loop_until(t->io, t->v.tables == 1);
    assert_int_equal(t->v.fresh, 0);
    loop_until(t->io, t->v.fresh == 1 && at_rest(t, 3));
    assert_int_equal(t->v.tables, 2);
    assert_int_equal(t->consul.fresh_catalogs, 2);
}

static void once(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    put(t, "api", "a", "10.0.0.1");
    viewer_open(&t->v, t->io, &driver, &t->consul.uri, true);
    loop_until(t->io, t->v.tables == 1);
    assert_int_equal(t->v.table.n, 2);
    assert_int_equal(fake_http_requests(t->consul.http), 3);
    assert_int_equal(t->consul.held_most, 0);
    put(t, "web", "b", "10.0.0.2");
    refresh(t);
    loop_until(t->io, t->v.fresh == 1);
    assert_int_equal(t->v.table.n, 3);
    assert_int_equal(fake_http_requests(t->consul.http), 6);
    assert_int_equal(t->consul.held_most, 0);
}

/* ---- failures ---- */

/* Harm to one kind of question, and the table stays until Consul is well again. */
static void survives(struct fixture *t, enum harm harm, const char *to, bool held_only,
                     enum err_class class)
{
    unsigned stales = t->v.stales, harmed = t->harmed;
    size_t n = t->v.table.n;
    loop_until(t->io, at_rest(t, n));
    t->harm = harm;
    t->to = to;
    t->held_only = held_only;
    t->times = 0;
    backoff_reset(&t->v.reader->backoff);
    t->v.reader->halvings = 0;
    refresh(t);
    loop_until(t->io, t->v.stales == stales + 1);
    assert_int_equal(t->v.last.class, class);
    loop_until(t->io, t->harmed >= harmed + 2); /* it goes on trying */
    assert_int_equal(t->v.table.n, n);
    t->harm = HARM_NONE;
    loop_until(t->io, at_rest(t, n));
    assert_int_equal(t->v.table.n, n);
}

static void failures(void **state)
{
    struct fixture *t = *state;
    put_many(t, 5);
    look(t);
    loop_until(t->io, at_rest(t, 5));
    survives(t, HARM_500, "", false, ERR_TRANSIENT);
    assert_says(t, "No cluster leader");
    survives(t, HARM_500, "s002", false, ERR_TRANSIENT);
    assert_says(t, "s002");
    survives(t, HARM_RESET, "", false, ERR_TRANSIENT);
    survives(t, HARM_RESET, "s003", false, ERR_TRANSIENT);
    assert_int_equal(t->v.stales, t->v.lives - 1);
}

/* The same to questions that are held: found to be well, and then not. */
static void held_failures(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    loop_until(t->io, at_rest(t, 3));
    t->harm = HARM_RESET;
    t->to = "s001";
    t->held_only = true;
    t->times = 3;
    fake_catalog_status(&t->consul, "s001", "a", "critical");
    loop_until(t->io, t->v.stales >= 1 && t->harm == HARM_NONE && at_rest(t, 3));
    assert_int_equal(status(t, "s001", "a"), SERVICE_CRITICAL);
    assert_int_equal(t->v.table.n, 3);
}

static void never_listed(void **state)
{
    struct fixture *t = *state;
    put_many(t, 5);
    t->harm = HARM_RESET;
    t->to = "s004";
    t->times = 2;
    look(t);
    loop_until(t->io, t->v.told && !t->v.live);
    assert_int_equal(t->v.tables, 0); /* never a part of it */
    assert_int_equal(t->consul.held_most, 0);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.table.n, 5);
}

static void refused(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    loop_until(t->io, at_rest(t, 3));
    fake_http_down(t->consul.http);
    loop_until(t->io, !t->v.live);
    assert_int_equal(t->v.table.n, 3);
    unsigned requests = fake_http_requests(t->consul.http);
    put(t, "s001", "b", "10.0.0.9"); /* while nobody looks */
    fake_http_up(t->consul.http);
    loop_until(t->io, at_rest(t, 3));
    assert_int_equal(t->v.table.n, 4);
    assert_int_equal(fake_http_requests(t->consul.http), requests + 8); /* one listing, all held */
}

/* With its data lost: an empty catalog is the truth then. */
static void restarted(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    loop_until(t->io, at_rest(t, 3));
    fake_http_down(t->consul.http);
    loop_until(t->io, !t->v.live);
    fake_catalog_wipe(&t->consul);
    fake_http_up(t->consul.http);
    loop_until(t->io, at_rest(t, 0));
    assert_int_equal(t->v.table.n, 0);
    assert_int_equal(t->v.tables, 2);
    put(t, "s002", "a", "10.0.0.2");
    put(t, "s001", "a", "10.0.0.2");
    loop_until(t->io, t->v.table.n == 2 && at_rest(t, 2));
    assert_int_equal(t->v.stales, 1);
}

/* A question that is held is given up ten seconds after its time. */
static void silence(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    look(t);
    t->v.reader->wait = 160;
    loop_until(t->io, at_rest(t, 1)); /* and there it ends: this Consul has no clock */
    loop_until_ms(t->io, 12000, t->v.stales == 1);
    assert_int_equal(t->v.last.class, ERR_TRANSIENT);
    assert_int_equal(t->v.last.code, -ETIMEDOUT);
    assert_int_equal(t->v.table.n, 1);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.tables, 1);
}

/* Consul began anew: an index that is lower is not asked with. */
static void index_goes_back(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    loop_until(t->io, at_rest(t, 3));
    fake_catalog_wipe(&t->consul);
    put(t, "s001", "b", "10.0.0.7");
    put(t, "s001", "c", "10.0.0.8");
    assert_true(t->v.table.n == 3); /* whoever waits with the old index is not woken */
    unsigned asks = t->consul.asks;
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, at_rest(t, 1) && t->v.table.n == 2);
    assert_true(has(t, "s001", "c", "10.0.0.8"));
    assert_int_equal(t->consul.asks, asks + 1); /* with no index, of the one that is left */
    put(t, "s001", "d", "10.0.0.9");            /* 13, far below 100 */
    loop_until(t->io, has(t, "s001", "d", "10.0.0.9"));
    assert_int_equal(t->v.stales, 0);
}

/* A snapshot is restored: what is held ends at once as before, and only then indexes are lower. */
static void restored(void **state)
{
    struct fixture *t = *state;
    put_many(t, 6);
    look(t);
    t->v.reader->wait = 3600 * 1000;
    t->v.reader->sweep_every = t->v.reader->sweep_idle = 3600 * 1000;
    t->v.reader->hold_max = 3;
    loop_until(t->io, at_rest(t, 3) && fake_catalog_holds(&t->consul, FAKE_CATALOG_STATE));
    for (unsigned i = 0; i < 3; i++) {
        char host[16];
        snprintf(host, sizeof(host), "10.0.2.%u", i);
        t->consul.index += 10000;
        put(t, "s000", "a", host); /* lost again below */
        loop_until(t->io, has(t, "s000", "a", host) && at_rest(t, 3));
        fake_catalog_restore(&t->consul);
        snprintf(host, sizeof(host), "10.0.3.%u", i);
        put(t, "s001", "a", host);
        put(t, "s002", "a", host);
        put(t, "s004", "a", host);
        put(t, "s005", "a", host);
        loop_until(t->io, has(t, "s001", "a", host) && has(t, "s005", "a", host) &&
                              t->v.table.n == 4 && at_rest(t, 3));
        snprintf(host, sizeof(host), "10.0.4.%u", i); /* and is followed from there */
        put(t, "s001", "a", host);
        put(t, "s005", "a", host);
        loop_until(t->io, has(t, "s001", "a", host) && has(t, "s005", "a", host));
        put(t, "s000", "a", host);
        loop_until(t->io, has(t, "s000", "a", host) && at_rest(t, 3));
    }
    assert_int_equal(t->v.stales, 0);
}

/* Nothing rests, so nothing but the early end of what is held tells of it. */
static void restored_all_held(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    t->v.reader->wait = 3600 * 1000;
    loop_until(t->io, at_rest(t, 3));
    fake_catalog_restore(&t->consul);
    put(t, "s001", "a", "10.0.3.1");
    loop_until(t->io, has(t, "s001", "a", "10.0.3.1") && t->v.table.n == 1 && at_rest(t, 1));
    put(t, "s001", "a", "10.0.3.2");
    loop_until(t->io, has(t, "s001", "a", "10.0.3.2"));
    assert_int_equal(t->v.stales, 0);
}

/* A snapshot is restored in the moment in which catalog and checks are not held, after news of both. */
static void restored_unheard(void **state)
{
    struct fixture *t = *state;
    put_many(t, 6);
    look(t);
    t->v.reader->wait = 3600 * 1000;
    t->v.reader->sweep_every = t->v.reader->sweep_idle = 3600 * 1000;
    t->v.reader->hold_max = 3;
    loop_until(t->io, at_rest(t, 3) && fake_catalog_holds(&t->consul, FAKE_CATALOG_STATE));
    t->consul.index += 10000;
    put(t, "s000", "a", "10.0.2.1");
    loop_until(t->io, has(t, "s000", "a", "10.0.2.1") && t->consul.n_held == 3);
    assert_false(fake_catalog_holds(&t->consul, NULL));
    fake_catalog_restore(&t->consul);
    put(t, "s005", "a", "10.0.3.1");
    loop_until(t->io, has(t, "s005", "a", "10.0.3.1") && t->v.table.n == 1 && at_rest(t, 1));
    put(t, "s001", "a", "10.0.3.2");
    loop_until(t->io, has(t, "s001", "a", "10.0.3.2") && at_rest(t, 2));
    assert_int_equal(t->v.stales, 0);
}

/* Whoever ends every wait at once is not asked without a pause, and news are heard all the same. */
static void impatient(void **state)
{
    struct fixture *t = *state;
    put_many(t, 2);
    t->harm = HARM_HASTE;
    t->to = "s001";
    t->held_only = true;
    look(t);
    t->v.reader->wait = 3600 * 1000;
    msec_t begin = io_now(t->io);
    loop_until(t->io, t->harmed == 3);
    assert_in_range(io_now(t->io) - begin, 2000, 5000);
    assert_in_range(asked(t, "s001"), 6, 8);
    t->harm = HARM_NONE;
    t->v.reader->sweep_every = t->v.reader->sweep_idle = 100;
    put(t, "s001", "a", "10.0.0.9");
    loop_until(t->io, has(t, "s001", "a", "10.0.0.9"));
    assert_int_equal(t->v.stales, 0);
}

/* Connections are reset while others work: fewer are held, and it is said why. */
static void too_many_connections(void **state)
{
    struct fixture *t = *state;
    put_many(t, 20);
    look(t);
    loop_until(t->io, at_rest(t, 20));
    t->harm = HARM_RESET;
    t->to = "s019";
    t->times = 1;
    refresh(t);
    loop_until(t->io, !t->v.live);
    assert_says(t, "limits.http_max_conns_per_client");
    loop_until(t->io, at_rest(t, 20)); /* nothing that is held is dropped for it */
    assert_int_equal(t->consul.n_dropped, 0);
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, at_rest(t, 12));
    for (unsigned i = 0; i < 5; i++) {                 /* and never none */
        t->v.reader->halved_at = io_now(t->io) - 1500; /* another burst */
        t->harm = HARM_RESET;
        t->times = 1;
        backoff_reset(&t->v.reader->backoff);
        refresh(t);
        loop_until(t->io, !t->v.live);
        loop_until(t->io, t->v.live);
    }
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, at_rest(t, 4));
    t->v.reader->halved_at = 1; /* long ago */
    for (unsigned i = 0; i < 8; i++) {
        t->v.reader->halved_at = 1;
        refresh(t);
        loop_until(t->io, t->v.fresh >= 7 + i);
    }
    loop_until(t->io, at_rest(t, 20));
    assert_int_equal(t->v.table.n, 20);
}

/* A Consul that stops is no reason to hold fewer. */
static void stopped(void **state)
{
    struct fixture *t = *state;
    put_many(t, 8);
    look(t);
    loop_until(t->io, at_rest(t, 8));
    msec_t begin = io_now(t->io);
    loop_until(t->io, io_now(t->io) > begin + 1100); /* what is held is no longer young */
    fake_http_down(t->consul.http);
    loop_until(t->io, !t->v.live);
    assert_null(strstr(t->v.last.msg, "http_max_conns"));
    fake_http_up(t->consul.http);
    loop_until(t->io, at_rest(t, 8));
    assert_int_equal(t->v.reader->halvings, 0);
}

static void not_consul(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    t->harm = HARM_NO_INDEX;
    look(t);
    loop_until(t->io, t->v.told && !t->v.live);
    assert_int_equal(t->v.last.class, ERR_BUG);
    assert_says(t, "X-Consul-Index");
    assert_int_equal(t->harmed, 1); /* and no second one at once */
    t->harm = HARM_RUBBISH;
    hurry(t);
    loop_until(t->io, t->harmed == 2 && t->v.reader->state == CONSUL_READER_S_WAITING);
    t->harm = HARM_NONE;
    hurry(t);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.table.n, 1);
}

/* One name that makes no sense keeps no other from being read. */
static void unreadable_name(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    look(t);
    t->v.reader->sweep_every = 100;
    loop_until(t->io, at_rest(t, 3));
    t->harm = HARM_RUBBISH;
    t->to = "s001";
    fake_catalog_status(&t->consul, "s001", "a", "critical");
    loop_until(t->io, t->v.skips == 1);
    assert_string_equal(t->v.skipped, "s001");
    assert_int_equal(status(t, "s001", "a"), SERVICE_CRITICAL); /* the answer that was right */
    fake_catalog_status(&t->consul, "s002", "a", "critical");
    loop_until(t->io, status(t, "s002", "a") == SERVICE_CRITICAL);
    fake_catalog_status(&t->consul, "s001", "a", "warning");
    unsigned harmed = t->harmed;
    loop_until(t->io, t->harmed == harmed + 3);
    assert_int_equal(t->v.skips, 1);
    assert_int_equal(status(t, "s001", "a"), SERVICE_CRITICAL); /* as it was last */
    t->harm = HARM_NONE;
    loop_until(t->io, status(t, "s001", "a") == SERVICE_WARNING && at_rest(t, 3));
    assert_int_equal(t->v.stales, 0);
}

/* ---- rights ---- */

static void unknown_token(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    t->harm = HARM_403;
    look(t);
    loop_until(t->io, t->v.told);
    assert_false(t->v.live);
    assert_int_equal(t->v.last.class, ERR_AUTH);
    assert_says(t, "ACL not found");
    t->harm = HARM_NONE;
    loop_until(t->io, at_rest(t, 1)); /* slowly: 5 s */
    assert_int_equal(t->harmed, 1);
}

/* Filtered down to nothing is not empty, neither at first nor later. */
static void no_services(void **state)
{
    struct fixture *t = *state;
    put_many(t, 2);
    t->consul.readable = "none";
    look(t);
    loop_until(t->io, t->v.told);
    assert_false(t->v.live);
    assert_int_equal(t->v.tables, 0);
    assert_int_equal(t->v.last.class, ERR_AUTH);
    assert_says(t, "service:read");
    t->consul.readable = NULL;
    hurry(t);
    loop_until(t->io, at_rest(t, 2));
    assert_int_equal(t->v.table.n, 2);

    t->consul.readable = "none"; /* which wakes nobody */
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, !t->v.live);
    assert_int_equal(t->v.table.n, 2);
    t->consul.readable = "s000"; /* fewer than before */
    hurry(t);
    loop_until(t->io, t->v.reader->state == CONSUL_READER_S_LISTING);
    loop_until(t->io, t->v.reader->state == CONSUL_READER_S_WAITING);
    assert_int_equal(t->v.table.n, 2);
    assert_false(t->v.live);
}

/* A token that was made for some services. */
static void some_services(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    put(t, "api", "a", "10.0.0.1");
    t->consul.readable = "web";
    look(t);
    loop_until(t->io, at_rest(t, 1));
    assert_int_equal(t->v.table.n, 1);
    fake_catalog_remove(&t->consul, "web", "a"); /* gone, or no longer to be seen? */
    loop_until(t->io, !t->v.live);
    assert_int_equal(t->v.table.n, 1);
    assert_says(t, "service:read");
    put(t, "web", "b", "10.0.0.2");
    hurry(t);
    loop_until(t->io, has(t, "web", "b", "10.0.0.2") && t->v.live);
    assert_int_equal(t->v.table.n, 1);
}

static void no_nodes(void **state)
{
    struct fixture *t = *state;
    put_many(t, 3);
    t->consul.no_nodes = true;
    look(t);
    loop_until(t->io, t->v.told);
    assert_false(t->v.live);
    assert_int_equal(t->v.tables, 0);
    assert_int_equal(t->v.last.class, ERR_AUTH);
    assert_says(t, "node:read");
    assert_int_equal(t->v.skips, 0);
    t->consul.no_nodes = false;
    hurry(t);
    loop_until(t->io, at_rest(t, 3));
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.table.n, 3);

    t->consul.no_nodes = true;
    fake_catalog_wait_over(&t->consul);
    loop_until(t->io, !t->v.live);
    assert_int_equal(t->v.table.n, 3);
    assert_int_equal(t->v.tables, 1);
}

/* Instances of one name are not shown, those of another are. */
static void some_nodes(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "a", "10.0.0.1");
    fake_catalog_put_raw(&t->consul, "api", "a", "");
    look(t);
    t->v.reader->sweep_every = 100;
    loop_until(t->io, at_rest(t, 1));
    assert_int_equal(t->v.tables, 1);
    assert_int_equal(t->v.table.n, 1);
    assert_int_equal(t->v.skips, 1);
    assert_string_equal(t->v.skipped, "api");
    assert_says(t, "node:read");
    put(t, "api", "a", "10.0.0.2");
    loop_until(t->io, has(t, "api", "a", "10.0.0.2"));
    assert_int_equal(t->v.skips, 1);
}

/* The last instance goes, and another comes before or after the catalog was asked about it. */
static void replaced(void **state)
{
    struct fixture *t = *state;
    put(t, "web", "i0", "10.0.0.1");
    put(t, "api", "a", "10.0.0.1");
    look(t);
    loop_until(t->io, at_rest(t, 2));
    for (unsigned i = 1; i < 20; i++) {
        char id[8];
        unsigned catalogs = t->consul.fresh_catalogs;
        t->consul.catalog_late = i % 4 < 2;
        snprintf(id, sizeof(id), "i%u", i - 1);
        fake_catalog_remove(&t->consul, "web", id);
        if (i % 2 == 1) {
            loop_until(t->io, i % 4 < 2 ? t->consul.fresh_catalogs > catalogs : t->v.table.n == 1);
        }
        t->consul.catalog_late = false;
        snprintf(id, sizeof(id), "i%u", i);
        put(t, "web", id, "10.0.0.2");
        loop_until(t->io, has(t, "web", id, "10.0.0.2") && at_rest(t, 2));
        assert_int_equal(t->v.table.n, 2);
    }
    t->consul.catalog_late = true;
    fake_catalog_remove(&t->consul, "api", "a");
    loop_until(t->io, t->v.table.n == 1 && at_rest(t, 1));
    assert_int_equal(t->v.stales, 0);
    assert_int_equal(t->v.skips, 0);
}

/* ---- anything at any time ---- */

#define CHAOS_NAMES  6u
#define CHAOS_IDS    3u
#define CHAOS_ROUNDS 120u

/* What is registered: [name][id] of host 10.0.0.N; 0: nothing. */
struct truth {
    unsigned host[CHAOS_NAMES][CHAOS_IDS];
    enum service_status status[CHAOS_NAMES][CHAOS_IDS];
    uint64_t seed;
};

static unsigned dice(struct truth *truth, unsigned sides)
{
    truth->seed = hash64(&truth->seed, sizeof(truth->seed));
    return (unsigned)(truth->seed % sides);
}

static bool agrees(const struct fixture *t, const struct truth *truth)
{
    size_t n = 0;
    for (unsigned i = 0; i < CHAOS_NAMES; i++) {
        for (unsigned k = 0; k < CHAOS_IDS; k++) {
            char name[16], id[16], host[32];
            snprintf(name, sizeof(name), "n%u", i);
            snprintf(id, sizeof(id), "i%u", k);
            snprintf(host, sizeof(host), "10.0.0.%u", truth->host[i][k]);
            if (truth->host[i][k] > 0) {
                n++;
                if (!has(t, name, id, host) || status(t, name, id) != truth->status[i][k]) {
                    return false;
                }
            }
        }
    }
    return t->v.table.n == n;
}

static void happen(struct fixture *t, struct truth *truth)
{
    unsigned i = dice(truth, CHAOS_NAMES), k = dice(truth, CHAOS_IDS), what = dice(truth, 100);
    char name[16], id[16], host[32];
    snprintf(name, sizeof(name), "n%u", i);
    snprintf(id, sizeof(id), "i%u", k);
    t->consul.catalog_late = dice(truth, 4) == 0;
    if (what < 3) {
        fake_http_down(t->consul.http);
        fake_catalog_wipe(&t->consul);
        fake_http_up(t->consul.http);
        memset(truth->host, 0, sizeof(truth->host));
    } else if (truth->host[i][k] == 0 || what < 30) {
        truth->host[i][k] = 1 + dice(truth, 250);
        truth->status[i][k] = SERVICE_PASSING;
        snprintf(host, sizeof(host), "10.0.0.%u", truth->host[i][k]);
        put(t, name, id, host);
    } else if (what < 60) {
        truth->status[i][k] = (enum service_status)dice(truth, 3);
        fake_catalog_status(&t->consul, name, id, service_status_name(truth->status[i][k]));
    } else {
        truth->host[i][k] = 0;
        fake_catalog_remove(&t->consul, name, id);
    }
}

/* Live; else the next try comes soon, and waits that are due end. */
static bool hasten(struct fixture *t)
{
    if (t->v.reader->state == CONSUL_READER_S_WAITING &&
        t->v.reader->timer.due > io_now(t->io) + 10) {
        hurry(t);
    }
    fake_catalog_wait_over_old(&t->consul);
    return t->v.live;
}

static void chaos(void **state)
{
    static const enum harm harms[] = {HARM_500, HARM_403, HARM_RESET, HARM_RUBBISH, HARM_NO_INDEX};
    static const char *const to[] = {NULL, "", "n*", "n0", "n[1-3]"};
    struct fixture *t = *state;
    struct truth truth = {.seed = io_now(t->io)};
    uint64_t seed = truth.seed;
    look(t);
    t->v.reader->hold_max = 4;
    t->v.reader->sweep_every = 100;
    loop_until(t->io, t->v.live);
    for (unsigned round = 0; round < CHAOS_ROUNDS; round++) {
        print_message("seed %llu round %u\n", (unsigned long long)seed, round);
        unsigned harmed = t->harmed, fresh = t->v.fresh;
        t->consul.index += 10000; /* far above where a wipe begins */
        t->harm = harms[dice(&truth, ARRAY_LEN(harms))];
        t->to = to[dice(&truth, ARRAY_LEN(to))];
        t->held_only = dice(&truth, 3) == 0;
        t->times = 1 + dice(&truth, 4);
        for (unsigned n = dice(&truth, 6); n > 0; n--) {
            happen(t, &truth);
        }
        refresh(t);
        loop_until(t->io, t->harmed > harmed || t->v.fresh > fresh);
        for (unsigned n = dice(&truth, 6); n > 0; n--) {
            happen(t, &truth);
        }
        t->harm = HARM_NONE;
        t->consul.catalog_late = false;
        loop_until(t->io, hasten(t) && t->v.fresh > fresh && agrees(t, &truth));
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
#define ONE(fn) cmocka_unit_test_setup_teardown(fn, up, down)
    const struct CMUnitTest tests[] = {
        ONE(follows),
        ONE(nothing_there),
        ONE(wakes_alone),
        ONE(nothing_new),
        ONE(one_event),
        ONE(weights_and_nodes),
        ONE(all_skipped),
        ONE(wanted_names),
        ONE(datacenter),
        ONE(byte_by_byte),
        ONE(beyond_the_limit),
        ONE(swept_by_the_catalog),
        ONE(few_at_a_time),
        ONE(refreshed),
        ONE(refreshed_early),
        ONE(once),
        ONE(failures),
        ONE(held_failures),
        ONE(never_listed),
        ONE(refused),
        ONE(silence),
        ONE(restarted),
        ONE(index_goes_back),
        ONE(not_consul),
        ONE(unreadable_name),
        ONE(unknown_token),
        ONE(no_services),
        ONE(some_services),
        ONE(no_nodes),
        ONE(some_nodes),
        ONE(woken_by_checks),
        ONE(wakeup_refused),
        ONE(young),
        ONE(restored_unheard),
        ONE(no_wakeup),
        ONE(other_case),
        ONE(held_stay),
        ONE(beside_news),
        ONE(restored),
        ONE(restored_all_held),
        ONE(impatient),
        ONE(too_many_connections),
        ONE(stopped),
        ONE(replaced),
        ONE(chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
