/*
 * Services: what is refused, what is copied, and how they compare.
 */
#include "base/alloc.h"
#include "tidewaiter/service.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct service_spec spec(void)
{
    static const char *const tags[] = {"b", "a"};
    static const struct service_attr attrs[] = {{"z", "1"}, {"a", "2"}, {"m", ""}};
    return (struct service_spec){.name = "web",
                                 .id = "node1:web-1:80",
                                 .node = "node1",
                                 .container = "c0ffee",
                                 .host = "10.0.0.5",
                                 .port = 30400,
                                 .weight = SERVICE_WEIGHT_UNSET,
                                 .tags = tags,
                                 .n_tags = 2,
                                 .attrs = attrs,
                                 .n_attrs = 3};
}

static struct service *make(const struct service_spec *s)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    if (service_new(&svc, s, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    return svc;
}

static void expect_refused(const struct service_spec *s, const char *message)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(service_new(&svc, s, &e), -EINVAL);
    assert_null(svc);
    assert_int_equal(e.class, ERR_INVALID);
    assert_string_equal(e.msg, message);
}

static void copies_everything(void **state)
{
    char name[] = "web", tag[] = "t";
    const char *tags[] = {tag, "u"};
    struct service_spec s = spec();
    s.name = name;
    s.tags = tags;
    s.node = NULL;
    s.container = NULL;
    s.weight = 0;
    s.proto = SERVICE_UDP;
    s.status = SERVICE_WARNING;
    struct service *svc = make(&s);
    name[0] = tag[0] = 'X';
    tags[1] = "X";
    assert_string_equal(svc->s.name, "web");
    assert_string_equal(svc->s.id, "node1:web-1:80");
    assert_string_equal(svc->s.node, "");
    assert_string_equal(svc->s.container, "");
    assert_string_equal(svc->s.host, "10.0.0.5");
    assert_int_equal(svc->s.port, 30400);
    assert_int_equal(svc->s.proto, SERVICE_UDP);
    assert_int_equal(svc->s.status, SERVICE_WARNING);
    assert_int_equal(svc->s.weight, 0);
    assert_string_equal(svc->s.tags[0], "t");
    assert_string_equal(svc->s.tags[1], "u");
    assert_string_equal(svc->s.attrs[0].key, "a");
    assert_string_equal(svc->s.attrs[1].key, "m");
    assert_string_equal(svc->s.attrs[2].value, "1");
    assert_string_equal(service_attr_get(svc, "z"), "1");
    assert_string_equal(service_attr_get(svc, "m"), "");
    assert_null(service_attr_get(svc, "y"));
    service_unref(svc);
}

static void counts_references(void **state)
{
    struct service_spec s = spec();
    s.n_tags = s.n_attrs = 0;
    s.tags = NULL;
    s.attrs = NULL;
    struct service *svc = make(&s);
    assert_null(service_attr_get(svc, "x"));
    assert_ptr_equal(service_ref(svc), svc);
    assert_int_equal(svc->refs, 2);
    assert_null(service_unref(svc));
    assert_string_equal(svc->s.name, "web");
    assert_null(service_unref(svc));
    assert_null(service_unref(NULL));
}

static void refuses_bad_text(void **state)
{
    char long_name[SERVICE_NAME_MAX + 2], long_id[SERVICE_ID_MAX + 2];
    memset(long_name, 'n', sizeof(long_name));
    long_name[SERVICE_NAME_MAX + 1] = '\0';
    memset(long_id, 'i', sizeof(long_id));
    long_id[SERVICE_ID_MAX + 1] = '\0';
    static const struct {
        const char *name, *id, *host, *message;
    } cases[] = {
        {"", "i", "h", "service name is empty"},
        {NULL, "i", "h", "service name is longer than 253 bytes"},
        {".agents", "i", "h", "service name begins with '.'"},
        {"a/b", "i", "h", "service name holds a '/'"},
        {"a\nb", "i", "h", "service name holds a control character"},
        {"n", "", "h", "service id is empty"},
        {"n", NULL, "h", "service id is longer than 512 bytes"},
        {"n", "a/b", "h", "service id holds a '/'"},
        {"n", "a\x7f", "h", "service id holds a control character"},
        {"n", "i", "h\r", "service host holds a control character"},
        {"n", "i", NULL, "service host is longer than 253 bytes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct service_spec s = spec();
        s.name = cases[i].name ? cases[i].name : long_name;
        s.id = cases[i].id ? cases[i].id : long_id;
        s.host = cases[i].host ? cases[i].host : long_name;
        expect_refused(&s, cases[i].message);
    }
    struct service_spec s = spec();
    s.name = s.host = long_name + 1;
    s.id = long_id + 1;
    service_unref(make(&s));
}

static void refuses_bad_numbers_and_lists(void **state)
{
    struct service_spec s = spec();
    s.port = 0;
    expect_refused(&s, "service port is 0");
    s = spec();
    s.weight = -2;
    expect_refused(&s, "service weight is negative");

    static const char *many_tags[SERVICE_TAGS_MAX + 1];
    static struct service_attr many_attrs[SERVICE_ATTRS_MAX + 1];
    static char keys[SERVICE_ATTRS_MAX + 1][8];
    for (size_t i = 0; i <= SERVICE_TAGS_MAX; i++) {
        many_tags[i] = "t";
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        many_attrs[i] = (struct service_attr){keys[i], "v"};
    }
    s = spec();
    s.tags = many_tags;
    s.n_tags = SERVICE_TAGS_MAX + 1;
    expect_refused(&s, "service has 129 tags, at most 128 are allowed");
    s.n_tags = SERVICE_TAGS_MAX;
    s.attrs = many_attrs;
    s.n_attrs = SERVICE_ATTRS_MAX + 1;
    expect_refused(&s, "service has 129 attributes, at most 128 are allowed");
    s.n_attrs = SERVICE_ATTRS_MAX;
    service_unref(make(&s));

    static char long_text[SERVICE_TEXT_MAX + 2];
    memset(long_text, 'x', SERVICE_TEXT_MAX + 1);
    many_tags[3] = long_text;
    expect_refused(&s, "service tag is longer than 4096 bytes");
    many_tags[3] = long_text + 1;
    many_attrs[5].value = long_text;
    expect_refused(&s, "service attribute value is longer than 4096 bytes");
    many_attrs[5] = (struct service_attr){long_text, "v"};
    expect_refused(&s, "service attribute key is longer than 4096 bytes");
    many_attrs[5] = (struct service_attr){"k9", "v"};
    expect_refused(&s, "service attribute k9 is given twice");
}

static void equal_means_every_field(void **state)
{
    struct service_spec base = spec();
    struct service *a = make(&base), *b = make(&base);
    assert_true(service_equal(a, a) && service_equal(a, b));
    service_unref(b);

    static const char *const other_tags[] = {"b", "c"};
    static const struct service_attr other_key[] = {{"z", "1"}, {"b", "2"}, {"m", ""}};
    static const struct service_attr other_value[] = {{"z", "1"}, {"a", "3"}, {"m", ""}};
    static const struct service_attr other_order[] = {{"m", ""}, {"z", "1"}, {"a", "2"}};
    for (int i = 0; i < 14; i++) {
        struct service_spec s = spec();
        switch (i) {
        case 0:
            s.name = "wec";
            break;
        case 1:
            s.id = "x";
            break;
        case 2:
            s.node = "node2";
            break;
        case 3:
            s.container = "";
            break;
        case 4:
            s.host = "10.0.0.6";
            break;
        case 5:
            s.port++;
            break;
        case 6:
            s.proto = SERVICE_SCTP;
            break;
        case 7:
            s.status = SERVICE_CRITICAL;
            break;
        case 8:
            s.weight = 0;
            break;
        case 9:
            s.n_tags = 1;
            break;
        case 10:
            s.tags = other_tags;
            break;
        case 11:
            s.n_attrs = 2;
            break;
        case 12:
            s.attrs = other_key;
            break;
        case 13:
            s.attrs = other_value;
            break;
        }
        b = make(&s);
        if (service_equal(a, b)) {
            fail_msg("case %d: found equal", i);
        }
        service_unref(b);
    }
    struct service_spec s = spec();
    s.attrs = other_order;
    b = make(&s);
    assert_true(service_equal(a, b));
    service_unref(b);
    service_unref(a);
}

static void orders_by_name_then_id(void **state)
{
    static const char *const sorted[][2] = {{"a", "z"},       {"a-b", "a"}, {"a.b", "a"},
                                            {"b", "a"},       {"b", "a:1"}, {"b", "b"},
                                            {"\xc3\xa9", "a"}};
    struct service *svc[ARRAY_LEN(sorted)];
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        struct service_spec s = spec();
        s.name = sorted[i][0];
        s.id = sorted[i][1];
        svc[i] = make(&s);
    }
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        for (size_t k = 0; k < ARRAY_LEN(sorted); k++) {
            int c = service_compare(svc[i], svc[k]);
            assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
            assert_int_equal(service_compare_key(svc[i], sorted[k][0], sorted[k][1]), c);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        service_unref(svc[i]);
    }
}

static void names_enums(void **state)
{
    enum service_proto proto;
    enum service_status status;
    for (int i = SERVICE_TCP; i <= SERVICE_SCTP; i++) {
        assert_true(service_proto_parse(service_proto_name((enum service_proto)i), &proto));
        assert_int_equal(proto, i);
    }
    for (int i = SERVICE_PASSING; i <= SERVICE_CRITICAL; i++) {
        assert_true(service_status_parse(service_status_name((enum service_status)i), &status));
        assert_int_equal(status, i);
    }
    assert_string_equal(service_proto_name(SERVICE_UDP), "udp");
    assert_string_equal(service_status_name(SERVICE_CRITICAL), "critical");
    assert_false(service_proto_parse("TCP", &proto) || service_proto_parse("", &proto) ||
                 service_status_parse("ok", &status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_everything),
        cmocka_unit_test(counts_references),
        cmocka_unit_test(refuses_bad_text),
        cmocka_unit_test(refuses_bad_numbers_and_lists),
        cmocka_unit_test(equal_means_every_field),
        cmocka_unit_test(orders_by_name_then_id),
        cmocka_unit_test(names_enums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
