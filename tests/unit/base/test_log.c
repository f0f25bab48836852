/*
 * A log line is one line, whatever the values hold.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TIME_LEN 24 /* 2026-01-02T03:04:05.678Z */

static int ends[2];

static int setup(void **state)
{
    if (pipe(ends) < 0) {
        return -1;
    }
    log_set_fd(ends[1]);
    log_setup(LOG_INFO, LOG_TEXT);
    return 0;
}

static int teardown(void **state)
{
    log_set_fd(STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* What one write() put into the pipe. */
static const char *line(void)
{
    static char text[65536];
    ssize_t n = read(ends[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_ptr_equal(strchr(text, '\n'), text + n - 1);
    text[n - 1] = '\0';
    return text;
}

static void writes_text(void **state)
{
    errno = ENOENT;
    log_info("registered", "service", "web", "id", "node1:web-1:80", "n", LOG_U(42), NULL);
    assert_int_equal(errno, ENOENT);
    const char *text = line();
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[TIME_LEN - 1], 'Z');
    assert_string_equal(text + TIME_LEN,
                        " level=info msg=registered service=web id=node1:web-1:80 n=42");
}

static void quotes_what_could_mislead(void **state)
{
    static const char *const pairs[][2] = {
        {"", "\"\""},
        {"a b", "\"a b\""},
        {"a=b", "\"a=b\""},
        {"a\"b", "\"a\\\"b\""},
        {"a\\nb", "\"a\\\\nb\""},
        {"x\n2026-01-02T03:04:05.678Z level=error msg=forged",
         "\"x\\n2026-01-02T03:04:05.678Z level=error msg=forged\""},
        {"\x1b[31m\r\t\x7f", "\"\\x1b[31m\\r\\t\\x7f\""},
        {"\xff\xc3", "\"\\xff\\xc3\""},
        {"\xc2\x85\xe2\x80\xa8", "\"\\u0085\\u2028\""},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"/a:b,c-d{e}", "/a:b,c-d{e}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        log_warn("m", "k", pairs[i][0], NULL);
        const char *text = line() + TIME_LEN;
        assert_memory_equal(text, " level=warn msg=m k=", 20);
        assert_string_equal(text + 20, pairs[i][1]);
    }
}

static void prints_missing_values_as_empty(void **state)
{
    const char *none = NULL;
    log_error("two words", "a", none, "b", "x", NULL);
    assert_string_equal(line() + TIME_LEN, " level=error msg=\"two words\" a=\"\" b=x");
}

static void writes_json(void **state)
{
    const char *none = NULL;
    log_setup(LOG_DEBUG, LOG_JSON);
    log_debug("a \"b\"", "k", "x\ny", "none", none, NULL);
    const char *text = line();
    json *j CLEANUP_JSON = NULL;
    assert_int_equal(json_parse(&j, text, strlen(text), NULL), 0);
    assert_string_equal(json_str(j, "level", "-"), "debug");
    assert_string_equal(json_str(j, "msg", "-"), "a \"b\"");
    assert_string_equal(json_str(j, "k", "-"), "x\ny");
    assert_string_equal(json_str(j, "none", "-"), "");
    assert_int_equal(strlen(json_str(j, "time", "")), TIME_LEN);
}

static void keeps_to_its_level(void **state)
{
    log_setup(LOG_WARN, LOG_TEXT);
    log_info("no", NULL);
    log_debug("no", NULL);
    log_warn("yes", NULL);
    assert_string_equal(line() + TIME_LEN, " level=warn msg=yes");
    assert_true(log_enabled(LOG_ERROR));
    assert_false(log_enabled(LOG_INFO));
}

static void cuts_long_values_and_lines(void **state)
{
    static const char end[] = "xxx... b=kept", truncated[] = " truncated=true";
    char big[10000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    log_info("m", "a", big, "b", "kept", NULL);
    const char *text = line();
    assert_true(strlen(text) < 5000);
    assert_string_equal(text + strlen(text) - strlen(end), end);

    memset(big, 1, sizeof(big) - 1);
    log_info("m", "a", big, "b", big, "c", big, "d", big, "e", "lost", NULL);
    text = line();
    assert_true(strlen(text) < 65536);
    assert_string_equal(text + strlen(text) - strlen(truncated), truncated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_text, setup, teardown),
        cmocka_unit_test_setup_teardown(quotes_what_could_mislead, setup, teardown),
        cmocka_unit_test_setup_teardown(prints_missing_values_as_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_json, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_to_its_level, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_long_values_and_lines, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
