/*
 * What the engine says about itself, how it is reached, and what its paths look like.
 */
#include "unit/docker/golden.h"

#include "base/str.h"
#include "docker/peer.h"

static void prefixes(void **state)
{
    (void)state;
    static const struct {
        const char *version, *want;
    } cases[] = {
        {"1.41", "/v1.41"},
        {"1.24", "/v1.24"},
        {"1.52", "/v1.52"},
        {"1.53", "/v1.52"},
        {"2.0", "/v1.52"},
        {"", ""},
        {NULL, ""},
        {"1.23", "the engine speaks API 1.23; 1.24 or later is needed (Docker 1.12)"},
        {"0.99", "the engine speaks API 0.99; 1.24 or later is needed (Docker 1.12)"},
        {"1", "not an API version: \"1\""},
        {"1.", "not an API version: \"1.\""},
        {".41", "not an API version: \".41\""},
        {"1.41/../x", "not an API version: \"1.41/../x\""},
        {"123456789.1", "not an API version: \"123456789.1\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char prefix[DOCKER_PREFIX_MAX] = "untouched";
        struct err e = ERR_INIT;
        int r = docker_api_prefix(prefix, cases[i].version, &e);
        assert_string_equal(r == 0 ? prefix : e.msg, cases[i].want);
        assert_true(r == 0 || streq(prefix, "untouched"));
    }
}

static void info(void **state)
{
    (void)state;
    struct docker_info info = {0};
    struct err e = ERR_INIT;
    for (size_t i = 0; i < 3; i++) {
        struct buf text;
        assert_true(golden_read(&text, golden_engines[i], "info.json"));
        assert_int_equal(docker_decode_info(&info, text.data, text.len, &e), 0);
        assert_string_equal(info.name, "vm");
        buf_deinit(&text);
    }
    const char both[] = "{\"ID\":\"3KXB:W6ZL:C2BD\",\"Containers\":2,\"Name\":\"h1\"}";
    assert_int_equal(docker_decode_info(&info, both, sizeof(both) - 1, &e), 0);
    assert_string_equal(info.name, "h1");
    assert_string_equal(info.id, "3KXB:W6ZL:C2BD");
    assert_int_equal(docker_decode_info(&info, "{}", 2, &e), 0);
    assert_string_equal(info.name, "");
    assert_string_equal(info.id, "");
    assert_int_equal(docker_decode_info(&info, "{\"Name\":\"a\\nb\"}", 15, &e), 0);
    assert_string_equal(info.name, "");
    assert_string_equal(info.id, "");
    assert_int_equal(docker_decode_info(&info, "nope", 4, &e), -EINVAL);
}

static void messages(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
    } cases[] = {
        {"{\"message\":\"No such container: x\"}\n", "No such container: x"},
        {"client version 1.11 is too old.\n", "client version 1.11 is too old."},
        {"{\"cause\":\"c\",\"message\":\"two\\nlines\",\"response\":404}", "two"},
        {"{}", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[64];
        docker_decode_message(text, sizeof(text), cases[i].body, strlen(cases[i].body));
        assert_string_equal(text, cases[i].want);
    }
    char tiny[8];
    docker_decode_message(tiny, sizeof(tiny), "0123456789", 10);
    assert_string_equal(tiny, "0123456");
}

static void signals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
    } cases[] = {
        {"SIGTERM", 15}, {"TERM", 15},        {"term", 15},       {"15", 15},      {"SIGKILL", 9},
        {"sigusr1", 10}, {"SIGRTMIN", 34},    {"SIGRTMIN+3", 37}, {"rtmin+0", 34}, {"SIGRTMAX", 64},
        {"RTMAX-1", 63}, {"SIGRTMAX-30", 34}, {"1", 1},           {"64", 64},      {"SIGCLD", 17},
        {"0", 0},        {"65", 0},           {"-1", 0},          {"", 0},         {"SIG", 0},
        {"SIGFOO", 0},   {"SIGRTMIN+31", 0},  {"SIGRTMIN+", 0},   {"TERM ", 0},    {"SIG15", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int number = 0;
        bool ok = docker_signal_parse(cases[i].text, &number);
        if (ok != (cases[i].want != 0) || number != cases[i].want) {
            fail_msg("%s: %d, want %d", cases[i].text, number, cases[i].want);
        }
    }
}

static const char *or_none(const char *s)
{
    return s ? s : "-";
}

static void peers(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool verify;
        const char *certs, *want;
    } cases[] = {
        {NULL, false, NULL, "http://docker /var/run/docker.sock - - - 0 /var/run/docker.sock"},
        {"", false, "", "http://docker /var/run/docker.sock - - - 0 /var/run/docker.sock"},
        {"unix:///tmp/d.sock", false, NULL, "http://docker /tmp/d.sock - - - 0 /tmp/d.sock"},
        {"unix:///tmp/d.sock", true, "/c", "http://docker /tmp/d.sock - - - 0 /tmp/d.sock"},
        {"/tmp/d.sock", false, NULL, "http://docker /tmp/d.sock - - - 0 /tmp/d.sock"},
        {"tcp://10.0.0.5", false, NULL, "http://10.0.0.5:2375 - - - - 0 tcp://10.0.0.5"},
        {"tcp://10.0.0.5:1234/", false, NULL,
         "http://10.0.0.5:1234 - - - - 0 tcp://10.0.0.5:1234/"},
        {"tcp://h:2376", true, NULL, "https://h:2376 - - - - 0 tcp://h:2376"},
        {"tcp://h", true, "/c", "https://h:2376 - /c/ca.pem /c/cert.pem /c/key.pem 0 tcp://h"},
        {"tcp://h", false, "/c", "https://h:2376 - - /c/cert.pem /c/key.pem 1 tcp://h"},
        {"tcp://[::1]:2375", false, NULL, "http://[::1]:2375 - - - - 0 tcp://[::1]:2375"},
        {"tcp://[fe80::1]", false, NULL, "http://[fe80::1]:2375 - - - - 0 tcp://[fe80::1]"},
        {"http://h", false, "/c", "http://h:80 - - - - 0 http://h"},
        {"https://h", false, NULL, "https://h:443 - - - - 0 https://h"},
        {"https://h:1", false, "/c", "https://h:1 - - /c/cert.pem /c/key.pem 1 https://h:1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct docker_peer p;
        struct err e = ERR_INIT;
        char got[512];
        if (docker_peer_init(&p, cases[i].url, cases[i].verify, cases[i].certs, &e) < 0) {
            fail_msg("%s: %s", or_none(cases[i].url), e.msg);
        }
        snprintf(got, sizeof(got), "%s %s %s %s %s %d %s", p.http.base_url,
                 or_none(p.http.unix_socket), or_none(p.http.ca_file), or_none(p.http.cert_file),
                 or_none(p.http.key_file), p.http.insecure, p.where);
        assert_string_equal(got, cases[i].want);
        docker_peer_deinit(&p);
        docker_peer_deinit(&p); /* idempotent */
    }
}

#define LONG_PATH                                                                                  \
    "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890" \
    "123456789012345678"

static void refused_peers(void **state)
{
    (void)state;
    static const struct {
        const char *url, *want; /* part of the message */
    } cases[] = {
        {"ssh://host", "no such kind of URL here; unix:///PATH, tcp://HOST:PORT,"},
        {"npipe:////./pipe/docker", "no such kind of URL"},
        {"fd://", "no such kind of URL"},
        {"docker.sock", "no such kind of URL"},
        {"unix://docker.sock", "begins with '/'"},
        {"unix://", "begins with '/'"},
        {"unix://" LONG_PATH, "at most 107 bytes"},
        {"tcp://", "not HOST:PORT"},
        {"tcp://:2375", "not HOST:PORT"},
        {"tcp://h:0", "not HOST:PORT"},
        {"tcp://h:65536", "not HOST:PORT"},
        {"tcp://h:", "not HOST:PORT"},
        {"tcp://h:23x", "not HOST:PORT"},
        {"tcp://h:2375/v1.41", "not HOST:PORT"},
        {"tcp://h?x", "not HOST:PORT"},
        {"tcp://user@h", "not HOST:PORT"},
        {"tcp://[::1", "not HOST:PORT"},
        {"tcp://[::1]x", "not HOST:PORT"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct docker_peer p;
        struct err e = ERR_INIT;
        assert_int_equal(docker_peer_init(&p, cases[i].url, false, NULL, &e), -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        if (!strstr(e.msg, cases[i].want)) {
            fail_msg("%s: %s", cases[i].url, e.msg);
        }
    }
}

static void paths(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    docker_path_ping(&out);
    buf_putc(&out, '\n');
    docker_path_info(&out, "/v1.41");
    buf_putc(&out, '\n');
    docker_path_networks(&out, "/v1.41");
    buf_putc(&out, '\n');
    docker_path_list(&out, "");
    buf_putc(&out, '\n');
    docker_path_inspect(&out, "/v1.24", "a b/ä?");
    assert_string_equal(
        buf_str(&out),
        "/_ping\n/v1.41/info\n"
        "/v1.41/networks?filters=%7B%22driver%22%3A%5B%22macvlan%22%2C%22ipvlan%22%5D%7D\n"
        "/containers/json\n/v1.24/containers/a%20b%2F%C3%A4%3F/json");
    buf_deinit(&out);
}

static void since(void **state)
{
    (void)state;
    static const struct {
        uint64_t nano, s;
        const char *want;
    } cases[] = {
        {0, 0, "%7D"},
        {1795181044238410985u, 1795181044, "%7D&since=1795181044.238410985"},
        /* a fraction is decimal: its zeros count */
        {1795181044000000007u, 1795181044, "%7D&since=1795181044.000000007"},
        {0, 1795181044, "%7D&since=1795181044"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(4096);
        docker_path_events(&out, "/v1.41", cases[i].nano, cases[i].s);
        assert_true(str_starts(buf_str(&out), "/v1.41/events?filters=%7B%22type%22%3A%5B"));
        if (!str_ends(buf_str(&out), cases[i].want)) {
            fail_msg("%s, want %s", buf_str(&out), cases[i].want);
        }
        assert_null(strpbrk(buf_str(&out), "{}\"[] "));
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes), cmocka_unit_test(info),  cmocka_unit_test(messages),
        cmocka_unit_test(signals),  cmocka_unit_test(peers), cmocka_unit_test(refused_peers),
        cmocka_unit_test(paths),    cmocka_unit_test(since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
