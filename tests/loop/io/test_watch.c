/*
 * Signals, watched files, and addresses of this host.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "io/fswatch.h"
#include "io/memory.h"
#include "io/netif.h"
#include "io/signals.h"
#include "io/timer.h"
#include "lib/loop_test.h"

/* ---- signals ---- */

struct seen {
    unsigned n[64];
    struct io_signals *frees;
};

static void on_signal(void *ctx, int signal)
{
    struct seen *seen = ctx;
    seen->n[signal]++;
    io_signals_free(seen->frees);
    seen->frees = NULL;
}

static void test_signals(void **state)
{
    static const int list[] = {SIGHUP, SIGUSR1, 0};
    struct io *io = loop_open();
    struct io_signals *s = NULL;
    struct seen seen = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(io_signals_new(&s, io, list, on_signal, &seen, &e), 0);
    io_run(io); /* they do not keep it running */
    assert_int_equal(raise(SIGHUP), 0);
    assert_int_equal(seen.n[SIGHUP], 0);
    loop_until(io, seen.n[SIGHUP] == 1);
    assert_int_equal(raise(SIGUSR1), 0);
    loop_until(io, seen.n[SIGUSR1] == 1);
    assert_int_equal(raise(SIGPIPE), 0); /* survived */
    seen.frees = s;
    assert_int_equal(raise(SIGUSR1), 0);
    loop_until(io, !seen.frees);
    assert_int_equal(seen.n[SIGHUP], 1);
    assert_int_equal(seen.n[SIGUSR1], 2);
    loop_close(io);
}

static void test_signal_that_cannot_be_caught(void **state)
{
    static const int list[] = {SIGHUP, SIGKILL, 0};
    struct io *io = loop_open();
    struct io_signals *s = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(io_signals_new(&s, io, list, on_signal, NULL, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "signal 9"));
    assert_null(s);
    io_signals_free(s);
    loop_close(io);
}

/* ---- files ---- */

struct file {
    struct io *io;
    char *dir;
    struct buf path, other;
    struct io_fswatch *w;
    unsigned changes;
};

static void on_change(void *ctx)
{
    struct file *f = ctx;
    f->changes++;
}

static int file_setup(void **state)
{
    struct file *f = xcalloc(1, sizeof(*f));
    char *base = loop_mkdir();
    struct buf dir = BUF_INIT(4096);
    struct err e = ERR_INIT;

    f->io = loop_open();
    f->dir = base;
    buf_printf(&dir, "%s/d", base);
    assert_int_equal(mkdir(buf_str(&dir), 0700), 0);
    buf_init(&f->path, 4096);
    buf_init(&f->other, 4096);
    buf_printf(&f->path, "%s/file", buf_str(&dir));
    buf_printf(&f->other, "%s/other", buf_str(&dir));
    buf_deinit(&dir);
    if (io_fswatch_new(&f->w, f->io, buf_str(&f->path), on_change, f, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    *state = f;
    return 0;
}

static int file_teardown(void **state)
{
    struct file *f = *state;
    io_fswatch_free(f->w);
    loop_close(f->io);
    buf_deinit(&f->path);
    buf_deinit(&f->other);
    loop_rmdir(f->dir);
    free(f);
    return 0;
}

static void put(const char *path, const char *text)
{
    struct err e = ERR_INIT;
    if (fs_replace(path, text, strlen(text), 0600, false, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

/* Each step must be seen, and each is a change of its own. */
static void test_file_changes(void **state)
{
    struct file *f = *state;
    const char *path = buf_str(&f->path);
    unsigned seen = 0;

    put(path, "one"); /* created by rename */
    loop_until(f->io, f->changes > seen);
    seen = f->changes;
    put(path, "two"); /* renamed over */
    loop_until(f->io, f->changes > seen);
    seen = f->changes;
    assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0); /* touched */
    loop_until(f->io, f->changes > seen);
    seen = f->changes;
    assert_int_equal(chmod(path, 0644), 0);
    loop_until(f->io, f->changes > seen);
    seen = f->changes;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC); /* written in place */
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    loop_until(f->io, f->changes > seen);
    seen = f->changes;
    assert_int_equal(unlink(path), 0);
    loop_until(f->io, f->changes > seen);
    seen = f->changes;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* created in place */
    close(fd);
    loop_until(f->io, f->changes > seen);
}

/* Neighbours do not matter; a burst within one turn is one call. */
static void test_file_filter_and_burst(void **state)
{
    struct file *f = *state;

    put(buf_str(&f->other), "x");
    assert_int_equal(unlink(buf_str(&f->other)), 0);
    for (int i = 0; i < 20; i++) {
        put(buf_str(&f->path), "x");
    }
    loop_until(f->io, f->changes > 0);
    assert_int_equal(f->changes, 1);
    put(buf_str(&f->other), "y");
    put(buf_str(&f->path), "y"); /* behind it: when this is seen, the other was */
    loop_until(f->io, f->changes == 2);
}

/* The folder goes away and comes back, by rmdir and by a rename. */
static void test_folder_is_replaced(void **state)
{
    struct file *f = *state;
    struct buf dir = BUF_INIT(4096);
    struct buf away = BUF_INIT(4096);
    unsigned seen;

    buf_printf(&dir, "%s/d", f->dir);
    buf_printf(&away, "%s/away", f->dir);
    assert_int_equal(rmdir(buf_str(&dir)), 0);
    loop_until(f->io, f->changes > 0); /* lost */
    seen = f->changes;
    assert_int_equal(mkdir(buf_str(&dir), 0700), 0);
    loop_until(f->io, f->changes > seen); /* back */
    seen = f->changes;
    put(buf_str(&f->path), "x");
    loop_until(f->io, f->changes > seen);
    seen = f->changes;

    assert_int_equal(rename(buf_str(&dir), buf_str(&away)), 0);
    assert_int_equal(mkdir(buf_str(&dir), 0700), 0);
    loop_until(f->io, f->changes > seen);
    seen = f->changes;
    put(buf_str(&f->path), "y");
    loop_until(f->io, f->changes > seen);
    buf_deinit(&dir);
    buf_deinit(&away);
}

static void test_no_such_folder(void **state)
{
    struct io *io = loop_open();
    struct io_fswatch *w = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(io_fswatch_new(&w, io, "/nonexistent/d/file", on_change, NULL, &e), -ENOENT);
    assert_non_null(strstr(e.msg, "/nonexistent/d"));
    assert_null(w);
    loop_close(io);
}

/* ---- addresses ---- */

static void expect_addrs(const char *selector, const char *v4, const char *v6, bool loopback)
{
    struct netif_addrs a;
    struct err e = ERR_INIT;

    if (netif_resolve(selector, &a, &e) < 0) {
        fail_msg("%s: %s", selector, e.msg);
    }
    if (!streq(a.v4, v4) || (v6 && !streq(a.v6, v6)) || a.loopback != loopback || !a.source[0]) {
        fail_msg("%s: %s %s %s from %s", selector, a.v4, a.v6, a.loopback ? "loopback" : "",
                 a.source);
    }
}

static void test_addresses(void **state)
{
    static const char *const nothing[] = {
        "nonsense0", "1.2.3",      "1.2.3.4/33",   "203.0.113.0/24", "x/8",
        "/",         "127.0.0.0/", "127.0.0.0/8x", "127.128.0.0/9",  "127.0.0.2/31"};
    struct netif_addrs a;

    (void)state;
    expect_addrs("192.0.2.7", "192.0.2.7", "", false); /* need not be an address of ours */
    expect_addrs("2001:DB8::0:7", "", "2001:db8::7", false);
    expect_addrs("127.0.0.1", "127.0.0.1", "", true);
    expect_addrs("::1", "", "::1", true);
    expect_addrs("lo", "127.0.0.1", NULL, true);
    expect_addrs("127.0.0.0/8", "127.0.0.1", "", true);
    expect_addrs("126.0.0.0/7", "127.0.0.1", "", true);
    expect_addrs("127.0.0.1/32", "127.0.0.1", "", true);
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        struct err e = ERR_INIT;
        int r = netif_resolve(nothing[i], &a, &e);
        if (r != -ENOENT || e.class != ERR_INVALID || !strstr(e.msg, nothing[i]) ||
            !strstr(e.msg, "lo 127.0.0.1")) {
            fail_msg("%s: %d %s", nothing[i], r, e.msg);
        }
    }
}

/* Depends on the host: either there is an address that is no loopback one, or a clear error. */
static void test_default_address(void **state)
{
    struct netif_addrs a;
    struct err e = ERR_INIT;

    (void)state;
    int r = netif_resolve(NULL, &a, &e);
    if (r == 0) {
        assert_false(a.loopback);
        assert_true(a.v4[0] || a.v6[0]);
        print_message("%s %s from %s\n", a.v4, a.v6, a.source);
    } else {
        assert_int_equal(r, -ENOENT);
        assert_non_null(strstr(e.msg, "there is: "));
    }
}

static void test_hostname(void **state)
{
    char name[256];
    char tiny[3];

    (void)state;
    netif_hostname(name, sizeof(name));
    assert_int_not_equal(strlen(name), 0);
    assert_null(strchr(name, '.'));
    char full[256];
    netif_hostname_full(full, sizeof(full));
    assert_memory_equal(full, name, strlen(name));
    netif_hostname(tiny, sizeof(tiny));
    assert_in_range(strlen(tiny), 1, 2);
}

/* What the name service says: IPv4 before IPv6, and loopback is known as such. */
static void test_resolve_name(void **state)
{
    struct netif_addrs a;
    struct err e = ERR_INIT;

    (void)state;
    if (netif_resolve_name("localhost", &a, &e) < 0) {
        fail_msg("localhost: %s", e.msg);
    }
    assert_string_equal(a.v4, "127.0.0.1");
    assert_string_equal(a.v6, "");
    assert_string_equal(a.source, "host name localhost");
    assert_true(a.loopback);

    assert_int_equal(netif_resolve_name("::1", &a, &e), 0);
    assert_string_equal(a.v4, "");
    assert_string_equal(a.v6, "::1");

    assert_int_equal(netif_resolve_name("no such host", &a, &e), -ENOENT);
    if (strncmp(e.msg, "host name no such host: ", 24) != 0) {
        fail_msg("%s", e.msg);
    }
    assert_string_equal(a.v6, "::1");
}

/* ---- memory ---- */

/* Code and constants are still what they were, also those of libraries. */
static void test_trim(void **state)
{
    struct io *io = loop_open();
    (void)state;
    io_trim();
    expect_addrs("lo", "127.0.0.1", NULL, true);
    io_trim();
    loop_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_signal_that_cannot_be_caught),
        cmocka_unit_test_setup_teardown(test_file_changes, file_setup, file_teardown),
        cmocka_unit_test_setup_teardown(test_file_filter_and_burst, file_setup, file_teardown),
        cmocka_unit_test_setup_teardown(test_folder_is_replaced, file_setup, file_teardown),
        cmocka_unit_test(test_no_such_folder),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_default_address),
        cmocka_unit_test(test_hostname),
        cmocka_unit_test(test_resolve_name),
        cmocka_unit_test(test_trim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
