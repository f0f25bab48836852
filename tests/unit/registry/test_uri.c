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
        {"etcd://", "etcd://127.0.0.1:2379/services?value=json"},
        {"etcd:///p", "etcd://127.0.0.1:2379/p?value=json"},
        {"skydns://h/svc.local", "skydns://h:2379/svc.local"},
        {"skydns2://h:4001,h2/Svc.Local./", "skydns://h:4001,h2:2379/svc.local"},
        {"skydnss://h/a", "skydnss://h:2379/a"},
        {"skydns:///cluster-1.local", "skydns://127.0.0.1:2379/cluster-1.local"},
        {"consul://", "consul://127.0.0.1:8500"},
        {"consul:///", "consul://127.0.0.1:8500"},
        {"consul://c1", "consul://c1:8500"},
        {"consul://c1:18500/", "consul://c1:18500"},
        {"consul://[fd00::1]", "consul://[fd00::1]:8500"},
        {"consul://c1?dc=dc-2&stale=true", "consul://c1:8500?dc=dc-2&stale=true"},
        {"consul://c1?stale=false", "consul://c1:8500"},
        {"consul://?dc=dc1", "consul://127.0.0.1:8500?dc=dc1"},
        {"consuls://c1", "consuls://c1:8500"},
        {"consul-tls://c1:8501", "consuls://c1:8501"},
        {"consul-unix:///run/consul.sock", "consul-unix:///run/consul.sock"},
        {"consul-unix:///run/consul.sock?stale=1", "consul-unix:///run/consul.sock?stale=true"},
        {"consulkv://c1/specServer", "consulkv://c1:8500/specServer?value=json"},
        {"consulkv://c1", "consulkv://c1:8500/services?value=json"},
        {"consulkv:///a/b/", "consulkv://127.0.0.1:8500/a/b?value=json"},
        {"consulkv://c1/p?value=addr&dc=x&stale=yes",
         "consulkv://c1:8500/p?value=addr&dc=x&stale=true"},
        {"consulkvs://c1/p", "consulkvs://c1:8500/p?value=json"},
        {"consulkv-tls://c1/p", "consulkvs://c1:8500/p?value=json"},
        {"consulkv-unix:///run/c.sock:/p/q", "consulkv-unix:///run/c.sock:/p/q?value=json"},
        {"consulkv-unix:///run/c.sock", "consulkv-unix:///run/c.sock:/services?value=json"},
        {"consulkv-unix:///run/c.sock:/", "consulkv-unix:///run/c.sock:/services?value=json"},
        {"consulkv-unix:///run/c.sock:/?value=grpc",
         "consulkv-unix:///run/c.sock:/services?value=grpc"},
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
        {"nats://h", "unknown scheme \"nats\": allowed are file, etcd, etcds, skydns (skydns2), "
                     "skydnss, consul, consuls (consul-tls), consul-unix, consulkv, consulkvs "
                     "(consulkv-tls), consulkv-unix"},
        {"zookeeper://h/b", "scheme \"zookeeper\" is not supported: allowed are file, etcd"},
        {"/run/x.json", "no scheme in \"/run/x.json\""},
        {"10.0.0.5", "no scheme in"},
        {"etcd:10.0.0.5", "\"etcd:\" lacks its slashes: write etcd://HOST"},
        {"file:/x", "\"file:\" lacks its slashes: write file:///PATH"},
        {"file://x", "path \"x\": write file:///PATH"},
        {"file:///", "write file:///PATH"},
        {"file:///x?value=json", "file:// takes no ?options"},
        {"skydns:h/svc.local", "\"skydns:\" lacks its slashes: write skydns://HOST[:2379]/DOMAIN"},
        {"skydns://h", "domain \"\": write skydns://HOST[:2379]/DOMAIN"},
        {"skydns://h/", "domain \"/\": write skydns://HOST[:2379]/DOMAIN"},
        {"skydns://h/.", "domain \"/.\""},
        {"skydns://h/.local", "domain \"/.local\""},
        {"skydns://h/a..b", "domain \"/a..b\""},
        {"skydns://h/a/b", "domain \"/a/b\""},
        {"skydns://h/a_b", "labels of a-z, 0-9 and '-'"},
        {"skydns://h/-a", "domain \"/-a\""},
        {"skydns://h/a-.b", "domain \"/a-.b\""},
        {"skydns://h/a?value=json", "skydns:// takes no ?options"},
        {"consul:1.2.3.4:8500", "\"consul:\" lacks its slashes: write consul://HOST[:8500]"},
        {"consul-unix:/run/c", "\"consul-unix:\" lacks its slashes: write consul-unix:///PATH"},
        {"consulkv:h/p", "write consulkv://HOST[:8500]/PREFIX"},
        {"consul://h/services", "for keys write consulkv://HOST[:8500]/PREFIX"},
        {"consul://h//", "for keys write consulkv://"},
        {"consul://a,b", "host \"a,b\": one is allowed"},
        {"consul://h:x", "the port is a number"},
        {"consul://h?value=json", "option \"value=json\": known are dc=NAME and stale=true"},
        {"consul://h?dc=", "dc \"\": a datacenter has 1 to 64"},
        {"consul://h?dc=a/b", "dc \"a/b\""},
        {"consul://h?dc=a&dc=b", "given twice"},
        {"consul://h?stale", "option \"stale\": known are"},
        {"consul://h?stale=maybe", "stale \"maybe\": allowed are true and false"},
        {"consul-unix://run/c.sock", "write consul-unix:///PATH with the absolute path"},
        {"consul-unix:///", "socket \"/\""},
        {"consulkv://h/p?ttl=1", "known are value=json, value=addr or value=grpc, dc=NAME"},
        {"consulkv://h//a//b/", "prefix \"//a//b/\": names with one '/' between them are allowed"},
        {"consulkv://h//", "prefix \"//\""},
        {"consulkv://h/a//", "prefix \"/a//\""},
        {"consulkv://h/a//b", "prefix \"/a//b\""},
        {"consulkv://h/a/../b", "none of them \".\" or \"..\""},
        {"consulkv://h/./a", "prefix \"/./a\""},
        {"consulkv://h/..", "prefix \"/..\""},
        {"consulkv://h/a/.", "prefix \"/a/.\""},
        {"consulkv-unix:///s:/a//b", "prefix \"/a//b\""},
        {"consulkv-unix://c.sock:/p", "write consulkv-unix:///PATH:/PREFIX"},
        {"consulkv-unix:///:/p", "socket \"/\""},
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

    memset(text, 'a', sizeof(text));
    memcpy(text, "skydns://h/", 11);
    text[11 + 63] = '\0';
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), 0);
    assert_int_equal(strlen(uri.prefix), strlen("/skydns/") + 63);
    registry_uri_deinit(&uri);
    text[11 + 63] = 'a';
    text[11 + 64] = '\0';
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), -EINVAL);
    for (size_t i = 11; i < 11 + 254; i++) {
        text[i] = (i - 11) % 2 ? '.' : 'a';
    }
    text[11 + 253] = '\0';
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), 0);
    registry_uri_deinit(&uri);
    memcpy(text + 11 + 253, ".a", 3);
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), -EINVAL);

    memset(text, 'a', sizeof(text));
    memcpy(text, "consul-unix:///", 15);
    text[14 + 107] = '\0';
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), 0);
    registry_uri_deinit(&uri);
    text[14 + 107] = 'a';
    text[14 + 108] = '\0';
    assert_int_equal(registry_uri_parse(&uri, text, &user_env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "at most 107 bytes"));

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
    assert_int_equal(registry_uri_parse(&uri, "consul://me:p%3aw@h", &user_env, &e), 0);
    assert_string_equal(uri.credentials.user, "me");
    assert_string_equal(uri.credentials.password, "p:w");
    assert_true(uri.password_in_text);
    registry_uri_deinit(&uri);
    expect_text(&user_env, "consul://me:pw@", "consul://127.0.0.1:8500");
    expect_text(&user_env, "consul-unix://me:pw@/run/c", "consul-unix:///run/c");

    /* Whatever is wrong beside it, and wherever an unescaped character moves it to. */
    static const char *const bad[] = {
        "etcd://agent:SECRET@h:0",
        "etcd://agent:SECRET@h?x=SECRET",
        "etcd://agent:SEC/RETx@h",
        "etcd://agent:%zzSECRET@h",
        "etcd://agent:%0aSECRET@h",
        "etcd://agent:a?SECRET@h",
        "nats://agent:SECRET@h",
        "etcd://SECRET@h",
        "etcd://:SECRET@h",
        "agent:SECRET@h",
        "file://agent:SECRET@h/x",
        "etcd://agent:SECRET@,",
        "consul://agent:SECRET@h:0",
        "consul://agent:SEC/RETx@h",
        "consul://agent:SECRET@h/SECRET",
        "consul-unix://agent:SECRET@h/x",
        "consulkv://agent:SECRET@h?dc=SECRET!",
        "skydns://agent:SECRET@h",
        "consulkv-unix://agent:SEC/RETx@/x",
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
    assert_int_equal(registry_uri_parse(&uri, "skydns:///d", &env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "write skydnss://"));
    expect_text(&env, "etcds://", "etcds://10.0.0.1:2379/services?value=json");
    expect_text(&env, "skydnss:///d", "skydnss://10.0.0.1:2379/d");

    env.runtime_dir = NULL;
    assert_int_equal(registry_uri_parse(&uri, NULL, &env, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "XDG_RUNTIME_DIR"));
    env.runtime_dir = "relative";
    assert_int_equal(registry_uri_parse(&uri, "", &env, &e), -EINVAL);
}

/* What the drivers read. */
static void fields(void **state)
{
    struct registry_uri uri;
    struct err e = ERR_INIT;
    assert_int_equal(registry_uri_parse(&uri, "skydns://h/Svc.Local", &user_env, &e), 0);
    assert_int_equal(uri.scheme, REGISTRY_SKYDNS);
    assert_string_equal(uri.prefix, "/skydns/local/svc");
    assert_string_equal(uri.domain, "svc.local");
    assert_false(uri.tls);
    registry_uri_deinit(&uri);

    assert_int_equal(registry_uri_parse(&uri, "consul-tls://h?dc=d&stale=true", &user_env, &e), 0);
    assert_int_equal(uri.scheme, REGISTRY_CONSUL);
    assert_true(uri.tls);
    assert_int_equal(uri.n_endpoints, 1);
    assert_string_equal(uri.endpoints[0], "https://h:8500");
    assert_null(uri.prefix);
    assert_null(uri.unix_socket);
    assert_string_equal(uri.datacenter, "d");
    assert_true(uri.stale);
    registry_uri_deinit(&uri);

    assert_int_equal(registry_uri_parse(&uri, "consulkv-unix:///s:/p", &user_env, &e), 0);
    assert_int_equal(uri.scheme, REGISTRY_CONSULKV);
    assert_int_equal(uri.n_endpoints, 0);
    assert_string_equal(uri.unix_socket, "/s");
    assert_string_equal(uri.prefix, "p");
    registry_uri_deinit(&uri);
}

static void as_registrator(void **state)
{
    struct registry_uri_env env = user_env;
    env.registrator = true;
    expect_text(&env, "etcd://h", "etcd://h:2379/?value=addr");
    expect_text(&env, "etcd://h/", "etcd://h:2379/?value=addr");
    expect_text(&env, "etcd:///services", "etcd://127.0.0.1:2379/services?value=addr");
    expect_text(&env, "etcd://h/p?value=json", "etcd://h:2379/p?value=json");
    expect_text(&env, "consulkv://h/p", "consulkv://h:8500/p?value=addr");
    expect_text(&env, "consulkv-unix:///s:/p", "consulkv-unix:///s:/p?value=addr");
    expect_text(&env, "skydns2://h/svc.local", "skydns://h:2379/svc.local");

    struct registry_uri uri;
    struct err e = ERR_INIT;
    assert_int_equal(registry_uri_parse(&uri, "etcd://h", &env, &e), 0);
    assert_string_equal(uri.prefix, "");
    registry_uri_deinit(&uri);
}

static void consul_variable(void **state)
{
    static const struct {
        const char *addr, *text, *want;
        bool ssl;
    } cases[] = {
        {"10.0.0.1:18500", "consul://", "consul://10.0.0.1:18500", false},
        {"10.0.0.1", "consul://", "consul://10.0.0.1:8500", false},
        {"[fd00::1]:1", "consul://", "consul://[fd00::1]:1", false},
        {"http://c:1/", "consul://", "consul://c:1", false},
        {"http://c", "consul://", "consul://c:80", false},
        {"https://c:1", "consul://", "consuls://c:1", false},
        {"https://c", "consul://?dc=d", "consuls://c:443?dc=d", false},
        {"http://c:1", "consuls://", "consuls://c:1", false},
        {"c:1", "consul://", "consuls://c:1", true},
        {"c:1", "consul://h", "consuls://h:8500", true},
        {"c:1", "consulkv:///p", "consulkv://c:1/p?value=json", false},
        {"unix:///run/c.sock", "consul://", "consul-unix:///run/c.sock", false},
        {"unix:///run/c.sock", "consuls://", "consul-unix:///run/c.sock", true},
        {"unix:///run/c.sock", "consulkv:///p", "consulkv-unix:///run/c.sock:/p?value=json", false},
        {"unix:///run/c.sock", "consul-unix:///other", "consul-unix:///other", true},
        {":21500", "consul://", "consul://127.0.0.1:21500", false},
        {":21500", "consulkv:///p", "consulkv://127.0.0.1:21500/p?value=json", false},
        {"https://:21501", "consul://", "consuls://127.0.0.1:21501", false},
        {"c:1", "consul://h", "consul://h:8500", false},
        {"", "consul://", "consul://127.0.0.1:8500", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct registry_uri_env env = user_env;
        env.consul_addr = cases[i].addr;
        env.consul_tls = cases[i].ssl;
        expect_text(&env, cases[i].text, cases[i].want);
    }
    static const struct {
        const char *addr, *reason;
    } bad[] = {
        {"tcp://c:1", "CONSUL_HTTP_ADDR"},
        {"http://", "CONSUL_HTTP_ADDR is HOST:PORT, http://HOST:PORT"},
        {"http://c/path", "CONSUL_HTTP_ADDR is HOST:PORT"},
        {"unix://run/c", "unix:///PATH"},
        {"unix:///run/c?x", "CONSUL_HTTP_ADDR is HOST:PORT"},
        {"unix:///run/\fc", "CONSUL_HTTP_ADDR is HOST:PORT"},
        {":", "CONSUL_HTTP_ADDR: registry URI: endpoint \"127.0.0.1:\""},
        {"c:0", "CONSUL_HTTP_ADDR: registry URI: endpoint \"c:0\""},
        {"http://me:SECRET@c", "(not shown: the text may hold a password)"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct registry_uri_env env = user_env;
        struct registry_uri uri;
        struct err e = ERR_INIT;
        env.consul_addr = bad[i].addr;
        if (registry_uri_parse(&uri, "consul://", &env, &e) != -EINVAL ||
            !strstr(e.msg, bad[i].reason) || strstr(e.msg, "SECRET")) {
            fail_msg("%s: \"%s\" lacks \"%s\"", bad[i].addr, e.msg, bad[i].reason);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),          cmocka_unit_test(refuses),
        cmocka_unit_test(limits),           cmocka_unit_test(password),
        cmocka_unit_test(from_environment), cmocka_unit_test(fields),
        cmocka_unit_test(as_registrator),   cmocka_unit_test(consul_variable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
