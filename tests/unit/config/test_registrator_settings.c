/*
 * Registrator's command line: defaults, every flag, every refusal, and the variables that count.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "config/registrator_settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ARGV(...) ((char **)(const char *[]){__VA_ARGS__, NULL})
#define URI       "consul://127.0.0.1:8500"

static char *nothing[] = {NULL};

static int load(struct registrator_settings *ret, char **argv, char **envp, struct err *e)
{
    struct options_input input = {.argv = argv, .envp = envp};
    while (argv[input.argc]) {
        input.argc++;
    }
    return registrator_settings_load(ret, &input, e);
}

static void has_registrators_defaults(void **state)
{
    struct registrator_settings s;
    assert_int_equal(load(&s, ARGV(URI), nothing, NULL), 0);
    assert_string_equal(s.registry.uri, URI);
    assert_true(s.registry.registrator);
    assert_string_equal(s.flags.ip, "");
    assert_string_equal(s.flags.ip_label, "");
    assert_string_equal(s.flags.tags, "");
    assert_string_equal(s.flags.deregister, "always");
    assert_false(s.flags.internal || s.flags.explicit_only || s.flags.cleanup);
    assert_int_equal(s.flags.ttl, 0);
    assert_int_equal(s.flags.ttl_refresh, 0);
    assert_int_equal(s.flags.resync, 0);
    assert_int_equal(s.flags.retry_attempts, 0);
    assert_int_equal(s.flags.retry_interval, 2000);
    options_deinit(&s.base);
}

static void takes_every_flag(void **state)
{
    char **argv =
        ARGV("-ip=10.1.2.3", "-internal", "--explicit=true", "-useIpFromLabel", "ip/x", "-ttl",
             "30", "-ttl-refresh=0x10", "-tags", "a,b", "--resync", "5", "-deregister=on-success",
             "-retry-attempts", "-1", "-retry-interval=1_000", "-cleanup", URI);
    struct registrator_settings s;
    assert_int_equal(load(&s, argv, nothing, NULL), 0);
    assert_string_equal(s.registry.uri, URI);
    assert_string_equal(s.flags.ip, "10.1.2.3");
    assert_string_equal(s.flags.ip_label, "ip/x");
    assert_string_equal(s.flags.tags, "a,b");
    assert_string_equal(s.flags.deregister, "on-success");
    assert_true(s.flags.internal && s.flags.explicit_only && s.flags.cleanup);
    assert_int_equal(s.flags.ttl, 30);
    assert_int_equal(s.flags.ttl_refresh, 16);
    assert_int_equal(s.flags.resync, 5);
    assert_int_equal(s.flags.retry_attempts, -1);
    assert_int_equal(s.flags.retry_interval, 1000);
    options_deinit(&s.base);

    assert_int_equal(load(&s, ARGV("-ip", "fd00::1", "--", URI), nothing, NULL), 0);
    assert_string_equal(s.flags.ip, "fd00::1");
    options_deinit(&s.base);
}

static void tells_usage_from_what_makes_no_sense(void **state)
{
    static const struct {
        int r;
        const char *argv[5];
        const char *want;
    } cases[] = {
        {REGISTRATOR_E_USAGE, {NULL}, "no registry URI is given"},
        {REGISTRATOR_E_USAGE, {"-internal"}, "no registry URI is given"},
        {REGISTRATOR_E_USAGE,
         {URI, "-internal"},
         "found -internal behind the registry URI, allowed: options before it"},
        {REGISTRATOR_E_USAGE,
         {"-internal", "false", URI},
         "found \"" URI "\" behind the first argument that is no option, allowed: one registry "
         "URI, with all options before it"},
        {REGISTRATOR_E_USAGE,
         {URI, "etcd://u:secret@h/p"},
         "found \"etcd://u:***@h/p\" behind the first argument that is no option, allowed: one "
         "registry URI, with all options before it"},
        {REGISTRATOR_E_USAGE, {"-nope", URI}, "unknown option -nope"},
        {REGISTRATOR_E_USAGE,
         {"-useIPFromLabel", "x", URI},
         "unknown option -useIPFromLabel; did you mean -useIpFromLabel?"},
        {REGISTRATOR_E_USAGE,
         {"-version"},
         "found -version, allowed: --version as the only argument"},
        {REGISTRATOR_E_USAGE,
         {"--version", URI},
         "found --version, allowed: --version as the only argument"},
        {REGISTRATOR_E_USAGE,
         {"-resync", URI},
         "-resync: found \"" URI "\", allowed: a whole number"},
        {-EINVAL,
         {""},
         "registry URI: found \"\", allowed: the URI of a registry, such as "
         "consul://127.0.0.1:8500"},
        {-EINVAL,
         {"-ip=web1", URI},
         "-ip: found \"web1\", allowed: an IP address that others can reach"},
        {-EINVAL,
         {"-ip=0.0.0.0", URI},
         "-ip: found \"0.0.0.0\", allowed: an IP address that others can reach"},
        {-EINVAL,
         {"-ip=::", URI},
         "-ip: found \"::\", allowed: an IP address that others can reach"},
        {-EINVAL,
         {"-ttl=30", URI},
         "found -ttl 30 with -ttl-refresh 0, allowed: neither, or both above 0 and -ttl the "
         "greater"},
        {-EINVAL,
         {"-ttl-refresh=30", URI},
         "found -ttl 0 with -ttl-refresh 30, allowed: neither, or both above 0 and -ttl the "
         "greater"},
        {-EINVAL,
         {"-ttl=30", "-ttl-refresh=30", URI},
         "found -ttl 30 with -ttl-refresh 30, allowed: neither, or both above 0 and -ttl the "
         "greater"},
        {-EINVAL,
         {"-ttl=-1", URI},
         "found -ttl -1 with -ttl-refresh 0, allowed: neither, or both above 0 and -ttl the "
         "greater"},
        {-EINVAL,
         {"-retry-interval=0", URI},
         "-retry-interval: found 0, allowed: a number of milliseconds above 0"},
        {-EINVAL,
         {"-deregister=never", URI},
         "-deregister: found \"never\", allowed: always or on-success"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *argv[5];
        memcpy(argv, cases[i].argv, sizeof(argv));
        struct registrator_settings s;
        struct err e = ERR_INIT;
        int r = load(&s, argv, nothing, &e);
        if (r != cases[i].r || strcmp(e.msg, cases[i].want) != 0) {
            fail_msg("case %zu: %d \"%s\", wanted %d \"%s\"", i, r, e.msg, cases[i].r,
                     cases[i].want);
        }
    }
}

static void knows_help_and_version(void **state)
{
    struct registrator_settings s;
    assert_int_equal(load(&s, ARGV("--version"), nothing, NULL), REGISTRATOR_E_VERSION);
    assert_int_equal(load(&s, ARGV("-h"), nothing, NULL), REGISTRATOR_E_HELP);
    assert_int_equal(load(&s, ARGV("-internal", "--help", URI), nothing, NULL), REGISTRATOR_E_HELP);
    struct buf text = BUF_INIT(10000);
    registrator_usage(&text);
    static const char *const words[] = {"-ip ",
                                        "-internal ",
                                        "-explicit ",
                                        "-useIpFromLabel ",
                                        "-tags ",
                                        "-ttl ",
                                        "-resync ",
                                        "-ttl-refresh ",
                                        "-deregister ",
                                        "-retry-attempts ",
                                        "-retry-interval ",
                                        "-cleanup ",
                                        "consul://",
                                        "consulkv://",
                                        "skydns2://"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!strstr(buf_str(&text), words[i])) {
            fail_msg("%s is missing in\n%s", words[i], buf_str(&text));
        }
    }
    buf_deinit(&text);
}

static void takes_tools_variables_and_none_of_ours(void **state)
{
    char **envp = ARGV("DOCKER_HOST=tcp://d:2376", "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=/d",
                       "CONSUL_HTTP_ADDR=c:8500", "CONSUL_HTTP_TOKEN=t", "ETCDCTL_USER=u:p",
                       "ETCDCTL_ENDPOINTS=http://e:1", "TIDEWAITER_CONSUL_CACERT=/ours",
                       "TIDEWAITER_DOCKER=unix:///ours");
    struct registrator_settings s;
    assert_int_equal(load(&s, ARGV(URI), envp, NULL), 0);
    assert_string_equal(s.registry.uri, URI);
    assert_string_equal(s.docker.url, "tcp://d:2376");
    assert_true(s.docker.tls_verify);
    assert_string_equal(s.docker.cert_path, "/d");
    assert_string_equal(s.registry.consul_addr, "c:8500");
    assert_string_equal(s.registry.consul_token, "t");
    assert_string_equal(s.registry.etcd_user, "u");
    assert_string_equal(s.registry.etcd_password, "p");
    assert_null(s.registry.consul_cacert);
    options_deinit(&s.base);

    struct err e = ERR_INIT;
    assert_int_equal(load(&s, ARGV(URI), ARGV("CONSUL_HTTP_SSL_VERIFY=perhaps"), &e), -EINVAL);
    assert_string_equal(e.msg, "CONSUL_HTTP_SSL_VERIFY: found \"perhaps\", allowed: true or false");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_registrators_defaults),
        cmocka_unit_test(takes_every_flag),
        cmocka_unit_test(tells_usage_from_what_makes_no_sense),
        cmocka_unit_test(knows_help_and_version),
        cmocka_unit_test(takes_tools_variables_and_none_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
