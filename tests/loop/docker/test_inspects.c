/*
 * Inspects that do not go well, and what that means for the others, and for complete().
 */
#include "loop/docker/rig.h"

/* One container that the engine cannot answer for: the others go on, and after some tries complete() does
 * not wait for it; it is asked about until it answers. */
static void one_hangs(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_run(r, 3);
    r->c[2].hold = true;
    r->config.inspect_timeout = 200;
    rig_open(r);
    loop_until(r->io, rig_count(r, "upsert") == 2);
    assert_int_equal(r->completes, 0);
    loop_until(r->io, r->completes == 1);
    assert_true(r->c[2].inspects >= 3);
    rig_expect(r, "up\nupsert 1 running\nupsert 3 running\ncomplete\n");
    loop_until(r->io, r->c[2].inspects >= 5);
    rig_event(r, 1, "pause", "");
    loop_until(r->io, rig_has(r, "upsert 1"));
    rig_release_all(r);
    loop_until(r->io, rig_has(r, "upsert 2 running\n"));
    assert_int_equal(r->c[1].inspects, 2);
    rig_free(r);
}

/* When that is so for most, it is the engine: complete() would be a lie. */
static void most_hang(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_run(r, 3);
    r->c[2].hold = r->c[3].hold = true;
    r->config.inspect_timeout = 100;
    rig_open(r);
    loop_until(r->io, r->c[2].inspects >= 5 && r->c[3].inspects >= 5);
    rig_expect(r, "up\nupsert 1 running\n");
    rig_release_all(r);
    loop_until(r->io, rig_has(r, "upsert 2 running\n") && rig_has(r, "upsert 3 running\n"));
    loop_until(r->io, r->completes == 1);
    rig_free(r);
}

static void error_once(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->c[1].status = 500;
    rig_open(r);
    loop_until(r->io, r->c[1].inspects == 2);
    r->c[1].status = 0;
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\nupsert 1 running\ncomplete\n");
    rig_free(r);
}

static void connection_reset(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->c[1].reset = true;
    rig_open(r);
    loop_until(r->io, r->c[1].inspects >= 2);
    r->c[1].reset = false;
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\nupsert 1 running\ncomplete\n");
    rig_free(r);
}

/* It would be the same at once; the next event asks again. */
static void not_understood(void **state)
{
    struct rig *r = rig_new();
    char other[256];
    (void)state;
    snprintf(other, sizeof(other), "{\"Id\":\"%s\"}", id(4));
    rig_run(r, 1);
    rig_run(r, 2);
    rig_run(r, 3);
    r->c[1].body = "{\"Id\":";
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    assert_int_equal(r->c[1].inspects, 1);
    assert_true(rig_says(r, "\"last_error\":\"inspect: not JSON"));
    r->c[1].body = other;
    rig_event(r, 1, "rename", "");
    loop_until(r->io, rig_says(r, "\"last_error\":\"inspect.Id: another container"));
    assert_int_equal(rig_count(r, "upsert 1"), 0);
    assert_int_equal(rig_count(r, "upsert 4"), 0);
    r->c[1].body = NULL;
    rig_event(r, 1, "rename", "");
    loop_until(r->io, rig_has(r, "upsert 1 running\n"));

    /* it died: that is understood */
    r->c[1].body = "{}";
    rig_event(r, 1, "die", "");
    loop_until(r->io, rig_has(r, "gone 1\n"));
    rig_free(r);
}

static void too_long(void **state)
{
    struct rig *r = rig_new();
    size_t len = 5u * 1024 * 1024;
    char *body = xmalloc(len + 1);
    (void)state;
    memset(body, ' ', len);
    body[len] = '\0';
    rig_run(r, 1);
    rig_run(r, 2);
    r->c[1].body = body;
    rig_open(r);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\nupsert 2 running\ncomplete\n");
    assert_true(rig_says(r, "longer than 4194304 bytes"));
    free(body);
    r->c[1].body = NULL;
    rig_free(r);
}

static void bound(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.inspects = 3;
    r->hold_inspects = true;
    for (unsigned n = 1; n <= 50; n++) {
        rig_run(r, n);
    }
    rig_open(r);
    loop_until(r->io, r->n_held == 3);
    while (r->progress < 40) {
        rig_release(r);
        loop_until(r->io, r->n_held == 3);
    }
    assert_int_equal(r->completes, 0);
    rig_release_all(r);
    loop_until(r->io, r->completes == 1);
    assert_int_equal(r->max_held, 3);
    assert_int_equal(r->progress, 50);
    rig_free(r);
}

static void refresh(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    docker_watch_refresh(r->watch, id(1));
    loop_until(r->io, rig_has(r, "upsert"));
    rig_expect(r, "upsert 1 running\n");
    docker_watch_refresh(r->watch, id(5));
    docker_watch_refresh(r->watch, "../x");
    loop_until(r->io, rig_has(r, "gone"));
    rig_expect(r, "gone 5\n");
    rig_free(r);
}

/* ---- an engine that goes down: it refuses connections, and its stream lives on ---- */

static void hide_socket(struct rig *r)
{
    char away[300];
    snprintf(away, sizeof(away), "%s.away", r->socket);
    assert_int_equal(rename(r->socket, away), 0);
    fake_http_close_idle(r->srv);
}

static void show_socket(struct rig *r)
{
    char away[300];
    snprintf(away, sizeof(away), "%s.away", r->socket);
    assert_int_equal(rename(away, r->socket), 0);
}

static void dies_while_engine_goes_down(void **state)
{
    struct rig *r = rig_new_at(true);
    (void)state;
    for (unsigned n = 1; n <= 40; n++) {
        rig_run(r, n);
    }
    rig_live(r);
    hide_socket(r);
    rig_event(r, 1, "kill", "\"signal\":\"15\"");
    rig_network_event(r, 1, "disconnect", "bridge");
    rig_event(r, 1, "die", "");
    loop_until(r->io, rig_has(r, "gone 1\n"));
    for (unsigned n = 2; n <= 40; n++) {
        rig_network_event(r, n, "disconnect", "bridge");
        rig_event(r, n, "stop", "");
        rig_event(r, n, "die", "");
    }
    loop_until(r->io, rig_count(r, "gone") == 40);
    /* a listing cannot be had either: nothing but the stream's own end says that the engine is gone */
    docker_watch_relist(r->watch);
    loop_until(r->io, rig_says(r, "\"state\":\"listing\"") &&
                          rig_says(r, "no such socket; is the engine running?\""));
    assert_int_equal(rig_count(r, "down"), 0);
    assert_int_equal(rig_count(r, "gone-listed"), 0);
    fake_reset(r->stream);
    loop_until(r->io, rig_has(r, "down"));
    show_socket(r);
    loop_until(r->io, r->completes == 2);
    rig_free(r);
}

static void pings_are_refused(void **state)
{
    struct rig *r = rig_new_at(true);
    (void)state;
    rig_run(r, 1);
    r->config.ping_every = 20;
    rig_live(r);
    hide_socket(r);
    loop_until(r->io, rig_says(r, "no such socket; is the engine running?\""));
    show_socket(r);
    unsigned pings = r->pings;
    loop_until(r->io, r->pings >= pings + 2);
    rig_expect(r, "");
    assert_int_equal(r->streams, 1);
    rig_free(r);
}

/* A later start came: it is not gone, the engine is asked until it answers. */
static void starts_while_engine_cannot_be_reached(void **state)
{
    struct rig *r = rig_new_at(true);
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_live(r);
    hide_socket(r);
    rig_event(r, 2, "die", "");
    rig_event(r, 2, "start", "");
    rig_event(r, 1, "die", "");
    loop_until(r->io, rig_has(r, "gone"));
    rig_expect(r, "gone 1\n");
    show_socket(r);
    loop_until(r->io, rig_has(r, "upsert"));
    rig_expect(r, "upsert 2 running\n");
    rig_free(r);
}

/* While connections are refused, inspects pause for longer and longer; not those of the dead. */
static void dies_during_a_pause(void **state)
{
    struct rig *r = rig_new_at(true);
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_run(r, 3);
    rig_live(r);
    hide_socket(r);
    docker_watch_refresh(r->watch, id(1));
    loop_until(r->io, rig_says(r, "\"refused\":6,"));
    /* the pause is 1.6 s at least */
    rig_event(r, 2, "die", "");
    loop_until_ms(r->io, 1000, rig_has(r, "gone 2\n"));
    rig_event(r, 3, "die", "");
    loop_until_ms(r->io, 1000, rig_has(r, "gone 3\n"));
    rig_expect(r, "gone 2\ngone 3\n");
    show_socket(r);
    loop_until(r->io, rig_has(r, "upsert 1 running\n"));
    rig_free(r);
}

/* The stream ends with deaths that could not be looked into. */
static void dies_and_stream_ends(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_live(r);
    r->hold_inspects = true;
    rig_event(r, 1, "die", "");
    rig_event(r, 2, "rename", "");
    loop_until(r->io, r->n_held == 2);
    fake_http_down(r->srv);
    loop_until(r->io, rig_has(r, "down"));
    assert_true(str_starts(buf_str(&r->journal), "gone 1\ndown: "));
    r->n_held = 0;
    r->hold_inspects = false;
    rig_remove(r, 1);
    buf_reset(&r->journal);
    fake_http_up(r->srv);
    loop_until(r->io, r->completes == 2);
    rig_expect(r, "up\nupsert 2 running\ncomplete\n");
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_hangs),
        cmocka_unit_test(most_hang),
        cmocka_unit_test(error_once),
        cmocka_unit_test(connection_reset),
        cmocka_unit_test(not_understood),
        cmocka_unit_test(too_long),
        cmocka_unit_test(bound),
        cmocka_unit_test(refresh),
        cmocka_unit_test(dies_while_engine_goes_down),
        cmocka_unit_test(pings_are_refused),
        cmocka_unit_test(starts_while_engine_cannot_be_reached),
        cmocka_unit_test(dies_during_a_pause),
        cmocka_unit_test(dies_and_stream_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
