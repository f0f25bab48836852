/*
 * The etcd driver in the SkyDNS layout and in Registrator's dialect, against a scripted etcd: keys and
 * values, where the agent's own record is and that it is watched there, and whose keys are whose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "lib/fake_etcd.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"

#define NODE   "n1"
#define DIR    "/skydns/local/svc/"
#define RECORD "/.tidewaiter/agents/skydns/local/svc/" NODE
#define KEY    DIR "web/n1-h1-80"

struct fixture {
    struct io *io;
    struct fake_etcd etcd;
    struct registry_uri uri;
    struct registry_writer_config config;
    struct keeper k, other;
    struct viewer v;
    unsigned refuse_record_watches; /* so many are reset at once */
};

static bool fault(struct fake_etcd *f, struct fake_exchange *x, const char *path, void *ctx)
{
    struct fixture *t = ctx;
    /* base64 of "/.tidewaiter" */
    if (t->refuse_record_watches > 0 && streq(path, "/v3/watch") &&
        strstr(fake_body(x), "Ly50aWRld2FpdGVy")) {
        t->refuse_record_watches--;
        fake_reset(x);
        return true;
    }
    return false;
}

static int up(void **state)
{
    struct fixture *t = xcalloc(1, sizeof(*t));
    t->io = loop_open();
    fake_etcd_start(&t->etcd, t->io, fault, t);
    t->config = (struct registry_writer_config){.uri = &t->uri, .node = NODE, .ttl_s = 30};
    *state = t;
    return 0;
}

static int down(void **state)
{
    struct fixture *t = *state;
    if (t->k.writer) { /* the test has failed */
        keeper_close(&t->k, false);
    }
    fake_etcd_stop(&t->etcd);
    registry_uri_deinit(&t->uri);
    loop_close(t->io);
    free(t);
    return 0;
}

/* The scripted etcd as scheme://HOST/rest. */
static void target(struct fixture *t, const char *scheme, const char *rest, bool registrator)
{
    struct registry_uri_env env = {.uid = 0, .registrator = registrator};
    struct buf text = BUF_INIT(256);
    struct err e = ERR_INIT;
    buf_printf(&text, "%s://%s%s", scheme, strstr(fake_http_url(t->etcd.http), "://") + 3, rest);
    if (registry_uri_parse(&t->uri, buf_str(&text), &env, &e) < 0) {
        fail_msg("%s: %s", buf_str(&text), e.msg);
    }
    buf_deinit(&text);
    if (registrator) {
        t->config.dialect = REGISTRY_REGISTRATOR;
        t->config.id_host = "host1";
    }
}

static void keep(struct fixture *t)
{
    keeper_open_config(&t->k, t->io, &registry_etcd, &t->config);
}

static void settle(struct fixture *t)
{
    loop_until(t->io, keeper_settled(&t->k));
}

static void holds(const struct fixture *t, const char *key, const char *want)
{
    const char *value = fake_etcd_get(&t->etcd, key, NULL);
    if (!value || !streq(value, want)) {
        fail_msg("%s: %s, not %s", key, value ? value : "(absent)", want);
    }
}

/* ---- SkyDNS ---- */

static void writes(void **state)
{
    struct fixture *t = *state;
    int64_t lease = 0, record_lease = 0;
    target(t, "skydns", "/svc.local", false);
    keep(t);
    keeper_want(&t->k, NODE, "web", "h1", 80);
    keeper_want(&t->k, NODE, "api.v2", "h2", 81);
    settle(t);
    holds(t, KEY, "{\"host\":\"h1\",\"port\":80,\"ttl\":30}");
    holds(t, DIR "v2/api/n1-h2-81", "{\"host\":\"h2\",\"port\":81,\"ttl\":30}");
    fake_etcd_get(&t->etcd, KEY, &lease);
    assert_non_null(fake_etcd_get(&t->etcd, RECORD, &record_lease));
    assert_true(lease != 0 && lease == record_lease);
    assert_int_equal(fake_etcd_count(&t->etcd, "/skydns/"), 2); /* nothing else */
    loop_until(t->io, t->etcd.n_watches == 2);

    /* a successor finds everything by the record, and writes nothing */
    keeper_close(&t->k, false);
    keep(t);
    keeper_want(&t->k, NODE, "web", "h1", 80);
    settle(t);
    assert_int_equal(t->k.puts, 0);
    assert_int_equal(t->k.deletes, 1);
    assert_int_equal(fake_etcd_count(&t->etcd, DIR), 1);
    keeper_close(&t->k, true);
    assert_int_equal(fake_etcd_count(&t->etcd, "/"), 0);
}

/* Outside the prefix, the record is watched all the same. */
static void record_meddled(void **state)
{
    struct fixture *t = *state;
    int64_t lease = 0, again = 0;
    target(t, "skydns", "/svc.local", false);
    keep(t);
    keeper_want(&t->k, NODE, "web", "h1", 80);
    settle(t);
    loop_until(t->io, t->etcd.n_watches == 2);
    fake_etcd_get(&t->etcd, KEY, &lease);
    fake_etcd_delete(&t->etcd, RECORD);
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));
    fake_etcd_get(&t->etcd, RECORD, &again);
    assert_true(again == lease);

    /* off the lease, and while the watch is being set up again */
    loop_until(t->io, t->etcd.n_watches == 2);
    t->refuse_record_watches = 2;
    fake_etcd_cut(&t->etcd);
    char *record = xstrdup(fake_etcd_get(&t->etcd, RECORD, NULL));
    fake_etcd_put(&t->etcd, RECORD, record, 0);
    free(record);
    loop_until(t->io, t->refuse_record_watches == 0 && t->k.begins >= 3 && keeper_settled(&t->k) &&
                          t->etcd.n_watches == 2);
    fake_etcd_get(&t->etcd, RECORD, &again);
    assert_true(again == lease);
    assert_int_equal(t->k.puts, 1);
    assert_int_equal(t->etcd.grants, 1);
    keeper_close(&t->k, false);
}

static void taken_over(void **state)
{
    struct fixture *t = *state;
    target(t, "skydns", "/svc.local", false);
    keep(t);
    keeper_want(&t->k, NODE, "web", "h1", 80);
    settle(t);
    loop_until(t->io, t->etcd.n_watches == 2);
    keeper_open_config(&t->other, t->io, &registry_etcd, &t->config);
    keeper_want(&t->other, NODE, "web", "h1", 80);
    loop_until(t->io, t->k.deposed && keeper_settled(&t->other));
    assert_int_equal(t->k.last.class, ERR_CONFLICT);
    keeper_close(&t->k, true);
    assert_non_null(fake_etcd_get(&t->etcd, KEY, NULL));
    keeper_close(&t->other, true);
}

/* A record that is gone is told by its watch, or by a write's fence: never is the prefix enough. */
static void compacted_record_watch(void **state)
{
    struct fixture *t = *state;
    target(t, "skydns", "/svc.local", false);
    keep(t);
    keeper_want(&t->k, NODE, "web", "h1", 80);
    settle(t);
    loop_until(t->io, t->etcd.n_watches == 2);
    t->etcd.revision += 100;
    t->etcd.compacted = t->etcd.revision - 1;
    fake_etcd_cut(&t->etcd);
    loop_until(t->io, t->k.begins >= 2 && keeper_settled(&t->k) && t->etcd.n_watches == 2);
    fake_etcd_delete(&t->etcd, RECORD);
    unsigned begins = t->k.begins;
    loop_until(t->io, t->k.begins > begins && keeper_settled(&t->k));
    assert_non_null(fake_etcd_get(&t->etcd, RECORD, NULL));
    assert_int_equal(t->k.puts, 1);
    keeper_close(&t->k, false);
}

/* Values name no node: the lease tells, and an id that begins like ours only lets us overwrite. */
static void skydns_owners(void **state)
{
    struct fixture *t = *state;
    int64_t lease = 0;
    target(t, "skydns", "/svc.local", false);
    t->etcd.leases[t->etcd.n_leases++] = 99;
    fake_etcd_put(&t->etcd, KEY, "{\"host\":\"h9\",\"port\":1}", 0);
    fake_etcd_put(&t->etcd, DIR "web/n1-h2-80", "{\"host\":\"h9\",\"port\":1}", 99);
    fake_etcd_put(&t->etcd, DIR "web/n1-h3-80", "{\"host\":\"h9\",\"port\":1}", 0);
    fake_etcd_put(&t->etcd, DIR "web/n2-h1-80", "{\"host\":\"h9\",\"port\":1}", 0);
    /* right already, but on no lease */
    fake_etcd_put(&t->etcd, DIR "web/n1-h4-80", "{\"host\":\"h4\",\"port\":80,\"ttl\":30}", 0);
    keep(t);
    keeper_want(&t->k, NODE, "web", "h4", 80);
    keeper_want(&t->k, NODE, "web", "h1", 80);
    keeper_want(&t->k, NODE, "web", "h2", 80);
    keeper_want(&t->k, "n2", "web", "h1", 80);
    loop_until(t->io, fake_etcd_get(&t->etcd, KEY, &lease) && lease != 0 && t->k.conflicts >= 3);
    holds(t, KEY, "{\"host\":\"h1\",\"port\":80,\"ttl\":30}");
    loop_until(t->io, fake_etcd_get(&t->etcd, DIR "web/n1-h4-80", &lease) && lease != 0);
    holds(t, DIR "web/n1-h2-80", "{\"host\":\"h9\",\"port\":1}");
    holds(t, DIR "web/n2-h1-80", "{\"host\":\"h9\",\"port\":1}");
    fake_etcd_expire(&t->etcd, 99);
    fake_etcd_delete(&t->etcd, DIR "web/n2-h1-80");
    settle(t);
    holds(t, DIR "web/n1-h2-80", "{\"host\":\"h2\",\"port\":80,\"ttl\":30}");
    keeper_close(&t->k, true);
    assert_int_equal(fake_etcd_count(&t->etcd, "/"), 1); /* n1-h3-80: nobody asked for it */
}

static void reads(void **state)
{
    struct fixture *t = *state;
    target(t, "skydns", "/svc.local", false);
    fake_etcd_put(&t->etcd, DIR "web/a", "{\"host\":\"10.0.0.1\",\"port\":80,\"weight\":5}", 0);
    fake_etcd_put(&t->etcd, DIR "v2/api/b", "{\"host\":\"h\",\"port\":81,\"priority\":3}", 0);
    fake_etcd_put(&t->etcd, DIR "x1", "{\"host\":\"10.0.0.1\"}", 0);
    fake_etcd_put(&t->etcd, DIR "dns/ns/a", "{\"host\":\"10.0.0.1\",\"port\":53}", 0);
    fake_etcd_put(&t->etcd, DIR "web/text", "{\"text\":\"hello\"}", 0);
    fake_etcd_put(&t->etcd, DIR "a.b/c", "{\"host\":\"10.0.0.1\",\"port\":80}", 0);
    fake_etcd_put(&t->etcd, RECORD, "{}", 0);
    viewer_open(&t->v, t->io, &registry_etcd, &t->uri, false);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.table.n, 2);
    assert_int_equal(t->v.skips, 4);
    const struct service *svc = table_find(&t->v.table, "api.v2", "b");
    assert_non_null(svc);
    assert_string_equal(service_attr_get(svc, "priority"), "3");
    assert_int_equal(table_find(&t->v.table, "web", "a")->s.weight, 5);

    fake_etcd_put(&t->etcd, DIR "web/text", "{\"host\":\"10.0.0.2\",\"port\":80}", 0);
    loop_until(t->io, t->v.table.n == 3);
    fake_etcd_delete(&t->etcd, DIR "v2/api/b");
    loop_until(t->io, t->v.table.n == 2);
    fake_etcd_put(&t->etcd, DIR "web/a", "{\"host\":\"10.0.0.1\"}", 0);
    loop_until(t->io, t->v.table.n == 1 && t->v.skips == 5);
    assert_string_equal(t->v.skipped, DIR "web/a");
    assert_non_null(strstr(t->v.last.msg, "an address without a port"));
    viewer_close(&t->v);
}

/* ---- Registrator ---- */

static void registrator_root(void **state)
{
    struct fixture *t = *state;
    target(t, "etcd", "", true);
    keep(t);
    keeper_want(&t->k, "host1", "web", "h1", 80);
    settle(t);
    holds(t, "/web/host1:h1:80", "h1:80");
    assert_non_null(fake_etcd_get(&t->etcd, "/.tidewaiter/agents/" NODE, NULL));
    assert_int_equal(fake_etcd_count(&t->etcd, "/"), 2);
    loop_until(t->io, t->etcd.n_watches == 2);
    fake_etcd_delete(&t->etcd, "/.tidewaiter/agents/" NODE);
    loop_until(t->io, t->k.begins == 2 && keeper_settled(&t->k));
    fake_etcd_delete(&t->etcd, "/web/host1:h1:80");
    loop_until(t->io, t->k.puts == 2 && keeper_settled(&t->k));

    viewer_open(&t->v, t->io, &registry_etcd, &t->uri, false);
    loop_until(t->io, t->v.live);
    assert_int_equal(t->v.table.n, 1);
    assert_int_equal(t->v.skips, 0); /* the record is hidden */
    viewer_close(&t->v);
    keeper_close(&t->k, true);
    assert_int_equal(fake_etcd_count(&t->etcd, "/"), 0);
}

static void registrator_values(void **state)
{
    struct fixture *t = *state;
    target(t, "skydns2", "/svc.local", true);
    keep(t);
    keeper_want(&t->k, "host1", "whoami", "h1", 8080);
    settle(t);
    holds(t, DIR "whoami/host1-h1-8080", "{\"host\":\"h1\",\"port\":8080}");
    keeper_close(&t->k, true);
}

/* What of Registrator's own is left: with its id, without a lease. */
static void left_by_registrator(struct fixture *t)
{
    target(t, "etcd", "/services", true);
    t->etcd.leases[t->etcd.n_leases++] = 99;
    fake_etcd_put(&t->etcd, "/services/web/host1:h1:80", "h1:1", 0);
    fake_etcd_put(&t->etcd, "/services/web/host1:h2:80", "h2:1", 99);
    fake_etcd_put(&t->etcd, "/services/web/host10:h3:80", "h3:1", 0);
    keep(t);
    keeper_want(&t->k, "host1", "web", "h1", 80);
    keeper_want(&t->k, "host1", "web", "h2", 80);
    keeper_want(&t->k, "host10", "web", "h3", 80);
    int64_t lease = 0;
    loop_until(t->io, fake_etcd_get(&t->etcd, "/services/web/host1:h1:80", &lease) && lease != 0 &&
                          t->k.conflicts >= 3);
    holds(t, "/services/web/host1:h1:80", "h1:80");
    holds(t, "/services/web/host1:h2:80", "h2:1"); /* on another lease: somebody's */
    holds(t, "/services/web/host10:h3:80", "h3:1");
}

static void registrator_owners(void **state)
{
    struct fixture *t = *state;
    int64_t lease = 0;
    left_by_registrator(t);
    /* taken off our lease, and no more wanted: not ours to delete */
    loop_until(t->io, t->etcd.n_watches == 2);
    keeper_unwant(&t->k, "host1", "web", "h2", 80);
    keeper_unwant(&t->k, "host10", "web", "h3", 80);
    settle(t);
    fake_etcd_put(&t->etcd, "/services/web/host1:h1:80", "h1:1", 0);
    loop_until(t->io, fake_etcd_get(&t->etcd, "/services/web/host1:h1:80", &lease) && lease != 0);
    keeper_close(&t->k, true);
    assert_int_equal(fake_etcd_count(&t->etcd, "/"), 2);
}

/* A record with our id, of nobody any more, that nobody here wants. */
static void leftover(struct fixture *t, bool adopt)
{
    static const char key[] = "/services/web/host1:hh:80";
    target(t, "etcd", "/services", true);
    t->config.adopt_by_id = adopt;
    t->etcd.leases[t->etcd.n_leases++] = 99;
    fake_etcd_put(&t->etcd, key, "h1:1", 99);
    keep(t);
    keeper_want(&t->k, "host1", "web", "hh", 80);
    loop_until(t->io, t->k.conflicts >= 1 && t->etcd.n_watches == 2);
    keeper_unwant(&t->k, "host1", "web", "hh", 80);
    fake_etcd_put(&t->etcd, key, "h1:1", 0);
    /* news come in order: what follows is seen later */
    keeper_want(&t->k, "host1", "web", "h2", 80);
    settle(t);
    fake_etcd_delete(&t->etcd, "/services/web/host1:h2:80");
    loop_until(t->io, t->k.puts >= 3 && keeper_settled(&t->k));
    assert_int_equal(fake_etcd_get(&t->etcd, key, NULL) == NULL, adopt);
    assert_int_equal(t->k.deletes, adopt ? 1 : 0);
    keeper_close(&t->k, true);
}

static void adopts(void **state)
{
    leftover(*state, true);
}

static void leaves(void **state)
{
    leftover(*state, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes, up, down),
        cmocka_unit_test_setup_teardown(record_meddled, up, down),
        cmocka_unit_test_setup_teardown(taken_over, up, down),
        cmocka_unit_test_setup_teardown(compacted_record_watch, up, down),
        cmocka_unit_test_setup_teardown(skydns_owners, up, down),
        cmocka_unit_test_setup_teardown(reads, up, down),
        cmocka_unit_test_setup_teardown(registrator_root, up, down),
        cmocka_unit_test_setup_teardown(registrator_values, up, down),
        cmocka_unit_test_setup_teardown(registrator_owners, up, down),
        cmocka_unit_test_setup_teardown(adopts, up, down),
        cmocka_unit_test_setup_teardown(leaves, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
