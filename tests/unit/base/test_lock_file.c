/*
 * One holder at a time, who is named; a process that is killed frees the lock; nothing else is written to.
 */
#include "base/alloc.h"
#include "base/lock_file.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int setup(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/tidewaiter-lock-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static int take(struct lock_file *l, const char *name, char holder[LOCK_FILE_HOLDER_MAX],
                struct err *e)
{
    holder[0] = '\0';
    return lock_file_take(l, "lock", 0600, name, holder, e);
}

static const char *contents(const char *path)
{
    static char text[100];
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void one_holder_at_a_time(void **state)
{
    struct lock_file a = LOCK_FILE_NULL, b = LOCK_FILE_NULL;
    struct err e = ERR_INIT;
    struct stat st;
    char holder[LOCK_FILE_HOLDER_MAX];
    assert_false(lock_file_valid(&a));
    assert_int_equal(take(&a, "the first, with a long name\n", holder, &e), 0);
    assert_true(lock_file_valid(&a));
    assert_int_equal(stat("lock", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(take(&b, "the second\n", holder, &e), -EBUSY);
    assert_string_equal(holder, "the first, with a long name");
    assert_int_equal(e.class, ERR_CONFLICT);
    assert_false(lock_file_valid(&b));
    lock_file_release(&a);
    lock_file_release(&a);
    assert_int_equal(take(&b, "the second\n", holder, &e), 0);
    assert_string_equal(contents("lock"), "the second\n");

    /* removed: it protects nothing, and the next one has it */
    assert_int_equal(unlink("lock"), 0);
    assert_false(lock_file_valid(&b));
    assert_int_equal(take(&a, "the third\n", holder, &e), 0);
    assert_false(lock_file_valid(&b));
    assert_true(lock_file_valid(&a));
    lock_file_release(&b);
    assert_int_equal(take(&b, "the fourth\n", holder, &e), -EBUSY);
    assert_string_equal(holder, "the third");
    lock_file_release(&a);
}

static void a_killed_process_frees_it(void **state)
{
    struct lock_file l = LOCK_FILE_NULL;
    char holder[LOCK_FILE_HOLDER_MAX], want[40];
    struct err e = ERR_INIT;
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char name[40];
        snprintf(name, sizeof(name), "process %ld\n", (long)getpid());
        if (take(&l, name, holder, &e) == 0 && write(told[1], "x", 1) == 1) {
            pause();
        }
        _exit(1);
    }
    close(told[1]);
    assert_int_equal(read(told[0], holder, 1), 1);
    assert_int_equal(take(&l, "me\n", holder, &e), -EBUSY);
    snprintf(want, sizeof(want), "process %ld", (long)pid);
    assert_string_equal(holder, want);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(take(&l, "me\n", holder, &e), 0);
    assert_string_equal(contents("lock"), "me\n");
    lock_file_release(&l);
    close(told[0]);
}

/* What who may write in the folder puts there is neither followed nor written to. */
static void nothing_else_is_touched(void **state)
{
    struct lock_file l = LOCK_FILE_NULL;
    char holder[LOCK_FILE_HOLDER_MAX];
    struct err e = ERR_INIT;
    put("precious", "precious\n");
    for (int i = 0; i < 4; i++) {
        unlink("lock");
        assert_int_equal(i == 0   ? symlink("precious", "lock")
                         : i == 1 ? symlink("not-there", "lock")
                         : i == 2 ? mkfifo("lock", 0600)
                                  : mkdir("lock", 0700),
                         0);
        assert_int_equal(take(&l, "me\n", holder, &e), -EINVAL);
        assert_non_null(strstr(e.msg, "no regular file"));
        assert_string_equal(contents("precious"), "precious\n");
        assert_int_equal(access("not-there", F_OK), -1);
    }
    assert_int_equal(rmdir("lock"), 0);
    assert_int_equal(link("precious", "lock"), 0);
    assert_int_equal(take(&l, "me\n", holder, &e), 0);
    assert_true(lock_file_valid(&l));
    assert_string_equal(contents("precious"), "precious\n");
    assert_string_equal(contents("lock"), "me\n");
    lock_file_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_holder_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_process_frees_it, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_else_is_touched, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
