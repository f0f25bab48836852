/*
 * Listings of a real Consul (tests/golden/consul): each service that was registered has its digest, its
 * owner and its TTL checks; and every change that matters changes the digest.
 *
 *     test_consul_listing --bodies native|registrator
 *
 * prints the bodies that were registered, one in a line.
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

#define FILE_MAX (1u << 20)

struct golden {
    struct buf services, checks;
};

static void read_golden(struct buf *ret, const char *dialect, const char *what)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/consul/%s-%s.json", GOLDEN_DIR, dialect, what);
    FILE *f = fopen(path, "r");
    if (!f) {
        fail_msg("no %s", path);
    }
    char chunk[4096];
    buf_init(ret, FILE_MAX);
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;) {
        buf_append(ret, chunk, n);
    }
    fclose(f);
    assert_int_equal(buf_error(ret), 0);
    assert_true(ret->len > 0);
}

static void golden_init(struct golden *g, const char *dialect)
{
    read_golden(&g->services, dialect, "services");
    read_golden(&g->checks, dialect, "checks");
}

static void golden_deinit(struct golden *g)
{
    buf_deinit(&g->services);
    buf_deinit(&g->checks);
}

static void decode(struct consul_listing *ret, const struct consul_owner *owner,
                   const struct golden *g)
{
    struct err e = ERR_INIT;
    if (consul_listing_decode(ret, owner, g->services.data, g->services.len, g->checks.data,
                              g->checks.len, &e) != 0) {
        fail_msg("%s", e.msg);
    }
}

static const struct consul_listed *find(const struct consul_listing *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->items[i].id, id) == 0) {
            return &l->items[i];
        }
    }
    fail_msg("%s is not listed", id);
    return NULL;
}

static uint64_t encode(const struct consul_owner *owner, const struct consul_sample *sample,
                       struct buf *body)
{
    struct err e = ERR_INIT;
    struct service *svc = NULL;
    uint64_t digest = 0;
    if (sample_service(sample, &svc, &e) < 0) {
        fail_msg("%s: %s", sample->id, e.msg);
    }
    int r = consul_service_encode(owner, svc, body, &digest, &e);
    service_unref(svc);
    if (r != (sample->partly ? REGISTRY_ENCODED_PARTLY : 0)) {
        fail_msg("%s: %d, %s", sample->id, r, e.msg);
    }
    return digest;
}

static void expect_found(const struct consul_owner *owner, const char *dialect,
                         const struct consul_sample *samples, size_t n)
{
    struct golden g;
    struct consul_listing l = CONSUL_LISTING_NULL;
    golden_init(&g, dialect);
    decode(&l, owner, &g);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buf_deinit) struct buf body = BUF_INIT(FILE_MAX);
        uint64_t digest = encode(owner, &samples[i], &body);
        const struct consul_listed *item = find(&l, samples[i].id);
        if (item->digest != digest || item->owner != REGISTRY_OURS) {
            fail_msg("%s: digest %016jx, listed %016jx; owner %d; body %s", samples[i].id,
                     (uintmax_t)digest, (uintmax_t)item->digest, (int)item->owner, buf_str(&body));
        }
    }
    for (size_t i = 1; i < l.n; i++) {
        assert_true(strcmp(l.items[i - 1].id, l.items[i].id) < 0);
    }
    consul_listing_deinit(&l);
    consul_listing_deinit(&l);
    golden_deinit(&g);
}

static void native_found(void **state)
{
    expect_found(&sample_native, "native", samples_native, ARRAY_LEN(samples_native));
}

static void registrator_found(void **state)
{
    expect_found(&sample_registrator, "registrator", samples_registrator,
                 ARRAY_LEN(samples_registrator));
}

static void expect_ttl(const struct consul_listing *l, const char *service, const char *check,
                       msec_t ttl, enum service_status status)
{
    for (size_t i = 0; i < l->n_ttls; i++) {
        const struct consul_listed_ttl *t = &l->ttls[i];
        if (strcmp(t->check_id, check) == 0) {
            assert_string_equal(t->service_id, service);
            assert_int_equal(t->ttl, ttl);
            assert_int_equal(t->status, status);
            return;
        }
    }
    fail_msg("%s is not among the %zu TTL checks", check, l->n_ttls);
}

/* Those of foreign services, of other kinds, and made by hand are none of ours. */
static void ttls(void **state)
{
    struct golden g;
    struct consul_listing l = CONSUL_LISTING_NULL;
    golden_init(&g, "native");
    decode(&l, &sample_native, &g);
    assert_int_equal(l.n_ttls, 4);
    expect_ttl(&l, "node1:all-1:80", "service:node1:all-1:80:ttl", 45000, SERVICE_PASSING);
    expect_ttl(&l, "node1:beat-1:53:udp", "service:node1:beat-1:53:udp:ttl", 60500,
               SERVICE_CRITICAL);
    expect_ttl(&l, "node1:sick-1:80", "service:node1:sick-1:80:health", 31536000000,
               SERVICE_WARNING);
    expect_ttl(&l, "my own id%?#€", "service:my own id%?#€:weight", 31536000000, SERVICE_CRITICAL);
    consul_listing_deinit(&l);
    golden_deinit(&g);

    golden_init(&g, "registrator");
    decode(&l, &sample_registrator, &g);
    assert_int_equal(l.n_ttls, 1);
    expect_ttl(&l, "custom-id", "service:custom-id", 30000, SERVICE_WARNING);
    consul_listing_deinit(&l);
    golden_deinit(&g);
}

/* What of a body is to be kept alive is what its listing shows. */
static void ttls_of_body(void **state)
{
    CLEANUP(arena_deinit) struct arena a = ARENA_NULL;
    CLEANUP(buf_deinit) struct buf body = BUF_INIT(FILE_MAX);
    struct consul_listed_ttl *list = NULL;
    encode(&sample_native, &samples_native[1], &body);
    struct consul_listing l = {.n_ttls = consul_service_ttls(body.data, body.len, &a, &list)};
    l.ttls = list;
    assert_int_equal(l.n_ttls, 1);
    expect_ttl(&l, "node1:all-1:80", "service:node1:all-1:80:ttl", 45000, SERVICE_PASSING);
    assert_int_equal(consul_service_ttls("{", 1, &a, &list), 0);
    assert_null(list);
}

/* ---- what changes a digest ---- */

struct change {
    const char *id;
    bool in_checks;
    const char *from, *to; /* the first one behind the service's or check's name in the listing */
    const char *behind;
    bool matters;
};

static void replace(struct buf *text, const struct change *c)
{
    char *at = strstr(text->data, c->behind);
    at = at ? strstr(at, c->from) : NULL;
    if (!at) {
        fail_msg("no %s behind %s", c->from, c->behind);
    }
    CLEANUP_FREE char *rest = xstrdup(at + strlen(c->from));
    buf_truncate(text, (size_t)(at - text->data));
    buf_puts(text, c->to);
    buf_puts(text, rest);
}

static void changes(void **state)
{
    static const char web[] = "\"node1:web-1:80\"", all[] = "\"node1:all-1:80\"";
    static const char ttl[] = "\"service:node1:all-1:80:ttl\"";
    static const char http[] = "\"service:node1:all-1:80:http\"";
    static const char open[] = "\"node1:open-1:80\"";
    static const struct change list[] = {
        {"node1:web-1:80", false, "\"Service\": \"web\"", "\"Service\": \"wob\"", web, true},
        {"node1:web-1:80", false, "\"b\",", "\"c\",", web, true},
        {"node1:web-1:80", false, "\"b\",", "", web, true},
        {"node1:web-1:80", false, "10.0.0.5", "10.0.0.6", web, true},
        {"node1:web-1:80", false, "30080", "30081", web, true},
        {"node1:web-1:80", false, "\"z1\"", "\"z2\"", web, true},
        {"node1:web-1:80", false, "\"zone\"", "\"zona\"", web, true},
        {"node1:web-1:80", false, "\"region\": \"eu\",", "", web, true},
        {"node1:web-1:80", false, "\"Passing\": 1", "\"Passing\": 2", web, true},
        {"node1:web-1:80", false, "\"Warning\": 1", "\"Warning\": 2", web, true},
        {"node1:web-1:80", false, "\"EnableTagOverride\": false", "\"EnableTagOverride\": true",
         web, true},
        {"node1:web-1:80", false, "\"TaggedAddresses\"", "\"Other\"", web, false},
        {"node1:open-1:80", false, "\"red\"", "\"green\"", open, false},
        {"node1:all-1:80", true, "kept alive", "kept dead", ttl, true},
        {"node1:all-1:80", true, "\"Name\": \"ttl\"", "\"Name\": \"x\"", ttl, true},
        {"node1:all-1:80", true, "\"passing\"", "\"critical\"", ttl, true},
        {"node1:all-1:80", true, "\"passing\"", "\"critical\"", http, false},
        {"node1:all-1:80", true, "\"ServiceID\": \"node1:all-1:80\"", "\"ServiceID\": \"x\"", http,
         true},
        {"node1:all-1:80", true, "\"Output\": \"\"", "\"Output\": \"x\"", http, false},
        {"node1:all-1:80", false, "\"Passing\": 10", "\"Passing\": 11", all, true},
    };
    struct golden g;
    struct consul_listing before = CONSUL_LISTING_NULL, after = CONSUL_LISTING_NULL;
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        golden_init(&g, "native");
        decode(&before, &sample_native, &g);
        replace(list[i].in_checks ? &g.checks : &g.services, &list[i]);
        decode(&after, &sample_native, &g);
        bool changed = find(&before, list[i].id)->digest != find(&after, list[i].id)->digest;
        if (changed != list[i].matters) {
            fail_msg("%s -> %s of %s: %s", list[i].from, list[i].to, list[i].behind,
                     changed ? "changed" : "did not change");
        }
        consul_listing_deinit(&before);
        consul_listing_deinit(&after);
        golden_deinit(&g);
    }
}

/* ---- owners ---- */

static enum registry_owner owner_of(const struct consul_owner *owner, const char *id,
                                    const char *meta)
{
    char services[1024];
    struct err e = ERR_INIT;
    struct consul_listing l = CONSUL_LISTING_NULL;
    int n = snprintf(services, sizeof(services),
                     "{\"%s\":{\"ID\":\"%s\",\"Service\":\"s\",\"Tags\":null,\"Meta\":%s}}", id, id,
                     meta);
    if (consul_listing_decode(&l, owner, services, (size_t)n, "{}", 2, &e) != 0 || l.n != 1) {
        fail_msg("%s: %s", services, e.msg);
    }
    enum registry_owner found = l.items[0].owner;
    consul_listing_deinit(&l);
    return found;
}

static void owners(void **state)
{
    static const char none[] = "null", ours[] = "{\"tidewaiter-node\":\"node1\"}",
                      other[] = "{\"tidewaiter-node\":\"node2\"}";
    static const struct {
        const char *id, *meta;
        enum registry_owner native, adopting, registrator; /* registrator: not adopting */
    } cases[] = {
        {"x", ours, REGISTRY_OURS, REGISTRY_OURS, REGISTRY_OURS},
        {"node1:web:80", other, REGISTRY_FOREIGN, REGISTRY_FOREIGN, REGISTRY_FOREIGN},
        {"x", none, REGISTRY_FOREIGN, REGISTRY_FOREIGN, REGISTRY_UNCLAIMED},
        {"node1:web:80", none, REGISTRY_UNCLAIMED, REGISTRY_OURS, REGISTRY_UNCLAIMED},
        {"node1:web:80", "{\"a\":\"b\"}", REGISTRY_UNCLAIMED, REGISTRY_OURS, REGISTRY_UNCLAIMED},
        {"node1:W_e-b.1:80:udp", none, REGISTRY_UNCLAIMED, REGISTRY_OURS, REGISTRY_UNCLAIMED},
        {"node1:web:80:tcp", none, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED},
        {"node1:w:80", none, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED},
        {"node1:_web:80", none, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED},
        {"node1:we b:80", none, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED},
        {"node1:web:", none, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED},
        {"node1:web:8o", none, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED},
        {"node1:web", none, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED},
        {"node1", none, REGISTRY_FOREIGN, REGISTRY_FOREIGN, REGISTRY_UNCLAIMED},
        {"node12:web:80", none, REGISTRY_FOREIGN, REGISTRY_FOREIGN, REGISTRY_UNCLAIMED},
        {"Node1:web:80", none, REGISTRY_FOREIGN, REGISTRY_FOREIGN, REGISTRY_UNCLAIMED},
    };
    struct consul_owner adopting = sample_native, registrator = sample_registrator;
    adopting.adopt_by_id = true;
    registrator.adopt_by_id = false;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum registry_owner native = owner_of(&sample_native, cases[i].id, cases[i].meta);
        enum registry_owner adopts = owner_of(&adopting, cases[i].id, cases[i].meta);
        enum registry_owner other_dialect = owner_of(&registrator, cases[i].id, cases[i].meta);
        if (native != cases[i].native || adopts != cases[i].adopting ||
            other_dialect != cases[i].registrator) {
            fail_msg("%s %s: %d, %d, %d", cases[i].id, cases[i].meta, (int)native, (int)adopts,
                     (int)other_dialect);
        }
    }
}

/* ---- what is no listing ---- */

static void refused(void **state)
{
    static const struct {
        const char *services, *checks, *why;
    } cases[] = {
        {"", "{}", "Consul's list of services: not JSON"},
        {"{}", "", "Consul's list of checks: not JSON"},
        {"[]", "{}", "no map of services"},
        {"{}", "[]", "no map of checks"},
        {"{\"a\":1}", "{}", "map of services holds \"a\""},
        {"{}", "{\"c\":null}", "map of checks holds \"c\""},
        {"{\"a\":{}}", "{}", "has the id \"\" under \"a\""},
        {"{\"a\":{\"ID\":\"b\"}}", "{}", "has the id \"b\" under \"a\""},
        {"{\"a\":{\"ID\":\"a\"},\"a\":{\"ID\":\"a\"}}", "{}", "the service \"a\" twice"},
        {"{\"\xff\":{\"ID\":\"a\"}}", "{}", "Consul's list of services: not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct consul_listing l = CONSUL_LISTING_NULL;
        int r =
            consul_listing_decode(&l, &sample_native, cases[i].services, strlen(cases[i].services),
                                  cases[i].checks, strlen(cases[i].checks), &e);
        if (r != -EINVAL || e.class != ERR_BUG || !strstr(e.msg, cases[i].why)) {
            fail_msg("%s %s: %d, %s, %s", cases[i].services, cases[i].checks, r,
                     err_class_name(e.class), e.msg);
        }
        assert_null(l.items);
    }
}

static int print_bodies(const char *dialect)
{
    bool native = strcmp(dialect, "native") == 0;
    const struct consul_sample *samples = native ? samples_native : samples_registrator;
    size_t n = native ? ARRAY_LEN(samples_native) : ARRAY_LEN(samples_registrator);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buf_deinit) struct buf body = BUF_INIT(FILE_MAX);
        struct err e = ERR_INIT;
        struct service *svc = NULL;
        uint64_t digest;
        if (sample_service(&samples[i], &svc, &e) < 0 ||
            consul_service_encode(native ? &sample_native : &sample_registrator, svc, &body,
                                  &digest, &e) < 0) {
            fprintf(stderr, "%s: %s\n", samples[i].id, e.msg);
            return 1;
        }
        if (e.class != ERR_NONE) {
            fprintf(stderr, "%s: %s\n", samples[i].id, e.msg);
        }
        service_unref(svc);
        puts(buf_str(&body));
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--bodies") == 0) {
        return print_bodies(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_found), cmocka_unit_test(registrator_found),
        cmocka_unit_test(ttls),         cmocka_unit_test(ttls_of_body),
        cmocka_unit_test(changes),      cmocka_unit_test(owners),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
