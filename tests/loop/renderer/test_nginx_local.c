/*
 * The control of this host's nginx against the real one: what it accepts, what it refuses and with which
 * words, what becomes of it when nginx comes, goes and changes meanwhile. Skipped (77) where nginx is not
 * installed.
 */
#include "renderer/nginx_local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/wallclock.h"
#include "lib/loop_test.h"
#include "lib/nginx_daemon.h"
#include "renderer/command.h"

#define VERDICT_MAX 30000u /* ms; longer than any that a test waits for takes */

struct rig {
    struct io *io;
    struct nginx_daemon d;
    struct nginx_control *n;
    unsigned dones;
    enum nginx_outcome outcome;
    char why[1024];
    struct buf said;
    unsigned old;
};

static void rig_init(struct rig *r)
{
    struct err e = ERR_INIT;
    *r = (struct rig){.io = loop_open(), .said = BUF_INIT(1u << 20)};
    nginx_daemon_init(&r->d);
    if (nginx_local_new(&r->n, r->io, r->d.conf, &e) < 0) {
        fail_msg("nginx_local_new: %s", e.msg);
    }
}

static void rig_deinit(struct rig *r)
{
    nginx_control_free(r->n);
    loop_close(r->io);
    nginx_daemon_deinit(&r->d);
    buf_deinit(&r->said);
}

static void on_done(void *ctx, const struct nginx_result *res)
{
    struct rig *r = ctx;
    r->dones++;
    r->outcome = res->outcome;
    snprintf(r->why, sizeof(r->why), "%s", res->why);
    buf_reset(&r->said);
    buf_puts(&r->said, res->said);
}

static void on_count(void *ctx, unsigned old)
{
    struct rig *r = ctx;
    r->dones++;
    r->old = old;
}

static enum local_state state_of(const struct rig *r)
{
    return container_of(r->n, struct nginx_local, base)->state;
}

static void start(struct rig *r, const struct command *instead)
{
    struct err e = ERR_INIT;
    r->dones = 0;
    if (r->n->ops->reload(r->n, instead, on_done, r, &e) < 0) {
        fail_msg("reload: %s", e.msg);
    }
    assert_int_equal(r->dones, 0);
}

static const char *const outcomes[] = {"accepted", "refused", "unreached"};

/* Until it has ended; why must hold the words (NULL: be empty). */
static void finish(struct rig *r, enum nginx_outcome outcome, const char *words)
{
    loop_until_ms(r->io, VERDICT_MAX, r->dones > 0);
    assert_int_equal(r->dones, 1);
    if (r->outcome != outcome || (words ? !strstr(r->why, words) : *r->why)) {
        fail_msg("%s: \"%s\" instead of %s: \"%s\"; it said:\n%s", outcomes[r->outcome], r->why,
                 outcomes[outcome], words ? words : "", buf_str(&r->said));
    }
}

static void reload(struct rig *r, enum nginx_outcome outcome, const char *words)
{
    start(r, NULL);
    finish(r, outcome, words);
}

struct checked {
    struct child_job job;
    int status;
    char output[4096];
};

static void on_checked(struct child_job *j, const struct child_result *res)
{
    struct checked *c = container_of(j, struct checked, job);
    assert_int_equal(res->code, 0);
    c->status = res->exit_status;
    snprintf(c->output, sizeof(c->output), "%s", res->output);
}

/* words: NULL where it finds no fault. */
static void check(struct rig *r, const char *words)
{
    struct err e = ERR_INIT;
    struct checked c = {.job.done = on_checked};
    assert_null(r->n->ops->check);
    if (child_start(r->io, &c.job, r->n->ops->check_argv(r->n), VERDICT_MAX, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    loop_until_ms(r->io, VERDICT_MAX, !child_running(&c.job));
    if (words ? c.status == 0 || !strstr(c.output, words) : c.status != 0) {
        fail_msg("status %d instead of \"%s\": %s", c.status, words ? words : "", c.output);
    }
}

static unsigned count_old(struct rig *r)
{
    struct err e = ERR_INIT;
    r->dones = 0;
    assert_int_equal(r->n->ops->count_old(r->n, on_count, r, &e), 0);
    loop_until(r->io, r->dones == 1);
    return r->old;
}

static void assert_serves(const struct rig *r, const char *text)
{
    CLEANUP_FREE char *got = nginx_daemon_get(&r->d, "/");
    assert_string_equal(got, text);
}

/* Workers that serve; their numbers' sum tells whether they are the same. */
static unsigned long workers(int master, size_t *ret_n)
{
    struct nginx_proc list[64];
    unsigned long sum = 0;
    size_t n = nginx_proc_children(master, list, 64);
    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].role == NGINX_ROLE_WORKER) {
            sum += (unsigned long)list[i].pid;
            ++*ret_n;
        }
    }
    return sum;
}

/* nginx answers when the first worker does. */
static void run(struct rig *r)
{
    size_t n;
    nginx_daemon_start(&r->d);
    loop_until_outside(r->io, ((void)workers(r->d.pid, &n), n == r->d.workers));
}

static void put_number(const char *path, int pid)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%d\n", pid);
    assert_int_equal(fs_replace(path, text, (size_t)n, 0644, false, NULL), 0);
}

static bool file_has(const char *path, const char *text)
{
    struct buf b = BUF_INIT(1u << 20);
    bool has = fs_read(path, &b, NULL) == 0 && strstr(buf_str(&b), text) != NULL;
    buf_deinit(&b);
    return has;
}

static bool is_stopped(int pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    return file_has(path, ") T ");
}

static void stop(const struct rig *r)
{
    assert_int_equal(kill(r->d.pid, SIGSTOP), 0);
    loop_until_outside(r->io, is_stopped(r->d.pid));
}

#define BROKEN "unknown_directive x;"

/* ---- accepted ---- */

static void accepted_beside_open_connections(void **state)
{
    struct rig r;
    int fds[8];
    size_t n;
    rig_init(&r);
    run(&r);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = nginx_daemon_connect(&r.d);
        nginx_daemon_ask(fds[i], "/");
        CLEANUP_FREE char *answer = nginx_daemon_answer(fds[i]);
        assert_string_equal(answer, "one");
    }
    unsigned long before = workers(r.d.pid, &n);
    assert_int_equal(n, 2);
    nginx_daemon_write(&r.d, "two", "", "");
    msec_t begun = clock_monotonic();
    reload(&r, NGINX_ACCEPTED, NULL);
    print_message("HUP to confirmed, first (nginx -V asked): %llu ms\n",
                  (unsigned long long)(clock_monotonic() - begun));
    assert_string_equal(buf_str(&r.said), "");
    assert_serves(&r, "two");
    assert_int_not_equal(workers(r.d.pid, &n), before);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
    begun = clock_monotonic();
    for (unsigned i = 0; i < 5; i++) {
        reload(&r, NGINX_ACCEPTED, NULL);
    }
    print_message("HUP to confirmed, mean of 5: %llu ms\n",
                  (unsigned long long)(clock_monotonic() - begun) / 5);
    rig_deinit(&r);
}

static void four_workers(void **state)
{
    struct rig r;
    size_t n;
    rig_init(&r);
    r.d.workers = 4;
    nginx_daemon_write(&r.d, "one", "", "");
    run(&r);
    nginx_daemon_write(&r.d, "two", "", "");
    reload(&r, NGINX_ACCEPTED, NULL);
    (void)workers(r.d.pid, &n);
    assert_int_equal(n, 4);
    assert_serves(&r, "two");
    nginx_daemon_write(&r.d, "three", "", BROKEN);
    reload(&r, NGINX_REFUSED, "unknown directive");
    r.d.workers = 1;
    nginx_daemon_write(&r.d, "four", "", "");
    reload(&r, NGINX_ACCEPTED, NULL);
    (void)workers(r.d.pid, &n);
    assert_int_equal(n, 1);
    assert_serves(&r, "four");
    rig_deinit(&r);
}

static void old_workers_are_counted(void **state)
{
    struct rig r;
    char location[128];
    int listener;
    rig_init(&r);
    assert_int_equal(count_old(&r), 0); /* nothing runs */
    snprintf(location, sizeof(location), "location /slow { proxy_pass http://127.0.0.1:%u; }",
             nginx_daemon_port(&listener));
    nginx_daemon_write(&r.d, "one", location, "");
    run(&r);
    assert_int_equal(count_old(&r), 0);
    int client = nginx_daemon_connect(&r.d);
    nginx_daemon_ask(client, "/slow");
    int upstream = accept(listener, NULL, NULL);
    assert_true(upstream >= 0);
    nginx_daemon_write(&r.d, "two", location, "");
    reload(&r, NGINX_ACCEPTED, NULL);
    assert_int_equal(count_old(&r), 1);
    reload(&r, NGINX_ACCEPTED, NULL); /* it is no worker of before any more */
    assert_int_equal(count_old(&r), 1);
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nlate";
    assert_int_equal(send(upstream, answer, sizeof(answer) - 1, MSG_NOSIGNAL), sizeof(answer) - 1);
    close(upstream);
    CLEANUP_FREE char *got = nginx_daemon_answer(client);
    assert_string_equal(got, "late");
    close(client);
    close(listener);
    loop_until_outside(r.io, count_old(&r) == 0);
    rig_deinit(&r);
}

/* ---- refused ---- */

static void a_syntax_error_is_refused(void **state)
{
    struct rig r;
    size_t n;
    rig_init(&r);
    run(&r);
    unsigned long before = workers(r.d.pid, &n);
    nginx_daemon_write(&r.d, "two", "", BROKEN);
    check(&r, "unknown directive \"unknown_directive\" in ");
    msec_t begun = clock_monotonic();
    reload(&r, NGINX_REFUSED, "unknown directive \"unknown_directive\" in ");
    print_message("HUP to refused: %llu ms\n", (unsigned long long)(clock_monotonic() - begun));
    assert_non_null(strstr(buf_str(&r.said), "nginx: [emerg] unknown directive"));
    assert_int_equal(workers(r.d.pid, &n), before);
    assert_serves(&r, "one");
    nginx_daemon_write(&r.d, "three", "", "");
    check(&r, NULL);
    reload(&r, NGINX_ACCEPTED, NULL); /* the refusal of before is not ours */
    assert_serves(&r, "three");
    rig_deinit(&r);
}

static void a_port_in_use_is_refused(void **state)
{
    struct rig r;
    int listener;
    char server[64];
    rig_init(&r);
    run(&r);
    snprintf(server, sizeof(server), "listen 127.0.0.1:%u;", nginx_daemon_port(&listener));
    nginx_daemon_write(&r.d, "two", server, "");
    check(&r, NULL); /* nginx -t does not mind */
    reload(&r, NGINX_REFUSED, "Address already in use");
    assert_non_null(strstr(r.why, "bind() to 127.0.0.1:"));
    assert_true(file_has(r.d.log, "still could not bind()")); /* not before nginx has given up */
    assert_serves(&r, "one");
    close(listener);
    reload(&r, NGINX_ACCEPTED, NULL);
    assert_serves(&r, "two");
    rig_deinit(&r);
}

/* One that dies is replaced: a new worker, and no proof of anything. */
static void a_worker_dies_during_the_reload(void **state)
{
    for (unsigned n_workers = 1; n_workers <= 2; n_workers++) {
        struct rig r;
        struct nginx_proc list[8];
        int listener;
        char server[64];
        size_t n;
        rig_init(&r);
        r.d.workers = n_workers;
        nginx_daemon_write(&r.d, "one", "", "");
        run(&r);
        snprintf(server, sizeof(server), "listen 127.0.0.1:%u;", nginx_daemon_port(&listener));
        nginx_daemon_write(&r.d, "two", server, "");
        start(&r, NULL);
        loop_until(r.io, file_has(r.d.log, "Address already in use"));
        unsigned long before = workers(r.d.pid, &n);
        assert_int_equal(nginx_proc_children(r.d.pid, list, 8), n_workers);
        assert_int_equal(nginx_proc_signal(&list[0], SIGKILL), 0);
        finish(&r, NGINX_REFUSED, "Address already in use");
        assert_int_not_equal(workers(r.d.pid, &n), before);
        assert_serves(&r, "one");
        close(listener);
        rig_deinit(&r);
    }
}

static void workers_that_cannot_start(void **state)
{
    struct rig r;
    rig_init(&r);
    run(&r);
    nginx_daemon_write(&r.d, "two", "", "working_directory /nowhere;");
    check(&r, NULL);
    reload(&r, NGINX_REFUSED, "the new workers have ended at once: chdir(\"/nowhere\") failed");
    nginx_daemon_write(&r.d, "three", "", "");
    reload(&r, NGINX_ACCEPTED, NULL);
    assert_serves(&r, "three");
    rig_deinit(&r);
}

static void refused_where_nobody_hears_it(void **state)
{
    struct rig r;
    int listener;
    char server[64];
    rig_init(&r);
    r.d.error_log = "stderr";
    nginx_daemon_write(&r.d, "one", "", "");
    run(&r);
    reload(&r, NGINX_ACCEPTED, NULL);
    nginx_daemon_write(&r.d, "two", "", BROKEN);
    reload(&r, NGINX_REFUSED, "unknown directive");
    assert_non_null(strstr(buf_str(&r.said), "[emerg]"));
    snprintf(server, sizeof(server), "listen 127.0.0.1:%u;", nginx_daemon_port(&listener));
    nginx_daemon_write(&r.d, "three", server, "");
    reload(&r, NGINX_REFUSED, "its error_log is stderr");
    assert_non_null(strstr(r.why, "a port that is in use"));
    assert_serves(&r, "one");
    close(listener);
    rig_deinit(&r);
}

static void a_log_that_moves_is_followed(void **state)
{
    struct rig r;
    char moved[300];
    rig_init(&r);
    run(&r);
    snprintf(moved, sizeof(moved), "%s.1", r.d.log);
    /* moved away while the signal is pending; nginx goes on writing to it */
    nginx_daemon_write(&r.d, "two", "", BROKEN);
    stop(&r);
    start(&r, NULL);
    loop_until(r.io, state_of(&r) == LOCAL_S_WATCH);
    assert_int_equal(rename(r.d.log, moved), 0);
    assert_int_equal(kill(r.d.pid, SIGCONT), 0);
    finish(&r, NGINX_REFUSED, "unknown directive");
    assert_null(strstr(buf_str(&r.said), "test failed")); /* it was not nginx -t that said it */
    assert_true(file_has(moved, "unknown directive"));
    assert_int_not_equal(access(r.d.log, F_OK), 0);
    /* nginx is told to open it anew */
    assert_int_equal(kill(r.d.pid, SIGUSR1), 0);
    loop_until_outside(r.io, access(r.d.log, F_OK) == 0);
    reload(&r, NGINX_REFUSED, "unknown directive");
    assert_true(file_has(r.d.log, "unknown directive"));
    rig_deinit(&r);
}

static void mark_tail(struct nginx_tail *t)
{
    struct nginx_tail now = nginx_tail_anew(t);
    nginx_tail_close(t);
    *t = now;
}

static void append(const char *path, const char *text)
{
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* What cannot be opened at the mark, and can be later: what is old in it stays old. */
static void tails_of_what_is_hidden(void **state)
{
    struct nginx_tail t;
    struct buf out = BUF_INIT(4 * NGINX_TAIL_MAX);
    if (geteuid() != 0) {
        skip();
    }
    char *dir = loop_mkdir();
    char path[300];
    snprintf(path, sizeof(path), "%s/log", dir);
    assert_int_equal(fs_replace(path, "old\n", 4, 0600, false, NULL), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    /* the file */
    assert_int_equal(seteuid(65534), 0);
    nginx_tail_open(&t, path);
    assert_int_equal(t.error, EACCES);
    assert_false(nginx_tail_readable(&t));
    assert_int_equal(seteuid(0), 0);
    nginx_tail_read(&t, &out);
    assert_string_equal(buf_str(&out), "");
    append(path, "new\n");
    nginx_tail_read(&t, &out);
    assert_string_equal(buf_str(&out), "new\n");
    /* another one in its place */
    assert_int_equal(fs_replace(path, "b\n", 2, 0600, false, NULL), 0);
    buf_reset(&out);
    nginx_tail_read(&t, &out);
    assert_string_equal(buf_str(&out), "b\n");
    nginx_tail_close(&t);
    /* its folder: it is not known what was there */
    assert_int_equal(chmod(dir, 0700), 0);
    assert_int_equal(seteuid(65534), 0);
    nginx_tail_open(&t, path);
    assert_int_equal(t.error, EACCES);
    assert_int_equal(seteuid(0), 0);
    buf_reset(&out);
    nginx_tail_read(&t, &out);
    assert_string_equal(buf_str(&out), "");
    nginx_tail_close(&t);
    buf_deinit(&out);
    loop_rmdir(dir);
}

static void tails(void **state)
{
    struct nginx_tail t;
    struct buf out = BUF_INIT(4 * NGINX_TAIL_MAX);
    char *dir = loop_mkdir();
    char path[300], moved[300];
    snprintf(path, sizeof(path), "%s/log", dir);
    snprintf(moved, sizeof(moved), "%s/log.1", dir);
    nginx_tail_open(&t, path); /* no file yet */
    assert_true(nginx_tail_readable(&t));
    assert_int_equal(fs_replace(path, "a\n", 2, 0644, false, NULL), 0);
    nginx_tail_read(&t, &out);
    assert_string_equal(buf_str(&out), "a\n");
    /* appended to, moved away, replaced */
    mark_tail(&t);
    append(path, "b\n");
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(fs_replace(path, "c\n", 2, 0644, false, NULL), 0);
    buf_reset(&out);
    nginx_tail_read(&t, &out);
    assert_string_equal(buf_str(&out), "b\nc\n");
    /* moved away, and marked before there is another */
    mark_tail(&t);
    assert_int_equal(rename(path, moved), 0);
    mark_tail(&t);
    append(moved, "e\n");
    buf_reset(&out);
    nginx_tail_read(&t, &out);
    assert_string_equal(buf_str(&out), "e\n");
    assert_int_equal(rename(moved, path), 0);
    /* emptied in place */
    mark_tail(&t);
    assert_int_equal(truncate(path, 0), 0);
    append(path, "d");
    buf_reset(&out);
    nginx_tail_read(&t, &out);
    assert_string_equal(buf_str(&out), "d");
    /* more than is looked at: the end of it */
    mark_tail(&t);
    assert_int_equal(truncate(path, (off_t)NGINX_TAIL_MAX + 100), 0);
    append(path, "end");
    buf_reset(&out);
    nginx_tail_read(&t, &out);
    assert_int_equal(out.len, NGINX_TAIL_MAX);
    assert_memory_equal(out.data + out.len - 3, "end", 3);
    nginx_tail_close(&t);
    /* what would block is not opened */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    nginx_tail_open(&t, path);
    assert_false(nginx_tail_readable(&t));
    nginx_tail_close(&t);
    buf_deinit(&out);
    loop_rmdir(dir);
}

/* ---- unreached, and another master ---- */

static void nginx_that_does_not_run(void **state)
{
    struct rig r;
    rig_init(&r);
    check(&r, NULL); /* needs none; leaves an empty pid file */
    reload(&r, NGINX_UNREACHED, "nginx does not run with ");
    assert_non_null(strstr(r.why, "holds no process number"));
    assert_int_equal(unlink(r.d.pid_file), 0);
    reload(&r, NGINX_UNREACHED, "there is no ");
    rig_deinit(&r);
}

static void killed_during_the_reload(void **state)
{
    struct rig r;
    rig_init(&r);
    run(&r);
    stop(&r);
    start(&r, NULL);
    loop_until(r.io, state_of(&r) == LOCAL_S_WATCH);
    nginx_daemon_kill(&r.d, SIGKILL);
    finish(&r, NGINX_UNREACHED, "nginx has stopped during the reload: ");
    assert_non_null(strstr(r.why, "has gone"));
    rig_deinit(&r);
}

static void restarted_during_the_reload(void **state)
{
    struct rig r;
    rig_init(&r);
    run(&r);
    stop(&r);
    start(&r, NULL);
    loop_until(r.io, state_of(&r) == LOCAL_S_WATCH);
    nginx_daemon_kill(&r.d, SIGKILL);
    nginx_daemon_write(&r.d, "two", "", "");
    run(&r);
    finish(&r, NGINX_ACCEPTED, NULL);
    assert_serves(&r, "two");
    rig_deinit(&r);
}

static void a_master_that_does_not_listen(void **state)
{
    struct rig r;
    rig_init(&r);
    run(&r);
    stop(&r);
    reload(&r, NGINX_UNREACHED, "has not taken the signal for 15 s");
    rig_deinit(&r);
}

/* QUIT: the master waits for a request in flight, and takes HUP without doing anything about it. */
static void a_master_that_is_stopping(void **state)
{
    struct rig r;
    char location[128];
    int listener;
    size_t n;
    rig_init(&r);
    snprintf(location, sizeof(location), "location /slow { proxy_pass http://127.0.0.1:%u; }",
             nginx_daemon_port(&listener));
    nginx_daemon_write(&r.d, "one", location, "");
    run(&r);
    int client = nginx_daemon_connect(&r.d);
    nginx_daemon_ask(client, "/slow");
    int upstream = accept(listener, NULL, NULL);
    assert_int_equal(kill(r.d.pid, SIGQUIT), 0);
    loop_until_outside(r.io, ((void)workers(r.d.pid, &n), n == 0));
    reload(&r, NGINX_UNREACHED, "is stopping");
    close(upstream);
    close(client);
    close(listener);
    rig_deinit(&r);
}

static void pid_files_that_mislead(void **state)
{
    struct rig r;
    struct nginx_daemon other;
    rig_init(&r);
    nginx_daemon_init(&other);
    nginx_daemon_start(&other);
    run(&r);
    size_t n;
    loop_until_outside(r.io, ((void)workers(other.pid, &n), n == other.workers));
    unsigned long others = workers(other.pid, &n);
    /* found by its command line all the same: without pid file, and with numbers of others in it */
    assert_int_equal(unlink(r.d.pid_file), 0);
    reload(&r, NGINX_ACCEPTED, NULL);
    const int pids[] = {getpid(), other.pid, 0x3fffffff};
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        put_number(r.d.pid_file, pids[i]);
        reload(&r, NGINX_ACCEPTED, NULL);
    }
    assert_int_equal(workers(other.pid, &n), others); /* it was never told */
    /* and said, when ours does not run */
    nginx_daemon_kill(&r.d, SIGTERM);
    put_number(r.d.pid_file, getpid());
    reload(&r, NGINX_UNREACHED, "is not nginx's master");
    put_number(r.d.pid_file, other.pid);
    reload(&r, NGINX_UNREACHED, "is an nginx that runs another configuration");
    assert_int_equal(workers(other.pid, &n), others);
    nginx_daemon_deinit(&other);
    rig_deinit(&r);
}

static void two_masters_of_one_configuration(void **state)
{
    struct rig r;
    rig_init(&r);
    run(&r);
    struct nginx_daemon second = r.d;
    second.pid = 0;
    second.port = nginx_daemon_port(NULL);
    nginx_daemon_write(&second, "two", "", "");
    nginx_daemon_start(&second);
    assert_int_equal(unlink(r.d.pid_file), 0);
    reload(&r, NGINX_UNREACHED, "2 nginx masters run with ");
    nginx_daemon_kill(&second, SIGKILL);
    rig_deinit(&r);
}

static void count_learned(void *ctx)
{
    unsigned *n = ctx;
    ++*n;
}

static void site_of(struct nginx_site *s, struct rig *r)
{
    nginx_site_init(s, r->io, r->d.conf);
    unsigned learned = 0;
    assert_true(nginx_site_learn(s, count_learned, &learned));
    loop_until(r->io, learned == 1);
}

/* Found without its pid file, it is not looked for at every look; but it is for the last word. */
static void found_once_by_its_title(void **state)
{
    struct rig r;
    struct nginx_site s;
    struct nginx_proc first, p;
    struct err e = ERR_INIT;
    rig_init(&r);
    run(&r);
    site_of(&s, &r);
    assert_int_equal(unlink(r.d.pid_file), 0);
    assert_int_equal(nginx_site_master_again(&s, &first, &e), 0);
    assert_int_equal(first.pid, r.d.pid);
    struct nginx_daemon second = r.d;
    second.pid = 0;
    second.port = nginx_daemon_port(NULL);
    nginx_daemon_write(&second, "two", "", "");
    nginx_daemon_start(&second);
    assert_int_equal(unlink(r.d.pid_file), 0);
    assert_int_equal(nginx_site_master_again(&s, &p, &e), 0);
    assert_int_equal(p.pid, first.pid);
    assert_int_equal(nginx_site_master(&s, &p, &e), -ESRCH);
    assert_non_null(strstr(e.msg, "2 nginx masters run with "));
    assert_int_equal(nginx_site_master_again(&s, &p, &e),
                     -ESRCH); /* nor is one taken from then on */
    nginx_daemon_kill(&second, SIGKILL);
    assert_int_equal(nginx_site_master_again(&s, &p, &e), 0);
    nginx_daemon_kill(&r.d, SIGKILL);
    assert_int_equal(nginx_site_master_again(&s, &p, &e), -ESRCH);
    nginx_site_deinit(&s);
    rig_deinit(&r);
}

/* Ends with the descriptor that it reads from. */
static pid_t start_poser(const char *title, uid_t uid, int *ret_fd)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[1]);
        dup2(fds[0], STDIN_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setresuid(uid, uid, uid) == 0) {
            execl("/bin/sh", title, "-c", "read x", (char *)NULL);
        }
        _exit(127);
    }
    close(fds[0]);
    *ret_fd = fds[1];
    return pid;
}

static void somebody_poses_as_the_master(void **state)
{
    struct rig r;
    struct nginx_proc p;
    char title[400];
    int fd;
    if (geteuid() != 0) {
        skip();
    }
    rig_init(&r);
    run(&r);
    snprintf(title, sizeof(title), "nginx: master process nginx -c %s", r.d.conf);
    pid_t poser = start_poser(title, 65534, &fd);
    loop_until_outside(r.io, nginx_proc_read(poser, &p, NULL) && p.role == NGINX_ROLE_MASTER);
    assert_int_equal(unlink(r.d.pid_file), 0);
    reload(&r, NGINX_ACCEPTED, NULL);
    put_number(r.d.pid_file, poser);
    reload(&r, NGINX_ACCEPTED, NULL);
    nginx_daemon_kill(&r.d, SIGTERM);
    put_number(r.d.pid_file, poser);
    reload(&r, NGINX_UNREACHED, "is of user 65534: only root's and those of the user");
    assert_int_equal(unlink(r.d.pid_file), 0);
    reload(&r, NGINX_UNREACHED, "is of user 65534: only root's and those of the user");
    /* it would be ours if we were that user, and as such not root's */
    uid_t uid;
    assert_int_equal(seteuid(65534), 0);
    assert_true(nginx_proc_is_ours(poser, &uid));
    assert_int_equal(seteuid(0), 0);
    close(fd);
    assert_int_equal(waitpid(poser, NULL, 0), poser);
    rig_deinit(&r);
}

/* A worker looks like its master until it has a title of its own: here, a child with that command line. */
static void a_worker_without_a_title(void **state)
{
    struct nginx_proc list[64];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t parent = fork();
    if (parent == 0) {
        close(fds[1]);
        dup2(fds[0], STDIN_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/bin/sh", "nginx: master process nginx", "-c", "exec 3<&0; (read x <&3) & wait",
              (char *)NULL);
        _exit(127);
    }
    close(fds[0]);
    struct io *io = loop_open();
    size_t n = 0, found = 0;
    loop_until_outside(io, (n = nginx_proc_children(parent, list, 64)) == 1);
    pid_t child = list[0].pid;
    assert_int_equal(list[0].role, NGINX_ROLE_MASTER);
    n = nginx_proc_masters(list, 64);
    for (size_t i = 0; i < n; i++) {
        assert_int_not_equal(list[i].pid, child);
        found += list[i].pid == parent;
    }
    assert_int_equal(found, 1);
    close(fds[1]);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    loop_close(io);
}

/* As in an upgrade whose new master has just written the pid file: that one is told, too. */
static void the_pid_file_changes_hands(void **state)
{
    struct rig r;
    size_t n;
    rig_init(&r);
    run(&r);
    struct nginx_daemon second = r.d;
    second.pid = 0;
    second.port = nginx_daemon_port(NULL);
    nginx_daemon_write(&second, "two", "", "");
    nginx_daemon_start(&second);
    loop_until_outside(r.io, ((void)workers(second.pid, &n), n == second.workers));
    unsigned long before = workers(second.pid, &n);
    put_number(r.d.pid_file, r.d.pid);
    nginx_daemon_write(&r.d, "three", "", "");
    stop(&r);
    start(&r, NULL);
    loop_until(r.io, state_of(&r) == LOCAL_S_WATCH);
    put_number(r.d.pid_file, second.pid);
    assert_int_equal(kill(r.d.pid, SIGCONT), 0);
    finish(&r, NGINX_REFUSED, "Address already in use"); /* the port is the first one's */
    assert_int_equal(workers(second.pid, &n), before);
    nginx_daemon_write(&second, "four", "", "");
    reload(&r, NGINX_ACCEPTED, NULL);
    assert_int_not_equal(workers(second.pid, &n), before);
    nginx_daemon_kill(&second, SIGKILL);
    rig_deinit(&r);
}

static int pid_in(const char *path)
{
    struct buf text = BUF_INIT(64);
    int pid = fs_read(path, &text, NULL) == 0 ? (int)strtol(buf_str(&text), NULL, 10) : 0;
    buf_deinit(&text);
    return pid;
}

/* nginx obeys USR2 only as a daemon; as this process then adopts it, it can be waited for all the same. */
static void upgraded_during_the_reload(void **state)
{
    struct rig r;
    char command[300];
    size_t n;
    int second;
    rig_init(&r);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    snprintf(command, sizeof(command), NGINX_DAEMON_BINARY " -c %s", r.d.conf);
    assert_int_equal(system(command), 0);
    loop_until_outside(r.io, (r.d.pid = pid_in(r.d.pid_file)) > 0);
    loop_until_outside(r.io, ((void)workers(r.d.pid, &n), n == 2));
    nginx_daemon_write(&r.d, "two", "", "");
    stop(&r);
    start(&r, NULL);
    loop_until(r.io, state_of(&r) == LOCAL_S_WATCH);
    assert_int_equal(kill(r.d.pid, SIGUSR2), 0);
    assert_int_equal(kill(r.d.pid, SIGCONT), 0);
    finish(&r, NGINX_ACCEPTED, NULL);
    /* and again, now that both are there for sure: the new one is told */
    loop_until_outside(r.io, (second = pid_in(r.d.pid_file)) > 0 && second != r.d.pid);
    loop_until_outside(r.io, ((void)workers(second, &n), n == 2));
    unsigned long before = workers(second, &n);
    nginx_daemon_write(&r.d, "three", "", "");
    reload(&r, NGINX_ACCEPTED, NULL);
    assert_int_not_equal(workers(second, &n), before);
    nginx_daemon_kill(&r.d, SIGTERM);
    assert_serves(&r, "three");
    r.d.pid = second;
    nginx_daemon_kill(&r.d, SIGTERM);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    rig_deinit(&r);
}

static void without_the_right_to_signal(void **state)
{
    struct rig r;
    if (geteuid() != 0) {
        skip();
    }
    rig_init(&r);
    run(&r);
    assert_int_equal(setresuid(65534, 65534, 0), 0);
    reload(&r, NGINX_UNREACHED, "may not be told: Operation not permitted");
    assert_int_equal(setresuid(0, 0, 0), 0);
    reload(&r, NGINX_ACCEPTED, NULL);
    rig_deinit(&r);
}

/* ---- other people's signals ---- */

static void earlier_signals_do_not_count(void **state)
{
    struct rig r;
    int listener;
    char server[64];
    rig_init(&r);
    run(&r);
    snprintf(server, sizeof(server), "listen 127.0.0.1:%u;", nginx_daemon_port(&listener));
    /* it is still trying to bind when the good configuration is there and we come */
    nginx_daemon_write(&r.d, "bad", server, "");
    assert_int_equal(kill(r.d.pid, SIGHUP), 0);
    loop_until_outside(r.io, file_has(r.d.log, "Address already in use"));
    nginx_daemon_write(&r.d, "two", "", "");
    reload(&r, NGINX_ACCEPTED, NULL);
    assert_true(file_has(r.d.log, "still could not bind()"));
    assert_serves(&r, "two");
    /* and the other way round: what the earlier one achieves is not for us */
    nginx_daemon_write(&r.d, "three", server, "");
    assert_int_equal(truncate(r.d.log, 0), 0);
    assert_int_equal(kill(r.d.pid, SIGHUP), 0);
    loop_until_outside(r.io, file_has(r.d.log, "Address already in use"));
    close(listener); /* so that it succeeds */
    nginx_daemon_write(&r.d, "four", "", BROKEN);
    reload(&r, NGINX_REFUSED, "unknown directive");
    assert_serves(&r, "three");
    rig_deinit(&r);
}

/* HUP that is taken while everything is noted anew: what came of it does not count as before. */
static void taken_while_it_is_noted(void **state)
{
    struct rig r;
    struct nginx_watch w = NGINX_WATCH_NULL;
    struct nginx_proc master;
    size_t n;
    rig_init(&r);
    run(&r);
    assert_true(nginx_proc_read(r.d.pid, &master, NULL));
    nginx_watch_begin(&w, &master, r.d.log);
    assert_false(nginx_watch_mark_untold(&w));
    stop(&r);
    assert_int_equal(kill(r.d.pid, SIGHUP), 0);
    append(r.d.log, "2026/01/02 03:04:05 [emerg] 1#1: earlier\n");
    assert_true(nginx_watch_mark_untold(&w));
    assert_int_equal(nginx_watch_look(&w).mood, NGINX_MOOD_UNTOLD);
    unsigned long before = workers(r.d.pid, &n);
    assert_int_equal(kill(r.d.pid, SIGCONT), 0);
    loop_until_outside(r.io, workers(r.d.pid, &n) != before && n == r.d.workers);
    append(r.d.log, "2026/01/02 03:04:05 [emerg] 2#2: later\n");
    assert_false(nginx_watch_mark_untold(&w));
    struct nginx_sight s = nginx_watch_look(&w);
    assert_int_equal(s.fresh, r.d.workers);
    assert_int_equal(s.stale, 0);
    struct buf said = BUF_INIT(4096);
    assert_int_equal(nginx_watch_last(&w, true, &said), 1);
    assert_string_equal(buf_str(&said), "nginx: [emerg] later\n");
    buf_deinit(&said);
    nginx_watch_end(&w);
    rig_deinit(&r);
}

/* ---- a command instead ---- */

static void run_instead(struct rig *r, const char *text, enum nginx_outcome outcome,
                        const char *words)
{
    struct command c = COMMAND_NULL;
    assert_int_equal(command_parse(&c, text, NULL), 0);
    start(r, &c);
    finish(r, outcome, words);
    command_deinit(&c);
}

static void a_command_instead(void **state)
{
    struct rig r;
    char told[600], restart[1400];
    rig_init(&r);
    run(&r);
    snprintf(told, sizeof(told), "[\"nginx\", \"-c\", \"%s\", \"-s\", \"reload\"]", r.d.conf);
    nginx_daemon_write(&r.d, "two", "", "");
    run_instead(&r, told, NGINX_ACCEPTED, NULL);
    assert_serves(&r, "two");
    nginx_daemon_write(&r.d, "three", "", BROKEN);
    run_instead(&r, told, NGINX_REFUSED, "unknown directive");
    assert_non_null(strstr(buf_str(&r.said), "[emerg]"));
    snprintf(told, sizeof(told), "kill -HUP %d", r.d.pid);
    run_instead(&r, told, NGINX_REFUSED, "unknown directive");
    run_instead(&r, "echo no; exit 3", NGINX_UNREACHED, "exit status 3");
    run_instead(&r, "[\"/nowhere/x\"]", NGINX_UNREACHED, "/nowhere/x: ");
    run_instead(&r, "true", NGINX_UNREACHED, "has not reloaded since");
    /* one that starts it, and one that starts it anew */
    nginx_daemon_kill(&r.d, SIGTERM);
    nginx_daemon_write(&r.d, "four", "", "");
    snprintf(restart, sizeof(restart),
             "test ! -s %s || { kill $(cat %s); while test -e %s; do sleep 0.02; done; }; "
             "nginx -c %s",
             r.d.pid_file, r.d.pid_file, r.d.pid_file, r.d.conf);
    run_instead(&r, restart, NGINX_ACCEPTED, NULL);
    assert_serves(&r, "four");
    nginx_daemon_write(&r.d, "five", "", "");
    run_instead(&r, restart, NGINX_ACCEPTED, NULL);
    assert_serves(&r, "five");
    snprintf(told, sizeof(told), "kill $(cat %s)", r.d.pid_file);
    assert_int_equal(system(told), 0);
    loop_until_outside(r.io, access(r.d.pid_file, F_OK) != 0);
    rig_deinit(&r);
}

static void a_command_and_a_log_that_nobody_hears(void **state)
{
    struct rig r;
    char told[64];
    rig_init(&r);
    r.d.error_log = "stderr";
    nginx_daemon_write(&r.d, "one", "", "");
    run(&r);
    nginx_daemon_write(&r.d, "two", "", BROKEN);
    snprintf(told, sizeof(told), "kill -HUP %d", r.d.pid);
    run_instead(&r, told, NGINX_REFUSED, "unknown directive");
    rig_deinit(&r);
}

/* ---- cancel ---- */

static void cancelled_in(struct rig *r, enum local_state in)
{
    loop_until(r->io, state_of(r) == in);
    r->n->ops->cancel(r->n);
    assert_int_equal(r->dones, 0);
    finish(r, NGINX_UNREACHED, "cancelled");
    assert_int_equal(state_of(r), LOCAL_S_IDLE);
}

static void cancel_in_every_state(void **state)
{
    struct rig r;
    struct err e = ERR_INIT;
    struct command slow = COMMAND_NULL;
    rig_init(&r);
    r.d.error_log = "stderr";
    nginx_daemon_write(&r.d, "one", "", "");
    run(&r);
    r.n->ops->cancel(r.n); /* idle */
    start(&r, NULL);
    assert_true(r.n->ops->reload(r.n, NULL, on_done, &r, &e) == -EBUSY);
    cancelled_in(&r, LOCAL_S_LEARN); /* nginx -V runs */
    start(&r, NULL);
    loop_until(r.io, state_of(&r) == LOCAL_S_WATCH); /* and is known from now on */
    cancelled_in(&r, LOCAL_S_WATCH);
    start(&r, NULL);
    cancelled_in(&r, LOCAL_S_LEARN);
    r.dones = 0;
    assert_int_equal(r.n->ops->count_old(r.n, on_count, &r, &e), 0);
    r.n->ops->cancel(r.n);
    loop_until(r.io, r.dones == 1);
    assert_int_equal(command_parse(&slow, "exec sleep 60", NULL), 0);
    start(&r, &slow);
    cancelled_in(&r, LOCAL_S_COMMAND);
    command_deinit(&slow);
    nginx_daemon_write(&r.d, "two", "", BROKEN);
    start(&r, NULL);
    cancelled_in(&r, LOCAL_S_EXPLAIN);
    /* decided, and not yet told */
    r.dones = 0;
    assert_int_equal(command_parse(&slow, "[\"/nowhere/x\"]", NULL), 0);
    start(&r, &slow);
    cancelled_in(&r, LOCAL_S_FINISH);
    command_deinit(&slow);
    nginx_daemon_write(&r.d, "three", "", "");
    reload(&r, NGINX_ACCEPTED, NULL);
    assert_serves(&r, "three");
    rig_deinit(&r);
}

static void the_command_that_checks(void **state)
{
    struct rig r;
    struct nginx_control *n = NULL;
    struct err e = ERR_INIT;
    rig_init(&r);
    const char *const *argv = r.n->ops->check_argv(r.n);
    const char *const wanted[] = {"/nginx", "-t", "-q", "-c", r.d.conf};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_non_null(argv[i]);
        assert_string_equal(i == 0 ? strrchr(argv[i], '/') : argv[i], wanted[i]);
    }
    assert_null(argv[5]);
    assert_int_equal(nginx_local_new(&n, r.io, NULL, &e), 0);
    argv = n->ops->check_argv(n);
    assert_string_equal(argv[2], "-q");
    assert_null(argv[3]);
    nginx_control_free(n);
    assert_int_equal(nginx_local_new(&n, r.io, "nginx.conf", &e), -EINVAL);
    assert_int_equal(e.class, ERR_INVALID);
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails),
        cmocka_unit_test(tails_of_what_is_hidden),
        cmocka_unit_test(the_command_that_checks),
        cmocka_unit_test(accepted_beside_open_connections),
        cmocka_unit_test(four_workers),
        cmocka_unit_test(old_workers_are_counted),
        cmocka_unit_test(a_syntax_error_is_refused),
        cmocka_unit_test(a_port_in_use_is_refused),
        cmocka_unit_test(a_worker_dies_during_the_reload),
        cmocka_unit_test(workers_that_cannot_start),
        cmocka_unit_test(refused_where_nobody_hears_it),
        cmocka_unit_test(a_log_that_moves_is_followed),
        cmocka_unit_test(nginx_that_does_not_run),
        cmocka_unit_test(killed_during_the_reload),
        cmocka_unit_test(restarted_during_the_reload),
        cmocka_unit_test(a_master_that_does_not_listen),
        cmocka_unit_test(a_master_that_is_stopping),
        cmocka_unit_test(pid_files_that_mislead),
        cmocka_unit_test(two_masters_of_one_configuration),
        cmocka_unit_test(found_once_by_its_title),
        cmocka_unit_test(somebody_poses_as_the_master),
        cmocka_unit_test(a_worker_without_a_title),
        cmocka_unit_test(the_pid_file_changes_hands),
        cmocka_unit_test(upgraded_during_the_reload),
        cmocka_unit_test(without_the_right_to_signal),
        cmocka_unit_test(earlier_signals_do_not_count),
        cmocka_unit_test(taken_while_it_is_noted),
        cmocka_unit_test(a_command_instead),
        cmocka_unit_test(a_command_and_a_log_that_nobody_hears),
        cmocka_unit_test(cancel_in_every_state),
    };
    if (!nginx_daemon_installed()) {
        print_message("nginx is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
