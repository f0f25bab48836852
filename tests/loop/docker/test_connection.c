/*
 * Making, losing and ending the connection to an engine.
 */
#include "loop/docker/rig.h"

#include <sys/stat.h>

#include "base/json.h"

static void down_at_start(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    fake_http_down(r->srv);
    rig_open(r);
    loop_until(r->io, rig_says(r, "\"reconnects\":3,"));
    assert_int_equal(rig_count(r, "down: "), 1);
    assert_true(rig_has(r, "connection refused; is the engine running?\n"));
    buf_reset(&r->journal);
    rig_run(r, 1);
    fake_http_up(r->srv);
    loop_until(r->io, r->completes == 1);
    rig_expect(r, "up\nupsert 1 running\ncomplete\n");
    rig_free(r);
}

static void no_socket(void **state)
{
    struct rig *r = rig_new_at(true);
    char want[400];
    (void)state;
    fake_http_down(r->srv);
    rig_open(r);
    loop_until(r->io, rig_has(r, "down"));
    snprintf(want, sizeof(want), "down: %s: no such socket; is the engine running?\n", r->socket);
    rig_expect(r, want);
    rig_free(r);
}

static void socket_without_listener(void **state)
{
    struct rig *r = rig_new_at(true);
    char away[300];
    (void)state;
    /* a killed engine leaves its socket behind */
    snprintf(away, sizeof(away), "%s.away", r->socket);
    assert_int_equal(rename(r->socket, away), 0);
    fake_http_down(r->srv);
    assert_int_equal(rename(away, r->socket), 0);
    rig_open(r);
    loop_until(r->io, rig_has(r, "down"));
    assert_true(rig_has(r, "connection refused; is the engine running?\n"));
    rig_free(r);
}

static void not_permitted(void **state)
{
    struct rig *r = rig_new_at(true);
    uid_t me = geteuid();
    (void)state;
    assert_int_equal(chmod(r->dir, 0755), 0);
    assert_int_equal(chmod(r->socket, 0), 0);
    assert_int_equal(me == 0 ? seteuid(65534) : 0, 0);
    rig_open(r);
    loop_until(r->io, rig_has(r, "down"));
    assert_int_equal(me == 0 ? seteuid(0) : 0, 0);
    assert_true(
        rig_has(r, "permission denied; run as root or as a member of the socket's group\n"));
    assert_int_equal(chmod(r->socket, 0777), 0);
    loop_until(r->io, r->completes == 1);
    rig_free(r);
}

/* An engine that starts takes connections and does not answer. */
static void hangs_at_start(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.answer_timeout = 150;
    r->hold_ping = true;
    rig_open(r);
    loop_until(r->io, r->pings >= 2);
    assert_int_equal(rig_count(r, "down: "), 1);
    assert_true(rig_has(r, ": ping: no answer in time\n"));
    r->hold_ping = false;
    loop_until(r->io, r->completes == 1);
    rig_free(r);
}

static void head_does_not_come(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.answer_timeout = 150;
    r->hold_head = true;
    rig_open(r);
    loop_until(r->io, r->streams >= 2);
    assert_true(rig_has(r, ": events: no answer in time\n"));
    assert_int_equal(r->lists, 0);
    r->hold_head = false;
    loop_until(r->io, r->completes == 1);
    rig_free(r);
}

static void stream_refused(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->events_status = 500;
    rig_open(r);
    loop_until(r->io, r->streams >= 2);
    rig_expect(r, "down: events: HTTP 500: no events here\n");
    r->events_status = 0;
    loop_until(r->io, r->completes == 1);
    rig_free(r);
}

static void engine_too_old(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->api_version = "1.23";
    rig_open(r);
    loop_until(r->io, r->pings >= 2);
    rig_expect(r, "down: the engine speaks API 1.23; 1.24 or later is needed (Docker 1.12)\n");
    r->api_version = "1.41"; /* it was updated */
    loop_until(r->io, r->completes == 1);
    rig_free(r);
}

/* A proxy in front of the socket may refuse it. */
static void info_refused(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->info_status = 403;
    rig_live(r);
    assert_string_equal(docker_watch_engine_name(r->watch), "");
    rig_free(r);
}

static void info_does_not_come(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.answer_timeout = 150;
    r->hold_info = true;
    rig_open(r);
    loop_until(r->io, r->infos >= 2);
    assert_true(rig_has(r, ": info: no answer in time\n"));
    assert_int_equal(r->streams, 0); /* the name may still come, and it is part of every key */
    r->hold_info = false;
    loop_until(r->io, r->completes == 1);
    assert_string_equal(docker_watch_engine_name(r->watch), "dock");
    rig_free(r);
}

/* The stream goes on from the last event, which comes again. */
static void reconnects_from_the_last_event(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    rig_run(r, 2);
    rig_live(r);
    r->nano = 1795181044000000000u; /* the fraction's zeros count */
    rig_event(r, 1, "kill", "\"signal\":\"1\"");
    loop_until(r->io, rig_has(r, "stop 1 1\n"));
    fake_reset(r->stream); /* without a final chunk */
    loop_until(r->io, r->streams == 2);
    assert_true(str_ends(r->events_path, "&since=1795181044.000001000"));
    loop_until(r->io, r->completes == 2);
    buf_reset(&r->journal);

    r->nano -= 1000;
    rig_event(r, 1, "kill", "\"signal\":\"1\""); /* the same */
    r->nano -= 1000;
    rig_event(r, 2, "kill", "\"signal\":\"1\""); /* in the same nanosecond */
    r->nano -= 1000;
    rig_event(r, 2, "kill", "\"signal\":\"1\"");
    rig_event(r, 1, "kill", "\"signal\":\"2\"");
    loop_until(r->io, rig_has(r, "stop 1 2\n"));
    rig_expect(r, "stop 2 1\nstop 1 2\n");
    assert_int_equal(r->infos, 1); /* the name is known */
    rig_free(r);
}

/* Everything may have happened meanwhile. */
static void gone_and_back(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    for (unsigned n = 1; n <= 5; n++) {
        rig_run(r, n);
    }
    rig_live(r);
    rig_stop(r, 5);
    rig_event(r, 5, "die", "");
    loop_until(r->io, rig_has(r, "upsert 5 stopped\n"));
    buf_reset(&r->journal);

    fake_http_down(r->srv);
    loop_until(r->io, rig_has(r, "down"));
    assert_true(str_starts(buf_str(&r->journal), "down: "));
    assert_true(rig_has(r, ": the event stream has ended\n"));
    buf_reset(&r->journal);
    rig_remove(r, 1);
    rig_stop(r, 2);
    r->c[3].paused = true;
    rig_remove(r, 5); /* stopped before, removed unseen */
    rig_run(r, 6);
    fake_http_up(r->srv);
    loop_until(r->io, r->completes == 2);
    assert_true(str_starts(buf_str(&r->journal), "up\n"));
    assert_true(str_ends(buf_str(&r->journal), "complete\n"));
    assert_int_equal(rig_count(r, "gone-listed 1\n"), 1);
    assert_int_equal(rig_count(r, "upsert 2 stopped\n"), 1);
    assert_int_equal(rig_count(r, "upsert 3 paused\n"), 1);
    assert_int_equal(rig_count(r, "upsert 4 running\n"), 1);
    assert_int_equal(rig_count(r, "gone-listed 5\n"), 1);
    assert_int_equal(rig_count(r, "upsert 6 running\n"), 1);
    assert_int_equal(rig_count(r, "\n"), 8);
    rig_free(r);
}

/* The engine hangs, the stream is silent, and nobody would know. */
static void stalls(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    r->config.ping_every = 30;
    r->config.answer_timeout = 200;
    rig_live(r);
    loop_until(r->io, r->pings >= 4); /* a quiet stream is no stall */
    assert_int_equal(r->streams, 1);
    r->hold_ping = true;
    loop_until(r->io, rig_has(r, "down"));
    assert_true(rig_has(r, ": ping: no answer in time\n"));
    r->hold_ping = false;
    loop_until(r->io, r->completes == 2);
    assert_int_equal(r->streams, 2);
    rig_free(r);
}

static void stream_ends_while_listing(void **state)
{
    struct rig *r = rig_new();
    (void)state;
    rig_run(r, 1);
    r->hold_list = true;
    rig_open(r);
    loop_until(r->io, r->list);
    fake_reset(r->stream);
    r->hold_list = false;
    loop_until(r->io, r->completes == 1);
    assert_int_equal(r->streams, 2);
    assert_int_equal(rig_count(r, "upsert 1 running\n"), 1);
    rig_free(r);
}

/* ---- closing ---- */

/* Brings the watch to some point and says when it is there. */
static bool at_ping(const struct rig *r)
{
    return r->pings == 1;
}
static bool at_info(const struct rig *r)
{
    return r->infos == 1;
}
static bool at_head(const struct rig *r)
{
    return r->streams == 1;
}
static bool at_networks(const struct rig *r)
{
    return strstr(r->asked, "/networks") != NULL;
}
static bool at_list(const struct rig *r)
{
    return r->list != NULL;
}
static bool at_inspects(const struct rig *r)
{
    return r->n_held == 16;
}
static bool at_live(const struct rig *r)
{
    return r->completes == 1;
}
static bool at_side_ping(const struct rig *r)
{
    return r->pings == 3;
}
static bool at_backoff(const struct rig *r)
{
    return rig_says(r, "\"state\":\"backoff\"");
}
static bool at_delayed(const struct rig *r)
{
    return rig_says(r, "\"delayed\":1,");
}

static void hold_ping(struct rig *r)
{
    r->hold_ping = true;
}
static void hold_info(struct rig *r)
{
    r->hold_info = true;
}
static void hold_head(struct rig *r)
{
    r->hold_head = true;
}
static void hold_networks(struct rig *r)
{
    r->hold_networks = true;
}
static void hold_list(struct rig *r)
{
    r->hold_list = true;
}
static void hold_inspects(struct rig *r)
{
    r->hold_inspects = true;
}
static void hold_nothing(struct rig *r)
{
}
static void ping_often(struct rig *r)
{
    r->config.ping_every = 10;
}
static void engine_down(struct rig *r)
{
    fake_http_down(r->srv);
}
static void fail_one(struct rig *r)
{
    r->c[1].status = 500;
}

static void close_at_any_point(void **state)
{
    static const struct {
        const char *name;
        void (*prepare)(struct rig *r);
        bool (*reached)(const struct rig *r);
    } points[] = {
        {"ping", hold_ping, at_ping},         {"info", hold_info, at_info},
        {"head", hold_head, at_head},         {"networks", hold_networks, at_networks},
        {"list", hold_list, at_list},         {"inspects", hold_inspects, at_inspects},
        {"live", hold_nothing, at_live},      {"side ping", ping_often, at_side_ping},
        {"backoff", engine_down, at_backoff}, {"delayed", fail_one, at_delayed},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        struct rig *r = rig_new();
        for (unsigned n = 1; n <= 20; n++) {
            rig_run(r, n);
        }
        points[i].prepare(r);
        rig_open(r);
        loop_until(r->io, points[i].reached(r));
        size_t journal = r->journal.len;
        rig_close(r);
        loop_until(r->io, r->closed);
        if (r->journal.len != journal) {
            fail_msg("%s: told after close: %s", points[i].name, buf_str(&r->journal) + journal);
        }
        rig_free(r);
    }
    /* before the first turn of the loop */
    struct rig *r = rig_new();
    rig_open(r);
    rig_close(r);
    loop_until(r->io, r->closed);
    rig_free(r);
}

static void close_from_callbacks(void **state)
{
    static const char *const at[] = {"up",   "upsert 1", "complete", "gone 3",
                                     "stop", "gone 4",   "down"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        struct rig *r = rig_new();
        r->close_at = at[i];
        rig_run(r, 1);
        rig_run(r, 2);
        rig_run(r, 3);
        rig_run(r, 4);
        rig_open(r);
        loop_until(r->io, !r->close_at || r->completes == 1);
        if (r->close_at) {
            char two[1024];
            r->c[4].hold = true;
            rig_event(r, 4, "die", "");
            loop_until(r->io, r->n_held == 1);
            /* in one portion */
            snprintf(two, sizeof(two),
                     "{\"Type\":\"container\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"%s\"}}\n"
                     "{\"Type\":\"container\",\"Action\":\"kill\",\"Actor\":{\"ID\":\"%s\"}}\n"
                     "{\"Type\":\"container\",\"Action\":\"kill\",\"Actor\":{\"ID\":\"%s\"}}\n",
                     id(3), id(1), id(2));
            rig_line(r, two);
            loop_until(r->io, !r->close_at || rig_has(r, "stop 2"));
        }
        if (r->close_at) {
            fake_http_down(r->srv);
        }
        loop_until(r->io, r->closed);
        const char *last = strstr(buf_str(&r->journal), at[i]);
        assert_string_equal(strchr(last, '\n'), "\n"); /* the last line */
        rig_free(r);
    }
}

static void describes(void **state)
{
    struct rig *r = rig_new();
    struct buf out = BUF_INIT(4096);
    struct err e = ERR_INIT;
    CLEANUP_JSON json *j = NULL;
    (void)state;
    rig_run(r, 1);
    rig_live(r);
    rig_event(r, 1, "pause", "");
    loop_until(r->io, rig_has(r, "upsert"));
    docker_watch_describe(r->watch, &out);
    assert_int_equal(json_parse(&j, out.data, out.len, &e), 0);
    assert_string_equal(json_str(j, "state", ""), "live");
    assert_string_equal(json_str(j, "engine", ""), "dock");
    assert_string_equal(json_str(j, "api", ""), "/v1.41");
    assert_string_equal(json_str(j, "last_event", ""), "1795181044238411985");
    assert_int_equal(json_int(j, "containers", -1), 1);
    assert_int_equal(json_int(j, "events", -1), 1);
    buf_deinit(&out);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(down_at_start),
        cmocka_unit_test(no_socket),
        cmocka_unit_test(socket_without_listener),
        cmocka_unit_test(not_permitted),
        cmocka_unit_test(hangs_at_start),
        cmocka_unit_test(head_does_not_come),
        cmocka_unit_test(stream_refused),
        cmocka_unit_test(engine_too_old),
        cmocka_unit_test(info_refused),
        cmocka_unit_test(info_does_not_come),
        cmocka_unit_test(reconnects_from_the_last_event),
        cmocka_unit_test(gone_and_back),
        cmocka_unit_test(stalls),
        cmocka_unit_test(stream_ends_while_listing),
        cmocka_unit_test(close_at_any_point),
        cmocka_unit_test(close_from_callbacks),
        cmocka_unit_test(describes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
