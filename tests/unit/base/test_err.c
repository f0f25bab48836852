/*
 * Error texts are one line, cut at a character's border, and wrapped from the outside.
 */
#include "tidewaiter/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sets_and_returns(void **state)
{
    struct err e = ERR_INIT;
    assert_int_equal(err_set(&e, ERR_INVALID, -EINVAL, "port %d", 0), -EINVAL);
    assert_int_equal(e.class, ERR_INVALID);
    assert_int_equal(e.code, -EINVAL);
    assert_string_equal(e.msg, "port 0");
    assert_int_equal(err_set(NULL, ERR_AUTH, -EACCES, "x"), -EACCES);
    err_wrap(NULL, "x");
    err_reset(&e);
    assert_int_equal(e.class, ERR_NONE);
    assert_string_equal(e.msg, "");
}

static void wraps(void **state)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_TRANSIENT, -EIO, "HTTP %d", 503);
    err_wrap(&e, "etcd put");
    err_wrap(&e, "register %s", "web-1");
    assert_string_equal(e.msg, "register web-1: etcd put: HTTP 503");
    assert_int_equal(e.class, ERR_TRANSIENT);
    assert_int_equal(e.code, -EIO);
    err_set(&e, ERR_INVALID, -EINVAL, "again: %s", e.msg);
    assert_string_equal(e.msg, "again: register web-1: etcd put: HTTP 503");
}

static void keeps_to_one_line(void **state)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_INVALID, -EINVAL, "a\nb\tc\x7f%s", "\x1b[0m");
    assert_string_equal(e.msg, "a?b?c??[0m");
    err_wrap(&e, "x\ny");
    assert_string_equal(e.msg, "x?y: a?b?c??[0m");
}

static void cuts_at_a_character(void **state)
{
    char text[600] = "";
    for (size_t i = 0; i < 299; i++) {
        memcpy(text + 2 * i, "\xc3\xa9", 3);
    }
    for (int shift = 0; shift < 2; shift++) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_INVALID, -EINVAL, "%.*s%s", shift, "x", text);
        size_t n = strlen(e.msg);
        assert_true(n < ERR_MSG_MAX);
        assert_true(n >= ERR_MSG_MAX - 3);
        assert_string_equal(e.msg + n - 3, "...");
        assert_int_equal((n - 3 - (size_t)shift) % 2, 0);
    }
    struct err e = ERR_INIT;
    err_set(&e, ERR_INVALID, -EINVAL, "%.255s", text);
    assert_int_equal(strlen(e.msg), 255);
    err_wrap(&e, "%s", text);
    assert_string_equal(e.msg + strlen(e.msg) - 3, "...");
}

static void names_classes(void **state)
{
    assert_string_equal(err_class_name(ERR_NONE), "none");
    assert_string_equal(err_class_name(ERR_STALE_WATCH), "stale-watch");
    assert_string_equal(err_class_name(ERR_BUG), "bug");
    assert_string_equal(err_class_name((enum err_class)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_returns),  cmocka_unit_test(wraps),
        cmocka_unit_test(keeps_to_one_line), cmocka_unit_test(cuts_at_a_character),
        cmocka_unit_test(names_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
