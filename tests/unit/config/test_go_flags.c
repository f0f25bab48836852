/*
 * Go's flag syntax: what it takes, where it ends, and what it refuses.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "config/go_flags.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ARGV(...) ((char **)(const char *[]){__VA_ARGS__, NULL})

struct sample {
    bool on;
    int64_t n;
    const char *text;
};

static const struct go_flag FLAGS[] = {
    {"on", GO_FLAG_BOOL, offsetof(struct sample, on), NULL, "a switch"},
    {"count", GO_FLAG_INT, offsetof(struct sample, n), "N", "a number"},
    {"text", GO_FLAG_STRING, offsetof(struct sample, text), "TEXT", "some text"},
};

static int parse(char **argv, struct sample *ret, int *ret_used, struct err *e)
{
    int argc = 0;
    while (argv[argc]) {
        argc++;
    }
    *ret = (struct sample){.text = "default", .n = 7};
    return go_flags_parse(FLAGS, ARRAY_LEN(FLAGS), argc, argv, ret, ret_used, e);
}

static void expect(char **argv, int used, bool on, int64_t n, const char *text)
{
    struct sample s;
    struct err e = ERR_INIT;
    int got = -1;
    int r = parse(argv, &s, &got, &e);
    if (r != 0 || got != used || s.on != on || s.n != n || strcmp(s.text, text) != 0) {
        fail_msg("%s ...: r %d (%s) used %d on %d n %lld text %s", argv[0] ? argv[0] : "", r, e.msg,
                 got, s.on, (long long)s.n, s.text);
    }
}

static void takes_every_form(void **state)
{
    expect(ARGV(NULL), 0, false, 7, "default");
    expect(ARGV("-on", "-count", "3", "-text", "t"), 5, true, 3, "t");
    expect(ARGV("--on", "--count=3", "--text=t"), 3, true, 3, "t");
    expect(ARGV("-text=a=b"), 1, false, 7, "a=b");
    expect(ARGV("-text="), 1, false, 7, "");
    expect(ARGV("-text", ""), 2, false, 7, "");
    expect(ARGV("-text", "-on"), 2, false, 7, "-on"); /* a value may look like a flag */
    expect(ARGV("-text", "--", "-on"), 3, true, 7, "--");
    expect(ARGV("-count", "-3"), 2, false, -3, "default");
    expect(ARGV("-on=true"), 1, true, 7, "default");
    expect(ARGV("-on", "-on=F"), 2, false, 7, "default");
    expect(ARGV("-count=1", "-count=2"), 2, false, 2, "default");
}

static void ends_at_the_first_other_argument(void **state)
{
    expect(ARGV("uri", "-on"), 0, false, 7, "default");
    expect(ARGV("-on", "false", "-count=1"), 1, true, 7, "default"); /* no value of a switch */
    expect(ARGV("-", "-on"), 0, false, 7, "default");
    expect(ARGV("", "-on"), 0, false, 7, "default");
    expect(ARGV("-on", "--", "-count=1"), 2, true, 7, "default");
    expect(ARGV("--"), 1, false, 7, "default");
}

static void refuses_what_is_no_flag(void **state)
{
    static const struct {
        const char *first, *second, *want;
    } cases[] = {
        {"-onn", NULL, "unknown option -onn; did you mean -on?"},
        {"--nothing-like-it", NULL, "unknown option -nothing-like-it"},
        {"-o", NULL, "unknown option -o; did you mean -on?"},
        {"---on", NULL, "found \"---on\", allowed: -NAME or --NAME"},
        {"-=x", NULL, "found \"-=x\", allowed: -NAME or --NAME"},
        {"--=x", NULL, "found \"--=x\", allowed: -NAME or --NAME"},
        {"-text", NULL, "-text needs a value: TEXT"},
        {"-count", NULL, "-count needs a value: N"},
        {"-count", "many", "-count: found \"many\", allowed: a whole number"},
        {"-count=", NULL, "-count: found \"\", allowed: a whole number"},
        {"-on=yes", NULL, "-on: found \"yes\", allowed: true or false, behind a '='"},
        {"-on=", NULL, "-on: found \"\", allowed: true or false, behind a '='"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sample s;
        struct err e = ERR_INIT;
        int used = -1;
        assert_int_equal(parse(ARGV(cases[i].first, cases[i].second), &s, &used, &e), -EINVAL);
        assert_string_equal(e.msg, cases[i].want);
        assert_int_equal(used, -1);
    }
}

static void knows_help(void **state)
{
    static const char *const words[] = {"-h", "--h", "-help", "--help", "-help=x"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct sample s;
        int used;
        assert_int_equal(parse(ARGV("-on", words[i], "-nonsense"), &s, &used, NULL),
                         GO_FLAGS_E_HELP);
    }
}

static void reads_integers_as_go_does(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"10", 10},
        {"+5", 5},
        {"-5", -5},
        {"0x1F", 31},
        {"0X1f", 31},
        {"-0x10", -16},
        {"017", 15},
        {"0o17", 15},
        {"0b101", 5},
        {"1_000", 1000},
        {"0x_1", 1},
        {"0_7", 7},
        {"00", 0},
        {"-0", 0},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    static const char *const bad[] = {
        "",
        "-",
        "+",
        "--5",
        "1 ",
        " 1",
        "08",
        "0x",
        "0b2",
        "0x_",
        "_1",
        "1_",
        "1__2",
        "1s",
        "1.5",
        "9223372036854775808",
        "0_",
        "0o8",
        "0xg",
        "1e3",
        "-9223372036854775809",
        "99999999999999999999",
    };
    int64_t v = 42;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!go_int_parse(good[i].text, &v) || v != good[i].value) {
            fail_msg("\"%s\": got %lld, wanted %lld", good[i].text, (long long)v,
                     (long long)good[i].value);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (go_int_parse(bad[i], &v)) {
            fail_msg("\"%s\" was taken for %lld", bad[i], (long long)v);
        }
    }
}

static void describes_the_flags(void **state)
{
    struct buf out = BUF_INIT(1000);
    go_flags_describe(FLAGS, ARRAY_LEN(FLAGS), &out);
    assert_string_equal(buf_str(&out), "  -on                             a switch\n"
                                       "  -count N                        a number\n"
                                       "  -text TEXT                      some text\n");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_form),
        cmocka_unit_test(ends_at_the_first_other_argument),
        cmocka_unit_test(refuses_what_is_no_flag),
        cmocka_unit_test(knows_help),
        cmocka_unit_test(reads_integers_as_go_does),
        cmocka_unit_test(describes_the_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
