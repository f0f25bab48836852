/*
 * Buffers keep to their maximum, remember that they failed, and stay terminated. Arenas and moved
 * pointers with them.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void appends_and_terminates(void **state)
{
    struct buf b = BUF_INIT(100);
    assert_string_equal(buf_str(&b), "");
    buf_puts(&b, "ab");
    buf_putc(&b, 'c');
    buf_append(&b, "\0d", 2);
    buf_printf(&b, "%d", 42);
    assert_int_equal(b.len, 7);
    assert_memory_equal(b.data, "abc\0d42", 8);
    assert_int_equal(buf_error(&b), 0);
    buf_deinit(&b);
    buf_deinit(&b);
    assert_null(b.data);
    assert_int_equal(b.max, 100);
}

static void refuses_what_passes_the_maximum(void **state)
{
    struct buf b = BUF_INIT(4);
    buf_puts(&b, "abcd");
    assert_int_equal(buf_error(&b), 0);
    buf_putc(&b, 'e');
    assert_int_equal(buf_error(&b), -EMSGSIZE);
    assert_string_equal(buf_str(&b), "abcd");
    buf_reset(&b);
    assert_int_equal(buf_error(&b), 0);

    /* all or nothing, and nothing afterwards */
    buf_printf(&b, "%s", "ab");
    buf_printf(&b, "%d", 123);
    buf_putc(&b, 'c');
    assert_int_equal(buf_error(&b), -EMSGSIZE);
    assert_string_equal(buf_str(&b), "ab");
    buf_deinit(&b);
}

static void grows_to_the_last_byte(void **state)
{
    struct buf b = BUF_INIT(1000);
    for (int i = 0; i < 1000; i++) {
        buf_putc(&b, (char)('a' + i % 26));
    }
    assert_int_equal(buf_error(&b), 0);
    assert_int_equal(b.len, 1000);
    assert_true(b.cap <= 1001);
    assert_int_equal(b.data[1000], '\0');
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(b.data[i], 'a' + i % 26);
    }
    buf_deinit(&b);
}

static void consumes_and_truncates(void **state)
{
    struct buf b = BUF_INIT(10);
    buf_consume(&b, 0);
    buf_puts(&b, "0123456789");
    buf_consume(&b, 3);
    assert_string_equal(buf_str(&b), "3456789");
    buf_consume(&b, 0);
    buf_puts(&b, "abcd");
    assert_int_equal(buf_error(&b), -EMSGSIZE);
    buf_truncate(&b, 2);
    assert_int_equal(buf_error(&b), 0);
    assert_string_equal(buf_str(&b), "34");
    buf_consume(&b, 2);
    assert_string_equal(buf_str(&b), "");
    buf_deinit(&b);
}

static void gives_its_contents_away(void **state)
{
    struct buf b = BUF_INIT(10);
    char *empty = buf_take(&b);
    assert_string_equal(empty, "");
    free(empty);
    buf_puts(&b, "abc");
    char *text = buf_take(&b);
    assert_string_equal(text, "abc");
    assert_int_equal(b.len, 0);
    assert_null(b.data);
    buf_puts(&b, "again");
    assert_string_equal(buf_str(&b), "again");
    assert_string_equal(text, "abc");
    free(text);
    buf_deinit(&b);
}

static void moves_ownership(void **state)
{
    char *p = xstrdup("x");
    char *q = take_ptr(p);
    assert_null(p);
    assert_string_equal(q, "x");
    free(q);
    assert_null(xstrdup(NULL));
    int fd = 7;
    assert_int_equal(take_fd(fd), 7);
    assert_int_equal(fd, -1);
    char *copy = xmemdup0("a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
}

static void arena_keeps_everything(void **state)
{
    struct arena a = ARENA_NULL;
    char *texts[500];
    for (int i = 0; i < 500; i++) {
        texts[i] = arena_printf(&a, "%d:%0*d", i, i * 7 % 3000, i);
        assert_int_equal((uintptr_t)texts[i] % _Alignof(max_align_t), 0);
    }
    unsigned char *zero = arena_alloc(&a, 9000);
    for (int i = 0; i < 9000; i++) {
        assert_int_equal(zero[i], 0);
    }
    for (int i = 0; i < 500; i++) {
        char want[4096];
        snprintf(want, sizeof(want), "%d:%0*d", i, i * 7 % 3000, i);
        assert_string_equal(texts[i], want);
    }
    assert_null(arena_strdup(&a, NULL));
    assert_string_equal(arena_strdup(&a, "abc"), "abc");
    assert_memory_equal(arena_memdup0(&a, "a\0b", 3), "a\0b", 4);
    assert_non_null(arena_alloc(&a, 0));
    arena_deinit(&a);
    arena_deinit(&a);
    assert_null(a.chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_terminates),
        cmocka_unit_test(refuses_what_passes_the_maximum),
        cmocka_unit_test(grows_to_the_last_byte),
        cmocka_unit_test(consumes_and_truncates),
        cmocka_unit_test(gives_its_contents_away),
        cmocka_unit_test(moves_ownership),
        cmocka_unit_test(arena_keeps_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
