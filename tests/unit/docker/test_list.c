/*
 * The list of containers: recorded lists in portions of every size, and lists that are none.
 */
#include "unit/docker/golden.h"

#include "base/str.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static int dump_item(void *ctx, const struct docker_list_item *item)
{
    static const char *const states[] = {"other", "running", "paused", "restarting"};
    buf_printf(ctx, "%s %s\n", item->id, states[item->state]);
    return 0;
}

/* Feeds text in portions of n bytes; a refusal is dumped too. */
static void dump_list(struct buf *out, const char *text, size_t len, size_t n)
{
    struct docker_list l;
    struct err e = ERR_INIT;
    int r = 0;
    docker_list_init(&l);
    for (size_t at = 0; r == 0 && at < len; at += n) {
        r = docker_list_feed(&l, text + at, len - at < n ? len - at : n, dump_item, out, &e);
    }
    if (r == 0) {
        r = docker_list_finish(&l, &e);
    }
    if (r < 0) {
        buf_printf(out, "refused: %s\n", e.msg);
    }
    docker_list_deinit(&l);
    docker_list_deinit(&l); /* idempotent */
}

static void recordings(void **state)
{
    (void)state;
    static const struct {
        const char *engine, *first, *last;
        size_t n;
    } lists[] = {
        {"20.10.24", NULL, NULL, 13},
        {"26.1.5", NULL, NULL, 13},
        {"28.5.2", "a2b34ea181675e368b35d030972aba32bf716af84c0d0983d2736dc1c974b052 running\n",
         "511358bade90aee0883b0d00429e78d5f6ddcda793643fd9e3e831522e09f529 running\n", 13},
        {"podman-4.3.1",
         "427881731cbd043cd869f40bf7c55a49c1498ec9cfc6986fcf0567984570df79 running\n", NULL, 1},
    };
    static const size_t portions[] = {1, 7, 4096, SIZE_MAX / 2};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct buf text, want = BUF_INIT(65536);
        assert_true(golden_read(&text, lists[i].engine, "list.json"));
        dump_list(&want, text.data, text.len, text.len);
        size_t n = 0;
        for (const char *p = buf_str(&want); (p = strstr(p, " running\n")) != NULL; p++) {
            n++;
        }
        assert_int_equal(n, lists[i].n);
        assert_true(!lists[i].first || str_starts(buf_str(&want), lists[i].first));
        assert_true(!lists[i].last || str_ends(buf_str(&want), lists[i].last));
        for (size_t k = 0; k < ARRAY_LEN(portions); k++) {
            struct buf got = BUF_INIT(65536);
            dump_list(&got, text.data, text.len, portions[k]);
            assert_string_equal(buf_str(&want), buf_str(&got));
            buf_deinit(&got);
        }
        buf_deinit(&text);
        buf_deinit(&want);
    }
}

static void small_lists(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"[]", ""},
        {" [ ] \r\n", ""},
        {"[{\"Id\":\"" ID "0\",\"State\":\"paused\"}, {\"Id\":\"" ID
         "1\",\"State\":\"restarting\"},"
         "{\"Id\":\"" ID "2\"}]\n",
         ID "0 paused\n" ID "1 restarting\n" ID "2 other\n"},
        /* brackets, quotes and backslashes inside strings do not count */
        {"[{\"Labels\":{\"a]}\":\"\\\"}]{[\\\\\"},\"Id\":\"" ID "0\",\"State\":\"running\"}]",
         ID "0 running\n"},
        {"", "refused: list of containers: ends early, at byte 0\n"},
        {"[", "refused: list of containers: ends early, at byte 1\n"},
        {"[{\"Id\":\"" ID "0\"}",
         ID "0 other\nrefused: list of containers: ends early, at byte 74\n"},
        {"{}", "refused: list of containers: not a list of objects at byte 0 ('{')\n"},
        {"[,", "refused: list of containers: not a list of objects at byte 1 (',')\n"},
        {"[7]", "refused: list of containers: not a list of objects at byte 1 ('7')\n"},
        {"[[]]", "refused: list of containers: not a list of objects at byte 1 ('[')\n"},
        {"[]x", "refused: list of containers: not a list of objects at byte 2 ('x')\n"},
        {"[{}]", "refused: list of containers, before byte 3: container.Id: a string expected, "
                 "nothing found\n"},
        {"[{\"Id\":\"x\"}]",
         "refused: list of containers, before byte 11: container.Id: not a container id: \"x\"\n"},
        {"[{\"Id\":\"" ID "0\"},]",
         ID "0 other\nrefused: list of containers: not a list of objects at byte 75 (']')\n"},
        {"[{\"a\":[}}]", "refused: list of containers, before byte 9: not JSON at byte 6 of 8\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t n = 1; n < 100; n += 98) {
            struct buf out = BUF_INIT(4096);
            dump_list(&out, cases[i].text, strlen(cases[i].text), n);
            const char *got = buf_str(&out);
            if (!streq(got, cases[i].want)) {
                fail_msg("%s\nwant\n%s\ngot\n%s", cases[i].text, cases[i].want, got);
            }
            buf_deinit(&out);
        }
    }
}

/* A megabyte of something, again and again. */
static int feed_filling(struct docker_list *l, char c, size_t megabytes, struct err *e)
{
    size_t len = 1024u * 1024;
    char *p = xmalloc(len);
    int r = 0;
    memset(p, c, len);
    for (size_t i = 0; r == 0 && i < megabytes; i++) {
        r = docker_list_feed(l, p, len, dump_item, NULL, e);
    }
    free(p);
    return r;
}

static void caps(void **state)
{
    (void)state;
    struct docker_list l;
    struct err e = ERR_INIT;
    docker_list_init(&l);
    assert_int_equal(docker_list_feed(&l, "[{\"a\":\"", 7, dump_item, NULL, &e), 0);
    assert_int_equal(feed_filling(&l, 'x', 1, &e), 0);
    assert_int_equal(feed_filling(&l, 'x', 1, &e), -EMSGSIZE);
    assert_string_equal(e.msg, "list of containers: an element longer than 2097152 bytes");
    docker_list_deinit(&l);

    docker_list_init(&l);
    assert_int_equal(feed_filling(&l, ' ', 64, &e), 0);
    assert_int_equal(feed_filling(&l, ' ', 1, &e), -EMSGSIZE);
    assert_string_equal(e.msg, "list of containers: longer than 67108864 bytes");
    docker_list_deinit(&l);
}

static int stop_at_first(void *ctx, const struct docker_list_item *item)
{
    ++*(unsigned *)ctx;
    return -ECANCELED;
}

static void stops(void **state)
{
    (void)state;
    static const char text[] = "[{\"Id\":\"" ID "0\"},{\"Id\":\"" ID "1\"}]";
    struct docker_list l;
    struct err e = ERR_INIT;
    unsigned calls = 0;
    docker_list_init(&l);
    assert_int_equal(docker_list_feed(&l, text, strlen(text), stop_at_first, &calls, &e),
                     -ECANCELED);
    assert_int_equal(calls, 1);
    docker_list_deinit(&l);
}

static int keep_digest(void *ctx, const struct docker_list_item *item)
{
    *(uint64_t *)ctx = item->digest;
    return 0;
}

static uint64_t digest(const char *status, const char *ports, const char *more)
{
    struct docker_list l;
    struct err e = ERR_INIT;
    struct buf text = BUF_INIT(4096);
    uint64_t ret = 0;
    buf_printf(&text,
               "[{\"Id\":\"" ID "f\",\"Names\":[\"/a\"],\"State\":\"running\",\"Status\":\"%s\","
               "\"Ports\":[%s]%s}]",
               status, ports, more);
    docker_list_init(&l);
    assert_int_equal(docker_list_feed(&l, buf_str(&text), text.len, keep_digest, &ret, &e), 0);
    docker_list_deinit(&l);
    buf_deinit(&text);
    return ret;
}

/* Order and age do not count; what a service depends on does. */
static void digests(void **state)
{
    (void)state;
    const char *one =
        "{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"}";
    const char *two = "{\"PrivatePort\":53,\"Type\":\"udp\"}";
    char forth[256], back[256];
    snprintf(forth, sizeof(forth), "%s,%s", one, two);
    snprintf(back, sizeof(back), "%s,%s", two, one);
    uint64_t base = digest("Up 9 seconds", forth, "");
    assert_true(base != 0);
    assert_true(base == digest("Up 2 hours", back, ""));
    assert_false(base == digest("Up 9 seconds (healthy)", forth, ""));
    assert_false(base == digest("Up 9 seconds", one, ""));
    assert_false(digest("Up", "", ",\"Labels\":{\"a\":\"b\"}") ==
                 digest("Up", "", ",\"Labels\":{\"a\":\"c\"}"));
    assert_false(digest("Up", "", ",\"HostConfig\":{\"NetworkMode\":\"x\"}") ==
                 digest("Up", "", ""));
#define NETWORK(address)                                                                           \
    ",\"NetworkSettings\":{\"Networks\":{\"n\":{\"IPAddress\":\"" address "\"}}}"
    assert_false(digest("Up", "", NETWORK("10.0.0.1")) == digest("Up", "", NETWORK("10.0.0.2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recordings), cmocka_unit_test(small_lists), cmocka_unit_test(caps),
        cmocka_unit_test(stops),      cmocka_unit_test(digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
