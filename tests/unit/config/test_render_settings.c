/*
 * What render's options mean beyond their types: nginx, owners, commands, and what may not go together.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "config/render_settings.h"

#define ARGV(...) ((char **)(const char *[]){__VA_ARGS__, NULL})

static char *nothing[] = {NULL};
static struct render_settings s;

static int load_with(char **argv, char **envp, const char *file, struct err *e)
{
    struct options_input input = {.argv = argv, .envp = envp, .default_file = file};
    while (argv[input.argc]) {
        input.argc++;
    }
    options_deinit(&s.base);
    return render_settings_load(&s, &input, e);
}

static void load(char **argv)
{
    struct err e = ERR_INIT;
    if (load_with(argv, nothing, NULL, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static void refused(char **argv, const char *message)
{
    struct err e = ERR_INIT;
    assert_int_equal(load_with(argv, nothing, NULL, &e), -EINVAL);
    assert_int_equal(e.class, ERR_INVALID);
    assert_string_equal(e.msg, message);
}

static int teardown(void **state)
{
    options_deinit(&s.base);
    return 0;
}

static void has_its_defaults(void **state)
{
    load(nothing);
    assert_null(s.output);
    assert_null(s.stream_output);
    assert_null(s.nginx);
    assert_null(s.docker.url);
    assert_int_equal(s.max_drop, 100);
    assert_int_equal(s.old_workers, 32);
    assert_true(s.uid == (uid_t)-1);
    assert_true(s.gid == (gid_t)-1);
    assert_false(s.strict || s.backup || s.diff);
}

static void takes_its_options(void **state)
{
    load(ARGV("--stream-output", "/s", "--nginx", "container:web-1", "--docker", "tcp://h:1",
              "--docker-cert-path", "/certs", "--docker-tls-verify", "--strict", "--max-drop", "30",
              "--backup", "--old-workers=0", "--diff", "--wait", "0"));
    assert_string_equal(s.stream_output, "/s");
    assert_string_equal(s.nginx, "container:web-1");
    assert_string_equal(s.docker.url, "tcp://h:1");
    assert_string_equal(s.docker.cert_path, "/certs");
    assert_true(s.docker.tls_verify && s.strict && s.backup && s.diff);
    assert_int_equal(s.max_drop, 30);
    assert_int_equal(s.old_workers, 0);
    assert_int_equal(s.wait.min, 0);
    assert_int_equal(s.wait.max, 0);
    load(ARGV("--wait", "0:2s"));
    assert_int_equal(s.wait.max, 2000);
}

static void takes_nginx_where_it_runs(void **state)
{
    static const char *const good[] = {"local", "local:/etc/nginx/nginx.conf", "container:web",
                                       "container:a_b.c-1", "container:0123456789ab"};
    static const char *const bad[] = {"Local",         "local:",        "local:nginx.conf",
                                      "container",     "container:",    "container:-a",
                                      "container:a b", "container:a/b", "remote:host",
                                      "local "};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        load(ARGV("-o", "/x", "--nginx", good[i]));
        assert_string_equal(s.nginx, good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char message[256];
        snprintf(message, sizeof(message),
                 "--nginx: found \"%s\", allowed: local, local:/PATH/nginx.conf or container:NAME",
                 bad[i]);
        refused(ARGV("-o", "/x", "--nginx", bad[i]), message);
    }
    load(ARGV("--nginx="));
    assert_null(s.nginx);
}

static void finds_owners(void **state)
{
    const struct passwd *user = getpwnam("daemon");
    const struct group *group = getgrnam("daemon");
    assert_non_null(user);
    assert_non_null(group);
    load(ARGV("--owner", "daemon", "--group", "daemon"));
    assert_int_equal(s.uid, user->pw_uid);
    assert_int_equal(s.gid, group->gr_gid);
    load(ARGV("--owner", "4294967294", "--group=0"));
    assert_true(s.uid == 4294967294u);
    assert_int_equal(s.gid, 0);
    load(ARGV("--owner=keep", "--group="));
    assert_true(s.uid == (uid_t)-1);
    assert_true(s.gid == (gid_t)-1);

    refused(
        ARGV("--owner", "no-such-user"),
        "--owner: found \"no-such-user\", allowed: keep, a user of this host, or a number up to "
        "4294967294");
    refused(ARGV("--group", "no-such-group"),
            "--group: found \"no-such-group\", allowed: keep, a group of this host, or a number up "
            "to 4294967294");
    refused(ARGV("--owner", "4294967295"),
            "--owner: found \"4294967295\", allowed: keep, a user of "
            "this host, or a number up to 4294967294");
    /* also where a stronger source outdoes it */
    struct err e = ERR_INIT;
    assert_int_equal(load_with(ARGV("--owner=0"), ARGV("TIDEWAITER_OWNER=no-such-user"), NULL, &e),
                     -EINVAL);
    assert_memory_equal(e.msg, "TIDEWAITER_OWNER: found \"no-such-user\"", 38);
}

static void takes_commands(void **state)
{
    load(ARGV("--check", "nginx -t", "--reload", "[\"nginx\",\"-s\",\"\"]"));
    assert_string_equal(s.check, "nginx -t");
    assert_string_equal(s.reload, "[\"nginx\",\"-s\",\"\"]");
    load(ARGV("--check", "", "--reload", "[ -f /x ] && true"));
    assert_null(s.check);
    assert_string_equal(s.reload, "[ -f /x ] && true");

    static const char *const bad[] = {"  ",      "[\"nginx\"",       "[\"nginx\", 1]",
                                      "[\"\"]",  "[\"nginx\"] && x", "[\"nginx\", [\"-t\"]]",
                                      "[\"a\",]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char message[256];
        snprintf(message, sizeof(message),
                 "--check: found \"%s\", allowed: a command for the shell, or an array of strings "
                 "such as [\"nginx\",\"-t\"] whose first is the program",
                 bad[i]);
        refused(ARGV("--check", bad[i]), message);
    }
}

/* Loads what is in the render section, and returns the file's path. */
static const char *load_file(const char *section, struct err *e, int *ret)
{
    static char path[] = "/tmp/tidewaiter-render-XXXXXX";
    str_copy(path + sizeof(path) - 7, 7, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    char text[1024];
    int len = snprintf(text, sizeof(text), "render:\n%s", section);
    assert_int_equal(fs_replace(path, text, (size_t)len, FS_MODE_KEEP, false, NULL), 0);
    *ret = load_with(nothing, nothing, path, e);
    unlink(path);
    return path;
}

static void takes_commands_from_a_file(void **state)
{
    struct err e = ERR_INIT;
    int r;
    load_file("  check: [nginx, -t, \"a \\\"b\\\"\", '1', \"~\", \"\"]\n"
              "  reload:\n    - systemctl\n    - reload\n    - nginx\n",
              &e, &r);
    if (r < 0) {
        fail_msg("%s", e.msg);
    }
    assert_string_equal(s.check, "[\"nginx\",\"-t\",\"a \\\"b\\\"\",\"1\",\"~\",\"\"]");
    assert_string_equal(s.reload, "[\"systemctl\",\"reload\",\"nginx\"]");
    assert_true(str_ends(options_origin(&s.base, "check")->text, ":2:10"));
    assert_true(str_ends(options_origin(&s.base, "reload")->text, ":4:5"));

    /* what --check-config prints is read back as the same */
    struct buf shown = BUF_INIT(65536);
    options_show(&s.base, &shown);
    const char *line = strstr(buf_str(&shown), "  check: ");
    assert_non_null(line);
    assert_memory_equal(line, "  check: [\"nginx\",\"-t\",\"a \\\"b\\\"\",\"1\",\"~\",\"\"] ", 45);
    CLEANUP_FREE char *again = xmemdup0(line, strcspn(line, "\n") + 1);
    buf_deinit(&shown);
    load_file(again, &e, &r);
    assert_int_equal(r, 0);
    assert_string_equal(s.check, "[\"nginx\",\"-t\",\"a \\\"b\\\"\",\"1\",\"~\",\"\"]");

    load_file("  check: nginx -t\n", &e, &r);
    assert_int_equal(r, 0);
    assert_string_equal(s.check, "nginx -t");
    load_file("  check:\n", &e, &r);
    assert_int_equal(r, 0);
    assert_null(s.check);

    static const struct {
        const char *section, *message; /* behind the file's name */
    } bad[] = {
        {"  check: []\n", ":2:11: found nothing, allowed: a list of plain values, the first of "
                          "which names a program"},
        {"  check: ['']\n", ":2:11: found nothing, allowed: a list of plain values, the first of "
                            "which names a program"},
        {"  check: [a, ~]\n", ":2:14: found nothing, allowed: a list of plain values, the first of "
                              "which names a program"},
        {"  check: [a, [b]]\n", ":2:14: found a list, allowed: a list of plain values, the first "
                                "of which names a program"},
        {"  check: {a: b}\n", ":2:10: found a mapping, allowed: a command for the shell, or an "
                              "array of strings such as [\"nginx\",\"-t\"] whose first is the "
                              "program"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *path = load_file(bad[i].section, &e, &r);
        assert_int_equal(r, -EINVAL);
        assert_memory_equal(e.msg, path, strlen(path));
        assert_string_equal(e.msg + strlen(path), bad[i].message);
    }
}

static void hides_passwords_of_commands(void **state)
{
    load(
        ARGV("--check", "[\"curl\",\"http://u:secret@h/\"]", "--reload", "curl http://u:secret@h"));
    struct buf shown = BUF_INIT(65536);
    options_show(&s.base, &shown);
    assert_non_null(strstr(buf_str(&shown), "check: [\"curl\",\"http://u:***@h/\"] "));
    assert_non_null(strstr(buf_str(&shown), "reload: \"curl http://u:***@h\" "));
    assert_null(strstr(buf_str(&shown), "secret"));
    buf_deinit(&shown);
}

static void refuses_what_does_not_go_together(void **state)
{
    refused(ARGV("-o", "/x", "--diff", "--dry-run"),
            "--diff: found with dry-run, allowed: one of the two");
    refused(ARGV("--diff"), "--diff: found without output and stream-output, allowed: with a file "
                            "to compare with");
    refused(ARGV("-o", "/x", "--stream-output", "/x"),
            "--stream-output: found the file of output, allowed: a file of its own");
    refused(ARGV("-o", "/x", "--max-drop", "99", "--hold", "0"),
            "--max-drop: found with a hold of 0, which holds nothing, allowed: with a longer hold");
    refused(ARGV("--nginx", "local"), "--nginx: found without output and stream-output, allowed: "
                                      "with a file that it reads");
    refused(ARGV("--max-drop", "0"),
            "--max-drop: found \"0\", allowed: a whole number from 1 to 100");
    refused(ARGV("--max-drop", "101"),
            "--max-drop: found \"101\", allowed: a whole number from 1 to 100");

    load(ARGV("--stream-output", "/x", "--nginx", "local", "--diff"));
    load(ARGV("--max-drop", "100", "--hold", "0"));
    load(ARGV("--owner", "0", "--group", "0", "--mode", "0600", "--backup"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(has_its_defaults, teardown),
        cmocka_unit_test_teardown(takes_its_options, teardown),
        cmocka_unit_test_teardown(takes_nginx_where_it_runs, teardown),
        cmocka_unit_test_teardown(finds_owners, teardown),
        cmocka_unit_test_teardown(takes_commands, teardown),
        cmocka_unit_test_teardown(takes_commands_from_a_file, teardown),
        cmocka_unit_test_teardown(hides_passwords_of_commands, teardown),
        cmocka_unit_test_teardown(refuses_what_does_not_go_together, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
