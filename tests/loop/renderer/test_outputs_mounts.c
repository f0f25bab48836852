/*
 * The real kernel's answers: a file that is a mount point, a full disk, file systems that are not one,
 * files that cannot be changed. In a mount namespace of this process's own, as root; skipped elsewhere.
 */
#include "loop/renderer/files.h"

#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

static const char *const one[] = {"one a\n", "one b\n"};
static const char *const two[] = {"two, longer a\n", "two b\n"};

static bool may_mount;

static int setup(void **state)
{
    may_mount = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    return 0;
}

static void needs_mounts(void)
{
    if (!may_mount) {
        skip();
    }
}

static const char *folder_of(const struct files *f, char letter)
{
    static char folder[256];
    snprintf(folder, sizeof(folder), "%s/%c", f->dir, letter);
    return folder;
}

static void bind_file(struct files *f, size_t i, const char *text)
{
    char other[256];
    snprintf(other, sizeof(other), "%s/other", f->dir);
    put(other, text);
    put(f->path[i], "below the mount");
    assert_int_equal(mount(other, f->path[i], NULL, MS_BIND, NULL), 0);
}

static void a_bind_mounted_file_is_written_in_place(void **state)
{
    struct files f;
    struct stat before, after;
    char other[256], bak[300];
    needs_mounts();
    files_init(&f, 2);
    bind_file(&f, 1, one[1]);
    snprintf(other, sizeof(other), "%s/other", f.dir);
    snprintf(bak, sizeof(bak), "%s.bak", f.path[1]);
    f.c[1].backup = true;
    f.c[1].mode = 0640;
    files_start(&f);
    assert_int_equal(stat(f.path[1], &before), 0);
    files_swap(&f, two, OUTPUTS_OWED);
    assert_int_equal(notes(&f, "is a mount point of its own and is written in place"), 1);
    expect(other, two[1]); /* who shares it sees it */
    expect(bak, one[1]);
    assert_int_equal(stat(f.path[1], &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(after.st_mode & 07777, 0640);
    uint64_t digest;
    assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 0);
    /* nginx refuses: back it goes, in place too, and is said once only */
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    expect(f.path[0], NULL);
    expect(other, one[1]);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    assert_int_equal(notes(&f, "written in place"), 0);
    assert_int_equal(outputs_restore(f.o, NULL), 0);
    expect(other, one[1]);
    expect_no_leftovers(&f);

    /* a crash in the middle of writing: the file holds a mixture */
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    put(other, "two, lo");
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_TAKEN_BACK);
    expect(other, one[1]);
    expect(f.path[0], NULL);
    expect_no_leftovers(&f);
    assert_int_equal(umount(f.path[1]), 0);
    expect(f.path[1], "below the mount");
    files_deinit(&f);
}

/* Takes all the space that is left in the folder but `spare` bytes. */
static void fill(const char *folder, size_t spare)
{
    char path[300], block[4096];
    snprintf(path, sizeof(path), "%s/filler", folder);
    memset(block, 'x', sizeof(block));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    off_t len = 0;
    for (ssize_t n; (n = write(fd, block, sizeof(block))) > 0;) {
        len += n;
    }
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(ftruncate(fd, len > (off_t)spare ? len - (off_t)spare : 0), 0);
    close(fd);
}

static void unfill(const char *folder)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/filler", folder);
    assert_int_equal(unlink(path), 0);
}

/* The locks keep it busy. */
static void no_disk(struct files *f, char letter)
{
    f->o = outputs_free(f->o);
    assert_int_equal(umount(folder_of(f, letter)), 0);
}

static void small_disk(const struct files *f, char letter)
{
    assert_int_equal(mount("tmpfs", folder_of(f, letter), "tmpfs", 0, "size=256k,mode=755"), 0);
}

/* However many pages are left, all files are old or all are new, and what was said is true. */
static void a_full_disk_leaves_the_old_files(void **state)
{
    static char big[2][20000];
    struct files f;
    needs_mounts();
    files_init(&f, 2);
    small_disk(&f, 'a'); /* with the journal */
    memset(big[0], 'a', sizeof(big[0]) - 1);
    memset(big[1], 'b', sizeof(big[1]) - 1);
    const char *const bigger[] = {big[0], big[1]};
    put(f.path[0], one[0]);
    put(f.path[1], one[1]);
    files_start(&f);
    unsigned full = 0, fitted = 0;
    for (size_t spare = 0; spare <= 40000; spare += 4096) {
        struct err e = ERR_INIT;
        uint64_t digest;
        fill(folder_of(&f, 'a'), spare);
        files_want(&f, bigger);
        assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 2);
        int r = outputs_stage(f.o, &e);
        if (r == 0) {
            r = outputs_swap(f.o, OUTPUTS_OWED, &e);
        }
        if (r < 0) {
            full++;
            assert_int_equal(r, -ENOSPC);
            assert_int_equal(e.class, ERR_THROTTLED);
            assert_non_null(strstr(e.msg, "No space left on device"));
            assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
            expect_all(&f, one);
            expect_no_leftovers(&f);
            unfill(folder_of(&f, 'a'));
            continue;
        }
        fitted++;
        expect_all(&f, bigger);
        /* what nginx ran comes back on a disk without a page; or later, and says so until then */
        unfill(folder_of(&f, 'a'));
        fill(folder_of(&f, 'a'), 0);
        if (outputs_restore(f.o, &e) < 0) {
            assert_int_equal(outputs_phase(f.o), OUTPUTS_OWED);
            expect_all(&f, bigger);
            unfill(folder_of(&f, 'a'));
            assert_int_equal(outputs_restore(f.o, &e), 0);
        } else {
            unfill(folder_of(&f, 'a'));
        }
        expect_all(&f, one);
        expect_no_leftovers(&f);
    }
    print_message("full %u times, fitted %u times\n", full, fitted);
    assert_true(full > 2 && fitted > 0);
    no_disk(&f, 'a');
    files_deinit(&f);
}

/* Leaving a phase takes no space: a check that has succeeded on a disk that has filled up meanwhile. */
static void a_disk_that_fills_up_during_a_check(void **state)
{
    struct files f;
    needs_mounts();
    files_init(&f, 1);
    small_disk(&f, 'a');
    put(f.path[0], one[0]);
    files_start(&f);
    for (int yes = 0; yes < 2; yes++) {
        files_swap(&f, two, OUTPUTS_UNCHECKED);
        fill(folder_of(&f, 'a'), 0);
        if (yes) {
            files_checked(&f, true);
        } else {
            assert_int_equal(outputs_restore(f.o, NULL), 0);
        }
        files_start(&f);
        assert_int_equal(f.found, yes ? OUTPUTS_FOUND_OWED : OUTPUTS_FOUND_CLEAN);
        expect(f.path[0], yes ? two[0] : one[0]);
        assert_int_equal(notes(&f, ""), 0);
        unfill(folder_of(&f, 'a'));
    }
    outputs_settle(f.o);
    expect_no_leftovers(&f);
    no_disk(&f, 'a');
    files_deinit(&f);
}

/* The file that is written in place stands on the full disk. */
static void a_full_disk_behind_a_bind_mount(void **state)
{
    static char big[60000];
    struct files f;
    struct err e = ERR_INIT;
    char other[300];
    uint64_t digest;
    needs_mounts();
    files_init(&f, 2);
    small_disk(&f, 'b');
    snprintf(other, sizeof(other), "%s/other", folder_of(&f, 'b'));
    memset(big, 'x', sizeof(big) - 1);
    f.n = 1;
    put(other, one[0]);
    put(f.path[0], "below");
    assert_int_equal(mount(other, f.path[0], NULL, MS_BIND, NULL), 0);
    files_start(&f);
    fill(folder_of(&f, 'b'), 8192);
    struct stat before, after;
    assert_int_equal(stat(other, &before), 0);
    const char *const texts[] = {big};
    files_want(&f, texts);
    assert_int_equal(outputs_compare(f.o, f.bytes, &digest), 1);
    assert_int_equal(outputs_stage(f.o, &e), 0);
    assert_int_equal(outputs_swap(f.o, OUTPUTS_OWED, &e), -ENOSPC);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    expect(other, one[0]);
    /* nor was it anything else for a moment: space is reserved first */
    assert_int_equal(stat(other, &after), 0);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    expect_no_leftovers(&f);
    unfill(folder_of(&f, 'b'));
    files_swap(&f, texts, OUTPUTS_OWED);
    expect(other, big);
    assert_int_equal(umount(f.path[0]), 0);
    no_disk(&f, 'b');
    files_deinit(&f);
}

/* Outputs on two file systems; then one is read-only when the other has been changed already. */
static void file_systems_apart(void **state)
{
    struct files f;
    struct err e = ERR_INIT;
    needs_mounts();
    files_init(&f, 2);
    small_disk(&f, 'b');
    files_start(&f);
    files_swap(&f, one, OUTPUTS_UNCHECKED);
    files_checked(&f, true);
    outputs_settle(f.o);
    expect_all(&f, one);

    (void)files_stage(&f, two);
    assert_int_equal(mount(NULL, folder_of(&f, 'b'), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    assert_int_equal(outputs_swap(f.o, OUTPUTS_OWED, &e), -EROFS);
    assert_int_equal(e.class, ERR_AUTH);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    expect_all(&f, one);

    /* read-only when it is to be put back: it stays to be done until it can be */
    assert_int_equal(mount(NULL, folder_of(&f, 'b'), NULL, MS_REMOUNT, NULL), 0);
    files_swap(&f, two, OUTPUTS_UNCHECKED);
    assert_int_equal(mount(NULL, folder_of(&f, 'b'), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    assert_int_equal(outputs_restore(f.o, &e), -EROFS);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_UNCHECKED);
    assert_int_equal(mount(NULL, folder_of(&f, 'b'), NULL, MS_REMOUNT, NULL), 0);
    assert_int_equal(outputs_restore(f.o, &e), 0);
    assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
    expect_all(&f, one);

    /* the same for a start; and where it cannot even make the lock */
    for (int locks = 1; locks >= 0; locks--) {
        files_swap(&f, two, OUTPUTS_UNCHECKED);
        f.o = outputs_free(f.o);
        if (!locks) {
            assert_int_equal(unlink(beside(f.path[1], ".tw-lock")), 0);
        }
        assert_int_equal(mount(NULL, folder_of(&f, 'b'), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        assert_int_equal(outputs_new(&f.o, f.c, 2, true, true, &f.found, &e), -EROFS);
        assert_non_null(
            strstr(e.msg, locks ? "an earlier run has ended in the middle of a change: put back"
                                : "an earlier run has ended in the middle of a change: open"));
        expect(f.path[1], two[1]);
        assert_int_equal(mount(NULL, folder_of(&f, 'b'), NULL, MS_REMOUNT, NULL), 0);
        files_start(&f);
        assert_int_equal(f.found, OUTPUTS_FOUND_TAKEN_BACK);
        expect_all(&f, one);
        expect_no_leftovers(&f);
    }

    /* what is owed there can be paid */
    files_swap(&f, two, OUTPUTS_OWED);
    f.o = outputs_free(f.o);
    assert_int_equal(unlink(beside(f.path[1], ".tw-lock")), 0);
    assert_int_equal(mount(NULL, folder_of(&f, 'b'), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    files_start(&f);
    assert_int_equal(f.found, OUTPUTS_FOUND_OWED);
    outputs_settle(f.o);
    expect_all(&f, two);
    no_disk(&f, 'b');
    files_deinit(&f);
}

/* A staged file that somebody has exchanged is not copied into a file that everybody may read. */
static void what_is_staged_is_what_is_written(void **state)
{
    struct files f;
    struct err e = ERR_INIT;
    char other[300], secret[300], staged[300];
    needs_mounts();
    files_init(&f, 2);
    f.n = 1;
    bind_file(&f, 0, one[0]);
    snprintf(other, sizeof(other), "%s/other", f.dir);
    snprintf(secret, sizeof(secret), "%s/secret", f.dir);
    put(secret, "secret");
    files_start(&f);
    for (int by_link = 0; by_link < 2; by_link++) {
        (void)files_stage(&f, two);
        snprintf(staged, sizeof(staged), "%s", outputs_staged_path(f.o, 0));
        assert_int_equal(unlink(staged), 0);
        assert_int_equal(by_link ? symlink(secret, staged) : link(secret, staged), 0);
        assert_int_equal(outputs_swap(f.o, OUTPUTS_OWED, &e), by_link ? -EINVAL : -EAGAIN);
        expect(other, one[0]);
        expect_no_leftovers(&f);
    }
    assert_int_equal(umount(f.path[0]), 0);
    files_deinit(&f);
}

static bool make_immutable(const char *path, bool yes)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    int flags = 0;
    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) {
        return false;
    }
    flags = yes ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

static void an_immutable_file_stays(void **state)
{
    struct files f;
    struct err e = ERR_INIT;
    files_init(&f, 2);
    put(f.path[0], one[0]);
    put(f.path[1], one[1]);
    assert_int_equal(chmod(f.path[0], 0444), 0); /* replaced all the same, and remains so */
    files_start(&f);
    if (make_immutable(f.path[1], true)) {
        (void)files_stage(&f, two);
        int r = outputs_swap(f.o, OUTPUTS_UNCHECKED, &e);
        assert_true(make_immutable(f.path[1], false));
        assert_int_equal(r, -EPERM);
        assert_non_null(strstr(e.msg, f.path[1]));
        assert_int_equal(outputs_phase(f.o), OUTPUTS_SETTLED);
        expect_all(&f, one);
        expect_no_leftovers(&f);
    }
    files_swap(&f, two, OUTPUTS_SETTLED);
    struct stat st;
    assert_int_equal(stat(f.path[0], &st), 0);
    assert_int_equal(st.st_mode & 07777, 0444);
    files_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bind_mounted_file_is_written_in_place),
        cmocka_unit_test(a_full_disk_leaves_the_old_files),
        cmocka_unit_test(a_disk_that_fills_up_during_a_check),
        cmocka_unit_test(a_full_disk_behind_a_bind_mount),
        cmocka_unit_test(file_systems_apart),
        cmocka_unit_test(what_is_staged_is_what_is_written),
        cmocka_unit_test(an_immutable_file_stays),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
