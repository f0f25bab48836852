/*
 * Registry URIs: every accepted form, every refusal with its reason, and no password in any text.
 */
#include "base/buf.h"
#include "registry/uri.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct registry_uri_env user_env = {
    .uid = 1000, .runtime_dir = "/run/user/1000", .etcd_endpoints = NULL};

/* Parses, formats as for people, releases. */
static void expect_text(const struct registry_uri_env *env, const char *text, const char *want)
{
    struct registry_uri uri;
    struct err e = ERR_INIT;
    if (registry_uri_parse(&uri, text, env, &e) < 0) {
        fail_msg("%s: %s", text ? text : "(null)", e.msg);
    }
    struct buf out = BUF_INIT(8192);
    registry_uri_format(&uri, &out);
    assert_string_equal(buf_str(&out), want);
    buf_deinit(&out);
    registry_uri_deinit(&uri);
    registry_uri_deinit(&uri); /* idempotent */
}

static void accepts(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {NULL, "file:///run/user/1000/tidewaiter/services.json"},
        {"", "file:///run/user/1000/tidewaiter/services.json"},
        {"file:///var/lib/s.json", "file:///var/lib/s.json"},
        {"etcd://10.0.0.5", "etcd://10.0.0.5:2379/services?value=json"},
        {"etcd://10.0.0.5/", "etcd://10.0.0.5:2379/services?value=json"},
        {"etcd://10.0.0.5///", "etcd://10.0.0.5:2379/services?value=json"},
        {"etcds://etcd-1.example:2377/specServer",
         "etcds://etcd-1.example:2377/specServer?value=json"},
        {"etcd://127.0.0.1:2377,127.0.0.1:2378,127.0.0.1/a/b/",
         "etcd://127.0.0.1:2377,127.0.0.1:2378,127.0.0.1:2379/a/b?value=json"},
        {"etcd://[fd00::1]:1234,[::1]/p", "etcd://[fd00::1]:1234,[::1]:2379/p?value=json"},
        {"etcd://h?value=addr", "etcd://h:2379/services?value=addr"},
        {"etcd://h/p?value=grpc", "etcd://h:2379/p?value=grpc"},
        {"etcd://h/p?value=json", "etcd://h:2379/p?value=json"},
        {"etcd://h/p?", "etcd://h:2379/p?value=json"},
        {"etcd://h//double//inside", "etcd://h:2379//double//inside?value=json"},
        {"etcd://h/50%25", "etcd://h:2379/50%25?value=json"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_text(&user_env, cases[i].text, cases[i].want);
    }
    const struct registry_uri_env root = {.uid = 0};
    expect_text(&root, NULL, "file:///run/tidewaiter/services.json");
}

static void refuses(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"consul://h", "unknown scheme \"consul\": allowed are file://, etcd:// or etcds://"},
        {"skydns://h/d", "unknown scheme \"skydns\""},
        {"/run/x.json", "no scheme in \"/run/x.json\""},
        {"10.0.0.5", "no scheme in"},
        {"etcd:10.0.0.5", "\"etcd:\" lacks its slashes: write etcd://HOST"},
        {"file:/x", "\"file:\" lacks its slashes: write file:///PATH"},
        {"file://x", "path \"x\": write file:///PATH"},
        {"file:///", "write file:///PATH"},
        {"file:///x?value=json", "file:// takes no ?options"},
        {"etcd://", "host \"\": write etcd://HOST"},
        {"etcd:///services", "host \"\": write etcd://HOST"},
        {"etcd://a,,b", "endpoint \"\""},
        {"etcd://a b", "endpoint \"a b\""},
        {"etcd://-oops", "endpoint \"-oops\""},
        {"etcd://h:0", "endpoint \"h:0\": the port is a number from 1 to 65535"},
        {"etcd://h:65536", "the port is a number"},
        {"etcd://h:", "the port is a number"},
        {"etcd://fd00::1", "the port is a number"},
        {"etcd://[fd00::1", "IPv6 as [ADDRESS]:PORT"},
        {"etcd://[zz]", "that is not an IPv6 address"},
        {"etcd://[::1]x", "IPv6 as [ADDRESS]:PORT"},
        {"etcd://h?value=xml", "value \"xml\": allowed are json, addr or grpc"},
        {"etcd://h?values=json", "option \"values=json\": only ?value="},
        {"etcd://h?ttl=3", "option \"ttl=3\": only ?value="},
        {"etcd://h?value=json&value=addr", "given twice"},
        {"etcd://h/a\tb", "control character"},
        {"etcd://h/a\x7f", "control character"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct registry_uri uri;
        struct err e = ERR_INIT;
        int r = registry_uri_parse(&uri, cases[i].text, &user_env, &e);
        if (r != -EINVAL || e.class != ERR_INVALID || !strstr(e.msg, cases[i].reason)) {
            fail_msg("%s: %d, \"%s\" lacks \"%s\"", cases[i].text, r, e.msg, cases[i].reason);
        }
    }
}

static void limits(void **state)
{
    char text[REGISTRY_URI_MAX + 64];
    struct registry_uri uri;
    struct err e = ERR_INIT;

    memset(text, 'a', sizeof(text));
    memcpy(text, "etcd://h/", 9);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "longer than"));

    text[8 + REGISTRY_PREFIX_MAX + 1] = '\0';
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "the prefix has 513 bytes"));
    text[8 + REGISTRY_PREFIX_MAX] = '\0';
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), 0);
    registry_uri_deinit(&uri);

    struct buf many = BUF_INIT(1024);
    buf_puts(&many, "etcd://h0");
    for (int i = 1; i <= REGISTRY_ENDPOINTS_MAX; i++) {
        buf_printf(&many, ",h%d", i);
    }
    assert_int_equal(registry_uri_parse(&uri, buf_str(&many), &user_env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "more than 32 endpoints"));
    buf_deinit(&many);
}

static void password(void **state)
{
    struct registry_uri uri;
    struct err e = ERR_INIT;
    assert_int_equal(registry_uri_parse(&uri, "etcd://agent:s%40cr%2Fet@h1,h2/p", &user_env, &e),
                     0);
    assert_string_equal(uri.credentials.user, "agent");
    assert_string_equal(uri.credentials.password, "s@cr/et");
    assert_true(uri.password_in_text);
    assert_int_equal(uri.n_endpoints, 2);
    struct buf out = BUF_INIT(1024);
    registry_uri_format(&uri, &out);
    assert_string_equal(buf_str(&out), "etcd://h1:2379,h2:2379/p?value=json");
    buf_deinit(&out);
    registry_uri_deinit(&uri);

    /* Whatever is wrong beside it, and wherever an unescaped character moves it to. */
    static const char *const bad[] = {
        "etcd://agent:SECRET@h:0",  "etcd://agent:SECRET@h?x=SECRET",
        "etcd://agent:SEC/RETx@h",  "etcd://agent:%zzSECRET@h",
        "etcd://agent:%0aSECRET@h", "etcd://agent:a?SECRET@h",
        "consul://agent:SECRET@h",  "etcd://SECRET@h",
        "etcd://:SECRET@h",         "agent:SECRET@h",
        "file://agent:SECRET@h/x",  "etcd://agent:SECRET@",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(registry_uri_parse(&uri, bad[i], &user_env, &e), -EINVAL);
        if (strstr(e.msg, "SECRET") || strstr(e.msg, "SEC") || strstr(e.msg, "RETx")) {
            fail_msg("%s: the message shows the password: %s", bad[i], e.msg);
        }
    }
}

static void from_environment(void **state)
{
    struct registry_uri_env env = user_env;
    env.etcd_endpoints = "http://10.0.0.1:2379,10.0.0.2,http://[::1]:99";
    expect_text(&env, "etcd:///p", "etcd://10.0.0.1:2379,10.0.0.2:2379,[::1]:99/p?value=json");
    expect_text(&env, "etcd://h", "etcd://h:2379/services?value=json");

    struct registry_uri uri;
    struct err e = ERR_INIT;
    assert_int_equal(registry_uri_parse(&uri, "etcds://", &env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "etcds:// needs https:// endpoints"));
    env.etcd_endpoints = "https://10.0.0.1:2379";
    assert_int_equal(registry_uri_parse(&uri, "etcd://", &env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "write etcds://"));
    expect_text(&env, "etcds://", "etcds://10.0.0.1:2379/services?value=json");

    env.runtime_dir = NULL;
    assert_int_equal(registry_uri_parse(&uri, NULL, &env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "XDG_RUNTIME_DIR"));
    env.runtime_dir = "relative";
    assert_int_equal(registry_uri_parse(&uri, "", &env, &e), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),  cmocka_unit_test(refuses),          cmocka_unit_test(limits),
        cmocka_unit_test(password), cmocka_unit_test(from_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
