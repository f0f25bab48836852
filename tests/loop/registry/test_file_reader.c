/*
 * The reader of the embedded registry against a real folder: what it tells when the file comes, changes,
 * breaks, goes, and is no longer renewed.
 */
#include "registry/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "lib/loop_test.h"
#include "registry/uri.h"

#define DOC(ttl, services)                                                                         \
    "{\"version\":1,\"node\":\"node1\",\"ttl\":" #ttl ",\"revision\":1,\"services\":[" services "]}"
#define REC(id) "{\"host\":\"10.0.0.1\",\"port\":80,\"name\":\"web\",\"id\":\"" id "\"}"

struct fixture {
    struct io *io;
    char *dir, *path;
    struct registry_uri uri;
    struct registry_reader *r;
    struct buf log; /* events, one word each: "table:a,b" with "!" behind it when fresh */
    struct table last;
    struct err why;
    unsigned done;
    bool close_at_table;
};

static void on_done(void *ctx)
{
    ((struct fixture *)ctx)->done++;
}

static void on_table(void *ctx, const struct table *table, bool fresh)
{
    struct fixture *f = ctx;
    assert_true(table->generation > f->last.generation || fresh);
    buf_puts(&f->log, "table:");
    for (size_t i = 0; i < table->n; i++) {
        buf_printf(&f->log, "%s%s", i ? "," : "", table->items[i]->s.id);
    }
    buf_puts(&f->log, fresh ? "! " : " ");
    table_copy(&f->last, table);
    f->last.generation = table->generation;
    if (f->close_at_table) {
        file_reader_ops.close(f->r, on_done, f);
    }
}

static void on_live(void *ctx, bool live, const struct err *why)
{
    struct fixture *f = ctx;
    buf_puts(&f->log, live ? "live " : "stale ");
    if (!live) {
        f->why = *why;
    }
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    struct fixture *f = ctx;
    assert_true(why->msg[0] != '\0');
    buf_printf(&f->log, "skipped:%s ", key);
}

static const struct registry_reader_events events = {
    .table = on_table, .live = on_live, .skipped = on_skipped};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    f->io = loop_open();
    f->dir = loop_mkdir();
    assert_true(asprintf(&f->path, "%s/sub/services.json", f->dir) > 0);
    f->uri = (struct registry_uri){.scheme = REGISTRY_FILE, .path = f->path};
    buf_init(&f->log, 65536);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_close(f->io);
    loop_rmdir(f->dir);
    table_deinit(&f->last);
    buf_deinit(&f->log);
    free(f->path);
    free(f);
    return 0;
}

static void open_reader(struct fixture *f, bool once)
{
    const struct registry_reader_config config = {.uri = &f->uri, .once = once};
    struct err e = ERR_INIT;
    buf_reset(&f->log);
    assert_int_equal(file_reader_ops.open(&f->r, f->io, &config, &events, f, &e), 0);
    assert_string_equal(buf_str(&f->log), "");
}

static void close_now(struct fixture *f)
{
    unsigned before = f->done;
    file_reader_ops.close(f->r, on_done, f);
    assert_int_equal(f->done, before);
    loop_until(f->io, f->done == before + 1);
}

/* Waits until the last word is told, then all of it must be what is expected. */
static void expect(struct fixture *f, const char *told)
{
    loop_until(f->io, f->log.len >= strlen(told));
    assert_string_equal(buf_str(&f->log), told);
    buf_reset(&f->log);
}

static void write_file(struct fixture *f, const char *text)
{
    struct err e = ERR_INIT;
    assert_int_equal(fs_make_parent(f->path, 0755, &e), 0);
    if (fs_replace(f->path, text, strlen(text), 0644, false, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static void make_old(struct fixture *f, time_t age)
{
    struct timespec t[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
    assert_int_equal(utimensat(AT_FDCWD, f->path, t, 0), 0);
}

static void touch(struct fixture *f)
{
    assert_int_equal(utimensat(AT_FDCWD, f->path, NULL, 0), 0);
}

static void no_file_is_no_empty_table(void **state)
{
    struct fixture *f = *state;
    open_reader(f, false);
    expect(f, "stale ");
    assert_non_null(strstr(f->why.msg, f->path));
    write_file(f, DOC(30, REC("a"))); /* the folder comes with it */
    expect(f, "table:a live ");
    close_now(f);
}

static void changes_are_told_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(30, REC("a")));
    open_reader(f, false);
    expect(f, "table:a live ");
    struct service *a = service_ref(f->last.items[0]);
    write_file(f, DOC(30, REC("b") "," REC("a")));
    expect(f, "table:a,b ");
    assert_ptr_equal(f->last.items[0], a); /* what stayed the same is the same object */
    service_unref(a);
    touch(f);
    write_file(f, DOC(60, REC("a") "," REC("b"))); /* another text, the same services */
    write_file(f, DOC(60, ""));
    expect(f, "table: "); /* an agent that says "none" is believed */
    close_now(f);
}

static void a_broken_file_keeps_the_last_table(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(30, REC("a")));
    open_reader(f, false);
    expect(f, "table:a live ");
    write_file(f, "{\"version\":1,");
    expect(f, "stale ");
    assert_non_null(strstr(f->why.msg, "not JSON"));
    write_file(f, DOC(30, REC("a")));
    expect(f, "live ");
    assert_int_equal(unlink(f->path), 0);
    expect(f, "stale ");
    write_file(f, DOC(30, REC("a") "," REC("b")));
    expect(f, "table:a,b live ");
    close_now(f);
}

static void a_broken_file_at_the_start_is_no_table(void **state)
{
    struct fixture *f = *state;
    write_file(f, "{\"version\":2,\"ttl\":30,\"services\":[]}");
    open_reader(f, false);
    expect(f, "stale ");
    assert_non_null(strstr(f->why.msg, "version 2"));
    file_reader_ops.refresh(f->r);
    write_file(f, DOC(30, ""));
    expect(f, "table:! live "); /* what refresh() asked for comes once there is a table */
    close_now(f);
}

static void a_table_that_nobody_renews_expires(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(1, REC("a")));
    open_reader(f, false);
    expect(f, "table:a live ");
    msec_t since = io_now(f->io);
    touch(f); /* renewed once more */
    expect(f, "table: stale ");
    assert_true(io_now(f->io) - since >= 950);
    assert_non_null(strstr(f->why.msg, "node1"));
    file_reader_ops.refresh(f->r);
    expect(f, "table:! ");
    touch(f); /* the agent was only stopped for a while */
    expect(f, "table:a live ");
    close_now(f);
}

static void a_table_that_is_old_at_the_start_has_expired(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(30, REC("a")));
    make_old(f, 40);
    open_reader(f, false);
    expect(f, "table: stale ");
    file_reader_ops.refresh(f->r);
    expect(f, "table:! "); /* looking at it does not renew it */
    write_file(f, DOC(30, REC("b")));
    expect(f, "table:b live ");
    close_now(f);
}

static void a_time_in_the_future_is_no_reason_to_expire(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(30, REC("a")));
    make_old(f, -100000);
    open_reader(f, false);
    expect(f, "table:a live ");
    make_old(f, 100000); /* moved: somebody renews it, with whatever clock */
    write_file(f, DOC(30, REC("b")));
    expect(f, "table:b ");
    close_now(f);
}

static void a_vanished_file_expires_too(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(1, REC("a")));
    open_reader(f, false);
    expect(f, "table:a live ");
    assert_int_equal(unlink(f->path), 0);
    expect(f, "stale table: ");
    write_file(f, DOC(1, REC("a")));
    expect(f, "table:a live ");
    close_now(f);
}

static void bad_records_are_told_once(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(30, REC("a") ",{\"name\":\"x\",\"id\":\"y\"},7"));
    open_reader(f, false);
    expect(f, "skipped:x/y skipped:services[2] table:a live ");
    write_file(f, DOC(30, REC("b") ",{\"name\":\"x\",\"id\":\"y\"},7"));
    expect(f, "table:b ");
    write_file(f, DOC(30, REC("b") ",{\"name\":\"x\",\"id\":\"y\",\"host\":5}"));
    expect(f, "skipped:x/y ");
    close_now(f);
}

static void refresh_ends_in_a_fresh_table(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(30, REC("a")));
    open_reader(f, false);
    expect(f, "table:a live ");
    file_reader_ops.refresh(f->r);
    file_reader_ops.refresh(f->r);
    assert_string_equal(buf_str(&f->log), "");
    expect(f, "table:a! ");
    close_now(f);
}

static void once_is_one_listing(void **state)
{
    struct fixture *f = *state;
    open_reader(f, true);
    expect(f, "stale ");
    close_now(f);
    write_file(f, DOC(30, REC("a")));
    open_reader(f, true);
    expect(f, "table:a! live ");
    close_now(f);
    make_old(f, 31);
    open_reader(f, true);
    expect(f, "table:! stale ");
    close_now(f);
}

static void closing_from_inside_an_event_is_fine(void **state)
{
    struct fixture *f = *state;
    write_file(f, DOC(30, REC("a")));
    f->close_at_table = true;
    open_reader(f, false);
    loop_until(f->io, f->done == 1);
    assert_string_equal(buf_str(&f->log), "table:a ");
    f->close_at_table = false;
    open_reader(f, false);
    close_now(f); /* before anything was told */
    assert_string_equal(buf_str(&f->log), "");
}

/* ---- with the writer ---- */

static unsigned n_ready, n_written;

static void w_ignore(void *ctx)
{
    (void)ctx;
}

static void w_ready(void *ctx)
{
    (void)ctx;
    n_ready++;
}

static void w_seen(void *ctx, const char *key, uint64_t digest, int64_t revision,
                   enum registry_owner owner)
{
    (void)ctx, (void)key, (void)digest, (void)revision, (void)owner;
}

static void w_gone(void *ctx, const char *key, int64_t revision)
{
    fail_msg("%s gone at %lld", key, (long long)revision);
}

static void w_why(void *ctx, const struct err *why)
{
    fail_msg("%s", why->msg);
}

static void w_written(void *ctx, const struct registry_result *results, size_t n,
                      const struct err *why)
{
    (void)ctx, (void)why;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(results[i].class, ERR_NONE);
    }
    n_written++;
}

static const struct registry_writer_events writer_events = {.begin = w_ignore,
                                                            .seen = w_seen,
                                                            .gone = w_gone,
                                                            .ready = w_ready,
                                                            .unready = w_why,
                                                            .deposed = w_why,
                                                            .written = w_written};

static void a_writer_keeps_its_reader_live(void **state)
{
    struct fixture *f = *state;
    const struct registry_writer_config config = {.uri = &f->uri, .node = "node1", .ttl_s = 1};
    const char *value = REC("a");
    const struct registry_op op = {
        .kind = REGISTRY_PUT, .key = "web/a", .value = value, .value_len = strlen(value)};
    struct registry_writer *w = NULL;
    struct err e = ERR_INIT;
    n_ready = n_written = 0;
    open_reader(f, false);
    expect(f, "stale ");
    assert_int_equal(file_writer_ops.open(&w, f->io, &config, &writer_events, NULL, &e), 0);
    loop_until(f->io, n_ready == 1);
    assert_int_equal(file_writer_ops.write(w, &op, 1), 0);
    expect(f, "table:a live ");
    /* several ttls long, in which the file is altered as well, nothing is told */
    msec_t since = io_now(f->io);
    loop_until(f->io, io_now(f->io) - since > 1500);
    assert_int_equal(truncate(f->path, 3), 0);
    loop_until(f->io, io_now(f->io) - since > 3000);
    const char *last = buf_str(&f->log);
    if (strcmp(last, "") != 0 && strcmp(last, "stale live ") != 0) {
        fail_msg("told: %s", last);
    }
    buf_reset(&f->log);
    unsigned done = f->done;
    file_writer_ops.close(w, true, on_done, f);
    loop_until(f->io, f->done == done + 1);
    expect(f, "table: ");
    close_now(f);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_file_is_no_empty_table),
        CASE(changes_are_told_and_nothing_else),
        CASE(a_broken_file_keeps_the_last_table),
        CASE(a_broken_file_at_the_start_is_no_table),
        CASE(a_table_that_nobody_renews_expires),
        CASE(a_table_that_is_old_at_the_start_has_expired),
        CASE(a_time_in_the_future_is_no_reason_to_expire),
        CASE(a_vanished_file_expires_too),
        CASE(bad_records_are_told_once),
        CASE(refresh_ends_in_a_fresh_table),
        CASE(once_is_one_listing),
        CASE(closing_from_inside_an_event_is_fine),
        CASE(a_writer_keeps_its_reader_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
