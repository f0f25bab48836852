/*
 * Checking in place with real mount namespaces and the real nginx. Needs to be allowed to mount; what does
 * is skipped elsewhere, and what needs nginx where there is none.
 *
 * The tests run in a mount namespace of their own whose mounts propagate to its copies: a helper that did
 * not cut itself off would be seen here, and the host sees nothing either way.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "io/child.h"
#include "lib/loop_test.h"
#include "renderer/in_place.h"
#include "renderer/in_place_view.h"

#define SAY_ALLOWED "say-allowed" /* argv[1]: print whether checks in place are */

static const char *why_not; /* may not mount; NULL: may */
static char self[4096];     /* this program */

static struct {
    struct io *io;
    char *dir;
    struct child_job job;
    bool done;
    int code, exit_status, signal;
    char output[65536];
} t;

static void on_done(struct child_job *j, const struct child_result *res)
{
    t.done = true;
    t.code = res->code;
    t.exit_status = res->exit_status;
    t.signal = res->signal;
    str_copy(t.output, sizeof(t.output), res->output);
}

static void run_argv(const char *const *argv, msec_t deadline)
{
    struct err e = ERR_INIT;
    t.done = false;
    t.job.done = on_done;
    if (child_start(t.io, &t.job, argv, deadline, &e) < 0) {
        fail_msg("%s: %s", argv[0], e.msg);
    }
    loop_until_ms(t.io, 30000, t.done);
}

struct pairs {
    struct in_place_pair items[4];
};

static void run_pairs(const struct pairs *p, char *const *argv, msec_t deadline)
{
    size_t n = 0;
    while (n < ARRAY_LEN(p->items) && p->items[n].live) {
        n++;
    }
    CLEANUP_FREE const char **whole = in_place_argv(NULL, p->items, n, argv);
    run_argv(whole, deadline);
}

#define PAIRS(...)  (&(const struct pairs){{__VA_ARGS__}})
#define ARGV(...)   ((char *const *)(const char *const[]){__VA_ARGS__, NULL})
#define SH(script)  ARGV("sh", "-c", script)
#define run(p, cmd) run_pairs(p, cmd, 20000)

static void expect_exit(int status, const char *output)
{
    const char *why = NULL;
    bool lasting = false;
    if (t.code != 0 || t.exit_status != status || !streq(t.output, output) ||
        in_place_failed(t.exit_status, t.output, &lasting, &why)) {
        fail_msg("expected exit %d and \"%s\"; got code %d, exit %d, signal %d and \"%s\"", status,
                 output, t.code, t.exit_status, t.signal, t.output);
    }
}

static void expect_set_up_fault(const char *begin, const char *end)
{
    const char *why = NULL;
    bool lasting = false;
    if (t.code != 0 || !in_place_failed(t.exit_status, t.output, &lasting, &why) ||
        !str_starts(why, begin) || !str_ends(why, end)) {
        fail_msg("expected \"%s...%s\"; got code %d, exit %d, signal %d and \"%s\"", begin, end,
                 t.code, t.exit_status, t.signal, t.output);
    }
}

static void expect_said(const char *text)
{
    if (!strstr(t.output, text)) {
        fail_msg("no \"%s\" in \"%s\"", text, t.output);
    }
}

/* "<dir>/<name>"; a few results at a time. */
static char *in_dir(const char *name)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % ARRAY_LEN(paths)];
    snprintf(path, sizeof(paths[0]), "%s/%s", t.dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    struct err e = ERR_INIT;
    if (fs_replace(in_dir(name), text, strlen(text), FS_MODE_KEEP, false, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static void expect_file(const char *name, const char *text)
{
    struct buf b = BUF_INIT(65536);
    assert_int_equal(fs_read(in_dir(name), &b, NULL), 0);
    assert_string_equal(buf_str(&b), text);
    buf_deinit(&b);
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(in_dir(name), 0755), 0);
}

static void bind_over(const char *source, const char *target)
{
    if (mount(in_dir(source), in_dir(target), NULL, MS_BIND, NULL) < 0) {
        fail_msg("mount %s: %s", target, strerror(errno));
    }
}

static void unmount(const char *name)
{
    assert_int_equal(umount2(in_dir(name), MNT_DETACH), 0);
}

static char *mounts(void)
{
    struct buf b = BUF_INIT(4u << 20);
    assert_int_equal(fs_read("/proc/self/mountinfo", &b, NULL), 0);
    return buf_take(&b);
}

/* Mounts of others may go meanwhile, with the folders that they are on; none may come. */
static void expect_no_new_mounts(const char *before)
{
    CLEANUP_FREE char *after = mounts();
    for (char *rest = after, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (!strstr(before, line)) {
            fail_msg("there is a new mount: %s", line);
        }
    }
}

static int setup(void **state)
{
    t.io = loop_open();
    t.dir = loop_mkdir();
    assert_int_equal(chdir(t.dir), 0);
    *state = why_not ? NULL : mounts();
    return 0;
}

static int teardown(void **state)
{
    CLEANUP_FREE char *before = *state;
    if (before) {
        expect_no_new_mounts(before);
    }
    assert_int_equal(chdir("/"), 0);
    loop_rmdir(t.dir);
    loop_close(t.io);
    return 0;
}

#define NEEDS_MOUNTS()                                                                             \
    do {                                                                                           \
        if (why_not) {                                                                             \
            print_message("skipped: %s\n", why_not);                                               \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* ---- what needs no privilege ---- */

static void tells_failures_apart(void **state)
{
    static const struct {
        int status;
        const char *output, *why;
    } cases[] = {
        {IN_PLACE_STATUS, IN_PLACE_SAYS "because\n", "because\n"},
        {IN_PLACE_STATUS, "because\n" IN_PLACE_SAYS "because\n", NULL},
        {IN_PLACE_STATUS, "", NULL},
        {1, IN_PLACE_SAYS "because\n", NULL},
        {0, IN_PLACE_SAYS "because\n", NULL},
        {-1, IN_PLACE_SAYS "because\n", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *why = NULL;
        bool lasting = false;
        bool failed = in_place_failed(cases[i].status, cases[i].output, &lasting, &why);
        assert_int_equal(failed, cases[i].why != NULL);
        if (failed) {
            assert_string_equal(why, cases[i].why);
        }
    }
}

static void makes_an_argument_vector(void **state)
{
    const struct in_place_pair pairs[] = {{"s1", "l1"}, {"--", "+"}};
    CLEANUP_FREE const char **argv = in_place_argv("/p", pairs, 2, ARGV("c", "--", "+"));
    static const char *const wanted[] = {"/p", IN_PLACE_WORD, "+",  "s1", "l1", "+",
                                         "--", "+",           "--", "c",  "--", "+"};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_string_equal(argv[i], wanted[i]);
    }
    assert_null(argv[ARRAY_LEN(wanted)]);
    CLEANUP_FREE const char **own = in_place_argv(NULL, pairs, 0, ARGV("c"));
    assert_string_equal(own[0], "/proc/self/exe");
}

static void refuses_arguments_of_its_own_kind_only(void **state)
{
    static const char *const bad[][6] = {{NULL},
                                         {"--"},
                                         {"+", "a", "--", "true"},
                                         {"+", "a", "b", "true"},
                                         {"a", "b", "--", "true"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *argv[8] = {"/proc/self/exe", IN_PLACE_WORD};
        memcpy(argv + 2, bad[i], sizeof(bad[i]));
        run_argv(argv, 20000);
        expect_set_up_fault("the arguments of check-in-place", "own business\n");
    }
}

static void is_not_allowed_without_the_capability(void **state)
{
    if (geteuid() != 0 || access("/usr/bin/setpriv", X_OK) < 0) {
        print_message("skipped: only root with setpriv can drop what allows it\n");
        skip();
    }
    const char *const say[] = {
        "setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin",
        self,      SAY_ALLOWED,      NULL};
    run_argv(say, 20000);
    expect_exit(0, "no\n");

    put("up.conf", "live\n");
    put("staged", "new\n");
    const struct in_place_pair pair = {"staged", "up.conf"};
    CLEANUP_FREE const char **helper = in_place_argv(self, &pair, 1, ARGV("cat", "up.conf"));
    const char *argv[32] = {"setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"};
    for (size_t i = 0; helper[i]; i++) {
        argv[5 + i] = helper[i];
    }
    run_argv(argv, 20000);
    expect_set_up_fault("making a mount namespace: ", "Operation not permitted\n");
}

/* ---- the view ---- */

static void shows_the_candidate_to_the_command_alone(void **state)
{
    NEEDS_MOUNTS();
    put("up.conf", "live\n");
    put(".up.conf.tw-1", "new\n");
    struct stat before, after;
    assert_int_equal(stat("up.conf", &before), 0);
    char script[4096];
    snprintf(script, sizeof(script),
             "cat up.conf '%s/up.conf' .up.conf.tw-1 && cat /proc/$PPID/root'%s/up.conf' && "
             "! grep -vxFf mounts /proc/$PPID/mountinfo && ls -A",
             t.dir, t.dir);
    CLEANUP_FREE char *now = mounts();
    put("mounts", now);
    run(PAIRS({in_dir(".up.conf.tw-1"), in_dir("up.conf")}), SH(script));
    expect_exit(0, "new\nnew\nnew\nlive\n.up.conf.tw-1\nmounts\nup.conf\n");
    assert_int_equal(stat("up.conf", &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    expect_file("up.conf", "live\n");
    expect_file(".up.conf.tw-1", "new\n");
}

static void takes_relative_paths(void **state)
{
    NEEDS_MOUNTS();
    make_folder("d");
    put("d/up.conf", "live\n");
    put("staged", "new\n");
    put("check", "#!/bin/sh\necho \"$1\" && pwd && cat up.conf new.conf\n");
    assert_int_equal(chmod("check", 0755), 0);
    assert_int_equal(chdir("d"), 0);
    char wanted[1024];
    snprintf(wanted, sizeof(wanted), "a b\n%s/d\nnew\nnew\n", t.dir);
    /* also where the working folder is the one that is rebuilt */
    run(PAIRS({"../staged", "up.conf"}, {"../staged", "new.conf"}), ARGV("../check", "a b"));
    expect_exit(0, wanted);
    put("d/check", "#!/bin/sh\ncat up.conf");
    assert_int_equal(chmod("check", 0755), 0);
    run(PAIRS({"../staged", "./new.conf"}), ARGV("./check"));
    expect_exit(0, "live\n");
    run(PAIRS({"../staged", "up.conf"}), ARGV("./check"));
    expect_exit(0, "new\n");
}

static void follows_links(void **state)
{
    NEEDS_MOUNTS();
    make_folder("real");
    make_folder("links");
    put("real/up.conf", "live\n");
    put("staged", "new\n");
    assert_int_equal(symlink("../real/up.conf", "links/up.conf"), 0);
    run(PAIRS({"staged", "links/up.conf"}), SH("cat links/up.conf real/up.conf; readlink links/*"));
    expect_exit(0, "new\nnew\n../real/up.conf\n");
    expect_file("real/up.conf", "live\n");

    /* chains that end where there is nothing yet */
    assert_int_equal(symlink("second", "links/first"), 0);
    assert_int_equal(symlink(in_dir("real/late.conf"), "links/second"), 0);
    run(PAIRS({"staged", "links/first"}), SH("cat links/first real/late.conf; ls real links"));
    expect_exit(0, "new\nnew\nlinks:\nfirst\nsecond\nup.conf\n\nreal:\nlate.conf\nup.conf\n");
    assert_int_equal(access("real/late.conf", F_OK), -1);

    assert_int_equal(symlink("b", "links/a"), 0);
    assert_int_equal(symlink("a", "links/b"), 0);
    run(PAIRS({"staged", "links/a"}), SH("echo ran"));
    expect_set_up_fault("finding links/a: ", "symbolic links\n");
    assert_int_equal(symlink("nowhere/", "links/c"), 0);
    run(PAIRS({"staged", "links/c"}), SH("echo ran"));
    expect_set_up_fault("finding the ", "No such file or directory\n");
}

static void covers_what_is_a_mount_already(void **state)
{
    NEEDS_MOUNTS();
    put("source", "live\n");
    put("up.conf", "below\n");
    put("staged", "new\n");
    bind_over("source", "up.conf");
    run(PAIRS({"staged", "up.conf"}), SH("cat up.conf source"));
    expect_exit(0, "new\nlive\n");
    run(PAIRS({"staged", "other.conf"}), SH("cat up.conf other.conf"));
    expect_exit(0, "live\nnew\n");
    unmount("up.conf");
    expect_file("up.conf", "below\n");

    /* a folder that cannot be written to shows it all the same */
    make_folder("ro");
    put("ro/up.conf", "live\n");
    bind_over("ro", "ro");
    assert_int_equal(mount(NULL, "ro", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    run(PAIRS({"staged", "ro/up.conf"}), SH("cat ro/up.conf"));
    expect_exit(0, "new\n");
    run(PAIRS({"staged", "ro/new.conf"}), SH("cat ro/new.conf ro/up.conf"));
    expect_exit(0, "new\nlive\n");
    unmount("ro");
}

static void rebuilds_a_folder_whole(void **state)
{
    NEEDS_MOUNTS();
    make_folder("d");
    make_folder("d/sub");
    make_folder("d/sub/tmp");
    put("d/.hidden", "hidden\n");
    put("d/a b", "blank\n");
    put("d/secret", "secret\n");
    assert_int_equal(chmod("d/secret", 0), 0);
    assert_int_equal(symlink("a b", "d/link"), 0);
    assert_int_equal(symlink("nowhere", "d/dangling"), 0);
    assert_int_equal(mkfifo("d/fifo", 0600), 0);
    assert_int_equal(chmod("d", 01750), 0);
    assert_int_equal(chown("d", 12, 34), 0);
    assert_int_equal(mount("x", "d/sub/tmp", "tmpfs", MS_NOEXEC | MS_NOSUID, NULL), 0);
    put("d/sub/tmp/run", "#!/bin/sh\n");
    assert_int_equal(chmod("d/sub/tmp/run", 0755), 0);
    put("staged", "new\n");

    static const char script[] = "cd d && stat -c '%a %u %g' . && ls -A && readlink dangling && "
                                 "cat .hidden 'a b' secret link one two && test -p fifo && "
                                 "echo kept > sub/kept && echo gone > gone && "
                                 "stat -c %a secret && sub/tmp/run 2>&1 | grep -c denied";
    run(PAIRS({"staged", "d/one"}, {"staged", in_dir("d/two")}), SH(script));
    expect_exit(0,
                "1750 12 34\n.hidden\na b\ndangling\nfifo\nlink\none\nsecret\nsub\ntwo\nnowhere\n"
                "hidden\nblank\nsecret\nblank\nnew\nnew\n0\n1\n");
    /* what a command makes is real, but for new names in a rebuilt folder */
    expect_file("d/sub/kept", "kept\n");
    assert_int_equal(access("d/gone", F_OK), -1);
    assert_int_equal(access("d/one", F_OK), -1);
    unmount("d/sub/tmp");
}

static void rebuilds_folders_in_folders(void **state)
{
    NEEDS_MOUNTS();
    make_folder("d");
    make_folder("d/sub");
    put("d/sub/up.conf", "live\n");
    put("1", "1\n");
    put("2", "2\n");
    put("3", "3\n");
    static const char script[] = "cat d/x d/sub/y d/sub/up.conf";
    run(PAIRS({"1", "d/x"}, {"2", "d/sub/y"}, {"3", "d/sub/up.conf"}), SH(script));
    expect_exit(0, "1\n2\n3\n");
    run(PAIRS({"3", "d/sub/up.conf"}, {"2", "d/sub/y"}, {"1", "d/x"}), SH(script));
    expect_exit(0, "1\n2\n3\n");
}

static void takes_so_many_entries(void **state)
{
    NEEDS_MOUNTS();
    make_folder("d");
    put("staged", "new\n");
    for (unsigned i = 0; i < IN_PLACE_ENTRIES_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "d/%u", i);
        int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    run(PAIRS({"staged", "d/up.conf"}), SH("cat d/up.conf; ls d | wc -l"));
    expect_exit(0, "new\n4097\n");
    run(PAIRS({"staged", "d/up.conf"}, {"staged", "d/too.conf"}), SH("ls d | wc -l"));
    expect_exit(0, "4098\n");
    put("d/more", "");
    run(PAIRS({"staged", "d/up.conf"}), SH("cat d/up.conf"));
    expect_set_up_fault("showing a new file in ", "/d: the folder has more than 4096 entries\n");
    /* a file that is there needs no view of its folder */
    run(PAIRS({"staged", "d/more"}), SH("cat d/more"));
    expect_exit(0, "new\n");
}

static void says_what_it_could_not_do(void **state)
{
    NEEDS_MOUNTS();
    put("up.conf", "live\n");
    put("staged", "new\n");
    make_folder("folder");
    run(PAIRS({"nothing", "up.conf"}), SH("echo ran"));
    expect_set_up_fault("opening the staged file nothing: ", "No such file or directory\n");
    run(PAIRS({"staged", "no/up.conf"}), SH("echo ran"));
    expect_set_up_fault("finding the folder no/: ", "No such file or directory\n");
    run(PAIRS({"staged", "up.conf/x"}), SH("echo ran"));
    expect_set_up_fault("finding up.conf/x: ", "Not a directory\n");
    run(PAIRS({"staged", "folder"}), SH("echo ran"));
    expect_set_up_fault("mounting the staged file over ", "/folder: Not a directory\n");
    run(PAIRS({"staged", "/tidewaiter-no-such-file"}), SH("echo ran"));
    expect_set_up_fault("showing a new file in /: ", "cannot be covered\n");
}

/* ---- the command ---- */

static void passes_the_end_of_the_command_through(void **state)
{
    NEEDS_MOUNTS();
    put("up.conf", "live\n");
    put("staged", "new\n");
    const struct pairs *p = PAIRS({"staged", "up.conf"});
    run(p, SH("exit 0"));
    expect_exit(0, "");
    run(p, SH("echo out; echo err >&2; exit 3"));
    expect_exit(3, "out\nerr\n");
    run(p, SH("echo mine; exit 125"));
    expect_exit(125, "mine\n");
    run(p, SH("kill -KILL $$"));
    assert_int_equal(t.code, 0);
    assert_int_equal(t.exit_status, -1);
    assert_int_equal(t.signal, SIGKILL);
    run_pairs(p, SH("sleep 60"), 100);
    assert_int_equal(t.code, -ETIMEDOUT);
    run(p, ARGV("tidewaiter-no-such-program"));
    expect_exit(127, "running tidewaiter-no-such-program: No such file or directory\n");
    run(p, ARGV("./up.conf"));
    expect_exit(126, "running ./up.conf: Permission denied\n");
}

static void keeps_the_environment(void **state)
{
    NEEDS_MOUNTS();
    put("up.conf", "live\n");
    put("staged", "new\n");
    assert_int_equal(setenv("IN_PLACE_TEST", "a b", 1), 0);
    /* its own group, nothing to read, and no descriptor that the helper had open */
    run(PAIRS({"staged", "up.conf"}, {"staged", "new.conf"}),
        SH("echo \"$IN_PLACE_TEST\"; wc -c; ls /proc/$$/fd | tr '\\n' ' '; "
           "test \"$(cut -d' ' -f5 /proc/$$/stat)\" = $$ && echo leader"));
    unsetenv("IN_PLACE_TEST");
    expect_exit(0, "a b\n0\n0 1 2 leader\n");
}

/* ---- nginx ---- */

static const char *nginx_binary(void)
{
    static const char *const places[] = {"/usr/sbin/nginx", "/usr/bin/nginx",
                                         "/usr/local/sbin/nginx"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

#define GOOD "upstream web {\n    server 127.0.0.1:8001;\n}\n"
#define BAD  "upstream web {\n    server 127.0.0.1:8001;\n    serve 127.0.0.1:8002;\n}\n"

/* A whole configuration, which uses upstreams of files that it includes. */
static void put_site(void)
{
    char conf[4096];
    make_folder("conf.d");
    snprintf(conf, sizeof(conf),
             "pid %s/pid;\nerror_log %s/error.log;\nevents {}\nhttp {\n    access_log off;\n"
             "    client_body_temp_path %s/t1;\n    proxy_temp_path %s/t2;\n"
             "    fastcgi_temp_path %s/t3;\n    uwsgi_temp_path %s/t4;\n    scgi_temp_path %s/t5;\n"
             "    include %s/conf.d/*.conf;\n    include %s/extra.conf;\n    server {\n"
             "        listen 127.0.0.1:8000;\n        location / { proxy_pass http://web; }\n"
             "        location /b { proxy_pass http://extra; }\n    }\n}\n",
             t.dir, t.dir, t.dir, t.dir, t.dir, t.dir, t.dir, t.dir, t.dir);
    put("nginx.conf", conf);
    put("extra.conf", "upstream extra { server 127.0.0.1:8009; }\n");
}

static void asks_the_real_nginx(void **state)
{
    NEEDS_MOUNTS();
    if (!nginx_binary()) {
        print_message("skipped: nginx is not installed\n");
        skip();
    }
    put_site();
    CLEANUP_FREE char *conf = xstrdup(in_dir("nginx.conf"));
    char *const *argv = ARGV(nginx_binary(), "-t", "-c", conf);
    char place[640], live[512];
    snprintf(live, sizeof(live), "%s/conf.d/up.conf", t.dir);
    snprintf(place, sizeof(place), "unknown directive \"serve\" in %s:3\n", live);

    /* from the first file on */
    put("conf.d/.up.conf.tw-1", GOOD);
    run(PAIRS({in_dir("conf.d/.up.conf.tw-1"), live}), argv);
    expect_said("test is successful");
    assert_int_equal(t.exit_status, 0);
    assert_int_equal(access(live, F_OK), -1);
    put("conf.d/.up.conf.tw-2", BAD);
    run(PAIRS({in_dir("conf.d/.up.conf.tw-2"), live}), argv);
    assert_int_equal(t.exit_status, 1);
    expect_said(place);
    /* without any file the site is not whole, so it was really there */
    run(PAIRS({NULL, NULL}), argv);
    assert_int_equal(t.exit_status, 1);
    expect_said("host not found in upstream \"web\"");

    /* over a file that is live */
    put("conf.d/up.conf", GOOD "# live\n");
    struct stat before, after;
    assert_int_equal(stat(live, &before), 0);
    run(PAIRS({in_dir("conf.d/.up.conf.tw-1"), live}), argv);
    assert_int_equal(t.exit_status, 0);
    run(PAIRS({in_dir("conf.d/.up.conf.tw-2"), live}), argv);
    assert_int_equal(t.exit_status, 1);
    expect_said(place);
    assert_int_equal(stat(live, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
    assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
    expect_file("conf.d/up.conf", GOOD "# live\n");

    /* two files, good only together: the upstream moves from one to the other */
    put("conf.d/.up.conf.tw-3", "upstream extra { server 127.0.0.1:8009; }\n");
    put(".extra.conf.tw-1", GOOD);
    run(PAIRS({in_dir("conf.d/.up.conf.tw-3"), live},
              {in_dir(".extra.conf.tw-1"), in_dir("extra.conf")}),
        argv);
    assert_int_equal(t.exit_status, 0);
    run(PAIRS({in_dir("conf.d/.up.conf.tw-3"), live}), argv);
    assert_int_equal(t.exit_status, 1);
    expect_said("duplicate upstream \"extra\"");
}

/* ---- */

/* A namespace for all tests; why it cannot be had. */
static const char *enter_own_namespace(void)
{
    if (!in_place_allowed()) {
        return "this process may not make mount namespaces (CAP_SYS_ADMIN)";
    }
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0) {
        return strerror(errno);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1 && streq(argv[1], IN_PLACE_WORD)) {
        return in_place_main(argc, argv);
    }
    if (argc > 1 && streq(argv[1], SAY_ALLOWED)) {
        puts(in_place_allowed() ? "yes" : "no");
        return 0;
    }
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) {
        perror("/proc/self/exe");
        return 1;
    }
    why_not = enter_own_namespace();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_failures_apart),
        cmocka_unit_test(makes_an_argument_vector),
        cmocka_unit_test_setup_teardown(refuses_arguments_of_its_own_kind_only, setup, teardown),
        cmocka_unit_test_setup_teardown(is_not_allowed_without_the_capability, setup, teardown),
        cmocka_unit_test_setup_teardown(shows_the_candidate_to_the_command_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_relative_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(follows_links, setup, teardown),
        cmocka_unit_test_setup_teardown(covers_what_is_a_mount_already, setup, teardown),
        cmocka_unit_test_setup_teardown(rebuilds_a_folder_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(rebuilds_folders_in_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_so_many_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_it_could_not_do, setup, teardown),
        cmocka_unit_test_setup_teardown(passes_the_end_of_the_command_through, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_the_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(asks_the_real_nginx, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
