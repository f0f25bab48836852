/*
 * Reading names what failed and where; writing is valid JSON whatever the strings hold.
 */
#include "base/alloc.h"
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json *parse(const char *text)
{
    json *j = NULL;
    struct err e = ERR_INIT;
    if (json_parse(&j, text, strlen(text), &e) < 0) {
        fail_msg("%s: %s", text, e.msg);
    }
    return j;
}

static void refuses_what_is_not_one_value(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "not JSON at byte 0 of 0"},
        {"{", "not JSON at byte 0 of 1"},
        {"{\"a\":1} x", "not JSON at byte 8 of 9"},
        {"{\"a\":}", "not JSON at byte 5 of 6"},
        {"{} {}", "not JSON at byte 3 of 5"},
        {"nul", "not JSON at byte 0 of 3"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        /* exactly as long as the text, so that the sanitizer sees a byte read too far */
        size_t len = strlen(cases[i].text);
        CLEANUP_FREE char *text = xmalloc(len);
        memcpy(text, cases[i].text, len);
        json *j = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(json_parse(&j, text, len, &e), -EINVAL);
        assert_null(j);
        assert_int_equal(e.class, ERR_INVALID);
        assert_string_equal(e.msg, cases[i].message);
    }
    json *j = NULL;
    char deep[5000];
    memset(deep, '[', sizeof(deep));
    assert_int_equal(json_parse(&j, deep, sizeof(deep), NULL), -EINVAL);
    assert_null(j);
    json_free(parse(" \r\n\t{} \r\n\t"));
}

static void reads_members(void **state)
{
    json *j CLEANUP_JSON =
        parse("{\"s\":\"x\",\"S\":\"y\",\"n\":null,\"b\":true,\"i\":-7,\"f\":1.5,"
              "\"o\":{\"p\":{\"q\":\"deep\"}},\"a\":[1,\"two\",{}]}");
    assert_true(json_is_object(j) && json_is_array(json_get(j, "a")) &&
                json_is_string(json_get(j, "s")));
    assert_false(json_is_object(NULL) || json_is_array(NULL) || json_is_string(NULL));
    assert_string_equal(json_str(j, "s", "-"), "x");
    assert_string_equal(json_str(j, "S", "-"), "y");
    assert_string_equal(json_str(j, "i", "-"), "-");
    assert_string_equal(json_str(NULL, "i", "-"), "-");
    assert_null(json_get(j, "n"));
    assert_null(json_get(j, "none"));
    assert_null(json_get(json_get(j, "a"), "s"));
    assert_true(json_bool(j, "b", false) && json_bool(j, "s", true));
    assert_int_equal(json_int(j, "i", 1), -7);
    assert_int_equal(json_int(j, "f", 1), 1);
    assert_int_equal(json_int(j, "s", 1), 1);
    assert_string_equal(json_value(json_path(j, "o", "p", "q", NULL)), "deep");
    assert_null(json_path(j, "o", "x", "q", NULL));
    assert_ptr_equal(json_path(j, NULL), j);
}

static void reads_numbers_exactly_or_not_at_all(void **state)
{
    const char *text =
        "{\"max\":9007199254740991,\"over\":9007199254740992,\"min\":-9007199254740991,"
        "\"huge\":1e300,\"text\":\"7587869134711243\",\"bad\":\"7x\","
        "\"nano\":1767323045678901234,\"esc\":\"\\\"nano2\\\":1\",\"nano2\": 18446744073709551615 ,"
        "\"frac\":12.5,\"big\":18446744073709551616,\"str\":\"5\",\"in\":{\"str\":6}}";
    json *j CLEANUP_JSON = parse(text);
    assert_true(json_int(j, "max", 0) == INT64_C(9007199254740991));
    assert_true(json_int(j, "min", 0) == -INT64_C(9007199254740991));
    assert_int_equal(json_int(j, "over", 1), 1);
    assert_int_equal(json_int(j, "huge", 1), 1);

    int64_t i = 0;
    assert_true(json_int64_text(j, "text", &i));
    assert_true(i == INT64_C(7587869134711243));
    assert_true(json_int64_text(j, "max", &i));
    assert_false(json_int64_text(j, "bad", &i) || json_int64_text(j, "huge", &i) ||
                 json_int64_text(j, "none", &i));

    uint64_t u = 0;
    size_t len = strlen(text);
    assert_true(json_raw_u64(text, len, "nano", &u));
    assert_true(u == UINT64_C(1767323045678901234));
    assert_true(json_raw_u64(text, len, "nano2", &u));
    assert_true(u == UINT64_MAX);
    assert_true(json_raw_u64(text, len, "str", &u));
    assert_int_equal(u, 6);
    assert_false(json_raw_u64(text, len, "big", &u) || json_raw_u64(text, len, "frac", &u) ||
                 json_raw_u64(text, len, "none", &u) || json_raw_u64("", 0, "a", &u) ||
                 json_raw_u64("\"a\":", 4, "a", &u) || json_raw_u64("\"a\"", 3, "a", &u));
    assert_true(json_raw_u64("\"a\":1", 5, "a", &u));
}

static void names_what_is_needed(void **state)
{
    json *j CLEANUP_JSON = parse("{\"Id\":7,\"State\":[],\"Name\":\"x\",\"Config\":{}}");
    const char *s = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(json_need_str(j, "container", "Name", &s, &e), 0);
    assert_string_equal(s, "x");
    assert_int_equal(json_need_str(j, "container", "Id", &s, &e), -EINVAL);
    assert_string_equal(e.msg, "container.Id: a string expected, a number found");
    assert_int_equal(json_need_str(j, "", "Image", &s, &e), -EINVAL);
    assert_string_equal(e.msg, "Image: a string expected, nothing found");
    assert_string_equal(s, "x");
}

static void walks(void **state)
{
    json *j CLEANUP_JSON = parse("{\"b\":\"1\",\"a\":\"2\",\"l\":[\"x\",3]}");
    char seen[64] = "";
    for (const json *it = json_first(j); it; it = json_next(it)) {
        size_t used = strlen(seen);
        snprintf(seen + used, sizeof(seen) - used, "%s=%s ", json_name(it),
                 json_value(it) ? json_value(it) : "-");
    }
    assert_string_equal(seen, "b=1 a=2 l=- ");
    assert_int_equal(json_size(j), 3);
    const json *list = json_get(j, "l");
    assert_int_equal(json_size(list), 2);
    assert_string_equal(json_name(json_first(list)), "");
    assert_int_equal(json_size(json_first(list)), 0);
    assert_null(json_first(NULL));
}

static void writes(void **state)
{
    struct buf out = BUF_INIT(1000);
    struct json_writer w;
    json_begin(&w, &out);
    json_array(&w);
    json_object(&w);
    json_field_str(&w, "s", "x");
    json_field_int(&w, "i", INT64_MIN);
    json_field_bool(&w, "b", false);
    json_field_str(&w, "n", NULL);
    json_key(&w, "a");
    json_array(&w);
    json_put_int(&w, 1);
    json_put_bool(&w, true);
    json_put_strn(&w, "a\0b", 3);
    json_array_end(&w);
    json_key(&w, "o");
    json_object(&w);
    json_object_end(&w);
    json_object_end(&w);
    json_put_str(&w, "last");
    json_array_end(&w);
    assert_string_equal(buf_str(&out),
                        "[{\"s\":\"x\",\"i\":-9223372036854775808,\"b\":false,\"n\":null,"
                        "\"a\":[1,true,\"a\\u0000b\"],\"o\":{}},\"last\"]");
    buf_deinit(&out);
}

static void escapes(void **state)
{
    static const char *const pairs[][2] = {
        {"", "\"\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\""},
        {"caf\xc3\xa9 \xf0\x9f\x90\xb3", "\"caf\xc3\xa9 \xf0\x9f\x90\xb3\""},
        {"\xff-\xc3", "\"\xef\xbf\xbd-\xef\xbf\xbd\""},
        {"\xed\xa0\x80x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
        {"\xc2\x85\xe2\x80\xa8\xef\xbb\xbf", "\"\\u0085\\u2028\\ufeff\""},
        {"</script>", "\"</script>\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct buf out = BUF_INIT(1000);
        struct json_writer w;
        json_begin(&w, &out);
        json_put_str(&w, pairs[i][0]);
        assert_string_equal(buf_str(&out), pairs[i][1]);
        json_free(parse(buf_str(&out)));
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_one_value),
        cmocka_unit_test(reads_members),
        cmocka_unit_test(reads_numbers_exactly_or_not_at_all),
        cmocka_unit_test(names_what_is_needed),
        cmocka_unit_test(walks),
        cmocka_unit_test(writes),
        cmocka_unit_test(escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
