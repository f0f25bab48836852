/*
 * What key-value registries share: the batch in flight, Consul's form of the keys, and whose a record
 * is that nothing holds.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "registry/kv_layout.h"
#include "registry/kv_batch.h"
#include "registry/record_owner.h"
#include "registry/uri.h"

/* ---- batches ---- */

static size_t value_bytes(const struct registry_op *op)
{
    return op->value_len;
}

static void begin(struct kv_batch *b, size_t slice_max)
{
    char value[] = "0123456789";
    struct registry_op ops[] = {
        {.kind = REGISTRY_PUT, .key = "a", .value = value, .value_len = 10},
        {.kind = REGISTRY_DELETE, .key = "b", .value = value, .value_len = 10},
        {.kind = REGISTRY_PUT, .key = "c", .value = value, .value_len = 5},
        {.kind = REGISTRY_PUT, .key = "d", .value = value, .value_len = 10},
    };
    kv_batch_begin(b, ops, ARRAY_LEN(ops), slice_max);
    memset(value, 'x', sizeof(value)); /* it has its own copies */
}

static void slices(void **state)
{
    struct kv_batch b = {0};
    struct registry_result results[KV_BATCH_MAX];
    struct err why;
    begin(&b, 100);
    assert_true(kv_batch_has(&b, "d"));
    assert_false(kv_batch_has(&b, "e"));
    assert_string_equal(b.ops[2].value, "01234");

    assert_true(kv_batch_pick(&b, 15, value_bytes)); /* a delete has no value */
    assert_int_equal(b.n_slice, 3);
    kv_batch_end(&b, 0, ERR_NONE, 7);
    kv_batch_again(&b);
    assert_true(kv_batch_pick(&b, 3, value_bytes)); /* b; c would be too much */
    assert_int_equal(b.n_slice, 1);
    assert_int_equal(b.slice[0], 1);
    kv_batch_end(&b, 1, ERR_CONFLICT, 0);
    assert_true(kv_batch_pick(&b, 3, value_bytes)); /* at least one, however large */
    assert_int_equal(b.n_slice, 1);
    assert_int_equal(b.slice[0], 2);

    struct err first = ERR_INIT, second = ERR_INIT;
    err_set(&first, ERR_TRANSIENT, -EAGAIN, "first");
    err_set(&second, ERR_AUTH, -EACCES, "second");
    kv_batch_note(&b, &first);
    kv_batch_fail(&b, &second);
    assert_false(kv_batch_pick(&b, 100, value_bytes));
    assert_int_equal(kv_batch_finish(&b, results, &why), 4);
    assert_string_equal(why.msg, "first");
    static const enum err_class classes[] = {ERR_NONE, ERR_CONFLICT, ERR_AUTH, ERR_AUTH};
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        assert_int_equal(results[i].class, classes[i]);
    }
    assert_int_equal(results[0].revision, 7);
    assert_false(kv_batch_has(&b, "a"));
}

static void halves(void **state)
{
    struct kv_batch b = {0};
    begin(&b, 3);
    assert_true(kv_batch_pick(&b, 100, value_bytes));
    assert_int_equal(b.n_slice, 3);
    assert_true(kv_batch_halve(&b));
    assert_true(kv_batch_pick(&b, 100, value_bytes));
    assert_int_equal(b.n_slice, 1);
    assert_int_equal(b.slice[0], 0);
    assert_false(kv_batch_halve(&b));

    assert_false(kv_batch_is_fruitless(&b, false));
    assert_false(kv_batch_is_fruitless(&b, false));
    assert_false(kv_batch_is_fruitless(&b, true));
    assert_false(kv_batch_is_fruitless(&b, false));
    assert_false(kv_batch_is_fruitless(&b, false));
    assert_true(kv_batch_is_fruitless(&b, false));
    kv_batch_deinit(&b);
    kv_batch_deinit(&b);
}

/* ---- keys ---- */

static void consul_layout(void **state)
{
    static char prefix[] = "services";
    static const struct registry_uri uri = {.scheme = REGISTRY_CONSULKV, .prefix = prefix};
    struct kv_layout l;
    struct err e = ERR_INIT;
    assert_int_equal(kv_layout_init(&l, &uri, "n1", REGISTRY_NATIVE, &e), 0);
    assert_string_equal(l.dir, "services/");
    assert_string_equal(l.record, "services/.agents/n1");
    assert_false(l.apart);
    kv_layout_deinit(&l);
    assert_int_equal(kv_layout_init(&l, &uri, "n1", REGISTRY_REGISTRATOR, &e), 0);
    assert_string_equal(l.dir, "services/");
    assert_string_equal(l.record, ".tidewaiter/agents/services/n1");
    assert_true(l.apart);
    kv_layout_deinit(&l);
}

/* ---- owners ---- */

static void regular_ids(void **state)
{
    static const struct {
        const char *id;
        bool of_host, regular;
    } cases[] = {
        {"n1:web-1:80", true, true},
        {"n1:web-1:53:udp", true, true},
        {"n1:a.b_c-d:65535", true, true},
        {"n1:web-1:80:tcp", true, false},
        {"n1:web-1:0", true, false},
        {"n1:web-1:65536", true, false},
        {"n1:web-1:", true, false},
        {"n1:web-1:000000000080", true, false},
        {"n1:web-1", true, false},
        {"n1:w:80", true, false},
        {"n1:_web:80", true, false},
        {"n1:we b:80", true, false},
        {"n1::80", true, false},
        {"n1:", true, false},
        {"n1", false, false},
        {"n10:web-1:80", false, false},
        {"n2:web-1:80", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (record_id_of_host(cases[i].id, "n1") != cases[i].of_host ||
            record_id_regular(cases[i].id, "n1") != cases[i].regular) {
            fail_msg("%s", cases[i].id);
        }
    }
    assert_false(record_id_of_host(":web:80", ""));
}

static void owners(void **state)
{
    static const struct {
        const char *id, *value;
        enum registry_owner owner, adopting;
    } cases[] = {
        /* the value names a node: that decides */
        {"x", "{\"node\":\"n1\"}", REGISTRY_OURS, REGISTRY_OURS},
        {"h1:web:80", "{\"node\":\"n2\"}", REGISTRY_FOREIGN, REGISTRY_FOREIGN},
        {"x", "{\"Op\":0,\"Addr\":\"a:1\",\"Metadata\":{\"node\":\"n1\"}}", REGISTRY_OURS,
         REGISTRY_OURS},
        /* it names none */
        {"h1:web:80", "10.0.0.5:80", REGISTRY_UNCLAIMED, REGISTRY_OURS},
        {"h1:web:80", "{\"host\":\"10.0.0.5\",\"node\":\"\"}", REGISTRY_UNCLAIMED, REGISTRY_OURS},
        {"h1:web:80", "{broken", REGISTRY_UNCLAIMED, REGISTRY_OURS},
        {"h1:web:80", "", REGISTRY_UNCLAIMED, REGISTRY_OURS},
        {"h1:by-hand", "10.0.0.5:80", REGISTRY_UNCLAIMED, REGISTRY_UNCLAIMED},
        {"h2:web:80", "10.0.0.5:80", REGISTRY_FOREIGN, REGISTRY_FOREIGN},
        {"n1:web:80", "10.0.0.5:80", REGISTRY_FOREIGN, REGISTRY_FOREIGN}, /* the host counts */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct record_owner_rules rules = {.node = "n1", .id_host = "h1"};
        size_t len = strlen(cases[i].value);
        enum registry_owner owner = record_owner(&rules, cases[i].id, cases[i].value, len);
        rules.adopt_by_id = true;
        enum registry_owner adopting = record_owner(&rules, cases[i].id, cases[i].value, len);
        if (owner != cases[i].owner || adopting != cases[i].adopting) {
            fail_msg("%s %s: %d, adopting %d", cases[i].id, cases[i].value, (int)owner,
                     (int)adopting);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices),      cmocka_unit_test(halves), cmocka_unit_test(consul_layout),
        cmocka_unit_test(regular_ids), cmocka_unit_test(owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
