/*
 * Single values: masking, formats back to text, spans and modes at their limits, and nearest words.
 */
#include "base/alloc.h"
#include "base/str.h"
#include "config/nearest.h"
#include "config/value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void masks_passwords(void **state)
{
    static const char *const pairs[][2] = {
        {"etcd://root:pw@h:2379/p", "etcd://root:***@h:2379/p"},
        {"etcd://root@h", "etcd://root@h"},
        {"etcd://h:2379,h2:2379/p", "etcd://h:2379,h2:2379/p"},
        {"etcd://u:p@h1,h2", "etcd://u:***@h1,h2"},
        {"etcd://u:a@b@h", "etcd://u:***@h"},
        {"etcd://u:a/b@h", "etcd://u:***@h"},
        {"etcd://u:a?b#c@h/x", "etcd://u:***@h/x"},
        {"etcd://h:2379/a@b", "etcd://h:2379/a@b"},
        {"etcd://:pw@h", "etcd://:***@h"},
        {"etcd://u:@h", "etcd://u:***@h"},
        {"curl http://a:b@h/ http://c:d@i && x", "curl http://a:***@h/ http://c:***@i && x"},
        {"no uri u:p@h", "no uri u:p@h"},
        {"://", "://"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct buf out = BUF_INIT(1000);
        option_mask_passwords(pairs[i][0], &out);
        assert_string_equal(buf_str(&out), pairs[i][1]);
        buf_deinit(&out);
    }
}

static void formats_durations(void **state)
{
    static const struct {
        msec_t ms;
        const char *text;
    } cases[] = {{0, "0s"},      {1, "1ms"},      {1500, "1500ms"}, {30000, "30s"},   {60000, "1m"},
                 {90000, "90s"}, {3600000, "1h"}, {5400000, "90m"}, {86400000, "24h"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(100);
        option_duration_format(cases[i].ms, &out);
        assert_string_equal(buf_str(&out), cases[i].text);
        uint64_t back = 1;
        assert_true(str_to_duration(buf_str(&out), &back));
        assert_int_equal(back, cases[i].ms);
        buf_deinit(&out);
    }
}

static void takes_spans(void **state)
{
    const struct option o = {.type = OPTION_SPAN, .min = 10, .max = 60000};
    static const struct {
        const char *text;
        msec_t min, max; /* 0, 0: refused */
    } cases[] = {
        {"100ms:1s", 100, 1000},
        {"1s", 1000, 4000},
        {"30s", 30000, 60000},
        {"10ms:10ms", 10, 10},
        {"9ms", 0, 0},
        {"1s:61s", 0, 0},
        {"61s", 0, 0},
        {"2s:1s", 0, 0},
        {"1s:", 0, 0},
        {":1s", 0, 0},
        {"1s:2s:3s", 0, 0},
        {"", 0, 0},
        {"100000000000000000000000000000000000ms", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        union option_value v = {.span = {0, 0}};
        int r = option_value_parse(&o, cases[i].text, &v, NULL);
        if (r != (cases[i].max ? 0 : -EINVAL) || v.span.min != cases[i].min ||
            v.span.max != cases[i].max) {
            fail_msg("\"%s\": %d, %llu:%llu", cases[i].text, r, (unsigned long long)v.span.min,
                     (unsigned long long)v.span.max);
        }
    }
    /* without a limit of its own, a duration still has one: sums of two never overflow */
    const struct option unlimited = {.type = OPTION_DURATION};
    union option_value v;
    assert_int_equal(option_value_parse(&unlimited, "8760h", &v, NULL), 0);
    assert_int_equal(option_value_parse(&unlimited, "8761h", &v, NULL), -EINVAL);
    assert_int_equal(option_value_parse(&unlimited, "0", &v, NULL), 0);
    assert_int_equal(v.duration, 0);
}

static void takes_modes(void **state)
{
    const struct option o = {.type = OPTION_MODE};
    static const struct {
        const char *text;
        long mode;
    } cases[] = {{"0644", 0644},
                 {"640", 0640},
                 {"0", 0},
                 {"0777", 0777},
                 {"keep", (mode_t)-1},
                 {"01000", -1},
                 {"8", -1},
                 {"", -1},
                 {"0x1", -1},
                 {"rw", -1},
                 {"-1", -1},
                 {"0644 ", -1},
                 {"00000000000000000000644", -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        union option_value v = {.mode = 1};
        int r = option_value_parse(&o, cases[i].text, &v, NULL);
        if (r != (cases[i].mode < 0 ? -EINVAL : 0) ||
            v.mode != (cases[i].mode < 0 ? 1 : (mode_t)cases[i].mode)) {
            fail_msg("\"%s\": %d, %o", cases[i].text, r, (unsigned)v.mode);
        }
    }
}

static void never_repeats_secrets(void **state)
{
    const struct option secret = {.type = OPTION_UINT, .flags = OPTION_SECRET, .min = 1, .max = 9};
    const struct option plain = {.type = OPTION_UINT, .min = 1, .max = 9};
    union option_value v;
    struct err e = ERR_INIT;
    assert_int_equal(option_value_parse(&secret, "hunter2", &v, &e), -EINVAL);
    assert_string_equal(e.msg, "allowed: a whole number from 1 to 9");
    assert_int_equal(option_value_parse(&plain, "http://u:hunter2@h", &v, &e), -EINVAL);
    assert_string_equal(e.msg, "found \"http://u:***@h\", allowed: a whole number from 1 to 9");
}

static const char *nearest_of(const char *word, const char *const *words)
{
    struct nearest n;
    nearest_init(&n, word);
    for (size_t i = 0; words[i]; i++) {
        nearest_offer(&n, words[i]);
    }
    return nearest_best(&n);
}

static void finds_the_nearest_word(void **state)
{
    static const char *const words[] = {"node", "network", "internal", "name-from",  "ttl",
                                        "tags", "dry-run", "on-exit",  "deregister", NULL};
    static const char *const pairs[][2] = {
        {"node", "node"}, {"nodee", "node"}, {"ndoe", "node"},   {"namefrom", "name-from"},
        {"tll", "ttl"},   {"tlt", "ttl"},    {"dry", "dry-run"}, {"de-register", "deregister"},
        {"drain", NULL},  {"xyz", NULL},     {"", NULL},         {"onexit", "on-exit"},
        {"listen", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const char *best = nearest_of(pairs[i][0], words);
        if (!best != !pairs[i][1] || (best && strcmp(best, pairs[i][1]) != 0)) {
            fail_msg("%s: %s, not %s", pairs[i][0], best ? best : "nothing",
                     pairs[i][1] ? pairs[i][1] : "nothing");
        }
    }
    char long_word[NEAREST_WORD_MAX + 2];
    memset(long_word, 'n', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    assert_null(nearest_of(long_word, words));
    const char *const itself[] = {long_word + 1, NULL};
    assert_non_null(nearest_of(long_word + 1, itself));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_passwords),       cmocka_unit_test(formats_durations),
        cmocka_unit_test(takes_spans),           cmocka_unit_test(takes_modes),
        cmocka_unit_test(never_repeats_secrets), cmocka_unit_test(finds_the_nearest_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
