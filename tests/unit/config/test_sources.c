/*
 * Where values come from: precedence, the environment, the configuration file and its errors.
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

static void load(const char *arguments, const char *env, const char *yaml)
{
    struct err e = ERR_INIT;
    options_deinit(&s.base);
    if (sample_load(&s, arguments, env, yaml ? sample_file(yaml) : NULL, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static int teardown(void **state)
{
    options_deinit(&s.base);
    unlink(sample_file(""));
    return 0;
}

static void expect_origin(const char *name, enum option_source source, const char *end)
{
    const struct option_origin *origin = options_origin(&s.base, name);
    assert_int_equal(origin->source, source);
    if (!str_ends(origin->text, end)) {
        fail_msg("%s comes from %s, not %s", name, origin->text, end);
    }
}

static void stronger_sources_win(void **state)
{
    const char *env = "TIDEWAITER_TEXT=env TOOL_TEXT=tool TIDEWAITER_NUMBER=2";
    const char *yaml = "sample:\n  text: file\n  number: 3\n  time: 10s\n";
    load("--text line", env, yaml);
    assert_string_equal(s.text, "line");
    expect_origin("text", OPTION_FROM_COMMAND_LINE, "--text");
    assert_int_equal(s.number, 2);
    expect_origin("number", OPTION_FROM_ENV, "TIDEWAITER_NUMBER");
    assert_int_equal(s.time, 10000);
    expect_origin("time", OPTION_FROM_FILE, ".yaml:4:9");

    load("", env, yaml);
    assert_string_equal(s.text, "env");
    load("", "TOOL_TEXT=tool", yaml);
    assert_string_equal(s.text, "file");
    expect_origin("text", OPTION_FROM_FILE, ".yaml:2:9");
    load("", "TOOL_TEXT=tool", "");
    assert_string_equal(s.text, "tool");
    expect_origin("text", OPTION_FROM_TOOL, "TOOL_TEXT");
    load("", "", "");
    assert_null(s.text);
    assert_int_equal(options_origin(&s.base, "text")->source, OPTION_UNSET);
    assert_int_equal(options_origin(&s.base, "time")->source, OPTION_FROM_DEFAULT);
}

static void lists_come_from_one_source(void **state)
{
    const char *yaml = "sample:\n  list: [f1, f2]\n";
    load("--list l1", "TIDEWAITER_LIST=e1,e2,e3", yaml);
    assert_int_equal(s.list.n, 1);
    assert_string_equal(s.list.items[0], "l1");
    load("", "TIDEWAITER_LIST=e1,e2,e3", yaml);
    assert_int_equal(s.list.n, 3);
    assert_string_equal(s.list.items[2], "e3");
    load("", "TIDEWAITER_LIST=e,1\ne2", yaml);
    assert_int_equal(s.list.n, 2);
    assert_string_equal(s.list.items[0], "e,1");
    load("", "", yaml);
    assert_int_equal(s.list.n, 2);
    assert_string_equal(s.list.items[1], "f2");
    assert_true(str_ends(s.list.origins[1], ".yaml:2:14"));
    load("", "", "sample:\n  list: []\n");
    assert_int_equal(s.list.n, 0);
    load("", "", "sample:\n  list: one\n");
    assert_int_equal(s.list.n, 1);
    assert_string_equal(s.list.items[0], "one");
    load("", "", "");
    assert_string_equal(s.list.items[0], "*");
}

static void reads_variables(void **state)
{
    load("", "TIDEWAITER_ON_BY_DEFAULT=no TIDEWAITER_SECRET=x TIDEWAITER_TARGET=t X=1", NULL);
    assert_false(s.on);
    assert_string_equal(s.secret, "x");
    assert_string_equal(s.target, "t");
    expect_origin("target", OPTION_FROM_ENV, "TIDEWAITER_TARGET");
    load("", "TIDEWAITER_TEXT= TIDEWAITER_NUMBER= TIDEWAITER_HELP=1 TIDEWAITER_TEXTS=x", NULL);
    assert_null(s.text);
    assert_int_equal(s.number, 16);
    assert_false(s.help);
    /* a switch of another tool is on whatever its value */
    load("", "TOOL_FLAG=0", NULL);
    assert_true(s.flag);
    load("--no-flag", "TOOL_FLAG=1", NULL);
    assert_false(s.flag);
}

static void reads_files(void **state)
{
    load("", "",
         "# a comment\n"
         "other:\n"
         "  text: weaker\n"
         "  size: 9\n"
         "sample:\n"
         "  text: \"two words\"\n"
         "  flag: yes\n"
         "  on-by-default: false\n"
         "  number: '7'\n"
         "  kind: red\n"
         "  mode: 0600\n"
         "  span: 1s:2s\n"
         "  target: x\n"
         "  secret: y\n"
         "  list:\n"
         "    - a b\n"
         "    - 'c'\n");
    assert_string_equal(s.text, "two words");
    assert_true(s.flag);
    assert_false(s.on);
    assert_int_equal(s.number, 7);
    assert_int_equal(s.kind, SAMPLE_RED);
    assert_int_equal(s.mode, 0600);
    assert_int_equal(s.span.max, 2000);
    assert_string_equal(s.target, "x");
    assert_int_equal(s.list.n, 2);
    assert_string_equal(s.list.items[0], "a b");
    expect_origin("text", OPTION_FROM_FILE, ".yaml:6:9");

    /* of two sections the one that the command names last is the stronger, wherever it stands */
    load("", "", "sample: {text: own}\nother: {text: weaker}\n");
    assert_string_equal(s.text, "own");
    load("", "", "other: {text: weaker}\n");
    assert_string_equal(s.text, "weaker");

    static const char *const empty[] = {"",
                                        "# nothing\n",
                                        "---\n",
                                        "sample:\n",
                                        "sample: {}\n",
                                        "~\n",
                                        "sample: ~\nother:\n",
                                        "sample:\n  text:\n"};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        load("", "", empty[i]);
        assert_null(s.text);
        assert_int_equal(s.number, 16);
    }
    load("", "TOOL_TEXT=x", "sample:\n  text:\n");
    assert_null(s.text);
    load("", "", "sample:\n  text: \"\"\n  secret: \"null\"\n");
    assert_null(s.text);
    assert_string_equal(s.secret, "null");
}

static void finds_files(void **state)
{
    struct err e = ERR_INIT;
    struct sample t = {.number = 7};
    assert_int_equal(sample_load(&t, "", "", "/nonexistent/x.yaml", &e), 0);
    assert_null(t.config);
    options_deinit(&t.base);
    assert_int_equal(sample_load(&t, "--config /nonexistent/x.yaml", "", NULL, &e), -ENOENT);
    assert_string_equal(e.msg, "--config: open /nonexistent/x.yaml: No such file or directory");
    assert_int_equal(sample_load(&t, "", "TIDEWAITER_CONFIG=/nonexistent", NULL, &e), -ENOENT);
    assert_string_equal(e.msg, "TIDEWAITER_CONFIG: open /nonexistent: No such file or directory");

    const char *path = sample_file("sample: {number: 5}\n");
    char arguments[128];
    snprintf(arguments, sizeof(arguments), "--config %s", path);
    load(arguments, "", NULL);
    assert_int_equal(s.number, 5);
    assert_string_equal(s.config, path);
    load("", "", "sample: {number: 6}\n");
    assert_int_equal(s.number, 6);
    assert_string_equal(s.config, path);
    assert_string_equal(options_origin(&s.base, "config")->text, "default");
}

static void names_the_place_of_an_error(void **state)
{
    static const struct {
        const char *yaml, *message; /* behind the file's name */
    } cases[] = {
        {"smaple:\n", ":1:1: unknown section \"smaple\"; did you mean sample?"},
        {"agent: 1\n", ":1:1: unknown section \"agent\""},
        {"sample:\n  txt: x\n",
         ":2:3: unknown option of section sample \"txt\"; did you mean text?"},
        {"other:\n  number: 1\n", ":2:3: unknown option of section other \"number\""},
        {"sample:\n  help: true\n", ":2:3: unknown option of section sample \"help\""},
        {"sample:\n  config: x\n", ":2:3: unknown option of section sample \"config\""},
        {"sample:\n  number: many\n",
         ":2:11: sample.number: found \"many\", allowed: a whole number from 1 to 256"},
        {"sample:\n  number:\n",
         ":2:10: sample.number: found nothing, allowed: a whole number from 1 to 256"},
        {"other:\n  size: 10\n",
         ":2:9: other.size: found \"10\", allowed: a whole number from 1 to 9"},
        {"sample:\n  kind: gren\n",
         ":2:9: sample.kind: found \"gren\", allowed: red, green or blue; did you mean green?"},
        {"sample:\n  text: [a]\n", ":2:9: found a list, allowed: text"},
        {"sample:\n  number: {a: b}\n",
         ":2:11: found a mapping, allowed: a whole number from 1 to 256"},
        {"sample:\n  list: {a: b}\n", ":2:9: found a mapping, allowed: a list, or one value: text"},
        {"sample:\n  list: [a, [b]]\n", ":2:13: found a list, allowed: a list of plain values"},
        {"sample:\n  list:\n    - a\n    - bad\n", ":4:7: sample.list: found bad, allowed: good"},
        {"sample:\n  text: &a x\n  secret: *a\n", ":3:11: found an alias, allowed: text"},
        {"sample:\n  text: x\n  text: y\n", ":3:3: sample.text is given twice"},
        {"sample: {}\nsample: {}\n", ":2:1: section sample is given twice"},
        {"sample: [a]\n", ":1:9: found a list, allowed: a mapping of options"},
        {"sample: x\n", ":1:9: found a value, allowed: a mapping of options"},
        {"- a\n", ":1:1: found a list, allowed: a mapping of sections"},
        {"[a]: b\n", ":1:1: found a list, allowed: the name of a section"},
        {"sample:\n  [a]: b\n", ":2:3: found a list, allowed: the name of an option"},
        {"sample: {}\n---\nsample: {}\n", ":2:1: found a second document, allowed: one"},
        {"sample:\n  text: \"a\\0b\"\n", ":2:9: found a NUL character, allowed: text"},
        {"sample:\n\ttext: x\n", ":2:1: found character that cannot start any token while "
                                 "scanning for the next token"},
        {"sample:\n  text: 'x\n", ":3:1: found unexpected end of stream while scanning a quoted "
                                  "scalar"},
        {"sample:\n  text: \xff\n", ":2:9: invalid leading UTF-8 octet"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = sample_file(cases[i].yaml);
        struct sample ignored = {.number = 7};
        struct err e = ERR_INIT;
        assert_int_equal(sample_load(&ignored, "", "", path, &e), -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        assert_memory_equal(e.msg, path, strlen(path));
        assert_string_equal(e.msg + strlen(path), cases[i].message);
        assert_int_equal(ignored.number, 7);
    }
}

static void checks_values_that_do_not_count(void **state)
{
    struct sample t;
    struct err e = ERR_INIT;
    assert_int_equal(sample_load(&t, "--number 1", "TIDEWAITER_NUMBER=x", NULL, &e), -EINVAL);
    assert_string_equal(e.msg,
                        "TIDEWAITER_NUMBER: found \"x\", allowed: a whole number from 1 to 256");
    assert_int_equal(sample_load(&t, "--text x", "TOOL_TEXT=bad", NULL, &e), -EINVAL);
    assert_string_equal(e.msg, "TOOL_TEXT: found bad, allowed: good");
}

static void refuses_a_huge_file(void **state)
{
    CLEANUP_FREE char *text = xmalloc(OPTIONS_FILE_MAX + 2);
    memset(text, '#', OPTIONS_FILE_MAX + 1);
    text[OPTIONS_FILE_MAX + 1] = '\0';
    struct sample t;
    struct err e = ERR_INIT;
    assert_int_equal(sample_load(&t, "", "", sample_file(text), &e), -EFBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(stronger_sources_win, teardown),
        cmocka_unit_test_teardown(lists_come_from_one_source, teardown),
        cmocka_unit_test_teardown(reads_variables, teardown),
        cmocka_unit_test_teardown(reads_files, teardown),
        cmocka_unit_test_teardown(finds_files, teardown),
        cmocka_unit_test_teardown(names_the_place_of_an_error, teardown),
        cmocka_unit_test_teardown(checks_values_that_do_not_count, teardown),
        cmocka_unit_test_teardown(refuses_a_huge_file, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
