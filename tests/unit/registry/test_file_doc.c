/*
 * The document of the embedded registry: its exact bytes, and what is refused or left out.
 */
#include "registry/file_doc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "registry/file_keys.h"
#include "registry/skipped.h"

#define REC(name, id) "{\"host\":\"h\",\"port\":80,\"name\":\"" name "\",\"id\":\"" id "\"}"

static void put(struct file_keys *k, const char *key, int64_t revision)
{
    CLEANUP(buf_deinit) struct buf value = BUF_INIT(1024);
    const char *slash = strchr(key, '/');
    buf_printf(&value, "{\"host\":\"h\",\"port\":80,\"name\":\"%.*s\",\"id\":\"%s\"}",
               (int)(slash - key), key, slash + 1);
    file_keys_put(k, key, value.data, value.len, revision);
}

static void records_are_sorted_by_name_then_id(void **state)
{
    struct file_keys k = {0};
    CLEANUP(buf_deinit) struct buf out = BUF_INIT(65536);
    put(&k, "web/b", 1);
    put(&k, "web-2/a", 1);
    put(&k, "web/a", 1);
    put(&k, "we/z", 1);
    put(&k, "web/b", 2);
    assert_int_equal(file_keys_count(&k), 4);
    assert_int_equal(file_keys_find(&k, "web/b")->revision, 2);
    file_keys_encode(&k, "no\"de", 30, 7, &out);
    assert_string_equal(
        buf_str(&out),
        "{\"version\":1,\"node\":\"no\\\"de\",\"ttl\":30,\"revision\":7,\"services\":[\n" REC(
            "we", "z") ",\n" REC("web", "a") ",\n" REC("web", "b") ",\n" REC("web-2",
                                                                             "a") "\n]}\n");

    struct file_doc doc = FILE_DOC_NULL;
    struct err e = ERR_INIT;
    assert_int_equal(file_doc_decode(&doc, out.data, out.len, NULL, NULL, &e), 0);
    assert_string_equal(doc.node, "no\"de");
    assert_int_equal(doc.ttl_s, 30);
    assert_int_equal(doc.revision, 7);
    assert_int_equal(doc.services.n, 4);
    assert_string_equal(doc.services.items[3]->s.name, "web-2");
    file_doc_deinit(&doc);

    file_keys_remove(&k, file_keys_find(&k, "web/a"));
    assert_null(file_keys_find(&k, "web/a"));
    file_keys_deinit(&k);
    buf_reset(&out);
    file_keys_encode(&k, "n", 5, 0, &out);
    assert_string_equal(
        buf_str(&out),
        "{\"version\":1,\"node\":\"n\",\"ttl\":5,\"revision\":0,\"services\":[\n]}\n");
}

static void what_is_no_document_is_refused_as_a_whole(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "not JSON"},
        {"{\"version\":1,\"ttl\":30,\"services\":[", "not JSON"},
        {"[]", "not a table"},
        {"7", "not a table"},
        {"{}", "version 0"},
        {"{\"version\":2,\"ttl\":30,\"services\":[]}", "version 2"},
        {"{\"version\":1,\"services\":[]}", "ttl"},
        {"{\"version\":1,\"ttl\":0,\"services\":[]}", "ttl"},
        {"{\"version\":1,\"ttl\":1e9,\"services\":[]}", "ttl"},
        {"{\"version\":1,\"ttl\":30}", "services"},
        {"{\"version\":1,\"ttl\":30,\"services\":{}}", "services"},
        {"{\"version\":1,\"ttl\":30,\"services\":[],\"node\":\"\xff\"}", "UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct file_doc doc = FILE_DOC_NULL;
        struct err e = ERR_INIT;
        assert_int_equal(
            file_doc_decode(&doc, cases[i].text, strlen(cases[i].text), NULL, NULL, &e), -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        assert_null(doc.services.items);
        if (!strstr(e.msg, cases[i].why)) {
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, e.msg, cases[i].why);
        }
    }
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    assert_true(why->msg[0] != '\0');
    buf_printf(ctx, "%s ", key);
}

static void a_bad_record_is_left_out_alone(void **state)
{
    CLEANUP(buf_deinit) struct buf told = BUF_INIT(1024);
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(65536);
    buf_puts(&text, "{\"version\":1,\"ttl\":30,\"services\":[null,7," REC(
                        "web", "a") ","
                                    "{\"name\":\"web\",\"id\":\"b\"},{\"name\":\"");
    for (int i = 0; i < 2000; i++) {
        buf_putc(&text, 'x');
    }
    buf_puts(&text, "\",\"id\":\"c\"}]}");
    struct file_doc doc = FILE_DOC_NULL;
    struct err e = ERR_INIT;
    assert_int_equal(file_doc_decode(&doc, text.data, text.len, on_skipped, &told, &e), 0);
    assert_string_equal(buf_str(&told), "services[0] services[1] web/b services[4] ");
    assert_int_equal(doc.services.n, 1);
    file_doc_deinit(&doc);
}

static void skipped_records_are_new_once(void **state)
{
    struct skipped s = {0};
    skipped_begin(&s);
    assert_true(skipped_note_reason(&s, "a", "why"));
    assert_true(skipped_note_reason(&s, "b", "why"));
    skipped_end(&s);
    skipped_begin(&s); /* a document that breaks off */
    assert_false(skipped_note_reason(&s, "b", "why"));
    skipped_begin(&s);
    assert_false(skipped_note_reason(&s, "a", "why"));
    assert_true(skipped_note_reason(&s, "b", "another"));
    skipped_end(&s);
    skipped_begin(&s);
    assert_true(skipped_note_reason(&s, "b", "why")); /* it was well in between */
    skipped_end(&s);
    skipped_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_sorted_by_name_then_id),
        cmocka_unit_test(what_is_no_document_is_refused_as_a_whole),
        cmocka_unit_test(a_bad_record_is_left_out_alone),
        cmocka_unit_test(skipped_records_are_new_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
