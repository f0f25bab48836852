/*
 * Bodies around telling a container something: recorded ones, and such as nobody should send.
 */
#include "unit/docker/golden.h"

#include "base/str.h"
#include "docker/decode_control.h"

#define ID "f42a95714253142fd998a3df1d8d5b402e6481b0c1c5af898526b3093ee3654e"

static struct buf recorded(const char *name)
{
    struct buf text;
    if (!golden_read(&text, "20.10.24", name)) {
        fail_msg("%s is not there", name);
    }
    return text;
}

static void states(void **state)
{
    static const struct {
        const char *members;
        bool running, paused, restarting;
        pid_t pid;
    } cases[] = {
        {"\"Running\":true,\"Pid\":7", true, false, false, 7},
        {"\"Running\":false,\"Pid\":0", false, false, false, 0},
        {"\"Running\":true,\"Paused\":true,\"Pid\":7", true, true, false, 7},
        {"\"Running\":false,\"Paused\":true,\"Pid\":7", true, true, false, 7}, /* podman */
        {"\"Running\":true,\"Restarting\":true", true, false, true, 0},
        {"\"Pid\":-1", false, false, false, 0},
        {"\"Pid\":4294967296", false, false, false, 0},
        {"", false, false, false, 0},
    };
    struct docker_container_state s = {0};
    struct err e = ERR_INIT;
    struct buf text = recorded("control-inspect.json");
    (void)state;
    assert_int_equal(docker_decode_state(&s, text.data, text.len, &e), 0);
    assert_string_equal(s.id, ID);
    assert_true(s.running && !s.paused && !s.restarting && !s.terminal);
    assert_int_equal(s.pid, 11344);
    assert_int_equal(s.n_mounts, 1);
    assert_string_equal(s.mounts[0].source, "/srv/conf");
    assert_string_equal(s.mounts[0].destination, "/etc/nginx/conf.d");
    buf_deinit(&text);
    docker_container_state_deinit(&s);
    docker_container_state_deinit(&s); /* idempotent */
    const char mounts[] = "{\"Id\":\"" ID "\",\"Mounts\":[{\"Type\":\"tmpfs\",\"Source\":\"\","
                          "\"Destination\":\"/tmp\"},7,{\"Source\":\"/a\"},"
                          "{\"Source\":\"/a\",\"Destination\":\"/b\"}]}";
    assert_int_equal(docker_decode_state(&s, mounts, sizeof(mounts) - 1, &e), 0);
    assert_int_equal(s.n_mounts, 1);
    assert_string_equal(s.mounts[0].destination, "/b");
    docker_container_state_deinit(&s);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char body[256];
        int n = snprintf(body, sizeof(body),
                         "{\"Id\":\"" ID "\",\"State\":{%s},\"Config\":{\"Tty\":true}}",
                         cases[i].members);
        assert_int_equal(docker_decode_state(&s, body, (size_t)n, &e), 0);
        if (s.running != cases[i].running || s.paused != cases[i].paused ||
            s.restarting != cases[i].restarting || s.pid != cases[i].pid || !s.terminal) {
            fail_msg("%s: running %d, paused %d, restarting %d, pid %d", cases[i].members,
                     s.running, s.paused, s.restarting, (int)s.pid);
        }
        docker_container_state_deinit(&s);
    }
    assert_int_equal(docker_decode_state(&s, "{\"Id\":\"../x\"}", 13, &e), -EINVAL);
    assert_string_equal(e.msg, "inspect.Id: not an id: \"../x\"");
    assert_int_equal(docker_decode_state(&s, "[]", 2, &e), -EINVAL);
    assert_string_equal(e.msg, "inspect: not an object");
    assert_int_equal(docker_decode_state(&s, "{", 1, &e), -EINVAL);
}

static void dump_top(struct buf *out, const char *text, size_t len)
{
    struct docker_top t = DOCKER_TOP_NULL;
    struct err e = ERR_INIT;
    buf_reset(out);
    if (docker_decode_top(&t, text, len, &e) < 0) {
        buf_puts(out, e.msg);
        return;
    }
    for (size_t i = 0; i < t.n; i++) {
        buf_printf(out, "%d %d %s;", (int)t.items[i].pid, (int)t.items[i].parent, t.items[i].title);
    }
    docker_top_deinit(&t);
    docker_top_deinit(&t); /* idempotent */
}

static void tops(void **state)
{
    static const struct {
        const char *body, *want;
    } cases[] = {
        /* the default columns, and busybox' */
        {"{\"Titles\":[\"UID\",\"PID\",\"PPID\",\"C\",\"STIME\",\"TTY\",\"TIME\",\"CMD\"],"
         "\"Processes\":"
         "[[\"root\",\"7\",\"1\",\"0\",\"20:54\",\"?\",\"00:00:00\",\"nginx: worker process\"]]}",
         "7 1 nginx: worker process;"},
        {"{\"Processes\":[[\"7\",\"1\",\"a  b\"]],\"Titles\":[\"PID\",\"PPID\",\"ARGS\"]}",
         "7 1 a  b;"},
        {"{\"Titles\":[\"PPID\",\"COMMAND\",\"PID\"],\"Processes\":[[\"0\",\"init\",\"1\",\"more\"]"
         "]}",
         "1 0 init;"},
        {"{\"Titles\":[\"PID\",\"PPID\",\"CMD\"],\"Processes\":null}", ""},
        {"{\"Titles\":[\"PID\",\"PPID\",\"CMD\"]}", ""},
        /* rows that are none */
        {"{\"Titles\":[\"PID\",\"PPID\",\"CMD\"],\"Processes\":[[],[\"7\"],[\"7\",\"1\"],[\"x\","
         "\"1\",\"a\"],"
         "[\"0\",\"1\",\"a\"],[\"-1\",\"1\",\"a\"],[\"7\",\"99999999999\",\"a\"],[7,1,\"a\"],\"7 1 "
         "a\",7,null,"
         "[\"7\",\"1\",{}],[\"8\",\"1\",\"b\"]]}",
         "8 1 b;"},
        {"{\"Titles\":[\"PID\",\"CMD\"],\"Processes\":[]}",
         "top.Titles: there is no PPID among them"},
        {"{\"Titles\":[\"PPID\",\"CMD\"]}", "top.Titles: there is no PID among them"},
        {"{\"Titles\":[\"PID\",\"PPID\",7]}", "top.Titles: there is no COMMAND among them"},
        {"{}", "top.Titles: there is no PID among them"},
        {"[]", "top: not an object"},
    };
    struct buf out = BUF_INIT(4096);
    struct buf text = recorded("control-top.json");
    (void)state;
    dump_top(&out, text.data, text.len);
    assert_true(
        str_starts(buf_str(&out), "11344 11323 nginx: master process nginx -g daemon off;;"));
    assert_non_null(strstr(buf_str(&out), " 11344 nginx: worker process;"));
    buf_deinit(&text);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        dump_top(&out, cases[i].body, strlen(cases[i].body));
        assert_string_equal(buf_str(&out), cases[i].want);
    }
    buf_deinit(&out);
}

static void commands(void **state)
{
    static const char *const argv[] = {"nginx", "-g", "daemon \"off\";", NULL};
    struct buf text = BUF_INIT(4096);
    struct err e = ERR_INIT;
    char id[CONTAINER_ID_LEN + 1] = "untouched";
    bool running = true;
    int status = -1;
    (void)state;
    docker_exec_body(&text, argv);
    assert_string_equal(buf_str(&text),
                        "{\"AttachStdin\":false,\"AttachStdout\":true,\"AttachStderr\":true,"
                        "\"Tty\":false,\"Cmd\":[\"nginx\",\"-g\",\"daemon \\\"off\\\";\"]}");
    buf_deinit(&text);
    text = recorded("control-exec.json");
    assert_int_equal(docker_decode_exec_id(id, text.data, text.len, &e), 0);
    assert_string_equal(id, "7c67766517d8afd39fe6591dd113ab28f134a508a95ba3a4309b3a94850ed7af");
    buf_deinit(&text);
    assert_int_equal(docker_decode_exec_id(id, "{\"Id\":\"a/../b\"}", 15, &e), -EINVAL);
    assert_int_equal(docker_decode_exec_id(id, "{}", 2, &e), -EINVAL);

    text = recorded("control-exec-state.json");
    assert_int_equal(docker_decode_exec_state(&running, &status, text.data, text.len, &e), 0);
    assert_false(running);
    assert_int_equal(status, 1);
    buf_deinit(&text);
    text = recorded("control-exec-running.json");
    assert_int_equal(docker_decode_exec_state(&running, &status, text.data, text.len, &e), 0);
    assert_true(running);
    assert_int_equal(status, 1);
    buf_deinit(&text);
    /* made, not started */
    const char made[] = "{\"Running\":false,\"ExitCode\":null}";
    running = false;
    assert_int_equal(docker_decode_exec_state(&running, &status, made, sizeof(made) - 1, &e), 0);
    assert_true(running);
    const char odd[] = "{\"Running\":false,\"ExitCode\":99999999999}";
    assert_int_equal(docker_decode_exec_state(&running, &status, odd, sizeof(odd) - 1, &e),
                     -EINVAL);
    assert_int_equal(docker_decode_exec_state(&running, &status, "7", 1, &e), -EINVAL);
}

/* Feeds text in portions of `portion` bytes; what came out, or why not. */
static void feed(struct buf *out, const char *text, size_t len, bool maybe_raw, size_t portion)
{
    struct docker_frames f;
    struct err e = ERR_INIT;
    int r = 0;
    docker_frames_init(&f, maybe_raw);
    buf_reset(out);
    for (size_t at = 0; at < len && r == 0; at += portion) {
        r = docker_frames_feed(&f, text + at, len - at < portion ? len - at : portion, out, &e);
    }
    if (r == 0) {
        r = docker_frames_finish(&f, &e);
    }
    if (r < 0) {
        assert_int_equal(e.class, ERR_TRANSIENT);
        buf_printf(out, "|%s", e.msg);
    }
}

static void frames(void **state)
{
#define TEXT(s) s, sizeof(s) - 1
    static const struct {
        const char *text;
        size_t len;
        bool maybe_raw;
        const char *want;
    } cases[] = {
        {TEXT(""), false, ""},
        {TEXT("\1\0\0\0\0\0\0\2ab\2\0\0\0\0\0\0\3cde"), false, "abcde"},
        {TEXT("\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\1x"), false, "x"},
        {TEXT("\1\0\0\0\0\0\0\2ab\2\0\0\0\0\0"), false, "ab|output: ends inside of a frame"},
        {TEXT("\1\0\0\0\0\0\0\3ab"), false, "ab|output: ends inside of a frame"},
        {TEXT("\1"), true, "|output: ends inside of a frame"},
        {TEXT("text\n"), false, "|output: byte 0x74 where a frame should begin"},
        {TEXT("text\n"), true, "text\n"},
        {TEXT("\1\0\0text\n"), false, "|output: byte 0x01 where a frame should begin"},
        {TEXT("\4\0\0\0\0\0\0\1x"), false, "|output: byte 0x04 where a frame should begin"},
        {TEXT("\2\0\0\0\0\0\0\1xtext\n"), true, "x|output: byte 0x74 where a frame should begin"},
    };
    struct buf out = BUF_INIT(4096);
    struct buf text = recorded("control-refused.bin");
    (void)state;
    for (size_t portion = 1; portion < 200; portion++) {
        feed(&out, text.data, text.len, false, portion);
        assert_non_null(strstr(buf_str(&out), "[emerg] "));
        assert_true(str_ends(buf_str(&out),
                             "\nnginx: configuration file /etc/nginx/nginx.conf test "
                             "failed\n"));
    }
    buf_deinit(&text);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t portion = 1; portion < 20; portion++) {
            if (cases[i].len > 0 && cases[i].text[0] > 0 && cases[i].text[0] < 4 &&
                memchr(cases[i].text, 't', cases[i].len) == cases[i].text + 3 && portion > 1) {
                continue; /* the byte that is named depends on it */
            }
            feed(&out, cases[i].text, cases[i].len, cases[i].maybe_raw, portion);
            if (!streq(buf_str(&out), cases[i].want)) {
                fail_msg("case %zu, %zu bytes at once: %s\nwant %s", i, portion, buf_str(&out),
                         cases[i].want);
            }
        }
    }
    buf_deinit(&out);
#undef TEXT
}

static void too_much_output(void **state)
{
    struct docker_frames f;
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(5);
    char frame[8 + 100] = {1, 0, 0, 0, 0, 0, 0, 100};
    (void)state;
    docker_frames_init(&f, false);
    for (int i = 0; i < 3; i++) {
        memset(frame + 8, 'a' + i, 100);
        assert_int_equal(docker_frames_feed(&f, frame, sizeof(frame), &out, &e), 0);
    }
    assert_int_equal(docker_frames_finish(&f, &e), 0);
    assert_string_equal(buf_str(&out), "aaaaa");
    assert_int_equal(buf_error(&out), 0);
    buf_deinit(&out);
}

static void log_ends(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"2026-11-20T20:59:13.583264632Z text\n", "1795208353.583264633"},
        {"2026-11-20T20:59:13Z text\n", "1795208353.000000001"},
        {"2026-11-20T20:59:13.5Z\n", "1795208353.500000001"},
        {"2026-11-20T20:59:13.999999999Z text", "1795208354.000000000"},
        {"2026-11-20T22:59:13.583264632+02:00 text\n", "1795208353.583264633"},
        {"2026-11-20T15:29:13.583264632-05:30 text\n", "1795208353.583264633"},
        {"2026-11-20T20:59:12Z a\n2026-11-20T20:59:13Z b\nc\n", "1795208353.000000001"},
        {"", NULL},
        {"text\n\n", NULL},
        {"2026-11-20T20:59:13 text\n", NULL},
        {"2026-11-20T20:59:13Ztext\n", NULL},
        {"2026-11-20T20:59\n", NULL},
        {"1960-11-20T20:59:13Z text\n", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[DOCKER_LOG_END_MAX] = "untouched";
        bool ok = docker_decode_log_end(got, cases[i].text);
        const char *want = cases[i].want ? cases[i].want : "untouched";
        if (ok != (cases[i].want != NULL) || !streq(got, want)) {
            fail_msg("%s: %s, want %s", cases[i].text, got, want);
        }
    }
    struct buf out = BUF_INIT(4096);
    struct buf text = recorded("control-log-end.bin");
    char got[DOCKER_LOG_END_MAX];
    feed(&out, text.data, text.len, true, 1000);
    assert_true(docker_decode_log_end(got, buf_str(&out)));
    assert_string_equal(got, "1795209551.926721177");
    buf_deinit(&text);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),          cmocka_unit_test(tops),
        cmocka_unit_test(commands),        cmocka_unit_test(frames),
        cmocka_unit_test(too_much_output), cmocka_unit_test(log_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
