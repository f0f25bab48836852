/*
 * From a registry's tables to the file: when it is written, what keeps it as it was.
 */
#include "loop/renderer/fixture.h"

#include "render/nginx_file.h"

static void the_first_file_is_immediate(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.o.wait_min = 3600 * MSEC_PER_SEC;
    f.o.wait_max = 3600 * MSEC_PER_SEC;
    snprintf(f.file, sizeof(f.file), "%s/new/folder/up.conf", f.dir);
    const char *const expect[] = {"later"};
    f.o.expect = expect;
    f.o.n_expect = 1;
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_live(&f.registry, true);
    fake_registry_push(&f.registry);
    loop_until(f.io, exists(f.file));
    struct stat st;
    assert_int_equal(stat(f.file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_file(&f, "upstream web {\n    server 10.0.0.1:80;\n}\n", true);
    assert_file(&f, "upstream later {\n    server 127.0.0.1:9 down;\n}\n", true);
    loop_until(f.io, passes(&f) == 1);
    assert_log(&f, "msg=published", 1);
    assert_log(&f, "upstreams=2 servers=1 empty=1", 1);
    fixture_deinit(&f);
}

static void changes_are_gathered(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.o.wait_min = 150;
    f.o.wait_max = 5000;
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    msec_t begun = io_now(f.io);
    for (unsigned i = 0; i < 20; i++) {
        size_t seen = f.registry.table.generation;
        fake_registry_put(&f.registry, "web", "10.0.0.2", (uint16_t)(1000 + i));
        assert_true(f.registry.table.generation > seen);
        fake_registry_push(&f.registry);
        unsigned delivered = f.registry.delivered;
        loop_until(f.io, f.registry.delivered > delivered);
    }
    assert_int_equal(passes(&f), 1);
    loop_until(f.io, passes(&f) == 2);
    assert_true(io_now(f.io) - begun >= 150);
    assert_file(&f, "10.0.0.2:1019;", true);
    fixture_stop(&f);
    assert_int_equal(passes(&f), 2);
    fixture_deinit(&f);
}

/* A registry that changes every 20 ms. */
struct restless {
    struct io_timer timer;
    struct fixture *f;
    uint16_t port;
};

static void on_restless(struct io_timer *t)
{
    struct restless *rest = container_of(t, struct restless, timer);
    fake_registry_put(&rest->f->registry, "web", "10.0.0.2", ++rest->port);
    fake_registry_push(&rest->f->registry);
    io_timer_start(rest->f->io, t, 20, on_restless);
}

static void gathering_ends(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.o.wait_min = 200;
    f.o.wait_max = 500;
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    /* never quiet for 200 ms, and still published */
    msec_t begun = io_now(f.io);
    struct restless rest = {.f = &f};
    on_restless(&rest.timer);
    loop_until(f.io, passes(&f) == 2);
    io_timer_stop(&rest.timer);
    assert_in_range(io_now(f.io) - begun, 500, LOOP_DEADLINE);
    assert_true(rest.port > 3);
    fixture_deinit(&f);
}

static void nothing_new_changes_nothing(void **state)
{
    struct fixture f;
    struct stat before, after;
    fixture_init(&f);
    fixture_reload(&f, "true");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    assert_int_equal(stat(f.file, &before), 0);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 2);
    fixture_stop(&f);
    /* nor does a restart */
    fixture_start(&f);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 3);
    assert_int_equal(stat(f.file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(reloads(&f), 1);
    assert_log(&f, "msg=published", 1);
    assert_log(&f, "msg=\"up to date\"", 1);
    fixture_deinit(&f);
}

static void a_lost_registry_changes_nothing(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_live(&f.registry, true);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    fake_registry_live(&f.registry, false);
    loop_until(f.io, count_in(f.log, "keeping previous upstreams") == 1);
    assert_file(&f, "10.0.0.1:80", true);
    assert_log(&f, "fake registry: connection refused", 1);
    fake_registry_live(&f.registry, true);
    loop_until(f.io, count_in(f.log, "registry is followed again") == 1);
    assert_int_equal(passes(&f), 1);
    fixture_deinit(&f);
}

static void an_empty_table_is_held_until_confirmed(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_reload(&f, "true");
    f.o.hold = 100;
    f.registry.silent = true;
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    msec_t begun = io_now(f.io);
    fake_registry_clear(&f.registry);
    fake_registry_push(&f.registry);
    loop_until(f.io, f.registry.refreshed == 1);
    assert_true(io_now(f.io) - begun >= 100);
    /* more of the same does not confirm it */
    size_t n = passes(&f);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) > n);
    assert_file(&f, "10.0.0.1:80", true);
    assert_int_equal(f.registry.refreshed, 1);
    /* a fresh listing does */
    fake_registry_push_fresh(&f.registry);
    loop_until(f.io, reloads(&f) == 2);
    assert_file(&f, "10.0.0.1:80", false);
    assert_file(&f, "upstream web {\n    server 127.0.0.1:9 down;\n}\n", true);
    assert_log(&f, "every upstream would be empty", 1);
    assert_log(&f, "a fresh listing confirms that the servers are gone", 1);
    fixture_deinit(&f);
}

static void an_empty_table_is_forgotten_when_servers_return(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.o.hold = 3600 * MSEC_PER_SEC;
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    fixture_stop(&f);
    /* also over a restart: the file says that there were servers */
    fake_registry_clear(&f.registry);
    fixture_start(&f);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 2);
    assert_file(&f, "10.0.0.1:80", true);
    fake_registry_put(&f.registry, "api", "10.0.0.2", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 3);
    assert_file(&f, "10.0.0.1:80", false);
    assert_file(&f, "upstream api {\n    server 10.0.0.2:80;\n}\n", true);
    assert_file(&f, "upstream web {\n    server 127.0.0.1:9 down;\n}\n", true);
    assert_log(&f, "the servers are there again", 1);
    assert_int_equal(f.registry.refreshed, 0);
    fixture_deinit(&f);
}

static void an_edited_file_is_put_right(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_reload(&f, "true");
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    put_file(f.file, "upstream web { server 6.6.6.6; }\n");
    fake_registry_push(&f.registry); /* with the same content */
    loop_until(f.io, passes(&f) == 2);
    assert_file(&f, "6.6.6.6", false);
    assert_int_equal(reloads(&f), 2);
    /* in place and of the same length: only the times tell */
    int fd = open(f.file, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "#", 1, (off_t)strlen(NGINX_HEADER)), 1);
    close(fd);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 3);
    assert_file(&f, NGINX_HEADER "\nupstream", true);
    assert_int_equal(unlink(f.file), 0);
    fake_registry_put(&f.registry, "web", "10.0.0.2", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 4);
    assert_file(&f, "10.0.0.2:80", true);
    /* touched, but with the right content: read, not written */
    struct stat before, after;
    assert_int_equal(stat(f.file, &before), 0);
    assert_int_equal(utimensat(AT_FDCWD, f.file, NULL, 0), 0);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 5);
    assert_int_equal(stat(f.file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(reloads(&f), 4);
    fixture_deinit(&f);
}

static void the_mode_is_kept_or_set(void **state)
{
    struct fixture f;
    struct stat st;
    fixture_init(&f);
    fixture_reload(&f, "true");
    put_file(f.file, "anything");
    assert_int_equal(chmod(f.file, 0640), 0);
    fixture_start(&f);
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    assert_int_equal(stat(f.file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_log(&f, "lines that were not written by this program", 1);
    fixture_stop(&f);
    /* another mode is no other content */
    f.outputs[0].file.mode = 0600;
    fixture_start(&f);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 2);
    assert_int_equal(stat(f.file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(reloads(&f), 1);
    fixture_deinit(&f);
}

static void what_is_left_out_is_said_once(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fake_registry_put_attr(&f.registry, "web", "10.0.0.1", 80, "weight", "1; } evil {");
    fake_registry_skip(&f.registry, "/services/web/broken");
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 1);
    fake_registry_put(&f.registry, "web", "10.0.0.2", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 2);
    assert_log(&f, "msg=rejected service=web id=n:10.0.0.1:80 container=c0ffee", 1);
    assert_log(&f, "key=/services/web/broken", 1);
    assert_file(&f, "evil", false);
    assert_file(&f, "    server 10.0.0.1:80;\n    server 10.0.0.2:80;\n", true);
    /* mended, and broken again: said again */
    fake_registry_put(&f.registry, "web", "10.0.0.1", 80);
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 3);
    fake_registry_put_attr(&f.registry, "web", "10.0.0.1", 80, "weight", "1; } evil {");
    fake_registry_push(&f.registry);
    loop_until(f.io, passes(&f) == 4);
    assert_log(&f, "msg=rejected", 2);
    assert_state(&f, "\"rejected_values\":1");
    assert_state(&f, "\"servers\":2");
    assert_state(&f, "\"publish\":\"idle\"");
    fixture_deinit(&f);
}

static void a_bad_setting_is_refused_at_once(void **state)
{
    struct fixture f;
    struct err e = ERR_INIT;
    fixture_init(&f);
    const char *const expect[] = {"not a name"};
    f.o.expect = expect;
    f.o.n_expect = 1;
    assert_true(renderer_new(&f.r, f.io, &f.o, fixture_on_done, &f, &e) < 0);
    assert_int_equal(e.class, ERR_INVALID);
    assert_non_null(strstr(e.msg, "not a name"));
    f.o.n_expect = 0;
    f.outputs[0].file.path = f.dir; /* a folder */
    assert_true(renderer_new(&f.r, f.io, &f.o, fixture_on_done, &f, &e) < 0);
    assert_int_equal(f.registry.opened, 0);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_file_is_immediate),
        cmocka_unit_test(changes_are_gathered),
        cmocka_unit_test(gathering_ends),
        cmocka_unit_test(nothing_new_changes_nothing),
        cmocka_unit_test(a_lost_registry_changes_nothing),
        cmocka_unit_test(an_empty_table_is_held_until_confirmed),
        cmocka_unit_test(an_empty_table_is_forgotten_when_servers_return),
        cmocka_unit_test(an_edited_file_is_put_right),
        cmocka_unit_test(the_mode_is_kept_or_set),
        cmocka_unit_test(what_is_left_out_is_said_once),
        cmocka_unit_test(a_bad_setting_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
