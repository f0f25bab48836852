/*
 * Writer and reader against real etcd members: what etcd does when it is killed, emptied, compacted, or
 * used by others meanwhile.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "lib/etcd_daemon.h"
#include "lib/loop_test.h"
#include "lib/registry_probe.h"

#define NODE "n1"

struct fixture {
    struct etcd_cluster cluster;
    struct registry_uri uri;
    struct io *io;
};

/* The URI of all members. */
static void make_uri(struct fixture *f, const char *user_at)
{
    struct buf text = BUF_INIT(1024);
    struct err e = ERR_INIT;
    struct registry_uri_env env = {.uid = 0};
    buf_printf(&text, "etcd://%s", user_at);
    for (unsigned i = 0; i < f->cluster.n; i++) {
        buf_printf(&text, "%s%s", i ? "," : "", f->cluster.members[i].host);
    }
    buf_puts(&text, "/t");
    if (registry_uri_parse(&f->uri, buf_str(&text), &env, &e) < 0) {
        fail_msg("%s: %s", buf_str(&text), e.msg);
    }
    buf_deinit(&text);
}

static int up(void **state, unsigned n)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    etcd_cluster_start(&f->cluster, n, NULL);
    make_uri(f, "");
    f->io = loop_open();
    *state = f;
    return 0;
}

static int up_one(void **state)
{
    return up(state, 1);
}

static int up_three(void **state)
{
    return up(state, 3);
}

static int down(void **state)
{
    struct fixture *f = *state;
    loop_close(f->io);
    registry_uri_deinit(&f->uri);
    etcd_cluster_stop(&f->cluster);
    free(f);
    return 0;
}

static void keep(struct keeper *k, struct fixture *f)
{
    keeper_open(k, f->io, &registry_etcd, &f->uri, NODE, 30, false);
}

static void want_many(struct keeper *k, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof(name), "svc-%u", i % 7);
        keeper_want(k, NODE, name, "10.0.0.5", (uint16_t)(1000 + i));
    }
}

static void ctl(struct fixture *f, const char *verb, const char *a, const char *b)
{
    if (b) {
        free(etcdctl(&f->cluster, 0, verb, a, b, NULL));
    } else {
        free(etcdctl(&f->cluster, 0, verb, a, NULL));
    }
}

static unsigned count_keys(struct fixture *f, const char *prefix)
{
    CLEANUP_FREE char *out =
        etcdctl(&f->cluster, 0, "get", "--prefix", "--keys-only", prefix, NULL);
    unsigned n = 0;
    for (const char *at = out; (at = strstr(at, prefix)) != NULL; at++) {
        n++;
    }
    return n;
}

/* ---- */

static void both_halves(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keep(&k, f);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    want_many(&k, 300);
    loop_until(f->io, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    assert_int_equal(k.readies, 1);
    assert_int_equal(k.begins, 1);
    assert_int_equal(k.puts, 300);
    assert_int_equal(k.conflicts, 0);
    assert_int_equal(count_keys(f, "/t/svc-"), 300);

    keeper_unwant(&k, NODE, "svc-0", "10.0.0.5", 1000);
    loop_until(f->io, keeper_settled(&k) && viewer_agrees(&v, &k));
    assert_int_equal(v.table.n, 299);
    keeper_close(&k, true);
    loop_until(f->io, v.table.n == 0);
    assert_int_equal(count_keys(f, "/t/"), 0);
    viewer_close(&v);
}

/* A restarted agent finds its lease and its keys, and writes nothing. */
static void restart_writes_nothing(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    keep(&k, f);
    want_many(&k, 300);
    loop_until(f->io, keeper_settled(&k));
    keeper_close(&k, false);
    assert_int_equal(count_keys(f, "/t/svc-"), 300);

    keep(&k, f);
    want_many(&k, 300);
    loop_until(f->io, keeper_settled(&k));
    assert_int_equal(k.batches, 0);
    keeper_close(&k, false);

    /* the container behind 1000 went while no agent ran */
    keep(&k, f);
    want_many(&k, 300);
    keeper_unwant(&k, NODE, "svc-0", "10.0.0.5", 1000);
    loop_until(f->io, keeper_settled(&k));
    assert_int_equal(k.puts, 0);
    assert_int_equal(k.deletes, 1);
    assert_int_equal(count_keys(f, "/t/svc-"), 299);
    keeper_close(&k, true);
    assert_int_equal(count_keys(f, "/t/"), 0);
}

/* Another TTL is another lease: every key moves, and none is ever absent. */
static void other_ttl(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keeper_open(&k, f->io, &registry_etcd, &f->uri, NODE, 5, false);
    want_many(&k, 20);
    loop_until(f->io, keeper_settled(&k));
    keeper_close(&k, false);

    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    loop_until(f->io, v.live && v.table.n == 20);
    keeper_open(&k, f->io, &registry_etcd, &f->uri, NODE, 60, false);
    want_many(&k, 20);
    loop_until(f->io, keeper_settled(&k));
    assert_int_equal(k.puts, 20);
    assert_int_equal(k.deletes, 0);
    CLEANUP_FREE char *leases =
        etcdctl(&f->cluster, 0, "get", "/t/svc-1/" NODE ":10.0.0.5:1001", "-w", "json", NULL);
    CLEANUP_FREE char *record =
        etcdctl(&f->cluster, 0, "get", "/t/.agents/" NODE, "-w", "json", NULL);
    const char *a = strstr(leases, "\"lease\":"), *b = strstr(record, "\"lease\":");
    assert_non_null(a);
    assert_non_null(b);
    assert_memory_equal(a, b, 20);
    assert_int_equal(v.table.n, 20);
    assert_int_equal(v.tables, 1);
    viewer_close(&v);
    keeper_close(&k, true);
}

/* What others do to our keys is put right, without any event from Docker. */
static void meddling(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keep(&k, f);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    want_many(&k, 10);
    loop_until(f->io, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    unsigned puts = k.puts;

    ctl(f, "del", "/t/svc-1/" NODE ":10.0.0.5:1001", NULL);
    loop_until(f->io, k.puts == puts + 1 && keeper_settled(&k) && viewer_agrees(&v, &k));

    ctl(f, "put", "/t/svc-2/" NODE ":10.0.0.5:1002", "10.9.9.9:1");
    loop_until(f->io, k.puts == puts + 2 && keeper_settled(&k) && viewer_agrees(&v, &k));

    /* the same value, but off the lease */
    CLEANUP_FREE char *value = etcdctl(&f->cluster, 0, "get", "--print-value-only",
                                       "/t/svc-3/" NODE ":10.0.0.5:1003", NULL);
    value[strcspn(value, "\n")] = '\0';
    ctl(f, "put", "/t/svc-3/" NODE ":10.0.0.5:1003", value);
    loop_until(f->io, k.puts == puts + 3 && keeper_settled(&k) && viewer_agrees(&v, &k));

    /* the agent's own record */
    unsigned begins = k.begins;
    ctl(f, "del", "/t/.agents/" NODE, NULL);
    loop_until(f->io, k.begins > begins && keeper_settled(&k));
    assert_int_equal(count_keys(f, "/t/.agents/" NODE), 1);
    assert_int_equal(k.puts, puts + 3);
    assert_int_equal(k.unreadies, 0);

    /* a key of another agent is nobody's business here, nor that of another tool */
    ctl(f, "put", "/t/svc-1/n2:x:1", "10.0.0.9:80");
    ctl(f, "put", "/t/.hidden/x", "y");
    ctl(f, "put", "/t/odd", "y");
    ctl(f, "put", "/t/svc-1/n2:y:1", "no address");
    loop_until(f->io, v.table.n == 11 && v.skips == 2);
    assert_string_equal(v.skipped, "/t/svc-1/n2:y:1");
    assert_int_equal(keeper_seen(&k), 10);
    ctl(f, "put", "/t/svc-1/n2:y:1", "10.0.0.9:81");
    loop_until(f->io, v.table.n == 12);

    keeper_close(&k, true);
    loop_until(f->io, v.table.n == 2);
    viewer_close(&v);
}

/* A key that somebody else holds is left alone, and taken once it is free. */
static void foreign_key(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    ctl(f, "put", "/t/web/" NODE "x:10.0.0.5:80", "10.0.0.1:1");
    ctl(f, "put", "/t/web/" NODE ":10.0.0.6:80", "10.0.0.1:1"); /* by its id ours */
    keep(&k, f);
    keeper_want(&k, NODE "x", "web", "10.0.0.5", 80);
    keeper_want(&k, NODE, "web", "10.0.0.6", 80);
    keeper_want(&k, NODE, "web", "10.0.0.7", 80);
    loop_until(f->io, k.ready && k.conflicts >= 2 && keeper_seen(&k) == 2);
    CLEANUP_FREE char *value =
        etcdctl(&f->cluster, 0, "get", "--print-value-only", "/t/web/" NODE "x:10.0.0.5:80", NULL);
    assert_string_equal(value, "10.0.0.1:1\n");
    ctl(f, "del", "/t/web/" NODE "x:10.0.0.5:80", NULL);
    loop_until(f->io, keeper_settled(&k));
    assert_int_equal(keeper_seen(&k), 3);
    keeper_close(&k, true);
    assert_int_equal(count_keys(f, "/t/"), 0);
}

static void second_agent(void **state)
{
    struct fixture *f = *state;
    static struct keeper a, b;
    keep(&a, f);
    want_many(&a, 5);
    loop_until(f->io, keeper_settled(&a));
    keep(&b, f);
    want_many(&b, 5);
    loop_until(f->io, a.deposed && keeper_settled(&b));
    assert_int_equal(b.puts, 0);
    assert_int_equal(a.last.class, ERR_CONFLICT);
    if (!strstr(a.last.msg, "another agent runs with node name n1 since 20") ||
        !strstr(a.last.msg, "give each host its own --node")) {
        fail_msg("%s", a.last.msg);
    }
    keeper_close(&a, true); /* must not take anything with it */
    assert_int_equal(count_keys(f, "/t/svc-"), 5);
    assert_false(b.deposed);
    keeper_close(&b, true);
    assert_int_equal(count_keys(f, "/t/"), 0);
}

static void lease_revoked(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keeper_open(&k, f->io, &registry_etcd, &f->uri, NODE, 5, false);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    want_many(&k, 200);
    loop_until(f->io, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    CLEANUP_FREE char *list = etcdctl(&f->cluster, 0, "lease", "list", NULL);
    char *lease = strchr(list, '\n') + 1;
    lease[strcspn(lease, "\n")] = '\0';
    free(etcdctl(&f->cluster, 0, "lease", "revoke", lease, NULL));
    loop_until(f->io, keeper_settled(&k) && k.puts == 400 && viewer_agrees(&v, &k));
    viewer_close(&v);
    keeper_close(&k, true);
}

static void restarted(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keep(&k, f);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    want_many(&k, 50);
    loop_until(f->io, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    static const int signals[] = {SIGKILL, SIGTERM};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        etcd_member_kill(&f->cluster, 0, signals[i]);
        loop_until(f->io, !v.live);
        assert_int_equal(v.table.n, 50 + i); /* kept while stale */
        keeper_want(&k, NODE, "late", "10.0.0.9", (uint16_t)(80 + i));
        loop_until(f->io, k.failures > 0);
        k.failures = 0;
        etcd_member_start(&f->cluster, 0);
        loop_until_ms(f->io, 30000, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    }
    assert_int_equal(v.table.n, 52);
    keeper_close(&k, true);
    viewer_close(&v);
}

static void wiped(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keep(&k, f);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    want_many(&k, 50);
    loop_until(f->io, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    etcd_member_kill(&f->cluster, 0, SIGKILL);
    etcd_member_wipe(&f->cluster, 0);
    etcd_member_start(&f->cluster, 0);
    loop_until_ms(f->io, 30000,
                  k.puts >= 100 && keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    assert_int_equal(count_keys(f, "/t/svc-"), 50);
    keeper_close(&k, true);
    viewer_close(&v);
}

static void compacted(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keep(&k, f);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    want_many(&k, 10);
    loop_until(f->io, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));

    /* both stand still while the world goes on and history is thrown away */
    etcd_member_signal(&f->cluster, 0, SIGSTOP);
    loop_until_ms(f->io, 40000, !v.live && k.unreadies > 0);
    etcd_member_signal(&f->cluster, 0, SIGCONT);
    char number[16];
    for (int i = 0; i < 20; i++) {
        snprintf(number, sizeof(number), "10.0.0.1:%d", 100 + i);
        ctl(f, "put", "/t/other/x", number);
    }
    ctl(f, "compact", "20", NULL);
    loop_until_ms(f->io, 30000, keeper_settled(&k) && v.live && v.table.n == 11);
    assert_string_equal(table_find(&v.table, "other", "x")->s.host, "10.0.0.1");
    assert_int_equal(table_find(&v.table, "other", "x")->s.port, 119);
    assert_int_equal(k.puts, 10);
    keeper_close(&k, true);
    viewer_close(&v);
}

static void fail_over(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keep(&k, f);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    want_many(&k, 50);
    loop_until(f->io, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    for (unsigned i = 0; i < 3; i++) {
        etcd_member_kill(&f->cluster, i, SIGKILL);
        keeper_want(&k, NODE, "late", "10.0.0.9", (uint16_t)(80 + i));
        loop_until_ms(f->io, 30000, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
        etcd_member_start(&f->cluster, i);
    }
    assert_int_equal(v.table.n, 53);
    keeper_close(&k, true);
    viewer_close(&v);
}

static void with_users(void **state)
{
    struct fixture *f = *state;
    free(etcdctl(&f->cluster, 0, "user", "add", "root:pw", NULL));
    free(etcdctl(&f->cluster, 0, "user", "grant-role", "root", "root", NULL));
    free(etcdctl(&f->cluster, 0, "role", "add", "tide", NULL));
    free(etcdctl(&f->cluster, 0, "role", "grant-permission", "tide", "--prefix=true", "readwrite",
                 "/t/", NULL));
    free(etcdctl(&f->cluster, 0, "user", "add", "agent:s3cret", NULL));
    free(etcdctl(&f->cluster, 0, "user", "grant-role", "agent", "tide", NULL));
    free(etcdctl(&f->cluster, 0, "auth", "enable", NULL));

    static struct keeper k;
    static struct viewer v;
    keep(&k, f); /* without a user */
    loop_until(f->io, k.unreadies == 1);
    assert_int_equal(k.last.class, ERR_AUTH);
    keeper_close(&k, false);

    registry_uri_deinit(&f->uri);
    make_uri(f, "agent:wrong@");
    keep(&k, f);
    loop_until(f->io, k.unreadies == 1);
    assert_int_equal(k.last.class, ERR_AUTH);
    assert_non_null(strstr(k.last.msg, "wrong user or password"));
    assert_null(strstr(k.last.msg, "wrong@"));
    keeper_close(&k, false);

    registry_uri_deinit(&f->uri);
    make_uri(f, "agent:s3cret@");
    keep(&k, f);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    want_many(&k, 10);
    loop_until(f->io, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));

    /* a restart forgets all tokens */
    etcd_member_kill(&f->cluster, 0, SIGKILL);
    etcd_member_start(&f->cluster, 0);
    keeper_want(&k, NODE, "late", "10.0.0.9", 80);
    loop_until_ms(f->io, 30000, keeper_settled(&k) && v.live && viewer_agrees(&v, &k));
    assert_int_equal(v.table.n, 11);
    keeper_close(&k, true);
    loop_until(f->io, v.table.n == 0);
    viewer_close(&v);
}

static void looks_only(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    keeper_open(&k, f->io, &registry_etcd, &f->uri, NODE, 30, true);
    loop_until(f->io, k.ready);
    assert_int_equal(keeper_seen(&k), 0);
    keeper_close(&k, true);
    assert_int_equal(count_keys(f, "/t/"), 0);
    CLEANUP_FREE char *leases = etcdctl(&f->cluster, 0, "lease", "list", NULL);
    assert_string_equal(leases, "found 0 leases\n");

    keep(&k, f);
    want_many(&k, 150);
    loop_until(f->io, keeper_settled(&k));
    keeper_close(&k, false);
    keeper_open(&k, f->io, &registry_etcd, &f->uri, NODE, 60, true);
    loop_until(f->io, k.ready);
    assert_int_equal(keeper_seen(&k), 150);
    keeper_close(&k, true);
    assert_int_equal(count_keys(f, "/t/"), 151);
}

static void one_listing(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    keep(&k, f);
    want_many(&k, 8500); /* three pages */
    loop_until_ms(f->io, 30000, keeper_settled(&k));
    viewer_open(&v, f->io, &registry_etcd, &f->uri, true);
    loop_until(f->io, v.tables == 1);
    assert_true(viewer_agrees(&v, &k));
    assert_int_equal(v.fresh, 0);
    v.driver->reader->refresh(v.reader);
    loop_until(f->io, v.tables == 2);
    assert_int_equal(v.fresh, 1);
    assert_false(v.told);
    viewer_close(&v);

    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    loop_until(f->io, v.live);
    v.driver->reader->refresh(v.reader);
    v.driver->reader->refresh(v.reader);
    loop_until(f->io, v.fresh == 1);
    v.driver->reader->refresh(v.reader); /* while it opens the watch */
    keeper_want(&k, NODE, "late", "10.0.0.9", 80);
    loop_until(f->io, v.fresh == 2 && viewer_agrees(&v, &k));
    assert_int_equal(v.stales, 0);
    viewer_close(&v);
    keeper_close(&k, true);
}

/* The same cluster as scheme://HOSTS/rest. */
static void use_uri(struct fixture *f, const char *scheme, const char *rest, bool registrator)
{
    struct buf text = BUF_INIT(1024);
    struct err e = ERR_INIT;
    struct registry_uri_env env = {.uid = 0, .registrator = registrator};
    buf_printf(&text, "%s://%s%s", scheme, f->cluster.members[0].host, rest);
    registry_uri_deinit(&f->uri);
    if (registry_uri_parse(&f->uri, buf_str(&text), &env, &e) < 0) {
        fail_msg("%s: %s", buf_str(&text), e.msg);
    }
    buf_deinit(&text);
}

/* The record lies outside the prefix, and what happens to it is noticed there. */
static void skydns(void **state)
{
    struct fixture *f = *state;
    static struct keeper a, b;
    static struct viewer v;
    use_uri(f, "skydns", "/svc.local", false);
    keep(&a, f);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    for (unsigned i = 0; i < 200; i++) {
        keeper_want(&a, NODE, "web", "h1", (uint16_t)(1000 + i));
    }
    loop_until(f->io, keeper_settled(&a) && v.live && v.table.n == 200);
    assert_int_equal(v.skips, 0);
    assert_int_equal(count_keys(f, "/skydns/local/svc/web/n1-h1-1"), 200);
    assert_int_equal(count_keys(f, "/skydns/"), 200);
    CLEANUP_FREE char *value = etcdctl(&f->cluster, 0, "get", "--print-value-only",
                                       "/skydns/local/svc/web/n1-h1-1007", NULL);
    assert_string_equal(value, "{\"host\":\"h1\",\"port\":1007,\"ttl\":30}\n");

    unsigned begins = a.begins;
    ctl(f, "del", "/.tidewaiter/agents/skydns/local/svc/" NODE, NULL);
    loop_until(f->io, a.begins > begins && keeper_settled(&a));
    assert_int_equal(count_keys(f, "/.tidewaiter/agents/skydns/local/svc/" NODE), 1);
    ctl(f, "del", "/skydns/local/svc/web/n1-h1-1007", NULL);
    loop_until(f->io, a.puts == 201 && keeper_settled(&a) && v.table.n == 200);

    keep(&b, f);
    for (unsigned i = 0; i < 200; i++) {
        keeper_want(&b, NODE, "web", "h1", (uint16_t)(1000 + i));
    }
    loop_until(f->io, a.deposed && keeper_settled(&b));
    assert_int_equal(b.puts, 0);
    keeper_close(&a, true);
    assert_int_equal(v.table.n, 200);
    keeper_close(&b, true);
    loop_until(f->io, v.table.n == 0);
    assert_int_equal(count_keys(f, "/"), 0);
    viewer_close(&v);
}

/* Registrator's root: what a template over "/" + "*" sees is the services and one hidden folder. */
static void registrator_root(void **state)
{
    struct fixture *f = *state;
    static struct keeper k;
    static struct viewer v;
    use_uri(f, "etcd", "", true);
    struct registry_writer_config config = {.uri = &f->uri,
                                            .node = NODE,
                                            .id_host = "host1",
                                            .ttl_s = 30,
                                            .dialect = REGISTRY_REGISTRATOR};
    keeper_open_config(&k, f->io, &registry_etcd, &config);
    viewer_open(&v, f->io, &registry_etcd, &f->uri, false);
    for (unsigned i = 0; i < 50; i++) {
        keeper_want(&k, "host1", "web", "h1", (uint16_t)(1000 + i));
    }
    loop_until(f->io, keeper_settled(&k) && v.live && v.table.n == 50);
    assert_int_equal(v.skips, 0);
    assert_int_equal(count_keys(f, "/web/host1:h1:10"), 50);
    CLEANUP_FREE char *value =
        etcdctl(&f->cluster, 0, "get", "--print-value-only", "/web/host1:h1:1007", NULL);
    assert_string_equal(value, "h1:1007\n");
    unsigned begins = k.begins;
    ctl(f, "del", "/.tidewaiter/agents/" NODE, NULL);
    loop_until(f->io, k.begins > begins && keeper_settled(&k));
    assert_int_equal(k.puts, 50);
    keeper_close(&k, true);
    loop_until(f->io, v.table.n == 0);
    assert_int_equal(count_keys(f, "/"), 0);
    viewer_close(&v);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one test by its name */
        cmocka_set_test_filter(argv[1]);
    }
    if (!etcd_daemon_installed()) {
        return 77;
    }
#define ONE(fn) cmocka_unit_test_setup_teardown(fn, up_one, down)
    const struct CMUnitTest tests[] = {
        ONE(both_halves),
        ONE(restart_writes_nothing),
        ONE(other_ttl),
        ONE(meddling),
        ONE(foreign_key),
        ONE(second_agent),
        ONE(lease_revoked),
        ONE(restarted),
        ONE(wiped),
        ONE(compacted),
        ONE(skydns),
        ONE(registrator_root),
        cmocka_unit_test_setup_teardown(fail_over, up_three, down),
        ONE(with_users),
        ONE(looks_only),
        ONE(one_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
