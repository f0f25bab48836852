/*
 * The writer of the embedded registry against a real folder: what it tells, what the file holds, and
 * what becomes of it when somebody else works on the same file.
 */
#include "registry/file.h"

#include <errno.h>
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
#include "base/hash.h"
#include "base/json.h"
#include "lib/loop_test.h"
#include "registry/file_doc.h"
#include "registry/uri.h"

#define HEAD "{\"version\":1,\"node\":\"node1\",\"ttl\":30,"
#define A    "{\"host\":\"10.0.0.1\",\"port\":80,\"name\":\"web\",\"id\":\"n:a:80\"}"

struct fixture {
    struct io *io;
    char *dir, *path;
    struct registry_uri uri;
    struct registry_writer *w;
    struct buf log; /* events, one word each */
    struct registry_result results[4];
    struct err why;     /* of written */
    struct err trouble; /* of unready, deposed */
    unsigned written, done;
    bool close_when_ready;
};

static void on_done(void *ctx)
{
    ((struct fixture *)ctx)->done++;
}

static void on_begin(void *ctx)
{
    buf_puts(&((struct fixture *)ctx)->log, "begin ");
}

static void on_seen(void *ctx, const char *key, uint64_t digest, int64_t revision,
                    enum registry_owner owner)
{
    assert_int_equal(owner, REGISTRY_OURS);
    assert_true(digest != 0);
    buf_printf(&((struct fixture *)ctx)->log, "seen:%s@%lld ", key, (long long)revision);
}

static void on_gone(void *ctx, const char *key, int64_t revision)
{
    buf_printf(&((struct fixture *)ctx)->log, "gone:%s@%lld ", key, (long long)revision);
}

static void on_ready(void *ctx)
{
    struct fixture *f = ctx;
    buf_puts(&f->log, "ready ");
    if (f->close_when_ready) {
        file_writer_ops.close(f->w, false, on_done, f);
    }
}

static void on_unready(void *ctx, const struct err *why)
{
    struct fixture *f = ctx;
    f->trouble = *why;
    buf_puts(&f->log, "unready ");
}

static void on_deposed(void *ctx, const struct err *why)
{
    struct fixture *f = ctx;
    f->trouble = *why;
    buf_puts(&f->log, "deposed ");
}

static void on_written(void *ctx, const struct registry_result *results, size_t n,
                       const struct err *why)
{
    struct fixture *f = ctx;
    assert_true(n <= ARRAY_LEN(f->results));
    memcpy(f->results, results, n * sizeof(*results));
    f->why = *why;
    f->written++;
    buf_puts(&f->log, "written ");
}

static const struct registry_writer_events events = {
    .begin = on_begin,
    .seen = on_seen,
    .gone = on_gone,
    .ready = on_ready,
    .unready = on_unready,
    .deposed = on_deposed,
    .written = on_written,
};

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
    buf_deinit(&f->log);
    free(f->path);
    free(f);
    return 0;
}

static int open_as(struct fixture *f, const char *node, unsigned ttl_s, bool dry_run, struct err *e)
{
    const struct registry_writer_config config = {
        .uri = &f->uri, .node = node, .ttl_s = ttl_s, .dry_run = dry_run};
    buf_reset(&f->log);
    return file_writer_ops.open(&f->w, f->io, &config, &events, f, e);
}

/* Opens and waits for `told`, all that is said up to ready. */
static void open_ready(struct fixture *f, unsigned ttl_s, const char *told)
{
    struct err e = ERR_INIT;
    if (open_as(f, "node1", ttl_s, false, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    assert_string_equal(buf_str(&f->log), ""); /* nothing from inside open() */
    loop_until(f->io, strstr(buf_str(&f->log), "ready ") != NULL);
    assert_string_equal(buf_str(&f->log), told);
    buf_reset(&f->log);
}

static void close_now(struct fixture *f, bool deregister)
{
    unsigned before = f->done;
    file_writer_ops.close(f->w, deregister, on_done, f);
    assert_int_equal(f->done, before); /* nothing from inside close() */
    loop_until(f->io, f->done == before + 1);
    f->w = NULL;
}

/* Encodes a service as the agent does, and puts it. */
static void put(struct fixture *f, const char *name, const char *id, int64_t revision)
{
    CLEANUP(buf_deinit) struct buf key = BUF_INIT(1024);
    CLEANUP(buf_deinit) struct buf value = BUF_INIT(4096);
    const struct service_spec spec = {
        .name = name, .id = id, .host = "10.0.0.1", .port = 80, .weight = SERVICE_WEIGHT_UNSET};
    struct service *svc = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(service_new(&svc, &spec, &e), 0);
    uint64_t digest;
    assert_int_equal(file_writer_ops.encode(f->w, svc, &key, &value, &digest, &e), 0);
    const struct registry_op op = {.kind = REGISTRY_PUT,
                                   .key = buf_str(&key),
                                   .value = value.data,
                                   .value_len = value.len,
                                   .revision = revision};
    unsigned before = f->written;
    assert_int_equal(file_writer_ops.write(f->w, &op, 1), 0);
    assert_int_equal(f->written, before); /* nothing from inside write() */
    assert_int_equal(file_writer_ops.write(f->w, &op, 1), -EBUSY);
    loop_until(f->io, f->written == before + 1);
    service_unref(svc);
}

static char *contents(struct fixture *f)
{
    struct buf text = BUF_INIT(65536);
    if (fs_read(f->path, &text, NULL) < 0) {
        buf_puts(&text, "(none)");
    }
    return buf_take(&text);
}

static void assert_contents(struct fixture *f, const char *expected)
{
    CLEANUP_FREE char *text = contents(f);
    assert_string_equal(text, expected);
}

static bool contents_are(struct fixture *f, const char *expected)
{
    CLEANUP_FREE char *text = contents(f);
    return strcmp(text, expected) == 0;
}

static void write_file(struct fixture *f, const char *text)
{
    struct err e = ERR_INIT;
    assert_int_equal(fs_make_parent(f->path, 0755, &e), 0);
    if (fs_replace(f->path, text, strlen(text), 0644, false, &e) < 0) {
        fail_msg("%s", e.msg);
    }
}

static struct stat stat_of(const char *path)
{
    struct stat st = {0};
    (void)!stat(path, &st);
    return st;
}

/* Sets the file's time to `age` seconds ago. */
static void make_old(struct fixture *f, time_t age)
{
    struct timespec t[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
    assert_int_equal(utimensat(AT_FDCWD, f->path, t, 0), 0);
}

#define WEB(id)                                                                                    \
    "{\"host\":\"10.0.0.1\",\"port\":80,\"name\":\"web\",\"id\":\"" id "\",\"node\":\"\","         \
    "\"container\":\"\",\"proto\":\"tcp\",\"tags\":[],\"attrs\":{},\"status\":\"passing\"}"
#define WEB2(id)                                                                                   \
    "{\"host\":\"10.0.0.1\",\"port\":80,\"name\":\"web-2\",\"id\":\"" id "\",\"node\":\"\","       \
    "\"container\":\"\",\"proto\":\"tcp\",\"tags\":[],\"attrs\":{},\"status\":\"passing\"}"

static void the_first_write_makes_the_file(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    assert_contents(f, "(none)"); /* an empty table would take servers out of service */
    put(f, "web-2", "x", 0);
    assert_int_equal(f->results[0].class, ERR_NONE);
    assert_int_equal(f->results[0].revision, 1);
    put(f, "web", "y", 0);
    assert_int_equal(f->results[0].revision, 2);
    assert_contents(f, HEAD "\"revision\":2,\"services\":[\n" WEB("y") ",\n" WEB2("x") "\n]}\n");
    assert_int_equal(stat_of(f->path).st_mode & 07777, 0644);
    close_now(f, false);
    assert_contents(f, HEAD "\"revision\":2,\"services\":[\n" WEB("y") ",\n" WEB2("x") "\n]}\n");
}

static void a_restart_writes_nothing_that_is_right(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    put(f, "web", "a", 0);
    close_now(f, false);
    make_old(f, 20);
    struct stat before = stat_of(f->path);
    open_ready(f, 30, "begin seen:web/a@1 ready ");
    struct stat after = stat_of(f->path);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_true(after.st_mtime > before.st_mtime); /* alive again at once */
    /* the next write is conditional on what was seen */
    put(f, "web", "a", 1);
    assert_int_equal(f->results[0].class, ERR_NONE);
    assert_int_equal(f->results[0].revision, 2);
    close_now(f, false);
}

static void another_ttl_or_node_is_written_at_once(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 60, "begin ready ");
    put(f, "web", "a", 0);
    close_now(f, false);
    open_ready(f, 30, "begin seen:web/a@1 ready ");
    assert_contents(f, HEAD "\"revision\":1,\"services\":[\n" WEB("a") "\n]}\n");
    close_now(f, false);
}

static void a_conflict_tells_the_truth_before_the_result(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    put(f, "web", "a", 0);
    CLEANUP_FREE char *before = contents(f);
    buf_reset(&f->log);
    put(f, "web", "a", 7);
    assert_string_equal(buf_str(&f->log), "seen:web/a@1 written ");
    assert_int_equal(f->results[0].class, ERR_CONFLICT);
    assert_int_equal(f->why.class, ERR_CONFLICT);
    buf_reset(&f->log);
    put(f, "web", "b", 7);
    assert_string_equal(buf_str(&f->log), "gone:web/b@1 written ");
    assert_contents(f, before);
    close_now(f, false);
}

static void a_batch_is_one_write(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    put(f, "web", "a", 0);
    const struct registry_op ops[] = {
        {.kind = REGISTRY_DELETE, .key = "web/a", .revision = 1},
        {.kind = REGISTRY_PUT, .key = "web/b", .value = A, .value_len = strlen(A)},
        {.kind = REGISTRY_DELETE, .key = "web/c", .revision = 3},
    };
    assert_int_equal(file_writer_ops.write(f->w, ops, 3), 0);
    loop_until(f->io, f->written == 2);
    assert_int_equal(f->results[0].class, ERR_NONE);
    assert_int_equal(f->results[1].class, ERR_NONE);
    assert_int_equal(f->results[1].revision, 2);
    assert_int_equal(f->results[2].class, ERR_CONFLICT);
    assert_contents(f, HEAD "\"revision\":2,\"services\":[\n" A "\n]}\n");
    close_now(f, false);
}

static void a_second_agent_is_told_who_holds_the_lock(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    struct registry_writer *first = f->w;
    struct err e = ERR_INIT;
    char pid[32];
    snprintf(pid, sizeof(pid), "process %d", getpid());
    assert_int_equal(open_as(f, "node2", 30, false, &e), -EBUSY);
    assert_int_equal(e.class, ERR_CONFLICT);
    if (!strstr(e.msg, "node node1") || !strstr(e.msg, pid)) {
        fail_msg("\"%s\" does not name the holder", e.msg);
    }
    f->w = first;
    close_now(f, false);
    open_ready(f, 30, "begin ready ");
    close_now(f, false);
}

static void what_others_do_to_the_file_is_undone(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    put(f, "web", "a", 0);
    CLEANUP_FREE char *right = contents(f);
    buf_reset(&f->log);
    assert_int_equal(unlink(f->path), 0);
    loop_until(f->io, contents_are(f, right));
    assert_int_equal(truncate(f->path, 5), 0);
    loop_until(f->io, contents_are(f, right));
    write_file(f, HEAD "\"revision\":9,\"services\":[]}");
    loop_until(f->io, contents_are(f, right));
    int fd = open(f->path, O_WRONLY | O_CLOEXEC); /* in place, and of the same length */
    assert_int_equal(pwrite(fd, "[", 1, 0), 1);
    close(fd);
    loop_until(f->io, contents_are(f, right));
    assert_string_equal(buf_str(&f->log), ""); /* no key was gone at any time */
    put(f, "web", "a", 1);
    assert_int_equal(f->results[0].class, ERR_NONE);
    close_now(f, false);
}

static void a_removed_folder_is_made_again(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 1, "begin ready ");
    put(f, "web", "a", 0);
    CLEANUP_FREE char *right = contents(f);
    CLEANUP_FREE char *moved = NULL, *folder = NULL;
    assert_true(asprintf(&folder, "%s/sub", f->dir) > 0);
    assert_true(asprintf(&moved, "%s/away", f->dir) > 0);
    assert_int_equal(rename(folder, moved), 0); /* lock and all */
    loop_until(f->io, contents_are(f, right));
    close_now(f, false);
}

static void an_alteration_that_the_watch_cannot_see_is_undone_by_the_heartbeat(void **state)
{
    struct fixture *f = *state;
    CLEANUP_FREE char *elsewhere = NULL;
    struct err e = ERR_INIT;
    assert_true(asprintf(&elsewhere, "%s/elsewhere", f->dir) > 0);
    assert_int_equal(fs_make_parent(f->path, 0755, &e), 0);
    assert_int_equal(fs_replace(elsewhere, "", 0, 0644, false, &e), 0);
    assert_int_equal(symlink(elsewhere, f->path), 0); /* the folder of the link is watched */
    open_ready(f, 1, "unready begin ready ");
    put(f, "web", "a", 0);
    CLEANUP_FREE char *right = contents(f);
    assert_int_equal(truncate(elsewhere, 7), 0);
    loop_until(f->io, contents_are(f, right));
    close_now(f, false);
}

static void a_file_that_cannot_be_used_is_replaced(void **state)
{
    struct fixture *f = *state;
    write_file(f, "{\"version\":2,\"services\":[]}");
    open_ready(f, 30, "unready begin ready ");
    assert_non_null(strstr(f->trouble.msg, "version 2"));
    assert_non_null(strstr(f->trouble.msg, f->path));
    assert_contents(f, "{\"version\":2,\"services\":[]}"); /* until there is something to write */
    put(f, "web", "a", 0);
    assert_contents(f, HEAD "\"revision\":1,\"services\":[\n" WEB("a") "\n]}\n");
    close_now(f, false);
}

static void a_bad_record_in_the_file_goes_alone(void **state)
{
    struct fixture *f = *state;
    write_file(f, HEAD "\"revision\":4,\"services\":[" A ",{\"name\":\"web\"},7]}");
    open_ready(f, 30, "begin seen:web/n:a:80@4 ready ");
    CLEANUP_FREE char *text = contents(f);
    assert_non_null(strstr(text, "\"n:a:80\""));
    assert_null(strstr(text, "7]"));
    close_now(f, false);
}

static void keys_of_an_expired_file_have_lapsed(void **state)
{
    struct fixture *f = *state;
    write_file(f, HEAD "\"revision\":4,\"services\":[\n" A "\n]}");
    make_old(f, 31);
    struct stat before = stat_of(f->path);
    open_ready(f, 30, "begin ready ");
    assert_int_equal(stat_of(f->path).st_mtime, before.st_mtime); /* and is not revived */
    put(f, "web", "b", 0);
    assert_int_equal(f->results[0].revision, 5);
    assert_contents(f, HEAD "\"revision\":5,\"services\":[\n" WEB("b") "\n]}\n");
    close_now(f, false);
}

static void heartbeats_touch_and_do_not_write(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 1, "begin ready ");
    /* nothing wanted: an empty table after a third of the ttl, and not before */
    assert_contents(f, "(none)");
    loop_until(f->io, stat_of(f->path).st_ino != 0);
    assert_contents(
        f, "{\"version\":1,\"node\":\"node1\",\"ttl\":1,\"revision\":0,\"services\":[\n]}\n");
    struct stat first = stat_of(f->path);
    loop_until(f->io, stat_of(f->path).st_mtim.tv_nsec != first.st_mtim.tv_nsec ||
                          stat_of(f->path).st_mtime != first.st_mtime);
    assert_int_equal(stat_of(f->path).st_ino, first.st_ino);
    close_now(f, false);
}

static void a_disk_that_refuses_is_tried_until_it_takes_all(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    put(f, "web", "a", 0);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkdir(f->path, 0755), 0); /* nothing can be renamed over a folder */
    buf_reset(&f->log);
    put(f, "web", "b", 0);
    loop_until(f->io, strstr(buf_str(&f->log), "unready ") != NULL);
    assert_string_equal(buf_str(&f->log), "written unready ");
    assert_int_equal(f->results[0].class, ERR_TRANSIENT);
    assert_non_null(strstr(f->trouble.msg, f->path));
    const struct registry_op op = {.kind = REGISTRY_DELETE, .key = "web/b"};
    assert_int_equal(file_writer_ops.write(f->w, &op, 1), -EAGAIN);
    buf_reset(&f->log);
    assert_int_equal(rmdir(f->path), 0);
    loop_until(f->io, strstr(buf_str(&f->log), "ready ") != NULL);
    /* the failed write is in memory, so it is written, and told */
    assert_string_equal(buf_str(&f->log), "begin seen:web/a@1 seen:web/b@2 ready ");
    assert_contents(f, HEAD "\"revision\":2,\"services\":[\n" WEB("a") ",\n" WEB("b") "\n]}\n");
    close_now(f, false);
}

static void who_loses_the_lock_is_deposed(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 1, "begin ready ");
    put(f, "web", "a", 0);
    struct registry_writer *first = f->w;
    CLEANUP_FREE char *lock = NULL;
    assert_true(asprintf(&lock, "%s.lock", f->path) > 0);
    assert_int_equal(unlink(lock), 0);
    open_ready(f, 1, "begin seen:web/a@1 ready ");
    struct registry_writer *second = f->w;
    loop_until(f->io, strstr(buf_str(&f->log), "deposed ") != NULL);
    assert_non_null(strstr(f->trouble.msg, "another agent"));
    const struct registry_op op = {.kind = REGISTRY_DELETE, .key = "web/a", .revision = 1};
    assert_int_equal(file_writer_ops.write(first, &op, 1), -EAGAIN);
    f->w = first;
    close_now(f, true); /* does not touch what is the other's now */
    CLEANUP_FREE char *text = contents(f);
    assert_non_null(strstr(text, "\"id\":\"a\""));
    f->w = second;
    close_now(f, false);
}

static void a_removed_lock_file_is_taken_anew(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 1, "begin ready ");
    CLEANUP_FREE char *lock = NULL;
    assert_true(asprintf(&lock, "%s.lock", f->path) > 0);
    assert_int_equal(unlink(lock), 0);
    loop_until(f->io, stat_of(lock).st_ino != 0);
    struct registry_writer *first = f->w;
    struct err e = ERR_INIT;
    assert_int_equal(open_as(f, "node2", 1, false, &e), -EBUSY);
    f->w = first;
    close_now(f, false);
}

static void deregistering_leaves_an_empty_table(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    put(f, "web", "a", 0);
    close_now(f, true);
    assert_contents(f, HEAD "\"revision\":2,\"services\":[\n]}\n");
}

static void a_dry_run_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    assert_int_equal(open_as(f, "node1", 1, true, &e), 0);
    loop_until(f->io, strstr(buf_str(&f->log), "ready ") != NULL);
    assert_string_equal(buf_str(&f->log), "begin ready ");
    const struct registry_op op = {
        .kind = REGISTRY_PUT, .key = "web/a", .value = A, .value_len = 2};
    assert_int_equal(file_writer_ops.write(f->w, &op, 1), -EAGAIN);
    CLEANUP_FREE char *folder = NULL;
    assert_true(asprintf(&folder, "%s/sub", f->dir) > 0);
    assert_int_equal(stat_of(folder).st_ino, 0);
    /* and follows what others write */
    buf_reset(&f->log);
    write_file(f, HEAD "\"revision\":4,\"services\":[" A "]}");
    loop_until(f->io, strstr(buf_str(&f->log), "ready ") != NULL);
    assert_string_equal(buf_str(&f->log), "begin seen:web/n:a:80@4 ready ");
    close_now(f, true);
    assert_contents(f, HEAD "\"revision\":4,\"services\":[" A "]}");
}

static void closing_delivers_what_is_on_its_way(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    const struct registry_op op = {
        .kind = REGISTRY_PUT, .key = "web/a", .value = A, .value_len = strlen(A)};
    assert_int_equal(file_writer_ops.write(f->w, &op, 1), 0);
    close_now(f, false);
    assert_int_equal(f->written, 1);
    assert_string_equal(buf_str(&f->log), "written ");
}

static void closing_from_inside_an_event_is_fine(void **state)
{
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    f->close_when_ready = true;
    assert_int_equal(open_as(f, "node1", 30, false, &e), 0);
    loop_until(f->io, f->done == 1);
    f->close_when_ready = false;
    /* and before anything was told */
    assert_int_equal(open_as(f, "node1", 30, false, &e), 0);
    close_now(f, false);
    assert_string_equal(buf_str(&f->log), "");
}

static void the_state_is_described_in_json(void **state)
{
    struct fixture *f = *state;
    open_ready(f, 30, "begin ready ");
    put(f, "web", "a", 0);
    CLEANUP(buf_deinit) struct buf out = BUF_INIT(4096);
    CLEANUP_JSON json *j = NULL;
    struct err e = ERR_INIT;
    file_writer_ops.describe(f->w, &out);
    assert_int_equal(json_parse(&j, out.data, out.len, &e), 0);
    assert_string_equal(json_str(j, "state", ""), "ready");
    assert_string_equal(json_str(j, "path", ""), f->path);
    assert_int_equal(json_int(j, "services", -1), 1);
    close_now(f, false);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_write_makes_the_file),
        CASE(a_restart_writes_nothing_that_is_right),
        CASE(another_ttl_or_node_is_written_at_once),
        CASE(a_conflict_tells_the_truth_before_the_result),
        CASE(a_batch_is_one_write),
        CASE(a_second_agent_is_told_who_holds_the_lock),
        CASE(what_others_do_to_the_file_is_undone),
        CASE(a_removed_folder_is_made_again),
        CASE(an_alteration_that_the_watch_cannot_see_is_undone_by_the_heartbeat),
        CASE(a_file_that_cannot_be_used_is_replaced),
        CASE(a_bad_record_in_the_file_goes_alone),
        CASE(keys_of_an_expired_file_have_lapsed),
        CASE(heartbeats_touch_and_do_not_write),
        CASE(a_disk_that_refuses_is_tried_until_it_takes_all),
        CASE(who_loses_the_lock_is_deposed),
        CASE(a_removed_lock_file_is_taken_anew),
        CASE(deregistering_leaves_an_empty_table),
        CASE(a_dry_run_changes_nothing),
        CASE(closing_delivers_what_is_on_its_way),
        CASE(closing_from_inside_an_event_is_fine),
        CASE(the_state_is_described_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
