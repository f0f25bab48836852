/*
 * Others beside this run: a process with the same files, a user or a container that may write in the folder,
 * somebody who tidies up.
 */
#include "loop/renderer/files.h"

#include "base/hash.h"

static const char *const one[] = {"one a\n", "one b\n", "one c\n"};
static const char *const two[] = {"two a\n", "two b\n", "two c\n"};

/* Root of a container that has the folder mounted writes what looks like this program's own. */
static void a_planted_journal_reaches_no_further_than_its_folder(void **state)
{
    static const char *const paths[] = {"b/victim", "a/../b/victim", "a/link",
                                        "./a/near", "a/sub/victim",  "c/link-to-a/near"};
    struct files f;
    char path[3][300], text[1200], name[300];
    files_init(&f, 3);
    f.n = 1;
    for (size_t i = 0; i < ARRAY_LEN(paths) * 2; i++) {
        bool absent = i % 2 == 0;
        const char *const victims[] = {"b/victim", "a/near", "a/sub/victim"};
        snprintf(name, sizeof(name), "%s/a/sub", f.dir);
        (void)mkdir(name, 0755);
        for (size_t k = 0; k < ARRAY_LEN(victims); k++) {
            snprintf(path[k], sizeof(path[k]), "%s/%s", f.dir, victims[k]);
            put(path[k], "precious");
            put(beside(path[k], ".tw-before"), "evil");
        }
        snprintf(name, sizeof(name), "%s/a/link", f.dir);
        (void)symlink("../b/victim", name);
        put(beside(name, ".tw-before"), "evil");
        snprintf(name, sizeof(name), "%s/c/link-to-a", f.dir);
        (void)symlink("../a", name);
        snprintf(name, sizeof(name), "%s/%s", f.dir, paths[i / 2]);
        snprintf(text, sizeof(text),
                 "{\"tidewaiter\":\"outputs\",\"version\":1,\"phase\":\"%s\",\"since_ms\":1,"
                 "\"owed_since_ms\":0,\"files\":[{\"path\":\"%s\",\"before\":\"%s\",\"good\":"
                 "\"%s\",\"put\":\"%016llx\",\"put_before\":\"0000000000000000\"}]}",
                 i % 3 == 0 ? "refused" : "unchecked", name, absent ? "absent" : "file",
                 absent ? "absent" : "file", (unsigned long long)hash64("precious", 8));
        put(beside(f.path[0], ".tw-state"), text);
        files_start(&f);
        assert_int_equal(f.found, OUTPUTS_FOUND_CLEAN);
        assert_int_equal(notes(&f, "is left as it is"), 1);
        for (size_t k = 0; k < ARRAY_LEN(victims); k++) {
            expect(path[k], "precious");
            expect(beside(path[k], ".tw-before"), "evil");
        }
        struct stat st;
        snprintf(name, sizeof(name), "%s/a/link", f.dir);
        assert_int_equal(lstat(name, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
    }
    files_deinit(&f);
}

/* Nor is anything followed or taken over that bears a copy's name. */
static void planted_copies_are_left_alone(void **state)
{
    struct files f;
    struct err e = ERR_INIT;
    struct stat st;
    char secret[300], copy[512];
    files_init(&f, 1);
    snprintf(secret, sizeof(secret), "%s/b", f.dir);
    assert_int_equal(mkdir(secret, 0700), 0);
    strncat(secret, "/secret", sizeof(secret) - strlen(secret) - 1);
    put(secret, "secret");
    snprintf(copy, sizeof(copy), "%s", beside(f.path[0], ".tw-before"));
    put(f.path[0], one[0]);
    for (int again = 0; again < 2; again++) {
        files_start(&f);
        files_swap(&f, two, OUTPUTS_UNCHECKED);
        assert_int_equal(unlink(copy), 0);
        assert_int_equal(symlink(secret, copy), 0);
        if (again) { /* the run itself goes on trying, and says why */
            assert_int_equal(outputs_restore(f.o, &e), -EINVAL);
            assert_non_null(strstr(e.msg, "somebody else has put"));
            assert_int_equal(outputs_phase(f.o), OUTPUTS_UNCHECKED);
        }
        files_start(&f);
        assert_int_equal(f.found, OUTPUTS_FOUND_CLEAN);
        assert_int_equal(notes(&f, "its copy from before has been exchanged"), 1);
        assert_int_equal(lstat(f.path[0], &st), 0);
        assert_true(S_ISREG(st.st_mode));
        expect(f.path[0], two[0]);
        assert_int_equal(lstat(copy, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        files_swap(&f, one, OUTPUTS_SETTLED);
        expect(secret, "secret");
        expect_no_leftovers(&f);
    }

    /* where everybody may write, whose it is counts too */
    if (geteuid() == 0) {
        char folder[300];
        snprintf(folder, sizeof(folder), "%s/a", f.dir);
        assert_int_equal(chmod(folder, 01777), 0);
        files_swap(&f, two, OUTPUTS_UNCHECKED);
        assert_int_equal(unlink(copy), 0);
        put(copy, "evil");
        assert_int_equal(chown(copy, 12345, 12345), 0);
        files_start(&f);
        assert_int_equal(notes(&f, "its copy from before has been exchanged"), 1);
        expect(f.path[0], two[0]);
    }
    files_deinit(&f);
}

static void one_process_has_the_files(void **state)
{
    struct files f;
    struct outputs *o;
    struct err e = ERR_INIT;
    char want[60], link[300];
    files_init(&f, 2);
    put(f.path[0], one[0]);
    files_start(&f);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    const char *staged = beside(f.path[1], ".tw-a1B2c3");
    put(staged, "of the first");
    /* each of them alone, and by another name too */
    snprintf(link, sizeof(link), "%s/link", f.dir);
    assert_int_equal(symlink(f.path[1], link), 0);
    snprintf(want, sizeof(want), "another tidewaiter (process %ld) is publishing", (long)getpid());
    struct target_config c[3] = {f.c[0], f.c[1], f.c[1]};
    c[2].path = link;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(outputs_new(&o, &c[i], 1, true, true, &f.found, &e), -EBUSY);
        assert_int_equal(e.class, ERR_CONFLICT);
        if (!strstr(e.msg, want) || !strstr(e.msg, c[i].path)) {
            fail_msg("%s", e.msg);
        }
    }
    expect_all(&f, two);
    expect(staged, "of the first");
    /* looking is allowed */
    assert_int_equal(outputs_new(&o, f.c, 2, true, false, &f.found, &e), 0);
    outputs_free(o);
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    expect(f.path[0], one[0]);
    f.o = outputs_free(f.o);
    assert_int_equal(outputs_new(&f.o, &c[2], 1, true, true, &f.found, &e), 0);
    files_deinit(&f);
}

/* A link leads to what another process publishes, a lock is removed, a folder comes late. */
static void locks_follow_the_files(void **state)
{
    struct files f;
    struct outputs *other;
    struct err e = ERR_INIT;
    uint64_t digest;
    enum outputs_found found;
    char folder[300];
    files_init(&f, 3);
    snprintf(folder, sizeof(folder), "%s/a", f.dir);
    assert_int_equal(rmdir(folder), 0);
    f.n = 1;
    files_start(&f);
    files_swap(&f, one, OUTPUTS_SETTLED);
    assert_int_equal(outputs_new(&other, &f.c[0], 1, true, true, &found, &e), -EBUSY);
    assert_int_equal(outputs_new(&other, &f.c[2], 1, true, true, &found, &e), 0);

    assert_int_equal(unlink(f.path[0]), 0);
    assert_int_equal(symlink(f.path[2], f.path[0]), 0);
    files_want(&f, two);
    assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 1);
    assert_int_equal(outputs_stage(f.o, &e), -EBUSY);
    assert_null(outputs_staged_path(f.o, 0));
    outputs_free(other);
    assert_int_equal(outputs_stage(f.o, &e), 0);
    assert_int_equal(outputs_swap(f.o, OUTPUTS_SETTLED, &e), 0);
    expect(f.path[2], two[0]);
    assert_int_equal(outputs_new(&other, &f.c[2], 1, true, true, &found, &e), -EBUSY);

    assert_int_equal(unlink(beside(f.path[2], ".tw-lock")), 0);
    files_swap(&f, one, OUTPUTS_SETTLED);
    assert_int_equal(outputs_new(&other, &f.c[2], 1, true, true, &found, &e), -EBUSY);
    f.o = outputs_free(f.o);
    assert_int_equal(outputs_new(&other, &f.c[2], 1, true, true, &found, &e), 0);
    outputs_free(other);
    /* it stays, as no leftover */
    expect(beside(f.path[2], ".tw-lock"), get(beside(f.path[2], ".tw-lock")));
    assert_int_equal(access(beside(f.path[2], ".tw-lock"), F_OK), 0);
    files_deinit(&f);
}

/* Refused before anything is written. */
static void names_that_get_in_each_others_way_are_refused(void **state)
{
    static const struct {
        const char *a, *b;
        bool backup;
        int want;
        const char *words;
    } cases[] = {
        {"nd/new.conf", "./nd/../nd/new.conf", false, -EINVAL, "are one file"},
        {"nd/new.conf", "nd/../new.conf", false, 0, ""},
        {"x.conf", ".x.conf.tw-before", false, -EINVAL, "is needed for what stands beside"},
        {".x.conf.tw-state", "x.conf", false, -EINVAL, "is needed for what stands beside"},
        {"nd/x.conf", ".x.conf.tw-before", false, 0, ""},
        {"x.conf", "x.conf.bak", true, -EINVAL, "is needed for what stands beside"},
        {"x.conf.bak", "x.conf", true, -EINVAL, "is needed for what stands beside"},
        {"x.conf", "x.conf.bak", false, 0, ""},
    };
    struct files f;
    char longest[234 + 1];
    files_init(&f, 2);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        snprintf(f.path[0], sizeof(f.path[0]), "%s/a/%s", f.dir, cases[i].a);
        snprintf(f.path[1], sizeof(f.path[1]), "%s/a/%s", f.dir, cases[i].b);
        f.c[0].backup = f.c[1].backup = cases[i].backup;
        int r = outputs_new(&f.o, f.c, 2, true, true, &f.found, &e);
        if (r != cases[i].want || !strstr(e.msg, cases[i].words)) {
            fail_msg("%s and %s: %d %s", cases[i].a, cases[i].b, r, e.msg);
        }
        f.o = outputs_free(f.o);
    }
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    for (size_t len = 233; len <= 234; len++) {
        struct err e = ERR_INIT;
        char path[600];
        snprintf(path, sizeof(path), "%s/b/%.*s", f.dir, (int)len, longest);
        f.c[0].path = path;
        f.n = 1;
        if (len == 233) {
            files_start(&f);
            files_swap(&f, one, OUTPUTS_UNCHECKED);
            files_checked(&f, true);
            files_swap(&f, two, OUTPUTS_UNCHECKED);
            assert_int_equal(outputs_restore(f.o, &e), 0);
            expect(path, one[0]);
            f.o = outputs_free(f.o);
        } else {
            assert_int_equal(outputs_new(&f.o, f.c, 1, true, true, &f.found, &e), -EINVAL);
            assert_non_null(strstr(e.msg, "its name has 234 bytes; at most 233 are allowed"));
        }
    }
    files_deinit(&f);
}

/* A run whose first output is this one's second has ended in a trial. */
static void a_journal_beside_a_later_output_is_acted_on(void **state)
{
    struct files f;
    files_init(&f, 2);
    for (int owed = 0; owed < 2; owed++) {
        struct target_config first = f.c[0];
        put(f.path[1], one[0]);
        f.c[0] = f.c[1];
        f.n = 1;
        files_start(&f);
        files_swap(&f, two, owed ? OUTPUTS_OWED : OUTPUTS_UNCHECKED);
        f.o = outputs_free(f.o);
        f.c[0] = first;
        f.n = 2;
        files_start(&f);
        assert_int_equal(f.found, owed ? OUTPUTS_FOUND_OWED : OUTPUTS_FOUND_TAKEN_BACK);
        expect(f.path[1], owed ? two[0] : one[0]);
        expect(beside(f.path[1], ".tw-state"), NULL);
        if (owed) {
            files_start(&f);
            assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
            outputs_settle(f.o);
        }
        expect_no_leftovers(&f);
    }
    files_deinit(&f);
}

/* A check that removes the file must not pass for one that was published. */
static void who_replaces_a_file_during_its_check_is_noticed(void **state)
{
    struct files f;
    struct err e = ERR_INIT;
    files_init(&f, 2);
    files_start(&f);
    files_swap(&f, one, OUTPUTS_UNCHECKED);
    files_checked(&f, false);
    for (int how = 0; how < 4; how++) {
        files_swap(&f, two, OUTPUTS_UNCHECKED);
        if (how == 0) {
            put(f.path[1], "by hand");
        } else if (how == 1) {
            assert_int_equal(unlink(f.path[1]), 0);
        } else if (how == 2) { /* and somebody has read it since */
            struct buf text = BUF_INIT(1000);
            put(f.path[1], "by hand");
            assert_int_equal(outputs_read(f.o, 1, &text, NULL), 0);
            buf_deinit(&text);
        } else {
            assert_int_equal(unlink(f.path[1]), 0);
            assert_int_equal(mkfifo(f.path[1], 0600), 0);
        }
        assert_int_equal(outputs_checked(f.o, how % 2 == 0, &e), -ESTALE);
        assert_non_null(strstr(e.msg, "b/up.conf while it was being checked"));
        assert_int_equal(outputs_phase(f.o), OUTPUTS_UNCHECKED);
        assert_int_equal(outputs_restore(f.o, &e), 0);
        assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
        expect_all(&f, one);
    }
    /* the same contents in another file are the ones that were checked */
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    assert_int_equal(unlink(f.path[1]), 0);
    put(f.path[1], two[1]);
    files_checked(&f, false);
    expect_no_leftovers(&f);
    files_deinit(&f);
}

/* As a deploy does: a link is led to another folder, and the old one goes. */
static void a_folder_that_goes_during_a_trial_holds_nothing_up(void **state)
{
    static const enum outputs_phase tos[] = {OUTPUTS_UNCHECKED, OUTPUTS_OWED};
    struct files f;
    struct err e = ERR_INIT;
    char cur[300], command[900];
    for (size_t i = 0; i < ARRAY_LEN(tos); i++) {
        files_init(&f, 1);
        snprintf(cur, sizeof(cur), "%s/cur", f.dir);
        assert_int_equal(symlink("a", cur), 0);
        snprintf(f.path[0], sizeof(f.path[0]), "%.240s/up.conf", cur);
        files_start(&f);
        files_swap(&f, one, OUTPUTS_SETTLED);
        files_swap(&f, two, tos[i]);
        snprintf(command, sizeof(command), "cd '%s' && mkdir b && ln -sfn b cur && rm -r a", f.dir);
        assert_int_equal(system(command), 0);
        if (outputs_restore(f.o, &e) < 0) {
            fail_msg("restore: %s", e.msg);
        }
        assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
        files_swap(&f, two, OUTPUTS_SETTLED);
        expect_all(&f, two);
        expect_no_leftovers(&f);
        files_start(&f);
        assert_int_equal(f.found, OUTPUTS_FOUND_CLEAN);
        assert_int_equal(notes(&f, ""), 0);
        files_deinit(&f);
    }
}

static void a_copy_that_is_gone_is_told(void **state)
{
    struct files f;
    files_init(&f, 1);
    put(f.path[0], one[0]);
    files_start(&f);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    assert_int_equal(unlink(beside(f.path[0], ".tw-before")), 0);
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    expect(f.path[0], two[0]);
    assert_int_equal(
        notes(&f, "up.conf: its copy from before is gone, so the file that failed its check stays"),
        1);
    files_swap(&f, one, OUTPUTS_OWED);
    assert_int_equal(unlink(beside(f.path[0], ".tw-good")), 0);
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    assert_int_equal(notes(&f, "so the file that nginx has refused stays"), 1);
    /* found by the next run */
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    assert_int_equal(unlink(beside(f.path[0], ".tw-before")), 0);
    files_start(&f);
    assert_int_equal(notes(&f, "its copy from before is gone"), 1);
    expect(f.path[0], two[0]);
    /* what was put back is not gone */
    files_swap(&f, one, OUTPUTS_UNCHECKED);
    assert_int_equal(rename(beside(f.path[0], ".tw-before"), f.path[0]), 0);
    files_start(&f);
    assert_int_equal(notes(&f, ""), 0);
    expect(f.path[0], two[0]);
    expect_no_leftovers(&f);
    files_deinit(&f);
}

/* A link in the file's place, between looking at it and changing its mode. */
static void a_link_to_another_file_gives_it_nothing(void **state)
{
    struct files f;
    struct stat st;
    uint64_t digest;
    char secret[300];
    files_init(&f, 1);
    snprintf(secret, sizeof(secret), "%s/secret", f.dir);
    put(secret, "secret");
    assert_int_equal(chmod(secret, 0600), 0);
    f.c[0].mode = 0604;
    files_start(&f);
    files_swap(&f, one, OUTPUTS_SETTLED);
    assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 0);
    assert_int_equal(unlink(f.path[0]), 0);
    assert_int_equal(symlink(secret, f.path[0]), 0);
    assert_int_equal(outputs_fix_attributes(f.o, NULL), 0);
    assert_int_equal(stat(secret, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    files_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_journal_reaches_no_further_than_its_folder),
        cmocka_unit_test(planted_copies_are_left_alone),
        cmocka_unit_test(one_process_has_the_files),
        cmocka_unit_test(locks_follow_the_files),
        cmocka_unit_test(names_that_get_in_each_others_way_are_refused),
        cmocka_unit_test(a_journal_beside_a_later_output_is_acted_on),
        cmocka_unit_test(who_replaces_a_file_during_its_check_is_noticed),
        cmocka_unit_test(a_folder_that_goes_during_a_trial_holds_nothing_up),
        cmocka_unit_test(a_copy_that_is_gone_is_told),
        cmocka_unit_test(a_link_to_another_file_gives_it_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
