/*
 * Files that change together: phases, what is kept, what is put back, and what is refused.
 */
#include "loop/renderer/files.h"

#include <time.h>

#include "base/lock_file.h"

static const char *const one[] = {"one a\n", "one b\n", "one c\n"};
static const char *const two[] = {"two a\n", "two b\n", "two c\n"};
static const char *const three[] = {"two a\n", "three b\n", "two c\n"};
static const char *const none[] = {NULL, NULL, NULL};

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (unsigned)st.st_mode & 07777;
}

static ino_t inode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static void compares_and_swaps_all(void **state)
{
    struct files f;
    uint64_t first, second;
    files_init(&f, 3);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_CLEAN);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    assert_int_equal(files_stage(&f, one), 3);
    expect_all(&f, none);
    expect(outputs_staged_path(f.o, 1), "one b\n");
    assert_string_equal(outputs_live_path(f.o, 1), f.path[1]);
    assert_int_equal(outputs_swap(f.o, OUTPUTS_SETTLED, NULL), 0);
    expect_all(&f, one);
    expect_no_leftovers(&f);
    assert_null(outputs_staged_path(f.o, 1));

    assert_int_equal(outputs_compare(f.o, f.bytes, &first), 0);
    files_want(&f, two);
    assert_int_equal(outputs_compare(f.o, f.bytes, &second), 3);
    assert_true(first != second);
    files_swap(&f, two, OUTPUTS_SETTLED);
    assert_int_equal(files_stage(&f, three), 1);
    assert_false(outputs_differs(f.o, 0));
    assert_true(outputs_differs(f.o, 1));
    assert_null(outputs_staged_path(f.o, 0));
    outputs_discard(f.o);
    expect_all(&f, two);
    /* an edit by hand is seen, with the same size too */
    put(f.path[0], "eno a\n");
    files_want(&f, two);
    assert_int_equal(outputs_compare(f.o, f.bytes, &second), 1);
    assert_true(outputs_differs(f.o, 0));
    assert_int_equal(unlink(f.path[2]), 0);
    assert_int_equal(outputs_compare(f.o, f.bytes, &second), 2);
    expect_no_leftovers(&f);
    files_deinit(&f);
}

static void a_trial_is_taken_back_or_kept(void **state)
{
    struct files f;
    files_init(&f, 2);
    put(f.path[0], one[0]);
    assert_int_equal(chmod(f.path[0], 0640), 0);
    ino_t inode = inode_of(f.path[0]);
    files_start(&f);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    expect_all(&f, two);
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    expect(f.path[0], one[0]);
    expect(f.path[1], NULL);
    assert_int_equal(inode_of(f.path[0]), inode);
    expect_no_leftovers(&f);

    files_swap(&f, two, OUTPUTS_UNCHECKED);
    files_checked(&f, false);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    assert_int_equal(outputs_owed_since(f.o), 0);
    expect_all(&f, two);
    assert_int_equal(mode_of(f.path[0]), 0640);
    expect_no_leftovers(&f);

    files_swap(&f, one, OUTPUTS_UNCHECKED);
    files_checked(&f, true);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_OWED);
    assert_true(outputs_owed_since(f.o) > 0);
    outputs_settle(f.o);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    expect_all(&f, one);
    expect_no_leftovers(&f);
    files_deinit(&f);
}

/* nginx refuses after several changes: what it ran last comes back, file by file. */
static void the_last_good_files_come_back(void **state)
{
    struct files f;
    files_init(&f, 2);
    put(f.path[0], one[0]);
    files_start(&f);
    files_swap(&f, two, OUTPUTS_OWED);
    msec_t since = outputs_owed_since(f.o);
    files_swap(&f, three, OUTPUTS_OWED);
    assert_int_equal(outputs_owed_since(f.o), since);
    /* a trial in between that is taken back leaves the reload owed */
    files_swap(&f, one, OUTPUTS_UNCHECKED);
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_OWED);
    assert_int_equal(outputs_owed_since(f.o), since);
    expect_all(&f, three);

    assert_int_equal(outputs_restore(f.o, NULL), 0);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    expect(f.path[0], one[0]);
    expect(f.path[1], NULL);
    expect_no_leftovers(&f);

    /* a file whose copy is gone stays */
    files_swap(&f, two, OUTPUTS_OWED);
    assert_int_equal(unlink(beside(f.path[0], ".tw-good")), 0);
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    expect(f.path[0], two[0]);
    expect(f.path[1], NULL);
    expect_no_leftovers(&f);
    files_deinit(&f);
}

static void what_is_owed_outlives_the_run(void **state)
{
    struct files f;
    files_init(&f, 2);
    put(f.path[0], one[0]);
    put(f.path[1], one[1]);
    files_start(&f);
    files_swap(&f, two, OUTPUTS_OWED);
    msec_t since = outputs_owed_since(f.o);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_OWED);
    assert_int_equal(outputs_owed_since(f.o), since);
    expect_all(&f, two);
    /* and so does what nginx ran */
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    expect_all(&f, one);
    expect_no_leftovers(&f);

    files_swap(&f, two, OUTPUTS_UNCHECKED);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_TAKEN_BACK);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    expect_all(&f, one);
    expect_no_leftovers(&f);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_CLEAN);

    /* one that keeps nothing: there is nothing to put back, and the reload stays owed */
    f.keep_good = false;
    files_start(&f);
    files_swap(&f, two, OUTPUTS_OWED);
    assert_int_equal(access(beside(f.path[0], ".tw-good"), F_OK), -1);
    f.keep_good = true;
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
    files_swap(&f, three, OUTPUTS_OWED);
    assert_int_equal(outputs_restore(f.o, NULL), OUTPUTS_E_NOTHING);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_OWED);
    expect_all(&f, three);
    outputs_settle(f.o);
    expect_no_leftovers(&f);
    files_deinit(&f);
}

/* The next run has other outputs: what stands in the journal's folder is put back, what stands elsewhere is
 * named. */
static void a_journal_of_other_files_is_acted_on(void **state)
{
    struct files f;
    struct lock_file lock = LOCK_FILE_NULL;
    char holder[LOCK_FILE_HOLDER_MAX];
    files_init(&f, 3);
    snprintf(f.path[1], sizeof(f.path[1]), "%s/a/other.conf", f.dir);
    for (size_t i = 0; i < 3; i++) {
        put(f.path[i], one[i]);
    }
    files_start(&f);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    f.n = 1;
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_TAKEN_BACK);
    expect(f.path[0], one[0]);
    expect(f.path[1], one[1]);
    expect(f.path[2], two[2]);
    expect(beside(f.path[2], ".tw-before"), one[2]);
    assert_int_equal(notes(&f, "c/up.conf is left as it is: it is no output of this one"), 1);
    expect_no_leftovers(&f);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_CLEAN);

    /* another process has it by now */
    f.n = 2;
    files_start(&f);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    f.o = outputs_free(f.o);
    f.n = 1;
    assert_int_equal(
        lock_file_take(&lock, beside(f.path[1], ".tw-lock"), 0600, "process 7\n", holder, NULL), 0);
    files_start(&f);
    expect(f.path[0], one[0]);
    expect(f.path[1], two[1]);
    assert_int_equal(notes(&f, "(process 7)"), 1);
    lock_file_release(&lock);
    assert_int_equal(unlink(beside(f.path[1], ".tw-before")), 0);

    f.n = 2;
    files_start(&f);
    files_swap(&f, one, OUTPUTS_SETTLED);
    files_swap(&f, two, OUTPUTS_OWED);
    f.n = 1;
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
    expect(f.path[1], two[1]);
    outputs_settle(f.o);
    expect_no_leftovers(&f);
    files_deinit(&f);
}

/* nginx refuses: what stands where there was no file goes if it was put there, and stays if it was not. */
static void a_file_by_hand_stays_when_the_last_good_ones_come_back(void **state)
{
    struct files f;
    for (int how = 0; how < 6; how++) {
        files_init(&f, 2);
        put(f.path[0], one[0]);
        files_start(&f);
        files_swap(&f, two, OUTPUTS_OWED);
        if (how >= 2) { /* with a trial in between, of which nothing remains */
            files_swap(&f, one, OUTPUTS_UNCHECKED);
            if (how < 4) {
                assert_int_equal(outputs_restore(f.o, NULL), 0);
                files_swap(&f, three, OUTPUTS_UNCHECKED);
                assert_int_equal(outputs_restore(f.o, NULL), 0);
            }
        }
        if (how % 2 == 1 || how >= 4) {
            files_start(&f);
            assert_int_equal(outputs_phase(f.o), OUTPUTS_OWED);
        }
        expect_all(&f, two);
        bool by_hand = how % 3 == 0;
        if (by_hand) {
            put(f.path[1], "by hand");
        }
        assert_int_equal(outputs_restore(f.o, NULL), 0);
        expect(f.path[0], one[0]);
        expect(f.path[1], by_hand ? "by hand" : NULL);
        expect_no_leftovers(&f);
        files_deinit(&f);
    }
}

/* The journal of what a check or a reload has ended is written by a pass that has nothing to change. */
static void a_journal_that_is_behind_is_caught_up_with(void **state)
{
    struct files f;
    struct err e = ERR_INIT;
    char journal[512], aside[300];
    files_init(&f, 1);
    snprintf(journal, sizeof(journal), "%s", beside(f.path[0], ".tw-state"));
    snprintf(aside, sizeof(aside), "%s/aside", f.dir);
    files_start(&f);
    for (int i = 0; i < 2; i++) {
        files_swap(&f, i == 0 ? one : two, i == 0 ? OUTPUTS_UNCHECKED : OUTPUTS_OWED);
        /* a folder in its place can be neither replaced nor removed */
        assert_int_equal(rename(journal, aside), 0);
        assert_int_equal(mkdir(journal, 0755), 0);
        if (i == 0) {
            files_checked(&f, true);
            assert_int_equal(outputs_phase(f.o), OUTPUTS_OWED);
        } else {
            outputs_settle(f.o);
        }
        assert_int_equal(notes(&f, "a crash now"), 1);
        assert_true(outputs_fix_attributes(f.o, &e) < 0);
        assert_int_equal(rmdir(journal), 0);
        assert_int_equal(rename(aside, journal), 0);
        assert_int_equal(outputs_fix_attributes(f.o, &e), 0);
        files_start(&f);
        assert_int_equal(f.found, i == 0 ? OUTPUTS_FOUND_OWED : OUTPUTS_FOUND_CLEAN);
        expect(f.path[0], i == 0 ? one[0] : two[0]);
    }
    expect_no_leftovers(&f);
    files_deinit(&f);
}

static void strange_journals_are_not_acted_on(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"tidewaiter\":\"outputs\",\"version\":2,\"phase\":\"owed\",\"since_ms\":1,"
        "\"owed_since_ms\":0,\"files\":[]}",
        "{\"tidewaiter\":\"outputs\",\"version\":1,\"phase\":\"gone\",\"since_ms\":1,"
        "\"owed_since_ms\":0,\"files\":[]}",
        "{\"tidewaiter\":\"outputs\",\"version\":1,\"phase\":\"unchecked\",\"since_ms\":1,"
        "\"owed_since_ms\":0,\"files\":[{\"path\":\"up.conf\",\"before\":\"file\","
        "\"good\":\"none\",\"put\":\"0000000000000000\"}]}",
        "{\"tidewaiter\":\"outputs\",\"version\":1,\"phase\":\"unchecked\",\"since_ms\":1,"
        "\"owed_since_ms\":0,\"files\":[{\"path\":\"/up.conf\",\"before\":\"file\","
        "\"good\":\"none\",\"put\":\"000000000000000\"}]}",
    };
    struct files f;
    char journal[512];
    files_init(&f, 1);
    snprintf(journal, sizeof(journal), "%s", beside(f.path[0], ".tw-state"));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        put(f.path[0], one[0]);
        put(beside(f.path[0], ".tw-before"), two[0]);
        put(journal, texts[i]);
        files_start(&f);
        assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
        assert_int_equal(notes(&f, ".up.conf.tw-state"), 1);
        expect(f.path[0], one[0]);
        expect(beside(f.path[0], ".tw-before"), two[0]);
        assert_int_equal(outputs_restore(f.o, NULL), OUTPUTS_E_NOTHING);
        /* it is replaced by the next change, and forgotten when that is settled */
        files_swap(&f, three, OUTPUTS_OWED);
        outputs_settle(f.o);
        expect_no_leftovers(&f);
    }

    /* a good one that others could have written, or that is a link to one */
    files_swap(&f, one, OUTPUTS_UNCHECKED);
    assert_int_equal(chmod(journal, 0666), 0);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
    assert_int_equal(notes(&f, "others may have written it"), 1);
    expect(f.path[0], one[0]);
    assert_int_equal(chmod(journal, 0644), 0);
    assert_int_equal(rename(journal, f.path[0]), 0);
    assert_int_equal(symlink(f.path[0], journal), 0);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
    /* which is replaced itself, not what it leads to */
    files_swap(&f, two, OUTPUTS_OWED);
    struct stat st;
    assert_int_equal(lstat(journal, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    expect(f.path[0], two[0]);
    outputs_settle(f.o);
    expect_no_leftovers(&f);

    if (geteuid() == 0) {
        files_swap(&f, one, OUTPUTS_UNCHECKED);
        assert_int_equal(chown(journal, 12345, 12345), 0);
        files_start(&f);
        assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
        expect(f.path[0], one[0]);
        files_swap(&f, two, OUTPUTS_OWED);
        assert_int_equal(stat(journal, &st), 0);
        assert_int_equal(st.st_uid, 0);
    }
    files_deinit(&f);
}

/* An unchecked file that had none before it goes, unless somebody has put his own there. */
static void a_file_of_somebody_else_is_not_removed(void **state)
{
    struct files f;
    files_init(&f, 1);
    files_start(&f);
    files_swap(&f, one, OUTPUTS_UNCHECKED);
    put(f.path[0], "by hand");
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_CLEAN);
    expect(f.path[0], "by hand");
    expect_no_leftovers(&f);
    files_deinit(&f);
}

static void names_that_a_crash_left_are_swept(void **state)
{
    struct files f;
    files_init(&f, 1);
    put(f.path[0], one[0]);
    put(beside(f.path[0], ".tw-a1B2c3"), "staged");
    put(beside(beside(f.path[0], ".tw-state"), ".tw-abcdef"), "staged journal");
    put(beside(f.path[0], ".tw-good"), "x");
    put(beside(f.path[0], ".tw-before"), two[0]);
    files_start(&f);
    expect_no_leftovers(&f);
    expect(f.path[0], one[0]);
    /* not those of a neighbour */
    char neighbour[300];
    snprintf(neighbour, sizeof(neighbour), "%s/a/.up.conf.more.tw-a1B2c3", f.dir);
    put(neighbour, "x");
    put(beside(f.path[0], ".tw-notours"), "x");
    files_start(&f);
    expect(neighbour, "x");
    expect(beside(f.path[0], ".tw-notours"), "x");
    files_deinit(&f);
}

static void a_dry_run_touches_nothing(void **state)
{
    struct files f;
    struct outputs *o;
    files_init(&f, 1);
    put(f.path[0], one[0]);
    files_start(&f);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    assert_int_equal(outputs_new(&o, f.c, 1, true, false, &f.found, NULL), 0);
    assert_int_equal(f.found, OUTPUTS_FOUND_CLEAN);
    uint64_t digest;
    files_want(&f, one);
    assert_int_equal(outputs_compare(o, f.bytes, &digest), 1);
    expect(f.path[0], two[0]);
    expect(beside(f.path[0], ".tw-before"), one[0]);
    outputs_free(o);
    files_deinit(&f);
}

static void two_paths_to_one_file_are_refused(void **state)
{
    struct files f;
    struct err e = ERR_INIT;
    struct outputs *o;
    files_init(&f, 2);
    const char *const paths[] = {"../a/up.conf", "/link"};
    char path[300];
    for (size_t i = 0; i < 4; i++) {
        struct target_config c[2] = {f.c[0], f.c[1]};
        if (i < 2) { /* by name, where there is a file and where there is none */
            snprintf(path, sizeof(path), "%s/b/%s", f.dir, paths[0]);
        } else { /* by a link that leads to nothing yet, by another name */
            snprintf(path, sizeof(path), "%s%s", f.dir, paths[1]);
            unlink(path);
            unlink(f.path[0]);
            if (i == 2) {
                assert_int_equal(symlink("a/up.conf", path), 0);
            } else {
                put(path, "x");
                assert_int_equal(link(path, f.path[0]), 0);
            }
        }
        c[1].path = path;
        assert_int_equal(outputs_new(&o, c, 2, true, true, &f.found, &e), -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        assert_non_null(strstr(e.msg, "are one file"));
        if (i == 0) {
            put(f.path[0], "x");
        }
    }
    unlink(f.path[0]);
    /* a link that comes to lead there later */
    files_start(&f);
    assert_int_equal(symlink(f.path[0], f.path[1]), 0);
    files_want(&f, one);
    uint64_t digest;
    assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 2);
    assert_int_equal(outputs_stage(f.o, &e), -EINVAL);
    expect(f.path[0], NULL);
    expect_no_leftovers(&f);
    files_deinit(&f);
}

static void links_are_followed_and_folders_made(void **state)
{
    struct files f;
    struct stat st;
    char real[300], link[300];
    files_init(&f, 2);
    snprintf(real, sizeof(real), "%s/far/away/real.conf", f.dir);
    snprintf(link, sizeof(link), "%s/a/up.conf", f.dir);
    assert_int_equal(symlink("../far/away/real.conf", link), 0);
    char folder[300];
    snprintf(folder, sizeof(folder), "%s/b", f.dir);
    assert_int_equal(rmdir(folder), 0);
    files_start(&f);
    files_swap(&f, one, OUTPUTS_OWED);
    expect(real, one[0]);
    expect_all(&f, one);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_string_equal(outputs_live_path(f.o, 0), real);
    outputs_settle(f.o);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_TAKEN_BACK);
    expect_all(&f, one);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    expect_no_leftovers(&f);
    files_deinit(&f);
}

static void backups_are_from_before_the_last_change(void **state)
{
    struct files f;
    char bak[300];
    files_init(&f, 1);
    f.c[0].backup = true;
    snprintf(bak, sizeof(bak), "%s.bak", f.path[0]);
    files_start(&f);
    files_swap(&f, one, OUTPUTS_SETTLED);
    expect(bak, NULL);
    files_swap(&f, two, OUTPUTS_OWED);
    expect(bak, one[0]);
    outputs_settle(f.o);
    files_swap(&f, one, OUTPUTS_UNCHECKED);
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    expect(bak, one[0]);
    files_swap(&f, one, OUTPUTS_UNCHECKED);
    files_checked(&f, true);
    expect(bak, two[0]);
    outputs_settle(f.o);
    expect_no_leftovers(&f);
    /* one that cannot be made is said once, and stops nothing */
    assert_int_equal(notes(&f, ""), 0);
    assert_int_equal(unlink(bak), 0);
    assert_int_equal(mkdir(bak, 0755), 0);
    files_swap(&f, two, OUTPUTS_SETTLED);
    assert_int_equal(notes(&f, "no backup of"), 1);
    files_swap(&f, one, OUTPUTS_SETTLED);
    assert_int_equal(notes(&f, "no backup of"), 0);
    expect_all(&f, one);
    expect_no_leftovers(&f);
    assert_int_equal(rmdir(bak), 0);
    files_swap(&f, two, OUTPUTS_SETTLED);
    expect(bak, one[0]);
    files_deinit(&f);
}

/* The second of two files cannot be replaced: a folder has come into its place. */
static void all_or_none(void **state)
{
    struct files f;
    struct err e = ERR_INIT;
    files_init(&f, 2);
    put(f.path[0], one[0]);
    files_start(&f);
    assert_int_equal(files_stage(&f, two), 2);
    ino_t inode = inode_of(f.path[0]);
    assert_int_equal(mkdir(f.path[1], 0755), 0);
    assert_true(outputs_swap(f.o, OUTPUTS_OWED, &e) < 0);
    assert_non_null(strstr(e.msg, f.path[1]));
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    assert_int_equal(inode_of(f.path[0]), inode);
    expect(f.path[0], one[0]);
    expect_no_leftovers(&f);
    assert_int_equal(rmdir(f.path[1]), 0);
    files_swap(&f, two, OUTPUTS_OWED);

    /* the same on top of an owed reload */
    assert_int_equal(files_stage(&f, one), 2);
    assert_int_equal(unlink(f.path[1]), 0);
    assert_int_equal(mkdir(f.path[1], 0755), 0);
    assert_true(outputs_swap(f.o, OUTPUTS_UNCHECKED, &e) < 0);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_OWED);
    expect(f.path[0], two[0]);
    assert_int_equal(rmdir(f.path[1]), 0);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
    files_deinit(&f);
}

/* Attributes are for the files that were judged. */
static void look_at(struct files *f)
{
    struct buf text = BUF_INIT(1000);
    assert_int_equal(outputs_read(f->o, 0, &text, NULL), 0);
    buf_deinit(&text);
}

static void mode_owner_and_group(void **state)
{
    struct files f;
    struct stat st;
    struct err e = ERR_INIT;
    files_init(&f, 1);
    put(f.path[0], one[0]);
    f.c[0].mode = 0604;
    files_start(&f);
    look_at(&f);
    assert_int_equal(outputs_fix_attributes(f.o, NULL), 0);
    assert_int_equal(mode_of(f.path[0]), 0604);
    files_swap(&f, two, OUTPUTS_SETTLED);
    assert_int_equal(mode_of(f.path[0]), 0604);
    if (geteuid() != 0) {
        f.c[0].owner = 0;
        files_start(&f);
        look_at(&f);
        assert_int_equal(outputs_fix_attributes(f.o, &e), -EPERM);
        uint64_t digest;
        files_want(&f, one);
        assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 1);
        assert_int_equal(outputs_stage(f.o, &e), -EPERM);
        assert_non_null(strstr(e.msg, "only root may give files away"));
        expect(f.path[0], two[0]);
        files_deinit(&f);
        return;
    }
    f.c[0].owner = 12345;
    f.c[0].group = 12346;
    files_start(&f);
    files_swap(&f, one, OUTPUTS_SETTLED);
    assert_int_equal(stat(f.path[0], &st), 0);
    assert_int_equal(st.st_uid, 12345);
    assert_int_equal(st.st_gid, 12346);
    assert_int_equal(mode_of(f.path[0]), 0604);
    f.c[0].owner = 12347;
    f.c[0].group = TARGET_GROUP_KEEP;
    files_start(&f);
    look_at(&f);
    assert_int_equal(outputs_fix_attributes(f.o, NULL), 0);
    assert_int_equal(stat(f.path[0], &st), 0);
    assert_int_equal(st.st_uid, 12347);
    /* kept by a replacement that asks for nothing */
    f.c[0].owner = TARGET_OWNER_KEEP;
    files_start(&f);
    files_swap(&f, two, OUTPUTS_SETTLED);
    assert_int_equal(stat(f.path[0], &st), 0);
    assert_int_equal(st.st_uid, 12347);
    assert_int_equal(st.st_gid, 12346);
    files_deinit(&f);
}

static double now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* An untouched file is not read: it may not even be readable. */
static void an_untouched_file_is_not_read(void **state)
{
    struct files f;
    uint64_t digest;
    files_init(&f, 1);
    files_start(&f);
    files_swap(&f, one, OUTPUTS_SETTLED);
    struct stat before, after;
    struct timespec past[2] = {{.tv_sec = 1000}, {.tv_nsec = UTIME_OMIT}};
    assert_int_equal(utimensat(AT_FDCWD, f.path[0], past, 0), 0);
    assert_int_equal(stat(f.path[0], &before), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 0);
    }
    assert_int_equal(stat(f.path[0], &after), 0);
    assert_int_equal(before.st_atim.tv_sec, after.st_atim.tv_sec);

    double began = now_us();
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 0);
    }
    print_message("compare of an untouched file: %.2f us\n", (now_us() - began) / 1000);
    files_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_and_swaps_all),
        cmocka_unit_test(a_trial_is_taken_back_or_kept),
        cmocka_unit_test(the_last_good_files_come_back),
        cmocka_unit_test(what_is_owed_outlives_the_run),
        cmocka_unit_test(a_journal_of_other_files_is_acted_on),
        cmocka_unit_test(a_file_by_hand_stays_when_the_last_good_ones_come_back),
        cmocka_unit_test(a_journal_that_is_behind_is_caught_up_with),
        cmocka_unit_test(strange_journals_are_not_acted_on),
        cmocka_unit_test(a_file_of_somebody_else_is_not_removed),
        cmocka_unit_test(names_that_a_crash_left_are_swept),
        cmocka_unit_test(a_dry_run_touches_nothing),
        cmocka_unit_test(two_paths_to_one_file_are_refused),
        cmocka_unit_test(links_are_followed_and_folders_made),
        cmocka_unit_test(backups_are_from_before_the_last_change),
        cmocka_unit_test(all_or_none),
        cmocka_unit_test(mode_owner_and_group),
        cmocka_unit_test(an_untouched_file_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
