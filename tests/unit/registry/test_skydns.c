/*
 * The SkyDNS layout: names and ids as DNS labels, there and back; values that CoreDNS decodes.
 */
#include "registry/skydns_codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "registry/kv_layout.h"
#include "registry/uri.h"
#include "tidewaiter/registry.h"

static struct service *make(const struct service_spec *spec)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    if (service_new(&svc, spec, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    return svc;
}

/* ---- keys ---- */

static void ids(void **state)
{
    static const struct {
        const char *id, *label;
    } cases[] = {
        {"host1:whoami:8080", "host1-whoami-8080"},
        {"node1:web-1:80", "node1-web-1-80"},
        {"n1:dns:53:udp", "n1-dns-53-udp"},
        {"web1", "web1"},
        {"a-b", "a-b"},
        {"a:b", "a-b"},
        {"n1:proj_web_1:80", "n1-proj-web-1-80-2cbec8be"},
        {"N1:web:80", "n1-web-80-18785159"},
        {"n1:a.b:80", "n1-a-b-80-a484b9bd"},
        {":a:", "a-583cf5c8"},
        {"___", "8548b2ab"},
        {"b\xc3\xbc", "b-603ab546"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = BUF_INIT(256);
        skydns_id_label(&out, cases[i].id, strlen(cases[i].id));
        if (strcmp(buf_str(&out), cases[i].label) != 0) {
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].id, buf_str(&out), cases[i].label);
        }
        buf_deinit(&out);
    }
}

static void long_ids(void **state)
{
    char id[SERVICE_ID_MAX + 1];
    struct buf a = BUF_INIT(256), b = BUF_INIT(256);
    memset(id, 'x', sizeof(id));
    id[63] = '\0';
    skydns_id_label(&a, id, 63);
    assert_string_equal(buf_str(&a), id); /* just fits */
    buf_reset(&a);
    id[63] = 'x';
    id[64] = '\0';
    skydns_id_label(&a, id, 64);
    assert_int_equal(a.len, 63);
    id[63] = 'y'; /* differs only where it is cut */
    skydns_id_label(&b, id, 64);
    assert_int_equal(b.len, 63);
    assert_memory_equal(a.data, b.data, 55);
    assert_string_not_equal(buf_str(&a), buf_str(&b));
    buf_reset(&a);
    id[53] = '-'; /* the cut leaves none in front of the hash's own */
    skydns_id_label(&a, id, 64);
    assert_int_equal(a.len, 62);
    assert_memory_equal(a.data + 52, "x-", 2);
    buf_deinit(&a);
    buf_deinit(&b);
}

static void hosts(void **state)
{
    char host[80], id[100];
    static const struct {
        const char *id, *host;
        bool is;
    } cases[] = {
        {"n1:web:80", "n1", true},   {"n1.example.com:web:80", "n1.example.com", true},
        {"N_1:web:80", "N_1", true}, {"n1-b:web:80", "n1", true}, /* cannot be told apart */
        {"n10:web:80", "n1", false}, {"web", "web", false},
        {"web", "_", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf label = BUF_INIT(256);
        skydns_id_label(&label, cases[i].id, strlen(cases[i].id));
        if (skydns_id_of_host(buf_str(&label), cases[i].host) != cases[i].is) {
            fail_msg("%s (%s) of %s", cases[i].id, buf_str(&label), cases[i].host);
        }
        buf_deinit(&label);
    }
    for (size_t len = 1; len < sizeof(host); len++) {
        memset(host, 'h', len);
        host[len] = '\0';
        struct buf label = BUF_INIT(256);
        snprintf(id, sizeof(id), "%s:web:80", host);
        skydns_id_label(&label, id, strlen(id));
        if (!skydns_id_of_host(buf_str(&label), host)) {
            fail_msg("%s of %s", buf_str(&label), host);
        }
        buf_deinit(&label);
    }
}

static void keys(void **state)
{
    static const struct {
        const char *name, *id, *key;
    } cases[] = {
        {"web", "n1:web:80", "web/n1-web-80"},
        {"a.b.c", "x", "c/b/a/x"},
        {"My_App", "x", "my-app/x"},
        {"_http._tcp", "x", "tcp/http/x"},
        {"a..b.", "x", "b/a/x"},
        {"_", "x", "a971f89e/x"},
        {"dns", "web", "dns/web"},
        {"web.dns", "x", "dns/web/x"},
    };
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(1024);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&out);
        if (skydns_key_write(cases[i].name, cases[i].id, &out, &e) < 0) {
            fail_msg("%s: %s", cases[i].name, e.msg);
        }
        if (strcmp(buf_str(&out), cases[i].key) != 0) {
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].name, buf_str(&out), cases[i].key);
        }
    }
    static const struct {
        const char *name, *id;
    } reserved[] = {
        {"ns.dns", "x"}, {"apex.dns", "x"}, {"a.ns.dns", "x"}, {"dns", "apex"}, {"dns", "ns"}};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        buf_reset(&out);
        assert_int_equal(skydns_key_write(reserved[i].name, reserved[i].id, &out, &e), -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        assert_non_null(strstr(e.msg, "CoreDNS keeps dns/ns and dns/apex for the zone itself"));
    }
    buf_deinit(&out);
}

static void parsed_keys(void **state)
{
    static const struct {
        const char *path;
        enum skydns_key_kind kind;
        const char *name, *id;
    } cases[] = {
        {"web/n1-web-80", SKYDNS_KEY_SERVICE, "web", "n1-web-80"},
        {"c/b/a/x", SKYDNS_KEY_SERVICE, "a.b.c", "x"},
        {"web/host1:whoami:8080", SKYDNS_KEY_SERVICE, "web", "host1:whoami:8080"},
        {"web/x.y", SKYDNS_KEY_SERVICE, "web", "x.y"},
        {"a.b/x", SKYDNS_KEY_OTHER, "", ""},
        {".x/y", SKYDNS_KEY_OTHER, "", ""},
        {"x1", SKYDNS_KEY_ZONE, "", ""},
        {"dns/ns", SKYDNS_KEY_ZONE, "", ""},
        {"dns/ns/ns1", SKYDNS_KEY_ZONE, "", ""},
        {"dns/apex/a/b", SKYDNS_KEY_ZONE, "", ""},
        {"dns/web", SKYDNS_KEY_SERVICE, "dns", "web"},
        {"dns/nsx/y", SKYDNS_KEY_SERVICE, "nsx.dns", "y"},
        {"web/", SKYDNS_KEY_OTHER, "", ""},
        {"/web", SKYDNS_KEY_OTHER, "", ""},
        {"a//b", SKYDNS_KEY_OTHER, "", ""},
        {"", SKYDNS_KEY_OTHER, "", ""},
        {"a/b\n", SKYDNS_KEY_OTHER, "", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[SERVICE_NAME_MAX + 1] = "", id[SERVICE_ID_MAX + 1] = "";
        int kind = (int)skydns_key_parse(cases[i].path, strlen(cases[i].path), name, id);
        if (kind != (int)cases[i].kind || strcmp(name, cases[i].name) != 0 ||
            strcmp(id, cases[i].id) != 0) {
            fail_msg("%s: %d \"%s\" \"%s\"", cases[i].path, kind, name, id);
        }
    }
    char path[SERVICE_NAME_MAX + SERVICE_ID_MAX + 3];
    char name[SERVICE_NAME_MAX + 1], id[SERVICE_ID_MAX + 1];
    memset(path, 'n', sizeof(path));
    path[SERVICE_NAME_MAX] = '/';
    assert_int_equal(skydns_key_parse(path, SERVICE_NAME_MAX + 1 + SERVICE_ID_MAX, name, id),
                     SKYDNS_KEY_SERVICE);
    assert_int_equal(strlen(name), SERVICE_NAME_MAX);
    assert_int_equal(strlen(id), SERVICE_ID_MAX);
    assert_int_equal(skydns_key_parse(path, SERVICE_NAME_MAX + 2 + SERVICE_ID_MAX, name, id),
                     SKYDNS_KEY_OTHER);
}

/* ---- layout ---- */

static void layout(void **state)
{
    struct kv_layout l;
    struct err e = ERR_INIT;
    char prefix[] = "/skydns/local/svc", root[] = "", services[] = "/services";
    struct registry_uri uri = {.scheme = REGISTRY_SKYDNS, .prefix = prefix};
    assert_int_equal(kv_layout_init(&l, &uri, "node1", REGISTRY_NATIVE, &e), 0);
    assert_int_equal(l.kind, KV_LAYOUT_SKYDNS);
    assert_string_equal(l.dir, "/skydns/local/svc/");
    assert_string_equal(l.end, "/skydns/local/svc0");
    assert_string_equal(l.record, "/.tidewaiter/agents/skydns/local/svc/node1");
    assert_true(l.apart);

    struct service_spec spec = {.name = "web",
                                .id = "host1:whoami:8080",
                                .host = "10.0.0.5",
                                .port = 80,
                                .weight = SERVICE_WEIGHT_UNSET};
    struct service *svc = make(&spec);
    struct buf key = BUF_INIT(4096);
    assert_int_equal(kv_layout_key(&l, svc, &key, &e), 0);
    assert_string_equal(buf_str(&key), "/skydns/local/svc/web/host1-whoami-8080");
    struct kv_key parsed;
    assert_int_equal(kv_layout_parse(&l, key.data, key.len, &parsed), KV_KEY_SERVICE);
    assert_string_equal(parsed.name, "web");
    assert_string_equal(parsed.id, "host1-whoami-8080");
    service_unref(svc);
    assert_int_equal(kv_layout_parse(&l, "/skydns/local/svc/x", 19, &parsed), KV_KEY_ZONE);
    assert_int_equal(kv_layout_parse(&l, "/skydns/local/sv/x/y", 20, &parsed), KV_KEY_OTHER);

    /* a DNS name: id.name.svc.local, at most 253 bytes */
    char name[SERVICE_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof(name); i++) {
        name[i] = i % 50 == 49 ? '.' : 'n';
    }
    name[253 - strlen("i..svc.local")] = '\0';
    spec.name = name;
    spec.id = "i";
    svc = make(&spec);
    buf_reset(&key);
    assert_int_equal(kv_layout_key(&l, svc, &key, &e), 0);
    service_unref(svc);
    spec.id = "ii";
    svc = make(&spec);
    buf_reset(&key);
    assert_int_equal(kv_layout_key(&l, svc, &key, &e), -EMSGSIZE);
    assert_int_equal(e.class, ERR_INVALID);
    assert_non_null(strstr(e.msg, "a DNS name of 254 bytes, at most 253"));
    service_unref(svc);
    buf_deinit(&key);
    kv_layout_deinit(&l);

    /* Registrator's etcd: the record is apart, too, and at its root hidden from readers */
    uri = (struct registry_uri){.scheme = REGISTRY_ETCD, .prefix = services};
    assert_int_equal(kv_layout_init(&l, &uri, "n", REGISTRY_REGISTRATOR, &e), 0);
    assert_string_equal(l.record, "/.tidewaiter/agents/services/n");
    assert_true(l.apart);
    kv_layout_deinit(&l);
    uri.prefix = root;
    assert_int_equal(kv_layout_init(&l, &uri, "n", REGISTRY_REGISTRATOR, &e), 0);
    assert_string_equal(l.dir, "/");
    assert_string_equal(l.end, "0");
    assert_string_equal(l.record, "/.tidewaiter/agents/n");
    assert_int_equal(kv_layout_parse(&l, l.record, strlen(l.record), &parsed), KV_KEY_HIDDEN);
    assert_int_equal(kv_layout_parse(&l, "/web/x", 6, &parsed), KV_KEY_SERVICE);
    assert_string_equal(parsed.name, "web");
    kv_layout_deinit(&l);
    uri.prefix = services;
    assert_int_equal(kv_layout_init(&l, &uri, "n", REGISTRY_NATIVE, &e), 0);
    assert_false(l.apart);
    kv_layout_deinit(&l);
}

/* ---- values ---- */

static const struct service_attr priority[] = {{"priority", "7"}};

static struct service_spec web(void)
{
    return (struct service_spec){
        .name = "web", .id = "i", .host = "10.0.0.5", .port = 8080, .weight = SERVICE_WEIGHT_UNSET};
}

static void encoded(const struct service_spec *spec, unsigned ttl_s, bool bare, int r,
                    const char *want)
{
    struct service *svc = make(spec);
    struct buf out = BUF_INIT(1024);
    struct err e = ERR_INIT;
    assert_int_equal(skydns_encode(svc, ttl_s, bare, &out, &e), r);
    assert_string_equal(buf_str(&out), want);
    buf_deinit(&out);
    service_unref(svc);
}

static void values(void **state)
{
    struct service_spec s = web();
    encoded(&s, 30, false, 0, "{\"host\":\"10.0.0.5\",\"port\":8080,\"ttl\":30}");
    encoded(&s, 30, true, 0, "{\"host\":\"10.0.0.5\",\"port\":8080}");
    s.weight = 20;
    s.attrs = priority;
    s.n_attrs = 1;
    encoded(&s, 30, false, 0,
            "{\"host\":\"10.0.0.5\",\"port\":8080,\"priority\":7,\"weight\":20,\"ttl\":30}");
    encoded(&s, 30, true, 0, "{\"host\":\"10.0.0.5\",\"port\":8080}");
    s.host = "fd00::5";
    encoded(&s, 0, false, 0, "{\"host\":\"fd00::5\",\"port\":8080,\"priority\":7,\"weight\":20}");
    s.host = "db_1.example.com.";
    encoded(&s, 30, true, 0, "{\"host\":\"db_1.example.com.\",\"port\":8080}");

    /* what has a record gets traffic */
    for (int i = 0; i < 2; i++) {
        struct service_spec down = web();
        down.weight = i == 0 ? 0 : SERVICE_WEIGHT_UNSET;
        down.status = i == 0 ? SERVICE_PASSING : SERVICE_CRITICAL;
        struct service *svc = make(&down);
        struct buf out = BUF_INIT(1024);
        struct err e = ERR_INIT;
        assert_int_equal(skydns_encode(svc, 30, false, &out, &e), -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        assert_non_null(strstr(e.msg, i == 0 ? "(weight 0)" : "(critical)"));
        assert_int_equal(skydns_encode(svc, 30, true, &out, &e), 0);
        buf_deinit(&out);
        service_unref(svc);
    }

    static const char *const bad[] = {"65536", "-1", "high", "1.5", "07777777777777777777777"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct service_attr attr = {"priority", bad[i]};
        struct service_spec p = web();
        p.attrs = &attr;
        p.n_attrs = 1;
        struct service *svc = make(&p);
        struct buf out = BUF_INIT(1024);
        struct err e = ERR_INIT;
        assert_int_equal(skydns_encode(svc, 30, false, &out, &e), REGISTRY_ENCODED_PARTLY);
        assert_int_equal(e.class, ERR_INVALID);
        assert_string_equal(buf_str(&out), "{\"host\":\"10.0.0.5\",\"port\":8080,\"ttl\":30}");
        char want[128];
        snprintf(want, sizeof(want), "SERVICE_PRIORITY is \"%s\", not a number from 0 to 65535",
                 bad[i]);
        assert_non_null(strstr(e.msg, want));
        buf_deinit(&out);
        service_unref(svc);
    }
}

/* One of these would fail every answer that it is part of. */
static void bad_hosts(void **state)
{
    static const char label64[] =
        "a123456789012345678901234567890123456789012345678901234567890123.x";
    const char *const bad[] = {"",
                               "fe80::1%eth0",
                               "a b",
                               "a..b",
                               ".",
                               ".a",
                               "[::1]",
                               "a\xff"
                               "b",
                               "a\"b",
                               "1.2.3.4:5",
                               label64};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct service_spec s = web();
        s.host = bad[i];
        struct service *svc = make(&s);
        struct buf out = BUF_INIT(1024);
        struct err e = ERR_INIT;
        if (skydns_encode(svc, 30, false, &out, &e) != -EINVAL || e.class != ERR_INVALID ||
            out.len != 0 || !strstr(e.msg, "neither an IP address nor a DNS name")) {
            fail_msg("\"%s\": %s %s", bad[i], buf_str(&out), e.msg);
        }
        buf_deinit(&out);
        service_unref(svc);
    }
}

static struct service *decoded(const char *id, const char *value)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    if (skydns_decode(&svc, "web", id, value, strlen(value), &e) < 0) {
        fail_msg("%s: %s", value, e.msg);
    }
    return svc;
}

static void read_back(void **state)
{
    struct service *svc =
        decoded("i", "{\"host\":\"h\",\"port\":8080,\"priority\":7,\"weight\":20,\"ttl\":30,"
                     "\"group\":\"g\",\"mail\":true}");
    assert_string_equal(svc->s.name, "web");
    assert_string_equal(svc->s.id, "i");
    assert_string_equal(svc->s.host, "h");
    assert_string_equal(svc->s.node, "");
    assert_int_equal(svc->s.port, 8080);
    assert_int_equal(svc->s.weight, 20);
    assert_int_equal(svc->s.n_attrs, 1);
    assert_string_equal(service_attr_get(svc, "priority"), "7");
    assert_int_equal(svc->s.proto, SERVICE_TCP);
    service_unref(svc);
    svc = decoded("i", " {\"host\":\"::1\",\"port\":1} ");
    assert_int_equal(svc->s.weight, SERVICE_WEIGHT_UNSET);
    assert_int_equal(svc->s.n_attrs, 0);
    service_unref(svc);

    static const struct {
        const char *id;
        enum service_proto proto;
    } protos[] = {
        {"n1-dns-53-udp", SERVICE_UDP},
        {"n1-d-n-53-udp-0123abcd", SERVICE_UDP},
        {"host1:dns:53:udp", SERVICE_UDP},
        {"n1-x-5-sctp", SERVICE_SCTP},
        {"n1-my-udp", SERVICE_TCP},
        {"n1-web-80", SERVICE_TCP},
        {"udp", SERVICE_TCP},
        {"-udp", SERVICE_TCP},
        {"n1-web-53-udp-0123abcx", SERVICE_TCP},
    };
    for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
        svc = decoded(protos[i].id, "{\"host\":\"h\",\"port\":1}");
        if (svc->s.proto != protos[i].proto) {
            fail_msg("%s: %s", protos[i].id, service_proto_name(svc->s.proto));
        }
        service_unref(svc);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *value, *reason;
    } cases[] = {
        {"", ""},
        {"10.0.0.5:80", ""},
        {"[]", "a record is not an object"},
        {"{}", "host"},
        {"{\"text\":\"hello\",\"ttl\":60}", "a text record, without a host"},
        {"{\"host\":\"h\"}", "an address without a port"},
        {"{\"host\":\"h\",\"port\":0}", "an address without a port"},
        {"{\"host\":5,\"port\":1}", "host"},
        {"{\"host\":\"a b\",\"port\":1}", ""},
        {"{\"host\":\"h\",\"port\":65536}", "\"port\" is not a whole number from 0 to 65535"},
        {"{\"host\":\"h\",\"port\":\"x\"}", "\"port\""},
        {"{\"host\":\"h\",\"port\":1,\"weight\":-1}", "\"weight\""},
        {"{\"host\":\"h\",\"port\":1,\"weight\":1.5}", "\"weight\""},
        {"{\"host\":\"h\",\"port\":1,\"priority\":65536}", "\"priority\""},
        {"{\"host\":\"h\xff\",\"port\":1}", "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct service *svc = NULL;
        struct err e = ERR_INIT;
        int r = skydns_decode(&svc, "web", "i", cases[i].value, strlen(cases[i].value), &e);
        if (r != -EINVAL || e.class != ERR_INVALID || !*e.msg || !strstr(e.msg, cases[i].reason)) {
            fail_msg("%s: %d, \"%s\" lacks \"%s\"", cases[i].value, r, e.msg, cases[i].reason);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),     cmocka_unit_test(long_ids),    cmocka_unit_test(keys),
        cmocka_unit_test(hosts),   cmocka_unit_test(parsed_keys), cmocka_unit_test(layout),
        cmocka_unit_test(values),  cmocka_unit_test(bad_hosts),   cmocka_unit_test(read_back),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
