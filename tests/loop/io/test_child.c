/*
 * Child processes: every way in which one ends.
 */
#include "io/child.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/wallclock.h"
#include "lib/client.h"
#include "lib/fake_http.h"
#include "lib/loop_test.h"

struct job {
    struct child_job j;
    unsigned dones;
    struct child_result res;
    struct buf output;
    msec_t started, ended;
    void (*on_done)(struct job *job);
};

static void on_done(struct child_job *j, const struct child_result *res)
{
    struct job *job = container_of(j, struct job, j);

    job->dones++;
    job->res = *res;
    job->res.output = NULL;
    buf_puts(&job->output, res->output);
    job->ended = clock_monotonic();
    assert_false(child_running(j));
    if (job->on_done) {
        job->on_done(job);
    }
}

static void start(struct io *io, struct job *job, msec_t deadline, const char *const *argv)
{
    struct err e = ERR_INIT;

    buf_init(&job->output, 1 << 20);
    job->j.done = on_done;
    job->started = clock_monotonic();
    if (child_start(io, &job->j, argv, deadline, &e) < 0) {
        fail_msg("child_start: %s", e.msg);
    }
    assert_true(child_running(&job->j));
    assert_int_equal(job->dones, 0);
}

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

static void expect(const struct job *job, int code, int exit_status, int signal)
{
    if (job->dones != 1 || job->res.code != code || job->res.exit_status != exit_status ||
        job->res.signal != signal) {
        fail_msg(
            "expected code %d, exit %d, signal %d; got %u times code %d, exit %d, signal %d: %s",
            code, exit_status, signal, job->dones, job->res.code, job->res.exit_status,
            job->res.signal, buf_str(&job->output));
    }
}

static void test_exits(void **state)
{
    static const struct {
        const char *script;
        int exit_status, signal;
        const char *output;
    } cases[] = {
        {"true", 0, 0, ""},
        {"exit 7", 7, 0, ""},
        {"echo out; echo err >&2; echo out2; exit 1", 1, 0, "out\nerr\nout2\n"},
        {"kill -9 $$", -1, SIGKILL, ""},
        {"echo last words; kill -TERM $$", -1, SIGTERM, "last words\n"},
        {"cat", 0, 0, ""},                  /* stdin is empty */
        {"kill -PIPE $$", -1, SIGPIPE, ""}, /* our own SIG_IGN is not inherited */
        {"ps -o pid=,pgid= -p $$ | { read a b; test $a = $b; }", 0, 0, ""}, /* own group */
    };
    struct io *io = loop_open();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct job job = {0};
        start(io, &job, 9000, SH(cases[i].script));
        loop_until(io, job.dones == 1);
        expect(&job, 0, cases[i].exit_status, cases[i].signal);
        assert_string_equal(buf_str(&job.output), cases[i].output);
        buf_deinit(&job.output);
    }
    loop_close(io);
}

static void must_not_run(struct child_job *j, const struct child_result *res)
{
    (void)j;
    fail_msg("done ran after a failed start: %d", res->code);
}

static void test_cannot_be_started(void **state)
{
    static const struct {
        const char *file;
        int code;
    } cases[] = {{"no-such-command-anywhere", -ENOENT},
                 {"/no/such/command", -ENOENT},
                 {"/etc/passwd", -EACCES},
                 {"/", -EACCES}};
    struct io *io = loop_open();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct child_job j = {.done = must_not_run};
        struct err e = ERR_INIT;
        const char *const argv[] = {cases[i].file, "arg", NULL};
        int r = child_start(io, &j, argv, 1000, &e);
        if (r != cases[i].code || e.class != ERR_INVALID || !strstr(e.msg, cases[i].file)) {
            fail_msg("%s: %d %s: %s", cases[i].file, r, err_class_name(e.class), e.msg);
        }
        assert_false(child_running(&j));
    }
    io_run(io);
    loop_close(io);
}

static void test_deadline(void **state)
{
    struct io *io = loop_open();
    struct job job = {0};

    (void)state;
    start(io, &job, 700, SH("echo begun; exec sleep 1000"));
    loop_until(io, job.dones == 1);
    expect(&job, -ETIMEDOUT, -1, SIGTERM);
    assert_string_equal(buf_str(&job.output), "begun\n");
    assert_in_range(job.ended - job.started, 700, 2600);
    buf_deinit(&job.output);

    /* one that tidies up on TERM ends on its own terms, and is late all the same */
    memset(&job, 0, sizeof(job));
    start(io, &job, 700, SH("trap 'echo tidy; exit 3' TERM; while :; do sleep 0.05; done"));
    loop_until(io, job.dones == 1);
    expect(&job, -ETIMEDOUT, 3, 0);
    assert_non_null(strstr(buf_str(&job.output), "tidy\n"));
    buf_deinit(&job.output);
    loop_close(io);
}

/* Orphans become ours (main made us their reaper), so that those who died do not count. */
static bool group_exists(pid_t leader)
{
    while (waitpid(-leader, NULL, WNOHANG) > 0) {
    }
    return kill(-leader, 0) == 0;
}

/* Ignores TERM, and so does what it started: KILL after 2 s ends the whole group. */
static void test_kill(void **state)
{
    struct io *io = loop_open();
    struct job job = {0};

    (void)state;
    start(io, &job, 700, SH("trap '' TERM; echo $$; sleep 1000 & sleep 1000; sleep 1000"));
    loop_until(io, job.dones == 1);
    expect(&job, -ETIMEDOUT, -1, SIGKILL);
    assert_in_range(job.ended - job.started, 2700, 8000);
    pid_t pid = (pid_t)strtol(buf_str(&job.output), NULL, 10);
    assert_true(pid > 1);
    loop_until_outside(io, !group_exists(pid));
    buf_deinit(&job.output);
    loop_close(io);
}

/* The leader goes on TERM and leaves somebody behind who does not. */
static void test_leftovers_of_a_late_command(void **state)
{
    struct io *io = loop_open();
    struct job job = {0};

    (void)state;
    start(io, &job, 700, SH("(trap '' TERM; sleep 1000) & echo $$; wait"));
    loop_until(io, job.dones == 1);
    expect(&job, -ETIMEDOUT, -1, SIGTERM);
    pid_t pid = (pid_t)strtol(buf_str(&job.output), NULL, 10);
    assert_true(pid > 1);
    loop_until_outside(io, !group_exists(pid));
    buf_deinit(&job.output);
    loop_close(io);
}

/* A command that leaves a daemon behind, which holds the output pipe: the job ends, the daemon stays. */
static void test_daemon_is_left_alone(void **state)
{
    struct io *io = loop_open();
    struct job job = {0};

    (void)state;
    start(io, &job, 5000, SH("sleep 1000 & echo $!"));
    loop_until(io, job.dones == 1);
    expect(&job, 0, 0, 0);
    assert_in_range(job.ended - job.started, 0, 4900);
    pid_t pid = (pid_t)strtol(buf_str(&job.output), NULL, 10);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0); /* it is there */
    buf_deinit(&job.output);
    loop_close(io);
}

static void test_output_cap(void **state)
{
    struct io *io = loop_open();
    struct job job = {0};

    (void)state;
    start(io, &job, 9000, SH("yes 0123456789abcde | head -c 3000000; echo; exit 4"));
    loop_until(io, job.dones == 1);
    expect(&job, 0, 4, 0); /* it could write all of it */
    assert_int_equal(job.output.len, CHILD_OUTPUT_MAX);
    assert_memory_equal(buf_str(&job.output), "0123456789abcde\n0123", 20);
    buf_deinit(&job.output);
    loop_close(io);
}

static void test_cancel(void **state)
{
    struct io *io = loop_open();
    struct job job = {0};
    struct err e = ERR_INIT;

    (void)state;
    child_cancel(&job.j); /* idle */
    start(io, &job, 9000, SH("exec sleep 1000"));
    assert_int_equal(child_start(io, &job.j, SH("true"), 1, &e), -EBUSY);
    child_cancel(&job.j);
    child_cancel(&job.j);
    assert_int_equal(job.dones, 0);
    loop_until(io, job.dones == 1);
    expect(&job, -ECANCELED, -1, SIGTERM);
    buf_deinit(&job.output);

    /* the same job again; cancelled after its deadline has passed */
    memset(&job, 0, sizeof(job));
    start(io, &job, 500, SH("trap 'sleep 0.2; exit 0' TERM; while :; do sleep 0.02; done"));
    loop_until_outside(io, clock_monotonic() > job.started + 600 || job.dones);
    child_cancel(&job.j);
    loop_until(io, job.dones == 1);
    expect(&job, -ECANCELED, 0, 0);
    buf_deinit(&job.output);
    loop_close(io);
}

static void free_job(struct job *job)
{
    buf_deinit(&job->output);
    free(job);
}

static void start_again(struct job *job)
{
    job->on_done = NULL;
    buf_deinit(&job->output);
    struct err e = ERR_INIT;
    assert_int_equal(child_start(job->j.io, &job->j, SH("echo again"), 9000, &e), 0);
}

static void test_done_may_free_or_restart(void **state)
{
    struct io *io = loop_open();
    struct job *owner = xcalloc(1, sizeof(*owner));
    struct job job = {.on_done = start_again};

    (void)state;
    owner->on_done = free_job;
    start(io, owner, 9000, SH("echo x"));
    start(io, &job, 9000, SH("echo first"));
    io_run(io); /* ends when nothing is left */
    assert_int_equal(job.dones, 2);
    assert_string_equal(buf_str(&job.output), "again\n");
    buf_deinit(&job.output);
    loop_close(io);
}

static void stream(struct fake_exchange *x, void *ctx)
{
    (void)ctx;
    fake_stream_begin(x, 200, NULL);
    fake_stream_puts(x, "x");
}

/* Neither connections nor descriptors of the loop leak into a command that may live long. */
static void test_inherits_nothing(void **state)
{
    struct io *io = loop_open();
    struct fake_http *srv = fake_http_new(io, NULL, stream, NULL);
    struct client c = {0};
    struct job job = {0};

    (void)state;
    client_start(&c, io,
                 &(struct http_spec){.peer = fake_http_peer(srv), .path = "/", .stream = true});
    loop_until(io, c.portions == 1);
    start(io, &job, 9000, SH("ls -l /proc/$$/fd | grep -E 'socket|anon_inode'"));
    loop_until(io, job.dones == 1);
    assert_string_equal(buf_str(&job.output), "");
    expect(&job, 0, 1, 0);
    http_cancel(&c.r);
    loop_until(io, c.dones == 1);
    buf_deinit(&job.output);
    client_deinit(&c);
    fake_http_free(srv);
    loop_close(io);
}

static void test_many_at_once(void **state)
{
    enum { N = 40 };
    struct io *io = loop_open();
    static struct job jobs[N];

    (void)state;
    memset(jobs, 0, sizeof(jobs));
    for (size_t i = 0; i < N; i++) {
        char script[64];
        (void)snprintf(script, sizeof(script), "echo %zu; exit %zu", i, i);
        start(io, &jobs[i], 9000, SH(script));
    }
    for (size_t i = 0; i < N; i++) {
        char want[16];
        loop_until(io, jobs[i].dones == 1);
        expect(&jobs[i], 0, (int)i, 0);
        (void)snprintf(want, sizeof(want), "%zu\n", i);
        assert_string_equal(buf_str(&jobs[i].output), want);
        buf_deinit(&jobs[i].output);
    }
    loop_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exits),
        cmocka_unit_test(test_cannot_be_started),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_leftovers_of_a_late_command),
        cmocka_unit_test(test_daemon_is_left_alone),
        cmocka_unit_test(test_output_cap),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_done_may_free_or_restart),
        cmocka_unit_test(test_inherits_nothing),
        cmocka_unit_test(test_many_at_once),
    };
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
