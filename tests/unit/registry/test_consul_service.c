/*
 * Bodies of registrations, and what Consul would refuse them for. That Consul shows what they say is
 * for test_consul_listing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "consul_samples.h"

#define BODY_MAX (1u << 20)

static struct service_spec plain(void)
{
    return (struct service_spec){.name = "web",
                                 .id = "node1:web-1:80",
                                 .node = "node1",
                                 .container = "",
                                 .host = "10.0.0.5",
                                 .port = 30080,
                                 .weight = SERVICE_WEIGHT_UNSET};
}

static int encode(const struct consul_owner *owner, const struct service_spec *spec,
                  struct buf *body, uint64_t *ret_digest, struct err *e)
{
    struct service *svc = NULL;
    if (service_new(&svc, spec, e) < 0) {
        fail_msg("%s", e->msg);
    }
    int r = consul_service_encode(owner, svc, body, ret_digest, e);
    service_unref(svc);
    return r;
}

static uint64_t digest_of(const struct consul_owner *owner, const struct service_spec *spec)
{
    CLEANUP(buf_deinit) struct buf body = BUF_INIT(BODY_MAX);
    struct err e = ERR_INIT;
    uint64_t digest = 0;
    if (encode(owner, spec, &body, &digest, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    return digest;
}

static void expect_body(const struct consul_owner *owner, const struct service_spec *spec,
                        const char *expected, const char *remark)
{
    CLEANUP(buf_deinit) struct buf body = BUF_INIT(BODY_MAX);
    struct err e = ERR_INIT;
    uint64_t digest = 0;
    buf_puts(&body, "before");
    int r = encode(owner, spec, &body, &digest, &e);
    if (r != (remark ? REGISTRY_ENCODED_PARTLY : 0) || (remark && !strstr(e.msg, remark)) ||
        (remark && e.class != ERR_INVALID)) {
        fail_msg("%d, %s: %s", r, err_class_name(e.class), e.msg);
    }
    assert_string_equal(buf_str(&body) + strlen("before"), expected);
}

#define HEAD   "{\"ID\":\"node1:web-1:80\",\"Name\":\"web\",\"Tags\":[],"
#define ADDR   "\"Address\":\"10.0.0.5\",\"Port\":30080,"
#define NODE   "\"tidewaiter-node\":\"node1\""
#define NO_CHK "\"Checks\":[]}"

static void bodies(void **state)
{
    static const char *const tags[] = {"b", "a,", "b"};
    static const struct service_attr attrs[] = {
        {"region", "eu"}, {"check_interval", "9s"}, {"enable_tag_override", "yes"}};
    struct service_spec spec = plain();
    expect_body(&sample_native, &spec, HEAD ADDR "\"Meta\":{" NODE "}," NO_CHK, NULL);

    spec.host = "";
    expect_body(&sample_native, &spec, HEAD "\"Port\":30080,\"Meta\":{" NODE "}," NO_CHK, NULL);

    spec = plain();
    spec.container = SAMPLE_CONTAINER;
    spec.tags = tags;
    spec.n_tags = ARRAY_LEN(tags);
    spec.attrs = attrs;
    spec.n_attrs = ARRAY_LEN(attrs);
    spec.weight = 5;
    expect_body(&sample_native, &spec,
                "{\"ID\":\"node1:web-1:80\",\"Name\":\"web\",\"Tags\":[\"b\",\"a,\",\"b\"]," ADDR
                "\"Meta\":{" NODE ",\"tidewaiter-container\":\"" SAMPLE_CONTAINER
                "\",\"region\":\"eu\"},\"Weights\":{\"Passing\":5,\"Warning\":1},"
                "\"EnableTagOverride\":true," NO_CHK,
                NULL);
    expect_body(&sample_registrator, &spec,
                "{\"ID\":\"node1:web-1:80\",\"Name\":\"web\",\"Tags\":[\"b\",\"a,\",\"b\"]," ADDR
                "\"Meta\":{" NODE ",\"tidewaiter-container\":\"" SAMPLE_CONTAINER
                "\",\"check_interval\":\"9s\",\"enable_tag_override\":\"yes\",\"region\":\"eu\"}"
                "," NO_CHK,
                NULL);
}

static void weights(void **state)
{
    static const struct {
        int given, sent;
        bool remark;
    } cases[] = {{1, 1, false}, {2, 2, false}, {65535, 65535, false}, {65536, 65535, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct service_spec spec = plain();
        char expected[512], remark[64];
        spec.weight = cases[i].given;
        snprintf(expected, sizeof(expected),
                 HEAD ADDR "\"Meta\":{" NODE "},\"Weights\":{\"Passing\":%d,\"Warning\":1}," NO_CHK,
                 cases[i].sent);
        snprintf(remark, sizeof(remark), "weight %d is registered as %d", cases[i].given,
                 cases[i].sent);
        expect_body(&sample_native, &spec, expected, cases[i].remark ? remark : NULL);
    }
}

/* Consul's default is the same as nothing given. */
static void default_weight(void **state)
{
    struct service_spec spec = plain();
    uint64_t unset = digest_of(&sample_native, &spec);
    spec.weight = 1;
    assert_int_equal(digest_of(&sample_native, &spec), unset);
    spec.weight = 2;
    assert_int_not_equal(digest_of(&sample_native, &spec), unset);
}

/* ---- Meta ---- */

static void meta_refused(void **state)
{
    static char key128[129], key129[130], value512[513], value513[514], wide[514];
    memset(key128, 'k', 128);
    memset(key129, 'k', 129);
    memset(value512, 'v', 512);
    memset(value513, 'v', 513);
    /* a byte that is no UTF-8 is a character of three bytes in Consul */
    memset(wide, 'v', 511);
    wide[510] = '\xff';
    const struct {
        struct service_attr attr;
        const char *why; /* NULL: taken */
    } cases[] = {
        {{"a.b", "x"}, "attribute a.b is left out: Consul's Meta takes only letters"},
        {{"a b", "x"}, "takes only letters"},
        {{"\xc3\xa4", "x"}, "takes only letters"},
        {{"", "x"}, "takes only letters"},
        {{"consul-x", "x"}, "begin with \"consul-\""},
        {{"Consul-x", "x"}, NULL},
        {{"tidewaiter-node", "other"}, "tidewaiter keeps this name"},
        {{"tidewaiter-container", "other"}, "tidewaiter keeps this name"},
        {{key128, ""}, NULL},
        {{key129, ""}, "longer than the 128 bytes"},
        {{"v", value512}, NULL},
        {{"v", value513}, "longer than the 512 bytes"},
        {{"v", wide}, "longer than the 512 bytes"},
        {{"v", ""}, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_deinit) struct buf body = BUF_INIT(BODY_MAX);
        struct service_spec spec = plain();
        struct err e = ERR_INIT;
        uint64_t digest;
        const struct service_attr attrs[] = {cases[i].attr, {"zz", "kept"}};
        spec.attrs = attrs;
        spec.n_attrs = ARRAY_LEN(attrs);
        int r = encode(&sample_native, &spec, &body, &digest, &e);
        bool told =
            cases[i].why ? r == REGISTRY_ENCODED_PARTLY && strstr(e.msg, cases[i].why) : r == 0;
        char pair[1024];
        snprintf(pair, sizeof(pair), ",\"%s\":\"%s\"", cases[i].attr.key, cases[i].attr.value);
        bool there = strstr(buf_str(&body), pair);
        if (!told || there != !cases[i].why || !strstr(buf_str(&body), "\"zz\":\"kept\"")) {
            fail_msg("%s: %d, %s; %s", cases[i].attr.key, r, e.msg, buf_str(&body));
        }
    }
}

static void meta_full(void **state)
{
    static char keys[CONSUL_META_PAIRS_MAX][4];
    struct service_attr attrs[CONSUL_META_PAIRS_MAX];
    for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%02zu", i);
        attrs[i] = (struct service_attr){.key = keys[i], .value = "x"};
    }
    static const struct {
        const char *container;
        size_t n;
        bool whole;
    } cases[] = {{"", 63, true}, {"", 64, false}, {"c", 62, true}, {"c", 63, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_deinit) struct buf body = BUF_INIT(BODY_MAX);
        CLEANUP_JSON json *j = NULL;
        struct service_spec spec = plain();
        struct err e = ERR_INIT;
        uint64_t digest;
        spec.container = cases[i].container;
        spec.attrs = attrs;
        spec.n_attrs = cases[i].n;
        int r = encode(&sample_native, &spec, &body, &digest, &e);
        assert_int_equal(r, cases[i].whole ? 0 : REGISTRY_ENCODED_PARTLY);
        assert_int_equal(json_parse(&j, body.data, body.len, &e), 0);
        assert_int_equal(json_size(json_get(j, "Meta")), CONSUL_META_PAIRS_MAX);
    }
}

/* ---- several things at once ---- */

static void first_remark(void **state)
{
    struct service_spec spec = plain();
    struct service_attr attrs[] = {{"check_ttl", "5"}, {"enable_tag_override", "perhaps"}};
    spec.attrs = attrs;
    spec.n_attrs = 1;
    expect_body(&sample_native, &spec, HEAD ADDR "\"Meta\":{" NODE "}," NO_CHK,
                "check_ttl \"5\" has no unit: write 5s");
    spec.n_attrs = 2;
    expect_body(&sample_native, &spec, HEAD ADDR "\"Meta\":{" NODE "}," NO_CHK,
                "enable_tag_override \"perhaps\" is neither true nor false");
}

/* Tags that others may change are not compared, nor does the order of attributes count. */
static void what_counts(void **state)
{
    const char *tags[] = {"a", "b"}, *swapped[] = {"b", "a"}, *joined[] = {"ab"};
    struct service_attr open[] = {{"enable_tag_override", "1"}};
    struct service_attr checks[] = {{"check_tcp", "1"}, {"check_ttl", "5s"}};
    struct service_spec spec = plain();
    spec.tags = tags;
    spec.n_tags = 2;
    uint64_t first = digest_of(&sample_native, &spec);
    spec.tags = swapped;
    assert_int_not_equal(digest_of(&sample_native, &spec), first);
    spec.tags = joined;
    spec.n_tags = 1;
    assert_int_not_equal(digest_of(&sample_native, &spec), first);

    /* where one text ends and the next begins counts as well */
    const char *early[] = {"x", "yz"}, *late[] = {"xy", "z"};
    spec.tags = early;
    spec.n_tags = 2;
    uint64_t split_early = digest_of(&sample_native, &spec);
    spec.tags = late;
    assert_int_not_equal(digest_of(&sample_native, &spec), split_early);
    spec.tags = joined;
    spec.n_tags = 1;

    spec.attrs = open;
    spec.n_attrs = 1;
    uint64_t with_open = digest_of(&sample_native, &spec);
    assert_int_not_equal(with_open, first);
    spec.tags = tags;
    spec.n_tags = 2;
    assert_int_equal(digest_of(&sample_native, &spec), with_open);

    spec.attrs = checks;
    spec.n_attrs = 2;
    uint64_t passing = digest_of(&sample_native, &spec);
    spec.status = SERVICE_CRITICAL;
    assert_int_not_equal(digest_of(&sample_native, &spec), passing);
    spec.status = SERVICE_PASSING;
    checks[0].value = "no";
    assert_int_not_equal(digest_of(&sample_native, &spec), passing);

    /* the node is the agent's, whoever the service says it is from */
    spec.node = "another";
    uint64_t same = digest_of(&sample_native, &spec);
    spec.node = "node1";
    assert_int_equal(digest_of(&sample_native, &spec), same);
    struct consul_owner other = sample_native;
    other.node = "another";
    assert_int_not_equal(digest_of(&other, &spec), same);
}

/* ---- what cannot be registered at all ---- */

static void refused(void **state)
{
    static const struct {
        const char *host, *id, *why;
    } cases[] = {
        {"0.0.0.0", "x", "the address 0.0.0.0 cannot be registered in Consul: nobody"},
        {"::", "x", "the address :: cannot"},
        {"0:0:0:0:0:0:0:0", "x", "the address 0:0:0:0:0:0:0:0 cannot"},
        {"10.0.0.5", "a\xff", "the id cannot be registered in Consul: not UTF-8 at byte 1"},
        {"10.0.0.5", "..", "the id \"..\" cannot be registered in Consul"},
        {"10.0.0.5", ".", "the id \".\" cannot be registered in Consul"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_deinit) struct buf body = BUF_INIT(BODY_MAX);
        struct service_spec spec = plain();
        struct err e = ERR_INIT;
        uint64_t digest = 4711;
        spec.host = cases[i].host;
        spec.id = cases[i].id;
        int r = encode(&sample_native, &spec, &body, &digest, &e);
        if (r != -EINVAL || e.class != ERR_INVALID || !strstr(e.msg, cases[i].why) ||
            digest != 4711 || body.len > 0) {
            fail_msg("%s %s: %d, %s", cases[i].host, cases[i].id, r, e.msg);
        }
    }
}

static void long_node(void **state)
{
    CLEANUP(buf_deinit) struct buf body = BUF_INIT(BODY_MAX);
    char node[CONSUL_META_VALUE_MAX + 2] = "";
    struct consul_owner owner = {.node = node, .id_host = "n"};
    struct service_spec spec = plain();
    struct err e = ERR_INIT;
    uint64_t digest;
    memset(node, 'n', CONSUL_META_VALUE_MAX);
    assert_int_equal(encode(&owner, &spec, &body, &digest, &e), 0);
    node[CONSUL_META_VALUE_MAX] = 'n';
    assert_int_equal(encode(&owner, &spec, &body, &digest, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "the node name is longer than the 512 bytes"));
}

static void too_large(void **state)
{
    CLEANUP(buf_deinit) struct buf body = BUF_INIT(100);
    struct service_spec spec = plain();
    struct err e = ERR_INIT;
    uint64_t digest = 4711;
    assert_int_equal(encode(&sample_native, &spec, &body, &digest, &e), -EMSGSIZE);
    assert_int_equal(e.class, ERR_INVALID);
    assert_string_equal(e.msg, "the service takes more than 100 bytes in a registration");
    assert_int_equal(digest, 4711);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),       cmocka_unit_test(weights),
        cmocka_unit_test(meta_refused), cmocka_unit_test(default_weight),
        cmocka_unit_test(meta_full),    cmocka_unit_test(first_remark),
        cmocka_unit_test(what_counts),  cmocka_unit_test(refused),
        cmocka_unit_test(long_node),    cmocka_unit_test(too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
