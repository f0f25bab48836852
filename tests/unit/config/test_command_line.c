/*
 * Every accepted way to write an option, and every refusal with its text.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/config/sample.h"

static struct sample s;

static void load(const char *arguments)
{
    struct err e = ERR_INIT;
    options_deinit(&s.base);
    if (sample_load(&s, arguments, "", NULL, &e) < 0) {
        fail_msg("%s: %s", arguments, e.msg);
    }
}

static int teardown(void **state)
{
    options_deinit(&s.base);
    return 0;
}

static void takes_every_form(void **state)
{
    static const char *const forms[] = {"--text x~y",         "--text=x~y", "-text x~y",
                                        "-text=x~y",          "-t x~y",     "-t=x~y",
                                        "--text z --text x~y"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        load(forms[i]);
        assert_string_equal(s.text, "x y");
        assert_int_equal(options_origin(&s.base, "text")->source, OPTION_FROM_COMMAND_LINE);
    }
    load("--text --flag");
    assert_string_equal(s.text, "--flag");
    assert_false(s.flag);
    load("--text=a=b");
    assert_string_equal(s.text, "a=b");
    load("--text ''");
    assert_null(s.text);
    assert_string_equal(options_origin(&s.base, "text")->text, "--text");
}

static void takes_switches(void **state)
{
    load("");
    assert_false(s.flag);
    assert_true(s.on);
    load("--flag --no-on-by-default");
    assert_true(s.flag);
    assert_false(s.on);
    load("-flag -no-on-by-default");
    assert_true(s.flag);
    assert_false(s.on);
    load("--flag=no --on-by-default=off");
    assert_false(s.flag || s.on);
    load("--flag --no-flag --no-on-by-default --on-by-default=true");
    assert_false(s.flag);
    assert_true(s.on);
    load("--flag false");
    assert_true(s.flag);
    assert_string_equal(s.target, "false");
}

static void takes_values(void **state)
{
    load("--number 256 --time 1h --kind blue --mode 0640 --span 2s");
    assert_int_equal(s.number, 256);
    assert_int_equal(s.time, 3600000);
    assert_int_equal(s.kind, SAMPLE_BLUE);
    assert_int_equal(s.mode, 0640);
    assert_int_equal(s.span.min, 2000);
    assert_int_equal(s.span.max, 8000);
    load("");
    assert_int_equal(s.number, 16);
    assert_int_equal(s.time, 30000);
    assert_int_equal(s.kind, SAMPLE_GREEN);
    assert_true(s.mode == (mode_t)-1);
    assert_int_equal(s.span.min, 100);
    assert_int_equal(s.span.max, 1000);
    assert_string_equal(options_origin(&s.base, "span")->text, "default");
}

static void repeats_lists(void **state)
{
    load("");
    assert_int_equal(s.list.n, 1);
    assert_string_equal(s.list.items[0], "*");
    load("--list a --list=b,c -list d --list e --list f");
    static const char *const want[] = {"a", "b,c", "d", "e", "f"};
    assert_int_equal(s.list.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(s.list.items[i], want[i]);
    }
    assert_string_equal(s.list.origins[2], "-list");
    load("--list ''");
    assert_int_equal(s.list.n, 0);
}

static void takes_positional_arguments(void **state)
{
    load("");
    assert_null(s.target);
    load("--flag x --text y");
    assert_string_equal(s.target, "x");
    load("-- --flag");
    assert_string_equal(s.target, "--flag");
    assert_false(s.flag);
    load("-");
    assert_string_equal(s.target, "-");
}

static void stops_at_help(void **state)
{
    static const char *const forms[] = {"--help", "-h", "-help", "--number 5 --help --nonsense",
                                        "x --help y"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        load(forms[i]);
        assert_true(s.help);
        assert_int_equal(s.number, 0);
    }
}

static void names_what_is_wrong(void **state)
{
    static const struct {
        const char *arguments, *message;
    } cases[] = {
        {"--txet x", "unknown option --txet; did you mean --text?"},
        {"--txet=x", "unknown option --txet; did you mean --text?"},
        {"-numbr 1", "unknown option -numbr; did you mean --number?"},
        {"--no-flga", "unknown option --no-flga; did you mean --no-flag?"},
        {"--on-by", "unknown option --on-by; did you mean --on-by-default?"},
        {"--frobnicate", "unknown option --frobnicate; tidewaiter sample --help lists the options"},
        {"--no-text", "unknown option --no-text; tidewaiter sample --help lists the options"},
        {"--no-help", "unknown option --no-help; tidewaiter sample --help lists the options"},
        {"-x", "unknown option -x; tidewaiter sample --help lists the options"},
        {"-tvalue", "unknown option -tvalue; tidewaiter sample --help lists the options"},
        {"--t x", "unknown option --t; tidewaiter sample --help lists the options"},
        {"--", NULL},
        {"--=x", "unknown option --; tidewaiter sample --help lists the options"},
        {"--target x", "unknown option --target; tidewaiter sample --help lists the options"},
        {"--secret x", "unknown option --secret; tidewaiter sample --help lists the options"},
        {"--text", "--text needs a value: WORDS"},
        {"-t", "-t needs a value: WORDS"},
        {"--kind", "--kind needs a value: red, green or blue"},
        {"--help=1", "--help takes no value, found \"1\""},
        {"--no-flag=1", "--no-flag takes no value, found \"1\""},
        {"--flag=maybe", "--flag: found \"maybe\", allowed: true or false"},
        {"--number 0", "--number: found \"0\", allowed: a whole number from 1 to 256"},
        {"--number=", "--number: found nothing, allowed: a whole number from 1 to 256"},
        {"--time 4s", "--time: found \"4s\", allowed: a duration such as 500ms, 30s, 5m or 1h, at "
                      "least 5s, at most 1h"},
        {"-time 2h", "-time: found \"2h\", allowed: a duration such as 500ms, 30s, 5m or 1h, at "
                     "least 5s, at most 1h"},
        {"--kind geren",
         "--kind: found \"geren\", allowed: red, green or blue; did you mean green?"},
        {"--kind purple", "--kind: found \"purple\", allowed: red, green or blue"},
        {"--mode 888", "--mode: found \"888\", allowed: keep, or an octal mode up to 0777 such as "
                       "0644"},
        {"--span 2s:1s", "--span: found \"2s:1s\", allowed: MIN or MIN:MAX, two durations such as "
                         "100ms:1s, MAX not below MIN"},
        {"--text bad", "--text: found bad, allowed: good"},
        {"--list a --list bad", "--list: found bad, allowed: good"},
        {"a b", "unexpected argument \"b\"; usage: sample [OPTIONS] [TARGET]"},
        {"a http://u:p@h",
         "unexpected argument \"http://u:***@h\"; usage: sample [OPTIONS] [TARGET]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sample ignored = {.number = 7};
        struct err e = ERR_INIT;
        int r = sample_load(&ignored, cases[i].arguments, "", NULL, &e);
        if (!cases[i].message) {
            assert_int_equal(r, 0);
            options_deinit(&ignored.base);
            continue;
        }
        assert_int_equal(r, -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        assert_string_equal(e.msg, cases[i].message);
        assert_int_equal(ignored.number, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(takes_every_form, teardown),
        cmocka_unit_test_teardown(takes_switches, teardown),
        cmocka_unit_test_teardown(takes_values, teardown),
        cmocka_unit_test_teardown(repeats_lists, teardown),
        cmocka_unit_test_teardown(takes_positional_arguments, teardown),
        cmocka_unit_test_teardown(stops_at_help, teardown),
        cmocka_unit_test(names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
