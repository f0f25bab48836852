/*
 * Check and reload: what goes live, what stays, what is tried again; and how one-shot runs end.
 */
#include "loop/renderer/fixture.h"

#include <errno.h>

#include "base/str.h"
#include "renderer/command.h"

static void a_check_of_the_staged_file_decides(void **state)
{
    struct fixture f;
    struct stat before, after;
    fixture_init(&f);
    fixture_reload(&f, "true");
    fixture_check(&f, "cp {{ .src }} seen && ! grep 10.0.0.66 {{.src}}");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, reloads(&f) == 1 && passes(&f) == 1);
    assert_int_equal(count_in(in_dir(&f, "seen"), "10.0.0.1:80"), 1);
    assert_int_equal(stat(f.file, &before), 0);

    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 2);
    /* the same content is not even looked at again */
    assert_int_equal(unlink(in_dir(&f, "seen")), 0);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 3);
    assert_false(exists(in_dir(&f, "seen")));
    assert_int_equal(stat(f.file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_file(&f, "10.0.0.66", false);
    assert_log(&f, "check failed, keeping previous upstreams", 1);
    assert_log(&f, "server 10.0.0.66:80;", 1); /* what the command printed */
    assert_log(&f, "exit status 1", 1);
    assert_no_leftovers(&f);
    assert_state(&f, "\"rejected\":true");

    fake_registry_put(&f.registry, "web", "10.0.0.2", 80);
    fake_registry_remove(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 4);
    assert_file(&f, "10.0.0.2:80", true);
    assert_int_equal(reloads(&f), 2);
    /* and back: rejected once more, and said once more */
    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 5);
    assert_log(&f, "check failed, keeping previous upstreams", 2);
    assert_file(&f, "10.0.0.66", false);
    fixture_deinit(&f);
}

static void any_other_check_is_a_trial(void **state)
{
    struct fixture f;
    struct stat before, after;
    fixture_init(&f);
    fixture_reload(&f, "true");
    fixture_check(&f, "cp up.conf seen && ! grep -q 10.0.0.66 up.conf");
    /* rejected where there was no file: there is none again */
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    assert_int_equal(count_in(in_dir(&f, "seen"), "10.0.0.66:80"), 1);
    assert_false(exists(f.file));
    assert_no_leftovers(&f);
    /* accepted */
    fake_registry_remove(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 2);
    assert_file(&f, "10.0.0.1:80", true);
    assert_no_leftovers(&f);
    assert_int_equal(chmod(f.file, 0604), 0);
    assert_int_equal(stat(f.file, &before), 0);
    /* rejected where there was a file: it is that very file again */
    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 3);
    assert_int_equal(count_in(in_dir(&f, "seen"), "10.0.0.66:80"), 1);
    assert_int_equal(stat(f.file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_file(&f, "10.0.0.66", false);
    assert_int_equal(reloads(&f), 1);
    assert_no_leftovers(&f);
    fixture_deinit(&f);
}

static void a_trial_through_a_link_keeps_the_link(void **state)
{
    struct fixture f;
    struct stat st;
    char real[300];
    fixture_init(&f);
    snprintf(real, sizeof(real), "%s/real.conf", f.dir);
    put_file(real, "old");
    assert_int_equal(symlink("real.conf", f.file), 0);
    fixture_check(&f, "! grep -q 10.0.0.66 up.conf");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    assert_int_equal(count_in(real, "old"), 1);
    fake_registry_clear(&f.registry);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 2);
    assert_int_equal(count_in(real, "10.0.0.1:80"), 1);
    assert_int_equal(lstat(f.file, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_no_leftovers(&f);
    fixture_deinit(&f);
}

/* A child begins a trial and is killed in the middle of its check. */
static void crash_on_trial(struct fixture *f)
{
    fixture_check(f, "touch running && kill -9 $PPID && sleep 60");
    pid_t child = fork();
    if (child == 0) {
        struct fixture mine;
        fixture_init_at(&mine, f->dir);
        mine.o.check = &f->check;
        fixture_start(&mine);
        fake_registry_put(&mine.registry, "web", "10.0.0.66", 80);
        fake_registry_push(&mine.registry);
        io_run(mine.io);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    f->o.check = NULL;
}

static void a_trial_that_a_crash_ended_is_taken_back(void **state)
{
    struct fixture f;
    fixture_init(&f);
    put_file(f.file, "from before");
    crash_on_trial(&f);
    assert_file(&f, "10.0.0.66", true);
    f.o.dry_run = true; /* touches nothing */
    fixture_start(&f);
    fixture_stop(&f);
    assert_file(&f, "10.0.0.66", true);
    f.o.dry_run = false;
    fixture_start(&f);
    assert_file(&f, "from before", true);
    assert_no_leftovers(&f);
    assert_log(&f, "its files from before are back", 1);
    fixture_deinit(&f);
}

static void a_trial_without_a_file_before_it_leaves_none(void **state)
{
    struct fixture f;
    fixture_init(&f);
    crash_on_trial(&f);
    assert_file(&f, "10.0.0.66", true);
    fixture_start(&f);
    assert_false(exists(f.file));
    assert_no_leftovers(&f);
    fixture_deinit(&f);
}

static void a_trial_that_cannot_be_taken_back_is_no_success(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_reload(&f, "true");
    put_file(f.file, "from before");
    fixture_check(&f, "rm -f .up.conf.tw-before; ! grep -q 10.0.0.66 up.conf");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) >= 1);
    assert_log(&f, "msg=\"check failed", 1);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) >= 2);
    assert_log(&f, "msg=published", 0);
    assert_int_equal(reloads(&f), 0);
    assert_state(&f, "\"rejected\":true");
    fake_registry_clear(&f.registry);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, reloads(&f) == 1);
    assert_file(&f, "10.0.0.1:80", true);
    assert_log(&f, "msg=published", 1);
    fixture_deinit(&f);
}

static void taking_back_is_tried_again(void **state)
{
    struct fixture f;
    char aside[300];
    fixture_init(&f);
    fixture_reload(&f, "test -e allowed");
    fixture_check(&f, "! grep -q 10.0.0.66 up.conf || "
                      "{ mv .up.conf.tw-before elsewhere; mkdir .up.conf.tw-before; false; }");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, count_in(f.log, "reload failed") == 1);
    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, count_in(f.log, "the file that failed its check is live") == 1);
    assert_file(&f, "10.0.0.66", true);
    /* by itself, with pauses, and without the reload that is owed: it would take the bad file */
    size_t before = passes(&f), told = reloads(&f);
    msec_t begun = io_now(f.io);
    loop_until(f.io, passes(&f) > before && io_now(f.io) - begun >= 1500);
    assert_in_range(passes(&f) - before, 1, 6);
    assert_int_equal(reloads(&f), told);
    assert_log(&f, "the file that failed its check is live", 1);
    snprintf(aside, sizeof(aside), "%s/.up.conf.tw-before", f.dir);
    assert_int_equal(rmdir(aside), 0);
    assert_int_equal(rename(in_dir(&f, "elsewhere"), aside), 0);
    put_file(in_dir(&f, "allowed"), "");
    loop_until(f.io, count_in(f.log, "reload succeeded") == 1);
    assert_file(&f, "10.0.0.66", false);
    assert_file(&f, "10.0.0.1:80", true);
    fixture_deinit(&f);
}

static void a_failed_reload_is_owed(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_reload(&f, "test -e allowed");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, reloads(&f) >= 2); /* by itself */
    assert_log(&f, "reload failed", 1);
    put_file(in_dir(&f, "allowed"), "");
    loop_until(f.io, count_in(f.log, "reload succeeded") == 1);
    assert_log(&f, "msg=published", 1);
    /* owed no more */
    size_t n = reloads(&f), seen = passes(&f);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) > seen);
    assert_int_equal(reloads(&f), n);
    fixture_deinit(&f);
}

static void a_rejected_file_does_not_stop_an_owed_reload(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_reload(&f, "test -e allowed");
    fixture_check(&f, "! grep -q 10.0.0.66 up.conf");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, count_in(f.log, "check failed") == 1);
    put_file(in_dir(&f, "allowed"), "");
    loop_until(f.io, count_in(f.log, "reload succeeded") == 1);
    assert_file(&f, "10.0.0.1:80", true);
    assert_file(&f, "10.0.0.66", false);
    fixture_deinit(&f);
}

static void a_change_during_the_check_follows_it(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_reload(&f, "true");
    /* the check of the first content lasts until the test has seen that it runs */
    fixture_check(&f, "touch running && while ! test -e go; do sleep 0.02; done; true {{.src}}");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    until_exists(&f, in_dir(&f, "running"));
    for (uint16_t port = 1; port <= 5; port++) {
        unsigned delivered = f.registry.delivered;
        fake_registry_put(&f.registry, "web", "10.0.0.2", port);
        fake_registry_push(&f.registry);
        loop_until(f.io, f.registry.delivered > delivered);
    }
    assert_false(exists(f.file));
    put_file(in_dir(&f, "go"), "");
    loop_until(f.io, passes(&f) == 2);
    assert_file(&f, "10.0.0.2:5;", true);
    assert_int_equal(reloads(&f), 2);
    fixture_deinit(&f);
}

static void stopping_ends_a_trial(void **state)
{
    struct fixture f;
    fixture_init(&f);
    put_file(f.file, "from before");
    fixture_check(&f, "touch running && sleep 60");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    until_exists(&f, in_dir(&f, "running"));
    assert_file(&f, "10.0.0.1:80", true);
    msec_t begun = io_now(f.io);
    fixture_stop(&f);
    assert_in_range(io_now(f.io) - begun, 0, 5000);
    assert_file(&f, "from before", true);
    assert_no_leftovers(&f);
    fixture_deinit(&f);
}

static void stopping_lets_a_reload_end(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_reload(&f, "sleep 0.3 && echo done > ended");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    until_exists(&f, in_dir(&f, "reloads"));
    fixture_stop(&f);
    assert_true(exists(in_dir(&f, "ended")));
    fixture_deinit(&f);
}

static void what_cannot_be_written_is_tried_again(void **state)
{
    struct fixture f;
    fixture_init(&f);
    snprintf(f.file, sizeof(f.file), "%s/in-the-way/up.conf", f.dir);
    put_file(in_dir(&f, "in-the-way"), "a file, not a folder");
    fixture_reload(&f, "true");
    struct err e = ERR_INIT;
    /* seen at start: it can never be read */
    assert_true(renderer_new(&f.r, f.io, &f.o, fixture_on_done, &f, &e) < 0);
    assert_non_null(strstr(e.msg, "in-the-way"));
    assert_int_equal(unlink(in_dir(&f, "in-the-way")), 0);
    fixture_start(&f);
    put_file(in_dir(&f, "in-the-way"), "a file, not a folder");
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) >= 2);
    assert_log(&f, "cannot publish, keeping previous upstreams", 1);
    assert_int_equal(reloads(&f), 0);
    assert_int_equal(unlink(in_dir(&f, "in-the-way")), 0);
    loop_until(f.io, exists(f.file) && reloads(&f) == 1);
    fixture_deinit(&f);
}

static void once_says_how_it_went(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.o.once = true;
    f.o.wait_min = f.o.wait_max = 3600 * MSEC_PER_SEC;
    fixture_reload(&f, "true");
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fixture_start(&f);
    fake_registry_push(&f.registry);
    fixture_end(&f, 0);
    assert_file(&f, "10.0.0.1:80", true);
    /* nothing to do is success */
    fixture_start(&f);
    fake_registry_push(&f.registry);
    fixture_end(&f, 0);
    assert_int_equal(reloads(&f), 1);
    fake_registry_put(&f.registry, "web", "10.0.0.2", 80);
    fixture_check(&f, "false");
    fixture_start(&f);
    fake_registry_push(&f.registry);
    fixture_end(&f, 1);
    assert_file(&f, "10.0.0.2:80", false);
    f.o.check = NULL;
    fixture_reload(&f, "false");
    fixture_start(&f);
    fake_registry_push(&f.registry);
    fixture_end(&f, 1);
    assert_file(&f, "10.0.0.2:80", true);
    fixture_deinit(&f);
}

static void once_holds_an_empty_table_too(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.o.once = true;
    f.o.hold = 100;
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fixture_start(&f);
    fake_registry_push(&f.registry);
    fixture_end(&f, 0);
    fake_registry_clear(&f.registry);
    fixture_start(&f);
    fake_registry_push(&f.registry);
    fixture_end(&f, 0);
    assert_int_equal(f.registry.refreshed, 1);
    assert_file(&f, "server 127.0.0.1:9 down;", true);
    fixture_deinit(&f);
}

static void once_does_not_wait_for_ever(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.o.once = true;
    put_file(f.file, "from before");
    fixture_start(&f);
    fake_registry_live(&f.registry, false);
    msec_t begun = io_now(f.io);
    fixture_end(&f, 1);
    assert_in_range(io_now(f.io) - begun, 9000, 15000);
    assert_file(&f, "from before", true);
    assert_log(&f, "giving up", 1);
    fixture_deinit(&f);
}

/* Runs to its end with stdout in a file; returns that file's path. */
static const char *run_printing(struct fixture *f)
{
    const char *path = in_dir(f, "stdout");
    int saved = dup(STDOUT_FILENO);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fflush(stdout);
    assert_true(saved >= 0 && fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    close(fd);
    fixture_start(f);
    fake_registry_push(&f->registry);
    loop_until(f->io, f->done);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    fixture_end(f, 0);
    return path;
}

static void without_output_it_prints_and_ends(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.o.n_outputs = 0;
    fixture_check(&f, "touch checked; false");
    fixture_reload(&f, "false");
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    assert_int_equal(count_in(run_printing(&f), "upstream web {\n    server 10.0.0.1:80;\n}\n"), 1);
    assert_false(exists(in_dir(&f, "checked")));
    assert_int_equal(reloads(&f), 0);
    fixture_deinit(&f);
}

static void a_dry_run_prints_and_touches_nothing(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_check(&f, "touch checked; false");
    fixture_reload(&f, "false");
    f.o.dry_run = true;
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    assert_int_equal(count_in(run_printing(&f), "upstream web {\n    server 10.0.0.1:80;\n}\n"), 1);
    assert_false(exists(f.file));
    assert_false(exists(in_dir(&f, "checked")));
    assert_log(&f, "would publish", 1);
    /* nothing to say about what is there already */
    f.o.dry_run = false;
    f.o.check = f.o.reload = NULL;
    f.o.once = true;
    run_printing(&f);
    f.o.dry_run = true;
    assert_int_equal(count_in(run_printing(&f), "upstream"), 0);
    assert_log(&f, "up to date", 1);
    fixture_deinit(&f);
}

static void src_is_one_word_of_the_shell(void **state)
{
    static const struct {
        const char *command, *src, *want;
    } cases[] = {
        {"nginx -t -c {{.src}}", "/etc/nginx/.up.conf.tw-a1",
         "nginx -t -c /etc/nginx/.up.conf.tw-a1"},
        {"a '{{ .src }}' b", "/x", "a '/x' b"},
        {"{{.src}}{{\t.src }}", "/x", "/x/x"},
        {"a {{.src}}", "/a b", "a '/a b'"},
        {"a {{.src}}", "/a'; rm -rf $(x)`", "a '/a'\\''; rm -rf $(x)`'"},
        {"a {{.dest}} {{.src {{ }}", "/x", "a {{.dest}} {{.src {{ }}"},
        {"{{{.src}}}", "/x", "{/x}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct command c = COMMAND_NULL;
        assert_int_equal(command_parse(&c, cases[i].command, NULL), 0);
        char **argv = command_argv(&c, cases[i].src);
        assert_string_equal(argv[0], "/bin/sh");
        assert_string_equal(argv[1], "-c");
        assert_string_equal(argv[2], cases[i].want);
        assert_null(argv[3]);
        assert_int_equal(command_names_src(&c), !streq(cases[i].command, cases[i].want));
        command_argv_free(argv);
        command_deinit(&c);
    }
}

static void an_array_is_an_argument_vector(void **state)
{
    struct command c = COMMAND_NULL;
    assert_int_equal(command_parse(&c, "[\"nginx\", \"-t {{.src}}\",\"a b\\n\", \"\"]", NULL), 0);
    assert_false(c.shell);
    assert_true(command_names_src(&c));
    char **argv = command_argv(&c, "/a 'b'");
    static const char *const want[] = {"nginx", "-t /a 'b'", "a b\n", "", NULL};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(want[i] ? streq(argv[i], want[i]) : !argv[i]);
    }
    command_argv_free(argv);
    command_deinit(&c);

    static const char *const bad[] = {"",       " \t",       "[\"nginx\"",     "[\"a\", 1]",
                                      "[\"\"]", "[\"a\"] x", "[\"a\\u0000b\"]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;
        if (command_parse(&c, bad[i], &e) != -EINVAL || !*e.msg) {
            fail_msg("%s is taken", bad[i]);
        }
    }
    /* the shell's own test command */
    assert_int_equal(command_parse(&c, "[ -f up.conf ] && true", NULL), 0);
    assert_true(c.shell);
    command_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_of_the_staged_file_decides),
        cmocka_unit_test(any_other_check_is_a_trial),
        cmocka_unit_test(a_trial_through_a_link_keeps_the_link),
        cmocka_unit_test(a_trial_that_a_crash_ended_is_taken_back),
        cmocka_unit_test(a_trial_without_a_file_before_it_leaves_none),
        cmocka_unit_test(a_trial_that_cannot_be_taken_back_is_no_success),
        cmocka_unit_test(taking_back_is_tried_again),
        cmocka_unit_test(a_failed_reload_is_owed),
        cmocka_unit_test(a_rejected_file_does_not_stop_an_owed_reload),
        cmocka_unit_test(a_change_during_the_check_follows_it),
        cmocka_unit_test(stopping_ends_a_trial),
        cmocka_unit_test(stopping_lets_a_reload_end),
        cmocka_unit_test(what_cannot_be_written_is_tried_again),
        cmocka_unit_test(once_says_how_it_went),
        cmocka_unit_test(once_holds_an_empty_table_too),
        cmocka_unit_test(once_does_not_wait_for_ever),
        cmocka_unit_test(without_output_it_prints_and_ends),
        cmocka_unit_test(a_dry_run_prints_and_touches_nothing),
        cmocka_unit_test(src_is_one_word_of_the_shell),
        cmocka_unit_test(an_array_is_an_argument_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
