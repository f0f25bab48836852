/*
 * Checks from attributes: both dialects, every kind, every value that Consul would refuse the whole
 * service for.
 */
#include <errno.h>
#include <inttypes.h>
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
#include "base/str.h"
#include "registry/consul_check.h"
#include "registry/consul_check_args.h"
#include "registry/consul_check_parts.h"
#include "registry/consul_remark.h"

#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ATTRS_MAX 8
#define OUT_MAX   65536

struct sample {
    enum registry_dialect dialect;
    struct service_attr attrs[ATTRS_MAX];
    const char *expected; /* the checks, without ids and Notes */
    const char *remark;   /* NULL: none */
    const char *host, *id;
    enum service_status status;
    bool down; /* weight 0 */
};

static struct service *make_service(const struct sample *s)
{
    struct err e = ERR_INIT;
    struct service *svc = NULL;
    struct service_spec spec = {
        .name = "web",
        .id = s->id ? s->id : "node1:web-1:80",
        .container = CONTAINER,
        .host = s->host ? s->host : "10.0.0.5",
        .port = 30080,
        .status = s->status,
        .weight = s->down ? 0 : SERVICE_WEIGHT_UNSET,
        .attrs = s->attrs,
    };
    while (spec.n_attrs < ATTRS_MAX && s->attrs[spec.n_attrs].key) {
        spec.n_attrs++;
    }
    if (service_new(&svc, &spec, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    return svc;
}

/* One check as JSON; ids and Notes are tested by themselves. */
static void print(struct buf *out, struct consul_check c)
{
    struct json_writer w;
    c.id = c.notes = NULL;
    json_begin(&w, out);
    consul_check_write(&w, &c);
}

static void expect(const struct sample *s)
{
    CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
    CLEANUP(buf_deinit) struct buf out = BUF_INIT(OUT_MAX);
    struct err e = ERR_INIT;
    struct consul_checks checks;
    struct service *svc = make_service(s);
    struct consul_remarks remarks = {.e = &e};
    consul_checks_make(&checks, svc, s->dialect, &a, &remarks);
    for (size_t i = 0; i < checks.n; i++) {
        print(&out, checks.items[i]);
    }
    if (strcmp(buf_str(&out), s->expected) != 0) {
        fail_msg("%s=%s: %s\nexpected: %s", s->attrs[0].key, s->attrs[0].value, buf_str(&out),
                 s->expected);
    }
    bool told = s->remark ? remarks.any && e.class == ERR_INVALID && strstr(e.msg, s->remark)
                          : !remarks.any && e.class == ERR_NONE;
    if (!told) {
        fail_msg("%s=%s: \"%s\", expected \"%s\"", s->attrs[0].key, s->attrs[0].value, e.msg,
                 s->remark ? s->remark : "");
    }
    service_unref(svc);
}

#define NATIVE      REGISTRY_NATIVE
#define REGISTRATOR REGISTRY_REGISTRATOR

static void native(void **state)
{
    static const struct sample list[] = {
        {NATIVE, {{"region", "eu"}}, "", NULL},
        {NATIVE,
         {{"check_http", "/health"}},
         "{\"Name\":\"http\",\"HTTP\":\"http://10.0.0.5:30080/health\",\"Interval\":\"10s\"}",
         NULL},
        {NATIVE,
         {{"check_http", "health"}},
         "{\"Name\":\"http\",\"HTTP\":\"http://10.0.0.5:30080/health\",\"Interval\":\"10s\"}",
         NULL},
        {NATIVE,
         {{"check_http", "?q=a b"},
          {"check_http_method", "HEAD"},
          {"check_http_header", "Host: a, X: b\\, c"},
          {"check_interval", "1m"},
          {"check_timeout", "2s"},
          {"check_initial_status", "passing"},
          {"check_deregister_after", "90m"}},
         "{\"Name\":\"http\",\"HTTP\":\"http://10.0.0.5:30080?q=a b\",\"Method\":\"HEAD\","
         "\"Header\":{\"Host\":[\"a\"],\"X\":[\"b, c\"]},\"Interval\":\"1m\",\"Timeout\":\"2s\","
         "\"Status\":\"passing\",\"DeregisterCriticalServiceAfter\":\"90m\"}",
         NULL},
        {NATIVE,
         {{"check_https", "/"}, {"check_tls_skip_verify", "1"}, {"check_https_method", "GET"}},
         "{\"Name\":\"https\",\"HTTP\":\"https://[fd00::5]:30080/\",\"Method\":\"GET\","
         "\"TLSSkipVerify\":true,\"Interval\":\"10s\"}",
         NULL,
         "fd00::5"},
        {NATIVE,
         {{"check_https", "/"}, {"check_tls_skip_verify", "off"}},
         "{\"Name\":\"https\",\"HTTP\":\"https://10.0.0.5:30080/\",\"Interval\":\"10s\"}",
         NULL},
        {NATIVE, {{"check_tcp", "no"}}, "", NULL},
        {NATIVE, {{"check_tcp", ""}}, "", NULL},
        {NATIVE,
         {{"check_tcp", "maybe"}},
         "{\"Name\":\"tcp\",\"TCP\":\"[fd00::5]:30080\",\"Interval\":\"10s\"}",
         NULL,
         "fd00::5"},
        {NATIVE,
         {{"check_grpc", "true"}, {"check_tls_skip_verify", "1"}},
         "{\"Name\":\"grpc\",\"GRPC\":\"10.0.0.5:30080\",\"Interval\":\"10s\"}",
         NULL},
        {NATIVE,
         {{"check_grpc", "true"}, {"check_grpc_use_tls", "1"}, {"check_tls_skip_verify", "1"}},
         "{\"Name\":\"grpc\",\"GRPC\":\"10.0.0.5:30080\",\"GRPCUseTLS\":true,"
         "\"TLSSkipVerify\":true,\"Interval\":\"10s\"}",
         NULL},
        {NATIVE,
         {{"check_ttl", "1m30s"}, {"check_interval", "10s"}, {"check_initial_status", "critical"}},
         "{\"Name\":\"ttl\",\"TTL\":\"90s\",\"Status\":\"passing\"}",
         NULL},
        {NATIVE,
         {{"check_script", "/bin/check 'a  b' \"$SERVICE_IP:$SERVICE_PORT\" $SERVICE_NAME"}},
         "{\"Name\":\"script\",\"Args\":[\"/bin/check\",\"a  b\",\"fd00::5:30080\","
         "\"$SERVICE_NAME\"],\"Interval\":\"10s\"}",
         NULL,
         "fd00::5"},
        {NATIVE,
         {{"check_cmd", "/probe --x"}, {"check_timeout", "3s"}},
         "{\"Name\":\"cmd\",\"Args\":[\"check-cmd\",\"0123456789ab\",\"80\",\"/probe --x\"],"
         "\"Interval\":\"10s\",\"Timeout\":\"3s\"}",
         NULL},
        {NATIVE,
         {{"check_docker", "test -e /ok"}},
         "{\"Name\":\"docker\",\"DockerContainerID\":\"" CONTAINER
         "\",\"Args\":[\"test\",\"-e\",\"/ok\"],\"Interval\":\"10s\"}",
         NULL},
        /* several at once, in an order of their own */
        {NATIVE,
         {{"check_ttl", "5s"}, {"check_tcp", "1"}, {"check_http", "/"}},
         "{\"Name\":\"http\",\"HTTP\":\"http://10.0.0.5:30080/\",\"Interval\":\"10s\"}"
         "{\"Name\":\"tcp\",\"TCP\":\"10.0.0.5:30080\",\"Interval\":\"10s\"}"
         "{\"Name\":\"ttl\",\"TTL\":\"5s\",\"Status\":\"passing\"}",
         NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        expect(&list[i]);
    }
}

/* The status of the container: in the TTL check, else in a check of its own. */
static void status(void **state)
{
    static const struct sample list[] = {
        {NATIVE,
         {{"check_ttl", "5s"}},
         "{\"Name\":\"ttl\",\"TTL\":\"5s\",\"Status\":\"critical\"}",
         NULL,
         NULL,
         NULL,
         SERVICE_CRITICAL},
        {NATIVE,
         {{"check_tcp", "1"}},
         "{\"Name\":\"tcp\",\"TCP\":\"10.0.0.5:30080\",\"Interval\":\"10s\"}"
         "{\"Name\":\"health\",\"TTL\":\"8760h\",\"Status\":\"warning\"}",
         NULL,
         NULL,
         NULL,
         SERVICE_WARNING},
        {NATIVE,
         {{"check_ttl", "5"}},
         "{\"Name\":\"health\",\"TTL\":\"8760h\",\"Status\":\"critical\"}",
         "check_ttl \"5\" has no unit: write 5s",
         NULL,
         NULL,
         SERVICE_CRITICAL},
        {REGISTRATOR,
         {{"check_ttl", "5s"}},
         "{\"TTL\":\"5s\",\"Status\":\"warning\"}",
         NULL,
         NULL,
         NULL,
         SERVICE_WARNING},
        {REGISTRATOR, {{"region", "eu"}}, "", NULL, NULL, NULL, SERVICE_CRITICAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        expect(&list[i]);
    }
}

/* No weight of Consul's says "no traffic". */
static void weight_zero(void **state)
{
    static const struct sample list[] = {
        {NATIVE,
         {{"check_ttl", "5s"}},
         "{\"Name\":\"ttl\",\"TTL\":\"5s\",\"Status\":\"passing\"}"
         "{\"Name\":\"weight\",\"TTL\":\"8760h\",\"Status\":\"critical\"}",
         .down = true},
        {NATIVE,
         {{"region", "eu"}},
         "{\"Name\":\"weight\",\"TTL\":\"8760h\",\"Status\":\"critical\"}",
         .down = true},
        {REGISTRATOR, {{"weight", "0"}}, "", .down = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        expect(&list[i]);
    }
}

/* Each row of the table, and who goes before whom. */
static void registrator(void **state)
{
    static const struct sample list[] = {
        {REGISTRATOR,
         {{"check_http", "/a"},
          {"check_https", "/b"},
          {"check_cmd", "c"},
          {"check_tcp", "t"},
          {"check_http_method", "POST"},
          {"check_http_header", "A: b"},
          {"check_timeout", "1s"}},
         "{\"HTTP\":\"http://10.0.0.5:30080/a\",\"Method\":\"POST\",\"Interval\":\"10s\","
         "\"Timeout\":\"1s\"}",
         NULL},
        {REGISTRATOR,
         {{"check_https", "/b"},
          {"check_cmd", "c"},
          {"check_tls_skip_verify", "1"},
          {"check_https_method", "PUT"},
          {"check_http_method", "POST"}},
         "{\"HTTP\":\"https://10.0.0.5:30080/b\",\"Method\":\"PUT\",\"Interval\":\"10s\"}",
         NULL},
        {REGISTRATOR,
         {{"check_cmd", "c d"}, {"check_script", "s"}, {"check_timeout", "1s"}},
         "{\"Args\":[\"check-cmd\",\"0123456789ab\",\"53\",\"c d\"],\"Interval\":\"10s\"}",
         NULL,
         NULL,
         "node1:web-1:53:udp"},
        {REGISTRATOR,
         {{"check_script", "/s'$SERVICE_IP"}, {"check_ttl", "1s"}, {"check_timeout", "1s"}},
         "{\"Args\":[\"/s'10.0.0.5\"],\"Interval\":\"10s\"}",
         NULL},
        {REGISTRATOR,
         {{"check_script", "/s '$SERVICE_PORT x' y"}, {"check_interval", "3s"}},
         "{\"Args\":[\"/s\",\"30080 x\",\"y\"],\"Interval\":\"3s\"}",
         NULL},
        {REGISTRATOR,
         {{"check_ttl", "15s"},
          {"check_tcp", "t"},
          {"check_interval", "3s"},
          {"check_deregister_after", "5m"}},
         "{\"TTL\":\"15s\",\"Status\":\"passing\",\"DeregisterCriticalServiceAfter\":\"5m\"}",
         NULL},
        {REGISTRATOR,
         {{"check_tcp", "false"}, {"check_grpc", "g"}, {"check_initial_status", "passing"}},
         "{\"TCP\":\"10.0.0.5:30080\",\"Interval\":\"10s\",\"Status\":\"passing\"}",
         NULL},
        {REGISTRATOR,
         {{"check_grpc", "no"}, {"check_grpc_use_tls", "no"}, {"check_tls_skip_verify", "no"}},
         "{\"GRPC\":\"10.0.0.5:30080\",\"GRPCUseTLS\":true,\"TLSSkipVerify\":true,"
         "\"Interval\":\"10s\"}",
         NULL},
        {REGISTRATOR,
         {{"check_grpc", "1"}, {"check_tls_skip_verify", "1"}},
         "{\"GRPC\":\"10.0.0.5:30080\",\"Interval\":\"10s\"}",
         NULL},
        {REGISTRATOR, {{"check_docker", "true"}, {"check_nonsense", "x"}}, "", NULL},
        {REGISTRATOR, {{"check_initial_status", "passing"}}, "", NULL},
        {REGISTRATOR,
         {{"check_http", ""}, {"check_tcp", "1"}},
         "{\"TCP\":\"10.0.0.5:30080\",\"Interval\":\"10s\"}",
         NULL},
        /* the first one that is named is the one, also when it cannot be formed */
        {REGISTRATOR,
         {{"check_ttl", "15"}, {"check_tcp", "1"}},
         "",
         "check_ttl \"15\" has no unit: write 15s"},
        {REGISTRATOR, {{"check_http", "/"}}, "", "check_http needs the service's address", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        expect(&list[i]);
    }
}

/* What Consul refuses is left out, and the rest is there. */
static void refused(void **state)
{
#define TCP  "{\"Name\":\"tcp\",\"TCP\":\"10.0.0.5:30080\",\"Interval\":\"10s\"}"
#define HTTP "{\"Name\":\"http\",\"HTTP\":\"http://10.0.0.5:30080/\",\"Interval\":\"10s\"}"
    static const struct sample list[] = {
        {NATIVE,
         {{"check_tcp", "1"}, {"check_interval", "15"}},
         TCP,
         "check_interval \"15\" has no unit: write 15s"},
        {NATIVE,
         {{"check_tcp", "1"}, {"check_interval", "soon"}},
         TCP,
         "check_interval \"soon\" is no duration such as"},
        {NATIVE,
         {{"check_tcp", "1"}, {"check_interval", "0s"}},
         TCP,
         "check_interval \"0s\" has to be more than 0"},
        {NATIVE, {{"check_tcp", "1"}, {"check_interval", "0.1ns"}}, TCP, "has to be more than 0"},
        {NATIVE, {{"check_tcp", "1"}, {"check_interval", "-1s"}}, TCP, "is no duration"},
        {NATIVE, {{"check_tcp", "1"}, {"check_timeout", "1d"}}, TCP, "check_timeout \"1d\" is no"},
        {NATIVE,
         {{"check_tcp", "1"}, {"check_deregister_after", "1"}},
         TCP,
         "check_deregister_after \"1\" has no unit: write 1s"},
        {NATIVE,
         {{"check_tcp", "1"}, {"check_initial_status", "Passing"}},
         TCP,
         "check_initial_status \"Passing\" is not passing, warning or critical"},
        {NATIVE, {{"check_tcp", "1"}, {"check_ttl", "0s"}}, TCP, "check_ttl \"0s\" has to be more"},
        {NATIVE, {{"check_tcp", "1"}, {"check_ttl", "999ms"}}, TCP, "is not between 1s and 8760h"},
        {NATIVE, {{"check_tcp", "1"}, {"check_ttl", "8761h"}}, TCP, "is not between 1s and 8760h"},
        {NATIVE, {{"check_tcp", "1"}, {"check_http", "/\n"}}, TCP, "check_http holds a control"},
        {NATIVE,
         {{"check_tcp", "1"}, {"check_script", "a 'b"}},
         TCP,
         "check_script \"a 'b\": a quote is not closed"},
        {NATIVE, {{"check_tcp", "1"}, {"check_docker", " "}}, TCP, "it names no command"},
        {NATIVE,
         {{"check_tcp", "1"}, {"check_intervall", "1s"}},
         TCP,
         "check_intervall is no attribute of checks"},
        {NATIVE,
         {{"check_http", "/"}, {"check_http_method", "get"}},
         HTTP,
         "check_http_method \"get\" is no method"},
        {NATIVE,
         {{"check_http", "/"}, {"check_http_header", "secret"}},
         HTTP,
         "check_http_header has a part that is no \"Name: value\""},
        {NATIVE, {{"check_http", "/"}, {"check_http_header", "a b: c"}}, HTTP, "check_http_header"},
        {NATIVE, {{"check_http", "/"}, {"check_http_header", "a: c\r\nd: e"}}, HTTP, "_header"},
        {NATIVE, {{"check_script", "x $SERVICE_IP"}}, "", "check_script needs the service's", ""},
        {NATIVE,
         {{"check_script", "x"}},
         "{\"Name\":\"script\",\"Args\":[\"x\"],\"Interval\":\"10s\"}",
         NULL,
         ""},
        {NATIVE,
         {{"check_http", "/"}, {"check_https", "/"}, {"check_tcp", "1"}, {"check_grpc", "1"}},
         "",
         "check_http needs the service's address",
         ""},
        {NATIVE,
         {{"check_tcp", "1"}, {"check_cmd", "x"}},
         TCP,
         "check_cmd needs the container's id and port",
         NULL,
         "custom:80"},
    };
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        expect(&list[i]);
    }
}

/* ---- ids and Notes ---- */

static const char *notes_of(struct arena *a, const struct sample *s, const char *id)
{
    struct err e = ERR_INIT;
    struct consul_checks checks;
    struct service *svc = make_service(s);
    struct consul_remarks remarks = {.e = &e};
    consul_checks_make(&checks, svc, s->dialect, a, &remarks);
    service_unref(svc);
    if (remarks.any || checks.n != 1) {
        fail_msg("%zu checks, %s", checks.n, e.msg);
    }
    assert_string_equal(checks.items[0].id, id);
    assert_true(consul_check_notes_ours(checks.items[0].notes));
    return checks.items[0].notes;
}

static void ids_and_notes(void **state)
{
    CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
    static const struct sample http = {NATIVE, {{"check_http", "/x?secret"}}};
    static const struct sample other = {NATIVE, {{"check_http", "/x?hidden"}}};
    static const struct sample with_header = {
        NATIVE, {{"check_http", "/x?secret"}, {"check_http_header", "A: secret"}}};
    static const struct sample ttl = {NATIVE, {{"check_ttl", "1500ms"}}};
    static const struct sample ill = {
        NATIVE, {{"check_ttl", "1500ms"}}, .status = SERVICE_CRITICAL};
    static const struct sample longer = {NATIVE, {{"check_ttl", "1501ms"}}};
    static const struct sample old = {REGISTRATOR, {{"check_ttl", "2h"}}};
    static const char http_id[] = "service:node1:web-1:80:http";
    static const char ttl_id[] = "service:node1:web-1:80:ttl";

    const char *notes = notes_of(&a, &http, http_id);
    assert_ptr_equal(strstr(notes, "http://10.0.0.5:30080/x every 10s [tidewaiter "), notes);
    assert_null(strstr(notes, "secret"));
    assert_null(strstr(notes_of(&a, &with_header, http_id), "secret"));
    assert_string_not_equal(notes, notes_of(&a, &other, http_id));
    assert_string_not_equal(notes, notes_of(&a, &with_header, http_id));
    assert_string_equal(notes, notes_of(&a, &http, http_id));
    assert_int_equal(consul_check_notes_ttl(notes), 0);

    notes = notes_of(&a, &ttl, ttl_id);
    assert_int_equal(consul_check_notes_ttl(notes), 1500);
    assert_string_equal(notes, notes_of(&a, &ill, ttl_id));
    assert_string_not_equal(notes, notes_of(&a, &longer, ttl_id));
    assert_int_equal(consul_check_notes_ttl(notes_of(&a, &old, "service:node1:web-1:80")), 7200000);
}

static void foreign_notes(void **state)
{
    static const char *const list[] = {
        "",
        "TTL 15s",
        "TTL 15s, x [tidewaiter 0123456789abcde]",
        "TTL 15s, x [tidewaiter 0123456789abcdefg]",
        "TTL 15s, x [tidewaiter 0123456789abcdeF]",
        "TTL 15s, x [tidewaiter 0123456789abcdef] ",
        "TTL 15s, x [tidewaiter 0123456789abcdef)",
        "TTL 15s, x [tidewaiter 0123456789abcdef",
        " [tidewaiter 0123456789abcdef",
    };
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        if (consul_check_notes_ours(list[i]) || consul_check_notes_ttl(list[i])) {
            fail_msg("\"%s\" is taken for ours", list[i]);
        }
    }
    assert_true(consul_check_notes_ours(" [tidewaiter 0123456789abcdef]"));
    assert_int_equal(consul_check_notes_ttl("TTL 15s, x [tidewaiter 0123456789abcdef]"), 15000);
    assert_int_equal(consul_check_notes_ttl("TTL 15, x [tidewaiter 0123456789abcdef]"), 0);
    assert_int_equal(consul_check_notes_ttl("TTL  [tidewaiter 0123456789abcdef]"), 0);
}

/* ---- pieces ---- */

/* Taken and refused as by Consul 1.8.7. */
static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"10s", 10000},
        {"1.5h", 5400000},
        {"2m30s", 150000},
        {"500ms", 500},
        {"1500000us", 1500},
        {"15\xc2\xb5s", 1},
        {"15\xce\xbcs", 1},
        {".5s", 500},
        {"1.s", 1000},
        {"+5s", 5000},
        {"0", 0},
        {"0s", 0},
        {"1ns", 1},
        {"0.1ns", 0},
        {"1000001ns", 2},
        {"1m0.5s", 60500},
        {"0.000001s", 1},
        {"1h1h", 7200000},
        {"2562047h", 9223369200000},
        {"", -1},
        {"15", -1},
        {"-5s", -1},
        {"-0s", -1},
        {".s", -1},
        {" 1s", -1},
        {"1s ", -1},
        {"1d", -1},
        {"s", -1},
        {"1.5", -1},
        {"1S", -1},
        {"2562048h", -1},
        {"1s-1s", -1},
        {"99999999999999999999s", -1},
        {"+", -1},
        {"++1s", -1},
        {"0x1s", -1},
        {"1e3s", -1},
        {"9223372036854775807ns9223372036854775807ns", -1},
        {"00000000000000000000000000000000000000000000000000000000000000001s", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msec_t ms = 4711;
        bool taken = consul_duration_parse(cases[i].text, &ms);
        if (taken != (cases[i].ms >= 0) || ms != (taken ? (msec_t)cases[i].ms : 4711)) {
            fail_msg("%s: %d, %" PRIu64, cases[i].text, taken, ms);
        }
    }
}

static void duration_texts(void **state)
{
    static const struct {
        msec_t ms;
        const char *text;
    } cases[] = {{1, "1ms"},      {1000, "1s"},           {1500, "1500ms"},  {60000, "60s"},
                 {3600000, "1h"}, {31536000000, "8760h"}, {3601000, "3601s"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[CONSUL_DURATION_MAX];
        msec_t back = 0;
        consul_duration_format(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
        assert_true(consul_duration_parse(text, &back));
        assert_int_equal(back, cases[i].ms);
    }
}

static void arguments(void **state)
{
    static const struct {
        const char *text, *joined; /* with '|'; NULL: refused */
        const char *why;
    } cases[] = {
        {"a", "a", NULL},
        {"  a\tb\n c ", "a|b|c", NULL},
        {"a 'b c' \"d e\"", "a|b c|d e", NULL},
        {"a''b\"\"c", "abc", NULL},
        {"a '' \"\"", "a||", NULL},
        {"a \"b\\\"c\\\\d\\n\" 'e\\'", "a|b\"c\\d\\n|e\\", NULL},
        {"a\\ b \\'c", "a b|'c", NULL},
        {"a | b > $X `c`", "a|||b|>|$X|`c`", NULL},
        {"a 'b", NULL, "a quote is not closed"},
        {"a \"b\\\"", NULL, "a quote is not closed"},
        {"a \\", NULL, "a backslash ends it"},
        {"", NULL, "it names no command"},
        {" \t", NULL, "it names no command"},
        {"'' a", NULL, "it names no command"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
        CLEANUP(buf_deinit) struct buf joined = BUF_INIT(256);
        struct err e = ERR_INIT;
        const char *const *args = NULL;
        int r = consul_args_split(cases[i].text, &a, &args, &e);
        for (size_t n = 0; r == 0 && args[n]; n++) {
            buf_puts(&joined, n > 0 ? "|" : "");
            buf_puts(&joined, args[n]);
        }
        if (cases[i].joined ? r != 0 || strcmp(buf_str(&joined), cases[i].joined) != 0
                            : r != -EINVAL || strcmp(e.msg, cases[i].why) != 0) {
            fail_msg("%s: %d, %s, %s", cases[i].text, r, buf_str(&joined), e.msg);
        }
    }
}

static void many_arguments(void **state)
{
    CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
    struct err e = ERR_INIT;
    const char *const *args = NULL;
    char text[2 * CONSUL_ARGS_MAX + 3];
    for (size_t i = 0; i < CONSUL_ARGS_MAX + 1; i++) {
        memcpy(text + 2 * i, "x ", 2);
    }
    text[2 * CONSUL_ARGS_MAX] = '\0';
    assert_int_equal(consul_args_split(text, &a, &args, &e), 0);
    assert_string_equal(args[CONSUL_ARGS_MAX - 1], "x");
    assert_null(args[CONSUL_ARGS_MAX]);
    text[2 * CONSUL_ARGS_MAX] = 'x';
    text[2 * CONSUL_ARGS_MAX + 1] = '\0';
    assert_int_equal(consul_args_split(text, &a, &args, &e), -EINVAL);
    assert_string_equal(e.msg, "it has more than 128 words");
}

static void many_headers(void **state)
{
    CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
    char text[8 * (CONSUL_HEADERS_MAX + 1) + 1] = "";
    struct err e = ERR_INIT;
    struct consul_remarks remarks = {.e = &e};
    const struct service_attr *headers = NULL;
    for (size_t i = 0; i < CONSUL_HEADERS_MAX + 1; i++) {
        memcpy(text + 8 * i, " a : b ,", 8);
    }
    assert_int_equal(consul_headers_split(text, "k", &a, &headers, &remarks), CONSUL_HEADERS_MAX);
    assert_string_equal(headers[CONSUL_HEADERS_MAX - 1].key, "a");
    assert_string_equal(headers[CONSUL_HEADERS_MAX - 1].value, "b");
    assert_string_equal(e.msg, "k has more than 32 headers");
}

static void container_ports(void **state)
{
    static const struct {
        const char *id, *port;
    } cases[] = {
        {"node1:web:80", "80"},
        {"node1:web:53:udp", "53"},
        {"node1:web:9:sctp", "9"},
        {"node1:web:80:tcp", "80"},
        {"web:80", NULL},
        {"web", NULL},
        {"node1:web:0", NULL},
        {"node1:web:x", NULL},
        {"node1:web:80:udp:udp", NULL},
        {"node1:web:65536", NULL},
        {"udp", NULL},
        {":udp", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
        const char *port = consul_container_port(cases[i].id, &a);
        if (!port != !cases[i].port || (port && strcmp(port, cases[i].port) != 0)) {
            fail_msg("%s: %s", cases[i].id, port ? port : "none");
        }
    }
}

/* ---- what is left out ---- */

static void every_bad_value_is_told(void **state)
{
    CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
    struct err e = ERR_INIT;
    struct consul_remarks remarks = {.e = &e};
    struct consul_checks checks;
    struct service *svc = make_service(&(struct sample){.attrs = {
                                                            {"check_interval", "5"},
                                                            {"check_tcp", "true"},
                                                            {"check_timeout", "soon"},
                                                            {"check_tpc", "true"},
                                                        }});
    consul_checks_make(&checks, svc, NATIVE, &a, &remarks);
    service_unref(svc);
    assert_string_equal(e.msg, "check_interval \"5\" has no unit: write 5s; check_timeout \"soon\" "
                               "is no duration such as 10s, 500ms or 1m30s; check_tpc is no "
                               "attribute of checks");
    assert_int_equal(checks.n, 1);
}

static void remarks_that_do_not_fit_are_counted(void **state)
{
    struct err e = ERR_INIT;
    struct consul_remarks remarks = {.e = &e};
    for (unsigned i = 0; i < 30; i++) {
        consul_remark(&remarks, "this is remark %02u", i);
        assert_int_equal(e.class, ERR_INVALID);
    }
    assert_null(strstr(e.msg, "remark 12"));
    assert_non_null(strstr(e.msg, "; this is remark 11 and 18 more"));
    for (unsigned len = 118; len < 140; len++) { /* the first alone is long */
        char text[281];
        for (unsigned i = 0; i < len; i++) {
            memcpy(text + 2 * i, "\xc3\xa4", 3);
        }
        remarks = (struct consul_remarks){.e = &e};
        consul_remark(&remarks, "%s%s", len % 2 ? "x" : "", text);
        consul_remark(&remarks, "second");
        consul_remark(&remarks, "third");
        assert_non_null(strstr(e.msg, "\xa4 and 2 more"));
        for (const char *p = e.msg; *p; p += str_utf8(p, strlen(p), NULL)) {
            assert_int_not_equal(str_utf8(p, strlen(p), NULL), 0);
        }
    }
    remarks = (struct consul_remarks){.e = NULL};
    consul_remark(&remarks, "nobody listens");
    consul_remark(&remarks, "nobody listens");
    assert_true(remarks.any);
}

static void weight_is_known_by_its_notes(void **state)
{
    CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
    struct consul_remarks remarks = {.e = NULL};
    struct consul_checks checks;
    struct service *svc = make_service(&(struct sample){
        .attrs = {{"check_ttl", "30s"}}, .status = SERVICE_CRITICAL, .down = true});
    consul_checks_make(&checks, svc, NATIVE, &a, &remarks);
    service_unref(svc);
    assert_int_equal(checks.n, 2);
    assert_false(consul_check_notes_weight(checks.items[0].notes));
    assert_true(consul_check_notes_weight(checks.items[1].notes));
    assert_int_equal(consul_check_notes_ttl(checks.items[1].notes), checks.items[1].ttl);
    assert_false(consul_check_notes_weight("TTL 8760h, critical because the weight is 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native),
        cmocka_unit_test(status),
        cmocka_unit_test(weight_zero),
        cmocka_unit_test(registrator),
        cmocka_unit_test(refused),
        cmocka_unit_test(ids_and_notes),
        cmocka_unit_test(foreign_notes),
        cmocka_unit_test(durations),
        cmocka_unit_test(duration_texts),
        cmocka_unit_test(arguments),
        cmocka_unit_test(many_arguments),
        cmocka_unit_test(many_headers),
        cmocka_unit_test(container_ports),
        cmocka_unit_test(every_bad_value_is_told),
        cmocka_unit_test(remarks_that_do_not_fit_are_counted),
        cmocka_unit_test(weight_is_known_by_its_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
