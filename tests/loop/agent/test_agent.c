/*
 * The agent between a scripted engine and the embedded file registry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "lib/loop_test.h"
#include "lib/fake_engine.h"
#include "registry/uri.h"

struct fixture {
    struct io *io;
    struct engine engine;
    char *dir;
    struct registry_uri uri;
    struct agent_options o;
    struct agent *agent;
    bool done;
    int exit_status;
};

static void on_done(void *ctx, int exit_status)
{
    struct fixture *f = ctx;
    f->done = true;
    f->exit_status = exit_status;
}

static int setup(void **state)
{
    log_setup(LOG_ERROR, LOG_TEXT);
    struct fixture *f = xcalloc(1, sizeof(*f));
    f->io = loop_open();
    engine_init(&f->engine, f->io);
    f->dir = loop_mkdir();
    char uri[512];
    snprintf(uri, sizeof(uri), "file://%s/services.json", f->dir);
    struct registry_uri_env env = {.uid = 0};
    struct err err = ERR_INIT;
    assert_int_equal(registry_uri_parse(&f->uri, uri, &env, &err), 0);
    f->o = (struct agent_options){
        .docker = fake_http_peer(f->engine.http),
        .driver = registry_driver_for(&f->uri),
        .uri = &f->uri,
        .ttl_s = 30,
        .registry_patience = MSEC_NEVER,
        .drain = true,
        .mapping =
            {.node = "node1", .host_v4 = "10.0.0.5", .host_v6 = "", .network = "", .tags = ""},
    };
    *state = f;
    return 0;
}

static void start(struct fixture *f)
{
    struct err err = ERR_INIT;
    f->done = false;
    f->exit_status = -1;
    assert_int_equal(agent_new(&f->agent, f->io, &f->o, on_done, f, &err), 0);
}

static void stop(struct fixture *f)
{
    agent_stop(f->agent);
    loop_until(f->io, f->done);
    f->agent = agent_free(f->agent);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->agent) {
        stop(f);
    }
    engine_deinit(&f->engine);
    registry_uri_deinit(&f->uri);
    loop_close(f->io);
    loop_rmdir(f->dir);
    free(f);
    return 0;
}

static size_t count(const struct fixture *f, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/services.json", f->dir);
    struct buf b = BUF_INIT(64u << 20);
    struct err err = ERR_INIT;
    size_t n = 0;
    if (fs_read(path, &b, &err) == 0) {
        for (const char *p = buf_str(&b); (p = strstr(p, text)) != NULL; p += strlen(text)) {
            n++;
        }
    }
    buf_deinit(&b);
    return n;
}

static bool has_id(const struct fixture *f, const char *id)
{
    char text[128];
    snprintf(text, sizeof(text), "\"id\":\"%s\"", id);
    return count(f, text) == 1;
}

static void test_follows_containers(void **state)
{
    struct fixture *f = *state;
    struct engine_container *one = engine_add(&f->engine, "web-1", 8081, "");
    start(f);
    loop_until(f->io, has_id(f, "node1:web-1:80"));
    assert_int_equal(count(f, "\"port\":8081"), 1);

    struct engine_container *two = engine_add(&f->engine, "web-2", 8082, "");
    engine_start(&f->engine, two);
    loop_until(f->io, has_id(f, "node1:web-2:80"));

    engine_pause(&f->engine, one, true);
    loop_until(f->io, !has_id(f, "node1:web-1:80"));
    engine_pause(&f->engine, one, false);
    loop_until(f->io, has_id(f, "node1:web-1:80"));

    engine_rename(&f->engine, two, "shop");
    loop_until(f->io, has_id(f, "node1:shop:80") && !has_id(f, "node1:web-2:80"));

    engine_die(&f->engine, one);
    loop_until(f->io, !has_id(f, "node1:web-1:80"));
    engine_destroy(&f->engine, two);
    loop_until(f->io, !has_id(f, "node1:shop:80"));
}

static void test_takes_the_engines_name(void **state)
{
    struct fixture *f = *state;
    f->o.mapping.node = "";
    engine_add(&f->engine, "web-1", 8081, "");
    start(f);
    loop_until(f->io, has_id(f, "engine-host:web-1:80"));
}

/* Told to stop: gone before it is dead. Still up after its stop timeout: registered again. */
static void test_drains_and_takes_back(void **state)
{
    struct fixture *f = *state;
    struct engine_container *c = engine_add(&f->engine, "web-1", 8081, "");
    c->stop_timeout = 0;
    start(f);
    loop_until(f->io, has_id(f, "node1:web-1:80"));
    engine_kill(&f->engine, c, SIGHUP);
    engine_kill(&f->engine, c, SIGTERM);
    assert_true(has_id(f, "node1:web-1:80"));
    loop_until(f->io, !has_id(f, "node1:web-1:80"));
    assert_true(c->running);
    loop_until(f->io, has_id(f, "node1:web-1:80"));
}

static void test_hup_does_not_drain(void **state)
{
    struct fixture *f = *state;
    struct engine_container *c = engine_add(&f->engine, "web-1", 8081, "");
    struct engine_container *mark = engine_add(&f->engine, "mark", 8082, "");
    start(f);
    loop_until(f->io, has_id(f, "node1:web-1:80") && has_id(f, "node1:mark:80"));
    engine_kill(&f->engine, c, SIGHUP);
    engine_die(&f->engine, mark); /* handled after the kill, because events keep their order */
    loop_until(f->io, !has_id(f, "node1:mark:80"));
    assert_true(has_id(f, "node1:web-1:80"));
}

/* A restart clears the draining, without waiting for any timeout. */
static void test_restart_ends_draining(void **state)
{
    struct fixture *f = *state;
    struct engine_container *c = engine_add(&f->engine, "web-1", 8081, "");
    start(f);
    loop_until(f->io, has_id(f, "node1:web-1:80"));
    engine_kill(&f->engine, c, SIGTERM);
    loop_until(f->io, !has_id(f, "node1:web-1:80"));
    engine_die(&f->engine, c);
    c->port = 9090; /* a random port changes with a restart */
    engine_start(&f->engine, c);
    loop_until(f->io, has_id(f, "node1:web-1:80") && count(f, "\"port\":9090") == 1);
}

static void start_twelve(struct fixture *f)
{
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof(name), "web-%d", i);
        engine_add(&f->engine, name, 8100 + i, "");
    }
    start(f);
    loop_until(f->io, count(f, "\"id\":") == 12);
}

/* Waits until `lists` listings were answered and an event behind them has been carried out; true when
 * the twelve were registered all the while. */
static bool twelve_stay(struct fixture *f, unsigned lists)
{
    bool always = true;
    loop_until(f->io, (always = always && count(f, "\"id\":") == 12, f->engine.lists >= lists) &&
                          f->engine.stream);
    engine_die(&f->engine, &f->engine.containers[0]);
    loop_until(f->io, count(f, "\"id\":") <= 11);
    return always && count(f, "\"id\":") == 11;
}

/* What a listing lacks is looked at before it is believed. */
static void test_a_wrong_listing_is_not_believed(void **state)
{
    struct fixture *f = *state;
    start_twelve(f);
    unsigned lists = f->engine.lists;
    f->engine.list_empty = 1;
    engine_cut_stream(&f->engine);
    assert_true(twelve_stay(f, lists + 1));
}

/* An engine that has forgotten everything for a moment: the gate asks for a second listing. */
static void test_gate_holds_until_a_second_listing(void **state)
{
    struct fixture *f = *state;
    start_twelve(f);
    unsigned lists = f->engine.lists;
    f->engine.amnesia = 1;
    engine_cut_stream(&f->engine);
    assert_true(twelve_stay(f, lists + 2));
}

/* Containers that are really gone after an outage are removed by the second listing. */
static void test_gate_passes_what_two_listings_say(void **state)
{
    struct fixture *f = *state;
    start_twelve(f);
    for (int i = 0; i < 11; i++) {
        f->engine.containers[i].running = false;
        f->engine.containers[i].exists = false;
    }
    engine_cut_stream(&f->engine);
    loop_until(f->io, count(f, "\"id\":") == 1);
    assert_true(has_id(f, "node1:web-11:80"));
}

static void test_restart_of_the_agent_keeps_and_corrects(void **state)
{
    struct fixture *f = *state;
    struct engine_container *one = engine_add(&f->engine, "web-1", 8081, "");
    engine_add(&f->engine, "web-2", 8082, "");
    start(f);
    loop_until(f->io, count(f, "\"id\":") == 2);
    stop(f);
    assert_int_equal(f->exit_status, 0);
    assert_int_equal(count(f, "\"id\":"), 2);
    one->running = false;
    engine_add(&f->engine, "web-3", 8083, "");
    start(f);
    loop_until(f->io, has_id(f, "node1:web-3:80") && !has_id(f, "node1:web-1:80"));
    assert_true(has_id(f, "node1:web-2:80"));
    f->o.deregister_on_exit = true;
    stop(f);
    start(f);
    loop_until(f->io, count(f, "\"id\":") == 2);
    stop(f);
    assert_int_equal(count(f, "\"id\":"), 0);
}

static void test_second_agent_is_told(void **state)
{
    struct fixture *f = *state;
    engine_add(&f->engine, "web-1", 8081, "");
    start(f);
    loop_until(f->io, has_id(f, "node1:web-1:80"));
    struct fixture second = *f;
    log_setup(LOG_ERROR, LOG_TEXT);
    start(&second);
    loop_until(f->io, second.done);
    assert_int_equal(second.exit_status, 1);
    agent_free(second.agent);
    assert_true(has_id(f, "node1:web-1:80"));
}

/* What fails leaves its services for the time that was asked for, and a new start begins anew. */
static void test_failed_stays_for_a_while(void **state)
{
    struct fixture *f = *state;
    f->o.mapping.deregister = MAPPING_DEREGISTER_ON_SUCCESS;
    f->o.stopped_ttl = 100;
    struct engine_container *one = engine_add(&f->engine, "web-1", 8081, "");
    struct engine_container *two = engine_add(&f->engine, "web-2", 8082, "");
    start(f);
    loop_until(f->io, has_id(f, "node1:web-1:80") && has_id(f, "node1:web-2:80"));
    one->exit_code = 1;
    unsigned inspects = f->engine.inspects;
    engine_die(&f->engine, one);
    loop_until(f->io, f->engine.inspects > inspects);
    assert_true(has_id(f, "node1:web-1:80"));
    loop_until(f->io, !has_id(f, "node1:web-1:80"));
    engine_start(&f->engine, one);
    loop_until(f->io, has_id(f, "node1:web-1:80"));
    engine_die(&f->engine, two);
    loop_until(f->io, !has_id(f, "node1:web-2:80"));
    engine_die(&f->engine, one);
    engine_destroy(&f->engine, one);
    loop_until(f->io, !has_id(f, "node1:web-1:80"));
}

static bool owner_is(const struct fixture *f, const char *owner)
{
    struct buf text = BUF_INIT(1u << 20), member = BUF_INIT(256);
    agent_describe(f->agent, &text);
    buf_printf(&member, "\"owner\":\"%s\"", owner);
    bool found = strstr(buf_str(&text), buf_str(&member)) != NULL;
    buf_deinit(&text);
    buf_deinit(&member);
    return found;
}

/* Hosts of one name do not take each other's records for their own. */
static void test_owner_with_engine(void **state)
{
    struct fixture *f = *state;
    f->o.owner_with_engine = true;
    engine_add(&f->engine, "web-1", 8081, "");
    start(f);
    loop_until(f->io, has_id(f, "node1:web-1:80"));
    assert_true(owner_is(f, "node1@AKA3:PXTN"));
}

/* A registry that is not there ends the agent as soon as its patience does, and not before. */
static void patience(struct fixture *f, msec_t limit)
{
    struct registry_uri_env env = {.uid = 0};
    struct err err = ERR_INIT;
    registry_uri_deinit(&f->uri);
    log_setup(LOG_ERROR, LOG_TEXT);
    assert_int_equal(registry_uri_parse(&f->uri, "etcd://127.0.0.1:9", &env, &err), 0);
    f->o.driver = registry_driver_for(&f->uri);
    f->o.registry_patience = limit;
    msec_t before = io_now(f->io);
    start(f);
    loop_until(f->io, f->done);
    assert_int_equal(f->exit_status, 1);
    assert_true(io_now(f->io) - before >= limit);
    f->agent = agent_free(f->agent);
}

static void test_no_patience(void **state)
{
    patience(*state, 0);
}

static void test_some_patience(void **state)
{
    patience(*state, 300);
}

static void test_once(void **state)
{
    struct fixture *f = *state;
    engine_add(&f->engine, "web-1", 8081, "");
    f->o.once = true;
    start(f);
    loop_until(f->io, f->done);
    assert_int_equal(f->exit_status, 0);
    assert_true(has_id(f, "node1:web-1:80"));
    f->agent = agent_free(f->agent);
}

/* Nothing runs: the registry says so, rather than nothing, and readers need not wait. */
static void test_once_with_nothing_to_register(void **state)
{
    struct fixture *f = *state;
    f->o.once = true;
    start(f);
    loop_until(f->io, f->done);
    assert_int_equal(f->exit_status, 0);
    assert_int_equal(count(f, "\"services\":["), 1);
    assert_int_equal(count(f, "\"id\":"), 0);
    f->agent = agent_free(f->agent);
}

/* A container in another's network has that one's address, and follows it. */
static void test_shared_network_follows_its_owner(void **state)
{
    struct fixture *f = *state;
    struct engine_container *owner = engine_add(&f->engine, "owner", 8081, "");
    struct engine_container *guest = engine_add(&f->engine, "guest", 0, "");
    snprintf(guest->network_mode, sizeof(guest->network_mode), "container:%s", owner->id);
    start(f);
    loop_until(f->io, has_id(f, "node1:guest:80") && count(f, "\"port\":8081") == 2);
    engine_die(&f->engine, owner);
    owner->port = 9091;
    engine_start(&f->engine, owner);
    loop_until(f->io, count(f, "\"port\":9091") == 2);
}

/* The second container with the same id waits, and takes over when the first goes. */
static void test_contested_id_is_handed_on(void **state)
{
    struct fixture *f = *state;
    const char *labels = "\"SERVICE_ID\":\"only\",\"SERVICE_NAME\":\"api\"";
    struct engine_container *one = engine_add(&f->engine, "web-1", 8081, labels);
    start(f);
    loop_until(f->io, has_id(f, "only") && count(f, "\"port\":8081") == 1);
    struct engine_container *two = engine_add(&f->engine, "web-2", 8082, labels);
    engine_start(&f->engine, two);
    engine_die(&f->engine, one);
    loop_until(f->io, has_id(f, "only") && count(f, "\"port\":8082") == 1);
}

/* Labels that make no sense cost only their own container. */
static void test_bad_labels_are_skipped(void **state)
{
    struct fixture *f = *state;
    engine_add(&f->engine, "bad", 8081, "\"SERVICE_NAME\":\"../../etc\\nlevel=error\"");
    engine_add(&f->engine, "good", 8082, "");
    start(f);
    loop_until(f->io, has_id(f, "node1:good:80"));
    assert_int_equal(count(f, "\"id\":"), 1);
}

/* One batch of the largest records that labels can make: 36 containers of half a megabyte each. */
static void test_large_labels_are_no_danger(void **state)
{
    struct fixture *f = *state;
    struct buf labels = BUF_INIT(1u << 20);
    char text[4001];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 120; i++) {
        buf_printf(&labels, "%s\"SERVICE_A%d\":\"%s\"", i ? "," : "", i, text);
    }
    for (int i = 0; i < 36; i++) {
        char name[16];
        snprintf(name, sizeof(name), "web-%d", i);
        engine_add(&f->engine, name, 8100 + i, buf_str(&labels));
    }
    start(f);
    loop_until(f->io, count(f, "\"id\":") == 36);
    stop(f);
    buf_deinit(&labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_follows_containers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_the_engines_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drains_and_takes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hup_does_not_drain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_ends_draining, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_wrong_listing_is_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gate_holds_until_a_second_listing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gate_passes_what_two_listings_say, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_of_the_agent_keeps_and_corrects, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_second_agent_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_stays_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_with_engine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_patience, setup, teardown),
        cmocka_unit_test_setup_teardown(test_some_patience, setup, teardown),
        cmocka_unit_test_setup_teardown(test_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_once_with_nothing_to_register, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shared_network_follows_its_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contested_id_is_handed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_labels_are_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_labels_are_no_danger, setup, teardown),
    };
    return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
