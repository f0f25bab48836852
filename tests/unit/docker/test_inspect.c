/*
 * Inspects: the recordings of all engines against golden dumps, the form of API 1.52, podman's forms, and
 * bodies that no engine would send.
 */
#include "unit/docker/golden.h"

#include "base/str.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void recordings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(golden_engines); i++) {
        struct buf out = BUF_INIT(GOLDEN_MAX);
        size_t n = 0;
        for (size_t k = 0; k < ARRAY_LEN(golden_inspects); k++) {
            char name[64];
            struct buf text;
            snprintf(name, sizeof(name), "inspect-%s.json", golden_inspects[k]);
            if (golden_read(&text, golden_engines[i], name)) {
                buf_printf(&out, "%s\n", golden_inspects[k]);
                dump_inspect(&out, text.data, text.len, NULL);
                n++;
            }
            buf_deinit(&text);
        }
        assert_true(n >= 2);
        golden_compare(golden_engines[i], "containers.txt", &out);
        buf_deinit(&out);
    }
}

/* What API 1.52 no longer sends of NetworkSettings. */
static const char *const dropped[] = {
    "Bridge",
    "HairpinMode",
    "LinkLocalIPv6Address",
    "LinkLocalIPv6PrefixLen",
    "EndpointID",
    "Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "MacAddress",
    "SandboxKey",
    "SecondaryIPAddresses",
    "SecondaryIPv6Addresses",
};

static bool is_dropped(const char *line, size_t len)
{
    char start[64];
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++) {
        int n = snprintf(start, sizeof(start), "    \"%s\": ", dropped[i]);
        if (len > (size_t)n && memcmp(line, start, (size_t)n) == 0) {
            return true;
        }
    }
    return false;
}

/* The recordings have each of these members on a line of its own, four blanks in. */
static unsigned drop_legacy(struct buf *out, const char *text)
{
    unsigned n = 0;
    const char *p = strstr(text, "\n  \"NetworkSettings\": {");
    assert_non_null(p);
    buf_append(out, text, (size_t)(p - text));
    while (*p) {
        size_t len = strcspn(p, "\n") + 1;
        if (is_dropped(p, len)) {
            n++;
        } else {
            buf_append(out, p, len);
        }
        p += len;
    }
    return n;
}

static void without_legacy_fields(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(golden_inspects); k++) {
        char name[64];
        struct buf text, modern = BUF_INIT(GOLDEN_MAX), a = BUF_INIT(65536), b = BUF_INIT(65536);
        snprintf(name, sizeof(name), "inspect-%s.json", golden_inspects[k]);
        assert_true(golden_read(&text, "28.5.2", name));
        assert_int_equal(drop_legacy(&modern, buf_str(&text)), ARRAY_LEN(dropped));
        dump_inspect(&a, text.data, text.len, NULL);
        dump_inspect(&b, modern.data, modern.len, NULL);
        assert_null(strstr(buf_str(&b), "refused"));
        assert_string_equal(buf_str(&a), buf_str(&b));
        buf_deinit(&text);
        buf_deinit(&modern);
        buf_deinit(&a);
        buf_deinit(&b);
    }
}

/* ---- small bodies ---- */

static void expect_dump(const char *text, const char *want)
{
    struct buf out = BUF_INIT(65536);
    dump_inspect(&out, text, strlen(text), NULL);
    const char *got = buf_str(&out);
    if (!streq(want, got)) {
        fail_msg("%s\nwant\n%sgot\n%s", text, want, got);
    }
    buf_deinit(&out);
}

#define HEAD(state) "  id=" ID "\n  name=n image= hostname= mode=\n  " state "\n"
#define STATE       "running=0 paused=0 restarting=0 health=none exit=0 stop=15/10s started="
#define BODY(rest)  "{\"Id\":\"" ID "\",\"Name\":\"/n\"" rest "}"

static void refused(void **state)
{
    (void)state;
    expect_dump("", "  refused: inspect: not JSON at byte 0 of 0\n");
    expect_dump("{\"Id\":\"" ID "\"", "  refused: inspect: not JSON at byte 71 of 72\n");
    expect_dump("{}", "  refused: inspect.Id: a string expected, nothing found\n");
    expect_dump("[]", "  refused: inspect.Id: a string expected, nothing found\n");
    expect_dump("{\"Id\":7}", "  refused: inspect.Id: a string expected, a number found\n");
    expect_dump("{\"Id\":\"../etc\"}", "  refused: inspect.Id: not a container id: \"../etc\"\n");
    expect_dump("{\"id\":\"" ID "\"}", "  refused: inspect.Id: a string expected, nothing found\n");
}

static void bare(void **state)
{
    (void)state;
    expect_dump(BODY(""), HEAD(STATE));
    expect_dump(BODY(",\"State\":[],\"Config\":3,\"HostConfig\":null,\"NetworkSettings\":\"x\""),
                HEAD(STATE));
}

static void running_states(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"\"Running\":true", "running=1 paused=0 restarting=0 health=none"},
        {"\"Running\":true,\"Paused\":true", "running=1 paused=1 restarting=0 health=none"},
        {"\"Running\":false,\"Paused\":true", "running=1 paused=1 restarting=0 health=none"},
        {"\"Running\":true,\"Restarting\":true", "running=0 paused=0 restarting=1 health=none"},
        {"\"Running\":true,\"Dead\":true", "running=0 paused=0 restarting=0 health=none"},
        {"\"Running\":\"true\"", "running=0 paused=0 restarting=0 health=none"},
        {"\"Health\":{\"Status\":\"\"}", "running=0 paused=0 restarting=0 health=none"},
        {"\"Health\":{\"Status\":\"none\"}", "running=0 paused=0 restarting=0 health=none"},
        {"\"Health\":{\"Status\":\"healthy\"}", "running=0 paused=0 restarting=0 health=healthy"},
        {"\"Health\":{\"Status\":\"odd\"}", "running=0 paused=0 restarting=0 health=starting"},
        {"\"Health\":null", "running=0 paused=0 restarting=0 health=none"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[512], want[512];
        snprintf(text, sizeof(text), BODY(",\"State\":{%s}"), cases[i].json);
        snprintf(want, sizeof(want), HEAD("%s exit=0 stop=15/10s started="), cases[i].want);
        expect_dump(text, want);
    }
}

static void stop_settings(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"\"StopSignal\":\"SIGQUIT\",\"StopTimeout\":3", "3/3s"},
        {"\"StopSignal\":\"bogus\",\"StopTimeout\":0", "15/0s"},
        {"\"StopSignal\":\"SIGRTMIN+3\",\"StopTimeout\":-1", "37/86400s"},
        {"\"StopSignal\":\"9\",\"StopTimeout\":1e12", "9/86400s"},
        {"\"StopSignal\":null,\"StopTimeout\":null", "15/10s"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[512], want[512];
        snprintf(text, sizeof(text), BODY(",\"Config\":{%s}"), cases[i].json);
        snprintf(want, sizeof(want),
                 HEAD("running=0 paused=0 restarting=0 health=none exit=0 stop=%s started="),
                 cases[i].want);
        expect_dump(text, want);
    }
}

static void variables_and_labels(void **state)
{
    (void)state;
    expect_dump(BODY(",\"Config\":{\"Env\":[\"SERVICE_NAME=a=b\",\"PATH=/bin\",\"SERVICE_TAGS\","
                     "\"SERVICE_X=\",7,null,\"service_lower=1\",\"SERVICE_NAME=c\"],"
                     "\"Labels\":{\"z\":\"1\",\"a\":\"\",\"n\":5,\"m.n\":\"\\u00e4\"}}"),
                HEAD(STATE) "  env SERVICE_NAME=a=b\n  env SERVICE_TAGS=\n  env SERVICE_X=\n"
                            "  env SERVICE_NAME=c\n"
                            "  label a=\n  label m.n=\xc3\xa4\n  label z=1\n");
}

static void ports(void **state)
{
    (void)state;
    /* every shape of wire-level ports, unsorted, with what makes no sense among them */
    expect_dump(
        BODY(
            ",\"NetworkSettings\":{\"Ports\":{"
            "\"9000/udp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"9000\"},"
            "{\"HostIp\":\"::\",\"HostPort\":\"9000\"}],"
            "\"80/tcp\":[{\"HostIp\":\"::1\",\"HostPort\":\"8083\"},"
            "{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8082\"},"
            "{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8081\"},{\"HostIp\":\"::\",\"HostPort\":"
            "\"8081\"},"
            "{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8081\"}],"
            "\"5000/sctp\":null,\"7777\":null,\"81/tcp\":[{\"HostIp\":\"x y\",\"HostPort\":\"1\"}],"
            "\"82/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"\"},{\"HostPort\":\"99999\"},3],"
            "\"0/tcp\":null,\"70000/tcp\":null,\"/tcp\":null,\"x/tcp\":null,\"80/icmp\":null,"
            "\"8000-8010/tcp\":null}},"
            "\"Config\":{\"ExposedPorts\":{\"80/tcp\":{},\"81/tcp\":{},\"443/tcp\":{},"
            "\"53/udp\":{}}}"),
        HEAD(STATE) "  port 53/udp unlisted\n"
                    "  port 80/tcp on [0.0.0.0]:8081\n  port 80/tcp on [127.0.0.1]:8082\n"
                    "  port 80/tcp on [::]:8081\n  port 80/tcp on [::1]:8083\n"
                    "  port 81/tcp\n  port 82/tcp\n"
                    "  port 443/tcp unlisted\n  port 5000/sctp\n"
                    "  port 7777/tcp\n"
                    "  port 9000/udp on [0.0.0.0]:9000\n  port 9000/udp on [::]:9000\n");
}

static void podman_ports(void **state)
{
    (void)state;
    expect_dump(BODY(",\"NetworkSettings\":{\"Ports\":{\"80/tcp\":[{\"HostIp\":\"\","
                     "\"HostPort\":\"8081\"}]}}"),
                HEAD(STATE) "  port 80/tcp on []:8081\n");
    expect_dump(BODY(",\"NetworkSettings\":{\"Ports\":{\"80/tcp\":null}}"),
                HEAD(STATE) "  port 80/tcp\n");
}

static void addresses(void **state)
{
    (void)state;
    expect_dump(BODY(",\"NetworkSettings\":{\"IPAddress\":\"172.17.0.9\","
                     "\"GlobalIPv6Address\":\"fd00::9\",\"Networks\":{"
                     "\"front\":{\"IPAddress\":\"172.18.0.2\",\"GlobalIPv6Address\":\"fd00::2\"},"
                     "\"back\":{\"IPAddress\":\"\"},\"odd\":{\"IPAddress\":\"1.2.3.4; down\","
                     "\"GlobalIPv6Address\":7},\"none\":null}}"),
                HEAD(STATE) "  network back v4= v6=\n  network front v4=172.18.0.2 v6=fd00::2\n"
                            "  network none v4= v6=\n  network odd v4= v6=\n");
    /* what API 1.52 dropped is not looked at even where it is all there is */
    expect_dump(BODY(",\"NetworkSettings\":{\"IPAddress\":\"172.17.0.9\",\"Networks\":{}}"),
                HEAD(STATE));
}

static void own_addresses(void **state)
{
    (void)state;
    static const char list[] =
        "[{\"Id\":\"" ID "\",\"Name\":\"lan\",\"Driver\":\"macvlan\"},"
        "{\"Id\":\"x\",\"Name\":\"bridge\",\"Driver\":\"bridge\"},{\"Driver\":3},"
        "{\"Id\":\"\",\"Name\":\"pod\",\"Driver\":\"ipvlan\"}]";
    static const char text[] =
        BODY(",\"NetworkSettings\":{\"Networks\":{\"lan\":{\"NetworkID\":\"" ID "\"},"
             "\"bridge\":{\"NetworkID\":\"x\"},\"pod\":{\"NetworkID\":\"pod\"}}}");
    struct docker_networks nets = DOCKER_NETWORKS_NULL;
    struct buf out = BUF_INIT(65536);
    struct err e = ERR_INIT;
    assert_int_equal(docker_decode_networks(&nets, list, strlen(list), &e), 0);
    assert_int_equal(docker_decode_networks(&nets, list, strlen(list), &e), 0);
    assert_int_equal(nets.n, 2);
    dump_inspect(&out, text, strlen(text), &nets);
    assert_string_equal(buf_str(&out),
                        HEAD(STATE) "  network bridge v4= v6=\n  network lan v4= v6= own-address\n"
                                    "  network pod v4= v6= own-address\n");
    buf_deinit(&out);

    /* a name that was used again for another network does not count where there are ids */
    assert_false(docker_networks_have(
        &nets, "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "lan"));
    docker_networks_deinit(&nets);
    docker_networks_deinit(&nets); /* idempotent */
    assert_int_equal(docker_decode_networks(&nets, "{}", 2, &e), -EINVAL);
    assert_string_equal(e.msg, "networks: not a list");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recordings),
        cmocka_unit_test(without_legacy_fields),
        cmocka_unit_test(refused),
        cmocka_unit_test(bare),
        cmocka_unit_test(running_states),
        cmocka_unit_test(stop_settings),
        cmocka_unit_test(variables_and_labels),
        cmocka_unit_test(ports),
        cmocka_unit_test(podman_ports),
        cmocka_unit_test(addresses),
        cmocka_unit_test(own_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
