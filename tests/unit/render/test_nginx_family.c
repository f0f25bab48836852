/*
 * Processes by their titles, as engines list them; and the command that a master was started with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "render/nginx_family.h"

#define MASTER  "nginx: master process nginx -g daemon off;"
#define WORKER  "nginx: worker process"
#define OLD     "nginx: worker process is shutting down"
#define MANAGER "nginx: cache manager process"

static struct nginx_family family(const struct nginx_process *list, size_t n, pid_t first)
{
    struct nginx_family f = NGINX_FAMILY_NULL;
    if (!nginx_family_find(&f, list, n, first)) {
        fail_msg("there is no master in a list of %zu", n);
    }
    return f;
}
#define FAMILY(first, ...)                                                                         \
    family((const struct nginx_process[]){__VA_ARGS__},                                            \
           sizeof((const struct nginx_process[]){__VA_ARGS__}) / sizeof(struct nginx_process),     \
           first)

static void finds(void **state)
{
    (void)state;
    struct nginx_family f =
        FAMILY(10, {10, 1, MASTER}, {11, 10, WORKER}, {12, 10, OLD}, {13, 10, WORKER},
               {14, 10, MANAGER}, {15, 1, "sh -c nginx: worker process"}, {16, 9, WORKER});
    assert_int_equal(f.master, 10);
    assert_string_equal(f.command, "nginx -g daemon off;");
    assert_int_equal(f.n_workers, 2);
    assert_int_equal(f.workers[0], 11);
    assert_int_equal(f.workers[1], 13);
    assert_int_equal(f.n_old, 1);
    assert_int_equal(f.n_rest, 2);
    assert_int_equal(f.rest[0], 12);
    assert_int_equal(f.rest[1], 14);
    nginx_family_deinit(&f);
    nginx_family_deinit(&f); /* idempotent */

    /* the first process is it where there are several, else the first in the list */
    f = FAMILY(20, {10, 1, MASTER}, {20, 1, MASTER}, {21, 20, WORKER}, {30, 1, MASTER});
    assert_int_equal(f.master, 20);
    nginx_family_deinit(&f);
    f = FAMILY(9, {9, 1, "docker-init"}, {20, 9, MASTER}, {10, 9, MASTER});
    assert_int_equal(f.master, 20);
    nginx_family_deinit(&f);
}

static void finds_none(void **state)
{
    static const struct nginx_process list[] = {
        {10, 1, "nginx -g daemon off;"}, {11, 10, WORKER}, {12, 10, "grep nginx: master process "}};
    struct nginx_family f = NGINX_FAMILY_NULL;
    (void)state;
    assert_false(nginx_family_find(&f, list, ARRAY_LEN(list), 10));
    assert_false(nginx_family_find(&f, NULL, 0, 10));
    assert_null(f.workers);
}

#define MOST 5

static struct nginx_family family_of(const struct nginx_process list[MOST])
{
    size_t n = 0;
    while (n < MOST && list[n].pid) {
        n++;
    }
    return family(list, n, 10);
}

/* Looks in a row, after 11 and 12 served and 9 was shutting down, and 8 had no title yet. */
static void changes(void **state)
{
    static const struct {
        const char *name;
        struct nginx_process looks[3][MOST];
        enum nginx_change want[3];
    } cases[] = {
        {"the same",
         {{{10, 1, MASTER}, {11, 10, WORKER}, {12, 10, WORKER}},
          {{10, 1, MASTER}, {12, 10, WORKER}}},
         {NGINX_SAME, NGINX_SAME}},
        {"one gets its title", {{{10, 1, MASTER}, {8, 10, WORKER}}}, {NGINX_SAME}},
        {"old ones only",
         {{{10, 1, MASTER}, {11, 10, OLD}, {12, 10, OLD}}, {{10, 1, MASTER}, {12, 10, OLD}}},
         {NGINX_SAME, NGINX_SAME}},
        {"side by side, then alone",
         {{{10, 1, MASTER}, {11, 10, WORKER}, {12, 10, WORKER}, {21, 10, WORKER}},
          {{10, 1, MASTER}, {12, 10, WORKER}, {21, 10, WORKER}},
          {{10, 1, MASTER}, {21, 10, WORKER}}},
         {NGINX_CHANGING, NGINX_CHANGING, NGINX_CHANGED}},
        {"one of the old goes on",
         {{{10, 1, MASTER}, {11, 10, OLD}, {12, 10, WORKER}, {21, 10, WORKER}},
          {{10, 1, MASTER}, {11, 10, OLD}, {12, 10, WORKER}, {21, 10, WORKER}},
          {{10, 1, MASTER}, {21, 10, WORKER}}},
         {NGINX_CHANGING, NGINX_CHANGING, NGINX_CHANGED}},
        {"one worker has died",
         {{{10, 1, MASTER}, {11, 10, WORKER}, {13, 10, WORKER}},
          {{10, 1, MASTER}, {11, 10, WORKER}, {13, 10, WORKER}}},
         {NGINX_CHANGING, NGINX_CHANGING}},
        {"both have died",
         {{{10, 1, MASTER}, {11, 10, WORKER}, {13, 10, WORKER}},
          {{10, 1, MASTER}, {14, 10, WORKER}, {13, 10, WORKER}}},
         {NGINX_CHANGING, NGINX_REPLACED}},
        {"the old shut down",
         {{{10, 1, MASTER}, {11, 10, OLD}, {12, 10, OLD}, {21, 10, WORKER}},
          {{10, 1, MASTER}, {21, 10, WORKER}}},
         {NGINX_CHANGING, NGINX_CHANGED}},
        {"the old are gone",
         {{{10, 1, MASTER}, {21, 10, WORKER}, {22, 10, WORKER}},
          {{10, 1, MASTER}, {21, 10, WORKER}, {22, 10, WORKER}}},
         {NGINX_CHANGING, NGINX_REPLACED}},
        {"more than there were",
         {{{10, 1, MASTER}, {21, 10, WORKER}, {22, 10, WORKER}, {23, 10, WORKER}},
          {{10, 1, MASTER}, {21, 10, WORKER}}},
         {NGINX_CHANGING, NGINX_CHANGED}},
        {"the new ones end and are begun again",
         {{{10, 1, MASTER}, {11, 10, OLD}, {21, 10, WORKER}},
          {{10, 1, MASTER}, {22, 10, WORKER}},
          {{10, 1, MASTER}, {23, 10, WORKER}}},
         {NGINX_CHANGING, NGINX_CHANGING, NGINX_CHANGING}},
        {"the new ones end, and are not",
         {{{10, 1, MASTER}, {11, 10, OLD}, {21, 10, WORKER}},
          {{10, 1, MASTER}, {30, 10, MANAGER}},
          {{10, 1, MASTER}, {30, 10, MANAGER}}},
         {NGINX_CHANGING, NGINX_SAME, NGINX_BARE}},
        {"restarted",
         {{{30, 1, MASTER}},
          {{30, 1, MASTER}, {31, 30, WORKER}},
          {{30, 1, MASTER}, {31, 30, WORKER}}},
         {NGINX_SAME, NGINX_CHANGING, NGINX_CHANGED}},
        {"restarted, pids used again",
         {{{30, 1, MASTER}, {11, 30, WORKER}, {13, 30, WORKER}},
          {{30, 1, MASTER}, {11, 30, WORKER}, {13, 30, WORKER}}},
         {NGINX_CHANGING, NGINX_CHANGED}},
    };
    struct nginx_progress p = {0};
    (void)state;
    struct nginx_family before = FAMILY(10, {10, 1, MASTER}, {11, 10, WORKER}, {12, 10, WORKER},
                                        {9, 10, OLD}, {8, 10, MASTER});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        nginx_progress_begin(&p, &before);
        for (size_t k = 0; k < 3 && cases[i].looks[k][0].pid; k++) {
            struct nginx_family now = family_of(cases[i].looks[k]);
            enum nginx_change got = nginx_progress_look(&p, &before, &now);
            if (got != cases[i].want[k]) {
                fail_msg("%s, look %zu: %d, want %d", cases[i].name, k, (int)got,
                         (int)cases[i].want[k]);
            }
            assert_null(now.workers);
        }
    }
    nginx_progress_deinit(&p);
    nginx_progress_deinit(&p); /* idempotent */
    nginx_family_deinit(&before);
}

/* A worker that gets its title late was there before; when one dies then, that is no new generation. */
static void a_title_that_comes_late(void **state)
{
    struct nginx_progress p = {0};
    (void)state;
    struct nginx_family before = FAMILY(10, {10, 1, MASTER}, {11, 10, WORKER}, {12, 10, MASTER});
    nginx_progress_begin(&p, &before);
    struct nginx_family now = FAMILY(10, {10, 1, MASTER}, {11, 10, WORKER}, {12, 10, WORKER});
    assert_int_equal(nginx_progress_look(&p, &before, &now), NGINX_SAME);
    now = FAMILY(10, {10, 1, MASTER}, {11, 10, WORKER}, {13, 10, WORKER});
    assert_int_equal(nginx_progress_look(&p, &before, &now), NGINX_CHANGING);
    assert_false(p.generation);
    nginx_progress_deinit(&p);
    nginx_family_deinit(&before);
}

static void commands(void **state)
{
    static const struct {
        const char *command, *want;
    } cases[] = {
        {NULL, "nginx|-t|-q"},
        {"", "nginx|-t|-q"},
        {"nginx", "nginx|-t|-q"},
        {"nginx -g daemon off;", "nginx|-t|-q|-g|daemon off;"},
        {"/opt/bin/openresty -g daemon off; -c /etc/x.conf",
         "/opt/bin/openresty|-t|-q|-g|daemon off;|-c|/etc/x.conf"},
        {"nginx -c /a.conf -p /srv -e stderr", "nginx|-t|-q|-c|/a.conf|-p|/srv|-e|stderr"},
        {"nginx -c/a.conf", "nginx|-t|-q|-c/a.conf"},
        {"nginx -gdaemon off;", "nginx|-t|-q|-gdaemon off;"},
        {"nginx -g daemon off; user root; -p /srv",
         "nginx|-t|-q|-g|daemon off; user root;|-p|/srv"},
        {"nginx -g env A=-c;", "nginx|-t|-q|-g|env A=-c;"},
        {"nginx -g daemon off", "nginx|-t|-q|-g|daemon off"},
        /* of a folder that nobody knows */
        {"./nginx -c /a.conf", "nginx|-t|-q|-c|/a.conf"},
        {"nginx -q odd words", "nginx|-t|-q"},
        {"nginx  -c  ", "nginx|-t|-q|-c|"},
    };
    static const char *const extra[] = {"-t", "-q", NULL};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf got = BUF_INIT(1024);
        const char **argv = nginx_family_argv(cases[i].command, extra);
        for (size_t k = 0; argv[k]; k++) {
            buf_printf(&got, "%s%s", k > 0 ? "|" : "", argv[k]);
        }
        free(argv);
        assert_string_equal(buf_str(&got), cases[i].want);
        buf_deinit(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),    cmocka_unit_test(finds_none),
        cmocka_unit_test(changes),  cmocka_unit_test(a_title_that_comes_late),
        cmocka_unit_test(commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
