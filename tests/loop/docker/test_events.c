/*
 * What events mean to the watch: which are worth an inspect, which are told at once, and streams that are
 * odd.
 */
#include "loop/docker/rig.h"

static void actions(void **state)
{
    static const char *const actions[] = {
        "start",         "pause",  "unpause", "health_status: healthy",
        "health_status", "rename", "update",  "restart"};
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        unsigned before = r->inspects;
        rig_event(r, 1, actions[i], "");
        loop_until(r->io, rig_has(r, "upsert"));
        rig_expect(r, "upsert 1 running\n");
        assert_int_equal(r->inspects, before + 1);
    }
    rig_free(r);
}

/* The event before the marker is worth no inspect: the marker's is the only one. */
static void expect_nothing(struct rig *r, const char *what)
{
    unsigned before = r->inspects;
    rig_event(r, 9, "start", "");
    loop_until(r->io, rig_has(r, "upsert 9"));
    if (r->inspects != before + 1) {
        fail_msg("%s: %u inspects", what, r->inspects - before);
    }
    rig_expect(r, "upsert 9 running\n");
}

static void noise(void **state)
{
    static const char *const actions[] = {
        "exec_create: sh", "exec_start: sh", "exec_die", "exec_died", "attach", "top",
        "resize",          "commit",         "create",   "oom",       "cleanup"};
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 9);
    rig_live(r);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        rig_event(r, 1, actions[i], "");
        expect_nothing(r, actions[i]);
    }
    rig_line(r, "{\"Type\":\"image\",\"Action\":\"pull\"}\n\n");
    rig_line(r, "{\"Type\":\"network\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"x\"}}\n");
    expect_nothing(r, "other types");
    assert_int_equal(r->lists, 1);
    rig_free(r);
}

/* 20.10: die, net-, stop. 26 and 28: net-, stop, die. Stopped once, whatever comes after. */
static void stop_in_both_orders(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_run(r, 9);
    rig_live(r);
    rig_event(r, 1, "kill", "\"signal\":\"15\"");
    rig_stop(r, 1);
    rig_event(r, 1, "die", "\"exitCode\":\"0\"");
    loop_until(r->io, rig_has(r, "upsert"));
    rig_expect(r, "stop 1 15\nupsert 1 stopped\n");
    rig_network_event(r, 1, "disconnect", "bridge");
    rig_event(r, 1, "stop", "");
    expect_nothing(r, "behind the die");

    rig_event(r, 2, "kill", "\"signal\":\"15\"");
    rig_stop(r, 2);
    rig_network_event(r, 2, "disconnect", "bridge");
    loop_until(r->io, rig_has(r, "upsert"));
    rig_expect(r, "stop 2 15\nupsert 2 stopped\n");
    rig_event(r, 2, "stop", "");
    rig_event(r, 2, "die", "\"exitCode\":\"0\"");
    expect_nothing(r, "behind the disconnect");

    rig_run(r, 2);
    rig_event(r, 2, "start", "");
    loop_until(r->io, rig_has(r, "upsert 2 running"));
    rig_free(r);
}

static void destroyed(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_run(r, 3);
    rig_run(r, 9);
    rig_live(r);
    rig_remove(r, 1);
    rig_event(r, 1, "destroy", "");
    loop_until(r->io, rig_has(r, "gone"));
    rig_expect(r, "gone 1\n");
    rig_event(r, 1, "destroy", "");
    expect_nothing(r, "gone twice");

    /* podman's word; and its inspect is under way: nobody waits for the answer */
    r->c[2].hold = true;
    rig_event(r, 2, "update", "");
    loop_until(r->io, r->n_held == 1);
    rig_event(r, 2, "remove", "");
    loop_until(r->io, rig_has(r, "gone"));
    rig_expect(r, "gone 2\n");
    rig_release_all(r);
    expect_nothing(r, "the answer for a container that is gone");
    rig_free(r);
}

static void signals(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    r->c[2].labels = "\"signal\":\"9\",\"exitCode\":\"x\"";
    rig_run(r, 9);
    rig_live(r);
    rig_event(r, 1, "kill", "\"signal\":\"1\"");
    rig_event(r, 1, "kill", "\"signal\":\"9\"");
    rig_event(r, 1, "kill", "");
    /* what looks like a signal is the label */
    rig_event(r, 2, "kill", "\"signal\":\"9\"");
    loop_until(r->io, rig_has(r, "stop 2"));
    rig_expect(r, "stop 1 1\nstop 1 9\nstop 1 0\nstop 2 0\n");
    expect_nothing(r, "a kill is told, not looked at");
    rig_stop(r, 2);
    rig_event(r, 2, "die", "\"exitCode\":\"x\"");
    loop_until(r->io, rig_has(r, "upsert"));
    rig_expect(r, "upsert 2 stopped\n");
    rig_free(r);
}

static void networks(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->c[2].exists = true;
    rig_run(r, 9);
    rig_live(r);
    /* twice, as 20.10 and 26 send it */
    rig_network_event(r, 1, "disconnect", "bridge");
    rig_network_event(r, 1, "disconnect", "bridge");
    loop_until(r->io, rig_has(r, "upsert"));
    assert_true(r->inspects <= 2 + 2);
    loop_until(r->io, rig_says(r, "\"urgent\":0,") && rig_says(r, "\"inflight\":0,"));
    buf_reset(&r->journal);
    rig_network_event(r, 1, "connect", "bridge");
    loop_until(r->io, rig_has(r, "upsert"));
    rig_expect(r, "upsert 1 running\n");
    /* 200 ms before a start; and of one that could not be started */
    rig_network_event(r, 3, "connect", "bridge");
    rig_network_event(r, 2, "disconnect", "bridge");
    expect_nothing(r, "networks of containers that do not run");
    /* the driver is learnt from the event, before the start */
    assert_false(r->own_address);
    rig_run(r, 3);
    rig_network_event(r, 3, "connect", "ipvlan");
    rig_event(r, 3, "start", "");
    loop_until(r->io, rig_has(r, "upsert 3 running"));
    assert_true(r->own_address);
    rig_free(r);
}

/* podman does not say which container it was. */
static void network_without_container(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    rig_line(r,
             "{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"\",\"Attributes\":"
             "{\"name\":\"c1\"}},\"time\":1795181044,\"timeNano\":1795181044238500000}\n");
    loop_until(r->io, r->completes == 2);
    rig_expect(r, "upsert 1 running\ncomplete\n");
    rig_free(r);
}

static void podman_restart(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    r->hold_inspects = true;
    rig_event(r, 1, "restart", "\"containerExitCode\":\"0\"");
    rig_event(r, 1, "stop", "\"containerExitCode\":\"0\"");
    rig_event(r, 1, "die", "\"containerExitCode\":\"0\",\"exitCode\":\"0\"");
    rig_event(r, 1, "init", "");
    rig_event(r, 1, "start", "");
    loop_until(r->io, r->n_held == 1);
    rig_release_all(r);
    loop_until(r->io, rig_says(r, "\"inflight\":0,") && rig_says(r, "\"urgent\":0,"));
    assert_int_equal(rig_count(r, "stopped"), 0);
    assert_int_equal(rig_count(r, "gone"), 0);
    assert_true(rig_has(r, "upsert 1 running\n"));
    rig_free(r);
}

static void burst_of_many(void **state)
{
    struct rig *r = rig_new();
    struct buf lines = BUF_INIT(1u << 20);
    (void)state;
    rig_live(r);
    r->hold_inspects = true;
    for (unsigned n = 1; n <= 1000; n++) {
        rig_run(r, n);
        r->nano++;
        buf_printf(&lines,
                   "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"%s\"},"
                   "\"time\":%" PRIu64 ",\"timeNano\":%" PRIu64 "}\n",
                   id(n), r->nano / 1000000000, r->nano);
    }
    rig_line(r, buf_str(&lines)); /* in one chunk */
    buf_deinit(&lines);
    loop_until(r->io, r->n_held == 16 && rig_says(r, "\"urgent\":984,"));
    rig_release_all(r);
    loop_until(r->io, rig_count(r, "upsert") == 1000);
    assert_int_equal(r->max_held, 16);
    assert_int_equal(r->inspects, 1000);
    for (unsigned n = 1; n <= 1000; n++) {
        assert_int_equal(r->c[n].inspects, 1);
    }
    assert_int_equal(r->lists, 1);
    rig_free(r);
}

/* One request for each container at most, and one more when there was news meanwhile. */
static void burst_of_one(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    r->hold_inspects = true;
    rig_event(r, 1, "update", "");
    loop_until(r->io, r->n_held == 1);
    for (unsigned i = 0; i < 1000; i++) {
        rig_event(r, 1, "update", "");
    }
    loop_until(r->io, rig_says(r, "\"events\":1001,"));
    assert_int_equal(r->n_held, 1);
    rig_release_all(r);
    loop_until(r->io, rig_count(r, "upsert") == 2);
    assert_int_equal(r->max_held, 1);
    assert_int_equal(r->c[1].inspects, 3); /* with the first listing's */
    rig_free(r);
}

/* An answer from before its death must not bring it back. */
static void dies_during_inspect(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    r->c[1].hold = true;
    rig_event(r, 1, "update", "");
    loop_until(r->io, r->n_held == 1);
    rig_event(r, 1, "die", "");
    loop_until(r->io, rig_says(r, "\"events\":2,"));
    r->c[1].hold = false;
    rig_release(r); /* still says running */
    rig_stop(r, 1);
    loop_until(r->io, rig_has(r, "stopped"));
    rig_expect(r, "upsert 1 stopped\n");
    rig_free(r);
}

static void dies_and_starts_during_inspect(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    r->c[1].hold = true;
    rig_event(r, 1, "update", "");
    loop_until(r->io, r->n_held == 1);
    rig_event(r, 1, "die", "");
    rig_event(r, 1, "start", "");
    loop_until(r->io, rig_says(r, "\"events\":3,"));
    rig_stop(r, 1);
    r->c[1].hold = false;
    rig_release(r); /* from between the two: it is stopped */
    rig_run(r, 1);
    loop_until(r->io, rig_has(r, "running"));
    rig_expect(r, "upsert 1 running\n");
    rig_free(r);
}

static void a_byte_at_a_time(void **state)
{
    static const char line[] =
        "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"%s\"},\"time\":"
        "1795181044,"
        "\"timeNano\":1795181044238500000}\n{\"Type\":\"image\",\"Action\":\"pull\"}\n";
    struct rig *r = rig_new();
    char text[512];
    (void)state;
    rig_live(r);
    rig_run(r, 7);
    snprintf(text, sizeof(text), line, id(7));
    for (const char *p = text; *p; p++) {
        fake_stream_push(r->stream, p, 1);
    }
    loop_until(r->io, rig_has(r, "upsert 7 running\n"));
    rig_free(r);
}

/* What cannot be read hides something: a listing follows. */
static void not_understood(void **state)
{
    static const char *const lines[] = {"{\"Type\":\n", "{}\n", "[1]\n",
                                        "{\"Type\":\"container\",\"Action\":\"die\"}\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct rig *r = rig_new();
        rig_run(r, 1);
        rig_live(r);
        rig_line(r, lines[i]);
        rig_event(r, 1, "pause", "");
        loop_until(r->io, rig_has(r, "upsert"));
        loop_until(r->io, r->completes == 2);
        assert_int_equal(r->streams, 1);
        rig_free(r);
    }
}

static void too_long(void **state)
{
    struct rig *r = rig_new();
    size_t len = DOCKER_EVENT_MAX + 1;
    char *filler = xmalloc(len);
    char line[256];
    (void)state;
    memset(filler, 'x', len);
    rig_run(r, 1);
    rig_live(r);
    fake_stream_push(r->stream, filler, len);
    free(filler);
    loop_until(r->io, rig_says(r, "\"last_error\":\"an event is longer than 1048576 bytes\""));
    /* the end of that line is part of it, whatever it looks like */
    snprintf(line, sizeof(line),
             "{\"Type\":\"container\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"%s\"}}\n", id(1));
    rig_line(r, line);
    rig_event(r, 1, "rename", "");
    loop_until(r->io, rig_has(r, "upsert 1 running\n"));
    loop_until(r->io, r->completes == 2);
    assert_int_equal(rig_count(r, "gone"), 0);
    assert_int_equal(r->streams, 1);
    assert_true(rig_says(r, "\"events\":1,"));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions),
        cmocka_unit_test(noise),
        cmocka_unit_test(stop_in_both_orders),
        cmocka_unit_test(destroyed),
        cmocka_unit_test(signals),
        cmocka_unit_test(networks),
        cmocka_unit_test(network_without_container),
        cmocka_unit_test(podman_restart),
        cmocka_unit_test(burst_of_many),
        cmocka_unit_test(burst_of_one),
        cmocka_unit_test(dies_during_inspect),
        cmocka_unit_test(dies_and_starts_during_inspect),
        cmocka_unit_test(a_byte_at_a_time),
        cmocka_unit_test(not_understood),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
