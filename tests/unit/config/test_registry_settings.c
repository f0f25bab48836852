/*
 * What commands know of Consul: options, Consul's own variables, and files that hold secrets. etcd's are in
 * test_settings.c.
 */
#include "base/alloc.h"
#include "base/fs.h"
#include "config/agent_settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGV(...) ((char **)(const char *[]){__VA_ARGS__, NULL})

static char *nothing[] = {NULL};

static int load(struct agent_settings *ret, char **argv, char **envp, struct err *e)
{
    struct options_input input = {.argv = argv, .envp = envp};
    while (argv[input.argc]) {
        input.argc++;
    }
    return agent_settings_load(ret, &input, e);
}

static void expect_error(char **argv, char **envp, const char *want)
{
    struct agent_settings s;
    struct err e = ERR_INIT;
    assert_int_equal(load(&s, argv, envp, &e), -EINVAL);
    assert_string_equal(e.msg, want);
}

static void knows_nothing_by_default(void **state)
{
    struct agent_settings s;
    assert_int_equal(load(&s, nothing, nothing, NULL), 0);
    assert_null(s.registry.consul_addr);
    assert_null(s.registry.consul_token);
    assert_null(s.registry.consul_auth);
    assert_false(s.registry.consul_ssl || s.registry.consul_insecure || s.registry.registrator);
    options_deinit(&s.base);
}

static void takes_consuls_variables(void **state)
{
    char **envp = ARGV("CONSUL_HTTP_ADDR=10.0.0.1:8500", "CONSUL_HTTP_TOKEN=secret",
                       "CONSUL_HTTP_AUTH=u:p", "CONSUL_HTTP_SSL=true", "CONSUL_CACERT=/ca",
                       "CONSUL_CLIENT_CERT=/c", "CONSUL_CLIENT_KEY=/k");
    struct agent_settings s;
    assert_int_equal(load(&s, nothing, envp, NULL), 0);
    assert_string_equal(s.registry.consul_addr, "10.0.0.1:8500");
    assert_string_equal(s.registry.consul_token, "secret");
    assert_string_equal(s.registry.consul_auth, "u:p");
    assert_string_equal(s.registry.consul_cacert, "/ca");
    assert_string_equal(s.registry.consul_cert, "/c");
    assert_string_equal(s.registry.consul_key, "/k");
    assert_true(s.registry.consul_ssl);
    assert_false(s.registry.consul_insecure);
    assert_null(s.registry.uri); /* an address alone chooses no registry */

    struct buf out = BUF_INIT(100000);
    options_show(&s.base, &out);
    assert_non_null(strstr(buf_str(&out), "consul-token: \"***\""));
    assert_non_null(strstr(buf_str(&out), "consul-auth: \"***\""));
    assert_null(strstr(buf_str(&out), "secret"));
    buf_deinit(&out);
    options_deinit(&s.base);

    char **argv = ARGV("--consul-cacert=/other");
    assert_int_equal(load(&s, argv, envp, NULL), 0);
    assert_string_equal(s.registry.consul_cacert, "/other");
    options_deinit(&s.base);
}

/* The variable says "verify", the option says "do not". */
static void turns_verification_off(void **state)
{
    static const struct {
        const char *variable;
        bool insecure;
    } cases[] = {{"CONSUL_HTTP_SSL_VERIFY=false", true}, {"CONSUL_HTTP_SSL_VERIFY=0", true},
                 {"CONSUL_HTTP_SSL_VERIFY=F", true},     {"CONSUL_HTTP_SSL_VERIFY=true", false},
                 {"CONSUL_HTTP_SSL_VERIFY=1", false},    {"CONSUL_HTTP_SSL_VERIFY=", false}};
    struct agent_settings s;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(load(&s, nothing, ARGV(cases[i].variable), NULL), 0);
        if (s.registry.consul_insecure != cases[i].insecure) {
            fail_msg("%s: insecure is %d", cases[i].variable, s.registry.consul_insecure);
        }
        options_deinit(&s.base);
    }
    assert_int_equal(load(&s, ARGV("--no-consul-insecure"), ARGV(cases[0].variable), NULL), 0);
    assert_false(s.registry.consul_insecure);
    options_deinit(&s.base);
    assert_int_equal(load(&s, ARGV("--consul-insecure"), ARGV(cases[3].variable), NULL), 0);
    assert_true(s.registry.consul_insecure);
    options_deinit(&s.base);

    expect_error(nothing, ARGV("CONSUL_HTTP_SSL_VERIFY=maybe"),
                 "CONSUL_HTTP_SSL_VERIFY: found \"maybe\", allowed: true or false");
    expect_error(nothing, ARGV("CONSUL_HTTP_SSL=maybe"),
                 "CONSUL_HTTP_SSL: found \"maybe\", allowed: true or false");
    assert_int_equal(load(&s, nothing, ARGV("CONSUL_HTTP_SSL=false"), NULL), 0);
    assert_false(s.registry.consul_ssl);
    options_deinit(&s.base);
}

static void takes_no_token_on_the_command_line(void **state)
{
    struct agent_settings s;
    struct err e = ERR_INIT;
    assert_int_equal(load(&s, ARGV("--consul-token=secret"), nothing, &e), -EINVAL);
    assert_null(strstr(e.msg, "secret"));
    assert_int_equal(load(&s, ARGV("--consul-auth=secret"), nothing, &e), -EINVAL);
    assert_null(strstr(e.msg, "secret"));
}

static void reads_the_token_file(void **state)
{
    char path[] = "/tmp/tidewaiter-token-XXXXXX", option[64], variable[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(option, sizeof(option), "--consul-token-file=%s", path);
    snprintf(variable, sizeof(variable), "CONSUL_HTTP_TOKEN_FILE=%s", path);
    assert_int_equal(fs_replace(path, "from-file\n", 10, FS_MODE_KEEP, false, NULL), 0);

    struct agent_settings s;
    assert_int_equal(load(&s, ARGV(option), ARGV("CONSUL_HTTP_TOKEN=weaker"), NULL), 0);
    assert_string_equal(s.registry.consul_token, "from-file");
    options_deinit(&s.base);
    assert_int_equal(load(&s, nothing, ARGV("CONSUL_HTTP_TOKEN=weaker", variable), NULL), 0);
    assert_string_equal(s.registry.consul_token, "from-file");
    options_deinit(&s.base);

    assert_int_equal(fs_replace(path, "two\nlines", 9, FS_MODE_KEEP, false, NULL), 0);
    char want[160];
    snprintf(want, sizeof(want), "--consul-token-file: %s: allowed: one line with the token", path);
    expect_error(ARGV(option), nothing, want);
    snprintf(want, sizeof(want), "CONSUL_HTTP_TOKEN_FILE: %s: allowed: one line with the token",
             path);
    expect_error(nothing, ARGV(variable), want);
    unlink(path);
}

static void wants_certificate_and_key(void **state)
{
    expect_error(ARGV("--consul-cert=/c"), nothing,
                 "--consul-cert: found without consul-key, allowed: both or none");
    expect_error(nothing, ARGV("CONSUL_CLIENT_KEY=/k"),
                 "CONSUL_CLIENT_KEY: found without consul-cert, allowed: both or none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_nothing_by_default),
        cmocka_unit_test(takes_consuls_variables),
        cmocka_unit_test(turns_verification_off),
        cmocka_unit_test(takes_no_token_on_the_command_line),
        cmocka_unit_test(reads_the_token_file),
        cmocka_unit_test(wants_certificate_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
