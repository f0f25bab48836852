/*
 * An nginx that judges: what it refuses is left out or put back, what it cannot be told stays owed.
 */
#include "loop/renderer/fixture.h"

#include <sys/resource.h>

#include "base/str.h"
#include "renderer/in_place.h"

struct scene {
    struct fixture f;
    struct fake_nginx nginx;
    const char *bad; /* what the judge does not take, in the http file */
    bool at_reload;  /* it says so only at the reload */
    char said[512];
};

/* The line of the file that holds text, from 1; 0: none. */
static size_t line_of(const char *path, const char *text)
{
    struct buf b = BUF_INIT(16u << 20);
    size_t line = 0;
    if (fs_read(path, &b, NULL) == 0) {
        const char *at = strstr(buf_str(&b), text);
        for (const char *p = buf_str(&b); at && p <= at; p++) {
            line += p == buf_str(&b) || p[-1] == '\n';
        }
    }
    buf_deinit(&b);
    return line;
}

/* Looks at the live file, as the real one does. */
static enum nginx_outcome judge(struct fake_nginx *n, bool reload)
{
    struct scene *s = n->ctx;
    size_t line = s->bad && reload == s->at_reload ? line_of(s->f.file, s->bad) : 0;
    if (line == 0) {
        return NGINX_ACCEPTED;
    }
    snprintf(s->said, sizeof(s->said),
             "nginx: [emerg] invalid parameter \"x\" in %s:%zu\n"
             "nginx: configuration file /etc/nginx/nginx.conf test failed\n",
             s->f.file, line);
    n->said = s->said;
    return NGINX_REFUSED;
}

static void scene_init(struct scene *s)
{
    *s = (struct scene){0};
    fixture_init(&s->f);
    fake_nginx_init(&s->nginx, s->f.io);
    s->nginx.ctx = s;
    s->nginx.judge = judge;
    s->f.o.nginx = &s->nginx.base;
}

static void put_two(struct scene *s)
{
    fake_registry_put(&s->f.registry, "api", "10.0.1.1", 80);
    fake_registry_put(&s->f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&s->f.registry);
}

static void what_is_refused_is_left_out(void **state)
{
    for (int at_reload = 0; at_reload <= 1; at_reload++) {
        struct scene s;
        scene_init(&s);
        s.bad = "10.0.0.66";
        s.at_reload = at_reload;
        fixture_start(&s.f);
        put_two(&s);
        loop_until(s.f.io, passes(&s.f) == 1);
        fake_registry_put(&s.f.registry, "web", "10.0.0.2", 80);
        fake_registry_put(&s.f.registry, "web", "10.0.0.66", 80);
        fake_registry_push(&s.f.registry);
        loop_until(s.f.io, passes(&s.f) == 2);
        assert_file(&s.f, "10.0.0.66", false);
        assert_file(&s.f, "10.0.0.2:80", true);
        assert_file(&s.f, "10.0.1.1:80", true);
        assert_log(&s.f, "nginx refused a part of the file", 1);
        assert_log(&s.f, "id=n:10.0.0.66:80", 1);
        assert_state(&s.f, "\"refused_by_nginx\":1");
        assert_no_leftovers(&s.f);
        /* another change does not bring it back, its own does */
        fake_registry_put(&s.f.registry, "api", "10.0.1.2", 80);
        fake_registry_push(&s.f.registry);
        loop_until(s.f.io, passes(&s.f) == 3);
        assert_file(&s.f, "10.0.1.2:80", true);
        assert_log(&s.f, "nginx refused a part of the file", 1);
        s.bad = NULL;
        fake_registry_put(&s.f.registry, "web", "10.0.0.3", 80);
        fake_registry_push(&s.f.registry);
        loop_until(s.f.io, passes(&s.f) == 4);
        assert_file(&s.f, "10.0.0.66", true);
        assert_state(&s.f, "\"refused_by_nginx\":0");
        fixture_deinit(&s.f);
    }
}

static void strict_rejects_the_whole(void **state)
{
    for (int at_reload = 0; at_reload <= 1; at_reload++) {
        struct scene s;
        scene_init(&s);
        s.bad = "10.0.0.66";
        s.at_reload = at_reload;
        s.f.o.strict = true;
        fixture_start(&s.f);
        put_two(&s);
        loop_until(s.f.io, passes(&s.f) == 1);
        fake_registry_put(&s.f.registry, "api", "10.0.1.2", 80);
        fake_registry_put(&s.f.registry, "web", "10.0.0.66", 80);
        fake_registry_push(&s.f.registry);
        loop_until(s.f.io, passes(&s.f) == 2);
        assert_file(&s.f, "10.0.1.2", false);
        assert_file(&s.f, "10.0.0.1:80", true);
        assert_log(&s.f, at_reload ? "nginx refused the reload" : "check failed", 1);
        assert_log(&s.f, "invalid parameter", 1);
        assert_state(&s.f, "\"rejected\":true");
        assert_state(&s.f, "\"reload_owed\":false");
        assert_no_leftovers(&s.f);
        /* the same bytes are not tried again at once */
        unsigned asked = s.nginx.checks + s.nginx.reloads;
        fake_registry_push(&s.f.registry);
        loop_until(s.f.io, passes(&s.f) == 3);
        assert_int_equal(s.nginx.checks + s.nginx.reloads, asked);
        fake_registry_remove(&s.f.registry, "web", "10.0.0.66", 80);
        fake_registry_push(&s.f.registry);
        loop_until(s.f.io, passes(&s.f) == 4);
        assert_file(&s.f, "10.0.1.2:80", true);
        fixture_deinit(&s.f);
    }
}

static void a_fault_elsewhere_rejects_the_whole(void **state)
{
    struct scene s;
    scene_init(&s);
    s.nginx.judge = NULL;
    s.nginx.check_outcome = NGINX_REFUSED;
    s.nginx.said = "nginx: [emerg] unknown directive \"servr\" in /etc/nginx/sites/a:3\n";
    fixture_start(&s.f);
    put_two(&s);
    loop_until(s.f.io, passes(&s.f) == 1);
    assert_false(exists(s.f.file));
    assert_int_equal(s.nginx.checks, 1);
    assert_log(&s.f, "check failed", 1);
    assert_no_leftovers(&s.f);
    fixture_deinit(&s.f);
}

static void two_files_are_one_change(void **state)
{
    struct scene s;
    scene_init(&s);
    s.f.o.n_outputs = 2;
    fixture_start(&s.f);
    fake_registry_put_attr(&s.f.registry, "db", "10.0.2.1", 5432, "nginx", "stream");
    put_two(&s);
    loop_until(s.f.io, passes(&s.f) == 1);
    assert_file(&s.f, "10.0.0.1:80", true);
    assert_int_equal(count_in(s.f.stream_file, "10.0.2.1:5432"), 1);
    assert_int_equal(s.nginx.checks, 1);
    assert_int_equal(s.nginx.reloads, 1);
    /* only one of them changes; the other stays the file that it was */
    struct stat before, after;
    assert_int_equal(stat(s.f.file, &before), 0);
    fake_registry_put_attr(&s.f.registry, "db", "10.0.2.2", 5432, "nginx", "stream");
    fake_registry_push(&s.f.registry);
    loop_until(s.f.io, passes(&s.f) == 2);
    assert_int_equal(stat(s.f.file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(s.nginx.reloads, 2);
    assert_no_leftovers(&s.f);
    fixture_deinit(&s.f);
}

static void an_owed_reload_outlives_the_process(void **state)
{
    struct scene s;
    scene_init(&s);
    s.nginx.judge = NULL;
    s.nginx.reload_outcome = NGINX_UNREACHED;
    fixture_start(&s.f);
    put_two(&s);
    loop_until(s.f.io, passes(&s.f) >= 1);
    assert_log(&s.f, "reload failed", 1);
    assert_state(&s.f, "\"reload_owed\":true");
    assert_state(&s.f, "\"owed_why\":\"the test says so\"");
    fixture_stop(&s.f);
    /* before any listing */
    s.nginx.reload_outcome = NGINX_ACCEPTED;
    unsigned reloads = s.nginx.reloads;
    fixture_start(&s.f);
    loop_until(s.f.io, s.nginx.reloads == reloads + 1 && passes(&s.f) > 0 &&
                           count_in(s.f.log, "it is still owed") == 1);
    loop_until(s.f.io, !exists(in_dir(&s.f, ".up.conf.tw-state")));
    fake_registry_push(&s.f.registry);
    size_t seen = passes(&s.f);
    loop_until(s.f.io, passes(&s.f) > seen);
    assert_int_equal(s.nginx.reloads, reloads + 1);
    assert_no_leftovers(&s.f);
    fixture_deinit(&s.f);
}

static void a_kill_between_swap_and_reload_loses_nothing(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_reload(&f, "kill -9 $PPID && sleep 60");
    pid_t child = fork();
    if (child == 0) {
        struct fixture mine;
        fixture_init_at(&mine, f.dir);
        mine.o.reload = &f.reload;
        fixture_start(&mine);
        fake_registry_put(&mine.registry, "web", "10.0.0.1", 80);
        fake_registry_push(&mine.registry);
        io_run(mine.io);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_file(&f, "10.0.0.1:80", true);
    assert_int_equal(reloads(&f), 1);
    fixture_reload(&f, "true");
    fixture_start(&f);
    loop_until(f.io, reloads(&f) == 2 && passes(&f) == 1);
    assert_no_leftovers(&f);
    fixture_deinit(&f);
}

static void a_crowd_of_old_workers_is_waited_for(void **state)
{
    struct scene s;
    scene_init(&s);
    s.f.o.old_workers = 2;
    s.f.o.wait_max = 3600 * MSEC_PER_SEC;
    fixture_start(&s.f);
    put_two(&s);
    loop_until(s.f.io, passes(&s.f) == 1);
    s.nginx.old_workers = 3;
    for (uint16_t port = 1; port <= 3; port++) {
        fake_registry_put(&s.f.registry, "web", "10.0.0.2", port);
        fake_registry_push(&s.f.registry);
        unsigned counts = s.nginx.counts;
        loop_until(s.f.io, s.nginx.counts >= counts + 2);
    }
    assert_file(&s.f, "10.0.0.2", false);
    assert_int_equal(s.nginx.reloads, 1);
    assert_log(&s.f, "old workers", 1);
    s.nginx.old_workers = 2;
    loop_until(s.f.io, s.nginx.reloads == 2);
    assert_file(&s.f, "10.0.0.2:3;", true);
    fixture_deinit(&s.f);
}

static void a_crowd_is_not_waited_for_longer_than_max(void **state)
{
    struct scene s;
    scene_init(&s);
    s.f.o.old_workers = 2;
    s.f.o.wait_max = 300;
    s.nginx.old_workers = 3;
    fixture_start(&s.f);
    put_two(&s);
    msec_t begun = io_now(s.f.io);
    loop_until(s.f.io, s.nginx.reloads == 1);
    assert_true(io_now(s.f.io) - begun >= 300);
    assert_in_range(s.nginx.counts, 3, 6);
    fixture_deinit(&s.f);
}

static void a_large_drop_is_held(void **state)
{
    struct scene s;
    scene_init(&s);
    s.f.o.max_drop = 40;
    s.f.o.hold = 200;
    fixture_start(&s.f);
    put_two(&s);
    loop_until(s.f.io, passes(&s.f) == 1);
    s.f.registry.silent = true;
    fake_registry_remove(&s.f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&s.f.registry);
    loop_until(s.f.io, s.f.registry.refreshed == 1);
    assert_file(&s.f, "10.0.0.1:80", true);
    assert_log(&s.f, "too many servers would go", 1);
    fake_registry_push_fresh(&s.f.registry);
    loop_until(s.f.io, s.nginx.reloads == 2);
    assert_file(&s.f, "10.0.0.1:80", false);
    assert_log(&s.f, "a fresh listing confirms", 1);
    fixture_deinit(&s.f);
}

static void a_confirmed_loss_is_held_once(void **state)
{
    struct scene s;
    scene_init(&s);
    s.f.o.max_drop = 40;
    s.f.o.hold = 200;
    fixture_start(&s.f);
    fake_registry_put(&s.f.registry, "api", "10.0.1.2", 80);
    fake_registry_put(&s.f.registry, "api", "10.0.1.3", 80);
    fake_registry_put(&s.f.registry, "api", "10.0.1.4", 80);
    put_two(&s);
    loop_until(s.f.io, passes(&s.f) == 1);
    s.bad = "10.0.0.66"; /* the pass that the listing has confirmed takes another round */
    s.f.registry.silent = true;
    fake_registry_clear(&s.f.registry);
    fake_registry_put(&s.f.registry, "web", "10.0.0.66", 80);
    fake_registry_put(&s.f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&s.f.registry);
    loop_until(s.f.io, s.f.registry.refreshed == 1);
    fake_registry_push_fresh(&s.f.registry);
    loop_until(s.f.io, s.nginx.reloads == 2);
    assert_int_equal(s.f.registry.refreshed, 1);
    assert_log(&s.f, "too many servers would go", 1);
    assert_log(&s.f, "a fresh listing confirms", 1);
    fixture_deinit(&s.f);
}

/* Refuses every candidate that has "aaa", and the live file for another service's line. */
static enum nginx_outcome judge_the_owed(struct fake_nginx *n, bool reload)
{
    struct scene *s = n->ctx;
    if (!s->bad) {
        return reload ? NGINX_UNREACHED : NGINX_ACCEPTED;
    }
    if (!reload) {
        n->said = "nginx: [emerg] unknown directive \"servr\" in /etc/nginx/sites/a:3\n";
        return NGINX_REFUSED;
    }
    snprintf(s->said, sizeof(s->said), "nginx: [emerg] invalid parameter \"x\" in %s:%zu\n",
             s->f.file, line_of(s->f.file, "10.0.1.1"));
    n->said = s->said;
    return NGINX_REFUSED;
}

static void nobody_is_blamed_for_a_file_of_before(void **state)
{
    struct scene s;
    scene_init(&s);
    s.nginx.judge = judge_the_owed;
    fixture_start(&s.f);
    put_two(&s);
    loop_until(s.f.io, passes(&s.f) == 1);
    s.bad = "from now on";
    fake_registry_put(&s.f.registry, "aaa", "10.9.9.9", 80);
    fake_registry_push(&s.f.registry);
    loop_until(s.f.io, count_in(s.f.log, "nginx refused the reload") == 1);
    assert_log(&s.f, "nginx refused a part of the file", 0);
    fixture_deinit(&s.f);
}

static double cpu_seconds(void)
{
    struct rusage u;
    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void a_hold_that_is_due_behind_a_reload_costs_nothing(void **state)
{
    struct scene s;
    scene_init(&s);
    s.f.o.hold = 300;
    s.nginx.judge = NULL;
    s.nginx.reload_outcome = NGINX_UNREACHED;
    fixture_start(&s.f);
    put_two(&s);
    loop_until(s.f.io, passes(&s.f) >= 1);
    s.f.registry.silent = true;
    s.nginx.slow = true;
    fake_registry_clear(&s.f.registry);
    fake_registry_push(&s.f.registry);
    unsigned before = s.nginx.reloads;
    loop_until(s.f.io, s.nginx.reloads > before);
    struct io_timer tick = {0};
    io_timer_start(s.f.io, &tick, 0, fixture_on_tick);
    msec_t begun = io_now(s.f.io);
    double used = cpu_seconds();
    loop_until(s.f.io, io_now(s.f.io) - begun > 2000);
    used = cpu_seconds() - used;
    io_timer_stop(&tick);
    if (used > 1.0) {
        fail_msg("%.2f s of 2 s were spent on waiting", used);
    }
    fixture_deinit(&s.f);
}

static void stopping_in_every_state_ends(void **state)
{
    struct scene s;
    scene_init(&s);
    s.nginx.slow = true;
    fixture_start(&s.f);
    put_two(&s);
    loop_until(s.f.io, s.nginx.reloads == 1);
    fixture_stop(&s.f); /* after the grace */
    assert_int_equal(s.nginx.cancels, 1);
    assert_log(&s.f, "it stays owed", 1);
    assert_true(exists(in_dir(&s.f, ".up.conf.tw-state")));
    s.nginx.slow = false;
    fixture_start(&s.f);
    fixture_stop(&s.f); /* at once */
    fixture_deinit(&s.f);
}

static void root_checks_in_place(void **state)
{
    struct fixture f;
    struct stat before, after;
    fixture_init(&f);
    if (!mount_rights(true) || !in_place_allowed()) {
        print_message("mount namespaces are not allowed here\n");
        fixture_deinit(&f);
        skip();
    }
    put_file(f.file, "from before");
    assert_int_equal(stat(f.file, &before), 0);
    fixture_reload(&f, "true");
    fixture_check(&f, "cat up.conf > seen; ! grep -q 10.0.0.66 up.conf");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.66", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    assert_int_equal(count_in(in_dir(&f, "seen"), "10.0.0.66:80"), 1);
    assert_file(&f, "from before", true);
    assert_int_equal(stat(f.file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(reloads(&f), 0);
    assert_log(&f, "to=promote", 0);
    fake_registry_clear(&f.registry);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, reloads(&f) == 1 && passes(&f) == 2);
    assert_file(&f, "10.0.0.1:80", true);
    assert_no_leftovers(&f);
    fixture_deinit(&f);
}

static void a_check_that_cannot_run_judges_nothing(void **state)
{
    struct fixture f;
    fixture_init(&f);
    put_file(f.file, "from before");
    struct command none = COMMAND_NULL;
    assert_int_equal(command_parse(&none, "[\"/nonexistent/judge\"]", NULL), 0);
    f.o.check = &none;
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) >= 2); /* by itself */
    assert_file(&f, "from before", true);
    assert_log(&f, "cannot publish", 1);
    assert_log(&f, "no such file", 1);
    assert_state(&f, "\"rejected\":false");
    assert_no_leftovers(&f);
    fixture_stop(&f);
    command_deinit(&none);
    fixture_deinit(&f);
}

int main(int argc, char **argv)
{
    if (argc > 1 && streq(argv[1], IN_PLACE_WORD)) {
        return in_place_main(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_is_left_out),
        cmocka_unit_test(strict_rejects_the_whole),
        cmocka_unit_test(a_fault_elsewhere_rejects_the_whole),
        cmocka_unit_test(two_files_are_one_change),
        cmocka_unit_test(an_owed_reload_outlives_the_process),
        cmocka_unit_test(a_kill_between_swap_and_reload_loses_nothing),
        cmocka_unit_test(a_crowd_of_old_workers_is_waited_for),
        cmocka_unit_test(a_crowd_is_not_waited_for_longer_than_max),
        cmocka_unit_test(a_large_drop_is_held),
        cmocka_unit_test(a_confirmed_loss_is_held_once),
        cmocka_unit_test(nobody_is_blamed_for_a_file_of_before),
        cmocka_unit_test(a_hold_that_is_due_behind_a_reload_costs_nothing),
        cmocka_unit_test(stopping_in_every_state_ends),
        cmocka_unit_test(root_checks_in_place),
        cmocka_unit_test(a_check_that_cannot_run_judges_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
