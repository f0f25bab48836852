/*
 * Tag lists, against what Registrator's own test and documentation give; only the order is the written
 * one here.
 */
#include "fixture.h"
#include "mapping/tags.h"

#define NONE                                                                                       \
    {                                                                                              \
        NULL                                                                                       \
    }

static const struct {
    const char *text;
    const char *want[5];
} vectors[] = {
    {"", NONE},
    {"foobar", {"foobar"}},
    {"foo,bar", {"foo", "bar"}},
    {"foo\\,bar", {"foo,bar"}},
    {"foo,bar\\,baz", {"foo", "bar,baz"}},
    {"\\,foobar\\,", {",foobar,"}},
    {",,,,foo,,,bar,,,", {"foo", "bar"}},
    {",,,,", NONE},
    {",,\\,,", {","}},
    {"a,b,c", {"a", "b", "c"}},
    {"a, b ,c", {"a", " b ", "c"}},
    {"a\\\\,b", {"a\\,b"}},
    {"a\\", {"a\\"}},
    {"\\,\\,", {",,"}},
    {"a\\,\\,b,c", {"a,,b", "c"}},
    {"\\,,b", {",", "b"}},
    {"/(;\\,:-_)/", {"/(;,:-_)/"}},
};

static void test_vectors(void **state)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct arena a = ARENA_NULL;
        struct tags got;
        size_t n = 0;
        tags_parse(&got, vectors[i].text, &a);
        while (vectors[i].want[n]) {
            n++;
        }
        if (got.n != n) {
            fail_msg("\"%s\": %zu tags, expected %zu", vectors[i].text, got.n, n);
        }
        for (size_t j = 0; j < n; j++) {
            if (!streq(got.items[j], vectors[i].want[j])) {
                fail_msg("\"%s\": tag %zu is \"%s\", expected \"%s\"", vectors[i].text, j,
                         got.items[j], vectors[i].want[j]);
            }
        }
        arena_deinit(&a);
    }
}

static void test_option(void **state)
{
    struct err e = ERR_INIT;
    assert_int_equal(mapping_tags_check("", &e), 0);
    assert_int_equal(mapping_tags_check("a,b\\,c", &e), 0);
    assert_int_equal(mapping_tags_check("a,{{.ID}}", &e), -EINVAL);
    assert_int_equal(e.class, ERR_INVALID);
    assert_non_null(strstr(e.msg, "{{.ID}}"));
    assert_int_equal(mapping_tags_check("a\nb", &e), -EINVAL);
}

static void test_of_services(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_publish(&fx, 53, SERVICE_TCP, 53);
    fx_publish(&fx, 53, SERVICE_UDP, 53);
    fx_publish(&fx, 54, SERVICE_SCTP, 54);
    fx_publish(&fx, 80, SERVICE_TCP, 80);
    fx_label(&fx, "SERVICE_TAGS", "z,a\\,b");
    fx_label(&fx, "SERVICE_80_TAGS", "udp,c");
    fx_label(&fx, "SERVICE_54_TAGS", "");
    fx.o.tags = "every,one";
    fx_expect(
        &fx,
        "53/tcp 0.0.0.0:53 = web-53 node1:web-1:53 192.168.1.102:53 <z> <a,b> <every> <one>\n"
        "53/udp 0.0.0.0:53 = web-53 node1:web-1:53:udp 192.168.1.102:53 <z> <a,b> <every> "
        "<one> <udp>\n"
        "54/sctp 0.0.0.0:54 = web-54 node1:web-1:54:sctp 192.168.1.102:54 <every> <one> "
        "<sctp>\n"
        "80/tcp 0.0.0.0:80 = web-80 node1:web-1:80 192.168.1.102:80 <udp> <c> <every> <one>\n");
}

static void test_udp_tag_once(void **state)
{
    struct fx fx;
    fx_init(&fx);
    fx_publish(&fx, 53, SERVICE_UDP, 53);
    fx_label(&fx, "SERVICE_TAGS", "udp,x");
    fx_expect(&fx, "53/udp 0.0.0.0:53 = web node1:web-1:53:udp 192.168.1.102:53 <udp> <x>\n");
}

static void test_bad_tags_are_left_out(void **state)
{
    struct fx fx;
    char many[1024] = "";
    for (size_t i = 0; i < 200; i++) {
        memcpy(many + 2 * i, "t,", 3);
    }
    fx_init(&fx);
    fx_publish(&fx, 80, SERVICE_TCP, 8080);
    fx_label(&fx, "SERVICE_TAGS", "a,b\nc,d");
    fx_expect(&fx, "80/tcp 0.0.0.0:8080 = web node1:web-1:80 192.168.1.102:8080 <a> <d>\n"
                   "warning: label SERVICE_TAGS: tag \"b?c\" has a control character; left out\n");

    struct mapping_result r;
    fx.labels[0].value = many;
    fx_map(&fx, &r);
    assert_int_equal(r.n_services, 1);
    assert_int_equal(r.verdicts[0].service->s.n_tags, 127);
    assert_int_equal(r.n_warnings, 1);
    mapping_result_deinit(&r);

    /* Together with --tags, and on udp: room is kept for the protocol. */
    many[2 * 127] = '\0';
    fx.o.tags = "last";
    fx.ports[0].proto = SERVICE_UDP;
    fx.spec.n_ports = 1;
    fx_map(&fx, &r);
    assert_int_equal(r.verdicts[0].service->s.n_tags, SERVICE_TAGS_MAX);
    assert_string_equal(r.verdicts[0].service->s.tags[126], "t");
    assert_string_equal(r.verdicts[0].service->s.tags[127], "udp");
    assert_int_equal(r.n_warnings, 1);
    assert_string_equal(r.warnings[0],
                        "label SERVICE_TAGS and --tags: only the first 127 tags count");
    mapping_result_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_option),
        cmocka_unit_test(test_of_services),
        cmocka_unit_test(test_udp_tag_once),
        cmocka_unit_test(test_bad_tags_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
