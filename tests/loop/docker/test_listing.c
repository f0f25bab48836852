/*
 * Listings of the watch: nothing is lost between stream and list, what a list lacks, lists that fail.
 */
#include "loop/docker/rig.h"

static void first_listing(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    r->c[2].paused = true;
    r->c[3] = (struct rig_container){.exists = true, .restarting = true};
    r->c[4].exists = true; /* stopped: not in the list */
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\nupsert 1 running\nupsert 2 paused\nupsert 3 restarting\ncomplete\n");
    assert_string_equal(r->asked, "/_ping\n/v1.41/info\n/v1.41/events\n/v1.41/networks\n"
                                  "/v1.41/containers/json\n");
    assert_null(strstr(r->events_path, "since"));
    assert_string_equal(docker_watch_engine_name(r->watch), "dock");
    assert_int_equal(r->progress, 3);
    assert_int_equal(r->total, 3);
    assert_int_equal(r->inspects, 3);
    assert_true(rig_says(r, "\"state\":\"live\""));
    rig_free(r);
}

static void nothing_runs(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\ncomplete\n");
    rig_free(r);
}

static void api_versions(void **state)
{
    static const char *const cases[][2] = {{"1.99", "/_ping\n/v1.52/info\n"},
                                           {"1.24", "/_ping\n/v1.24/info\n"},
                                           {NULL, "/_ping\n/info\n"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig *r = rig_new();
        r->api_version = cases[i][0];
        rig_live(r);
        if (!str_starts(r->asked, cases[i][1])) {
            fail_msg("%s: %s", cases[i][0], r->asked);
        }
        rig_free(r);
    }
}

/* It is in no list, but its start came while the list was under way. */
static void starts_while_listing(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->hold_list = true;
    rig_open(r);
    loop_until(r->io, r->list);
    r->list_body = "[]"; /* taken before both */
    rig_run(r, 2);
    rig_event(r, 2, "start", "");
    loop_until(r->io, rig_has(r, "upsert 2 running\n"));
    r->list_body = NULL;
    rig_stop(r, 2); /* only for the list's text */
    struct fake_exchange *x = r->list;
    r->hold_list = false;
    rig_answer_list(r, x);
    rig_run(r, 2);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\nupsert 2 running\nupsert 2 running\nupsert 1 running\ncomplete\n");
    rig_free(r);
}

/* The start comes in while its inspect, and the list, wait: complete() waits too. */
static void complete_waits_for_events(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->hold_list = true;
    rig_open(r);
    loop_until(r->io, r->list);
    r->c[2].hold = true;
    rig_run(r, 2);
    rig_event(r, 2, "start", "");
    loop_until(r->io, r->n_held == 1);
    rig_stop(r, 2);
    rig_answer_list(r, r->list);
    rig_run(r, 2);
    loop_until(r->io, r->total == 1);
    assert_int_equal(r->completes, 0);
    rig_release_all(r);
    loop_until(r->io, r->completes == 1);
    docker_watch_refresh(r->watch, id(3));
    loop_until(r->io, rig_has(r, "gone 3\n"));
    rig_expect(r, "up\nupsert 2 running\ncomplete\ngone 3\n");
    assert_int_equal(r->c[2].inspects, 1); /* the answer from behind the list's beginning counts */
    rig_free(r);
}

static void gone_between_list_and_inspect(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    r->c[1].status = 404;
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\ngone 1\nupsert 2 running\ncomplete\n");
    rig_free(r);
}

/* Events of their end were lost: one was removed, one only stopped, one goes on. */
static void resync_finds_lost(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_run(r, 3);
    r->config.resync = 50;
    rig_live(r);
    rig_remove(r, 1);
    rig_stop(r, 2);
    loop_until(r->io, rig_has(r, "gone") && rig_has(r, "upsert 2 stopped\n"));
    unsigned completes = r->completes;
    loop_until(r->io, r->completes >= completes + 3);
    assert_int_equal(rig_count(r, "gone-listed 1\n"), 1);
    assert_int_equal(rig_count(r, "gone"), 1);
    /* a stopped one is not looked at again by listings on the same stream */
    assert_int_equal(rig_count(r, "upsert 2 stopped\n"), 1);
    /* nor is one that the list shows as it was */
    assert_int_equal(rig_count(r, "upsert 3 running\n"), 0);
    assert_int_equal(r->c[3].inspects, 1);
    assert_int_equal(r->streams, 1);
    rig_free(r);
}

/* A change without an event shows in the list, and only that container is inspected. */
static void resync_inspects_what_differs(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    r->config.resync = 50;
    rig_live(r);
    r->c[2].labels = "\"a\":\"b\"";
    loop_until(r->io, r->c[2].inspects == 2);
    unsigned completes = r->completes;
    loop_until(r->io, r->completes >= completes + 3);
    assert_int_equal(r->c[2].inspects, 2);
    assert_int_equal(r->c[1].inspects, 1);
    rig_free(r);
}

/*
 * Changed with an event, changed back without one: the list shows again what it showed at first, which is
 * not what was inspected last.
 */
static void resync_doubts_what_an_event_touched(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->config.resync = 300;
    rig_live(r);
    r->c[1].labels = "\"a\":\"b\"";
    rig_event(r, 1, "update", "");
    loop_until(r->io, r->c[1].inspects == 2);
    r->c[1].labels = NULL;
    loop_until(r->io, r->c[1].inspects == 3);
    rig_free(r);
}

/* Asked for, a listing goes over everything. */
static void relist_inspects_all(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_live(r);
    docker_watch_relist(r->watch);
    loop_until(r->io, r->completes == 2);
    assert_int_equal(r->c[1].inspects + r->c[2].inspects, 4);
    rig_free(r);
}

/* A list that lacks what still runs is wrong: nothing is reported gone. */
static void wrong_list_harms_nobody(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    r->list_body = "[]";
    docker_watch_relist(r->watch);
    loop_until(r->io, r->completes == 2);
    rig_expect(r, "upsert 1 running\ncomplete\n");
    rig_free(r);
}

static void fails_and_is_asked_again(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->list_failures = 4;
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\ndown: list containers: HTTP 503: not now\nup\nupsert 1 running\ncomplete\n");
    assert_int_equal(r->lists, 5);
    assert_int_equal(r->streams, 1);
    rig_free(r);
}

/* Containers of the part that came must not be taken for all. */
static void cut_off(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    for (unsigned n = 1; n <= 30; n++) {
        rig_run(r, n);
    }
    rig_live(r);
    r->list_cut = 900;
    docker_watch_relist(r->watch);
    loop_until(r->io, r->completes == 2);
    assert_int_equal(rig_count(r, "down: list containers: "), 1);
    assert_int_equal(rig_count(r, "gone"), 0);
    assert_int_equal(rig_count(r, "upsert"), 30);
    assert_int_equal(r->lists, 3);
    rig_free(r);
}

static void is_no_list(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->list_body = "{\"message\":\"hello\"}";
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\ndown: list of containers: not a list of objects at byte 0 ('{')\nup\n"
                  "upsert 1 running\ncomplete\n");
    rig_free(r);
}

static void ends_early(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->list_body = "[ ";
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\ndown: list of containers: ends early, at byte 2\nup\ncomplete\n");
    rig_free(r);
}

static void never_answers(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.list_timeout = 1000;
    r->hold_list = true;
    rig_open(r);
    loop_until(r->io, rig_has(r, "down"));
    r->hold_list = false;
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\ndown: list containers: no answer within 1 s\nup\ncomplete\n");
    assert_int_equal(r->streams, 1);
    rig_free(r);
}

/* Networks that are not told leave a flag unknown, no more. */
static void networks_refused(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->networks = "nope";
    rig_live(r);
    assert_false(r->own_address);
    assert_true(rig_says(r, "\"last_error\":\"networks: not JSON"));
    rig_free(r);
}

static void networks_of_their_own(void **state)
{
    struct rig *r = rig_new();
    char body[256];
    (void)state;
    snprintf(body, sizeof(body), "[{\"Id\":\"%s\",\"Name\":\"lan\",\"Driver\":\"macvlan\"}]",
             id(0xbeef));
    r->networks = body;
    rig_run(r, 1);
    rig_live(r);
    assert_true(r->own_address);
    rig_free(r);
}

static void relist(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_live(r);
    docker_watch_relist(r->watch);
    docker_watch_relist(r->watch); /* counts as one */
    loop_until(r->io, r->completes == 2);
    /* asked for while one is under way: that one may be too old */
    r->hold_list = true;
    docker_watch_relist(r->watch);
    loop_until(r->io, r->list);
    docker_watch_relist(r->watch);
    r->hold_list = false;
    rig_answer_list(r, r->list);
    loop_until(r->io, r->completes == 4);
    assert_int_equal(r->lists, 4);
    rig_free(r);
}

/* More news than the queue takes: the rest is found by another listing. */
static void overflow_when_live(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.queue_max = 4;
    r->config.inspects = 1;
    rig_live(r);
    r->hold_inspects = true;
    for (unsigned n = 1; n <= 20; n++) {
        rig_run(r, n);
        rig_event(r, n, "start", "");
    }
    loop_until(r->io, r->lists == 2);
    assert_int_equal(r->inspects, 1);
    rig_release_all(r);
    loop_until(r->io, r->completes == 2);
    for (unsigned n = 1; n <= 20; n++) {
        char line[64];
        snprintf(line, sizeof(line), "upsert %u running\n", n);
        assert_true(rig_has(r, line));
    }
    rig_free(r);
}

/* ... and complete() waits for that one. */
static void overflow_while_listing(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.queue_max = 4;
    r->config.inspects = 1;
    r->hold_list = true;
    rig_open(r);
    loop_until(r->io, r->list);
    r->hold_inspects = true;
    for (unsigned n = 1; n <= 20; n++) {
        rig_run(r, n);
        rig_event(r, n, "start", "");
    }
    loop_until(r->io, r->n_held == 1 && rig_says(r, "\"events\":20,"));
    r->hold_list = false;
    fake_reply(r->list, 200, "[]");
    rig_release_all(r);
    loop_until(r->io, r->completes == 1);
    assert_int_equal(r->lists, 2);
    assert_int_equal(r->total, 20);
    rig_free(r);
}

/* A repeated listing leaves most slots to events. */
static void resync_is_no_rush(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.inspects = 8;
    for (unsigned n = 1; n <= 30; n++) {
        rig_run(r, n);
    }
    rig_live(r);
    r->hold_inspects = true;
    docker_watch_relist(r->watch);
    loop_until(r->io, r->n_held == 2 && rig_says(r, "\"bulk\":28,"));
    rig_run(r, 31);
    rig_event(r, 31, "start", "");
    loop_until(r->io, r->n_held == 3 && r->c[31].inspects == 1);
    rig_release_all(r);
    loop_until(r->io, r->completes == 2);
    assert_int_equal(r->max_held, 3);
    rig_free(r);
}

/* What the list says differently is looked at before the rest. */
static void differences_first(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.inspects = 1;
    for (unsigned n = 1; n <= 5; n++) {
        rig_run(r, n);
    }
    rig_live(r);
    r->c[4].paused = true;
    docker_watch_relist(r->watch);
    loop_until(r->io, r->completes == 2);
    rig_expect(r, "upsert 4 paused\nupsert 1 running\nupsert 2 running\nupsert 3 running\n"
                  "upsert 5 running\ncomplete\n");
    rig_free(r);
}

static void once(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->config.once = true;
    r->config.resync = 50;
    r->config.ping_every = 50;
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    loop_until(r->io, fake_gone(r->stream));
    docker_watch_refresh(r->watch, id(1));
    docker_watch_relist(r->watch);
    assert_true(rig_says(r, "\"state\":\"done\""));
    rig_close(r);
    loop_until(r->io, r->closed);
    rig_expect(r, "up\nupsert 1 running\ncomplete\n");
    assert_int_equal(r->lists, 1);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_listing),
        cmocka_unit_test(nothing_runs),
        cmocka_unit_test(api_versions),
        cmocka_unit_test(starts_while_listing),
        cmocka_unit_test(complete_waits_for_events),
        cmocka_unit_test(gone_between_list_and_inspect),
        cmocka_unit_test(resync_finds_lost),
        cmocka_unit_test(resync_inspects_what_differs),
        cmocka_unit_test(resync_doubts_what_an_event_touched),
        cmocka_unit_test(relist_inspects_all),
        cmocka_unit_test(wrong_list_harms_nobody),
        cmocka_unit_test(fails_and_is_asked_again),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(is_no_list),
        cmocka_unit_test(ends_early),
        cmocka_unit_test(never_answers),
        cmocka_unit_test(networks_refused),
        cmocka_unit_test(networks_of_their_own),
        cmocka_unit_test(relist),
        cmocka_unit_test(overflow_when_live),
        cmocka_unit_test(overflow_while_listing),
        cmocka_unit_test(resync_is_no_rush),
        cmocka_unit_test(differences_first),
        cmocka_unit_test(once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
