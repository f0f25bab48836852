/*
 * Event lines: whole recorded streams, also in the form of API 1.52, and single lines that are odd.
 */
#include "unit/docker/golden.h"

#include <inttypes.h>

#include "base/framer.h"
#include "base/str.h"

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NET "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static const char *const types[] = {"other", "container", "network"};

static void dump_event(struct buf *out, const struct docker_event *ev)
{
    buf_printf(out, "%s %s", types[ev->type], docker_action_name(ev->action));
    if (ev->action != DOCKER_ACTION_OTHER) {
        buf_printf(out, " %.12s net=%.12s/%s%s detail=%s signal=%d %" PRIu64 " %" PRIu64,
                   ev->container, ev->network, ev->network_name, ev->own_address ? "/own" : "",
                   ev->detail, ev->signal, ev->time, ev->time_nano);
    }
    buf_putc(out, '\n');
}

static int dump_line(void *ctx, const char *line, size_t len)
{
    struct docker_event ev;
    struct err e = ERR_INIT;
    if (docker_decode_event(&ev, line, len, &e) < 0) {
        fail_msg("%s\n%s", line, e.msg);
    }
    dump_event(ctx, &ev);
    return 0;
}

static void dump_stream(struct buf *out, const char *text, size_t len)
{
    struct framer f;
    framer_init(&f, DOCKER_EVENT_MAX);
    assert_int_equal(framer_feed(&f, text, len, dump_line, out), 0);
    assert_int_equal(framer_finish(&f, dump_line, out), 0);
    framer_deinit(&f);
}

static void recordings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(golden_engines); i++) {
        struct buf text, out = BUF_INIT(GOLDEN_MAX);
        assert_true(golden_read(&text, golden_engines[i], "events.jsonl"));
        dump_stream(&out, text.data, text.len);
        golden_compare(golden_engines[i], "events.txt", &out);
        buf_deinit(&text);
        buf_deinit(&out);
    }
}

/* API 1.52 has no status, id and from, which come first in all older ones. */
static void without_legacy_fields(void **state)
{
    (void)state;
    struct buf text, modern = BUF_INIT(GOLDEN_MAX), a = BUF_INIT(GOLDEN_MAX),
                     b = BUF_INIT(GOLDEN_MAX);
    unsigned n = 0;
    assert_true(golden_read(&text, "28.5.2", "events.jsonl"));
    for (const char *p = buf_str(&text); *p;) {
        size_t len = strcspn(p, "\n") + 1;
        const char *type = strstr(p, "\"Type\":");
        assert_non_null(type);
        n += type > p + 1;
        buf_putc(&modern, '{');
        buf_append(&modern, type, len - (size_t)(type - p));
        p += len;
    }
    assert_true(n > 100);
    dump_stream(&a, text.data, text.len);
    dump_stream(&b, modern.data, modern.len);
    assert_string_equal(buf_str(&a), buf_str(&b));
    buf_deinit(&text);
    buf_deinit(&modern);
    buf_deinit(&a);
    buf_deinit(&b);
}

static void expect_event(const char *line, const char *want)
{
    struct docker_event ev;
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(4096);
    if (docker_decode_event(&ev, line, strlen(line), &e) < 0) {
        buf_printf(&out, "refused: %s\n", e.msg);
    } else {
        dump_event(&out, &ev);
    }
    const char *got = buf_str(&out);
    if (!streq(want, got)) {
        fail_msg("%s\nwant %sgot  %s", line, want, got);
    }
    buf_deinit(&out);
}

#define CONTAINER(action, attributes)                                                              \
    "{\"Type\":\"container\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" ID                    \
    "\",\"Attributes\":{" attributes "}},\"time\":1795181044,\"timeNano\":1795181044238410985}"
#define NETWORK(action, attributes)                                                                \
    "{\"Type\":\"network\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" NET                     \
    "\",\"Attributes\":{" attributes "}},\"time\":1795181044,\"timeNano\":1795181044238410985}"
#define WHEN " 1795181044 1795181044238410985\n"

static void single_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line, *want;
    } cases[] = {
        /* nanoseconds above 2^53 are exact, also with a label of that name before them */
        {CONTAINER("start", "\"timeNano\":\"5\",\"time\":\"1\""),
         "container start 0123456789ab net=/ detail= signal=0" WHEN},
        {CONTAINER("kill", "\"signal\":\"15\""),
         "container kill 0123456789ab net=/ detail= signal=15" WHEN},
        {CONTAINER("kill", "\"signal\":\"SIGQUIT\""),
         "container kill 0123456789ab net=/ detail= signal=3" WHEN},
        /* a label took the signal's place */
        {CONTAINER("kill", "\"signal\":\"green\""),
         "container kill 0123456789ab net=/ detail= signal=0" WHEN},
        {CONTAINER("kill", ""), "container kill 0123456789ab net=/ detail= signal=0" WHEN},
        {CONTAINER("die", "\"signal\":\"9\",\"exitCode\":\"blue\""),
         "container die 0123456789ab net=/ detail= signal=0" WHEN},
        {CONTAINER("health_status: unhealthy", ""),
         "container health_status 0123456789ab net=/ detail=unhealthy signal=0" WHEN},
        {CONTAINER("health_status", ""),
         "container health_status 0123456789ab net=/ detail= signal=0" WHEN},
        /* podman's words */
        {CONTAINER("remove", ""), "container destroy 0123456789ab net=/ detail= signal=0" WHEN},
        {CONTAINER("died", ""), "container die 0123456789ab net=/ detail= signal=0" WHEN},
        /* nothing that matters */
        {CONTAINER("exec_create: start", ""), "container other\n"},
        {CONTAINER("exec_died", ""), "container other\n"},
        {CONTAINER("exec_die", ""), "container other\n"},
        {CONTAINER("starting", ""), "container other\n"},
        {CONTAINER("star", ""), "container other\n"},
        {CONTAINER("cleanup", ""), "container other\n"},
        {"{\"Type\":\"image\",\"Action\":\"remove\"}", "other other\n"},
        {"{\"Type\":\"volume\",\"Action\":\"destroy\",\"Actor\":3}", "other other\n"},
        {NETWORK("connect", "\"container\":\"" ID "\",\"name\":\"front\",\"type\":\"bridge\""),
         "network connect 0123456789ab net=fedcba987654/front detail= signal=0" WHEN},
        {NETWORK("connect", "\"container\":\"" ID "\",\"name\":\"lan\",\"type\":\"macvlan\""),
         "network connect 0123456789ab net=fedcba987654/lan/own detail= signal=0" WHEN},
        /* podman does not say which container, and has the container's name */
        {NETWORK("connect", "\"name\":\"web\""),
         "network connect  net=fedcba987654/web detail= signal=0" WHEN},
        {NETWORK("disconnect", "\"container\":\"../x\""),
         "network disconnect  net=fedcba987654/ detail= signal=0" WHEN},
        {"{\"Type\":\"network\",\"Action\":\"connect\"}",
         "network connect  net=/ detail= signal=0 0 0\n"},
        /* refused */
        {"{}", "refused: event.Type: a string expected, nothing found\n"},
        {"{\"Type\":\"container\"}", "refused: event.Action: a string expected, nothing found\n"},
        {"{\"Type\":\"container\",\"Action\":\"die\"}",
         "refused: event.Actor.ID: not a container id: \"\"\n"},
        {"{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"0123/../x\"}}",
         "refused: event.Actor.ID: not a container id: \"0123/../x\"\n"},
        {"{\"Type\":", "refused: event: not JSON at byte 7 of 8\n"},
        {"7", "refused: event.Type: a string expected, nothing found\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        expect_event(cases[i].line, cases[i].want);
    }
}

static uint64_t digest(const char *line)
{
    struct docker_event ev;
    assert_int_equal(docker_decode_event(&ev, line, strlen(line), NULL), 0);
    return ev.digest;
}

static void digests(void **state)
{
    (void)state;
    /* the same event, whatever else the line says */
    assert_int_equal(digest(CONTAINER("die", "")), digest(CONTAINER("die", "\"image\":\"x\"")));
    assert_true(digest(CONTAINER("die", "")) != digest(CONTAINER("start", "")));
    assert_true(digest(CONTAINER("health_status: healthy", "")) !=
                digest(CONTAINER("health_status: unhealthy", "")));
    assert_true(digest(NETWORK("connect", "\"container\":\"" ID "\"")) !=
                digest(NETWORK("connect", "\"container\":\"" NET "\"")));
}

static void filter(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    docker_event_filter(&out);
    assert_string_equal(
        buf_str(&out),
        "{\"type\":[\"container\",\"network\"],\"event\":[\"start\",\"die\",\"died\",\"stop\","
        "\"restart\",\"kill\",\"pause\",\"unpause\",\"health_status\",\"rename\",\"update\","
        "\"destroy\",\"remove\",\"connect\",\"disconnect\"]}");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recordings),   cmocka_unit_test(without_legacy_fields),
        cmocka_unit_test(single_lines), cmocka_unit_test(digests),
        cmocka_unit_test(filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
