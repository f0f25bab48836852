/*
 * A run that ends, or a call that fails, at every point between two calls that change files: what the next
 * run makes of it is the state before the step or the one behind it, for all files alike, and nothing is
 * left lying about. Recoveries that crash themselves included.
 */
#include "loop/renderer/files.h"

#include "loop/renderer/faulty.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define N_FILES   2
#define MAX_STEPS 4
#define MAX_CALLS 400

enum op {
    OP_END,
    OP_SWAP_OWED,
    OP_SWAP_UNCHECKED,
    OP_SWAP_SETTLED,
    OP_YES,
    OP_YES_OWED,
    OP_SETTLE,
    OP_RESTORE
};

/* What a run finds that starts here: texts of the files ('-': none), and whether a reload is owed. */
struct image {
    char texts[N_FILES + 1];
    bool owed;
};

struct step {
    enum op op;
    char texts[N_FILES + 1]; /* what a swap is to bring */
    struct image image;      /* for a run that starts behind it */
};

struct scenario {
    const char *name;
    struct image before;
    struct step steps[MAX_STEPS + 1];
};

static const struct scenario scenarios[] = {
    {"a change with a reload",
     {"1-", false},
     {{OP_SWAP_OWED, "22", {"22", true}}, {OP_SETTLE, "", {"22", false}}}},
    {"a change with a check and a reload",
     {"1-", false},
     {{OP_SWAP_UNCHECKED, "22", {"1-", false}},
      {OP_YES_OWED, "", {"22", true}},
      {OP_SETTLE, "", {"22", false}}}},
    {"a change with a check",
     {"1-", false},
     {{OP_SWAP_UNCHECKED, "22", {"1-", false}}, {OP_YES, "", {"22", false}}}},
    {"a check that fails",
     {"1-", false},
     {{OP_SWAP_UNCHECKED, "22", {"1-", false}}, {OP_RESTORE, "", {"1-", false}}}},
    {"a change with nothing behind it", {"1-", false}, {{OP_SWAP_SETTLED, "22", {"22", false}}}},
    {"two changes, then nginx refuses",
     {"1-", false},
     {{OP_SWAP_OWED, "22", {"22", true}},
      {OP_SWAP_OWED, "32", {"32", true}},
      {OP_RESTORE, "", {"1-", false}}}},
    {"a change of one file, then of the other, then nginx refuses",
     {"11", false},
     {{OP_SWAP_OWED, "21", {"21", true}},
      {OP_SWAP_OWED, "23", {"23", true}},
      {OP_RESTORE, "", {"11", false}}}},
    {"a check that fails while a reload is owed",
     {"1-", false},
     {{OP_SWAP_OWED, "21", {"21", true}},
      {OP_SWAP_UNCHECKED, "33", {"21", true}},
      {OP_RESTORE, "", {"21", true}}}},
    {"a check that succeeds while a reload is owed",
     {"1-", false},
     {{OP_SWAP_OWED, "21", {"21", true}},
      {OP_SWAP_UNCHECKED, "33", {"21", true}},
      {OP_YES_OWED, "", {"33", true}}}},
};

/* What a run that is cut off leaves in memory is no leak. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static struct {
    unsigned step; /* the one that is under way */
} * progress;

static bool in_place; /* the first file is a mount point */

/* Long enough for a mixture of two to be seen, and of different lengths. */
static const char *text_of(char c)
{
    static char texts[4][4096];
    if (c == '-') {
        return NULL;
    }
    size_t i = (size_t)(c - '0');
    memset(texts[i], c, 600 * (5 - i));
    texts[i][600 * (5 - i)] = '\0';
    return texts[i];
}

/* What the files hold, '?' for what no step has brought. */
static void look(const struct files *f, char texts[N_FILES + 1])
{
    for (size_t i = 0; i < N_FILES; i++) {
        texts[i] = '?';
        for (const char *c = "-123"; *c; c++) {
            texts[i] = holds(f->path[i], text_of(*c)) ? *c : texts[i];
        }
    }
    texts[N_FILES] = '\0';
}

static void wipe(struct files *f, const struct image *image)
{
    f->o = outputs_free(f->o);
    for (size_t i = 0; i < N_FILES; i++) {
        char folder[256];
        snprintf(folder, sizeof(folder), "%s/%c", f->dir, (char)('a' + i));
        DIR *dir = opendir(folder);
        assert_non_null(dir);
        for (struct dirent *ent; (ent = readdir(dir)) != NULL;) {
            (void)!unlinkat(dirfd(dir), ent->d_name, 0);
        }
        closedir(dir);
        if (image->texts[i] != '-') {
            put(f->path[i], text_of(image->texts[i]));
        }
    }
}

static int swap_to(struct files *f, const struct step *s, enum outputs_phase to)
{
    uint64_t digest;
    for (size_t i = 0; i < N_FILES; i++) {
        const char *want = text_of(s->texts[i]);
        f->bytes[i] = (struct outputs_bytes){.p = want, .len = strlen(want)};
    }
    (void)outputs_compare(f->o, f->bytes, &digest);
    int r = outputs_stage(f->o, NULL);
    return r < 0 ? r : outputs_swap(f->o, to, NULL);
}

static int run_step(struct files *f, const struct step *s)
{
    switch (s->op) {
    case OP_SWAP_OWED:
        return swap_to(f, s, OUTPUTS_OWED);
    case OP_SWAP_UNCHECKED:
        return swap_to(f, s, OUTPUTS_UNCHECKED);
    case OP_SWAP_SETTLED:
        return swap_to(f, s, OUTPUTS_SETTLED);
    case OP_YES:
    case OP_YES_OWED:
        return outputs_checked(f->o, s->op == OP_YES_OWED, NULL);
    case OP_SETTLE:
        outputs_settle(f->o);
        return 0;
    case OP_RESTORE:
        return outputs_restore(f->o, NULL);
    default:
        return 0;
    }
}

static int start_and_run(struct files *f, const struct scenario *s, enum faulty_kind kind,
                         unsigned at)
{
    if (!s) {
        faulty_arm(kind, at);
    }
    int r = outputs_new(&f->o, f->c, f->n, true, true, &f->found, NULL);
    if (s) {
        faulty_arm(kind, at);
        for (unsigned i = 0; r == 0 && s->steps[i].op != OP_END; i++) {
            progress->step = i;
            r = run_step(f, &s->steps[i]);
        }
    }
    return r;
}

/* A process that goes through the steps and may be killed. True: it was not. */
static bool survives(struct files *f, const struct scenario *s, enum faulty_kind kind, unsigned at)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(start_and_run(f, s, kind, at) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        fail_msg("%s: status %x at call %u", s->name, (unsigned)status, at);
    }
    return false;
}

/* The same in this process; s NULL: only recovers. */
static bool survives_here(struct files *f, const struct scenario *s, unsigned at)
{
    int first_fd = dup(STDERR_FILENO);
    assert_true(first_fd >= 0);
    close(first_fd);
    if (__lsan_disable) {
        __lsan_disable();
    }
    volatile bool survived = false;
    if (setjmp(faulty_out) == 0) {
        int r = start_and_run(f, s, FAULTY_JUMPS, at);
        faulty_disarm();
        assert_int_equal(r, 0);
        survived = true;
    }
    faulty_disarm();
    if (__lsan_enable) {
        __lsan_enable();
    }
    f->o = NULL;
    assert_int_equal(close_range((unsigned)first_fd, ~0u, 0), 0);
    return survived;
}

static bool is_image(const struct files *f, const char *texts, const struct image *image)
{
    return strcmp(texts, image->texts) == 0 && (outputs_phase(f->o) == OUTPUTS_OWED) == image->owed;
}

/* The last run of all: in a right state, from which it goes on to the end. */
static void expect_recovered(struct files *f, const struct scenario *s, unsigned step,
                             unsigned variant, const char *what)
{
    char texts[N_FILES + 1];
    const struct image *before = step == 0 ? &s->before : &s->steps[step - 1].image;
    files_start(f);
    look(f, texts);
    if (!is_image(f, texts, before) && !is_image(f, texts, &s->steps[step].image)) {
        fail_msg("%s, step %u, %s: files %s, phase %d, found %d", s->name, step, what, texts,
                 (int)outputs_phase(f->o), (int)f->found);
    }
    if (outputs_phase(f->o) == OUTPUTS_OWED) {
        if (variant % 2 == 0) {
            outputs_settle(f->o);
        } else if (strcmp(texts, s->before.texts) != 0) {
            assert_int_equal(outputs_restore(f->o, NULL), 0);
            look(f, texts);
            assert_string_equal(texts, s->before.texts);
        } else {
            outputs_settle(f->o); /* owed again after a change that was taken back */
        }
    }
    assert_int_equal(outputs_phase(f->o), OUTPUTS_SETTLED);
    files_start(f);
    assert_int_equal(f->found, OUTPUTS_FOUND_CLEAN);
    expect_no_leftovers(f);
}

static void open_files(struct files *f)
{
    files_init(f, N_FILES);
    progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(progress != MAP_FAILED);
    if (in_place) {
        char other[256];
        snprintf(other, sizeof(other), "%s/other", f->dir);
        put(other, "");
        put(f->path[0], "");
        assert_int_equal(mount(other, f->path[0], NULL, MS_BIND, NULL), 0);
    }
}

static void close_files(struct files *f)
{
    if (in_place) {
        assert_int_equal(umount(f->path[0]), 0);
    }
    munmap(progress, sizeof(*progress));
    files_deinit(f);
}

static unsigned crash_everywhere(struct files *f, const struct scenario *s, enum faulty_kind kind)
{
    unsigned at = 0;
    for (bool over = false; !over; at++) {
        char what[80];
        assert_true(at < MAX_CALLS);
        wipe(f, &s->before);
        over = survives(f, s, kind, at);
        snprintf(what, sizeof(what), "killed at call %u", at);
        expect_recovered(f, s, progress->step, at, what);
    }
    return at - 1;
}

/* The recovery is killed too, at each of its calls. */
static unsigned crash_twice(struct files *f, const struct scenario *s)
{
    unsigned n = 0;
    for (unsigned at = 0;; at++) {
        for (unsigned again = 0;; again++, n++) {
            char what[80];
            wipe(f, &s->before);
            if (survives_here(f, s, at)) {
                return n;
            }
            unsigned step = progress->step;
            bool over = survives_here(f, NULL, again);
            snprintf(what, sizeof(what), "killed at call %u, recovery at call %u", at, again);
            expect_recovered(f, s, step, again, what);
            if (over) {
                break;
            }
        }
    }
}

static void a_crash_anywhere_ends_in_a_right_state(void **state)
{
    struct files f;
    open_files(&f);
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        unsigned calls = crash_everywhere(&f, &scenarios[i], FAULTY_DIES);
        assert_true(calls > 10);
        assert_int_equal(crash_everywhere(&f, &scenarios[i], FAULTY_DIES_HALF), calls);
        unsigned twice = crash_twice(&f, &scenarios[i]);
        print_message("%s: %u crashes, %u followed by another\n", scenarios[i].name, calls, twice);
    }
    close_files(&f);
}

/* One call fails; then none does any more. */
static unsigned fail_everywhere(struct files *f, const struct scenario *s, enum faulty_kind kind)
{
    unsigned at = 0;
    for (bool over = false; !over; at++) {
        char texts[N_FILES + 1];
        char what[80];
        unsigned step = 0;
        int r = 0;
        wipe(f, &s->before);
        files_start(f);
        enum outputs_phase phase = outputs_phase(f->o);
        faulty_arm(kind, at);
        for (; r == 0 && s->steps[step].op != OP_END; step++) {
            phase = outputs_phase(f->o);
            r = run_step(f, &s->steps[step]);
        }
        over = faulty_disarm() <= at;
        step--;
        assert_true(!over || r == 0);
        enum op op = s->steps[step].op;
        if (r < 0 && op != OP_RESTORE && outputs_phase(f->o) != phase) {
            /* could not even be put back: not while it goes on failing, but now */
            assert_int_equal(outputs_phase(f->o), OUTPUTS_UNCHECKED);
            assert_int_equal(outputs_restore(f->o, NULL), 0);
            assert_int_equal(outputs_phase(f->o), phase);
        } else if (r < 0 && op == OP_RESTORE) {
            assert_int_equal(outputs_restore(f->o, NULL), 0);
            r = 0;
        }
        look(f, texts);
        snprintf(what, sizeof(what), "call %u failing", at);
        if (r < 0) {
            const struct image *before = step == 0 ? &s->before : &s->steps[step - 1].image;
            if (!is_image(f, texts, before)) {
                fail_msg("%s, step %u, %s: files %s, phase %d", s->name, step, what, texts,
                         (int)outputs_phase(f->o));
            }
        }
        expect_recovered(f, s, step, at, what);
    }
    return at - 1;
}

static void a_call_that_fails_leaves_a_right_state(void **state)
{
    struct files f;
    open_files(&f);
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        unsigned eio = fail_everywhere(&f, &scenarios[i], FAULTY_EIO);
        unsigned full = fail_everywhere(&f, &scenarios[i], FAULTY_FULL);
        print_message("%s: %u failures, %u times a full disk\n", scenarios[i].name, eio, full);
        assert_true(eio > 10 && full > 10);
    }
    close_files(&f);
}

/* A mount namespace of this process's own. */
static int setup_mounts(void **state)
{
    if (unshare(CLONE_NEWNS) == 0) {
        in_place = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    }
    return 0;
}

static void the_same_where_a_file_is_a_mount_point(void **state)
{
    if (!in_place) {
        skip();
    }
    a_crash_anywhere_ends_in_a_right_state(state);
    a_call_that_fails_leaves_a_right_state(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_anywhere_ends_in_a_right_state),
        cmocka_unit_test(a_call_that_fails_leaves_a_right_state),
        cmocka_unit_test_setup(the_same_where_a_file_is_a_mount_point, setup_mounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
