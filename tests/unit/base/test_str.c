/*
 * Numbers, durations, globs and UTF-8 as they come from outside: what is taken, and what is refused.
 */
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void compares(void **state)
{
    assert_true(streq("", "") && streq("a", "a"));
    assert_false(streq("a", "A") || streq("a", "ab"));
    assert_true(str_empty(NULL) && str_empty(""));
    assert_false(str_empty(" "));
    assert_true(str_starts("abc", "ab") && str_starts("abc", ""));
    assert_false(str_starts("ab", "abc"));
    assert_true(str_ends("abc", "bc") && str_ends("abc", ""));
    assert_false(str_ends("bc", "abc"));
}

static void copies(void **state)
{
    char small[4];
    assert_true(str_copy(small, sizeof(small), "abc"));
    assert_string_equal(small, "abc");
    assert_false(str_copy(small, sizeof(small), "abcd"));
    assert_string_equal(small, "abc");
    char packed[8], *at = packed;
    assert_string_equal(str_pack(&at, "ab"), "ab");
    assert_string_equal(str_pack(&at, ""), "");
    assert_int_equal(at - packed, 4);
    char text[] = "AzZ\xc3\x89";
    str_lower(text);
    assert_string_equal(text, "azz\xc3\x89");
}

static void expect_u64(const char *s, bool ok, uint64_t want)
{
    uint64_t v = 77;
    bool r = str_to_u64(s, 0, UINT64_MAX, &v);
    if (r != ok || v != (ok ? want : 77)) {
        fail_msg("\"%s\": %d, %llu", s, r, (unsigned long long)v);
    }
}

static void reads_numbers(void **state)
{
    expect_u64("0", true, 0);
    expect_u64("007", true, 7);
    expect_u64("18446744073709551615", true, UINT64_MAX);
    expect_u64("18446744073709551616", false, 0);
    expect_u64("99999999999999999999999", false, 0);
    static const char *const bad[] = {"", "+1", "-1", " 1", "1 ", "0x1", "1e3", "1.0", "a"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        expect_u64(bad[i], false, 0);
    }
    uint64_t v;
    assert_true(str_to_u64("5", 5, 9, &v) && str_to_u64("9", 5, 9, &v));
    assert_false(str_to_u64("4", 5, 9, &v) || str_to_u64("10", 5, 9, &v));

    int64_t i;
    assert_true(str_to_i64("-9223372036854775808", &i));
    assert_true(i == INT64_MIN);
    assert_true(str_to_i64("9223372036854775807", &i));
    assert_true(i == INT64_MAX);
    assert_true(str_to_i64("-0", &i));
    assert_true(i == 0);
    assert_false(str_to_i64("9223372036854775808", &i) || str_to_i64("-9223372036854775809", &i) ||
                 str_to_i64("--1", &i) || str_to_i64("-", &i) || str_to_i64("", &i));

    uint16_t port = 1;
    assert_true(str_to_port("65535", &port));
    assert_int_equal(port, 65535);
    assert_false(str_to_port("0", &port) || str_to_port("65536", &port));
}

static void reads_booleans(void **state)
{
    static const char *const yes[] = {"true", "Yes", "ON", "1"}, *const no[] = {"false", "no",
                                                                                "Off", "0"};
    bool v;
    for (size_t i = 0; i < 4; i++) {
        v = false;
        assert_true(str_to_bool(yes[i], &v) && v);
        assert_true(str_to_bool(no[i], &v) && !v);
    }
    static const char *const go[][2] = {{"1", "0"},        {"t", "f"},        {"T", "F"},
                                        {"true", "false"}, {"TRUE", "FALSE"}, {"True", "False"}};
    for (size_t i = 0; i < ARRAY_LEN(go); i++) {
        assert_true(str_to_go_bool(go[i][0], &v) && v);
        assert_true(str_to_go_bool(go[i][1], &v) && !v);
    }
    assert_false(str_to_go_bool("", &v) || str_to_go_bool("yes", &v) ||
                 str_to_go_bool("tRUE", &v) || str_to_go_bool("true ", &v));
    assert_false(str_to_bool("", &v) || str_to_bool("t", &v) || str_to_bool("truee", &v) ||
                 str_to_bool("2", &v));
}

static void expect_duration(const char *s, int64_t want)
{
    uint64_t ms = 77;
    bool ok = str_to_duration(s, &ms);
    if (ok != (want >= 0) || ms != (want >= 0 ? (uint64_t)want : 77)) {
        fail_msg("\"%s\": %d, %llu ms", s, ok, (unsigned long long)ms);
    }
}

static void reads_durations(void **state)
{
    expect_duration("500ms", 500);
    expect_duration("30s", 30000);
    expect_duration("5m", 300000);
    expect_duration("1h", 3600000);
    expect_duration("1h30m", 5400000);
    expect_duration("1m30s500ms", 90500);
    expect_duration("0", 0);
    expect_duration("60", 60000);
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "1.5s",
                                      "1h30",
                                      "30 s",
                                      "1d",
                                      "1S",
                                      "1sm",
                                      "1s ",
                                      "5minutes",
                                      "213503982334602d",
                                      "18446744073709551615s",
                                      "5124095576031h"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        expect_duration(bad[i], -1);
    }
}

static void matches_globs(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "anything/.at all", true},
        {"web-*", "web-1", true},
        {"web-*", "web", false},
        {"*-web", "a-web-web", true},
        {"a*b*c", "aXXbYYc", true},
        {"a*b*c", "aXXbYY", false},
        {"**a**", "bab", true},
        {"?", "a", true},
        {"?", "", false},
        {"a?c", "abc", true},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[!a-c]x", "dx", true},
        {"[!a-c]x", "ax", false},
        {"[!a-c]", "", false},
        {"[]a]", "]", true},
        {"[a-]", "-", true},
        {"[\\]]", "]", true},
        {"[abc", "[abc", true},
        {"[abc", "a", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a\\", "a\\", true},
        {"A", "a", false},
        {"*[0-9]", "web7", true},
        {"*[0-9]", "7web", false},
        {"caf?", "caf\xc3\xa9", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (str_glob(cases[i].pattern, cases[i].text) != cases[i].match) {
            fail_msg("glob \"%s\" and \"%s\": not %d", cases[i].pattern, cases[i].text,
                     cases[i].match);
        }
    }
    /* would take 2^30 steps if every '*' were gone back to */
    assert_false(str_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void reads_utf8(void **state)
{
    static const struct {
        const char *s;
        size_t len, want;
        uint32_t point;
    } cases[] = {
        {"a", 1, 1, 'a'},
        {"\0", 1, 1, 0},
        {"\xc3\xa9", 2, 2, 0xe9},
        {"\xe2\x82\xac", 3, 3, 0x20ac},
        {"\xf0\x9f\x90\xb3", 4, 4, 0x1f433},
        {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
        {"\xc3", 1, 0, 0},             /* cut short */
        {"\xf0\x9f\x90", 3, 0, 0},     /* cut short */
        {"\x80", 1, 0, 0},             /* continuation first */
        {"\xc3(", 2, 0, 0},            /* no continuation */
        {"\xc0\xaf", 2, 0, 0},         /* overlong '/' */
        {"\xe0\x80\xaf", 3, 0, 0},     /* overlong */
        {"\xf0\x80\x80\xaf", 4, 0, 0}, /* overlong */
        {"\xed\xa0\x80", 3, 0, 0},     /* surrogate */
        {"\xf4\x90\x80\x80", 4, 0, 0}, /* above U+10FFFF */
        {"\xff", 1, 0, 0},
        {"\xf8\x88\x80\x80\x80", 5, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t point = 0;
        size_t n = str_utf8(cases[i].s, cases[i].len, &point);
        if (n != cases[i].want || point != cases[i].point) {
            fail_msg("case %zu: %zu, U+%04X", i, n, (unsigned)point);
        }
    }
    assert_true(str_printable("a b\xc3\xa9", 5));
    assert_false(str_printable("a\nb", 3) || str_printable("\x7f", 1) || str_printable("\0", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),        cmocka_unit_test(copies),
        cmocka_unit_test(reads_numbers),   cmocka_unit_test(reads_booleans),
        cmocka_unit_test(reads_durations), cmocka_unit_test(matches_globs),
        cmocka_unit_test(reads_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
