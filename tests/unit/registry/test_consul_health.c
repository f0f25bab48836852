/*
 * Catalog and health answers: of a real Consul (tests/golden/consul), of other tools, and of nobody.
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
#include "consul_samples.h"
#include "registry/consul_health.h"

#define FILE_MAX (1u << 20)
#define SEEN_MAX 16

struct seen {
    struct service *services[SEEN_MAX];
    size_t n, n_skipped;
    char names[512];
    char skipped[1024]; /* "key: why" and a line end, each */
};

static void on_instance(void *ctx, struct service *take_svc)
{
    struct seen *s = ctx;
    assert_true(s->n < SEEN_MAX);
    s->services[s->n++] = take_svc;
}

static void append(char *to, size_t size, const char *text)
{
    size_t len = strlen(to);
    snprintf(to + len, size - len, "%s", text);
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    struct seen *s = ctx;
    s->n_skipped++;
    assert_int_equal(why->class, ERR_INVALID);
    append(s->skipped, sizeof(s->skipped), key);
    append(s->skipped, sizeof(s->skipped), ": ");
    append(s->skipped, sizeof(s->skipped), why->msg);
    append(s->skipped, sizeof(s->skipped), "\n");
}

static void on_name(void *ctx, const char *name)
{
    struct seen *s = ctx;
    append(s->names, sizeof(s->names), name);
    append(s->names, sizeof(s->names), "\n");
}

static void seen_deinit(struct seen *s)
{
    for (size_t i = 0; i < s->n; i++) {
        service_unref(s->services[i]);
    }
}

static void read_golden(struct buf *ret, const char *what)
{
    char path[512], chunk[4096];
    snprintf(path, sizeof(path), "%s/consul/%s.json", GOLDEN_DIR, what);
    FILE *f = fopen(path, "r");
    if (!f) {
        fail_msg("no %s", path);
    }
    buf_init(ret, FILE_MAX);
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;) {
        buf_append(ret, chunk, n);
    }
    fclose(f);
    assert_int_equal(buf_error(ret), 0);
}

static void decode(struct seen *ret, const char *name, const char *text, size_t len)
{
    struct err e = ERR_INIT;
    if (consul_decode_health(name, text, len, on_instance, on_skipped, ret, &e) != 0) {
        fail_msg("%s", e.msg);
    }
}

static void decode_golden(struct seen *ret, const char *name)
{
    CLEANUP(buf_deinit) struct buf text;
    char what[64];
    snprintf(what, sizeof(what), "health-%s", name);
    read_golden(&text, what);
    decode(ret, name, text.data, text.len);
}

static void expect_service(const struct service *svc, const struct service_spec *spec)
{
    struct err e = ERR_INIT;
    struct service *expected = NULL;
    assert_int_equal(service_new(&expected, spec, &e), 0);
    if (!service_equal(svc, expected)) {
        const struct service_spec *s = &svc->s;
        fail_msg("%s %s: host %s, port %u, %s, %s, weight %d, node %s, container %s, %zu tags, %zu "
                 "attributes",
                 s->name, s->id, s->host, s->port, service_proto_name(s->proto),
                 service_status_name(s->status), s->weight, s->node, s->container, s->n_tags,
                 s->n_attrs);
    }
    service_unref(expected);
}

/* ---- of a real Consul ---- */

static void names(void **state)
{
    CLEANUP(buf_deinit) struct buf text;
    CLEANUP(seen_deinit) struct seen seen = {.n = 0};
    struct err e = ERR_INIT;
    bool own = false;
    read_golden(&text, "catalog-services");
    assert_int_equal(consul_decode_names(text.data, text.len, on_name, on_skipped, &seen, &own, &e),
                     0);
    assert_string_equal(seen.names, "all\nbeat\nodd w\xc3\xa4\nold\nopen\nother\nsick\nweb\n");
    assert_string_equal(seen.skipped, "");
    assert_true(own);
}

/*
 * In maintenance, so critical; the same id on other nodes of the catalog, of which the one without a
 * port takes no id from the others.
 */
static void web(void **state)
{
    static const char *const tags[] = {"b", "a", ""}, *const udp[] = {"udp"};
    static const struct service_attr attrs[] = {{"empty", ""}, {"region", "eu"}, {"zone", "z1"}};
    CLEANUP(seen_deinit) struct seen seen = {.n = 0};
    decode_golden(&seen, "web");
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.skipped, "web/node1:web-1:80: it has no port between 1 and 65535\n");
    expect_service(seen.services[0], &(struct service_spec){.name = "web",
                                                            .id = "node1:web-1:80",
                                                            .host = "10.9.9.8",
                                                            .port = 80,
                                                            .proto = SERVICE_UDP,
                                                            .weight = SERVICE_WEIGHT_UNSET,
                                                            .tags = udp,
                                                            .n_tags = 1});
    expect_service(seen.services[1], &(struct service_spec){.name = "web",
                                                            .id = "node1:web-1:80@n1",
                                                            .node = "node1",
                                                            .container = SAMPLE_CONTAINER,
                                                            .host = "10.0.0.5",
                                                            .port = 30080,
                                                            .status = SERVICE_CRITICAL,
                                                            .weight = SERVICE_WEIGHT_UNSET,
                                                            .tags = tags,
                                                            .n_tags = 3,
                                                            .attrs = attrs,
                                                            .n_attrs = 3});
}

static void weighted(void **state)
{
    static const char *const udp[] = {"udp"};
    CLEANUP(seen_deinit) struct seen seen = {.n = 0};
    decode_golden(&seen, "all");
    assert_int_equal(seen.n, 1);
    expect_service(seen.services[0], &(struct service_spec){.name = "all",
                                                            .id = "node1:all-1:80",
                                                            .node = "node1",
                                                            .container = SAMPLE_CONTAINER,
                                                            .host = "fd00::5",
                                                            .port = 8080,
                                                            .proto = SERVICE_UDP,
                                                            .weight = 10,
                                                            .tags = udp,
                                                            .n_tags = 1});
}

static void warning(void **state)
{
    CLEANUP(seen_deinit) struct seen seen = {.n = 0};
    decode_golden(&seen, "sick");
    assert_int_equal(seen.n, 1);
    expect_service(seen.services[0], &(struct service_spec){.name = "sick",
                                                            .id = "node1:sick-1:80",
                                                            .node = "node1",
                                                            .container = SAMPLE_CONTAINER,
                                                            .host = "10.0.0.5",
                                                            .port = 30082,
                                                            .status = SERVICE_WARNING,
                                                            .weight = SERVICE_WEIGHT_UNSET});
}

/* ---- of other tools, and odd ones ---- */

struct odd {
    const char *service, *checks; /* members of Service; an array */
    const char *host;             /* NULL: skipped */
    uint16_t port;
    enum service_status status;
    int weight;
    const char *why;
};

#define UP "[{\"Status\":\"passing\"}]"

static void odd_instances(void **state)
{
    static const struct odd list[] = {
        {"\"Port\":80", "null", "10.9.9.9", 80, SERVICE_PASSING, -1, NULL},
        {"\"Port\":80,\"Tags\":null,\"Meta\":null,\"Address\":\"\"", "[]", "10.9.9.9", 80,
         SERVICE_PASSING, -1, NULL},
        {"\"Port\":80,\"Address\":\"[fd00::1]\"", UP, "fd00::1", 80, SERVICE_PASSING, -1, NULL},
        {"\"Port\":80,\"Address\":\"db.example\"", UP, "db.example", 80, SERVICE_PASSING, -1, NULL},
        {"\"Port\":80", "[{\"Status\":\"passing\"},{\"Status\":\"warning\"}]", "10.9.9.9", 80,
         SERVICE_WARNING, -1, NULL},
        {"\"Port\":80", "[{\"Status\":\"critical\"},{\"Status\":\"warning\"}]", "10.9.9.9", 80,
         SERVICE_CRITICAL, -1, NULL},
        {"\"Port\":80", "[{\"CheckID\":\"_node_maintenance\",\"Status\":\"critical\"}]", "10.9.9.9",
         80, SERVICE_CRITICAL, -1, NULL},
        {"\"Port\":80", "[{\"Status\":\"new word\"}]", "10.9.9.9", 80, SERVICE_CRITICAL, -1, NULL},
        {"\"Port\":80", "[{}]", "10.9.9.9", 80, SERVICE_CRITICAL, -1, NULL},
        {"\"Port\":80,\"Weights\":{\"Passing\":7,\"Warning\":2}", UP, "10.9.9.9", 80,
         SERVICE_PASSING, 7, NULL},
        {"\"Port\":80,\"Weights\":{\"Passing\":7,\"Warning\":2}", "[{\"Status\":\"warning\"}]",
         "10.9.9.9", 80, SERVICE_WARNING, 2, NULL},
        {"\"Port\":80,\"Weights\":{\"Passing\":1,\"Warning\":0}", UP, "10.9.9.9", 80,
         SERVICE_PASSING, 1, NULL},
        {"\"Port\":80,\"Weights\":{\"Passing\":1,\"Warning\":1}", UP, "10.9.9.9", 80,
         SERVICE_PASSING, -1, NULL},
        {"\"Port\":80,\"Weights\":{\"Passing\":-5,\"Warning\":2}", UP, "10.9.9.9", 80,
         SERVICE_PASSING, -1, NULL},
        {"\"Port\":0", UP, NULL, 0, 0, 0, "it has no port between 1 and 65535"},
        {"\"Port\":70000", UP, NULL, 0, 0, 0, "it has no port between 1 and 65535"},
        {"\"Port\":80,\"Address\":\"a b\"", UP, NULL, 0, 0, 0, "the host has byte 0x20"},
        {"\"Port\":80,\"Address\":\"::1:z\"", UP, NULL, 0, 0, 0, "is not an IPv6 address"},
        {"\"Port\":80,\"Meta\":{\"a\":\"b\",\"a\":\"c\"}", UP, NULL, 0, 0, 0,
         "attribute a is given twice"},
    };
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        CLEANUP(seen_deinit) struct seen seen = {.n = 0};
        char text[1024];
        snprintf(text, sizeof(text),
                 "[{\"Node\":{\"Node\":\"n\",\"Address\":\"10.9.9.9\"},"
                 "\"Service\":{\"ID\":\"i\",\"Service\":\"s\",%s},\"Checks\":%s}]",
                 list[i].service, list[i].checks);
        decode(&seen, "s", text, strlen(text));
        if (!list[i].host) {
            if (seen.n != 0 || seen.n_skipped != 1 || !strstr(seen.skipped, list[i].why)) {
                fail_msg("%s: %zu, %s", text, seen.n, seen.skipped);
            }
            continue;
        }
        if (seen.n != 1 || seen.n_skipped != 0) {
            fail_msg("%s: %zu, %s", text, seen.n, seen.skipped);
        }
        expect_service(seen.services[0], &(struct service_spec){.name = "s",
                                                                .id = "i",
                                                                .host = list[i].host,
                                                                .port = list[i].port,
                                                                .status = list[i].status,
                                                                .weight = list[i].weight});
    }
}

/* Who keeps the id does not depend on the order; two of one node, and a clash, are left out. */
static void twins(void **state)
{
#define AT(node, id)                                                                               \
    "{\"Node\":{\"Node\":\"" node "\",\"Address\":\"10.9.9.9\"},\"Service\":{\"ID\":\"" id         \
    "\",\"Port\":80}}"
    static const char *const texts[] = {
        "[" AT("n1", "a") "," AT("n2", "a") "," AT("n3", "b") "]",
        "[" AT("n3", "b") "," AT("n2", "a") "," AT("n1", "a") "]",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(seen_deinit) struct seen seen = {.n = 0};
        decode(&seen, "s", texts[i], strlen(texts[i]));
        assert_int_equal(seen.n, 3);
        assert_string_equal(seen.services[0]->s.id, "a");
        assert_string_equal(seen.services[1]->s.id, "a@n2");
        assert_string_equal(seen.services[2]->s.id, "b");
    }
    static const char clash[] = "[" AT("n1", "a") "," AT("n1", "a") "," AT("n1", "a") "," AT(
        "n1", "a@n1") "," AT("n1", "") "]";
    CLEANUP(seen_deinit) struct seen seen = {.n = 0};
    decode(&seen, "s", clash, strlen(clash));
    assert_int_equal(seen.n, 3);
    assert_string_equal(seen.services[1]->s.id, "a@n1");
    assert_string_equal(seen.services[2]->s.id, "a@n1@n1");
    assert_string_equal(seen.skipped, "s/: service id is empty\ns/a@n1: its id is there twice\n");
}

/* Consul answers for "web" and "WEB" with the instances of both. */
static void other_case(void **state)
{
#define OF(name, id)                                                                               \
    "{\"Node\":{\"Node\":\"n1\",\"Address\":\"10.9.9.9\"},\"Service\":{\"ID\":\"" id               \
    "\",\"Service\":\"" name "\",\"Port\":80}}"
    static const char text[] = "[" OF("web", "a") "," OF("WEB", "b") "," OF("Web", "a") "]";
    static const struct {
        const char *name, *id;
    } cases[] = {{"web", "a"}, {"WEB", "b"}, {"Web", "a"}, {"wEB", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(seen_deinit) struct seen seen = {.n = 0};
        decode(&seen, cases[i].name, text, strlen(text));
        assert_int_equal(seen.n, cases[i].id ? 1 : 0);
        assert_string_equal(seen.skipped, "");
        if (cases[i].id) {
            assert_string_equal(seen.services[0]->s.name, cases[i].name);
            assert_string_equal(seen.services[0]->s.id, cases[i].id);
        }
    }
}

static void many(void **state)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(FILE_MAX);
    CLEANUP(seen_deinit) struct seen seen = {.n = 0};
    for (int of_tags = 0; of_tags < 2; of_tags++) {
        buf_reset(&text);
        buf_printf(&text, "[{\"Node\":{},\"Service\":{\"ID\":\"i\",\"Address\":\"a\",\"Port\":1,%s",
                   of_tags ? "\"Tags\":[\"\"" : "\"Meta\":{\"\":\"\"");
        for (int i = 0; i < SERVICE_TAGS_MAX; i++) {
            buf_printf(&text, of_tags ? ",\"%d\"" : ",\"%d\":\"\"", i);
        }
        buf_printf(&text, "%s}}]", of_tags ? "]" : "}");
        decode(&seen, "s", text.data, text.len);
    }
    assert_string_equal(seen.skipped, "s/i: it has more than 128 pairs of Meta\n"
                                      "s/i: it has more than 128 tags\n");
}

static void odd_names(void **state)
{
    static const char text[] = "{\".hidden\":[],\"a/b\":[],\"\":[],\"a\\u0001\":[],\"fine\":null}";
    struct seen seen = {.n = 0};
    struct err e = ERR_INIT;
    bool own = true;
    assert_int_equal(consul_decode_names(text, strlen(text), on_name, on_skipped, &seen, &own, &e),
                     0);
    assert_string_equal(seen.names, "fine\n");
    assert_int_equal(seen.n_skipped, 4);
    assert_false(own);
}

/* ---- what is no answer ---- */

static void refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "not JSON"},
        {"{}", "no list of nodes and services"},
        {"null", "no list of nodes and services"},
        {"[1]", "no list of nodes and services"},
        {"[" AT("n", "a") ",{\"Node\":{}}]", "no list of nodes and services"},
        {"[" AT("n", "a") ",{\"Service\":{}}]", "no list of nodes and services"},
        {"[\"\xff\"]", "not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen = {.n = 0};
        struct err e = ERR_INIT;
        int r = consul_decode_health("s", cases[i].text, strlen(cases[i].text), on_instance,
                                     on_skipped, &seen, &e);
        if (r != -EINVAL || e.class != ERR_BUG || !strstr(e.msg, cases[i].why) || seen.n > 0) {
            fail_msg("%s: %d, %s, %s", cases[i].text, r, err_class_name(e.class), e.msg);
        }
    }
    struct seen seen = {.n = 0};
    struct err e = ERR_INIT;
    bool own = false;
    assert_int_equal(consul_decode_names("[]", 2, on_name, on_skipped, &seen, &own, &e), -EINVAL);
    assert_int_equal(e.class, ERR_BUG);
    assert_int_equal(consul_decode_names("{", 1, on_name, on_skipped, &seen, &own, &e), -EINVAL);
    assert_int_equal(e.class, ERR_BUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),         cmocka_unit_test(web),       cmocka_unit_test(weighted),
        cmocka_unit_test(warning),       cmocka_unit_test(twins),     cmocka_unit_test(many),
        cmocka_unit_test(odd_instances), cmocka_unit_test(odd_names), cmocka_unit_test(refused),
        cmocka_unit_test(other_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
