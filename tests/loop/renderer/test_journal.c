/*
 * The journal: what is written is read, and nothing else is believed.
 */
#include "loop/renderer/files.h"

#include "renderer/journal.h"

static struct journal_file files[] = {
    {.path = (char *)"/etc/nginx/up.conf",
     .before = COPY_FILE,
     .good = COPY_ABSENT,
     .put = 1,
     .put_before = 2},
    {.path = (char *)"/odd \"name\"\n\xc3\xa4",
     .before = COPY_NONE,
     .good = COPY_FILE,
     .put = UINT64_MAX},
};

static const char *in(const char *dir)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/.up.conf.tw-state", dir);
    return path;
}

static void what_is_written_is_read(void **state)
{
    char *dir = loop_mkdir();
    struct journal j, back;
    struct err e = ERR_INIT;
    char output[256];
    snprintf(output, sizeof(output), "%s/up.conf", dir);
    CLEANUP_FREE char *path = journal_path(output);
    assert_string_equal(path, in(dir));
    assert_int_equal(journal_read(&back, path, &e), JOURNAL_E_NONE);
    assert_int_equal(journal_remove(path, &e), 0);
    for (unsigned phase = JOURNAL_UNCHECKED; phase <= JOURNAL_REFUSED; phase++) {
        j = (struct journal){.phase = (enum journal_phase)phase,
                             .since = 1767323045678,
                             .owed_since = phase * 1000,
                             .keeps_good = phase % 2 == 0,
                             .files = files,
                             .n = ARRAY_LEN(files)};
        assert_int_equal(journal_write(path, &j, &e), 0);
        assert_int_equal(journal_read(&back, path, &e), 0);
        assert_int_equal(back.phase, j.phase);
        assert_int_equal(back.since, j.since);
        assert_int_equal(back.owed_since, j.owed_since);
        assert_int_equal(back.keeps_good, j.keeps_good);
        assert_int_equal(back.n, j.n);
        for (size_t i = 0; i < j.n; i++) {
            assert_string_equal(back.files[i].path, files[i].path);
            assert_int_equal(back.files[i].before, files[i].before);
            assert_int_equal(back.files[i].good, files[i].good);
            assert_true(back.files[i].put == files[i].put);
            assert_true(back.files[i].put_before == files[i].put_before);
        }
        journal_deinit(&back);
    }
    /* for people too */
    assert_non_null(strstr(get(path), "\"since\":\"2026-01-02T03:04:05.678Z\""));

    /* a cut at any place is noticed, and a read that fails gives nothing to free */
    CLEANUP_FREE char *text = xstrdup(get(path));
    for (size_t len = strlen(text) - 2; len > 0; len--) {
        CLEANUP_FREE char *part = xmemdup0(text, len);
        put(path, part);
        if (journal_read(&back, path, &e) != -EINVAL) {
            fail_msg("%zu bytes were understood: %s", len, part);
        }
    }
    assert_int_equal(journal_remove(path, &e), 0);
    assert_int_equal(journal_read(&back, path, &e), JOURNAL_E_NONE);
    loop_rmdir(dir);
}

static void words_and_types_are_checked(void **state)
{
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"\"outputs\"", "\"agent\""},
        {"\"version\":1", "\"version\":0"},
        {"\"owed\"", "\"Owed\""},
        {"\"since_ms\":5", "\"since_ms\":\"5\""},
        {"\"since_ms\":5", "\"since_ms\":-5"},
        {"\"path\":\"/", "\"path\":\""},
        {"\"file\"", "\"files\""},
        {"\"absent\"", "1"},
        {"0001\"", "000g\""},
        {"0002\"", "000g\""},
        {"\"files\":[", "\"files\":[7,"},
    };
    char *dir = loop_mkdir();
    struct journal back, j = {.phase = JOURNAL_OWED, .since = 5, .files = files, .n = 1};
    struct err e = ERR_INIT;
    assert_int_equal(journal_write(in(dir), &j, &e), 0);
    CLEANUP_FREE char *text = xstrdup(get(in(dir)));
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        char changed[2000];
        const char *at = strstr(text, changes[i].from);
        if (!at) {
            fail_msg("no %s in %s", changes[i].from, text);
        }
        snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, changes[i].to,
                 at + strlen(changes[i].from));
        put(in(dir), changed);
        if (journal_read(&back, in(dir), &e) != -EINVAL) {
            fail_msg("understood: %s", changed);
        }
        assert_int_equal(e.class, ERR_INVALID);
    }
    loop_rmdir(dir);
}

/* JSON would not bring back such a path: nothing may be done then of which a journal must tell. */
static void paths_that_json_cannot_hold_are_refused(void **state)
{
    char *dir = loop_mkdir();
    struct journal_file odd[] = {{.path = (char *)"/etc/\xff.conf"}, {.path = (char *)"up.conf"}};
    struct err e = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct journal j = {.files = &odd[i], .n = 1};
        assert_int_equal(journal_write(in(dir), &j, &e), -EINVAL);
        assert_non_null(strstr(e.msg, "not an absolute path in UTF-8"));
        expect(in(dir), NULL);
    }
    loop_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(words_and_types_are_checked),
        cmocka_unit_test(paths_that_json_cannot_hold_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
