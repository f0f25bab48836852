/*
 * Keys: their layout, whose they are, which were complained of; and the agent's own record.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "registry/agent_record.h"
#include "registry/kv_layout.h"
#include "registry/kv_owned.h"
#include "registry/skipped.h"
#include "registry/uri.h"

static char services_prefix[] = "/services", short_prefix[] = "/s";
static const struct registry_uri services = {.scheme = REGISTRY_ETCD, .prefix = services_prefix};
static const struct registry_uri short_one = {.scheme = REGISTRY_ETCD, .prefix = short_prefix};

static void layout(void **state)
{
    struct kv_layout l;
    struct err e = ERR_INIT;
    assert_int_equal(kv_layout_init(&l, &services, "n1", REGISTRY_NATIVE, &e), 0);
    assert_string_equal(l.dir, "/services/");
    assert_int_equal(l.dir_len, 10);
    assert_string_equal(l.end, "/services0");
    assert_string_equal(l.record, "/services/.agents/n1");

    struct service *svc = NULL;
    struct service_spec spec = {.name = "web",
                                .id = "n1:web-1:80",
                                .host = "h",
                                .port = 80,
                                .weight = SERVICE_WEIGHT_UNSET};
    struct buf key = BUF_INIT(4096);
    assert_int_equal(service_new(&svc, &spec, &e), 0);
    assert_int_equal(kv_layout_key(&l, svc, &key, &e), 0);
    assert_string_equal(buf_str(&key), "/services/web/n1:web-1:80");
    service_unref(svc);

    struct kv_key parsed;
    assert_int_equal(kv_layout_parse(&l, key.data, key.len, &parsed), KV_KEY_SERVICE);
    assert_string_equal(parsed.name, "web");
    assert_string_equal(parsed.id, "n1:web-1:80");
    buf_deinit(&key);

    static const struct {
        const char *key;
        size_t len; /* 0: strlen */
        enum kv_key_kind kind;
    } cases[] = {
        {"/services/.agents/n1", 0, KV_KEY_HIDDEN},
        {"/services/.x", 0, KV_KEY_HIDDEN},
        {"/services/web", 0, KV_KEY_OTHER},
        {"/services/web/", 0, KV_KEY_OTHER},
        {"/services//id", 0, KV_KEY_OTHER},
        {"/services/a/b/c", 0, KV_KEY_OTHER},
        {"/services/", 0, KV_KEY_OTHER},
        {"/services", 0, KV_KEY_OTHER},
        {"/service/web/x", 0, KV_KEY_OTHER},
        {"/services/we\nb/x", 0, KV_KEY_OTHER},
        {"/services/web/a\0b", 17, KV_KEY_OTHER},
        {"", 0, KV_KEY_OTHER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].key);
        int kind = (int)kv_layout_parse(&l, cases[i].key, len, &parsed);
        if (kind != (int)cases[i].kind) {
            fail_msg("%s: %d, not %d", cases[i].key, kind, (int)cases[i].kind);
        }
    }
    char longest[2048];
    memcpy(longest, "/services/", 10);
    memset(longest + 10, 'n', SERVICE_NAME_MAX + 1);
    memcpy(longest + 10 + SERVICE_NAME_MAX, "/i", 2);
    assert_int_equal(kv_layout_parse(&l, longest, 12 + SERVICE_NAME_MAX, &parsed), KV_KEY_SERVICE);
    memcpy(longest + 10 + SERVICE_NAME_MAX, "n/i", 3);
    assert_int_equal(kv_layout_parse(&l, longest, 13 + SERVICE_NAME_MAX, &parsed), KV_KEY_OTHER);
    kv_layout_deinit(&l);
    kv_layout_deinit(&l);
}

static void nodes(void **state)
{
    char longest[256];
    memset(longest, 'n', sizeof(longest));
    longest[254] = '\0';
    const char *const bad[] = {"", "a/b", "a\nb", longest};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct kv_layout l;
        struct err e = ERR_INIT;
        assert_int_equal(kv_layout_init(&l, &short_one, bad[i], REGISTRY_NATIVE, &e), -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        assert_non_null(strstr(e.msg, "node name"));
    }
    struct kv_layout l;
    struct err e = ERR_INIT;
    longest[253] = '\0';
    assert_int_equal(kv_layout_init(&l, &short_one, longest, REGISTRY_NATIVE, &e), 0);
    kv_layout_deinit(&l);
    assert_int_equal(kv_layout_init(&l, &short_one, NULL, REGISTRY_NATIVE, &e), 0);
    assert_null(l.record);
    kv_layout_deinit(&l);
}

static void owned(void **state)
{
    struct kv_owned o = {0};
    assert_null(kv_owned_find(&o, "/s/a", 4));
    struct kv_owned_key *k = kv_owned_add(&o, "/s/a");
    assert_ptr_equal(kv_owned_add(&o, "/s/a"), k);
    assert_ptr_equal(kv_owned_find(&o, "/s/ab", 4), k);
    assert_null(kv_owned_find(&o, "/s/ab", 5));
    kv_owned_add(&o, "/s/ab");
    assert_int_equal(kv_owned_count(&o), 2);
    assert_int_equal(kv_owned_ours(&o), 0);
    k->ours = true;
    assert_int_equal(kv_owned_ours(&o), 0);
    k->exists = true;
    assert_int_equal(kv_owned_ours(&o), 1);
    kv_owned_drop(&o, k);
    assert_int_equal(kv_owned_count(&o), 1);
    kv_owned_deinit(&o);
    kv_owned_deinit(&o);
    assert_int_equal(kv_owned_count(&o), 0);
}

static void skipped(void **state)
{
    struct skipped s = {0};
    skipped_begin(&s);
    assert_true(skipped_note(&s, "a", 1, 1));
    assert_false(skipped_note(&s, "a", 1, 1));
    assert_true(skipped_note(&s, "a", 1, 2)); /* other content */
    assert_true(skipped_note(&s, "b", 1, 1));
    skipped_end(&s);
    skipped_begin(&s);
    assert_false(skipped_note(&s, "a", 1, 2));
    skipped_end(&s); /* b was not there any more */
    assert_true(skipped_note(&s, "b", 1, 1));
    skipped_forget(&s, "a", 1);
    skipped_forget(&s, "never", 5);
    assert_true(skipped_note(&s, "a", 1, 2));
    skipped_deinit(&s);
    skipped_deinit(&s);
}

static void agent_record(void **state)
{
    struct agent_record in = {.instance = "9f00",
                              .started = "2026-01-02T03:04:05.678Z",
                              .lease = 7587894112341234567,
                              .ttl_s = 30};
    struct agent_record out;
    struct buf text = BUF_INIT(4096);
    agent_record_encode(&in, "n1", &text);
    assert_string_equal(buf_str(&text),
                        "{\"node\":\"n1\",\"instance\":\"9f00\",\"lease\":\"7587894112341234567\","
                        "\"ttl\":30,\"version\":\"" TIDEWAITER_VERSION
                        "\",\"started\":\"2026-01-02T03:04:05.678Z\"}");
    agent_record_decode(&out, buf_str(&text), text.len);
    buf_deinit(&text);
    assert_string_equal(out.instance, "9f00");
    assert_string_equal(out.started, "2026-01-02T03:04:05.678Z");
    assert_true(out.lease == 7587894112341234567);
    assert_int_equal(out.ttl_s, 30);

    static const char *const foreign[] = {
        "",
        "x",
        "[]",
        "{\"instance\":5,\"lease\":\"x\",\"ttl\":\"y\"}",
        "{\"instance\":\"a\\nb\",\"started\":\"012345678901234567890123456789012345678901\"}",
    };
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        agent_record_decode(&out, foreign[i], strlen(foreign[i]));
        if (*out.instance || *out.started || out.lease || out.ttl_s) {
            fail_msg("%s: instance %s, started %s", foreign[i], out.instance, out.started);
        }
    }
}

static void agent_replaced(void **state)
{
    const uint64_t random[2] = {0x9f, UINT64_MAX - 1};
    struct agent_record us = {.lease = 7, .ttl_s = 30}, by = {.instance = "9f00"};
    agent_record_begin(&us, random, 1767323045678);
    assert_string_equal(us.instance, "000000000000009ffffffffffffffffe");
    assert_string_equal(us.started, "2026-01-02T03:04:05.678Z");
    assert_true(us.lease == 7 && us.ttl_s == 30);
    assert_false(agent_record_of_other(&us, us.instance));
    assert_true(agent_record_of_other(&by, us.instance));

    struct err why = ERR_INIT;
    agent_record_deposed(&by, "n1", &why);
    assert_int_equal(why.class, ERR_CONFLICT);
    assert_int_equal(why.code, -EEXIST);
    assert_string_equal(why.msg, "another agent runs with node name n1; this one stops; "
                                 "give each host its own --node");
    agent_record_deposed(&us, "n1", &why);
    assert_non_null(strstr(why.msg, "node name n1 since 2026-01-02T03:04:05.678Z; this one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),  cmocka_unit_test(nodes),        cmocka_unit_test(owned),
        cmocka_unit_test(skipped), cmocka_unit_test(agent_record), cmocka_unit_test(agent_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
