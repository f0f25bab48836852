/*
 * What is printed of a table: --help within its width, --check-config that reads back as it was, and the
 * tables of the documentation.
 */
#include "config/agent_settings.h"
#include "config/explain_settings.h"
#include "config/ls_settings.h"
#include "config/render_settings.h"

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

static void expect_in(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("\"%s\" is not in:\n%s", part, text);
    }
}

static void expect_not_in(const char *text, const char *part)
{
    if (strstr(text, part)) {
        fail_msg("\"%s\" is in:\n%s", part, text);
    }
}

static void prints_help(void **state)
{
    struct buf out = BUF_INIT(100000);
    options_help(&sample_command, 80, &out);
    assert_string_equal(
        buf_str(&out),
        "Usage: sample [OPTIONS] [TARGET]\n"
        "\n"
        "Does something.\n"
        "\n"
        "Arguments:\n"
        "  TARGET                      what to do it to\n"
        "\n"
        "Values:\n"
        "  -t, --text WORDS            some words [$TOOL_TEXT]\n"
        "      --list ITEM             one more; may be repeated (default: *)\n"
        "      --number NUMBER         how many of them there are to be, which is a\n"
        "                              number and nothing but a number (default: 16)\n"
        "      --time TIME             how long (default: 30s)\n"
        "      --kind red|green|blue   which one (default: green)\n"
        "      --mode MODE             whose it is (default: as it was)\n"
        "      --span MIN[:MAX]        from and to (default: 100ms:1s)\n"
        "\n"
        "Switches:\n"
        "      --flag                  off unless given [$TOOL_FLAG]\n"
        "      --on-by-default, --no-on-by-default\n"
        "                              on unless told not to (default: on)\n"
        "\n"
        "Other:\n"
        "      --config FILE           where the rest is\n"
        "  -h, --help                  this\n"
        "\n"
        "That is all.\n");
    buf_deinit(&out);
}

static const struct options_command *const COMMANDS[] = {&agent_command, &render_command,
                                                         &ls_command, &explain_command};

static void keeps_to_the_width(void **state)
{
    static const unsigned widths[][2] = {{1, 80}, {80, 80}, {93, 93}, {100, 100}, {500, 100}};
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++) {
        for (size_t k = 0; k < ARRAY_LEN(widths); k++) {
            struct buf out = BUF_INIT(100000);
            options_help(COMMANDS[i], widths[k][0], &out);
            assert_int_equal(buf_error(&out), 0);
            size_t longest = 0;
            for (const char *p = buf_str(&out); *p; p += strcspn(p, "\n") + 1) {
                size_t len = strcspn(p, "\n");
                longest = len > longest ? len : longest;
                assert_true(len == 0 || p[len - 1] != ' ');
            }
            assert_in_range(longest, widths[k][1] - 10, widths[k][1]);
            for (size_t n = 0; n < COMMANDS[i]->n_options; n++) {
                const struct option *o = &COMMANDS[i]->options[n];
                char name[64];
                snprintf(name, sizeof(name), "--%s", o->name);
                if (o->flags & OPTION_NO_COMMAND_LINE) {
                    snprintf(name, sizeof(name), "--%s ", o->name);
                    expect_not_in(buf_str(&out), name);
                } else if (!(o->flags & OPTION_POSITIONAL)) {
                    expect_in(buf_str(&out), name);
                }
            }
            buf_deinit(&out);
        }
    }
}

static void shows_settings(void **state)
{
    struct sample s;
    assert_int_equal(
        sample_load(&s,
                    "--text=a~\"b\" --flag --list=x --list=name=* --span=2s --mode=640 "
                    "etcd://u:hunter2@h",
                    "TIDEWAITER_SECRET=hunter2 TIDEWAITER_CONFIG=", NULL, NULL),
        0);
    struct buf out = BUF_INIT(100000);
    options_show(&s.base, &out);
    options_deinit(&s.base);
    assert_string_equal(buf_str(&out),
                        "sample:\n"
                        "  target: \"etcd://u:***@h\"              # TARGET\n"
                        "  text: \"a \\\"b\\\"\"                       # --text\n"
                        "  secret: \"***\"                         # TIDEWAITER_SECRET\n"
                        "  list:\n"
                        "    - x                                 # --list\n"
                        "    - \"name=*\"                          # --list\n"
                        "  flag: true                            # --flag\n"
                        "  on-by-default: true                   # default\n"
                        "  number: 16                            # default\n"
                        "  time: 30s                             # default\n"
                        "  kind: green                           # default\n"
                        "  mode: 0640                            # --mode\n"
                        "  span: 2s:8s                           # --span\n");
    buf_deinit(&out);
}

/* What --check-config prints is a file that means the same. */
static void shows_what_reads_back(void **state)
{
    static const char *const odd[] = {"null",
                                      "~",
                                      "a: b",
                                      "- a",
                                      "#x",
                                      "'q'",
                                      "\"",
                                      "\\",
                                      "{}",
                                      "&a",
                                      "*",
                                      "caf\xc3\xa9",
                                      ("a\xe2\x80\xa8"
                                       "b\xc2\x85"),
                                      "\xef\xbb\xbfx",
                                      "\x7f",
                                      "%",
                                      "@",
                                      "a\tb",
                                      "line\nbreak",
                                      "0x1",
                                      "yes"};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        const char *argv[] = {"--text", odd[i], "--list", odd[i], "--number=9", "--kind=red"};
        char *envp[] = {NULL};
        const struct options_input input = {
            .argc = (int)ARRAY_LEN(argv), .argv = (char **)argv, .envp = envp};
        struct sample s, t;
        struct err e = ERR_INIT;
        assert_int_equal(options_load(&sample_command, &input, &s.base, &e), 0);
        struct buf out = BUF_INIT(100000);
        options_show(&s.base, &out);
        if (sample_load(&t, "", "", sample_file(buf_str(&out)), &e) < 0) {
            fail_msg("%s\n%s", e.msg, buf_str(&out));
        }
        assert_string_equal(t.text, odd[i]);
        assert_int_equal(t.list.n, 1);
        assert_string_equal(t.list.items[0], odd[i]);
        assert_int_equal(t.number, 9);
        assert_int_equal(t.kind, SAMPLE_RED);
        assert_true(t.mode == s.mode && t.span.max == s.span.max && t.time == s.time);
        options_deinit(&s.base);
        options_deinit(&t.base);
        buf_deinit(&out);
    }
    unlink(sample_file(""));
}

static void writes_the_reference(void **state)
{
    struct buf out = BUF_INIT(100000);
    options_markdown(&sample_command, &out);
    expect_in(buf_str(&out),
              "| option | default | |\n|---|---|---|\n| `TARGET` |  | what to do it to |\n");
    expect_in(buf_str(&out), "| `-t, --text WORDS` |  | some words; also `TOOL_TEXT` |\n");
    expect_in(buf_str(&out), "| `--kind red\\|green\\|blue` | green | which one |\n");
    expect_in(buf_str(&out), "| `--list ITEM` | * | one more; may be repeated |\n");
    expect_in(buf_str(&out), "| `--flag` | off | off unless given; also `TOOL_FLAG` |\n");
    expect_in(buf_str(&out),
              "| `--on-by-default, --no-on-by-default` | on | on unless told not to |\n");
    expect_in(buf_str(&out), "| `--mode MODE` | as it was | whose it is |\n");
    expect_not_in(buf_str(&out), "secret");
    buf_reset(&out);
    options_man(&sample_command, &out);
    expect_in(buf_str(&out), ".TP\n.B \\-t, \\-\\-text WORDS\nsome words.\n");
    expect_in(buf_str(&out), ".TP\n.B \\-\\-list ITEM\none more; may be repeated (default: *).\n");
    expect_not_in(buf_str(&out), "secret");
    buf_deinit(&out);
}

static void blames_the_source(void **state)
{
    struct sample s;
    struct err e = ERR_INIT;
    const char *path = sample_file("sample:\n  number: 5\n  list: [a, b]\n");
    assert_int_equal(sample_load(&s, "--kind red", "TIDEWAITER_TEXT=x", path, &e), 0);
    static const struct {
        const char *name, *want;
        size_t item;
    } cases[] = {{"kind", "--kind: no", 0},
                 {"text", "TIDEWAITER_TEXT: no", 0},
                 {"number", ":2:11: number: no", 0},
                 {"list", ":3:13: list: no", 1},
                 {"time", "time: no", 0},
                 {"target", "target: no", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        err_set(&e, ERR_INVALID, -EINVAL, "no");
        options_blame(&s.base, cases[i].name, cases[i].item, &e);
        const char *text = cases[i].want[0] == ':' ? e.msg + strlen(path) : e.msg;
        assert_string_equal(text, cases[i].want);
    }
    options_deinit(&s.base);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_help),          cmocka_unit_test(keeps_to_the_width),
        cmocka_unit_test(shows_settings),       cmocka_unit_test(shows_what_reads_back),
        cmocka_unit_test(writes_the_reference), cmocka_unit_test(blames_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
