/*
 * The record codec: the exact bytes of each form, what is read back, and what is refused and why.
 */
#include "registry/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const one_tag[] = {"a"};
static const struct service_attr one_attr[] = {{"region", "eu"}};

static struct service_spec web(void)
{
    return (struct service_spec){
        .name = "web",
        .id = "node1:web-1:80",
        .node = "node1",
        .container = HEX64,
        .host = "10.0.0.5",
        .port = 30400,
        .weight = SERVICE_WEIGHT_UNSET,
        .tags = one_tag,
        .n_tags = 1,
        .attrs = one_attr,
        .n_attrs = 1,
    };
}

static struct service *make(const struct service_spec *spec)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    if (service_new(&svc, spec, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    return svc;
}

static void assert_encoded(enum record_form form, const struct service_spec *spec,
                           const char *expected)
{
    CLEANUP(buf_deinit) struct buf out = BUF_INIT(RECORD_VALUE_MAX);
    struct err e = ERR_INIT;
    struct service *svc = make(spec);
    if (record_encode(form, svc, &out, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    assert_string_equal(buf_str(&out), expected);
    service_unref(svc);
}

static struct service *decode(const char *name, const char *id, const char *value)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    if (record_decode(&svc, name, id, value, strlen(value), &e) < 0) {
        fail_msg("%s: %s", value, e.msg);
    }
    return svc;
}

static void assert_refused(const char *value, const char *why)
{
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(record_decode(&svc, "web", "x", value, strlen(value), &e), -EINVAL);
    assert_null(svc);
    assert_int_equal(e.class, ERR_INVALID);
    if (!strstr(e.msg, why)) {
        fail_msg("%s: \"%s\" does not say \"%s\"", value, e.msg, why);
    }
}

static void json_has_the_members_in_the_documented_order(void **state)
{
    struct service_spec spec = web();
    assert_encoded(
        RECORD_JSON, &spec,
        "{\"host\":\"10.0.0.5\",\"port\":30400,\"name\":\"web\",\"id\":\"node1:web-1:80\","
        "\"node\":\"node1\",\"container\":\"" HEX64 "\",\"proto\":\"tcp\",\"tags\":[\"a\"],"
        "\"attrs\":{\"region\":\"eu\"},\"status\":\"passing\"}");
    spec.weight = 0;
    spec.n_tags = 0;
    spec.n_attrs = 0;
    spec.proto = SERVICE_UDP;
    spec.status = SERVICE_CRITICAL;
    spec.host = "2001:db8::1";
    spec.container = "";
    assert_encoded(
        RECORD_JSON, &spec,
        "{\"host\":\"2001:db8::1\",\"port\":30400,\"name\":\"web\",\"id\":\"node1:web-1:80\","
        "\"node\":\"node1\",\"container\":\"\",\"proto\":\"udp\",\"tags\":[],\"attrs\":{},"
        "\"status\":\"critical\",\"weight\":0}");
}

static void addr_and_grpc_bracket_ipv6(void **state)
{
    struct service_spec spec = web();
    assert_encoded(RECORD_ADDR, &spec, "10.0.0.5:30400");
    assert_encoded(RECORD_GRPC, &spec,
                   "{\"Op\":0,\"Addr\":\"10.0.0.5:30400\",\"Metadata\":{\"name\":\"web\","
                   "\"id\":\"node1:web-1:80\",\"node\":\"node1\",\"container\":\"" HEX64 "\","
                   "\"proto\":\"tcp\",\"tags\":[\"a\"],\"attrs\":{\"region\":\"eu\"},"
                   "\"status\":\"passing\"}}");
    spec.host = "2001:db8::1";
    assert_encoded(RECORD_ADDR, &spec, "[2001:db8::1]:30400");
}

static void json_and_grpc_come_back_equal(void **state)
{
    static const char *const tags[] = {"b", "a", "with \"quotes\"\n", ""};
    static const struct service_attr attrs[] = {{"b", "2"}, {"a", "\xc3\xa9\t"}};
    struct service_spec spec = web();
    spec.tags = tags;
    spec.n_tags = 4;
    spec.attrs = attrs;
    spec.n_attrs = 2;
    spec.weight = 7;
    spec.proto = SERVICE_SCTP;
    spec.status = SERVICE_WARNING;
    struct service *svc = make(&spec);
    for (int form = RECORD_JSON; form <= RECORD_GRPC; form += RECORD_GRPC - RECORD_JSON) {
        CLEANUP(buf_deinit) struct buf out = BUF_INIT(RECORD_VALUE_MAX);
        struct err e = ERR_INIT;
        assert_int_equal(record_encode((enum record_form)form, svc, &out, &e), 0);
        struct service *back = decode("web", "node1:web-1:80", buf_str(&out));
        assert_true(service_equal(svc, back));
        service_unref(back);
    }
    service_unref(svc);
}

static void addr_takes_the_rest_from_the_id(void **state)
{
    struct service *svc = decode("web", "node1:web-1:53:udp", " 10.0.0.5:30400\n");
    assert_string_equal(svc->s.host, "10.0.0.5");
    assert_int_equal(svc->s.port, 30400);
    assert_string_equal(svc->s.node, "node1");
    assert_string_equal(svc->s.container, "web-1");
    assert_int_equal(svc->s.proto, SERVICE_UDP);
    assert_int_equal(svc->s.status, SERVICE_PASSING);
    assert_int_equal(svc->s.weight, SERVICE_WEIGHT_UNSET);
    service_unref(svc);
    /* ids that tell nothing */
    const char *const ids[] = {"portal01", "a:b",   "a:b:c",        "a:b:80:quic", ":b:80",
                               "a::80",    "a:b:0", "a:b:80:udp:x", "a:b:800000"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        svc = decode("web", ids[i], "[2001:db8::1]:80");
        assert_string_equal(svc->s.host, "2001:db8::1");
        assert_string_equal(svc->s.node, "");
        assert_string_equal(svc->s.container, "");
        assert_int_equal(svc->s.proto, SERVICE_TCP);
        service_unref(svc);
    }
}

static void records_of_other_tools_need_an_address_only(void **state)
{
    struct service *svc = decode("test", "node", "{\"host\":\"127.0.0.1\",\"port\":6699}");
    assert_string_equal(svc->s.host, "127.0.0.1");
    assert_int_equal(svc->s.port, 6699);
    assert_string_equal(svc->s.name, "test");
    assert_string_equal(svc->s.id, "node");
    service_unref(svc);
    svc = decode("t", "n",
                 "{\"host\":\"[::1]\",\"port\":\"80\",\"weight\":3,\"metadata\":{},"
                 "\"tags\":null,\"priority\":1,\"name\":\"other\",\"id\":\"other\"}");
    assert_string_equal(svc->s.host, "::1");
    assert_int_equal(svc->s.weight, 3);
    assert_string_equal(svc->s.name, "t"); /* the key decides */
    assert_string_equal(svc->s.id, "n");
    service_unref(svc);
    svc = decode("t", "n", "{\"Op\":0,\"Addr\":\"backend.local:8080\",\"Metadata\":null}");
    assert_string_equal(svc->s.host, "backend.local");
    service_unref(svc);
    svc = decode("t", "n", "{\"Addr\":\"10.0.0.1:8080\",\"Metadata\":\"v1\"}");
    assert_int_equal(svc->s.port, 8080);
    service_unref(svc);
}

static void bad_records_are_refused_with_the_reason(void **state)
{
    assert_refused("", "empty");
    assert_refused(" \n", "empty");
    assert_refused("portal", "no port");
    assert_refused("10.0.0.5", "no port");
    assert_refused("10.0.0.5:", "not between 1 and 65535");
    assert_refused("10.0.0.5:0", "not between 1 and 65535");
    assert_refused("10.0.0.5:65536", "not between 1 and 65535");
    assert_refused("10.0.0.5:80x", "not between 1 and 65535");
    assert_refused(":80", "host");
    assert_refused("[]:80", "host");
    assert_refused("2001:db8::1:80", "brackets");
    assert_refused("[2001:db8::1]80", "no port");
    assert_refused("10.0.0.5;:80", "0x3b");
    assert_refused("[10.0.0.5:x]:80", "not an IPv6 address");
    assert_refused("[::1%a/b]:80", "not an IPv6 address");
    assert_refused("{\"host\":\"a b\",\"port\":80}", "0x20");
    assert_refused("{\"host\":\"a:b\",\"port\":80}", "not an IPv6 address");
    assert_refused("http://10.0.0.5:80", "brackets");
    assert_refused("{\"host\":", "not JSON");
    assert_refused("{\"host\":\"h\",\"port\":80,\"tags\":[\"\xff\"]}", "not UTF-8 at byte 31");
    assert_refused("{}", "host");
    assert_refused("{\"host\":\"\",\"port\":80}", "the host is empty");
    assert_refused("{\"host\":7,\"port\":80}", "host");
    assert_refused("{\"host\":\"h\"}", "\"port\"");
    assert_refused("{\"host\":\"h\",\"port\":0}", "\"port\"");
    assert_refused("{\"host\":\"h\",\"port\":70000}", "\"port\"");
    assert_refused("{\"host\":\"h\",\"port\":8.5}", "\"port\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"weight\":-1}", "\"weight\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"weight\":1e12}", "\"weight\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"proto\":\"quic\"}", "\"quic\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"status\":\"ok\"}", "\"ok\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"node\":1}", "\"node\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"tags\":\"a\"}", "\"tags\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"tags\":[1]}", "\"tags\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"attrs\":[]}", "\"attrs\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"attrs\":{\"a\":1}}", "\"attrs\"");
    assert_refused("{\"host\":\"h\",\"port\":80,\"attrs\":{\"a\":\"1\",\"a\":\"2\"}}", "attribute");
    assert_refused("{\"Op\":0,\"Addr\":\"nowhere\"}", "no port");
    assert_refused("{\"Op\":0,\"Addr\":5}", "Addr");
}

static void too_much_is_refused(void **state)
{
    CLEANUP(buf_deinit) struct buf value = BUF_INIT(4 * RECORD_VALUE_MAX);
    buf_puts(&value, "{\"host\":\"h\",\"port\":80,\"tags\":[\"\"");
    for (int i = 0; i < SERVICE_TAGS_MAX; i++) {
        buf_puts(&value, ",\"t\"");
    }
    buf_puts(&value, "]}");
    assert_refused(buf_str(&value), "tags");

    buf_reset(&value);
    buf_puts(&value, "{\"host\":\"h\",\"port\":80,\"attrs\":{\"a\":\"\"");
    for (int i = 0; i < SERVICE_ATTRS_MAX; i++) {
        buf_printf(&value, ",\"a%d\":\"\"", i);
    }
    buf_puts(&value, "}}");
    assert_refused(buf_str(&value), "attributes");

    buf_reset(&value);
    buf_puts(&value, "{\"host\":\"");
    for (int i = 0; i <= SERVICE_HOST_MAX; i++) {
        buf_putc(&value, 'h');
    }
    buf_puts(&value, "\",\"port\":80}");
    assert_refused(buf_str(&value), "254");

    buf_reset(&value);
    while (value.len <= RECORD_VALUE_MAX) {
        buf_puts(&value, "          ");
    }
    assert_refused(buf_str(&value), "bytes");
}

static void encoding_says_when_it_does_not_fit(void **state)
{
    struct service_spec spec = web();
    struct service *svc = make(&spec);
    for (int form = RECORD_JSON; form <= RECORD_GRPC; form++) {
        CLEANUP(buf_deinit) struct buf out = BUF_INIT(10);
        struct err e = ERR_INIT;
        assert_int_equal(record_encode((enum record_form)form, svc, &out, &e), -EMSGSIZE);
        assert_int_equal(e.class, ERR_INVALID);
        assert_non_null(strstr(e.msg, "node1:web-1:80"));
    }
    service_unref(svc);
}

static void a_record_inside_a_document_brings_its_own_name(void **state)
{
    const char *text = "{\"host\":\"h\",\"port\":80,\"name\":\"web\",\"id\":\"n:c:80\"}";
    CLEANUP_JSON json *j = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(json_parse(&j, text, strlen(text), &e), 0);
    struct service *svc = NULL;
    assert_int_equal(record_read(&svc, NULL, NULL, j, &e), 0);
    assert_string_equal(svc->s.name, "web");
    assert_string_equal(svc->s.id, "n:c:80");
    assert_string_equal(svc->s.container, "c");
    svc = service_unref(svc);
    const char *bare = "{\"host\":\"h\",\"port\":80}";
    CLEANUP_JSON json *k = NULL;
    assert_int_equal(json_parse(&k, bare, strlen(bare), &e), 0);
    assert_int_equal(record_read(&svc, NULL, NULL, k, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "name"));
    assert_int_equal(record_read(&svc, NULL, NULL, NULL, &e), -EINVAL);
}

static void forms_have_names(void **state)
{
    enum record_form form = RECORD_JSON;
    assert_true(record_form_parse("grpc", &form));
    assert_int_equal(form, RECORD_GRPC);
    assert_string_equal(record_form_name(RECORD_ADDR), "addr");
    assert_false(record_form_parse("JSON", &form));
    assert_int_equal(form, RECORD_GRPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_members_in_the_documented_order),
        cmocka_unit_test(addr_and_grpc_bracket_ipv6),
        cmocka_unit_test(json_and_grpc_come_back_equal),
        cmocka_unit_test(addr_takes_the_rest_from_the_id),
        cmocka_unit_test(records_of_other_tools_need_an_address_only),
        cmocka_unit_test(bad_records_are_refused_with_the_reason),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(encoding_says_when_it_does_not_fit),
        cmocka_unit_test(a_record_inside_a_document_brings_its_own_name),
        cmocka_unit_test(forms_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
