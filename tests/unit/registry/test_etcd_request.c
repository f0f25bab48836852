/*
 * Request bodies, byte by byte: member names and forms that etcd would ignore in silence when they are
 * spelled otherwise.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "registry/etcd_request.h"

static void expect(struct buf *b, const char *want)
{
    assert_int_equal(buf_error(b), 0);
    assert_string_equal(buf_str(b), want);
    buf_deinit(b);
}

static void ranges(void **state)
{
    struct buf b = BUF_INIT(4096);
    etcd_request_range(&b, &(struct etcd_range_request){.key = "/s/a", .key_len = 4});
    expect(&b, "{\"key\":\"L3MvYQ==\"}");
    /* the next page begins at the last key with a zero byte behind it */
    etcd_request_range(&b, &(struct etcd_range_request){.key = "/s/a",
                                                        .key_len = 5,
                                                        .end = "/s0",
                                                        .limit = 1000,
                                                        .revision = 9007199254740993});
    expect(&b, "{\"key\":\"L3MvYQA=\",\"range_end\":\"L3Mw\",\"limit\":\"1000\","
               "\"revision\":\"9007199254740993\"}");
}

static void leases(void **state)
{
    struct buf b = BUF_INIT(4096);
    etcd_request_grant(&b, 30);
    expect(&b, "{\"TTL\":\"30\"}"); /* "ttl" would be two seconds */
    etcd_request_keepalive(&b, (const int64_t[]){7587894112341234567, -5}, 2);
    expect(&b, "{\"ID\":\"7587894112341234567\"}{\"ID\":\"-5\"}");
    etcd_request_timetolive(&b, 777, true);
    expect(&b, "{\"ID\":\"777\",\"keys\":true}");
    etcd_request_timetolive(&b, 777, false);
    expect(&b, "{\"ID\":\"777\"}");
    etcd_request_revoke(&b, 777);
    expect(&b, "{\"ID\":\"777\"}");
}

static void others(void **state)
{
    struct buf b = BUF_INIT(4096);
    etcd_request_authenticate(&b, "a\"b", "p\\w\n");
    expect(&b, "{\"name\":\"a\\\"b\",\"password\":\"p\\\\w\\n\"}");
    etcd_request_watch(&b, "/s/", "/s0", 42);
    expect(&b, "{\"create_request\":{\"key\":\"L3Mv\",\"range_end\":\"L3Mw\","
               "\"start_revision\":\"42\",\"progress_notify\":true,\"fragment\":true}}");
    etcd_request_watch(&b, "/s/", NULL, 42);
    expect(&b, "{\"create_request\":{\"key\":\"L3Mv\",\"start_revision\":\"42\","
               "\"progress_notify\":true,\"fragment\":true}}");
}

static void transactions(void **state)
{
    struct buf b = BUF_INIT(4096);
    struct etcd_txn_builder t;
    etcd_txn_begin(&t, &b);
    etcd_txn_compare(&t, "/r", 7);
    etcd_txn_compare(&t, "/s/a", 0);
    etcd_txn_success(&t);
    etcd_txn_put(&t, "/s/a", "v", 1, 777);
    etcd_txn_delete(&t, "/s/b");
    etcd_txn_failure(&t);
    etcd_txn_range(&t, "/r");
    etcd_txn_range(&t, "/s/a");
    etcd_txn_end(&t);
    expect(&b, "{\"compare\":["
               "{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":\"L3I=\",\"mod_revision\":\"7\"},"
               "{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":\"L3MvYQ==\","
               "\"mod_revision\":\"0\"}],"
               "\"success\":["
               "{\"request_put\":{\"key\":\"L3MvYQ==\",\"value\":\"dg==\",\"lease\":\"777\"}},"
               "{\"request_delete_range\":{\"key\":\"L3MvYg==\"}}],"
               "\"failure\":["
               "{\"request_range\":{\"key\":\"L3I=\"}},"
               "{\"request_range\":{\"key\":\"L3MvYQ==\"}}]}");

    etcd_txn_begin(&t, &b);
    etcd_txn_success(&t);
    etcd_txn_failure(&t);
    etcd_txn_end(&t);
    expect(&b, "{\"compare\":[],\"success\":[],\"failure\":[]}");
}

static void too_large(void **state)
{
    struct buf b = BUF_INIT(16);
    etcd_request_watch(&b, "/s/", "/s0", 42);
    assert_int_equal(buf_error(&b), -EMSGSIZE);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),       cmocka_unit_test(leases),    cmocka_unit_test(others),
        cmocka_unit_test(transactions), cmocka_unit_test(too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
