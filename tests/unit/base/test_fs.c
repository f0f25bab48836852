/*
 * Files are read whole or not at all, and replaced whole or not at all.
 */
#include "base/alloc.h"
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static mode_t mode_while_written;

/* The library's comes after this one: the contents are there, and the file is not closed. */
int ftruncate(int fd, off_t len)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    mode_while_written = st.st_mode & 07777;
    return (int)syscall(SYS_ftruncate, fd, len);
}

static int setup(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/tidewaiter-fs-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    char command[256];
    snprintf(command, sizeof(command), "chmod -R u+w '%s' && rm -rf '%s'", folder, folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void expect(const char *path, const char *want)
{
    struct buf out = BUF_INIT(1000);
    struct err e = ERR_INIT;
    if (fs_read(path, &out, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    assert_string_equal(buf_str(&out), want);
    buf_deinit(&out);
}

/* How many files the working folder holds: no staged one may stay. */
static size_t count(void)
{
    DIR *dir = opendir(".");
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *ent; (ent = readdir(dir)) != NULL;) {
        n += strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0;
    }
    closedir(dir);
    return n;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return (unsigned)st.st_mode;
}

static void reads_up_to_the_cap(void **state)
{
    struct buf out = BUF_INIT(8);
    struct err e = ERR_INIT;
    put("a", "12345");
    buf_puts(&out, "abc");
    assert_int_equal(fs_read("a", &out, &e), 0);
    assert_string_equal(buf_str(&out), "abc12345");
    buf_truncate(&out, 4);
    assert_int_equal(fs_read("a", &out, &e), -EFBIG);
    assert_string_equal(buf_str(&out), "abc1");
    assert_int_equal(buf_error(&out), 0);
    assert_string_equal(e.msg, "read a: larger than 8 bytes");
    assert_int_equal(fs_read("none", &out, &e), -ENOENT);
    assert_string_equal(e.msg, "open none: No such file or directory");
    assert_int_equal(fs_read(".", &out, &e), -EISDIR);
    assert_string_equal(buf_str(&out), "abc1");
    buf_deinit(&out);

    struct buf big = BUF_INIT(100000);
    CLEANUP_FREE char *text = xmalloc(50001);
    memset(text, 'x', 50000);
    text[50000] = '\0';
    put("b", text);
    assert_int_equal(fs_read("b", &big, NULL), 0);
    assert_int_equal(big.len, 50000);
    buf_deinit(&big);
}

static void replaces(void **state)
{
    umask(077);
    assert_int_equal(fs_replace("new", "one", 3, FS_MODE_KEEP, false, NULL), 0);
    expect("new", "one");
    assert_int_equal(mode_of("new") & 07777, 0644);
    assert_int_equal(chmod("new", 0640), 0);
    assert_int_equal(fs_replace("new", "two", 3, FS_MODE_KEEP, true, NULL), 0);
    expect("new", "two");
    assert_int_equal(mode_of("new") & 07777, 0640);
    assert_int_equal(fs_replace("new", "", 0, 0600, true, NULL), 0);
    expect("new", "");
    assert_int_equal(mode_of("new") & 07777, 0600);
    assert_int_equal(count(), 1);
}

static void stages_beside_the_target(void **state)
{
    struct fs_staged s = FS_STAGED_NULL;
    put("live", "old");
    char path[128];
    snprintf(path, sizeof(path), "%s/live", folder);
    assert_int_equal(fs_stage(&s, path, "new", 3, FS_MODE_KEEP, false, NULL), 0);
    expect("live", "old");
    expect(s.path, "new");
    assert_memory_equal(s.path, folder, strlen(folder));
    assert_memory_equal(s.path + strlen(folder), "/.live.tw-", 10);
    fs_discard(&s);
    fs_discard(&s);
    assert_null(s.path);
    assert_int_equal(count(), 1);

    assert_int_equal(fs_stage(&s, "live", "new", 3, FS_MODE_KEEP, false, NULL), 0);
    assert_int_equal(fs_promote(&s, NULL), 0);
    expect("live", "new");
    assert_null(s.path);
    fs_discard(&s);
    assert_int_equal(count(), 1);
}

/* /dev/null, say: replacing it would break the whole machine. */
static void replaces_regular_files_only(void **state)
{
    struct err e = ERR_INIT;
    struct stat st;
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(symlink("pipe", "link"), 0);
    static const char *const paths[] = {"pipe", "folder", "link"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(fs_replace(paths[i], "x", 1, 0644, false, &e), -EINVAL);
        assert_int_equal(e.class, ERR_INVALID);
        assert_non_null(strstr(e.msg, "is not a regular file"));
    }
    assert_int_equal(lstat("pipe", &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(count(), 3);
}

static void keeps_symbolic_links(void **state)
{
    assert_int_equal(mkdir("data", 0755), 0);
    put("data/real", "old");
    assert_int_equal(symlink("data/real", "link"), 0);
    assert_int_equal(fs_replace("link", "new", 3, FS_MODE_KEEP, false, NULL), 0);
    assert_true(S_ISLNK(mode_of("link")));
    expect("data/real", "new");
    assert_int_equal(count(), 2);
}

static void leaves_everything_on_failure(void **state)
{
    struct err e = ERR_INIT;
    struct fs_staged s = FS_STAGED_NULL;
    assert_int_equal(fs_replace("none/file", "x", 1, FS_MODE_KEEP, false, &e), -ENOENT);
    assert_int_equal(e.class, ERR_INVALID);
    assert_null(s.path);

    /* a folder that comes into its place meanwhile cannot be replaced */
    assert_int_equal(fs_stage(&s, "dir", "x", 1, 0644, false, &e), 0);
    assert_int_equal(mkdir("dir", 0755), 0);
    put("dir/inside", "x");
    assert_int_equal(fs_promote(&s, &e), -EISDIR);
    assert_null(s.path);
    expect("dir/inside", "x");
    assert_int_equal(count(), 1);

    /* the disk takes only a part */
    struct rlimit before, small = {.rlim_cur = 10, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = fs_replace("dir/inside", "longer than ten", 15, FS_MODE_KEEP, false, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -EFBIG);
    expect("dir/inside", "x");
    assert_int_equal(chdir("dir"), 0);
    assert_int_equal(count(), 1);
}

static void makes_parents(void **state)
{
    struct err e = ERR_INIT;
    assert_int_equal(fs_make_parent("a/b/c/file", 0755, &e), 0);
    assert_true(S_ISDIR(mode_of("a/b/c")));
    assert_int_equal(fs_make_parent("a/b/c/file", 0755, &e), 0);
    assert_int_equal(fs_make_parent("file", 0755, &e), 0);
    assert_int_equal(fs_make_parent("/file", 0755, &e), 0);
    put("plain", "");
    assert_int_equal(fs_make_parent("plain/x/file", 0755, &e), -ENOTDIR);
    assert_string_equal(e.msg, "create plain: Not a directory");
    assert_int_equal(count(), 2);
}

static void expect_real(const char *path, const char *want)
{
    char absolute[256];
    CLEANUP_FREE char *real = fs_real_path(path);
    snprintf(absolute, sizeof(absolute), "%s%s%s", want[0] == '/' ? "" : folder,
             want[0] == '/' ? "" : "/", want);
    assert_string_equal(real, absolute);
}

static void follows_links_to_what_is_not_there(void **state)
{
    assert_int_equal(mkdir("data", 0755), 0);
    assert_int_equal(symlink("data/none", "one"), 0);
    assert_int_equal(symlink("../one", "data/two"), 0);
    assert_int_equal(symlink("data/two", "three"), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    expect_real("none", "none");
    expect_real("./data/../none", "none");
    expect_real("three", "data/none");
    expect_real("data", "data");
    expect_real("/none", "/none");
    expect_real("no/folder/file", "no/folder/file");
    expect_real("./no/../no/./folder/file", "no/folder/file");
    expect_real("/no/../../no", "/no");
    CLEANUP_FREE char *loop = fs_real_path("loop");
    assert_string_equal(loop, "loop");
    assert_int_equal(fs_replace("three", "new", 3, FS_MODE_KEEP, false, NULL), 0);
    expect("data/none", "new");
    assert_true(S_ISLNK(mode_of("three")) && S_ISLNK(mode_of("one")));

    /* but a name of this program's own is replaced itself */
    const struct fs_how own = {.mode = 0600,
                               .owner = FS_OWNER_KEEP,
                               .group = FS_GROUP_KEEP,
                               .durable = true,
                               .no_links = true};
    assert_int_equal(fs_replace_as("three", "own", 3, &own, NULL), 0);
    expect("data/none", "new");
    expect("three", "own");
    assert_int_equal(mode_of("three"), S_IFREG | 0600);
}

static void names_what_stands_beside(void **state)
{
    CLEANUP_FREE char *a = fs_beside("/etc/up.conf", ".x");
    CLEANUP_FREE char *b = fs_beside("up.conf", ".x");
    assert_string_equal(a, "/etc/.up.conf.x");
    assert_string_equal(b, ".up.conf.x");
    struct err e = ERR_INIT;
    assert_int_equal(fs_flush_folder("file", &e), 0);
    assert_int_equal(fs_flush_folder("none/file", &e), -ENOENT);
}

static void overwrites_in_place(void **state)
{
    struct stat before, after;
    struct err e = ERR_INIT;
    struct fs_how how = {.mode = FS_MODE_KEEP, .owner = FS_OWNER_KEEP, .group = FS_GROUP_KEEP};
    put("file", "a longer text");
    assert_int_equal(chmod("file", 0604), 0);
    assert_int_equal(stat("file", &before), 0);
    assert_int_equal(fs_overwrite("file", "short", 5, &how, &e), 0);
    expect("file", "short");
    how.mode = 0640;
    assert_int_equal(fs_overwrite("file", "a longer text again", 19, &how, &e), 0);
    expect("file", "a longer text again");
    assert_int_equal(stat("file", &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(mode_of("file") & 07777, 0640);
    assert_int_equal(fs_overwrite("file", "", 0, &how, &e), 0);
    expect("file", "");
    assert_int_equal(fs_overwrite("none", "x", 1, &how, &e), -ENOENT);
    assert_int_equal(access("none", F_OK), -1);
}

/* Neither the old contents nor the new ones, in either direction. */
static void nobody_reads_more_than_he_may_while_a_file_is_overwritten(void **state)
{
    static const struct {
        mode_t from, to, during;
    } cases[] = {{0644, 0600, 0600}, {0600, 0644, 0600}, {0640, 0604, 0600}, {0644, 0644, 0644}};
    struct err e = ERR_INIT;
    put("file", "old");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fs_how how = {.mode = cases[i].to, .owner = FS_OWNER_KEEP, .group = FS_GROUP_KEEP};
        assert_int_equal(chmod("file", cases[i].from), 0);
        mode_while_written = 0;
        assert_int_equal(fs_overwrite("file", "new", 3, &how, &e), 0);
        assert_int_equal(mode_while_written, cases[i].during);
        assert_int_equal(mode_of("file") & 07777, cases[i].to);
    }
    if (geteuid() != 0) {
        print_message("only root may give files away: not tried\n");
        return;
    }
    struct fs_how how = {.mode = FS_MODE_KEEP, .owner = 12345, .group = FS_GROUP_KEEP};
    assert_int_equal(fs_overwrite("file", "new", 3, &how, &e), 0);
    assert_int_equal(mode_while_written, 0600);
    assert_int_equal(mode_of("file") & 07777, 0644);
}

/* Where another user may put what he likes under a name that is not his. */
static void links_and_pipes_are_neither_read_nor_written(void **state)
{
    struct fs_how how = {.mode = 0644, .owner = FS_OWNER_KEEP, .group = FS_GROUP_KEEP};
    struct err e = ERR_INIT;
    struct stat st;
    struct buf text = BUF_INIT(100);
    put("file", "secret");
    assert_int_equal(chmod("file", 0600), 0);
    assert_int_equal(symlink("file", "link"), 0);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(fs_read_regular("link", &text, &st, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "link is not a regular file"));
    assert_int_equal(fs_read_regular("pipe", &text, &st, &e), -EINVAL);
    assert_int_equal(fs_read_regular(".", &text, NULL, &e), -EINVAL);
    assert_int_equal(fs_read_regular("none", &text, NULL, &e), -ENOENT);
    assert_int_equal(text.len, 0);
    assert_int_equal(fs_read_regular("file", &text, &st, &e), 0);
    assert_string_equal(buf_str(&text), "secret");
    assert_int_equal(st.st_mode & 07777, 0600);
    buf_deinit(&text);
    assert_int_equal(fs_overwrite("link", "x", 1, &how, &e), -EINVAL);
    assert_int_equal(fs_overwrite("pipe", "x", 1, &how, &e), -EINVAL);
    expect("file", "secret");
    assert_int_equal(mode_of("file") & 07777, 0600);
}

/* As somebody who may not give files away; returns the status of what runs as that. */
static int as_nobody(int (*run)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(setgroups(1, &(gid_t){12350}) == 0 && setgid(12346) == 0 && setuid(12345) == 0 ? run()
                                                                                             : 99);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What is not asked for is kept where that is possible, silently; what is asked for is not given up. */
static int give_away(void)
{
    struct err e = ERR_INIT;
    struct stat st;
    struct fs_how how = {.mode = 0640, .owner = 0, .group = FS_GROUP_KEEP};
    if (fs_replace_as("file", "x", 1, &how, &e) != -EPERM || e.class != ERR_AUTH ||
        !strstr(e.msg, "set owner and group of") || !strstr(e.msg, "only root may give")) {
        return 1;
    }
    how.owner = 12345;
    how.group = 12346;
    if (fs_replace_as("own", "x", 1, &how, &e) != 0 || stat("own", &st) < 0 || st.st_uid != 12345 ||
        st.st_gid != 12346) {
        return 2;
    }
    how.owner = FS_OWNER_KEEP;
    how.group = FS_GROUP_KEEP;
    if (fs_replace_as("file", "kept", 4, &how, &e) != 0 || stat("file", &st) < 0) {
        return 3;
    }
    /* root's file in a group of this user: the group could be kept */
    return st.st_uid == 12345 && st.st_gid == 12350 ? 0 : 4;
}

static void gives_files_to_others(void **state)
{
    struct stat st;
    struct fs_how how = {.mode = 04750, .owner = 12347, .group = 12348};
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(fs_replace_as("given", "x", 1, &how, NULL), 0);
    assert_int_equal(stat("given", &st), 0);
    assert_int_equal(st.st_uid, 12347);
    assert_int_equal(st.st_gid, 12348);
    assert_int_equal(st.st_mode & 07777, 04750);
    how = (struct fs_how){.mode = FS_MODE_KEEP, .owner = 12349, .group = FS_GROUP_KEEP};
    assert_int_equal(fs_replace_as("given", "y", 1, &how, NULL), 0);
    assert_int_equal(stat("given", &st), 0);
    assert_int_equal(st.st_uid, 12349);
    assert_int_equal(st.st_gid, 12348);
    assert_int_equal(st.st_mode & 07777, 04750);

    put("file", "root's");
    assert_int_equal(chown("file", 0, 12350), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(as_nobody(give_away), 0);
    expect("file", "kept");
    assert_int_equal(count(), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_up_to_the_cap, setup, teardown),
        cmocka_unit_test_setup_teardown(replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(stages_beside_the_target, setup, teardown),
        cmocka_unit_test_setup_teardown(replaces_regular_files_only, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_symbolic_links, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_everything_on_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(makes_parents, setup, teardown),
        cmocka_unit_test_setup_teardown(follows_links_to_what_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(names_what_stands_beside, setup, teardown),
        cmocka_unit_test_setup_teardown(overwrites_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_reads_more_than_he_may_while_a_file_is_overwritten,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(links_and_pipes_are_neither_read_nor_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(gives_files_to_others, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
