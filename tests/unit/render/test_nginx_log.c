/*
 * The verdict in the error log. Lines are those of nginx 1.22.1 after a HUP with a bad configuration, and
 * with a port that another process holds.
 */
#include "render/nginx_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define D "2026/11/20 20:57:23 "
#define BUSY(port)                                                                                 \
    D "[emerg] 146#146: bind() to 127.0.0.1:" port " failed (98: Address already in use)\n"

static void refusals(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *said;
    } cases[] = {
        {"", 0, ""},
        {D "[emerg] 146#146: unknown directive \"x\" in /etc/n.conf:7\n", 1,
         "nginx: [emerg] unknown directive \"x\" in /etc/n.conf:7\n"},
        {D "[emerg] 147#147: of another one\n", 0, ""},
        {D "[emerg] 1460#146: of another one\n", 0, ""},
        {D "[error] 146#146: *3 connect() failed\n" D "[alert] 146#146: worker process 9 exited\n",
         0, ""},
        {D "[emerg] 146#146: earlier\n" D "[notice] 146#146: signal 1\n" D
           "[emerg] 146#146: later\n",
         1, "nginx: [emerg] later\n"},
        {D "[emerg] 146#146: still being writ", 0, ""},
        {"[emerg] 146#146: no date\n[emerg]\n\n" D "[emerg\n" D "[emerg] \n" D "[emerg] x#1: y\n",
         0, ""},
        {BUSY("80") BUSY("80"), 0, ""}, /* it is still trying */
        {BUSY("80") BUSY("80") D "[emerg] 146#146: still could not bind()\n", 1,
         "nginx: [emerg] bind() to 127.0.0.1:80 failed (98: Address already in use)\n"},
        {BUSY("80") BUSY("81") BUSY("80") BUSY("81") D "[emerg] 146#146: still could not bind()\n",
         2,
         "nginx: [emerg] bind() to 127.0.0.1:80 failed (98: Address already in use)\n"
         "nginx: [emerg] bind() to 127.0.0.1:81 failed (98: Address already in use)\n"},
        /* no second try for that */
        {D "[emerg] 146#146: bind() to 10.9.9.9:80 failed (99: Cannot assign requested address)\n",
         1, "nginx: [emerg] bind() to 10.9.9.9:80 failed (99: Cannot assign requested address)\n"},
        {D "[emerg] 146#146: still could not bind()\n", 1,
         "nginx: [emerg] still could not bind()\n"},
        {BUSY("80") D "[emerg] 146#146: open() \"/x\" failed (2: No such file or directory)\n", 1,
         "nginx: [emerg] open() \"/x\" failed (2: No such file or directory)\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf said = BUF_INIT(65536);
        size_t n = nginx_log_refusal(cases[i].text, strlen(cases[i].text), 146, &said);
        if (n != cases[i].n || strcmp(buf_str(&said), cases[i].said) != 0) {
            fail_msg("got %zu \"%s\" of\n%s", n, buf_str(&said), cases[i].text);
        }
        buf_deinit(&said);
    }
}

static void last_words(void **state)
{
    static const char text[] = D "[alert] 146#146: mmap(MAP_ANON|MAP_SHARED, 999) failed\n" D
                                 "[emerg] 150#150: setuid(33) failed\n" D
                                 "[alert] 151#151: setrlimit failed\n" D "[warn] 151#151: no\n";
    struct buf said = BUF_INIT(65536);
    assert_int_equal(nginx_log_last(text, sizeof(text) - 1, 146, false, &said), 1);
    assert_string_equal(buf_str(&said), "nginx: [alert] mmap(MAP_ANON|MAP_SHARED, 999) failed\n");
    buf_reset(&said);
    assert_int_equal(nginx_log_last(text, sizeof(text) - 1, 146, true, &said), 1);
    assert_string_equal(buf_str(&said), "nginx: [alert] setrlimit failed\n");
    buf_reset(&said);
    assert_int_equal(nginx_log_last(text, sizeof(text) - 1, 7, false, &said), 0);
    assert_string_equal(buf_str(&said), "");
    buf_deinit(&said);
}

static void unsettled(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"", false},
        {D "[alert] 1#1: worker process 25 exited on signal 9\n", true},
        {D "[alert] 1#1: worker process 25 exited on signal 11 (core dumped)\n" D
           "[notice] 1#1: x\n",
         true},
        {D "[notice] 1#1: worker process 25 exited with code 0\n", false},
        {D "[alert] 1#1: worker process 25 exited with fatal code 2 and cannot be respawned\n",
         false},
        {D "[alert] 1#1: cache loader process 25 exited on signal 9\n", false},
        {D "[alert] 29#29: *1 open socket #3 left in connection 4\n", false},
        {BUSY("80"), true},
        {BUSY("80") D "[notice] 146#146: x\n" BUSY("80"), true},
        {BUSY("80") D "[emerg] 146#146: still could not bind()\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (nginx_log_unsettled(cases[i].text, strlen(cases[i].text)) != cases[i].want) {
            fail_msg("not %d:\n%s", cases[i].want, cases[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(last_words),
        cmocka_unit_test(unsettled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
